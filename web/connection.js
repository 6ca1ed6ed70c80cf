// One WebSocket after the other, as CONNECTION in states.js says.

import { CONNECTION, next } from './states.js';
import { RealtimeError } from './realtime-error.js';
import { pause } from './wake.js';
import { askToken, renewIn } from './token.js';

/** Milliseconds a state may last. `open` lasts a heartbeat of silence, `waiting` a pause at random. */
const LIMITS = { token: 30_000, renewing: 30_000, opening: 10_000, reopening: 10_000, probing: 5000 };
/** Longest pause between two tries, and how long a connection lives before pauses begin anew. */
const LONGEST_PAUSE = 10_000;
const HEALTHY = 5000;

/** What a connection tells. @typedef {{
 *   opened: () => void, lost: () => void, frame: (frame: import('./protocol.js').Frame, size: number) => void,
 *   state: () => void, error: (error: RealtimeError) => void, ended: (error?: RealtimeError) => void,
 * }} Told */

/** Codes after which coming back changes nothing. */
const FINAL = new Set([1002, 1003, 1007, 1009, 4400, 4403, 4404, 4413]);

export class Connection {
  /** @type {import('./states.js').ConnectionState} */
  state = 'idle';
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #renewal;
  #heartbeat = 25_000;
  #tries = 0;
  /** When it was opened. */
  #since = 0;
  /** Counts what is asked for, so that an answer to an earlier question is known as such. */
  #asked = 0;
  /** @type {string | undefined} */
  #token;
  /** @type {number | undefined} */
  #expiresAt;
  /** What the server said last before it closed. @type {RealtimeError | undefined} */
  #said;
  #url;
  #options;
  #told;

  /**
   * @param {string} url `ws://host`
   * @param {import('./protocol.js').ClientOptions} options
   * @param {Told} told
   */
  constructor(url, options, told) {
    this.#url = url;
    this.#options = options;
    this.#told = told;
  }

  get isLive() {
    return this.state === 'open' || this.state === 'probing';
  }

  /**
   * @param {import('./states.js').ConnectionEvent} event
   * @param {RealtimeError} [error] why
   */
  on(event, error) {
    const state = next(CONNECTION, this.state, event);
    if (!state) return;
    const before = this.state;
    const wasLive = this.isLive;
    this.state = state;
    // Entering may lead to the next event at once, which then sets the time.
    this.#limit(state);
    if (state === before) return;
    if (wasLive && !this.isLive) this.#leave();
    this.#enter(state, error);
    if (!wasLive && state === 'open') this.#opened();
    this.#told.state();
  }

  /** @param {object} frame */
  send(frame) {
    if (this.isLive) this.#socket?.send(JSON.stringify(frame));
  }

  /** @param {import('./states.js').ConnectionState} state */
  #limit(state) {
    clearTimeout(this.#timer);
    let limit = LIMITS[/** @type {keyof typeof LIMITS} */ (state)];
    if (state === 'open') limit = this.#heartbeat;
    if (state === 'waiting') limit = pause(this.#tries++, LONGEST_PAUSE);
    if (limit !== undefined) this.#timer = setTimeout(() => this.on('late'), limit);
  }

  /**
   * @param {import('./states.js').ConnectionState} state
   * @param {RealtimeError} [error]
   */
  #enter(state, error) {
    if (!['opening', 'reopening', 'open', 'probing'].includes(state)) this.#drop();
    if (state === 'token') this.#ask();
    if (state === 'renewing') this.#ask(this.#token);
    if (state === 'opening' || state === 'reopening') this.#open();
    if (state === 'probing') this.send({ type: 'ping' });
    if (state === 'waiting' && error) this.#told.error(error);
    if (state === 'closed') this.#told.ended(error);
  }

  #leave() {
    if (Date.now() - this.#since > HEALTHY) this.#tries = 0;
    clearTimeout(this.#renewal);
    this.#told.lost();
  }

  #opened() {
    this.#since = Date.now();
    this.#renewLater();
    this.#told.opened();
  }

  /** @param {string} [refused] */
  async #ask(refused) {
    const asked = ++this.#asked;
    try {
      const given = await askToken(this.#options.getToken, refused);
      if (asked !== this.#asked) return;
      [this.#token, this.#expiresAt] = [given.token, given.expiresAt];
      this.on('token');
    } catch (cause) {
      if (asked === this.#asked) this.on('no_token', new RealtimeError('no_token', `getToken: ${text(cause)}`, cause));
    }
  }

  async #open() {
    const asked = ++this.#asked;
    let socket;
    try {
      const WebSocket = this.#options.WebSocket ?? globalThis.WebSocket ?? (await import('ws')).WebSocket;
      if (asked !== this.#asked) return;
      const token = this.#token ? `?token=${encodeURIComponent(this.#token)}` : '';
      socket = /** @type {WebSocket} */ (new WebSocket(`${this.#url}/feed${token}`));
    } catch (cause) {
      const why = `no connection can be made: ${text(cause)}; in Node before 22 the package ws is needed`;
      this.on('refused', new RealtimeError('no_websocket', why, cause));
      return;
    }
    this.#said = undefined;
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#socket === socket && this.#hear(data);
    socket.onclose = ({ code, reason }) => this.#socket === socket && this.#closed(code, reason);
    socket.onerror = () => {};
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#asked++;
    if (!socket) return;
    socket.onmessage = null;
    // One that hangs is not waited for: closing tells it, and nobody listens any more.
    socket.close(1000);
  }

  /** @param {string} data */
  #hear(data) {
    /** @type {import('./protocol.js').Frame} */
    let frame;
    try {
      frame = JSON.parse(data);
    } catch (cause) {
      this.on('lost', new RealtimeError('bad_frame', 'the server sent what is no JSON', cause));
      return;
    }
    this.on('heard');
    if (frame.type === 'welcome') {
      this.#heartbeat = (frame.heartbeat ?? 25) * 1000;
      this.on('welcome');
      return;
    }
    if (frame.type === 'error' && !frame.topic) {
      this.#said = new RealtimeError(frame.code ?? 'error', frame.message ?? '');
    }
    this.#told.frame(frame, data.length);
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #closed(code, reason) {
    const error = this.#said ?? new RealtimeError(`closed_${code}`, `the connection ended with ${code} ${reason}`.trim());
    if (code === 4401) this.on(this.#options.getToken ? 'unauthorized' : 'refused', error);
    else this.on(FINAL.has(code) ? 'refused' : 'lost', error);
  }

  #renewLater() {
    clearTimeout(this.#renewal);
    if (this.#expiresAt === undefined || !this.#options.getToken) return;
    this.#renewal = setTimeout(() => this.#renew(), renewIn(this.#expiresAt));
  }

  /** Sends a fresh token before the old one ends. Where none is given, the server closes with 4401, and that is seen. */
  async #renew() {
    const asked = this.#asked;
    try {
      const given = await askToken(this.#options.getToken);
      if (asked !== this.#asked || !given.token) return;
      if (given.token !== this.#token) this.send({ type: 'auth', token: given.token });
      [this.#token, this.#expiresAt] = [given.token, given.expiresAt];
    } catch (cause) {
      this.#told.error(new RealtimeError('no_token', `getToken: ${text(cause)}`, cause));
    }
    if (asked === this.#asked) this.#renewLater();
  }
}

/** @param {unknown} error */
const text = (error) => (error instanceof Error ? error.message : String(error));
