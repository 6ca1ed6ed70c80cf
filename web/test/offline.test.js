// The queue against a real server, over a network that fails, on an IndexedDB in memory.

import 'fake-indexeddb/auto';
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { RealtimeClient } from '../realtime-client.js';
import { OfflineQueue } from '../offline-sync.js';
import { Store } from '../offline-store.js';
import { Proxy, Server, soon, until } from './stage.js';

/** @type {Server} */
let server;
before(async () => {
  server = await Server.start();
});
after(() => server.stop());

/** A table of its own for each test, and a proxy that is down at first. */
async function stage(t) {
  const name = `t${Math.random().toString(36).slice(2, 10)}`;
  await server.watch(name, "id text primary key, body text, n int check (n < 1000), data jsonb");
  const proxy = await Proxy.start(() => server.port);
  proxy.down();
  const queues = [];
  const at = {
    name, proxy,
    sql: (text) => server.sql(text.replaceAll('$T', name)),
    queue(options = {}) {
      const queue = new OfflineQueue({ name, url: proxy.url, ...options });
      queues.push(queue);
      return queue;
    },
  };
  at.sent = (queue) => until('everything to be sent', () => queue.pending.length === 0 && queue.state === 'idle');
  t.after(async () => {
    for (const queue of queues) await queue.close();
    proxy.close();
  });
  return at;
}

const wake = (queue, proxy) => {
  proxy.up();
  // As the browser does when it is online again; other tabs pass it on.
  const other = new BroadcastChannel(`rowbell-offline-${queue.name}`);
  other.postMessage({ type: 'wake' });
  other.close();
};

test('writes made while offline arrive once, in order per row, after any number of visits', async (t) => {
  const at = await stage(t);
  await at.sql("insert into $T values ('old', 'a', 1), ('gone', 'a', 1)");
  const old = JSON.parse(await at.sql("select row_to_json($T) from $T where id = 'old'"));
  const gone = JSON.parse(await at.sql("select row_to_json($T) from $T where id = 'gone'"));
  const first = at.queue();
  await first.create(at.name, { id: 'new', body: '1' });
  await first.patch(at.name, 'new', { body: '2' });
  await first.patch(at.name, old, { n: 2 });
  await first.close();
  const second = at.queue();
  await second.ready;
  assert.equal(second.pending.length, 3);
  await second.patch(at.name, 'new', { n: 3 });
  await second.patch(at.name, 'old', { body: 'b' });
  await second.delete(at.name, gone);
  wake({ name: at.name }, at.proxy);
  await at.sent(second);
  assert.equal(await at.sql("select string_agg(id || body || n, ' ' order by id) from $T"), 'new23 oldb2');
  const statistics = await second.statistics();
  assert.deepEqual({ done: statistics.done, replayed: statistics.replayed, dead: statistics.dead, rounds: statistics.rounds },
    { done: 6, replayed: 0, dead: 0, rounds: 1 });
  assert.equal(await at.sql("select count(*) from rowbell.changes where channel = '$T' and id is not null"), '8');
});

test('what is not saved says so, and is not queued', async (t) => {
  const at = await stage(t);
  const queue = at.queue({ capacity: 2, keys: { [`${at.name}-2`]: ['a', 'b'] } });
  await assert.rejects(async () => queue.create(at.name, { body: 'x' }), { code: 'key_required', message: /crypto.randomUUID/ });
  await assert.rejects(async () => queue.create(`${at.name}-2`, { a: 1 }), { code: 'key_required', message: /give a, b/ });
  await assert.rejects(queue.patch(at.name, 'x', { body: 'x' }), { code: 'version_required', message: /not saved/ });
  await queue.create(at.name, { id: 'a' });
  await assert.rejects(queue.create(at.name, { id: 'a' }), { code: 'exists' });
  await queue.delete(at.name, 'a');
  await assert.rejects(queue.patch(at.name, 'a', {}), { code: 'queue_full' });
  assert.equal((await queue.statistics()).queued, 2);
  // What structured cloning cannot copy cannot be kept.
  const roomy = at.queue({ name: `${at.name}-roomy` });
  await assert.rejects(roomy.create(at.name, { id: 'f', body: () => {} }), { code: 'not_saved' });
  await roomy.create(at.name, { id: 'a' });
  await roomy.delete(at.name, 'a');
  await assert.rejects(roomy.patch(at.name, 'a', {}), { code: 'not_found' });
  await roomy.close();
  await assert.rejects(roomy.create(at.name, { id: 'b' }), { code: 'closed' });
});

