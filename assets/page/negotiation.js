// What two sides say to each other about a call: sealed, by the server, and on the data channel.
//
// What is said is an object, ready to become JSON. Nothing here throws on what a peer sent: what is not understood is
// null.

import { parseSession } from "./ids.js";
import { isLonger, isObject, parseObject } from "./json.js";

/** The longest description that is looked at: 32 KiB, so that it fits a sealed text with its escapes. */
const DESCRIPTION_LIMIT = 32 * 1024;
const LARGEST_GENERATION = 0xffffffff;

const VERSION = "3.0";

const message = (type, sessid, resp, fields) => ({ version: VERSION, type, sessid, resp, ...fields });

export const setup = ({ sessid, resp, sdp, props }) => message("SETUP", sessid, resp, { sdp, props });
export const update = ({ sessid, resp, generation, sdp, props }) =>
  message("UPDATE", sessid, resp, { generation, sdp, props });
export const cancel = (sessid) => message("CANCEL", sessid, false);
export const reject = (sessid) => message("REJECT", sessid, false);
export const propsync = (sessid, resp, props) => message("PROPSYNC", sessid, resp, { props });
export const hangup = (sessid, resp) => message("HANGUP", sessid, resp);
export const candidate = ({ sessid, generation, candidate, sdpMid, sdpMLineIndex }) => {
  const ice = { candidate, sdpMid, sdpMLineIndex, sessid };
  // The first connection of a call need not be named.
  return { ice: generation === 0 ? ice : { ...ice, generation } };
};
export const ping = () => ({ ping: {} });
export const pong = () => ({ pong: {} });

/** What a text that came sealed says, as an object with a `type`. */
export function parseSignal(text) {
  const said = parseObject(text);
  if (said === null) return null;
  if (onlyKey(said) === "ice") return isObject(said.ice) ? parseCandidate(said.ice) : null;
  return parseMessage(said, { SETUP: offered, UPDATE: renewed, CANCEL: bare, REJECT: bare });
}

/** What a text that came on the data channel says, as an object with a `type`. */
export function parseData(text) {
  const said = parseObject(text);
  if (said === null) return null;
  const outer = onlyKey(said);
  if (outer === "ping" || outer === "pong") return { type: outer };
  return parseMessage(said, { PROPSYNC: propped, HANGUP: bare });
}

function onlyKey(object) {
  const keys = Object.keys(object);
  return keys.length === 1 ? keys[0] : null;
}

/**
 * What a text in plain JSON says, as peers of any make have it: `{ type: "offer" | "answer", sdp }`, or
 * `{ type: "candidate", candidate, sdpMid, sdpMLineIndex }`. What else stands in it does not matter.
 */
export function parsePlain(text) {
  const { sdp: description, ice } = parseObject(text) ?? {};
  if (isObject(description)) {
    const { type, sdp } = description;
    return (type === "offer" || type === "answer") && isDescription(sdp) ? { type, sdp } : null;
  }
  if (!isObject(ice) || typeof ice.candidate !== "string" || ice.candidate === "") return null;
  const sdpMLineIndex = parseLineIndex(ice.sdpMLineIndex);
  const sdpMid = typeof ice.sdpMid === "string" ? ice.sdpMid : null;
  return sdpMLineIndex === null ? null : { type: "candidate", candidate: ice.candidate, sdpMid, sdpMLineIndex };
}

/** The same the other way. */
export const plainDescription = (type, sdp) => JSON.stringify({ sdp: { type, sdp } });
export const plainCandidate = (candidate, sdpMid, sdpMLineIndex) =>
  JSON.stringify({ ice: { candidate, sdpMid, sdpMLineIndex } });

function isDescription(sdp) {
  if (typeof sdp !== "string" || !sdp.startsWith("v=0") || isLonger(sdp, DESCRIPTION_LIMIT)) return false;
  // Without a fingerprint whoever answers on that address would be taken for the far side.
  return sdp.split("\n").some((line) => /^a=fingerprint:[^]/.test(line.replace(/\r$/, "")));
}

function parseCandidate({ candidate, sdpMid, sdpMLineIndex, sessid, generation = 0 }) {
  const line = parseLineIndex(sdpMLineIndex);
  const mid = sdpMid ?? null;
  const wellFormed = typeof candidate === "string" && candidate !== "" && (mid === null || typeof mid === "string");
  if (!wellFormed || line === null || parseSession(sessid) === null || !isGeneration(generation)) return null;
  return { type: "candidate", candidate, sdpMid: mid, sdpMLineIndex: line, sessid, generation };
}

function parseLineIndex(index) {
  if (index === undefined || index === null) return 0;
  const number = typeof index === "string" && /^\d+$/.test(index) ? Number(index) : index;
  return Number.isInteger(number) && number >= 0 && number <= 0xffffffff ? number : null;
}

function isGeneration(number) {
  return Number.isInteger(number) && number >= 0 && number <= LARGEST_GENERATION;
}

/** Reads a message of Calling 3.0 of one of the `known` types, each with what picks its fields. */
function parseMessage({ version, type, sessid, resp, generation, sdp, props }, known) {
  if (version !== VERSION || typeof type !== "string" || typeof resp !== "boolean") return null;
  // In ASCII alone: there are letters besides that become one of these.
  const name = Object.keys(known).find((word) => word === type.replace(/[a-z]/g, (letter) => letter.toUpperCase()));
  if (name === undefined || parseSession(sessid) === null) return null;
  const wellFormed =
    isNothingOr(isGeneration, generation) && isNothingOr(isDescription, sdp) && isNothingOr(isProps, props);
  const picked = wellFormed && known[name]({ generation, sdp, props });
  return picked ? { type: name.toLowerCase(), sessid, resp, ...picked } : null;
}

/** Whether a field that need not be there is not, or is as `fits` says. */
function isNothingOr(fits, field) {
  return field === undefined || field === null || fits(field);
}

const bare = () => ({});
const propped = ({ props }) => props && { props };
const offered = ({ sdp, props }) => sdp && { generation: 0, sdp, props: props ?? {} };
const renewed = ({ generation, sdp, props }) => generation > 0 && sdp && { generation, sdp, props: props ?? {} };

function isProps(props) {
  return isObject(props) && Object.values(props).every((value) => typeof value === "string");
}
