// Requests to the REST side.

import { askToken } from './token.js';

/**
 * The fetch of one server: with a token, and once more with a fresh one where it is refused.
 * @param {string} url
 * @param {import('./protocol.js').GetToken} [getToken]
 */
export function requests(url, getToken) {
  /**
   * @param {string} path
   * @param {RequestInit} [init]
   */
  return async function request(path, init = {}) {
    /** @type {string | undefined} */
    let refused;
    for (;;) {
      const { token } = await askToken(getToken, refused);
      const headers = new Headers(init.headers);
      if (token) headers.set('authorization', `Bearer ${token}`);
      const answer = await fetch(url + path, { ...init, headers });
      if (answer.status !== 401 || refused || !token) return answer;
      refused = token;
    }
  };
}

/** @typedef {ReturnType<typeof requests>} Request */

/**
 * Reads single rows.
 * @param {Request} request
 * @returns {(channel: string, id: string) => Promise<import('./protocol.js').Row | null>} null where there is none
 */
export function readerOf(request) {
  return async (channel, id) => {
    const answer = await request(`/api/${channel}/${encodeURIComponent(id)}`);
    if (answer.status === 404) return null;
    if (!answer.ok) throw new Error(`row ${id} of ${channel} could not be read: ${answer.status}`);
    return answer.json();
  };
}

/**
 * `http://host` of any address of a server.
 * @param {string} [url]
 */
export function originOf(url = globalThis.location?.origin) {
  if (!url) throw new TypeError('url is missing: the address of the server, such as https://feed.example');
  const { protocol, host, pathname } = new URL(url);
  if (!/^(http|ws)s?:$/.test(protocol)) throw new TypeError(`${url} is no address of a server: it begins with http or ws`);
  const path = pathname.replace(/\/+$/, '').replace(/\/(feed|ws)$/, '');
  return `${protocol.replace(/^ws/, 'http')}//${host}${path}`;
}

/**
 * True where the same may be answered otherwise later: what it hangs on was not done, or the server is not able to
 * just now.
 * @param {number} status
 */
export const mayPass = (status) => status >= 500 || [401, 408, 424, 425, 429].includes(status);
