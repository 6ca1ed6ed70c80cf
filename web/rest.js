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

/**
 * Reads single rows.
 * @param {string} url
 * @param {import('./protocol.js').GetToken} [getToken]
 * @returns {(channel: string, id: string) => Promise<import('./protocol.js').Row | null>} null where there is none
 */
export function readerOf(url, getToken) {
  const request = requests(url, getToken);
  return async (channel, id) => {
    const answer = await request(`/api/${channel}/${encodeURIComponent(id)}`);
    if (answer.status === 404) return null;
    if (!answer.ok) throw new Error(`row ${id} of ${channel} could not be read: ${answer.status}`);
    return answer.json();
  };
}
