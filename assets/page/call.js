// One call within a conversation: who offers, who answers, whether it lives, how it ends.
//
// Sans-IO, like the conversation that owns it; the native peer's `call.rs` is its twin. The states and the messages
// that end a call are Calling 3.0's. Times are milliseconds.

import * as say from "./negotiation.js";

/** How long an offer may stay unanswered. */
export const SETUP_LIMIT = 60_000;
/** How long connecting may take once both descriptions are exchanged. */
export const CONNECTION_LIMIT = 10_000;
/** How long a hang-up waits for its answer. */
export const HANGUP_LIMIT = 5_000;
/** How long a side that was hung up on keeps the connection, so that its answer still gets through. */
export const CLOSE_DELAY = 250;
/** How often each side asks the other for a sign of life. */
export const PING_INTERVAL = 1_000;
/** How long silence on the data channel is borne: three pings. */
export const LIFE_LIMIT = 3_000;
/** The same once the server says that the other side has left. */
export const LIFE_LIMIT_AFTER_LEAVING = 1_500;
/** Whoever wakes up this much later than it wanted to was asleep itself, and cannot judge the other side's silence. */
const OVERSLEPT = 2_000;

const IDLE = Object.freeze({ kind: "idle" });

export class Call {
  /** `precedence`: when both sides offer at once, whether this side's offer stands. */
  constructor(precedence) {
    this.precedence = precedence;
    this.props = {};
    this.state = IDLE;
    this.outputs = [];
  }

  /**
   * The next thing to do, or undefined: `{ signal: text }` for the far side, by the server; `{ media, sessid, … }` for
   * the connection; `{ farProps }`; `{ ended, message }`, after which this side is paused.
   */
  poll() {
    return this.outputs.shift();
  }

  /** When `expire` is due; Infinity if nothing is awaited. */
  deadline() {
    return Math.min(this.state.until ?? Infinity, this.state.ping ?? Infinity);
  }

  /** Whether there is no call, or one that is hung up and only waits for its connection to close. */
  get isOver() {
    return ["idle", "hangupSent", "terminating"].includes(this.state.kind);
  }

  /** What a person is told of it: idle, calling, connecting, connected, ending. */
  get phase() {
    const phases = {
      pendingOutgoing: "calling",
      answered: "connecting",
      datachanEstablished: "connected",
      hangupSent: "ending",
    };
    return phases[this.state.kind] ?? "idle";
  }

  begin(now, sessid) {
    if (!this.isOver) return;
    this.close();
    this.media("offer", { sessid });
    this.state = { kind: "pendingOutgoing", sessid, until: now + SETUP_LIMIT };
  }

  hangUp(now) {
    const { kind, sessid } = this.state;
    if (kind === "datachanEstablished") {
      this.data(say.hangup(sessid, false));
      this.state = { kind: "hangupSent", sessid, until: now + HANGUP_LIMIT };
      this.outputs.push({ ended: "hung_up" });
    } else if (!this.isOver) {
      this.outputs.push({ signal: say.cancel(sessid) });
      this.end("hung_up");
    }
  }

  /** What this side tells of itself from now on; a connected far side is told at once if it is new. */
  setProps(props) {
    if (JSON.stringify(props) === JSON.stringify(this.props)) return;
    this.props = props;
    if (this.state.kind === "datachanEstablished") this.data(say.propsync(this.state.sessid, false, props));
  }

  farLeft(now) {
    const { kind } = this.state;
    // Not up yet: begun anew when the far side is back, without a word.
    if (kind === "pendingOutgoing" || kind === "answered") this.close();
    if (kind !== "datachanEstablished") return;
    // Its connection to the server may have died alone: ask the far side itself.
    this.state.ping = now;
    this.state.until = Math.min(this.state.until, now + LIFE_LIMIT_AFTER_LEAVING);
  }

  lineLost() {
    if (this.state.kind === "pendingOutgoing") this.close();
  }

  // ── what the far side says by the server ──

  far(now, said) {
    if (said.type === "offer") this.farOffers(now, said);
    else if (said.type === "answer") this.farAnswers(now, said);
    else if (said.sessid !== this.state.sessid) return;
    else if (said.type === "candidate") this.media("addCandidate", said);
    else if (said.type === "cancel") this.end("far_hung_up");
  }

