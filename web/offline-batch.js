// From operations to a batch, and from its answer to what becomes of them. Nothing here waits or remembers.

import { mayPass } from './rest.js';

/** @typedef {import('./protocol.js').Operation} Operation */
/** @typedef {import('./protocol.js').Result} Result */
/** @typedef {import('./protocol.js').Outcomes} Outcomes */

/** Characters of a batch's body, well below the server's 4 MiB. */
const LARGEST = 1024 * 1024;

/**
 * The first operations as a batch.
 * @param {Operation[]} operations in order
 * @param {number} most
 * @returns {{ sent: Operation[], body: string }}
 */
export function batchOf(operations, most) {
  const sent = [];
  const texts = [];
  let size = 0;
  for (const operation of operations.slice(0, most)) {
    const { method, channel, id, row, key, conflict, after } = operation;
    const place = sent.findIndex(({ seq }) => seq === after);
    const version = after === undefined ? operation.version : { after: place };
    const text = JSON.stringify({ method, channel, id, version, row, key, conflict });
    size += text.length;
    if (sent.length > 0 && size > LARGEST) break;
    sent.push(operation);
    texts.push(text);
  }
  return { sent, body: `{"operations":[${texts.join(',')}]}` };
}

/**
 * What becomes of operations that were answered.
 * @param {Operation[]} sent
 * @param {Result[]} results
 * @param {number} attempts after which one is given up
 * @returns {Outcomes & { pause: number }} with the seconds the server wants to be left alone
 */
export function outcomesOf(sent, results, attempts) {
  /** @type {Outcomes & { pause: number }} */
  const outcomes = { done: [], dead: [], again: [], pause: 0 };
  sent.forEach((operation, place) => {
    const { status, row = {}, version, xid, replayed, problem, retry_after } = results[place];
    if (status < 300) outcomes.done.push({ operation, row, version, xid, replayed });
    else if (!mayPass(status)) outcomes.dead.push({ operation, problem: problem ?? { status } });
    else if (status === 424) outcomes.again.push(operation);
    else if (operation.attempts + 1 >= attempts) outcomes.dead.push({ operation, problem: problem ?? { status } });
    else {
      outcomes.again.push({ ...operation, attempts: operation.attempts + 1 });
      outcomes.pause = Math.max(outcomes.pause, retry_after ?? 0);
    }
  });
  return outcomes;
}
