// Follows Rowbell's feed: subscriptions, and live copies of tables, that outlive every break of the connection.
//
//     import { RealtimeClient } from '/web/realtime-client.js';
//     const orders = new RealtimeClient().collection('orders');
//     orders.onUpdate(() => render([...orders.values()]));

import { RealtimeError } from './realtime-error.js';
import { Line, canonical } from './line.js';
import { Subscription } from './subscription.js';
import { Collection } from './collection.js';
import { Listeners } from './listeners.js';
import { pagesOf } from './pages.js';
import { originOf, readerOf, requests } from './rest.js';
import { onWake } from './wake.js';

export { RealtimeError, Subscription, Collection };

/** Connections a client may hold. More than one is needed only where one topic is followed more than once. */
const MOST = 8;

export class RealtimeClient {
  /** @type {import('./protocol.js').ClientState} */
  state = 'idle';
  /** What closed it, if not `close()`. @type {Error | undefined} */
  error;
  /** @type {Line[]} */
  #lines = [];
  /** @type {Listeners<import('./protocol.js').ClientState>} */
  #states = new Listeners();
  /** @type {Listeners<Error>} */
  #errors = new Listeners();
  #ref = 0;
  #url;
  #options;
  #request;
  #isClosed = false;
  /** @type {(() => void) | null} */
  #awake = null;

  /** @param {import('./protocol.js').ClientOptions} [options] */
  constructor(options = {}) {
    this.#options = options;
    this.#url = originOf(options.url ?? options.wsUrl);
    this.#request = requests(this.#url, options.getToken);
    this.onState(options.onState);
    this.onError(options.onError);
  }

  /** Address of the server, `http://host`. */
  get url() {
    return this.#url;
  }

  get getToken() {
    return this.#options.getToken;
  }

  /**
   * Follows a topic: `orders`, `orders,clients`, `orders?branch_id=eq.3`. Give callbacks, or iterate the result.
   * @param {string} topic
   * @param {import('./protocol.js').SubscribeOptions} [options]
   */
  subscribe(topic, options = {}) {
    if (options.since && options.snapshot) {
      throw new TypeError('since and snapshot exclude each other: all rows, or what changed since');
    }
    if (this.#isClosed) throw new RealtimeError('closed', 'this client is closed');
    const subscription = new Subscription(canonical(topic), options, () => ++this.#ref, pagesOf(this.#request, topic, options.key));
    this.#place(subscription);
    if (options.onCommits || options.onRows || options.onReset || options.onEnd) deliver(subscription, options);
    return subscription;
  }

  /**
   * A copy of a table, or of the rows of one that pass a filter, that follows the server.
   * @param {string} topic of one channel
   * @param {import('./protocol.js').CollectionOptions} [options]
   */
  collection(topic, options = {}) {
    return new Collection(topic, options, {
      of: { url: this.#url, topic: canonical(topic) },
      subscribe: (how) => this.subscribe(topic, how),
      read: readerOf(this.#request),
      tell: (error) => this.#errors.tell(error),
    });
  }

  /** Told of every new state. @param {((state: import('./protocol.js').ClientState) => void) | undefined} listener */
  onState(listener) {
    return this.#states.add(listener);
  }

  /** Told of what went wrong. @param {((error: Error) => void) | undefined} listener */
  onError(listener) {
    return this.#errors.add(listener);
  }

  /** Ends every subscription and connection. */
  close() {
    this.#isClosed = true;
    for (const line of this.#lines) line.connection.on('close');
    this.#look();
  }

  /** @param {Subscription} subscription */
  #place(subscription) {
    const free = this.#lines.find((line) => !line.holds(subscription.topic) && line.connection.state !== 'closed');
    if (free) return free.add(subscription);
    if (this.#lines.length >= MOST) {
      throw new RealtimeError('too_many', `${MOST} subscriptions of one topic on one client: share them`);
    }
    this.#addLine().add(subscription);
  }

  #addLine() {
    const line = new Line(this.#url.replace(/^http/, 'ws'), this.#options, {
      state: () => this.#look(),
      error: (error) => this.#errors.tell(error),
      move: (subscription) => this.#move(line, subscription),
      refused: (error) => this.#refused(error),
    });
    this.#lines.push(line);
    this.#awake ??= onWake(() => this.#lines.forEach(({ connection }) => connection.on('woke')));
    line.connection.on('start');
    return line;
  }

  /**
   * Finds another line for whom one has no room.
   * @param {Line} from
   * @param {Subscription} subscription
   */
  #move(from, subscription) {
    const after = this.#lines.indexOf(from) + 1;
    const line = this.#lines.slice(after).find((other) => !other.holds(subscription.topic));
    if (!line && this.#lines.length >= MOST) return false;
    (line ?? this.#addLine()).add(subscription);
    return true;
  }

  /** @param {Error} error */
  #refused(error) {
    this.error = error;
    this.#errors.tell(error);
    // What refuses one connection refuses all; whoever subscribes anew has a reason to try again.
    this.#lines = this.#lines.filter(({ connection }) => connection.state !== 'closed');
  }

  #look() {
    const states = this.#lines.map(({ connection, isLive }) => (isLive ? 'live' : connection.state));
    const state = this.#isClosed || (this.error && !this.#lines.length) ? 'closed'
      : !states.length ? 'idle'
      : states.every((one) => one === 'live') ? 'live'
      : 'connecting';
    if (state === 'closed') {
      this.#awake?.();
      this.#awake = null;
    }
    if (state === this.state) return;
    this.state = state;
    this.#states.tell(state);
  }
}

/**
 * Calls back for every event, one after the other.
 * @param {Subscription} subscription
 * @param {import('./protocol.js').SubscribeOptions} to
 */
async function deliver(subscription, to) {
  try {
    for await (const event of subscription) {
      if (event.type === 'commits') await to.onCommits?.(event.commits, event.cursor);
      else if (event.type === 'rows') await to.onRows?.(event.rows, event.cursor);
      else if (event.type === 'reset') await to.onReset?.(event.reason);
    }
    to.onEnd?.();
  } catch (error) {
    subscription.close();
    if (!to.onEnd) throw error;
    to.onEnd(/** @type {Error} */ (error));
  }
}
