// Who is in a room and which connections are made, on virtual time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { REGISTER_LIMIT, PROBE_LIMIT } from "../../assets/page/line.js";
import { MEMBERS_KNOWN, ROOM_LIMIT, Roster } from "../../assets/page/roster.js";

const SDP = "v=0\r\na=fingerprint:sha-256 AB\r\n";
const offer = JSON.stringify({ sdp: { type: "offer", sdp: SDP } });
const answer = JSON.stringify({ sdp: { type: "answer", sdp: SDP } });
const ice = (name, index = 0) => JSON.stringify({ ice: { candidate: name, sdpMLineIndex: index } });
const numbers = (first, count) => Array.from({ length: count }, (_, at) => `${first + at}`);

/** A roster, and what it wants done, in words. */
function bench(uid = "5") {
  const told = [];
  const chance = { random: () => 0.5, number: () => "77" };
  const roster = new Roster({ uid, room: "tea", ...chance, told: (output) => told.push(output) });
  const give = (now, input) => {
    told.length = 0;
    roster.handle(now, input);
    return told.filter(({ type }) => type !== "changed").map(spell);
  };
  const line = (now, text) => give(now, { type: "line", text });
  const says = (now, from, text) => line(now, `ROOM_PEER_MSG ${from} ${text}`);
  const media = (now, id, type, fields = {}) => give(now, { type: "media", id, event: { type, ...fields } });
  const due = () => give(roster.deadline(), { type: "deadline" });
  const enter = (peers, now = 0) => {
    if (roster.line.kind !== "connecting") give(now, { type: "start" });
    give(now, { type: "opened" });
    line(now, "HELLO");
    return line(now, `ROOM_OK ${peers}`);
  };
  /** Connected to these, who were there. */
  const talk = (peers, now = 0) => {
    for (const [, id, from] of enter(peers, now).map((text) => text.split(" "))) {
      says(now, from, answer);
      media(now, Number(id), "connected");
    }
  };
  return { roster, give, line, says, media, due, enter, talk };
}

function spell({ type, id, uid, text, candidate, sdp }) {
  return [type, id, uid, text, candidate, sdp && "sdp"].filter((part) => part !== undefined).join(" ");
}

test("who comes offers to everybody who is there, and to nobody who comes later", () => {
  const { enter, line, says, roster } = bench();
  assert.deepEqual(enter("1 2"), ["offer 1 1", "offer 2 2"]);
  assert.deepEqual(line(0, "ROOM_PEER_JOINED 3"), []);
  assert.equal(roster.counts.talking, 4);
  assert.deepEqual(says(0, "3", offer), ["answer 3 3 sdp"]);
});

test("what connections tell goes to their member, as plain JSON", () => {
  const { enter, media } = bench();
  enter("1");
  const said = media(0, 1, "described", { description: "offer", sdp: SDP });
  assert.deepEqual(said, [`send ROOM_PEER_MSG 1 ${offer}`]);
  const [found] = media(0, 1, "candidate", { candidate: "c", sdpMid: "0", sdpMLineIndex: 0 });
  assert.equal(found, 'send ROOM_PEER_MSG 1 {"ice":{"candidate":"c","sdpMid":"0","sdpMLineIndex":0}}');
});

test("candidates that come before their description wait for it, in an answer and in a new offer", () => {
  const { enter, says, media } = bench();
  enter("1");
  assert.deepEqual(says(0, "1", ice("early", "1")), []);
  assert.deepEqual(says(0, "1", answer), ["acceptAnswer 1 sdp", "addCandidate 1 early"]);
  assert.deepEqual(says(0, "1", ice("late")), ["addCandidate 1 late"]);
  assert.deepEqual(says(0, "1", answer), [], "one answer is enough");
  media(0, 1, "connected");
  says(0, "1", ice("anew"));
  assert.deepEqual(says(0, "1", offer), ["answer 2 1 sdp", "addCandidate 2 anew"]);
});

test("one connection takes 64 candidates, whenever they come", () => {
  const { enter, says, line } = bench();
  enter("1");
  says(0, "1", answer);
  const taken = numbers(0, 10_000).flatMap((name) => says(0, "1", ice(name)));
  assert.equal(taken.length, 64);
  line(0, "ROOM_PEER_JOINED 2");
  for (const name of numbers(0, 10_000)) says(0, "2", ice(name));
  assert.equal(says(0, "2", offer).length, 1 + 64);
});

test("a connection that is made anew takes the place of the old one when it stands", () => {
  const { talk, says, media } = bench();
  talk("1");
  assert.deepEqual(says(0, "1", offer), ["answer 2 1 sdp"]);
  assert.deepEqual(media(0, 2, "connected"), ["close 1 1", "use 2 1"]);
});

