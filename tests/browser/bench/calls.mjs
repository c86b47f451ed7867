// How soon one side is heard by the other, and how soon it is not.

import * as pairs from "../harness/pairs.mjs";
import { eventually } from "../harness/timeline.mjs";

/** What the page's fake microphone hums, in Hz. */
export const PAGE_TONE = 523;
/** How long a side stays paused between two measurements, in milliseconds: a jitter buffer may learn from it. */
const PAUSE = 1000;
/** How long it talks before it pauses again, in milliseconds. */
const TALK = 500;
/** How long both sides get after a call to make the next one ready, in milliseconds. */
const REST = 700;

const pass = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
/** The browser's own microphone, rather than a made one: what it costs to open is part of the figure. */
const OWN_MICROPHONE = { tab: { tone: 0 } };

/** A native and a page in a connected call; each pauses and unpauses in turn. */
export async function nativeAndPage(scene, figures, rounds) {
  const { native, tab } = await pairs.nativeAndPage(scene, OWN_MICROPHONE);
  await clocks(tab, native, figures);
  await pairs.talk(native, tab);

  const fromNative = await toggle(native, tab, rounds);
  const jitter = fromNative.map(({ jitter }) => jitter);
  figures.take("native-unpause", "native unpauses → heard in Chromium", pick(fromNative, "heard"), {
    goal: 60,
    parts: { "command to open gate": pick(fromNative, "gate"), "jitter buffer": jitter },
    limit: "a whole Opus frame (20 ms) is spoken before it is sent, and Chromium's jitter buffer holds it",
  });
  figures.take("native-pause", "native pauses → last sound in Chromium", pick(fromNative, "silent"), {
    goal: 60,
    parts: { "jitter buffer": jitter },
    limit: "the frame that was being spoken (20 ms) is sent whole, waits in the jitter buffer, and fades for a frame",
  });

  const fromPage = await toggle(tab, native, rounds);
  figures.take("page-unpause", "page unpauses → heard natively", pick(fromPage, "heard"), {
    goal: 60,
    parts: pageParts(fromPage),
    limit: "the browser opens the microphone anew; its own processing and a 20 ms jitter buffer follow",
  });
  figures.take("page-pause", "page pauses → last sound natively", pick(fromPage, "silent"), { goal: 60 });
}

/** Two pages in a connected call: what a browser's own two ends achieve in the same run. */
export async function pages(scene, figures, rounds) {
  const { one, other } = await pairs.pageAndPage(scene, OWN_MICROPHONE);
  await pairs.talk(one, Object.assign(other, { voice: pairs.PAGE }));
  const all = await toggle(one, other, rounds);
  const parts = { ...pageParts(all), "jitter buffer": pick(all, "jitter") };
  figures.take("pages-unpause", "page unpauses → heard in another page", pick(all, "heard"), { parts });
  figures.take("pages-pause", "page pauses → last sound in another page", pick(all, "silent"));
}

function pageParts(all) {
  const asked = pick(all, "asked");
  return { "press to handler": pick(all, "handler"), "press to getUserMedia": asked, getUserMedia: pick(all, "took") };
}

const pick = (all, name) => all.map((one) => one[name]).filter((value) => value !== undefined && !Number.isNaN(value));

/** `side` pauses and unpauses again and again; `far` hears it. */
async function toggle(side, far, rounds) {
  const all = [];
  for (let round = 0; round < rounds; round++) {
    const pause = await side.pause();
    const silent = (await far.silent()) - pause.at;
    await pass(PAUSE);
    const from = [side.cursor, far.cursor];
    const unpause = await side.unpause();
    const heard = (await far.firstHeard({ from: from[1] })) - unpause.at;
    all.push({ heard, silent, ...steps(side, from[0], unpause), ...(await jitterBuffer(far)) });
    await pass(TALK);
  }
  return all;
}

/** What happened at the side that unpaused, in milliseconds from the press or command. */
function steps(side, from, { at, handled }) {
  const gate = side.all("paused", from)[0];
  const asked = side.all("asked", from).find(({ audio }) => audio);
  const given = side.all("given", from).find(({ audio }) => audio);
  return {
    gate: gate && gate.at - at,
    handler: handled && handled - at,
    asked: asked && asked.at - at,
    took: given?.took,
  };
}

async function jitterBuffer(far) {
  if (!far.stats) return {};
  const first = (await far.stats()).in.audio;
  await pass(TALK);
  const next = (await far.stats()).in.audio;
  if (!first || !next) return {};
  const emitted = next.jitterBufferEmittedCount - first.jitterBufferEmittedCount;
  return { jitter: (1000 * (next.jitterBufferDelay - first.jitterBufferDelay)) / emitted };
}

