// All rows by lists, where one snapshot of them takes longer than it may live.

import { RealtimeError } from './realtime-error.js';
import { mayPass } from './rest.js';

/** @typedef {import('./protocol.js').Row} Row */

/** Rows of one list. */
const PAGE = 1000;

/**
 * What reads all rows of a topic page by page. They are as of different moments: the cursor is that of the first, and
 * what is committed since leads from any of them to the same. Null where the topic names no channels to list.
 * @param {import('./rest.js').Request} request
 * @param {string} topic
 * @param {string | string[]} [key]
 * @returns {((signal: AbortSignal) => Promise<{ rows: Record<string, Row[]>, cursor: string }>) | null}
 */
export function pagesOf(request, topic, key = 'id') {
  const [channels, filters] = topic.split(/\?(.*)/s);
  if (channels.includes('*')) return null;
  return async (signal) => {
    /** @type {Record<string, Row[]>} */
    const rows = {};
    let cursor = '';
    for (const channel of channels.split(',')) {
      const all = (rows[channel] = /** @type {Row[]} */ ([]));
      for (let more = true; more; ) {
        const answer = await request(`/api/${channel}?${pageAfter(all.at(-1), [key].flat(), filters)}`, { signal });
        const page = await answer.json();
        if (!answer.ok) throw refusal(answer.status, page);
        cursor ||= answer.headers.get('rowbell-cursor') ?? '';
        for (const row of page) all.push(row);
        more = page.length === PAGE;
      }
    }
    return { rows, cursor };
  };
}

/**
 * The list behind a row: by key, because with an offset a row is passed over whenever one before it goes.
 * @param {Row | undefined} last
 * @param {string[]} key
 * @param {string} [filters]
 */
function pageAfter(last, key, filters) {
  const names = key.map((name) => quoted(name));
  const parts = [`order=${encodeURIComponent(names.join())}`, `limit=${PAGE}`];
  if (filters) parts.unshift(filters);
  if (last) {
    // Equal in all columns before it and greater in this one, for some column.
    const behind = key.map((_, at) => {
      const equal = names.slice(0, at).map((name, nth) => `${name}.eq.${quoted(last[key[nth]])}`);
      return `and(${[...equal, `${names[at]}.gt.${quoted(last[key[at]])}`].join()})`;
    });
    parts.push(`or=${encodeURIComponent(`(${behind.join()})`)}`);
  }
  return parts.join('&');
}

/** A name or value within parentheses. @param {any} value */
const quoted = (value) => `"${String(value).replace(/["\\]/g, '\\$&')}"`;

/**
 * @param {number} status
 * @param {Record<string, any>} problem
 */
function refusal(status, { code = `status_${status}`, detail = '' }) {
  return Object.assign(new RealtimeError(code, detail), { passing: mayPass(status) });
}