  farOffers(now, { sessid, sdp }) {
    if (sessid === this.state.sessid) return;
    // Both offered at once, and this side's stands.
    if (this.state.kind === "pendingOutgoing" && this.precedence) return;
    // Theirs stands, or the far side begins anew: its page was reloaded, say.
    this.close();
    this.media("answer", { sessid, sdp });
    this.state = { kind: "answered", sessid, until: now + CONNECTION_LIMIT };
  }

  farAnswers(now, { sessid, sdp }) {
    if (this.state.kind !== "pendingOutgoing" || sessid !== this.state.sessid) return;
    this.media("takeAnswer", { sessid, sdp });
    this.state = { kind: "answered", sessid, until: now + CONNECTION_LIMIT };
  }

  // ── what the media tell ──

  heard(now, { type, sessid, ...told }) {
    // A call that is over has nothing more to tell.
    if (this.state.kind === "idle" || sessid !== this.state.sessid) return;
    switch (type) {
      case "described":
        return this.outputs.push({ signal: say.description({ sessid, type: told.description, sdp: told.sdp }) });
      case "candidate":
        return this.outputs.push({ signal: say.candidate({ sessid, ...told }) });
      case "dataOpen":
        return this.dataOpen(now);
      case "dataText":
        return this.dataText(now, say.parseData(told.text));
      case "closed":
        return this.end("far_gone");
      case "failed":
        return this.fail(told.why);
    }
  }

  fail(why) {
    const { kind, sessid } = this.state;
    // The far side waits for this one, and has no data channel to notice by.
    if (kind === "pendingOutgoing" || kind === "answered") this.outputs.push({ signal: say.cancel(sessid) });
    this.end("failed", why);
  }

  dataOpen(now) {
    const { kind, sessid } = this.state;
    if (kind !== "answered") return;
    this.data(say.propsync(sessid, false, this.props));
    this.state = { kind: "datachanEstablished", sessid, ping: now + PING_INTERVAL, until: now + LIFE_LIMIT };
  }

  dataText(now, said) {
    if (this.state.kind === "datachanEstablished") this.state.until = now + LIFE_LIMIT;
    if (said === null || said.type === "pong") return;
    if (said.type === "ping") this.data(say.pong());
    else if (said.sessid !== this.state.sessid) return;
    else if (said.type === "propsync") this.farTells(said);
    else if (!said.resp) this.farHangsUp(now);
    else if (this.state.kind === "hangupSent") this.close();
  }

  farTells({ resp, props }) {
    if (!resp) this.data(say.propsync(this.state.sessid, true, this.props));
    this.outputs.push({ farProps: props });
  }

  farHangsUp(now) {
    const { kind, sessid } = this.state;
    if (kind === "terminating") return;
    if (kind !== "hangupSent") this.outputs.push({ ended: "far_hung_up" });
    this.data(say.hangup(sessid, true));
    this.state = { kind: "terminating", sessid, until: now + CLOSE_DELAY };
  }

  // ── time ──

  expire(now) {
    if (this.deadline() > now) return; // A stale wake-up is harmless.
    const { kind, sessid, until } = this.state;
    switch (kind) {
      case "pendingOutgoing":
      case "answered":
        this.outputs.push({ signal: say.cancel(sessid) });
        return this.end(kind === "answered" ? "no_connection" : "no_answer");
      case "datachanEstablished":
        return this.checkLife(now, until);
      case "hangupSent":
      case "terminating":
        return this.close();
    }
  }

  checkLife(now, until) {
    // What the far side said while this one slept is still on its way in.
    if (now - until > OVERSLEPT) this.state.until = now + LIFE_LIMIT_AFTER_LEAVING;
    else if (until <= now) return this.end("far_gone");
    this.data(say.ping());
    this.state.ping = now + PING_INTERVAL;
  }

  /** Ends the call and says so, unless it was over already and only its connection remained. */
  end(reason, message) {
    const told = this.isOver;
    this.close();
    if (!told) this.outputs.push({ ended: reason, message });
  }

  close() {
    if (this.state.kind === "idle") return;
    this.media("close", { sessid: this.state.sessid });
    this.state = IDLE;
  }

  data(text) {
    this.media("sendData", { sessid: this.state.sessid, text });
  }

  media(command, fields) {
    this.outputs.push({ ...fields, media: command });
  }
}
