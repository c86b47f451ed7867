// The code's key, and what is left of it once it is used: enough to say so, and no more.

import { fromBase64url, toBase64url } from "./base64url.js";

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
 * What the owner of a code keeps of it when its key is erased: enough to say that the code was used, and no more. Who
 * has it can refuse others in the owner's name. It has the shape of a key.
 */
export function spent(key) {
  return hmac(key, "twocan 1 spent");
}

/** What tells `to`, who read the code of `spent`, that it was used already. */
export function refusal(spent, convo, to) {
  return hmac(spent, `twocan 1 refused\n${convo}\n${to}\n`);
}

/** Whether `proof` is the owner's word that the code with `key` was used before `to` came. */
export async function isRefusal(key, convo, to, proof) {
  return sameProof(proof, await refusal(await spent(key), convo, to));
}

/** Whether two proofs are the same, without telling by the time it takes how much of them is. */
export function sameProof(a, b) {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}

async function hmac(key, message) {
  const hash = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", fromBase64url(key), hash, false, ["sign"]);
  return toBase64url(new Uint8Array(await crypto.subtle.sign("HMAC", imported, new TextEncoder().encode(message))));
}
