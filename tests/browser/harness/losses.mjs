// What is asked of a side that loses its far side, and finds it again.

import assert from "node:assert/strict";
import { clock, eventually } from "./timeline.mjs";

/** How soon a far side that is killed or unreachable is missed, in milliseconds. */
export const NOTICE_LIMIT = 3000;
/** The longest hole in what is heard that counts as none, in milliseconds: a machine that does much else makes such. */
export const HOLE_LIMIT = 400;
/** How many tones show that sound goes on. */
const PROOF = 30;

/**
 * Waits until `side` misses its far side, and holds it to its promises: soon, in words, and as unpaused as before.
 * Resolves with how long it took since `since`, in milliseconds.
 */
export async function misses(side, since, { paused = false, limit = NOTICE_LIMIT } = {}) {
  await side.until("missing the far side", ({ call }) => call === "reconnecting", { within: limit + 2000 });
  const kind = side.all("look").length > 0 ? "look" : "call";
  const isLoss = ({ at, event, call, state }) => at > since && event === kind && (call ?? state) === "reconnecting";
  const loss = side.events.find(isLoss);
  const took = loss.at - since;
  assert.ok(took <= limit, `${side.name} noticed after ${took.toFixed(0)} ms`);
  assert.equal(side.now.paused, paused, `${side.name} stays as it was`);
  const gate = paused ? "You are paused" : "You are unpaused, and will be heard then";
  if (kind === "look") assert.match(side.now.state, new RegExp(`^The (connection is lost|other side is gone)[,.].*${gate}`));
  else assert.match(loss.message, /the call goes on when/i);
  return took;
}

/** It is one call for the person: never over, and never paused, since a cursor. */
export function assertOneCall(side, from) {
  const ends = side.events.slice(from).filter((event) => {
    if (event.event === "call") return event.state === "idle" || event.state === "ending";
    if (event.event === "look") return event.call === "idle" || event.call === "ending";
    return false;
  });
  assert.deepEqual(ends, [], `${side.name}: the call goes on`);
}

/** Nothing but this one call, up all the time, since a cursor. */
export function assertUndisturbed(side, from) {
  const phases = side.events.slice(from).map(({ event, state, call }) => (event === "call" ? state : event === "look" ? call : null));
  const others = phases.filter((phase) => phase !== null && phase !== "connected");
  assert.deepEqual(others, [], `${side.name}: connected all the time`);
}

/** Sound goes on in every direction: enough of the right height is heard from now on. */
export async function goOn(...sides) {
  await Promise.all(
    sides.map(({ side, hz }) => {
      const from = side.cursor;
      const enough = () => side.tones(from).filter((tone) => Math.abs(tone - hz) < hz * 0.03).length >= PROOF;
      return eventually(`${side.name} to go on hearing ${hz} Hz`, enough);
    }),
  );
}

/** The longest time without a sound at `side` between `since` and now, in milliseconds. */
export function longestHole(side, since, until = clock()) {
  const holes = side.holes(since, until).map(([from, to]) => to - from);
  return Math.max(0, ...holes);
}

/** The median of figures in milliseconds with their spread, as a test tells it. */
export function spread(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const whole = (value) => value.toFixed(0);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return `${whole(median)} ms (${whole(sorted[0])} to ${whole(sorted.at(-1))}, n = ${sorted.length})`;
}
