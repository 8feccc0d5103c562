const FIRST = 500;
const LAST = 20_000;

/**
 * Milliseconds to wait before try number `attempt` (0 is the first). It doubles up to 20 s; half of it is chance, so
 * that clients that lost the same server do not all come back at the same moment.
 */
export function backoff(attempt, random = Math.random) {
  const ceiling = Math.min(LAST, FIRST * 2 ** attempt);
  return ceiling / 2 + random() * ceiling / 2;
}
