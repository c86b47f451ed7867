// Peers of any make: a page and a GStreamer client as the protocol's own examples have them, and `twocan call`.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chrome } from "./harness/chrome.mjs";
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
const hex = (colour) => colour.map((part) => part.toString(16).padStart(2, "0")).join("");

/** A server that lets pages of other hosts in. */
async function open(t) {
  const scene = new Scene(t, chrome);
  const server = await scene.server({ flags: ["--origin", "*"] });
  const socket = `ws://127.0.0.1:${server.port}/`;
  return {
    scene,
    server,
    /** `twocan call`, as this uid where it is given, calling `what` unless that is null. */
    call: (what, { uid, flags = [] } = {}) =>
      scene.native("native", {
        ...{ command: "call", what, port: null, server: server.origin },
        flags: [...flags, ...(uid ? ["--as", uid] : [])],
      }),
    page: async (query) => {
      const tab = await scene.tab("stock page", await scene.stockPage({ server: socket, ...query }), {
        ...{ tone: PAGE.hz, colour: PAGE.colour },
      });
      return tab;
    },
    stock: (...args) =>
      scene.stock("stock client", ["--server", socket, "--tone", `${OTHER.hz}`, "--colour", hex(OTHER.colour), ...args]),
  };
}

const registered = (tab) => tab.until("being registered", ({ state }) => state === "registered");
const waiting = (native) => native.until("being registered, with devices", ({ line, devices }) => line === "joined" && devices);

test("a stock page is called, answers, and both hear and see each other once unpaused", limit, async (t) => {
  const { call, page } = await open(t);
  const tab = await page({ id: "2040" });
  await registered(tab);
  const native = await call("2040");
  await native.connected();
  assert.equal(native.now.paused, true, "paused at first");
  // What the page sends does arrive; it is not played, and nothing is sent.
  assert.deepEqual([native.tones(), tab.tones()], [[], []]);
  await native.unpause();
  await Promise.all([native.takesIn(PAGE), tab.takesIn(NATIVE)]);
  assert.ok(native.all("unsealed").length === 1, "that it is not sealed is said");

  await native.hangUp();
  await tab.until("the end of the call", ({ state }) => state === "closed");
  assert.equal((await native.exited).code, 0, native.errors);
  assert.deepEqual(tab.complaints, []);
});

test("a paused call hears and says nothing, though the far side sends on, and stays paused when that calls again", limit, async (t) => {
  const { call, page } = await open(t);
  const native = await call(null, { uid: "tim", flags: ["--unpaused"] });
  await waiting(native);
  const tab = await page({ call: "tim", role: "offer" });
  await Promise.all([native.takesIn(PAGE), tab.takesIn(NATIVE)]);
  for (const round of [1, 2]) {
    await native.pause();
    await Promise.all([native.silent(), tab.silent()]);
    const [from, far] = [native.cursor, tab.cursor];
    await sendsOn(tab);
    assert.deepEqual([native.tones(from), tab.tones(far)], [[], []], `round ${round}`);
    if (round === 2) break;
    await native.unpause();
    await Promise.all([native.takesIn(PAGE, { from }), tab.takesIn(NATIVE, { from: far })]);
  }
  await tab.close();
  await native.until("the end of the call", (now) => now.call === "idle");
  await waiting(native);
  const from = native.cursor;
  const again = await page({ call: "tim", role: "offer" });
  await native.connected();
  await sendsOn(again);
  assert.equal(native.now.paused, true, "the other side cannot unpause it");
  assert.deepEqual([native.tones(from), again.tones()], [[], []]);
  assert.equal((await native.quit()).code, 0, native.errors);
});

/** Awaits a second of packets that the page's connection sends. */
async function sendsOn(tab) {
  const sent = async () => (await tab.stats()).out?.audio?.packetsSent ?? 0;
  const before = await sent();
  await eventually("the page to send on", async () => (await sent()) > before + 50);
}

for (const role of ["offer", "request"]) {
  const what = role === "offer" ? "offers" : "requests an offer";
  test(`a stock page calls and ${what}, and both hear and see each other; then the next one calls`, limit, async (t) => {
    const { call, page } = await open(t);
    const native = await call(null, { uid: "tim", flags: ["--unpaused"] });
    await waiting(native);
    for (const round of [1, 2]) {
      const from = native.cursor;
      const tab = await page({ call: "tim", role });
      await Promise.all([native.takesIn(PAGE, { from }), tab.takesIn(NATIVE)]);
      await tab.close();
      const ended = await native.wait("call", ({ state }) => state === "idle", { from });
      assert.equal(ended.reason, "far_closed", `round ${round}`);
      await waiting(native);
    }
    assert.equal((await native.quit()).code, 0, native.errors);
  });
}

