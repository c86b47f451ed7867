import assert from "node:assert/strict";
import test from "node:test";

import { CONVO, INSTANCES, SDP, STRANGER, World, accepting, paired, waiting } from "./world.mjs";

const [ONE, TWO] = INSTANCES;
const wake = { type: "wake" };

/** `text` as `from` says it through the server. */
const said = (from, message) => ({
  type: "line",
  text: `ROOM_PEER_MSG ${from}:${CONVO} ${JSON.stringify(message)}`,
});
const offer = (sessid) => ({ sdp: { type: "offer", sdp: SDP, sessid } });

function meet(world) {
  world.tell(0, wake);
  world.run(1000);
  world.tell(1, wake);
  world.run(1000);
  return world;
}

// ── pairing ──

test("a code pairs two sides, and both stay paused", () => {
  const world = meet(new World([waiting(), accepting(ONE, TWO)]));
  assert.deepEqual(world.remembered, [TWO, ONE]);
  assert.deepEqual(world.sides.map((side) => side.pairing.kind), ["paired", "paired"]);
  assert.deepEqual(world.sides.map((side) => side.farHere), [true, true]);
  assert.deepEqual(world.gates, ["closed", "closed"]);
});

test("a code read while its owner is away pairs when the owner comes", () => {
  const world = new World([waiting(), accepting(ONE, TWO)]);
  world.tell(1, wake);
  world.run(5000);
  world.tell(0, wake);
  world.run(1000);
  assert.deepEqual(world.remembered, [TWO, ONE]);
});

test("a wrong key is refused, and the code stays good for the right one", () => {
  const world = meet(new World([waiting(), accepting(ONE, TWO, "wrong")]));
  assert.deepEqual(world.remembered, [null, null]);
  assert.equal(world.sides[1].pairing.kind, "refused");
  assert.equal(world.sides[0].pairing.kind, "waiting");
});

test("a used code is refused, and who used it keeps it", () => {
  const world = meet(new World([paired(STRANGER), accepting(ONE, TWO)]));
  assert.equal(world.sides[1].pairing.kind, "refused");
  assert.equal(world.sides[0].pairing.far, STRANGER);
  assert.equal(world.sides[0].farHere, false);
});

test("after a refusal nothing brings the line back", () => {
  const world = meet(new World([paired(STRANGER), accepting(ONE, TWO)]));
  world.take(1);
  world.tell(1, wake);
  world.run(60_000);
  assert.equal(world.count(1, "connect"), 0);
});

test("of two who hold the same code the first alone is let in", () => {
  const world = new World([waiting(), accepting(ONE, TWO)]);
  world.tell(0, wake);
  world.run(1000);
  const right = `key accept ${STRANGER} ${ONE}`;
  world.tell(0, said(STRANGER, { accept: { proof: right } }));
  world.tell(1, wake);
  world.run(1000);
  assert.equal(world.remembered[0], STRANGER);
  assert.equal(world.sides[1].pairing.kind, "refused");
});

test("a side whose accepted was lost gets it again", () => {
  const world = meet(new World([waiting(), accepting(ONE, TWO)]));
  world.sides[1] = world.side(1, accepting(ONE, TWO), false);
  world.remembered[1] = null;
  world.room.delete(1);
  world.tell(1, wake);
  world.run(1000);
  assert.equal(world.remembered[1], ONE);
});

test("a side whose accepted was lost gets it too when the owner's page was opened anew meanwhile", () => {
  const world = new World([waiting(), accepting(ONE, TWO)]);
  world.tell(0, wake);
  world.tell(1, wake);
  while (world.remembered[0] === null) world.run(1);
  assert.equal(world.remembered[1], null);
  world.queue.length = 0;
  world.leave(0);
  world.sides[0] = world.side(0, world.sides[0].pairing, false);
  world.tell(0, wake);
  world.run(1000);
  assert.equal(world.remembered[1], ONE);
});

