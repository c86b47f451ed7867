// Who is in a room, and which connections are to be made: it decides, and touches neither socket nor media.
//
// Who comes offers to everybody who is there. A member's connection that is to be made anew takes the place of the old
// one only when it stands. Times are in milliseconds.

import { Backoff } from "./backoff.js";
import { parsePlain, plainCandidate, plainDescription } from "./negotiation.js";
import { UID_TAKEN, hello, parseServerLine, peerMessage, room as enter } from "./rendezvous.js";

/** How many talk with each other, this one included. */
export const ROOM_LIMIT = 8;
/** How long the connection to a member is kept that is said to have left: it may have lost its line only. */
const LEAVE_GRACE = 3_000;
/** The same after this side's own line was lost. */
const RETURN_GRACE = 15_000;
/** How long a connection may take to be made. */
const CONNECTION_LIMIT = 20_000;
/** How often one that failed is tried again, and after how long. */
const TRIES = 3;
const RETRY_AFTER = 1_000;
/** How long to wait for a place in a room that is full. */
const FULL_WAIT = 5_000;
/** Candidates that are kept for a description that has not come. */
const CANDIDATES = 64;
/** How often one member may have its connection made anew. */
const OFFERS = 32;

export class Roster {
  /** `told(output)` hears what is to be done: `connect`, `disconnect`, `send`, what a connection is to do, `changed`. */
  constructor({ uid, room, random = Math.random, told }) {
    Object.assign(this, { uid, room, told });
    /** `idle`, `connecting`, `registering`, `joining`, `joined`, `offline`, `full`, `refused`. */
    this.line = { kind: "idle" };
    /** By uid: `{ uid, up, next, early, tries, offers, isHere, goneAt, retryAt }`. */
    this.members = new Map();
    this.connections = 0;
    this.backoff = new Backoff(random);
  }

  handle(now, input) {
    const handlers = {
      start: () => this.connect(),
      opened: () => this.opened(),
      closed: () => this.closed(now),
      line: () => this.hear(now, parseServerLine(input.text)),
      media: () => this.media(now, input.id, input.event),
      deadline: () => this.expire(now),
    };
    handlers[input.type]();
    this.told({ type: "changed" });
  }

  /** When `deadline` is due. */
  deadline() {
    const due = [this.line.until];
    for (const { goneAt, retryAt, next } of this.members.values()) due.push(goneAt, retryAt, next?.until);
    return Math.min(...due.map((at) => at ?? Infinity));
  }

  /** How many are in the room, this one included. */
  get count() {
    return 1 + [...this.members.values()].filter(({ isHere }) => isHere).length;
  }

  // ── the line ──

  connect() {
    this.line = { kind: "connecting" };
    this.told({ type: "connect" });
  }

  opened() {
    this.line = { kind: "registering" };
    this.told({ type: "send", line: hello(this.uid) });
  }

  closed(now) {
    if (this.line.kind === "full" || this.line.kind === "refused") return;
    for (const member of this.members.values()) this.gone(now, member, RETURN_GRACE);
    this.line = { kind: "offline", until: this.backoff.next(now) };
  }

  hear(now, said) {
    const handlers = {
      hello: () => this.registered(),
      room: () => this.joined(now, said.peers),
      joined: () => this.arrived(said.uid),
      left: () => this.left(now, said.uid),
      message: () => this.said(now, said.from, parsePlain(said.text)),
      error: () => this.refused(now, said.text),
    };
    handlers[said?.type]?.();
  }

  registered() {
    if (this.line.kind !== "registering") return;
    this.line = { kind: "joining" };
    this.told({ type: "send", line: enter(this.room) });
  }

  joined(now, peers) {
    if (this.line.kind !== "joining") return;
    this.backoff.reset();
    const others = new Set(peers.filter((uid) => uid !== this.uid));
    if (others.size >= ROOM_LIMIT) return this.full(now);
    this.line = { kind: "joined" };
    for (const uid of others) this.offerTo(now, this.arrived(uid));
  }

  /** Leaves again, and asks later whether there is a place. */
  full(now) {
    this.line = { kind: "full", until: now + FULL_WAIT };
    this.told({ type: "disconnect" });
  }

  refused(now, text) {
    if (this.line.kind === "registering" && text === UID_TAKEN) {
      this.told({ type: "disconnect" });
      this.line = { kind: "offline", until: this.backoff.next(now) };
    } else if (this.line.kind === "registering" || this.line.kind === "joining") {
      this.line = { kind: "refused", text };
      this.told({ type: "disconnect" });
    }
  }

  // ── the members ──

