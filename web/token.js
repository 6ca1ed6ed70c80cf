// Tokens and their ends.

/** Longest time a timer can hold, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

/**
 * Asks for a token.
 * @param {import('./protocol.js').GetToken | undefined} getToken
 * @param {string} [refused]
 * @returns {Promise<{ token: string | undefined, expiresAt: number | undefined }>}
 */
export async function askToken(getToken, refused) {
  const given = await getToken?.({ refused });
  if (!given) return { token: undefined, expiresAt: undefined };
  const { token, expiresAt = endOf(token) } = typeof given === 'string' ? { token: given } : given;
  return { token, expiresAt };
}

/**
 * The end of a JWT in milliseconds since 1970; none of any other text.
 * @param {string} token
 */
function endOf(token) {
  try {
    const claims = JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
    return typeof claims.exp === 'number' ? claims.exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Milliseconds until a token should be renewed: when a fifth of its time is left.
 * @param {number} expiresAt
 */
export const renewIn = (expiresAt) => Math.min(LONGEST, Math.max(1000, (expiresAt - Date.now()) * 0.8));
