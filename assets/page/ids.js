// The names things go by: conversations, instances, peers, rooms, calls. What these functions return is well-formed.

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/** Letters in a conversation or instance id: 128 bits in base32 without padding. */
const ID_LETTERS = 26;
/** The longest name of a room, in bytes. */
const NAME_LIMIT = 256;

/** The id in `text`, in its one spelling; null if it is none. */
export function parseId(text) {
  if (typeof text !== "string" || text.length !== ID_LETTERS) return null;
  const id = text.toLowerCase();
  // The 26 letters hold two bits more than the id: they must be clear, so that every id has one spelling.
  return /^[a-z2-7]{25}[aeimquy4]$/.test(id) && /^[A-Za-z2-7]+$/.test(text) ? id : null;
}

/** The name of a room in `text`: one word of 1 to 256 bytes, but not `session`; null if it is none. */
export function parseRoom(text) {
  const isWord = typeof text === "string" && /^[^\s\p{Cc}]+$/u.test(text) && text !== "session";
  return isWord && new TextEncoder().encode(text).length <= NAME_LIMIT ? text : null;
}

/** The id of a call in `text`; null if it is none. */
export function parseSession(text) {
  return typeof text === "string" && /^[A-Za-z0-9]{4,64}$/.test(text) ? text : null;
}

/** A new conversation or instance id: 128 random bits. */
export function newId() {
  return spell(crypto.getRandomValues(new Uint8Array(16)));
}

/** A new id for a call: 64 random bits. */
export function newSession() {
  return spell(crypto.getRandomValues(new Uint8Array(8)));
}

/** The uid with which the instance `me` registers for `convo`. */
export function uidOf(me, convo) {
  return `${me}:${convo}`;
}

/** Whether `one` is the greater of two uids, by their bytes in UTF-8, which are in the order of their letters' numbers. */
export function isGreater(one, other) {
  const [letters, others] = [[...one], [...other]];
  const at = letters.findIndex((letter, place) => letter !== others[place]);
  return at >= 0 && (at >= others.length || letters[at].codePointAt() > others[at].codePointAt());
}

/** These bytes in lower-case base32 without padding. */
export function spell(bytes) {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += BASE32[(held >> (bits - 5)) & 31];
  }
  return bits > 0 ? text + BASE32[(held << (5 - bits)) & 31] : text;
}
