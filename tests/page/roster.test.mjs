// Who is in a room and which connections are made, on virtual time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ROOM_LIMIT, Roster } from "../../assets/page/roster.js";

const SDP = "v=0\r\na=fingerprint:sha-256 AB\r\n";
const offer = JSON.stringify({ sdp: { type: "offer", sdp: SDP } });
const answer = JSON.stringify({ sdp: { type: "answer", sdp: SDP } });
const ice = (name, index = 0) => JSON.stringify({ ice: { candidate: name, sdpMLineIndex: index } });

/** A roster, and what it wants done, in words. */
function bench(uid = "5") {
  const told = [];
  const roster = new Roster({ uid, room: "tea", random: () => 0.5, told: (output) => told.push(output) });
  const give = (now, input) => {
    told.length = 0;
    roster.handle(now, input);
    return told.filter(({ type }) => type !== "changed").map(spell);
  };
  const line = (now, text) => give(now, { type: "line", text });
  const media = (now, id, type, fields = {}) => give(now, { type: "media", id, event: { type, ...fields } });
  const enter = (peers, now = 0) => {
    give(now, { type: "start" });
    give(now, { type: "opened" });
    line(now, "HELLO");
    return line(now, `ROOM_OK ${peers}`);
  };
  return { roster, give, line, media, enter };
}

function spell({ type, id, uid, line, candidate, sdp }) {
  return [type, id, uid, line, candidate, sdp && "sdp"].filter((part) => part !== undefined).join(" ");
}

test("who comes offers to everybody who is there, and to nobody who comes later", () => {
  const { enter, line, roster } = bench();
  assert.deepEqual(enter("1 2"), ["offer 1 1", "offer 2 2"]);
  assert.deepEqual(line(0, "ROOM_PEER_JOINED 3"), []);
  assert.equal(roster.count, 4);
  assert.deepEqual(line(0, `ROOM_PEER_MSG 3 ${offer}`), ["answer 3 3 sdp"]);
});

test("what connections tell goes to their member, as plain JSON", () => {
  const { enter, media } = bench();
  enter("1");
  const said = media(0, 1, "described", { description: "offer", sdp: SDP });
  assert.deepEqual(said, [`send ROOM_PEER_MSG 1 ${offer}`]);
  const [found] = media(0, 1, "candidate", { candidate: "c", sdpMid: "0", sdpMLineIndex: 0 });
  assert.equal(found, 'send ROOM_PEER_MSG 1 {"ice":{"candidate":"c","sdpMid":"0","sdpMLineIndex":0}}');
});

test("candidates that come before their description wait for it", () => {
  const { enter, line } = bench();
  enter("1");
  assert.deepEqual(line(0, `ROOM_PEER_MSG 1 ${ice("early", "1")}`), []);
  assert.deepEqual(line(0, `ROOM_PEER_MSG 1 ${answer}`), ["acceptAnswer 1 sdp", "addCandidate 1 early"]);
  assert.deepEqual(line(0, `ROOM_PEER_MSG 1 ${ice("late")}`), ["addCandidate 1 late"]);
  assert.deepEqual(line(0, `ROOM_PEER_MSG 1 ${answer}`), [], "one answer is enough");
});

test("a connection that is made anew takes the place of the old one when it stands", () => {
  const { enter, line, media } = bench();
  enter("1");
  line(0, `ROOM_PEER_MSG 1 ${answer}`);
  assert.deepEqual(media(0, 1, "connected"), ["use 1 1"]);
  assert.deepEqual(line(0, `ROOM_PEER_MSG 1 ${offer}`), ["answer 2 1 sdp"]);
  assert.deepEqual(media(0, 2, "connected"), ["close 1 1", "use 2 1"]);
});

test("of two offers at once the greater uid's stands", () => {
  const greater = bench("5");
  greater.enter("1");
  assert.deepEqual(greater.line(0, `ROOM_PEER_MSG 1 ${offer}`), []);
  const lesser = bench("1");
  lesser.enter("5");
  assert.deepEqual(lesser.line(0, `ROOM_PEER_MSG 5 ${offer}`), ["close 1 5", "answer 2 5 sdp"]);
});

test("who left is kept for 3 s, and for longer when this side's own line was lost", () => {
  const { enter, line, media, give, roster } = bench();
  enter("1");
  line(0, `ROOM_PEER_MSG 1 ${answer}`);
  media(0, 1, "connected");
  line(0, "ROOM_PEER_LEFT 1");
  assert.equal(roster.count, 1);
  assert.equal(roster.deadline(), 3000);
  line(1000, "ROOM_PEER_JOINED 1");
  assert.equal(roster.deadline(), Infinity, "it came back");
  line(2000, "ROOM_PEER_LEFT 1");
  assert.deepEqual(give(5000, { type: "deadline" }), ["close 1 1"]);

  enter("2", 5000);
  line(5000, `ROOM_PEER_MSG 2 ${answer}`);
  media(5000, 2, "connected");
  assert.deepEqual(give(5000, { type: "closed" }), []);
  assert.deepEqual(give(5250, { type: "deadline" }), ["connect"]);
  assert.equal(roster.deadline(), 20_000);
});

test("a connection that fails is tried again by whoever offered, three times", () => {
  const { enter, media, give, roster } = bench();
  enter("1");
  let now = 0;
  for (let id = 1; id <= 3; id++) {
    assert.deepEqual(media(now, id, "failed"), [`close ${id} 1`]);
    now = roster.deadline();
    assert.deepEqual(give(now, { type: "deadline" }), [`offer ${id + 1} 1`]);
  }
  media(now, 4, "failed");
  assert.equal(roster.deadline(), Infinity);
});

test("a full room is left again, and asked for a place later", () => {
  const { enter, give, roster } = bench();
  const eight = Array.from({ length: ROOM_LIMIT }, (_, at) => at + 10).join(" ");
  assert.deepEqual(enter(eight), ["disconnect"]);
  assert.equal(roster.line.kind, "full");
  assert.deepEqual(give(roster.deadline(), { type: "deadline" }), ["connect"]);
});

test("what nobody understands changes nothing", () => {
  const { enter, line, roster } = bench();
  enter("1");
  for (const text of ["", "x", "ROOM_PEER_MSG", "ROOM_PEER_MSG 1 {", 'ROOM_PEER_MSG 1 {"a":1}', "ERROR no", "HELLO", "ROOM_OK 9"]) {
    assert.deepEqual(line(0, text), [], text);
  }
  assert.equal(roster.count, 2);
});
