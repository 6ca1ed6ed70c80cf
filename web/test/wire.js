// The other end of a connection, held still: every frame is sent by the test, and every time is the test's.

import { RealtimeClient } from '../realtime-client.js';

/** A WebSocket that does what the test says. */
export class Wire {
  /** Every one that was made. @type {Wire[]} */
  static made = [];
  sent = [];
  isOpen = true;
  onmessage = null;
  onclose = null;

  constructor(url) {
    this.url = url;
    Wire.made.push(this);
  }

  static get open() {
    return Wire.made.filter(({ isOpen }) => isOpen);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.isOpen = false;
  }

  /** The server says something. */
  say(frame) {
    this.onmessage?.({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) });
  }

  welcome() {
    this.say({ type: 'welcome', session: 's', heartbeat: 25, server: 'test' });
  }

  /** The connection ends. */
  break(code = 1006, reason = '') {
    this.isOpen = false;
    this.onclose?.({ code, reason });
  }
}

/** Everything that is ready to run has run. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A client that is connected to a wire, with its subscriptions joining. */
export async function connected(t, options = {}) {
  Wire.made = [];
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  const errors = [];
  const client = new RealtimeClient({ url: 'http://test', WebSocket: Wire, onError: (error) => errors.push(error), ...options });
  t.after(() => client.close());
  return { client, errors };
}

/** The wire in use, greeted. */
export async function greeted() {
  await settled();
  const wire = Wire.made.at(-1);
  wire.welcome();
  return wire;
}
