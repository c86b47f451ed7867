// What the seal makes of fixed keys: the same, byte for byte, as the native peer's.

import assert from "node:assert/strict";
import test from "node:test";

import { keyPairOf } from "./keypairs.mjs";
import { fromBase64url, toBase64url } from "../../assets/page/base64url.js";
import { parseFrame } from "../../assets/page/frame.js";
import { publicBytes } from "../../assets/page/noise.js";
import { isRefusal, refusal, spent } from "../../assets/page/pairing.js";
import { safetyWords } from "../../assets/page/safety.js";
import { Channel } from "../../assets/page/seal.js";
import { vectors } from "./vectors.mjs";

const { pairing, meeting, codes, words, valid, refused } = vectors("seal");

/** The two ends of a transcript, and what each tells. */
async function ends(script, trusts) {
  return Promise.all(
    ["initiator", "responder"].map(async (name, at) => {
      const { instance, secret, ephemeral, public: known } = script[name];
      const keys = await keyPairOf(fromBase64url(secret));
      assert.equal(toBase64url(await publicBytes(keys)), known);
      const told = [];
      const channel = new Channel({
        me: instance,
        convo: script.convo,
        keys,
        trust: trusts[at],
        told: (output) => told.push(output),
        session: () => script.id,
        makeEphemeral: () => keyPairOf(fromBase64url(ephemeral)),
      });
      return { name, instance, channel, told };
    }),
  );
}

/** Follows a transcript: each frame must come out of the one end as it is written, and is given to the other. */
async function follow(script, sides) {
  await sides[1].channel.handle(0, { type: "here", order: "waits" });
  await sides[0].channel.handle(0, { type: "here", order: "begins" });
  const sent = sides.map(() => 0);
  for (const { from, plain, text } of script.frames) {
    const [writer, reader] = from === sides[0].name ? [0, 1] : [1, 0];
    const written = () => sides[writer].told.filter(({ type }) => type === "send");
    if (written().length === sent[writer]) await sides[writer].channel.handle(0, { type: "say", text: plain });
    assert.equal(written()[sent[writer]++].text, text);
    await sides[reader].channel.handle(0, { type: "frame", from: sides[writer].instance, text });
  }
  return sides.map(({ told }) => told.filter(({ type }) => type !== "send"));
}

const heard = (script, from, greetings) =>
  script.frames
    .filter((frame) => frame.from === from)
    .slice(greetings)
    .map(({ plain }) => ({ type: "heard", text: plain }));

test("a pairing is made as the native side makes it", async () => {
  const { code, initiator, responder } = pairing;
  const trusts = [{ kind: "reader", far: responder.instance, code, key: null }, { kind: "owner", code }];
  const [reader, owner] = await follow(pairing, await ends(pairing, trusts));
  const up = { type: "up", words: pairing.words };
  assert.deepEqual(owner, [
    { type: "paired", far: initiator.instance, key: initiator.public, spent: await spent(code) },
    up,
    ...heard(pairing, "initiator", 2),
  ]);
  assert.deepEqual(reader, [
    { type: "learned", key: responder.public },
    { type: "paired", far: responder.instance, key: responder.public, spent: null },
    up,
    ...heard(pairing, "responder", 2),
  ]);
});

test("a meeting is made as the native side makes it", async () => {
  const trust = ({ instance, public: key }) => ({ kind: "paired", far: instance, key, spent: null });
  const sides = await ends(meeting, [trust(meeting.responder), trust(meeting.initiator)]);
  const [initiator, responder] = await follow(meeting, sides);
  const up = { type: "up", words: meeting.words };
  assert.deepEqual(responder, [up, ...heard(meeting, "initiator", 2)]);
  assert.deepEqual(initiator, [up, ...heard(meeting, "responder", 1)]);
});

for (const { hash, words: expected } of words) {
  test(`the words for ${hash.slice(0, 4)}… are ${expected}`, async () => {
    assert.equal(await safetyWords(fromBase64url(hash)), expected);
  });
}

for (const { code, convo, to, spent: kept, refusal: proof } of codes) {
  test(`a refusal equals the native one (code ${code.slice(0, 4)}…)`, async () => {
    assert.equal(await spent(code), kept);
    assert.equal(await refusal(kept, convo, to), proof);
    assert.equal(await isRefusal(code, convo, to, proof), true);
    assert.equal(await isRefusal(code, convo, "i".repeat(26), proof), false);
    assert.equal(await isRefusal(kept, convo, to, proof), false);
  });
}

const filled = ({ text, fill }) => (fill ? text.replace("*", "A".repeat(fill)) : text);

/** A frame as the vectors tell it: of its data only how long they are. */
function plain(frame) {
  if (frame?.data === undefined) return frame;
  const { data, ...rest } = frame;
  return { ...rest, bytes: data.length };
}

for (const example of valid) {
  test(`understood: ${filled(example).slice(0, 90)}`, () => {
    assert.deepEqual(plain(parseFrame(filled(example))), example.says);
  });
}

for (const example of refused) {
  test(`dropped (${example.why}): ${filled(example).slice(0, 60)}`, () => {
    assert.equal(parseFrame(filled(example)), null);
  });
}
