// How long things take, and how much there is to load: npm run figures. Prints a table; nothing is asserted.
// ROWBELL_PROGRAM names the program that is measured, target/debug/rowbell if unset.

import os from 'node:os';
import process from 'node:process';
import zlib from 'node:zlib';
import { ENTRIES, bundles } from '../build.mjs';
import { launch, open, pages } from './browser/chromium.js';
import { Proxy, Server, until } from './stage.js';

/** Rounds of what is measured. */
const RECONNECTS = 50;
const COMMITS = 200;
const FLUSHES = 15;

const server = await Server.start();
await server.watch('notes', 'id text primary key, body text');
const proxy = await Proxy.start(() => server.port);
const site = await pages(server.url);
await server.kill();
await server.serve({ ROWBELL_ALLOW_ORIGIN: site.url });
const browser = await launch();
const page = await open(await browser.newContext(), site.url);

const middle = (times) => [...times].sort((one, other) => one - other)[times.length >> 1];
const told = (times) => `${middle(times).toFixed(1)} ms (worst ${Math.max(...times).toFixed(1)} ms of ${times.length})`;
const lines = [];

/** From the end of one connection to the greeting of the next, with a server that is there. */
async function reconnects() {
  const times = [];
  for (let round = 0; round < RECONNECTS; round++) {
    await page.evaluate(async (url) => {
      const client = new globalThis.RealtimeClient({ url });
      await client.collection('notes').ready;
      let lost = 0;
      globalThis.back = new Promise((resolve) => {
        client.onState((state) => {
          if (state === 'connecting') lost ||= performance.now();
          if (state === 'live') (client.close(), resolve(performance.now() - lost));
        });
      });
    }, proxy.url);
    proxy.down();
    proxy.up();
    times.push(await page.evaluate(() => globalThis.back));
  }
  return times;
}

/** From the time the database gives a commit's last change to the callback in the page. */
async function commits() {
  await page.evaluate(async (url) => {
    globalThis.times = [];
    const rows = new globalThis.RealtimeClient({ url }).collection('notes');
    await rows.ready;
    rows.onUpdate(({ commits }) => {
      const now = performance.timeOrigin + performance.now();
      for (const { at } of commits) globalThis.times.push(now - Date.parse(at));
    });
  }, server.url);
  const session = server.session();
  for (let n = 0; n < COMMITS; n++) {
    session.write(`insert into notes values ('c${n}');\n`);
    await until('it to arrive', () => page.evaluate((n) => globalThis.times.length > n, n));
  }
  session.end();
  return page.evaluate(() => globalThis.times);
}

/** The same hundred changes queued and sent, and as requests one after the other. */
function flushes() {
  return page.evaluate(async ({ url, rounds }) => {
    const [queued, single] = [[], []];
    const read = async (id) => (await fetch(`${url}/api/notes/${id}`)).json();
    for (let round = 0; round < rounds; round++) {
      const name = `flush${round}`;
      const ids = Array.from({ length: 100 }, (_, n) => `${round}-${n}`);
      const making = new globalThis.OfflineQueue({ name, url });
      for (const id of ids) await making.create('notes', { id, body: '' });
      while (making.pending.length > 0) await new Promise((resolve) => setTimeout(resolve, 1));
      await making.close();
      const rows = await Promise.all(ids.map(read));
      const away = new globalThis.OfflineQueue({ name, url: 'http://127.0.0.1:1' });
      for (const row of rows) await away.patch('notes', row, { body: 'queued' });
      await away.close();
      let begun = performance.now();
      const sending = new globalThis.OfflineQueue({ name, url });
      await sending.ready;
      while (sending.pending.length > 0) await new Promise((resolve) => setTimeout(resolve, 0));
      queued.push(performance.now() - begun);
      await sending.close();
      const again = await Promise.all(ids.map(read));
      begun = performance.now();
      for (const { id, version } of again) {
        const headers = { 'content-type': 'application/json', 'if-match': `"${version}"` };
        const answer = await fetch(`${url}/api/notes/${id}`, { method: 'PATCH', headers, body: '{"body":"single"}' });
        if (!answer.ok) throw new Error(String(answer.status));
        await answer.json();
      }
      single.push(performance.now() - begun);
    }
    return { queued, single };
  }, { url: server.url, rounds: FLUSHES });
}

lines.push(['reconnect to live', told(await reconnects())]);
lines.push(['commit in psql to callback in the page', told(await commits())]);
const { queued, single } = await flushes();
lines.push(['flush of 100 queued changes, one request', told(queued)]);
lines.push(['the same as 100 PATCH requests', `${told(single)}; ${(middle(single) / middle(queued)).toFixed(1)} × as long`]);
for (const entry of ENTRIES) {
  const size = (text) => zlib.gzipSync(text, { level: 9 }).length;
  lines.push([`bytes of ${entry}.js, minified and gzipped, alone`, size((await bundles([entry]))[`${entry}.js`])]);
}
const program = process.env.ROWBELL_PROGRAM ? 'ROWBELL_PROGRAM' : 'not optimised';
console.log(`${new Date().toISOString().slice(0, 10)}, ${os.cpus().length} × ${os.cpus()[0].model}, Node ${process.version}, Chromium ${browser.version()}, ${program}, load ${os.loadavg()[0].toFixed(1)}\n`);
console.log('| what | median (worst) |\n|---|---|');
for (const line of lines) console.log(`| ${line.join(' | ')} |`);

await browser.close();
[proxy, site].forEach((one) => one.close());
await server.stop();
