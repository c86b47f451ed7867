// One standing conversation: pairing, presence, pause, and its call.
//
// Sans-IO: no clock, socket, microphone or page. Whoever owns one feeds it inputs by `handle(now, input)`, drains
// `poll()` after each, and wakes it with a `deadline` input at `deadline()`. The native peer's `conversation.rs` is its
// twin. Times are milliseconds on any clock that does not jump.

import { Backoff } from "./backoff.js";
import { Call } from "./call.js";
import { newSession, parseId, uidOf } from "./ids.js";
import * as say from "./negotiation.js";
import { sameProof } from "./pairing.js";
import * as wire from "./rendezvous.js";

/** How long the server may take to let this side in, with room for its check of a half-dead holder. */
export const REGISTER_LIMIT = 15_000;
/** How long it may take to answer when asked whether it is still there. */
export const PROBE_LIMIT = 3_000;

export class Conversation {
  /**
   * `pairing` is `{ kind: "waiting", until }` (shows a code until then), `{ kind: "accepting", far, accept, accepted }`
   * (came by a link; the proof to send and the one to expect) or `{ kind: "paired", far, reply }` (the proof that made
   * it so, kept for a far side that did not get it; null where this side had none to send); later `expired` or `refused`. `alone`: nothing else in this browser has the conversation, so that a server which says its uid is
   * taken means a dead connection of this page. `random()` is in [0, 1).
   */
  constructor({ convo, me, pairing, alone, camera, random = Math.random, session = newSession }) {
    Object.assign(this, { convo, me, pairing, alone, camera, newSession: session });
    this.line = { kind: "idle" };
    this.backoff = new Backoff(random);
    this.farHere = false;
    this.farProps = null;
    this.paused = true;
    this.muted = false;
    /** Whether there are devices to send from, as far as is known. */
    this.equipped = { audio: true, video: true };
    this.outputs = [];
    this.makeCall();
  }

  /** The next thing to do, or undefined. */
  poll() {
    return this.outputs.shift();
  }

  /** When a `deadline` input is due; Infinity if nothing is awaited. */
  deadline() {
    const code = this.pairing.kind === "waiting" ? this.pairing.until : Infinity;
    return Math.min(this.line.until ?? Infinity, code, this.call.deadline());
  }

  /** Takes note of what happened; drain `poll()` afterwards. */
  handle(now, input) {
    const inputs = {
      wake: () => this.wake(now),
      socketOpen: () => this.socketOpen(now),
      socketClosed: () => this.socketClosed(now),
      line: () => this.heard(now, wire.parseServerLine(input.text)),
      checked: () => this.checked(input),
      unpause: () => this.setPaused(false),
      pause: () => this.setPaused(true),
      mute: () => (this.muted = input.on),
      camera: () => (this.camera = input.on),
      equipped: () => (this.equipped = { ...this.equipped, [input.kind]: input.on }),
      hangUp: () => this.hangUp(now),
      takeOver: () => this.takeOver(now),
      letGo: () => this.letGo(now),
      media: () => this.call.heard(now, input.told),
      deadline: () => this.expire(now),
    };
    inputs[input.type]();
    this.syncProps();
    this.drainCall();
    this.beginIfWanted(now);
    this.drainCall();
  }

  out(type, fields) {
    this.outputs.push({ ...fields, type });
  }

  // ── the line ──

  /** The page begins, is looked at again, or the network is back: the line is made, or asked whether it lives. */
  wake(now) {
    if (this.pairing.kind === "refused") return;
    if (this.line.kind === "idle" || this.line.kind === "offline") {
      this.connect(now);
    } else if (this.line.kind === "joined" && this.line.until === undefined) {
      this.line = { kind: "joined", until: now + PROBE_LIMIT };
      this.send(wire.peerList());
    }
  }

  connect(now) {
    this.line = { kind: "connecting", until: now + REGISTER_LIMIT };
    this.out("connect");
  }

  socketOpen(now) {
    if (this.line.kind !== "connecting") return;
    this.line = { kind: "registering", until: now + REGISTER_LIMIT };
    this.send(wire.hello(uidOf(this.me, this.convo)));
  }

  socketClosed(now) {
    if (["idle", "taken", "offline"].includes(this.line.kind)) return;
    this.line = { kind: "offline", until: this.backoff.next(now) };
    this.call.lineLost();
    this.farHere = false;
  }

  dropLine(now) {
    this.out("disconnect");
    this.socketClosed(now);
  }

  takeOver(now) {
    if (this.line.kind !== "taken") return;
    // Whoever held the uid is letting go, but its connection may outlive it for a moment.
    this.alone = true;
    this.backoff.reset();
    this.connect(now);
  }

  /** Another tab takes this conversation over, or the page is left. */
  letGo(now) {
    this.hangUp(now);
    this.drainCall();
    this.call.close();
    this.taken();
  }

  taken() {
    this.line = { kind: "taken" };
    this.farHere = false;
    this.out("disconnect");
  }

