// A copy of a table that follows the server.

import { Keeping } from './keeping.js';
import { Listeners } from './listeners.js';
import { RealtimeError } from './realtime-error.js';
import { idOf } from './row.js';
import { pause } from './wake.js';

/** @typedef {import('./protocol.js').Row} Row */
/** @typedef {import('./protocol.js').Update} Update */
/** @typedef {import('./subscription.js').Subscription} Subscription */

/** Longest pause before a row that is too large for the feed is asked for again, in milliseconds. */
const LONGEST_PAUSE = 10_000;

/**
 * What a collection has of its client.
 * @typedef {object} Around
 * @property {{ url: string, topic: string }} of which rows, for the store
 * @property {(options: import('./protocol.js').SubscribeOptions) => Subscription} subscribe
 * @property {(channel: string, id: string) => Promise<Row | null>} read one row
 * @property {(error: Error) => void} tell of what went wrong and ends nothing
 */

/**
 * Rows by id, always the table as of `cursor`: they change only by whole transactions, between two turns of the
 * event loop. Until the first are there it is empty and `cursor` is null.
 */
export class Collection {
  /** The topic it is a copy of. */
  topic;
  channel;
  /** Position the rows are as of. @type {string | null} */
  cursor = null;
  /** Settles when there are rows to show: kept ones, or the first from the server. @type {Promise<this>} */
  ready;
  /** Settles at the end, with why if it was not `close()`. @type {Promise<Error | undefined>} */
  ended;
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {Listeners<Update>} */
  #updates = new Listeners();
  /** @type {Subscription | null} */
  #subscription = null;
  #isClosed = false;
  #key;
  #around;
  /** @type {Keeping | null} */
  #keeping = null;

