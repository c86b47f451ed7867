// Frames: all that the server sees of what two sides say to each other.
//
// Nothing here throws on what a peer sent: what is not understood is null.

import { fromBase64url, toBase64url } from "./base64url.js";
import { isObject, parseObject } from "./json.js";
import { parseKey } from "./pairing.js";

/** The longest message of a handshake: 1 KiB. */
const HANDSHAKE_LIMIT = 1024;
/** The longest text that is sealed: 44 KiB, so that it fits a frame in base64. */
export const PLAIN_LIMIT = 44 * 1024;
const TAG_BYTES = 16;
/** The last number a sealed frame may have. */
export const LAST_NUMBER = 0xffffffff;

/** How many messages a handshake takes. */
const STEPS = { XXpsk0: 3, KK: 2 };

export const noise = ({ pattern, id, step, data }) =>
  JSON.stringify({ noise: { pattern, id, step, data: toBase64url(data) } });
export const sealed = ({ id, n, data }) => JSON.stringify({ sealed: { id, n, data: toBase64url(data) } });
export const refused = (proof) => JSON.stringify({ refused: { proof } });

/** What the last message of a pairing holds: who accepts whose code. */
export const accept = (from, to) => new TextEncoder().encode(JSON.stringify({ accept: { from, to } }));

/** Whether `payload` says that `from` accepts the code of `to`. */
export function accepts(payload, from, to) {
  const said = parseObject(new TextDecoder().decode(payload))?.accept;
  return isObject(said) && said.from === from && said.to === to;
}

/**
 * What a text that came through the server says: `{ type: "noise", pattern, id, step, data }`,
 * `{ type: "sealed", id, n, data }` or `{ type: "refused", proof }`, with `data` as bytes.
 */
export function parseFrame(text) {
  const said = parseObject(text);
  const keys = Object.keys(said ?? {});
  if (keys.length !== 1 || !isObject(said[keys[0]])) return null;
  const inner = said[keys[0]];
  switch (keys[0]) {
    case "noise":
      return parseNoise(inner);
    case "sealed":
      return parseSealed(inner);
    case "refused":
      return parseKey(inner.proof) === null ? null : { type: "refused", proof: inner.proof };
    default:
      return null;
  }
}

function parseNoise({ pattern, id, step, data }) {
  const steps = Object.hasOwn(STEPS, pattern) ? STEPS[pattern] : 0;
  const known = typeof pattern === "string" && Number.isInteger(step) && step >= 1 && step <= steps;
  const bytes = parseBytes(data, HANDSHAKE_LIMIT);
  return known && isId(id) && bytes !== null ? { type: "noise", pattern, id, step, data: bytes } : null;
}

function parseSealed({ id, n, data }) {
  const counts = Number.isInteger(n) && n >= 0 && n <= LAST_NUMBER;
  const bytes = parseBytes(data, PLAIN_LIMIT + TAG_BYTES);
  return counts && isId(id) && bytes !== null ? { type: "sealed", id, n, data: bytes } : null;
}

function isId(text) {
  return typeof text === "string" && /^[a-z2-7]{13}$/.test(text);
}

function parseBytes(text, limit) {
  if (typeof text !== "string" || text.length > Math.ceil((limit * 4) / 3)) return null;
  return fromBase64url(text);
}

/** Whether two frames hold the same data. */
export function sameBytes(a, b) {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
