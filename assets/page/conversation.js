// One standing conversation: pairing, presence, pause, and its call.
//
// It decides and does nothing: no clock, socket, microphone or page. `handle(now, input)` changes its state and queues
// outputs; the caller drains them with `poll()` and calls again, with a `deadline` input, when `deadline()` has come.
// Times are milliseconds on any clock that does not jump.

import { newSession, parseId, uidOf } from "./ids.js";
import * as say from "./negotiation.js";
import { sameProof } from "./pairing.js";
import * as wire from "./rendezvous.js";

/** How long an offer may stay unanswered: 60 s. */
export const SETUP_LIMIT = 60_000;
/** How long an answered call may take until its data channel is open: 10 s. */
export const CONNECT_LIMIT = 10_000;
/** How long the far side may take to answer a hang-up: 5 s. */
export const HANGUP_LIMIT = 5_000;
/** How often a connected side says that it lives: 1 s. */
export const PING_EVERY = 1_000;
/** How long a connected far side may be silent: 3 s. */
export const SILENCE_LIMIT = 3_000;
/** How long it may be silent once its line is gone: 1.5 s. */
export const LEFT_LIMIT = 1_500;
/** How long the server may take to let this side in, or to answer when asked whether it lives. */
export const LINE_LIMIT = 10_000;
export const PROBE_LIMIT = 3_000;

const FIRST_DELAY = 250;
const KEEN_DELAY = 2_000;
const KEEN_FOR = 120_000;
const LONGEST_DELAY = 10_000;
/** A wake-up that comes later than this was slept through, and its deadline judges nobody. */
const OVERSLEPT = 2_000;

const IDLE = Object.freeze({ kind: "idle" });

export class Conversation {
  /**
   * `pairing` is `{ kind: "unpaired", until }` (shows a code until then), `{ kind: "accepting", far, accept, accepted }`
   * (came by a link; the proof to send and the one to expect) or `{ kind: "paired", far }`. `alone`: nothing else can
   * be using this side's uid, so that a server which says so means a dead connection of ours. `random()` is in [0, 1).
   */
  constructor({ convo, me, pairing, alone = false, camera = true, random = Math.random, session = newSession }) {
    Object.assign(this, { convo, me, pairing, alone, camera, random, newSession: session });
    this.line = { kind: "offline", until: Infinity };
    this.lostAt = null;
    this.delay = 0;
    this.members = new Set();
    this.paused = true;
    this.muted = false;
    this.call = IDLE;
    this.farProps = null;
    this.outputs = [];
  }

  /** The next thing to do, or undefined. */
  poll() {
    return this.outputs.shift();
  }

  /** When to call again with a `deadline` input; Infinity if nothing is awaited. */
  deadline() {
    const { line, call, pairing } = this;
    return Math.min(line.until ?? Infinity, call.until ?? Infinity, call.pingAt ?? Infinity, pairing.until ?? Infinity);
  }

  /** Whether the other side is in the room. */
  get farHere() {
    return this.line.kind === "joined" && this.pairing.far !== undefined && this.members.has(this.farUid);
  }

  get farUid() {
    return uidOf(this.pairing.far, this.convo);
  }

  handle(now, input) {
    switch (input.type) {
      case "start":
      case "wake":
        return this.wake(now);
      case "socketOpen":
        return this.socketOpen(now);
      case "socketClosed":
        return this.socketClosed(now);
      case "line":
        return this.heard(now, wire.parseServerLine(input.text));
      case "checked":
        return this.checked(now, input);
      case "unpause":
        return this.setPaused(now, false);
      case "pause":
        return this.setPaused(now, true);
      case "mute":
        return this.changed(() => (this.muted = input.on));
      case "camera":
        return this.changed(() => (this.camera = input.on));
      case "hangUp":
        return this.hangUp(now);
      case "takeOver":
        return this.takeOver(now);
      case "letGo":
        return this.letGo();
      case "deadline":
        return this.expire(now);
      default:
        return this.media(now, input);
    }
  }

  out(type, fields) {
    this.outputs.push({ ...fields, type });
  }

  event(name, fields) {
    this.out("event", { name, ...fields });
  }

  // ── the line ──