test('an answer that is lost is asked for again, and nothing is done twice', async (t) => {
  const at = await stage(t);
  const queue = at.queue();
  for (let n = 0; n < 100; n++) await queue.create(at.name, { id: `r${n}`, n });
  for (let n = 0; n < 100; n++) await queue.patch(at.name, `r${n}`, { body: 'x' });
  at.proxy.up();
  const lost = at.proxy.downAt((text, what) => what === 'answer' && text.includes('"results"'));
  const others = new BroadcastChannel(`rowbell-offline-${at.name}`);
  others.postMessage({ type: 'wake' });
  await soon('the answer to be lost', lost);
  assert.equal(await at.sql('select count(*) from $T'), '100');
  at.proxy.up();
  others.postMessage({ type: 'wake' });
  others.close();
  await at.sent(queue);
  const { done, dead, replayed } = await queue.statistics();
  assert.deepEqual([done, dead], [200, 0]);
  assert.ok(replayed > 0, `${replayed} replayed`);
  assert.equal(await at.sql("select count(*) from rowbell.changes where channel = '$T' and id is not null"), '200');
});

test('a request sent into a network that swallows it is sent again once the network is back', async (t) => {
  const at = await stage(t);
  await at.sql("insert into $T values ('merged', 'a', 1), ('forced', 'a', 1), ('kept', 'a', 1)");
  const row = async (id) => JSON.parse(await at.sql(`select row_to_json($T) from $T where id = '${id}'`));
  const rows = await Promise.all(['merged', 'forced', 'kept'].map(row));
  at.proxy.up();
  at.proxy.silence();
  const queue = at.queue();
  await queue.patch(at.name, rows[0], { body: 'mine' }, { conflict: 'merge' });
  await queue.patch(at.name, rows[1], { body: 'mine' }, { conflict: 'force' });
  await queue.patch(at.name, rows[2], { body: 'mine' }, { conflict: 'keep' });
  await until('a request to be on its way', () => queue.state === 'sending' && at.proxy.connections > 0);
  await at.sql("update $T set n = 2; update $T set body = 'theirs' where id <> 'merged'");
  wake({ name: at.name }, at.proxy);
  await at.sent(queue);
  const made = "select string_agg(id || ' ' || body || n, ', ' order by id) from $T";
  assert.equal(await at.sql(made), 'forced mine2, kept theirs2, merged mine2');
  assert.equal((await queue.statistics()).letters, 0);
});

test('the server is killed in the middle: every write lands once', async (t) => {
  const at = await stage(t);
  const queue = at.queue();
  for (let n = 0; n < 300; n++) await queue.create(at.name, { id: `r${n}`, n });
  wake({ name: at.name }, at.proxy);
  await until('the first rows', async () => Number(await at.sql('select count(*) from $T')) > 0);
  await server.kill();
  await server.serve();
  await at.sent(queue);
  assert.equal(await at.sql("select count(*) || ' ' || count(distinct id) from rowbell.changes where channel = '$T' and id is not null"), '300 300');
  assert.equal((await queue.statistics()).dead, 0);
});

test('refusals come back as letters with their reason, and hold up no other row', async (t) => {
  const at = await stage(t);
  await at.sql("insert into $T values ('mine', 'a', 1)");
  const mine = JSON.parse(await at.sql("select row_to_json($T) from $T"));
  await at.sql(`create function ${at.name}_denied() returns trigger language plpgsql as $$ begin
    raise exception using errcode = 'insufficient_privilege'; end $$;
    create trigger denied before insert on $T for each row when (new.n = 403) execute function ${at.name}_denied()`);
  const told = [];
  const queue = at.queue({ onLetter: (letters) => told.push(...letters) });
  await queue.create(at.name, { id: 'check', n: 5000 });
  await queue.patch(at.name, 'check', { body: 'x' });
  await queue.create(at.name, { id: 'column', colour: 'red' });
  await queue.patch(at.name, mine, { n: 2 });
  await queue.create('nothing-of-the-kind', { id: 'a' });
  await queue.create(at.name, { id: 'good' });
  await queue.patch(at.name, 'good', { n: 7 });
  await queue.create(at.name, { id: 'denied', n: 403 });
  await at.sql("update $T set n = 9");
  wake({ name: at.name }, at.proxy);
  await at.sent(queue);
  const letters = await queue.letters();
  assert.deepEqual(letters.map(({ id, problem }) => [id, problem.code]),
    [['check', 'constraint'], ['check', 'skipped'], ['column', 'unknown_column'], ['mine', 'conflict'], ['a', 'unknown_channel'], ['denied', 'forbidden']]);
  assert.ok(letters.every(({ attempts, problem }) => attempts === 0 && problem.detail), 'none was tried twice, and each says why');
  assert.equal(letters[1].because, letters[0].seq);
  assert.equal(letters[3].problem.current.n, 9);
  assert.equal(told.length, 6);
  assert.equal(await at.sql("select string_agg(id || n, ' ' order by id) from $T"), 'good7 mine9');

  // Mended, and sent again with what hung on it.
  await queue.resend(letters[0].seq, { row: { id: 'check', n: 5 } });
  await queue.resend(letters[3].seq, { rebase: true });
  await queue.discard(letters[2].seq);
  await at.sql("alter table $T add colour text");
  await queue.discard(letters[4].seq);
  await at.sql('drop trigger denied on $T');
  await queue.resend(letters[5].seq);
  await until('no letters', async () => (await queue.letters()).length === 0);
  await at.sent(queue);
  assert.equal(await at.sql("select string_agg(id || n || coalesce(body, ''), ' ' order by id) from $T"), 'check5x denied403 good7 mine2a');
});

