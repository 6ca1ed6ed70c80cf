// One topic, as SUBSCRIPTION in states.js says.

import { SUBSCRIPTION, next } from './states.js';
import { Inbox } from './inbox.js';
import { RealtimeError } from './realtime-error.js';
import { pause } from './wake.js';

/** Errors after which the same wish may be granted a moment later. */
const PASSING = new Set(['database_unavailable', 'snapshot_too_slow', 'too_many_requests', 'internal', 'timeout']);
/** Errors of a session that another session would not have. */
const ELSEWHERE = new Set(['already_subscribed', 'too_many_topics']);
/** Longest pause after an error, in milliseconds. */
const LONGEST_PAUSE = 10_000;
/** Text of the parts of one frame that are put together, in characters. */
const LARGEST = 64 * 1024 * 1024;

/** What a subscription has of its connection. @typedef {{
 *   isLive: boolean, send: (frame: object) => void, move: (subscription: Subscription) => boolean,
 *   left: (subscription: Subscription, ref?: number) => void,
 * }} Line */

/**
 * A topic that is followed through every break. Iterate it, or give callbacks to `subscribe`.
 * @implements {AsyncIterable<import('./protocol.js').FeedEvent>}
 */
export class Subscription {
  /** @type {import('./protocol.js').SubscriptionState} */
  state = 'away';
  /** The topic as the server names it, as far as is known. @type {string} */
  topic;
  /** Position after the last event that was taken in. @type {string | null} */
  cursor;
  /** Names what was asked last, so that answers find their question. */
  ref = 0;
  /** @type {Line | null} */
  #line = null;
  #inbox;
  #options;
  /** Parts of a frame, void without the last. @type {import('./protocol.js').Commit[]} */
  #parts = [];
  /** @type {Record<string, import('./protocol.js').Row[]>} */
  #rows = {};
  /** Characters in `#parts` and `#rows`. */
  #size = 0;
  #tries = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #nextRef;
  #pages;
  /** Breaks off the lists that are read. */
  #paging = new AbortController();

  /**
   * @param {string} topic canonical
   * @param {import('./protocol.js').SubscribeOptions} options
   * @param {() => number} nextRef
   * @param {((signal: AbortSignal) => Promise<{ rows: Record<string, import('./protocol.js').Row[]>, cursor: string }>) | null} pages
   *   reads all rows where a snapshot is too slow
   */
  constructor(topic, options, nextRef, pages) {
    this.#pages = pages;
    this.topic = topic;
    this.cursor = options.since ?? null;
    this.#options = options;
    this.#nextRef = nextRef;
    this.#inbox = new Inbox(options.queued ?? 10_000, () => this.on('drained'));
  }

  /** Ends it; what was taken in and not yet read is dropped. */
  close() {
    this.on('close');
  }

  [Symbol.asyncIterator]() {
    const inbox = this.#inbox;
    return {
      next: async () => {
        const value = await inbox.take();
        return value ? { done: /** @type {const} */ (false), value } : { done: /** @type {const} */ (true), value: undefined };
      },
      return: async () => {
        this.close();
        return { done: /** @type {const} */ (true), value: undefined };
      },
    };
  }

  /** Says whose it is, also before it may join. @param {Line} line */
  attach(line) {
    this.#line = line;
  }

  /**
   * @param {import('./states.js').SubscriptionEvent} event
   * @param {Error} [error] why
   */
  on(event, error) {
    const before = this.state;
    const state = next(SUBSCRIPTION, before, event);
    if (!state || state === before) return;
    this.state = state;
    clearTimeout(this.#timer);
    this.#options.onState?.(state);
    this.#enter(state, event, before, error);
  }

  /**
   * @param {import('./protocol.js').SubscriptionState} state
   * @param {import('./states.js').SubscriptionEvent} event
   * @param {import('./protocol.js').SubscriptionState} before
   * @param {Error} [error]
   */
  #enter(state, event, before, error) {
    if (state === 'away') {
      if (event === 'taken') this.#line?.move(this) || this.on('over', error);
      else if (this.#line?.isLive) this.on('open');
    } else if (state === 'joining') this.#join();
    else if (state === 'paging') this.#page();
    else if (state === 'live') this.#tries = 0;
    else if (state === 'leaving') this.#leave();
    else if (state === 'full' && this.#inbox.isEmpty) this.on('drained');
    else if (state === 'resting') {
      this.#timer = setTimeout(() => this.on('late'), pause(this.#tries++, LONGEST_PAUSE));
    } else if (state === 'ended') {
      const holds = ['joining', 'filling', 'live'].includes(before);
      this.#paging.abort();
      if (event === 'close') this.#inbox.clear();
      if (event === 'close' && holds) this.#leave();
      this.#inbox.end(error);
      this.#line?.left(this, event === 'close' && (holds || before === 'leaving') ? this.ref : undefined);
    }
  }

  #join() {
    [this.#parts, this.#rows, this.#size] = [[], {}, 0];
    this.ref = this.#nextRef();
    const { topic, ref, cursor } = this;
    const from = cursor !== null ? { since: cursor } : this.#options.snapshot ? { snapshot: true } : {};
    this.#line?.send({ type: 'subscribe', topic, ref, ...from });
  }

  async #page() {
    try {
      const read = await this.#pages?.(this.#paging.signal);
      if (this.state !== 'paging' || !read) return;
      const { rows, cursor } = read;
      this.cursor = cursor;
      this.#push({ type: 'rows', rows, cursor });
      this.on('paged');
    } catch (error) {
      // Without an answer the network is away.
      const { passing = true } = /** @type {{ passing?: boolean }} */ (error);
      this.on(passing ? 'busy' : 'over', /** @type {Error} */ (error));
    }
  }

  #leave() {
    this.ref = this.#nextRef();
    this.#line?.send({ type: 'unsubscribe', topic: this.topic, ref: this.ref });
  }

