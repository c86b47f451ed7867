// What a person at the page sees when something is in the way, and that the page keeps to itself.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chrome } from "./harness/chrome.mjs";
import { NATIVE, PAGE, nativeAndPage, pageAndPage, settle, talk } from "./harness/pairs.mjs";
import { Scene } from "./harness/scene.mjs";
import { eventually } from "./harness/timeline.mjs";

let chrome;
before(async () => (chrome = await Chrome.launch()));
after(() => chrome.close());

const limit = { timeout: 90_000 };
const made = { tone: PAGE.hz, colour: PAGE.colour };
/** The width of a small phone, in CSS pixels. */
const PHONE = { width: 320, height: 640, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

const notice = (tab, words) => tab.until(`a notice like ${words}`, ({ notice }) => words.test(notice ?? ""));

// ── what is in the way ──

test("a microphone that is not permitted is said, and the far side is heard all the same", limit, async (t) => {
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
  await notice(tab, /may not use the microphone.*You hear, but are not heard/);
  await tab.hears(NATIVE.hz);
  await native.wait("far_props", ({ paused }) => !paused);
  assert.deepEqual(native.tones(), []);
});

test("a machine with no microphone and no camera says so, and hears", limit, async (t) => {
  const bare = await Chrome.launch({ fakeDevices: false });
  t.after(() => bare.close());
  const scene = new Scene(t, bare);
  const native = await scene.native("native");
  const machine = await scene.machine();
  await machine.permit(new URL(await native.link()).origin, ["microphone", "camera"]);
  const tab = await machine.tab("page", await native.link());
  await settle(native, tab);
  await native.unpause();
  await tab.unpause();
  await tab.wait("denied", ({ audio }) => audio);
  await notice(tab, /No (microphone|camera) was found/);
  await tab.hears(NATIVE.hz);
});

test("a conversation that another tab has can be taken over", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const native = await scene.native("native");
  const machine = await scene.machine();
  const first = await machine.tab("first tab", await native.link(), made);
  await settle(native, first);
  native.voice = NATIVE;
  await talk(native, Object.assign(first, { voice: PAGE }));

  const second = await machine.tab("second tab", first.now.address, made);
  await notice(second, /open in another tab/);
  assert.equal(first.now.call, "connected", "the call is left alone until it is taken");
  assert.equal(await second.asked(), 0);

  const from = native.cursor;
  await second.press("#take-over");
  await second.until("having the line", ({ line }) => line === "joined");
  await notice(first, /open in another tab/);
  await first.until("being paused", ({ paused, call }) => paused && call === "idle");
  await first.letsGo();
  // Nobody has hung up: the call goes on, and the tab that has it now is paused like every new one.
  await Promise.all([second.connected(), native.wait("call", ({ state }) => state === "connected", { from })]);
  assert.deepEqual([second.now.paused, native.now.paused], [true, false]);
  await second.unpause();
  await Promise.all([second.hears(NATIVE.hz), native.hears(PAGE.hz, { from: native.cursor })]);
});

test("a server that is gone is said, and found again when it is back", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const server = await scene.server();
  const { tab } = await nativeAndPage(scene, { native: { server: server.origin } });
  await server.kill();
  await notice(tab, /The server does not answer\. Trying again/);
  await server.restart();
  await tab.until("the line", ({ line }) => line === "joined");
  await tab.until("no notice", ({ notice }) => notice === "");
});

test("links and addresses that are broken or not known say so", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const { origin } = await scene.server();
  const id = "aebagbafaydqqcikbmga2dqpca";
  const machine = await scene.machine();
  for (const [address, words] of [
    [`/?convoId=${id}`, /does not know this conversation/],
    [`/?convoId=${id.slice(1)}`, /link is broken/],
    [`/?convoId=${id}&farInstanceId=${id}`, /link is broken/],
    [`/?convoId=${id}&farInstanceId=${id}#key=short`, /link is broken/],
    ["/?convoId=", /link is broken/],
  ]) {
    const tab = await machine.tab(address, `${origin}${address}`);
    await notice(tab, words);
    await tab.close();
  }
});

// ── how it is used ──

test("the space bar pauses, also after a click on the microphone's button", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  await native.unpause();
  await tab.unpause();
  await tab.press("#mute");
  await tab.key("Space");
  await tab.until("being paused by the space bar", ({ paused }) => paused);
});

