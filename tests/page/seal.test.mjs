import assert from "node:assert/strict";
import test from "node:test";

import {
  Channels,
  CODE,
  CONVO,
  INSTANCES,
  LATENCY,
  OTHER_CODE,
  SPENT,
  STRANGER,
  kindOf,
  met,
  paired,
  pairing,
} from "./channels.mjs";
import { toBase64url } from "../../assets/page/base64url.js";
import { sealed } from "../../assets/page/frame.js";
import { refusal } from "../../assets/page/pairing.js";
import { BEGIN_INTERVAL } from "../../assets/page/seal.js";

const types = (outputs) => outputs.map(({ type }) => type);
const noise = (text) => JSON.parse(text).noise;

/** To a paired side the far one's word that it does not know of that: a handshake without a code is begun. */
const XX1 = JSON.stringify({ noise: { pattern: "XXpsk0", id: "a".repeat(13), step: 1, data: "AAAA" } });
/** A frame of a session that nobody has. */
const UNKNOWN = JSON.stringify({ sealed: { id: "b".repeat(13), n: 0, data: "AAAA" } });

/** The frame with one byte of its data changed. */
function changed(text, at = 0) {
  const said = JSON.parse(text);
  const [inner] = Object.values(said);
  const bytes = Buffer.from(inner.data, "base64url");
  bytes[at % bytes.length] ^= 1;
  inner.data = bytes.toString("base64url");
  return JSON.stringify(said);
}

// ── pairing ──

test("a pairing: both store each other's key, in this order, and share four safety words", async () => {
  const world = await Channels.of(pairing);
  await world.meet();
  await world.run(1000);
  assert.deepEqual(types(world.told[0]), ["send", "paired", "send", "up"]);
  assert.deepEqual(types(world.told[1]), ["send", "learned", "send", "paired", "up"]);
  const [[atOwner], [atReader]] = [world.outputs(0, "paired"), world.outputs(1, "paired")];
  assert.deepEqual([atOwner.far, atOwner.key, atOwner.spent], [INSTANCES[1], world.publics[1], SPENT]);
  assert.deepEqual([atReader.far, atReader.key, atReader.spent], [INSTANCES[0], world.publics[0], null]);
  assert.equal(world.outputs(1, "learned")[0].key, world.publics[0]);
  const words = [0, 1].map((side) => world.outputs(side, "up")[0].words);
  assert.deepEqual(words[0], words[1]);
  assert.match(words[0], /^([bdfghjklmnprstvz][aiou][bdfghjklmnprstvz][aiou][bdfghjklmnprstvz] ?){4}$/);
});

test("the reader begins, whoever was in the room first", async () => {
  for (const first of [0, 1]) {
    const world = await Channels.of(pairing);
    await world.meet(first);
    await world.run(1000);
    assert.deepEqual([world.begun(0).length, world.begun(1).length, world.isUp], [0, 1, true]);
  }
});

test("the pairing's session carries what both say, both ways", async () => {
  const world = await Channels.of(pairing);
  await world.meet();
  await world.run(1000);
  for (const text of ["eins", "zwei", "ä".repeat(1000)]) {
    await world.say(0, text);
    await world.say(1, `${text}!`);
  }
  await world.run(1000);
  assert.deepEqual(world.heard(1), ["eins", "zwei", "ä".repeat(1000)]);
  assert.deepEqual(world.heard(0), ["eins!", "zwei!", `${"ä".repeat(1000)}!`]);
});

for (const kind of ["XXpsk0 1", "XXpsk0 2", "XXpsk0 3", "sealed"]) {
  test(`a pairing gets through although its first ${kind} is lost`, async () => {
    const world = await Channels.of(pairing);
    world.loseFirst((frame) => frame.kind === kind);
    await world.meet();
    await world.run(10_000);
    assert.ok(world.isUp);
    for (const side of [0, 1]) assert.equal(world.outputs(side, "paired").length, 1);
    assert.deepEqual([...world.suspicions(0), ...world.suspicions(1)], []);
  });
}