  heard(now, line) {
    if (line === null) return;
    // Whatever the server says, it is there.
    if (this.line.kind === "joined") this.line = { kind: "joined" };
    const lines = {
      hello: () => this.registered(now),
      room: () => this.joined(now, line.peers),
      peers: () => this.setFar(now, line.peers.includes(this.farUid)),
      joined: () => line.uid === this.farUid && this.setFar(now, true),
      left: () => line.uid === this.farUid && this.setFar(now, false),
      message: () => this.message(now, line.from, say.parseSignal(line.text)),
      error: () => this.refusedByServer(now, line.text),
    };
    lines[line.type]();
  }

  registered(now) {
    if (this.line.kind !== "registering") return;
    this.line = { kind: "joining", until: now + REGISTER_LIMIT };
    this.send(wire.room(this.convo));
  }

  joined(now, peers) {
    if (this.line.kind !== "joining") return;
    this.line = { kind: "joined" };
    this.alone = true;
    this.backoff.reset();
    this.setFar(now, peers.includes(this.farUid));
  }

  refusedByServer(now, text) {
    // In the room an error is about a message to somebody who has just left.
    if (this.line.kind !== "registering" && this.line.kind !== "joining") return;
    if (text === wire.UID_TAKEN && !this.alone) this.taken();
    else this.dropLine(now);
  }

  get farUid() {
    return this.pairing.far && uidOf(this.pairing.far, this.convo);
  }

  setFar(now, here) {
    if (this.line.kind !== "joined" || here === this.farHere) return;
    this.farHere = here;
    if (!here) this.call.farLeft(now);
    else if (this.pairing.kind === "accepting") this.tell(this.farUid, say.accept(this.pairing.accept));
  }

  // ── what is said through the server ──

  message(now, from, said) {
    if (this.line.kind !== "joined" || said === null) return;
    if (said.type === "accept") this.asked(from, said.proof);
    else if (from !== this.farUid) return;
    else if (said.type === "accepted") this.accepted(said.proof);
    else if (said.type === "refused") this.refused();
    else if (this.pairing.kind === "paired") this.call.far(now, said);
  }

  /** Somebody says that it read this side's code. */
  asked(from, proof) {
    const instance = instanceOf(from, this.convo);
    if (instance === null || instance === this.me) return;
    if (this.pairing.kind === "waiting") this.out("check", { from: instance, proof });
    else if (this.pairing.kind !== "paired" || from !== this.farUid) this.tell(from, say.refused());
    else if (this.pairing.reply) this.tell(from, say.accepted(this.pairing.reply));
  }

  /** The proof of `from` was looked at: `reply` is what to send back if it was right. */
  checked({ from, valid, reply }) {
    const uid = uidOf(from, this.convo);
    if (this.pairing.kind !== "waiting" || !valid) return this.tell(uid, say.refused());
    this.pair(from, reply);
    this.tell(uid, say.accepted(reply));
  }

  accepted(proof) {
    if (this.pairing.kind === "accepting" && sameProof(proof, this.pairing.accepted)) {
      this.pair(this.pairing.far, null);
    }
  }

  pair(far, reply) {
    this.pairing = { kind: "paired", far, reply };
    this.makeCall();
    this.out("remember", { far, reply });
    this.farHere = this.line.kind === "joined";
  }

  refused() {
    if (this.pairing.kind !== "accepting") return;
    this.pairing = { kind: "refused" };
    this.line = { kind: "idle" };
    this.farHere = false;
    this.out("disconnect");
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
    this.call.hangUp(now);
  }

  /** The first to unpause offers; so does whoever is unpaused already when the far side arrives. */
  beginIfWanted(now) {
    const ready = this.pairing.kind === "paired" && this.farHere && this.line.kind === "joined";
    if (ready && !this.paused && this.call.isOver) this.call.begin(now, this.newSession());
  }

  drainCall() {
    for (let output = this.call.poll(); output; output = this.call.poll()) {
      if (output.signal !== undefined) this.tell(this.farUid, output.signal);
      else if (output.media !== undefined) this.out(output.media, output);
      else if (output.farProps !== undefined) this.farProps = output.farProps;
      else this.ended(output);
      if (output.media === "close") this.farProps = null;
    }
  }

  ended({ ended, message }) {
    this.setPaused(true);
    this.out("ended", { reason: ended, message });
  }

  expire(now) {
    if (this.line.until <= now) {
      if (this.line.kind === "offline") this.connect(now);
      else this.dropLine(now);
    }
    if (this.pairing.kind === "waiting" && this.pairing.until <= now) {
      this.pairing = { kind: "expired" };
      this.out("forgetKey");
    }
    this.call.expire(now);
  }

  tell(uid, text) {
    if (this.line.kind === "joined") this.send(wire.peerMessage(uid, text));
  }

  send(text) {
    this.out("send", { text });
  }
}

/** The instance that registered as `uid` for `convo`; null if that is not how it reads. */
function instanceOf(uid, convo) {
  const instance = parseId(uid.split(":")[0]);
  return instance !== null && uid === uidOf(instance, convo) ? instance : null;
}
