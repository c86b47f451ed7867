// The states of a call, and when each is over. Times are milliseconds.

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
/** How many candidates of one connection are remembered, on either side. */
export const CANDIDATES = 64;
/** The largest number that a connection can have. */
export const LAST_GENERATION = 0xffffffff;

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

/** What a person is told of a state: idle, calling, connecting, connected, reconnecting, ending. */
export function phaseOf({ kind, link }) {
  if (kind === "updateSent" || kind === "updateRecv") return link.life ? "connected" : "reconnecting";
  return PHASES[kind] ?? "idle";
}

/** What is due next in a state: `{ due, name }`; undefined if nothing is. */
export function timerOf({ kind, attempt, link, until }) {
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

/** A connection in the making, and all that this side told of it: some of it may have to be told again. */
export function makeAttempt(now, connection, role, limit) {
  const until = now + limit;
  return { connection, role, until, repeat: now + REPEAT_INTERVAL, sdp: null, candidates: [], heard: [] };
}

/** Whether two connections are the same. */
export function isSame(one, other) {
  return one?.sessid === other.sessid && one?.generation === other.generation;
}
