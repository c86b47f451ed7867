// Frames changed in every way that comes to mind, to a channel in every situation it can be in.

import assert from "node:assert/strict";
import test from "node:test";

import { Channels, INSTANCES, met, paired, pairing } from "./channels.mjs";
import { seeded } from "./keypairs.mjs";
import { parseFrame } from "../../assets/page/frame.js";

const FRAMES = 10_000;
/** How many frames one channel is given before it is made anew. */
const BATCH = 100;
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

/** A world in which the next frame of this kind is held back. */
async function until(trusts, kind, first = 0) {
  const world = await Channels.of(trusts, { seed: SEED });
  const passes = world.medium;
  world.medium = (frame) => (frame.kind === kind ? [] : passes(frame));
  await world.meet(first);
  await world.run(500);
  return { world, next: world.sent.find((frame) => frame.kind === kind).text };
}

/** Each: who is given the frames, in which world, and the true frame that would bring it on. */
const SITUATIONS = {
  "an owner that waits": async () => ({ side: 0, ...(await until(pairing, "XXpsk0 1")) }),
  "a reader that began": async () => ({ side: 1, ...(await until(pairing, "XXpsk0 2")) }),
  "an owner that answered": async () => ({ side: 0, ...(await until(pairing, "XXpsk0 3")) }),
  "a reader that accepted": async () => ({ side: 1, ...(await until(pairing, "sealed")) }),
  "a side that waits to meet": async () => ({ side: 0, ...(await until(paired, "KK 1")) }),
  "a side that began to meet": async () => ({ side: 1, ...(await until(paired, "KK 2")) }),
  "a side that answered": async () => ({ side: 0, ...(await until(paired, "sealed")) }),
  "a side with a session": async () => {
    const world = await met({ seed: SEED });
    world.medium = () => [];
    await world.say(0, "held back");
    return { side: 1, world, next: world.sent.at(-1).text };
  },
};

/** What a changed frame may bring about. Who can change frames can also drop them, so it may as well end a session. */
const HARMLESS = ["send", "suspicious", "down"];

const pick = (random, list) => list[Math.floor(random() * list.length)];

const SCRAPS = [null, true, -1, 0, 1, 2, 3, 7, 0.5, 2 ** 32, 1e99, "", "A", "XXpsk0", "KK", "__proto__", [], {}, "ä", "\u0000"];

const flip = (random, bytes) => {
  const changed = Buffer.from(bytes);
  if (changed.length > 0) changed[Math.floor(random() * changed.length)] ^= 1 << Math.floor(random() * 8);
  return changed;
};

const MUTATIONS = {
  bit: (random, text) => flip(random, Buffer.from(text)).toString("utf8"),
  cut: (random, text) => text.slice(0, Math.floor(random() * text.length)),
  data: (random, text) =>
    inner(text, (said) => {
      said.data = flip(random, Buffer.from(said.data ?? "", "base64url")).toString("base64url");
    }),
  length: (random, text) =>
    inner(text, (said) => {
      const data = Buffer.from(said.data ?? "", "base64url");
      const longer = Buffer.concat([data, Buffer.alloc(Math.floor(random() * 2000))]);
      said.data = pick(random, [longer, data.subarray(0, Math.floor(random() * data.length))]).toString("base64url");
    }),
  field: (random, text) => inner(text, (said) => (said[pick(random, Object.keys(said))] = pick(random, SCRAPS))),
  swap: (random, text, other) =>
    inner(text, (said) => {
      const theirs = Object.values(JSON.parse(other))[0];
      const key = pick(random, Object.keys(said));
      said[key] = theirs[key] ?? pick(random, SCRAPS);
    }),
  outer: (random, text) =>
    JSON.stringify({ [pick(random, ["noise", "sealed", "refused", "sdp", "x"])]: Object.values(JSON.parse(text))[0] }),
  number: (random, text) => inner(text, (said) => (said["n" in said ? "n" : "step"] = Math.floor(random() * 4))),
};

function inner(text, change) {
  const said = JSON.parse(text);
  change(Object.values(said)[0]);
  return JSON.stringify(said);
}

const plain = (text) => JSON.stringify(parseFrame(text), (_, value) => (ArrayBuffer.isView(value) ? [...value] : value));

test(`${FRAMES} changed frames bring nothing about (SEED=${SEED})`, async () => {
  const random = seeded(SEED);
  const names = Object.keys(SITUATIONS);
  let given = 0;
  let understood = 0;
  for (let round = 0; given < FRAMES; round++) {
    const { side, world, next } = await SITUATIONS[names[round % names.length]]();
    const originals = [...world.sent.map(({ text }) => text), next];
    const known = new Set(originals.map(plain));
    world.medium = () => [];
    const before = world.told[side].length;
    for (let i = 0; i < BATCH && !world.told[side].some(({ type }) => type === "down"); ) {
      const [text, other] = [random() < 0.5 ? next : pick(random, originals), pick(random, originals)];
      const name = pick(random, Object.keys(MUTATIONS));
      const mutated = MUTATIONS[name](random, text, other);
      if (known.has(plain(mutated))) continue;
      i++;
      given++;
      if (parseFrame(mutated) !== null) understood++;
      await world.tell(side, { type: "frame", from: INSTANCES[1 - side], text: mutated });
      const told = world.told[side].slice(before).filter(({ type }) => !HARMLESS.includes(type));
      assert.deepEqual(told, [], `${names[round % names.length]}: ${name}: ${mutated} (SEED=${SEED})`);
    }
  }
  assert.ok(understood > FRAMES / 5, `only ${understood} were worth looking at`);
});

for (const [name, situation] of Object.entries(SITUATIONS)) {
  test(`after a hundred changed frames ${name} still takes the true one`, async () => {
    const random = seeded(SEED);
    const { side, world, next } = await situation();
    for (let i = 0; i < BATCH; i++) {
      const text = pick(random, [MUTATIONS.data, MUTATIONS.length])(random, next);
      if (plain(text) === plain(next)) continue;
      await world.tell(side, { type: "frame", from: INSTANCES[1 - side], text });
    }
    const before = world.told[side].length;
    await world.tell(side, { type: "frame", from: INSTANCES[1 - side], text: next });
    const told = world.told[side].slice(before).filter(({ type }) => type !== "suspicious");
    assert.notDeepEqual(told, []);
  });
}
