// Both unpause in the same millisecond, again and again: each time it is one call, and it comes about.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chrome } from "./harness/chrome.mjs";
import { median } from "./harness/figures.mjs";
import { nativeAndNative, nativeAndPage } from "./harness/pairs.mjs";
import { spread } from "./harness/losses.mjs";
import { Scene } from "./harness/scene.mjs";
import { clock } from "./harness/timeline.mjs";

let chrome;
before(async () => (chrome = await Chrome.launch()));
after(() => chrome.close());

const limit = { timeout: 180_000 };
const ROUNDS = 50;
/** How far ahead the moment is settled, in milliseconds: both have to have heard of it by then. */
const AHEAD = 80;

/** Phases of a call, each with when it began, from a cursor on. */
function phases(side, from) {
  const all = side.events.slice(from).flatMap(({ at, event, state, call, reason }) => {
    if (event === "call") return [{ at, phase: state, reason }];
    return event === "look" ? [{ at, phase: call }] : [];
  });
  return all.filter(({ phase }, at) => phase !== all[at - 1]?.phase);
}

/** Unpauses a native at `moment`, by the wall clock. */
function unpauseNativeAt(native, moment) {
  return new Promise((resolve) => {
    setTimeout(
      () => {
        while (clock() < moment);
        resolve(native.tell("unpause"));
      },
      Math.max(0, moment - clock() - 3),
    );
  });
}

/** Unpauses a page at `moment`; resolves with when it did. */
function unpausePageAt(tab, moment) {
  return tab.page.evaluate(
    (moment) =>
      new Promise((resolve) => {
        const now = () => performance.timeOrigin + performance.now();
        setTimeout(
          () => {
            while (now() < moment);
            const at = now();
            document.getElementById("unpause").click();
            resolve(at);
          },
          Math.max(0, moment - now() - 3),
        );
      }),
    moment,
  );
}

const unpauseAt = (side, moment) => (side.page ? unpausePageAt(side, moment) : unpauseNativeAt(side, moment));

/** One round: both at once, connected, hung up by one of the two, and both idle again. */
async function round(sides, number) {
  const from = sides.map((side) => side.cursor);
  const moment = clock() + AHEAD;
  const at = await Promise.all(sides.map((side) => unpauseAt(side, moment)));
  await Promise.all(sides.map((side) => side.connected()));
  const connected = sides.map((side, which) => phases(side, from[which]).find(({ phase }) => phase === "connected").at);
  const ways = sides.map((side, which) => phases(side, from[which]).map(({ phase }) => phase));
  for (const way of ways) {
    assert.equal(way.filter((phase) => phase === "connected").length, 1, `round ${number}: ${way}`);
    assert.ok(!way.includes("reconnecting") && !way.includes("ending"), `round ${number}: ${way}`);
    assert.ok(way.lastIndexOf("idle") <= 0, `round ${number}: ${way}`);
  }
  await sides[number % 2].hangUp();
  await Promise.all(sides.map((side) => side.ready()));
  for (const [which, side] of sides.entries()) {
    const calls = phases(side, from[which]).filter(({ phase }) => phase === "connected").length;
    assert.equal(calls, 1, `round ${number}: ${side.name} was in ${calls} calls`);
  }
  const isGlare = ways.every((way) => way.includes("calling"));
  return { took: Math.max(...connected) - moment, apart: Math.abs(at[0] - at[1]), isGlare };
}

async function rounds(t, sides) {
  const from = sides.map((side) => side.cursor);
  const results = [];
  for (let number = 0; number < ROUNDS; number++) results.push(await round(sides, number));
  t.diagnostic(`both connected after ${spread(results.map(({ took }) => took))}`);
  t.diagnostic(`unpaused ${median(results.map(({ apart }) => apart)).toFixed(2)} ms apart (median)`);
  t.diagnostic(`${results.filter(({ isGlare }) => isGlare).length} of ${ROUNDS} times both had offered`);
  for (const [which, side] of sides.entries()) {
    const calls = phases(side, from[which]).filter(({ phase }) => phase === "connected").length;
    assert.equal(calls, ROUNDS, `${side.name} was in ${calls} calls`);
    const reasons = side.all("call", from[which]).flatMap(({ reason }) => (reason ? [reason] : []));
    const strange = reasons.filter((reason) => reason !== "hung_up" && reason !== "far_hung_up");
    assert.deepEqual(strange, [], `${side.name}: no call ended by itself`);
  }
}

test("a native and a page unpause in the same millisecond, 50 times: 50 calls", limit, async (t) => {
  const { native, tab } = await nativeAndPage(new Scene(t, chrome));
  const from = tab.cursor;
  await rounds(t, [native, tab]);
  assert.equal(tab.all("channel", from).length, ROUNDS, "one data channel a call");
});

test("two natives unpause in the same millisecond, 50 times: 50 calls", limit, async (t) => {
  const { one, other } = await nativeAndNative(new Scene(t, chrome));
  await rounds(t, [one, other]);
});
