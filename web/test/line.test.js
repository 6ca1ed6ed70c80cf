// Who shares a connection: one topic followed, left and followed anew, while what was left still has its answer to come.

import test from 'node:test';
import process from 'node:process';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Wire, connected, greeted, settled } from './wire.js';

/** The server's side of one wire: answers one frame at a time, in order, and holds each topic once. */
function answer(wire) {
  wire.held ??= new Map();
  const at = (wire.answered ??= 0);
  const asked = wire.sent[at];
  if (!asked || !wire.isOpen) return false;
  wire.answered += 1;
  const { type, ref, topic } = asked;
  // It spells two names of one topic alike.
  const named = topic.replace('A', 'a');
  if (type === 'unsubscribe') {
    if (wire.held.delete(named)) wire.say({ type: 'unsubscribed', topic: named, ref });
    else wire.say({ type: 'error', code: 'not_subscribed', message: '', topic: named, ref });
  } else if (type === 'subscribe') {
    if (wire.held.has(named)) wire.say({ type: 'error', code: 'already_subscribed', message: '', topic, ref });
    else {
      wire.held.set(named, ref);
      wire.say({ type: 'subscribed', topic: named, ref, cursor: 'c1' });
    }
  }
  return true;
}

/** Greets what is new, and answers until nothing is asked any more. */
async function calm(t) {
  for (let quiet = 0; quiet < 3; quiet++) {
    await settled();
    t.mock.timers.tick(250);
    await settled();
    for (const wire of Wire.open) {
      if (!wire.held) (wire.welcome(), (wire.held = new Map()));
      while (answer(wire)) quiet = 0;
    }
  }
}

test('a topic is followed and left many times in one turn on one connection', async (t) => {
  const { client } = await connected(t);
  const first = client.subscribe('a');
  const wire = await greeted();
  wire.held = new Map();
  await calm(t);
  assert.equal(first.state, 'live');
  first.close();
  for (let round = 0; round < 50; round++) client.subscribe('a').close();
  const last = client.subscribe('a');
  assert.equal(wire.sent.filter(({ type }) => type === 'subscribe').length, 1, 'nobody joins before the answer');
  await calm(t);
  assert.equal(last.state, 'live');
  assert.equal(Wire.made.length, 1);
});

test('whoever waits where it was moved to may be closed there', async (t) => {
  const { client } = await connected(t);
  const both = [client.subscribe('a'), client.subscribe('a')];
  await calm(t);
  assert.deepEqual([both.map(({ state }) => state), Wire.made.length], [['live', 'live'], 2]);
  // The second connection is leaving it by another name; the first refuses that name, whoever comes with it.
  both[1].close();
  await calm(t);
  for (const _ of [1, 2]) {
    const moved = client.subscribe('A');
    await settled();
    answer(Wire.made[0]);
    moved.close();
  }
  const asked = Wire.made.map(({ sent }) => sent.map(({ type, topic }) => `${type} ${topic}`));
  assert.deepEqual(asked[0], ['subscribe a', 'subscribe A', 'subscribe A']);
  assert.deepEqual(asked[1], ['subscribe a', 'unsubscribe a', 'subscribe A', 'unsubscribe A'], 'the second waited for the answer');
  await calm(t);
  const again = client.subscribe('A');
  await calm(t);
  assert.deepEqual([again.state, Wire.made.length], ['live', 2]);
});

test('whatever is followed and left in whatever order, connections are as many as are needed, and all are served', async (t) => {
  const seed = Number(process.env.ROWBELL_SEED ?? process.hrtime()[1]);
  t.diagnostic(`ROWBELL_SEED=${seed} repeats this`);
  const acts = fc.array(fc.tuple(fc.constantFrom('follow', 'follow', 'leave', 'leave', 'answer', 'calm', 'break'), fc.nat(7)), { maxLength: 60, size: 'max' });
  await fc.assert(fc.asyncProperty(acts, async (sequence) => {
    t.mock.timers.reset();
    const { client } = await connected(t);
    const open = [];
    let most = 1;
    for (const [act, nth] of sequence) {
      if (act === 'follow' && open.length < 8) open.push(client.subscribe('a'));
      else if (act === 'leave') open.splice(nth, 1).forEach((one) => one.close());
      else if (act === 'answer') answer(Wire.open[nth % (Wire.open.length || 1)] ?? { sent: [] });
      else if (act === 'break') Wire.open[nth]?.break();
      else if (act === 'calm') await calm(t);
      most = Math.max(most, open.length);
    }
    await calm(t);
    for (let round = 0; round < 20 && open.some(({ state }) => state !== 'live'); round++) await calm(t);
    assert.deepEqual(open.map(({ state }) => state), open.map(() => 'live'));
    assert.ok(Wire.open.length <= most, `${Wire.open.length} connections for ${most}`);
    assert.equal(Wire.open.reduce((sum, { held }) => sum + held.size, 0), open.length, 'nothing is held that nobody follows');
    client.close();
  }), { seed, numRuns: 200 });
});
