// Rows that are kept: read back as of one moment, continued by cursor, whatever happens to the database in between.

import 'fake-indexeddb/auto';
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { WebSocket } from 'ws';
import { RealtimeClient } from '../realtime-client.js';
import { RowStore } from '../row-store.js';
import { Proxy, Server, soon, until } from './stage.js';

/** @type {Server} */
let server;
before(async () => {
  server = await Server.start();
});
after(() => server.stop());

/** A table of its own, a network, and clients of which it is known what they ask for. */
async function stage(t) {
  const name = `t${Math.random().toString(36).slice(2, 10)}`;
  await server.watch(name, 'id text primary key, n int');
  const proxy = await Proxy.start(() => server.port);
  const ends = [];
  t.after(async () => {
    for (const end of ends) await end();
    proxy.close();
  });
  const at = { name, proxy, asked: [], errors: [], sql: (text) => server.sql(text.replaceAll('$T', name)) };
  class Watched extends WebSocket {
    send(text) {
      const frame = JSON.parse(text);
      if (frame.type === 'subscribe') at.asked.push(frame.since ? 'since' : 'snapshot');
      super.send(text);
    }
  }
  at.store = (options = {}) => {
    const store = new RowStore({ name, ...options });
    ends.push(() => store.close());
    return store;
  };
  /** One visit: a client and its collection; it ends as a page does. */
  at.visit = (options = {}) => {
    const { store = at.store(), topic = name, ...more } = options;
    const client = new RealtimeClient({ url: proxy.url, WebSocket: Watched, onError: (error) => at.errors.push(error) });
    const rows = client.collection(topic, { store, ...more });
    const end = async () => (client.close(), rows.ended);
    ends.unshift(end);
    return { client, rows, store, end };
  };
  at.of = { url: proxy.url, topic: name, key: ['id'] };
  at.kept = async (options) => {
    const { rows, cursor, close } = await at.store(options).open(at.of);
    await close();
    return { rows: Object.fromEntries([...rows].map(([id, { n }]) => [id, n])), cursor };
  };
  at.isKept = (wanted) => until('it to be kept', async () => JSON.stringify((await at.kept()).rows) === JSON.stringify(wanted));
  return at;
}

const copy = (rows) => Object.fromEntries([...rows].map(([id, { n }]) => [id, n]).sort());

test('what was kept is there without a server, and is continued by its cursor', async (t) => {
  const at = await stage(t);
  await at.sql("insert into $T values ('a', 1), ('b', 2), ('c', 3)");
  const first = at.visit();
  await first.rows.ready;
  await at.sql("update $T set n = 20 where id = 'b'; delete from $T where id = 'c'");
  await at.isKept({ a: 1, b: 20 });
  await first.end();
  at.proxy.down();
  const second = at.visit();
  await soon('the rows', second.rows.ready);
  assert.deepEqual([copy(second.rows), second.rows.state], [{ a: 1, b: 20 }, 'away']);
  await at.sql("insert into $T values ('d', 4); truncate $T; insert into $T values ('e', 5)");
  const updates = [];
  second.rows.onUpdate((update) => updates.push(update));
  at.proxy.up();
  await until('the rest', () => second.rows.has('e'));
  assert.deepEqual(copy(second.rows), { e: 5 });
  assert.deepEqual(at.asked, ['snapshot', 'since']);
  assert.deepEqual(updates.filter(({ startedOver }) => startedOver), []);
  await at.isKept({ e: 5 });
});

test('a visit that ends anywhere leaves rows and cursor of one moment', async (t) => {
  const at = await stage(t);
  await at.sql("insert into $T values ('left', 0), ('right', 0)");
  let [written, isOver] = [0, false];
  const writing = (async () => {
    while (!isOver) await at.sql(`begin; update $T set n = ${(written += 1)} where id in ('left', 'right'); insert into $T values ('r${written}', ${written}); commit`);
  })();
  for (let visits = 0; visits < 15; visits++) {
    const { rows } = await at.kept();
    assert.equal(rows.left, rows.right);
    for (let n = 1; n <= (rows.left ?? 0); n++) assert.equal(rows[`r${n}`], n, `row ${n} of ${rows.left}`);
    const visit = at.visit();
    await visit.rows.ready;
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
    // As a crash: nothing is told, and nothing is waited for.
    visit.client.close();
  }
  isOver = true;
  await writing;
  const last = at.visit();
  await until('all of it', () => last.rows.get('left')?.n === written && last.rows.has(`r${written}`));
  assert.equal(last.rows.size, written + 2);
  assert.equal(at.asked.filter((how) => how === 'snapshot').length, 1, 'only the first time');
});

test('two tabs cannot mix their moments', async (t) => {
  const at = await stage(t);
  const [one, other] = [await at.store().open(at.of), await at.store().open(at.of)];
  const step = (since, cursor, n) => ({ startedOver: since === null, rows: new Map([['a', { id: 'a', n }]]), since, cursor });
  // Where there are locks only the first of them writes; without, both do.
  assert.equal(await one.save(step(null, 'c1', 1)), true);
  assert.equal(await one.save(step('c1', 'c3', 3)), true);
  assert.equal(await one.save(step('c1', 'c2', 2)), false, 'behind');
  assert.equal(await one.save(step('c1', 'c3', 3)), true, 'there already');
  await one.close();
  assert.equal(await other.save(step('c2', 'c4', 4)), false, 'not from here');
  assert.deepEqual(await at.kept(), { rows: { a: 3 }, cursor: 'c3' });
  assert.equal(await other.save(step(null, 'c4', 4)), true);
  await other.close();
  assert.deepEqual(await at.kept(), { rows: { a: 4 }, cursor: 'c4' });
});

