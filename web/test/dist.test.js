// What pages load: made of these modules, small, and served as it is.

import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import zlib from 'node:zlib';
import { ENTRIES, bundles } from '../build.mjs';
import { Server, soon } from './stage.js';

/** Bytes that none of them is to take on the wire, whole. */
const MOST = 8000;
const DIST = new URL('../dist/', import.meta.url);
const read = (name) => fs.readFileSync(new URL(name, DIST), 'utf8');
const packed = (text) => zlib.gzipSync(text, { level: 9 }).length;

/** @type {Server} */
let server;
before(async () => {
  server = await Server.start();
});
after(() => server.stop());

test('dist/ is made of the modules as they are', async () => {
  const made = await bundles(ENTRIES);
  assert.deepEqual(fs.readdirSync(DIST).sort(), Object.keys(made).sort());
  for (const [name, text] of Object.entries(made)) assert.ok(read(name) === text, `${name} is out of date: npm run build`);
});

test('each alone is below 8 kB', async (t) => {
  for (const entry of ENTRIES) {
    const made = await bundles([entry]);
    const size = packed(made[`${entry}.js`]);
    t.diagnostic(`${entry}.js, alone: ${size} bytes gzipped`);
    assert.ok(size < MOST, `${entry}.js: ${size} bytes`);
  }
  const both = ['realtime-client', 'offline-sync', 'shared'].map((name) => packed(read(`${name}.js`)));
  assert.ok(both[0] + both[2] < MOST && both[1] < MOST, `as pages load them: ${both}`);
});

/** A request with nothing done to its answer. */
const raw = (path, headers, method = 'GET') => soon(path, new Promise((resolve, reject) => {
  http.request(`${server.url}${path}`, { headers, method }, (answer) => {
    const parts = [];
    answer.on('data', (part) => parts.push(part)).on('end', () => resolve({ answer, body: Buffer.concat(parts) }));
  }).on('error', reject).end();
}));

test('modules are served as they are, packed for who can unpack them, and asked for each time', async () => {
  for (const name of fs.readdirSync(DIST)) {
    const plain = await raw(`/web/${name}`, {});
    assert.equal(plain.answer.statusCode, 200, name);
    assert.equal(plain.answer.headers['content-type'], `text/${name.endsWith('.txt') ? 'plain' : 'javascript'}; charset=utf-8`);
    assert.equal(plain.answer.headers['cache-control'], 'no-cache');
    assert.equal(plain.answer.headers['content-encoding'], undefined);
    assert.ok(plain.body.toString() === read(name), `${name}: build the program anew`);
    const { answer, body } = await raw(`/web/${name}`, { 'accept-encoding': 'gzip, deflate, br' });
    assert.equal(answer.headers['content-encoding'], 'gzip');
    assert.match(answer.headers.vary, /accept-encoding/);
    assert.ok(body.length < MOST && zlib.gunzipSync(body).toString() === read(name), name);
    const tag = answer.headers.etag;
    assert.equal(tag, plain.answer.headers.etag);
    for (const known of [tag, `"x", ${tag}`, tag.slice(2)]) {
      const again = await raw(`/web/${name}`, { 'if-none-match': known, 'accept-encoding': 'gzip' });
      assert.deepEqual([again.answer.statusCode, again.body.length], [304, 0]);
    }
  }
  for (const path of ['nothing.js', '..%2FCargo.toml', '', 'states.js']) assert.equal((await raw(`/web/${path}`, {})).answer.statusCode, 404, path);
  assert.equal((await raw('/web/shared.js', {}, 'POST')).answer.statusCode, 405);
  const page = await raw('/', { 'accept-encoding': 'gzip' });
  assert.match(zlib.gunzipSync(page.body).toString(), /^<!doctype html>/);
});
