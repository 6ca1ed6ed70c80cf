// The client against a real server, over a network that fails.

import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { RealtimeClient } from '../realtime-client.js';
import { Proxy, Server, soon, until } from './stage.js';

/** @type {Server} */
let server;
before(async () => {
  server = await Server.start();
});
after(() => server.stop());

/** A table of its own for each test, and a client that goes through a proxy. */
async function stage(t, options = {}) {
  const name = `t${Math.random().toString(36).slice(2, 10)}`;
  await server.watch(name, 'id int primary key, body text');
  const proxy = await Proxy.start(() => server.port);
  const errors = [];
  const client = new RealtimeClient({ url: proxy.url, onError: (error) => errors.push(error), ...options });
  t.after(() => (client.close(), proxy.close()));
  return { name, proxy, client, errors, sql: (text) => server.sql(text.replaceAll('$T', name)) };
}

/** The table as PostgreSQL has it. */
const truth = async ({ sql }) => JSON.parse(await sql("select coalesce(json_object_agg(id, body order by id), '{}') from $T"));
const copy = (collection) => Object.fromEntries([...collection].map(([id, row]) => [id, row.body]));

async function same(at, collection) {
  const wanted = await truth(at);
  await until('the copy to be as the table', () => isDeepStrictEqual(copy(collection), wanted)).catch(() => {});
  // Says what differs.
  assert.deepEqual(copy(collection), wanted);
}

test('a collection is the table, whoever writes it', async (t) => {
  const at = await stage(t);
  await at.sql("insert into $T select n, 'row ' || n from generate_series(1, 5000) n");
  const rows = at.client.collection(at.name);
  await soon('rows', rows.ready);
  assert.equal(rows.size, 5000);
  await at.sql("begin; update $T set body = 'x' where id % 2 = 0; delete from $T where id % 3 = 0; insert into $T values (0, 'zero'); commit");
  await until('the last of it', () => rows.has('0'));
  await same(at, rows);
  await at.sql('truncate $T');
  await until('an empty table', () => rows.size === 0);
  await at.sql("insert into $T values (1, 'again')");
  await until('a row', () => rows.size === 1);
});

test('updates are whole transactions with their cursor', async (t) => {
  const at = await stage(t);
  const rows = at.client.collection(at.name);
  await rows.ready;
  const updates = [];
  rows.onUpdate((update) => updates.push(update));
  // More than 1 MiB, so that it travels in parts.
  await at.sql("insert into $T select n, repeat('x', 1000) from generate_series(1, 5000) n");
  await until('all of it', () => rows.size === 5000);
  const [first] = updates.filter(({ rows }) => rows.size > 0);
  assert.equal(first.rows.size, 5000);
  assert.equal(first.commits.length, 1);
  assert.equal(first.commits[0].changes.length, 5000);
  assert.equal(rows.cursor, updates.at(-1).cursor);
});

test('every break is gone through: nothing lost, nothing twice', async (t) => {
  const at = await stage(t);
  const rows = at.client.collection(at.name);
  await rows.ready;
  const xids = [];
  rows.onUpdate(({ commits, startedOver }) => {
    assert.equal(startedOver, false);
    xids.push(...commits.map(({ xid }) => xid));
  });
  for (let round = 0; round < 12; round++) {
    const writing = at.sql(Array.from({ length: 20 }, (_, n) => `insert into $T values (${round * 20 + n}, 'a');`).join('\n'));
    if (round % 3 === 0) at.proxy.down();
    if (round === 7) {
      await server.kill();
      await server.serve();
    }
    await writing;
    at.proxy.up();
  }
  await until('all rows', () => rows.size === 240);
  assert.equal(new Set(xids).size, xids.length);
  assert.equal(xids.length, 240);
  await same(at, rows);
});

test('after a reset all rows are read anew', async (t) => {
  const at = await stage(t);
  await at.sql("insert into $T values (1, 'a')");
  const rows = at.client.collection(at.name);
  await rows.ready;
  const over = new Promise((resolve) => rows.onUpdate(({ startedOver }) => startedOver && resolve()));
  await at.sql("select rowbell.resync('$T')");
  await soon('it to start over', over);
  await at.sql("insert into $T values (2, 'b')");
  await same(at, rows);
});

test('without a snapshot a reset is told, and is the last event', async (t) => {
  const at = await stage(t);
  const events = [];
  const subscription = at.client.subscribe(at.name);
  const reading = (async () => {
    for await (const event of subscription) events.push(event);
  })();
  await until('a position', () => events.length);
  await at.sql("select rowbell.resync('$T')");
  await soon('the end', reading);
  assert.deepEqual(events.at(-1), { type: 'reset', reason: 'schema' });
  assert.equal(subscription.state, 'ended');
});

test('a channel that is unwatched ends its subscriptions', async (t) => {
  const at = await stage(t);
  const rows = at.client.collection(at.name);
  await rows.ready;
  await at.sql("select rowbell.unwatch('$T')");
  assert.equal(await soon('the end', rows.ended), undefined);
  assert.equal(rows.state, 'ended');
});

