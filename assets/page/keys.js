// This side's key pair in each conversation, as the browser keeps it: where not even this page can read it out.
//
// The far side's public key is no secret. It and what is left of a code, which only lets one refuse others, are kept with
// the conversation (`store.js`).

import { makeKeyPair } from "./noise.js";
import { obstacles } from "./words.js";

const DATABASE = "twocan";
const STORE = "keys";

/** Keys cannot be had: `obstacle` is the name of why, `message` says it to a person. */
export class KeysUnavailable extends Error {
  constructor(obstacle, cause) {
    super(obstacles[obstacle].text, { cause });
    this.name = "KeysUnavailable";
    this.obstacle = obstacle;
  }
}

/** A new key pair, not kept yet. Fails with `KeysUnavailable`. */
export async function makeKeys() {
  try {
    return await makeKeyPair();
  } catch (error) {
    throw new KeysUnavailable("old", error);
  }
}

/** Keeps the key pair of `convo`, for ever: it is on the disk when this is done. Fails with `KeysUnavailable`. */
export async function saveKeys(convo, { privateKey, publicKey }) {
  await transact("readwrite", (store) => store.put({ privateKey, publicKey }, convo));
}

/** The key pair of `convo`; null if none is kept. Fails with `KeysUnavailable`. */
export async function loadKeys(convo) {
  const kept = await transact("readonly", (store) => store.get(convo));
  return kept?.privateKey && kept.publicKey ? kept : null;
}

/** Forgets the key pair of `convo`. Fails with `KeysUnavailable`. */
export async function deleteKeys(convo) {
  await transact("readwrite", (store) => store.delete(convo));
}

/** What `act` asked of the store, once that is done for good. */
async function transact(mode, act) {
  let database;
  try {
    database = await open();
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode, { durability: "strict" });
      transaction.onabort = () => reject(transaction.error);
      const request = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
    });
  } catch (error) {
    throw new KeysUnavailable("storage", error);
  } finally {
    database?.close();
  }
}

function open() {
  return new Promise((resolve, reject) => {
    // Throws where it is turned off, and is not there at all in some private windows.
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
