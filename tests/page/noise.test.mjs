import assert from "node:assert/strict";
import test from "node:test";

import { keyPairOf } from "./keypairs.mjs";
import { Handshake, makeKeyPair, publicBytes } from "../../assets/page/noise.js";
import { vectors } from "./vectors.mjs";

const bytes = (hex) => Uint8Array.from(Buffer.from(hex ?? "", "hex"));
const hex = (array) => Buffer.from(array).toString("hex");
const text = (said) => new TextEncoder().encode(said);

/** The initiator's and the responder's end of a published handshake. */
async function ends(vector) {
  const own = await Promise.all([vector.init_static, vector.resp_static].map((key) => keyPairOf(bytes(key))));
  const publics = await Promise.all(own.map(publicBytes));
  const pattern = vector.protocol.split("_")[1];
  const end = (at, role, ephemeral) =>
    Handshake.begin({
      pattern,
      role,
      prologue: bytes(vector.prologue),
      own: own[at],
      far: pattern === "KK" ? publics[1 - at] : null,
      psk: vector.psk ? bytes(vector.psk) : null,
      makeEphemeral: () => keyPairOf(bytes(ephemeral)),
    });
  return Promise.all([end(0, "initiator", vector.init_ephemeral), end(1, "responder", vector.resp_ephemeral)]);
}

for (const vector of vectors("noise").vectors) {
  test(`says and reads what is published for ${vector.protocol} (${vector.source})`, async () => {
    const sides = await ends(vector);
    let ciphers = null;
    for (const { from, payload, ciphertext } of vector.messages) {
      const [writer, reader] = from === "init" ? [0, 1] : [1, 0];
      if (sides[0].isDone) {
        ciphers ??= await Promise.all(sides.map((handshake) => handshake.split()));
        assert.equal(hex(await ciphers[writer].send.seal(bytes(payload))), ciphertext);
        assert.equal(hex(await ciphers[reader].receive.open(bytes(ciphertext))), payload);
      } else {
        assert.equal(hex(await sides[writer].write(bytes(payload))), ciphertext);
        assert.equal(hex(await sides[reader].read(bytes(ciphertext))), payload);
      }
    }
    assert.ok(ciphers, "a vector goes on behind the handshake");
    assert.equal(hex(sides[0].hash), hex(sides[1].hash));
    if (vector.handshake_hash) assert.equal(hex(sides[0].hash), vector.handshake_hash);
  });
}

/** Two sides of one handshake with keys of their own; `change` may spoil what one of them brings. */
async function pair(pattern, change = {}) {
  const own = await Promise.all([makeKeyPair(), makeKeyPair()]);
  const far = pattern === "KK" ? await Promise.all([publicBytes(own[1]), publicBytes(own[0])]) : [null, null];
  const psk = pattern === "KK" ? null : new Uint8Array(32).fill(7);
  const shared = { pattern, prologue: text("prologue"), psk };
  return Promise.all([
    Handshake.begin({ ...shared, role: "initiator", own: own[0], far: far[0] }),
    Handshake.begin({ ...shared, role: "responder", own: own[1], far: far[1], ...change }),
  ]);
}

async function finish(sides) {
  for (let i = 0; !sides[0].isDone; i++) {
    assert.notEqual(await sides[1 - (i % 2)].read(await sides[i % 2].write()), null);
  }
}

const STEPS = { XXpsk0: 3, KK: 2 };

for (const pattern of Object.keys(STEPS)) {
  for (let step = 0; step < STEPS[pattern]; step++) {
    test(`${pattern}: message ${step + 1} with any byte changed is refused, and the true one then read`, async () => {
      const sides = await pair(pattern);
      for (let i = 0; i < step; i++) await sides[1 - (i % 2)].read(await sides[i % 2].write());
      const [from, to] = [sides[step % 2], sides[1 - (step % 2)]];
      const message = await from.write(text("payload"));
      for (let at = 0; at < message.length; at++) {
        const changed = message.slice();
        changed[at] ^= 1 << (at % 8);
        assert.equal(await to.read(changed), null, `byte ${at}`);
      }
      assert.equal(await to.read(message.subarray(0, -1)), null);
      assert.equal(await to.read(message.subarray(0, 20)), null);
      assert.equal(await to.read(new Uint8Array()), null);
      assert.deepEqual(await to.read(message), text("payload"));
    });
  }

  test(`${pattern}: both sides know each other's key at the end, and what one seals only the other opens`, async () => {
    const sides = await pair(pattern);
    await finish(sides);
    assert.deepEqual(sides[0].farKey, sides[1].s.bytes);
    assert.deepEqual(sides[1].farKey, sides[0].s.bytes);
    const [a, b] = await Promise.all(sides.map((handshake) => handshake.split()));
    const first = await a.send.seal(text("one"));
    const second = await a.send.seal(text("two"));
    assert.equal(await a.receive.open(first), null);
    assert.equal(await b.receive.open(second), null);
    assert.deepEqual(await b.receive.open(first), text("one"));
    assert.equal(await b.receive.open(first), null);
    assert.deepEqual(await b.receive.open(second), text("two"));
  });

  test(`${pattern}: another prologue is refused`, async () => {
    const [a, b] = await pair(pattern, { prologue: text("another") });
    assert.equal(await b.read(await a.write()), null);
  });
}

test("a public key that makes the shared secret zero is refused", async () => {
  const zero = await crypto.subtle.importKey("raw", new Uint8Array(32), { name: "X25519" }, true, []);
  const makeEphemeral = async () => ({ ...(await makeKeyPair()), publicKey: zero });
  const [, victim] = await pair("XXpsk0");
  const own = await makeKeyPair();
  const psk = new Uint8Array(32).fill(7);
  const shared = { pattern: "XXpsk0", role: "initiator", prologue: text("prologue"), own, psk };
  const villain = await Handshake.begin({ ...shared, makeEphemeral });
  assert.notEqual(await victim.read(await villain.write()), null);
  assert.equal(await victim.write(), null);
});

test("XXpsk0 with another secret is refused at its first message", async () => {
  const [a, b] = await pair("XXpsk0", { psk: new Uint8Array(32).fill(8) });
  assert.equal(await b.read(await a.write()), null);
});

test("KK with a key that is not the expected one is refused at its first message", async () => {
  const [a, b] = await pair("KK", { far: await publicBytes(await makeKeyPair()) });
  assert.equal(await b.read(await a.write()), null);
});

test("a private key cannot be read out", async () => {
  const { privateKey } = await makeKeyPair();
  assert.equal(privateKey.extractable, false);
  for (const format of ["pkcs8", "jwk", "raw"]) await assert.rejects(crypto.subtle.exportKey(format, privateKey));
});
