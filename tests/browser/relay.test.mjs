// Both sides go by a TURN server alone, with the passwords that the server gives out.

import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { Chrome } from "./harness/chrome.mjs";
import { nativeAndNative, nativeAndPage, talk } from "./harness/pairs.mjs";
import { Scene, freePort } from "./harness/scene.mjs";
import { Turn, missing } from "./harness/turn.mjs";

let chrome;
before(async () => (chrome = await Chrome.launch()));
after(() => chrome.close());

const limit = { timeout: 120_000, skip: missing };
/** Within what a person is told that the relay refuses, in milliseconds from the first unpausing. */
const TOLD_LIMIT = 10_000;

/** coturn, and a server that offers it; `given` is the secret that this server has. */
async function relayed(t, { secret = "north", given = secret } = {}) {
  const scene = new Scene(t, chrome);
  const turn = new Turn({ port: await freePort(), folder: path.join(scene.folder, "turn"), secret });
  scene.closers.push(() => turn.kill());
  await turn.ready();
  const file = path.join(scene.folder, "secret");
  fs.writeFileSync(file, `${given}\n`, { mode: 0o600 });
  const flags = ["--turn", `turn:127.0.0.1:${turn.port}?transport=udp`, "--turn-secret-file", file];
  const server = await scene.server({ flags });
  return { scene, turn, native: { server: server.origin, flags: ["--relay-only"] }, tab: { relayOnly: true } };
}

test("a native and a page that go by the relay alone hear each other", limit, async (t) => {
  const { scene, turn, ...options } = await relayed(t);
  const { native, tab } = await nativeAndPage(scene, options);
  await talk(native, tab);
  const { path: [local, remote] } = await tab.stats();
  assert.deepEqual([local.candidateType, remote.candidateType], ["relay", "relay"]);
  assert.match(turn.log, /ALLOCATE processed, success/);
});

test("two natives that go by the relay alone hear each other", limit, async (t) => {
  const { scene, native } = await relayed(t);
  const { one, other } = await nativeAndNative(scene, { native, other: native });
  await talk(one, other);
});

test("a page offers, too, and the relay is still the only way", limit, async (t) => {
  const { scene, ...options } = await relayed(t);
  const { native, tab } = await nativeAndPage(scene, options);
  await tab.unpause();
  await Promise.all([native.connected(), tab.connected()]);
});

test("with a wrong secret nobody connects, and both are told why", limit, async (t) => {
  const { scene, turn, ...options } = await relayed(t, { given: "south" });
  const { native, tab } = await nativeAndPage(scene, options);
  const from = [native.cursor, tab.cursor];
  const { at } = await native.unpause();
  await tab.unpause();
  const isTold = ({ message = "", notice = "" }) => /TURN/.test(message + notice);
  const told = await Promise.all([
    native.wait("notice", isTold, { from: from[0], within: TOLD_LIMIT }),
    tab.wait("look", isTold, { from: from[1], within: TOLD_LIMIT }),
  ]);
  t.diagnostic(`the native told after ${(told[0].at - at).toFixed(0)} ms, the page after ${(told[1].at - at).toFixed(0)} ms`);
  assert.ok(told.every((event) => event.at - at < TOLD_LIMIT));
  await native.wait("call", ({ state }) => state === "idle", { from: from[0], within: 60_000 });
  for (const [side, cursor] of [[native, from[0]], [tab, from[1]]]) {
    assert.ok(!side.events.slice(cursor).some(({ state, call }) => state === "connected" || call === "connected"), side.name);
  }
  assert.match(turn.log, /Unauthorized|credentials incorrect/i);
});

test("who need not go by the relay connects without it, and is told all the same", limit, async (t) => {
  const { scene, native } = await relayed(t, { given: "south" });
  const { one, other } = await nativeAndNative(scene, { native: { ...native, flags: [] }, other: { server: native.server } });
  const from = one.cursor;
  await talk(one, other);
  await one.wait("notice", ({ message }) => /TURN/.test(message), { from, within: TOLD_LIMIT });
});

test("a relay that does not answer is told of, too", limit, async (t) => {
  const { scene, turn, ...options } = await relayed(t);
  await turn.kill();
  // Takes what comes, and says nothing: as a firewall would.
  const mute = dgram.createSocket("udp4").bind(turn.port, "127.0.0.1");
  scene.closers.push(() => mute.close());
  await once(mute, "listening");
  const { native } = await nativeAndPage(scene, options);
  const from = native.cursor;
  const { at } = await native.unpause();
  const told = await native.wait("notice", ({ message }) => /TURN/.test(message), { from, within: 60_000 });
  t.diagnostic(`told after ${(told.at - at).toFixed(0)} ms`);
  assert.ok(told.at - at < TOLD_LIMIT);
});
