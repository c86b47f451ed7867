// How calls end, and what goes on when the server does not.

import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { Chrome } from "./harness/chrome.mjs";
import { assertOneCall, misses } from "./harness/losses.mjs";
import { NATIVE, PAGE, nativeAndNative, nativeAndPage, pageAndPage, settle, talk } from "./harness/pairs.mjs";
import { Scene } from "./harness/scene.mjs";
import { clock, eventually } from "./harness/timeline.mjs";

let chrome;
before(async () => (chrome = await Chrome.launch()));
after(() => chrome.close());

const limit = { timeout: 90_000 };
/** How soon a side whose far side is gone is ready and paused again, in milliseconds. */
const GONE_LIMIT = 5000;
/** How soon after the server's return the line is back, in milliseconds. */
const LINE_LIMIT = 3000;
/** Tones and pictures that show that a call goes on. */
const PROOF = 30;

const isConnected = ({ state }) => state === "connected";

/** No call, paused, and nothing is played any more; within the limit. */
async function isOver(side) {
  await side.until("the end of the call", ({ call, paused }) => call === "idle" && paused, { within: GONE_LIMIT });
  await side.silent();
}

for (const who of ["native", "page"]) {
  test(`the ${who} hangs up: both are ready and paused, and can talk again`, limit, async (t) => {
    const { native, tab } = await nativeAndPage(new Scene(t, chrome));
    await talk(native, tab);
    const from = native.cursor;
    await (who === "native" ? native : tab).hangUp();
    await Promise.all([isOver(native), isOver(tab)]);
    await Promise.all([native.ready(), tab.ready()]);
    const { reason } = await native.wait("call", ({ state }) => state === "idle", { from });
    assert.equal(reason, who === "native" ? "hung_up" : "far_hung_up");
    assert.equal(tab.now.notice, who === "native" ? "The other side hung up." : "");
    await tab.letsGo();
    await talk(native, tab);
  });
}

test("a page hangs up on a page, a native on a native", limit, async (t) => {
  const pages = await pageAndPage(new Scene(t, chrome));
  const natives = await nativeAndNative(new Scene(t, chrome));
  for (const { one, other } of [pages, natives]) {
    await talk(one, other);
    await one.hangUp();
    await Promise.all([isOver(one), isOver(other)]);
    await talk(other, one);
  }
});

test("who is hung up on while still connecting is ready and paused too", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  await native.unpause();
  await native.until("a call", ({ call }) => call !== "idle");
  await native.hangUp();
  await Promise.all([isOver(native), isOver(tab)]);
  await talk(tab, native);
});

test("the page is closed: the native is ready and paused within 5 s", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  await talk(native, tab);
  const from = clock();
  await tab.close();
  await isOver(native);
  t.diagnostic(`${(native.events.findLast(({ event }) => event === "call").at - from).toFixed(0)} ms`);
  await native.until("the far side's absence", ({ far }) => far === false);
});

test("the page is reloaded: the call goes on, and neither side has paused", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  await talk(native, tab);
  const from = [native.cursor, tab.cursor];
  await tab.reload();
  await Promise.all([tab.hears(NATIVE.hz, { from: from[1] }), native.wait("call", isConnected, { from: from[0] })]);
  await native.hears(PAGE.hz, { from: native.cursor });
  assert.equal(tab.now.paused, false);
  assert.deepEqual(native.all("paused", from[0]), []);
  assertOneCall(native, from[0]);
});

test("the whole browser is killed: the native misses it within 3 s, unpaused, and has it back", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const { origin } = await scene.server();
  const native = await scene.native("native", { server: origin });
  const profile = path.join(scene.folder, "profile");
  const own = await Chrome.launch({ profile });
  scene.closers.push(() => own.close());
  const first = await own.home().tab("page", await native.link(), { tone: PAGE.hz, colour: PAGE.colour });
  native.voice = NATIVE;
  await settle(native, first);
  const { address } = first.now;
  // What the browser keeps is on its disk once it has been ended properly.
  await own.close();
  first.forget();

  const second = await Chrome.launch({ profile });
  scene.closers.push(() => second.close());
  const tab = await second.home().tab("page again", address, { tone: PAGE.hz, colour: PAGE.colour });
  tab.voice = PAGE;
  await settle(native, tab);
  await talk(native, tab);
  const [killed, from] = [clock(), native.cursor];
  second.kill();
  t.diagnostic(`noticed after ${(await misses(native, killed)).toFixed(0)} ms`);
  await native.until("the far side's absence", ({ far }) => far === false);
  tab.forget();

  const third = await Chrome.launch({ profile });
  scene.closers.push(() => third.close());
  const again = await third.home().tab("page once more", address, { tone: PAGE.hz, colour: PAGE.colour });
  await Promise.all([again.connected(), native.connected()]);
  assert.equal(again.now.paused, true);
  await again.unpause();
  await Promise.all([again.hears(NATIVE.hz), native.hears(PAGE.hz, { from: native.cursor })]);
  assertOneCall(native, from);
});