test("the owner remembered and its last word is lost: the reader is paired by KK", async () => {
  const world = await Channels.of(pairing);
  world.loseFirst(({ kind, side }) => kind === "sealed" && side === 0);
  await world.meet();
  await world.run(10_000);
  assert.deepEqual([world.outputs(0, "paired").length, world.outputs(1, "paired").length], [1, 1]);
  assert.equal(world.sides[1].session.pattern, "KK");
  assert.equal(world.outputs(1, "paired")[0].key, world.publics[0]);
});

test("the same when the reader's page is loaded anew in between", async () => {
  const world = await Channels.of(pairing);
  world.loseFirst(({ kind, side }) => kind === "sealed" && side === 0);
  await world.meet();
  await world.run(500);
  const [{ key }] = world.outputs(1, "learned");
  await world.part();
  world.start(1, { kind: "reader", far: INSTANCES[0], code: CODE, key });
  await world.meet();
  await world.run(5000);
  assert.ok(world.isUp);
  assert.deepEqual(types(world.outputs(1, "paired")), ["paired"]);
});

test("a reader that knows the owner's key is not paired by another's", async () => {
  const stranger = toBase64url(new Uint8Array(32).fill(9));
  const reader = { kind: "reader", far: INSTANCES[0], code: CODE, key: stranger };
  const world = await Channels.of(() => [pairing()[0], reader]);
  await world.meet();
  await world.run(10_000);
  assert.deepEqual(world.outputs(0, "paired"), []);
  assert.deepEqual(world.outputs(1, "paired"), []);
  assert.deepEqual(world.suspicions(1), ["forged", "silent"]);
});

test("without the code's key nobody is paired, and the owner counts it for nothing", async () => {
  const world = await Channels.of(() => [pairing()[0], { ...pairing()[1], code: OTHER_CODE }]);
  await world.meet();
  await world.run(10_000);
  assert.deepEqual(world.told[0], []);
  assert.deepEqual(world.suspicions(1), ["silent"]);
});

test("in another conversation the code is worth nothing", async () => {
  const world = await Channels.of(pairing, { convos: [CONVO, "b".repeat(25) + "a"] });
  await world.meet();
  await world.run(3000);
  assert.deepEqual(world.told[0], []);
});

test("a step 3 is worth nothing under another name", async () => {
  const world = await Channels.of(pairing);
  world.medium = ({ side, text }) => {
    if (side === 1) world.deliver(0, text, { from: STRANGER, delay: LATENCY });
    return [];
  };
  await world.meet();
  await world.run(100);
  // The owner answers whom it believes to be a stranger; the reader is given that answer.
  const [{ text }] = world.sent.filter(({ kind }) => kind === "XXpsk0 2");
  world.deliver(1, text);
  await world.run(1000);
  assert.ok(world.sent.some(({ kind }) => kind === "XXpsk0 3"));
  assert.deepEqual(types(world.outputs(0, "paired")), []);
  assert.deepEqual(world.suspicions(0), ["forged"]);
});

test("the newest valid step 1 counts; one that does not verify leaves the pairing in progress alone", async () => {
  const world = await Channels.of(pairing);
  world.medium = (frame) => {
    const spoilt = changed(frame.text);
    if (frame.kind === "XXpsk0 3") world.deliver(0, changed(world.sent[0].text), { from: STRANGER });
    return [{ text: frame.text, delay: LATENCY }, ...(frame.side === 1 ? [] : [{ text: spoilt, delay: 1 }])];
  };
  await world.meet();
  await world.run(500);
  assert.ok(world.isUp);
});

test("a frame that is repeated does not hold up the pairing", async () => {
  const world = await Channels.of(pairing);
  world.medium = ({ text }) => [10, 11, 60].map((delay) => ({ text, delay }));
  await world.meet();
  await world.run(500);
  assert.ok(world.isUp);
  assert.deepEqual([...world.suspicions(0), ...world.suspicions(1)], []);
});

