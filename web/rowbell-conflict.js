// <rowbell-conflict>: shows what two sides did to one row, and asks what shall stand. It sends nothing itself.
//
//     import '/web/rowbell-conflict.js';
//     const dialog = document.querySelector('rowbell-conflict');
//     const decision = await dialog.ask(bodyOf409, { heading: 'Order BRI-00042' });
//     if (decision.method) { … }   // `method`, `body` and `version` are the request that does it

import { allMine, decide, fieldsOf, isEqual, methodOf, suggested } from './conflict-fields.js';
import { editor, shown } from './conflict-field.js';
import { style } from './conflict-style.js';
import { WORDS } from './conflict-words.js';
import { element } from './element.js';

/** @typedef {import('./conflict-fields.js').Conflict} Conflict */
/** @typedef {import('./conflict-fields.js').Decision} Decision */
/** @typedef {import('./conflict-fields.js').Field} Field */

/**
 * How to ask. `names` are those of fields by path (`items`, `address.city`); `detail` may say who and when.
 * @typedef {{ heading?: string, detail?: string, names?: Record<string, string>,
 *   format?: import('./conflict-field.js').Format }} Manner
 */

export class RowbellConflict extends HTMLElement {
  /** Other words, in whole or in part. @type {Partial<import('./conflict-words.js').Words>} */
  words = {};
  /** @type {Conflict} */
  #conflict = { current: null };
  /** @type {Manner} */
  #manner = {};
  /** @type {Field[]} */
  #fields = [];
  /** @type {(import('./conflict-fields.js').Choice | null)[]} */
  #choices = [];
  /** One a field while they are edited. @type {import('./conflict-field.js').Editor[] | null} */
  #editors = null;
  /** @type {((decision: Decision) => void) | null} */
  #answer = null;
  #dialog = element('dialog', { 'aria-labelledby': 'heading', 'aria-describedby': 'detail' });
  #status = element('output', { id: 'status' });

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [style];
    root.append(this.#dialog);
    // Escape, or the page's own close(). The event comes late, perhaps when the next question is open.
    this.#dialog.addEventListener('close', () => this.#dialog.open || this.#settle(later()));
  }

  disconnectedCallback() {
    this.#settle(later());
  }

  /** True while somebody is asked. */
  get isOpen() {
    return this.#answer !== null;
  }