/** The first unpause of all: a call has to be made before anything is heard. */
export async function firstUnpause(scene, figures, rounds) {
  const { native, tab } = await pairs.nativeAndPage(scene, OWN_MICROPHONE);
  const fromNative = await first(native, tab, rounds);
  takeFirst(figures, "first-native", "native unpauses first → arrives in Chromium", fromNative, 150);
  const open = "first → data channel open";
  figures.take("channel-native", `native unpauses ${open}`, pick(fromNative, "channel"), { goal: 100 });
  const fromPage = await first(tab, native, rounds);
  takeFirst(figures, "first-page", "page unpauses first → heard natively", fromPage, 150);
  figures.take("channel-page", `page unpauses ${open}`, pick(fromPage, "channel"), { goal: 100 });
}

/** The same between two pages, for comparison. */
export async function firstUnpauseOfPages(scene, figures, rounds) {
  const { one, other } = await pairs.pageAndPage(scene, OWN_MICROPHONE);
  const fromOther = await first(one, other, rounds);
  takeFirst(figures, "first-pages", "page unpauses first → arrives in another page", fromOther, null);
  figures.take("channel-pages", "page unpauses first → data channel to another page open", pick(fromOther, "channel"));
}

function takeFirst(figures, id, what, all, goal) {
  const connecting = { offered: "offer sent or got", ice: "ICE connected", dtls: "DTLS connected" };
  const names = { ...connecting, channel: "data channel", took: "getUserMedia took" };
  const parts = Object.entries(names).map(([name, words]) => [words, pick(all, name)]);
  figures.take(id, what, pick(all, "heard"), {
    goal,
    parts: Object.fromEntries(parts.filter(([, list]) => list.length > 0)),
    limit: "after DTLS one Opus frame is spoken, sent and held by the jitter buffer",
  });
}

/** Both are paused and without a call; `side` unpauses, and what it says comes to `far`. */
async function first(side, far, rounds) {
  const all = [];
  for (let round = 0; round < rounds; round++) {
    await pass(REST);
    const from = [side.cursor, far.cursor];
    const listening = listen(far, from[1]);
    const unpause = await side.unpause();
    const heard = await listening;
    await Promise.all([side.connected(), far.connected()]);
    all.push({ heard: heard - unpause.at, ...way([side, far], from, unpause), ...steps(side, from[0], unpause) });
    await side.hangUp();
    await Promise.all([side.ready(), far.ready()]);
    await far.silent();
  }
  return all;
}

/** When the first sound comes to `far`. */
async function listen(far, from) {
  // A paused page gets sound and does not play it; what it would play is what counts.
  if (far.stats) return (await far.wait("arrived", () => true, { from })).at;
  // A paused native lets nothing in, so it is unpaused while the connection is being made.
  await far.wait("call", ({ state }) => state === "connecting", { from });
  await far.unpause();
  return far.firstHeard({ from });
}

/** The steps of connecting, as far as either side tells them, from the press or command on. */
function way(sides, from, { at }) {
  const seen = (kind, test) => {
    const events = sides.flatMap((side, index) => side.all(kind, from[index]).filter(test));
    const found = events.map((event) => event.at - at);
    return found.length ? Math.min(...found) : undefined;
  };
  const open = seen("channel", () => true);
  const connected = seen("call", ({ state }) => state === "connected");
  return {
    offered: seen("connection", ({ connectionState }) => connectionState === "new"),
    ice: seen("connection", ({ iceConnectionState }) => ["connected", "completed"].includes(iceConnectionState)),
    dtls: seen("connection", ({ connectionState }) => connectionState === "connected"),
    // Open is what both sides say is open.
    channel: Math.max(open ?? 0, connected ?? 0),
  };
}

/** How far the clocks of the three processes are apart: a bound, in milliseconds. */
async function clocks(tab, native, figures) {
  const now = () => performance.timeOrigin + performance.now();
  const offsets = [];
  for (let round = 0; round < 20; round++) {
    const before = now();
    const there = await tab.page.evaluate(() => performance.timeOrigin + performance.now());
    const after = now();
    offsets.push({ offset: there - (before + after) / 2, trip: after - before });
  }
  offsets.sort((one, other) => one.trip - other.trip);
  const best = offsets.slice(0, 5);
  const ahead = best.map(({ offset }) => offset);
  figures.take("clock-page", "page's clock ahead of this one, at most half a round trip off", ahead);
  await eventually("events of the native", () => native.events.length > 5);
  const late = native.events.map(({ heard, at }) => heard - at);
  figures.take("clock-native", "program's event told → read here (clock and pipe)", late);
}
