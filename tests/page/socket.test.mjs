import assert from "node:assert/strict";
import test from "node:test";

import "./webcrypto.mjs";
import { socketUrl } from "../../assets/page/socket.js";

const PAGE = "https://host.example:8443/?convoId=x#key=y";

/** Gives the page this to keep things in while `work` is done. */
function keeping(storage, work) {
  const before = Object.getOwnPropertyDescriptor(globalThis, "sessionStorage");
  Object.defineProperty(globalThis, "sessionStorage", { configurable: true, ...storage });
  try {
    return work();
  } finally {
    if (before) Object.defineProperty(globalThis, "sessionStorage", before);
    else delete globalThis.sessionStorage;
  }
}

test("the socket is where the page came from, and is told nothing of the page's own address", () => {
  keeping({ value: {} }, () => {
    assert.match(socketUrl(PAGE), /^wss:\/\/host\.example:8443\/ws\?resume=[a-z2-7]{26}$/);
    assert.match(socketUrl("http://localhost:8443/"), /^ws:\/\/localhost:8443\/ws\?resume=/);
  });
});

test("a reload resumes by the same, another tab by another", () => {
  const [tab, other] = [{}, {}];
  const first = keeping({ value: tab }, () => socketUrl(PAGE));
  assert.equal(
    keeping({ value: tab }, () => socketUrl(PAGE)),
    first,
  );
  assert.notEqual(
    keeping({ value: other }, () => socketUrl(PAGE)),
    first,
  );
});

test("a browser that keeps nothing connects all the same", () => {
  const refusing = () => {
    throw new Error("the operation is insecure");
  };
  keeping({ get: refusing }, () => assert.match(socketUrl(PAGE), /\?resume=[a-z2-7]{26}$/));
});
