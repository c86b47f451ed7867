// One call of a script of `tests/vectors/call.json`: its words, and what they stand for.

import { Call } from "../../assets/page/call.js";
import { parseSignal } from "../../assets/page/negotiation.js";

const sdpOf = (name) => `v=0\r\na=fingerprint:${name}\r\n`;
const candidateOf = (name) => ({ candidate: `candidate:${name}`, sdpMid: "0", sdpMLineIndex: 0 });
const propsOf = (name) => ({ n: name });

function connectionOf(name) {
  const [sessid, generation] = name.split("/");
  return { sessid, generation: Number(generation ?? 0) };
}

/** The first word, and the rest. */
function cut(words) {
  const at = words.indexOf(" ");
  return at < 0 ? [words, ""] : [words.slice(0, at), words.slice(at + 1)];
}

/** What `words` stand for, as it goes over the wire. */
export function spell(words) {
  const [kind, name, ...more] = words.split(" ");
  if (kind === "ping" || kind === "pong") return { [kind]: {} };
  const { sessid, generation } = connectionOf(name);
  const numbered = generation > 0 ? { generation } : {};
  if (kind === "ice") return { ice: { ...candidateOf(more[0]), sessid, ...numbered } };
  const said = { version: "3.0", type: kind.slice(0, -1), sessid, resp: kind.endsWith("!"), ...numbered };
  for (const word of more) {
    if (word.startsWith("props")) said.props = propsOf(word.slice("props".length));
    else said.sdp = sdpOf(word);
  }
  return said;
}

/** The words for what goes over the wire. */
export function read(said) {
  if (said.ice) return `ice ${said.ice.sessid}/${said.ice.generation ?? 0} ${said.ice.candidate.split(":")[1]}`;
  if (!said.type) return Object.keys(said)[0];
  const words = [said.type + (said.resp ? "!" : "?"), said.sessid];
  if (said.generation !== undefined) words[1] += `/${said.generation}`;
  if (said.sdp !== undefined) words.push(nameOf(said.sdp));
  if (said.props) words.push(`props${said.props.n}`);
  return words.join(" ");
}

const nameOf = (text) => text.trimEnd().split(":")[1];

const EVENTS = {
  offers: (name) => ({ type: "described", description: "offer", sdp: sdpOf(name) }),
  answers: (name) => ({ type: "described", description: "answer", sdp: sdpOf(name) }),
  found: (name) => ({ type: "candidate", ...candidateOf(name) }),
  open: () => ({ type: "dataOpen" }),
  hears: (words) => ({ type: "dataText", text: words === "nonsense" ? words : JSON.stringify(spell(words)) }),
  doubtful: () => ({ type: "disconnected" }),
  closed: () => ({ type: "closed" }),
  failed: (why) => ({ type: "failed", why }),
};

function inputOf(words) {
  const [first, rest] = cut(words);
  if (first === "begin") return { type: "begin", sessid: rest };
  if (first === "far") return { type: "far", said: parseSignal(JSON.stringify(spell(rest))) };
  if (rest === "") return { type: first };
  const [event, fields] = cut(rest);
  return { type: "media", connection: connectionOf(first), event: EVENTS[event](fields) };
}

/** What sort of input `words` are: all but the names in it. */
export function kindOf(words) {
  const [first, second, third] = words.split(" ");
  if (first === "far") return `far ${second}`;
  if (first.includes("/")) return second === "hears" ? `hears ${third}` : second.replace(/^(offers|answers)$/, "describes");
  return first.replace(/^props.*/, "props");
}

const COMMANDS = {
  offer: () => "offer",
  answer: ({ sdp }) => `answer ${nameOf(sdp)}`,
  takeAnswer: ({ sdp }) => `takeAnswer ${nameOf(sdp)}`,
  addCandidate: ({ candidate }) => `add ${nameOf(candidate)}`,
  sendData: ({ text }) => `send ${strictly(JSON.parse(text))}`,
  close: () => "close",
};

function wordsOf(output) {
  switch (output.type) {
    case "signal":
      return `say ${strictly(output.signal)}`;
    case "media":
      return `${output.connection.sessid}/${output.connection.generation} ${COMMANDS[output.command](output)}`;
    case "phase": {
      const why = output.why === undefined ? "" : ` ${output.why}`;
      return output.ending === null ? output.phase : `${output.phase}: ${output.ending}${why}`;
    }
    case "farProps":
      return `farProps${output.props.n}`;
  }
}

/** The words for `said`, if they say all of it. */
function strictly(said) {
  const words = read(said);
  const sorted = (value) => JSON.stringify(value, (_, inner) =>
    inner?.constructor === Object ? Object.fromEntries(Object.entries(inner).sort()) : inner);
  if (sorted(spell(words)) !== sorted(said)) throw new Error(`more than ${words}: ${JSON.stringify(said)}`);
  return words;
}

export class Stage {
  constructor(precedence) {
    this.call = new Call(precedence === "ours");
  }

  /** What the call does on `input`, as a step of a script. */
  step(at, input) {
    const { call } = this;
    if (input.startsWith("props")) call.setProps(propsOf(input.slice("props".length)));
    else call.handle(at, inputOf(input));
    const outputs = [];
    for (let output = call.poll(); output; output = call.poll()) outputs.push(wordsOf(output));
    const deadline = call.deadline();
    return { at, input, outputs, deadline: deadline === Infinity ? null : deadline, phase: call.phase };
  }
}
