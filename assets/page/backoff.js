// How long to wait before the server is tried again, in milliseconds.

/** The longest that the first wait may be. */
const FIRST = 600;
/** The longest wait while the loss is fresh, so that a server that was only restarted is found at once. */
const LONGEST_AT_FIRST = 2_400;
/** The longest wait later on. */
const LONGEST = 10_000;
/** How long a loss counts as fresh. */
const FRESH = 120_000;
/**
 * The part of the longest that a wait is at least. The rest is chance, so that a server's clients, who all lose it at the
 * same moment, do not come back in one wave.
 */
const LEAST = 0.2;
/** By how much of it a wait that the server asked for is drawn out at most, for the same reason. */
const TOLD_JITTER = 0.5;

/** The waits between attempts, growing with their number and with the age of the loss. */
export class Backoff {
  constructor(random) {
    this.random = random;
    this.reset();
  }

  /** Begins anew, since the server was reached. */
  reset() {
    this.attempts = 0;
    this.since = null;
    this.toldWait = null;
  }

  /** The server has said when it is back: the next attempt is then, or soon after, and never before. */
  told(wait) {
    this.toldWait = wait;
  }

  /** When to try next, after one more loss or failure at `now`. */
  next(now) {
    this.since ??= now;
    if (this.toldWait !== null) {
      const wait = this.toldWait;
      this.toldWait = null;
      return now + wait * (1 + TOLD_JITTER * this.random());
    }
    const longest = now - this.since < FRESH ? LONGEST_AT_FIRST : LONGEST;
    const wait = Math.min(FIRST * 2 ** Math.min(this.attempts, 10), longest);
    this.attempts++;
    return now + wait * (LEAST + (1 - LEAST) * this.random());
  }
}
