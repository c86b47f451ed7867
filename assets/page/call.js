// One call within a conversation: Calling 3.0's states, messages and deadlines.
//
// Sans-IO, like the conversation that owns it; the native peer's `call.rs` is its twin, and both are run against
// `tests/vectors/call.json`. SETUP makes a call and UPDATE a new connection for it, by the server; PROPSYNC and HANGUP
// go on the data channel. A request that nothing answers is told again. Times are milliseconds.

import * as say from "./negotiation.js";

/** How long an offer may stay unanswered. */
export const SETUP_LIMIT = 60_000;
/** How long answering, and then connecting, may take; an UPDATE as a whole. */
export const CONNECTION_LIMIT = 10_000;
/** How long a hang-up waits for its answer. */
export const HANGUP_LIMIT = 5_000;
/** How long a side that was hung up on keeps the connection, so that its answer still gets through. */
export const CLOSE_DELAY = 250;
/** How often a request that has led to nothing is told again. */
export const REPEAT_INTERVAL = 2_000;
/** How often each side asks the other for a sign of life. */
export const PING_INTERVAL = 1_000;
/** How long silence on the data channel is borne: two lost pings are, and a dead side is missed in 3 s. */
export const LIFE_LIMIT = 2_800;
/** The same once the server says that the other side has left. */
export const LIFE_LIMIT_AFTER_LEAVING = 1_500;
/** Whoever wakes up this much later than it wanted to was asleep itself, and cannot judge the other side's silence. */
const OVERSLEPT = 2_000;
/** How many candidates of one connection are remembered, on either side. */
const CANDIDATES = 64;

/** The largest number that a connection can have. */
const LAST_GENERATION = 0xffffffff;

const IDLE = Object.freeze({ kind: "idle" });

/** What a person is told of each state. */
const PHASES = {
  pendingOutgoing: "calling",
  conflictResolution: "calling",
  pendingIncoming: "connecting",
  answered: "connecting",
  datachanEstablished: "connected",
  hangupSent: "ending",
};

/** States that wait for what is due first in this order, when it is due at the same moment. */
const TIMERS = ["setup", "connection", "update", "hangup", "close", "repeat", "ping", "life"];

export class Call {
  /** `precedence`: when both sides offer at once, whether this side's offer stands. */
  constructor(precedence) {
    this.precedence = precedence;
    this.props = {};
    /**
     * `{ kind }`, and as the kind demands: `attempt` (a connection in the making), `link` (the one that is up),
     * `connection` and `until` (one that waits to be closed).
     */
    this.state = IDLE;
    this.canSignal = false;
    /** Whether a new connection is wanted as soon as it can be told. */
    this.renewalDue = false;
    /** The latest connection of the call, on either side. */
    this.generation = 0;
    /** The call that broke off last: the far side may yet say that it was hung up. */
    this.brokenOff = null;
    /** The call that either side ended by a word to the other, `{ sessid, word }`: a late repeat of its offer begins nothing. */
    this.ended = null;
    this.outputs = [];
  }

  /** Takes note of what happened; drain `poll()` afterwards. */
  handle(now, { type, ...input }) {
    const inputs = {
      begin: () => this.begin(now, input.sessid),
      renew: () => this.renew(now),
      hangUp: () => this.hangUp(now),
      signallingUp: () => this.signallingUp(now),
      signallingDown: () => this.signallingDown(),
      farLeft: () => this.farLeft(now),
      far: () => this.far(now, input.said),
      media: () => this.media(now, input.connection, input.event),
      deadline: () => this.expire(now),
    };
    inputs[type]();
  }

  /**
   * The next thing to do, or undefined: `{ type: "signal", signal }` to the far side, by the server; `{ type: "media",
   * connection, command, … }`; `{ type: "phase", phase, ending, why }`; `{ type: "farProps", props }`.
   */
  poll() {
    return this.outputs.shift();
  }

  /** When a `deadline` input is due; Infinity if nothing is awaited. */
  deadline() {
    return this.timer()?.due ?? Infinity;
  }

  /** Whether there is no call, or one that is hung up and only waits for its connection to close. */
  get isOver() {
    return ["idle", "hangupSent", "terminating"].includes(this.state.kind);
  }

  /** What a person is told of it: idle, calling, connecting, connected, reconnecting, ending. */
  get phase() {
    const { kind, link } = this.state;
    if (kind === "updateSent" || kind === "updateRecv") return link.life ? "connected" : "reconnecting";
    return PHASES[kind] ?? "idle";
  }

