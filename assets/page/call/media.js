// What the media tell a call: what to say of its connections, and what the far side says on them.

import * as say from "../negotiation.js";
import { tellDescription } from "./far.js";
import { CANDIDATES, CLOSE_DELAY, CONNECTION_LIMIT, LIFE_LIMIT, PING_INTERVAL, isSame } from "./state.js";

export function handleMedia(call, now, connection, event) {
  const { attempt } = call.state;
  const isNext = attempt !== undefined && isSame(attempt.connection, connection);
  // A connection that is closed has nothing more to tell.
  if (!isNext && !isSame(call.connected, connection)) return;
  switch (event.type) {
    case "described":
      return isNext && described(call, now, event);
    case "candidate":
      return found(call, connection, event, isNext);
    case "dataOpen":
      return isNext && dataOpen(call, now, connection);
    case "dataText":
      return dataText(call, now, connection, event.text);
    case "disconnected":
      // The way is in doubt: another one is tried before it is certain.
      return call.state.kind === "datachanEstablished" && call.update(now);
    case "closed":
      return broken(call, isNext, "far_closed");
    case "failed":
      return broken(call, isNext, "failed", event.why);
  }
}

function described(call, now, { description, sdp }) {
  const { kind, attempt } = call.state;
  // Where both offered an update, what is answered has the name of this side's own that was dropped.
  if (description !== (attempt.role === "offers" ? "offer" : "answer")) return;
  attempt.sdp = sdp;
  tellDescription(call);
  if (kind !== "pendingIncoming") return;
  attempt.until = now + CONNECTION_LIMIT;
  call.enter({ kind: "answered", attempt });
}

function found(call, connection, { candidate, sdpMid, sdpMLineIndex }, isNext) {
  const found = { candidate, sdpMid, sdpMLineIndex };
  if (isNext) {
    const { candidates } = call.state.attempt;
    if (candidates.length >= CANDIDATES) return;
    candidates.push(found);
  }
  call.tell(say.candidate({ ...connection, ...found }));
}

/** The connection in the making is up, and takes the place of the one before. */
function dataOpen(call, now, connection) {
  const { kind, link } = call.state;
  if (!["answered", "updateSent", "updateRecv"].includes(kind)) return;
  if (link) call.command(link.connection, "close");
  call.data(connection, say.propsync(connection.sessid, false, call.props));
  const life = { ping: now + PING_INTERVAL, dead: now + LIFE_LIMIT };
  call.enter({ kind: "datachanEstablished", link: { connection, life } });
}

function dataText(call, now, connection, text) {
  const { link } = call.state;
  if (link?.life && isSame(link.connection, connection)) link.life.dead = now + LIFE_LIMIT;
  const said = say.parseData(text);
  if (said === null || said.type === "pong") return;
  if (said.type === "ping") call.data(connection, say.pong());
  else if (said.sessid !== connection.sessid) return;
  else if (said.type === "propsync") farTells(call, connection, said);
  else if (!said.resp) farHangsUp(call, now, connection);
  else if (call.state.kind === "hangupSent") call.close();
}

function farTells(call, connection, { resp, props }) {
  if (!resp) call.data(connection, say.propsync(connection.sessid, true, call.props));
  call.outputs.push({ type: "farProps", props });
}

function farHangsUp(call, now, connection) {
  const { kind, attempt } = call.state;
  if (kind === "terminating" || kind === "idle") return;
  call.data(connection, say.hangup(connection.sessid, true));
  for (const other of [attempt?.connection, call.connected]) {
    if (other && !isSame(other, connection)) call.command(other, "close");
  }
  const ending = kind === "hangupSent" ? "hung_up" : "far_hung_up";
  call.enter({ kind: "terminating", connection, until: now + CLOSE_DELAY }, ending);
}

function broken(call, isNext, ending, why) {
  const { attempt, link } = call.state;
  if (attempt && link) {
    if (isNext) call.giveUpUpdate(ending, why);
    // Closed: the far side has changed over to the next connection already.
    else if (ending !== "far_closed") call.loseLink(ending, why);
  } else if (attempt) {
    call.giveUp(ending, why);
  } else {
    call.loseLink(ending, why);
  }
}
