// What is watched, and watching more where the server's role may.

import { element } from '../element.js';

/** @typedef {import('../page/access.js').Access} Access */

/**
 * One watched table, as `GET /channels` says it.
 * @typedef {{ channel: string, table: string, key: string[], version_column: string | null, omit: string[],
 *   as_text: string[], notify: string, replica: boolean, may_unwatch: boolean }} Channel
 */

export class Channels {
  /** @type {Channel[]} */
  all = [];
  /** Tables that could be watched by this server. @type {string[]} */
  #tables = [];
  #access;
  #changed;
  #list = /** @type {HTMLElement} */ (document.getElementById('channel-list'));
  #watch = /** @type {HTMLButtonElement} */ (document.getElementById('watch'));
  #dialog = /** @type {HTMLDialogElement} */ (document.getElementById('watching'));

  /**
   * @param {Access} access
   * @param {(channels: Channel[]) => void} changed told when there are others
   */
  constructor(access, changed) {
    this.#access = access;
    this.#changed = changed;
    this.#watch.addEventListener('click', () => this.#ask());
  }

  async read() {
    const { channels, tables } = await this.#access.json('/channels');
    const isNew = JSON.stringify(channels) !== JSON.stringify(this.all);
    this.#tables = tables.filter((/** @type {any} */ table) => table.may_watch).map((/** @type {any} */ table) => table.table);
    this.#watch.hidden = this.#tables.length === 0;
    if (!isNew) return;
    this.all = channels;
    this.#draw();
    this.#changed(channels);
  }

  #draw() {
    if (this.all.length === 0) {
      this.#list.replaceChildren(element('p', { class: 'nothing' }, 'Nothing is watched: rowbell watch TABLE'));
      return;
    }
    const rows = this.all.map((channel) => element('tr', {},
      element('td', {}, element('b', {}, channel.channel), element('div', { class: 'names' }, told(channel))),
      element('td', {}, element('div', { class: 'row' },
        element('a', { href: `#/topic/${channel.channel}`, 'aria-label': `Try ${channel.channel}` }, 'Try'),
        channel.may_unwatch && element('button', {
          type: 'button', class: 'plain', 'aria-label': `Unwatch ${channel.channel}`, onclick: () => this.#unwatch(channel),
        }, 'Unwatch…')))));
    this.#list.replaceChildren(element('table', { class: 'list' },
      element('thead', { class: 'unseen' }, element('tr', {}, element('th', {}, 'Channel'), element('th', {}, 'Actions'))),
      element('tbody', {}, ...rows)));
  }

  #ask() {
    const table = element('select', { id: 'watch-table' }, ...this.#tables.map((name) => element('option', {}, name)));
    const channel = element('input', { id: 'watch-channel', autocomplete: 'off', placeholder: 'as the table' });
    const omit = element('input', { id: 'watch-omit', autocomplete: 'off', placeholder: 'password_hash, salary' });
    const asText = element('input', { id: 'watch-as-text', autocomplete: 'off', placeholder: 'amount, account_id' });
    const feedOnly = element('input', { type: 'checkbox', id: 'watch-feed-only' });
    this.#open('Watch a table', 'It gets triggers, and the columns version and last_synced_at where they are missing.', 'Watch', [
      element('label', { for: table.id }, 'Table'), table,
      element('label', { for: channel.id }, 'Channel'), channel,
      element('label', { for: omit.id }, 'Columns that never leave the database'), omit,
      element('label', { for: asText.id }, 'Numbers sent as text, so that no digit is rounded'), asText,
      element('div', { class: 'check' }, feedOnly, element('label', { for: feedOnly.id }, 'Feed only: no version, no writes by REST')),
    ], () => this.#send('/channels', 'POST', {
      table: table.value,
      channel: channel.value.trim() || null,
      omit: namesOf(omit),
      as_text: namesOf(asText),
      feed_only: feedOnly.checked,
    }));
  }

  /** @param {Channel} channel */
  #unwatch({ channel, table }) {
    const warning = `The triggers of ${table} go, and the columns that watch had added. Whoever follows ${channel} is told that it ended.`;
    this.#open(`Unwatch ${channel}?`, warning, 'Unwatch', [], () => this.#send(`/channels/${channel}`, 'DELETE'));
  }

  /**
   * @param {string} path
   * @param {string} method
   * @param {object} [body]
   */
  async #send(path, method, body) {
    const headers = { 'content-type': 'application/json' };
    await this.#access.json(path, { method, headers, body: body && JSON.stringify(body) });
    await this.read();
  }

  /**
   * @param {string} title
   * @param {string} text
   * @param {string} verb
   * @param {Node[]} fields
   * @param {() => Promise<void>} act
   */
  #open(title, text, verb, fields, act) {
    const wrong = element('p', { class: 'told bad', role: 'alert' });
    const button = element('button', { class: 'main' }, verb);
    const submit = async (/** @type {Event} */ event) => {
      event.preventDefault();
      button.disabled = true;
      try {
        await act();
        this.#dialog.close();
      } catch (error) {
        wrong.textContent = /** @type {Error} */ (error).message;
      }
      button.disabled = false;
    };
    this.#dialog.replaceChildren(element('form', { onsubmit: submit },
      element('h2', { id: 'watching-title' }, title), element('p', { class: 'quiet' }, text), ...fields, wrong,
      element('div', { class: 'row end' },
        element('button', { type: 'button', onclick: () => this.#dialog.close() }, 'Cancel'), button)));
    this.#dialog.showModal();
  }
}

/** Columns as somebody writes them, with commas. @param {HTMLInputElement} input */
const namesOf = ({ value }) => value.split(',').map((name) => name.trim()).filter(Boolean);

/** @param {Channel} channel */
function told({ channel, table, key, version_column, omit, as_text, notify }) {
  const parts = [
    table === channel ? null : table,
    `key ${key.join(', ')}`,
    version_column === null ? 'feed only' : null,
    omit.length > 0 ? `without ${omit.join(', ')}` : null,
    as_text.length > 0 ? `${as_text.join(', ')} as text` : null,
    notify === 'auto' ? null : `rings ${notify}`,
  ];
  return parts.filter(Boolean).join(' · ');
}
