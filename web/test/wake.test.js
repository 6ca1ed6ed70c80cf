// Pauses: full jitter, the first within 250 ms, so that many who lost one server do not come back at one moment.

import test from 'node:test';
import assert from 'node:assert/strict';
import { pause } from '../wake.js';
import { Wire, connected, greeted, settled } from './wire.js';

test('a pause is anywhere up to a bound that doubles', () => {
  for (const [tries, bound] of [[0, 250], [1, 500], [3, 2000], [5, 8000], [6, 10_000], [500, 10_000]]) {
    const all = Array.from({ length: 4000 }, () => pause(tries, 10_000));
    assert.ok(Math.max(...all) <= bound && Math.max(...all) > bound * 0.95, `${tries}: ${Math.max(...all)}`);
    assert.ok(Math.min(...all) < bound * 0.05, `${tries}: ${Math.min(...all)}`);
    const mean = all.reduce((sum, one) => sum + one) / all.length;
    assert.ok(Math.abs(mean / bound - 0.5) < 0.05, `${tries}: ${mean}`);
  }
});

test('the first try after a break comes within 250 ms, the next one later', async (t) => {
  for (let round = 0; round < 20; round++) {
    const { client } = await connected(t);
    client.collection('a');
    const wire = await greeted();
    assert.equal(client.state, 'live');
    wire.break();
    assert.equal(Wire.open.length, 0);
    t.mock.timers.tick(250);
    await settled();
    assert.equal(Wire.open.length, 1, 'tried');
    client.close();
    t.mock.timers.reset();
  }
});

test('what fails again and again is tried more and more rarely', async (t) => {
  const { client } = await connected(t);
  client.collection('a');
  await settled();
  const tries = [];
  for (let second = 0; second < 120; second++) {
    const made = Wire.made.length;
    for (let step = 0; step < 20; step++) {
      t.mock.timers.tick(50);
      await settled();
      for (const wire of Wire.open) wire.break();
      await settled();
    }
    tries.push(Wire.made.length - made);
  }
  const sum = (from, to) => tries.slice(from, to).reduce((all, one) => all + one, 0);
  assert.ok(sum(0, 4) > sum(60, 64), tries.join(' '));
  assert.ok(sum(60, 120) >= 6, `about one in five seconds, but never none: ${sum(60, 120)}`);
});
