// What a conflict is made of, and the request that a decision becomes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allMine, decide, fieldsOf, methodOf, suggested } from '../conflict-fields.js';

const BASE = { id: 'a', name: 'Anna', city: null, tags: { vip: true, since: 2020 }, version: 7, updated_at: 'then' };

/** A refused PATCH of the row, which somebody else has changed meanwhile. */
const conflict = (yours, theirs, more = {}) => ({
  current: theirs && { ...BASE, ...theirs, version: 9, updated_at: 'now' }, base: BASE, yours, ...more,
});

const summary = (given) => fieldsOf(given).map(({ path, changedBy }) => `${path.join('.')} ${changedBy}`);

test('each field is told by who changed it, json by key', () => {
  const given = conflict({ name: 'Ann', city: 'Bath', tags: { vip: false, note: 'x' } },
    { name: 'Anne', tags: { vip: true, since: 2021 } });
  assert.deepEqual(summary(given), ['name both', 'city mine', 'tags.vip mine', 'tags.since theirs', 'tags.note mine']);
  assert.deepEqual(suggested(fieldsOf(given)), [null, 'mine', 'mine', 'theirs', 'mine']);
});

test('what both sides say alike is no difference, whatever the order of keys', () => {
  const yours = { name: 'Ann', tags: { since: [{ a: 1, b: 2 }] } };
  const given = conflict(yours, { name: 'Ann', tags: { since: [{ b: 2, a: 1 }], vip: true } });
  assert.deepEqual(fieldsOf(given), []);
});

test('without a base every difference of what was sent counts as changed by both', () => {
  const given = { ...conflict({ name: 'Ann', city: 'Bath' }, { city: 'Bath' }), base: null };
  assert.deepEqual(summary(given), ['name both']);
});

test('what the server calls a conflict is one', () => {
  const given = conflict({ city: 'Bath' }, { name: 'Anne' }, { conflicts: ['city'] });
  assert.deepEqual(summary(given), ['name theirs', 'city both']);
  const deep = conflict({ tags: { 'a b': 1, note: 1 } }, {}, { conflicts: ['tags."a b"'] });
  assert.deepEqual(summary(deep), ['tags.a b both', 'tags.note mine']);
});

test('mine changes only what this side changed; of a replacement everything', () => {
  const given = conflict({ city: 'Bath' }, { name: 'Anne' });
  const fields = fieldsOf(given);
  assert.deepEqual(decide(given, fields, allMine(given, fields), 'mine'), {
    choice: 'mine', method: 'PATCH', body: { city: 'Bath' }, version: 9, row: { ...given.current, city: 'Bath' },
  });
  const replaced = { ...conflict({ ...BASE, city: 'Bath' }, { name: 'Anne' }), method: 'PUT' };
  const all = decide(replaced, fieldsOf(replaced), allMine(replaced, fieldsOf(replaced)), 'mine');
  assert.deepEqual(all.body, { name: 'Anna', city: 'Bath' });
});

test("a merge is the server's where it made one, with what was chosen otherwise", () => {
  const given = conflict({ name: 'Ann' }, { city: 'Bath' });
  // As only the server knows: 1.10 is no change of 1.1, and a number keeps its digits.
  const merged = { ...given.current, name: 'Ann (as the server has it)' };
  const fields = fieldsOf(given);
  const told = (choices, choice = 'merge') => decide({ ...given, merged }, fields, choices, choice);
  assert.deepEqual(told(suggested(fields)), {
    choice: 'merge', method: 'PATCH', body: { name: 'Ann (as the server has it)' }, version: 9, row: merged,
  });
  assert.deepEqual(told(['theirs', 'theirs']).row, given.current);
  assert.equal(told(['mine', 'mine']).row.city, null);
  assert.equal(told(['mine', 'theirs'], 'edit').row.name, 'Ann');
  assert.equal(decide(given, fields, suggested(fields), 'merge').row.name, 'Ann');
});

test('theirs sends nothing, and so does a choice of what is there already', () => {
  const given = conflict({ city: 'Bath' }, { name: 'Anne' });
  const fields = fieldsOf(given);
  for (const choice of ['server', 'merge']) {
    const { method, row } = decide(given, fields, fields.map(() => 'theirs'), choice);
    assert.deepEqual([method, row], [null, given.current]);
  }
});

test('a json column is patched by key, and replaced where a patch cannot say it', () => {
  const given = conflict({ tags: { vip: null, since: 2021 } }, { name: 'Anne' });
  const fields = fieldsOf(given);
  const merged = decide(given, fields, suggested(fields), 'merge');
  assert.deepEqual([merged.method, merged.body], ['PATCH', { tags: { vip: null, since: 2021 } }]);
  assert.deepEqual(merged.row.tags, { since: 2021 });
  const choices = fields.map(({ path }) => (path.at(-1) === 'since' ? { value: null } : 'theirs'));
  const edited = decide(given, fields, choices, 'edit');
  assert.equal(edited.method, 'PUT', 'a null inside json is no patch');
  assert.deepEqual(edited.body, { ...given.current, tags: { vip: true, since: null } });
});

test('a row that was deleted is made anew whole, without what the server keeps', () => {
  const given = conflict({ city: 'Bath' }, null);
  const fields = fieldsOf(given);
  const { method, body, version } = decide(given, fields, allMine(given, fields), 'mine');
  assert.deepEqual([method, version], ['PUT', null]);
  assert.deepEqual(body, { id: 'a', name: 'Anna', city: 'Bath', tags: { vip: true, since: 2020 } });
  assert.equal(decide(given, fields, [], 'server').method, null);
});

test('a delete of what was changed shows what changed, and deletes that version', () => {
  for (const yours of [null, {}, { version: 7 }]) {
    const given = conflict(yours, { name: 'Anne' });
    assert.equal(methodOf(given), 'DELETE');
    assert.deepEqual(summary(given), ['name theirs']);
    const { method, version, row } = decide(given, fieldsOf(given), ['theirs'], 'mine');
    assert.deepEqual([method, version, row], ['DELETE', 9, null]);
  }
  assert.equal(decide(conflict(null, null), [], [], 'mine').method, null, 'both deleted it');
});

test('a version under another name is one all the same', () => {
  const given = { current: { id: 1, name: 'b', rev: 4 }, base: { id: 1, name: 'a', rev: 3 }, yours: { name: 'c', rev: 3 }, versionColumn: 'rev' };
  assert.deepEqual(summary(given), ['name both']);
  const { body, version } = decide(given, fieldsOf(given), ['mine'], 'merge');
  assert.deepEqual([body, version], [{ name: 'c' }, 4]);
});
