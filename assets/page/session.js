// What a finished handshake leaves: two ciphers that count, and the safety words.

import * as frame from "./frame.js";
import { isLonger } from "./json.js";
import { safetyWords } from "./safety.js";

/** What the side that finishes a handshake says first in its session, so that the other knows it has it. */
const GREETINGS = { XXpsk0: JSON.stringify({ accepted: {} }), KK: JSON.stringify({ met: {} }) };

export class Session {
  /** `id` names the handshake, `pattern` is its pattern, `far` the other side's public key (32 bytes). */
  static async of(handshake, { id, pattern }) {
    const session = new Session();
    const { send, receive } = await handshake.split();
    const words = await safetyWords(handshake.hash);
    return Object.assign(session, { id, pattern, far: handshake.farKey, words, sender: send, receiver: receive });
  }

  get greeting() {
    return GREETINGS[this.pattern];
  }

  /** Whether there is no number left for another frame. */
  get isUsedUp() {
    return this.sender.n > frame.LAST_NUMBER;
  }

  /** `text` as the next frame; null if it is too long. */
  async seal(text) {
    const { n } = this.sender;
    if (isLonger(text, frame.PLAIN_LIMIT)) return null;
    return frame.sealed({ id: this.id, n, data: await this.sender.seal(new TextEncoder().encode(text)) });
  }

  /** What a sealed frame is: `repeat`, `missing` (one before it is), `forged`, `junk` (no text), or else `text`. */
  async open({ n, data }) {
    if (n < this.receiver.n) return { repeat: true };
    if (n > this.receiver.n) return { missing: true };
    const plain = await this.receiver.open(data);
    if (plain === null) return { forged: true };
    try {
      return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(plain) };
    } catch {
      return { junk: true };
    }
  }
}
