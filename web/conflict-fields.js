// What two sides did to one row, field by field, and the request that follows from choosing. Knows no network and no page.

/**
 * A refused write: the body of a 409, or as much of it as is known.
 * @typedef {object} Conflict
 * @property {'PATCH' | 'PUT' | 'DELETE'} [method] of the write that was refused; told from `yours` if absent
 * @property {Row | null} current the row as it is; null when it was deleted
 * @property {Row | null} [base] the row as it was when it was read; null where nobody knows any more
 * @property {Row | null} [yours] the body that was refused
 * @property {Row | null} [merged] the server's merge, where there is one
 * @property {string[]} [conflicts] paths that both sides changed, `address.city`
 * @property {string} [versionColumn] the column that holds the version: `version`
 * @property {string[]} [key] the columns of the key: `id`
 */

/** @typedef {import('./protocol.js').Row} Row */

/**
 * One field that is not the same on both sides. A value is undefined where the field does not exist.
 * @typedef {object} Field
 * @property {string[]} path the column, then the keys inside its json
 * @property {any} before
 * @property {any} mine
 * @property {any} theirs
 * @property {'mine' | 'theirs' | 'both'} changedBy
 */

/** @typedef {'mine' | 'theirs' | { value: any }} Choice */

/**
 * What was decided, and the request that does it.
 * @typedef {object} Decision
 * @property {'mine' | 'server' | 'merge' | 'edit' | 'later'} choice
 * @property {'PATCH' | 'PUT' | 'DELETE' | null} method null: there is nothing to send
 * @property {Row | null} body of that request
 * @property {number | null} version the request names; null where it makes the row anew (`If-None-Match: *`)
 * @property {Row | null} row as it will be; null when it will be gone
 */

/** Columns that the server keeps, besides the version. */
const KEPT = ['last_synced_at', 'updated_at'];

/** @param {Conflict} conflict */
const kept = (conflict) => [...KEPT, conflict.versionColumn ?? 'version'];

/** Columns nobody decides about. @param {Conflict} conflict */
const hidden = (conflict) => [...kept(conflict), ...(conflict.key ?? ['id']), ...(conflict.current ? [] : ['created_at'])];

/**
 * The kind of write that was refused.
 * @param {Conflict} conflict
 */
export function methodOf(conflict) {
  if (conflict.method) return conflict.method;
  const sent = Object.keys(conflict.yours ?? {}).filter((name) => name !== (conflict.versionColumn ?? 'version'));
  return sent.length === 0 ? 'DELETE' : 'PATCH';
}

/**
 * The row as this side wants it; null when it wants it gone.
 * @param {Conflict} conflict
 * @returns {Row | null}
 */
export function mineOf(conflict) {
  if (methodOf(conflict) === 'DELETE') return null;
  const from = conflict.base ?? conflict.current ?? {};
  const yours = conflict.yours ?? {};
  return { ...from, ...(methodOf(conflict) === 'PUT' ? yours : patchColumns(from, yours)) };
}

/**
 * Every field that differs between the two sides, in the order of the row's columns.
 * @param {Conflict} conflict
 * @returns {Field[]}
 */
export function fieldsOf(conflict) {
  const theirs = conflict.current ?? {};
  const isKnown = conflict.base != null;
  const mine = mineOf(conflict) ?? conflict.base ?? theirs;
  /** @type {Field[]} */
  const fields = [];
  for (const column of new Set([...Object.keys(theirs), ...Object.keys(mine)])) {
    if (hidden(conflict).includes(column)) continue;
    // Of a row that is gone, what it had no value for says nothing.
    if (!conflict.current && mine[column] === null && (conflict.base?.[column] ?? null) === null) continue;
    collect(fields, [column], isKnown, conflict.base?.[column], mine[column], theirs[column]);
  }
  for (const field of fields) if (isNamed(conflict.conflicts, field.path)) field.changedBy = 'both';
  return fields;
}

/**
 * @param {Field[]} fields
 * @param {string[]} path
 * @param {boolean} isKnown whether `before` says what was there
 * @param {any} before
 * @param {any} mine
 * @param {any} theirs
 */
function collect(fields, path, isKnown, before, mine, theirs) {
  if (isEqual(mine, theirs)) return;
  if (isObject(mine) && isObject(theirs)) {
    const inner = isObject(before) ? before : {};
    for (const key of new Set([...Object.keys(theirs), ...Object.keys(mine)])) {
      collect(fields, [...path, key], isKnown, inner[key], mine[key], theirs[key]);
    }
    return;
  }
  const isMine = !isKnown || !isEqual(before, mine);
  const isTheirs = !isKnown || !isEqual(before, theirs);
  fields.push({ path, before, mine, theirs, changedBy: isMine && isTheirs ? 'both' : isMine ? 'mine' : 'theirs' });
}