// ── codes that are over ──

test("a used code: who comes with it later is told so", async () => {
  const world = await Channels.of(({ publics }) => [
    { kind: "paired", far: STRANGER, key: publics[1], spent: SPENT },
    pairing()[1],
  ]);
  await world.meet();
  await world.run(1000);
  assert.deepEqual(types(world.told[1]), ["send", "refused"]);
  await world.run(10_000);
  assert.equal(world.told[1].length, 2, "nothing more is sent or suspected");
});

test("a code whose time is over is refused by its owner, before and after a restart", async () => {
  for (const restart of ["no", "yes"]) {
    const world = await Channels.of(pairing);
    await world.tell(0, { type: "expired" });
    if (restart === "yes") world.start(0, { kind: "closed", spent: SPENT });
    await world.meet();
    await world.run(1000);
    assert.deepEqual(types(world.told[1]), ["send", "refused"]);
    assert.deepEqual(world.outputs(0, "paired"), []);
  }
});

test("nobody is refused by a side that never showed a code", async () => {
  for (const trust of [{ kind: "closed", spent: null }, { kind: "paired", far: STRANGER, key: CODE, spent: null }]) {
    const world = await Channels.of(() => [trust, pairing()[1]]);
    await world.meet();
    await world.run(1000);
    assert.deepEqual(world.told[0], []);
  }
});

test("a forged refusal is not believed", async () => {
  const world = await Channels.of(pairing);
  const proofs = [
    OTHER_CODE,
    SPENT,
    await refusal(SPENT, CONVO, STRANGER),
    await refusal(SPENT, "b".repeat(25) + "a", INSTANCES[1]),
    await refusal(OTHER_CODE, CONVO, INSTANCES[1]),
  ];
  await world.meet();
  for (const proof of proofs) world.deliver(1, JSON.stringify({ refused: { proof } }));
  const valid = JSON.stringify({ refused: { proof: await refusal(SPENT, CONVO, INSTANCES[1]) } });
  world.deliver(1, valid, { from: STRANGER });
  await world.run(1000);
  assert.deepEqual(world.outputs(1, "refused"), []);
  assert.ok(world.isUp);
});

// ── meeting ──

for (const first of [0, 1]) {
  test(`they meet by KK, the one who came later begins (side ${first} was first)`, async () => {
    const world = await Channels.of(paired);
    await world.meet(first);
    await world.run(1000);
    assert.deepEqual([world.begun(first).length, world.begun(1 - first).length, world.isUp], [0, 1, true]);
    const words = [0, 1].map((side) => world.outputs(side, "up")[0].words);
    assert.deepEqual(words[0], words[1]);
    assert.deepEqual(world.heard(first), []);
  });
}

for (const kind of ["KK 1", "KK 2", "sealed"]) {
  test(`they meet although the first ${kind} is lost`, async () => {
    const world = await Channels.of(paired);
    world.loseFirst((frame) => frame.kind === kind);
    await world.meet();
    await world.run(6000);
    await world.say(0, "a");
    await world.say(1, "b");
    await world.run(3000);
    assert.ok(world.isUp);
    assert.deepEqual([world.heard(0).at(-1), world.heard(1).at(-1)], ["b", "a"]);
  });
}

test("glare: both begin, the greater instance's handshake stands", async () => {
  const world = await Channels.of(paired);
  for (const side of [0, 1]) await world.tell(side, { type: "here", order: "begins" });
  await world.run(1000);
  assert.ok(world.isUp);
  const [{ text }] = world.sent.filter(({ side }) => side === 1);
  assert.equal(world.sides[0].session.id, noise(text).id);
  assert.deepEqual([world.outputs(0, "up").length, world.outputs(1, "up").length], [1, 1]);
});

