// Changes for people: what was, what is.

import { element } from '../element.js';
import { clock } from './units.js';

/** @typedef {import('../protocol.js').Change} Change */
/** @typedef {import('../protocol.js').Commit} Commit */

/** Changes of a commit that are shown; a million-row update has more. */
const MOST = 20;
/** Characters of a value that are shown. */
const LONG = 80;

/** Columns that change with every write and say nothing. */
const NOISE = ['version', 'updated_at', 'last_synced_at'];

/** @param {any} value */
export function brief(value) {
  const text = value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > LONG ? `${text.slice(0, LONG)}…` : text;
}

/**
 * The columns of a change, each as it was and as it is.
 * @param {Change} change
 */
export function fields({ op, row, old, too_large }) {
  if (too_large) return element('span', { class: 'fields' }, 'too large to travel');
  const shown = op === 'update' ? Object.keys(old ?? {}) : Object.keys(row ?? old ?? {});
  const telling = shown.filter((name) => !NOISE.includes(name) && (op === 'update' || (row ?? old)?.[name] !== null));
  const parts = telling.flatMap((name, at) => {
    const before = old && name in old ? element('del', {}, brief(old[name])) : null;
    const after = row ? element('ins', {}, brief(row[name])) : null;
    return [at > 0 ? ' · ' : '', element('b', {}, name), ' ', before, before && after ? ' → ' : '', after];
  });
  return element('span', { class: 'fields' }, ...parts);
}

/**
 * @param {Change} change
 * @returns {HTMLElement}
 */
function line(change) {
  const { op, channel, id } = change;
  const link = id === undefined ? null
    : element('a', { href: `#/history/${channel}/${encodeURIComponent(id)}` }, id);
  return element('div', { class: 'change' },
    element('span', { class: `op ${op}` }, op),
    element('div', { class: 'what' }, element('b', {}, channel), ' ', link, ' ', fields(change)));
}

/**
 * @param {Commit} commit
 * @param {string} [className]
 */
export function commitItem({ xid, at, actor, branch, changes }, className = '') {
  const more = changes.length - MOST;
  return element('li', { class: `commit ${className}` },
    element('div', { class: 'head number' },
      element('time', { datetime: at }, clock(at)),
      actor && element('span', {}, 'by ', element('b', {}, actor)),
      branch && element('span', {}, 'at ', element('b', {}, branch)),
      element('span', {}, `xid ${xid}`)),
    ...changes.slice(0, MOST).map(line),
    more > 0 && element('p', { class: 'quiet small' }, `and ${more.toLocaleString('en')} more changes`));
}

/** A list of commits, newest first, that holds so many and draws once a frame. */
export class Stream {
  /** @type {Commit[]} */
  #waiting = [];
  #isDrawing = false;
  #node;
  #most;

  /**
   * @param {HTMLElement} node
   * @param {number} most commits
   * @param {string} empty what is said before the first
   */
  constructor(node, most, empty) {
    this.#node = node;
    this.#most = most;
    this.clear(empty);
  }

  /** @param {string} empty */
  clear(empty) {
    this.#waiting = [];
    this.#node.replaceChildren(element('li', { class: 'nothing' }, empty));
  }

  /** @param {Commit[]} commits */
  add(commits) {
    if (commits.length === 0) return;
    this.#waiting = [...this.#waiting, ...commits].slice(-this.#most);
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#isDrawing = false;
    this.#node.querySelector('.nothing')?.remove();
    this.#node.prepend(...this.#waiting.reverse().map((commit) => commitItem(commit, 'fresh')));
    this.#waiting = [];
    while (this.#node.children.length > this.#most) this.#node.lastElementChild?.remove();
  }
}
