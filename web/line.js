// A connection and the topics on it.

import { Connection } from './connection.js';

/** @typedef {import('./subscription.js').Subscription} Subscription */

/** What a line tells its client. @typedef {{
 *   state: () => void, error: (error: Error) => void, refused: (error: Error) => void,
 *   move: (subscription: Subscription) => boolean,
 * }} Told */

export class Line {
  /** Who follows what, by topic. @type {Map<string, Subscription>} */
  #topics = new Map();
  /**
   * Topics that were left, until the server says so: by then its frames may still be on their way, so nobody joins.
   * @type {Map<string, { ref: number, next: Subscription | null }>}
   */
  #leaving = new Map();
  #told;
  connection;

  /**
   * @param {string} url
   * @param {import('./protocol.js').ClientOptions} options
   * @param {Told} told
   */
  constructor(url, options, told) {
    this.#told = told;
    this.connection = new Connection(url, options, {
      opened: () => this.#each('open'),
      lost: () => this.#lost(),
      frame: (frame, size) => this.#route(frame, size),
      state: told.state,
      error: told.error,
      ended: (error) => {
        if (error) told.refused(error);
        this.#each(error ? 'over' : 'close', error);
      },
    });
  }

  get isLive() {
    return this.connection.isLive;
  }

  /** True when another subscription of that topic must go elsewhere. @param {string} topic */
  holds(topic) {
    return this.#topics.has(topic);
  }

  /** @param {object} frame */
  send(frame) {
    this.connection.send(frame);
  }

  /** @param {Subscription} subscription */
  add(subscription) {
    this.#topics.set(subscription.topic, subscription);
    subscription.attach(this);
    const leaving = this.#leaving.get(subscription.topic);
    if (leaving) leaving.next = subscription;
    else if (this.isLive) subscription.on('open');
  }

  /** Takes a subscription to another line; false where there is none. @param {Subscription} subscription */
  move(subscription) {
    this.#forget(subscription);
    return this.#told.move(subscription);
  }

  /**
   * A subscription is over.
   * @param {Subscription} subscription
   * @param {number} [ref] of the frame that asked the server to let it go
   */
  left(subscription, ref) {
    this.#forget(subscription);
    if (ref !== undefined && this.isLive) this.#leaving.set(subscription.topic, { ref, next: null });
  }

  /** @param {Subscription} subscription */
  #forget(subscription) {
    for (const [topic, other] of this.#topics) if (other === subscription) this.#topics.delete(topic);
    for (const leaving of this.#leaving.values()) if (leaving.next === subscription) leaving.next = null;
  }

  /**
   * @param {'open' | 'lost' | 'over' | 'close'} event
   * @param {Error} [error]
   */
  #each(event, error) {
    for (const subscription of [...this.#topics.values()]) subscription.on(event, error);
  }

  #lost() {
    this.#leaving.clear();
    this.#each('lost');
  }

  /**
   * @param {import('./protocol.js').Frame} frame
   * @param {number} size
   */
  #route(frame, size) {
    if (frame.topic === undefined && frame.ref === undefined) {
      if (frame.type === 'error') this.#told.error(new Error(`${frame.code}: ${frame.message}`));
      return;
    }
    for (const [topic, { ref, next }] of this.#leaving) {
      if (frame.ref === ref) {
        this.#leaving.delete(topic);
        next?.on('open');
        return;
      }
      if (frame.topic === topic && frame.ref === undefined) return;
    }
    const subscription = this.#whose(frame);
    if (!subscription) return;
    subscription.take(frame, size);
    // The server's spelling is the one that names it from now on.
    if (frame.type === 'subscribed' && this.#topics.get(subscription.topic) !== subscription) {
      this.#forget(subscription);
      this.#topics.set(subscription.topic, subscription);
    }
  }

  /** @param {import('./protocol.js').Frame} frame */
  #whose(frame) {
    if (frame.ref === undefined) return this.#topics.get(/** @type {string} */ (frame.topic));
    return [...this.#topics.values()].find(({ ref }) => ref === frame.ref);
  }
}

/**
 * A topic as the server spells it: channels and filters sorted, each once.
 * @param {string} topic
 */
export function canonical(topic) {
  const at = topic.indexOf('?');
  const sorted = (/** @type {string} */ text, /** @type {string} */ by) => [...new Set(text.split(by))].sort().join(by);
  if (at < 0) return sorted(topic, ',');
  const filters = topic.slice(at + 1);
  return sorted(topic.slice(0, at), ',') + (filters ? `?${sorted(filters, '&')}` : '');
}
