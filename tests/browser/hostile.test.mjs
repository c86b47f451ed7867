// A server that meddles: whatever it does, nobody but the honest far side is ever connected, the person is told, and
// the honest call comes about as soon as it is let.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { Chrome } from "./harness/chrome.mjs";
import { HOLE_LIMIT, assertUndisturbed, goOn, longestHole } from "./harness/losses.mjs";
import { Meddler, Stranger, flip, honest, junk, withData, withFrame } from "./harness/meddler.mjs";
import { NATIVE, OTHER, PAGE, nativeAndPage, settle, talk } from "./harness/pairs.mjs";
import { Scene } from "./harness/scene.mjs";
import { isTone } from "./harness/side.mjs";
import { clock, eventually } from "./harness/timeline.mjs";

let chrome;
before(async () => (chrome = await Chrome.launch()));
after(() => chrome.close());

const limit = { timeout: 120_000 };
/** What the person is told, by a native and by a page. */
const FORGED = { reasons: ["forged"], words: /did not send/ };
const SILENT = { reasons: ["silent"], words: /not prove to be it/ };
const EITHER = { reasons: ["forged", "silent"], words: /did not send|not prove to be it/ };
/** How long a running call is pestered by each thing, in milliseconds: longer than any deadline of life. */
const PESTERED = 4000;

const pass = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Does it again and again until the promise is kept: who shakes hands itself may pass over a handshake of another. */
async function until(promise, again) {
  again();
  const timer = setInterval(again, 200);
  await promise.finally(() => clearInterval(timer));
}

/** A native and a page that are paired, with a server between them that meddles from now on as it is told. */
async function pair(t, scene = new Scene(t, chrome)) {
  const meddler = await meddle(scene);
  const { native, tab } = await nativeAndPage(scene, { native: { server: meddler.origin } });
  return { scene, meddler, native, tab, ...names(meddler, native) };
}

async function meddle(scene) {
  const server = await scene.server();
  const meddler = await Meddler.start(server.origin);
  scene.closers.push(() => meddler.stop());
  return Object.assign(meddler, { real: server.origin });
}

/** The uids of the two, and the conversation, from what the first of them said. */
function names(meddler, native) {
  const { conversation } = native.all("started")[0];
  const uids = new Set(meddler.frames.filter(({ from }) => from.endsWith(`:${conversation}`)).map(({ from }) => from));
  // Whoever read the code began.
  const { from: page } = meddler.frames.find(({ from, kind }) => uids.has(from) && kind === "XX1");
  const own = [...uids].find((uid) => uid !== page);
  return { conversation, uids: { native: own, page } };
}

/** Nobody was connected since a cursor. */
function assertAlone(side, from) {
  const connected = side.events.slice(from).filter(({ event, state, call, connectionState }) => {
    if (event === "look") return call === "connected";
    return event === "call" ? state === "connected" : event === "connection" && connectionState === "connected";
  });
  assert.deepEqual(connected, [], `${side.name} is connected to nobody`);
}

/** The person at `side` is told, in a sentence. */
function isTold(side, { reasons, words }, from) {
  const isSentence = ({ reason, message }) => reasons.includes(reason) && message.split(" ").length > 5;
  if (!side.page) return side.wait("suspicious", isSentence, { from, what: `for ${reasons}` });
  return side.wait("look", ({ notice }) => words.test(notice ?? ""), { from, what: `with a notice like ${words}` });
}

/** From now on the server is honest: the two find each other, and both hear. */
async function comesAbout({ meddler, native, tab }) {
  meddler.rule = honest;
  for (const side of [native, tab]) {
    const { paused } = await side.until("its beginning", ({ paused }) => paused !== undefined);
    if (paused) await side.unpause();
  }
  await Promise.all([native.hears(tab.voice.hz), tab.hears(native.voice.hz)]);
}

// ── what is said in a session ──

for (const [where, part] of [["beginning", 0], ["middle", 0.5], ["end", 1]]) {
  test(`a bit is changed at the ${where} of what is sealed, as for another fingerprint`, limit, async (t) => {
    const all = await pair(t);
    const { meddler, native, tab } = all;
    const from = [native.cursor, tab.cursor];
    meddler.rule = (line) => (line.kind === "sealed" ? withFrame(line, withData(line.frame, flip(part))) : line.text);
    await native.unpause();
    await isTold(tab, FORGED, from[1]);
    await tab.unpause();
    await isTold(native, FORGED, from[0]);
    assertAlone(native, from[0]);
    assertAlone(tab, from[1]);
    await comesAbout(all);
  });
}

