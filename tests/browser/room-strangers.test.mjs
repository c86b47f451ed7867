// The page of a room among strangers: whatever they are called, however many they are, whatever becomes of the server.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { Chrome } from "./harness/chrome.mjs";
import { NATIVE, PAGE } from "./harness/pairs.mjs";
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
const PHONE = { width: 360, height: 640, isMobile: true, hasTouch: true };

async function enter(scene, server, name, voice = PAGE, options = {}) {
  const tab = await scene.tab(name, `${server.origin}/?room=tea`, { tone: voice.hz, colour: voice.colour, ...options });
  await tab.until("being in the room", ({ line }) => line === "joined");
  return tab;
}

/** Somebody who is in the room, and says what it is told to. */
async function stranger(scene, server, uid) {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/`);
  scene.closers.push(() => socket.terminate());
  await once(socket, "open");
  const say = (line) => socket.send(line);
  say(`HELLO ${uid}`);
  await once(socket, "message");
  say("ROOM tea");
  await once(socket, "message");
  return { say, leave: () => socket.close() };
}

test("a member who is called `own` is not heard while one is paused, and takes nobody's tile", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const server = await scene.server();
  const tab = await enter(scene, server, "page");
  await tab.unpause();
  const stock = ["--server", `ws://127.0.0.1:${server.port}/`, "--id", "own", "--room", "tea", "--tone", `${NATIVE.hz}`];
  scene.stock("own", stock);
  await tab.hears(NATIVE.hz);
  const tiles = () => tab.page.$$eval(".tile .who", (names) => names.map(({ textContent }) => textContent));
  const [own, ...others] = await tiles();
  assert.match(own, /^You are \d{6}$/);
  assert.deepEqual(others, ["Guest own"]);
  await tab.pause();
  await tab.silent();
  const muted = await tab.page.$$eval("audio", (all) => all.map(({ muted }) => muted));
  assert.deepEqual(muted, [true, true]);
});

test("names of strangers are text, stay in their place, and leave the button where it is", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const server = await scene.server();
  const tab = await enter(scene, server, "page", PAGE, { viewport: PHONE });
  const place = () => tab.page.$eval("#unpause", (button) => button.getBoundingClientRect().top);
  const before = await place();
  const markup = ["<img/src=x/onerror=document.title=1>", "</span><script>alert(1)</script>"];
  const names = [...markup, "W".repeat(256), "\u202etxet", "own", "4711", "7"];
  for (const name of names) await stranger(scene, server, name);
  await tab.until("all eight", ({ members }) => members === "8");
  const shown = await tab.page.$$eval(".tile:not(.own) .who", (all) => all.map(({ textContent }) => textContent));
  assert.deepEqual(shown, names.map((name) => `Guest ${name}`));
  assert.equal(await tab.page.$(".tile img, .tile script"), null);
  const overflows = await tab.page.$$eval(".tile", (all) =>
    all.some((tile) => {
      const [outer, inner] = [tile, tile.querySelector(".caption")].map((node) => node.getBoundingClientRect());
      return inner.right > outer.right || inner.bottom > outer.bottom || inner.top < outer.top;
    }),
  );
  assert.equal(overflows, false);
  const size = await tab.page.$eval("html", ({ scrollWidth, scrollHeight }) => [scrollWidth, scrollHeight]);
  assert.deepEqual(size, [PHONE.width, PHONE.height]);
  assert.equal(await place(), before);
});

/** From now on, every time that the header and the tiles do not tell of as many people. */
const watchCount = (tab) =>
  tab.page.evaluate(() => {
    const told = (globalThis.told = { odd: [], states: new Set() });
    const look = () => {
      const tiles = [...document.querySelectorAll(".tile")];
      const people = document.getElementById("people").textContent;
      for (const { dataset } of tiles) told.states.add(dataset.state);
      if (people !== (tiles.length === 1 ? "Only you" : `${tiles.length} people`)) told.odd.push(`${people}: ${tiles.length}`);
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
  });

test("the header tells of as many people as there are tiles, also of who has lost its line", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const server = await scene.server();
  const tabs = [await enter(scene, server, "one", PAGE), await enter(scene, server, "other", NATIVE)];
  await tabs[0].until("being connected", ({ connected }) => connected === "1");
  await watchCount(tabs[0]);
  await tabs[1].close();
  await tabs[0].until("being alone", ({ connected, members }) => connected === "0" && members === "1");
  await eventually("its tile to go", async () => (await tabs[0].page.$$(".tile")).length === 1);
  const told = await tabs[0].page.evaluate(() => ({ odd: globalThis.told.odd, states: [...globalThis.told.states] }));
  assert.deepEqual(told.odd, []);
  assert.ok(told.states.includes("leaving"), `${told.states}`);
});