test("glare in which the greater's step 1 is lost settles all the same", async () => {
  const world = await Channels.of(paired);
  world.loseFirst(({ side }) => side === 1);
  for (const side of [0, 1]) await world.tell(side, { type: "here", order: "begins" });
  await world.run(6000);
  assert.ok(world.isUp);
});

test("both wait: one of them begins after two to two and a half seconds", async () => {
  const world = await Channels.of(paired);
  for (const side of [0, 1]) await world.tell(side, { type: "here", order: "waits" });
  await world.run(4000);
  assert.ok(world.isUp);
  const [first] = world.sent;
  assert.ok(first.at >= 2000 && first.at <= 2500, `${first.at}`);
});

test("a stranger who has another key meets nobody", async () => {
  const world = await Channels.of(({ publics }) => {
    const trusts = paired({ publics });
    return [{ ...trusts[0], key: OTHER_CODE }, trusts[1]];
  });
  await world.meet();
  await world.run(20_000);
  assert.deepEqual([world.outputs(0, "up"), world.outputs(1, "up")], [[], []]);
  assert.deepEqual([world.suspicions(0).sort(), world.suspicions(1)], [["forged", "silent"], ["forged", "silent"]]);
});

test("frames under another name than the far side's are not looked at", async () => {
  const world = await Channels.of(paired);
  await world.meet();
  const [{ text }] = world.sent;
  world.wire = [];
  world.deliver(0, text, { from: STRANGER });
  await world.run(1000);
  assert.deepEqual(world.told[0], []);
});

test("at most one handshake is begun a second, whatever comes", async () => {
  const world = await Channels.of(paired);
  await world.meet();
  const bogus = (id) => JSON.stringify({ sealed: { id, n: 1_000_000, data: "AAAA" } });
  for (let at = 0; at < 20_000; at += 50) {
    for (const side of [0, 1]) {
      const ids = ["b".repeat(13), world.sides[side].session?.id].filter((id) => id !== undefined);
      for (const text of [XX1, ...ids.map(bogus)]) world.deliver(side, text);
    }
    await world.run(50);
  }
  for (const side of [0, 1]) {
    const times = world.begun(side);
    times.slice(1).forEach((at, i) => assert.ok(at - times[i] >= BEGIN_INTERVAL, `${times}`));
  }
  assert.ok(world.begun(0).length + world.begun(1).length > 10, "they do try");
  await world.run(5000);
  assert.ok(world.isUp, "and meet when they are left alone");
});

test("leaving and coming back does not get around that either", async () => {
  const world = await Channels.of(paired);
  for (let i = 0; i < 50; i++) {
    await world.tell(0, { type: "away" });
    await world.tell(0, { type: "here", order: "begins" });
    await world.run(100);
  }
  assert.ok(world.begun(0).length <= 6, `${world.begun(0)}`);
});

// ── sealed frames on a bad line ──

test("what is said while there is no session is dropped", async () => {
  const world = await Channels.of(paired);
  await world.say(0, "too early");
  await world.meet();
  await world.say(0, "still too early");
  await world.run(1000);
  assert.deepEqual(world.heard(1), []);
});

test("a text of up to 44 KiB is said, a longer one is not", async () => {
  const world = await met();
  await world.say(0, "x".repeat(44 * 1024));
  await world.say(0, "x".repeat(44 * 1024 + 1));
  await world.say(0, "ä".repeat(22 * 1024 + 1));
  await world.say(0, "after");
  await world.run(100);
  assert.deepEqual(world.heard(1).map((text) => text.length), [44 * 1024, 5]);
  assert.ok(world.sent.every(({ text }) => text.length <= 64 * 1024));
});

test("a repeated frame is heard once", async () => {
  const world = await met();
  world.medium = ({ text }) => [1, 2, 300].map((delay) => ({ text, delay }));
  for (const text of ["one", "two", "three"]) {
    await world.say(0, text);
    await world.run(50);
  }
  await world.run(1000);
  assert.deepEqual(world.heard(1), ["one", "two", "three"]);
  assert.deepEqual(world.outputs(1, "down"), []);
});

