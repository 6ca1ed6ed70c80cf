// What every part of the shop knows: names by id, and how things are said.

const money = new Intl.NumberFormat('en-GB', { style: 'currency', currency: 'GBP' });

/** @typedef {import('../protocol.js').Row} Row */
/** @typedef {import('../collection.js').Collection} Collection */

/** Names of an order's columns. */
export const COLUMNS = {
  items: 'Items', total: 'Total', status: 'Status', note: 'Note', client_id: 'Customer', employee_id: 'Served by',
  branch_id: 'Branch', payment_method: 'Paid by', paid_at: 'Paid at', reference: 'Receipt',
};

/** What the words of the table mean at the counter. */
export const STATUS = /** @type {Record<string, string>} */ ({
  open: 'Open', held: 'Set aside', paid: 'Paid', completed: 'Handed over', cancelled: 'Cancelled', refunded: 'Refunded',
});

/** @param {number} value */
export const price = (value) => money.format(value);

/** @param {Row} item */
export const itemLine = ({ quantity, name }) => `${quantity} × ${name}`;

/** How long ago, in a word or two. @param {number} at milliseconds since 1970 */
export function ago(at) {
  const minutes = Math.floor((Date.now() - at) / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${minutes} min ago`;
  return minutes < 1440 ? `${Math.floor(minutes / 60)} h ago` : `${Math.floor(minutes / 1440)} d ago`;
}

/** The short name of a branch: the chain's own stands before each. @param {Row | undefined} branch */
export const place = (branch) => (branch ? branch.name.replace(/^Hollin & Rowe /, '') : 'Web shop');

export class Shop {
  /** @param {{ branches: Collection, employees: Collection, products: Collection, clients: Collection }} tables */
  constructor({ branches, employees, products, clients }) {
    this.branches = branches;
    this.employees = employees;
    this.products = products;
    this.clients = clients;
  }

  /** @param {string | null} id */
  client = (id) => (id ? this.clients.get(id)?.name ?? 'unknown customer' : 'Walk-in customer');

  /** @param {string | null} id */
  branch = (id) => place(id ? this.branches.get(id) : undefined);

  /** A column's value as the counter says it; undefined where it needs no other words. @type {import('../conflict-field.js').Format} */
  format = (value, { path: [column] }) => {
    if (value === null || value === undefined) return undefined;
    if (column === 'total') return price(value);
    if (column === 'status') return STATUS[value];
    if (column === 'client_id') return this.client(value);
    if (column === 'branch_id') return this.branch(value);
    if (column === 'employee_id') return this.employees.get(value)?.name;
    if (column === 'paid_at') return new Date(value).toLocaleString('en-GB');
    if (column === 'items' && Array.isArray(value)) return value.map(itemLine).join('\n') || 'nothing';
    return undefined;
  };
}
