// What breaks a call, and how it comes back by itself.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chrome } from "./harness/chrome.mjs";
import { median } from "./harness/figures.mjs";
import { HOLE_LIMIT, assertOneCall, assertUndisturbed, goOn, longestHole, misses, spread } from "./harness/losses.mjs";
import { NATIVE, PAGE, nativeAndNative, nativeAndPage, settle, talk } from "./harness/pairs.mjs";
import { Scene } from "./harness/scene.mjs";
import { clock, eventually } from "./harness/timeline.mjs";

let chrome;
before(async () => (chrome = await Chrome.launch()));
after(() => chrome.close());

const limit = { timeout: 120_000 };
/** How soon a page that was reloaded is back in the call, in milliseconds. */
const RELOAD_LIMIT = 2000;
/** How often each reload is tried, and each kill. */
const RELOADS = 5;
const KILLS = 3;
/** How long the server is gone, in milliseconds: longer than every deadline of a call but the first. */
const OUTAGE = 30_000;
/** How soon after a server's return, or the network's, the line is back, in milliseconds. */
const SERVER_LIMIT = 5000;
const NETWORK_LIMIT = 1000;
/** How long a machine sleeps, or is offline, in milliseconds. */
const ABSENCE = 5000;

const pass = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const isConnected = ({ event, state, call }) => (event === "look" ? call : state) === "connected";

/** Both in a call, each with its gate as it is told; `paused` are those that stay paused. */
async function inCall(native, tab, { native: nativePaused, page: pagePaused }) {
  if (!nativePaused) await native.unpause();
  if (!pagePaused) await tab.unpause();
  await Promise.all([native.connected(), tab.connected()]);
  const heard = [nativePaused || pagePaused || native.hears(PAGE.hz), nativePaused || pagePaused || tab.hears(NATIVE.hz)];
  await Promise.all(heard);
}

/** Reloads the page; how long it takes until both are in the call again and, where both are unpaused, heard. */
async function reload(native, tab, paused) {
  const from = [native.cursor, tab.cursor];
  const began = clock();
  await tab.reload();
  const events = [native.wait("call", isConnected, { from: from[0] }), tab.wait("look", isConnected, { from: from[1] })];
  if (!paused.native && !paused.page) {
    events.push(tab.hears(NATIVE.hz, { from: from[1] }));
    const isBack = await events[0];
    const after = native.events.indexOf(isBack);
    events.push(native.hears(PAGE.hz, { from: after }));
  }
  const times = (await Promise.all(events)).map(({ at }) => at - began);
  assert.equal(tab.now.paused, paused.page);
  assert.deepEqual(native.all("paused", from[0]), [], "the native's gate is left alone");
  assertOneCall(native, from[0]);
  return Math.max(...times);
}

const GATES = [
  { name: "both unpaused", paused: { native: false, page: false } },
  { name: "the page paused", paused: { native: false, page: true } },
  { name: "the native paused", paused: { native: true, page: false } },
];

for (const { name, paused } of GATES) {
  test(`a page that is reloaded in a call is back within 2 s, ${name}`, limit, async (t) => {
    const { native, tab } = await nativeAndPage(new Scene(t, chrome));
    await inCall(native, tab, paused);
    const took = [];
    for (let round = 0; round < RELOADS; round++) {
      const from = native.cursor;
      took.push(await reload(native, tab, paused));
      await tab.until("the far side's gate", ({ farPaused }) => farPaused === paused.native);
      await native.until("the far side's gate", ({ farProps }) => farProps?.paused === paused.page);
      await eventually("microphone and camera", async () => (await tab.open()) === (paused.page ? 0 : 2));
      if (paused.page) assert.equal(await tab.asked(), 0);
      if (paused.native) assert.deepEqual(native.tones(from), []);
    }
    t.diagnostic(`reload to ${paused.native || paused.page ? "connected" : "heard"}: ${spread(took)}`);
    assert.ok(median(took) <= RELOAD_LIMIT, spread(took));
  });
}