  /**
   * @param {string} topic
   * @param {import('./protocol.js').CollectionOptions} options
   * @param {Around} around
   */
  constructor(topic, options, around) {
    this.channel = topic.split('?')[0];
    if (!/^[a-z][a-z0-9-]*$/.test(this.channel)) {
      throw new TypeError(`a collection is of one channel, and ${JSON.stringify(this.channel)} is not the name of one`);
    }
    this.topic = topic;
    this.#key = [options.key ?? 'id'].flat();
    this.#around = around;
    /** @type {(collection: this) => void} */
    let shown = () => {};
    /** @type {(error: Error) => void} */
    let failed = () => {};
    this.ready = new Promise((resolve, reject) => ([shown, failed] = [resolve, reject]));
    // Whoever does not ask is not owed a warning.
    this.ready.catch(() => {});
    this.ended = this.#follow(options.store, () => shown(this)).then(
      () => failed(new RealtimeError('closed', 'the collection was closed')),
      (error) => (failed(error), error),
    );
  }

  /** `away` while the server cannot be heard; see SPEC.md. */
  get state() {
    return this.#isClosed ? 'ended' : this.#subscription?.state ?? 'away';
  }

  get size() {
    return this.#rows.size;
  }

  /** @param {string} id the key as text; of several columns the text of their JSON array, without blanks */
  get(id) {
    return this.#rows.get(id);
  }

  /** @param {string} id */
  has(id) {
    return this.#rows.has(id);
  }

  keys() {
    return this.#rows.keys();
  }

  values() {
    return this.#rows.values();
  }

  entries() {
    return this.#rows.entries();
  }

  [Symbol.iterator]() {
    return this.#rows.entries();
  }

  /**
   * The id of a row.
   * @param {Row} row
   */
  idOf(row) {
    return idOf(row, this.#key);
  }

  /** Told of every update, after it. Returns what takes the listener away. @param {(update: Update) => unknown} listener */
  onUpdate(listener) {
    return this.#updates.add(listener);
  }

  /** Stops following. The rows stay as they are. */
  close() {
    this.#isClosed = true;
    this.#subscription?.close();
  }

  /**
   * @param {import('./protocol.js').CopyStore | undefined} store
   * @param {() => void} shown
   */
  async #follow(store, shown) {
    // A turn later also without a store: whoever closes it at once asks for nothing.
    await (store && this.#open(store, shown));
    try {
      // What began with a cursor may end with a reset; then it begins with all rows.
      for (let since = this.cursor, again = true; again && !this.#isClosed; since = null) again = await this.#listen(since, shown);
    } finally {
      this.#isClosed = true;
      await this.#keeping?.close();
    }
  }

  /**
   * Begins with what is kept. Where it cannot be read the server has it all the same.
   * @param {import('./protocol.js').CopyStore} store
   * @param {() => void} shown
   */
  async #open(store, shown) {
    try {
      const kept = await store.open({ ...this.#around.of, key: this.#key });
      const whole = () => ({ startedOver: true, rows: new Map(this.#rows), since: null, cursor: /** @type {string} */ (this.cursor) });
      this.#keeping = new Keeping(kept, whole, this.#around.tell);
      if (kept.cursor === null || this.#isClosed) return;
      this.#apply({ startedOver: true, rows: new Map(kept.rows), since: null, cursor: kept.cursor, commits: [] });
      shown();
    } catch (error) {
      this.#around.tell(/** @type {Error} */ (error));
    }
  }

  /**
   * One subscription. True when its cursor leads on no more.
   * @param {string | null} since
   * @param {() => void} shown
   */
  async #listen(since, shown) {
    let isReset = false;
    try {
      const subscription = this.#around.subscribe(since ? { since } : { snapshot: true, key: this.#key });
      this.#subscription = subscription;
      for await (const event of subscription) {
        isReset = event.type === 'reset';
        const update = await this.#updateOf(event, subscription);
        if (!update) continue;
        this.#apply(update);
        shown();
        this.#keeping?.add(update);
      }
    } catch (error) {
      // A cursor that was kept for long may be one that a newer server cannot read.
      isReset = since !== null && since === this.cursor && /** @type {any} */ (error).code === 'bad_value';
      if (!isReset) throw error;
    }
    return isReset;
  }

  /**
   * What an event makes of the rows; null where nothing.
   * @param {import('./protocol.js').FeedEvent} event
   * @param {Subscription} subscription
   * @returns {Promise<Update | null>}
   */
  async #updateOf(event, subscription) {
    const { cursor } = /** @type {{ cursor: string }} */ (event);
    if (event.type === 'rows') {
      const rows = new Map((event.rows[this.channel] ?? []).map((row) => [this.idOf(row), row]));
      return { startedOver: true, rows, since: null, cursor, commits: [] };
    }
    if (event.type !== 'commits') return null;
    /** @type {Map<string, Row | null>} */
    const rows = new Map();
    for (const { changes } of event.commits) {
      for (const change of changes) await this.#take(change, rows, subscription);
    }
    return { startedOver: false, rows, since: this.cursor, cursor, commits: event.commits };
  }

  /**
   * @param {import('./protocol.js').Change} change
   * @param {Map<string, Row | null>} rows
   * @param {Subscription} subscription
   */
  async #take(change, rows, subscription) {
    const { op, id = '' } = change;
    if (op === 'truncate') {
      for (const known of this.#rows.keys()) rows.set(known, null);
      for (const known of rows.keys()) rows.set(known, null);
    } else if (op === 'delete' || op === 'leave') rows.set(id, null);
    else if (!change.too_large) rows.set(id, change.row ?? null);
    else rows.set(id, await this.#large(id, subscription));
  }

  /**
   * A row that is too large for the feed. Read a moment later it may be newer than its change, or gone; the changes
   * in between follow and lead to the same.
   * @param {string} id
   * @param {Subscription} subscription
   */
  async #large(id, subscription) {
    for (let tries = 0; subscription.state !== 'ended'; tries++) {
      try {
        return await this.#around.read(this.channel, id);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, pause(tries, LONGEST_PAUSE)));
      }
    }
    return null;
  }

  /** @param {Update} update */
  #apply(update) {
    if (update.startedOver) this.#rows = /** @type {Map<string, Row>} */ (new Map(update.rows));
    else {
      for (const [id, row] of update.rows) {
        if (row === null) this.#rows.delete(id);
        else this.#rows.set(id, row);
      }
    }
    this.cursor = update.cursor;
    this.#updates.tell(update);
  }
}
