// Tabs with a client, a collection that is kept, a queue and a view, over a network that can fail.

import assert from 'node:assert/strict';
import { Proxy, until } from '../stage.js';
import { open, pages } from './chromium.js';

/** A table, and pages of an allowed origin that reach the server through a network that can fail. */
export async function stage(t, server, browser, files) {
  const name = `t${Math.random().toString(36).slice(2, 10)}`;
  await server.watch(name, 'id text primary key, body text, n int');
  const proxy = await Proxy.start(() => server.port);
  const site = await pages(server.url, files);
  await server.kill();
  await server.serve({ ROWBELL_ALLOW_ORIGIN: site.url });
  const contexts = [];
  t.after(async () => {
    for (const context of contexts) await context.close();
    proxy.close();
    site.close();
  });
  const at = { name, proxy, site, sql: (text) => server.sql(text.replaceAll('$T', name)) };
  at.context = async (of = browser) => contexts[contexts.push(await of.newContext()) - 1];
  /** A tab with a client, a collection, a queue and a view. */
  at.tab = async (context) => {
    const page = await open(context, site.url);
    await at.start(page);
    return page;
  };
  at.start = (page) => page.evaluate(start, { url: proxy.url, name });
  at.truth = async () => JSON.parse(await at.sql("select coalesce(json_object_agg(id, n order by id), '{}') from $T"));
  return at;
}

/** What runs in a page. */
async function start({ url, name }) {
  globalThis.client = new globalThis.RealtimeClient({ url });
  globalThis.store = new globalThis.RowStore({ name });
  globalThis.rows = globalThis.client.collection(name, { store: globalThis.store });
  globalThis.queue = new globalThis.OfflineQueue({ client: globalThis.client, name });
  globalThis.view = globalThis.queue.view(globalThis.rows);
  await globalThis.queue.ready;
}

export const copy = (page) => page.evaluate(() => Object.fromEntries([...globalThis.rows].map(([id, { n }]) => [id, n])));
export const shown = (page) => page.evaluate(() => Object.fromEntries([...globalThis.view].map(([id, { n }]) => [id, n])));
export const pending = (page) => page.evaluate(() => globalThis.queue.pending.length);
export const sorted = (object) => Object.fromEntries(Object.entries(object).sort());
export const twice = (at) => at.sql("select count(*) - count(distinct (id, op, new_n)) from (select id, op, row->>'n' as new_n from rowbell.changes where channel = '$T' and id is not null) c");

/** Waits until every tab shows what the table holds, and has nothing left to send. */
export async function agree(at, tabs) {
  await until('all tabs to be as the table', async () => {
    const truth = JSON.stringify(sorted(await at.truth()));
    for (const tab of tabs) {
      if ((await pending(tab)) > 0 || JSON.stringify(sorted(await copy(tab))) !== truth || JSON.stringify(sorted(await shown(tab))) !== truth) return false;
    }
    return true;
  });
  for (const tab of tabs) assert.deepEqual(tab.errors, []);
}