test("of two offers at once the greater uid's stands, by its bytes", () => {
  for (const [greater, lesser] of [["5", "1"], ["9", "10"], ["ab", "a"], ["\u{1f600}", "\uff5e"]]) {
    const one = bench(greater);
    one.enter(lesser);
    assert.deepEqual(one.says(0, lesser, offer), []);
    const other = bench(lesser);
    other.enter(greater);
    assert.deepEqual(other.says(0, greater, offer), [`close 1 ${greater}`, `answer 2 ${greater} sdp`]);
  }
});

test("who left is kept for 3 s", () => {
  const { talk, line, due, roster } = bench();
  talk("1");
  line(0, "ROOM_PEER_LEFT 1");
  assert.equal(roster.counts.talking, 1);
  assert.equal(roster.deadline(), 3000);
  line(1000, "ROOM_PEER_JOINED 1");
  assert.equal(roster.deadline(), 26_000, "it came back, and the server is asked next");
  line(2000, "ROOM_PEER_LEFT 1");
  assert.deepEqual(due(), ["close 1 1"]);
});

test("connections that stand go on without the server, and for 15 s after its return without their members", () => {
  const { talk, give, line, enter, roster } = bench();
  talk("1 2");
  line(0, "ROOM_PEER_JOINED 3");
  assert.deepEqual(line(0, `ROOM_PEER_MSG 3 ${offer}`), ["answer 3 3 sdp"]);
  assert.deepEqual(give(0, { type: "closed" }), ["close 3 3"], "what has not come about will not");
  let now = 0;
  while (now < 600_000) {
    now = roster.deadline();
    for (const told of give(now, { type: "deadline" })) assert.match(told, /^(dis)?connect$/);
  }
  give(now, { type: "start" });
  assert.deepEqual(enter("1", now), ["offer 4 1"], "who is there is offered to anew");
  assert.equal(roster.members.has("3"), false);
  assert.deepEqual(give(now + 14_999, { type: "deadline" }), []);
  assert.deepEqual(give(now + 15_000, { type: "deadline" }), ["close 2 2"]);
});

test("a connection that fails is tried again by who came later, six times, each time later", () => {
  const { enter, media, due, roster } = bench();
  enter("1");
  let now = 0;
  for (let id = 1; id <= 6; id++) {
    assert.deepEqual(media(now, id, "failed"), [`close ${id} 1`]);
    const at = roster.members.get("1").retryAt;
    assert.equal(at - now, 1000 * 2 ** (id - 1));
    while (roster.members.get("1").retryAt !== null) {
      now = roster.deadline();
      const told = due();
      if (now === at) assert.deepEqual(told, [`offer ${id + 1} 1`]);
      else roster.line.hear(now, { type: "peers" });
    }
  }
  media(now, 7, "failed");
  assert.equal(roster.members.get("1").retryAt, null);
});

test("a connection that fails without the server is made anew when it is back", () => {
  const { talk, give, media, enter, roster } = bench();
  talk("1");
  give(0, { type: "closed" });
  assert.deepEqual(media(0, 1, "failed"), ["close 1 1"]);
  assert.deepEqual(give(roster.deadline(), { type: "deadline" }), ["connect"]);
  assert.deepEqual(enter("1", 5000), ["offer 2 1"]);
});

test("who makes a new offer is answered as long as connections come of it", () => {
  const { talk, says, media } = bench();
  talk("1");
  for (let id = 2; id <= 100; id++) {
    assert.deepEqual(says(0, "1", offer), [`answer ${id} 1 sdp`]);
    media(0, id, "connected");
  }
});

test("a storm of offers makes sixteen connections, one at a time", () => {
  const { talk, says } = bench();
  talk("1");
  const told = numbers(0, 10_000).flatMap(() => says(0, "1", offer));
  const made = told.filter((text) => text.startsWith("answer")).length;
  assert.deepEqual([made, told.length - made], [16, 15]);
});

test("the ninth waits in the room, answers nobody, and comes in when one leaves", () => {
  const { enter, says, line, roster } = bench("99");
  assert.deepEqual(enter(numbers(10, ROOM_LIMIT).join(" ")), []);
  assert.deepEqual([roster.isFull, roster.line.kind], [true, "joined"]);
  assert.deepEqual(roster.counts, { talking: 8, waiting: 1 });
  assert.deepEqual(says(0, "10", offer), []);
  line(0, "ROOM_PEER_JOINED 200");
  assert.deepEqual(roster.counts, { talking: 8, waiting: 2 });
  assert.deepEqual(line(0, "ROOM_PEER_LEFT 12").length, 7);
  assert.deepEqual([roster.isFull, roster.counts.talking], [false, 8]);
});

