import assert from "node:assert/strict";
import test from "node:test";

import { Stage, kindOf } from "./calls.mjs";
import { vectors } from "./vectors.mjs";

const STATES = [
  "idle", "pendingOutgoing", "conflictResolution", "pendingIncoming", "answered", "datachanEstablished",
  "updateSent", "updateRecv", "hangupSent", "terminating",
];

/** Plays a script; `met(state, kind)` hears which input came in which state. */
function play({ name, precedence, steps }, met = () => {}) {
  const stage = new Stage(precedence);
  let expected = { deadline: null, phase: "idle" };
  for (const [at, step] of steps.entries()) {
    met(stage.call.state.kind, kindOf(step.input));
    // What a step does not tell is as before, or nothing.
    expected = { ...expected, outputs: [], ...step };
    assert.deepEqual(stage.step(step.at, step.input), expected, `${name}: step ${at}`);
  }
}

for (const script of vectors("call").scripts) {
  test(`a call as it is written down: ${script.name}`, () => play(script));
}

test("calls go on random walks as the native ones do", () => {
  for (const script of vectors("call_walks").scripts) play(script);
});

test("every input is met in every state", () => {
  const met = new Set();
  const kinds = new Set();
  for (const script of vectors("call_walks").scripts) {
    play(script, (state, kind) => {
      kinds.add(kind);
      met.add(`${state}: ${kind}`);
    });
  }
  assert.equal(kinds.size, 28);
  const missing = STATES.flatMap((state) => [...kinds].map((kind) => `${state}: ${kind}`)).filter((it) => !met.has(it));
  assert.deepEqual(missing, []);
});