test("a page that is reloaded is as muted as before, and its camera as off", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  await talk(native, tab);
  await tab.press("#mute");
  await tab.press("#camera");
  await native.wait("far_props", ({ audiosend, videosend }) => !audiosend && !videosend);
  await native.silent();
  const from = native.cursor;
  await reload(native, tab, { native: true, page: false });
  const told = await native.wait("far_props", ({ paused }) => !paused, { from });
  assert.deepEqual([told.audiosend, told.videosend], [false, false]);
  await goOn({ side: tab, hz: NATIVE.hz });
  assert.deepEqual(native.tones(from), []);
  assert.deepEqual(native.all("picture", from).filter(({ blue }) => blue > 200), []);

  // Also who is paused besides.
  await tab.pause();
  const second = native.cursor;
  await reload(native, tab, { native: false, page: true });
  await tab.unpause();
  const after = await native.wait("far_props", ({ paused }) => !paused, { from: second });
  assert.deepEqual([after.audiosend, after.videosend], [false, false]);
  await tab.press("#mute");
  await native.hears(PAGE.hz, { from: second });
});

test("a page that is left and come back to is paused, however soon", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  await talk(native, tab);
  await tab.page.goto("about:blank");
  const from = tab.cursor;
  await tab.page.goBack();
  await tab.wait("look", ({ far }) => far, { from });
  await pass(1000);
  assert.equal(tab.now.paused, true);
  assert.equal(await tab.asked(), 0);
});

test("a page that is reloaded shows how loud it is on both sides", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  await talk(native, tab);
  await reload(native, tab, { native: false, page: false });
  const level = (side) => tab.page.$eval(`#${side}-level`, (meter) => Number(meter.getAttribute("aria-valuenow")));
  for (const side of ["own", "far"]) await eventually(`the level of ${side}`, async () => (await level(side)) > -50);
});

test("a reloaded page that may not use the microphone says what it takes to hear", limit, async (t) => {
  const strict = await Chrome.launch({ fakeDevices: false, flags: ["--use-fake-device-for-media-stream"] });
  t.after(() => strict.close());
  const scene = new Scene(t, strict);
  const native = await scene.native("native");
  const machine = await scene.machine();
  await machine.permit(new URL(await native.link()).origin, []);
  const tab = await machine.tab("page", await native.link());
  await settle(native, tab);
  await native.unpause();
  await tab.unpause();
  await tab.hears(NATIVE.hz);
  await tab.reload();
  // Until it is gone, the page before the reload goes on telling what it hears.
  await tab.until("being told to click", ({ notice }) => /Click anywhere/.test(notice ?? ""));
  const reloaded = tab.cursor;
  await tab.connected();
  assert.deepEqual(tab.tones(reloaded), []);
  const from = tab.cursor;
  await tab.page.mouse.click(1, 1);
  await tab.hears(NATIVE.hz, { from });
  assert.match(tab.now.notice, /may not use the microphone/);
});

test("the server is killed for 30 s in a call: not a sound is lost, and the line is back by itself", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const server = await scene.server();
  const { native, tab } = await nativeAndPage(scene, { native: { server: server.origin } });
  await talk(native, tab);
  const both = [
    { side: native, hz: PAGE.hz },
    { side: tab, hz: NATIVE.hz },
  ];
  await goOn(...both);
  const from = [native.cursor, tab.cursor];
  const since = clock();
  await server.kill();
  await Promise.all(both.map(({ side }) => side.until("the loss of the line", ({ line }) => line !== "joined")));
  await pass(OUTAGE);
  await goOn(...both);

  const restarted = clock();
  await server.restart();
  await Promise.all(both.map(({ side }) => side.until("the line", ({ line }) => line === "joined")));
  const back = clock() - restarted;
  await Promise.all([native.meets(), tab.meets()]);
  await goOn(...both);
  const holes = both.map(({ side }) => longestHole(side, since));
  t.diagnostic(`line back ${back.toFixed(0)} ms after the server's start; longest holes ${holes.map(Math.round)} ms`);
  assert.ok(Math.max(...holes) <= HOLE_LIMIT, `${holes}`);
  assert.ok(back <= SERVER_LIMIT, `${back} ms`);
  assertUndisturbed(native, from[0]);
  assertUndisturbed(tab, from[1]);
  await native.pause();
  await tab.until("the far side's pause", ({ farPaused }) => farPaused);
});

