// Pairing by link, in every direction, and the bookmark that stays of it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chrome } from "./harness/chrome.mjs";
import { NATIVE, PAGE, nativeAndNative, nativeAndPage, pageAndPage, settle, talk } from "./harness/pairs.mjs";
import { Scene } from "./harness/scene.mjs";

let chrome;
before(async () => (chrome = await Chrome.launch()));
after(() => chrome.close());

const limit = { timeout: 90_000 };
const tones = { tone: PAGE.hz, colour: PAGE.colour };

function isBookmark(address, conversation) {
  const url = new URL(address);
  return url.searchParams.get("convoId") === conversation && [...url.searchParams].length === 1 && url.hash === "";
}

test("a page that opens a native's link is paired, and the code goes", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  const { conversation } = await native.wait("started");
  const gone = await native.wait("code_gone");
  assert.equal(gone.reason, "paired");
  assert.equal(tab.now.code, "");
  assert.ok(isBookmark(tab.now.address, conversation), tab.now.address);
  const address = await tab.page.evaluate(() => ({ shown: location.href, entries: history.length }));
  assert.ok(isBookmark(address.shown, conversation), address.shown);
  assert.equal(await tab.asked(), 0);
  await talk(native, tab);
});

test("the key of a code stays in neither the page's storage nor its address once it is used", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const native = await scene.native("native");
  const link = await native.link();
  const key = new URL(link).hash.slice("#key=".length);
  assert.equal(key.length, 43);
  const tab = await scene.tab("page", link, tones);
  await settle(native, tab);
  const kept = await tab.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href]));
  assert.ok(kept.includes(new URL(link).searchParams.get("farInstanceId")), "the far side is remembered");
  assert.ok(!kept.includes(key), "the key is not");
  assert.ok(!tab.requests.some((url) => url.includes(key) && !url.includes("#")), "nor was it sent");
});

test("a native that opens a page's link is paired, and the page's code goes", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const server = await scene.server();
  const tab = await scene.tab("page", `${server.origin}/`, tones);
  const link = await tab.link();
  const conversation = new URL(link).searchParams.get("convoId");
  const native = await scene.native("native", { what: link, server: null, port: null });
  native.voice = NATIVE;
  tab.voice = PAGE;
  await settle(tab, native);
  assert.equal(tab.now.code, "");
  assert.ok(isBookmark(tab.now.address, conversation), tab.now.address);
  assert.equal((await native.wait("started")).conversation, conversation);
  await talk(native, tab);
});

test("two natives pair by link", limit, async (t) => {
  const { one, other } = await nativeAndNative(new Scene(t, chrome));
  assert.equal(one.now.code, null);
  assert.equal(other.all("code").length, 0);
  await talk(one, other);
});

test("two pages pair by link", limit, async (t) => {
  const { one, other } = await pageAndPage(new Scene(t, chrome));
  assert.equal(one.now.code, "");
  await talk(one, other);
});

for (const first of ["native", "page"]) {
  test(`after a restart with the ${first} first both are ready and paused with no step`, limit, async (t) => {
    const scene = new Scene(t, chrome);
    const { origin } = await scene.server();
    const native = await scene.native("native", { server: origin });
    const machine = await scene.machine();
    const tab = await machine.tab("page", await native.link(), tones);
    await settle(native, tab);
    const { address } = tab.now;
    await Promise.all([native.quit(), tab.close()]);

    const begin = {
      native: () => scene.again(native),
      page: () => machine.tab("page again", address, tones),
    };
    const earlier = await begin[first]();
    await earlier.until("being in the room", ({ line }) => line === "joined");
    const later = await begin[first === "native" ? "page" : "native"]();
    earlier.voice = first === "native" ? NATIVE : PAGE;
    later.voice = first === "native" ? PAGE : NATIVE;
    const [nativeAgain, tabAgain] = first === "native" ? [earlier, later] : [later, earlier];
    await Promise.all([tabAgain.ready(), tabAgain.meets(), nativeAgain.joined(), nativeAgain.meets()]);

    assert.equal(nativeAgain.now.paused, true);
    assert.equal(nativeAgain.all("code").length, 0);
    assert.equal(tabAgain.now.code, "");
    assert.equal(await tabAgain.asked(), 0);
    await talk(nativeAgain, tabAgain);
  });
}

test("a page that stays open finds a native again that was restarted with its server", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const { native, tab } = await nativeAndPage(scene);
  await native.quit();
  await tab.until("the far side's absence", ({ far }) => far === false);
  const again = await scene.again(native);
  again.voice = NATIVE;
  await Promise.all([again.joined(), again.meets(), tab.meets()]);
  await tab.ready();
  assert.equal(again.all("code").length, 0);
  await talk(again, tab);
});

test("a page that waits with a code shows the same one after a reload", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const { origin } = await scene.server();
  const tab = await scene.tab("page", `${origin}/`, tones);
  const link = await tab.link();
  const from = tab.cursor;
  await tab.reload();
  const { code } = await tab.wait("look", ({ code }) => code, { from });
  assert.equal(code, link);
});

test("a second device that opens a used code is told so, and the pair is left alone", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const { native, tab } = await nativeAndPage(scene);
  const { link, local } = await native.wait("code");
  const late = await scene.tab("late page", local ?? link);
  await late.until("being told that the code was used", ({ notice }) => /used already/.test(notice ?? ""));
  assert.equal(await late.asked(), 0);

  const second = await scene.native("second", { what: local ?? link, port: null });
  const { code } = await second.exited;
  assert.notEqual(code, 0);
  assert.match(second.errors, /used already/);
  assert.match(second.errors, /hint: /);
  await talk(native, tab);
});
