import assert from "node:assert/strict";
import test from "node:test";

import * as wire from "../../assets/page/rendezvous.js";
import { vectors } from "./vectors.mjs";

const { valid, refused } = vectors("rendezvous");

for (const { line, says } of valid) {
  test(`understood: ${JSON.stringify(line)}`, () => assert.deepEqual(wire.parseServerLine(line), says));
}

for (const line of refused) {
  test(`ignored: ${JSON.stringify(line)}`, () => assert.equal(wire.parseServerLine(line), null));
}

test("what the page says follows the protocol", () => {
  assert.equal(wire.hello("a:b"), "HELLO a:b");
  assert.equal(wire.room("b"), "ROOM b");
  assert.equal(wire.peerMessage("a:b", "text with  blanks "), "ROOM_PEER_MSG a:b text with  blanks ");
  assert.equal(wire.peerList(), "ROOM_PEER_LIST");
});

test("a server that stops says when it is back, and cannot send anybody away for long", () => {
  for (const [reason, wait] of [
    ["back in 0 s", 0],
    ["back in 5 s", 5000],
    ["back in 99999 s", 60_000],
  ]) {
    assert.equal(wire.backIn(reason), wait, reason);
  }
  for (const reason of [undefined, "", "the server stops", "back in s", "back in -1 s", "back in 1.5 s", "back in 100000 s"]) {
    assert.equal(wire.backIn(reason), null, reason);
  }
});
