// Safety words: the same four on both sides, unless somebody sits in between.

const CONSONANTS = "bdfghjklmnprstvz";
const VOWELS = "aiou";
const WORDS = 4;

/** The four words, each of 16 bits, for the handshake with this `hash`: with a blank between them. */
export async function safetyWords(hash) {
  const label = new TextEncoder().encode("twocan safety");
  const bytes = new Uint8Array(label.length + hash.length);
  bytes.set(label);
  bytes.set(hash, label.length);
  const digest = new DataView(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from({ length: WORDS }, (_, i) => proquint(digest.getUint16(2 * i))).join(" ");
}

/** 16 bits as a word that can be said: consonant, vowel, consonant, vowel, consonant. */
function proquint(bits) {
  const consonant = (shift) => CONSONANTS[(bits >> shift) & 15];
  const vowel = (shift) => VOWELS[(bits >> shift) & 3];
  return consonant(12) + vowel(10) + consonant(6) + vowel(4) + consonant(0);
}
