// The gate: nothing is opened, sent or played before its own side unpauses.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chrome } from "./harness/chrome.mjs";
import { NATIVE, OTHER, PAGE, nativeAndNative, nativeAndPage, pageAndPage } from "./harness/pairs.mjs";
import { Scene } from "./harness/scene.mjs";
import { eventually } from "./harness/timeline.mjs";

let chrome;
before(async () => (chrome = await Chrome.launch()));
after(() => chrome.close());

const limit = { timeout: 90_000 };
/** Packets that prove a direction alive: a second of sound. */
const SECOND = 50;

/** Packets of a kind that a page has got, or sent. */
const packets = (stats, way, kind) =>
  stats[way]?.[kind]?.[way === "in" ? "packetsReceived" : "packetsSent"] ?? 0;

function received(tab, kind, count) {
  const enough = async () => packets(await tab.stats(), "in", kind) >= count;
  return eventually(`${count} packets of ${kind} at ${tab.name}`, enough);
}

test("a paused page answers a call with microphone and camera closed, and plays nothing", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  await native.unpause();
  await tab.connected();
  // The native's sound and picture do arrive: what follows is not for want of a connection.
  await received(tab, "audio", SECOND);
  await received(tab, "video", 1);
  assert.equal(await tab.asked(), 0);
  assert.deepEqual(tab.tones(), []);
  assert.equal(tab.all("picture").filter(({ shown }) => shown).length, 0);
  assert.deepEqual(native.tones(), []);
  assert.equal(native.all("picture").length, 0);
  assert.equal(packets(await tab.stats(), "out", "video"), 0);
});

test("a paused native answers a call, sends not one packet of sound or picture, and plays nothing", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  await tab.unpause();
  await native.connected();
  const sent = async () => packets(await tab.stats(), "out", "audio") >= SECOND;
  await eventually("a second of sound from the page", sent);
  const stats = await tab.stats();
  assert.ok(packets(stats, "out", "video") > 0);
  assert.equal(packets(stats, "in", "audio"), 0);
  assert.equal(packets(stats, "in", "video"), 0);
  assert.deepEqual(native.tones(), []);
  assert.equal(native.all("picture").length, 0);
  assert.equal(native.all("level").length, 0, "no level of a microphone that is closed");
});

test("native first, then the page: both hear and see each other", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  await native.unpause();
  await tab.connected();
  assert.equal(tab.now.paused, true);
  await tab.unpause();
  await Promise.all([tab.takesIn(NATIVE), native.takesIn(PAGE)]);
});

test("page first, then the native: both hear and see each other", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  await tab.unpause();
  await native.connected();
  assert.equal(native.now.paused, true);
  await native.unpause();
  await Promise.all([tab.takesIn(NATIVE), native.takesIn(PAGE)]);
});

test("both at once, five times over: one call results, and both hear and see each other", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  for (let round = 0; round < 5; round++) {
    const [atNative, atTab] = [native.cursor, tab.cursor];
    await Promise.all([native.unpause(), tab.unpause()]);
    await Promise.all([tab.takesIn(NATIVE, { from: atTab }), native.takesIn(PAGE, { from: atNative })]);
    const reasons = native.all("call", atNative).filter(({ reason }) => reason);
    assert.deepEqual(reasons, [], "no call ended on the way");
    await (round % 2 ? native : tab).hangUp();
    await Promise.all([native.ready(), tab.ready()]);
  }
});

test("two pages, both at once, hear and see each other", limit, async (t) => {
  const { one, other } = await pageAndPage(new Scene(t, chrome));
  await Promise.all([one.unpause(), other.unpause()]);
  await Promise.all([one.takesIn(OTHER), other.takesIn(PAGE)]);
});

test("two natives, both at once, hear and see each other", limit, async (t) => {
  const { one, other } = await nativeAndNative(new Scene(t, chrome));
  await Promise.all([one.unpause(), other.unpause()]);
  await Promise.all([one.takesIn(OTHER), other.takesIn(NATIVE)]);
});

test("who unpauses while the far side is away is heard as soon as it comes", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const { native, tab } = await nativeAndPage(scene);
  await native.quit();
  await tab.until("the far side's absence", ({ far }) => far === false);
  await tab.unpause();
  const again = await scene.again(native);
  await Promise.all([again.connected(), tab.connected()]);
  assert.equal(again.now.paused, true);
  await again.unpause();
  await again.hears(PAGE.hz);
});

test("the browser's own devices: two are opened at unpause, and none is left open at pause", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome), { tab: { tone: 0 } });
  await native.unpause();
  await tab.connected();
  assert.equal(await tab.asked(), 0);
  await tab.unpause();
  // The fake microphone beeps twice a second, the fake camera is green.
  await native.firstHeard();
  await native.wait("picture", ({ green, red, blue }) => green > red && green > blue, { what: "that is green" });
  assert.equal(await tab.open(), 2);
  await tab.pause();
  await tab.letsGo();
});

test("a muted microphone and a camera that is off are not heard and not seen", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  native.tell("mute", { on: true });
  native.tell("camera", { on: false });
  await native.wait("muted", ({ microphone, camera }) => microphone && camera);
  await native.unpause();
  await tab.unpause();
  await native.takesIn(PAGE);
  await tab.connected();
  assert.deepEqual(tab.tones(), []);
  assert.equal(packets(await tab.stats(), "in", "video"), 0);
  native.tell("mute", { on: false });
  native.tell("camera", { on: true });
  await tab.takesIn(NATIVE);
  const from = native.cursor;
  await tab.press("#mute");
  await tab.press("#camera");
  await native.wait("far_props", ({ audiosend, videosend }) => !audiosend && !videosend, { from });
  await native.silent();
});
