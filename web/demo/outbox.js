// What waits to be sent, and what the server would not do: sent again, settled, or given up.

import { element } from '../element.js';
import { COLUMNS, ago } from './shop.js';

/** @typedef {import('../protocol.js').Letter} Letter */
/** @typedef {import('../protocol.js').Operation} Operation */

/** Operations of the queue that are named. */
const MOST = 8;

const VERBS = { POST: 'new', PUT: 'replace', PATCH: 'change', DELETE: 'delete' };

export class Outbox {
  node = element('section', { class: 'outbox', 'aria-label': 'Waiting to be sent' });
  #queue;
  #shop;
  #dialog;
  #nameOf;
  #writerOf;

  /**
   * @param {import('../offline-sync.js').OfflineQueue} queue
   * @param {import('./shop.js').Shop} shop
   * @param {import('../rowbell-conflict.js').RowbellConflict} dialog
   * @param {(channel: string, id: string) => string} nameOf what an operation is about
   * @param {(id: string) => import('./orders.js').Writer | undefined} writerOf who wrote a row last
   */
  constructor(queue, shop, dialog, nameOf, writerOf) {
    this.#queue = queue;
    this.#shop = shop;
    this.#dialog = dialog;
    this.#nameOf = nameOf;
    this.#writerOf = writerOf;
    this.node.hidden = true;
  }

  async draw() {
    const letters = await this.#queue.letters();
    const pending = this.#queue.pending;
    this.node.hidden = letters.length === 0 && pending.length === 0;
    const waits = pending.slice(0, MOST).map((operation) => element('li', { class: 'waits' }, this.#told(operation)));
    const more = pending.length - MOST;
    this.node.replaceChildren(
      ...(letters.length > 0 ? [element('h3', {}, 'Needs you'), element('ul', {}, ...letters.map((letter) => this.#letter(letter)))] : []),
      ...(pending.length > 0 ? [element('h3', {}, 'Waiting to be sent ', element('span', { class: 'quiet' }, String(pending.length))),
        element('ul', {}, ...waits, more > 0 && element('li', { class: 'quiet small' }, `and ${more} more`))] : []),
    );
  }

  /** @param {Operation} operation */
  #told({ method, channel, id, row, at }) {
    const columns = Object.keys(row ?? {}).map((name) => (COLUMNS[/** @type {keyof typeof COLUMNS} */ (name)] ?? name).toLowerCase());
    const what = method === 'PATCH' ? columns.join(', ') : VERBS[method];
    return element('span', {}, element('b', {}, this.#nameOf(channel, id)), ` ${what} `, element('span', { class: 'quiet small' }, ago(at)));
  }

  /** @param {Letter} letter */
  #letter(letter) {
    const isConflict = letter.problem.code === 'conflict';
    const name = this.#nameOf(letter.channel, letter.id);
    const why = isConflict ? 'was changed elsewhere meanwhile' : letter.because !== undefined ? 'waits for what is above' : letter.problem.detail;
    const act = (/** @type {string} */ label, /** @type {string} */ kind, /** @type {() => unknown} */ onclick) =>
      element('button', { type: 'button', class: kind, 'aria-label': `${label}: ${name}`, onclick }, label);
    const first = isConflict ? act('Settle…', 'main', () => this.#settle(letter)) : act('Send again', '', () => this.#queue.resend(letter.seq));
    return element('li', { class: 'letter' }, element('div', {}, this.#told(letter), element('div', { class: 'why' }, why)),
      element('div', { class: 'acts' }, letter.because === undefined && first, act('Give up', '', () => this.#queue.discard(letter.seq))));
  }

  /** Asks what shall stand, and does it. @param {Letter} letter */
  async #settle(letter) {
    const { seq, channel, id, row = null, problem } = letter;
    const method = letter.method === 'POST' ? 'PUT' : letter.method;
    const writer = this.#writerOf(id);
    const { method: todo, body, version, choice } = await this.#dialog.ask({ .../** @type {any} */ (problem), yours: row, method }, {
      heading: this.#nameOf(channel, id),
      detail: writer ? `${writer.actor}, ${writer.branch}, ${ago(writer.at)}.` : '',
      names: COLUMNS,
      format: this.#shop.format,
    });
    if (choice === 'later') return;
    if (todo === letter.method && version !== null) {
      await this.#queue.resend(seq, { version, ...(body && { row: body }) });
      return;
    }
    await this.#queue.discard(seq);
    if (todo === 'PUT' && version === null) await this.#queue.create(channel, { ...body, id });
    else if (todo === 'PUT') await this.#queue.replace(channel, id, body ?? {}, { version: version ?? undefined });
    else if (todo === 'PATCH') await this.#queue.patch(channel, id, body ?? {}, { version: version ?? undefined });
  }
}
