// Several conversations at once are never mixed up.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chrome } from "./harness/chrome.mjs";
import { NATIVE, OTHER, PAGE, settle } from "./harness/pairs.mjs";
import { Scene } from "./harness/scene.mjs";
import { isTone } from "./harness/side.mjs";

let chrome;
before(async () => (chrome = await Chrome.launch()));
after(() => chrome.close());

const limit = { timeout: 90_000 };
/** What the second tab sends. */
const SECOND_PAGE = { hz: 659, colour: [255, 255, 255] };
/** How many tones each side has to have heard before it is asked whether it heard a wrong one. */
const ENOUGH = 20;

/** Two natives that share a server, each with a tab of the same browser. */
async function twoConversations(scene) {
  const machine = await scene.machine();
  const tim = await scene.native("tim");
  await tim.joined();
  const david = await scene.native("david", { ends: { mic: `test:${OTHER.hz}`, camera: "test:green" } });
  const withTim = await machine.tab("page of tim", await tim.link(), { tone: PAGE.hz, colour: PAGE.colour });
  const second = { tone: SECOND_PAGE.hz, colour: SECOND_PAGE.colour };
  const withDavid = await machine.tab("page of david", await david.link(), second);
  await Promise.all([settle(tim, withTim), settle(david, withDavid)]);
  return [
    { side: tim, hears: PAGE },
    { side: withTim, hears: NATIVE },
    { side: david, hears: SECOND_PAGE },
    { side: withDavid, hears: OTHER },
  ];
}

test("a second native shares the server of the first", limit, async (t) => {
  const scene = new Scene(t, chrome);
  const [tim, , david] = await twoConversations(scene);
  const servers = await Promise.all([tim, david].map(({ side }) => side.wait("server")));
  assert.deepEqual(
    servers.map(({ embedded }) => embedded),
    [true, false],
  );
  assert.equal(servers[0].url, servers[1].url);
});

test("two tabs and two natives in two conversations hear and see only their own far side", limit, async (t) => {
  const all = await twoConversations(new Scene(t, chrome));
  for (const { side } of all) await side.unpause();
  await Promise.all(all.map(({ side, hears }) => side.takesIn(hears)));
  const from = all.map(({ side }) => side.cursor);
  const counted = (side, at) => side.wait("tone", () => side.tones(from[at]).length >= ENOUGH, { from: from[at] });
  await Promise.all(all.map(({ side }, at) => counted(side, at)));
  for (const { side, hears } of all) {
    const tones = side.tones(from[all.findIndex((one) => one.side === side)]);
    const strange = tones.map((hz) => !isTone({ hz }, hears.hz));
    // A lost packet may spoil one block; a tone of somebody else would go on.
    assert.ok(!strange.some((is, at) => is && strange[at + 1]), `${side.name} heard ${tones.map(Math.round)}`);
    assert.ok(strange.filter(Boolean).length <= tones.length / 10, `${side.name} heard ${tones.map(Math.round)}`);
  }
});

test("pausing one conversation leaves the other one live", limit, async (t) => {
  const all = await twoConversations(new Scene(t, chrome));
  const [tim, withTim, david, withDavid] = all.map(({ side }) => side);
  for (const { side } of all) await side.unpause();
  await Promise.all(all.map(({ side, hears }) => side.hears(hears.hz)));
  await withTim.pause();
  await Promise.all([tim.silent(), withTim.silent()]);
  const from = [david.cursor, withDavid.cursor];
  await Promise.all([david.hears(SECOND_PAGE.hz, { from: from[0] }), withDavid.hears(OTHER.hz, { from: from[1] })]);
  assert.equal(david.now.paused, false);
  assert.equal(withDavid.now.paused, false);
});

test("the first native quits, and the second takes over the server", limit, async (t) => {
  const all = await twoConversations(new Scene(t, chrome));
  const [tim, withTim, david, withDavid] = all.map(({ side }) => side);
  await david.unpause();
  await withDavid.unpause();
  await withDavid.hears(OTHER.hz);
  await tim.quit();
  await withTim.until("the far side's absence", ({ far }) => far === false);
  const from = withDavid.cursor;
  await Promise.all([david, withDavid].map((side) => side.until("the room", ({ line }) => line === "joined")));
  await withDavid.hears(OTHER.hz, { from });
  await withTim.until("the room", ({ line }) => line === "joined");
});
