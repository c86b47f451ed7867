// Who is in a room, and which connections are to be made: it decides, and touches neither socket nor media.
//
// Who comes offers to everybody who is there. A member's connection that is to be made anew takes the place of the old
// one only when it stands. Connections that stand go on without the server. The native peer's `room.rs` is its twin.
// Times are in milliseconds.

import { isGreater } from "./ids.js";
import { Line } from "./line.js";
import { parsePlain, plainCandidate, plainDescription } from "./negotiation.js";
import { UID_TAKEN, parseServerLine, peerMessage } from "./rendezvous.js";

/** How many talk with each other, this one included. */
export const ROOM_LIMIT = 8;
/** How many members are kept account of; a server that names more is not believed. */
export const MEMBERS_KNOWN = 64;
/** How long the connection to a member is kept that is said to have left: it may have lost its line only. */
const LEAVE_GRACE = 3_000;
/** The same for who is not there when this side's own line is back, as theirs may have been lost too. */
const RETURN_GRACE = 15_000;
/** How long an answer is waited for, and then a connection. */
const ANSWER_LIMIT = 60_000;
const CONNECTION_LIMIT = 20_000;
/** How often in a row a connection that came to nothing is tried again: at first after so long, then twice as long. */
const TRIES = 6;
const RETRY_AFTER = 1_000;
/** Candidates that one connection takes, and that are kept for one that is still to come. */
const CANDIDATES = 64;
/** Offers that a member may make without a connection coming of it. */
const OFFERS = 16;
/** How long the server may say nothing before it is asked whether it lives. */
const SILENCE_LIMIT = 25_000;
/** The longest complaint of a server that is shown, in letters. */
const COMPLAINT_SHOWN = 200;
/** Why the server ends the line of who came back by the same secret elsewhere. */
const TAKEN_OVER = "taken over";

export class Roster {
  /**
   * `told(output)` hears what is to be done: `connect`, `disconnect`, `send`, what a connection is to do, `stopped`,
   * `changed`.
   * `number()` draws another uid when this one is taken.
   */
  constructor({ uid, room, random = Math.random, number = () => uid, told }) {
    Object.assign(this, { random, number, told });
    this.line = new Line({
      ...{ uid, room, random, silence: SILENCE_LIMIT },
      out: (type, fields) => told({ type, ...fields }),
      joined: (now, peers) => this.joined(now, peers),
      lost: () => this.lost(),
    });
    /** By uid: `{ uid, up, next, early, tries, offers, isAhead, isDue, isTooMany, isHere, goneAt, retryAt }`. */
    this.members = new Map();
    /** Whether this side is one too many, and waits for a place. */
    this.isFull = false;
    /** Why the server did not let this side in last. */
    this.complaint = null;
    this.connections = 0;
  }