  arrived(uid) {
    const member = this.members.get(uid) ?? { uid, up: null, next: null, early: [], tries: 0, offers: 0 };
    Object.assign(member, { isHere: true, goneAt: null, retryAt: null });
    this.members.set(uid, member);
    return member;
  }

  left(now, uid) {
    const member = this.members.get(uid);
    if (member) this.gone(now, member, LEAVE_GRACE);
  }

  gone(now, member, grace) {
    if (!member.isHere) return;
    Object.assign(member, { isHere: false, retryAt: null, early: [], tries: 0 });
    this.drop(member, "next");
    if (member.up) member.goneAt = now + grace;
    else this.members.delete(member.uid);
  }

  forget(member) {
    this.drop(member, "up");
    this.drop(member, "next");
    this.members.delete(member.uid);
  }

  said(now, from, message) {
    if (!message || this.line.kind !== "joined") return;
    // Who speaks is there, whatever was said of that.
    const isKnown = this.members.get(from)?.isHere;
    if (!isKnown && this.count >= ROOM_LIMIT) return;
    const member = this.arrived(from);
    if (message.type === "offer") this.answer(now, member, message.sdp);
    else if (message.type === "answer") this.takeAnswer(member, message.sdp);
    else this.candidate(member, message);
  }

  offerTo(now, member) {
    this.begin(now, member, { isOurs: true });
    this.told({ type: "offer", id: member.next.id, uid: member.uid });
  }

  /** Both may have offered, when both are newcomers to each other: the greater uid's offer stands. */
  answer(now, member, sdp) {
    const isGlare = member.next?.isOurs && !member.next.isDescribed;
    if ((isGlare && this.uid > member.uid) || ++member.offers > OFFERS) return;
    this.begin(now, member, { isOurs: false, isDescribed: true });
    this.told({ type: "answer", id: member.next.id, uid: member.uid, sdp });
    this.flush(member);
  }

  takeAnswer(member, sdp) {
    const { next } = member;
    if (!next?.isOurs || next.isDescribed) return;
    next.isDescribed = true;
    this.told({ type: "acceptAnswer", id: next.id, sdp });
    this.flush(member);
  }

  candidate(member, { candidate, sdpMid, sdpMLineIndex }) {
    const current = member.next ?? member.up;
    if (current?.isDescribed) this.told({ type: "addCandidate", id: current.id, candidate, sdpMid, sdpMLineIndex });
    else if (member.early.length < CANDIDATES) member.early.push({ candidate, sdpMid, sdpMLineIndex });
  }

  flush(member) {
    for (const early of member.early.splice(0)) this.told({ type: "addCandidate", id: member.next.id, ...early });
  }

  begin(now, member, fields) {
    this.drop(member, "next");
    member.retryAt = null;
    member.next = { id: ++this.connections, isDescribed: false, until: now + CONNECTION_LIMIT, ...fields };
  }

  drop(member, which) {
    if (member[which]) this.told({ type: "close", id: member[which].id, uid: member.uid });
    member[which] = null;
  }

  // ── what connections tell ──

  media(now, id, event) {
    const member = [...this.members.values()].find(({ up, next }) => up?.id === id || next?.id === id);
    if (!member) return;
    const handlers = {
      described: () => this.tell(member, plainDescription(event.description, event.sdp)),
      candidate: () => this.tell(member, plainCandidate(event.candidate, event.sdpMid, event.sdpMLineIndex)),
      connected: () => this.connected(member, id),
      failed: () => this.failed(now, member, id),
    };
    handlers[event.type]?.();
  }

  tell({ uid }, text) {
    this.told({ type: "send", line: peerMessage(uid, text) });
  }

  connected(member, id) {
    if (member.next?.id !== id) return;
    this.drop(member, "up");
    Object.assign(member, { up: member.next, next: null, tries: 0 });
    this.told({ type: "use", id, uid: member.uid });
  }

  /** Whoever offered tries again, a few times. */
  failed(now, member, id) {
    const which = member.next?.id === id ? "next" : "up";
    const { isOurs } = member[which];
    this.drop(member, which);
    if (isOurs && !member.next && member.isHere && member.tries < TRIES) {
      member.tries++;
      member.retryAt = now + RETRY_AFTER * member.tries;
    }
  }

  expire(now) {
    const isDue = (at) => at !== null && at !== undefined && at <= now;
    if (isDue(this.line.until)) this.connect();
    for (const member of [...this.members.values()]) {
      if (isDue(member.goneAt)) this.forget(member);
      else if (isDue(member.next?.until)) this.failed(now, member, member.next.id);
      else if (isDue(member.retryAt)) this.offerTo(now, member);
    }
  }
}