test("the owner's word is believed only with the right proof, and only from the owner", () => {
  const world = new World([paired(STRANGER), accepting(ONE, TWO)]);
  world.tell(1, wake);
  world.run(1000);
  const right = `key accepted ${ONE} ${TWO}`;
  world.tell(1, said(ONE, { accepted: { proof: "key accepted" } }));
  world.tell(1, said(STRANGER, { accepted: { proof: right } }));
  assert.equal(world.remembered[1], null);
  world.tell(1, said(ONE, { accepted: { proof: right } }));
  assert.equal(world.remembered[1], ONE);
});

test("a code that nobody used is erased after a day, and refused from then on", () => {
  const world = new World([waiting(), accepting(ONE, TWO)]);
  world.tell(0, wake);
  world.run(86_399_000);
  assert.equal(world.sides[0].pairing.kind, "waiting");
  world.run(2000);
  assert.equal(world.sides[0].pairing.kind, "expired");
  assert.equal(world.count(0, "forgetKey"), 1);
  world.tell(1, wake);
  world.run(1000);
  assert.equal(world.sides[1].pairing.kind, "refused");
});

test("unpaired, nobody is listened to but who holds the code", () => {
  const world = new World([waiting(), paired(ONE)]);
  meet(world);
  world.tell(1, { type: "unpause" });
  world.run(1000);
  assert.equal(world.media[0], null);
  assert.equal(world.phases[0], "idle");
});

test("paired, a stranger in the room is not listened to", () => {
  const world = World.paired();
  world.take(0);
  world.tell(0, said(STRANGER, offer("call9")));
  world.tell(0, { type: "line", text: `ROOM_PEER_LEFT ${STRANGER}:${CONVO}` });
  world.run(1000);
  assert.deepEqual(world.take(0), []);
});

// ── unpausing ──

test("the first to unpause offers, and the other answers and stays paused", () => {
  const world = World.connected();
  assert.deepEqual(world.gates, ["open", "closed"]);
  assert.equal(world.count(0, "offer"), 1);
  assert.equal(world.count(1, "offer"), 0);
});

test("the second to unpause negotiates nothing, and each knows of the other that it is unpaused", () => {
  const world = World.connected();
  world.take(0);
  world.take(1);
  world.tell(1, { type: "unpause" });
  world.run(500);
  assert.deepEqual(world.gates, ["open", "open"]);
  const commands = [...world.take(0), ...world.take(1)].map((output) => output.type);
  assert.deepEqual(commands.filter((type) => !["sendData", "openGate"].includes(type)), []);
  assert.deepEqual(world.sides.map((side) => side.farProps.get("paused")), ["false", "false"]);
});