test("a frame that is missing breaks the session, and a new one is made at once", async () => {
  const world = await met();
  await world.run(2000);
  world.loseFirst(({ side }) => side === 0);
  await world.say(0, "lost");
  await world.say(0, "late");
  await world.run(200);
  assert.deepEqual(world.heard(1), []);
  assert.deepEqual(types(world.told[1]).filter((type) => type !== "send"), ["up", "down", "up"]);
  assert.ok(world.isUp);
  await world.say(0, "again");
  await world.run(100);
  assert.deepEqual(world.heard(1), ["again"]);
});

test("frames that change places break it likewise, and nothing is heard out of turn", async () => {
  const world = await met();
  await world.run(2000);
  let delay = 60;
  world.medium = ({ kind, text }) => [{ text, delay: kind === "sealed" ? (delay -= 25) : LATENCY }];
  await world.say(0, "one");
  await world.say(0, "two");
  await world.run(2000);
  assert.deepEqual(world.heard(1), []);
  assert.equal(world.outputs(1, "down").length, 1);
});

test("a frame that was changed is dropped and told of once; the true one is heard", async () => {
  const world = await met();
  world.medium = ({ text }) => [
    { text: changed(text), delay: 1 },
    { text: changed(text, 7), delay: 2 },
    { text, delay: 3 },
  ];
  await world.say(0, "true");
  await world.run(10);
  await world.say(0, "too");
  await world.run(1000);
  assert.deepEqual(world.heard(1), ["true", "too"]);
  assert.deepEqual(world.suspicions(1), ["forged"]);
});

test("a frame sent back to who sent it is forged", async () => {
  const world = await met();
  for (const text of ["one", "two"]) await world.say(0, text);
  world.deliver(0, world.sent.at(-1).text);
  await world.run(100);
  assert.deepEqual([world.heard(0), world.suspicions(0)], [[], ["forged"]]);
});

test("suspicions are told again after a new session", async () => {
  const world = await met();
  for (const round of [1, 2]) {
    world.medium = ({ text }) => [{ text: changed(text), delay: 1 }, { text, delay: 2 }];
    for (const text of ["a", "b"]) {
      await world.say(0, text);
      await world.run(100);
    }
    assert.equal(world.suspicions(1).length, round);
    world.medium = ({ text }) => [{ text, delay: 1 }];
    await world.part();
    await world.meet();
    await world.run(3000);
  }
});

test("the far side here for 5 s without a session is told of once", async () => {
  const world = await Channels.of(paired);
  world.medium = () => [];
  await world.meet();
  await world.run(4900);
  assert.deepEqual(world.suspicions(0), []);
  await world.run(200);
  assert.deepEqual(world.suspicions(0), ["silent"]);
  await world.part();
  await world.meet();
  await world.run(60_000);
  assert.deepEqual(world.suspicions(0), ["silent"]);
});

test("when it has left nothing is awaited, and nothing suspected", async () => {
  const world = await Channels.of(paired);
  world.medium = () => [];
  await world.meet();
  await world.run(1000);
  await world.part();
  assert.deepEqual(world.sides.map((side) => side.deadline()), [Infinity, Infinity]);
  const sent = world.sent.length;
  await world.run(60_000);
  assert.deepEqual([world.sent.length, world.suspicions(0)], [sent, []]);
});

// ── sessions that are lost or attacked ──

test("one side lost its session: what the other says on it leads to a new one", async () => {
  const world = await met();
  await world.run(2000);
  world.start(0, paired(world)[0]);
  await world.tell(0, { type: "here", order: "waits" });
  await world.say(1, "lost");
  await world.run(500);
  assert.ok(world.isUp);
  await world.say(1, "heard");
  await world.run(100);
  assert.deepEqual(world.heard(0), ["heard"]);
});

