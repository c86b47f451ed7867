// Two conversations, a server that knows one room, and media that connect at once, on virtual time.
//
// The sealed channel is a stand-in that needs no cryptography: it is up a while after both sides know of each other.

import assert from "node:assert/strict";

import { Conversation } from "../../assets/page/conversation.js";
import { uidOf } from "../../assets/page/ids.js";

export const CONVO = "aebagbafaydqqcikbmga2dqpca";
/** The two sides' instances; the second is the greater. */
export const INSTANCES = ["a".repeat(26), "e".repeat(26)];
export const STRANGER = "i".repeat(26);
export const WORDS = "babab dodod gugug lilil";
const SDP = "v=0\r\na=fingerprint:sha-256 AA\r\n";
const LATENCY = 10;
const DAY = 86_400_000;

export const waiting = (code = "code") => ({ kind: "waiting", until: DAY, code });
export const paired = (far, spent = null) => ({ kind: "paired", far, spent });
export const accepting = (far, code = "code") => ({ kind: "accepting", far, code });

const isSame = (one, other) => one.sessid === other.sessid && one.generation === other.generation;

/** What stands for the sealed channel of one side. */
class Channel {
  constructor(world, side, { kind, far, code, spent }) {
    Object.assign(this, { world, side, kind, far, code, spent, here: false, isUp: false });
  }

  get other() {
    return this.world.channels[1 - this.side];
  }

  tell(told) {
    this.world.tell(this.side, { type: "channel", told });
  }

  handle({ type, from, text }) {
    const inputs = {
      here: () => this.arrived(),
      away: () => this.left(),
      frame: () => from === this.far && this.isUp && this.tell({ type: "heard", text }),
      say: () => this.isUp && this.tell({ type: "send", to: this.far, text }),
      expired: () => (this.kind = "closed"),
    };
    inputs[type]();
  }

  arrived() {
    this.here = true;
    this.world.later(() => this.shakeHands());
  }

  left() {
    this.here = false;
    if (!this.isUp) return;
    this.isUp = false;
    this.tell({ type: "down" });
  }

  /** Who read the code pairs; the paired meet when each of them has the other in the room. */
  shakeHands() {
    const { other, world } = this;
    if (!this.here || this.isUp || !world.isOnLine(this.side) || !world.isOnLine(1 - this.side)) return;
    if (this.kind === "accepting") return this.read();
    const meets = this.kind === "paired" && other.kind === "paired";
    if (!meets || !other.here || this.far !== INSTANCES[other.side] || other.far !== INSTANCES[this.side]) return;
    for (const channel of [other, this]) channel.rise();
  }

  read() {
    const { other, side, code } = this;
    if (other.kind === "waiting" && other.code === code) {
      other.pair(INSTANCES[side], `${code} is spent`);
      other.here = true;
      this.world.later(() => this.accepted());
    } else if (other.kind === "paired" && other.far === INSTANCES[side]) {
      this.accepted();
    } else if (other.kind === "closed" || other.spent === `${code} is spent`) {
      this.tell({ type: "refused" });
    }
  }

  accepted() {
    if (this.other.kind !== "paired" || !this.here) return;
    this.pair(this.far, null);
    for (const channel of [this.other, this]) channel.rise();
  }

  pair(far, spent) {
    Object.assign(this, { kind: "paired", far, spent });
    this.tell({ type: "paired", far, key: `key of ${far}`, spent });
  }

  rise() {
    this.isUp = true;
    this.tell({ type: "up", words: WORDS });
  }
}

export class World {
  constructor(pairings, { alone = false } = {}) {
    this.now = 0;
    this.queue = [];
    this.order = 0;
    this.serverUp = true;
    /** Whether the server answers what it is told. */
    this.serverMute = false;
    /** Who is in the room. */
    this.room = new Set();
    this.sides = [null, null];
    this.channels = [null, null];
    /** Per side: everything it wanted done. */
    this.performed = [[], []];
    this.remembered = [null, null];
    this.gates = ["closed", "closed"];
    /** Per side: the connections its media have, the one that sends and plays first. */
    this.media = [[], []];
    this.sessions = 0;
    /** A side that what is said does not reach, and one whose media do not work. */
    this.deaf = null;
    this.broken = null;
    pairings.forEach((pairing, side) => this.begin(side, pairing, alone));
  }

  /** The page of a side, opened (again): what was there before is gone without a word. */
  begin(side, pairing, alone = true) {
    const session = () => `call${++this.sessions}`;
    const shared = { convo: CONVO, me: INSTANCES[side], camera: true, random: () => 0.5, session };
    this.media[side] = [];
    this.gates[side] = "closed";
    this.performed[side] = [];
    this.sides[side] = new Conversation({ ...shared, pairing, alone });
    this.channels[side] = new Channel(this, side, pairing);
  }

