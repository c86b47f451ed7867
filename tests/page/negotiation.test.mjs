import assert from "node:assert/strict";
import test from "node:test";

import * as say from "../../assets/page/negotiation.js";
import { vectors } from "./vectors.mjs";

const signals = vectors("negotiation");
const data = vectors("data_channel");

/** What was said with only what the vectors tell, and props as a plain object. */
function plain(said) {
  if (said === null) return null;
  const { resp, ...rest } = said;
  if (said.type === "cancel") return rest;
  return said.props ? { ...said, props: Object.fromEntries(said.props) } : said;
}

const short = (text) => (text.length > 70 ? `${text.slice(0, 70)}…` : text);

for (const { text, says } of signals.valid) {
  test(`understood by the server: ${short(text)}`, () => assert.deepEqual(plain(say.parseSignal(text)), says));
}

for (const text of signals.refused) {
  test(`dropped by the server: ${short(text)}`, () => assert.equal(say.parseSignal(text), null));
}

for (const { text, says } of data.valid) {
  test(`understood on the data channel: ${short(text)}`, () => assert.deepEqual(plain(say.parseData(text)), says));
}

for (const text of data.refused) {
  test(`dropped on the data channel: ${short(text)}`, () => assert.equal(say.parseData(text), null));
}

test("a text of over 64 KiB is dropped, also when only its bytes are too many", () => {
  const padded = (count, filler) => JSON.stringify({ refused: { filler: filler.repeat(count) } });
  assert.deepEqual(say.parseSignal(padded(1000, "x")), { type: "refused" });
  assert.equal(say.parseSignal(padded(65536, "x")), null);
  assert.equal(say.parseSignal(padded(40000, "ä")), null);
  assert.equal(say.parseData(JSON.stringify({ ping: "x".repeat(65536) })), null);
});

test("a description of over 48 KiB is dropped", () => {
  const sdp = (count) => `v=0\r\na=fingerprint:sha-256 AA\r\n${"x".repeat(count)}`;
  const text = (count) => JSON.stringify({ sdp: { type: "offer", sdp: sdp(count), sessid: "4x12" } });
  assert.equal(say.parseSignal(text(1000)).type, "offer");
  assert.equal(say.parseSignal(text(49152)), null);
});

test("an empty candidate says nothing", () => {
  assert.equal(say.parseSignal(JSON.stringify({ ice: { candidate: "", sdpMLineIndex: 0, sessid: "4x12" } })), null);
});

test("what is said is understood", () => {
  const sdp = "v=0\r\na=fingerprint:sha-256 AA\r\n";
  const place = { candidate: "candidate:1", sdpMid: "0", sdpMLineIndex: 0, sessid: "4x12" };
  assert.deepEqual(say.parseSignal(say.accept("p")), { type: "accept", proof: "p" });
  assert.deepEqual(say.parseSignal(say.accepted("p")), { type: "accepted", proof: "p" });
  assert.deepEqual(say.parseSignal(say.refused()), { type: "refused" });
  assert.deepEqual(say.parseSignal(say.description({ sessid: "4x12", type: "offer", sdp })), {
    type: "offer",
    sdp,
    sessid: "4x12",
  });
  assert.deepEqual(say.parseSignal(say.candidate(place)), { type: "candidate", ...place });
  assert.deepEqual(say.parseSignal(say.cancel("4x12")), { type: "cancel", sessid: "4x12", resp: false });
  assert.deepEqual(say.parseData(say.hangup("4x12", true)), { type: "hangup", sessid: "4x12", resp: true });
  assert.deepEqual(say.parseData(say.ping()), { type: "ping" });
  assert.deepEqual(say.parseData(say.pong()), { type: "pong" });
  const props = { paused: "true", audiosend: "false", videosend: "false" };
  assert.deepEqual(plain(say.parseData(say.propsync("4x12", false, props))), {
    type: "propsync",
    sessid: "4x12",
    resp: false,
    props,
  });
});
