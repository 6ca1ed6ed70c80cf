// In a real Chromium: tabs, browsers, crashes, sleep, other origins.

import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { Server, soon, until } from '../stage.js';
import { launch, pages } from './chromium.js';
import { agree, pending, shown, stage as stageOf, twice } from './tabs.js';

/** @type {Server} */
let server;
let browser;
const stage = (t) => stageOf(t, server, browser);
before(async () => {
  server = await Server.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test('two tabs and two browsers, offline with writes on both sides, then in sync', async (t) => {
  const at = await stage(t);
  const second = await launch();
  t.after(() => second.close());
  const [one, other] = [await at.context(), await at.context(second)];
  const tabs = [await at.tab(one), await at.tab(one), await at.tab(other)];
  await tabs[0].evaluate((name) => globalThis.queue.create(name, { id: 'first', n: 1 }), at.name);
  await agree(at, tabs);
  at.proxy.down();
  for (const [index, tab] of tabs.entries()) {
    await tab.evaluate(async ({ name, index }) => {
      for (let n = 0; n < 20; n++) {
        await globalThis.queue.create(name, { id: `${index}-${n}`, n });
        await globalThis.queue.patch(name, `${index}-${n}`, { n: n + 100 });
      }
    }, { name: at.name, index });
  }
  await at.sql("insert into $T values ('server', 'x', 7); update $T set n = 2 where id = 'first'");
  // Tabs of one browser see what the other has queued; a browser of its own does not.
  await until('the other tab to see it', async () => (await pending(tabs[1])) === 80);
  assert.equal(Object.keys(await shown(tabs[0])).length, 41);
  assert.equal(await pending(tabs[2]), 40);
  at.proxy.up();
  await agree(at, tabs);
  assert.equal(Object.keys(await at.truth()).length, 62);
  assert.equal(await twice(at), '0');
  for (const tab of tabs) assert.deepEqual(await tab.evaluate(() => globalThis.queue.letters()), []);
});

test('one tab sends, the others wait for their turn, and the next one takes it when that closes', async (t) => {
  const at = await stage(t);
  const context = await at.context();
  const tabs = [await at.tab(context), await at.tab(context)];
  const sent = tabs.map((tab) => {
    const batches = [];
    tab.on('request', (request) => request.method() === 'POST' && batches.push(request.url()));
    return batches;
  });
  const state = (tab) => tab.evaluate(() => globalThis.queue.state);
  const holding = server.session();
  t.after(() => holding.end());
  holding.write(`begin; lock table ${at.name} in share mode;\n`);
  await until('the table to be held', async () => (await at.sql("select count(*) from pg_locks where mode = 'ShareLock' and relation = '$T'::regclass")) === '1');
  await tabs[0].evaluate((name) => globalThis.queue.create(name, { id: 'a', n: 1 }), at.name);
  await until('the first to send', () => sent[0].length === 1);
  await tabs[1].evaluate((name) => globalThis.queue.create(name, { id: 'b', n: 2 }), at.name);
  await until('the second to want to', async () => (await state(tabs[1])) !== 'idle');
  for (let look = 0; look < 10; look++) assert.equal(await state(tabs[1]), 'blocked');
  assert.deepEqual(sent.map(({ length }) => length), [1, 0]);
  await tabs[0].close();
  await until('the second to send', () => sent[1].length > 0);
  holding.write('commit;\n');
  await agree(at, [tabs[1]]);
  assert.deepEqual(await at.truth(), { a: 1, b: 2 });
  assert.equal(await twice(at), '0');
});

test('a tab that crashes while it sends: every write lands once', async (t) => {
  const at = await stage(t);
  const context = await at.context();
  const first = await at.tab(context);
  at.proxy.down();
  await first.evaluate(async (name) => {
    for (let n = 0; n < 150; n++) await globalThis.queue.create(name, { id: `r${n}`, n });
  }, at.name);
  const lost = at.proxy.downAt((text, what) => what === 'answer' && text.includes('"results"'));
  at.proxy.up();
  await first.evaluate(() => globalThis.dispatchEvent(new Event('online')));
  await soon('the answer to be lost', lost);
  const cdp = await context.newCDPSession(first);
  cdp.send('Page.crash').catch(() => {});
  await soon('the crash', new Promise((resolve) => first.once('crash', resolve)));
  await first.close();
  const second = await at.tab(context);
  assert.equal(await pending(second), 150);
  at.proxy.up();
  await second.evaluate(() => globalThis.dispatchEvent(new Event('online')));
  await agree(at, [second]);
  assert.equal(await at.sql("select count(*) from rowbell.changes where channel = '$T' and id is not null"), '150');
  const { dead, done } = await second.evaluate(() => globalThis.queue.statistics());
  assert.deepEqual([done, dead], [150, 0]);
});

test('a server that is killed in the middle of a batch: every write lands once', async (t) => {
  const at = await stage(t);
  const tab = await at.tab(await at.context());
  at.proxy.down();
  await tab.evaluate(async (name) => {
    for (let n = 0; n < 100; n++) await globalThis.queue.create(name, { id: `r${n}`, n });
  }, at.name);
  // Slow enough that the middle is not missed.
  await at.sql(`create function $T_slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.02); return new; end $$;
    create trigger slow before insert on $T for each row execute function $T_slow()`);
  at.proxy.up();
  await tab.evaluate(() => globalThis.dispatchEvent(new Event('online')));
  await until('the first rows', async () => Number(await at.sql('select count(*) from $T')) > 0);
  await server.kill();
  const landed = Number(await at.sql('select count(*) from $T'));
  assert.ok(landed > 0 && landed < 100, `${landed} landed`);
  await at.sql('drop trigger slow on $T');
  await server.serve();
  await agree(at, [tab]);
  assert.equal(await at.sql("select count(*) || ' ' || count(distinct id) from rowbell.changes where channel = '$T' and id is not null"), '100 100');
  const { dead, done, replayed } = await tab.evaluate(() => globalThis.queue.statistics());
  assert.deepEqual([done, dead], [100, 0]);
  assert.ok(replayed >= landed, `${replayed} of ${landed} had landed`);
});

test('a laptop that slept, and a network that forgot it meanwhile', async (t) => {
  const at = await stage(t);
  // A browser of its own, all of whose processes stand still: no timer fires and no event comes, as in sleep.
  const laptop = await launch();
  t.after(() => laptop.close());
  const tab = await at.tab(await at.context(laptop));
  await agree(at, [tab]);
  const { processInfo } = await (await laptop.newBrowserCDPSession()).send('SystemInfo.getProcessInfo');
  const signal = (name) => processInfo.forEach(({ id }) => process.kill(id, name));
  const made = at.proxy.connections;
  signal('SIGSTOP');
  at.proxy.strand();
  await at.sql("insert into $T values ('a', 'x', 1)");
  // Longer than three looks of the client at its clock.
  await new Promise((done) => setTimeout(done, 16_000));
  signal('SIGCONT');
  const woke = performance.now();
  // The connection looks open and is dead; a look at the clock asks, hears nothing, and makes another.
  await until('another connection', () => at.proxy.connections > made);
  const seconds = (performance.now() - woke) / 1000;
  await agree(at, [tab]);
  // By the heartbeat alone it would be 25 s from the last frame on, and another 5 for the answer to a ping.
  assert.ok(seconds < 12, `noticed only after ${seconds} s`);
});

test('a page whose network comes back is live at once', async (t) => {
  const at = await stage(t);
  const tab = await at.tab(await at.context());
  const times = [];
  for (let round = 0; round < 15; round++) {
    // A new one each time: what breaks again and again waits longer and longer.
    await tab.evaluate(async ({ url, name }) => {
      const client = new globalThis.RealtimeClient({ url });
      await client.collection(name).ready;
      let lost = 0;
      globalThis.back = new Promise((resolve) => {
        client.onState((state) => {
          if (state === 'connecting') lost ||= performance.now();
          if (state === 'live') (client.close(), resolve(performance.now() - lost));
        });
      });
    }, { url: at.proxy.url, name: at.name });
    at.proxy.down();
    at.proxy.up();
    times.push(await soon('the connection', tab.evaluate(() => globalThis.back)));
  }
  times.sort((one, other) => one - other);
  t.diagnostic(`reconnect to live, of 15: median ${times[7].toFixed(0)} ms, worst ${times[14].toFixed(0)} ms`);
});

test('a page of another origin may read, write and follow only where it is allowed', async (t) => {
  const at = await stage(t);
  const tab = await at.tab(await at.context());
  await at.sql("insert into $T values ('a', 'x', 1)");
  await tab.evaluate((name) => globalThis.queue.create(name, { id: 'b', n: 2 }), at.name);
  await agree(at, [tab]);
  /** Everything a page may want of the server, and whether it gets it. */
  const tried = async ({ url, name }) => {
    const of = (promise) => promise.then((answer) => (answer.ok ? answer.headers.get('etag') ?? 'no tag' : String(answer.status)), () => 'kept out');
    const row = `${url}/api/${name}/a`;
    const tag = await of(fetch(row));
    const json = { 'content-type': 'application/json', authorization: 'Bearer x', 'idempotency-key': 'k', prefer: 'conflict=force' };
    const patched = await of(fetch(row, { method: 'PATCH', headers: { ...json, 'if-match': '"1"' }, body: '{"body":"y"}' }));
    const module = await import(`${url}/web/realtime-client.js`).then(() => 'loaded', () => 'kept out');
    const socket = await new Promise((resolve) => {
      const one = new WebSocket(`${url.replace('http', 'ws')}/feed`);
      [one.onopen, one.onclose] = [() => resolve('open'), () => resolve('kept out')];
    });
    return { tag: /^"\d+"$/.test(tag) ? 'tag' : tag, patched: /^"\d+"$/.test(patched) ? 'tag' : patched, module, socket };
  };
  const wanted = { url: server.url, name: at.name };
  assert.deepEqual(await tab.evaluate(tried, wanted), { tag: 'tag', patched: 'tag', module: 'loaded', socket: 'open' });
  const foreign = await pages('', { '/foreign': '<!doctype html><title>foreign</title>' });
  t.after(() => foreign.close());
  const page = await (await at.context()).newPage();
  await page.goto(`${foreign.url}/foreign`);
  const out = 'kept out';
  assert.deepEqual(await page.evaluate(tried, wanted), { tag: out, patched: out, module: out, socket: out });
  assert.equal(await at.sql("select body from $T where id = 'a'"), 'y');
});

test("a browser's own EventSource continues by itself when the server comes back", async (t) => {
  const at = await stage(t);
  const context = await at.context();
  const page = await context.newPage();
  await page.goto(at.site.url);
  await page.evaluate(async (url) => {
    globalThis.seen = [];
    const feed = new EventSource(url);
    await new Promise((resolve) => feed.addEventListener('subscribed', resolve, { once: true }));
    feed.addEventListener('commits', ({ data }) => {
      for (const { changes } of JSON.parse(data).commits) globalThis.seen.push(...changes.map(({ id }) => id));
    });
  }, `${server.url}/feed/${at.name}`);
  await at.sql("insert into $T select 'a' || n from generate_series(1, 50) n");
  await until('the first', () => page.evaluate(() => globalThis.seen.length === 50));
  await server.kill();
  await at.sql("insert into $T select 'b' || n from generate_series(1, 50) n");
  await server.serve();
  await at.sql("insert into $T select 'c' || n from generate_series(1, 50) n");
  await until('the rest', () => page.evaluate(() => globalThis.seen.length >= 150));
  const seen = await page.evaluate(() => globalThis.seen);
  const expected = ['a', 'b', 'c'].flatMap((letter) => Array.from({ length: 50 }, (_, n) => `${letter}${n + 1}`));
  assert.deepEqual(seen, expected);
});
