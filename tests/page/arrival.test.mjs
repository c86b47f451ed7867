import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import "./webcrypto.mjs";
import { arrive } from "../../assets/page/arrival.js";
import { newId } from "../../assets/page/ids.js";
import { newKey } from "../../assets/page/pairing.js";
import * as store from "../../assets/page/store.js";

/** A browser's storage. */
function storage() {
  const kept = new Map();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
}

/** Where the page stands when this address is opened in the tab. */
function open(address) {
  globalThis.location = new URL(address);
  return arrive();
}

const convo = newId();
const link = (far, key) => `https://host.example/?convoId=${convo}&farInstanceId=${far}#key=${key}`;
const bookmark = `https://host.example/?convoId=${convo}`;

beforeEach(() => {
  globalThis.window = { isSecureContext: true };
  globalThis.history = { replaceState() {} };
  for (const name of ["localStorage", "sessionStorage"]) {
    Object.defineProperty(globalThis, name, { configurable: true, value: storage() });
  }
});

test("a link is accepted, and a reload goes on with it", () => {
  const [far, key] = [newId(), newKey()];
  const { me, farOfCode } = open(link(far, key));
  assert.equal(farOfCode, far);
  for (const address of [bookmark, link(far, key)]) {
    const again = open(address);
    assert.deepEqual([again.me, again.farOfCode, again.key], [me, far, key]);
  }
});

test("a newer link takes the place of one that waits in the tab", () => {
  const far = newId();
  open(link(far, newKey()));
  const newer = newKey();
  assert.equal(open(link(far, newer)).key, newer);
  assert.equal(open(bookmark).key, newer);
});

test("one's own link shows the code on", () => {
  const own = { me: newId(), key: newKey(), made: Date.now(), name: "" };
  store.saveCode(convo, own);
  const shown = open(link(own.me, own.key));
  assert.deepEqual([shown.me, shown.key, shown.farOfCode], [own.me, own.key, undefined]);
});

test("who was paired before calls were sealed can read a new code", () => {
  const [far, key] = [newId(), newKey()];
  store.saveConversation(convo, { me: newId(), far, name: "Tim" });
  assert.equal(open(bookmark).obstacle, "keyless");
  const { farOfCode, key: read, name } = open(link(far, key));
  assert.deepEqual([farOfCode, read, name], [far, key, "Tim"]);
});

test("no link undoes a pairing", () => {
  const [me, far, farKey] = [newId(), newId(), newKey()];
  store.saveConversation(convo, { me, far, farKey, spent: null, name: "" });
  const shown = open(link(newId(), newKey()));
  assert.deepEqual([shown.far, shown.farKey, shown.farOfCode], [far, farKey, undefined]);
});
