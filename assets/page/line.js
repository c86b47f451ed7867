// The line to the server, as far as into one room of it: registering, entering, coming back.
//
// Sans-IO. Times are milliseconds on any clock that does not jump.

import { Backoff } from "./backoff.js";
import * as wire from "./rendezvous.js";

/** How long the server may take to let this side in: twice its check of a half-dead holder. */
export const REGISTER_LIMIT = 6_000;
/** How long it may take to answer when asked whether it is still there. */
export const PROBE_LIMIT = 3_000;

export class Line {
  /**
   * `out(type, fields)` hears what is to be done: `connect`, `disconnect`, `send` a `text`. `joined(now, peers)` and
   * `lost(now)` hear how it went. `silence`: how long the server may say nothing before it is asked whether it lives.
   */
  constructor({ uid, room, random, silence = Infinity, out, joined, lost }) {
    Object.assign(this, { uid, room, silence, out, joined, lost });
    this.backoff = new Backoff(random);
    /** When it does something by itself. */
    this.until = Infinity;
    /** `idle`, `connecting`, `registering`, `joining`, `joined`, `offline`, or what it was stopped with. */
    this.kind = "idle";
    this.isProbed = false;
  }

  enter(kind, until) {
    Object.assign(this, { kind, until, isProbed: false });
  }

  /** Whether it is on its way, there, or coming back. */
  get isWanted() {
    return this.isUp || this.kind === "offline";
  }

  get isUp() {
    return ["connecting", "registering", "joining", "joined"].includes(this.kind);
  }

  /** The line is made, or the server asked whether it lives. */
  wake(now) {
    if (this.kind === "idle" || this.kind === "offline") this.connect(now);
    else if (this.kind === "joined" && !this.isProbed) this.probe(now);
  }

  probe(now) {
    Object.assign(this, { until: now + PROBE_LIMIT, isProbed: true });
    this.send(wire.peerList());
  }

  connect(now) {
    this.enter("connecting", now + REGISTER_LIMIT);
    this.out("connect");
  }

  opened(now) {
    if (this.kind !== "connecting") return;
    this.enter("registering", now + REGISTER_LIMIT);
    this.send(wire.hello(this.uid));
  }

  /** `reason` is the server's, which may say when it is back. */
  closed(now, reason = "") {
    if (!this.isUp) return;
    const back = wire.backIn(reason);
    if (back !== null) this.backoff.told(back);
    this.enter("offline", this.backoff.next(now));
    this.lost(now);
  }

  drop(now) {
    this.out("disconnect");
    this.closed(now);
  }

  /** The network is another: the line is made anew at once. */
  renew(now) {
    if (this.isUp) {
      this.out("disconnect");
      this.lost(now);
    }
    this.begin(now);
  }

  /** As if there had been no failure. */
  begin(now) {
    this.backoff.reset();
    this.connect(now);
  }

  /** It is given up, as `kind`. */
  stop(kind) {
    this.enter(kind, Infinity);
    this.out("disconnect");
  }

  /** What the server says; how it ends is heard by `joined`. */
  hear(now, { type, peers }) {
    // Whatever it says, it is there.
    if (this.kind === "joined") this.enter("joined", now + this.silence);
    if (type === "hello" && this.kind === "registering") {
      this.enter("joining", now + REGISTER_LIMIT);
      this.send(wire.room(this.room));
    } else if (type === "room" && this.kind === "joining") {
      this.enter("joined", now + this.silence);
      this.backoff.reset();
      this.joined(now, peers);
    }
  }

  expire(now) {
    if (now < this.until) return;
    if (this.kind === "offline") this.connect(now);
    else if (this.kind === "joined" && !this.isProbed) this.probe(now);
    else this.drop(now);
  }

  send(text) {
    this.out("send", { text });
  }
}
