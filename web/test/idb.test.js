// The copy of idb is the package's own text.

import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';

test('idb.js is the package idb as it is', () => {
  const read = (path) => fs.readFileSync(new URL(path, import.meta.url), 'utf8');
  const [copy, original] = [read('../idb.js'), read('../node_modules/idb/build/index.js')];
  assert.ok(copy.endsWith(`\n\n${original}`));
  assert.ok(copy.startsWith(`/*!\n * The package idb ${JSON.parse(read('../node_modules/idb/package.json')).version} `));
});
