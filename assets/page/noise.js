// Noise: the handshakes that make two sides' keys into one channel, and the ciphers that come out of them.
//
// After the Noise Protocol Framework, revision 34, with 25519, AESGCM and SHA256, on WebCrypto alone. Private keys are
// CryptoKeys that cannot be read out. What the far side sends is refused by `null`, never by throwing.

/** Bytes in a public key, in a hash and in a cipher's key. */
export const KEY_BYTES = 32;
/** Bytes by which a sealed text is longer than a plain one. */
export const TAG_BYTES = 16;

const EMPTY = new Uint8Array();
const X25519 = { name: "X25519" };
const { subtle } = crypto;

/** What each message holds, token by token; `before`: the keys that both know beforehand. */
const PATTERNS = {
  XXpsk0: { before: [[], []], messages: [["psk", "e"], ["e", "ee", "s", "es"], ["s", "se"]] },
  KK: { before: [["s"], ["s"]], messages: [["e", "es", "ss"], ["e", "ee", "se"]] },
};

/** The far side's message does not hold: it is no fault of this side's. */
class Refusal extends Error {}

/** A new key pair whose private half cannot be read out. */
export function makeKeyPair() {
  return subtle.generateKey(X25519, false, ["deriveBits"]);
}

/** The 32 bytes of a public key. */
export async function publicBytes({ publicKey }) {
  return new Uint8Array(await subtle.exportKey("raw", publicKey));
}

/** Seals and opens with one key; its nonce counts what it did. */
export class CipherState {
  constructor(key = null, n = 0) {
    this.key = key;
    this.n = n;
  }

  static async of(bytes) {
    return new CipherState(await subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]));
  }

  clone() {
    return new CipherState(this.key, this.n);
  }

  async seal(plain, ad = EMPTY) {
    if (this.key === null) return plain;
    return new Uint8Array(await subtle.encrypt(parameters(this.n++, ad), this.key, plain));
  }

  /** What was sealed as the next; null, and the nonce stays, if this was not. */
  async open(sealed, ad = EMPTY) {
    if (this.key === null) return sealed;
    const plain = await orNull(subtle.decrypt(parameters(this.n, ad), this.key, sealed));
    if (plain === null) return null;
    this.n++;
    return new Uint8Array(plain);
  }
}

/** Noise counts in 64 bits; 32 of them are enough for this side's counting. */
function parameters(n, ad) {
  const iv = new Uint8Array(12);
  new DataView(iv.buffer).setUint32(8, n);
  return { name: "AES-GCM", iv, additionalData: ad };
}

/** The chaining key, the hash of all that was said, and the cipher in use. */
class SymmetricState {
  constructor(ck, h, cipher) {
    Object.assign(this, { ck, h, cipher });
  }

  static async of(name) {
    const bytes = utf8(name);
    const h = bytes.length > KEY_BYTES ? await hash(bytes) : concat(bytes, new Uint8Array(KEY_BYTES - bytes.length));
    return new SymmetricState(h, h, new CipherState());
  }

  clone() {
    return new SymmetricState(this.ck, this.h, this.cipher.clone());
  }

  async mixHash(bytes) {
    this.h = await hash(concat(this.h, bytes));
  }

  async mixKey(material) {
    const [ck, key] = await hkdf(this.ck, material, 2);
    this.ck = ck;
    this.cipher = await CipherState.of(key);
  }

  async mixKeyAndHash(material) {
    const [ck, hashed, key] = await hkdf(this.ck, material, 3);
    this.ck = ck;
    await this.mixHash(hashed);
    this.cipher = await CipherState.of(key);
  }

  async seal(plain) {
    const sealed = await this.cipher.seal(plain, this.h);
    await this.mixHash(sealed);
    return sealed;
  }

  async open(sealed) {
    const plain = await this.cipher.open(sealed, this.h);
    if (plain === null) throw new Refusal();
    await this.mixHash(sealed);
    return plain;
  }

  async split() {
    const keys = await hkdf(this.ck, EMPTY, 2);
    return Promise.all(keys.map((key) => CipherState.of(key)));
  }
}

/** One handshake, seen from one side: `write` and `read` by turns, then `split`. */
export class Handshake {
  /**
   * `pattern` is `XXpsk0` or `KK`, `role` `initiator` or `responder`, `own` this side's static key pair, `far` the other
   * side's public key (KK), `psk` the 32 bytes of a shared secret (XXpsk0); `makeEphemeral` makes a key pair for once.
   */
  static async begin({ pattern, role, prologue, own, far = null, psk = null, makeEphemeral = makeKeyPair }) {
    const handshake = new Handshake();
    const { before, messages } = PATTERNS[pattern];
    const symmetric = await SymmetricState.of(`Noise_${pattern}_25519_AESGCM_SHA256`);
    const s = { pair: own, bytes: await publicBytes(own) };
    Object.assign(handshake, { role, psk, messages, makeEphemeral, symmetric, s, e: null, rs: far, re: null, turn: 0 });
    await symmetric.mixHash(prologue);
    const [mine, theirs] = [s.bytes, far];
    const initiators = role === "initiator" ? mine : theirs;
    const responders = role === "initiator" ? theirs : mine;
    if (before[0].includes("s")) await symmetric.mixHash(initiators);
    if (before[1].includes("s")) await symmetric.mixHash(responders);
    return handshake;
  }

