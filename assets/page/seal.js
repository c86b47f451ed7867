// The channel: pairs two sides by a code, then makes a new sealed session whenever they meet.
//
// No clock, socket or storage: it takes `handle(now, input)`, and says what to do by calling `told(output)`. The native
// peer's `seal.rs` is its twin. WebCrypto answers later, so inputs wait for each other in a queue of the channel's own:
// whoever owns it may call `handle` at any time, also from within `told`, and need not await it. What comes of an input
// is told before the promise that `handle` gave for it is kept; `deadline()` is to be asked for again then. Times are
// milliseconds on any clock that does not jump.
//
// Inputs:
//   { type: "here", order }      the far side is in the room: it was there first (`begins`), or came (`waits`)
//   { type: "away" }             it left, or the line to the server is gone
//   { type: "frame", from, text } what the instance `from` sent
//   { type: "say", text }        something for the far side; dropped while there is no session
//   { type: "expired" }          the time of the code is over
//   { type: "deadline" }         `deadline()` has come
// Outputs:
//   { type: "send", to, text }   a frame for the instance `to`
//   { type: "learned", key }     the far side's key, while pairing; to be stored before what follows is sent
//   { type: "paired", far, key, spent } to be stored, and the code's key erased, before what follows is sent
//   { type: "up", words }        a session stands (also: a new one in the place of the old), with its safety words
//   { type: "down" }             it does not any more
//   { type: "heard", text }      what the far side said
//   { type: "refused" }          the code was used already
//   { type: "suspicious", why }  `forged` or `silent`; once each until the next `up`

import { fromBase64url, toBase64url } from "./base64url.js";
import * as frame from "./frame.js";
import { newSession } from "./ids.js";
import { Handshake, makeKeyPair } from "./noise.js";
import { isRefusal, refusal, spent } from "./pairing.js";
import { Session } from "./session.js";

/** How long an attempt may take before the next is made, in milliseconds; up to `JITTER` is added. */
export const ATTEMPT_LIMIT = 2_000;
/** The most that is added, so that two sides do not go on colliding. */
export const JITTER = 500;
/** The least time between two handshakes that one side begins. */
export const BEGIN_INTERVAL = 1_000;
/** How long the far side may be here without a session before that is suspicious. */
export const SILENCE_LIMIT = 5_000;
/** How many frames may wait to be looked at; what comes beyond that is dropped. */
const BACKLOG_LIMIT = 512;
/** How long frames of a session that was let go are late ones, and no sign that the two sides disagree. */
const LATE_LIMIT = 2_000;

export class Channel {
  /**
   * `me` is this side's instance, `convo` the conversation, `keys` this side's key pair (`keys.js`). `trust` is one of
   * `{ kind: "owner", code }` (shows a code; the key in it), `{ kind: "closed", spent }` (its code is over),
   * `{ kind: "reader", far, code, key }` (read a code; `key` is the owner's, if it is known already) and
   * `{ kind: "paired", far, key, spent }`; `spent` and the reader's `key` may be null. `random()` is in [0, 1).
   */
  constructor({ me, convo, keys, trust, told, random = Math.random, session = newSession, makeEphemeral = makeKeyPair }) {
    Object.assign(this, { me, convo, keys, trust, told, random, newSession: session, makeEphemeral });
    this.prologue = new TextEncoder().encode(`twocan 1\n${convo}`);
    this.here = false;
    /** What this side began, or answered last, and is not through yet: `{ id, pattern, handshake, at, … }`. */
    this.begun = null;
    this.answered = null;
    /** A session that the far side has yet to show it has: `{ session, at, first }`. */
    this.pending = null;
    this.session = null;
    /** What the far side still seals with until it has heard of `session`. */
    this.previous = null;
    /** The session that was let go last, and until when its frames are late ones: `{ id, until }`. */
    this.retired = null;
    this.lastBegun = -Infinity;
    this.beginAt = Infinity;
    this.silentAt = Infinity;
    this.suspected = new Set();
    this.queue = Promise.resolve();
    this.backlog = 0;
  }

