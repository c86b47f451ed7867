import assert from "node:assert/strict";
import test from "node:test";

import "./webcrypto.mjs";
import { newKey, parseKey, proof, sameProof } from "../../assets/page/pairing.js";
import { vectors } from "./vectors.mjs";

const { proofs } = vectors("pairing");

for (const { key, label, convo, from, to, proof: expected } of proofs) {
  test(`the proof for ${label} equals the native one (key ${key.slice(0, 4)}…)`, async () => {
    assert.equal(await proof(key, label, convo, from, to), expected);
  });
}

test("a proof convinces only for its own key, step, conversation and direction", async () => {
  const { key, label, convo, from, to, proof: right } = proofs[0];
  const other = "b".repeat(25) + "a";
  const wrong = await Promise.all([
    proof(newKey(), label, convo, from, to),
    proof(key, "accepted", convo, from, to),
    proof(key, label, other, from, to),
    proof(key, label, convo, to, from),
    proof(key, label, convo, from, other),
  ]);
  for (const candidate of wrong) assert.equal(sameProof(candidate, right), false);
  assert.equal(sameProof(await proof(key, label, convo, from, to), right), true);
});

test("proofs of different length or text differ", () => {
  assert.equal(sameProof("", "a"), false);
  assert.equal(sameProof("abc", "abe"), false);
  assert.equal(sameProof("abc", "abc"), true);
});

test("a new key is a key, and another every time", () => {
  const keys = new Set(Array.from({ length: 100 }, newKey));
  assert.equal(keys.size, 100);
  for (const key of keys) assert.equal(parseKey(key), key);
});

test("what is no key is refused", () => {
  const key = newKey();
  for (const text of ["", "abc", key.slice(1), `${key}A`, `${key.slice(0, 42)}B`, "+".repeat(43), null, 7]) {
    assert.equal(parseKey(text), null);
  }
});