test('a second edit sent later than the first is based on what the first left', async (t) => {
  const at = await stage(t);
  const queue = at.queue();
  at.proxy.up();
  await queue.create(at.name, { id: 'a', n: 0 });
  const edits = [];
  for (let n = 1; n <= 30; n++) {
    edits.push(queue.patch(at.name, 'a', { n }).catch((error) => error.code));
    if (n % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  // Between two rounds nothing is queued for the row, and then an edit must say from which version it is.
  const refused = (await Promise.all(edits)).filter((code) => code === 'version_required').length;
  await at.sent(queue);
  assert.deepEqual(await queue.letters(), []);
  assert.equal(await at.sql("select count(*) from rowbell.changes where channel = '$T' and id is not null"), String(31 - refused));
});

test('what the server cannot do now is tried again, and given up at last', async (t) => {
  const at = await stage(t);
  await at.sql(`create function ${at.name}_slow() returns trigger language plpgsql as $$ begin
    raise exception using errcode = 'serialization_failure'; end $$;
    create trigger slow before insert on $T for each row when (new.body = 'never') execute function ${at.name}_slow()`);
  at.proxy.up();
  const queue = at.queue({ attempts: 3 });
  await queue.create(at.name, { id: 'never', body: 'never' });
  await queue.create(at.name, { id: 'now' });
  await at.sent(queue);
  const letters = await queue.letters();
  assert.deepEqual(letters.map(({ id, attempts }) => [id, attempts]), [['never', 2]]);
  assert.ok(letters[0].problem.status >= 500);
  assert.equal(await at.sql('select string_agg(id, $$ $$) from $T'), 'now');
});

test('the browser may close the database at any time', async (t) => {
  const at = await stage(t);
  const store = new Store(at.name, 100);
  const one = (id) => ({ key: id, method: 'POST', channel: 'a', id, at: 0, attempts: 0 });
  await store.add([one('a')]);
  // A connection that was closed behind the store's back, as on low disk space.
  const closed = new Promise((resolve) => {
    const request = indexedDB.deleteDatabase(`${at.name}-offline`);
    request.onsuccess = resolve;
  });
  await soon('the database to be given up', closed);
  await store.add([one('b')]);
  assert.deepEqual((await store.operations()).map(({ id }) => id), ['b']);
  await store.close();
});

test('a view shows what is queued over what the server says, and never flickers', async (t) => {
  const at = await stage(t);
  await at.sql(`insert into $T values ('a', 'old', 1, '{"x": 1, "y": 2}'), ('b', 'old', 2, null)`);
  const client = new RealtimeClient({ url: server.url });
  t.after(() => client.close());
  const rows = client.collection(`${at.name}`);
  await rows.ready;
  const queue = at.queue();
  await queue.ready;
  const view = queue.view(rows);
  const seen = new Set();
  const note = () => seen.add(JSON.stringify(['a', 'b', 'c'].map((id) => view.get(id)?.body ?? null)));
  view.onUpdate(note);
  await queue.patch(at.name, rows.get('a'), { body: 'new', data: { x: null, z: 3 } }, { conflict: 'reject' });
  await queue.delete(at.name, rows.get('b'));
  await queue.create(at.name, { id: 'c', body: 'new' });
  await until('the view', () => view.get('c'));
  assert.deepEqual(view.get('a').data, { y: 2, z: 3 });
  assert.deepEqual([...view.values()].map(({ id }) => id), ['a', 'c']);
  assert.ok(view.size === 2 && !view.has('b') && view.isPending('a') && view.get('c').version === undefined);
  // Somebody else changes another column: the edit stays on top of the new row.
  await at.sql("update $T set n = 50 where id = 'a'");
  await until('the other column', () => view.get('a').n === 50);
  assert.equal(view.get('a').body, 'new');
  wake({ name: at.name }, at.proxy);
  await at.sent(queue);
  await until('nothing pending', () => !['b', 'c'].some((id) => view.isPending(id)));
  assert.ok(view.get('c').version > 0);
  // Made from a version that is over, so the server did not take it, and it is shown no longer.
  assert.equal((await queue.letters())[0].problem.code, 'conflict');
  assert.equal(view.get('a').body, 'old');
  // Each of the three changed at most once, and only from old to new: no state in between was ever shown.
  assert.ok([...seen].every((text) => { const [, b, c] = JSON.parse(text); return !(b === 'old' && c === 'new'); }), [...seen].join(' '));
  view.close();
});
