// One standing conversation: pairing, presence, pause, and its call.
//
// Sans-IO: no clock, socket, microphone or page. Whoever owns one feeds it inputs by `handle(now, input)`, drains
// `poll()` after each, and wakes it with a `deadline` input at `deadline()`. What the two sides say by the server goes
// through a sealed channel (`seal.js`), which takes its time: `{ type: "channel", input }` is for it, and what it tells
// comes back as `{ type: "channel", told }`. The native peer's `conversation.rs` is its twin. Times are milliseconds on
// any clock that does not jump.

import { Call } from "./call.js";
import { newSession, parseId, uidOf } from "./ids.js";
import { Line } from "./line.js";
import * as say from "./negotiation.js";
import * as wire from "./rendezvous.js";
import { Wish } from "./wish.js";

/** How often the server is asked who is there while somebody who is wanted is not: it may have told wrongly. */
export const LOOK_INTERVAL = 5_000;

export class Conversation {
  /**
   * `pairing` is `{ kind: "waiting", until }` (shows a code until then), `{ kind: "accepting", far }` (came by a link) or
   * `{ kind: "paired", far }`; later `expired` or `refused`. `alone`: nothing else in this browser has the conversation,
   * so that a server which says its uid is taken means a dead connection of this page. `random()` is in [0, 1).
   */
  constructor({ convo, me, pairing, alone, camera, random = Math.random, session = newSession }) {
    Object.assign(this, { convo, me, pairing, alone, camera, newSession: session });
    this.outputs = [];
    this.line = new Line({
      ...{ uid: uidOf(me, convo), room: convo, random },
      out: (type, fields) => this.out(type, fields),
      joined: (now, peers) => this.joined(now, peers),
      lost: (now) => this.farUnreachable(now),
    });
    /** Whether the far side is there, and has proved it; and whether it can be told something. */
    this.farHere = false;
    this.met = false;
    /** When to look whether the far side is in the room after all. */
    this.look = Infinity;
    /** The words that both sides have while nobody sits between them. */
    this.words = null;
    this.farProps = null;
    this.paused = true;
    this.muted = false;
    /** Whether there are devices to send from, as far as is known. */
    this.equipped = { audio: true, video: true };
    this.wish = new Wish();
    /** How far the call has got, as a person is told. */
    this.phase = "idle";
    this.makeCall();
  }

  /** The next thing to do, or undefined. */
  poll() {
    return this.outputs.shift();
  }

  /** When a `deadline` input is due; Infinity if nothing is awaited. */
  deadline() {
    const code = this.pairing.kind === "waiting" ? this.pairing.until : Infinity;
    return Math.min(this.line.until, code, this.look, this.call.deadline(), this.wish.deadline());
  }

  /** Takes note of what happened; drain `poll()` afterwards. */
  handle(now, input) {
    const inputs = {
      wake: () => this.wake(now),
      socketOpen: () => this.line.opened(now),
      socketClosed: () => this.line.closed(now, input.reason),
      line: () => this.heard(now, wire.parseServerLine(input.text)),
      channel: () => this.channelTold(now, input.told),
      networkChanged: () => this.networkChanged(now),
      unpause: () => this.setPaused(false),
      pause: () => this.setPaused(true),
      mute: () => (this.muted = input.on),
      camera: () => (this.camera = input.on),
      equipped: () => (this.equipped = { ...this.equipped, [input.kind]: input.on }),
      hangUp: () => this.hangUp(now),
      takeOver: () => this.takeOver(now),
      letGo: () => this.letGo(now),
      media: () => this.call.handle(now, input),
      deadline: () => this.expire(now),
    };
    inputs[input.type]();
    this.syncProps();
    this.drainCall(now);
    this.beginIfWanted(now);
    this.drainCall(now);
    this.setLook(now);
  }

  out(type, fields) {
    this.outputs.push({ ...fields, type });
  }

  /** Whether a call that is not up is begun again by itself. */
  get goesOn() {
    return this.wish.isWanted;
  }

  // ── the line ──

  /** The page begins, is looked at again, or the network is back. */
  wake(now) {
    if (this.pairing.kind !== "refused") this.line.wake(now);
  }

  /** The line is made anew at once, and the call gets a new connection when the two meet. */
  networkChanged(now) {
    if (!this.line.isWanted) return;
    this.line.renew(now);
    this.call.handle(now, { type: "renew" });
  }

  takeOver(now) {
    if (this.line.kind !== "taken") return;
    // Whoever held the uid is letting go, but its connection may outlive it for a moment.
    this.alone = true;
    this.line.begin(now);
  }

  /** Another tab takes this conversation over, or the page is left: nothing is hung up, it may go on there. */
  letGo(now) {
    this.setPaused(true);
    this.call.close();
    this.drainCall(now);
    this.wish.forget();
    this.phase = "idle";
    this.taken(now);
  }

  taken(now) {
    this.line.stop("taken");
    this.farUnreachable(now);
  }

  heard(now, line) {
    if (line === null) return;
    this.line.hear(now, line);
    const lines = {
      peers: () => this.setFar(now, line.peers.includes(this.farUid), "begins"),
      joined: () => line.uid === this.farUid && this.setFar(now, true, "waits"),
      left: () => line.uid === this.farUid && this.setFar(now, false),
      message: () => this.frame(line.from, line.text),
      error: () => this.refusedByServer(now, line.text),
    };
    lines[line.type]?.();
  }

  joined(now, peers) {
    this.alone = true;
    this.setFar(now, peers.includes(this.farUid), "begins");
  }

  refusedByServer(now, text) {
    // In the room an error is about a message to somebody who has just left.
    if (this.line.kind !== "registering" && this.line.kind !== "joining") return;
    if (text === wire.UID_TAKEN && !this.alone) this.taken(now);
    else this.line.drop(now);
  }

