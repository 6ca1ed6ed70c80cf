// What wakes a client in a real Chromium, with the page's clock held still: so it was no timer.

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
  test(`${why}: it connects at once`, async (t) => {
    const proxy = await Proxy.start(() => server.port);
    const context = await browser.newContext();
    t.after(async () => (await context.close(), proxy.close()));
    const page = await context.newPage();
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
    const state = () => page.evaluate(() => globalThis.client.state);
    await until('the loss', async () => (await state()) === 'connecting');
    proxy.up();
    const made = proxy.connections;
    // Time stands still, so nobody tries.
    for (let look = 0; look < 10; look++) assert.equal(await state(), 'connecting');
    assert.equal(proxy.connections, made);
    await wake(page);
    await until('it to be live', async () => (await state()) === 'live');
    assert.equal(proxy.connections, made + 1);
  });
}
