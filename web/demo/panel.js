// One branch of the shop: its own connection, its own queue, its own switch.

import { element } from '../element.js';
import { OfflineQueue } from '../offline-sync.js';
import { RealtimeClient } from '../realtime-client.js';
import { Gate } from './gate.js';
import { OrderDialog } from './order-dialog.js';
import { Board } from './orders.js';
import { Outbox } from './outbox.js';
import { STATUS, place } from './shop.js';
import { Stock } from './stock.js';

/** @typedef {import('../protocol.js').Row} Row */
/** @typedef {import('../protocol.js').Update} Update */

/** Lines of what others did. */
const NEWS = 3;

export class Panel {
  node;
  #name;
  #shop;
  #branch;
  #person;
  #gate;
  #client;
  #queue;
  #orders;
  #movements;
  /** Who wrote an order last, if somebody else did. @type {Map<string, import('./orders.js').Writer>} */
  #writers = new Map();
  #scope = element('select', { 'aria-label': 'Orders of' }, element('option', { value: 'all' }, 'All branches'), element('option', { value: 'mine' }, 'This branch'));
  #state = element('span', { class: 'pill', role: 'status' });
  #switch = element('input', { type: 'checkbox', role: 'switch', checked: true });
  #news = element('ul', { class: 'news', 'aria-label': 'What others did' });
  #isDrawing = false;
  /** False until all rows are there: what is queued makes no sense alone. */
  #isFilled = false;

