// The conflict dialog, as somebody with a mouse uses it, and as somebody with a keyboard does.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { before, test } from 'node:test';
import { SIZES, accessible, browse, open } from './page.js';

const BASE = { id: 'a', note: 'ring', total: 12.5, items: [{ name: 'Saw' }], place: { city: 'Bath', floor: 2 }, paid: false, version: 7 };
const THEIRS = { ...BASE, note: 'ring twice', total: 40, place: { city: 'Bath', floor: 3 }, version: 9 };
const YOURS = { note: 'knock', items: [{ name: 'Saw' }, { name: 'Axe' }], place: { city: 'Bristol' } };
const BOTH = { current: THEIRS, base: BASE, yours: YOURS };
const GONE = { current: null, base: BASE, yours: YOURS };
const REMOVED = { current: THEIRS, base: BASE, yours: { version: 7 } };

/** The files as they are, under the policy that the server sends. */
function serve() {
  const page = '<!doctype html><html lang="en"><title>Conflict</title><meta name="viewport" content="width=device-width">' +
    '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,"><script type="module" src="/rowbell-conflict.js">' +
    '</script><main><h1>Orders</h1><button>Before</button><rowbell-conflict></rowbell-conflict></main></html>';
  const server = http.createServer((request, answer) => {
    const isPage = request.url === '/';
    answer.setHeader('content-type', isPage ? 'text/html' : 'text/javascript');
    answer.setHeader('content-security-policy', "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:");
    answer.end(isPage ? page : fs.readFileSync(new URL(`../..${request.url}`, import.meta.url)));
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

let url = '';
before(async () => {
  const server = await serve();
  server.unref();
  url = `http://127.0.0.1:${server.address().port}/`;
});

/** Asks, and gives the decision once there is one; `asked` is awaited before, with the dialog open. */
async function decided(page, conflict, act) {
  await page.evaluate((given) => {
    const dialog = document.querySelector('rowbell-conflict');
    window.told = [];
    dialog.addEventListener('decision', ({ detail }) => window.told.push(detail.choice), { once: true });
    window.answer = dialog.ask(given, { heading: 'Order BRI-00042', names: { place: 'delivery' } });
  }, conflict);
  await page.getByRole('dialog', { name: 'Order BRI-00042' }).waitFor();
  await act();
  const decision = await page.evaluate(() => window.answer);
  assert.deepEqual(await page.evaluate(() => window.told), [decision.choice], 'the event says the same');
  assert.equal(await page.getByRole('dialog').count(), 0, 'the dialog is gone');
  return decision;
}

/** Everything somebody can do there, by what they use. */
function hands(page) {
  const button = (name) => page.getByRole('button', { name, exact: true });
  const radio = (field, side) => page.getByRole('radiogroup', { name: field }).getByRole('radio', { name: side });
  const walkTo = async (locator) => {
    for (let steps = 0; steps < 40; steps += 1) {
      if (await locator.evaluate((node) => node.getRootNode().activeElement === node)) return;
      await page.keyboard.press('Tab');
    }
    assert.fail(`no way by Tab to ${locator}`);
  };
  return {
    mouse: {
      press: (name) => button(name).click(),
      choose: (field, side) => radio(field, side).click(),
      write: (field, text) => page.getByRole('textbox', { name: field }).fill(text),
    },
    keyboard: {
      press: async (name) => {
        await walkTo(button(name));
        await page.keyboard.press('Enter');
      },
      choose: async (field, side) => {
        // The first of an undecided group takes the focus; arrows go on from there.
        await walkTo(radio(field, 'Yours'));
        await page.keyboard.press(side === 'Yours' ? 'Space' : 'ArrowRight');
      },
      write: async (field, text) => {
        await walkTo(page.getByRole('textbox', { name: field }));
        await page.keyboard.press('Control+a');
        await page.keyboard.type(text);
      },
    },
  };
}

for (const by of /** @type {const} */ (['mouse', 'keyboard'])) {
  test(`every decision by ${by}`, async (t) => {
    const page = await open(t, await browse(t), url);
    const { press, choose, write } = hands(page)[by];

    const mine = await decided(page, BOTH, () => press('Keep mine'));
    assert.deepEqual([mine.choice, mine.method, mine.version], ['mine', 'PATCH', 9]);
    assert.deepEqual(mine.body, { note: 'knock', items: YOURS.items, place: { city: 'Bristol' } });
    assert.equal(mine.row.total, 40, 'what only they changed stays theirs');

    const server = await decided(page, BOTH, () => press('Keep theirs'));
    assert.deepEqual([server.choice, server.method, server.row], ['server', null, THEIRS]);

    const merged = await decided(page, BOTH, async () => {
      await press('Use merged');
      assert.equal(await page.getByRole('status').textContent(), 'One field still needs your choice.');
      const focused = await page.evaluate(() => document.querySelector('rowbell-conflict').shadowRoot.activeElement.name);
      assert.equal(focused, 'field-0', 'the focus is where the choice is due');
      await choose('note', 'Now on the server');
      assert.equal(await page.getByRole('status').textContent(), 'Everything is decided.');
      await press('Use merged');
    });
    assert.deepEqual([merged.choice, merged.body], ['merge', { items: YOURS.items, place: { city: 'Bristol' } }]);
    assert.deepEqual(merged.row.place, { city: 'Bristol', floor: 3 }, 'json is brought together by key');

    const edited = await decided(page, BOTH, async () => {
      await press('Edit…');
      await write('total', 'a lot');
      await press('Save this');
      assert.equal(await page.getByRole('alert').filter({ hasText: 'number' }).textContent(), 'This must be a number, like 12.50.');
      await write('total', '41.25');
      await write('note', 'knock twice');
      await press('Save this');
    });
    assert.deepEqual([edited.choice, edited.body.total, edited.body.note], ['edit', 41.25, 'knock twice']);

    const back = await decided(page, BOTH, async () => {
      await press('Edit…');
      await press('Back');
      await press('Decide later');
    });
    assert.deepEqual(back, { choice: 'later', method: null, body: null, version: null, row: null });

    const again = await decided(page, GONE, () => press('Make it again'));
    assert.deepEqual([again.method, again.version, again.body.note, again.body.total], ['PUT', null, 'knock', 12.5]);
    assert.equal(again.body.id, 'a');
    assert.equal((await decided(page, GONE, () => press('Leave it deleted'))).choice, 'server');
    const anew = await decided(page, GONE, async () => {
      await press('Edit…');
      await write('note', 'new');
      await press('Save this');
    });
    assert.deepEqual([anew.choice, anew.method, anew.body.note], ['edit', 'PUT', 'new']);

    const gone = await decided(page, REMOVED, () => press('Delete it anyway'));
    assert.deepEqual([gone.method, gone.version], ['DELETE', 9]);
    assert.equal((await decided(page, REMOVED, () => press('Keep it'))).method, null);
  });
}

test('Escape decides later and gives the focus back; a second question ends the first', async (t) => {
  const page = await open(t, await browse(t), url);
  await page.getByRole('button', { name: 'Before' }).focus();
  const decision = await decided(page, BOTH, () => page.keyboard.press('Escape'));
  assert.equal(decision.choice, 'later');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Before');
  const first = await page.evaluate(async (given) => {
    const dialog = document.querySelector('rowbell-conflict');
    const first = dialog.ask(given);
    window.second = dialog.ask(given);
    return (await first).choice;
  }, BOTH);
  assert.equal(first, 'later');
  await page.getByRole('button', { name: 'Keep mine' }).click();
  assert.equal((await page.evaluate(() => window.second)).choice, 'mine');
});

test('text is text: what others wrote is not run', async (t) => {
  const page = await open(t, await browse(t), url);
  const evil = '<img src=x onerror="document.title=1"><script>document.title=1</script>';
  const conflict = { current: { ...THEIRS, note: evil, items: [{ [evil]: evil }] }, base: BASE, yours: { note: 'x' } };
  await decided(page, conflict, async () => {
    await page.getByText(evil).first().waitFor();
    await page.getByRole('button', { name: 'Keep theirs' }).click();
  });
  assert.equal(await page.title(), 'Conflict');
});

test('nobody is kept out, light or dark, small or large', async (t) => {
  const browser = await browse(t);
  for (const viewport of Object.values(SIZES)) {
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      const page = await open(t, browser, url, { viewport, colorScheme });
      for (const conflict of [BOTH, GONE, REMOVED, { ...BOTH, base: null }]) {
        await decided(page, conflict, async () => {
          await accessible(page, `the dialog at ${viewport.width} px, ${colorScheme}`);
          const edit = page.getByRole('button', { name: 'Edit…' });
          if ((await edit.count()) > 0) {
            await edit.click();
            await accessible(page, `editing at ${viewport.width} px, ${colorScheme}`);
          }
          await page.keyboard.press('Escape');
        });
      }
      await page.close();
    }
  }
});