test("what was sealed is said again, in its session and in the next: nothing rings", limit, async (t) => {
  const all = await pair(t);
  const { meddler, native, tab, uids } = all;
  await talk(native, tab);
  await tab.hangUp();
  await Promise.all([native.ready(), tab.ready()]);
  const old = [...meddler.frames];
  const again = () => {
    for (const { from, to, frame } of old) meddler.forge(from, to, frame);
  };
  const from = [native.cursor, tab.cursor];
  again();
  const first = meddler.frames.length;
  meddler.cut();
  await meddler.frame("another meeting", ({ kind }) => kind === "sealed", first);
  await Promise.all([native.ready(), tab.ready(), native.meets(), tab.meets()]);
  again();
  // What comes behind it shows that all of it was looked at.
  const last = [native.cursor, tab.cursor];
  const told = Promise.all([isTold(native, FORGED, last[0]), isTold(tab, FORGED, last[1])]);
  await until(told, () => {
    meddler.forge(uids.page, uids.native, junk()[0]);
    meddler.forge(uids.native, uids.page, junk()[0]);
  });
  assertAlone(native, from[0]);
  assertAlone(tab, from[1]);
  assert.deepEqual(native.all("call", from[0]), [], "no call is begun");
  assert.equal(tab.all("connection", from[1]).length, 0, "no connection is made");
  assert.equal(tab.all("asked", from[1]).length, 0);
  await comesAbout(all);
});

// ── handshakes ──

const HANDSHAKES = [
  { name: "their answers are dropped", words: SILENT, rule: (line) => (line.kind === "KK2" ? null : line.text) },
  { name: "all of them are dropped", words: SILENT, rule: (line) => (/^KK/.test(line.kind) ? null : line.text) },
  {
    name: "they are cut off",
    words: FORGED,
    rule: (line) => (/^KK/.test(line.kind) ? withFrame(line, withData(line.frame, (data) => data.subarray(0, 24))) : line.text),
  },
  {
    name: "another key is put into them",
    words: FORGED,
    rule: (line) => {
      const swap = (data) => Buffer.concat([randomBytes(32), data.subarray(32)]);
      return /^KK/.test(line.kind) ? withFrame(line, withData(line.frame, swap)) : line.text;
    },
  },
];

for (const { name, words, rule } of HANDSHAKES) {
  test(`handshakes are tampered with, ${name}`, limit, async (t) => {
    const all = await pair(t);
    const { meddler, native, tab } = all;
    meddler.rule = rule;
    const from = [native.cursor, tab.cursor];
    meddler.cut();
    await Promise.all([native, tab].map((side) => side.until("the far side's absence", ({ far }) => far === false)));
    await Promise.all([native.unpause(), tab.unpause()]);
    await Promise.any([isTold(native, words, from[0]), isTold(tab, words, from[1])]);
    await Promise.all([isTold(native, EITHER, from[0]), isTold(tab, EITHER, from[1])]);
    assertAlone(native, from[0]);
    assertAlone(tab, from[1]);
    assert.deepEqual([native.now.far, tab.now.far], [false, false], "nobody is shown as there");
    await comesAbout(all);
  });
}

test("a server without the code's key gets between nobody who pairs", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const meddler = await meddle(scene);
  const native = await scene.native("native", { server: meddler.origin });
  const swap = (data) => Buffer.concat([randomBytes(32), data.subarray(32)]);
  meddler.rule = (line) => (/^XX/.test(line.kind) ? withFrame(line, withData(line.frame, swap)) : line.text);
  const tab = await scene.tab("page", await native.link(), { tone: PAGE.hz, colour: PAGE.colour });
  native.voice = NATIVE;
  tab.voice = PAGE;
  await isTold(tab, SILENT, 0);
  assert.notEqual(native.now.paired, true);
  assert.equal(tab.now.paired, false);
  assert.ok(native.now.code, "the code is still good");
  meddler.rule = honest;
  await settle(native, tab);
  await comesAbout({ meddler, native, tab });
});

// ── others ──

