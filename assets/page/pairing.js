// The code's key, and the proofs by which two sides show each other that they hold it.

/** Bytes in the key of a code. */
const KEY_BYTES = 32;

/** How long a code that nobody used stays good: 24 h, in milliseconds. */
export const CODE_LIMIT = 24 * 60 * 60 * 1000;

/** A new key, as it stands in a link: 43 characters. */
export function newKey() {
  return toBase64url(crypto.getRandomValues(new Uint8Array(KEY_BYTES)));
}

/** The key in `text`, as it stands in a link; null if it is none. A proof has the same shape. */
export function parseKey(text) {
  // The 43 characters hold two bits more than the 32 bytes: they must be clear.
  return typeof text === "string" && /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/.test(text) ? text : null;
}

/**
 * What `from` sends to `to` to show that it holds `key`: HMAC-SHA256, as base64url. `label` is `accept` (from whom the
 * code was handed to) or `accepted` (from its owner).
 */
export async function proof(key, label, convo, from, to) {
  const hash = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", fromBase64url(key), hash, false, ["sign"]);
  const message = new TextEncoder().encode(`twocan 1 ${label}\n${convo}\n${from}\n${to}\n`);
  return toBase64url(new Uint8Array(await crypto.subtle.sign("HMAC", imported, message)));
}

/** Whether two proofs are the same, without telling by the time it takes how much of them is. */
export function sameProof(a, b) {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}

function toBase64url(bytes) {
  const base64 = btoa(String.fromCharCode(...bytes));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function fromBase64url(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
