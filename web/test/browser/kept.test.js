// Pages whose rows are kept, in a real Chromium: loaded without any network, in several tabs, on a full disk.

import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { Server, soon, until } from '../stage.js';
import { launch, open } from './chromium.js';
import { agree, copy, shown, sorted, stage as stageOf } from './tabs.js';

/** @type {Server} */
let server;
let browser;
before(async () => {
  server = await Server.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});
const stage = (t, files) => stageOf(t, server, browser, files);

/** Keeps the page and its modules; what is live is not its business. */
const WORKER = `
addEventListener('install', () => skipWaiting());
addEventListener('activate', (event) => event.waitUntil(clients.claim()));
addEventListener('fetch', (event) => {
  const { pathname } = new URL(event.request.url);
  if (event.request.method !== 'GET' || !(pathname === '/' || pathname.startsWith('/web/'))) return;
  event.respondWith((async () => {
    const cache = await caches.open('page');
    try {
      const answer = await fetch(event.request);
      await cache.put(event.request, answer.clone());
      return answer;
    } catch {
      return cache.match(event.request);
    }
  })());
});`;

/** What the store of a tab holds. */
const kept = (tab) => tab.evaluate(async () => {
  const { url, topic } = { url: globalThis.client.url, topic: globalThis.rows.topic };
  const copy = await globalThis.store.open({ url, topic, key: ['id'] });
  copy.close();
  return { cursor: copy.cursor, rows: Object.fromEntries([...copy.rows].map(([id, { n }]) => [id, n])) };
});
const allKept = (tab) => until('all to be kept', async () => (await kept(tab)).cursor === (await tab.evaluate(() => globalThis.rows.cursor)));

/** Frames of every WebSocket a tab makes from now on. */
function listen(tab) {
  const frames = { sent: [], received: [] };
  const note = (into) => ({ payload }) => frames[into].push(JSON.parse(payload));
  tab.on('websocket', (socket) => socket.on('framesent', note('sent')).on('framereceived', note('received')));
  return frames;
}

test('a page that is loaded without a network has its rows at once, with what is queued on top, and goes on by cursor', async (t) => {
  const at = await stage(t, { '/worker.js': WORKER });
  const context = await at.context();
  await at.sql("insert into $T values ('a', 'x', 1), ('b', 'x', 2), ('c', 'x', 3)");
  const tab = await open(context, at.site.url);
  await tab.evaluate(async () => {
    const taken = new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve));
    await navigator.serviceWorker.register('/worker.js');
    if (!navigator.serviceWorker.controller) await taken;
  });
  const load = async () => {
    await tab.reload();
    await tab.waitForFunction(() => globalThis.OfflineQueue);
    await at.start(tab);
  };
  await load();
  await agree(at, [tab]);
  await at.sql("update $T set n = 20 where id = 'b'");
  await agree(at, [tab]);
  await allKept(tab);
  const { cursor } = await kept(tab);

  at.proxy.down();
  await context.setOffline(true);
  await server.kill();
  await tab.evaluate(async (name) => {
    await globalThis.queue.patch(name, globalThis.rows.get('a'), { n: 10 });
    await globalThis.queue.delete(name, globalThis.rows.get('c'));
    await globalThis.queue.create(name, { id: 'd', n: 40 });
  }, at.name);
  await at.sql("update $T set body = 'theirs' where id = 'b'; insert into $T values ('e', 'x', 5)");
  const frames = listen(tab);
  for (let loads = 0; loads < 2; loads++) {
    await load();
    await soon('the rows', tab.evaluate(() => globalThis.rows.ready.then(() => {})));
    assert.deepEqual(sorted(await copy(tab)), { a: 1, b: 20, c: 3 });
    assert.deepEqual(sorted(await shown(tab)), { a: 10, b: 20, d: 40 + loads });
    assert.notEqual(await tab.evaluate(() => globalThis.client.state), 'live');
    // Edits go on from there.
    await tab.evaluate(({ name, loads }) => globalThis.queue.patch(name, 'd', { n: 41 + loads }), { name: at.name, loads });
  }
  assert.deepEqual(frames.received, []);
  await context.setOffline(false);
  await server.serve();
  at.proxy.up();
  await agree(at, [tab]);
  assert.deepEqual(sorted(await at.truth()), { a: 10, b: 20, d: 42, e: 5 });
  assert.equal(await tab.evaluate(() => globalThis.rows.get('b').body), 'theirs');
  const asked = frames.sent.filter(({ type }) => type === 'subscribe');
  assert.deepEqual(asked.map(({ since, snapshot }) => [since, snapshot]), [[cursor, undefined]]);
  assert.deepEqual(frames.received.filter(({ type }) => type === 'rows' || type === 'reset'), []);
  assert.deepEqual(await tab.evaluate(() => globalThis.queue.letters()), []);
});

test('of several tabs one keeps the rows; when it closes or crashes the next does', async (t) => {
  const at = await stage(t);
  const context = await at.context();
  const all = [await at.tab(context), await at.tab(context), await at.tab(context)];
  await at.sql("insert into $T select 'r' || n, 'x', n from generate_series(1, 500) n");
  await agree(at, all);
  const locks = (tab, kind) => tab.evaluate(async (kind) => (await navigator.locks.query())[kind].filter(({ name }) => name.includes('-rows-')).length, kind);
  assert.deepEqual([await locks(all[0], 'held'), await locks(all[0], 'pending')], [1, 2]);
  for (let round = 0; all.length > 0; round++) {
    await at.sql(`update $T set n = n + 1 where n % 3 = 0; delete from $T where id = 'r${round + 1}'; insert into $T values ('s${round}', 'x', 0)`);
    await agree(at, all);
    await allKept(all[0]);
    assert.deepEqual(sorted((await kept(all.at(-1))).rows), sorted(await at.truth()));
    const [first] = all.splice(0, 1);
    if (round > 0) {
      await first.close();
      continue;
    }
    const cdp = await context.newCDPSession(first);
    cdp.send('Page.crash').catch(() => {});
    await soon('the crash', new Promise((resolve) => first.once('crash', resolve)));
  }
  const last = await at.tab(context);
  const frames = listen(last);
  await agree(at, [last]);
  assert.deepEqual(frames.received.filter(({ type }) => type === 'rows'), []);
});

test('a browser without room says so, and the feed goes on', async (t) => {
  const at = await stage(t);
  const context = await at.context();
  const tab = await open(context, at.site.url);
  const cdp = await context.newCDPSession(tab);
  await cdp.send('Storage.overrideQuotaForOrigin', { origin: at.site.url, quotaSize: 1 });
  await at.sql("insert into $T select 'r' || g, repeat('y', 4000), 0 from generate_series(1, 500) g");
  await at.start(tab);
  await tab.evaluate(() => {
    globalThis.told = [];
    globalThis.client.onError((error) => globalThis.told.push(`${error.code}: ${error.message}`));
  });
  const [told] = await until('the reason', () => tab.evaluate(() => globalThis.told.length > 0 && globalThis.told));
  assert.match(told, /^not_saved: .*no room/);
  await at.sql("update $T set n = 2 where id = 'r1'");
  await agree(at, [tab]);
  const refused = await tab.evaluate((name) => globalThis.queue.create(name, { id: 'q', body: 'z'.repeat(5_000_000) }).catch(({ code, message }) => `${code}: ${message}`), at.name);
  assert.match(refused, /^not_saved: .*no room/);
  assert.equal(await tab.evaluate(() => globalThis.queue.pending.length), 0);
});
