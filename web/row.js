// What a row is called.

import { RealtimeError } from './realtime-error.js';

/** @typedef {import('./protocol.js').Row} Row */

/**
 * The id of a row as the server spells it.
 * @param {Row} row
 * @param {string[]} key
 */
export function idOf(row, key) {
  const values = key.map((column) => {
    if (row[column] === undefined || row[column] === null) {
      throw new RealtimeError('no_key', `the rows have no column ${column}: name their key, as in { key: ['branch', 'day'] }`);
    }
    return row[column];
  });
  return values.length === 1 ? String(values[0]) : JSON.stringify(values);
}