  /**
   * @param {string} name of the panel: `left`, `right`
   * @param {import('./shop.js').Shop} shop
   * @param {Row} branch
   * @param {Row} person who works here
   * @param {import('../page/access.js').Access} access
   * @param {import('../rowbell-conflict.js').RowbellConflict} dialog
   * @param {(code: string) => void} moved to another branch
   */
  constructor(name, shop, branch, person, access, dialog, moved) {
    this.#name = name;
    this.#shop = shop;
    this.#branch = branch;
    this.#person = person;
    this.#gate = new Gate(access.token);
    this.#client = new RealtimeClient({ getToken: this.#gate.token, WebSocket: this.#gate.WebSocket });
    this.#queue = new OfflineQueue({ client: this.#client, name: `shop-${name}-${branch.code}`, actor: person.name, branch: place(branch) });
    const [orders, movements] = [this.#client.collection('orders'), this.#client.collection('stock-movements')];
    this.#orders = this.#queue.view(orders);
    this.#movements = this.#queue.view(movements);
    this.order = new OrderDialog(shop);
    this.board = new Board({
      shop, branch,
      isMine: () => this.#scope.value === 'mine',
      isPending: (id) => this.#orders.isPending(id),
      writerOf: (id) => this.#writers.get(id),
      change: (order, columns) => this.#queue.patch('orders', order, columns),
      edit: (order) => this.order.open(order, (columns) => this.#queue.patch('orders', this.#orders.get(order.id) ?? order, columns)),
    });
    this.stock = new Stock(shop, branch, name, (movement) => this.#move(movement));
    this.outbox = new Outbox(this.#queue, shop, dialog, (channel, id) => this.#nameOf(channel, id), (id) => this.#writers.get(id));
    this.node = this.#build(moved);
    this.#listen(orders);
    Promise.all([orders.ready, movements.ready]).then(() => {
      this.#isFilled = true;
      this.#draw();
    });
  }

  /** @param {import('../collection.js').Collection} orders */
  #listen(orders) {
    orders.onUpdate((update) => this.#hear(update));
    this.#orders.onUpdate(() => this.#draw());
    this.#movements.onUpdate(() => this.#draw());
    for (const table of [this.#shop.clients, this.#shop.products]) table.onUpdate(() => this.#draw());
    this.#client.onState(() => this.#draw());
    this.#queue.onState(() => this.#draw());
    this.#queue.onChange(() => this.outbox.draw());
    this.#queue.onLetter(() => this.outbox.draw());
    this.#scope.addEventListener('change', () => this.#draw());
    this.#switch.addEventListener('change', () => {
      this.#gate.set(this.#switch.checked);
      this.#draw();
    });
    this.#draw();
  }

  /** @param {(code: string) => void} moved */
  #build(moved) {
    const branches = [...this.#shop.branches.values()].sort((one, other) => one.name.localeCompare(other.name));
    const where = element('select', { 'aria-label': 'Branch', onchange: () => moved(where.value) },
      ...branches.map((branch) => element('option', { value: branch.code }, place(branch))));
    where.value = this.#branch.code;
    const tab = (/** @type {string} */ title, /** @type {boolean} */ isChosen) => element('button', {
      type: 'button', role: 'tab', id: `${this.#name}-${title}`, 'aria-selected': String(isChosen), 'aria-controls': `${this.#name}-${title}-panel`,
      tabindex: isChosen ? 0 : -1, onclick: () => choose(title), onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key === 'ArrowRight' || event.key === 'ArrowLeft') choose(title === 'Orders' ? 'Stock' : 'Orders', true);
      },
    }, title);
    const tabs = [tab('Orders', true), tab('Stock', false)];
    const page = (/** @type {string} */ title, /** @type {Node[]} */ ...children) => element('div', {
      role: 'tabpanel', id: `${this.#name}-${title}-panel`, 'aria-labelledby': `${this.#name}-${title}`, hidden: title !== 'Orders',
    }, ...children);
    const make = element('button', { type: 'button', class: 'main', onclick: () => this.#make() }, 'New order');
    const pages = [page('Orders', element('div', { class: 'row inside' }, this.#scope, make), this.board.node), page('Stock', this.stock.node)];
    const choose = (/** @type {string} */ title, hasFocus = false) => {
      for (const [at, one] of tabs.entries()) {
        const isChosen = one.textContent === title;
        one.setAttribute('aria-selected', String(isChosen));
        one.tabIndex = isChosen ? 0 : -1;
        pages[at].hidden = !isChosen;
        if (isChosen && hasFocus) one.focus();
      }
      this.#draw();
    };
    return element('section', { class: `branch ${this.#name}`, 'aria-label': place(this.#branch) },
      element('header', { class: 'head' },
        element('h2', { class: 'unseen' }, place(this.#branch)), where,
        element('span', { class: 'person' }, this.#person.name),
        element('span', { class: 'room' }), this.#state,
        element('label', { class: 'switch' }, this.#switch, 'Online')),
      this.outbox.node, this.#news,
      element('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Views' }, ...tabs), ...pages, this.order.node);
  }

  #make() {
    this.order.open(null, (columns) => this.#queue.create('orders', {
      id: crypto.randomUUID(), branch_id: this.#branch.id, employee_id: this.#person.id, status: 'open', items: [], total: 0, ...columns,
    }));
  }

  /** @param {Row} movement */
  #move(movement) {
    return this.#queue.create('stock-movements', {
      id: crypto.randomUUID(), branch_id: this.#branch.id, employee_id: this.#person.id, moved_at: new Date().toISOString(), ...movement,
    });
  }

  /** @param {string} channel @param {string} id */
  #nameOf(channel, id) {
    if (channel === 'orders') return `Order ${this.#orders.get(id)?.reference ?? '(new)'}`;
    const movement = this.#movements.get(id);
    const product = movement && this.#shop.products.get(movement.product_id);
    return product ? `${product.name} ${movement.quantity > 0 ? '+' : '−'}${Math.abs(movement.quantity)}` : 'Stock';
  }

  /** What others wrote, with who and where. @param {Update} update */
  #hear({ commits }) {
    for (const { actor, branch, at, changes } of commits) {
      const isOwn = actor === this.#person.name && branch === place(this.#branch);
      for (const { id = '', row, old, op } of changes) {
        if (isOwn) this.#writers.delete(id);
        else this.#writers.set(id, { actor: actor ?? 'Somebody', branch: branch ?? 'at the database', at: Date.parse(at) });
        if (!isOwn) this.#tell(id, op, row ?? null, old ?? null);
      }
    }
  }

  /**
   * @param {string} id
   * @param {string} op
   * @param {Row | null} row
   * @param {Row | null} old
   */
  #tell(id, op, row, old) {
    const writer = this.#writers.get(id);
    if (!writer) return;
    const name = row?.reference ?? old?.reference ?? 'a new order';
    const did = op === 'delete' ? 'deleted' : op === 'insert' ? 'began' : old && 'status' in old && row ? `${(STATUS[row.status] ?? row.status).toLowerCase()}:` : 'changed';
    this.#news.prepend(element('li', { class: 'fresh' }, element('b', {}, writer.actor), ` · ${writer.branch} — ${did} ${name}`));
    while (this.#news.children.length > NEWS) this.#news.lastElementChild?.remove();
  }

  #draw() {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    requestAnimationFrame(() => {
      this.#isDrawing = false;
      if (this.#isFilled) this.board.draw(this.#orders.values());
      if (this.#isFilled && !this.stock.node.parentElement?.hidden) this.stock.draw(this.#movements.values(), (id) => this.#movements.isPending(id));
      const [kind, told] = this.#told();
      this.#state.className = `pill ${kind}`;
      if (this.#state.textContent !== told) this.#state.textContent = told;
      this.outbox.draw();
    });
  }

  #told() {
    const waits = this.#queue.pending.length;
    const queued = waits > 0 ? `, ${waits} waiting` : '';
    if (!this.#gate.isOpen) return ['warn', `offline${queued}`];
    if (this.#client.state !== 'live' || !this.#isFilled) return ['bad', `connecting${queued}`];
    return waits > 0 ? ['warn', `sending ${waits}`] : ['good', 'up to date'];
  }
}