  /** When a `deadline` input is due; Infinity if nothing is awaited. */
  deadline() {
    return Math.min(this.beginAt, this.silentAt);
  }

  /** Takes note of what happened, after all that was handed in before; keeps its promise when all is told. */
  handle(now, input) {
    if (input.type !== "frame") return this.enqueue(() => this.act(now, input));
    const read = frame.parseFrame(input.text);
    if (read === null || input.from === this.me || this.backlog >= BACKLOG_LIMIT) return this.queue;
    this.backlog++;
    return this.enqueue(() => {
      this.backlog--;
      return this.act(now, { ...input, frame: read });
    });
  }

  enqueue(job) {
    const done = this.queue.then(job);
    // One input that fails must not hold up those behind it.
    this.queue = done.catch(() => {});
    return done;
  }

  async act(now, input) {
    const inputs = {
      here: () => this.arrived(now, input.order),
      away: () => this.left(),
      frame: () => this.received(now, input.from, input.frame),
      say: () => this.say(now, input.text),
      expired: () => this.expired(),
      deadline: () => {},
    };
    await inputs[input.type]();
    this.noteSilence(now);
    if (this.beginAt <= now) await this.begin(now);
  }

  // ── presence ──

  arrived(now, order) {
    if (this.here || !this.seeks) return;
    this.here = true;
    this.awaitSession(now);
    if (order === "begins" || this.trust.kind === "reader") this.want(now);
  }

  left() {
    this.here = false;
    this.begun = this.answered = this.pending = this.previous = this.retired = null;
    this.beginAt = this.silentAt = Infinity;
    this.drop();
  }

  async expired() {
    if (this.trust.kind !== "owner") return;
    this.trust = { kind: "closed", spent: await spent(this.trust.code) };
    this.answered = null;
  }

  /** Whether there is a far side to meet. */
  get seeks() {
    return this.trust.kind === "reader" || this.trust.kind === "paired";
  }

  // ── beginning ──

  /** The far side is here and no session is up: from now on time counts. */
  awaitSession(now) {
    this.silentAt = now + SILENCE_LIMIT;
    this.retryLater(now);
  }

  retryLater(now) {
    this.beginAt = now + ATTEMPT_LIMIT + Math.floor(this.random() * JITTER);
  }

  /** Begins as soon as that is allowed again. */
  want(now) {
    this.beginAt = Math.min(this.beginAt, Math.max(now, this.lastBegun + BEGIN_INTERVAL));
  }

  isUnderWay(now) {
    return [this.begun, this.pending].some((attempt) => attempt !== null && now < attempt.at + ATTEMPT_LIMIT);
  }

  async begin(now) {
    const pattern = this.trust.kind === "reader" ? "XXpsk0" : "KK";
    const handshake = await this.handshake(pattern, "initiator");
    this.begun = { id: this.newSession(), pattern, handshake, at: now };
    this.lastBegun = now;
    if (this.session === null) this.retryLater(now);
    else this.beginAt = Infinity;
    await this.sendStep(this.trust.far, this.begun, 1);
  }

  handshake(pattern, role) {
    const { prologue, keys: own, makeEphemeral, trust } = this;
    const secret = pattern === "KK" ? { far: fromBase64url(trust.key) } : { psk: fromBase64url(trust.code) };
    return Handshake.begin({ pattern, role, prologue, own, makeEphemeral, ...secret });
  }

  /** Sends the next message of a handshake; false if the far side's keys do not allow for one. */
  async sendStep(to, { id, pattern, handshake }, step, payload) {
    const data = await handshake.write(payload);
    if (data !== null) this.send(to, frame.noise({ pattern, id, step, data }));
    return data !== null;
  }

  // ── frames ──

