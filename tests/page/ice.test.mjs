// Which STUN and TURN servers a connection uses, and when the server is asked for them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { IceServers } from "../../assets/page/ice.js";

const TURN = { urls: ["turn:a"], username: "u", credential: "c" };

/** A server that gives these answers, one after the other, and a clock. */
function world(...answers) {
  const world = { time: 0, asked: 0 };
  const ask = async () => {
    world.asked++;
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return { ok: answer !== null, json: async () => answer };
  };
  world.ice = new IceServers({ ask, now: () => world.time });
  return world;
}

test("what was answered is good for half its time", async () => {
  const there = world({ iceServers: [TURN], lifetime: 600 }, { iceServers: [], lifetime: 600 });
  assert.deepEqual(there.ice.servers, []);
  assert.deepEqual(await there.ice.current(), [TURN]);
  there.time = 299_999;
  assert.deepEqual(await there.ice.current(), [TURN]);
  assert.equal(there.asked, 1);
  there.time = 300_000;
  assert.deepEqual(await there.ice.current(), []);
  assert.equal(there.asked, 2);
});

test("a server that does not answer, or not to the question, is asked again the next time", async () => {
  const there = world(new Error("offline"), null, { iceServers: "x", lifetime: 1 }, { iceServers: [TURN] }, { iceServers: [TURN], lifetime: 9 });
  for (let time = 0; time < 4; time++) assert.deepEqual(await there.ice.current(), []);
  assert.deepEqual(await there.ice.current(), [TURN]);
  assert.equal(there.asked, 5);
});

test("what is known is used on while the server is away", async () => {
  const there = world({ iceServers: [TURN], lifetime: 2 }, new Error("offline"));
  await there.ice.current();
  there.time = 5000;
  assert.deepEqual(await there.ice.current(), [TURN]);
});

test("two connections at once ask once", async () => {
  const there = world({ iceServers: [TURN], lifetime: 600 });
  assert.deepEqual(await Promise.all([there.ice.current(), there.ice.current()]), [[TURN], [TURN]]);
  assert.equal(there.asked, 1);
});

test("a call waits for a silent server no longer than a moment", async () => {
  const ice = new IceServers({ ask: () => new Promise(() => {}), now: () => 0 });
  assert.deepEqual(await ice.current(), []);
});
