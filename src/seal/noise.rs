//! Noise as twocan uses it: two patterns, one suite, on `snow`.

use snow::{
    Builder, HandshakeState, TransportState,
    resolvers::{BoxedCryptoResolver, DefaultResolver},
};
use thiserror::Error;

use super::{PublicKey, SafetyWords, SecretKey};
use crate::pairing::PairingKey;

/// Where the cryptography comes from.
pub type Resolver = fn() -> BoxedCryptoResolver;

/// The real cryptography: pure Rust, random bits from the system.
pub fn resolver() -> BoxedCryptoResolver {
    Box::new(DefaultResolver)
}

/// The longest message of Noise.
const MESSAGE_LIMIT: usize = 65_535;
const TAG: usize = 16;
const XXPSK0: &str = "Noise_XXpsk0_25519_AESGCM_SHA256";
const KK: &str = "Noise_KK_25519_AESGCM_SHA256";

/// Why a handshake or a session cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoiseError {
    /// The far side's message is not what its keys would have made.
    #[error("does not verify")]
    Forged,
    /// We asked for what cannot be: out of turn, too long, or without cryptography.
    #[error("out of turn")]
    Misused,
}

/// Which end of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Speaks first.
    Initiator,
    /// Answers.
    Responder,
}

/// By what a handshake is proved; names its pattern.
#[derive(Debug, Clone, Copy)]
pub enum Terms<'a> {
    /// `XXpsk0`: the key of a code.
    Code(&'a PairingKey),
    /// `KK`: the far side's static key.
    Key(&'a PublicKey),
}

/// A handshake under way.
#[derive(Debug)]
pub struct Handshake(HandshakeState);

/// What a handshake made: two directions, each with its own key and count.
#[derive(Debug)]
pub struct Session {
    transport: TransportState,
    hash: [u8; 32],
    far: PublicKey,
}

impl Handshake {
    /// A handshake on these terms that has not begun; both sides must give the same prologue.
    pub fn new(
        resolver: Resolver,
        role: Role,
        terms: Terms<'_>,
        secret: &SecretKey,
        prologue: &[u8],
    ) -> Result<Self, NoiseError> {
        let name = match terms {
            Terms::Code(_) => XXPSK0,
            Terms::Key(_) => KK,
        };
        let build = || {
            let builder = Builder::with_resolver(name.parse()?, resolver())
                .local_private_key(secret.as_bytes())?
                .prologue(prologue)?;
            let builder = match terms {
                Terms::Code(code) => builder.psk(0, code.as_bytes())?,
                Terms::Key(key) => builder.remote_public_key(key.as_bytes())?,
            };
            match role {
                Role::Initiator => builder.build_initiator(),
                Role::Responder => builder.build_responder(),
            }
        };
        build().map(Self).map_err(|_: snow::Error| NoiseError::Misused)
    }

    /// The next message, with `payload` in it.
    pub fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let mut message = vec![0; MESSAGE_LIMIT];
        let length = self.0.write_message(payload, &mut message).map_err(|_| NoiseError::Misused)?;
        message.truncate(length);
        Ok(message)
    }

    /// What is in the far side's next message.
    ///
    /// A message that does not verify can be followed by the true one, but for the last of `XXpsk0`: then the handshake
    /// is of no more use.
    pub fn read(&mut self, message: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let mut payload = vec![0; message.len()];
        let length = self.0.read_message(message, &mut payload).map_err(|_| NoiseError::Forged)?;
        payload.truncate(length);
        Ok(payload)
    }

    /// The session, once the last message is written or read.
    pub fn finish(self) -> Result<Session, NoiseError> {
        let hash = self.0.get_handshake_hash().try_into().map_err(|_| NoiseError::Misused)?;
        let far = self.0.get_remote_static().and_then(|key| key.try_into().ok()).ok_or(NoiseError::Misused)?;
        let transport = self.0.into_transport_mode().map_err(|_| NoiseError::Misused)?;
        Ok(Session { transport, hash, far: PublicKey::from_bytes(far) })
    }
}

impl Session {
    /// The far side's static key.
    pub fn far(&self) -> PublicKey {
        self.far
    }

    /// What both sides agree on if nobody sits between them.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The words that two people compare.
    pub fn words(&self) -> SafetyWords {
        SafetyWords::from_hash(&self.hash)
    }

    /// The number of the next text that this side seals.
    pub fn sends(&self) -> u64 {
        self.transport.sending_nonce()
    }

    /// The number of the next text that the far side is to have sealed.
    pub fn expects(&self) -> u64 {
        self.transport.receiving_nonce()
    }

    /// Seals the next text.
    pub fn seal(&mut self, text: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let mut message = vec![0; text.len() + TAG];
        self.transport.write_message(text, &mut message).map_err(|_| NoiseError::Misused)?;
        Ok(message)
    }

    /// Opens the next text; one that does not verify changes nothing.
    pub fn open(&mut self, message: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let mut text = vec![0; message.len()];
        let length = self.transport.read_message(message, &mut text).map_err(|_| NoiseError::Forged)?;
        text.truncate(length);
        Ok(text)
    }
}