/** Kills `side` and starts it again, several times; how soon `other` noticed, in milliseconds. */
async function killAgainAndAgain(scene, side, other) {
  const took = [];
  let current = side;
  await talk(current, other);
  for (let round = 0; round < KILLS; round++) {
    const from = other.cursor;
    const killed = clock();
    await current.kill();
    took.push(await misses(other, killed));
    current.forget();
    const { voice } = current;
    current = await scene.again(current);
    current.voice = voice;
    await Promise.all([current.connected(), other.connected()]);
    assert.equal(current.now.paused, true);
    const at = other.cursor;
    await current.unpause();
    await Promise.all([current.hears(other.voice.hz), other.hears(voice.hz, { from: at })]);
    assertOneCall(other, from);
  }
  return took;
}

test("a native that is killed is missed by a page within 3 s, and found again", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const { origin } = await scene.server();
  const { native, tab } = await nativeAndPage(scene, { native: { server: origin } });
  const took = await killAgainAndAgain(scene, native, tab);
  t.diagnostic(`killed native, noticed by the page: ${spread(took)}`);
});

test("a native that is killed is missed by a native within 3 s, and found again", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const { origin } = await scene.server();
  const { one, other } = await nativeAndNative(scene, { native: { server: origin } });
  const took = await killAgainAndAgain(scene, one, other);
  t.diagnostic(`killed native, noticed by the native: ${spread(took)}`);
});

test("a native that is killed with the server inside is missed by a native within 3 s, and found again", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const { one, other } = await nativeAndNative(scene);
  const took = await killAgainAndAgain(scene, one, other);
  t.diagnostic(`killed native with the server inside, noticed by the native: ${spread(took)}`);
});

test("a browser that is killed is missed by a native within 3 s", limit, async (t) => {
  const took = [];
  for (let round = 0; round < KILLS; round++) {
    const own = await Chrome.launch();
    t.after(() => own.close());
    const scene = new Scene(t, own);
    const { origin } = await scene.server();
    const { native, tab } = await nativeAndPage(scene, { native: { server: origin } });
    await talk(native, tab);
    const killed = clock();
    own.kill();
    took.push(await misses(native, killed));
    await scene.close();
  }
  t.diagnostic(`killed Chromium, noticed by the native: ${spread(took)}`);
});

test("a native that stands still is missed within 3 s, though the server knows nothing; once it goes on, so does the call", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const { origin } = await scene.server();
  const { native, tab } = await nativeAndPage(scene, { native: { server: origin } });
  await talk(native, tab);
  const from = [native.cursor, tab.cursor];
  const stopped = clock();
  native.child.kill("SIGSTOP");
  t.diagnostic(`noticed after ${(await misses(tab, stopped)).toFixed(0)} ms`);
  await pass(ABSENCE);
  const woken = clock();
  native.child.kill("SIGCONT");
  const heard = await tab.hears(NATIVE.hz, { from: tab.cursor });
  t.diagnostic(`heard again after ${(heard.at - woken).toFixed(0)} ms`);
  await goOn({ side: native, hz: PAGE.hz }, { side: tab, hz: NATIVE.hz });
  assert.deepEqual([native.now.paused, tab.now.paused], [false, false]);
  assertOneCall(native, from[0]);
  assertOneCall(tab, from[1]);
});

test("a page that is told of another network keeps its call, and its line is new at once", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  await talk(native, tab);
  const both = [
    { side: native, hz: PAGE.hz },
    { side: tab, hz: NATIVE.hz },
  ];
  await goOn(...both);
  const from = [native.cursor, tab.cursor];
  const since = clock();
  const offline = (is) => tab.emulateOffline(is);
  await offline(true);
  await pass(ABSENCE);
  const [at, online] = [tab.cursor, clock()];
  await offline(false);
  await tab.wait("look", ({ line }) => line === "connecting", { from: at });
  const { at: joined } = await tab.wait("look", ({ line, far }) => line === "joined" && far === "here", { from: at });
  const moved = await tab.wait("channel", ({ open, label }) => open || label, { from: at });
  await goOn(...both);
  const holes = both.map(({ side }) => longestHole(side, since));
  t.diagnostic(`line back after ${(joined - online).toFixed(0)} ms, next connection after ${(moved.at - online).toFixed(0)} ms`);
  t.diagnostic(`longest holes: ${holes.map(Math.round)} ms`);
  assert.ok(joined - online <= NETWORK_LIMIT, `${joined - online} ms`);
  assert.ok(Math.max(...holes) <= HOLE_LIMIT, `${holes}`);
  assertUndisturbed(native, from[0]);
  assertUndisturbed(tab, from[1]);
});
