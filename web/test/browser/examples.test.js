// The examples do what they say.

import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Server, soon, until } from '../stage.js';
import { launch, open, pages } from './chromium.js';

const example = (name) => fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
/** @type {Server} */
let server;
before(async () => {
  server = await Server.start();
});
after(() => server.stop());

test('follow.js says what changes', async (t) => {
  const child = spawn(process.execPath, [example('follow.js'), 'clients'], {
    env: { ...process.env, ROWBELL_URL: server.url }, stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const lines = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  await until('the rows', () => lines[0] === '0 rows');
  await server.sql("insert into clients (name) values ('Anna Rowe')");
  await until('the change', () => lines.some((line) => line.includes('"name":"Anna Rowe"')));
});

test('follow.js ends with a reason where there is nothing to follow', async () => {
  const child = spawn(process.execPath, [example('follow.js'), 'nothing'], { env: { ...process.env, ROWBELL_URL: server.url } });
  let said = '';
  child.stderr.on('data', (data) => (said += data));
  assert.equal(await soon('its end', new Promise((resolve) => child.on('close', resolve))), 1);
  assert.match(said, /no channel/);
});

test('board.html shows orders, and makes and pays them', async (t) => {
  const site = await pages('', { '/board.html': fs.readFileSync(example('board.html'), 'utf8') });
  await server.kill();
  await server.serve({ ROWBELL_ALLOW_ORIGIN: site.url });
  const browser = await launch();
  t.after(async () => (await browser.close(), site.close()));
  const page = await open(await browser.newContext(), `${site.url}/board.html?server=${server.url}`, true);
  await page.locator('#feed', { hasText: 'live' }).waitFor();
  await page.getByRole('button', { name: 'New order' }).click();
  await page.locator('li:not(.pending)', { hasText: 'open' }).getByRole('button', { name: 'paid' }).click();
  await page.locator('li:not(.pending)', { hasText: 'paid' }).filter({ hasNotText: 'open' }).waitFor();
  assert.equal(await server.sql("select string_agg(status, ' ') from orders"), 'paid');
  assert.deepEqual(page.errors, []);
});