for (const [width, height] of [[320, 568], [360, 640]]) {
  test(`how many there are, who one is and that nothing is sealed is seen at ${width}×${height}`, limit, async (t) => {
    const scene = new Scene(t, chrome);
    const server = await scene.server();
    const tab = await enter(scene, server, "page", PAGE, { viewport: { ...PHONE, width, height } });
    for (const uid of [1, 4711]) await stranger(scene, server, uid);
    await tab.until("all three", ({ members }) => members === "3");
    const uid = await tab.page.evaluate(() => sessionStorage["room-uid"]);
    const seen = (selector) =>
      tab.page.$eval(selector, (node) => {
        const { left, top, right, bottom } = node.getBoundingClientRect();
        const isWhole = left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight && node.scrollWidth <= node.clientWidth;
        const isOnTop = node.contains(document.elementFromPoint((left + right) / 2, (top + bottom) / 2));
        return isWhole && isOnTop && node.checkVisibility() ? node.innerText.trim() : null;
      });
    for (const value of ["light", "dark"]) {
      await tab.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value }]);
      assert.equal(await seen("#people"), "3 people");
      assert.match((await seen("#unsealed")) ?? "", /^Not sealed/);
      assert.equal(await seen(".tile.own .who"), `You are ${uid}`);
      assert.equal(await seen(".tile:last-child .who"), "Guest 4711");
    }
  });
}

test("an address that names no room says so in a sentence, and shows no button that does nothing", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const server = await scene.server();
  const machine = await scene.machine();
  const shown = (tab, selector) =>
    tab.page.$$eval(selector, (all) => all.filter((node) => node.checkVisibility()).map(({ textContent }) => textContent));
  for (const [name, likely] of [["", []], ["%20", []], ["session", []], ["x".repeat(257), []], ["my%20room", ["Enter “my-room”"]]]) {
    const tab = await machine.tab("page", `${server.origin}/?room=${name}`);
    await tab.until("saying so", ({ notice }) => /names no room\. Write one short word/.test(notice ?? ""));
    assert.deepEqual(await shown(tab, "button, input, footer, #tiles"), [], name);
    assert.deepEqual(await shown(tab, "#notice a"), likely);
    assert.deepEqual([tab.requests.filter((url) => url.includes("/ws")), tab.complaints], [[], []]);
    if (likely.length > 0) {
      await tab.page.click("#likely");
      await tab.until("being in the room", ({ line, address }) => line === "joined" && address.endsWith("?room=my-room"));
    }
    await tab.close();
  }
});

test("the ninth waits in the room and says so, and comes in when one leaves", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const server = await scene.server();
  const others = [];
  for (let uid = 1; uid <= 8; uid++) others.push(await stranger(scene, server, uid));
  const tab = await enter(scene, server, "ninth");
  await tab.until("waiting", ({ members, waiting }) => members === "8" && waiting === "1");
  assert.match(await tab.page.$eval("#state", ({ textContent }) => textContent), /room is full/);
  assert.equal((await tab.page.$$(".tile")).length, 1);
  others[0].leave();
  await tab.until("having a place", ({ members, waiting }) => members === "8" && waiting === "0");
  assert.equal(tab.requests.filter((url) => url.includes("/ws")).length, 1, "it has not gone out and in");
});

test("two tabs of which one is a copy of the other are two in the room", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const server = await scene.server();
  const tab = await enter(scene, server, "page");
  const [copy] = await Promise.all([
    new Promise((opened) => tab.page.once("popup", opened)),
    // As a duplicated tab has: what its opener keeps is copied.
    tab.page.evaluate(() => void window.open(location.href)),
  ]);
  await tab.until("both", ({ connected, members }) => connected === "1" && members === "2");
  const uids = await Promise.all([tab.page, copy].map((page) => page.evaluate(() => sessionStorage["room-uid"])));
  assert.notEqual(uids[0], uids[1]);
  await copy.reload();
  await copy.waitForFunction(() => document.body.dataset.connected === "1");
  assert.equal(await copy.evaluate(() => sessionStorage["room-uid"]), uids[1], "a reload is no copy");
  assert.equal(tab.requests.filter((url) => url.includes("/ws")).length, 1, "the first was left in peace");
});

test("who is connected goes on without the server", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const server = await scene.server();
  const tabs = [await enter(scene, server, "one", PAGE), await enter(scene, server, "other", NATIVE)];
  for (const tab of tabs) await tab.until("being connected", ({ connected }) => connected === "1");
  for (const tab of tabs) await tab.unpause();
  await tabs[0].hears(NATIVE.hz);
  await server.kill();
  await tabs[0].until("being told", ({ line }) => line === "offline");
  const state = () => tabs[0].page.$eval("#state", ({ textContent }) => textContent);
  await eventually("both to be said", async () => /^You are live\. The server does not answer/.test(await state()));
  await tabs[0].hears(NATIVE.hz, { from: tabs[0].cursor });
  await server.restart();
  for (const tab of tabs) await tab.until("being back", ({ line, connected }) => line === "joined" && connected === "1");
  await tabs[0].hears(NATIVE.hz, { from: tabs[0].cursor });
});
