// When a machine comes back: from sleep, from being offline, from a hidden tab.

/** Milliseconds between two looks at the clock. */
const LOOK = 5000;

/**
 * Calls back at every sign that time or a network was lost. Returns what ends that.
 * @param {() => void} woke
 * @returns {() => void}
 */
export function onWake(woke) {
  let seen = Date.now();
  // A sleeping machine fires no timer and no event; only its clock tells.
  const timer = setInterval(() => {
    const now = Date.now();
    if (now - seen > 3 * LOOK) woke();
    seen = now;
  }, LOOK);
  if (typeof timer === 'object') timer.unref?.();
  const page = globalThis.document;
  const visible = () => page.visibilityState === 'visible' && woke();
  page?.addEventListener('visibilitychange', visible);
  page?.addEventListener('resume', woke);
  const events = page ? ['online', 'pageshow'] : [];
  for (const event of events) globalThis.addEventListener(event, woke);
  return () => {
    clearInterval(timer);
    page?.removeEventListener('visibilitychange', visible);
    page?.removeEventListener('resume', woke);
    for (const event of events) globalThis.removeEventListener(event, woke);
  };
}

/**
 * Full jitter: at random up to a bound that doubles with each try, so that many who lost the same server do not
 * come back at the same moment.
 * @param {number} tries that failed so far
 * @param {number} longest milliseconds
 */
export const pause = (tries, longest) => Math.random() * Math.min(longest, 250 * 2 ** Math.min(tries, 30));