  handle(now, input) {
    const handlers = {
      start: () => this.line.wake(now),
      networkChanged: () => this.line.isWanted && this.line.renew(now),
      opened: () => this.line.opened(now),
      closed: () => this.closed(now, input.reason),
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

  get uid() {
    return this.line.uid;
  }

  /** How many talk with each other here, and how many wait for a place. */
  get counts() {
    const here = [...this.members.values()].filter(({ isHere }) => isHere);
    const waiting = here.filter(({ isTooMany }) => isTooMany).length + this.isFull;
    return { talking: 1 + here.length - waiting, waiting };
  }

  // ── the line ──

  /** Another tab or window that has this one's secret is in the room in its place. */
  closed(now, reason) {
    if (reason !== TAKEN_OVER) return this.line.closed(now, reason);
    this.line.stop("taken");
    this.told({ type: "stopped" });
    for (const member of [...this.members.values()]) this.forget(member);
  }

  lost() {
    for (const member of this.members.values()) this.endTries(member);
  }

  hear(now, said) {
    if (!said) return;
    this.line.hear(now, said);
    if (said.type === "error") this.refused(now, said.text);
    if (this.line.kind !== "joined") return;
    const handlers = {
      joined: () => this.arrived(said.uid),
      left: () => this.left(now, said.uid),
      message: () => this.said(now, said.from, parsePlain(said.text)),
    };
    handlers[said.type]?.();
  }

  /** In the room an error only says that somebody has just left it. */
  refused(now, text) {
    if (this.line.kind !== "registering" && this.line.kind !== "joining") return;
    if (this.line.kind === "registering" && text === UID_TAKEN) this.line.uid = this.number();
    else this.complaint = text.replace(/\p{C}+/gu, " ").slice(0, COMPLAINT_SHOWN);
    this.line.drop(now);
  }

  /** Every one of `peers` was there before; of the others nobody knows. */
  joined(now, peers) {
    this.complaint = null;
    const there = new Set(peers.filter((uid) => uid !== this.uid).slice(0, MEMBERS_KNOWN));
    for (const member of [...this.members.values()]) if (!there.has(member.uid)) this.gone(now, member, RETURN_GRACE);
    for (const uid of there) this.meet(uid, true);
    this.makeWay(now);
  }

  // ── the members ──

  meet(uid, isAhead) {
    const member = this.members.get(uid) ?? { uid, up: null, next: null };
    this.members.set(uid, member);
    this.endTries(member);
    const fresh = { isHere: true, goneAt: null, isTooMany: false, tries: 0, offers: 0 };
    return Object.assign(member, fresh, { isAhead, isDue: isAhead });
  }

  arrived(uid) {
    if (uid === this.uid || (this.members.size >= MEMBERS_KNOWN && !this.members.has(uid))) return;
    const others = [...this.members.values()].filter((other) => other.uid !== uid && hasPlace(other)).length;
    const isTooMany = this.isFull || others >= ROOM_LIMIT - 1;
    Object.assign(this.meet(uid, false), { isTooMany });
  }

  left(now, uid) {
    const member = this.members.get(uid);
    if (!member) return;
    this.gone(now, member, LEAVE_GRACE);
    this.makeWay(now);
  }

  /** Offers to those who were there before, as soon as this side is not one too many. */
  makeWay(now) {
    const ahead = [...this.members.values()].filter(({ isAhead, isHere }) => isAhead && isHere);
    this.isFull = ahead.length >= ROOM_LIMIT;
    if (this.isFull) return;
    for (const member of ahead) if (member.isDue) this.offerTo(now, member);
  }

  /** What has not come about will not: what is said no longer arrives. */
  endTries(member) {
    Object.assign(member, { retryAt: null, early: [] });
    this.drop(member, "next");
  }

  gone(now, member, grace) {
    this.endTries(member);
    Object.assign(member, { isHere: false, goneAt: member.goneAt ?? now + grace });
    if (!member.up) this.members.delete(member.uid);
  }

  forget(member) {
    this.drop(member, "up");
    this.drop(member, "next");
    this.members.delete(member.uid);
  }

  said(now, from, message) {
    const member = this.members.get(from);
    if (!message || !member?.isHere) return;
    if (message.type === "offer") this.answer(now, member, message.sdp);
    else if (message.type === "answer") this.takeAnswer(now, member, message.sdp);
    else this.candidate(member, message);
  }

  offerTo(now, member) {
    member.isDue = false;
    member.early = [];
    this.begin(member, { isOurs: true, isDescribed: false, until: now + ANSWER_LIMIT });
    this.told({ type: "offer", id: member.next.id, uid: member.uid });
  }

  answer(now, member, sdp) {
    const taken = [...this.members.values()].filter((other) => isOn(other) && other.isHere).length;
    const hasRoom = !this.isFull && taken < ROOM_LIMIT - 1;
    if (!hasRoom && !isOn(member)) {
      member.isTooMany ||= !this.isFull;
      return;
    }
    // Both have offered: the greater uid's stands.
    const isGlare = member.next?.isOurs && !member.next.isDescribed;
    if ((isGlare && isGreater(this.uid, member.uid)) || ++member.offers > OFFERS) return;
    member.isTooMany = false;
    this.begin(member, { isOurs: false, isDescribed: true, until: now + CONNECTION_LIMIT });
    this.told({ type: "answer", id: member.next.id, uid: member.uid, sdp });
    this.flush(member);
  }

  takeAnswer(now, member, sdp) {
    const { next } = member;
    if (!next?.isOurs || next.isDescribed) return;
    Object.assign(next, { isDescribed: true, until: now + CONNECTION_LIMIT });
    this.told({ type: "acceptAnswer", id: next.id, sdp });
    this.flush(member);
  }

  /** It may be of a description that is still to come, even where a connection stands. */
  candidate(member, { candidate, sdpMid, sdpMLineIndex }) {
    const found = { candidate, sdpMid, sdpMLineIndex };
    const current = member.next ?? member.up;
    if (current?.isDescribed) this.addCandidate(current, found);
    if (!member.next?.isDescribed && member.early.length < CANDIDATES) member.early.push(found);
  }

  flush(member) {
    for (const early of member.early.splice(0)) this.addCandidate(member.next, early);
  }

  addCandidate(connection, found) {
    if (++connection.candidates <= CANDIDATES) this.told({ type: "addCandidate", id: connection.id, ...found });
  }

  begin(member, fields) {
    this.drop(member, "next");
    member.retryAt = null;
    member.next = { id: ++this.connections, candidates: 0, ...fields };
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
    if (this.line.kind === "joined") this.line.send(peerMessage(uid, text));
  }

  connected(member, id) {
    if (member.next?.id !== id) return;
    this.drop(member, "up");
    Object.assign(member, { up: { ...member.next, until: null }, next: null, early: [], tries: 0, offers: 0 });
    this.told({ type: "use", id, uid: member.uid });
  }

  /** Who came later of the two tries again. */
  failed(now, member, id) {
    this.drop(member, member.next?.id === id ? "next" : "up");
    if (!member.isHere && !member.up) this.members.delete(member.uid);
    // Without a line there is nobody to offer to; once it is back, everybody is offered to.
    if (this.line.kind !== "joined" || !member.isHere || !member.isAhead) return;
    if (isOn(member) || member.tries >= TRIES) return;
    member.retryAt = now + RETRY_AFTER * 2 ** member.tries++ * (0.75 + 0.5 * this.random());
  }

  expire(now) {
    const isDue = (at) => at !== null && at !== undefined && at <= now;
    this.line.expire(now);
    for (const member of [...this.members.values()]) {
      if (isDue(member.goneAt)) this.forget(member);
      else if (isDue(member.next?.until)) this.failed(now, member, member.next.id);
      else if (isDue(member.retryAt)) this.offerTo(now, member);
    }
  }
}

/** Whether there is a connection, or one in the making. */
export const isOn = ({ up, next }) => up !== null || next !== null;

/** Whether it has a place in the room, as far as this side is concerned. */
const hasPlace = (member) => member.isHere && (isOn(member) || !member.isTooMany);
