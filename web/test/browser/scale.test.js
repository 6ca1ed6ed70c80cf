// Two hundred clients in tabs and a server that restarts; tokens that end.

import 'fake-indexeddb/auto';
import { createHmac } from 'node:crypto';
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

test('two hundred clients in tabs go through a restart, and none misses or repeats anything', async (t) => {
  const site = await pages(server.url);
  await server.kill();
  await server.serve({ ROWBELL_ALLOW_ORIGIN: site.url });
  const browser = await launch();
  t.after(async () => (await browser.close(), site.close()));
  const context = await browser.newContext();
  const tabs = await Promise.all([1, 2, 3, 4].map(() => open(context, site.url)));
  let sockets = 0;
  for (const tab of tabs) tab.on('websocket', () => (sockets += 1));
  const each = (work, given) => Promise.all(tabs.map((tab) => tab.evaluate(work, given)));
  await soon('all rows', each(async ({ url, TOKEN }) => {
    globalThis.all = Array.from({ length: 50 }, () => {
      const client = new globalThis.RealtimeClient({ url, getToken: () => TOKEN });
      const one = { client, rows: client.collection('notes'), seen: [], back: 0 };
      client.onState((state) => {
        if (state === 'live') one.back = performance.timeOrigin + performance.now();
      });
      return one;
    });
    await Promise.all(globalThis.all.map(({ rows }) => rows.ready));
    for (const { rows, seen } of globalThis.all) rows.onUpdate(({ commits, startedOver }) => seen.push(...(startedOver ? ['over'] : commits.map(({ xid }) => xid))));
  }, { url: server.url, TOKEN }));
  assert.equal(sockets, 200, 'each has a socket of its own');
  const has = (id) => until(`${id} everywhere`, async () => (await each((id) => globalThis.all.every(({ rows }) => rows.has(id)), id)).every(Boolean));
  await server.sql("insert into notes values ('before')");
  await has('before');
  await server.kill();
  await server.sql("insert into notes values ('meanwhile')");
  await server.serve();
  const up = performance.timeOrigin + performance.now();
  await has('meanwhile');
  await server.sql("insert into notes values ('after')");
  await has('after');
  const seen = (await each(() => globalThis.all.map(({ seen }) => seen))).flat();
  for (const xids of seen) assert.ok(xids.length === 3 && new Set(xids).size === 3 && !xids.includes('over'), String(xids));
  told(t, 'from the restarted server listening to live', (await each(() => globalThis.all.map(({ back }) => back))).flat().map((at) => at - up));
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

/** A token as applications have them: a JWT, whose end the client reads. The server compares its text. */
function jwt(seconds, name) {
  const part = (claims) => Buffer.from(JSON.stringify(claims)).toString('base64url');
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: name, exp: Math.floor(Date.now() / 1000) + seconds })}`;
  return `${text}.${createHmac('sha256', 'secret').update(text).digest('base64url')}`;
}

test('in a page a token is renewed before its end by auth, and one that is over is replaced after 4401', async (t) => {
  const site = await pages(server.url);
  const [short, renewed, later] = [jwt(4, 'short'), jwt(600, 'renewed'), jwt(600, 'later')];
  await server.kill();
  await server.serve({ ROWBELL_ALLOW_ORIGIN: site.url, ROWBELL_TOKEN: short });
  const browser = await launch();
  t.after(async () => (await browser.close(), site.close()));
  const page = await open(await browser.newContext(), site.url);
  const [sent, closed] = [[], []];
  page.on('websocket', (socket) => {
    socket.on('framesent', ({ payload }) => sent.push({ ...JSON.parse(payload), at: Date.now() }));
    socket.on('close', () => closed.push(Date.now()));
  });
  await page.evaluate(async ({ url, short }) => {
    Object.assign(globalThis, { token: short, asked: [] });
    globalThis.client = new globalThis.RealtimeClient({ url, getToken: ({ refused }) => (globalThis.asked.push(refused), globalThis.token) });
    globalThis.rows = globalThis.client.collection('notes');
    await globalThis.rows.ready;
  }, { url: server.url, short });
  // From here on another is given. This server takes one token, so it refuses it, and ends the session with 4401.
  await page.evaluate((renewed) => (globalThis.token = renewed), renewed);
  const auth = await until('auth', () => sent.find(({ type }) => type === 'auth'));
  assert.equal(auth.token, renewed);
  assert.ok(auth.at < JSON.parse(Buffer.from(short.split('.')[1], 'base64url')).exp * 1000, 'before the end');
  await until('the refused one to be told', () => page.evaluate((renewed) => globalThis.asked.includes(renewed), renewed));
  assert.ok(closed.length > 0);
  // What stays refused ends the client; a server that takes it lets the next one in.
  await until('the end', () => page.evaluate(() => globalThis.client.state === 'closed'));
  await server.kill();
  await server.serve({ ROWBELL_TOKEN: later });
  await page.evaluate((later) => {
    globalThis.client = new globalThis.RealtimeClient({ url: globalThis.client.url, getToken: ({ refused }) => (refused ? later : globalThis.token) });
    globalThis.rows = globalThis.client.collection('notes');
  }, later);
  await soon('rows with the fresh one', page.evaluate(() => globalThis.rows.ready.then(() => {})));
  await server.sql("insert into notes values ('fresh')");
  await until('the row', () => page.evaluate(() => globalThis.rows.has('fresh')));
});
