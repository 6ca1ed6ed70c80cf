// Why the feed says no.

/** What went wrong; `code` is the server's word for it, or ours. */
export class RealtimeError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {unknown} [cause]
   */
  constructor(code, message, cause) {
    super(message, { cause });
    this.name = 'RealtimeError';
    this.code = code;
  }
}