test("one side lost its session and nobody says anything: it begins by itself", async () => {
  for (const side of [0, 1]) {
    const world = await met();
    world.start(side, paired(world)[side]);
    await world.tell(side, { type: "here", order: "waits" });
    await world.run(3000);
    assert.ok(world.isUp);
  }
});

test("a step 1 from the past does not displace the living session", async () => {
  const world = await Channels.of(paired);
  await world.meet();
  await world.run(2000);
  const [{ text: old }] = world.sent;
  await world.part();
  await world.meet();
  await world.run(2000);
  const ups = world.outputs(0, "up").length;
  const current = world.sent.findLast(({ kind }) => kind === "KK 1").text;
  const answers = () => world.sent.filter(({ kind }) => kind === "KK 2").length;
  const answered = answers();
  for (const text of [old, current]) {
    world.deliver(0, text);
    await world.run(100);
    assert.equal(answers(), answered + 1, "only what might be new is answered");
    await world.say(0, "still");
    await world.say(1, "here");
    await world.run(100);
  }
  assert.deepEqual([world.heard(1), world.heard(0)], [["still", "still"], ["here", "here"]]);
  assert.deepEqual([world.outputs(0, "up").length, world.outputs(0, "down").length], [ups, 1]);
  assert.ok(world.isUp);
});

test("nothing of an earlier session is heard in a later one", async () => {
  const world = await met();
  await world.say(0, "once");
  await world.run(100);
  const old = world.sent.map(({ text }) => text);
  await world.part();
  await world.meet();
  await world.run(2000);
  for (const text of old) for (const side of [0, 1]) world.deliver(side, text);
  await world.run(5000);
  assert.deepEqual([world.heard(0), world.heard(1)], [[], ["once"]]);
  assert.ok(world.isUp);
});

test("a new session takes the place of the old one without a pause", async () => {
  const world = await met();
  await world.run(2000);
  world.deliver(0, XX1);
  await world.run(500);
  for (const side of [0, 1]) {
    const told = types(world.told[side]).filter((type) => type !== "send");
    assert.deepEqual(told, ["up", "up"]);
  }
  assert.ok(world.isUp);
});

test("an answer to what was replayed holds nothing up for longer than an attempt", async () => {
  const world = await Channels.of(paired);
  await world.meet();
  await world.run(2000);
  const [{ text: old }] = world.sent;
  await world.part();
  await world.meet();
  await world.run(2000);
  world.deliver(0, old);
  world.deliver(0, UNKNOWN, { delay: 1500 });
  await world.run(1900);
  assert.deepEqual(world.begun(0), [], "something is under way");
  world.deliver(0, UNKNOWN, { delay: 200 });
  await world.run(1000);
  assert.equal(world.begun(0).length, 1);
});

test("while a handshake is under way nothing makes for another", async () => {
  const world = await met();
  await world.run(2000);
  world.medium = ({ kind, text }) => (kind === "KK 2" ? [] : [{ text, delay: LATENCY }]);
  const tampered = JSON.stringify({ sealed: { id: world.sides[0].session.id, n: 99, data: "AAAA" } });
  for (const [text, delay] of [[XX1, 0], [XX1, 1200], [UNKNOWN, 1300], [tampered, 1400]]) world.deliver(0, text, { delay });
  await world.run(1900);
  assert.equal(world.begun(0).length, 1);
  assert.equal(world.outputs(0, "down").length, 1);
  await world.run(2000);
  assert.equal(world.begun(0).length, 2);
});

test("a doubt that the far side dispels in time leads to nothing", async () => {
  const world = await met();
  await world.run(100);
  world.deliver(1, UNKNOWN);
  await world.run(100);
  await world.say(0, "all is well");
  await world.run(5000);
  assert.deepEqual([world.begun(1).length, world.heard(1)], [1, ["all is well"]]);
});

