// Makes dist/, which pages load and the server serves: each module with all it names, made small. npm run build

import fs from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const HERE = fileURLToPath(new URL('.', import.meta.url));
/** What pages import. */
export const ENTRIES = ['realtime-client', 'offline-sync', 'rowbell-conflict'];

/**
 * Bundles as text by name. What several have in common is a module of its own, so that a page has it once.
 * @param {string[]} entries
 */
export async function bundles(entries) {
  const { outputFiles } = await build({
    absWorkingDir: HERE,
    entryPoints: entries.map((entry) => `${entry}.js`),
    outdir: 'dist',
    bundle: true, splitting: true, minify: true, write: false,
    format: 'esm', target: 'es2022', platform: 'browser',
    // Only Node before 22 asks for it.
    external: ['ws'],
    chunkNames: 'shared',
    legalComments: 'linked',
  });
  return Object.fromEntries(outputFiles.map(({ path, text }) => [path.split(/[\\/]/).at(-1), text]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  fs.rmSync(`${HERE}dist`, { recursive: true, force: true });
  fs.mkdirSync(`${HERE}dist`);
  for (const [name, text] of Object.entries(await bundles(ENTRIES))) fs.writeFileSync(`${HERE}dist/${name}`, text);
}
