// Follows a channel: its rows by REST, then every change by WebSocket, across restarts of either side.
//
//     npm ci
//     node follow.mjs clients
//     node follow.mjs orders orders.json
//
// Rows and cursor are kept together in one file (CHANNEL.json unless named), which is replaced as a whole after each
// frame. Whatever ends this program, the next run continues there: no change is lost, none is applied twice.
// ROWBELL_URL is the server, http://127.0.0.1:8080 if unset; ROWBELL_TOKEN its token, if it wants one.

import fs from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket, { createWebSocketStream } from 'ws';

// The column that is the key, by which a long list is read page by page. Numbers above 2^53 would lose digits here.
const KEY = 'id';
// Rows of a page. A server gives up to 10,000 at once, and up to 64 MiB.
const PAGE = 1000;
// Milliseconds of silence after which a connection counts as dead. The server pings every 25 seconds.
const SILENCE = 60_000;
// Milliseconds of the longest pause between two tries.
const LONGEST_PAUSE = 10_000;
// What a server closes with when coming back may help.
const COME_BACK = [1001, 1005, 1006, 1011, 4408, 4410, 4429, 4500];

const [channel, file = `${channel}.json`] = process.argv.slice(2);
const base = (process.env.ROWBELL_URL || 'http://127.0.0.1:8080').replace(/\/+$/, '');
const headers = process.env.ROWBELL_TOKEN ? { authorization: `Bearer ${process.env.ROWBELL_TOKEN}` } : {};

// A fault that trying again does not mend.
class Final extends Error {}

// What is kept: rows by id, and the position in the feed they are of.
let cursor = null;
let rows = new Map();

function stop(why) {
  console.error(`follow: ${why}`);
  process.exit(1);
}

function load() {
  if (!fs.existsSync(file)) return;
  try {
    const kept = JSON.parse(fs.readFileSync(file, 'utf8'));
    [cursor, rows] = [kept.cursor, new Map(Object.entries(kept.rows))];
  } catch (error) {
    stop(`${file}: ${error.message}`);
  }
  console.log(`resume    ${rows.size} rows`);
}

// Replaces the file as a whole: whoever reads it, and whenever, finds rows and a cursor that belong together.
// A program with more rows would write both in one transaction of its own database.
function store() {
  const beside = `${file}.new`;
  const handle = fs.openSync(beside, 'w');
  fs.writeSync(handle, JSON.stringify({ cursor, rows: Object.fromEntries(rows) }));
  fs.fsyncSync(handle);
  fs.closeSync(handle);
  fs.renameSync(beside, file);
}

async function get(url) {
  const answer = await fetch(url, { headers, signal: AbortSignal.timeout(SILENCE) });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  const why = `${url}: ${answer.status}: ${problem.detail}`;
  if (answer.status >= 500 || answer.status === 429) throw new Error(why);
  throw Object.assign(new Final(why), { status: answer.status });
}

// All rows. Pages are taken by key, not by offset: rows made or deleted between two pages would shift it. The cursor
// is the first page's; what changed since then comes by the feed.
async function list() {
  const found = new Map();
  let first = null;
  for (let after = ''; ; ) {
    const answer = await get(`${base}/api/${channel}?order=${KEY}&limit=${PAGE}${after}`);
    first ??= answer.headers.get('rowbell-cursor');
    const page = await answer.json();
    for (const row of page) {
      if (!(KEY in row)) throw new Final(`rows of ${channel} have no column ${KEY}`);
      found.set(String(row[KEY]), row);
    }
    if (page.length < PAGE) break;
    after = `&${KEY}=${encodeURIComponent(`gt.${page.at(-1)[KEY]}`)}`;
  }
  [cursor, rows] = [first, found];
  store();
  console.log(`list      ${rows.size} rows`);
}

// A row over 1 MiB comes without itself. Read a moment later, it may be newer than its change or gone; the changes in
// between follow and lead to the same.
async function rowOf(change) {
  if (!change.too_large) return change.row;
  try {
    return await (await get(`${base}/api/${channel}/${encodeURIComponent(change.id)}`)).json();
  } catch (error) {
    if (error.status === 404) return undefined;
    throw error;
  }
}

// Applies the changes of one frame, stores the result with its cursor, then says what happened.
async function apply(changes, position) {
  for (const change of changes) {
    if (change.op === 'truncate') rows.clear();
    else if (change.op === 'delete') rows.delete(change.id);
    else if (change.op === 'insert' || change.op === 'update') {
      const row = await rowOf(change);
      if (row === undefined) rows.delete(change.id);
      else rows.set(change.id, row);
    } else throw new Final(`this program does not know the change ${change.op}`);
  }
  cursor = position;
  store();
  for (const { op, id = '', row } of changes) {
    console.log(`${op.padEnd(9)} ${id}${row ? ` ${JSON.stringify(row)}` : ''}`);
  }
}

// One connection, to the end of the subscription. `held` is called when the server holds the position.
async function follow(held) {
  if (cursor === null) await list();
  const socket = new WebSocket(`${base.replace(/^http/, 'ws')}/feed/${channel}?since=${cursor}`, {
    headers,
    handshakeTimeout: SILENCE,
  });
  let closed;
  socket.on('close', (code, reason) => (closed = { code, reason }));
  socket.on('unexpected-response', (_, answer) => {
    const Kind = answer.statusCode < 500 ? Final : Error;
    frames.destroy(new Kind(`${base}: the server answered ${answer.statusCode}`));
  });
  // Pings are answered by the library; they show that the other side is alive.
  const silence = setTimeout(() => socket.terminate(), SILENCE);
  socket.on('ping', () => silence.refresh());
  // As a stream, the next frame is read when this one is applied.
  const frames = createWebSocketStream(socket, { readableObjectMode: true });
  // Parts of a frame count only together with the last one, which carries the cursor.
  let changes = [];
  try {
    for await (const text of frames) {
      silence.refresh();
      const frame = JSON.parse(text);
      if (frame.type === 'subscribed') {
        held();
        console.log(`following ${channel}`);
      } else if (frame.type === 'commits') {
        for (const commit of frame.commits) changes.push(...commit.changes);
        if (frame.cursor) {
          await apply(changes, frame.cursor);
          changes = [];
        }
      } else if (frame.type === 'reset') {
        // The rows kept no longer lead to what comes, so they are read anew.
        console.log(`reset     ${frame.reason}`);
        cursor = null;
        return;
      } else if (frame.type === 'unsubscribed') {
        throw new Final(`${channel} is not watched any more`);
      } else if (frame.type === 'error') {
        const passing = ['database_unavailable', 'too_many_requests'].includes(frame.code);
        throw new (passing ? Error : Final)(`${frame.code}: ${frame.message}`);
      }
    }
  } finally {
    clearTimeout(silence);
    socket.terminate();
  }
  const Kind = closed && !COME_BACK.includes(closed.code) ? Final : Error;
  throw new Kind(`the connection ended${closed ? ` with ${closed.code} ${closed.reason}` : ''}`);
}

if (!channel || channel.startsWith('-')) stop('usage: node follow.mjs CHANNEL [FILE]');
load();
for (let tries = 0; ; tries += 1) {
  try {
    await follow(() => (tries = 0));
  } catch (error) {
    const why = error.cause ? `${error.message}: ${error.cause.message}` : error.message;
    if (error instanceof Final) stop(why);
    console.error(`follow: ${why}; trying again`);
  }
  // At random, so that many clients of a server that restarts do not come back at the same moment.
  const longest = Math.min(LONGEST_PAUSE, 250 * 2 ** tries);
  await sleep(longest * (0.1 + 0.9 * Math.random()));
}
