import assert from "node:assert/strict";
import test from "node:test";

import * as say from "../../assets/page/negotiation.js";
import { vectors } from "./vectors.mjs";

const signals = vectors("negotiation");
const data = vectors("data_channel");

const short = (text) => (text.length > 70 ? `${text.slice(0, 70)}…` : text);

for (const { text, says } of signals.valid) {
  test(`understood by the server: ${short(text)}`, () => assert.deepEqual(say.parseSignal(text), says));
}

for (const text of signals.refused) {
  test(`dropped by the server: ${short(text)}`, () => assert.equal(say.parseSignal(text), null));
}

for (const { text, says } of data.valid) {
  test(`understood on the data channel: ${short(text)}`, () => assert.deepEqual(say.parseData(text), says));
}

for (const text of data.refused) {
  test(`dropped on the data channel: ${short(text)}`, () => assert.equal(say.parseData(text), null));
}

test("a text of over 64 KiB is dropped, also when only its bytes are too many", () => {
  const padded = (count, filler) => JSON.stringify({ ...say.cancel("4x12"), filler: filler.repeat(count) });
  assert.equal(say.parseSignal(padded(1000, "x")).type, "cancel");
  assert.equal(say.parseSignal(padded(65536, "x")), null);
  assert.equal(say.parseSignal(padded(40000, "ä")), null);
  assert.equal(say.parseData(JSON.stringify({ ping: "x".repeat(65536) })), null);
});

test("a description of over 32 KiB is dropped", () => {
  const sdp = (count) => `v=0\r\na=fingerprint:sha-256 AA\r\n${"x".repeat(count)}`;
  const text = (count) => JSON.stringify(say.setup({ sessid: "4x12", resp: false, sdp: sdp(count), props: {} }));
  assert.equal(say.parseSignal(text(1000)).type, "setup");
  assert.equal(say.parseSignal(text(32768)), null);
});

test("an empty candidate says nothing", () => {
  assert.equal(say.parseSignal(JSON.stringify({ ice: { candidate: "", sdpMLineIndex: 0, sessid: "4x12" } })), null);
});

test("what is said by the server is understood", () => {
  const described = { sessid: "4x12", resp: true, sdp: "v=0\r\na=fingerprint:sha-256 AA\r\n", props: { paused: "true" } };
  const place = { candidate: "candidate:1", sdpMid: "0", sdpMLineIndex: 0, sessid: "4x12" };
  const heard = (said) => say.parseSignal(JSON.stringify(said));
  assert.deepEqual(heard(say.setup(described)), { type: "setup", generation: 0, ...described });
  assert.deepEqual(heard(say.update({ ...described, generation: 2 })), { type: "update", generation: 2, ...described });
  for (const generation of [0, 3]) {
    const found = { ...place, generation };
    assert.deepEqual(heard(say.candidate(found)), { type: "candidate", ...found });
  }
  assert.deepEqual(heard(say.cancel("4x12")), { type: "cancel", sessid: "4x12", resp: false });
  assert.deepEqual(heard(say.reject("4x12")), { type: "reject", sessid: "4x12", resp: false });
});

test("the first connection of a call is not named", () => {
  const place = { candidate: "candidate:1", sdpMid: "0", sdpMLineIndex: 0, sessid: "4x12" };
  assert.deepEqual(say.candidate({ ...place, generation: 0 }), { ice: place });
});

test("what is said on the data channel is understood, and nothing of it by the server", () => {
  const props = { paused: "true", audiosend: "false" };
  const sayings = [
    [say.hangup("4x12", true), { type: "hangup", sessid: "4x12", resp: true }],
    [say.propsync("4x12", false, props), { type: "propsync", sessid: "4x12", resp: false, props }],
    [say.ping(), { type: "ping" }],
    [say.pong(), { type: "pong" }],
  ];
  for (const [said, expected] of sayings) {
    assert.deepEqual(say.parseData(JSON.stringify(said)), expected);
    assert.equal(say.parseSignal(JSON.stringify(said)), null);
  }
});

test("props that are named like what every object has are props", () => {
  const text = '{"version":"3.0","type":"PROPSYNC","sessid":"4x12","resp":false,"props":{"__proto__":"x","toString":"y"}}';
  const { props } = say.parseData(text);
  assert.deepEqual(Object.entries(props), [["__proto__", "x"], ["toString", "y"]]);
});
