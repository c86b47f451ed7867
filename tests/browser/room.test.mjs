// Rooms: natives and a stock page hear each other, come and go, and pause.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { Chrome } from "./harness/chrome.mjs";
import { Display, SoundServer, missing } from "./harness/desktop.mjs";
import { Scene } from "./harness/scene.mjs";
import { eventually } from "./harness/timeline.mjs";
import { multiparty } from "./stock/multiparty.mjs";

let chrome;
before(async () => (chrome = await Chrome.launch({ flags: ["--autoplay-policy=no-user-gesture-required"] })));
after(() => chrome.close());

const limit = { timeout: 180_000 };
/** What each member sends: far enough from each other, and from each other's multiples. */
const TONES = { ada: 440, ben: 523, cleo: 587, dan: 698, eve: 932, page: 784 };
/** Many decoders on few cores take their time. */
const within = 40_000;

/** Whether these tones are heard and no others, each within 2 %. */
function are(heard, wanted) {
  const sorted = [...wanted].sort((one, other) => one - other);
  return heard.length === sorted.length && heard.every((hz, at) => Math.abs(hz - sorted[at]) < 0.02 * sorted[at]);
}

const tonesOf = (names) => names.map((name) => TONES[name]);

/** A native in the room, with a picture if it is given a colour. */
function member(scene, server, name, { colour, flags = ["--unpaused"], ...options } = {}) {
  const ends = { mic: `test:${TONES[name]}`, camera: colour ? `test:${colour}` : "none" };
  return scene.native(name, { command: "room", what: "tea", server: server.origin, ends, flags, ...options });
}

/** A native hears these, and nobody else, from now on. */
const hears = (native, names) =>
  native.wait("tones", ({ tones }) => are(tones.map(({ hz }) => hz), tonesOf(names)), {
    from: native.cursor,
    within,
    what: `of ${names}`,
  });

/** A stock page in the room. */
async function page(scene, server) {
  const tab = await scene.tab("page", `${server.origin}/health`);
  const url = `${server.origin.replace("http", "ws")}/`;
  await tab.page.evaluate(multiparty, { url, room: "tea", tone: TONES.page });
  return {
    hears: (names) =>
      eventually(`the page hears ${names}`, async () => are(await tab.page.evaluate(() => stock.tones()), tonesOf(names)), {
        within,
      }).catch(async (error) => {
        const seen = await tab.page.evaluate(() => ({ ...stock, heard: stock.tones(), states: stock.states() }));
        throw new Error(`${error.message}\n${JSON.stringify(seen)}`);
      }),
    state: () => tab.page.evaluate(() => ({ ...stock })),
    leave: () => tab.page.evaluate(() => stock.leave()),
  };
}

test("four natives and a page of somebody else's make hear each other; one leaves, one comes; a pause gates all", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const server = await scene.server();
  const natives = {};
  for (const [name, colour] of [["ada", "red"], ["ben", "green"], ["cleo"]]) {
    natives[name] = await member(scene, server, name, { colour });
  }
  const stock = await page(scene, server);
  // It comes after the page, so that each of the two has been the newcomer to a native.
  natives.dan = await member(scene, server, "dan");
  const others = (name) => [...Object.keys(natives), "page"].filter((other) => other !== name);
  const allHear = () =>
    Promise.all([...Object.entries(natives).map(([name, native]) => hears(native, others(name))), stock.hears(others("page"))]);
  await allHear();
  const seen = natives.dan.wait("member_picture", ({ red, green, width }) => width === 640 && red > 150 && green < 100, { within });
  await seen;
  assert.ok(Object.values((await stock.state()).pictures).some(([width]) => width === 640), "the page sees somebody");

  await natives.ben.quit();
  delete natives.ben;
  await allHear();
  natives.eve = await member(scene, server, "eve");
  await allHear();

  await natives.ada.pause();
  const paused = natives.ada.cursor;
  await Promise.all([hears(natives.cleo, ["dan", "eve", "page"]), stock.hears(["cleo", "dan", "eve"])]);
  const told = natives.ada.all("tones", paused + 5).filter(({ tones }) => tones.length);
  assert.deepEqual(told, [], "who is paused hears nobody");
  await natives.ada.unpause();
  await allHear();

  await stock.leave();
  await natives.cleo.wait("member", ({ state }) => state === "left", { within });
  await hears(natives.cleo, ["ada", "dan", "eve"]);
  assert.equal((await stock.state()).quit, "left", "nothing that anybody said made it give up");
});