test("everything can be done by keyboard alone", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  await native.unpause();
  const { keyboard } = tab.page;
  const focused = () => tab.page.evaluate(() => document.activeElement?.id ?? "");
  const reach = async (id) => {
    for (let step = 0; step < 20 && (await focused()) !== id; step++) await keyboard.press("Tab");
    assert.equal(await focused(), id);
  };

  await tab.key("Space");
  await tab.until("being unpaused by the space bar", ({ paused }) => !paused);
  await tab.key("Space");
  await tab.until("being paused by the space bar", ({ paused }) => paused);
  await reach("unpause");
  await tab.key("Enter");
  await tab.until("being unpaused by Enter", ({ paused }) => !paused);
  await tab.key("Space");
  await tab.until("being paused once by the focused button", ({ paused }) => paused);
  await tab.key("Space");
  await tab.until("being unpaused", ({ paused }) => !paused);
  await native.hears(PAGE.hz);
  await reach("hang-up");
  await tab.key("Enter");
  await Promise.all([native.ready(), tab.ready()]);
  await reach("name");
  await keyboard.type("Tim at home");
  await keyboard.press("Enter");
  assert.equal(tab.now.paused, true, "a space in a name is a space");
  await tab.reload();
  await tab.ready();
  assert.equal(await tab.page.$eval("#name", ({ value }) => value), "Tim at home");
});

test("a screen reader finds every control by its name and hears the state", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  await native.unpause();
  await tab.unpause();
  await tab.connected();
  const tree = await tab.page.accessibility.snapshot();
  const nodes = [];
  const walk = (node) => (nodes.push(node), node.children?.forEach(walk));
  walk(tree);
  const named = nodes.filter(({ role }) => role === "button").map(({ name }) => name);
  for (const name of ["Pause", "Mute the microphone", "Camera", "Hang up"]) assert.ok(named.includes(name), `${named}`);
  assert.ok(nodes.every(({ role, name }) => role !== "button" || name), "no button without a name");
  const live = await tab.page.$eval("#state", (state) => state.closest("[aria-live], [role=status]") !== null);
  assert.ok(live);
});

test("both sides show the same four words when they are asked for, also by keyboard", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  const { words } = await native.wait("sealed");
  const shown = () => tab.page.$eval("#safety-words", (list) => (list.checkVisibility() ? list.textContent : null));
  assert.equal(await shown(), null);
  await tab.page.focus("#sealed summary");
  await tab.page.keyboard.press("Space");
  assert.equal(await shown(), words);
  assert.equal(tab.now.paused, true, "a space there is for the words");
  await tab.page.keyboard.press("Enter");
  assert.equal(await shown(), null);
  const from = native.cursor;
  await tab.reload();
  const again = await native.wait("sealed", () => true, { from });
  const known = (list, words) => list.textContent === words && list.closest("details").checkVisibility();
  await eventually("the words of the new session", () => tab.page.$eval("#safety-words", known, again.words));
  await tab.page.click("#sealed summary");
  assert.equal(await shown(), again.words);
  assert.notEqual(again.words, words);
});

for (const viewport of [undefined, PHONE]) {
  const where = viewport ? "on a phone" : "in a window";
  test(`the large button does not move as the other side comes and goes, ${where}`, limit, async (t) => {
    const scene = new Scene(t, chrome);
    const { one, other } = await pageAndPage(scene, { tab: { viewport } });
    const place = () => other.page.$eval("#unpause", (button) => button.getBoundingClientRect().toJSON());
    await other.meets();
    const before = await place();
    await one.close();
    await other.until("the far side's absence", ({ far }) => far === false);
    assert.deepEqual(await place(), before);
  });
}

test("the large button stays where it is and in sight on a small phone, whatever is said above it", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const viewport = { ...PHONE, height: 568 };
  const { one, server } = await pageAndPage(scene, { tab: { viewport } });
  const place = () => one.page.$eval("#unpause", (button) => button.getBoundingClientRect().toJSON());
  const before = await place();
  assert.ok(before.bottom <= viewport.height, `${before.bottom}`);
  await server.kill();
  await notice(one, /server does not answer/);
  assert.deepEqual(await place(), before);
});

