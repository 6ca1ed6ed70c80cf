// What happened to one row, newest first.

import { element } from '../element.js';
import { fields } from './changes.js';
import { clock } from './units.js';

/** @typedef {import('../page/access.js').Access} Access */

/** Changes of one page. */
const PAGE = 50;

export class HistoryView {
  #access;
  #channel = element('select', { id: 'history-channel' });
  #id = element('input', { id: 'history-id', autocomplete: 'off', spellcheck: 'false', class: 'code', required: true });
  #told = element('p', { class: 'told', role: 'status' });
  #list = element('ol', { class: 'times', 'aria-label': 'Changes of the row, newest first' });
  #more = element('button', { type: 'button', hidden: true }, 'Older');
  /** What is shown: later answers of another row are dropped. */
  #shown = '';

  /**
   * @param {HTMLElement} node
   * @param {Access} access
   */
  constructor(node, access) {
    this.#access = access;
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      location.hash = `#/history/${this.#channel.value}/${encodeURIComponent(this.#id.value.trim())}`;
    };
    node.append(element('div', { class: 'card' },
      element('header', {}, element('h2', {}, 'History of a row')),
      element('form', { class: 'inside ask', onsubmit: submit },
        element('div', { class: 'row' },
          element('label', { for: 'history-channel' }, 'Channel', this.#channel),
          element('label', { for: 'history-id' }, 'Id of the row', this.#id),
          element('button', { class: 'main' }, 'Show')),
        this.#told),
      this.#list, element('div', { class: 'row inside' }, this.#more)));
  }

  /** @param {import('./channels.js').Channel[]} channels */
  offer(channels) {
    const before = this.#channel.value;
    this.#channel.replaceChildren(...channels.map(({ channel }) => element('option', {}, channel)));
    if (before) this.#channel.value = before;
  }

  /**
   * @param {string} channel
   * @param {string} id
   */
  async show(channel, id) {
    this.#shown = `${channel}/${id}`;
    if (channel && ![...this.#channel.options].some(({ value }) => value === channel)) {
      this.#channel.append(element('option', {}, channel));
    }
    if (channel) this.#channel.value = channel;
    this.#id.value = id;
    this.#list.replaceChildren();
    this.#more.hidden = true;
    this.#tell('', channel && id ? 'reading…' : '');
    if (channel && id) await this.#read(channel, id);
  }

  /**
   * @param {string} channel
   * @param {string} id
   * @param {string} [before]
   */
  async #read(channel, id, before = '') {
    const shown = this.#shown;
    try {
      const path = `/api/${encodeURIComponent(channel)}/${encodeURIComponent(id)}/history?limit=${PAGE}${before}`;
      const changes = await this.#access.json(path);
      if (this.#shown !== shown) return;
      this.#tell('', changes.length === 0 && !before ? 'The log holds no change of this row.' : '');
      this.#list.append(...changes.map((/** @type {any} */ change) => item(change)));
      this.#more.hidden = changes.length < PAGE;
      this.#more.onclick = () => this.#read(channel, id, `&before=${changes.at(-1).version ?? changes.at(-1).seq}`);
    } catch (error) {
      if (this.#shown === shown) this.#tell('bad', /** @type {Error} */ (error).message);
    }
  }

  /** @param {string} kind @param {string} text */
  #tell(kind, text) {
    this.#told.className = `told ${kind}`;
    this.#told.textContent = text;
  }
}

/** @param {any} change */
function item(change) {
  const { op, version, at, actor, branch } = change;
  return element('li', { class: 'commit' },
    element('div', { class: 'head number' },
      element('time', { datetime: at }, clock(at)),
      actor && element('span', {}, 'by ', element('b', {}, actor)),
      branch && element('span', {}, 'at ', element('b', {}, branch)),
      version !== undefined && element('span', {}, `version ${version}`)),
    element('div', { class: 'change' }, element('span', { class: `op ${op}` }, op), element('div', { class: 'what' }, fields(change))));
}
