// A copy of a table that follows the server.

import { Listeners } from './listeners.js';
import { RealtimeError } from './connection.js';
import { pause } from './wake.js';

/** @typedef {import('./protocol.js').Row} Row */
/** @typedef {import('./protocol.js').Update} Update */
/** @typedef {import('./subscription.js').Subscription} Subscription */

/** Longest pause before a row that is too large for the feed is asked for again, in milliseconds. */
const LONGEST_PAUSE = 10_000;

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
  #options;
  #read;

  /**
   * @param {string} topic
   * @param {import('./protocol.js').CollectionOptions} options
   * @param {(options: import('./protocol.js').SubscribeOptions) => Subscription} subscribe
   * @param {(channel: string, id: string) => Promise<Row | null>} read
   */
  constructor(topic, options, subscribe, read) {
    this.channel = topic.split('?')[0];
    if (!/^[a-z][a-z0-9-]*$/.test(this.channel)) {
      throw new TypeError(`a collection is of one channel, and ${JSON.stringify(this.channel)} is not the name of one`);
    }
    this.topic = topic;
    this.#options = options;
    this.#key = [options.key ?? 'id'].flat();
    this.#read = read;
    /** @type {(collection: this) => void} */
    let shown = () => {};
    /** @type {(error: Error) => void} */
    let failed = () => {};
    this.ready = new Promise((resolve, reject) => ([shown, failed] = [resolve, reject]));
    // Whoever does not ask is not owed a warning.
    this.ready.catch(() => {});
    this.ended = this.#follow(subscribe, () => shown(this)).then(
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
   * @param {(options: import('./protocol.js').SubscribeOptions) => Subscription} subscribe
   * @param {() => void} shown
   */
  async #follow(subscribe, shown) {
    const kept = await this.#options.load?.();
    if (this.#isClosed) return;
    if (kept) {
      this.#apply({ startedOver: true, rows: new Map(kept.rows), cursor: kept.cursor, commits: [] });
      shown();
    }
    let since = kept?.cursor;
    for (let isReset = true; isReset && !this.#isClosed; ) {
      isReset = false;
      const subscription = subscribe(since ? { since } : { snapshot: true });
      this.#subscription = subscription;
      for await (const event of subscription) {
        isReset = event.type === 'reset';
        const update = await this.#updateOf(event, subscription);
        if (!update) continue;
        this.#apply(update);
        shown();
        await this.#options.store?.(update);
      }
      // What began with a cursor ends with a reset; then it begins with all rows.
      since = undefined;
    }
    this.#isClosed = true;
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
      return { startedOver: true, rows, cursor, commits: [] };
    }
    if (event.type !== 'commits') return null;
    /** @type {Map<string, Row | null>} */
    const rows = new Map();
    for (const { changes } of event.commits) {
      for (const change of changes) await this.#take(change, rows, subscription);
    }
    return { startedOver: false, rows, cursor, commits: event.commits };
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
        return await this.#read(this.channel, id);
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

/**
 * The id of a row as the server spells it.
 * @param {Row} row
 * @param {string[]} key
 */
export function idOf(row, key) {
  const values = key.map((column) => {
    if (row[column] === undefined || row[column] === null) {
      throw new RealtimeError('no_key', `the rows have no column ${column}: name their key, as in { key: ['branch', 'day'] }`);
    }
    return row[column];
  });
  return values.length === 1 ? String(values[0]) : JSON.stringify(values);
}
