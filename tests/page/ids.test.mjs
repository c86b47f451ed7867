import assert from "node:assert/strict";
import test from "node:test";

import "./webcrypto.mjs";
import { newId, newSession, parseId, parseRoom, parseSession, spell } from "../../assets/page/ids.js";
import { vectors } from "./vectors.mjs";

const { spelled, valid, refused } = vectors("ids");

test("128 bits have one spelling", () => {
  for (const { bits, id } of spelled) assert.equal(spell(Buffer.from(bits, "hex")), id);
});

test("an id is read in its one spelling", () => {
  for (const { text, id } of valid) assert.equal(parseId(text), id);
});

for (const text of refused) {
  test(`${JSON.stringify(text)} is no id`, () => assert.equal(parseId(text), null));
}

test("a new id is an id, and another every time", () => {
  const ids = new Set(Array.from({ length: 100 }, newId));
  assert.equal(ids.size, 100);
  for (const id of ids) assert.equal(parseId(id), id);
});

test("a call's id is 4 to 64 letters and digits", () => {
  for (const text of ["4x12", "x".repeat(64), newSession()]) assert.equal(parseSession(text), text);
  for (const text of ["", "abc", "ab-d", "x".repeat(65), "äbcd", 1234, null]) assert.equal(parseSession(text), null);
});

test("a room's name is one word of 1 to 256 bytes, but not `session`", () => {
  for (const text of ["tea", "0", "Tee-Küche", "\u202etxet", "x".repeat(256), "ä".repeat(128)]) assert.equal(parseRoom(text), text);
  const refused = ["", " ", "my room", "tea ", "a\u00a0b", "a\tb", "a\u0000b", "a\u0085b", "session", "x".repeat(257), "ä".repeat(129), null];
  for (const text of refused) assert.equal(parseRoom(text), null, JSON.stringify(text));
});
