// One order on the counter: what is in it, for whom, and what happens to it.

import { element } from '../element.js';
import { STATUS, price } from './shop.js';

/** @typedef {import('../protocol.js').Row} Row */

let dialogs = 0;

export class OrderDialog {
  node = element('dialog', { class: 'order-dialog' });
  #shop;
  /** @type {Row[]} */
  #items = [];
  #lines = element('ul', { class: 'lines' });
  #sum = element('b', { class: 'number' });
  #id = `order-${(dialogs += 1)}`;

  /** @param {import('./shop.js').Shop} shop */
  constructor(shop) {
    this.#shop = shop;
    this.node.setAttribute('aria-labelledby', `${this.#id}-title`);
  }

  /**
   * Edits an order, or makes one where there is none.
   * @param {Row | null} order
   * @param {(columns: Row) => void} save is given what differs
   */
  open(order, save) {
    this.#items = structuredClone(order?.items ?? []);
    const id = (/** @type {string} */ name) => `${this.#id}-${name}`;
    const customer = this.#customer(id('customer'), order?.client_id ?? null);
    const note = element('textarea', { id: id('note'), rows: 2 }, order?.note ?? '');
    const status = element('select', { id: id('status') }, ...Object.entries(STATUS).map(([value, told]) => element('option', { value }, told)));
    status.value = order?.status ?? 'open';
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      const columns = { client_id: customer.value || null, items: this.#items, total: this.#total(), note: note.value.trim() || null, status: status.value };
      const changed = Object.entries(columns).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(order?.[name] ?? (name === 'items' ? [] : null)));
      this.node.close();
      if (changed.length > 0) save(Object.fromEntries(changed));
    };
    this.node.replaceChildren(element('form', { onsubmit: submit },
      element('h2', { id: id('title') }, order ? `Order ${order.reference ?? ''}` : 'New order'),
      element('label', { for: id('customer') }, 'Customer'), customer,
      element('h3', {}, 'Items'), this.#lines, this.#adder(id('product')),
      element('p', { class: 'line' }, 'Total ', this.#sum),
      element('label', { for: id('note') }, 'Note'), note,
      element('label', { for: id('status') }, 'Status'), status,
      element('div', { class: 'row end' },
        element('button', { type: 'button', onclick: () => this.node.close() }, 'Cancel'),
        element('button', { class: 'main' }, 'Save'))));
    this.#draw();
    this.node.showModal();
  }

  /** @param {string} id @param {string | null} chosen */
  #customer(id, chosen) {
    const clients = [...this.#shop.clients.values()].sort((one, other) => one.name.localeCompare(other.name));
    const select = element('select', { id }, element('option', { value: '' }, 'Walk-in customer'),
      ...clients.map((client) => element('option', { value: client.id }, client.name)));
    select.value = chosen ?? '';
    return select;
  }

  /** @param {string} id */
  #adder(id) {
    const products = [...this.#shop.products.values()].sort((one, other) => one.name.localeCompare(other.name));
    const select = element('select', { id, 'aria-label': 'Product' },
      ...products.map((product) => element('option', { value: product.id }, `${product.name} · ${price(product.price)}`)));
    const add = () => {
      const product = this.#shop.products.get(select.value);
      if (!product) return;
      const known = this.#items.find((item) => item.product_id === product.id);
      if (known) known.quantity += 1;
      else this.#items.push({ product_id: product.id, name: product.name, quantity: 1, price: product.price, amount: product.price });
      this.#draw();
    };
    return element('div', { class: 'row adder' }, select, element('button', { type: 'button', onclick: add }, 'Add'));
  }

  #total() {
    return Math.round(this.#items.reduce((sum, item) => sum + item.amount, 0) * 100) / 100;
  }

  #draw() {
    for (const item of this.#items) item.amount = Math.round(item.quantity * item.price * 100) / 100;
    this.#sum.textContent = price(this.#total());
    const step = (/** @type {Row} */ item, /** @type {number} */ by) => {
      item.quantity += by;
      this.#items = this.#items.filter(({ quantity }) => quantity > 0);
      this.#draw();
    };
    const lines = this.#items.map((item) => element('li', {},
      element('span', { class: 'name' }, item.name),
      element('button', { type: 'button', class: 'step', 'aria-label': `One less: ${item.name}`, onclick: () => step(item, -1) }, '−'),
      element('span', { class: 'number' }, String(item.quantity)),
      element('button', { type: 'button', class: 'step', 'aria-label': `One more: ${item.name}`, onclick: () => step(item, 1) }, '+'),
      element('span', { class: 'number amount' }, price(item.amount))));
    this.#lines.replaceChildren(...(lines.length > 0 ? lines : [element('li', { class: 'quiet' }, 'Nothing yet')]));
  }
}
