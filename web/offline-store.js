// What survives a crash: operations, letters and totals, in IndexedDB.

import { Database, OfflineError } from './database.js';

/** @typedef {import('./protocol.js').Operation} Operation */
/** @typedef {import('./protocol.js').Letter} Letter */
/** @typedef {import('./protocol.js').Totals} Totals */

/** @type {Totals} */
const NOTHING = { done: 0, replayed: 0, dead: 0, rounds: 0, failures: 0 };

export class Store {
  #database;
  #capacity;

  /**
   * @param {string} name
   * @param {number} capacity
   */
  constructor(name, capacity) {
    this.#capacity = capacity;
    this.#database = new Database(`${name}-offline`, ['operations', 'letters', 'totals'], (database) => {
      const operations = database.createObjectStore('operations', { keyPath: 'seq', autoIncrement: true });
      operations.createIndex('row', ['channel', 'id']);
      database.createObjectStore('letters', { keyPath: 'seq' });
      database.createObjectStore('totals');
    });
  }

  /**
   * @template T
   * @param {(stores: Record<'operations' | 'letters' | 'totals', any>) => Promise<T>} work
   * @returns {Promise<T>}
   */
  #write(work) {
    return this.#database.write('strict', work);
  }

  /** @returns {Promise<Operation[]>} in order */
  operations() {
    return this.#database.read(({ operations }) => operations.getAll());
  }

  /** @returns {Promise<Letter[]>} */
  letters() {
    return this.#database.read(({ letters }) => letters.getAll());
  }

  /** @returns {Promise<Totals>} */
  totals() {
    return this.#database.read(async ({ totals }) => ({ ...NOTHING, ...(await totals.get('totals')) }));
  }

  /**
   * Puts operations at the end, each after what is queued for its row.
   * @param {Omit<Operation, 'seq'>[]} wanted
   * @param {number[]} [letters] that become these
   */
  add(wanted, letters = []) {
    return this.#write(async (stores) => {
      if ((await stores.operations.count()) + wanted.length > this.#capacity) {
        throw new OfflineError('queue_full', `not saved: ${this.#capacity} operations are queued already`);
      }
      const added = [];
      for (const seq of letters) await stores.letters.delete(seq);
      for (const one of wanted) {
        const last = await stores.operations.index('row').openCursor([one.channel, one.id], 'prev');
        const operation = behind(one, last?.value);
        added.push({ ...operation, seq: await stores.operations.add(operation) });
      }
      return added;
    });
  }

  /**
   * Books what became of operations, all at once.
   * @param {import('./protocol.js').Outcomes} outcomes
   * @param {number} now milliseconds since 1970
   * @returns {Promise<Letter[]>} the new ones
   */
  settle({ done, dead, again }, now) {
    return this.#write(async ({ operations, letters, totals }) => {
      const all = new Map((await operations.getAll()).map((/** @type {Operation} */ one) => [one.seq, one]));
      const following = (/** @type {number} */ seq) => [...all.values()].filter(({ after }) => after === seq);
      for (const { operation, version } of done) {
        all.delete(operation.seq);
        await operations.delete(operation.seq);
        for (const { after: _, ...next } of following(operation.seq)) {
          all.set(next.seq, { ...next, version });
          await operations.put({ ...next, version });
        }
      }
      for (const { seq, attempts } of again) {
        if (all.has(seq)) await operations.put({ ...all.get(seq), attempts });
      }
      /** @type {Letter[]} */
      const made = [];
      const bury = async (/** @type {Operation} */ operation, /** @type {Record<string, any>} */ problem, /** @type {number} */ because) => {
        const letter = { ...(all.get(operation.seq) ?? operation), problem, deadAt: now, ...(because && { because }) };
        all.delete(operation.seq);
        made.push(letter);
        await operations.delete(operation.seq);
        await letters.put(letter);
        // What was made after it cannot be done without it.
        for (const next of following(operation.seq)) await bury(next, SKIPPED, operation.seq);
      };
      for (const { operation, problem } of dead) await bury(operation, problem, 0);
      const replayed = done.filter((one) => one.replayed).length;
      await count(totals, { done: done.length, replayed, dead: made.length, rounds: 1 });
      return made;
    });
  }

  /** Counts a request that came to nothing. */
  failed() {
    return this.#write(({ totals }) => count(totals, { failures: 1 }));
  }

  /** @param {number} seq */
  discard(seq) {
    return this.#write(({ letters }) => letters.delete(seq));
  }

  close() {
    return this.#database.close();
  }
}

const SKIPPED = { code: 'skipped', status: 424, title: 'Skipped', detail: 'an earlier change of this row was refused' };

/**
 * @param {any} store
 * @param {Partial<Totals>} more
 */
async function count(store, more) {
  const totals = { ...NOTHING, ...(await store.get('totals')) };
  for (const [name, number] of Object.entries(more)) totals[/** @type {keyof Totals} */ (name)] += number;
  await store.put(totals, 'totals');
}

/**
 * An operation behind the last one on its row, which leaves the version it will be based on.
 * @param {Omit<Operation, 'seq'>} operation
 * @param {Operation | undefined} last
 * @returns {Omit<Operation, 'seq'>}
 */
function behind(operation, last) {
  const { method, channel, id } = operation;
  const row = `row ${id} of ${channel}`;
  if (method === 'POST') {
    if (last && last.method !== 'DELETE') throw new OfflineError('exists', `not saved: ${row} is queued already`);
    return operation;
  }
  if (last?.method === 'DELETE') throw new OfflineError('not_found', `not saved: ${row} is to be deleted already`);
  if (last) {
    const { version: _, ...rest } = operation;
    return { ...rest, after: last.seq };
  }
  if (operation.version === undefined) {
    throw new OfflineError('version_required', `not saved: say from which version of ${row} it was made, or give the row as it was read`);
  }
  return operation;
}