test('what is refused for good says why', async (t) => {
  const at = await stage(t);
  const unknown = at.client.collection('nothing-of-the-kind');
  assert.equal((await soon('the end', unknown.ended)).code, 'unknown_channel');
  await assert.rejects(unknown.ready, { code: 'unknown_channel' });
  const bad = at.client.subscribe(at.name, { since: 'AAAA' });
  await assert.rejects(soon('the end', bad[Symbol.asyncIterator]().next()), { code: 'bad_value' });
  await at.sql("insert into $T values (1, 'a')");
  const keyless = at.client.collection(at.name, { key: 'uuid' });
  assert.match((await soon('the end', keyless.ended)).message, /no column uuid/);
  assert.throws(() => at.client.collection('orders,clients'), /of one channel/);
  assert.throws(() => at.client.subscribe(at.name, { since: 'x', snapshot: true }), /exclude each other/);
});

test('one topic may be followed many times, and anew at once', async (t) => {
  const at = await stage(t);
  await at.sql("insert into $T values (1, 'a')");
  const all = [1, 2, 3].map(() => at.client.collection(at.name));
  await Promise.all(all.map(({ ready }) => ready));
  assert.equal(at.proxy.connections, 3);
  for (let round = 0; round < 20; round++) {
    all[0].close();
    all[0] = at.client.collection(at.name);
    if (round % 2) await all[0].ready;
  }
  await at.sql("insert into $T values (2, 'b')");
  for (const rows of all) await same(at, rows);
  assert.equal(at.proxy.connections, 3, 'what was left is used again');
});

test('a reader that is slow costs no memory and loses nothing', async (t) => {
  const at = await stage(t);
  const states = [];
  const subscription = at.client.subscribe(at.name, { queued: 50, onState: (state) => states.push(state) });
  const events = subscription[Symbol.asyncIterator]();
  await soon('a position', events.next());
  for (let round = 0; round < 5; round++) {
    await at.sql(Array.from({ length: 40 }, (_, n) => `insert into $T values (${round * 40 + n}, 'a');`).join('\n'));
  }
  await until('the queue to be full', () => subscription.state === 'full');
  const ids = [];
  while (ids.length < 200) {
    const { value } = await soon('the next', events.next());
    for (const { changes } of value.commits) ids.push(...changes.map(({ id }) => Number(id)));
  }
  assert.deepEqual(ids, Array.from({ length: 200 }, (_, n) => n));
  assert.ok(states.filter((state) => state === 'full').length >= 1);
});

test('a row that is too large for the feed is read by itself', async (t) => {
  const at = await stage(t);
  const rows = at.client.collection(at.name);
  await rows.ready;
  await at.sql("insert into $T values (1, repeat('x', 1200000))");
  await until('the row', () => rows.has('1'));
  assert.equal(rows.get('1').body.length, 1_200_000);
});

test('several keys make an id as the server spells it', async (t) => {
  const at = await stage(t);
  const name = `k${at.name}`;
  await server.watch(name, "branch text, day date, n bigint, body text, primary key (branch, day, n)");
  await server.sql(`insert into ${name} values ('a "b"', '2026-01-02', 7, 'x')`);
  const rows = at.client.collection(name, { key: ['branch', 'day', 'n'] });
  await rows.ready;
  const id = JSON.stringify(['a "b"', '2026-01-02', 7]);
  assert.deepEqual([...rows.keys()], [id]);
  await server.sql(`update ${name} set body = 'y'`);
  await until('the change', () => rows.get(id).body === 'y');
  assert.equal(rows.size, 1);
});

test('callbacks are called one after the other, and one that throws ends it', async (t) => {
  const at = await stage(t);
  let busy = 0;
  const seen = [];
  const end = new Promise((resolve) => {
    at.client.subscribe(at.name, {
      onCommits: async (commits) => {
        assert.equal(busy++, 0);
        await new Promise((resolve) => setTimeout(resolve, 1));
        busy--;
        seen.push(...commits);
        if (seen.length === 20) throw new Error('enough');
      },
      onEnd: resolve,
    });
  });
  await until('a position', () => at.client.state === 'live');
  await until('writes to be heard', async () => {
    await at.sql(`insert into $T select coalesce(max(id), 0) + 1, 'a' from $T`);
    return seen.length >= 20;
  });
  assert.match((await soon('the end', end)).message, /enough/);
});

test('a token is renewed on the live connection before it ends', async (t) => {
  let asked = 0;
  const at = await stage(t, { getToken: () => ({ token: `token ${++asked}`, expiresAt: Date.now() + 1500 }) });
  const rows = at.client.collection(at.name);
  await rows.ready;
  await until('three tokens', () => asked >= 3);
  await at.sql("insert into $T values (1, 'a')");
  await until('the row', () => rows.has('1'));
  assert.equal(at.proxy.connections, 1);
  assert.deepEqual(at.errors, []);
});