test("pausing closes the gate at once and keeps the call", () => {
  const world = World.connected();
  world.tell(0, { type: "pause" });
  assert.equal(world.gates[0], "closed");
  world.run(10_000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  assert.equal(world.sides[1].farProps.get("paused"), "true");
});

test("the gate does not open by anything that the far side or the server does", () => {
  const world = World.connected();
  world.tell(0, { type: "pause" });
  world.tell(1, { type: "unpause" });
  world.run(5000);
  world.setServer(false);
  world.setServer(true);
  world.run(5000);
  assert.equal(world.gates[0], "closed");
  assert.equal(world.count(0, "openGate"), 1);
});

test("muting and the camera are told to the far side, once for each change", () => {
  const world = World.connected();
  world.take(0);
  world.tell(0, { type: "mute", on: true });
  world.tell(0, { type: "mute", on: true });
  world.tell(0, { type: "camera", on: false });
  const told = world.take(0).filter((output) => output.type === "sendData");
  assert.equal(told.length, 2);
  world.run(100);
  assert.equal(world.sides[1].farProps.get("audiosend"), "false");
  assert.equal(world.sides[1].farProps.get("videosend"), "false");
});

test("a request for the properties is answered once, and a response never", () => {
  const world = World.connected();
  world.take(1);
  const props = { paused: "false" };
  const propsync = (resp) => JSON.stringify({ version: "3.0", type: "PROPSYNC", sessid: "call1", resp, props });
  const hear = (text) => world.tell(1, { type: "media", told: { type: "dataText", sessid: "call1", text } });
  hear(propsync(false));
  assert.deepEqual(world.take(1).map(({ text }) => JSON.parse(text).resp), [true]);
  hear(propsync(true));
  assert.deepEqual(world.take(1), []);
});

test("whoever is unpaused already offers when the other comes", () => {
  const world = new World([paired(TWO), paired(ONE)]);
  world.tell(0, wake);
  world.tell(0, { type: "unpause" });
  world.run(1000);
  assert.equal(world.count(0, "offer"), 0);
  world.tell(1, wake);
  world.run(1000);
  assert.equal(world.count(0, "offer"), 1);
  assert.deepEqual(world.phases, ["connected", "connected"]);
});

for (const first of [0, 1]) {
  test(`both unpausing at once make one call, side ${first} told first`, () => {
    const world = World.paired();
    world.tell(first, { type: "unpause" });
    world.tell(1 - first, { type: "unpause" });
    world.run(1000);
    assert.deepEqual(world.phases, ["connected", "connected"]);
    assert.deepEqual(world.gates, ["open", "open"]);
    assert.equal(world.media[0], world.media[1]);
    // The greater instance's offer stood: the lesser closed its own and answered.
    assert.deepEqual([world.count(0, "answer"), world.count(1, "answer")], [1, 0]);
    assert.deepEqual([world.endings(0), world.endings(1)], [[], []]);
  });
}

// ── a call and its end ──

test("hanging up leaves both ready and paused", () => {
  const world = World.connected();
  world.tell(1, { type: "unpause" });
  world.run(500);
  world.tell(0, { type: "hangUp" });
  assert.equal(world.gates[0], "closed");
  assert.equal(world.phases[0], "ending");
  world.run(1000);
  assert.deepEqual(world.phases, ["idle", "idle"]);
  assert.deepEqual(world.gates, ["closed", "closed"]);
  assert.deepEqual(world.media, [null, null]);
  assert.deepEqual([world.endings(0), world.endings(1)], [["hung_up"], ["far_hung_up"]]);
});

test("hang-ups that cross end the call once on each side", () => {
  const world = World.connected();
  world.tell(0, { type: "hangUp" });
  world.tell(1, { type: "hangUp" });
  world.run(1000);
  assert.deepEqual([world.endings(0), world.endings(1)], [["hung_up"], ["hung_up"]]);
  assert.deepEqual([world.count(0, "close"), world.count(1, "close")], [1, 1]);
  assert.deepEqual(world.phases, ["idle", "idle"]);
});

test("a hang-up that nobody answers ends after 5 s", () => {
  const world = World.connected();
  world.kill(1);
  world.tell(0, { type: "hangUp" });
  world.run(4900);
  assert.equal(world.phases[0], "ending");
  world.run(200);
  assert.equal(world.phases[0], "idle");
});

test("hanging up before the answer cancels on both sides", () => {
  const world = World.paired();
  world.tell(0, { type: "unpause" });
  world.run(35);
  assert.deepEqual(world.phases, ["calling", "connecting"]);
  world.tell(0, { type: "hangUp" });
  world.run(1000);
  assert.deepEqual(world.phases, ["idle", "idle"]);
  assert.deepEqual([world.endings(0), world.endings(1)], [["hung_up"], ["far_hung_up"]]);
});

test("unpausing right after a hang-up begins a new call", () => {
  const world = World.connected();
  world.tell(0, { type: "hangUp" });
  world.tell(0, { type: "unpause" });
  world.run(1000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  assert.equal(world.media[0], "call2");
});

test("a new offer in a call replaces it and keeps the gate as it is", () => {
  const world = World.connected();
  world.tell(1, { type: "unpause" });
  world.run(500);
  world.tell(1, said(ONE, offer("call9")));
  assert.equal(world.media[1], "call9");
  assert.equal(world.gates[1], "open");
  assert.equal(world.phases[1], "connecting");
});

test("what belongs to another call is dropped", () => {
  const world = World.connected();
  world.take(0);
  world.tell(0, said(TWO, { sdp: { type: "answer", sdp: SDP, sessid: "call9" } }));
  world.tell(0, said(TWO, { ice: { candidate: "c", sdpMLineIndex: 0, sessid: "call9" } }));
  world.tell(0, said(TWO, { version: "3.0", type: "CANCEL", sessid: "call9", resp: false }));
  world.tell(0, said(TWO, offer("call1")));
  world.tell(0, { type: "media", told: { type: "closed", sessid: "call9" } });
  world.tell(0, { type: "media", told: { type: "dataText", sessid: "call9", text: '{"ping":{}}' } });
  assert.deepEqual(world.take(0), []);
  assert.equal(world.phases[0], "connected");
});

test("candidates go to the call that they belong to", () => {
  const world = World.connected();
  world.take(0);
  world.tell(0, said(TWO, { ice: { candidate: "c", sdpMid: "0", sdpMLineIndex: 0, sessid: "call1" } }));
  assert.equal(world.count(0, "addCandidate"), 1);
});

test("a far side that dies is noticed within three seconds of its last word", () => {
  const world = World.connected();
  world.room.delete(1);
  world.kill(1);
  world.run(1900);
  assert.equal(world.phases[0], "connected");
  world.run(1200);
  assert.deepEqual(world.endings(0), ["far_gone"]);
  assert.equal(world.gates[0], "closed");
});

test("a far side that dies and leaves the room is noticed within a second and a half", () => {
  const world = World.connected();
  world.kill(1);
  world.run(1600);
  assert.deepEqual(world.endings(0), ["far_gone"]);
});

test("a far side whose line alone is gone stays in the call", () => {
  const world = World.connected();
  world.leave(1);
  world.run(10_000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  assert.equal(world.sides[0].farHere, false);
});

test("a side that was asleep asks once more before it gives the other up", () => {
  const world = World.connected();
  world.now += 60_000;
  world.tell(0, { type: "deadline" });
  assert.equal(world.phases[0], "connected");
  world.tell(1, { type: "deadline" });
  world.run(10_000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
});

test("an offer that was lost with its addressee is made again when that is back", () => {
  const world = World.paired();
  world.leave(1);
  world.run(5);
  world.tell(0, { type: "unpause" });
  world.run(1000);
  assert.equal(world.phases[0], "idle");
  assert.equal(world.gates[0], "open");
  world.enter(1, [0]);
  world.run(1000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
});

test("an unanswered offer ends after a minute", () => {
  const world = World.paired();
  world.sides[1].handle = () => {};
  world.sides[1].deadline = () => Infinity;
  world.tell(0, { type: "unpause" });
  world.run(59_900);
  assert.equal(world.phases[0], "calling");
  world.run(200);
  assert.deepEqual(world.endings(0), ["no_answer"]);
  assert.equal(world.gates[0], "closed");
});

test("a call that does not connect in ten seconds ends on both sides", () => {
  const world = World.paired();
  world.told = (side, sessid, told) =>
    told.type !== "dataOpen" && World.prototype.told.call(world, side, sessid, told);
  world.tell(0, { type: "unpause" });
  world.run(9_900);
  assert.deepEqual(world.phases, ["connecting", "connecting"]);
  world.run(300);
  assert.deepEqual(world.phases, ["idle", "idle"]);
  assert.equal(world.endings(0).length + world.endings(1).length, 2);
});

test("media that fail end the call and pause, and say why", () => {
  const world = World.connected();
  world.tell(0, { type: "media", told: { type: "failed", sessid: "call1", why: "no way" } });
  const [ended] = world.take(0).filter((output) => output.type === "ended");
  assert.deepEqual([ended.reason, ended.message], ["failed", "no way"]);
  assert.equal(world.gates[0], "closed");
});

test("an answerer whose media fail tells the side that waits", () => {
  const world = World.paired();
  world.tell(0, { type: "unpause" });
  world.run(35);
  assert.equal(world.phases[1], "connecting");
  world.tell(1, { type: "media", told: { type: "failed", sessid: "call1", why: "no way" } });
  world.run(1000);
  assert.deepEqual(world.phases, ["idle", "idle"]);
  assert.deepEqual(world.endings(0), ["far_hung_up"]);
});

test("a side without a camera does not say that it sends a picture", () => {
  const world = World.connected();
  world.run(100);
  assert.equal(world.sides[1].farProps.get("videosend"), "true");
  world.tell(0, { type: "equipped", kind: "video", on: false });
  world.run(100);
  assert.equal(world.sides[1].farProps.get("videosend"), "false");
  assert.equal(world.sides[1].farProps.get("audiosend"), "true");
});

test("what the media find out late is not said before this side is in the room", () => {
  const world = new World([paired(TWO), paired(ONE)]);
  world.serverMute = true;
  world.tell(0, wake);
  world.run(100);
  world.tell(0, said(TWO, offer("call9")));
  world.tell(0, { type: "media", told: { type: "described", sessid: "call9", description: "answer", sdp: SDP } });
  assert.deepEqual(world.take(0).filter(({ type }) => type === "send").map(({ text }) => text.split(" ")[0]), ["HELLO"]);
});

test("a connection that the far side closed ends the call", () => {
  const world = World.connected();
  world.tell(0, { type: "media", told: { type: "closed", sessid: "call1" } });
  assert.deepEqual(world.endings(0), ["far_gone"]);
});

test("nonsense on the data channel is a sign of life and nothing more", () => {
  const world = World.connected();
  world.take(0);
  for (const text of ["", "null", "{", '{"version":"3.0"}', "x".repeat(70_000), undefined]) {
    world.tell(0, { type: "media", told: { type: "dataText", sessid: "call1", text } });
  }
  assert.deepEqual(world.take(0), []);
});

// ── the line ──

test("a call outlives the server, and the line is back within three seconds of it", () => {
  const world = World.connected();
  world.setServer(false);
  world.run(30_000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  world.setServer(true);
  world.run(3000);
  assert.deepEqual(world.lines, ["joined", "joined"]);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  assert.deepEqual([world.endings(0), world.endings(1)], [[], []]);
});

test("an offer whose line is lost is made anew when both are back", () => {
  const world = World.paired();
  world.tell(0, { type: "unpause" });
  world.setServer(false);
  assert.equal(world.phases[0], "idle");
  world.setServer(true);
  world.run(5000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  assert.deepEqual(world.gates, ["open", "closed"]);
});

test("waits for the server grow from 250 ms to 2 s, and later to 10 s, and never beyond", () => {
  const world = World.paired();
  const waits = [];
  world.setServer(false);
  while (world.now < 600_000) {
    if (world.lines[0] === "offline") {
      waits.push({ at: world.now, wait: world.sides[0].line.until - world.now });
      world.now = world.sides[0].line.until;
    }
    world.tell(0, { type: "deadline" });
    world.tell(0, { type: "socketClosed" });
  }
  assert.deepEqual(waits.slice(0, 4).map(({ wait }) => wait), [250, 500, 1000, 2000]);
  const isFresh = ({ at }) => at < 120_000;
  assert.equal(Math.max(...waits.filter(isFresh).map(({ wait }) => wait)), 2000);
  assert.equal(Math.max(...waits.map(({ wait }) => wait)), 10_000);
});

test("waits are spread by a fifth to either side", () => {
  for (const [random, expected] of [[0, 200], [1, 300]]) {
    const world = World.paired();
    world.sides[0].backoff.random = () => random;
    world.tell(0, { type: "socketClosed" });
    assert.equal(Math.round(world.sides[0].line.until - world.now), expected);
  }
});

test("when the network is back the server is tried at once", () => {
  const world = World.paired();
  world.setServer(false);
  world.run(60_000);
  world.take(0);
  world.tell(0, wake);
  assert.equal(world.count(0, "connect"), 1);
});

test("a line that died unnoticed is found out by asking, and made anew", () => {
  const world = World.paired();
  world.serverMute = true;
  world.room.clear();
  world.take(0);
  world.tell(0, wake);
  world.run(2900);
  assert.equal(world.lines[0], "joined");
  world.serverMute = false;
  world.run(1000);
  assert.equal(world.count(0, "disconnect"), 1);
  assert.equal(world.lines[0], "joined");
});

test("a line that lives stays as it is when asked", () => {
  const world = World.paired();
  world.take(0);
  world.tell(0, wake);
  world.run(10_000);
  assert.deepEqual(world.take(0).map((output) => output.text), ["ROOM_PEER_LIST"]);
  assert.equal(world.sides[0].farHere, true);
});

test("a server that says nothing is given up and tried again", () => {
  const world = new World([paired(TWO), paired(ONE)]);
  world.serverMute = true;
  world.tell(0, wake);
  world.run(14_900);
  assert.equal(world.count(0, "disconnect"), 0);
  world.run(1000);
  assert.equal(world.count(0, "disconnect"), 1);
  assert.equal(world.count(0, "connect"), 2);
});

test("lines that are no part of the protocol, or out of turn, change nothing", () => {
  const world = World.connected();
  world.take(0);
  for (const text of ["", "HELLO", "ROOM_OK ", "NONSENSE", "ERROR peer 'x' not found", "ROOM_PEER_MSG", "SESSION_OK"]) {
    world.tell(0, { type: "line", text });
  }
  world.tell(0, { type: "line", text: `ROOM_PEER_MSG ${TWO}:${CONVO} {"sdp":` });
  assert.deepEqual(world.take(0), []);
  assert.equal(world.sides[0].farHere, true);
});

// ── one place at a time ──

test("a conversation that is open elsewhere is told so, and can be taken over", () => {
  const world = new World([paired(TWO), paired(ONE)]);
  world.holder = () => "ERROR peer uid taken";
  world.tell(0, wake);
  world.run(60_000);
  assert.equal(world.lines[0], "taken");
  assert.equal(world.count(0, "connect"), 1);
  world.tell(0, { type: "takeOver" });
  world.run(1000);
  world.holder = undefined;
  world.run(3000);
  assert.equal(world.lines[0], "joined");
});

test("a side that was on the line keeps trying while its own dead connection holds the uid", () => {
  const world = World.paired();
  world.holder = () => "ERROR peer uid taken";
  world.tell(0, { type: "socketClosed" });
  world.room.delete(0);
  world.run(10_000);
  assert.notEqual(world.lines[0], "taken");
  world.holder = undefined;
  world.run(3000);
  assert.equal(world.lines[0], "joined");
});

test("a conversation that is let go hangs up, pauses, leaves, and does not unpause", () => {
  const world = World.connected();
  world.tell(0, { type: "letGo" });
  assert.equal(world.lines[0], "taken");
  assert.equal(world.gates[0], "closed");
  assert.equal(world.media[0], null);
  world.tell(0, { type: "unpause" });
  assert.equal(world.gates[0], "closed");
  world.run(1000);
  assert.deepEqual(world.endings(1), ["far_hung_up"]);
  assert.equal(world.sides[1].farHere, false);
});

test("a wake-up that comes too early, or twice, is harmless", () => {
  const world = World.connected();
  world.take(0);
  world.tell(0, { type: "deadline" });
  world.tell(0, { type: "deadline" });
  assert.deepEqual(world.take(0), []);
});
