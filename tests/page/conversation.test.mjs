import assert from "node:assert/strict";
import test from "node:test";

import { LOOK_INTERVAL } from "../../assets/page/conversation.js";
import { REGISTER_LIMIT } from "../../assets/page/line.js";
import { RETURN_LIMIT, TRIES } from "../../assets/page/wish.js";
import { CONVO, INSTANCES, STRANGER, WORDS, World, accepting, paired, waiting } from "./world.mjs";

const [ONE, TWO] = INSTANCES;
const wake = { type: "wake" };

/** `text` as `from` says it through the server. */
const said = (from, message) => ({
  type: "line",
  text: `ROOM_PEER_MSG ${from}:${CONVO} ${JSON.stringify(message)}`,
});
const sdp = "v=0\r\na=fingerprint:sha-256 AA\r\n";
const setup = (sessid, resp = false) => ({ version: "3.0", type: "SETUP", sessid, resp, sdp, props: {} });
const cancel = (sessid) => ({ version: "3.0", type: "CANCEL", sessid, resp: false });
const media = (connection, event) => ({ type: "media", connection, event });
const first = (sessid) => ({ sessid, generation: 0 });

function meet(world) {
  world.tell(0, wake);
  world.run(1000);
  world.tell(1, wake);
  world.run(1000);
  return world;
}

// ── pairing ──

test("a code pairs two sides, and both stay paused", () => {
  const world = meet(new World([waiting(), accepting(ONE)]));
  assert.deepEqual(world.remembered, [TWO, ONE]);
  assert.deepEqual(world.sides.map((side) => side.pairing.kind), ["paired", "paired"]);
  assert.deepEqual(world.sides.map((side) => side.farHere), [true, true]);
  assert.deepEqual(world.gates, ["closed", "closed"]);
});

test("both have the same words once they have met, and keep them while they are apart", () => {
  const world = new World([paired(TWO), paired(ONE)]);
  world.tell(0, wake);
  world.run(1000);
  assert.equal(world.sides[0].words, null);
  world.tell(1, wake);
  world.run(1000);
  assert.deepEqual(world.sides.map((side) => side.words), [WORDS, WORDS]);
  assert.equal(world.count(0, "sealed"), 1);
  world.kill(1);
  world.run(1000);
  assert.equal(world.sides[0].words, WORDS);
});

test("a code read while its owner is away pairs when the owner comes", () => {
  const world = new World([waiting(), accepting(ONE)]);
  world.tell(1, wake);
  world.run(5000);
  world.tell(0, wake);
  world.run(1000);
  assert.deepEqual(world.remembered, [TWO, ONE]);
});

test("what is remembered comes before what is sent to the far side", () => {
  const world = new World([waiting(), accepting(ONE)]);
  world.tell(0, wake);
  world.tell(0, { type: "unpause" });
  world.tell(1, wake);
  world.run(1000);
  const order = world.performed[0].map(({ type, text }) => (type === "send" ? text.split(" ")[0] : type));
  assert.ok(order.indexOf("remember") < order.indexOf("ROOM_PEER_MSG"), order.join(" "));
});

test("a wrong key pairs nobody", () => {
  const world = meet(new World([waiting(), accepting(ONE, "wrong")]));
  assert.deepEqual(world.remembered, [null, null]);
  assert.deepEqual(world.sides.map((side) => side.pairing.kind), ["waiting", "accepting"]);
});

test("a used code is refused, and who used it keeps it", () => {
  const world = meet(new World([paired(STRANGER, "code is spent"), accepting(ONE)]));
  assert.equal(world.sides[1].pairing.kind, "refused");
  assert.equal(world.count(1, "forgetKey"), 1);
  assert.equal(world.sides[0].pairing.far, STRANGER);
  assert.equal(world.sides[0].farHere, false);
});

test("after a refusal nothing brings the line back", () => {
  const world = meet(new World([paired(STRANGER, "code is spent"), accepting(ONE)]));
  world.take(1);
  world.tell(1, wake);
  world.tell(1, { type: "networkChanged" });
  world.run(60_000);
  assert.equal(world.count(1, "connect"), 0);
});

