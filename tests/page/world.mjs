// Two sides, a server that knows one room, and media that connect at once, on virtual time.

import assert from "node:assert/strict";

import "./webcrypto.mjs";
import { Conversation } from "../../assets/page/conversation.js";
import { uidOf } from "../../assets/page/ids.js";

export const CONVO = "aebagbafaydqqcikbmga2dqpca";
/** The two sides' instances; the second is the greater. */
export const INSTANCES = ["a".repeat(26), "e".repeat(26)];
export const STRANGER = "i".repeat(26);
export const SDP = "v=0\r\na=fingerprint:sha-256 AA\r\n";
const LATENCY = 10;
const DAY = 86_400_000;

/** Proofs as the real ones, but made without cryptography: `key label from to`. */
const proof = (key, label, from, to) => [key, label, from, to].join(" ");

export const waiting = () => ({ kind: "waiting", until: DAY });
export const paired = (far) => ({ kind: "paired", far, reply: null });
export const accepting = (far, me, key = "key") => ({
  kind: "accepting",
  far,
  accept: proof(key, "accept", me, far),
  accepted: proof(key, "accepted", far, me),
});

export class World {
  constructor(pairings, { alone = false } = {}) {
    this.now = 0;
    this.queue = [];
    this.order = 0;
    this.serverUp = true;
    /** Whether the server answers what it is told. */
    this.serverMute = false;
    this.room = new Map();
    this.sides = pairings.map((pairing, side) => this.side(side, pairing, alone));
    this.performed = [[], []];
    this.remembered = [null, null];
    this.gates = ["closed", "closed"];
    /** Per side: the call that its media are in. */
    this.media = [null, null];
    this.sessions = 0;
  }

  side(side, pairing, alone) {
    const session = () => `call${++this.sessions}`;
    const shared = { convo: CONVO, me: INSTANCES[side], camera: true, random: () => 0.5, session };
    return new Conversation({ ...shared, pairing, alone });
  }

  /** Two that were paired long ago, both on the line. */
  static paired() {
    const world = new World([paired(INSTANCES[1]), paired(INSTANCES[0])]);
    world.tell(0, { type: "wake" });
    world.tell(1, { type: "wake" });
    world.run(1000);
    assert.deepEqual([world.sides[0].farHere, world.sides[1].farHere], [true, true]);
    return world;
  }

  /** The same in a call that the first side began. */
  static connected() {
    const world = World.paired();
    world.tell(0, { type: "unpause" });
    world.run(1000);
    assert.deepEqual(world.phases, ["connected", "connected"]);
    return world;
  }

  get phases() {
    return this.sides.map((side) => side.call.phase);
  }

  get lines() {
    return this.sides.map((side) => side.line.kind);
  }

  /** What `side` was asked to do, by name, since the last call. */
  take(side) {
    return this.performed[side].splice(0);
  }

  endings(side) {
    return this.performed[side].filter((output) => output.type === "ended").map((output) => output.reason);
  }

  count(side, type) {
    return this.performed[side].filter((output) => output.type === type).length;
  }

  tell(side, input) {
    this.sides[side].handle(this.now, input);
    for (let output = this.sides[side].poll(); output; output = this.sides[side].poll()) this.perform(side, output);
  }

  later(act) {
    this.queue.push({ at: this.now + LATENCY, order: ++this.order, act });
  }

  input(side, input) {
    this.later(() => this.tell(side, input));
  }

  line(side, text) {
    this.input(side, { type: "line", text });
  }

  told(side, sessid, told) {
    this.input(side, { type: "media", told: { sessid, ...told } });
  }

  perform(side, output) {
    this.performed[side].push(output);
    const { sessid, text } = output;
    const acts = {
      connect: () => this.input(side, { type: this.serverUp ? "socketOpen" : "socketClosed" }),
      disconnect: () => this.leave(side),
      send: () => this.later(() => this.serve(side, text)),
      check: () => this.check(side, output),
      remember: () => (this.remembered[side] = output.far),
      openGate: () => (this.gates[side] = "open"),
      closeGate: () => (this.gates[side] = "closed"),
      offer: () => this.describe(side, sessid, "offer"),
      answer: () => this.describe(side, sessid, "answer"),
      takeAnswer: () => [0, 1].forEach((end) => this.told(end, sessid, { type: "dataOpen" })),
      sendData: () => this.media[1 - side] === sessid && this.told(1 - side, sessid, { type: "dataText", text }),
      close: () => this.media[side] === sessid && (this.media[side] = null),
    };
    acts[output.type]?.();
  }

  describe(side, sessid, description) {
    this.media[side] = sessid;
    this.told(side, sessid, { type: "described", description, sdp: SDP });
  }

  check(side, { from, proof: theirs }) {
    const me = INSTANCES[side];
    const valid = theirs === proof("key", "accept", from, me);
    this.input(side, { type: "checked", from, valid, reply: proof("key", "accepted", me, from) });
  }

  uid(side) {
    return uidOf(INSTANCES[side], CONVO);
  }

  serve(side, text) {
    if (!this.serverUp || this.serverMute) return;
    const [command, to] = text.split(" ");
    const others = [...this.room.keys()].filter((member) => member !== side);
    if (command === "HELLO") this.line(side, this.holder?.(side) ?? "HELLO");
    else if (command === "ROOM") this.enter(side, others);
    else if (command === "ROOM_PEER_LIST") this.line(side, `ROOM_PEER_LIST ${others.map((o) => this.uid(o)).join(" ")}`);
    else if (others.some((other) => this.uid(other) === to)) {
      const rest = text.slice(command.length + to.length + 2);
      this.line(1 - side, `ROOM_PEER_MSG ${this.uid(side)} ${rest}`);
    }
  }

  enter(side, others) {
    this.line(side, `ROOM_OK ${others.map((other) => this.uid(other)).join(" ")}`);
    for (const other of others) this.line(other, `ROOM_PEER_JOINED ${this.uid(side)}`);
    this.room.set(side, true);
  }

  leave(side) {
    if (this.room.delete(side) && this.room.has(1 - side)) this.line(1 - side, `ROOM_PEER_LEFT ${this.uid(side)}`);
  }

  /** A side whose program is gone: nobody hears or runs it any more. */
  kill(side) {
    this.leave(side);
    this.media[side] = null;
    this.sides[side] = { handle() {}, poll() {}, deadline: () => Infinity, call: { phase: "dead" }, line: {} };
  }

  setServer(up) {
    this.serverUp = up;
    if (up) return;
    this.room.clear();
    for (const side of [0, 1]) this.tell(side, { type: "socketClosed" });
  }

  run(span) {
    const end = this.now + span;
    for (;;) {
      this.queue.sort((a, b) => a.at - b.at || a.order - b.order);
      const arrival = this.queue[0]?.at ?? Infinity;
      const deadline = Math.min(...this.sides.map((side) => side.deadline()));
      const next = Math.min(arrival, deadline);
      if (next > end) break;
      this.now = Math.max(this.now, next);
      if (arrival === next) this.queue.shift().act();
      else for (const side of [0, 1]) this.tell(side, { type: "deadline" });
    }
    this.now = end;
  }
}
