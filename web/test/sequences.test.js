// Subscriptions under events in any order, against a server of a few lines that keeps to the protocol.

import test from 'node:test';
import process from 'node:process';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Subscription } from '../subscription.js';
import { settled } from './wire.js';

/** A table of one column, its log, and one session that may follow it. */
class Model {
  /** What each commit wrote: a row and its value. @type {[string, number][]} */
  log = [];
  /** Before this the log is gone. */
  floor = 0;
  /** How far the session has been told, if it follows. @type {number | null} */
  at = null;
  /** Frames on their way. @type {object[]} */
  frames = [];

  rows(cursor) {
    return new Map(this.log.slice(0, cursor));
  }

  get cursor() {
    return this.log.length;
  }

  ask({ type, ref, since, snapshot }) {
    if (type === 'unsubscribe') {
      this.at = null;
      this.frames.push({ type: 'unsubscribed', ref });
      return;
    }
    const from = since === undefined ? this.cursor : Number(since);
    if (from < this.floor) {
      this.frames.push({ type: 'reset', reason: 'expired', ref });
      return;
    }
    this.at = from;
    this.frames.push({ type: 'subscribed', ref, cursor: String(from) });
    if (!snapshot) return;
    const rows = [...this.rows(from)].map(([id, n]) => ({ id, n }));
    const [one, two] = [rows.slice(0, rows.length >> 1), rows.slice(rows.length >> 1)];
    this.frames.push({ type: 'rows', channel: 'a', rows: one, more: true }, { type: 'rows', channel: 'a', rows: two, more: false, cursor: String(from) });
  }

  /** Tells what is new, in one frame or in parts. @param {boolean} inParts */
  tell(inParts) {
    if (this.at === null) return;
    const commits = this.log.slice(this.at).map(([id, n], nth) => ({ xid: String(this.at + nth), changes: [{ id, row: { id, n } }] }));
    this.at = this.cursor;
    if (inParts) this.frames.push(...commits.map((commit) => ({ type: 'commits', commits: [commit], more: true })), { type: 'commits', commits: [], cursor: String(this.at) });
    else this.frames.push({ type: 'commits', commits, cursor: String(this.at) });
  }

  fail(code) {
    if (this.at === null) return;
    this.at = null;
    this.frames = this.frames.filter(({ type }) => type !== 'rows');
    this.frames.push({ type: 'error', code, message: '', topic: 'a' });
  }

  expire() {
    this.floor = this.cursor;
    if (this.at === null || this.at >= this.floor) return;
    this.at = null;
    this.frames.push({ type: 'reset', reason: 'expired', topic: 'a' });
  }
}

/** A subscription on that session, its lists, and a reader who trusts it. */
class Stage {
  model = new Model();
  isLive = false;
  #ends = 0;
  rows = new Map();
  /** @type {number | null} */
  position = null;
  asked = 0;
  #reading = null;
  #lists = [];

  constructor() {
    this.subscription = new Subscription('a', { snapshot: true, queued: 3 }, () => ++this.asked, (signal) => new Promise((resolve, reject) => {
      assert.ok(!signal.aborted);
      this.#lists.push({ resolve, reject, cursor: this.model.cursor });
    }));
    this.events = this.subscription[Symbol.asyncIterator]();
    this.subscription.attach(this);
  }

  send(frame) {
    assert.ok(this.isLive, 'nothing is sent into a connection that is lost');
    if (frame.type === 'subscribe' && this.subscription.cursor !== null) assert.equal(frame.since, this.subscription.cursor);
    this.model.ask(frame);
  }

  move() {
    return true;
  }

  left() {
    this.#ends += 1;
  }

  get ends() {
    return this.#ends;
  }

  lose() {
    if (!this.isLive) return;
    this.isLive = false;
    Object.assign(this.model, { frames: [], at: null });
    this.subscription.on('lost');
  }

  deliver() {
    const frame = this.model.frames.shift();
    if (frame) this.subscription.take({ topic: 'a', ...frame }, 100);
  }

  /** The first page was read then, and the last now. */
  list(isGood) {
    const asked = this.#lists.shift();
    if (!isGood) return asked?.reject(new TypeError('fetch failed'));
    const rows = [...this.model.rows(this.model.cursor)].map(([id, n]) => ({ id, n }));
    asked?.resolve({ rows: { a: rows }, cursor: String(asked.cursor) });
  }

  async read() {
    this.#reading ??= this.events.next().then((result) => ((this.#reading = null), this.#take(result)));
    await settled();
  }

  #take({ done, value }) {
    if (done) return;
    if (value.type === 'reset') this.position = null;
    else if (value.type === 'rows') {
      this.rows = new Map(value.rows.a.map(({ id, n }) => [id, n]));
      this.position = Number(value.cursor);
    } else {
      for (const { xid, changes } of value.commits) {
        assert.equal(Number(xid), this.position, 'the next commit, none twice and none left out');
        assert.equal(changes.length, 1, 'nothing is left of parts whose end never came');
        for (const { id, row } of changes) this.rows.set(id, row.n);
        this.position += 1;
      }
      assert.equal(Number(value.cursor), this.position);
    }
  }
}

/** What may happen. */
const ACTS = {
  up: (at) => at.isLive || ((at.isLive = true), at.subscription.on('open')),
  lose: (at) => at.lose(),
  write: (at) => at.model.log.push([`r${at.model.cursor % 4}`, at.model.cursor]),
  tell: (at) => at.model.tell(false),
  parts: (at) => at.model.tell(true),
  deliver: (at) => at.deliver(),
  flood: (at) => { while (at.model.frames.length > 0) at.deliver(); },
  read: (at) => at.read(),
  late: (_, tick) => tick(20_000),
  busy: (at) => at.model.fail('database_unavailable'),
  slow: (at) => ['joining', 'filling'].includes(at.subscription.state) && at.model.fail('snapshot_too_slow'),
  list: (at) => at.list(true),
  unlisted: (at) => at.list(false),
  expire: (at) => at.model.expire(),
};

test('a subscription: whatever happens, the reader is given every commit once, in order', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const seed = Number(process.env.ROWBELL_SEED ?? Date.now() % 2 ** 31);
  t.diagnostic(`ROWBELL_SEED=${seed} repeats this`);
  const seen = new Set();
  // Most steps lead on, or the sequences would all end in pauses.
  const names = [...Object.keys(ACTS), 'up', 'write', 'write', 'tell', 'flood', 'flood', 'read', 'read', 'late', 'slow', 'list', 'parts', 'deliver', 'deliver', 'deliver'];
  await fc.assert(fc.asyncProperty(fc.array(fc.constantFrom(...names), { maxLength: 120, size: 'max' }), async (sequence) => {
    const at = new Stage();
    const step = async (name) => {
      await ACTS[name](at, (milliseconds) => t.mock.timers.tick(milliseconds));
      await settled();
      seen.add(at.subscription.state);
    };
    for (const name of sequence) await step(name);
    // Calm at last: everything is told, and the copy is the table.
    await step('write');
    for (let round = 0; round < 200 && at.position !== at.model.cursor; round++) {
      for (const name of ['up', 'late', 'list', 'flood', 'tell', 'flood', 'read']) await step(name);
    }
    assert.deepEqual([...at.rows].sort(), [...at.model.rows(at.model.cursor)].sort());
    at.subscription.close();
    await step('read');
    assert.equal(at.ends, 1);
  }), { seed, numRuns: 400 });
  for (const state of ['away', 'joining', 'filling', 'paging', 'live', 'leaving', 'full', 'resting']) assert.ok(seen.has(state), `${state} was reached`);
});
