// Writes that are kept until the server has them: made while offline, sent once, in order per row.
//
//     import { OfflineQueue } from '/web/offline-sync.js';
//     const queue = new OfflineQueue();
//     await queue.create('orders', { id: crypto.randomUUID(), status: 'open' });    // saved, not yet sent
//     await queue.patch('orders', order, { status: 'paid' });

import { batchOf, outcomesOf } from './offline-batch.js';
import { OfflineError } from './database.js';
import { Store } from './offline-store.js';
import { OptimisticView } from './offline-view.js';
import { RowStore } from './row-store.js';
import { idOf } from './row.js';
import { Listeners } from './listeners.js';
import { mayPass, originOf, requests } from './rest.js';
import { onWake, pause } from './wake.js';

export { OfflineError, OptimisticView, RowStore };

/** @typedef {import('./protocol.js').Operation} Operation */
/** @typedef {import('./protocol.js').Row} Row */

/** Operations of one request, longest pause, and longest wait for an answer in milliseconds. */
const MOST = 500;
const LONGEST_PAUSE = 30_000;
const PATIENCE = 120_000;
/** Longest wait for it once the network is back: it may have been sent into the old one. Keys make a repeat harmless. */
const GRACE = 2_000;

export class OfflineQueue {
  /** Operations that wait, in order. @type {Operation[]} */
  pending = [];
  /** @type {import('./protocol.js').QueueState} */
  state = 'idle';
  /** Settles when the operations of earlier visits are known. @type {Promise<void>} */
  ready;
  #options;
  #store;
  #request;
  #lock;
  /** @type {BroadcastChannel | undefined} */
  #tabs;
  #changes = /** @type {Listeners<import('./protocol.js').QueueChange>} */ (new Listeners());
  #progress = /** @type {Listeners<{ done: number, total: number }>} */ (new Listeners());
  #letters = /** @type {Listeners<import('./protocol.js').Letter[]>} */ (new Listeners());
  #states = /** @type {Listeners<import('./protocol.js').QueueState>} */ (new Listeners());
  #isDraining = false;
  #isClosed = false;
  /** Operations of one request; fewer after one was refused as a whole. */
  #most = MOST;
  #tries = 0;
  /** Ends a pause. @type {() => void} */
  #resume = () => {};
  /** Breaks off the request on its way. @type {AbortController | null} */
  #onItsWay = null;
  /** @type {(() => void)[]} */
  #ends = [];

