// The tables: complete, told by SPEC.md as they are, and obeyed by what runs, cell by cell.

import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import process from 'node:process';
import fc from 'fast-check';
import { CONNECTION, SUBSCRIPTION, next } from '../states.js';
import { Connection } from '../connection.js';
import { Subscription } from '../subscription.js';
import { Wire, settled } from './wire.js';

const SPEC = new URL('../SPEC.md', import.meta.url);
const cellsOf = (table, state) => table.cells[state].trim().split(/ +/);

/** A table as SPEC.md shows it: a row a state, a column an event. */
function markdown(table) {
  const row = (cells) => `| ${cells.join(' | ')} |`;
  const states = Object.keys(table.cells);
  const lines = states.map((state) => row([`**${state}**`, ...cellsOf(table, state).map((cell) => (cell === '.' ? '' : cell))]));
  return [row(['', ...table.events]), row(['---', ...table.events.map(() => '---')]), ...lines].join('\n');
}

for (const [name, table] of Object.entries({ CONNECTION, SUBSCRIPTION })) {
  test(`${name} is complete`, () => {
    const states = Object.keys(table.cells);
    for (const state of states) {
      const cells = cellsOf(table, state);
      assert.equal(cells.length, table.events.length, state);
      for (const cell of cells) assert.ok(cell === '.' || states.includes(cell), `${state}: ${cell}`);
    }
    const reached = new Set(states.flatMap((state) => cellsOf(table, state)));
    assert.deepEqual(states.slice(1).filter((state) => !reached.has(state)), [], 'every state is reached');
  });

  test(`SPEC.md shows ${name} as it is`, () => {
    const [begin, end] = [`<!-- ${name} -->\n`, `\n<!-- /${name} -->`];
    const text = fs.readFileSync(SPEC, 'utf8');
    const [head, rest] = text.split(begin);
    const [told, tail] = rest.split(end);
    if (process.env.ROWBELL_UPDATE_SPEC) fs.writeFileSync(SPEC, head + begin + markdown(table) + end + tail);
    else assert.equal(told, markdown(table), 'ROWBELL_UPDATE_SPEC=1 npm test writes it');
  });
}

/** A connection whose getToken answers when the test says so. */
function connection() {
  const told = { opened: 0, lost: 0, ended: 0, errors: [] };
  const pending = [];
  const made = new Connection('ws://test', {
    WebSocket: Wire,
    getToken: () => new Promise((resolve, reject) => pending.push({ resolve, reject })),
  }, {
    opened: () => (told.opened += 1),
    lost: () => (told.lost += 1),
    ended: () => (told.ended += 1),
    error: (error) => told.errors.push(error),
    frame: () => {},
    state: () => {},
  });
  return { connection: made, told, pending };
}

/** How each state is reached. */
const WAYS = {
  idle: [],
  token: ['start'],
  opening: ['start', 'token'],
  renewing: ['start', 'token', 'unauthorized'],
  reopening: ['start', 'token', 'unauthorized', 'token'],
  open: ['start', 'token', 'welcome'],
  probing: ['start', 'token', 'welcome', 'late'],
  waiting: ['start', 'token', 'lost'],
  closed: ['close'],
};
const WITH_SOCKET = ['opening', 'reopening', 'open', 'probing'];

async function check({ connection, told }) {
  await settled();
  const { state } = connection;
  assert.equal(Wire.open.length, WITH_SOCKET.includes(state) ? 1 : 0, `sockets in ${state}`);
  assert.equal(told.opened - told.lost, connection.isLive ? 1 : 0, `opened less lost in ${state}`);
  assert.equal(told.ended, state === 'closed' ? 1 : 0, `ends in ${state}`);
}

for (const [from, way] of Object.entries(WAYS)) {
  for (const event of CONNECTION.events) {
    test(`connection: ${from} on ${event}`, async (t) => {
      t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
      Wire.made = [];
      const stage = connection();
      for (const step of way) {
        stage.connection.on(step);
        await settled();
      }
      assert.equal(stage.connection.state, from);
      await check(stage);
      stage.connection.on(event);
      assert.equal(stage.connection.state, next(CONNECTION, from, event) ?? from);
      await check(stage);
      // Whatever happened, time goes on: it is alive, or over for good.
      const before = stage.connection.state;
      t.mock.timers.tick(30_000);
      if (!['idle', 'closed'].includes(before)) assert.ok(stage.connection.state !== before || Wire.made.length > 1);
      await check(stage);
    });
  }
}

