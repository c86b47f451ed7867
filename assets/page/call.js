// One call within a conversation: Calling 3.0's states, messages and deadlines.
//
// Sans-IO, like the conversation that owns it; the native peer's `call.rs` is its twin, and both are run against
// `tests/vectors/call.json`. SETUP makes a call and UPDATE a new connection for it, by the server; PROPSYNC and HANGUP
// go on the data channel. A request that nothing answers is told again. Times are milliseconds.

import { handleFar, repeat } from "./call/far.js";
import { handleMedia } from "./call/media.js";
import {
  CONNECTION_LIMIT,
  HANGUP_LIMIT,
  LIFE_LIMIT_AFTER_LEAVING,
  PING_INTERVAL,
  SETUP_LIMIT,
  makeAttempt,
  phaseOf,
  timerOf,
} from "./call/state.js";
import * as say from "./negotiation.js";

/** Whoever wakes up this much later than it wanted to was asleep itself, and cannot judge the other side's silence. */
const OVERSLEPT = 2_000;

const IDLE = Object.freeze({ kind: "idle" });

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
      far: () => handleFar(this, now, input.said),
      media: () => handleMedia(this, now, input.connection, input.event),
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
    return timerOf(this.state)?.due ?? Infinity;
  }

  /** Whether there is no call, or one that is hung up and only waits for its connection to close. */
  get isOver() {
    return ["idle", "hangupSent", "terminating"].includes(this.state.kind);
  }

  /** What a person is told of it: idle, calling, connecting, connected, reconnecting, ending. */
  get phase() {
    return phaseOf(this.state);
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
    repeat(this, now);
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

  // ── time ──

  expire(now) {
    // Whatever fires moves on, so that nothing fires twice; a stale wake-up is harmless.
    for (let timer = timerOf(this.state); timer && timer.due <= now; timer = timerOf(this.state)) this.fire(now, timer.name);
  }

  fire(now, name) {
    const timers = {
      setup: () => this.giveUp("no_answer"),
      connection: () => this.giveUp("no_connection"),
      update: () => this.giveUpUpdate("far_gone"),
      repeat: () => repeat(this, now),
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
