// The STUN and TURN servers that this page's server offers, with passwords that are good for a while.

/** How long an answer is waited for, in milliseconds; a call then goes on without. */
const PATIENCE = 1500;
/** How long until it is not expected any more. */
const LIMIT = 10_000;

const question = () => fetch("/ice", { cache: "no-store", signal: AbortSignal.timeout(LIMIT) });

export class IceServers {
  /** `now` is the wall clock, which goes on while this machine sleeps. */
  constructor({ ask = question, now = Date.now } = {}) {
    Object.assign(this, { ask, now, servers: [], staleAt: -Infinity });
  }

  /** What is known, asked for anew when half its time has passed; an empty list rather than none. */
  async current() {
    if (this.now() >= this.staleAt) {
      // Whoever comes while it is asked for waits for the same answer.
      this.asking ??= this.refresh().finally(() => (this.asking = null));
      await Promise.race([this.asking, new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
    }
    return this.servers;
  }

  async refresh() {
    try {
      const answer = await this.ask();
      if (!answer.ok) return;
      const { iceServers, lifetime } = await answer.json();
      if (!Array.isArray(iceServers) || !(lifetime > 0)) return;
      this.servers = iceServers;
      this.staleAt = this.now() + lifetime * 500;
    } catch {
      // A server that cannot be asked now is asked again for the next connection.
    }
  }
}
