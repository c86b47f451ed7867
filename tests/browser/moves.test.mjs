// A machine that goes from one network to another in the middle of a call.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Chrome } from "./harness/chrome.mjs";
import { median } from "./harness/figures.mjs";
import { assertOneCall, goOn, misses, spread } from "./harness/losses.mjs";
import { AWAY, Network, obstacle } from "./harness/network.mjs";
import { NATIVE, OTHER, PAGE, settle, talk } from "./harness/pairs.mjs";
import { Scene } from "./harness/scene.mjs";
import { clock } from "./harness/timeline.mjs";

const why = obstacle();
const skip = why !== null && `NOT TRIED WITH NETWORKS THAT CHANGE: no network namespaces here (${why})`;
const limit = { timeout: 180_000, skip };

const PORT = 8443;
/** How often the way is changed in one call. */
const MOVES = 6;
/** How soon after a link is cut there is sound again, in milliseconds. */
const MOVE_LIMIT = 3000;
/** How long nothing gets through, in milliseconds; how soon sound is back after that. */
const OUTAGE = 10_000;
const RETURN_LIMIT = 5000;

const pass = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A native at home, and a server away, to which it found its way. */
async function begin(t, chromeOptions = null) {
  const scene = new Scene(t, null);
  const network = new Network();
  scene.closers.push(() => network.close());
  if (chromeOptions) {
    scene.chrome = await Chrome.launch({ ...chromeOptions, executable: network.chromium(scene.folder) });
    scene.closers.push(() => scene.chrome.close());
  }
  await scene.server({ port: PORT, place: network.away, listen: "0.0.0.0" });
  return { scene, network };
}

/** `link` as it leads to the server away. */
const fromHome = (link) => {
  const url = new URL(link);
  return Object.assign(url, { protocol: "https:", host: `${AWAY}:${PORT}` }).href.replace(/^http:/, "https:");
};

const everywhere = { address: null, port: null };

/** A native at home and one away, in a call. */
async function twoNatives(t) {
  const { scene, network } = await begin(t);
  const other = await scene.native("other", {
    ...everywhere,
    server: `http://localhost:${PORT}`,
    place: network.away,
    ends: { mic: `test:${OTHER.hz}`, camera: "test:green" },
  });
  const native = await scene.native("native", { ...everywhere, what: fromHome(await other.link()), place: network.home });
  native.voice = NATIVE;
  other.voice = OTHER;
  await settle(native, other);
  await talk(native, other);
  return { scene, network, native, far: other };
}

/** A native at home and a page away, in a call. */
async function nativeAndPage(t) {
  const { scene, network } = await begin(t, {});
  const tab = await scene.tab("page", `http://localhost:${PORT}/`, { tone: PAGE.hz, colour: PAGE.colour });
  const native = await scene.native("native", { ...everywhere, what: fromHome(await tab.link()), place: network.home });
  native.voice = NATIVE;
  tab.voice = PAGE;
  await settle(native, tab);
  await talk(native, tab);
  return { scene, network, native, far: tab };
}

const both = (native, far) => [
  { side: native, hz: far.voice.hz },
  { side: far, hz: native.voice.hz },
];

/** When `side` heard again after the hole that began behind `since`; `since` itself if there was none. */
async function heardAgain({ side, hz }, since) {
  await goOn({ side, hz });
  const holes = side.holes(since, clock()).filter(([from, to]) => to - from > 100);
  return holes.at(-1)?.[1] ?? since;
}

/** Cuts the link that carries the call, and brings it back once the call has moved; how long sound was away, in ms. */
async function move({ network, native, far }, how) {
  const from = [native.cursor, far.cursor];
  network.busiest();
  await pass(500);
  const which = network.busiest();
  const since = clock();
  network[how](which);
  const times = await Promise.all(both(native, far).map((one) => heardAgain(one, since)));
  await Promise.all([native, far].map((side) => side.until("the room", ({ line, far }) => line === "joined" && far)));
  network.mend(which);
  await goOn(...both(native, far));
  await Promise.all([native, far].map((side) => side.until("the room", ({ line, far }) => line === "joined" && far)));
  assert.deepEqual([native.now.paused, far.now.paused], [false, false]);
  assertOneCall(native, from[0]);
  assertOneCall(far, from[1]);
  return Math.max(...times) - since;
}

for (const { name, pair } of [
  { name: "a native", pair: twoNatives },
  { name: "a page", pair: nativeAndPage },
]) {
  test(`a native whose link is cut goes on by its other one, with ${name}: sound is back within 3 s`, limit, async (t) => {
    const sides = await pair(t);
    const took = [];
    for (let round = 0; round < MOVES; round++) took.push(await move(sides, "cut"));
    t.diagnostic(`link cut to sound in both directions: ${spread(took)}; ${took.map(Math.round)}`);
    assert.ok(median(took) <= MOVE_LIMIT, spread(took));
  });

  test(`both links are cut for 10 s, with ${name}: the call goes on by itself`, limit, async (t) => {
    const { network, native, far } = await pair(t);
    const from = [native.cursor, far.cursor];
    network.cut(0);
    network.cut(1);
    const since = clock();
    const noticed = await Promise.all([misses(native, since), misses(far, since)]);
    t.diagnostic(`noticed after ${noticed.map(Math.round)} ms`);
    await pass(OUTAGE - (clock() - since));
    const back = clock();
    network.mend(0);
    const times = await Promise.all(both(native, far).map((one) => heardAgain(one, back)));
    t.diagnostic(`sound ${Math.round(Math.max(...times) - back)} ms after the link's return`);
    assert.ok(Math.max(...times) - back <= RETURN_LIMIT);
    assertOneCall(native, from[0]);
    assertOneCall(far, from[1]);
  });

  test(`nothing gets through for 10 s and no address changes, with ${name}: the call goes on by itself`, limit, async (t) => {
    const { network, native, far } = await pair(t);
    const from = [native.cursor, far.cursor];
    network.forward(false);
    const since = clock();
    const noticed = await Promise.all([misses(native, since), misses(far, since)]);
    t.diagnostic(`noticed after ${noticed.map(Math.round)} ms`);
    await pass(OUTAGE - (clock() - since));
    const back = clock();
    network.forward(true);
    const times = await Promise.all(both(native, far).map((one) => heardAgain(one, back)));
    t.diagnostic(`sound ${Math.round(Math.max(...times) - back)} ms after the way's return`);
    assertOneCall(native, from[0]);
    assertOneCall(far, from[1]);
  });
}
