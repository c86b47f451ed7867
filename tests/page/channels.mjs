// Two channels and whatever lies between them, on virtual time: a medium that loses, repeats, reorders and changes.

import "./webcrypto.mjs";
import { keyPairOf, seeded } from "./keypairs.mjs";
import { toBase64url } from "../../assets/page/base64url.js";
import { spell } from "../../assets/page/ids.js";
import { publicBytes } from "../../assets/page/noise.js";
import { spent } from "../../assets/page/pairing.js";
import { Channel } from "../../assets/page/seal.js";

export const CONVO = "aebagbafaydqqcikbmga2dqpca";
/** The two sides' instances; the second is the greater. */
export const INSTANCES = ["a".repeat(26), "e".repeat(26)];
export const STRANGER = "i".repeat(26);
export const CODE = "BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU";
export const OTHER_CODE = "AwoRGB8mLTQ7QklQV15lbHN6gYiPlp2kq7K5wMfO1dw";
export const LATENCY = 20;

/** What a frame is, in a word: `XXpsk0 1`, `KK 2`, `sealed`, `refused`. */
export function kindOf(text) {
  const said = JSON.parse(text);
  return said.noise ? `${said.noise.pattern} ${said.noise.step}` : Object.keys(said)[0];
}

export class Channels {
  /** `trusts` are the two sides' trusts; see `paired`, `pairing`. */
  /** `kinds`: what runs on each side, the page's `Channel` or what speaks like it (`twin.mjs`). */
  static async of(trusts, { seed = 1, convos = [CONVO, CONVO], kinds = [Channel, Channel] } = {}) {
    const world = new Channels();
    world.kinds = kinds;
    world.random = seeded(seed);
    world.now = 0;
    world.order = 0;
    world.wire = [];
    world.told = [[], []];
    /** Every frame that was sent: `{ at, side, text, kind }`. */
    world.sent = [];
    /** The safety words of the session that each side has. */
    world.words = [null, null];
    /** What the medium does with a frame: the list of `{ text, delay }` that arrives instead of it. */
    world.medium = ({ text }) => [{ text, delay: LATENCY }];
    world.secrets = [world.bytes(32), world.bytes(32)];
    world.keys = await Promise.all(world.secrets.map(keyPairOf));
    world.publics = await Promise.all(world.keys.map(async (keys) => toBase64url(await publicBytes(keys))));
    world.convos = convos;
    world.sides = [null, null];
    for (const side of [0, 1]) world.start(side, trusts(world)[side]);
    return world;
  }

  bytes(count) {
    return Uint8Array.from({ length: count }, () => Math.floor(this.random() * 256));
  }

  /** Begins, or begins anew, what runs on `side`, with nothing but what it remembers. */
  start(side, trust) {
    const told = (output) => this.perform(side, channel, output);
    this.sides[side]?.close?.();
    this.words[side] = null;
    const channel = new this.kinds[side]({
      me: INSTANCES[side],
      convo: this.convos[side],
      keys: this.keys[side],
      secret: toBase64url(this.secrets[side]),
      trust,
      told,
      random: this.random,
      session: () => spell(this.bytes(8)),
      makeEphemeral: () => keyPairOf(this.bytes(32)),
    });
    this.sides[side] = channel;
  }

  perform(side, channel, output) {
    if (channel !== this.sides[side]) return;
    this.told[side].push({ at: this.now, ...output });
    if (output.type === "up") this.words[side] = output.words;
    if (output.type === "down") this.words[side] = null;
    if (output.type !== "send") return;
    const kind = kindOf(output.text);
    const frame = { at: this.now, side, to: output.to, text: output.text, kind };
    this.sent.push(frame);
    if (output.to !== INSTANCES[1 - side]) return;
    for (const { text, delay } of this.medium(frame)) this.deliver(1 - side, text, { delay });
  }

  /** Brings `text` to `side` in the name of the other, or of `from`. */
  deliver(side, text, { delay = 0, from = INSTANCES[1 - side] } = {}) {
    this.wire.push({ at: this.now + delay, order: ++this.order, side, input: { type: "frame", from, text } });
  }

  async tell(side, input) {
    await this.sides[side].handle(this.now, input);
  }

  /** The two see each other; `first` was in the room before. */
  async meet(first = 0) {
    await this.tell(first, { type: "here", order: "waits" });
    await this.tell(1 - first, { type: "here", order: "begins" });
  }

  async part() {
    this.wire = [];
    for (const side of [0, 1]) await this.tell(side, { type: "away" });
  }

  say(side, text) {
    return this.tell(side, { type: "say", text });
  }

  outputs(side, type) {
    return this.told[side].filter((output) => output.type === type);
  }

  heard(side) {
    return this.outputs(side, "heard").map(({ text }) => text);
  }

  suspicions(side) {
    return this.outputs(side, "suspicious").map(({ why }) => why);
  }

  /** When `side` began a handshake. */
  begun(side) {
    return this.sent.filter((frame) => frame.side === side && frame.kind.endsWith(" 1")).map(({ at }) => at);
  }

  get isUp() {
    return this.words[0] !== null && this.words[0] === this.words[1];
  }

  async run(span) {
    const end = this.now + span;
    for (;;) {
      this.wire.sort((a, b) => a.at - b.at || a.order - b.order);
      const arrival = this.wire[0]?.at ?? Infinity;
      const next = Math.min(arrival, ...this.sides.map((side) => side.deadline()));
      if (next > end) break;
      this.now = Math.max(this.now, next);
      if (arrival <= this.now) {
        const { side, input } = this.wire.shift();
        await this.tell(side, input);
      } else {
        for (const side of [0, 1]) await this.tell(side, { type: "deadline" });
      }
    }
    this.now = end;
  }

  close() {
    for (const side of this.sides) side.close?.();
  }

  /** Loses the first frame that `which` tells. */
  loseFirst(which) {
    let lost = false;
    const before = this.medium;
    this.medium = (frame) => {
      if (lost || !which(frame)) return before(frame);
      lost = true;
      return [];
    };
  }
}

const owner = { kind: "owner", code: CODE };
const reader = { kind: "reader", far: INSTANCES[0], code: CODE, key: null };

/** The first side shows a code, the second has read it. */
export const pairing = () => [owner, reader];

/** Paired long ago; the first side had shown the code. */
export const paired = ({ publics, spent = null }) => [
  { kind: "paired", far: INSTANCES[1], key: publics[1], spent },
  { kind: "paired", far: INSTANCES[0], key: publics[0], spent: null },
];

/** Two that are paired and have met. */
export async function met(options) {
  const world = await Channels.of(paired, options);
  await world.meet();
  await world.run(500);
  if (!world.isUp) throw new Error("they did not meet");
  return world;
}

export const SPENT = await spent(CODE);
