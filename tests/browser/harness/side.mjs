// One side of a conversation, whether it is the program or a page: what both can be asked and told.

import { Timeline, clock, eventually } from "./timeline.mjs";

/** How far a tone may be off, as a part of its frequency. */
const TOLERANCE = 0.03;
/** Without a sound for so long it is silent, in milliseconds: tones are told every 20 to 50. */
const HUSH = 300;
/** How far each part of a colour may be off: video has its own idea of them. */
const SHADE = 45;

export class Side extends Timeline {
  /** In the room, paired and paused, with no call. */
  ready() {
    return this.until("being ready and paused", ({ line, paused, call, paired }) => {
      return line === "joined" && paused === true && call === "idle" && paired === true;
    });
  }

  /** The far side is there. */
  meets() {
    return this.until("the far side's presence", ({ far }) => far === true);
  }

  connected(options) {
    return this.until("being connected", ({ call }) => call === "connected", options);
  }

  /** Hears this tone, played to its person. */
  hears(hz, { from = 0, within } = {}) {
    const what = `of ${hz} Hz`;
    return this.wait("tone", (tone) => isTone(tone, hz), { from, within, what });
  }

  /** Sees this colour, shown to its person. */
  sees(colour, { from = 0, within } = {}) {
    const fits = ({ red, green, blue, shown = true }) =>
      shown && [red, green, blue].every((part, at) => Math.abs(part - colour[at]) < SHADE);
    return this.wait("picture", fits, { from, within, what: `of ${colour}` });
  }

  /** Hears and sees the other one. */
  async takesIn({ hz, colour }, options) {
    await Promise.all([this.hears(hz, options), this.sees(colour, options)]);
  }

  /** When it heard something last, once it hears nothing any more; null if it never did. */
  async silent() {
    await eventually(`${this.name} to hear nothing`, () => clock() - (this.lastHeard() ?? 0) > HUSH);
    return this.lastHeard();
  }

  /** All frequencies heard from a cursor on. */
  tones(from = 0) {
    return this.all("tone", from)
      .map(({ hz }) => hz)
      .filter((hz) => hz !== null);
  }
}

export function isTone({ hz }, wanted) {
  return hz !== null && Math.abs(hz - wanted) < wanted * TOLERANCE;
}