  /** What this side tells of itself from now on; a connected far side is told at once if it is new. */
  setProps(props) {
    if (JSON.stringify(props) === JSON.stringify(this.props)) return;
    this.props = props;
    const { link } = this.state;
    if (link) this.data(link.connection, say.propsync(link.connection.sessid, false, props));
  }

  // ── what this side wants ──

  begin(now, sessid) {
    if (!this.isOver) return;
    this.disconnect();
    this.generation = 0;
    const attempt = makeAttempt(now, { sessid, generation: 0 }, "offers", SETUP_LIMIT);
    this.command(attempt.connection, "offer");
    this.enter({ kind: "pendingOutgoing", attempt });
  }

  /** Makes a new connection beside the one there is; one that is only being made is given up for another. */
  renew(now) {
    const { attempt, link } = this.state;
    if (attempt && !link) return this.giveUp("no_connection");
    if (!link) return;
    // Nothing is left of the call but what can be made anew when the two meet.
    if (!link.life && !this.canSignal) return this.end("far_gone");
    if (attempt) this.command(attempt.connection, "close");
    this.update(now);
  }

  /** Offers another connection, at once or as soon as it can be told. */
  update(now) {
    const { link } = this.state;
    this.renewalDue = !this.canSignal;
    if (this.renewalDue) return this.enter({ kind: "datachanEstablished", link });
    const connection = { sessid: link.connection.sessid, generation: ++this.generation };
    this.command(connection, "offer");
    this.enter({ kind: "updateSent", link, attempt: makeAttempt(now, connection, "offers", CONNECTION_LIMIT) });
  }

  hangUp(now) {
    const { attempt, link } = this.state;
    if (!link && !attempt) return;
    // With an update under way, either way may be gone, or about to go.
    if (attempt) this.tellEnd("cancel", attempt.connection.sessid);
    if (!link) return this.end("hung_up");
    if (attempt) this.command(attempt.connection, "close");
    const { connection } = link;
    this.data(connection, say.hangup(connection.sessid, false));
    this.enter({ kind: "hangupSent", connection, until: now + HANGUP_LIMIT });
  }

  // ── the way by the server ──

  signallingUp(now) {
    this.canSignal = true;
    this.repeat(now);
    if (this.renewalDue && this.state.kind === "datachanEstablished") this.update(now);
  }

  signallingDown() {
    this.canSignal = false;
    // Begun anew when the two meet again.
    if (["pendingOutgoing", "conflictResolution", "pendingIncoming"].includes(this.state.kind)) this.close();
  }

  farLeft(now) {
    const { attempt, link } = this.state;
    // Not up yet: begun anew when the far side is back, without a word.
    if (attempt && !link) this.close();
    // Its connection to the server may have died alone: ask the far side itself.
    if (!link?.life) return;
    link.life.ping = now;
    link.life.dead = Math.min(link.life.dead, now + LIFE_LIMIT_AFTER_LEAVING);
  }

  // ── what the far side says by the server ──

  far(now, said) {
    const { type, sessid, generation, resp, sdp, props } = said;
    if (type === "candidate") return this.farCandidate(said);
    if (type === "setup" || type === "update") {
      const connection = { sessid, generation };
      if (resp) return this.farAnswers(now, connection, sdp, props);
      const taken = type === "setup" ? this.farSetsUp(now, connection, sdp) : this.farUpdates(now, connection, sdp);
      if (taken) this.outputs.push({ type: "farProps", props });
    } else if (!resp) {
      this.farEnds(type, sessid);
    }
  }

  farEnds(word, sessid) {
    if (this.sessid === sessid) {
      this.ended = { sessid, word };
      if (this.isOver) this.close();
      else this.end(word === "cancel" ? "far_hung_up" : "far_failed");
    } else if (word === "cancel" && this.brokenOff === sessid) {
      // Its connection had closed before its word was here.
      this.brokenOff = null;
      if (this.state.kind === "idle") this.outputs.push({ type: "phase", phase: "idle", ending: "far_hung_up" });
    }
  }