  get farUid() {
    return this.pairing.far && uidOf(this.pairing.far, this.convo);
  }

  /** What the server says of the far side's presence; the channel finds out whether it is true. */
  setFar(now, here, order) {
    if (this.line.kind !== "joined" || this.farUid === undefined) return;
    if (here) return this.toChannel({ type: "here", order });
    this.call.handle(now, { type: "farLeft" });
    this.farUnreachable(now);
  }

  /** While this side waits for the far one, it looks for it now and then. */
  setLook(now) {
    const isWanted = !this.paused || this.wish.isWanted || this.pairing.kind === "accepting";
    const isMissed = this.line.kind === "joined" && !this.met && this.farUid !== undefined;
    this.look = isWanted && isMissed ? Math.min(this.look, now + LOOK_INTERVAL) : Infinity;
  }

  farUnreachable(now) {
    this.toChannel({ type: "away" });
    this.farHere = false;
    this.unmet(now);
  }

  unmet(now) {
    this.met = false;
    this.call.handle(now, { type: "signallingDown" });
  }

  // ── the sealed channel ──

  toChannel(input) {
    this.out("channel", { input });
  }

  /** Somebody in the room says something; the channel judges who it is. */
  frame(uid, text) {
    const from = instanceOf(uid, this.convo);
    if (this.line.kind === "joined" && from !== null && from !== this.me) this.toChannel({ type: "frame", from, text });
  }

  channelTold(now, told) {
    const outputs = {
      send: () => this.line.kind === "joined" && this.line.send(wire.peerMessage(uidOf(told.to, this.convo), told.text)),
      learned: () => this.out("learned", { key: told.key }),
      paired: () => this.pair(told),
      up: () => this.up(now, told.words),
      down: () => this.unmet(now),
      heard: () => this.heardSealed(now, say.parseSignal(told.text)),
      refused: () => this.refused(),
      suspicious: () => this.out("suspicious", { why: told.why }),
    };
    outputs[told.type]();
  }

  up(now, words) {
    // Told of a line that has been lost since: the channel hears of that next.
    if (this.line.kind !== "joined") return;
    this.words = words;
    this.farHere = true;
    this.met = true;
    this.wish.met();
    this.out("sealed", { words });
    this.call.handle(now, { type: "signallingUp" });
  }

  heardSealed(now, said) {
    if (said !== null && this.met) this.call.handle(now, { type: "far", said });
  }

  pair({ far, key, spent }) {
    this.pairing = { kind: "paired", far };
    this.makeCall();
    this.out("remember", { far, key, spent });
  }

  refused() {
    if (this.pairing.kind !== "accepting") return;
    this.pairing = { kind: "refused" };
    this.line.stop("idle");
    this.farHere = false;
    this.out("forgetKey");
  }

  // ── the gate ──

  setPaused(paused) {
    if (paused === this.paused || (!paused && this.line.kind === "taken")) return;
    this.paused = paused;
    this.out(paused ? "closeGate" : "openGate");
  }

  syncProps() {
    const { paused, muted, camera, equipped } = this;
    this.call.setProps({
      paused: `${paused}`,
      audiosend: `${!paused && !muted && equipped.audio}`,
      videosend: `${!paused && camera && equipped.video}`,
      holding: "false",
      behind: "0",
    });
  }

  // ── the call ──

  /** The glare of two offers is settled by who is the greater. */
  makeCall() {
    this.call = new Call(this.pairing.far === undefined || this.me > this.pairing.far);
    this.syncProps();
  }

  hangUp(now) {
    this.setPaused(true);
    this.syncProps();
    if (!this.call.isOver) this.call.handle(now, { type: "hangUp" });
    else if (this.wish.isLost) this.show("idle", "hung_up");
    this.wish.forget();
  }

  /** The first to unpause offers; so does whoever is unpaused, or was in a call, when the two meet. */
  beginIfWanted(now) {
    const ready = this.pairing.kind === "paired" && this.met && this.line.kind === "joined" && this.wish.mayTry;
    if (!ready || (this.paused && !this.wish.isWanted) || !this.call.isOver) return;
    this.call.handle(now, { type: "begin", sessid: this.newSession() });
  }

  drainCall(now) {
    for (let output = this.call.poll(); output; output = this.call.poll()) {
      const outputs = {
        signal: () => this.toChannel({ type: "say", text: JSON.stringify(output.signal) }),
        media: () => this.outputs.push(output),
        farProps: () => (this.farProps = output.props),
        phase: () => this.callChanged(now, output),
      };
      outputs[output.type]();
    }
  }

  callChanged(now, { phase, ending, why }) {
    const shown = this.wish.note(now, phase, ending);
    if (shown === "idle" || shown === "reconnecting") this.farProps = null;
    if (!this.wish.isWanted) this.setPaused(true);
    this.show(shown, ending, why);
  }

  show(phase, ending, why) {
    this.phase = phase;
    if (ending) this.out("ended", { reason: ending, why });
  }

  expire(now) {
    this.line.expire(now);
    if (this.pairing.kind === "waiting" && this.pairing.until <= now) {
      this.pairing = { kind: "expired" };
      this.toChannel({ type: "expired" });
      this.out("forgetKey");
    }
    if (this.look <= now) {
      this.look = Infinity;
      this.line.send(wire.peerList());
    }
    if (this.wish.expire(now)) {
      this.setPaused(true);
      this.show("idle", "far_closed");
    }
    this.call.handle(now, { type: "deadline" });
  }
}

/** The instance that registered as `uid` for `convo`; null if that is not how it reads. */
function instanceOf(uid, convo) {
  const instance = parseId(uid.split(":")[0]);
  return instance !== null && uid === uidOf(instance, convo) ? instance : null;
}