  /** @param {import('./protocol.js').QueueOptions} [options] */
  constructor(options = {}) {
    const { client, name = 'rowbell' } = options;
    this.#options = options;
    this.#store = new Store(name, options.capacity ?? 10_000);
    const url = client?.url ?? originOf(options.url);
    this.#request = requests(url, options.getToken ?? client?.getToken);
    this.#lock = `rowbell-offline-${name}`;
    this.onChange(options.onChange);
    this.onProgress(options.onProgress);
    this.onLetter(options.onLetter);
    this.onState(options.onState);
    if (globalThis.BroadcastChannel) {
      this.#tabs = new BroadcastChannel(this.#lock);
      this.#tabs.onmessage = ({ data }) => this.#heard(data);
      /** @type {any} */ (this.#tabs).unref?.();
    }
    const wake = () => this.#wake();
    this.#ends.push(onWake(wake));
    if (client) this.#ends.push(client.onState((state) => state === 'live' && wake()));
    this.ready = this.#changed([]).then(() => void this.#drain());
  }

  /**
   * Makes a row under a key of the client's choice.
   * @param {string} channel
   * @param {Row} row with its key
   */
  create(channel, row) {
    return this.#add({ method: 'POST', channel, id: this.#idOf(channel, row), row });
  }

  /**
   * Sets some columns.
   * @param {string} channel
   * @param {Row | string} of the row as it was read, or its id
   * @param {Row} columns
   * @param {{ version?: number, conflict?: import('./protocol.js').Conflict }} [options]
   */
  patch(channel, of, columns, options) {
    return this.#add({ method: 'PATCH', channel, ...this.#base(channel, of), row: columns, ...options });
  }

  /**
   * Replaces all columns.
   * @param {string} channel
   * @param {Row | string} of the row as it was read, or its id
   * @param {Row} row
   * @param {{ version?: number, conflict?: import('./protocol.js').Conflict }} [options]
   */
  replace(channel, of, row, options) {
    return this.#add({ method: 'PUT', channel, ...this.#base(channel, of), row, ...options });
  }

  /**
   * @param {string} channel
   * @param {Row | string} of the row as it was read, or its id
   * @param {{ version?: number, conflict?: import('./protocol.js').Conflict }} [options]
   */
  delete(channel, of, options) {
    return this.#add({ method: 'DELETE', channel, ...this.#base(channel, of), ...options });
  }

  /** What the server would not do, with why. */
  letters() {
    return this.#store.letters();
  }

  /**
   * Sends a letter again, and those that failed only because of it.
   * @param {number} seq
   * @param {{ row?: Row, version?: number, rebase?: boolean, conflict?: import('./protocol.js').Conflict }} [changes]
   *   `rebase`: on top of the row that stood in the way
   */
  async resend(seq, { rebase, ...changes } = {}) {
    const all = await this.#store.letters();
    const letter = all.find((one) => one.seq === seq);
    if (!letter) throw new OfflineError('not_found', `there is no letter ${seq}`);
    const version = rebase ? letter.problem.current?.version : letter.version;
    // The same request keeps its key, or it could be done twice; another one needs another.
    const isSame = !rebase && Object.keys(changes).length === 0;
    const key = isSame ? letter.key : crypto.randomUUID();
    const chain = [letter];
    for (const one of all) if (chain.some(({ seq }) => seq === one.because)) chain.push(one);
    const wanted = chain.map(({ seq: _, problem, because, deadAt, after, ...one }) => ({ ...one, attempts: 0 }));
    Object.assign(wanted[0], { version, key, ...changes });
    const added = await this.#store.add(wanted, chain.map((one) => one.seq));
    this.#added();
    return added[0];
  }

  /** Forgets a letter for good. @param {number} seq */
  async discard(seq) {
    await this.#store.discard(seq);
    this.#added();
  }

  async statistics() {
    const [totals, letters] = await Promise.all([this.#store.totals(), this.#store.letters()]);
    const [queued, oldest] = [this.pending.length, this.pending[0]?.at ?? null];
    return { queued, letters: letters.length, oldest, state: this.state, ...totals };
  }

  /**
   * A collection as it will be when everything queued is done.
   * @param {import('./collection.js').Collection} collection
   * @param {{ where?: (row: Row) => boolean }} [options]
   */
  view(collection, options) {
    return new OptimisticView(this, collection, options);
  }

  /** @param {((change: import('./protocol.js').QueueChange) => unknown) | undefined} listener */
  onChange(listener) {
    return this.#changes.add(listener);
  }

  /** @param {((progress: { done: number, total: number }) => unknown) | undefined} listener */
  onProgress(listener) {
    return this.#progress.add(listener);
  }

  /** @param {((letters: import('./protocol.js').Letter[]) => unknown) | undefined} listener */
  onLetter(listener) {
    return this.#letters.add(listener);
  }

  /** @param {((state: import('./protocol.js').QueueState) => unknown) | undefined} listener */
  onState(listener) {
    return this.#states.add(listener);
  }

  /** Stops sending in this tab. What is queued stays. */
  async close() {
    this.#isClosed = true;
    for (const end of this.#ends) end();
    this.#tabs?.close();
    this.#resume();
    this.#enter('closed');
    await this.#store.close();
  }

  /**
   * @param {string} channel
   * @param {Row} row
   */
  #idOf(channel, row) {
    const key = [this.#options.keys?.[channel] ?? 'id'].flat();
    try {
      return idOf(row, key);
    } catch {
      const why = `not saved: a row of ${channel} is made under a key of the client's choice, so that it can be changed and sent again before the server has answered: give ${key.join(', ')}, such as id: crypto.randomUUID()`;
      throw new OfflineError('key_required', why);
    }
  }

  /**
   * @param {string} channel
   * @param {Row | string} of
   */
  #base(channel, of) {
    if (typeof of !== 'object') return { id: String(of) };
    return { id: this.#idOf(channel, of), ...(typeof of.version === 'number' && { version: of.version }) };
  }

  /** @param {Omit<Operation, 'seq' | 'key' | 'at' | 'attempts'>} operation */
  async #add(operation) {
    if (this.#isClosed) throw new OfflineError('closed', 'not saved: this queue is closed');
    const [added] = await this.#store.add([{ ...operation, key: crypto.randomUUID(), at: Date.now(), attempts: 0 }]);
    this.#added();
    return added;
  }

  /** Everybody looks anew, and whoever sends goes on. */
  #added() {
    this.#tabs?.postMessage({ type: 'changed' });
    this.#changed([]).then(() => this.#drain(), (error) => this.#failed(error));
  }

  /** @param {import('./protocol.js').Done[]} done */
  async #changed(done) {
    this.pending = await this.#store.operations();
    this.#changes.tell({ pending: this.pending, done });
  }

  /** Another tab says something. @param {any} data */
  #heard(data) {
    if (data.type === 'letters') this.#letters.tell(data.letters);
    else if (data.type === 'progress') this.#progress.tell(data.progress);
    else if (data.type === 'wake') this.#hurry();
    else this.#changed(data.done ?? []).catch((error) => this.#failed(error));
  }

  #wake() {
    this.#tabs?.postMessage({ type: 'wake' });
    this.#hurry();
    this.#drain();
  }

  /** Ends a pause, and lets the next be short: a request on its way may be one that fails for the old reason, or never. */
  #hurry() {
    this.#tries = 0;
    this.#resume();
    breakOff(this.#onItsWay, GRACE);
  }

