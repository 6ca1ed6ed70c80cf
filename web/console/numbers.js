// The tiles: what the node counts, as rates where it only ever grows, sampled once a second.

import { element } from '../element.js';
import { Chart } from './chart.js';
import { bytes, count, counted, span } from './units.js';

/** Milliseconds between two looks, and how many a chart shows. */
const EVERY = 1000;
const SHOWN = 120;

/** @typedef {Record<string, any>} Stats */

/**
 * One tile. `of` gives its value from two looks a number of seconds apart, null while there is none.
 * @typedef {{ title: string, unit: string, of: (now: Stats, last: Stats, seconds: number) => number | null,
 *   told: (value: number) => string, more: (now: Stats, last: Stats, seconds: number) => string }} Tile
 */

/** Growth a second; none over a restart. @param {string} name @returns {Tile['of']} */
const rate = (name) => (now, last, seconds) => Math.max(0, now[name] - last[name]) / seconds;

/** @type {Tile[]} */
const TILES = [
  { title: 'Commits', unit: '/s', of: rate('commits'), told: count, more: (now) => `${count(now.commits)} since the start` },
  { title: 'Changes', unit: '/s', of: rate('changes'), told: count, more: (now) => `${count(now.changes)} since the start` },
  { title: 'Lag', unit: ' ms', of: (now) => now.lag_ms, told: count, more: () => 'from a change to its drain' },
  { title: 'Frames', unit: '/s', of: rate('frames'), told: count, more: (...looks) => `${bytes(rate('bytes')(...looks) ?? 0)}/s` },
  { title: 'Sessions', unit: '', of: (now) => now.sessions, told: count, more: (now) => counted(now.subscriptions, 'subscription') },
  { title: 'Log', unit: '', of: (now) => now.log?.bytes ?? null, told: bytes, more: (now) => (now.log?.retention_seconds ? `kept for ${span(now.log.retention_seconds)}` : '') },
];

export class Numbers {
  /** @type {{ tile: Tile, chart: Chart, value: HTMLElement, more: HTMLElement }[]} */
  #tiles = [];
  /** @type {{ stats: Stats, at: number } | null} */
  #last = null;
  #read;
  #told;

  /**
   * @param {() => Promise<Stats>} read
   * @param {(stats: Stats | null) => void} told of every look; null while the server is away
   */
  constructor(read, told) {
    this.#read = read;
    this.#told = told;
    const list = /** @type {HTMLElement} */ (document.getElementById('tiles'));
    for (const tile of TILES) {
      const chart = new Chart(tile.title, SHOWN);
      const [value, more] = [element('div', { class: 'value' }, '–'), element('div', { class: 'more' })];
      list.append(element('li', { class: 'tile' }, element('div', { class: 'title' }, tile.title), value, more, chart.node));
      this.#tiles.push({ tile, chart, value, more });
    }
  }

  /** Looks again and again. */
  async run() {
    for (;;) {
      await this.#look();
      await new Promise((resolve) => setTimeout(resolve, EVERY));
    }
  }

  async #look() {
    let stats = null;
    try {
      stats = await this.#read();
    } catch {
      // Away; the pill says so, and the next look may find it.
      this.#last = null;
    }
    this.#told(stats);
    if (!stats) return;
    const at = performance.now();
    const last = this.#last ?? { stats, at: at - EVERY };
    this.#last = { stats, at };
    for (const { tile, chart, value, more } of this.#tiles) {
      const looks = /** @type {const} */ ([stats, last.stats, Math.max(0.1, (at - last.at) / 1000)]);
      const now = tile.of(...looks);
      if (now !== null) chart.add(now, tile.told);
      value.replaceChildren(now === null ? '–' : tile.told(now), element('span', { class: 'unit' }, now === null ? '' : tile.unit));
      more.textContent = tile.more(...looks);
    }
  }
}
