// What the far side says of a call by the server.

import * as say from "../negotiation.js";
import { CANDIDATES, CONNECTION_LIMIT, LAST_GENERATION, REPEAT_INTERVAL, isSame, makeAttempt } from "./state.js";

export function handleFar(call, now, said) {
  const { type, sessid, generation, resp, sdp, props } = said;
  if (type === "candidate") return farCandidate(call, said);
  if (type === "setup" || type === "update") {
    const connection = { sessid, generation };
    if (resp) return farAnswers(call, now, connection, sdp, props);
    const taken = type === "setup" ? farSetsUp(call, now, connection, sdp) : farUpdates(call, now, connection, sdp);
    if (taken) call.outputs.push({ type: "farProps", props });
  } else if (!resp) {
    farEnds(call, type, sessid);
  }
}

function farEnds(call, word, sessid) {
  if (call.sessid === sessid) {
    call.ended = { sessid, word };
    if (call.isOver) call.close();
    else call.end(word === "cancel" ? "far_hung_up" : "far_failed");
  } else if (word === "cancel" && call.brokenOff === sessid) {
    // Its connection had closed before its word was here.
    call.brokenOff = null;
    if (call.state.kind === "idle") call.outputs.push({ type: "phase", phase: "idle", ending: "far_hung_up" });
  }
}

function farCandidate(call, { sessid, generation, candidate, sdpMid, sdpMLineIndex }) {
  const connection = { sessid, generation };
  const found = { candidate, sdpMid, sdpMLineIndex };
  const { attempt } = call.state;
  if (attempt && isSame(attempt.connection, connection)) {
    const text = JSON.stringify(found);
    if (attempt.heard.length >= CANDIDATES || attempt.heard.includes(text)) return;
    attempt.heard.push(text);
  } else if (!isSame(call.connected, connection)) {
    return;
  }
  call.command(connection, "addCandidate", found);
}

/** Whether the offer was taken. */
function farSetsUp(call, now, connection, sdp) {
  const { kind, attempt } = call.state;
  if (connection.sessid === call.sessid) {
    // Told again: it may not have got the answer.
    repeatAnswer(call, connection);
    return false;
  }
  if (call.ended?.sessid === connection.sessid) {
    call.tellEnd(call.ended.word, connection.sessid);
    return false;
  }
  if (kind === "hangupSent") {
    // A call that a person ended here is not begun anew by a far side that has not heard of it yet.
    call.tellEnd("cancel", connection.sessid);
    return false;
  }
  // Both offered at once, and this side's stands.
  if (kind === "pendingOutgoing" && call.precedence) call.enter({ kind: "conflictResolution", attempt });
  if (call.state.kind === "conflictResolution") return false;
  // Theirs stands, or the far side begins anew: its page was reloaded, say.
  call.disconnect();
  call.generation = 0;
  call.command(connection, "answer", { sdp });
  call.enter({ kind: "pendingIncoming", attempt: makeAttempt(now, connection, "answers", CONNECTION_LIMIT) });
  return true;
}

/** Whether the offer was taken. */
function farUpdates(call, now, connection, sdp) {
  const { kind, attempt, link } = call.state;
  if (connection.sessid !== call.sessid) {
    call.tellEnd("reject", connection.sessid);
    return false;
  }
  // Behind the last number no other could follow.
  if (!link || link.connection.generation >= connection.generation || connection.generation === LAST_GENERATION) {
    return false;
  }
  if (kind === "updateRecv" && isSame(attempt.connection, connection)) {
    repeatAnswer(call, connection);
    return false;
  }
  // Whoever made the later one knew of the earlier, and has given it up.
  if (attempt && attempt.connection.generation > connection.generation) return false;
  // Both offered at once, and this side's stands.
  if (kind === "updateSent" && isSame(attempt.connection, connection) && call.precedence) return false;
  if (attempt) call.command(attempt.connection, "close");
  call.generation = Math.max(call.generation, connection.generation);
  call.command(connection, "answer", { sdp });
  call.enter({ kind: "updateRecv", link, attempt: makeAttempt(now, connection, "answers", CONNECTION_LIMIT) });
  return true;
}

function farAnswers(call, now, connection, sdp, props) {
  const { kind, attempt } = call.state;
  const awaited = attempt?.role === "offers" && !attempt.isAnswered && isSame(attempt.connection, connection);
  if (!awaited) {
    // Who answers what is given up would wait in vain.
    if (connection.sessid !== call.sessid) call.tellEnd("reject", connection.sessid);
    return;
  }
  call.command(connection, "takeAnswer", { sdp });
  call.outputs.push({ type: "farProps", props });
  attempt.isAnswered = true;
  if (kind === "updateSent") return;
  attempt.until = now + CONNECTION_LIMIT;
  call.enter({ kind: "answered", attempt });
}

/** Tells the far side again what it has been told of the connection in the making. */
export function repeat(call, now) {
  const { attempt } = call.state;
  if (!attempt) return;
  attempt.repeat = now + REPEAT_INTERVAL;
  tellDescription(call);
  for (const candidate of attempt.candidates) call.tell(say.candidate({ ...attempt.connection, ...candidate }));
}

function repeatAnswer(call, connection) {
  const { attempt } = call.state;
  if (attempt?.role === "answers" && isSame(attempt.connection, connection)) repeat(call, attempt.repeat);
}

/** Tells the own description, once it is made. */
export function tellDescription(call) {
  const { connection, role, sdp } = call.state.attempt;
  if (sdp === null) return;
  const { props } = call;
  const describe = connection.generation === 0 ? say.setup : say.update;
  call.tell(describe({ ...connection, resp: role === "answers", sdp, props }));
}