  async received(now, from, read) {
    const { kind, far } = this.trust;
    if (kind === "closed" || (kind === "paired" && from !== far)) return this.refuse(from, read);
    if (kind === "owner") return this.asked(now, from, read);
    if (from !== far || !this.seeks) return;
    if (!this.here && read.type !== "refused") {
      // Whoever speaks is here, whatever the server told of it, or did not.
      this.here = true;
      if (this.session === null) this.awaitSession(now);
    }
    if (read.type === "noise") return this.farShakes(now, read);
    if (read.type === "sealed") return this.farSeals(now, read);
    if (kind === "reader") return this.farRefuses(read.proof);
  }

  farShakes(now, read) {
    const { pattern, step } = read;
    if (step === 1) return pattern === "KK" ? this.answer(now, read) : this.askedAgain(now);
    const isAnswer = step === 2 && this.begun?.id === read.id && this.begun.pattern === pattern;
    if (isAnswer) return pattern === "KK" ? this.meet(now, read) : this.accept(now, read);
  }

  // ── pairing, the side that shows the code ──

  async asked(now, from, { type, pattern, step, id, data }) {
    if (type !== "noise" || pattern !== "XXpsk0") return;
    const attempt = this.answered;
    const isSame = attempt !== null && attempt.id === id && attempt.from === from;
    if (step === 1) return isSame && frame.sameBytes(attempt.first, data) ? undefined : this.ask(from, id, data);
    if (step === 3 && isSame) return this.pair(now, data);
  }

  async ask(from, id, data) {
    const handshake = await this.handshake("XXpsk0", "responder");
    const attempt = { id, pattern: "XXpsk0", handshake, from, first: data };
    if ((await handshake.read(data)) !== null && (await this.sendStep(from, attempt, 2))) this.answered = attempt;
  }

  async pair(now, data) {
    const { from, handshake } = this.answered;
    const payload = await handshake.read(data);
    if (payload === null) return this.suspect("forged");
    const attempt = this.answered;
    this.answered = null;
    if (!frame.accepts(payload, from, this.me)) return this.suspect("forged");
    const session = await Session.of(handshake, attempt);
    const { code } = this.trust;
    this.here = true;
    this.remember({ far: from, key: toBase64url(session.far), spent: await spent(code) });
    await this.sendSealed(session, session.greeting);
    this.rise(session);
  }

  /** The reader did not get the last word of the pairing: it is told by a handshake that needs no code. */
  askedAgain(now) {
    if (this.trust.kind === "paired" && !this.isUnderWay(now)) this.want(now);
  }

  async refuse(from, { type, pattern, step }) {
    if (type !== "noise" || pattern !== "XXpsk0" || step !== 1 || !this.trust.spent) return;
    this.send(from, frame.refused(await refusal(this.trust.spent, this.convo, from)));
  }

  // ── pairing, the side that read the code ──

  async accept(now, { data }) {
    const { begun, trust } = this;
    if ((await begun.handshake.read(data)) === null) return this.suspect("forged");
    this.begun = null;
    const key = toBase64url(begun.handshake.farKey);
    // It has shown another key before: whoever this is, it is not the same owner.
    if (trust.key && trust.key !== key) return this.suspect("forged");
    if (!trust.key) this.told({ type: "learned", key });
    this.trust = { ...trust, key };
    if (!(await this.sendStep(trust.far, begun, 3, frame.accept(this.me, trust.far)))) return;
    this.pending = { session: await Session.of(begun.handshake, begun), at: now };
    this.retryLater(now);
  }

  async farRefuses(proof) {
    if (!(await isRefusal(this.trust.code, this.convo, this.me, proof))) return;
    this.left();
    this.trust = { kind: "closed", spent: null };
    this.told({ type: "refused" });
  }

  /** From now on the other side's key is all that counts. */
  remember(pairing) {
    this.trust = { kind: "paired", ...pairing };
    this.told({ type: "paired", ...pairing });
  }

  // ── meeting ──

