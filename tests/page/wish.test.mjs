import assert from "node:assert/strict";
import test from "node:test";

import { Wish } from "../../assets/page/wish.js";
import { vectors } from "./vectors.mjs";

/** What `wish` makes of `input`, as a step of a script. */
function step(wish, at, input) {
  const finite = (time) => (time === Infinity ? null : time);
  const shown = tell(wish, at, input);
  const { isWanted: wanted, isLost: lost, mayTry } = wish;
  return { at, input, shown, wanted, lost, mayTry, deadline: finite(wish.deadline()) };
}

function tell(wish, at, input) {
  if (input === "expire") return wish.expire(at);
  if (input === "met" || input === "forget") return wish[input]() ?? null;
  const [phase, ending] = input.split(": ");
  return wish.note(at, phase, ending?.split(" ")[0] ?? null);
}

for (const { name, steps } of vectors("wish").scripts) {
  test(name, () => {
    const wish = new Wish();
    for (const expected of steps) assert.deepEqual(step(wish, expected.at, expected.input), expected);
  });
}