  wake(now) {
    if (this.line.kind === "offline" && !this.isOver()) {
      this.delay = 0;
      this.connect(now);
    } else if (this.line.kind === "joined" && this.line.until === undefined) {
      this.line = { kind: "joined", until: now + PROBE_LIMIT };
      this.out("send", { text: wire.peerList() });
    }
  }

  isOver() {
    return this.pairing.kind === "refused";
  }

  connect(now) {
    this.line = { kind: "connecting", until: now + LINE_LIMIT };
    this.out("connect");
    this.event("line");
  }

  socketOpen(now) {
    if (this.line.kind !== "connecting") return;
    this.line = { kind: "registering", until: now + LINE_LIMIT };
    this.out("send", { text: wire.hello(uidOf(this.me, this.convo)) });
  }

  socketClosed(now) {
    if (this.line.kind === "taken" || this.line.kind === "offline") return;
    this.lostAt ??= now;
    this.members.clear();
    const cap = now - this.lostAt < KEEN_FOR ? KEEN_DELAY : LONGEST_DELAY;
    this.delay = Math.min(this.delay === 0 ? FIRST_DELAY : this.delay * 2, cap);
    this.line = { kind: "offline", until: now + this.delay * (0.8 + 0.4 * this.random()) };
    this.event("line");
    // Nobody can answer an offer whose line is gone: it is made anew when both are back.
    if (this.call.kind === "pendingOutgoing") this.drop();
  }

  dropLine(now) {
    this.out("disconnect");
    this.socketClosed(now);
  }

  takeOver(now) {
    if (this.line.kind !== "taken") return;
    // Whoever held the uid is letting go, but its connection may outlive it for a moment.
    this.alone = true;
    this.delay = 0;
    this.connect(now);
  }

  /** Another tab has taken this conversation over. */
  letGo() {
    if (this.call.kind === "datachanEstablished") this.data(say.hangup(this.call.sessid, false));
    else if (this.call.kind !== "idle") this.tell(say.cancel(this.call.sessid));
    if (this.call.kind !== "idle") this.end("hung_up");
    this.closeGate();
    this.taken();
  }

  taken() {
    this.line = { kind: "taken" };
    this.members.clear();
    this.out("disconnect");
    this.event("line");
  }

  heard(now, line) {
    if (line === null) return;
    if (this.line.kind === "joined") this.line = { kind: "joined" };
    const handlers = {
      hello: () => this.registered(now),
      room: () => this.joined(now, line.peers),
      peers: () => this.present(now, line.peers),
      joined: () => this.present(now, [...this.members, line.uid]),
      left: () => this.present(now, [...this.members].filter((uid) => uid !== line.uid)),
      message: () => this.message(now, line.from, say.parseSignal(line.text)),
      error: () => this.refusedByServer(now, line.text),
    };
    handlers[line.type]();
  }

  registered(now) {
    if (this.line.kind !== "registering") return;
    this.line = { kind: "joining", until: now + LINE_LIMIT };
    this.out("send", { text: wire.room(this.convo) });
  }

  joined(now, peers) {
    if (this.line.kind !== "joining") return;
    this.line = { kind: "joined" };
    this.alone = true;
    this.lostAt = null;
    this.delay = 0;
    this.event("line");
    this.present(now, peers);
  }

  refusedByServer(now, text) {
    if (this.line.kind === "joined" || this.line.kind === "offline") return;
    if (text === wire.UID_TAKEN && !this.alone) this.taken();
    else this.dropLine(now);
  }

  present(now, peers) {
    if (this.line.kind !== "joined") return;
    const was = this.farHere;
    this.members = new Set(peers);
    if (this.farHere === was) return;
    this.event("far");
    if (this.farHere) this.farArrived(now);
    else this.farLeft(now);
  }

  farArrived(now) {
    if (this.pairing.kind === "accepting") this.tell(say.accept(this.pairing.accept));
    this.offerIfDue(now);
  }

  farLeft(now) {
    const { call } = this;
    if (call.kind === "pendingOutgoing" || call.kind === "answered") this.drop();
    if (call.kind === "datachanEstablished") {
      this.ping(now);
      call.until = Math.min(call.until, now + LEFT_LIMIT);
    }
  }

  // ── what is said through the server ──

