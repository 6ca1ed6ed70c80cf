// The npm package: what is in it, and that it works where it is installed.

import test from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const WEB = fileURLToPath(new URL('..', import.meta.url));
const described = JSON.parse(fs.readFileSync(`${WEB}package.json`, 'utf8'));

/** Runs a program, whose failure is the test's. */
function run(directory, program, ...args) {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: directory, encoding: 'utf8' });
  assert.equal(status, 0, `${program} ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

/** Uses everything, with types: what is misused is an error there. */
const USER = `
import { RealtimeClient, type Collection } from 'rowbell';
import { OfflineQueue, RowStore, OfflineError } from 'rowbell/offline-sync.js';
import type { RowbellConflict } from 'rowbell/rowbell-conflict.js';
const client = new RealtimeClient({ url: 'http://127.0.0.1', getToken: async ({ refused }) => ({ token: refused ?? 'x', expiresAt: 0 }) });
const orders: Collection = client.collection('orders', { key: ['a', 'b'], store: new RowStore({ subject: 'anna' }) });
orders.onUpdate(({ rows, cursor, commits, since }) => [rows.get('1')?.status, cursor.length, commits[0].xid, since?.length]);
const queue = new OfflineQueue({ client, onLetter: ([{ problem, because }]) => [problem.code, because] });
const saved: Promise<{ seq: number }> = queue.patch('orders', { id: 1, version: 7 }, { status: 'paid' }, { conflict: 'merge' });
const dialog = null as unknown as RowbellConflict;
const choice: Promise<'mine' | 'server' | 'merge' | 'edit' | 'later'> = dialog.ask({ current: null }).then(({ choice }) => choice);
for await (const event of client.subscribe('orders')) if (event.type === 'reset') console.log(event.reason);
// @ts-expect-error there is no such strategy
queue.delete('orders', 'a', { version: 1, conflict: 'guess' });
// @ts-expect-error an address is text
new RealtimeClient({ url: 7 });
export { saved, choice, OfflineError };
`;

test('what is packed is all that is named, and nothing else', (t) => {
  t.after(() => fs.rmSync(`${WEB}declarations`, { recursive: true, force: true }));
  run(WEB, 'npx', 'tsc');
  const [{ files }] = JSON.parse(run(WEB, 'npm', 'pack', '--dry-run', '--ignore-scripts', '--json'));
  const names = files.map((file) => file.path);
  const wanted = Object.values(described.exports).flatMap(Object.values).concat(described.types).map((name) => name.slice(2));
  for (const name of [...wanted, 'dist/shared.js', 'SPEC.md', 'examples/follow.js', 'declarations/protocol.d.ts']) assert.ok(names.includes(name), name);
  assert.deepEqual(names.filter((name) => /^(test|node_modules|(declarations\/)?(console|demo|page))\//.test(name) || /\.(mjs|lock)$/.test(name)), []);
  assert.equal(described.dependencies, undefined, 'it needs nothing to run');
});

test('installed it has its types, and runs in this Node', (t) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), `rowbell-test-${process.pid}-package-`));
  t.after(() => {
    fs.rmSync(directory, { recursive: true, force: true });
    fs.rmSync(`${WEB}declarations`, { recursive: true, force: true });
  });
  run(WEB, 'npx', 'tsc');
  run(WEB, 'npm', 'pack', '--ignore-scripts', '--pack-destination', directory);
  const [packed] = fs.readdirSync(directory);
  fs.mkdirSync(`${directory}/node_modules/rowbell`, { recursive: true });
  run(directory, 'tar', 'xf', packed, '--strip-components', '1', '-C', 'node_modules/rowbell');
  fs.writeFileSync(`${directory}/package.json`, '{ "type": "module" }');
  fs.writeFileSync(`${directory}/user.ts`, USER);
  run(directory, `${WEB}node_modules/.bin/tsc`, '--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--lib', 'es2023,dom', '--types', '', 'user.ts');
  const told = run(directory, process.execPath, '--input-type=module', '-e', `
    for (const path of ['rowbell', 'rowbell/offline-sync.js', 'rowbell/dist/realtime-client.js', 'rowbell/dist/offline-sync.js']) {
      const module = await import(path);
      console.log(path, Object.keys(module).join(' '));
    }
    const { RealtimeClient } = await import('rowbell');
    console.log(new RealtimeClient({ url: 'wss://feed.example/feed' }).url);
    console.log(import.meta.resolve('rowbell/rowbell-conflict.js').split('/').at(-1));`);
  const [realtime, offline] = ['Collection RealtimeClient RealtimeError Subscription', 'OfflineError OfflineQueue OptimisticView RowStore'];
  assert.deepEqual(told.trim().split('\n'), [
    `rowbell ${realtime}`, `rowbell/offline-sync.js ${offline}`, `rowbell/dist/realtime-client.js ${realtime}`,
    `rowbell/dist/offline-sync.js ${offline}`, 'https://feed.example', 'rowbell-conflict.js',
  ]);
});
