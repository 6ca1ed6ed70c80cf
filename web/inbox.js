// What waits between a subscription and its one reader.

/**
 * A bounded queue of feed events. When it holds as much as it may, `full` is called: the subscription then leaves the
 * rest in the server's log, and is told by `drained` when to come back. So nothing is dropped, however slow the reader.
 */
export class Inbox {
  /** @type {import('./protocol.js').FeedEvent[]} */
  #events = [];
  #weight = 0;
  #bound;
  #drained;
  /** The reader that waits. @type {((result: undefined) => void) | null} */
  #wake = null;
  /** How it ends. @type {{ error?: Error } | null} */
  #end = null;

  /**
   * @param {number} bound changes and rows
   * @param {() => void} drained
   */
  constructor(bound, drained) {
    this.#bound = bound;
    this.#drained = drained;
  }

  get isFull() {
    return this.#weight >= this.#bound;
  }

  get isEmpty() {
    return this.#events.length === 0;
  }

  /** @param {import('./protocol.js').FeedEvent} event */
  push(event) {
    if (this.#end) return;
    this.#events.push(event);
    this.#weight += weigh(event);
    this.#wake?.(undefined);
  }

  /**
   * The last of it. What is there already is still read, unless `now`.
   * @param {Error} [error]
   */
  end(error) {
    this.#end ??= { error };
    this.#wake?.(undefined);
  }

  /** Forgets what nobody will read. */
  clear() {
    this.#events = [];
    this.#weight = 0;
  }

  /** The next event; none at the end. @returns {Promise<import('./protocol.js').FeedEvent | undefined>} */
  async take() {
    for (;;) {
      const event = this.#events.shift();
      if (event) {
        this.#weight -= weigh(event);
        return event;
      }
      if (this.#end?.error) throw this.#end.error;
      if (this.#end) return undefined;
      this.#drained();
      // Being drained may have brought something.
      if (!this.isEmpty || this.#end) continue;
      await new Promise((resolve) => (this.#wake = resolve));
      this.#wake = null;
    }
  }
}

/** @param {import('./protocol.js').FeedEvent} event */
function weigh(event) {
  if (event.type === 'commits') return event.commits.reduce((sum, commit) => sum + commit.changes.length, 1);
  if (event.type === 'rows') return Object.values(event.rows).reduce((sum, rows) => sum + rows.length, 1);
  return 1;
}