  async answer(now, { id, data }) {
    const { trust, begun, pending } = this;
    const isRepeat = this.session?.id === id || (pending?.first && frame.sameBytes(pending.first, data));
    if (isRepeat || !trust.key) return;
    const isGlare = begun?.pattern === "KK" && now < begun.at + ATTEMPT_LIMIT;
    if (isGlare && this.me > trust.far) return;
    const handshake = await this.handshake("KK", "responder");
    if ((await handshake.read(data)) === null) return this.suspect("forged");
    if (!(await this.sendStep(trust.far, { id, pattern: "KK", handshake }, 2))) return;
    if (begun?.pattern === "KK") this.begun = null;
    this.pending = { session: await Session.of(handshake, { id, pattern: "KK" }), at: now, first: data };
    if (this.session === null) this.retryLater(now);
    else this.beginAt = Infinity;
  }

  async meet(now, { data }) {
    const { begun } = this;
    if ((await begun.handshake.read(data)) === null) return this.suspect("forged");
    const session = await Session.of(begun.handshake, begun);
    this.previous = this.session;
    this.rise(session);
    await this.sendSealed(session, session.greeting);
  }

  // ── sealed frames ──

  async farSeals(now, read) {
    const session = [this.session, this.previous, this.pending?.session].find((session) => session?.id === read.id);
    if (session === undefined) return this.farDisagrees(now, read.id);
    const { text, forged, missing } = await session.open(read);
    if (forged) this.suspect("forged");
    else if (missing) this.broken(now, session);
    else if (session === this.pending?.session) this.confirm(now, session, text);
    else if (text !== undefined) this.hear(now, session, text);
  }

  /** The far side has a session that this one has not. */
  farDisagrees(now, id) {
    const isLate = this.retired?.id === id && now < this.retired.until;
    // Unless it is heard to have moved on until then, it has not.
    if (isLate) this.beginAt = Math.min(this.beginAt, this.retired.until);
    else if (!this.isUnderWay(now)) this.want(now);
  }

  /** What should be the far side's first words in a new session: only who holds the keys can say them now. */
  confirm(now, session, text) {
    if (text !== session.greeting) return this.broken(now, session);
    const { kind, far, key } = this.trust;
    if (kind === "reader") this.remember({ far, key, spent: null });
    if (this.session !== null) this.retire(now, this.session);
    this.rise(session);
  }

  hear(now, session, text) {
    if (session === this.session) {
      // The far side has moved on to this session too; what made this side doubt it is disproved.
      if (this.previous !== null) this.retire(now, this.previous);
      this.previous = null;
      this.beginAt = Infinity;
    } else {
      // Where handshakes crossed, each side may take the other's session for the old one, for ever.
      this.beginAt = Math.min(this.beginAt, now + LATE_LIMIT);
    }
    this.told({ type: "heard", text });
  }

  /** Something that the far side said in this session is missing, or is not what it should be. */
  broken(now, session) {
    this.retire(now, session);
    if (session === this.previous) return void (this.previous = null);
    if (session === this.session) {
      this.previous = null;
      this.drop();
      this.awaitSession(now);
    } else {
      this.pending = null;
    }
    if (!this.isUnderWay(now)) this.want(now);
  }

  retire(now, { id }) {
    this.retired = { id, until: now + LATE_LIMIT };
  }

  async say(now, text) {
    if (this.session === null) return;
    await this.sendSealed(this.session, text);
    if (this.session.isUsedUp) this.broken(now, this.session);
  }

  async sendSealed(session, text) {
    const sealed = await session.seal(text);
    if (sealed !== null) this.send(this.trust.far, sealed);
  }

  // ── the session ──

  rise(session) {
    this.session = session;
    this.begun = this.answered = this.pending = null;
    this.beginAt = this.silentAt = Infinity;
    this.suspected.clear();
    this.told({ type: "up", words: session.words });
  }

  drop() {
    if (this.session === null) return;
    this.session = null;
    this.told({ type: "down" });
  }

  noteSilence(now) {
    if (this.silentAt > now) return;
    this.silentAt = Infinity;
    this.suspect("silent");
  }

  suspect(why) {
    if (this.suspected.has(why)) return;
    this.suspected.add(why);
    this.told({ type: "suspicious", why });
  }

  send(to, text) {
    this.told({ type: "send", to, text });
  }
}