  /** Two that were paired long ago, both on the line. */
  static paired() {
    const world = new World([paired(INSTANCES[1]), paired(INSTANCES[0])]);
    for (const side of [0, 1]) world.tell(side, { type: "wake" });
    world.run(1000);
    assert.deepEqual(world.sides.map((side) => side.farHere), [true, true]);
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

  /** How far the call has got, as each person is told. */
  get phases() {
    return this.sides.map((side) => side.phase);
  }

  get lines() {
    return this.sides.map((side) => side.line.kind);
  }

  isOnLine(side) {
    return this.room.has(side);
  }

  /** What `side` was asked to do, by name, since the last call. */
  take(side) {
    return this.performed[side].splice(0);
  }

  endings(side) {
    return this.performed[side].filter((output) => output.type === "ended").map((output) => output.reason);
  }

  /** How often `side` was asked for `name`: a command to its media, or anything else. */
  count(side, name) {
    return this.performed[side].filter(({ type, command }) => name === (type === "media" ? command : type)).length;
  }

  tell(side, input) {
    const conversation = this.sides[side];
    conversation.handle(this.now, input);
    for (let output = conversation.poll(); output; output = conversation.poll()) this.perform(side, output);
  }

  later(act) {
    this.queue.push({ at: this.now + LATENCY, order: ++this.order, act });
  }

  /** Tells `side` something after a while, if its page is still the same by then. */
  input(side, input) {
    const conversation = this.sides[side];
    this.later(() => this.sides[side] === conversation && this.tell(side, input));
  }

  line(side, text) {
    this.input(side, { type: "line", text });
  }

  perform(side, output) {
    this.performed[side].push(output);
    const acts = {
      connect: () => this.input(side, { type: this.serverUp ? "socketOpen" : "socketClosed" }),
      disconnect: () => this.leave(side),
      send: () => this.later(() => this.serve(side, output.text)),
      channel: () => this.channels[side].handle(output.input),
      remember: () => (this.remembered[side] = output.far),
      openGate: () => (this.gates[side] = "open"),
      closeGate: () => (this.gates[side] = "closed"),
      media: () => this.connect(side, output),
    };
    acts[output.type]?.();
  }

  /** The media of `side` have something to tell of `connection`. */
  mediaTell(side, connection, event) {
    this.input(side, { type: "media", connection, event });
  }

  connect(side, { connection, command, text }) {
    const tell = (end, event) => this.mediaTell(end, connection, event);
    const has = (end) => this.media[end].some((other) => isSame(other, connection));
    const describe = (description) => {
      if (this.broken === side) return tell(side, { type: "failed", why: "no way" });
      this.media[side].push(connection);
      tell(side, { type: "described", description, sdp: SDP });
    };
    const commands = {
      offer: () => describe("offer"),
      answer: () => describe("answer"),
      takeAnswer: () => [0, 1].forEach((end) => tell(end, { type: "dataOpen" })),
      sendData: () => has(1 - side) && tell(1 - side, { type: "dataText", text }),
      close: () => (this.media[side] = this.media[side].filter((other) => !isSame(other, connection))),
    };
    commands[command]?.();
  }

  uid(side) {
    return uidOf(INSTANCES[side], CONVO);
  }

  serve(side, text) {
    if (!this.serverUp || this.serverMute) return;
    const [command, to] = text.split(" ");
    const others = [...this.room].filter((member) => member !== side);
    if (command === "HELLO") this.line(side, this.holder?.(side) ?? "HELLO");
    else if (command === "ROOM") this.enter(side, others);
    else if (command === "ROOM_PEER_LIST") this.line(side, `ROOM_PEER_LIST ${others.map((o) => this.uid(o)).join(" ")}`);
    else if (this.deaf !== 1 - side && others.some((other) => this.uid(other) === to)) {
      const rest = text.slice(command.length + to.length + 2);
      this.line(1 - side, `ROOM_PEER_MSG ${this.uid(side)} ${rest}`);
    }
  }

  enter(side, others) {
    this.line(side, `ROOM_OK ${others.map((other) => this.uid(other)).join(" ")}`);
    for (const other of others) this.line(other, `ROOM_PEER_JOINED ${this.uid(side)}`);
    this.room.add(side);
  }

  leave(side) {
    if (this.room.delete(side) && this.room.has(1 - side)) this.line(1 - side, `ROOM_PEER_LEFT ${this.uid(side)}`);
  }

  /** The page of a side is gone, and with it its line and its media; nobody says so but the server. */
  kill(side) {
    this.leave(side);
    this.begin(side, paired(INSTANCES[1 - side]));
  }

  setServer(up) {
    this.serverUp = up;
    if (up) return;
    this.room.clear();
    for (const side of [0, 1]) this.tell(side, { type: "socketClosed" });
  }

  run(span) {
    const end = this.now + span;
    for (let rounds = 0; ; rounds++) {
      assert.ok(rounds < 100_000, "time goes on");
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