/**
 * A path as the server writes it: `doc."a b"`.
 * @param {string[]} path
 */
const pathText = (path) => path.map((name) => (/^[\p{Alphabetic}\p{N}_-]+$/u.test(name) ? name : JSON.stringify(name))).join('.');

/**
 * @param {string[] | undefined} paths
 * @param {string[]} path
 */
function isNamed(paths, path) {
  const name = pathText(path);
  return paths?.some((other) => other === name || name.startsWith(`${other}.`)) ?? false;
}

/**
 * The choices that stand before anybody has chosen: none where both sides changed the same field.
 * @param {Field[]} fields
 * @returns {(Choice | null)[]}
 */
export const suggested = (fields) => fields.map(({ changedBy }) => (changedBy === 'both' ? null : changedBy));

/**
 * The choices that let this side win: what the server would do with `conflict=force`.
 * @param {Conflict} conflict
 * @param {Field[]} fields
 * @returns {Choice[]}
 */
export function allMine(conflict, fields) {
  // A replacement is of the whole row, and so is making it anew; a change of columns leaves the others as they are.
  if (!conflict.current || methodOf(conflict) === 'PUT') return fields.map(() => 'mine');
  return fields.map(({ changedBy }) => (changedBy === 'theirs' ? 'theirs' : 'mine'));
}

/**
 * The decision that a choice per field makes.
 * @param {Conflict} conflict
 * @param {Field[]} fields
 * @param {Choice[]} choices
 * @param {'mine' | 'server' | 'merge' | 'edit'} choice
 * @returns {Decision}
 */
export function decide(conflict, fields, choices, choice) {
  if (choice === 'server') return { choice, method: null, body: null, version: null, row: conflict.current };
  const current = conflict.current;
  const version = current?.[conflict.versionColumn ?? 'version'] ?? null;
  if (methodOf(conflict) === 'DELETE') {
    return { choice, method: current && 'DELETE', body: null, version, row: null };
  }
  // How two sides come together is the server's to say; only what was chosen otherwise is set.
  const merged = choice === 'merge' ? conflict.merged : null;
  const row = structuredClone(merged ?? current ?? without(mineOf(conflict) ?? {}, kept(conflict)));
  fields.forEach(({ path, mine, theirs, changedBy }, at) => {
    const chosen = choices[at];
    if (merged && chosen === changedBy) return;
    place(row, path, typeof chosen === 'object' ? chosen.value : chosen === 'mine' ? mine : theirs);
  });
  if (!current) return { choice, method: 'PUT', body: row, version: null, row };
  const body = patchBetween(current, row);
  if (Object.keys(body).length === 0) return { choice, method: null, body: null, version: null, row };
  // What a patch cannot say is said by the whole row.
  const isExact = isEqual({ ...current, ...patchColumns(current, body) }, row);
  return { choice, method: isExact ? 'PATCH' : 'PUT', body: isExact ? body : row, version, row };
}

/**
 * @param {Row} row
 * @param {string[]} columns
 */
const without = (row, columns) => Object.fromEntries(Object.entries(row).filter(([name]) => !columns.includes(name)));

/**
 * @param {any} row
 * @param {string[]} path
 * @param {any} value
 */
function place(row, path, value) {
  const last = path.length - 1;
  let inner = row;
  for (const key of path.slice(0, last)) inner = isObject(inner[key]) ? inner[key] : (inner[key] = {});
  if (value === undefined) delete inner[path[last]];
  else inner[path[last]] = structuredClone(value);
}

/**
 * What a PATCH makes of columns: objects are merged (RFC 7396), anything else replaces. A null empties the column.
 * @param {Row} row
 * @param {Row} patch
 * @returns {Row}
 */
function patchColumns(row, patch) {
  return Object.fromEntries(
    Object.entries(patch).map(([name, value]) => [name, isObject(value) ? mergePatch(row[name], value) : value]),
  );
}

/**
 * @param {any} target
 * @param {any} patch
 * @returns {any}
 */
function mergePatch(target, patch) {
  if (!isObject(patch)) return patch;
  const merged = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
}

/**
 * The patch that leads from one object to another.
 * @param {any} from
 * @param {any} to
 * @returns {Row}
 */
function patchBetween(from, to) {
  /** @type {Row} */
  const patch = {};
  for (const key of new Set([...Object.keys(from), ...Object.keys(to)])) {
    if (isEqual(from[key], to[key])) continue;
    const isDeep = isObject(from[key]) && isObject(to[key]);
    patch[key] = isDeep ? patchBetween(from[key], to[key]) : (to[key] ?? null);
  }
  return patch;
}

/** @param {any} value */
export const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The same JSON, whatever the order of keys.
 * @param {any} one
 * @param {any} other
 * @returns {boolean}
 */
export function isEqual(one, other) {
  if (Object.is(one, other) || one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => key in other && isEqual(one[key], other[key]));
}
