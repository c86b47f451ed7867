// Whether there is to be a call: what remains of one that broke, and how often it is tried again.
//
// The native peer's `conversation/wish.rs` is its twin. Times are milliseconds.

/** How long a far side that closed its end may take to come back before it has hung up: twice what a page needs. */
export const RETURN_LIMIT = 4_000;
/** How often a call that does not come about is tried in a row. */
export const TRIES = 3;
/** How long the first repetition waits; the second twice as long. */
const RETRY = 1_000;

/** What the two want of their call, beyond what there is of it at the moment. */
export class Wish {
  constructor() {
    this.forget();
  }

  /** A person hung up. */
  forget() {
    /** A call was begun, and nobody hung it up. */
    this.isWanted = false;
    /** It was up before. */
    this.wasConnected = false;
    this.failures = 0;
    this.retry = Infinity;
    this.returnBy = Infinity;
  }

  /** Whether a call that was up is missed. */
  get isLost() {
    return this.isWanted && this.wasConnected;
  }

  /** Whether enough time has passed since the last failure. */
  get mayTry() {
    return this.retry === Infinity;
  }

  deadline() {
    return Math.min(this.retry, this.returnBy);
  }

  /** The far side is there: it has come back, if it was away. */
  met() {
    if (this.returnBy < Infinity) this.retry = Infinity;
    this.returnBy = Infinity;
  }

  /** Whether a far side that closed its end has not come back in time; then nothing is wanted any more. */
  expire(now) {
    if (this.retry <= now) this.retry = Infinity;
    const isOver = this.returnBy <= now;
    if (isOver) this.forget();
    return isOver;
  }

  /** Takes note of how far the call has got; returns what a person is told of it. */
  note(now, phase, ending) {
    if (phase === "idle") return this.over(now, ending);
    if (phase === "ending" || phase === "connected") this.forget();
    if (phase !== "ending") this.isWanted = true;
    // The far side has answered, or asked: it is back.
    if (phase === "connecting") this.returnBy = Infinity;
    if (phase === "connected") this.wasConnected = true;
    const isMissed = this.wasConnected && (phase === "calling" || phase === "connecting");
    return isMissed ? "reconnecting" : phase;
  }

  over(now, ending) {
    if (ending === "hung_up" || ending === "far_hung_up") {
      this.forget();
    } else if (ending === "far_closed") {
      this.returnBy = now + RETURN_LIMIT;
      // That it was hung up may still be on its way, by the server.
      this.retry = now + RETRY;
    } else if (ending !== null && ending !== "far_gone") {
      this.retry = now + RETRY * 2 ** this.failures;
      this.failures += 1;
      if (this.failures >= TRIES) this.forget();
    }
    return this.isLost ? "reconnecting" : "idle";
  }
}
