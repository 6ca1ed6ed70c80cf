// Two hundred clients and a server that restarts; tokens that end; and how long things take.

import 'fake-indexeddb/auto';
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { RealtimeClient } from '../../realtime-client.js';
import { OfflineQueue } from '../../offline-sync.js';
import { Server, soon, until } from '../stage.js';
import { launch, open, pages } from './chromium.js';

const TOKEN = 'one token';
/** @type {Server} */
let server;
before(async () => {
  server = await Server.start({ ROWBELL_TOKEN: TOKEN });
  await server.watch('notes', 'id text primary key, body text, at timestamptz default clock_timestamp()');
});
after(() => server.stop());

const told = (t, what, times) => {
  times.sort((one, other) => one - other);
  t.diagnostic(`${what}, of ${times.length}: median ${times[times.length >> 1].toFixed(1)} ms, worst ${times.at(-1).toFixed(1)} ms`);
};

test('two hundred clients go through a restart, and none misses or repeats anything', async (t) => {
  const clients = Array.from({ length: 200 }, () => new RealtimeClient({ url: server.url, getToken: () => TOKEN }));
  t.after(() => clients.forEach((client) => client.close()));
  const all = clients.map((client) => client.collection('notes'));
  await soon('all to be ready', Promise.all(all.map(({ ready }) => ready)));
  const xids = all.map((rows) => {
    const seen = [];
    rows.onUpdate(({ commits, startedOver }) => (assert.equal(startedOver, false), seen.push(...commits.map(({ xid }) => xid))));
    return seen;
  });
  await server.sql("insert into notes values ('before')");
  await until('the first', () => all.every((rows) => rows.has('before')));
  await server.kill();
  await server.sql("insert into notes values ('meanwhile')");
  await server.serve();
  const up = performance.now();
  const times = await soon('all to be back', Promise.all(clients.map((client) => new Promise((resolve) => {
    const live = () => client.state === 'live' && resolve(performance.now() - up);
    client.onState(live);
    live();
  }))));
  await server.sql("insert into notes values ('after')");
  await until('the last', () => all.every((rows) => rows.has('meanwhile') && rows.has('after')));
  for (const seen of xids) assert.ok(seen.length === 3 && new Set(seen).size === 3, String(seen));
  told(t, 'from the restarted server listening to live', times);
});

test('a refused token is asked for anew once, and what stays refused ends it', async (t) => {
  const asked = [];
  const client = new RealtimeClient({ url: server.url, getToken: ({ refused }) => (asked.push(refused), refused ? TOKEN : 'over') });
  t.after(() => client.close());
  await soon('rows', client.collection('notes').ready);
  assert.deepEqual(asked, [undefined, 'over']);
  const wrong = new RealtimeClient({ url: server.url, getToken: () => 'wrong' });
  assert.equal((await soon('the end', wrong.collection('notes').ended)).code, 'unauthorized');
  assert.equal(wrong.state, 'closed');
});

test('a token that is over holds the queue up, and loses nothing', async (t) => {
  let token = 'over';
  const states = [];
  const queue = new OfflineQueue({ name: 'token', url: server.url, getToken: () => token, onState: (state) => states.push(state) });
  t.after(() => queue.close());
  await queue.create('notes', { id: 'token' });
  await until('it to be held up', () => states.includes('unauthorized'));
  token = TOKEN;
  await until('it to be sent', () => queue.pending.length === 0);
  assert.deepEqual(await queue.letters(), []);
  assert.equal(await server.sql("select count(*) from notes where id = 'token'"), '1');
});

test('how long a commit in psql takes to a page, and a hundred operations to the server', async (t) => {
  const site = await pages(server.url);
  await server.kill();
  await server.serve({ ROWBELL_ALLOW_ORIGIN: site.url });
  const browser = await launch();
  t.after(async () => (await browser.close(), site.close()));
  const page = await open(await browser.newContext(), site.url);
  await page.evaluate(async ({ url, TOKEN }) => {
    globalThis.client = new globalThis.RealtimeClient({ url, getToken: () => TOKEN });
    globalThis.times = [];
    const rows = globalThis.client.collection('notes');
    await rows.ready;
    rows.onUpdate(({ commits }) => {
      const now = performance.timeOrigin + performance.now();
      for (const { at } of commits) globalThis.times.push(now - Date.parse(at));
    });
  }, { url: server.url, TOKEN });
  const session = server.session();
  for (let n = 0; n < 50; n++) {
    session.write(`insert into notes values ('t${n}');\n`);
    await until('it to arrive', () => page.evaluate((n) => globalThis.times.length > n, n));
  }
  session.end();
  told(t, 'commit in psql to callback in the page', await page.evaluate(() => globalThis.times));
  const flushes = await page.evaluate(async (url) => {
    const times = [];
    for (let round = 0; round < 5; round++) {
      const queue = new globalThis.OfflineQueue({ name: `flush${round}`, url: 'http://127.0.0.1:1' });
      for (let n = 0; n < 100; n++) await queue.create('notes', { id: `${round}-${n}` });
      await queue.close();
      const begun = performance.now();
      const sending = new globalThis.OfflineQueue({ name: `flush${round}`, client: globalThis.client });
      await sending.ready;
      while (sending.pending.length > 0) await new Promise((resolve) => setTimeout(resolve, 1));
      times.push(performance.now() - begun);
      const { done, rounds } = await sending.statistics();
      if (done !== 100 || rounds !== 1) throw new Error(`${done} in ${rounds}`);
      await sending.close();
    }
    return times;
  }, server.url);
  told(t, 'a hundred operations sent and booked', flushes);
});
