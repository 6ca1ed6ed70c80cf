// Trying a topic: what the server makes of it, the rows it holds now, and what happens to them.

import { element } from '../element.js';
import { Stream, brief } from './changes.js';

/** @typedef {import('../page/access.js').Access} Access */
/** @typedef {import('../realtime-client.js').RealtimeClient} RealtimeClient */

/** Rows that are shown, and commits. */
const ROWS = 5;
const COMMITS = 50;

const GRAMMAR = [
  ['orders', 'every change of one channel'],
  ['orders,clients', 'of several, whole transactions across them'],
  ['*', 'of all of them'],
  ['orders?status=eq.open', 'rows of one channel that match'],
  ['eq neq gt gte lt lte', 'compare: total=gte.100'],
  ['like ilike', 'patterns, * for any text: name=ilike.*saw*'],
  ['in.(a,b)', 'one of these'],
  ['is.null is.true', 'nothing, or a truth'],
  ['cs.{…}', 'contains'],
  ['not.', 'before any of them: status=not.in.(paid,held)'],
  ['a=…&b=…', 'all of these'],
  ['or=(a.eq.1,b.gt.2)', 'one of these'],
];

export class TopicView {
  #access;
  #client;
  /** @type {import('../subscription.js').Subscription | null} */
  #following = null;
  #input = element('input', {
    id: 'topic-text', list: 'topic-names', autocomplete: 'off', spellcheck: 'false', placeholder: 'orders?status=eq.open', class: 'code',
  });
  #names = element('datalist', { id: 'topic-names' });
  #told = element('p', { class: 'told', role: 'status' });
  #rows = element('div', {});
  #list = element('ol', { class: 'stream', 'aria-label': 'Commits of the topic, newest first' });
  #stream = new Stream(this.#list, COMMITS, 'Write a topic, and what happens to it appears here.');

  /**
   * @param {HTMLElement} node
   * @param {Access} access
   * @param {RealtimeClient} client
   */
  constructor(node, access, client) {
    this.#access = access;
    this.#client = client;
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      const hash = `#/topic/${encodeURIComponent(this.#input.value.trim())}`;
      if (location.hash === hash) this.show(this.#input.value.trim());
      else location.hash = hash;
    };
    node.append(element('div', { class: 'two' },
      element('div', { class: 'card' },
        element('header', {}, element('h2', {}, 'Try a topic')),
        element('form', { class: 'inside ask', onsubmit: submit },
          element('label', { for: 'topic-text' }, 'Topic: channels, and a filter of rows'),
          element('div', { class: 'row' }, this.#input, this.#names, element('button', { class: 'main' }, 'Follow')),
          this.#told),
        this.#rows, this.#list),
      element('div', { class: 'card' },
        element('header', {}, element('h2', {}, 'The grammar')),
        element('dl', { class: 'inside grammar' },
          ...GRAMMAR.flatMap(([form, meaning]) => [element('dt', {}, form), element('dd', {}, meaning)])))));
  }

  /** @param {import('./channels.js').Channel[]} channels */
  offer(channels) {
    this.#names.replaceChildren(...channels.map(({ channel }) => element('option', { value: channel })));
  }

  /** @param {string} topic */
  show(topic) {
    this.#following?.close();
    this.#following = null;
    this.#rows.replaceChildren();
    this.#input.value = topic;
    if (!topic) return;
    this.#tell('', 'asking…');
    this.#stream.clear('Nothing yet: commits appear as they happen.');
    const following = this.#client.subscribe(topic, {
      onCommits: (commits) => {
        if (this.#following !== following) return;
        this.#tell('good', `The server calls it ${following.topic}`);
        this.#stream.add(commits);
      },
      onReset: (reason) => this.#tell('warn', `The subscription was reset (${reason}): follow it again.`),
      onEnd: (error) => error && this.#following === following && this.#tell('bad', error.message),
    });
    this.#following = following;
    this.#readRows(topic, following);
  }

  /**
   * @param {string} topic
   * @param {object} following
   */
  async #readRows(topic, following) {
    const [channel, filter] = topic.split(/\?(.*)/s);
    if (channel === '*' || channel.includes(',')) return;
    try {
      const rows = await this.#access.json(`/api/${encodeURIComponent(channel)}?${filter ? `${filter}&` : ''}limit=${ROWS}`);
      if (this.#following === following) this.#rows.replaceChildren(...table(rows));
    } catch (error) {
      if (this.#following === following) this.#tell('bad', /** @type {Error} */ (error).message);
    }
  }

  /** @param {string} kind @param {string} text */
  #tell(kind, text) {
    this.#told.className = `told ${kind}`;
    this.#told.textContent = text;
  }
}

/** @param {Record<string, any>[]} rows */
function table(rows) {
  if (rows.length === 0) return [element('p', { class: 'nothing' }, 'No row matches now.')];
  const items = rows.map((row) => element('li', { class: 'small' },
    ...Object.entries(row).filter(([, value]) => value !== null).slice(0, 8).flatMap(([name, value]) => [
      element('span', { class: 'quiet' }, `${name} `), `${brief(value)}  `])));
  const title = rows.length < ROWS ? `Rows it holds now: ${rows.length}` : `The first ${ROWS} rows it holds now`;
  return [element('div', { class: 'inside' }, element('h3', {}, title), element('ul', { class: 'rows' }, ...items))];
}