  get isDone() {
    return this.turn === this.messages.length;
  }

  /** The other side's static key, as far as it is known. */
  get farKey() {
    return this.rs;
  }

  /** The hash of the whole handshake, the same on both sides once it is done. */
  get hash() {
    return this.symmetric.h;
  }

  /** The next message of this side, with `payload`; null if the other side's keys make no secret. */
  async write(payload = EMPTY) {
    return orNull(this.writeMessage(payload));
  }

  /** The payload of the other side's next message; null, and nothing has changed, if it does not verify. */
  async read(message) {
    const attempt = Object.assign(new Handshake(), this, { symmetric: this.symmetric.clone() });
    const payload = await orNull(attempt.readMessage(message));
    if (payload !== null) Object.assign(this, attempt);
    return payload;
  }

  /** The ciphers of the finished handshake: `{ send, receive }`. */
  async split() {
    const [initiators, responders] = await this.symmetric.split();
    return this.role === "initiator"
      ? { send: initiators, receive: responders }
      : { send: responders, receive: initiators };
  }

  async writeMessage(payload) {
    const parts = [];
    for (const token of this.messages[this.turn]) parts.push((await this.writeToken(token)) ?? EMPTY);
    parts.push(await this.symmetric.seal(payload));
    this.turn++;
    return concat(...parts);
  }

  async writeToken(token) {
    switch (token) {
      case "e":
        await this.makeE();
        return this.e.bytes;
      case "s":
        return this.symmetric.seal(this.s.bytes);
      default:
        return this.mix(token);
    }
  }

  async makeE() {
    const pair = await this.makeEphemeral();
    this.e = { pair, bytes: await publicBytes(pair) };
    await this.mixE(this.e.bytes);
  }

  async readMessage(message) {
    let at = 0;
    const take = (length) => {
      if (at + length > message.length) throw new Refusal();
      return message.subarray(at, (at += length));
    };
    for (const token of this.messages[this.turn]) {
      if (token === "e") await this.mixE((this.re = take(KEY_BYTES)));
      else if (token === "s") this.rs = await this.symmetric.open(take(this.sealedKeyBytes));
      else await this.mix(token);
    }
    const payload = await this.symmetric.open(message.subarray(at));
    this.turn++;
    return payload;
  }

  get sealedKeyBytes() {
    return this.symmetric.cipher.key === null ? KEY_BYTES : KEY_BYTES + TAG_BYTES;
  }

  async mixE(bytes) {
    await this.symmetric.mixHash(bytes);
    // With a shared secret in play the ephemeral keys go into the key too, so that no two handshakes share one.
    if (this.psk !== null) await this.symmetric.mixKey(bytes);
  }

  /** Mixes in a shared secret: `psk`, or two keys, the initiator's named first. */
  async mix(token) {
    if (token === "psk") return this.symmetric.mixKeyAndHash(this.psk);
    const [mine, theirs] = this.role === "initiator" ? token : [token[1], token[0]];
    await this.symmetric.mixKey(await dh(this[mine].pair.privateKey, this[`r${theirs}`]));
  }
}

async function dh(privateKey, bytes) {
  const far = await subtle.importKey("raw", bytes, X25519, false, []);
  const secret = new Uint8Array(await subtle.deriveBits({ ...X25519, public: far }, privateKey, 8 * KEY_BYTES));
  // A far key of low order would make it known to everybody. Browsers should refuse it, too.
  if (secret.every((byte) => byte === 0)) throw new Refusal();
  return secret;
}

async function hkdf(ck, material, count) {
  const secret = await hmac(ck, material);
  const outputs = [];
  for (let i = 1; i <= count; i++) outputs.push(await hmac(secret, concat(outputs.at(-1) ?? EMPTY, [i])));
  return outputs;
}

async function hmac(key, bytes) {
  const imported = await subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await subtle.sign("HMAC", imported, bytes));
}

async function hash(bytes) {
  return new Uint8Array(await subtle.digest("SHA-256", bytes));
}

/** The promised value; null where it fails because of what the far side sent. */
async function orNull(promise) {
  try {
    return await promise;
  } catch (error) {
    // WebCrypto says by a DOMException that a key or a sealed text is not well-formed.
    if (error instanceof Refusal || error instanceof DOMException) return null;
    throw error;
  }
}

function utf8(text) {
  return new TextEncoder().encode(text);
}

function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