for (const args of [["--bundle", "none"], ["--bundle", "none", "--fixed"], ["--bundle", "max-bundle", "--channel"]]) {
  test(`a stock GStreamer client (${args.join(" ")}) is called, and calls`, limit, async (t) => {
    const { call, stock } = await open(t);
    const called = stock("--id", "1001", ...args);
    await called.registered();
    const caller = await call("1001", { flags: ["--unpaused"] });
    await Promise.all([caller.takesIn(OTHER), called.takesIn(NATIVE)]);
    assert.equal((await caller.quit()).code, 0, caller.errors);
    assert.equal((await called.wait("ended")).why, null);

    const waits = await call(null, { uid: "1002", flags: ["--unpaused"] });
    await waiting(waits);
    const calls = stock("--id", "1003", "--call", "1002", ...args);
    await Promise.all([waits.takesIn(OTHER), calls.takesIn(NATIVE)]);
    await calls.kill();
    await waits.until("the end of the call", (now) => now.call === "idle");

    const from = waits.cursor;
    await waiting(waits);
    const requests = stock("--id", "1004", "--call", "1002", "--request-offer", ...args);
    await Promise.all([waits.takesIn(OTHER, { from }), requests.takesIn(NATIVE)]);
  });
}

for (const [what, absent] of [["only sound", "--no-video"], ["only a picture", "--no-audio"]]) {
  test(`a stock client that sends ${what} is answered with as much, and no more is opened`, limit, async (t) => {
    const { call, stock } = await open(t);
    const native = await call(null, { uid: "tim", flags: ["--unpaused"] });
    await waiting(native);
    const client = stock("--id", "1001", "--call", "tim", absent);
    const sound = absent === "--no-video";
    await (sound ? client.hears(NATIVE.hz) : client.sees(NATIVE.colour));
    await (sound ? native.hears(OTHER.hz) : native.sees(OTHER.colour));
    assert.equal(client.all(sound ? "picture" : "tone").length, 0);
    assert.equal(native.all(sound ? "picture" : "tone").length, 0);
  });
}

test("two stock peers, a page and a GStreamer client, call each other through our server", limit, async (t) => {
  const { page, stock } = await open(t);
  const tab = await page({ id: "2041" });
  await registered(tab);
  const client = stock("--id", "1001", "--call", "2041", "--bundle", "max-bundle");
  await Promise.all([client.takesIn(PAGE), tab.takesIn(OTHER)]);
  await client.kill();
  await tab.until("the end of the call", ({ state }) => state === "closed");
  assert.deepEqual(tab.complaints, []);
});

test("two natives call each other by SESSION as well", limit, async (t) => {
  const { call, scene, server } = await open(t);
  const waits = await call(null, { uid: "tim", flags: ["--unpaused"] });
  await waiting(waits);
  const ends = { mic: `test:${OTHER.hz}`, camera: "test:green" };
  const calls = await scene.native("other", {
    ...{ command: "call", what: "tim", port: null, server: server.origin, ends, flags: ["--unpaused"] },
  });
  await Promise.all([waits.takesIn(OTHER), calls.takesIn(NATIVE)]);
  await waits.hangUp();
  assert.equal((await calls.exited).code, 0, calls.errors);
  await waiting(waits);
});

test("why there is no call is said in a line, with a hint", limit, async (t) => {
  const { call, stock } = await open(t);
  const ended = async (native) => {
    const { code } = await native.exited;
    return [code, native.errors];
  };
  const [code, text] = await ended(await call("nobody"));
  assert.deepEqual([code, /nobody is registered under this name/.test(text), /hint: /.test(text)], [9, true, true], text);

  await stock("--id", "1001").registered();
  const native = await call("1001");
  await native.until("a call", (now) => now.call === "connected");
  const [busy, why] = await ended(await call("1001"));
  assert.deepEqual([busy, /is busy/.test(why)], [9, true], why);

  const [taken, name] = await ended(await call(null, { uid: "1001" }));
  assert.deepEqual([taken, /is taken at the server/.test(name), /--as/.test(name)], [3, true, true], name);
});

test("who is listed in the directory is found by name and called, though misspelt", limit, async (t) => {
  const { scene, server } = await open(t);
  const native = (name, flags, ends = {}) =>
    scene.native(name, {
      ...{ command: "call", what: null, port: null, server: server.origin, ends },
      flags: [...flags, "--unpaused"],
    });
  const listed = await native("listed", ["--listed", "Björk Ångström"]);
  await waiting(listed);
  const other = { mic: `test:${OTHER.hz}`, camera: "test:green" };
  for (const search of ["bjork", "Bjork Angstrum"]) {
    const from = listed.cursor;
    const calls = await native("finds", ["--find", search], other);
    await Promise.all([listed.takesIn(OTHER, { from }), calls.takesIn(NATIVE)]);
    assert.equal((await calls.quit()).code, 0, calls.errors);
    await listed.until("the end of the call", (now) => now.call === "idle");
    assert.equal(listed.all("call", from).at(-1).reason, "far_hung_up");
  }
  const nobody = await native("finds", ["--find", "zzz"], other);
  assert.equal((await nobody.exited).code, 9, nobody.errors);
});
