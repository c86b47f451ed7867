// Key pairs made of given private keys: for published vectors, and for what shall be the same at every run.

import "./webcrypto.mjs";

const X25519 = { name: "X25519" };
/** What stands before the 32 bytes of a private key in PKCS #8. */
const PREFIX = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20];

/** The key pair whose private half is these 32 bytes. */
export async function keyPairOf(bytes) {
  const pkcs8 = Uint8Array.from([...PREFIX, ...bytes]);
  const privateKey = await crypto.subtle.importKey("pkcs8", pkcs8, X25519, false, ["deriveBits"]);
  // The public key is the private one times the base point, which is 9.
  const base = await crypto.subtle.importKey("raw", Uint8Array.from([9, ...new Uint8Array(31)]), X25519, false, []);
  const raw = await crypto.subtle.deriveBits({ ...X25519, public: base }, privateKey, 256);
  return { privateKey, publicKey: await crypto.subtle.importKey("raw", raw, X25519, true, []) };
}

/** Numbers in [0, 1) that are the same for the same seed. */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
