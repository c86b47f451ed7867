// Where keys cannot be kept. That they are kept where they can is tried in a real browser (`tests/browser`).

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import "./webcrypto.mjs";
import { KeysUnavailable, deleteKeys, loadKeys, makeKeys, saveKeys } from "../../assets/page/keys.js";

afterEach(() => delete globalThis.indexedDB);

/** What `indexedDB.open` does in browsers that keep nothing. */
const refusals = {
  "there is none": undefined,
  "it may not be opened": {
    open() {
      throw new DOMException("The operation is insecure.", "SecurityError");
    },
  },
  "it fails to open": {
    open() {
      const request = { error: new DOMException("A mutation operation was attempted", "InvalidStateError") };
      queueMicrotask(() => request.onerror());
      return request;
    },
  },
  "it takes no keys": {
    open() {
      const transaction = () => ({
        objectStore: () => ({
          put() {
            throw new DOMException("The object could not be cloned.", "DataCloneError");
          },
        }),
      });
      const request = { result: { transaction, close: () => {} } };
      queueMicrotask(() => request.onsuccess());
      return request;
    },
  },
  "the disk is full": {
    open() {
      const transaction = () => {
        const made = { error: new DOMException("full", "QuotaExceededError"), objectStore: () => ({ put: () => ({}) }) };
        queueMicrotask(() => made.onabort());
        return made;
      };
      const request = { result: { transaction, close: () => {} } };
      queueMicrotask(() => request.onsuccess());
      return request;
    },
  },
};

const isSaid = (obstacle) => (error) => {
  assert.ok(error instanceof KeysUnavailable);
  assert.equal(error.obstacle, obstacle);
  assert.match(error.message, /^This browser .+\.$/);
  return true;
};

for (const [why, indexedDB] of Object.entries(refusals)) {
  test(`a browser that keeps no keys is told of in a sentence: ${why}`, async () => {
    if (indexedDB) globalThis.indexedDB = indexedDB;
    const keys = await makeKeys();
    await assert.rejects(saveKeys("a".repeat(26), keys), isSaid("storage"));
  });
}

test("the same where keys are looked for or deleted", async () => {
  await assert.rejects(loadKeys("a".repeat(26)), isSaid("storage"));
  await assert.rejects(deleteKeys("a".repeat(26)), isSaid("storage"));
});

test("a browser without X25519 is told of in a sentence", async (t) => {
  t.mock.method(crypto.subtle, "generateKey", async () => {
    throw new DOMException("Unrecognized name.", "NotSupportedError");
  });
  await assert.rejects(makeKeys(), isSaid("old"));
});