test("somebody else joins the room, and speaks under its own name and under the far side's", limit, async (t) => {
  const all = await pair(t);
  const { meddler, native, tab, uids, conversation } = all;
  const from = [native.cursor, tab.cursor];
  const instance = Array.from(randomBytes(26), (byte) => "abcdefghijklmnopqrstuvwxyz234567"[byte % 32]).join("").slice(0, 25) + "a";
  const third = await Stranger.join(meddler.real, `${instance}:${conversation}`);
  t.after(() => third.socket.terminate());
  for (const frame of junk()) for (const to of Object.values(uids)) third.send(to, frame);
  for (const frame of junk()) {
    meddler.forge(uids.page, uids.native, frame);
    meddler.forge(uids.native, uids.page, frame);
  }
  await Promise.all([isTold(native, FORGED, from[0]), isTold(tab, FORGED, from[1])]);
  assertAlone(native, from[0]);
  assertAlone(tab, from[1]);
  assert.deepEqual(native.all("call", from[0]), []);
  assert.deepEqual([native.now.far, tab.now.far], [true, true]);
  assert.deepEqual(third.heard.filter((line) => line.includes("sealed")), [], "nothing sealed is said to it");
  await comesAbout(all);
  await third.leave();
});

/** What somebody who does not hold the far side's key answers to a handshake. */
const impostor = (frame) => (frame?.noise?.step === 1 ? [{ noise: { ...frame.noise, step: 2, data: junk()[1].noise.data } }] : []);

test("somebody takes the absent page's place: the native says so, and is connected to nobody", limit, async (t) => {
  const { meddler, native, tab, uids, scene } = await pair(t);
  const { address } = tab.now;
  const { machine } = tab;
  await tab.close();
  await native.until("the far side's absence", ({ far }) => far === false);
  const from = native.cursor;
  await native.unpause();
  const third = await Stranger.join(meddler.real, uids.page);
  third.answer = impostor;
  for (const frame of junk()) third.send(uids.native, frame);
  await isTold(native, FORGED, from);
  await isTold(native, SILENT, from);
  assertAlone(native, from);
  assert.equal(native.now.far, false, "nobody is shown as there");
  await third.leave();

  const again = await machine.tab("page again", address, { tone: PAGE.hz, colour: PAGE.colour });
  again.voice = PAGE;
  await comesAbout({ meddler, native, tab: again, scene });
});

test("somebody takes the absent native's place: the page says so, and is connected to nobody", limit, async (t) => {
  const { meddler, native, tab, uids, scene } = await pair(t);
  await native.quit();
  await tab.until("the far side's absence", ({ far }) => far === false);
  const from = tab.cursor;
  await tab.unpause();
  const third = await Stranger.join(meddler.real, uids.native);
  third.answer = impostor;
  for (const frame of junk()) third.send(uids.page, frame);
  await isTold(tab, FORGED, from);
  await isTold(tab, SILENT, from);
  assertAlone(tab, from);
  assert.equal(tab.now.far, false, "nobody is shown as there");
  await third.leave();

  const again = await scene.again(native);
  again.voice = NATIVE;
  await comesAbout({ meddler, native: again, tab });
});

test("the server lists an absent far side, and answers in its place", limit, async (t) => {
  const { meddler, native, tab, uids } = await pair(t);
  const { address } = tab.now;
  const { machine } = tab;
  await tab.close();
  await native.until("the far side's absence", ({ far }) => far === false);
  const from = native.cursor;
  meddler.rule = ({ client, way, text, to, frame }) => {
    if (way === "down" && text.startsWith("ROOM_OK")) return `ROOM_OK ${uids.page}`;
    // The real server knows nobody of that name.
    if (way === "down" && text.startsWith("ERROR")) return null;
    if (to === uids.page) for (const answer of impostor(frame)) meddler.forge(uids.page, client.uid, answer);
    return text;
  };
  await native.unpause();
  meddler.cut();
  await isTold(native, FORGED, from);
  await isTold(native, SILENT, from);
  assertAlone(native, from);
  assert.equal(native.now.far, false, "nobody is shown as there");

  meddler.rule = honest;
  const again = await machine.tab("page again", address, { tone: PAGE.hz, colour: PAGE.colour });
  again.voice = PAGE;
  await comesAbout({ meddler, native, tab: again });
});

