// The console in a real browser, on a real server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server, until } from '../stage.js';
import { SIZES, accessible, browse, open } from './page.js';

/** What a browser says by itself of a request that cannot be answered. */
const AWAY = [/Failed to load resource/, /WebSocket connection/];

/** @type {Server} */
let server;
before(async () => {
  server = await Server.start();
  await server.watch('notes', 'id int primary key, body text, secret text');
});
after(() => server.stop());

const live = (page) => page.getByRole('status').filter({ hasText: /^live$/ }).waitFor();

test('a write by psql is seen as it happens, with who and where, and leads to the history', async (t) => {
  const page = await open(t, await browse(t), server.url);
  await live(page);
  await server.sql("begin; set local rowbell.actor = 'Ann'; set local rowbell.branch = 'Bath'; insert into notes values (1, '<b>hello</b>'); commit");
  const commit = page.getByRole('list', { name: 'Commits' }).getByRole('listitem').first();
  await commit.filter({ hasText: '<b>hello</b>' }).waitFor();
  const text = await commit.textContent();
  assert.match(text, /by Ann.*at Bath.*insert.*notes 1/);
  await server.sql("update notes set body = 'bye' where id = 1");
  await page.locator('del', { hasText: '<b>hello</b>' }).waitFor();
  await commit.getByRole('link', { name: '1' }).click();
  await page.getByRole('region', { name: 'History' }).waitFor();
  assert.equal(await page.getByLabel('Id of the row').inputValue(), '1');
  const changes = page.getByRole('region', { name: 'History' }).getByRole('listitem').filter({ hasText: /version/ });
  await changes.nth(1).filter({ hasText: /by Ann.*at Bath.*insert/ }).waitFor();
  assert.match(await changes.first().textContent(), /update.*bye/);
  assert.equal(await changes.count(), 2);
});

test('it survives a restart of the server', async (t) => {
  const page = await open(t, await browse(t), server.url, { expected: AWAY });
  await live(page);
  await server.kill();
  await page.getByText('server away, trying again').waitFor();
  await server.sql("insert into notes values (2, 'written while it was away')");
  await server.serve();
  await live(page);
  await page.getByText('written while it was away').waitFor();
  await server.sql("insert into notes values (3, 'and after')");
  await page.getByText('and after').waitFor();
});

test('numbers, charts, listeners and mode', async (t) => {
  const page = await open(t, await browse(t), server.url);
  await live(page);
  const tile = (name) => page.getByRole('list', { name: 'Numbers' }).getByRole('listitem').filter({ hasText: name });
  assert.equal(await page.getByText('bell mode').count(), 1);
  await tile('Sessions').filter({ hasText: 'Sessions1' }).waitFor();
  await tile('Log').filter({ hasText: /[\d.]+ (KiB|MiB)kept for 7 d/ }).waitFor();
  await server.sql("insert into notes select n, 'many' from generate_series(100, 1099) n");
  await page.getByRole('img', { name: /^Changes: now .* at most [1-9]/ }).waitFor();
  await page.getByText('and 980 more changes').waitFor();
  await page.locator('#listened').getByText('*', { exact: true }).waitFor();
});

test('the list can be held still, and shows one channel', async (t) => {
  await server.watch('others', 'id int primary key');
  const page = await open(t, await browse(t), server.url);
  await live(page);
  await page.getByRole('button', { name: 'Pause' }).click();
  await server.sql("insert into notes values (10, 'held back')");
  await page.getByRole('button', { name: 'Go on (1)' }).waitFor();
  assert.equal(await page.getByText('held back').count(), 0);
  await page.getByRole('button', { name: 'Go on (1)' }).click();
  await page.getByText('held back').waitFor();
  await page.getByLabel('Channel', { exact: true }).selectOption('others');
  await server.sql("begin; insert into notes values (11, 'not wanted'); insert into others values (1); commit");
  await page.locator('#stream').getByText('others').waitFor();
  assert.equal(await page.getByText('not wanted').count(), 0);
});

