// Copies of tables that outlive the page: rows and cursor in IndexedDB, always of one moment.

import { Database } from './database.js';

/** @typedef {import('./protocol.js').CopyOf} CopyOf */
/** @typedef {import('./protocol.js').KeptCopy} KeptCopy */
/** @typedef {import('./protocol.js').Row} Row */
/** @typedef {import('./protocol.js').Step} Step */

/** Milliseconds after which a copy that nobody follows is dropped. */
const UNUSED = 30 * 24 * 3600 * 1000;

/**
 * Keeps collections: `client.collection('orders', { store: new RowStore({ subject }) })`. One store keeps any number of
 * topics, and any number of tabs share it.
 */
export class RowStore {
  #name;
  #subject;
  #database;

  /** @param {import('./protocol.js').RowStoreOptions} [options] */
  constructor({ name = 'rowbell', subject = '' } = {}) {
    this.#name = `${name}-rows`;
    this.#subject = subject;
    this.#database = new Database(this.#name, ['copies', 'rows'], (database) => {
      database.createObjectStore('copies', { keyPath: 'copy', autoIncrement: true }).createIndex('of', 'of', { unique: true });
      database.createObjectStore('rows');
    });
  }

  /**
   * What is kept of some rows. What belongs to another subject goes, and what nobody has followed for a month.
   * @param {CopyOf} of
   * @returns {Promise<KeptCopy>}
   */
  async open({ url, topic, key }) {
    const of = JSON.stringify([this.#subject, url, topic, key]);
    const turn = new Turn();
    await turn.ask(`rowbell-${this.#name}-${of}`);
    try {
      await this.#tidy();
      return { ...(await this.#load(of)), save: async (step) => !turn.isOurs || this.#save(of, step), close: () => turn.end() };
    } catch (error) {
      turn.end();
      throw error;
    }
  }

  /** Forgets everything, of whomever. Close the collections before, or they are kept anew. */
  clear() {
    return this.#database.write('strict', async ({ copies, rows }) => {
      await copies.clear();
      await rows.clear();
    });
  }

  /** Lets go of the database, until the next use. */
  close() {
    return this.#database.close();
  }

  /** Drops what is of other subjects, and what is long forgotten. */
  async #tidy() {
    const isOld = (/** @type {any} */ one) => one.subject !== this.#subject || Date.now() - one.savedAt >= UNUSED;
    // Written to only where there is something to drop: a disk that is full can still be read.
    const old = (await this.#database.read(({ copies }) => copies.getAll())).filter(isOld);
    if (old.length === 0) return;
    await this.#database.write('relaxed', async ({ copies, rows }) => {
      for (const { copy } of old) await Promise.all([rows.delete(rangeOf(copy)), copies.delete(copy)]);
    });
  }

  /** @param {string} of */
  #load(of) {
    return this.#database.read(async ({ copies, rows }) => {
      const kept = await copies.index('of').get(of);
      if (!kept) return { rows: [], cursor: null };
      const [ids, all] = await Promise.all([rows.getAllKeys(rangeOf(kept.copy)), rows.getAll(rangeOf(kept.copy))]);
      const entries = ids.map((/** @type {[number, string]} */ [, id], /** @type {number} */ at) => /** @type {[string, Row]} */ ([id, all[at]]));
      return { rows: entries, cursor: /** @type {string} */ (kept.cursor) };
    });
  }

  /**
   * @param {string} of
   * @param {Step} step
   */
  #save(of, { startedOver, rows: changed, since, cursor }) {
    return this.#database.write('relaxed', async ({ copies, rows }) => {
      const kept = await copies.index('of').get(of);
      // Another tab got ahead, or somebody dropped it: a step from elsewhere would mix two moments.
      if (!startedOver && (!kept || kept.cursor !== since)) return kept?.cursor === cursor;
      const made = { ...kept, of, subject: this.#subject, cursor, savedAt: Date.now() };
      const copy = await copies.put(made);
      if (startedOver && kept) await rows.delete(rangeOf(copy));
      await Promise.all([...changed].map(([id, row]) => (row === null ? rows.delete([copy, id]) : rows.put(row, [copy, id]))));
      return true;
    });
  }
}

/** The rows of one copy. @param {number} copy */
const rangeOf = (copy) => IDBKeyRange.bound([copy], [copy, []]);

/** Of all tabs that follow the same rows one keeps them; when it goes, another does. */
class Turn {
  isOurs = false;
  /** Lets go of the lock. */
  #over = () => {};
  #waiting = new AbortController();

  /** Settles when it is known whether it is ours; it may become ours later. @param {string} name */
  async ask(name) {
    // Node before 24, and pages without TLS, have no locks: there each writes, and none what does not fit.
    const locks = globalThis.navigator?.locks;
    if (!locks) {
      this.isOurs = true;
      return;
    }
    const { signal } = this.#waiting;
    await new Promise((known) => {
      /** @param {Lock | null} lock */
      const hold = (lock) => {
        this.isOurs = lock !== null && !signal.aborted;
        known(undefined);
        return this.isOurs ? new Promise((over) => (this.#over = () => over(undefined))) : undefined;
      };
      locks.request(name, { ifAvailable: true }, hold).then(() => {
        if (!this.isOurs && !signal.aborted) return locks.request(name, { signal }, hold);
      }).catch((error) => signal.aborted || queueMicrotask(() => { throw error; }));
    });
  }

  end() {
    this.isOurs = false;
    this.#waiting.abort();
    this.#over();
  }
}