  /** Sends `text` to the far side, if it is there. */
  tell(text) {
    if (this.farHere) this.out("send", { text: wire.peerMessage(this.farUid, text) });
  }

  message(now, from, said) {
    if (this.line.kind !== "joined" || said === null) return;
    if (said.type === "accept") return this.asked(from, said.proof);
    if (this.pairing.far === undefined || from !== this.farUid) return;
    if (this.pairing.kind === "accepting") return this.answeredByOwner(now, said);
    if (this.pairing.kind !== "paired") return;
    if (said.type === "offer") this.offered(now, said);
    else if (said.type === "answer") this.answered(now, said);
    else if (said.sessid !== this.call.sessid || this.call.kind === "idle") return;
    else if (said.type === "candidate") this.out("addCandidate", said);
    else if (said.type === "cancel" && !said.resp) this.endedByFar();
  }

  asked(from, proof) {
    const instance = instanceOf(from, this.convo);
    if (instance === null) return;
    if (this.pairing.kind === "unpaired") return this.out("check", { from: instance, proof });
    // An owner whose `accepted` was lost on the way is asked again by the side it has paired with.
    const again = this.pairing.kind === "paired" && from === this.farUid ? this.pairing.reply : undefined;
    const text = again === undefined ? say.refused() : say.accepted(again);
    if (this.pairing.kind !== "accepting") this.out("send", { text: wire.peerMessage(from, text) });
  }

  /** The proof in an `accept` was looked at: `reply` is the proof to send back if it was right. */
  checked(now, { from, valid, reply }) {
    const uid = uidOf(from, this.convo);
    if (this.pairing.kind !== "unpaired" || !valid) {
      return this.out("send", { text: wire.peerMessage(uid, say.refused()) });
    }
    this.pair(now, { kind: "paired", far: from, reply });
    this.out("send", { text: wire.peerMessage(uid, say.accepted(reply)) });
  }

  answeredByOwner(now, said) {
    if (said.type === "accepted" && sameProof(said.proof, this.pairing.accepted)) {
      this.pair(now, { kind: "paired", far: this.pairing.far });
    } else if (said.type === "refused") {
      this.pairing = { kind: "refused" };
      this.line = { kind: "offline", until: Infinity };
      this.out("disconnect");
      this.event("refused");
    }
  }

  pair(now, pairing) {
    this.pairing = pairing;
    this.out("remember", { far: pairing.far });
    this.event("paired");
    this.offerIfDue(now);
  }

  // ── the gate ──

  setPaused(now, paused) {
    if (paused === this.paused || (!paused && this.line.kind === "taken")) return;
    this.paused = paused;
    this.out(paused ? "closeGate" : "openGate");
    this.syncProps(false);
    this.offerIfDue(now);
  }

  closeGate() {
    if (this.paused) return;
    this.paused = true;
    this.out("closeGate");
  }

  changed(change) {
    change();
    this.syncProps(false);
  }

  syncProps(resp) {
    if (this.call.kind !== "datachanEstablished") return;
    const { paused, muted, camera } = this;
    const props = { paused: `${paused}`, audiosend: `${!muted}`, videosend: `${camera}` };
    this.data(say.propsync(this.call.sessid, resp, props));
  }

  // ── the call ──

  offerIfDue(now) {
    if (this.paused || this.call.kind !== "idle" || this.pairing.kind !== "paired" || !this.farHere) return;
    this.call = { kind: "pendingOutgoing", sessid: this.newSession(), until: now + SETUP_LIMIT };
    this.out("offer", { sessid: this.call.sessid });
    this.event("call");
  }

  offered(now, { sessid, sdp }) {
    if (sessid === this.call.sessid) return;
    // Glare: both offered at once. The greater instance's offer stands.
    if (this.call.kind === "pendingOutgoing" && this.me > this.pairing.far) return;
    if (this.call.kind !== "idle") this.out("close", { sessid: this.call.sessid });
    this.farProps = null;
    this.call = { kind: "answered", sessid, until: now + CONNECT_LIMIT };
    this.out("answer", { sessid, sdp });
    this.event("call");
  }

  answered(now, { sessid, sdp }) {
    if (this.call.kind !== "pendingOutgoing" || sessid !== this.call.sessid) return;
    this.call = { kind: "answered", sessid, until: now + CONNECT_LIMIT };
    this.out("acceptAnswer", { sessid, sdp });
    this.event("call");
  }