test('connection: any sequence of events keeps one socket at most, and its book', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const seed = Number(process.env.ROWBELL_SEED ?? process.hrtime()[1]);
  t.diagnostic(`ROWBELL_SEED=${seed} repeats this`);
  const events = fc.array(fc.constantFrom(...CONNECTION.events.filter((event) => event !== 'close'), 'tick'), { maxLength: 60, size: 'max' });
  await fc.assert(fc.asyncProperty(events, async (sequence) => {
    Wire.made = [];
    const stage = connection();
    for (const event of ['start', ...sequence]) {
      if (event === 'tick') t.mock.timers.tick(5000);
      else stage.connection.on(event);
      await check(stage);
    }
    stage.connection.on('close');
    await check(stage);
    t.mock.timers.tick(100_000);
    await check(stage);
  }), { seed, numRuns: 150 });
});

/** How each state of a subscription is reached, by frames where there are frames. */
const JOINED = [(s) => s.line.up(s)];
const HELD = [...JOINED, (s) => s.frame({ type: 'subscribed', cursor: '1' })];
const SUBSCRIPTION_WAYS = {
  away: [],
  joining: JOINED,
  filling: HELD,
  paging: [...JOINED, (s) => s.frame({ type: 'error', code: 'snapshot_too_slow', message: '' })],
  live: [...HELD, (s) => s.frame({ type: 'rows', channel: 'a', rows: [], more: false, cursor: '1' })],
  leaving: [...HELD, (s) => s.frame({ type: 'rows', channel: 'a', rows: [{}, {}], more: false, cursor: '1' })],
  full: [
    ...HELD,
    (s) => s.frame({ type: 'rows', channel: 'a', rows: [{}, {}], more: false, cursor: '1' }),
    (s) => s.frame({ type: 'unsubscribed' }),
  ],
  resting: [...JOINED, (s) => s.frame({ type: 'error', code: 'database_unavailable', message: '' })],
  ended: [(s) => s.subscription.close()],
};

function subscription() {
  let ref = 0;
  const pages = (signal) => new Promise((resolve, reject) => Object.assign(stage, { signal, read: resolve, fail: reject }));
  const subscription = new Subscription('a', { snapshot: true, queued: 2 }, () => ++ref, pages);
  const line = {
    isLive: false, sent: [], leftBy: 0, moved: 0,
    send(frame) { this.sent.push(frame); },
    move() { return (this.moved += 1); },
    left() { this.leftBy += 1; },
    up(stage) { this.isLive = true; stage.subscription.on('open'); },
  };
  const stage = { subscription, line };
  stage.frame = (frame) => {
    const asked = ['subscribed', 'unsubscribed', 'error'].includes(frame.type) ? { ref: subscription.ref } : {};
    subscription.take({ topic: 'a', ...asked, ...frame }, 10);
  };
  subscription.attach(line);
  return stage;
}

for (const [from, way] of Object.entries(SUBSCRIPTION_WAYS)) {
  for (const event of SUBSCRIPTION.events) {
    test(`subscription: ${from} on ${event}`, (t) => {
      t.mock.timers.enable({ apis: ['setTimeout'] });
      const stage = subscription();
      for (const step of way) step(stage);
      assert.equal(stage.subscription.state, from);
      // What goes away comes back at once where there is a connection; here there is none, so that it is seen.
      stage.line.isLive = event === 'open';
      stage.subscription.on(event);
      assert.equal(stage.subscription.state, next(SUBSCRIPTION, from, event) ?? from);
      assert.equal(stage.line.leftBy, stage.subscription.state === 'ended' ? 1 : 0);
      if (event === 'taken' && from === 'joining') assert.ok(stage.line.moved);
    });
  }
}