test("frames of a session that was replaced are late ones for two seconds, then a sign of disagreement", async () => {
  const world = await met();
  await world.run(2000);
  world.medium = ({ kind, text }) => (kind === "sealed" ? [] : [{ text, delay: LATENCY }]);
  for (const side of [0, 1]) await world.say(side, "held back");
  const late = world.sent.slice(-2).map(({ text }) => text);
  world.medium = ({ text }) => [{ text, delay: LATENCY }];
  world.deliver(0, XX1);
  await world.run(500);
  // The far side speaks on the new one: what it said on the old one before comes out of its turn now.
  await world.say(1, "new");
  await world.run(100);
  for (const side of [0, 1]) world.deliver(side, late[1 - side]);
  await world.run(1000);
  assert.deepEqual([world.heard(0), world.heard(1)], [["new"], []]);
  assert.deepEqual([world.begun(0).length, world.begun(1).length], [1, 1]);
  for (const side of [0, 1]) world.deliver(side, late[1 - side], { delay: 1500 });
  await world.run(2500);
  assert.deepEqual([world.heard(0), world.heard(1)], [["new"], []]);
  assert.ok(world.begun(0).length + world.begun(1).length > 2);
  assert.ok(world.isUp);
});

test("a session whose first words are not the agreed ones never stands", async () => {
  for (const trusts of [pairing, paired]) {
    const world = await Channels.of(trusts);
    const rogue = trusts === pairing ? 0 : 1;
    const seal = world.sides[rogue].sendSealed;
    world.sides[rogue].sendSealed = (session, text) =>
      seal.call(world.sides[rogue], session, text === session.greeting ? "other words" : text);
    await world.meet();
    // Time for the first words, and not for a second handshake.
    await world.run(90);
    assert.deepEqual([world.outputs(1 - rogue, "up"), world.outputs(1 - rogue, "paired")], [[], []]);
    assert.deepEqual(world.heard(1 - rogue), []);
  }
});

test("whoever speaks is here, whatever the server has told of it", async () => {
  const world = await Channels.of(paired);
  await world.tell(1, { type: "here", order: "begins" });
  await world.run(1000);
  assert.ok(world.isUp);
});

test("a session that has used up its numbers is replaced", async () => {
  const world = await met();
  await world.run(2000);
  world.sides[0].session.sender.n = 0xffffffff;
  world.sides[1].session.receiver.n = 0xffffffff;
  await world.say(0, "the last");
  await world.say(0, "lost");
  await world.run(500);
  await world.say(0, "the first");
  await world.run(100);
  assert.deepEqual(world.heard(1), ["the last", "the first"]);
});

test("what is no text is dropped, and all else comes as it was said", async () => {
  const world = await met();
  const { session } = world.sides[0];
  const data = await session.sender.seal(Uint8Array.of(0xff, 0xfe));
  world.deliver(1, sealed({ id: session.id, n: 0, data }));
  await world.say(0, "\ufeffwith a mark");
  await world.run(100);
  assert.deepEqual([world.heard(1), world.suspicions(1), world.isUp], [["\ufeffwith a mark"], [], true]);
});

test("inputs wait for those before them, however long these take", async () => {
  const world = await Channels.of(paired);
  world.medium = ({ kind, text }) => (kind === "KK 2" ? [] : [{ text, delay: LATENCY }]);
  await world.meet();
  await world.run(500);
  const [{ text }] = world.sent.filter(({ kind }) => kind === "KK 2");
  const inputs = [{ type: "frame", from: INSTANCES[0], text }, { type: "say", text: "at once" }];
  await Promise.all(inputs.map((input) => world.sides[1].handle(world.now, input)));
  await world.run(100);
  assert.deepEqual(world.heard(0), ["at once"]);
});

test("what is handed in at once is taken one after the other", async () => {
  const world = await met();
  const { now } = world;
  const jobs = Array.from({ length: 20 }, (_, i) => world.sides[0].handle(now, { type: "say", text: `${i}` }));
  await Promise.all(jobs);
  await world.run(100);
  assert.deepEqual(world.heard(1), Array.from({ length: 20 }, (_, i) => `${i}`));
});

