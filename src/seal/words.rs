//! Words that two people compare to know that nobody sits between them.

use std::fmt;

use sha2::{Digest, Sha256};

const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aiou";

/// Four words that both sides of a session show alike, and that nobody in between could bring about: 64 bits.
///
/// Each is a proquint: 16 bits as five letters that can be said aloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SafetyWords([u16; 4]);

impl SafetyWords {
    /// The words of the session that this handshake made.
    pub fn from_hash(handshake: &[u8; 32]) -> Self {
        let digest = Sha256::new().chain_update(b"twocan safety").chain_update(handshake).finalize();
        Self([0, 1, 2, 3].map(|at| u16::from_be_bytes([digest[2 * at], digest[2 * at + 1]])))
    }
}

/// The four words, a space between them.
impl fmt::Display for SafetyWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0.map(proquint);
        write!(f, "{a} {b} {c} {d}")
    }
}

fn proquint(bits: u16) -> String {
    let consonant = |shift: u32| char::from(CONSONANTS[usize::from(bits >> shift & 15)]);
    let vowel = |shift: u32| char::from(VOWELS[usize::from(bits >> shift & 3)]);
    [consonant(12), vowel(10), consonant(6), vowel(4), consonant(0)].iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: "A Proposal for Proquints", 127.0.0.1 and 63.84.220.193.
    #[test]
    fn words_are_proquints() {
        let words = [0x7f00, 0x0001, 0x3f54, 0xdcc1].map(proquint);
        assert_eq!(words, ["lusab", "babad", "gutih", "tugad"]);
    }

    #[test]
    fn another_handshake_has_other_words() {
        let words = SafetyWords::from_hash(&[1; 32]);
        assert_eq!(words, SafetyWords::from_hash(&[1; 32]));
        assert_ne!(words, SafetyWords::from_hash(&[2; 32]));
        assert_eq!(words.to_string().split(' ').map(str::len).collect::<Vec<_>>(), [5; 4]);
    }
}
