// What wakes a client and a queue in a real Chromium, with the page's clock held still: so it was no timer.

import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { Proxy, Server, until } from '../stage.js';
import { launch, open, pages } from './chromium.js';

/** @type {Server} */
let server;
let browser;
let site;
before(async () => {
  server = await Server.start();
  await server.watch('notes', 'id text primary key');
  site = await pages(server.url);
  await server.kill();
  await server.serve({ ROWBELL_ALLOW_ORIGIN: site.url });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  site?.close();
  await server?.stop();
});

const WAKES = {
  'the browser is online again': (page) => page.evaluate(() => globalThis.dispatchEvent(new Event('online'))),
  'the tab is visible again': (page) => page.evaluate(() => document.dispatchEvent(new Event('visibilitychange'))),
  'the page comes out of the cache': (page) => page.evaluate(() => globalThis.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))),
  'the page is thawed': (page) => page.evaluate(() => document.dispatchEvent(new Event('resume'))),
};

for (const [why, wake] of Object.entries(WAKES)) {
  test(`${why}: it connects and sends at once`, async (t) => {
    const proxy = await Proxy.start(() => server.port);
    const context = await browser.newContext();
    t.after(async () => (await context.close(), proxy.close()));
    const page = await context.newPage();
    let sockets = 0;
    page.on('websocket', () => (sockets += 1));
    await page.clock.install();
    await page.goto(site.url);
    await page.waitForFunction(() => globalThis.RealtimeClient);
    await page.evaluate(async (url) => {
      globalThis.client = new globalThis.RealtimeClient({ url });
      globalThis.rows = globalThis.client.collection('notes');
      await globalThis.rows.ready;
    }, proxy.url);
    await page.clock.pauseAt(Date.now() + 3600_000);
    proxy.down();
    // A queue of its own network: it hears nothing of the client.
    const id = await page.evaluate(async (url) => {
      globalThis.queue = new globalThis.OfflineQueue({ url });
      const { id } = await globalThis.queue.create('notes', { id: crypto.randomUUID() });
      return id;
    }, proxy.url);
    const waits = () => page.evaluate(() => globalThis.queue.state);
    await until('the queue to wait', async () => (await waits()) === 'waiting');
    const state = () => page.evaluate(() => globalThis.client.state);
    await until('the loss', async () => (await state()) === 'connecting');
    proxy.up();
    const made = proxy.connections;
    // Time stands still, so nobody tries.
    for (let look = 0; look < 10; look++) assert.deepEqual([await state(), await waits()], ['connecting', 'waiting']);
    assert.equal(proxy.connections, made);
    await wake(page);
    await until('it to be live', async () => (await state()) === 'live');
    await until('the write to be sent', () => page.evaluate(() => globalThis.queue.pending.length === 0));
    assert.equal(await server.sql(`select count(*) from notes where id = '${id}'`), '1');
    assert.equal(sockets, 2, 'the first, and one more');
  });
}