test("the frames of two conversations are given to each other", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const first = await pair(t, scene);
  const { meddler } = first;
  const native = await scene.native("david", { server: meddler.origin, ends: { mic: `test:${OTHER.hz}`, camera: "test:green" } });
  const tab = await scene.tab("page of david", await native.link(), { tone: 659, colour: [255, 255, 255] });
  native.voice = OTHER;
  tab.voice = { hz: 659 };
  await settle(native, tab);
  const sides = [first.native, first.tab, native, tab];
  const from = sides.map((side) => side.cursor);
  // Each gets what was said last in the other conversation, in the name of its own far side.
  const last = new Map();
  meddler.rule = (line) => {
    if (line.kind === null) return line.text;
    const own = line.to.split(":")[1];
    last.set(own, line.frame);
    const [other] = [...last.keys()].filter((conversation) => conversation !== own);
    return other === undefined ? null : withFrame(line, last.get(other));
  };
  meddler.cut();
  for (const side of sides) await side.unpause();
  await Promise.all(sides.map((side, at) => isTold(side, EITHER, from[at])));
  sides.forEach((side, at) => assertAlone(side, from[at]));
  meddler.rule = honest;
  await Promise.all([first, { native, tab }].map(({ native, tab }) => comesAbout({ meddler, native, tab })));
  const voices = [NATIVE.hz, PAGE.hz, OTHER.hz, 659];
  const own = [PAGE.hz, NATIVE.hz, 659, OTHER.hz];
  for (const [at, side] of sides.entries()) {
    const start = side.cursor;
    await eventually(`${side.name} to hear more`, () => side.tones(start).length > 20);
    const strange = voices.filter((hz) => hz !== own[at] && side.tones(start).some((tone) => isTone({ hz: tone }, hz)));
    assert.deepEqual(strange, [], `${side.name} hears nobody else`);
  }
});

// ── a call that runs ──

test("a running call is not disturbed by any of it", { timeout: 180_000 }, async (t) => {
  const { meddler, native, tab, uids } = await pair(t);
  await talk(native, tab);
  const both = [
    { side: native, hz: PAGE.hz },
    { side: tab, hz: NATIVE.hz },
  ];
  await goOn(...both);
  const old = [...meddler.frames];
  const pairs = [
    [uids.page, uids.native],
    [uids.native, uids.page],
  ];
  const flipped = (line) => (line.frame ? withFrame(line, withData(line.frame, flip(0.5))) : line.text);
  const troubles = {
    "frames in the far side's name": () => {
      for (const [from, to] of pairs) for (const frame of junk()) meddler.forge(from, to, frame);
    },
    "old frames": () => {
      for (const { from, to, frame } of old) meddler.forge(from, to, frame);
    },
    "goings and comings that are none": () => {
      for (const [from, to] of pairs) for (const what of ["LEFT", "JOINED", "LEFT"]) meddler.tell(to, `ROOM_PEER_${what} ${from}`);
    },
    "errors": () => {
      for (const [from, to] of pairs) for (const text of ["ERROR peer uid taken", `ERROR peer '${from}' not found`]) meddler.tell(to, text);
    },
    "a line that breaks, and handshakes that do not verify": () => {
      meddler.rule = flipped;
      meddler.cut();
    },
    "a line that breaks, and handshakes that get lost": () => {
      meddler.rule = (line) => (line.frame ? null : line.text);
      meddler.cut();
    },
    "a line that breaks, and a room that seems empty": () => {
      meddler.rule = (line) => (line.way === "down" && line.text.startsWith("ROOM_OK") ? "ROOM_OK " : line.frame ? null : line.text);
      meddler.cut();
    },
  };
  for (const [name, trouble] of Object.entries(troubles)) {
    const from = [native.cursor, tab.cursor];
    const since = clock();
    trouble();
    await pass(PESTERED);
    await goOn(...both);
    const holes = both.map(({ side }) => longestHole(side, since));
    t.diagnostic(`${name}: longest holes ${holes.map(Math.round)} ms`);
    assert.ok(Math.max(...holes) <= HOLE_LIMIT, `${name}: ${holes}`);
    assertUndisturbed(native, from[0]);
    assertUndisturbed(tab, from[1]);
    meddler.rule = honest;
  }
  await Promise.all([native.meets(), tab.meets()]);
  const at = tab.cursor;
  await native.hangUp();
  await tab.wait("look", ({ notice }) => notice === "The other side hung up.", { from: at });
  await Promise.all([native.ready(), tab.ready()]);
  await talk(native, tab);
});