  get #words() {
    return { ...WORDS, ...this.words };
  }

  /**
   * Asks. A question that is still open is given up as `later`. The element also dispatches `decision`, with the
   * decision as its `detail`.
   * @param {Conflict} conflict
   * @param {Manner} [manner]
   * @returns {Promise<Decision>}
   */
  ask(conflict, manner = {}) {
    this.#settle(later());
    this.#conflict = conflict;
    this.#manner = manner;
    // What must be decided comes first.
    const order = fieldsOf(conflict).sort((one, other) => Number(other.changedBy === 'both') - Number(one.changedBy === 'both'));
    this.#fields = order;
    this.#choices = conflict.current ? suggested(this.#fields) : this.#fields.map(() => 'mine');
    this.#editors = null;
    return new Promise((resolve) => {
      this.#answer = resolve;
      this.#draw();
      this.#dialog.showModal();
      this.#dialog.querySelector('h2')?.focus();
    });
  }

  /** Gives the question up: `later`. */
  close() {
    this.#dialog.close();
  }

  /** @param {Decision} decision */
  #settle(decision) {
    const answer = this.#answer;
    if (!answer) return;
    this.#answer = null;
    this.#dialog.close();
    answer(decision);
    this.dispatchEvent(new CustomEvent('decision', { detail: decision, bubbles: true, composed: true }));
  }

  /** @param {'mine' | 'server' | 'merge' | 'edit'} choice */
  #choose(choice) {
    const choices = choice === 'mine' ? allMine(this.#conflict, this.#fields) : this.#choices;
    const open = choice === 'merge' ? choices.indexOf(null) : -1;
    if (open >= 0) return this.#point(open);
    const made = /** @type {import('./conflict-fields.js').Choice[]} */ (choices);
    this.#settle(decide(this.#conflict, this.#fields, made, choice));
  }

  /** Leads to the first field that nobody has decided. @param {number} at */
  #point(at) {
    this.#tell(true);
    /** @type {HTMLElement | null} */ (this.#dialog.querySelector(`input[name="field-${at}"]`))?.focus();
  }

  #saveEdit() {
    const editors = this.#editors ?? [];
    const read = editors.map((editor) => editor.read());
    const wrong = read.indexOf(null);
    if (wrong >= 0) return editors[wrong].focus();
    this.#choices = /** @type {{ value: any }[]} */ (read);
    this.#choose('edit');
  }

  #draw() {
    const words = this.#words;
    const { heading = words.heading, detail = '' } = this.#manner;
    this.#dialog.replaceChildren(
      element('header', {},
        element('div', {},
          element('h2', { id: 'heading', tabindex: -1 }, heading),
          element('p', { id: 'detail' }, detail && `${detail} `, this.#explained()))),
      // In the tab order, because it may hold nothing else and still want to be scrolled.
      element('div', { class: 'fields', role: 'region', tabindex: 0, 'aria-labelledby': 'heading' }, ...this.#fields.map((field, at) => this.#row(field, at))),
      element('footer', {}, this.#status, ...this.#buttons()),
    );
    this.#tell(false);
  }

  #explained() {
    const words = this.#words;
    const { current, base } = this.#conflict;
    if (methodOf(this.#conflict) === 'DELETE') return words.removing;
    if (!current) return words.deleted;
    if (this.#fields.length === 0) return words.same;
    return base ? words.changed : `${words.changed} ${words.unknownBase}`;
  }

  /**
   * @param {Field} field
   * @param {number} at
   */
  #row(field, at) {
    const words = this.#words;
    const tag = { both: words.byBoth, mine: words.byMe, theirs: words.byThem }[field.changedBy];
    const isChoice = this.#hasChoices && !this.#editors;
    const label = this.#editors ? element('label', { for: `edit-${at}` }, this.#nameOf(field)) : this.#nameOf(field);
    const name = element('div', { class: 'name', id: `name-${at}` }, label,
      this.#conflict.current && this.#conflict.base && element('span', { class: 'tag' }, tag));
    const cells = this.#editors ? [this.#editors[at].node] : this.#sides(field, at);
    const role = isChoice ? 'radiogroup' : 'group';
    return element('div', { role, class: field.changedBy, 'aria-labelledby': name.id }, name, ...cells);
  }

  get #hasChoices() {
    return this.#conflict.current !== null && methodOf(this.#conflict) !== 'DELETE';
  }

  /**
   * @param {Field} field
   * @param {number} at
   */
  #sides(field, at) {
    const words = this.#words;
    const value = (/** @type {any} */ value) =>
      element('div', { class: 'value' }, shown(value, field, words, this.#manner.format));
    const still = (/** @type {string} */ name, /** @type {string} */ who, /** @type {Node} */ content) =>
      element('div', { class: `side ${name}` }, element('div', { class: 'who' }, who), content);
    const isNews = this.#conflict.base && (this.#conflict.current || !isEqual(field.before, field.mine));
    const before = isNews ? still('before', words.before, value(field.before)) : null;
    if (!this.#conflict.current) return [before, still('mine', words.mine, value(field.mine))];
    if (!this.#hasChoices) return [before, still('theirs', words.theirs, value(field.theirs))];
    return [before, ...(/** @type {const} */ (['mine', 'theirs'])).map((side) => {
      const radio = element('input', { type: 'radio', name: `field-${at}`, value: side });
      radio.checked = this.#choices[at] === side;
      radio.addEventListener('change', () => {
        this.#choices[at] = side;
        this.#tell(false);
      });
      const who = element('span', { class: 'who' }, radio, words[side]);
      return element('label', { class: `side ${side}` }, who, value(field[side]));
    })];
  }

  /** @param {Field} field */
  #nameOf({ path }) {
    const name = this.#manner.names?.[path.join('.')];
    return name ?? [this.#manner.names?.[path[0]] ?? path[0].replaceAll('_', ' '), ...path.slice(1)].join(' › ');
  }

  #buttons() {
    const words = this.#words;
    const button = (/** @type {string} */ label, /** @type {string} */ name, /** @type {() => void} */ onclick) =>
      element('button', { type: 'button', class: name, onclick }, label);
    const put = button(words.later, 'later', () => this.close());
    if (this.#editors) {
      return [button(words.back, 'back', () => this.#edit(false)), button(words.saveEdit, 'save main', () => this.#saveEdit())];
    }
    const edit = button(words.edit, 'edit', () => this.#edit(true));
    if (methodOf(this.#conflict) === 'DELETE') {
      return [put, button(words.deleteAnyway, 'mine', () => this.#choose('mine')),
        button(words.keepIt, 'server main', () => this.#choose('server'))];
    }
    if (!this.#conflict.current) {
      return [put, button(words.letGo, 'server', () => this.#choose('server')), edit,
        button(words.makeAgain, 'mine main', () => this.#choose('mine'))];
    }
    return [put, button(words.keepMine, 'mine', () => this.#choose('mine')),
      button(words.keepTheirs, 'server', () => this.#choose('server')), edit,
      button(words.merge, 'merge main', () => this.#choose('merge'))];
  }

  /** @param {boolean} on */
  #edit(on) {
    this.#editors = on ? this.#fields.map((field, at) => this.#editorOf(field, at)) : null;
    this.#draw();
    if (this.#editors?.length) this.#editors[0].focus();
    else this.#dialog.querySelector('h2')?.focus();
  }

  /**
   * @param {Field} field
   * @param {number} at
   */
  #editorOf(field, at) {
    const value = this.#choices[at] === 'theirs' ? field.theirs : field.mine;
    return editor(value, `edit-${at}`, field, this.#words);
  }

  /** Says how much is left to decide. @param {boolean} isAsked */
  #tell(isAsked) {
    const words = this.#words;
    const open = this.#choices.filter((choice) => choice === null).length;
    const isSilent = !this.#hasChoices || this.#editors;
    this.#status.textContent = isSilent ? '' : open > 0 ? words.open(open) : words.ready;
    this.#status.classList.toggle('warn', isAsked && open > 0);
  }
}

/** @returns {Decision} */
const later = () => ({ choice: 'later', method: null, body: null, version: null, row: null });

customElements.define('rowbell-conflict', RowbellConflict);
