// A network that can be switched off: for one branch of the page, while the other stays online.

export class Gate {
  isOpen = true;
  /** @type {Set<WebSocket>} */
  #sockets = new Set();
  /** @type {(() => void)[]} */
  #waiting = [];
  #token;

  /** @param {import('../protocol.js').GetToken} token */
  constructor(token) {
    this.#token = token;
    const sockets = this.#sockets;
    /** A WebSocket that ends with the network. */
    this.WebSocket = class extends WebSocket {
      /** @param {string} url @param {string[]} [protocols] */
      constructor(url, protocols) {
        super(url, protocols);
        sockets.add(this);
        this.addEventListener('close', () => sockets.delete(this));
      }
    };
  }

  /** Every way to the server begins with this, and waits here while there is none. @type {import('../protocol.js').GetToken} */
  token = async (asked) => {
    if (!this.isOpen) await new Promise((resolve) => this.#waiting.push(() => resolve(undefined)));
    return this.#token(asked);
  };

  /** @param {boolean} isOpen */
  set(isOpen) {
    this.isOpen = isOpen;
    if (!isOpen) {
      for (const socket of this.#sockets) socket.close();
      return;
    }
    for (const go of this.#waiting.splice(0)) go();
  }
}
