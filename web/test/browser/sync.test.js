// In a real Chromium: tabs, browsers, crashes, frozen timers, other origins.

import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { Proxy, Server, soon, until } from '../stage.js';
import { launch, open, pages } from './chromium.js';

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

/** A table, and pages of an allowed origin that reach the server through a network that can fail. */
async function stage(t) {
  const name = `t${Math.random().toString(36).slice(2, 10)}`;
  await server.watch(name, 'id text primary key, body text, n int');
  const proxy = await Proxy.start(() => server.port);
  const site = await pages(server.url);
  await server.kill();
  await server.serve({ ROWBELL_ALLOW_ORIGIN: site.url });
  const contexts = [];
  t.after(async () => {
    for (const context of contexts) await context.close();
    proxy.close();
    site.close();
  });
  const at = { name, proxy, site, sql: (text) => server.sql(text.replaceAll('$T', name)) };
  at.context = async () => contexts[contexts.push(await browser.newContext()) - 1];
  /** A tab with a client, a collection, a queue and a view. */
  at.tab = async (context) => {
    const page = await open(context, site.url);
    await page.evaluate(start, { url: proxy.url, name });
    return page;
  };
  at.truth = async () => JSON.parse(await at.sql("select coalesce(json_object_agg(id, n order by id), '{}') from $T"));
  return at;
}

/** What runs in a page. */
async function start({ url, name }) {
  globalThis.client = new globalThis.RealtimeClient({ url });
  globalThis.rows = globalThis.client.collection(name);
  globalThis.queue = new globalThis.OfflineQueue({ client: globalThis.client, name });
  globalThis.view = globalThis.queue.view(globalThis.rows);
  await globalThis.queue.ready;
}

const copy = (page) => page.evaluate(() => Object.fromEntries([...globalThis.rows].map(([id, { n }]) => [id, n])));
const shown = (page) => page.evaluate(() => Object.fromEntries([...globalThis.view].map(([id, { n }]) => [id, n])));
const pending = (page) => page.evaluate(() => globalThis.queue.pending.length);
const sorted = (object) => Object.fromEntries(Object.entries(object).sort());
const twice = (at) => at.sql("select count(*) - count(distinct (id, op, new_n)) from (select id, op, row->>'n' as new_n from rowbell.changes where channel = '$T' and id is not null) c");

async function agree(at, tabs) {
  await until('all tabs to be as the table', async () => {
    const truth = JSON.stringify(sorted(await at.truth()));
    for (const tab of tabs) {
      if ((await pending(tab)) > 0 || JSON.stringify(sorted(await copy(tab))) !== truth || JSON.stringify(sorted(await shown(tab))) !== truth) return false;
    }
    return true;
  });
  for (const tab of tabs) assert.deepEqual(tab.errors, []);
}

test('two tabs and two browsers, offline with writes on both sides, then in sync', async (t) => {
  const at = await stage(t);
  const [one, other] = [await at.context(), await at.context()];
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
  // A tab that is loaded anew while offline has everything that was queued.
  const site = at.site.url;
  await tabs[1].goto('about:blank');
  at.proxy.up();
  await tabs[1].goto(site);
  await tabs[1].waitForFunction(() => globalThis.OfflineQueue);
  await tabs[1].evaluate(start, { url: at.proxy.url, name: at.name });
  await agree(at, tabs);
  assert.equal(Object.keys(await at.truth()).length, 62);
  assert.equal(await twice(at), '0');
  for (const tab of tabs) assert.deepEqual(await tab.evaluate(() => globalThis.queue.letters()), []);
});

test('a tab that crashes while it sends, and a server that is killed: every write lands once', async (t) => {
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
  await server.kill();
  await server.serve();
  await agree(at, [second]);
  assert.equal(await at.sql("select count(*) from rowbell.changes where channel = '$T' and id is not null"), '150');
  const { dead, done } = await second.evaluate(() => globalThis.queue.statistics());
  assert.deepEqual([done, dead], [150, 0]);
});

test('timers that were frozen, and a network that went silent meanwhile', async (t) => {
  const at = await stage(t);
  const context = await at.context();
  const tab = await at.tab(context);
  await agree(at, [tab]);
  const cdp = await context.newCDPSession(tab);
  await cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
  at.proxy.silence();
  await at.sql("insert into $T values ('a', 'x', 1)");
  await cdp.send('Page.setWebLifecycleState', { state: 'active' });
  // The connection looks open and is dead; coming back asks, hears nothing, and makes another.
  const made = at.proxy.connections;
  await until('another connection', () => at.proxy.connections > made);
  at.proxy.up();
  await agree(at, [tab]);
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

test('a page of another origin may connect only where it is allowed', async (t) => {
  const at = await stage(t);
  const tab = await at.tab(await at.context());
  await at.sql("insert into $T values ('a', 'x', 1)");
  await tab.evaluate((name) => globalThis.queue.create(name, { id: 'b', n: 2 }), at.name);
  await agree(at, [tab]);
  const foreign = await pages(server.url);
  t.after(() => foreign.close());
  const page = await (await at.context()).newPage();
  const refused = page.waitForEvent('console', (message) => /CORS/.test(message.text()));
  await page.goto(foreign.url);
  await soon('the refusal', refused);
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