/** The native is killed in a call, and started again: `page` finds it, as unpaused as before. */
async function killAndStart(t, scene, native, tab) {
  const [killed, from] = [clock(), tab.cursor];
  await native.kill();
  t.diagnostic(`noticed after ${(await misses(tab, killed)).toFixed(0)} ms`);
  assert.match(tab.now.state, /^The other side is gone\. The call goes on when it is back\./);
  await tab.silent();
  assert.equal(await tab.open(), 2, "as unpaused as before");
  const again = await scene.again(native);
  again.voice = NATIVE;
  await Promise.all([again.connected(), tab.connected()]);
  assert.equal(again.now.paused, true);
  assert.deepEqual(again.tones(), []);
  const at = tab.cursor;
  await again.unpause();
  await Promise.all([again.hears(PAGE.hz), tab.hears(NATIVE.hz, { from: at })]);
  assertOneCall(tab, from);
}

test("the native is killed: the page misses it within 3 s, unpaused, and has it back", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const { origin } = await scene.server();
  const { native, tab } = await nativeAndPage(scene, { native: { server: origin } });
  await talk(native, tab);
  await killAndStart(t, scene, native, tab);
});

test("the native is killed with its server inside: the page misses it within 3 s, and has it back", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const { native, tab } = await nativeAndPage(scene);
  await talk(native, tab);
  await killAndStart(t, scene, native, tab);
});

/** The call goes on in both directions, by sound and by picture. */
async function goesOn(...sides) {
  for (const kind of ["tone", "picture"]) {
    await Promise.all(
      sides.map((side) => {
        const from = side.cursor;
        const enough = () => side.all(kind, from).length >= (kind === "tone" ? PROOF : 3);
        return eventually(`${side.name} to go on with ${kind}`, enough);
      }),
    );
  }
}

test("the server is killed during a call and comes back: the call goes on, the line is back within 3 s", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const server = await scene.server();
  const { native, tab } = await nativeAndPage(scene, { native: { server: server.origin } });
  await talk(native, tab);
  await Promise.all([native.sees(PAGE.colour), tab.sees(NATIVE.colour)]);
  const from = [native.cursor, tab.cursor];

  await server.kill();
  await Promise.all([native, tab].map((side) => side.until("the loss of the line", ({ line }) => line !== "joined")));
  await goesOn(native, tab);
  await tab.until("the news", ({ notice }) => /server does not answer/.test(notice));
  await goesOn(native, tab);

  await server.restart();
  const back = clock();
  const returned = (side) => side.until("the line", ({ line }) => line === "joined", { within: LINE_LIMIT });
  await Promise.all([returned(native), returned(tab)]);
  t.diagnostic(`${(clock() - back).toFixed(0)} ms from the server's return to the line's`);
  await Promise.all([native.meets(), tab.meets()]);
  await goesOn(native, tab);
  const states = [native.all("call", from[0]), tab.all("look", from[1])].flat().map(({ state, call }) => call ?? state);
  assert.ok(!states.includes("idle"), "it is one call, from before to after");

  await tab.hangUp();
  await Promise.all([isOver(native), isOver(tab)]);
  await talk(tab, native);
});

test("who hangs up while the server is gone still ends the call on both sides", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const server = await scene.server();
  const { native, tab } = await nativeAndPage(scene, { native: { server: server.origin } });
  await talk(native, tab);
  await server.kill();
  await Promise.all([native, tab].map((side) => side.until("the loss of the line", ({ line }) => line !== "joined")));
  await native.hangUp();
  await Promise.all([isOver(native), isOver(tab)]);
});
