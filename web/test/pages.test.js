// Where a snapshot is too slow the rows come by lists, against a real server that is written to meanwhile.

import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { WebSocket } from 'ws';
import { RealtimeClient } from '../realtime-client.js';
import { Proxy, Server, soon, until } from './stage.js';

/** @type {Server} */
let server;
before(async () => {
  server = await Server.start();
});
after(() => server.stop());

/** A client whose snapshots are refused as too slow, whatever it follows. */
function slow(t, url, options = {}) {
  const at = { asked: [], errors: [] };
  class Slow extends WebSocket {
    send(text) {
      const frame = JSON.parse(text);
      if (frame.type === 'subscribe') at.asked.push(frame.since ? 'since' : 'snapshot');
      if (frame.type !== 'subscribe' || !frame.snapshot) return super.send(text);
      const error = { type: 'error', code: 'snapshot_too_slow', message: 'too slow', ref: frame.ref, topic: frame.topic };
      queueMicrotask(() => this.onmessage?.({ data: JSON.stringify(error) }));
    }
  }
  at.client = new RealtimeClient({ url, WebSocket: Slow, onError: (error) => at.errors.push(error), ...options });
  t.after(() => at.client.close());
  return at;
}

test('pages are read by key while others write, and the feed goes on since the first', async (t) => {
  await server.watch('orders2', 'branch text, no bigint, n int, primary key (branch, no)');
  const odd = `'a, "b" (c) \\ d'`;
  await server.sql(`insert into orders2 select case n % 3 when 0 then 'x' when 1 then ${odd} else 'é''' end, n, n from generate_series(1, 2500) n`);
  let [isOver, round] = [false, 0];
  const writing = (async () => {
    for (; !isOver; round++) {
      await server.sql(`update orders2 set n = -${round} where no % 7 = ${round % 7}; delete from orders2 where no = ${round + 1}; insert into orders2 values ('x', ${round + 10000}, 1)`);
    }
  })();
  const all = slow(t, server.url);
  const rows = all.client.collection('orders2', { key: ['branch', 'no'] });
  const some = all.client.collection('orders2?branch=neq.x&n=lt.2000', { key: ['branch', 'no'] });
  await soon('rows', Promise.all([rows.ready, some.ready]));
  isOver = true;
  await writing;
  const wanted = async (where) => JSON.parse(await server.sql(`select json_object_agg(json_build_array(branch, no)::text, n) from orders2 where ${where}`));
  const table = (object) => JSON.stringify(Object.entries(object).map(([id, n]) => [JSON.stringify(JSON.parse(id)), n]).sort());
  const copy = (collection) => JSON.stringify([...collection].map(([id, { n }]) => [id, n]).sort());
  await until('all of the table', async () => copy(rows) === table(await wanted('true')));
  await until('some of the table', async () => copy(some) === table(await wanted("branch <> 'x' and n < 2000")));
  assert.deepEqual(all.asked, ['snapshot', 'snapshot', 'since', 'since']);
  assert.deepEqual(all.errors, []);
});

test('several channels are read one after the other, and followed since the first', async (t) => {
  await server.watch('left2', 'id int primary key');
  await server.watch('right2', 'id int primary key');
  await server.sql('insert into left2 values (1); insert into right2 select generate_series(1, 1000)');
  const at = slow(t, server.url);
  const events = at.client.subscribe('right2,left2', { snapshot: true })[Symbol.asyncIterator]();
  const { value } = await soon('rows', events.next());
  assert.deepEqual([value.type, value.rows.left2.length, value.rows.right2.length], ['rows', 1, 1000]);
  await server.sql('insert into left2 values (2)');
  const next = await soon('a commit', events.next());
  assert.deepEqual(next.value.commits[0].changes.map(({ channel, id }) => [channel, id]), [['left2', '2']]);
});

test('a list that fails is tried again, and one that is refused says why', async (t) => {
  await server.watch('notes2', 'id int primary key');
  await server.sql('insert into notes2 values (1)');
  const proxy = await Proxy.start(() => server.port);
  t.after(() => proxy.close());
  const lost = proxy.downAt((text) => text.startsWith('GET /api/notes2?'));
  const at = slow(t, proxy.url);
  const states = [];
  const subscription = at.client.subscribe('notes2', { snapshot: true, onState: (state) => states.push(state) });
  await soon('the list to be lost', lost);
  proxy.up();
  const { value } = await soon('rows', subscription[Symbol.asyncIterator]().next());
  assert.equal(value.rows.notes2.length, 1);
  assert.ok(states.filter((state) => state === 'paging').length >= 2, states.join(' '));
  const keyless = at.client.collection('notes2', { key: 'nothing' });
  assert.equal((await soon('the end', keyless.ended)).code, 'unknown_column');
  const closed = at.client.collection('notes2');
  closed.close();
  assert.equal(await soon('the end', closed.ended), undefined);
});
