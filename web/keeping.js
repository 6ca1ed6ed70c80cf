// From a collection to what keeps it.

import { pause } from './wake.js';

/** @typedef {import('./protocol.js').Step} Step */

/** Longest pause before what could not be kept is tried again, in milliseconds. */
const LONGEST_PAUSE = 300_000;

/** Hands steps to a store, one at a time; those that come meanwhile are put together. Never in the way of the feed. */
export class Keeping {
  /** What is not yet kept. @type {Step | null} */
  #due = null;
  /** The hand that is at it. @type {Promise<void> | null} */
  #saving = null;
  #isClosed = false;
  /** Ends a pause. */
  #resume = () => {};
  #copy;
  #whole;
  #tell;

  /**
   * @param {import('./protocol.js').KeptCopy} copy
   * @param {() => Step} whole all rows as they are
   * @param {(error: Error) => void} tell of what could not be kept
   */
  constructor(copy, whole, tell) {
    this.#copy = copy;
    this.#whole = whole;
    this.#tell = tell;
  }

  /** @param {Step} step */
  add(step) {
    this.#due = this.#due ? joined(this.#due, step) : step;
    this.#saving ??= this.#save().finally(() => (this.#saving = null));
  }

  /** Keeps what is due, and lets go. */
  async close() {
    this.#isClosed = true;
    this.#resume();
    await this.#saving;
    await this.#copy.close();
  }

  async #save() {
    for (let tries = 0; this.#due; ) {
      const due = this.#due;
      this.#due = null;
      try {
        // All rows as they are now stand for what came meanwhile too.
        if (!(await this.#copy.save(due))) this.#due = this.#whole();
        tries = 0;
      } catch (error) {
        this.#tell(/** @type {Error} */ (error));
        if (this.#isClosed) return;
        await this.#sleep(pause(tries++ + 4, LONGEST_PAUSE));
        if (this.#isClosed) return;
        this.#due = this.#whole();
      }
    }
  }

  /** @param {number} milliseconds */
  async #sleep(milliseconds) {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#resume = () => (clearTimeout(timer), resolve(undefined));
    });
  }
}

/**
 * Two steps as one.
 * @param {Step} first
 * @param {Step} second
 * @returns {Step}
 */
function joined(first, second) {
  if (second.startedOver) return second;
  return { ...first, rows: new Map([...first.rows, ...second.rows]), cursor: second.cursor };
}
