// What a branch has on its shelves: the sum of what came and went.

import { element } from '../element.js';

/** @typedef {import('../protocol.js').Row} Row */

/** Products that are shown at once. */
const MOST = 30;
/** Pieces of a delivery. */
const DELIVERY = 10;

export class Stock {
  #shop;
  #branch;
  #move;
  #rows = element('tbody', {});
  #note = element('p', { class: 'quiet small inside' });
  #search;
  #low;
  /** @type {Iterable<Row>} */
  #movements = [];
  /** @type {(id: string) => boolean} */
  #isPending = () => false;
  node;

  /**
   * @param {import('./shop.js').Shop} shop
   * @param {Row} branch
   * @param {string} name of the panel, for ids
   * @param {(movement: Row) => void} move
   */
  constructor(shop, branch, name, move) {
    this.#shop = shop;
    this.#branch = branch;
    this.#move = move;
    const again = () => this.draw(this.#movements, this.#isPending);
    this.#search = element('input', { type: 'search', placeholder: 'Find a product', 'aria-label': 'Find a product', oninput: again });
    this.#low = element('input', { type: 'checkbox', id: `${name}-low`, onchange: again });
    const head = ['Product', 'On hand', ''].map((title) => element('th', { scope: 'col' }, title || element('span', { class: 'unseen' }, 'Actions')));
    this.node = element('div', { class: 'stock' },
      element('div', { class: 'row inside' }, this.#search,
        element('span', { class: 'row' }, this.#low, element('label', { for: this.#low.id }, 'Only what runs low'))),
      element('table', {}, element('thead', {}, element('tr', {}, ...head)), this.#rows), this.#note);
  }

  /**
   * @param {Iterable<Row>} movements
   * @param {(id: string) => boolean} isPending
   */
  draw(movements, isPending) {
    this.#movements = movements;
    this.#isPending = isPending;
    /** @type {Map<string, { sum: number, waits: boolean }>} */
    const onHand = new Map();
    for (const { id, branch_id, product_id, quantity } of movements) {
      if (branch_id !== this.#branch.id) continue;
      const { sum, waits } = onHand.get(product_id) ?? { sum: 0, waits: false };
      onHand.set(product_id, { sum: sum + quantity, waits: waits || isPending(id) });
    }
    const text = this.#search.value.trim().toLowerCase();
    const wanted = [...this.#shop.products.values()]
      .map((product) => ({ product, sum: 0, waits: false, ...onHand.get(product.id) }))
      .filter(({ product, sum }) => product.name.toLowerCase().includes(text) && (!this.#low.checked || sum < product.reorder_level))
      .sort((one, other) => one.product.name.localeCompare(other.product.name));
    const held = /** @type {HTMLElement | null} */ (this.#rows.contains(document.activeElement) ? document.activeElement : null)?.getAttribute('aria-label');
    this.#rows.replaceChildren(...wanted.slice(0, MOST).map((one) => this.#row(one)));
    if (held) /** @type {HTMLElement | null} */ (this.#rows.querySelector(`[aria-label="${CSS.escape(held)}"]`))?.focus();
    this.#note.textContent = wanted.length > MOST ? `and ${wanted.length - MOST} more: write a part of the name` : '';
  }

  /** @param {{ product: Row, sum: number, waits: boolean }} shown */
  #row({ product, sum, waits }) {
    const act = (/** @type {string} */ label, /** @type {string} */ kind, /** @type {number} */ quantity) => element('button', {
      type: 'button', 'aria-label': `${label}: ${product.name}`, onclick: () => this.#move({ product_id: product.id, kind, quantity }),
    }, label);
    return element('tr', {},
      element('th', { scope: 'row' }, product.name, element('div', { class: 'quiet small' }, product.sku ?? '')),
      element('td', { class: 'number' }, element('b', {}, String(sum)), ' ',
        sum < product.reorder_level && element('span', { class: 'pill bad' }, 'low'),
        waits && element('span', { class: 'pill warn' }, 'not sent yet')),
      element('td', {}, element('div', { class: 'acts' }, act('Sold 1', 'sale', -1), act(`+${DELIVERY}`, 'purchase', DELIVERY))));
  }
}
