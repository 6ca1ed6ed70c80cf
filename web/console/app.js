// The console: one node, looked at.

import { element } from '../element.js';
import { RealtimeClient } from '../realtime-client.js';
import { Access } from '../page/access.js';
import { Channels } from './channels.js';
import { HistoryView } from './history.js';
import { Live } from './live.js';
import { Numbers } from './numbers.js';
import { TopicView } from './topic.js';
import { counted } from './units.js';

/** Milliseconds between two looks at what is watched. */
const CHANNELS_EVERY = 5000;

const at = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

const access = new Access(at('forget'));
// The first look finds out whether a token is wanted, before the feed is asked.
await access.request('/stats').catch(() => null);
const client = new RealtimeClient({ getToken: access.token });
const live = new Live(client);
const topic = new TopicView(at('topic'), access, client);
const history = new HistoryView(at('history'), access);
const channels = new Channels(access, (all) => [live, topic, history].forEach((view) => view.offer(all)));

/** @param {import('./numbers.js').Stats | null} stats */
function told(stats) {
  const isLive = stats !== null && client.state === 'live';
  at('state').className = `pill ${isLive ? 'good' : 'bad'}`;
  at('state').textContent = isLive ? 'live' : stats ? 'feed connecting' : 'server away, trying again';
  at('mode').hidden = stats === null;
  if (!stats) return;
  at('mode').textContent = stats.mode === 'pull' ? 'pull mode' : 'bell mode';
  at('mode').title = stats.mode === 'pull'
    ? 'Commits come fast, so the log is read all the time and writers stay silent'
    : 'The node sleeps until a writer rings';
  at('sessions').textContent = counted(stats.topics, 'topic');
  const rows = stats.listened.map((/** @type {{ topic: string, subscriptions: number }} */ one) => element('tr', {},
    element('td', { class: 'code' }, one.topic), element('td', { class: 'number' }, String(one.subscriptions))));
  at('listened').replaceChildren(element('table', { class: 'list' }, element('tbody', {}, ...rows)));
}

function route() {
  const [view = '', ...rest] = location.hash.replace(/^#\//, '').split('/').map(decodeURIComponent);
  const name = ['topic', 'history'].includes(view) ? view : 'overview';
  for (const section of document.querySelectorAll('section[data-view]')) {
    /** @type {HTMLElement} */ (section).hidden = section.id !== name;
  }
  for (const link of document.querySelectorAll('nav a')) {
    if (/** @type {HTMLElement} */ (link).dataset.view === name) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (name === 'topic') topic.show(rest[0] ?? '');
  if (name === 'history') history.show(rest[0] ?? '', rest[1] ?? '');
}

addEventListener('hashchange', route);
route();
client.onState(() => channels.read().catch(() => {}));
new Numbers(() => access.json('/stats'), told).run();
for (;;) {
  // What cannot be read now is read the next time; the pill says that the server is away.
  await channels.read().catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, CHANNELS_EVERY));
}