test("a browser that does not know a conversation offers those it keeps, and nothing else", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const { one, server } = await pageAndPage(scene);
  const stranger = await one.machine.tab("stranger", `${server.origin}/?convoId=aebagbafaydqqcikbmga2dqpca`);
  await notice(stranger, /does not know this conversation/);
  const [obstacle, kept] = await stranger.page.$$eval("#notice, #kept", (all) => all.map((node) => node.getBoundingClientRect().toJSON()));
  assert.ok(kept.height > 0 && kept.top >= obstacle.bottom, JSON.stringify([obstacle, kept]));
  assert.equal(await stranger.page.$eval("#card", (card) => card.checkVisibility()), false);
  assert.equal((await stranger.page.$$("#kept a")).length, 1);
});

test("nothing is wider than a small phone, whatever the page shows", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const fits = async (tab, what) => {
    const [content, window] = await tab.page.evaluate(() => [document.scrollingElement.scrollWidth, innerWidth]);
    assert.ok(content <= window && window === PHONE.width, `${what}: ${content} px in ${window}`);
  };
  const { one, other, server } = await pageAndPage(scene, { tab: { viewport: PHONE } });
  await fits(one, "ready");
  await talk(one, other);
  await Promise.all([one.sees(other.voice.colour), other.sees(one.voice.colour)]);
  await fits(one, "in a call");
  const fresh = await scene.tab("fresh", `${server.origin}/`, { viewport: PHONE });
  await fresh.link();
  await fits(fresh, "with a code");
  await server.kill();
  await notice(one, /server does not answer/);
  await fits(one, "with a notice");
});

test("the far picture is shown and runs", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  await talk(native, tab);
  await tab.sees(NATIVE.colour);
  const time = () => tab.page.$eval("#far-video", ({ paused, currentTime }) => (paused ? 0 : currentTime));
  const first = await eventually("the picture to run", time);
  await eventually("the picture to go on", async () => (await time()) > first);
  const box = await tab.page.$eval("#far-video", (video) => video.getBoundingClientRect().toJSON());
  assert.ok(box.width > 200 && box.height > 100, JSON.stringify(box));
});

test("the page follows the person's choice of light or dark", limit, async (t) => {
  const { tab } = await nativeAndPage(new Scene(t, chrome));
  const brightness = async (value) => {
    await tab.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value }]);
    const colour = await tab.page.evaluate(() => {
      const canvas = new OffscreenCanvas(1, 1).getContext("2d");
      for (const element of [document.documentElement, document.body]) {
        canvas.fillStyle = getComputedStyle(element).backgroundColor;
        canvas.fillRect(0, 0, 1, 1);
      }
      return [...canvas.getImageData(0, 0, 1, 1).data];
    });
    return colour[0] + colour[1] + colour[2];
  };
  assert.ok((await brightness("light")) > 3 * 200);
  assert.ok((await brightness("dark")) < 3 * 80);
});

// ── that it keeps to itself ──

test("the page asks nothing of any other origin and complains of nothing, through a whole conversation", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const native = await scene.native("native");
  const link = await native.link();
  const machine = await scene.machine();
  const tab = await machine.tab("page", link, made);
  await settle(native, tab);
  native.voice = NATIVE;
  tab.voice = PAGE;
  await talk(native, tab);
  await tab.pause();
  await tab.hangUp();
  await native.ready();
  await tab.reload();
  await tab.ready();
  const origin = new URL(link).origin;
  const own = [`${origin}/`, `${origin.replace("http", "ws")}/`];
  const strange = tab.requests.filter((url) => !own.some((start) => url.startsWith(start)));
  assert.deepEqual(strange, []);
  assert.ok(tab.requests.some((url) => url.endsWith("/main.js")), "requests are seen at all");
  assert.ok(tab.requests.some((url) => url.startsWith("ws:")), "sockets too");
  assert.deepEqual(tab.complaints, []);
});

test("the page comes with a strict content security policy, and works under it", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const server = await scene.server();
  const response = await fetch(`${server.origin}/`);
  const policy = response.headers.get("content-security-policy") ?? "";
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /script-src 'self';/);
  assert.doesNotMatch(policy, /unsafe|\*/);
  const tab = await scene.tab("page", `${server.origin}/`);
  await tab.link();
  const blocked = await tab.page.evaluate(() => {
    const violation = new Promise((resolve) => {
      addEventListener("securitypolicyviolation", ({ effectiveDirective }) => resolve(effectiveDirective));
    });
    const script = document.createElement("script");
    script.textContent = "globalThis.injected = true";
    document.head.append(script);
    return violation;
  });
  assert.match(blocked, /script-src/);
  assert.equal(await tab.page.evaluate(() => globalThis.injected), undefined);
});
