// The shop in a real browser: two branches that disagree, and what becomes of it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server, until } from '../stage.js';
import { SIZES, accessible, browse, open } from './page.js';

/** @type {Server} */
let server;
before(async () => {
  server = await Server.start();
  const seeded = server.run('seed');
  assert.equal(seeded.status, 0, seeded.stderr);
});
after(() => server.stop());

/** One branch on the page. @param {import('playwright-core').Page} page @param {'left' | 'right'} side */
function branch(page, side) {
  const panel = page.locator(`.branch.${side}`);
  const card = (reference) => panel.locator('.order').filter({ hasText: reference });
  return {
    panel,
    card,
    // On a small screen one of the branches is out of sight.
    told: (text) => panel.locator('.head .pill').filter({ hasText: text }).waitFor({ state: 'attached' }),
    online: () => panel.getByRole('switch', { name: 'Online' }).click(),
    async note(reference, text) {
      await card(reference).locator('.open').click();
      const dialog = panel.getByRole('dialog');
      await dialog.getByLabel('Note').fill(text);
      await dialog.getByRole('button', { name: 'Save' }).click();
    },
  };
}

/** An order of a status, the newest that has no note. */
const order = async (status) => {
  const [id, reference] = (await server.sql(`select id, reference from orders where status = '${status}' order by note nulls first, created_at desc limit 1`)).split('|');
  return { id, reference, column: (name) => server.sql(`select ${name} from orders where id = '${id}'`) };
};

async function shop(t, options = {}) {
  const page = await open(t, await browse(t), `${server.url}/demo`, options);
  const [left, right] = [branch(page, 'left'), branch(page, 'right')];
  await Promise.all([left, right].map(({ told }) => told('up to date')));
  await page.locator('.left .order').first().waitFor();
  return { page, left, right };
}

test('two branches edit one order offline, come back, settle, and everybody agrees', async (t) => {
  const { page, left, right } = await shop(t);
  const { reference, column } = await order('held');
  const before = await column('note');
  for (const side of [left, right]) await side.online();
  await left.note(reference, 'Ring first');
  await right.note(reference, 'Knock twice');
  await right.card(reference).getByRole('button', { name: /^Take payment/ }).click();
  await right.told('offline, 2 waiting');
  await left.told('offline, 1 waiting');
  await left.card(reference).getByText('not sent yet').waitFor();
  assert.equal(await column('note'), before, 'nothing was sent');

  await left.online();
  await left.told('up to date');
  assert.equal(await column('note'), 'Ring first');
  assert.equal(await right.card(reference).getByText('Knock twice').count(), 1, 'offline nothing is heard');

  await right.online();
  await right.panel.getByRole('button', { name: `Settle…: Order ${reference}` }).click();
  const dialog = page.getByRole('dialog', { name: `Order ${reference}` });
  await dialog.getByText('Harbourside, just now').waitFor();
  await dialog.getByRole('radiogroup', { name: 'Note' }).getByRole('radio', { name: 'Yours' }).click();
  await dialog.getByRole('button', { name: 'Use merged' }).click();
  await right.told('up to date');
  await until('the order to be paid', async () => (await column('status')) === 'paid');
  assert.equal(await column('note'), 'Knock twice');
  for (const { panel, card } of [left, right]) {
    await panel.getByRole('group', { name: 'Paid' }).locator('.order').filter({ hasText: reference }).getByText('Knock twice').waitFor();
    assert.equal(await card(reference).getByText('not sent yet').count(), 0);
  }
  assert.equal(await right.panel.getByText('Needs you').count(), 0);
});

test('what others write is there at once, with who and where', async (t) => {
  const { left, right } = await shop(t);
  const { id, reference } = await order('open');
  await server.sql(`begin; set local rowbell.actor = 'Nightly job'; set local rowbell.branch = 'Head office'; update orders set note = 'Checked' where id = '${id}'; commit`);
  for (const { panel, card } of [left, right]) {
    await card(reference).getByText('Nightly job, Head office · just now').waitFor();
    await panel.getByRole('list', { name: 'What others did' }).getByText(`changed ${reference}`).waitFor();
  }
  await left.card(reference).getByRole('button', { name: /^Set aside/ }).click();
  const there = right.panel.getByRole('group', { name: 'Set aside' }).locator('.order').filter({ hasText: reference });
  await there.getByText(/Harbourside · just now/).waitFor();
  const [actor, place] = (await server.sql(`select actor, branch from rowbell.changes where id = '${id}' order by seq desc limit 1`)).split('|');
  assert.equal(place, 'Harbourside');
  assert.ok((await left.panel.locator('.person').textContent()) === actor, actor);
});