  farCandidate({ sessid, generation, candidate, sdpMid, sdpMLineIndex }) {
    const connection = { sessid, generation };
    const found = { candidate, sdpMid, sdpMLineIndex };
    const { attempt } = this.state;
    if (attempt && isSame(attempt.connection, connection)) {
      const text = JSON.stringify(found);
      if (attempt.heard.length >= CANDIDATES || attempt.heard.includes(text)) return;
      attempt.heard.push(text);
    } else if (!isSame(this.connected, connection)) {
      return;
    }
    this.command(connection, "addCandidate", found);
  }

  /** Whether the offer was taken. */
  farSetsUp(now, connection, sdp) {
    const { kind, attempt } = this.state;
    if (connection.sessid === this.sessid) {
      // Told again: it may not have got the answer.
      this.repeatAnswer(connection);
      return false;
    }
    if (this.ended?.sessid === connection.sessid) {
      this.tellEnd(this.ended.word, connection.sessid);
      return false;
    }
    if (kind === "hangupSent") {
      // A call that a person ended here is not begun anew by a far side that has not heard of it yet.
      this.tellEnd("cancel", connection.sessid);
      return false;
    }
    // Both offered at once, and this side's stands.
    if (kind === "pendingOutgoing" && this.precedence) this.enter({ kind: "conflictResolution", attempt });
    if (this.state.kind === "conflictResolution") return false;
    // Theirs stands, or the far side begins anew: its page was reloaded, say.
    this.disconnect();
    this.generation = 0;
    this.command(connection, "answer", { sdp });
    this.enter({ kind: "pendingIncoming", attempt: makeAttempt(now, connection, "answers", CONNECTION_LIMIT) });
    return true;
  }

  /** Whether the offer was taken. */
  farUpdates(now, connection, sdp) {
    const { kind, attempt, link } = this.state;
    if (connection.sessid !== this.sessid) {
      this.tellEnd("reject", connection.sessid);
      return false;
    }
    // Behind the last number no other could follow.
    if (!link || link.connection.generation >= connection.generation || connection.generation === LAST_GENERATION) {
      return false;
    }
    if (kind === "updateRecv" && isSame(attempt.connection, connection)) {
      this.repeatAnswer(connection);
      return false;
    }
    // Whoever made the later one knew of the earlier, and has given it up.
    if (attempt && attempt.connection.generation > connection.generation) return false;
    // Both offered at once, and this side's stands.
    if (kind === "updateSent" && isSame(attempt.connection, connection) && this.precedence) return false;
    if (attempt) this.command(attempt.connection, "close");
    this.generation = Math.max(this.generation, connection.generation);
    this.command(connection, "answer", { sdp });
    this.enter({ kind: "updateRecv", link, attempt: makeAttempt(now, connection, "answers", CONNECTION_LIMIT) });
    return true;
  }

  farAnswers(now, connection, sdp, props) {
    const { kind, attempt } = this.state;
    const awaited = attempt?.role === "offers" && !attempt.isAnswered && isSame(attempt.connection, connection);
    if (!awaited) {
      // Who answers what is given up would wait in vain.
      if (connection.sessid !== this.sessid) this.tellEnd("reject", connection.sessid);
      return;
    }
    this.command(connection, "takeAnswer", { sdp });
    this.outputs.push({ type: "farProps", props });
    attempt.isAnswered = true;
    if (kind === "updateSent") return;
    attempt.until = now + CONNECTION_LIMIT;
    this.enter({ kind: "answered", attempt });
  }

  /** Tells the far side again what it has been told of the connection in the making. */
  repeat(now) {
    const { attempt } = this.state;
    if (!attempt) return;
    attempt.repeat = now + REPEAT_INTERVAL;
    this.tellDescription();
    for (const candidate of attempt.candidates) this.tell(say.candidate({ ...attempt.connection, ...candidate }));
  }

  repeatAnswer(connection) {
    const { attempt } = this.state;
    if (attempt?.role === "answers" && isSame(attempt.connection, connection)) this.repeat(attempt.repeat);
  }

  /** Tells the own description, once it is made. */
  tellDescription() {
    const { connection, role, sdp } = this.state.attempt;
    if (sdp === null) return;
    const { props } = this;
    const describe = connection.generation === 0 ? say.setup : say.update;
    this.tell(describe({ ...connection, resp: role === "answers", sdp, props }));
  }

  // ── what the media tell ──

