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

/// What is left of a code when its key is erased: enough to prove that it is used, not enough to use it.
///
/// Who has it can refuse others in its owner's name, so it is kept like a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SpentCode(Zeroizing<[u8; 32]>);

/// Why a text is not what is left of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a spent code is 43 characters of base64url")]
pub struct NotASpentCode;

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

    /// What may be kept of the code once its key is erased.
    pub fn spent(&self) -> SpentCode {
        let mut mac = keyed(&self.0);
        mac.update(b"twocan 1 spent");
        SpentCode(Zeroizing::new(mac.finalize().into_bytes().into()))
    }

    /// Whether `proof` is the word of the code's owner to the side `to` that the code is used; takes the same time
    /// whatever it holds.
    pub fn is_refusal(&self, conversation: &ConversationId, to: &InstanceId, proof: &str) -> bool {
        match BASE64URL_NOPAD.decode(proof.as_bytes()) {
            Ok(bytes) => self.spent().mac(conversation, to).verify_slice(&bytes).is_ok(),
            Err(_) => false,
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn mac(&self, Bond { step, conversation, from, to }: Bond<'_>) -> Hmac<Sha256> {
        let label = match step {
            Step::Accept => "accept",
            Step::Accepted => "accepted",
        };
        let mut mac = keyed(&self.0);
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

impl SpentCode {
    /// It as it is kept: 43 characters of base64url.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64URL_NOPAD.encode(self.0.as_slice()))
    }

    /// The proof to the side `to` that the code is used: 43 characters of base64url.
    pub fn refusal(&self, conversation: &ConversationId, to: &InstanceId) -> String {
        BASE64URL_NOPAD.encode(&self.mac(conversation, to).finalize().into_bytes())
    }

    fn mac(&self, conversation: &ConversationId, to: &InstanceId) -> Hmac<Sha256> {
        let mut mac = keyed(&self.0);
        mac.update(format!("twocan 1 refused\n{conversation}\n{to}\n").as_bytes());
        mac
    }
}

impl FromStr for SpentCode {
    type Err = NotASpentCode;
    fn from_str(text: &str) -> Result<Self, NotASpentCode> {
        let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| NotASpentCode)?);
        bytes.as_slice().try_into().map(|bytes| Self(Zeroizing::new(bytes))).map_err(|_| NotASpentCode)
    }
}

impl fmt::Debug for SpentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpentCode(…)")
    }
}

/// HMAC fills a short key with zeros up to the hash's block; done here, a key of the wrong length cannot arise.
fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(key);
    Hmac::<Sha256>::new(&(*block).into())
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

    #[test]
    fn what_is_left_of_a_code_refuses_one_side_of_one_conversation() {
        let (c, a, b) = (ConversationId::from_bits(1), InstanceId::from_bits(2), InstanceId::from_bits(3));
        let key = PairingKey::from_bytes([7; 32]);
        let spent = key.spent();
        let proof = spent.refusal(&c, &a);
        assert!(key.is_refusal(&c, &a, &proof));
        assert!(!key.is_refusal(&c, &b, &proof));
        assert!(!key.is_refusal(&ConversationId::from_bits(9), &a, &proof));
        assert!(!PairingKey::from_bytes([8; 32]).is_refusal(&c, &a, &proof));
        assert!(!key.is_refusal(&c, &a, &spent.reveal()));
        assert!(!key.is_refusal(&c, &a, ""));
    }

    #[test]
    fn what_is_left_of_a_code_survives_the_round_trip_and_never_shows_in_debug() {
        let spent = PairingKey::from_bytes([7; 32]).spent();
        let text = spent.reveal();
        assert_eq!(text.len(), 43);
        assert_eq!(text.parse(), Ok(spent.clone()));
        assert!(!format!("{spent:?}").contains(text.as_str()));
        assert_eq!(text[1..].parse::<SpentCode>(), Err(NotASpentCode));
    }
}
