// The client as data: what every state makes of every event. SPEC.md holds the same tables; a test compares them.

/**
 * One machine. A cell names the state that follows, which may be the same one and then starts its time anew; `.`
 * stays without that.
 * @template {string} State
 * @template {string} Event
 * @typedef {{ events: readonly Event[], cells: Record<State, string> }} Table
 */

/** @typedef {'idle'|'token'|'opening'|'renewing'|'reopening'|'open'|'probing'|'waiting'|'closed'} ConnectionState */
/** @typedef {'start'|'token'|'no_token'|'welcome'|'heard'|'late'|'woke'|'lost'|'unauthorized'|'refused'|'close'} ConnectionEvent */

/** One WebSocket after the other. @type {Table<ConnectionState, ConnectionEvent>} */
export const CONNECTION = {
  events: ['start', 'token', 'no_token', 'welcome', 'heard', 'late', 'woke', 'lost', 'unauthorized', 'refused', 'close'],
  cells: {
    idle: '      token .         .       .    .    .       .       .       .        .      closed',
    token: '     .     opening   waiting .    .    waiting .       .       .        .      closed',
    opening: '   .     .         .       open .    waiting .       waiting renewing closed closed',
    renewing: '  .     reopening waiting .    .    waiting .       .       .        .      closed',
    reopening: ' .     .         .       open .    waiting .       waiting closed   closed closed',
    open: '      .     .         .       .    open probing probing waiting renewing closed closed',
    probing: '   .     .         .       .    open waiting .       waiting renewing closed closed',
    waiting: '   .     .         .       .    .    token   token   .       .        .      closed',
    closed: '    .     .         .       .    .    .       .       .       .        .      .',
  },
};

/** @typedef {import('./protocol.js').SubscriptionState} SubscriptionState */
/** @typedef {'open'|'lost'|'held'|'rows'|'over'|'reset'|'busy'|'taken'|'slow'|'paged'|'full'|'left'|'drained'|'late'|'close'} SubscriptionEvent */

/** One topic. @type {Table<SubscriptionState, SubscriptionEvent>} */
export const SUBSCRIPTION = {
  events: ['open', 'lost', 'held', 'rows', 'over', 'reset', 'busy', 'taken', 'slow', 'paged', 'full', 'left', 'drained', 'late', 'close'],
  cells: {
    away: '    joining .    .    .       ended .    .       .    .      .    .       .    .    .    ended',
    joining: ' .       away live filling ended away resting away paging .    .       .    .    .    ended',
    filling: ' .       away live .       ended away resting .    paging .    .       .    .    .    ended',
    paging: '  .       .    .    .       ended .    resting .    .      away .       .    .    .    ended',
    live: '    .       away .    .       ended away resting .    .      .    leaving .    .    .    ended',
    leaving: ' .       full .    .       ended away full    .    .      .    .       full .    .    ended',
    full: '    .       .    .    .       ended .    .       .    .      .    .       .    away .    ended',
    resting: ' .       away .    .       ended .    .       .    .      .    .       .    .    away ended',
    ended: '   .       .    .    .       .     .    .       .    .      .    .       .    .    .    .',
  },
};

/**
 * What follows on an event; null when the state stays as it is.
 * @template {string} State
 * @template {string} Event
 * @param {Table<State, Event>} table
 * @param {State} state
 * @param {Event} event
 * @returns {State | null}
 */
export function next(table, state, event) {
  const cell = table.cells[state].trim().split(/ +/)[table.events.indexOf(event)];
  return cell === '.' ? null : /** @type {State} */ (cell);
}
