// One field of a conflict on the screen: its values to choose from, or to edit.

import { isEqual, isObject } from './conflict-fields.js';
import { element } from './element.js';

/** @typedef {import('./conflict-fields.js').Field} Field */

/** @typedef {import('./conflict-fields.js').Choice} Choice */

/**
 * How a page wants values shown; undefined leaves it to the dialog.
 * @typedef {(value: any, field: Field) => Node | string | undefined} Format
 */

/** @typedef {import('./conflict-words.js').Words} Words */

/** Fields longer than this are edited in more than one line. */
const LONG = 60;

/**
 * A value to read.
 * @param {any} value
 * @param {Field} field
 * @param {Words} words
 * @param {Format} [format]
 * @returns {Node}
 */
export function shown(value, field, words, format) {
  const formatted = format?.(value, field);
  if (formatted !== undefined) return typeof formatted === 'string' ? text(formatted) : formatted;
  if (value === undefined) return element('span', { class: 'none' }, words.absent);
  if (value === null || value === '') return element('span', { class: 'none' }, words.empty);
  if (typeof value === 'boolean') return text(value ? words.yes : words.no);
  if (Array.isArray(value)) return list(value, field.before, words);
  return text(isObject(value) ? line(value, words) : String(value));
}

/** @param {string} content */
const text = (content) => element('span', { class: 'text' }, content);

/**
 * An array, one line an element; those that are new are marked.
 * @param {any[]} values
 * @param {any} before
 * @param {Words} words
 */
function list(values, before, words) {
  if (values.length === 0) return element('span', { class: 'none' }, words.empty);
  const known = Array.isArray(before) ? before : values;
  const items = values.map((value) => {
    const told = isObject(value) ? line(value, words) : Array.isArray(value) ? JSON.stringify(value) : String(value);
    const isNew = !known.some((other) => isEqual(other, value));
    return element('li', {}, isNew ? element('mark', {}, told) : told);
  });
  return element('ul', { class: 'list' }, ...items);
}

/**
 * An object in one line.
 * @param {Record<string, any>} value
 * @param {Words} words
 */
function line(value, words) {
  const one = (/** @type {any} */ inner) => (typeof inner === 'object' && inner !== null ? JSON.stringify(inner) : inner);
  const told = Object.entries(value).map(([key, inner]) => `${key}: ${inner === null ? words.empty : one(inner)}`);
  return told.join(', ') || words.empty;
}

/**
 * What a field's edit holds now.
 * @typedef {object} Editor
 * @property {HTMLElement} node
 * @property {() => { value: any } | null} read null while it holds nothing that can be meant
 * @property {() => void} focus
 */

/**
 * A value to edit, of the kind it has.
 * @param {any} value
 * @param {string} id
 * @param {Field} field
 * @param {Words} words
 * @returns {Editor}
 */
export function editor(value, id, field, words) {
  const kind = kindOf([value, field.mine, field.theirs, field.before]);
  const control = controlOf(kind, value, id);
  const wrong = element('p', { class: 'wrong', id: `${id}-wrong`, role: 'alert' });
  control.setAttribute('aria-describedby', wrong.id);
  const none = element('input', { type: 'checkbox', id: `${id}-none` });
  none.checked = value === null || value === undefined;
  // Whoever writes something wants a value.
  control.addEventListener('input', () => (none.checked = false));
  const node = element('div', { class: 'editor' },
    control,
    element('div', { class: 'void' }, none, element('label', { for: none.id }, words.noValue)), wrong);
  return { node, focus: () => control.focus(), read };

  function read() {
    const read = none.checked ? { value: nothing() } : parse(kind, control.value, words);
    wrong.textContent = 'problem' in read ? read.problem : '';
    control.setAttribute('aria-invalid', String('problem' in read));
    return 'problem' in read ? null : read;
  }

  /** A key that nobody has is left out; elsewhere nothing is null. */
  function nothing() {
    return field.path.length > 1 && value === undefined ? undefined : null;
  }
}

/** @param {any[]} values */
function kindOf(values) {
  const value = values.find((value) => value !== undefined && value !== null);
  if (typeof value === 'number' || typeof value === 'boolean') return typeof value;
  return typeof value === 'object' ? 'json' : 'string';
}

/**
 * @param {string} kind
 * @param {any} value
 * @param {string} id
 */
function controlOf(kind, value, id) {
  const content = value === null || value === undefined ? '' : kind === 'json' ? JSON.stringify(value, null, 2) : String(value);
  if (kind === 'boolean') {
    const select = element('select', { id }, ...['true', 'false'].map((option) => element('option', {}, option)));
    select.value = content || 'false';
    return select;
  }
  const isLong = kind === 'json' || content.length > LONG || content.includes('\n');
  const control = isLong
    ? element('textarea', { id, class: kind, spellcheck: String(kind === 'string') })
    : element('input', { id, inputmode: kind === 'number' ? 'decimal' : null, autocomplete: 'off' });
  control.value = content;
  return control;
}

/**
 * @param {string} kind
 * @param {string} content
 * @param {Words} words
 * @returns {{ value: any } | { problem: string }}
 */
function parse(kind, content, words) {
  if (kind === 'string') return { value: content };
  if (kind === 'boolean') return { value: content === 'true' };
  if (kind === 'number') {
    const value = Number(content.trim().replace(',', '.'));
    return content.trim() === '' || !Number.isFinite(value) ? { problem: words.noNumber } : { value };
  }
  try {
    return { value: JSON.parse(content) };
  } catch {
    return { problem: words.noJson };
  }
}
