// What every page must hold to.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { launch } from './chromium.js';

const AXE = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Widths and heights every page is looked at in. */
export const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };

/** A browser that ends with the test. */
export async function browse(t) {
  const browser = await launch();
  t.after(() => browser.close());
  return browser;
}

/** A page; what its console says besides `expected` fails the test. */
export async function open(t, browser, url, { expected = [], ...options } = {}) {
  const page = await browser.newPage({ viewport: SIZES.desktop, ...options });
  const told = [];
  page.on('pageerror', (error) => told.push(error.stack));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) told.push(`${message.text()} ${message.location().url}`);
  });
  t.after(() => {
    const odd = told.filter((text) => !expected.some((pattern) => pattern.test(text)));
    assert.deepEqual(odd, [], 'the console has nothing to say');
  });
  await page.goto(url);
  return page;
}

/** Fails where the page keeps people out who use a keyboard or a screen reader, or goes beyond its width. */
export async function accessible(page, what) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const serious = found.violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  const told = serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`);
  assert.deepEqual(told, [], `nobody is kept out of ${what}`);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${what} fits into its width; it is ${over} px over`);
}