  media(now, connection, event) {
    const { attempt } = this.state;
    const isNext = attempt !== undefined && isSame(attempt.connection, connection);
    // A connection that is closed has nothing more to tell.
    if (!isNext && !isSame(this.connected, connection)) return;
    switch (event.type) {
      case "described":
        return isNext && this.described(now, event);
      case "candidate":
        return this.found(connection, event, isNext);
      case "dataOpen":
        return isNext && this.dataOpen(now, connection);
      case "dataText":
        return this.dataText(now, connection, event.text);
      case "disconnected":
        // The way is in doubt: another one is tried before it is certain.
        return this.state.kind === "datachanEstablished" && this.update(now);
      case "closed":
        return this.broken(isNext, "far_closed");
      case "failed":
        return this.broken(isNext, "failed", event.why);
    }
  }

  described(now, { description, sdp }) {
    const { kind, attempt } = this.state;
    // Where both offered an update, what is answered has the name of this side's own that was dropped.
    if (description !== (attempt.role === "offers" ? "offer" : "answer")) return;
    attempt.sdp = sdp;
    this.tellDescription();
    if (kind !== "pendingIncoming") return;
    attempt.until = now + CONNECTION_LIMIT;
    this.enter({ kind: "answered", attempt });
  }

  found(connection, { candidate, sdpMid, sdpMLineIndex }, isNext) {
    const found = { candidate, sdpMid, sdpMLineIndex };
    if (isNext) {
      const { candidates } = this.state.attempt;
      if (candidates.length >= CANDIDATES) return;
      candidates.push(found);
    }
    this.tell(say.candidate({ ...connection, ...found }));
  }

  /** The connection in the making is up, and takes the place of the one before. */
  dataOpen(now, connection) {
    const { kind, link } = this.state;
    if (!["answered", "updateSent", "updateRecv"].includes(kind)) return;
    if (link) this.command(link.connection, "close");
    this.data(connection, say.propsync(connection.sessid, false, this.props));
    const life = { ping: now + PING_INTERVAL, dead: now + LIFE_LIMIT };
    this.enter({ kind: "datachanEstablished", link: { connection, life } });
  }

  dataText(now, connection, text) {
    const { link } = this.state;
    if (link?.life && isSame(link.connection, connection)) link.life.dead = now + LIFE_LIMIT;
    const said = say.parseData(text);
    if (said === null || said.type === "pong") return;
    if (said.type === "ping") this.data(connection, say.pong());
    else if (said.sessid !== connection.sessid) return;
    else if (said.type === "propsync") this.farTells(connection, said);
    else if (!said.resp) this.farHangsUp(now, connection);
    else if (this.state.kind === "hangupSent") this.close();
  }

  farTells(connection, { resp, props }) {
    if (!resp) this.data(connection, say.propsync(connection.sessid, true, this.props));
    this.outputs.push({ type: "farProps", props });
  }

  farHangsUp(now, connection) {
    const { kind, attempt } = this.state;
    if (kind === "terminating" || kind === "idle") return;
    this.data(connection, say.hangup(connection.sessid, true));
    for (const other of [attempt?.connection, this.connected]) {
      if (other && !isSame(other, connection)) this.command(other, "close");
    }
    const ending = kind === "hangupSent" ? "hung_up" : "far_hung_up";
    this.enter({ kind: "terminating", connection, until: now + CLOSE_DELAY }, ending);
  }

  broken(isNext, ending, why) {
    const { attempt, link } = this.state;
    if (attempt && link) {
      if (isNext) this.giveUpUpdate(ending, why);
      // Closed: the far side has changed over to the next connection already.
      else if (ending !== "far_closed") this.loseLink(ending, why);
    } else if (attempt) {
      this.giveUp(ending, why);
    } else {
      this.loseLink(ending, why);
    }
  }

  // ── time ──

  /** What is due next: `{ due, name }`. */
  timer() {
    const { kind, attempt, link, until } = this.state;
    const timers = [];
    const add = (due, name) => timers.push({ due, name });
    if (attempt) {
      const isOut = kind === "pendingOutgoing" || kind === "conflictResolution";
      add(attempt.until, link ? "update" : isOut ? "setup" : "connection");
      if (attempt.role === "offers") add(attempt.repeat, "repeat");
    }
    if (link?.life) {
      const { ping, dead } = link.life;
      // A far side that is silent for too long is not asked again.
      if (dead <= ping) add(dead, "life");
      else add(ping, "ping");
    }
    if (kind === "hangupSent") add(until, "hangup");
    if (kind === "terminating") add(until, "close");
    return timers.sort((a, b) => a.due - b.due || TIMERS.indexOf(a.name) - TIMERS.indexOf(b.name))[0];
  }