  /** @param {unknown} error */
  #failed(error) {
    queueMicrotask(() => {
      if (!this.#isClosed) throw error;
    });
  }

  /** @param {import('./protocol.js').QueueState} state */
  #enter(state) {
    if (this.state === state || this.state === 'closed') return;
    this.state = state;
    this.#states.tell(state);
  }

  /** Sends everything, in whichever tab has the lock. */
  async #drain() {
    if (this.#isDraining || this.#isClosed || this.pending.length === 0) return;
    this.#isDraining = true;
    try {
      this.#enter('blocked');
      // Node before 24 has no locks: there one process has the queue for itself.
      if (globalThis.navigator?.locks) await navigator.locks.request(this.#lock, () => this.#send());
      else await this.#send();
      this.#enter('idle');
    } catch (error) {
      // The browser's database fails, so a look at once would too.
      this.#failed(error);
      await this.#sleep(pause(++this.#tries, LONGEST_PAUSE));
    }
    this.#isDraining = false;
    // What was added when the last look was over.
    if (this.pending.length > 0) this.#drain();
  }

  async #send() {
    let [done, total] = [0, 0];
    while (!this.#isClosed) {
      const operations = await this.#store.operations();
      if (operations.length === 0) break;
      this.#enter('sending');
      const { sent, body } = batchOf(operations, this.#most);
      const wait = await this.#round(sent, body);
      const left = (await this.#store.operations()).length;
      total = Math.max(total, done + operations.length);
      done = total - left;
      const progress = { done, total };
      this.#progress.tell(progress);
      this.#tabs?.postMessage({ type: 'progress', progress });
      if (wait !== null && !this.#isClosed) await this.#sleep(wait);
    }
  }

  /**
   * One request. Gives the milliseconds to wait at least before the next, null where there is no reason to.
   * @param {Operation[]} sent
   * @param {string} body
   * @returns {Promise<number | null>}
   */
  async #round(sent, body) {
    const { actor, branch, attempts = 10 } = this.#options;
    const headers = new Headers({ 'content-type': 'application/json' });
    if (actor) headers.set('rowbell-actor', encodeURIComponent(actor));
    if (branch) headers.set('rowbell-branch', encodeURIComponent(branch));
    let answer, told;
    this.#onItsWay = new AbortController();
    const { signal } = this.#onItsWay;
    const late = breakOff(this.#onItsWay, PATIENCE);
    try {
      answer = await this.#request('/api/batch', { method: 'POST', headers, body, signal });
      told = await answer.json();
    } catch {
      // Whether it was done is not known, and need not be: the keys say so the next time.
      return this.#later('waiting', 0);
    } finally {
      clearTimeout(late);
      this.#onItsWay = null;
    }
    if (answer.ok && told.results?.length === sent.length) return this.#book(outcomesOf(sent, told.results, attempts));
    if (answer.status === 401) return this.#later('unauthorized', 0);
    if (answer.ok || mayPass(answer.status)) return this.#later('waiting', Number(answer.headers.get('retry-after')));
    if (sent.length > 1) {
      // One of them spoils it for all: fewer, until it stands alone.
      this.#most = Math.ceil(sent.length / 2);
      return null;
    }
    return this.#book({ done: [], dead: [{ operation: sent[0], problem: told }], again: [], pause: 0 });
  }

  /** @param {import('./protocol.js').Outcomes & { pause: number }} outcomes */
  async #book(outcomes) {
    const letters = await this.#store.settle(outcomes, Date.now());
    this.#most = Math.min(MOST, this.#most * 2);
    this.#tabs?.postMessage({ type: 'changed', done: outcomes.done });
    await this.#changed(outcomes.done);
    if (letters.length > 0) {
      this.#letters.tell(letters);
      this.#tabs?.postMessage({ type: 'letters', letters });
    }
    if (outcomes.again.some(({ attempts }) => attempts > 0)) return this.#later('waiting', outcomes.pause);
    this.#tries = 0;
    return null;
  }

  /**
   * @param {'waiting' | 'unauthorized'} state
   * @param {number} seconds the server asked for
   */
  async #later(state, seconds) {
    if (!this.#isClosed) await this.#store.failed();
    this.#enter(state);
    return Math.max(seconds * 1000 || 0, pause(this.#tries++, LONGEST_PAUSE));
  }

  /** @param {number} milliseconds */
  async #sleep(milliseconds) {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#resume = () => (clearTimeout(timer), resolve(undefined));
    });
    this.#resume = () => {};
  }
}

/**
 * Ends a request in a while, if it is not over by then.
 * @param {AbortController | null} request
 * @param {number} milliseconds
 */
function breakOff(request, milliseconds) {
  if (!request) return;
  const timer = setTimeout(() => request.abort(), milliseconds);
  // In Node, where nobody need wait for it.
  /** @type {any} */ (timer).unref?.();
  return timer;
}