test("frames that come faster than they can be looked at are dropped, not hoarded", async () => {
  const world = await met();
  const frame = { type: "frame", from: INSTANCES[1], text: JSON.stringify({ refused: { proof: CODE } }) };
  const jobs = Array.from({ length: 2000 }, () => world.sides[0].handle(world.now, frame));
  assert.ok(world.sides[0].backlog <= 512);
  await Promise.all(jobs);
  assert.equal(world.sides[0].backlog, 0);
});

test("what is said on the old session while a new one is made is heard, and needs no third", async () => {
  const world = await met();
  await world.run(2000);
  world.deliver(0, XX1);
  for (let i = 1; i <= 12; i++) {
    await world.say(1, `${i}`);
    await world.run(5);
  }
  await world.run(1000);
  await world.say(1, "13");
  await world.run(3000);
  assert.deepEqual(world.heard(0), Array.from({ length: 13 }, (_, i) => `${i + 1}`));
  assert.deepEqual([world.begun(0).length, world.begun(1).length, world.isUp], [1, 1, true]);
});

test("a new session whose first words are lost is made anew by the next", async () => {
  const world = await met();
  await world.run(2000);
  world.loseFirst(({ side, kind }) => side === 0 && kind === "sealed");
  world.deliver(0, XX1);
  await world.run(200);
  assert.equal(world.isUp, false);
  await world.say(0, "lost");
  await world.run(1500);
  assert.ok(world.isUp);
});

test("what comes late may be the far side's only sign that it has not moved on", async () => {
  const world = await met();
  await world.run(2000);
  // The new session's first words are lost, and the old one is broken: the far side speaks into the void, once.
  world.loseFirst(({ side, kind }) => side === 1 && kind === "sealed");
  world.loseFirst(({ side, kind }) => side === 0 && kind === "sealed");
  await world.say(0, "lost");
  await world.say(0, "so the session is broken");
  await world.run(500);
  await world.say(0, "late");
  await world.run(1000);
  assert.equal(world.isUp, false);
  await world.run(2000);
  assert.ok(world.isUp);
});

// ── anything at all ──

test("on a line that loses, repeats, reorders and changes, all that is heard was said, in its order", async () => {
  let all = 0;
  for (let seed = 1; seed <= 10; seed++) {
    const world = await Channels.of(pairing, { seed });
    world.medium = ({ text }) => {
      const copies = world.random() < 0.1 ? 0 : world.random() < 0.1 ? 2 : 1;
      const spoil = () => (world.random() < 0.05 && kindOf(text) !== "refused" ? changed(text, world.random() * 90) : text);
      return Array.from({ length: copies }, () => ({ text: spoil(), delay: 5 + world.random() * 20 }));
    };
    await world.meet();
    let said = 0;
    for (let i = 0; i < 100; i++) {
      for (const side of [0, 1]) await world.say(side, `${++said} from ${side}`);
      await world.run(100);
    }
    for (const side of [0, 1]) {
      const heard = world.heard(side);
      all += heard.length;
      assert.ok(heard.every((text) => text.endsWith(` from ${1 - side}`)), `seed ${seed}`);
      heard.slice(1).forEach((text, i) => assert.ok(parseInt(text) > parseInt(heard[i]), `seed ${seed}: ${text}`));
    }
    world.medium = ({ text }) => [{ text, delay: LATENCY }];
    await world.run(10_000);
    for (const side of [0, 1]) assert.equal(world.outputs(side, "paired").length, 1, `seed ${seed}`);
    for (const side of [0, 1]) await world.say(side, "are you there?");
    await world.run(3_000);
    assert.ok(world.isUp, `seed ${seed}: the line is good again`);
  }
  assert.ok(all > 200, `${all} of 2000 heard`);
});
