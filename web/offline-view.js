// A collection with what is queued on top.

import { Listeners } from './listeners.js';

/** @typedef {import('./protocol.js').Row} Row */
/** @typedef {import('./protocol.js').Operation} Operation */
/** @typedef {import('./protocol.js').Done} Done */

/** Milliseconds for which a write that was done is shown although the feed does not bring it. */
const PATIENCE = 10_000;
/** Transactions remembered, so that an answer later than its commit is known as such. */
const REMEMBERED = 1000;

/**
 * Rows as they will be: the server's, and on top what this device has queued, made anew over every row the server
 * sends. A write that was done stays on top until the collection holds it, so nothing flickers.
 */
export class OptimisticView {
  /** What differs from the collection; null where a row is gone. @type {Map<string, Row | null>} */
  #over = new Map();
  /** Done, and not yet in the collection. @type {Map<number, Done & { until: number }>} */
  #done = new Map();
  /** @type {Set<string>} */
  #xids = new Set();
  /** @type {Listeners<void>} */
  #updates = new Listeners();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #queue;
  #collection;
  #where;
  #ends;

  /**
   * @param {import('./offline-sync.js').OfflineQueue} queue
   * @param {import('./collection.js').Collection} collection
   * @param {{ where?: (row: Row) => boolean }} [options] which queued rows belong to it; by default those that
   *   pass the `column=eq.value` of its topic
   */
  constructor(queue, collection, options = {}) {
    this.#queue = queue;
    this.#collection = collection;
    this.#where = options.where ?? whereOf(collection.topic);
    this.#ends = [
      queue.onChange(({ done }) => this.#change(done)),
      collection.onUpdate(({ commits }) => this.#update(commits)),
    ];
    this.#rebuild();
  }

  /** @param {string} id */
  get(id) {
    const over = this.#over.get(id);
    return over === undefined ? this.#collection.get(id) : over ?? undefined;
  }

  /** @param {string} id */
  has(id) {
    return this.get(id) !== undefined;
  }

  /** True where a row is not yet as the server has it. @param {string} id */
  isPending(id) {
    return this.#over.has(id);
  }

  get size() {
    let size = this.#collection.size;
    for (const [id, row] of this.#over) size += Number(row !== null) - Number(this.#collection.has(id));
    return size;
  }

  /** @returns {Generator<[string, Row]>} */
  *entries() {
    for (const [id, row] of this.#collection) {
      const over = this.#over.get(id);
      if (over !== null) yield [id, over ?? row];
    }
    for (const [id, row] of this.#over) if (row && !this.#collection.has(id)) yield [id, row];
  }

  *values() {
    for (const [, row] of this.entries()) yield row;
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  /** Told after every change of it. @param {() => unknown} listener */
  onUpdate(listener) {
    return this.#updates.add(listener);
  }

  close() {
    clearTimeout(this.#timer);
    for (const end of this.#ends) end();
  }

  /** @param {Done[]} done */
  #change(done) {
    const until = Date.now() + PATIENCE;
    for (const one of done) {
      const known = one.xid === undefined || this.#xids.has(one.xid);
      if (one.operation.channel === this.#collection.channel && !known) this.#done.set(one.operation.seq, { ...one, until });
    }
    this.#rebuild();
  }

  /** @param {import('./protocol.js').Commit[]} commits */
  #update(commits) {
    for (const { xid } of commits) {
      this.#xids.add(xid);
      for (const [seq, one] of this.#done) if (one.xid === xid) this.#done.delete(seq);
    }
    for (const xid of this.#xids) {
      if (this.#xids.size <= REMEMBERED) break;
      this.#xids.delete(xid);
    }
    this.#rebuild();
  }

  #rebuild() {
    const now = Date.now();
    for (const [seq, one] of this.#done) {
      const { version = Infinity } = this.#collection.get(one.operation.id) ?? { version: -1 };
      const isThere = version >= (one.version ?? 0) || (one.operation.method === 'DELETE' && version === -1);
      if (isThere || now >= one.until) this.#done.delete(seq);
    }
    clearTimeout(this.#timer);
    if (this.#done.size > 0) {
      this.#timer = setTimeout(() => this.#rebuild(), PATIENCE);
      if (typeof this.#timer === 'object') this.#timer.unref?.();
    }
    const done = [...this.#done.values()].map(({ operation, row }) => ({ ...operation, done: row }));
    this.#over = new Map();
    for (const operation of [...done, ...this.#queue.pending]) this.#apply(operation);
    for (const [id, row] of this.#over) if (row && !this.#where(row)) this.#over.set(id, null);
    for (const [id, row] of this.#over) if (row === null && !this.#collection.has(id)) this.#over.delete(id);
    this.#updates.tell();
  }

  /** @param {Operation & { done?: Row }} operation */
  #apply({ method, channel, id, row = {}, done }) {
    if (channel !== this.#collection.channel) return;
    const base = this.#over.get(id) ?? (this.#over.has(id) ? undefined : this.#collection.get(id));
    if (method === 'DELETE') this.#over.set(id, null);
    else if (done) this.#over.set(id, done);
    else if (method === 'POST') this.#over.set(id, { ...row, ...base });
    else if (base) this.#over.set(id, method === 'PUT' ? { ...base, ...row } : merged(base, row));
  }
}

/**
 * A row with columns set as the server sets them: into an object key by key.
 * @param {Row} row
 * @param {Row} columns
 */
function merged(row, columns) {
  const result = { ...row };
  for (const [column, value] of Object.entries(columns)) {
    result[column] = isObject(value) && isObject(row[column]) ? patched(row[column], value) : value;
  }
  return result;
}

/**
 * JSON merge patch (RFC 7396).
 * @param {any} target
 * @param {any} patch
 * @returns {any}
 */
function patched(target, patch) {
  if (!isObject(patch)) return patch;
  const result = isObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = patched(result[name], value);
  }
  return result;
}

/** @param {unknown} value */
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * What the simplest filters of a topic say of a row. Others are the server's to judge, and let everything pass here.
 * @param {string} topic
 * @returns {(row: Row) => boolean}
 */
function whereOf(topic) {
  const wanted = [...new URLSearchParams(topic.split('?')[1])].filter(([, value]) => value.startsWith('eq.'));
  return (row) => wanted.every(([column, value]) => row[column] === undefined || String(row[column]) === value.slice(3));
}
