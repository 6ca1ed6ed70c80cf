// The orders board: what is being put together, set aside, and to be handed over.

import { element } from '../element.js';
import { STATUS, ago, itemLine, price } from './shop.js';

/** @typedef {import('../protocol.js').Row} Row */

/** @typedef {{ actor: string, branch: string, at: number }} Writer */

/** What the board needs of its branch. @typedef {{
 *   shop: import('./shop.js').Shop, branch: Row, isMine: () => boolean, isPending: (id: string) => boolean,
 *   writerOf: (id: string) => Writer | undefined, change: (order: Row, columns: Row) => void, edit: (order: Row) => void,
 * }} Around */

/** Cards of a lane. */
const MOST = 20;

const LANES = ['open', 'held', 'paid'];

/** What may be done at once: label, and what it sets. @type {Record<string, [string, () => Row][]>} */
const ACTS = {
  open: [['Set aside', () => ({ status: 'held' })], ['Take payment', paid]],
  held: [['Reopen', () => ({ status: 'open' })], ['Take payment', paid]],
  paid: [['Hand over', () => ({ status: 'completed' })]],
};

function paid() {
  return { status: 'paid', payment_method: 'card', paid_at: new Date().toISOString() };
}

export class Board {
  node = element('div', { class: 'board' });
  #around;
  /** @type {Map<string, { node: HTMLElement, told: string }>} */
  #cards = new Map();
  /** @type {Map<string, { list: HTMLElement, count: HTMLElement, more: HTMLElement }>} */
  #lanes = new Map();

  /** @param {Around} around */
  constructor(around) {
    this.#around = around;
    for (const status of LANES) {
      const [list, count, more] = [element('ul', {}), element('span', { class: 'quiet number' }), element('p', { class: 'quiet small' })];
      this.#lanes.set(status, { list, count, more });
      this.node.append(element('div', { class: 'lane', role: 'group', 'aria-label': STATUS[status] }, element('h3', {}, STATUS[status], ' ', count), list, more));
    }
  }

  /** @param {Iterable<Row>} orders */
  draw(orders) {
    const { branch, isMine } = this.#around;
    const wanted = [...orders].filter((order) => LANES.includes(order.status) && (!isMine() || order.branch_id === branch.id));
    const seen = new Set();
    for (const [status, lane] of this.#lanes) {
      const all = wanted.filter((order) => order.status === status).sort((one, other) => moment(other) - moment(one));
      lane.count.textContent = String(all.length);
      lane.more.textContent = all.length > MOST ? `and ${all.length - MOST} older` : all.length === 0 ? 'nothing here' : '';
      const nodes = all.slice(0, MOST).map((order) => this.#card(order));
      for (const order of all.slice(0, MOST)) seen.add(order.id);
      place(lane.list, nodes);
    }
    for (const id of this.#cards.keys()) if (!seen.has(id)) this.#cards.delete(id);
  }

  /** The card of an order, drawn anew only where it says something else. @param {Row} order */
  #card(order) {
    const writer = this.#around.writerOf(order.id);
    const isPending = this.#around.isPending(order.id);
    const told = JSON.stringify([order, writer, isPending]);
    const known = this.#cards.get(order.id);
    if (known?.told === told) return known.node;
    const node = known?.node ?? element('li', { class: 'order' });
    const held = node.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement).dataset.act : null;
    node.replaceChildren(...this.#inside(order, writer, isPending));
    node.classList.toggle('pending', isPending);
    if (held) /** @type {HTMLElement | null} */ (node.querySelector(`[data-act="${held}"]`))?.focus();
    if (known && writer && !isPending) flash(node);
    this.#cards.set(order.id, { node, told });
    return node;
  }

  /**
   * @param {Row} order
   * @param {Writer | undefined} writer
   * @param {boolean} isPending
   */
  #inside(order, writer, isPending) {
    const { shop, branch, change, edit } = this.#around;
    const name = order.reference ?? 'New order';
    const items = order.items.map(itemLine).join(', ') || 'nothing yet';
    const elsewhere = order.branch_id !== branch.id && element('span', { class: 'pill' }, shop.branch(order.branch_id));
    return [
      element('button', { type: 'button', class: 'open', 'data-act': 'open', onclick: () => edit(order) },
        element('span', { class: 'line' }, element('b', {}, name), element('b', { class: 'number' }, price(order.total))),
        element('span', { class: 'who' }, shop.client(order.client_id)),
        element('span', { class: 'items quiet' }, items),
        order.note && element('span', { class: 'note' }, order.note)),
      element('div', { class: 'tags' }, elsewhere,
        isPending && element('span', { class: 'pill warn' }, 'not sent yet'),
        writer && element('span', { class: 'writer' }, `${writer.actor}, ${writer.branch} · ${ago(writer.at)}`)),
      element('div', { class: 'acts' }, ...ACTS[order.status].map(([label, columns]) => element('button', {
        type: 'button', 'data-act': label, 'aria-label': `${label}: ${name}`, onclick: () => change(order, columns()),
      }, label))),
    ];
  }
}

/** @param {Row} order */
const moment = (order) => Date.parse(order.created_at ?? '') || Date.now();

/** Puts nodes into a list in order, moving only what is not in its place. @param {HTMLElement} list @param {HTMLElement[]} nodes */
export function place(list, nodes) {
  for (const child of [...list.children]) if (!nodes.includes(/** @type {HTMLElement} */ (child))) child.remove();
  nodes.forEach((node, at) => list.children[at] === node || list.insertBefore(node, list.children[at] ?? null));
}

/** @param {HTMLElement} node */
function flash(node) {
  node.classList.remove('fresh');
  void node.offsetWidth;
  node.classList.add('fresh');
}
