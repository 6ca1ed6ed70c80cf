// Who is told.

/** Functions that are told of something; one that throws does not keep it from the others. @template T */
export class Listeners {
  /** @type {Set<(told: T) => unknown>} */
  #all = new Set();

  /**
   * Adds one; the result takes it away again.
   * @param {((told: T) => unknown) | undefined} listener
   */
  add(listener) {
    if (listener) this.#all.add(listener);
    return () => {
      if (listener) this.#all.delete(listener);
    };
  }

  /** @param {T} told */
  tell(told) {
    for (const listener of [...this.#all]) {
      try {
        listener(told);
      } catch (error) {
        // As if it had been thrown by an event handler: seen by whoever looks for errors, and nobody else.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
