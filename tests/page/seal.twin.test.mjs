// The page's channel and the native one, each at either end, over one line: they must understand each other.

import assert from "node:assert/strict";
import test from "node:test";

import { CODE, Channels, INSTANCES, LATENCY, SPENT, STRANGER, kindOf, paired, pairing } from "./channels.mjs";
import { Channel } from "../../assets/page/seal.js";
import { build, twin } from "./twin.mjs";

const Twin = twin(build());
const ARRANGEMENTS = { "native first, page second": [Twin, Channel], "page first, native second": [Channel, Twin] };

/** A world that ends with its test. */
async function world(t, trusts, options) {
  const made = await Channels.of(trusts, options);
  t.after(() => made.close());
  return made;
}

async function talk(sides) {
  for (const side of [0, 1]) await sides.say(side, `Grüße von ${side}`);
  await sides.run(500);
  for (const side of [0, 1]) assert.equal(sides.heard(side).at(-1), `Grüße von ${1 - side}`);
}

for (const [name, kinds] of Object.entries(ARRANGEMENTS)) {
  test(`${name}: they pair, show the same words, and talk`, async (t) => {
    const sides = await world(t, pairing, { kinds });
    await sides.meet();
    await sides.run(500);
    assert.match(sides.words[0], /^([a-z]{5} ?){4}$/);
    assert.equal(sides.words[0], sides.words[1]);
    const [[owner], [reader]] = [sides.outputs(0, "paired"), sides.outputs(1, "paired")];
    assert.deepEqual([owner.far, owner.key, owner.spent], [INSTANCES[1], sides.publics[1], SPENT]);
    assert.deepEqual([reader.far, reader.key, reader.spent], [INSTANCES[0], sides.publics[0], null]);
    await talk(sides);
  });

  for (const kind of ["XXpsk0 1", "XXpsk0 2", "XXpsk0 3", "sealed"]) {
    test(`${name}: they pair although the first ${kind} is lost`, async (t) => {
      const sides = await world(t, pairing, { kinds });
      sides.loseFirst((frame) => frame.kind === kind);
      await sides.meet();
      await sides.run(10_000);
      assert.ok(sides.isUp);
      assert.deepEqual([sides.outputs(0, "paired").length, sides.outputs(1, "paired").length], [1, 1]);
      await talk(sides);
    });
  }

  test(`${name}: a used code is refused, and that is believed`, async (t) => {
    const owner = ({ publics }) => ({ kind: "paired", far: STRANGER, key: publics[1], spent: SPENT });
    const sides = await world(t, (made) => [owner(made), pairing()[1]], { kinds });
    await sides.meet();
    await sides.run(1000);
    assert.equal(sides.outputs(1, "refused").length, 1);
  });

  test(`${name}: an expired code is refused, and that is believed`, async (t) => {
    const sides = await world(t, pairing, { kinds });
    await sides.tell(0, { type: "expired" });
    await sides.meet();
    await sides.run(1000);
    assert.equal(sides.outputs(1, "refused").length, 1);
  });

  for (const orders of [["waits", "begins"], ["begins", "waits"], ["begins", "begins"], ["waits", "waits"]]) {
    test(`${name}: they meet when one ${orders[0]} and the other ${orders[1]}`, async (t) => {
      const sides = await world(t, paired, { kinds });
      for (const side of [0, 1]) await sides.tell(side, { type: "here", order: orders[side] });
      await sides.run(4000);
      assert.ok(sides.isUp);
      assert.deepEqual([sides.outputs(0, "up").length, sides.outputs(1, "up").length], [1, 1]);
      await talk(sides);
    });
  }

  for (const side of [0, 1]) {
    test(`${name}: side ${side} forgets its session, and a new one is made`, async (t) => {
      const sides = await world(t, paired, { kinds });
      await sides.meet();
      await sides.run(2000);
      sides.start(side, paired(sides)[side]);
      await sides.tell(side, { type: "here", order: "waits" });
      await sides.run(3000);
      assert.ok(sides.isUp);
      await talk(sides);
    });

    test(`${name}: a frame of side ${side} is lost, and a new session is made`, async (t) => {
      const sides = await world(t, paired, { kinds });
      await sides.meet();
      await sides.run(2000);
      sides.loseFirst((frame) => frame.side === side);
      await sides.say(side, "lost");
      await sides.say(side, "late");
      await sides.run(3000);
      assert.equal(sides.outputs(1 - side, "down").length, 1);
      await talk(sides);
    });
  }

  test(`${name}: on a bad line all that is heard was said, in its order, and a good line heals all`, async (t) => {
    let all = 0;
    for (let seed = 1; seed <= 5; seed++) {
      const sides = await world(t, pairing, { kinds, seed });
      sides.medium = ({ text }) => {
        const copies = sides.random() < 0.1 ? 0 : sides.random() < 0.1 ? 2 : 1;
        return Array.from({ length: copies }, () => ({ text, delay: 5 + Math.floor(sides.random() * 20) }));
      };
      await sides.meet();
      let said = 0;
      for (let i = 0; i < 100; i++) {
        for (const side of [0, 1]) await sides.say(side, `${++said} from ${side}`);
        await sides.run(100);
      }
      sides.medium = ({ text }) => [{ text, delay: LATENCY }];
      await sides.run(10_000);
      for (const side of [0, 1]) await sides.say(side, `${++said} from ${side}`);
      await sides.run(3000);
      for (const side of [0, 1]) {
        const heard = sides.heard(side);
        all += heard.length;
        assert.ok(heard.every((text) => text.endsWith(` from ${1 - side}`)), `seed ${seed}`);
        heard.slice(1).forEach((text, i) => assert.ok(parseInt(text) > parseInt(heard[i]), `seed ${seed}: ${text}`));
      }
      assert.ok(sides.isUp, `seed ${seed}`);
      await talk(sides);
    }
    assert.ok(all > 100, `${all} of 1000 heard`);
  });
}

test("the native side drops a reader whose code is another's, as the page does", async (t) => {
  for (const kinds of Object.values(ARRANGEMENTS)) {
    const reader = { ...pairing()[1], code: `A${CODE.slice(1)}` };
    const sides = await world(t, () => [pairing()[0], reader], { kinds });
    await sides.meet();
    await sides.run(6000);
    assert.deepEqual(sides.told[0], []);
    assert.deepEqual(sides.suspicions(1), ["silent"]);
    assert.ok(sides.sent.every(({ text }) => kindOf(text) === "XXpsk0 1"));
  }
});
