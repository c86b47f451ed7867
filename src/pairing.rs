//! The key in a code, and the proof that a side holds it.
//!
//! The key travels in the fragment of a link, which browsers keep to themselves, and on a QR code: never through the
//! server. Both sides prove that they hold it without saying it, bound to the conversation and to who speaks to whom.

use std::{fmt, str::FromStr};

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::ids::{ConversationId, InstanceId};

/// The secret of one code: 256 random bits, good for one pairing.
#[derive(Clone, PartialEq, Eq)]
pub struct PairingKey(Zeroizing<[u8; 32]>);

/// Why a text is no pairing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a pairing key is 43 characters of base64url")]
pub struct NotAKey;

/// Which of the two messages of a pairing a proof belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// From the side that read the code.
    Accept,
    /// From the side that showed it.
    Accepted,
}

/// What a proof is bound to, besides the key.
#[derive(Debug, Clone, Copy)]
pub struct Bond<'a> {
    /// Which message carries it.
    pub step: Step,
    /// The conversation that is being paired.
    pub conversation: &'a ConversationId,
    /// The side that proves.
    pub from: &'a InstanceId,
    /// The side it proves to.
    pub to: &'a InstanceId,
}

impl PairingKey {
    /// The key made of these 32 random bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key as it stands in a link: 43 characters of base64url. It is a secret: keep it out of logs and arguments.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64URL_NOPAD.encode(self.0.as_slice()))
    }

    /// The proof that its sender holds this key: 43 characters of base64url.
    pub fn prove(&self, bond: Bond<'_>) -> String {
        BASE64URL_NOPAD.encode(&self.mac(bond).finalize().into_bytes())
    }

    /// Whether `proof` was made with this key for this bond; takes the same time whatever it holds.
    pub fn verify(&self, bond: Bond<'_>, proof: &str) -> bool {
        match BASE64URL_NOPAD.decode(proof.as_bytes()) {
            Ok(bytes) => self.mac(bond).verify_slice(&bytes).is_ok(),
            Err(_) => false,
        }
    }

    fn mac(&self, Bond { step, conversation, from, to }: Bond<'_>) -> Hmac<Sha256> {
        let label = match step {
            Step::Accept => "accept",
            Step::Accepted => "accepted",
        };
        // HMAC fills a short key with zeros up to the hash's block; done here, a key of the wrong length cannot arise.
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(self.0.as_slice());
        let mut mac = Hmac::<Sha256>::new(&(*block).into());
        mac.update(format!("twocan 1 {label}\n{conversation}\n{from}\n{to}\n").as_bytes());
        mac
    }
}

impl FromStr for PairingKey {
    type Err = NotAKey;
    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| NotAKey)?);
        bytes.as_slice().try_into().map(Self::from_bytes).map_err(|_| NotAKey)
    }
}

impl fmt::Debug for PairingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bond<'a>(c: &'a ConversationId, from: &'a InstanceId, to: &'a InstanceId, step: Step) -> Bond<'a> {
        Bond { step, conversation: c, from, to }
    }

    #[test]
    fn a_proof_convinces_only_for_its_own_bond_and_key() {
        let (c, a, b) = (ConversationId::from_bits(1), InstanceId::from_bits(2), InstanceId::from_bits(3));
        let other = ConversationId::from_bits(9);
        let key = PairingKey::from_bytes([7; 32]);
        let proof = key.prove(bond(&c, &a, &b, Step::Accept));
        assert!(key.verify(bond(&c, &a, &b, Step::Accept), &proof));
        assert!(!key.verify(bond(&c, &a, &b, Step::Accepted), &proof));
        assert!(!key.verify(bond(&c, &b, &a, Step::Accept), &proof));
        assert!(!key.verify(bond(&other, &a, &b, Step::Accept), &proof));
        assert!(!PairingKey::from_bytes([8; 32]).verify(bond(&c, &a, &b, Step::Accept), &proof));
        assert!(!key.verify(bond(&c, &a, &b, Step::Accept), ""));
    }

    #[test]
    fn a_key_survives_the_round_trip_and_never_shows_in_debug() {
        let key = PairingKey::from_bytes([251; 32]);
        let text = key.reveal();
        assert_eq!(text.len(), 43);
        assert_eq!(text.parse(), Ok(key.clone()));
        assert!(!format!("{key:?}").contains(text.as_str()));
        for broken in ["", "abc", &text[1..], "+".repeat(43).as_str()] {
            assert_eq!(broken.parse::<PairingKey>(), Err(NotAKey));
        }
    }
}
