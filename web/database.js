// A database of the browser that may be closed behind our back.

import { openDB } from './idb.js';

/** Why something was not queued, not saved, or not read. */
export class OfflineError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {unknown} [cause]
   */
  constructor(code, message, cause) {
    super(message, { cause });
    this.name = 'OfflineError';
    this.code = code;
  }
}

/** Opened at the first use, and anew after the browser closed it, as it does when room is short or data is cleared. */
export class Database {
  /** @type {Promise<any> | null} */
  #open = null;
  #name;
  #stores;
  #upgrade;

  /**
   * @param {string} name
   * @param {string[]} stores all there are
   * @param {(database: any) => void} upgrade makes them
   */
  constructor(name, stores, upgrade) {
    this.#name = name;
    this.#stores = stores;
    this.#upgrade = upgrade;
  }

  /**
   * One transaction: whole and on disk when this settles, or not done at all.
   * @template T
   * @param {'strict' | 'relaxed'} durability whether a machine that loses its power may lose what was saved last
   * @param {(stores: Record<string, any>) => Promise<T>} work
   * @returns {Promise<T>}
   */
  write(durability, work) {
    return this.#run('readwrite', durability, work, 'not_saved');
  }

  /**
   * What there is at one moment.
   * @template T
   * @param {(stores: Record<string, any>) => Promise<T>} work
   * @returns {Promise<T>}
   */
  read(work) {
    return this.#run('readonly', 'default', work, 'not_read');
  }

  async close() {
    const open = this.#open;
    this.#open = null;
    (await open)?.close();
  }

  #opened() {
    const upgrade = this.#upgrade;
    const forget = () => (this.#open = null);
    this.#open ??= openDB(this.#name, 1, {
      upgrade: (/** @type {any} */ database) => upgrade(database),
      // A later version of this code wants the database in another tab.
      blocking: (/** @type {any} */ _from, /** @type {any} */ _to, /** @type {any} */ event) => (forget(), event.target.close()),
      terminated: forget,
    }).catch((/** @type {unknown} */ error) => {
      forget();
      throw error;
    });
    return this.#open;
  }

  /**
   * @template T
   * @param {'readwrite' | 'readonly'} mode
   * @param {string} durability
   * @param {(stores: Record<string, any>) => Promise<T>} work
   * @param {'not_saved' | 'not_read'} code of what goes wrong
   * @returns {Promise<T>}
   */
  async #run(mode, durability, work, code) {
    for (let again = true; ; again = false) {
      try {
        const database = await this.#opened();
        return await inside(database.transaction(this.#stores, mode, { durability }), this.#stores, work);
      } catch (error) {
        if (error instanceof OfflineError) throw error;
        // Closed by the browser between two uses: nothing was begun.
        const closed = error instanceof DOMException && error.name === 'InvalidStateError';
        this.#open = null;
        if (again && closed) continue;
        throw new OfflineError(code, `${code.replace('_', ' ')}: ${why(error)}`, error);
      }
    }
  }
}

/**
 * @template T
 * @param {any} tx
 * @param {string[]} names
 * @param {(stores: Record<string, any>) => Promise<T>} work
 */
async function inside(tx, names, work) {
  try {
    const value = await work(Object.fromEntries(names.map((name) => [name, tx.objectStore(name)])));
    await tx.done;
    return value;
  } catch (error) {
    tx.done.catch(() => {});
    try {
      tx.abort();
    } catch {
      // It is over already.
    }
    // Where it ended by itself, that is why: no room, most often.
    throw tx.error ?? error;
  }
}

/** @param {unknown} error */
function why(error) {
  if (/** @type {any} */ (error)?.name === 'QuotaExceededError') return 'the browser has no room left for this site';
  return error instanceof Error ? error.message : String(error);
}
