// What two sides say to each other: through the server (pairing, descriptions, candidates) and on the data channel.
//
// Nothing here throws on what a peer sent: what is not understood is null.

import { parseSession } from "./ids.js";

/** The longest text that is looked at: 64 KiB, as much as the server relays. */
const TEXT_LIMIT = 64 * 1024;
/** The longest description that is looked at: 48 KiB, so that it fits a text with its escapes. */
const DESCRIPTION_LIMIT = 48 * 1024;

const VERSION = "3.0";

export const accept = (proof) => JSON.stringify({ accept: { proof } });
export const accepted = (proof) => JSON.stringify({ accepted: { proof } });
export const refused = () => JSON.stringify({ refused: {} });
export const description = ({ sessid, type, sdp }) => JSON.stringify({ sdp: { type, sdp, sessid } });
export const candidate = ({ sessid, candidate, sdpMid, sdpMLineIndex }) =>
  JSON.stringify({ ice: { candidate, sdpMid, sdpMLineIndex, sessid } });
export const cancel = (sessid) => JSON.stringify({ version: VERSION, type: "CANCEL", sessid, resp: false });
export const propsync = (sessid, resp, props) =>
  JSON.stringify({ version: VERSION, type: "PROPSYNC", sessid, resp, props });
export const hangup = (sessid, resp) => JSON.stringify({ version: VERSION, type: "HANGUP", sessid, resp });
export const ping = () => JSON.stringify({ ping: {} });
export const pong = () => JSON.stringify({ pong: {} });

/** What a text that came through the server says, as an object with a `type`. */
export function parseSignal(text) {
  const said = parseObject(text);
  if (said === null) return null;
  if ("version" in said) return parseCall(said, ["CANCEL"]);
  const outer = onlyKey(said);
  if (outer === null || !isObject(said[outer])) return null;
  const inner = said[outer];
  switch (outer) {
    case "accept":
    case "accepted":
      return typeof inner.proof === "string" ? { type: outer, proof: inner.proof } : null;
    case "refused":
      return { type: "refused" };
    case "sdp":
      return parseDescription(inner);
    case "ice":
      return parseCandidate(inner);
    default:
      return null;
  }
}

/** What a text that came on the data channel says, as an object with a `type`. */
export function parseData(text) {
  const said = parseObject(text);
  if (said === null) return null;
  if ("version" in said) return parseCall(said, ["PROPSYNC", "HANGUP"]);
  const outer = onlyKey(said);
  return outer === "ping" || outer === "pong" ? { type: outer } : null;
}

function parseObject(text) {
  if (typeof text !== "string" || isLonger(text, TEXT_LIMIT)) return null;
  try {
    const value = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** Whether `text` has more than `limit` bytes. */
function isLonger(text, limit) {
  return text.length > limit || new TextEncoder().encode(text).length > limit;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function onlyKey(object) {
  const keys = Object.keys(object);
  return keys.length === 1 ? keys[0] : null;
}

function parseDescription({ type, sdp, sessid }) {
  if ((type !== "offer" && type !== "answer") || typeof sdp !== "string" || parseSession(sessid) === null) return null;
  if (!sdp.startsWith("v=0") || isLonger(sdp, DESCRIPTION_LIMIT)) return null;
  // Without a fingerprint whoever answers on that address would be taken for the far side.
  return /^a=fingerprint:./m.test(sdp) ? { type, sdp, sessid } : null;
}

function parseCandidate({ candidate, sdpMid, sdpMLineIndex, sessid }) {
  const line = parseLineIndex(sdpMLineIndex);
  const mid = sdpMid ?? null;
  const wellFormed = typeof candidate === "string" && candidate !== "" && (mid === null || typeof mid === "string");
  if (!wellFormed || line === null || parseSession(sessid) === null) return null;
  return { type: "candidate", candidate, sdpMid: mid, sdpMLineIndex: line, sessid };
}

function parseLineIndex(index) {
  if (index === undefined || index === null) return 0;
  const number = typeof index === "string" && /^\d{1,10}$/.test(index) ? Number(index) : index;
  return Number.isInteger(number) && number >= 0 && number <= 0xffffffff ? number : null;
}

function parseCall({ version, type, sessid, resp, props }, known) {
  if (version !== VERSION || typeof type !== "string" || typeof resp !== "boolean") return null;
  const name = known.find((word) => word === type.toUpperCase());
  if (name === undefined || parseSession(sessid) === null) return null;
  if (name !== "PROPSYNC") return { type: name.toLowerCase(), sessid, resp };
  const isProps = isObject(props) && Object.values(props).every((value) => typeof value === "string");
  return isProps ? { type: "propsync", sessid, resp, props: new Map(Object.entries(props)) } : null;
}