test("a restarted server finds everybody back in the room, and nobody was unheard for long", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const server = await scene.server();
  const [ada, ben, cleo] = [await member(scene, server, "ada"), await member(scene, server, "ben"), await member(scene, server, "cleo")];
  await Promise.all([hears(ada, ["ben", "cleo"]), hears(ben, ["ada", "cleo"]), hears(cleo, ["ada", "ben"])]);
  const from = [ada, ben, cleo].map((native) => native.cursor);
  await server.kill();
  await Promise.all([ada, ben, cleo].map((native, at) => native.wait("line", ({ state }) => state === "offline", { from: from[at] })));
  await server.restart();
  await Promise.all([ada, ben, cleo].map((native, at) => native.wait("line", ({ state }) => state === "joined", { from: from[at] })));
  await Promise.all([hears(ada, ["ben", "cleo"]), hears(ben, ["ada", "cleo"]), hears(cleo, ["ada", "ben"])]);
  for (const [at, native] of [ada, ben, cleo].entries()) {
    const times = native.all("tones", from[at]).filter(({ tones }) => tones.length === 2).map(({ at }) => at);
    const gaps = times.slice(1).map((time, at) => time - times[at]);
    const longest = Math.max(...gaps);
    t.diagnostic(`${native.name}: the others were unheard for at most ${longest.toFixed(0)} ms`);
    assert.ok(longest < 3000, `${longest}`);
  }
});

const absent = missing();
const skip = absent.length > 0 && `NOT TRIED WITH REAL DEVICES: ${absent.join(", ")} is missing; scripts/test installs it`;

test("with real devices: one microphone, one speaker and one window for all, and none of them while paused", { ...limit, skip }, async (t) => {
  const scene = new Scene(t, chrome);
  const server = await scene.server();
  const sound = await SoundServer.start(path.join(scene.folder, "sound"), 660);
  const display = await Display.start();
  const loudspeaker = sound.listen();
  scene.closers.push(
    () => sound.stop(),
    () => display.stop(),
    () => loudspeaker.stop(),
  );
  const others = [await member(scene, server, "ada", { colour: "red" }), await member(scene, server, "ben", { colour: "green" })];
  const own = { mic: null, camera: "test:blue", speaker: null, window: null };
  const env = { ...sound.env, ...display.env };
  const native = await scene.native("own", { command: "room", what: "tea", server: server.origin, ends: own, env });
  const connected = () => native.all("member").filter(({ state }) => state === "connected").length === 2;
  await eventually("two members", connected, { within });
  const open = () => ({ ...sound.streams(native.pid), windows: display.windows() });
  const closed = { recording: 0, playing: 0, windows: 0 };
  const is = (wanted) => () => JSON.stringify(open()) === JSON.stringify(wanted);
  assert.deepEqual(open(), closed);
  assert.ok(loudspeaker.level(TONES.ada) < -60);
  for (let round = 0; round < 2; round++) {
    await native.unpause();
    for (const hz of [TONES.ada, TONES.ben]) {
      await eventually(`${hz} Hz at the loudspeaker`, () => loudspeaker.level(hz) > -30, { within });
    }
    const heard = ({ tones }) => tones.some(({ hz }) => Math.abs(hz - 660) < 10);
    await Promise.all(others.map((other) => other.wait("tones", heard, { from: other.cursor, within })));
    await eventually("one of each", is({ recording: 1, playing: 1, windows: 1 }), { within });
    await native.pause();
    await eventually("every device to be closed", is(closed), { within });
    await eventually("silence at the loudspeaker", () => loudspeaker.level(TONES.ada) < -60, { within });
  }
});

/** The seconds that a process has used of a core. */
function spent(pid) {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

test("eight in one room hear each other; the ninth is told that there is no place, and gets one when one leaves", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const server = await scene.server();
  const tones = [440, 523, 587, 698, 784, 932, 1109, 1245, 1397];
  const natives = [];
  const add = async (hz) => {
    const ends = { mic: `test:${hz}`, camera: "none" };
    const options = { command: "room", what: "tea", server: server.origin, ends, flags: ["--unpaused"] };
    natives.push({ hz, native: await scene.native(`n${hz}`, options) });
    await natives.at(-1).native.wait("line", ({ state }) => state === "joined", { within });
  };
  // Each one's sound by itself: eight programs on few cores leave holes, and holes sound like tones of their own.
  const hear = (members) =>
    Promise.all(
      members.map(({ native }) => {
        const from = native.cursor;
        const loud = () => new Set(native.all("member_level", from).filter(({ db }) => db > -15).map(({ uid }) => uid));
        return eventually(`${native.name} hears everybody`, () => loud().size === members.length - 1, { within: 60_000 });
      }),
    );
  for (const hz of tones.slice(0, 8)) await add(hz);
  await hear(natives);
  const before = natives.map(({ native }) => spent(native.pid));
  const [began, cursor] = [performance.now(), natives[0].native.cursor];
  // Seven members are each told of ten times a second.
  await eventually("ten seconds of sound", () => natives[0].native.all("member_level", cursor).length > 700, { within: 60_000 });
  const seconds = (performance.now() - began) / 1000;
  const used = natives.map(({ native }, at) => ((spent(native.pid) - before[at]) / seconds) * 100);
  t.diagnostic(`eight in one room, sound only: ${used.map((part) => part.toFixed(1)).join(", ")} % of a core each`);
  assert.ok(Math.max(...used) < 60, "of a debug build on a busy machine");

  await add(tones[8]);
  const ninth = natives[8].native;
  await ninth.wait("notice", ({ message }) => message.includes("8 are in the room"), { within });
  await natives[0].native.wait("member", ({ state }) => state === "too_many", { within });
  const [gone] = natives.splice(2, 1);
  await gone.native.quit();
  await hear(natives);
});
