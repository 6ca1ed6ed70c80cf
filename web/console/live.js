// Commits of all channels as they happen.

import { element } from '../element.js';
import { Stream } from './changes.js';

/** @typedef {import('../realtime-client.js').RealtimeClient} RealtimeClient */

/** Commits that are shown, and that wait while the list is paused. */
const MOST = 100;
/** Milliseconds before a subscription that ended is made again. */
const PAUSE = 1000;

export class Live {
  #client;
  #stream = new Stream(/** @type {HTMLElement} */ (document.getElementById('stream')), MOST, 'Nothing yet: commits appear as they happen, whoever writes.');
  #only = /** @type {HTMLSelectElement} */ (document.getElementById('only'));
  #pause = /** @type {HTMLButtonElement} */ (document.getElementById('pause'));
  /** @type {import('../protocol.js').Commit[] | null} */
  #held = null;

  /** @param {RealtimeClient} client */
  constructor(client) {
    this.#client = client;
    this.#pause.addEventListener('click', () => this.#toggle());
    this.#only.addEventListener('change', () => this.#stream.clear('Nothing yet of this channel.'));
    this.#follow();
  }

  /** @param {import('./channels.js').Channel[]} channels */
  offer(channels) {
    const before = this.#only.value;
    const names = channels.map(({ channel }) => element('option', {}, channel));
    this.#only.replaceChildren(element('option', { value: '' }, 'all channels'), ...names);
    this.#only.value = channels.some(({ channel }) => channel === before) ? before : '';
  }

  #follow() {
    let isFollowed = false;
    this.#client.subscribe('*', {
      onCommits: (commits) => this.#take(commits),
      // The set of channels changed, or the server is another one: from now on is all that a console wants.
      onReset: () => {
        isFollowed = true;
        this.#follow();
      },
      onEnd: () => isFollowed || setTimeout(() => this.#follow(), PAUSE),
    });
  }

  /** @param {import('../protocol.js').Commit[]} commits */
  #take(commits) {
    const only = this.#only.value;
    const wanted = only === '' ? commits : commits
      .map((commit) => ({ ...commit, changes: commit.changes.filter(({ channel }) => channel === only) }))
      .filter(({ changes }) => changes.length > 0);
    if (!this.#held) return this.#stream.add(wanted);
    this.#held = [...this.#held, ...wanted].slice(-MOST);
    this.#pause.textContent = `Go on (${this.#held.length}${this.#held.length === MOST ? ' or more' : ''})`;
  }

  #toggle() {
    const held = this.#held;
    this.#held = held ? null : [];
    this.#pause.textContent = held ? 'Pause' : 'Go on';
    this.#pause.setAttribute('aria-pressed', String(!held));
    if (held) this.#stream.add(held);
  }
}
