// The page of a room: pages, natives and stock clients in it hear and see each other.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chrome } from "./harness/chrome.mjs";
import { Meddler } from "./harness/meddler.mjs";
import { NATIVE, OTHER, PAGE } from "./harness/pairs.mjs";
import { Scene } from "./harness/scene.mjs";
import { build } from "./harness/stock.mjs";
import { eventually } from "./harness/timeline.mjs";

let chrome;
before(async () => {
  build();
  chrome = await Chrome.launch();
});
after(() => chrome.close());

const limit = { timeout: 90_000 };

/** A page in the room "tea", paused. */
async function enter(scene, server, name, voice, options = {}) {
  const url = `${server.origin}/?room=tea`;
  const tab = await scene.tab(name, url, { tone: voice.hz, colour: voice.colour, ...options });
  await tab.until("being in the room", ({ line }) => line === "joined");
  return tab;
}

const amongst = (tab, count) =>
  tab.until(`being connected to ${count}`, ({ connected, members }) => Number(connected) === count && Number(members) === count + 1);

test("pages in a room are paused at first, then hear and see each other, and one leaves", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const server = await scene.server();
  const voices = [PAGE, NATIVE, OTHER];
  const tabs = [];
  for (const [at, voice] of voices.entries()) tabs.push(await enter(scene, server, `page ${at}`, voice));
  await Promise.all(tabs.map((tab) => amongst(tab, 2)));
  for (const tab of tabs) assert.deepEqual([await tab.asked(), tab.tones()], [0, []], "paused, nothing is opened or heard");

  for (const tab of tabs) await tab.unpause();
  const others = (at) => voices.filter((_, other) => other !== at);
  await Promise.all(tabs.flatMap((tab, at) => others(at).map((voice) => tab.takesIn(voice))));
  for (const tab of tabs) assert.ok((await tab.asked()) <= 2, "the devices are opened once, not for each member");

  await tabs[0].pause();
  await tabs[0].letsGo();
  await tabs[0].silent();
  const from = tabs[1].cursor;
  await tabs[1].hears(OTHER.hz, { from });
  const late = tabs[1].cursor;
  await tabs[1].hears(OTHER.hz, { from: late });
  await eventually("silence from who is paused", () => !tabs[1].tones(tabs[1].cursor - 40).some((hz) => Math.abs(hz - PAGE.hz) < 15));
  await tabs[0].unpause();
  await Promise.all([tabs[1].hears(PAGE.hz, { from: tabs[1].cursor }), tabs[0].hears(NATIVE.hz, { from: tabs[0].cursor })]);

  await tabs[0].close();
  await Promise.all(tabs.slice(1).map((tab) => amongst(tab, 1)));
  for (const tab of tabs.slice(1)) assert.deepEqual(tab.complaints, []);
});

test("a native, a page and a stock client are in one room, whoever comes first", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const server = await scene.server();
  const join = (name, hz) =>
    scene.stock(name, ["--server", `ws://127.0.0.1:${server.port}/`, "--id", name, "--room", "tea", "--tone", `${hz}`]);
  const [first, last] = [988, 1175];
  const early = join("4001", first);
  await early.wait("room");
  const ends = { mic: `test:${NATIVE.hz}`, camera: "test:red" };
  const options = { ...{ command: "room", what: "tea", server: server.origin, ends }, flags: ["--unpaused"] };
  const native = await scene.native("native", options);
  await native.wait("member", ({ state }) => state === "connected");
  const tab = await enter(scene, server, "page", PAGE);
  await tab.unpause();
  const late = join("4002", last);

  const hears = (tones) => {
    const fits = ({ tones: heard }) =>
      heard.length === tones.length && tones.every((hz) => heard.some((tone) => Math.abs(tone.hz - hz) < hz * 0.03));
    return native.wait("tones", fits, { what: `of ${tones}`, within: 40_000 });
  };
  await Promise.all([
    hears([first, last, PAGE.hz]),
    ...[first, last, NATIVE.hz].map((hz) => tab.hears(hz)),
    ...[NATIVE.hz, PAGE.hz, last].map((hz) => early.hears(hz)),
    ...[NATIVE.hz, PAGE.hz, first].map((hz) => late.hears(hz)),
  ]);
  await late.kill();
  await early.wait("left");
  await amongst(tab, 2);
});

/** Both are told that the other was there before, and their offers cross. */
function crossing(meddler) {
  const held = new Map();
  return ({ client, way, text, frame }) => {
    const [native] = meddler.clients;
    if (way === "down" && client === native) {
      if (text.startsWith("ROOM_OK")) return null;
      return text.replace(/^ROOM_PEER_JOINED /, "ROOM_OK ");
    }
    if (way === "down" || frame?.sdp?.type !== "offer" || held.has(client)) return text;
    held.set(client, text);
    if (held.size === 2) for (const [{ far }, offer] of held) far.send(offer);
    return null;
  };
}

for (const [uid, who] of [["0", "native"], ["z", "page"]]) {
  test(`of the offers of a native and a page that cross the ${who}'s stands, as of the greater uid`, limit, async (t) => {
    const scene = new Scene(t, chrome);
    const server = await scene.server();
    const meddler = await Meddler.start(server.origin);
    scene.closers.push(() => meddler.stop());
    const tab = await scene.tab("page", `${meddler.origin}/icon.svg`, { tone: PAGE.hz });
    await tab.page.evaluate((uid) => (sessionStorage["room-uid"] = uid), uid);
    meddler.rule = crossing(meddler);
    const ends = { mic: `test:${NATIVE.hz}`, camera: "test:red" };
    const options = { ...{ command: "room", what: "tea", server: meddler.origin, ends }, flags: ["--unpaused"] };
    const native = await scene.native("native", options);
    await eventually("the native's line", () => [...meddler.clients].some(({ uid }) => uid !== null));
    await tab.page.goto(`${meddler.origin}/?room=tea`);
    await amongst(tab, 1);
    await tab.unpause();
    await tab.hears(NATIVE.hz);
    const answers = meddler.frames.filter(({ frame }) => frame?.sdp?.type === "answer");
    assert.deepEqual(answers.map(({ from }) => from === uid), [who === "native"]);
  });
}