test("a refusal that comes to a paired side changes nothing", () => {
  const world = World.paired();
  world.tell(0, { type: "channel", told: { type: "refused" } });
  assert.equal(world.sides[0].pairing.kind, "paired");
  assert.equal(world.count(0, "forgetKey"), 0);
});

test("a code that nobody used is erased after a day, and the channel told", () => {
  const world = new World([waiting(), accepting(ONE)]);
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

test("paired, a stranger in the room is not listened to", () => {
  const world = World.paired();
  world.take(0);
  world.tell(0, said(STRANGER, setup("call9")));
  world.tell(0, { type: "line", text: `ROOM_PEER_LEFT ${STRANGER}:${CONVO}` });
  world.run(1000);
  assert.deepEqual(world.take(0).filter(({ type }) => type !== "channel"), []);
  assert.equal(world.sides[0].farHere, true);
});

test("only who is of this conversation, and not this side itself, comes before the channel", () => {
  const world = World.paired();
  world.take(0);
  const other = "e".repeat(26);
  for (const uid of [`${ONE}:${CONVO}`, `${TWO}:${other}`, TWO, `${TWO.toUpperCase()}:${CONVO}`, `x:${CONVO}`, "17"]) {
    world.tell(0, { type: "line", text: `ROOM_PEER_MSG ${uid} {}` });
  }
  assert.equal(world.count(0, "channel"), 0);
});

// ── unpausing ──

test("the first to unpause offers, and the other answers and stays paused", () => {
  const world = World.connected();
  assert.deepEqual(world.gates, ["open", "closed"]);
  assert.equal(world.count(0, "offer"), 1);
  assert.equal(world.count(1, "offer"), 0);
  const props = (paused) => ({ paused, audiosend: paused === "true" ? "false" : "true" });
  for (const [side, paused] of ["true", "false"].entries()) {
    const { videosend, ...others } = world.sides[side].farProps;
    assert.deepEqual(others, { ...props(paused), holding: "false", behind: "0" });
    assert.equal(videosend, others.audiosend);
  }
});

test("the second to unpause negotiates nothing, and each knows of the other that it is unpaused", () => {
  const world = World.connected();
  world.take(0);
  world.take(1);
  world.tell(1, { type: "unpause" });
  world.run(500);
  assert.deepEqual(world.gates, ["open", "open"]);
  const commands = [...world.take(0), ...world.take(1)].map(({ type, command }) => command ?? type);
  assert.deepEqual(commands.filter((name) => !["sendData", "openGate"].includes(name)), []);
  assert.deepEqual(world.sides.map((side) => side.farProps.paused), ["false", "false"]);
});

test("pausing closes the gate at once and keeps the call", () => {
  const world = World.connected();
  world.tell(0, { type: "pause" });
  assert.equal(world.gates[0], "closed");
  world.run(10_000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  assert.equal(world.sides[1].farProps.paused, "true");
});

test("the gate does not open by anything that the far side or the server does", () => {
  const world = World.connected();
  world.tell(0, { type: "pause" });
  world.tell(1, { type: "unpause" });
  world.run(5000);
  world.setServer(false);
  world.setServer(true);
  world.run(5000);
  world.kill(1);
  world.run(5000);
  world.tell(1, wake);
  world.tell(1, { type: "unpause" });
  world.run(5000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  assert.equal(world.gates[0], "closed");
  assert.equal(world.count(0, "openGate"), 1);
});

test("muting and the camera are told to the far side, once for each change", () => {
  const world = World.connected();
  world.take(0);
  world.tell(0, { type: "mute", on: true });
  world.tell(0, { type: "mute", on: true });
  world.tell(0, { type: "camera", on: false });
  assert.equal(world.count(0, "sendData"), 2);
  world.run(100);
  assert.equal(world.sides[1].farProps.audiosend, "false");
  assert.equal(world.sides[1].farProps.videosend, "false");
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

for (const begins of [0, 1]) {
  for (const apart of [0, 1, 5, 10, 15, 25]) {
    test(`both unpausing ${apart} ms apart make one call, side ${begins} first`, () => {
      const world = World.paired();
      world.tell(begins, { type: "unpause" });
      world.run(apart);
      world.tell(1 - begins, { type: "unpause" });
      world.run(2000);
      assert.deepEqual(world.phases, ["connected", "connected"]);
      assert.deepEqual(world.gates, ["open", "open"]);
      assert.deepEqual(world.media[0], world.media[1]);
      assert.equal(world.media[0].length, 1);
      assert.deepEqual([world.endings(0), world.endings(1)], [[], []]);
    });
  }
}

// ── a call and its end ──

test("hanging up leaves both ready and paused, and the line is still there", () => {
  for (const side of [0, 1]) {
    const world = World.connected();
    world.tell(1, { type: "unpause" });
    world.run(500);
    world.tell(side, { type: "hangUp" });
    assert.equal(world.gates[side], "closed");
    assert.equal(world.phases[side], "ending");
    world.run(1000);
    assert.deepEqual(world.phases, ["idle", "idle"]);
    assert.deepEqual(world.gates, ["closed", "closed"]);
    assert.deepEqual(world.media, [[], []]);
    assert.deepEqual([world.endings(side), world.endings(1 - side)], [["hung_up"], ["far_hung_up"]]);
    world.tell(1, { type: "unpause" });
    world.run(1000);
    assert.deepEqual(world.phases, ["connected", "connected"]);
  }
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

test("hanging up before the answer cancels on both sides", () => {
  for (const after of [5, 15, 25, 35, 45]) {
    const world = World.paired();
    world.tell(0, { type: "unpause" });
    world.run(after);
    world.tell(0, { type: "hangUp" });
    world.run(2000);
    assert.deepEqual(world.phases, ["idle", "idle"], `after ${after} ms`);
    assert.deepEqual(world.media, [[], []]);
    assert.deepEqual(world.gates, ["closed", "closed"]);
    assert.deepEqual(world.endings(0), ["hung_up"]);
  }
});

test("a call that the far side cancels pauses this side too", () => {
  const world = World.connected();
  world.tell(0, said(TWO, cancel("call1")));
  assert.equal(world.gates[0], "closed");
  assert.deepEqual(world.endings(0), ["far_hung_up"]);
});

test("unpausing right after a hang-up begins a new call", () => {
  const world = World.connected();
  world.tell(0, { type: "hangUp" });
  world.tell(0, { type: "unpause" });
  world.run(2000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  assert.deepEqual(world.media, [[first("call2")], [first("call2")]]);
  assert.equal(world.gates[0], "open");
});

test("a new offer in a call replaces it and keeps the gate as it is", () => {
  const world = World.connected();
  world.tell(1, { type: "unpause" });
  world.run(500);
  world.tell(1, said(ONE, setup("call9")));
  assert.deepEqual(world.media[1], [first("call9")]);
  assert.equal(world.gates[1], "open");
  assert.equal(world.phases[1], "reconnecting");
});

test("what belongs to another call, or to no message at all, is dropped", () => {
  const world = World.connected();
  world.take(0);
  world.tell(0, said(TWO, setup("call9", true)));
  world.tell(0, said(TWO, cancel("call9")));
  world.tell(0, said(TWO, setup("call1")));
  world.tell(0, said(TWO, { hello: 1 }));
  world.tell(0, media(first("call9"), { type: "closed" }));
  world.tell(0, media(first("call9"), { type: "dataText", text: '{"ping":{}}' }));
  for (const text of ["", "null", "{", '{"version":"3.0"}', "x".repeat(70_000), undefined]) {
    world.tell(0, media(first("call1"), { type: "dataText", text }));
  }
  // Who answers what nobody asked is told so, lest it wait.
  const told = world.take(0).filter(({ type }) => type !== "channel");
  assert.deepEqual(told.map(({ text }) => JSON.parse(text.slice(text.indexOf("{"))).type), ["REJECT"]);
  assert.equal(world.phases[0], "connected");
});

test("what is heard before the two have met is not listened to", () => {
  const world = new World([paired(TWO), paired(ONE)]);
  world.tell(0, wake);
  world.run(1000);
  world.tell(0, { type: "channel", told: { type: "heard", text: JSON.stringify(setup("call9")) } });
  assert.equal(world.count(0, "answer"), 0);
});

test("what the media find out late is not said before this side is in the room", () => {
  const world = new World([paired(TWO), paired(ONE)]);
  world.serverMute = true;
  world.tell(0, wake);
  world.run(100);
  world.tell(0, media(first("call9"), { type: "described", description: "answer", sdp }));
  world.tell(0, { type: "channel", told: { type: "send", to: TWO, text: "late" } });
  assert.deepEqual(world.take(0).filter(({ type }) => type === "send").map(({ text }) => text.split(" ")[0]), ["HELLO"]);
});

test("a side without a camera does not say that it sends a picture", () => {
  const world = World.connected();
  assert.equal(world.sides[1].farProps.videosend, "true");
  world.tell(0, { type: "equipped", kind: "video", on: false });
  world.run(100);
  assert.equal(world.sides[1].farProps.videosend, "false");
  assert.equal(world.sides[1].farProps.audiosend, "true");
});

// ── a call that breaks, and goes on ──

test("a far side that dies is noticed, and the call goes on when it is back", () => {
  const world = World.connected();
  world.kill(1);
  world.run(1600);
  assert.deepEqual(world.endings(0), ["far_gone"]);
  world.run(3_600_000);
  assert.deepEqual([world.phases[0], world.gates[0], world.sides[0].farProps], ["reconnecting", "open", null]);
  world.tell(1, wake);
  world.run(1000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  assert.deepEqual(world.gates, ["open", "closed"]);
});

test("a silent death without a word of the server is noticed within three seconds too", () => {
  const world = World.connected();
  world.room.delete(1);
  world.kill(1);
  world.run(1700);
  assert.equal(world.phases[0], "connected");
  world.run(1300);
  assert.equal(world.phases[0], "reconnecting");
  assert.deepEqual(world.endings(0), ["far_gone"]);
});

test("a far side that closes its end and stays away has hung up", () => {
  const world = World.connected();
  const [connection] = world.media[0];
  world.kill(1);
  world.tell(0, media(connection, { type: "closed" }));
  world.run(RETURN_LIMIT - 100);
  assert.deepEqual([world.phases[0], world.gates[0]], ["reconnecting", "open"]);
  world.run(200);
  assert.deepEqual([world.phases[0], world.gates[0]], ["idle", "closed"]);
  assert.deepEqual(world.endings(0), ["far_closed", "far_closed"]);
  world.tell(1, wake);
  world.run(5000);
  assert.deepEqual(world.phases, ["idle", "idle"]);
});

test("a far side that closed its end and is there again in time has not hung up, however long the call takes", () => {
  const world = World.connected();
  const [connection] = world.media[0];
  world.kill(1);
  world.tell(0, media(connection, { type: "closed" }));
  world.run(RETURN_LIMIT - 10);
  world.tell(0, { type: "channel", told: { type: "up", words: WORDS } });
  world.run(5000);
  assert.deepEqual([world.phases[0], world.gates[0]], ["reconnecting", "open"]);
});

test("a page that is reloaded is back in the call, as paused as it was", () => {
  for (const open of [0, 1]) {
    const world = World.paired();
    world.tell(open, { type: "unpause" });
    world.run(1000);
    const [connection] = world.media[0];
    world.kill(1);
    world.tell(0, media(connection, { type: "closed" }));
    world.run(500);
    world.tell(1, wake);
    if (open === 1) world.tell(1, { type: "unpause" });
    world.run(1000);
    assert.deepEqual(world.phases, ["connected", "connected"]);
    world.run(RETURN_LIMIT * 2);
    assert.deepEqual(world.phases, ["connected", "connected"]);
    assert.deepEqual([world.gates[open], world.gates[1 - open]], ["open", "closed"]);
  }
});

test("hanging up on a far side that is gone ends what was to go on", () => {
  const world = World.connected();
  world.kill(1);
  world.run(4000);
  world.tell(0, { type: "hangUp" });
  assert.deepEqual(world.endings(0), ["far_gone", "hung_up"]);
  assert.deepEqual([world.phases[0], world.gates[0]], ["idle", "closed"]);
  world.tell(1, wake);
  world.run(5000);
  assert.deepEqual(world.phases, ["idle", "idle"]);
});

test("pausing while the call is missed does not give it up", () => {
  const world = World.connected();
  world.kill(1);
  world.run(4000);
  world.tell(0, { type: "pause" });
  world.tell(1, wake);
  world.run(5000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  assert.deepEqual(world.gates, ["closed", "closed"]);
});

test("another network gets another connection without an interruption", () => {
  for (const side of [0, 1]) {
    const world = World.connected();
    const phases = new Set();
    const { tell } = world;
    world.tell = (...told) => {
      tell.apply(world, told);
      world.phases.forEach((phase) => phases.add(phase));
    };
    world.tell(side, { type: "networkChanged" });
    world.run(2000);
    const renewed = [{ sessid: "call1", generation: 1 }];
    assert.deepEqual(world.media, [renewed, renewed]);
    assert.deepEqual([...phases], ["connected"]);
    assert.deepEqual(world.gates, ["open", "closed"]);
    assert.deepEqual([world.endings(0), world.endings(1)], [[], []]);
  }
});

test("another network on both sides at once makes one new connection", () => {
  const world = World.connected();
  for (const side of [0, 1]) world.tell(side, { type: "networkChanged" });
  world.run(5000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  assert.deepEqual(world.media[0], world.media[1]);
  assert.equal(world.media[0].length, 1);
});

test("a network that comes and goes without a server does not hang up", () => {
  const world = World.connected();
  world.setServer(false);
  for (let times = 0; times < 5; times++) {
    world.tell(0, { type: "networkChanged" });
    world.run(500);
  }
  assert.deepEqual(world.phases, ["connected", "connected"]);
  world.setServer(true);
  world.run(5000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  assert.equal(world.media[0][0].generation, 1);
});

test("a network that changes off the line, or elsewhere, brings no line", () => {
  const world = new World([paired(TWO), paired(ONE)]);
  world.tell(0, { type: "networkChanged" });
  world.tell(1, { type: "letGo" });
  world.tell(1, { type: "networkChanged" });
  assert.deepEqual([world.count(0, "connect"), world.count(1, "connect")], [0, 0]);
});

test("a way that both doubt is made anew once", () => {
  const world = World.connected();
  for (const side of [0, 1]) world.tell(side, media(first("call1"), { type: "disconnected" }));
  world.run(5000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  const renewed = [{ sessid: "call1", generation: 1 }];
  assert.deepEqual(world.media, [renewed, renewed]);
});

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

test("a far side whose line alone is gone stays in the call", () => {
  const world = World.connected();
  world.leave(1);
  world.run(20_000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  assert.equal(world.sides[0].farHere, false);
});

test("an offer that was lost with its addressee is made again when that is back", () => {
  const world = World.paired();
  world.tell(0, { type: "unpause" });
  world.leave(1);
  world.tell(1, { type: "socketClosed" });
  world.run(3000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  assert.deepEqual(world.gates, ["open", "closed"]);
});

test("an offer whose line is lost is made anew when both are back", () => {
  const world = World.paired();
  world.tell(0, { type: "unpause" });
  world.setServer(false);
  assert.equal(world.sides[0].call.phase, "idle");
  world.setServer(true);
  world.run(5000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  assert.deepEqual(world.gates, ["open", "closed"]);
});

test("a side that was asleep asks once more before it gives the other up", () => {
  const world = World.connected();
  world.now += 60_000;
  world.tell(0, { type: "deadline" });
  assert.equal(world.phases[0], "connected");
  world.tell(1, { type: "deadline" });
  world.run(10_000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  assert.deepEqual([world.endings(0), world.endings(1)], [[], []]);
});

test("an offer that nobody answers is tried three times and then given up", () => {
  const world = World.paired();
  world.deaf = 1;
  world.tell(0, { type: "unpause" });
  world.run(61_500);
  assert.deepEqual(world.endings(0), ["no_answer"]);
  assert.equal(world.gates[0], "open");
  world.run(200_000);
  assert.equal(world.count(0, "offer"), TRIES);
  assert.deepEqual(world.endings(0), Array(TRIES).fill("no_answer"));
  assert.deepEqual([world.phases[0], world.gates[0]], ["idle", "closed"]);
});

test("media that always fail are given up after three tries, and both are told", () => {
  const world = World.paired();
  world.broken = 1;
  world.tell(0, { type: "unpause" });
  world.run(60_000);
  assert.deepEqual(world.phases, ["idle", "idle"]);
  assert.deepEqual(world.gates, ["closed", "closed"]);
  assert.equal(world.count(1, "answer"), TRIES);
  assert.deepEqual([...new Set(world.endings(0))], ["far_failed"]);
  const failed = world.performed[1].find(({ type, reason }) => type === "ended" && reason === "failed");
  assert.equal(failed.why, "no way");
});

test("a call that does not connect is tried again and then given up, in plain words", () => {
  const world = World.paired();
  world.mediaTell = (side, connection, event) =>
    event.type !== "dataOpen" && World.prototype.mediaTell.call(world, side, connection, event);
  world.tell(0, { type: "unpause" });
  world.run(9_900);
  assert.deepEqual(world.phases, ["connecting", "connecting"]);
  world.run(90_000);
  assert.deepEqual(world.phases, ["idle", "idle"]);
  assert.equal(world.endings(0).length + world.endings(1).length, 2 * TRIES);
  assert.ok(world.endings(0).every((reason) => ["no_connection", "far_failed"].includes(reason)));
});

test("media that fail in a call make it begin anew, with the gate as it was", () => {
  const world = World.connected();
  world.tell(0, media(first("call1"), { type: "failed", why: "no way" }));
  assert.deepEqual([world.phases[0], world.gates[0]], ["reconnecting", "open"]);
  world.run(5000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  assert.deepEqual(world.gates, ["open", "closed"]);
  assert.deepEqual(world.endings(0), ["failed"]);
});

// ── the line ──

test("waits for the server grow from 600 ms to 2.4 s, and later to 10 s, and never beyond", () => {
  const world = World.paired();
  world.sides[0].line.backoff.random = () => 1;
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
  assert.deepEqual(waits.slice(0, 4).map(({ wait }) => wait), [600, 1200, 2400, 2400]);
  const isFresh = ({ at }) => at < 120_000;
  assert.equal(Math.max(...waits.filter(isFresh).map(({ wait }) => wait)), 2400);
  assert.equal(Math.max(...waits.map(({ wait }) => wait)), 10_000);
});

test("waits are drawn from a fifth to all of the longest", () => {
  for (const [random, expected] of [[0, 120], [0.5, 360], [1, 600]]) {
    const world = World.paired();
    world.sides[0].line.backoff.random = () => random;
    world.tell(0, { type: "socketClosed" });
    assert.equal(Math.round(world.sides[0].line.until - world.now), expected);
  }
});

test("a server that says when it is back is left in peace until then, and not by all for equally long", () => {
  for (const [random, expected] of [[0, 8000], [1, 12_000]]) {
    const world = World.paired();
    world.sides[0].line.backoff.random = () => random;
    world.tell(0, { type: "socketClosed", reason: "back in 8 s" });
    assert.equal(world.sides[0].line.until - world.now, expected);
    world.now = world.sides[0].line.until;
    world.tell(0, { type: "deadline" });
    world.tell(0, { type: "socketClosed", reason: "the server stops" });
    assert.ok(world.sides[0].line.until - world.now <= 600, "once, not for ever");
  }
});

test("when the network is back the server is tried at once", () => {
  for (const input of [wake, { type: "networkChanged" }]) {
    const world = World.paired();
    world.setServer(false);
    world.run(60_000);
    world.take(0);
    world.tell(0, input);
    assert.equal(world.count(0, "connect"), 1);
  }
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
  assert.deepEqual(world.take(0).filter(({ type }) => type === "send").map(({ text }) => text), ["ROOM_PEER_LIST"]);
  assert.equal(world.sides[0].farHere, true);
});

test("a far side that the server did not announce is looked for, if somebody wants it", () => {
  const world = World.paired();
  world.tell(0, { type: "line", text: `ROOM_PEER_LEFT ${TWO}:${CONVO}` });
  world.run(60_000);
  assert.equal(world.sides[0].farHere, false);
  world.channels[1].left();
  world.channels[1].here = true;
  world.tell(0, { type: "unpause" });
  world.run(LOOK_INTERVAL + 1000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
});

test("a server that says nothing is given up and tried again", () => {
  const world = new World([paired(TWO), paired(ONE)]);
  world.serverMute = true;
  world.tell(0, wake);
  world.run(REGISTER_LIMIT - 100);
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
  world.tell(0, { type: "line", text: `ROOM_PEER_MSG ${TWO}:${CONVO} {"noise":` });
  assert.deepEqual(world.take(0).filter(({ type }) => type !== "channel"), []);
  assert.equal(world.sides[0].farHere, true);
});

test("a channel that rises when the line is gone already is of no account", () => {
  const world = World.paired();
  world.setServer(false);
  world.tell(0, { type: "channel", told: { type: "up", words: "late" } });
  assert.equal(world.sides[0].farHere, false);
  assert.equal(world.sides[0].words, WORDS);
});

test("what is suspicious is told", () => {
  const world = World.paired();
  world.tell(0, { type: "channel", told: { type: "suspicious", why: "forged" } });
  assert.deepEqual(world.take(0).at(-1), { type: "suspicious", why: "forged" });
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

test("alone in its browser, a page knows that it is its own dead connection that holds the uid", () => {
  const world = new World([paired(TWO), paired(ONE)], { alone: true });
  world.holder = () => "ERROR peer uid taken";
  world.tell(0, wake);
  world.run(10_000);
  assert.notEqual(world.lines[0], "taken");
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

test("a conversation that is let go pauses, leaves, hangs nothing up, and does not unpause", () => {
  const world = World.connected();
  world.tell(0, { type: "letGo" });
  assert.equal(world.lines[0], "taken");
  assert.equal(world.gates[0], "closed");
  assert.deepEqual(world.media[0], []);
  world.tell(0, { type: "unpause" });
  assert.equal(world.gates[0], "closed");
  world.run(10_000);
  assert.equal(world.phases[0], "idle");
  assert.equal(world.phases[1], "reconnecting");
  assert.equal(world.sides[1].farHere, false);
});

test("a call that is taken over by another tab goes on there", () => {
  const world = World.connected();
  world.tell(1, { type: "unpause" });
  world.run(500);
  world.tell(0, { type: "letGo" });
  world.tell(1, media(first("call1"), { type: "closed" }));
  world.run(1000);
  world.begin(0, paired(TWO));
  world.tell(0, wake);
  world.run(2000);
  assert.deepEqual(world.phases, ["connected", "connected"]);
  assert.deepEqual(world.gates, ["closed", "open"]);
});

test("a wake-up that comes too early, or twice, is harmless", () => {
  const world = World.connected();
  world.take(0);
  world.tell(0, { type: "deadline" });
  world.tell(0, { type: "deadline" });
  assert.deepEqual(world.take(0), []);
});
