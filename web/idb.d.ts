// idb.js is the package as it is, and has its types.

export { openDB } from 'idb';
