// What a finished handshake leaves: two ciphers that count, and the safety words.

import * as frame from "./frame.js";
import { safetyWords } from "./safety.js";

export class Session {
  /** `id` names the handshake, `pattern` is its pattern, `far` the other side's public key (32 bytes). */
  static async of(handshake, { id, pattern }) {
    const session = new Session();
    const { send, receive } = await handshake.split();
    const words = await safetyWords(handshake.hash);
    return Object.assign(session, { id, pattern, far: handshake.farKey, words, sender: send, receiver: receive });
  }

  /** `text` as the next frame; null if it is too long, or the numbers are used up. */
  async seal(text) {
    const { n } = this.sender;
    if (n > frame.LAST_NUMBER || frame.isLonger(text, frame.PLAIN_LIMIT)) return null;
    return frame.sealed({ id: this.id, n, data: await this.sender.seal(new TextEncoder().encode(text)) });
  }

  /** What a sealed frame is: `{ repeat }`, `{ forged }`, `{ missing }` (one before it), or `{ text }`. */
  async open({ n, data }) {
    const expected = this.receiver.n;
    if (n < expected) return { repeat: true };
    // A gap counts only when the far side itself shows it: else whoever carries the frames could break the session.
    const plain = await this.receiver.open(data, undefined, n);
    if (plain === null) return { forged: true };
    return n > expected ? { missing: true } : { text: new TextDecoder().decode(plain) };
  }
}
