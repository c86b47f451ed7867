import assert from "node:assert/strict";
import test from "node:test";

import "./webcrypto.mjs";
import { isRefusal, newKey, parseKey, refusal, sameProof, spent } from "../../assets/page/pairing.js";
import { vectors } from "./vectors.mjs";

const { codes } = vectors("seal");

test("a refusal convinces only for its own key, conversation and addressee", async () => {
  const [{ code, convo, to }] = codes;
  const right = await refusal(await spent(code), convo, to);
  const other = "b".repeat(25) + "a";
  assert.equal(await isRefusal(code, convo, to, right), true);
  for (const [key, where, whom] of [[newKey(), convo, to], [code, other, to], [code, convo, other]]) {
    assert.equal(await isRefusal(key, where, whom, right), false);
  }
  assert.equal(await isRefusal(code, convo, to, await refusal(code, convo, to)), false);
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