  /**
   * Takes a frame that is about this topic.
   * @param {import('./protocol.js').Frame} frame
   * @param {number} size characters
   */
  take(frame, size) {
    if (frame.ref !== undefined && frame.ref !== this.ref) return;
    if (frame.type === 'subscribed') this.#held(frame);
    else if (frame.type === 'rows') this.#fill(frame, size);
    else if (frame.type === 'commits') this.#commit(frame, size);
    else if (frame.type === 'reset') this.#reset(/** @type {import('./protocol.js').ResetReason} */ (frame.reason));
    else if (frame.type === 'unsubscribed') this.#unsubscribed(frame);
    else if (frame.type === 'error') this.#refused(frame);
  }

  /** @param {import('./protocol.js').Frame} frame */
  #held(frame) {
    if (this.state !== 'joining' || !frame.cursor) return;
    const isNew = this.cursor === null;
    this.topic = frame.topic ?? this.topic;
    if (isNew && this.#options.snapshot) return this.on('rows');
    this.cursor = frame.cursor;
    this.on('held');
    // So that there is a position to store before the first commit.
    if (isNew) this.#push({ type: 'commits', commits: [], cursor: frame.cursor });
  }

  /**
   * @param {import('./protocol.js').Frame} frame
   * @param {number} size
   */
  #fill(frame, size) {
    if (this.state !== 'filling' || !this.#fits(size)) return;
    const all = (this.#rows[frame.channel ?? ''] ??= []);
    for (const row of frame.rows ?? []) all.push(row);
    if (frame.more || !frame.cursor) return;
    const rows = this.#rows;
    [this.#rows, this.#size, this.cursor] = [{}, 0, frame.cursor];
    this.on('held');
    this.#push({ type: 'rows', rows, cursor: frame.cursor });
  }

  /**
   * @param {import('./protocol.js').Frame} frame
   * @param {number} size
   */
  #commit(frame, size) {
    if (this.state !== 'live' || !this.#fits(size)) return;
    for (const commit of frame.commits ?? []) {
      const last = this.#parts.at(-1);
      // A commit that was cut in two is named again by the next part.
      if (last?.xid === commit.xid) last.changes = last.changes.concat(commit.changes);
      else this.#parts.push(commit);
    }
    if (frame.more || !frame.cursor) return;
    const commits = this.#parts;
    [this.#parts, this.#size, this.cursor] = [[], 0, frame.cursor];
    this.#push({ type: 'commits', commits, cursor: frame.cursor });
  }

  /** @param {number} size */
  #fits(size) {
    this.#size += size;
    if (this.#size <= LARGEST) return true;
    const error = new RealtimeError('too_large', `more than ${LARGEST} characters in one frame`);
    this.#leave();
    this.on('over', error);
    return false;
  }

  /** @param {import('./protocol.js').FeedEvent} event */
  #push(event) {
    this.#inbox.push(event);
    if (this.#inbox.isFull) this.on('full');
  }

  /** @param {import('./protocol.js').ResetReason} reason */
  #reset(reason) {
    this.cursor = null;
    this.#inbox.push({ type: 'reset', reason });
    this.on(this.#options.snapshot ? 'reset' : 'over');
  }

  /** @param {import('./protocol.js').Frame} frame */
  #unsubscribed(frame) {
    if (frame.ref !== undefined) return this.on('left');
    this.#inbox.push({ type: 'unwatched' });
    this.on('over');
  }

  /** @param {import('./protocol.js').Frame} frame */
  #refused(frame) {
    const { code = 'error', message = '' } = frame;
    const error = new RealtimeError(code, message);
    if (code === 'not_subscribed') this.on('left');
    else if (ELSEWHERE.has(code)) this.on('taken', error);
    else if (code === 'snapshot_too_slow' && this.cursor === null && this.#pages) this.on('slow');
    else this.on(PASSING.has(code) ? 'busy' : 'over', error);
  }
}