  hangUp(now) {
    const { call } = this;
    if (call.kind === "datachanEstablished") {
      this.data(say.hangup(call.sessid, false));
      this.call = { kind: "hangupSent", sessid: call.sessid, until: now + HANGUP_LIMIT };
      this.closeGate();
      this.event("call");
    } else if (call.kind === "pendingOutgoing" || call.kind === "answered") {
      this.tell(say.cancel(call.sessid));
      this.end("hung_up");
    }
  }

  endedByFar() {
    this.end(this.call.kind === "hangupSent" ? "hung_up" : "far_hung_up");
  }

  /** Ends the call and pauses; `reason` says why, in one word, and `message` in the words of what failed. */
  end(reason, message) {
    this.closeGate();
    this.drop(reason, message);
  }

  /** Ends the call and leaves the gate as it is. */
  drop(reason, message) {
    const { sessid } = this.call;
    this.call = IDLE;
    this.farProps = null;
    this.out("close", { sessid });
    this.event("call", { reason, message });
  }

  // ── what the media says ──

  media(now, input) {
    if (this.call.kind === "idle" || input.sessid !== this.call.sessid) return;
    switch (input.type) {
      case "described":
        return this.tell(say.description({ ...input, type: input.description }));
      case "candidate":
        return this.tell(say.candidate(input));
      case "dataOpen":
        return this.established(now);
      case "dataText":
        return this.dataText(now, say.parseData(input.text));
      case "failed":
        return this.end("failed", input.why);
      case "closed":
        return this.end(this.call.kind === "hangupSent" ? "hung_up" : "far_gone");
    }
  }

  established(now) {
    if (this.call.kind !== "answered") return;
    const { sessid } = this.call;
    this.call = { kind: "datachanEstablished", sessid, pingAt: now + PING_EVERY, until: now + SILENCE_LIMIT };
    this.syncProps(false);
    this.event("call");
  }

  data(text) {
    this.out("sendData", { sessid: this.call.sessid, text });
  }

  ping(now) {
    this.call.pingAt = now + PING_EVERY;
    this.data(say.ping());
  }

  dataText(now, said) {
    // The far side's first words may overtake the news that the channel is open.
    this.established(now);
    if (this.call.kind === "datachanEstablished") this.call.until = now + SILENCE_LIMIT;
    if (said === null) return;
    if (said.type === "ping") return this.data(say.pong());
    if (said.type === "pong" || said.sessid !== this.call.sessid) return;
    if (said.type === "propsync") this.propsync(said);
    else this.hungUp(said);
  }

  propsync({ resp, props }) {
    this.farProps = { paused: props.get("paused"), audiosend: props.get("audiosend"), videosend: props.get("videosend") };
    this.event("farProps");
    if (!resp) this.syncProps(true);
  }

  hungUp({ resp }) {
    if (resp && this.call.kind !== "hangupSent") return;
    if (!resp) this.data(say.hangup(this.call.sessid, true));
    this.endedByFar();
  }

  // ── deadlines ──

  expire(now) {
    if (this.pairing.until <= now) {
      this.pairing = { kind: "expired" };
      this.event("expired");
    }
    if (this.line.until <= now) this.lineExpired(now);
    if (this.call.pingAt <= now) this.ping(now);
    if (this.call.until <= now) this.callExpired(now);
  }

  lineExpired(now) {
    if (this.line.kind === "offline") this.connect(now);
    else this.dropLine(now);
  }

  callExpired(now) {
    switch (this.call.kind) {
      case "pendingOutgoing":
        return this.end("no_answer");
      case "answered":
        return this.end("no_connection");
      case "hangupSent":
        return this.drop("hung_up");
      case "datachanEstablished":
        // This side was asleep, not the other: what it said meanwhile is still on its way in.
        if (now - this.call.until > OVERSLEPT) this.call.until = now + LEFT_LIMIT;
        else this.end("far_gone");
    }
  }
}

/** The instance that registered as `uid` for `convo`; null if that is not how it reads. */
function instanceOf(uid, convo) {
  const instance = parseId(uid.split(":")[0]);
  return instance !== null && uid === uidOf(instance, convo) ? instance : null;
}