  expire(now) {
    // Whatever fires moves on, so that nothing fires twice; a stale wake-up is harmless.
    for (let timer = this.timer(); timer && timer.due <= now; timer = this.timer()) this.fire(now, timer.name);
  }

  fire(now, name) {
    const timers = {
      setup: () => this.giveUp("no_answer"),
      connection: () => this.giveUp("no_connection"),
      update: () => this.giveUpUpdate("far_gone"),
      repeat: () => this.repeat(now),
      ping: () => this.ping(now),
      life: () => this.silent(now),
      hangup: () => {
        // The data channel did not carry it.
        this.tellEnd("cancel", this.sessid);
        this.close();
      },
      close: () => this.close(),
    };
    timers[name]();
  }

  ping(now) {
    const { link } = this.state;
    link.life.ping = now + PING_INTERVAL;
    this.data(link.connection, say.ping());
  }

  /** The far side has said nothing for too long. */
  silent(now) {
    const { life } = this.state.link;
    if (now - life.dead <= OVERSLEPT) return this.loseLink("far_gone");
    // What it said meanwhile is still on its way in.
    life.dead = now + LIFE_LIMIT_AFTER_LEAVING;
    this.ping(now);
  }

  // ── endings ──

  /** The connection is of no use any more: the call waits for the next, if one is being made, or ends. */
  loseLink(ending, why) {
    const { kind, attempt, link } = this.state;
    if (attempt && link) this.enter({ kind, attempt, link: { ...link, life: null } });
    else this.end(ending, why);
  }

  /** The next connection came to nothing: the call stays with the one it has, if that still lives. */
  giveUpUpdate(ending, why) {
    const { attempt, link } = this.state;
    if (!link.life) return this.end(ending, why);
    this.command(attempt.connection, "close");
    this.enter({ kind: "datachanEstablished", link });
  }

  /** Ends a call that cannot go on; a far side that would otherwise wait for it is told. */
  giveUp(ending, why) {
    this.tellEnd("reject", this.sessid);
    this.end(ending, why);
  }

  end(ending, why) {
    const { sessid, isOver } = this;
    if (sessid === undefined) return;
    this.disconnect();
    this.brokenOff = !isOver && ["far_closed", "far_gone"].includes(ending) ? sessid : null;
    // Whatever closes a call that was being hung up: that it was hung up is why it is over.
    const isHungUp = this.state.kind === "hangupSent";
    this.enter(IDLE, isHungUp ? "hung_up" : ending, isHungUp ? undefined : why);
  }

  close() {
    this.end(null);
  }

  /** Lets go of the connections of the call so far, if there is one; another state follows. */
  disconnect() {
    this.renewalDue = false;
    // The next one first: nothing is handed over to it.
    for (const connection of [this.state.attempt?.connection, this.connected]) {
      if (connection) this.command(connection, "close");
    }
  }

  enter(state, ending = null, why) {
    const before = this.phase;
    this.state = state;
    if (this.phase !== before) this.outputs.push({ type: "phase", phase: this.phase, ending, why });
  }

  get sessid() {
    return (this.connected ?? this.state.attempt?.connection)?.sessid;
  }

  /** The connection that is up, or that waits to be closed. */
  get connected() {
    return this.state.link?.connection ?? this.state.connection;
  }

  /** Tells the far side by the server that a call is over: by `cancel` or `reject`. */
  tellEnd(word, sessid) {
    this.ended = { sessid, word };
    this.tell(say[word](sessid));
  }

  tell(signal) {
    this.outputs.push({ type: "signal", signal });
  }

  data(connection, said) {
    this.command(connection, "sendData", { text: JSON.stringify(said) });
  }

  command(connection, command, fields) {
    this.outputs.push({ ...fields, type: "media", connection, command });
  }
}

/** A connection in the making, and all that this side told of it: some of it may have to be told again. */
function makeAttempt(now, connection, role, limit) {
  const until = now + limit;
  return { connection, role, until, repeat: now + REPEAT_INTERVAL, sdp: null, candidates: [], heard: [] };
}

function isSame(one, other) {
  return one?.sessid === other.sessid && one?.generation === other.generation;
}
