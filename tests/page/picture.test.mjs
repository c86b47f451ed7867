import assert from "node:assert/strict";
import test from "node:test";

import { emptyPicture, pictureOf } from "../../assets/page/picture.js";
import { obstacles } from "../../assets/page/words.js";
import { CONVO, INSTANCES, WORDS, World, paired, waiting } from "./world.mjs";

const KEY = "BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU";

/** What `side` sees. */
function seen(world, side, { notice = null, pictures = { own: false, far: false } } = {}) {
  const place = { convo: CONVO, me: INSTANCES[side], key: KEY };
  const address = "https://twocan.example/";
  return pictureOf({ conversation: world.sides[side], now: world.now, address, place, name: "tea", notice, pictures });
}

/** The far side of `world`'s first tells this of itself. */
function farTells(world, props) {
  const all = { paused: "false", audiosend: "true", videosend: "false", holding: "false", behind: "0", ...props };
  const text = JSON.stringify({ version: "3.0", type: "PROPSYNC", sessid: "call1", resp: true, props: all });
  world.tell(0, { type: "media", connection: { sessid: "call1", generation: 0 }, event: { type: "dataText", text } });
  return seen(world, 0);
}

test("a page that shows a code shows its link and nothing else", () => {
  const world = new World([waiting(), paired(INSTANCES[0])]);
  const { link, usable, words, notice } = seen(world, 0);
  assert.ok(link.includes(CONVO) && link.includes(KEY));
  assert.deepEqual([usable, words, notice], [false, null, null]);
});

test("the safety words are there while both are, and as long as they are in a call", () => {
  const world = new World([paired(INSTANCES[1]), paired(INSTANCES[0])]);
  world.tell(0, { type: "wake" });
  world.run(1000);
  assert.equal(seen(world, 0).words, null);
  world.tell(1, { type: "wake" });
  world.tell(0, { type: "unpause" });
  world.run(1000);
  assert.equal(seen(world, 0).words, WORDS);
  world.setServer(false);
  assert.equal(seen(world, 0).words, WORDS);
  world.setServer(true);
  world.run(5000);
  world.kill(1);
  world.run(5000);
  assert.equal(seen(world, 0).words, null);
});

test("what the far side does with what it hears is said, and only while it may", () => {
  const world = World.connected();
  assert.equal(farTells(world, {}).state, "You are talking.");
  const behind = farTells(world, { behind: "4" });
  assert.deepEqual([behind.state, behind.aside], ["You are talking.", "The other side is 4 s behind."]);
  assert.equal(behind.farStatus, "4 s behind");
  const holding = farTells(world, { behind: "4", holding: "true" });
  assert.equal(holding.state, "You are talking. The other side keeps what you say while speaking.");
  assert.equal(holding.aside, "It is 4 s behind.");
  for (const strange of ["-1", "1e9", "x".repeat(1000), "", "99999"]) {
    assert.equal(farTells(world, { behind: strange, holding: strange }).aside, "");
    assert.equal(farTells(world, { holding: strange }).state, "You are talking.");
  }
  farTells(world, { behind: "4", holding: "true" });
  world.kill(1);
  world.run(5000);
  const { state, aside, farStatus } = seen(world, 0);
  assert.equal(state, "The other side is gone. The call goes on when it is back. You are unpaused, and will be heard then.");
  assert.deepEqual([aside, farStatus], ["", "away"]);
});

test("a call that is made anew says so, and so does one that is tried again", () => {
  const world = World.connected();
  const failed = { type: "media", connection: { sessid: "call1", generation: 0 }, event: { type: "failed", why: "" } };
  world.tell(0, failed);
  assert.match(seen(world, 0).state, /^The connection is lost, and is made anew\./);
  const other = World.paired();
  other.broken = 1;
  other.tell(0, { type: "unpause" });
  other.run(500);
  assert.equal(other.sides[0].goesOn, true);
  assert.equal(seen(other, 0).state, "Connecting…");
  other.run(60_000);
  assert.equal(other.sides[0].goesOn, false);
  assert.equal(seen(other, 0).state, "Ready. Unpause to talk.");
});

test("a server that is gone for a while is told, but for what is worse", () => {
  const world = World.paired();
  world.setServer(false);
  world.run(1000);
  assert.equal(seen(world, 0).notice, null);
  world.run(10_000);
  assert.match(seen(world, 0).notice.text, /server does not answer/);
  assert.equal(seen(world, 0, { notice: { text: "worse" } }).notice.text, "worse");
});

test("every obstacle says what to do", () => {
  for (const [obstacle, { text }] of Object.entries(obstacles)) {
    const picture = emptyPicture({ obstacle, name: "", kept: [] });
    assert.deepEqual([picture.notice.text, picture.notice.kind, picture.usable], [text, "obstacle", false]);
  }
  assert.equal(emptyPicture({ name: "tea", kept: [] }).notice, null);
});
