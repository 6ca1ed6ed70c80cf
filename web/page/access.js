// The way to the server: requests with the token, which is asked for where the server wants one.

import { element } from '../element.js';

const KEPT = 'rowbell-token';

export class Access {
  /** @type {string | null} */
  #token = sessionStorage.getItem(KEPT);
  #told = element('p', { class: 'told bad', role: 'alert' });
  #input = element('input', { id: 'token-text', type: 'password', autocomplete: 'off', required: true });
  #form = element('form', {},
    element('h2', { id: 'token-title' }, 'This server asks for its token'),
    element('p', { class: 'quiet' }, 'It is what the server was started with, as ', element('code', {}, 'ROWBELL_TOKEN'), '. It stays in this tab.'),
    element('label', { for: 'token-text' }, 'Token'), this.#input, this.#told, element('button', { class: 'main' }, 'Open'));
  #dialog = element('dialog', { 'aria-labelledby': 'token-title' }, this.#form);
  #forget;
  /** The question that is open, so that all who need the token wait for one answer. @type {Promise<string> | null} */
  #asking = null;

  /** @param {HTMLElement} forget the button that ends the visit */
  constructor(forget) {
    this.#forget = forget;
    forget.hidden = this.#token === null;
    forget.addEventListener('click', () => {
      sessionStorage.removeItem(KEPT);
      location.reload();
    });
    // Without the token there is nothing to see behind the question.
    this.#dialog.addEventListener('cancel', (event) => event.preventDefault());
    document.body.append(this.#dialog);
  }

  /** What the feed asks for. @param {{ refused?: string }} asked */
  token = async ({ refused } = {}) => {
    if (refused !== undefined && refused === this.#token) return this.#ask(true);
    return this.#token;
  };

  /**
   * A request; where the token is missing or wrong, it is asked for and the request sent again.
   * @param {string} path
   * @param {RequestInit} [init]
   */
  async request(path, init = {}) {
    for (;;) {
      const sent = this.#token;
      const headers = new Headers(init.headers);
      if (sent) headers.set('authorization', `Bearer ${sent}`);
      const answer = await fetch(path, { ...init, headers });
      if (answer.status !== 401) return answer;
      if (sent === this.#token) await this.#ask(sent !== null);
    }
  }

  /**
   * The same, read as JSON. A problem is thrown, with what the server says of it.
   * @param {string} path
   * @param {RequestInit} [init]
   */
  async json(path, init) {
    const answer = await this.request(path, init);
    const body = await answer.json().catch(() => null);
    if (!answer.ok) throw new Error(body?.detail ?? `the server answered ${answer.status}`);
    return body;
  }

  /** @param {boolean} wasWrong */
  #ask(wasWrong) {
    this.#asking ??= new Promise((resolve) => {
      this.#told.textContent = wasWrong ? 'That is not the token.' : '';
      this.#dialog.showModal();
      this.#form.addEventListener('submit', (event) => {
        event.preventDefault();
        this.#token = this.#input.value.trim();
        sessionStorage.setItem(KEPT, this.#token);
        this.#forget.hidden = false;
        this.#asking = null;
        this.#input.value = '';
        this.#dialog.close();
        resolve(this.#token);
      }, { once: true });
    });
    return this.#asking;
  }
}