test('each topic, key and subject has its own; another subject ends it, and so does clear', async (t) => {
  const at = await stage(t);
  await at.sql("insert into $T values ('a', 1), ('b', 2)");
  const mine = at.store({ subject: 'anna' });
  const all = at.visit({ store: mine });
  const some = at.visit({ store: mine, topic: `${at.name}?n=eq.2` });
  await Promise.all([all.rows.ready, some.rows.ready]);
  await Promise.all([all.end(), some.end()]);
  assert.deepEqual((await at.kept({ subject: 'anna' })).rows, { a: 1, b: 2 });
  const filtered = await mine.open({ ...at.of, topic: `${at.name}?n=eq.2` });
  assert.deepEqual([...filtered.rows].map(([id]) => id), ['b']);
  assert.equal((await mine.open({ ...at.of, key: ['n'] })).cursor, null);
  assert.equal((await at.kept({ subject: 'ben' })).cursor, null);
  assert.equal((await at.kept({ subject: 'anna' })).cursor, null, 'dropped when ben came');
  const again = at.visit({ store: mine });
  await again.rows.ready;
  await again.end();
  assert.notEqual((await at.kept({ subject: 'anna' })).cursor, null);
  await mine.clear();
  assert.equal((await at.kept({ subject: 'anna' })).cursor, null);
});

test('a reset, and a cursor nobody can read, end what was kept', async (t) => {
  const at = await stage(t);
  await at.sql("insert into $T values ('a', 1)");
  const first = at.visit();
  await first.rows.ready;
  await first.end();
  // Means something else now; what was kept is shown until the server says so.
  await at.sql("select rowbell.resync('$T'); delete from $T; insert into $T values ('b', 2)");
  const second = at.visit();
  await until('the new rows', () => JSON.stringify(copy(second.rows)) === '{"b":2}');
  await at.isKept({ b: 2 });
  await second.end();
  const copyOf = await at.store().open(at.of);
  await copyOf.save({ startedOver: true, rows: new Map([['old', { id: 'old', n: 0 }]]), since: null, cursor: 'of another age' });
  await copyOf.close();
  const third = at.visit();
  await until('the rows again', () => JSON.stringify(copy(third.rows)) === '{"b":2}');
  await at.isKept({ b: 2 });
  assert.deepEqual(at.asked, ['snapshot', 'since', 'snapshot', 'since', 'snapshot']);
});

test('what cannot be kept is told, the feed goes on, and later everything is kept', async (t) => {
  const at = await stage(t);
  const visit = at.visit();
  await visit.rows.ready;
  const { put } = IDBObjectStore.prototype;
  t.after(() => (IDBObjectStore.prototype.put = put));
  IDBObjectStore.prototype.put = () => {
    throw new DOMException('full', 'QuotaExceededError');
  };
  await at.sql("insert into $T values ('a', 1)");
  await until('the row', () => visit.rows.has('a'));
  await until('the reason', () => at.errors.length > 0);
  assert.equal(at.errors[0].code, 'not_saved');
  assert.match(at.errors[0].message, /no room left/);
  await at.sql("insert into $T values ('b', 2)");
  await until('another row', () => visit.rows.has('b'));
  assert.deepEqual((await at.store().open({ ...at.of, topic: 'other' })).cursor, null);
  IDBObjectStore.prototype.put = put;
  await at.isKept({ a: 1, b: 2 });
});

test('where the browser drops the database, or refuses it, the rows come from the server', async (t) => {
  const at = await stage(t);
  await at.sql("insert into $T values ('a', 1)");
  const visit = at.visit();
  await visit.rows.ready;
  await at.isKept({ a: 1 });
  await soon('the database to go', new Promise((resolve) => (indexedDB.deleteDatabase(`${at.name}-rows`).onsuccess = resolve)));
  await at.sql("insert into $T values ('b', 2)");
  await at.isKept({ a: 1, b: 2 });
  assert.deepEqual(at.errors, []);
  const { open } = indexedDB;
  t.after(() => (indexedDB.open = open));
  indexedDB.open = () => {
    throw new DOMException('not here', 'SecurityError');
  };
  const refused = at.visit();
  await soon('the rows', refused.rows.ready);
  assert.deepEqual(copy(refused.rows), { a: 1, b: 2 });
  assert.deepEqual(at.errors.map(({ code, message }) => [code, message]), [['not_read', 'not read: not here']]);
});

test('a store of your own is handed steps that fit, or everything', async (t) => {
  const at = await stage(t);
  await at.sql("insert into $T values ('a', 1)");
  let [kept, refuses] = [{ rows: new Map(), cursor: null }, false];
  const steps = [];
  const store = {
    open: async (of) => (assert.deepEqual(of, at.of), {
      ...kept,
      async save(step) {
        steps.push(step);
        await new Promise((resolve) => setTimeout(resolve, 20));
        if (refuses) return (refuses = false);
        const rows = new Map(step.startedOver ? [] : kept.rows);
        for (const [id, row] of step.rows) row ? rows.set(id, row) : rows.delete(id);
        kept = { rows, cursor: step.cursor };
        return true;
      },
      close: () => {},
    }),
  };
  const visit = at.visit({ store });
  await visit.rows.ready;
  for (let n = 0; n < 30; n++) await at.sql(`insert into $T values ('r${n}', ${n})`);
  refuses = true;
  await at.sql("delete from $T where id = 'a'");
  await until('the end of it', () => kept.cursor === visit.rows.cursor && !kept.rows.has('a'));
  assert.deepEqual(copy(kept.rows), copy(visit.rows));
  assert.deepEqual(steps.map(({ startedOver }) => startedOver).filter(Boolean).length, 2, 'the first, and the one after the refusal');
  for (const [nth, step] of steps.entries()) if (!step.startedOver) assert.equal(step.since, steps[nth - 1].cursor);
});
