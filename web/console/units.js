// Numbers for people.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const SPANS = /** @type {const} */ ([['d', 86_400], ['h', 3_600], ['min', 60], ['s', 1]]);

/** @param {number} value */
export const count = (value) => (value >= 10 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)).toLocaleString('en');

/** @param {number} value @param {string} thing */
export const counted = (value, thing) => `${count(value)} ${thing}${value === 1 ? '' : 's'}`;

/** @param {number} value */
export function bytes(value) {
  const power = value < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(value) / 10));
  const scaled = value / 1024 ** power;
  return `${power === 0 || scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1)} ${UNITS[power]}`;
}

/** A span of time in its largest unit. @param {number} seconds */
export function span(seconds) {
  const [name, unit] = SPANS.find(([, unit]) => seconds >= unit && seconds % unit === 0) ?? ['s', 1];
  return `${seconds / unit} ${name}`;
}

/** The time of day, to the second; with the day where it is another. @param {string} at */
export function clock(at) {
  const date = new Date(at);
  const time = date.toLocaleTimeString('en-GB');
  return date.toDateString() === new Date().toDateString() ? time : `${date.toLocaleDateString('en-CA')} ${time}`;
}