test('an order is made and stock is moved offline, a reload keeps both, and what the server refuses is told', async (t) => {
  const { page, left } = await shop(t);
  await left.online();
  await left.panel.getByRole('button', { name: 'New order', exact: true }).click();
  const dialog = left.panel.getByRole('dialog', { name: 'New order' });
  await dialog.getByRole('button', { name: 'Add' }).click();
  await dialog.getByRole('button', { name: /^One more/ }).click();
  await dialog.getByLabel('Note').fill('Made in the tunnel');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await left.card('Made in the tunnel').getByText('not sent yet').waitFor();
  await left.panel.getByRole('tab', { name: 'Stock' }).click();
  const row = left.panel.getByRole('row').filter({ hasText: 'Adjustable spanner, 150 mm' });
  const before = Number(await row.locator('b').textContent());
  await row.getByRole('button', { name: /^Sold 1/ }).click();
  await row.getByText('not sent yet').waitFor();
  assert.equal(Number(await row.locator('b').textContent()), before - 1);
  assert.equal(await server.sql("select count(*) from orders where note = 'Made in the tunnel'"), '0');
  await page.reload();
  await left.told('up to date');
  const [items, total] = (await server.sql("select items->0->>'quantity', total = (items->0->>'price')::numeric * 2 from orders where note = 'Made in the tunnel'")).split('|');
  assert.deepEqual([items, total], ['2', 't']);
  await left.panel.getByRole('tab', { name: 'Stock' }).click();
  const onHand = (sum) => row.locator('b').getByText(String(sum), { exact: true }).waitFor();
  await onHand(before - 1);

  await server.sql("alter table stock_movements add constraint closed check (quantity <> 10) not valid");
  t.after(() => server.sql('alter table stock_movements drop constraint closed'));
  await row.getByRole('button', { name: /^\+10/ }).click();
  await left.panel.getByText('Needs you').waitFor();
  await left.panel.locator('.letter').getByText('closed').waitFor();
  await left.panel.getByRole('button', { name: /^Give up/ }).click();
  await until('the letter to go', async () => (await left.panel.locator('.letter').count()) === 0);
  await onHand(before - 1);
});

test('an order deleted meanwhile can be made again', async (t) => {
  const { page, right } = await shop(t);
  const { id, reference, column } = await order('open');
  await right.online();
  await right.note(reference, 'Still wanted');
  await server.sql(`delete from stock_movements where order_id = '${id}'; delete from orders where id = '${id}'`);
  await right.online();
  await right.panel.getByRole('button', { name: /^Settle/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Make it again' }).click();
  await right.card(reference).getByText('Still wanted').waitFor();
  await until('the order to be there', async () => (await column('note')) === 'Still wanted');
});

test('an empty database, and one without the tables, are told of', async (t) => {
  const bare = await Server.start();
  t.after(() => bare.stop());
  const page = await open(t, await browse(t), `${bare.url}/demo`);
  await page.getByText('The shop is empty: rowbell seed fills it.').waitFor();
  assert.equal(bare.run('unwatch', 'orders').status, 0);
  await page.reload();
  await page.getByText('Missing: orders.').waitFor();
});

test('nobody is kept out, light or dark, small or large', async (t) => {
  for (const viewport of Object.values(SIZES)) {
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      const { page, left } = await shop(t, { viewport, colorScheme });
      const what = `${viewport.width} px, ${colorScheme}`;
      await accessible(page, `the orders at ${what}`);
      await left.online();
      await left.panel.getByRole('button', { name: 'New order', exact: true }).click();
      await accessible(page, `a new order at ${what}`);
      await page.keyboard.press('Escape');
      await left.panel.getByRole('tab', { name: 'Orders' }).press('ArrowRight');
      await left.panel.getByRole('button', { name: /^Sold 1/ }).first().click();
      await left.panel.getByText('Waiting to be sent').waitFor();
      await accessible(page, `the stock, offline, at ${what}`);
      await page.close();
    }
  }
});
