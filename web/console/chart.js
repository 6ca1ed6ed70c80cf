// A small line of the last minutes, as plain SVG.

const SVG = 'http://www.w3.org/2000/svg';
const [WIDTH, HEIGHT] = [100, 40];

/** @param {string} name @param {string} kind */
function part(name, kind) {
  const made = document.createElementNS(SVG, name);
  made.setAttribute('class', kind);
  return made;
}

export class Chart {
  /** Newest last. @type {number[]} */
  #values = [];
  #area = part('path', 'area');
  #line = part('path', 'line');
  #label;
  #length;
  node = part('svg', 'chart');

  /**
   * @param {string} label what is shown
   * @param {number} length how many values fit
   */
  constructor(label, length) {
    this.#label = label;
    this.#length = length;
    this.node.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    this.node.setAttribute('preserveAspectRatio', 'none');
    this.node.setAttribute('role', 'img');
    this.node.setAttribute('aria-label', label);
    const floor = part('path', 'floor');
    floor.setAttribute('d', `M0 ${HEIGHT}H${WIDTH}`);
    this.node.append(floor, this.#area, this.#line);
  }

  /** The highest value shown. */
  get highest() {
    return Math.max(0, ...this.#values);
  }

  /** @param {number} value @param {(value: number) => string} told */
  add(value, told) {
    this.#values = [...this.#values, value].slice(-this.#length);
    const top = this.highest || 1;
    const step = WIDTH / (this.#length - 1);
    const from = WIDTH - step * (this.#values.length - 1);
    const points = this.#values.map((one, at) => `${(from + at * step).toFixed(2)} ${(HEIGHT - (one / top) * (HEIGHT - 2)).toFixed(2)}`);
    this.#line.setAttribute('d', `M${points.join('L')}`);
    this.#area.setAttribute('d', `M${from.toFixed(2)} ${HEIGHT}L${points.join('L')}L${WIDTH} ${HEIGHT}Z`);
    this.node.setAttribute('aria-label', `${this.#label}: now ${told(value)}, at most ${told(this.highest)}`);
  }
}
