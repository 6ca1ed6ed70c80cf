// The shop: two of its branches, side by side.

import '../rowbell-conflict.js';
import { Access } from '../page/access.js';
import { RealtimeClient } from '../realtime-client.js';
import { Panel } from './panel.js';
import { Shop, place } from './shop.js';

const at = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const NAMES = /** @type {const} */ (['left', 'right']);

const access = new Access(at('forget'));
const told = at('told');

try {
  await begin();
} catch (error) {
  told.className = 'told bad';
  told.textContent = /** @type {Error} */ (error).message;
}

async function begin() {
  const channels = await access.json('/channels').then((all) => all.channels.map((/** @type {any} */ one) => one.channel));
  const missing = ['orders', 'products', 'branches', 'employees', 'clients', 'stock-movements'].filter((name) => !channels.includes(name));
  if (missing.length > 0) throw new Error(`The shop needs the business tables: rowbell migrate --business. Missing: ${missing.join(', ')}.`);
  const client = new RealtimeClient({ getToken: access.token });
  const [branches, employees, products, clients] = ['branches', 'employees', 'products', 'clients'].map((name) => client.collection(name));
  await Promise.all([branches, employees, products, clients].map((table) => table.ready));
  const shop = new Shop({ branches, employees, products, clients });
  if (branches.size < 2) throw new Error('The shop is empty: rowbell seed fills it.');
  told.remove();
  open(shop);
}

/** @param {Shop} shop */
function open(shop) {
  const all = [...shop.branches.values()].sort((one, other) => one.name.localeCompare(other.name));
  const asked = new URLSearchParams(location.search);
  const chosen = NAMES.map((name, nth) => all.find(({ code }) => code === asked.get(name)) ?? all[nth]);
  const dialog = /** @type {import('../rowbell-conflict.js').RowbellConflict} */ (document.querySelector('rowbell-conflict'));
  for (const [nth, name] of NAMES.entries()) {
    const branch = chosen[nth];
    const person = [...shop.employees.values()].filter((one) => one.branch_id === branch.id && one.status === 'active')
      .sort((one, other) => one.name.localeCompare(other.name))[nth] ?? { id: null, name: `Till ${nth + 1}` };
    const moved = (/** @type {string} */ code) => {
      const next = new URLSearchParams(NAMES.map((other, at) => [other, other === name ? code : chosen[at].code ?? '']));
      location.search = next.toString();
    };
    at('branches').append(new Panel(name, shop, branch, person, access, dialog, moved).node);
    const button = at(`show-${name}`);
    button.textContent = place(branch);
    button.addEventListener('click', () => show(name));
  }
  show('left');
}

/** On a small screen there is room for one. @param {string} name */
function show(name) {
  at('branches').dataset.shown = name;
  for (const other of NAMES) at(`show-${other}`).setAttribute('aria-pressed', String(other === name));
}