test('a topic is tried: its rows, its commits, and what the server says of a wrong one', async (t) => {
  const page = await open(t, await browse(t), server.url, { expected: AWAY });
  await live(page);
  await page.getByRole('link', { name: 'Try a topic' }).click();
  const topic = page.getByLabel('Topic: channels, and a filter of rows');
  await topic.fill('others,notes');
  await topic.press('Enter');
  await page.getByText('The server calls it notes,others').waitFor();
  await server.sql("insert into notes values (20, 'to the tester')");
  await page.locator('section#topic').getByText('to the tester').waitFor();
  await topic.fill('notes?id=eq.21');
  await topic.press('Enter');
  await page.getByText('The server calls it notes?id=eq.21').waitFor();
  await server.sql("begin; insert into notes values (22, 'let through'); insert into notes values (21, 'wanted'); commit");
  await page.locator('section#topic').getByText('wanted').waitFor();
  assert.equal(await page.locator('section#topic').getByText('let through').count(), 0);
  await topic.fill('nowhere');
  await page.getByRole('button', { name: 'Follow' }).click();
  await page.locator('#topic .told.bad').filter({ hasText: /nowhere|no table/ }).waitFor();
  await topic.fill('notes?nothing=eq.1');
  await topic.press('Enter');
  await page.locator('#topic .told.bad').filter({ hasText: 'nothing' }).waitFor();
  await topic.fill('notes');
  await topic.press('Enter');
  await page.getByText('The first 5 rows it holds now').waitFor();
});

test('tables are watched and unwatched', async (t) => {
  await server.sql('create table plain (id int primary key, password_hash text, amount numeric, account bigint); create table keyless (id int)');
  const page = await open(t, await browse(t), server.url, { expected: [/status of 422/] });
  await page.getByRole('button', { name: 'Watch a table…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Watch a table' });
  assert.deepEqual(await dialog.getByLabel('Table').locator('option').allTextContents(), ['plain']);
  await dialog.getByLabel('Channel').fill('Not A Name');
  await dialog.getByRole('button', { name: 'Watch' }).click();
  await dialog.getByRole('alert').filter({ hasText: 'Not A Name' }).waitFor();
  await dialog.getByLabel('Channel').fill('simple');
  await dialog.getByLabel('Columns that never').fill('password_hash');
  await dialog.getByLabel('Numbers sent as text').fill('amount, account');
  await dialog.getByRole('button', { name: 'Watch' }).click();
  await page.getByText('without password_hash · amount, account as text').waitFor();
  assert.equal(await server.sql("select omit, as_text from rowbell.channel where channel = 'simple'"), '{password_hash}|{amount,account}');
  await until('the new channel to be followed', async () => {
    await server.sql("insert into plain select coalesce(max(id), 0) + 1, 'secret', 0.10, 9007199254740993 from plain");
    return (await page.locator('#stream').getByText('simple').count()) > 0;
  });
  await page.locator('#stream').getByText('9007199254740993').first().waitFor();
  await page.getByRole('button', { name: 'Unwatch simple' }).click();
  await page.getByRole('dialog', { name: 'Unwatch simple?' }).getByRole('button', { name: 'Unwatch' }).click();
  await until('the channel to go', async () => (await page.locator('#channel-list').getByText('simple').count()) === 0);
  assert.equal(await server.sql("select count(*) from rowbell.channel where channel = 'simple'"), '0');
});

test('the token is asked for, once, and again when it is wrong', async (t) => {
  const guarded = await Server.start({ ROWBELL_TOKEN: 's3cret' });
  t.after(() => guarded.stop());
  const page = await open(t, await browse(t), guarded.url, { expected: AWAY });
  const dialog = page.getByRole('dialog', { name: 'This server asks for its token' });
  await dialog.waitFor();
  await page.keyboard.press('Escape');
  await accessible(page, 'the question for the token');
  await dialog.getByLabel('Token').fill('guess');
  await page.keyboard.press('Enter');
  await dialog.getByText('That is not the token.').waitFor();
  await dialog.getByLabel('Token').fill('s3cret');
  await page.keyboard.press('Enter');
  await live(page);
  await page.reload();
  await live(page);
  await page.getByRole('button', { name: 'Forget token' }).click();
  await dialog.waitFor();
});

test('nobody is kept out of any view, light or dark, small or large', async (t) => {
  const browser = await browse(t);
  for (const viewport of Object.values(SIZES)) {
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      const page = await open(t, browser, server.url, { viewport, colorScheme, expected: AWAY });
      await live(page);
      await server.sql("update notes set body = body || '.' where id < 3");
      await page.locator('#stream .commit').first().waitFor();
      for (const view of ['#/', '#/topic/notes', '#/history/notes/1']) {
        await page.evaluate((hash) => (location.hash = hash), view);
        await accessible(page, `${view} at ${viewport.width} px, ${colorScheme}`);
      }
      await page.close();
    }
  }
});