test("a ninth is not answered, stock or not, and takes a place when there is one", () => {
  const { talk, line, says, roster } = bench();
  talk(numbers(10, 7).join(" "));
  for (const uid of numbers(100, 50)) {
    assert.deepEqual(line(0, `ROOM_PEER_JOINED ${uid}`), []);
    assert.deepEqual(says(0, uid, offer), [], uid);
  }
  assert.deepEqual(roster.counts, { talking: 8, waiting: 50 });
  line(0, "ROOM_PEER_LEFT 10");
  assert.equal(says(0, "120", offer).length, 1);
  assert.equal(says(0, "121", offer).length, 0);
});

test("a server that names thousands is not believed", () => {
  const { enter, line, says, roster } = bench();
  assert.deepEqual(enter(numbers(1000, 5000).join(" ")), []);
  for (const uid of numbers(10_000, 5000)) line(0, `ROOM_PEER_JOINED ${uid}`);
  assert.equal(roster.members.size, MEMBERS_KNOWN);
  assert.deepEqual(says(0, "14000", offer), [], "who is not there says nothing");
});

test("this side is no member of its own room", () => {
  const { enter, line, says, roster } = bench("5");
  assert.deepEqual(enter("5"), []);
  line(0, "ROOM_PEER_JOINED 5");
  assert.deepEqual(says(0, "5", offer), []);
  assert.equal(roster.members.size, 0);
});

test("a server that says nothing is given up after 6 s, in every state", () => {
  for (const steps of [[], [{ type: "opened" }], [{ type: "opened" }, { type: "line", text: "HELLO" }]]) {
    const { give, due, roster } = bench();
    give(0, { type: "start" });
    for (const step of steps) give(0, step);
    assert.equal(roster.deadline(), REGISTER_LIMIT);
    assert.deepEqual(due(), ["disconnect"]);
    assert.equal(roster.line.kind, "offline");
    assert.deepEqual(due(), ["connect"]);
  }
});

test("a server that falls silent is asked whether it lives, and given up if it does not", () => {
  const { talk, line, due, roster } = bench();
  talk("1");
  assert.deepEqual(due(), ["send ROOM_PEER_LIST"]);
  line(25_100, "ROOM_PEER_LIST 1");
  assert.equal(roster.deadline(), 50_100);
  assert.deepEqual(due(), ["send ROOM_PEER_LIST"]);
  assert.equal(roster.deadline(), 50_100 + PROBE_LIMIT);
  assert.deepEqual(due(), ["disconnect"]);
  assert.equal(roster.counts.talking, 2);
});

test("on another network the line and every connection are made anew, and the old ones kept until then", () => {
  const { talk, give, enter, media } = bench();
  talk("1");
  assert.deepEqual(give(100, { type: "networkChanged" }), ["disconnect", "connect"]);
  assert.deepEqual(enter("1", 100), ["offer 2 1"]);
  assert.deepEqual(media(200, 2, "connected"), ["close 1 1", "use 2 1"]);
});

test("a server that says when it is back is left in peace until then", () => {
  const { talk, give, roster } = bench();
  talk("1");
  give(0, { type: "closed", reason: "back in 5 s" });
  assert.equal(roster.deadline(), 6250);
});

test("a uid that is taken is drawn anew, and what else the server says is shown while it is asked again", () => {
  const { give, line, due, roster } = bench();
  give(0, { type: "start" });
  give(0, { type: "opened" });
  assert.deepEqual(line(0, "ERROR peer uid taken"), ["disconnect"]);
  assert.deepEqual(due(), ["connect"]);
  assert.deepEqual(give(500, { type: "opened" }), ["send HELLO 77"]);
  line(500, "HELLO");
  assert.deepEqual(line(500, `ERROR room tea\u001b[2J is full${"!".repeat(1000)}`), ["disconnect"]);
  assert.match(roster.complaint, /^room tea \[2J is full!+$/);
  assert.equal(roster.complaint.length, 200);
  assert.deepEqual(due(), ["connect"]);
});

test("who is taken over by another tab stays away, paused", () => {
  const { talk, give, roster } = bench();
  talk("1");
  assert.deepEqual(give(0, { type: "closed", reason: "taken over" }), ["disconnect", "stopped", "close 1 1"]);
  for (const type of ["start", "networkChanged", "deadline"]) assert.deepEqual(give(100_000, { type }), []);
  assert.equal(roster.deadline(), Infinity);
});

test("what nobody understands changes nothing", () => {
  const { enter, line, roster } = bench();
  enter("1");
  const said = ["", "x", "ROOM_PEER_MSG", "ROOM_PEER_MSG 1 {", 'ROOM_PEER_MSG 1 {"a":1}', "ERROR no", "HELLO", "ROOM_OK 9"];
  for (const text of said) {
    assert.deepEqual(line(0, text), [], text);
  }
  assert.equal(roster.counts.talking, 2);
});
