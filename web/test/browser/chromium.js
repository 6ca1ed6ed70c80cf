// A real Chromium, and pages that run the client from the server's own /web/.

import { existsSync } from 'node:fs';
import http from 'node:http';
import process from 'node:process';
import { chromium } from 'playwright-core';

const PLACES = [
  process.env.ROWBELL_CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** Starts a browser; as root, as in a container, it cannot have a sandbox. */
export function launch() {
  const executablePath = PLACES.find((place) => place && existsSync(place));
  if (!executablePath) throw new Error('no Chromium on this machine: install chromium, or set ROWBELL_CHROMIUM');
  return chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
}

/** The page that pages begin with: one that has the client, and nothing else. */
const PAGE = (base) => `<!doctype html><meta charset="utf-8"><title>rowbell</title><script type="module">
import { RealtimeClient } from '${base}/web/realtime-client.js';
import { OfflineQueue, RowStore } from '${base}/web/offline-sync.js';
Object.assign(globalThis, { RealtimeClient, OfflineQueue, RowStore });
</script>`;

/** Serves pages, and passes on to the server all else: so a page's network can fail, and its origin be another. */
export async function pages(base = '', files = {}) {
  const server = http.createServer((request, answer) => {
    const path = request.url.split('?')[0];
    answer.setHeader('content-type', `text/${path.endsWith('.js') ? 'javascript' : 'html'}; charset=utf-8`);
    if (path === '/' || files[path]) answer.end(files[path] ?? PAGE(base));
    else answer.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** A page in a context, with the client of that server. Its errors are kept. */
export async function open(context, url, files) {
  const page = await context.newPage();
  page.errors = [];
  page.on('pageerror', (error) => page.errors.push(error));
  await page.goto(url);
  if (!files) await page.waitForFunction(() => globalThis.OfflineQueue);
  return page;
}
