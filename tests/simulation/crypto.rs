//! Cryptography for the many schedules: fast, the same every time, and worth nothing to anybody else.
//!
//! AES-GCM and SHA-256 are the real ones, so that what is meddled with does not verify. X25519 is replaced by
//! multiplication modulo 2^64, which commutes as well and takes a nanosecond, and chance by a seeded generator.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
};

use snow::{
    Error,
    params::{CipherChoice, DHChoice, HashChoice},
    resolvers::{BoxedCryptoResolver, CryptoResolver, DefaultResolver},
    types::{Cipher, Dh, Hash, Random},
};
use twocan::seal::PublicKey;

use crate::trace;

thread_local! {
    static SEED: Cell<u64> = const { Cell::new(0) };
}

/// Which cryptography a schedule runs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Toy,
    Real,
}

/// From here on the toy's random bits follow from this seed, in this thread.
pub fn seed(seed: u64) {
    SEED.set(seed);
}

pub fn toy() -> BoxedCryptoResolver {
    Box::new(Toy)
}

/// The toy's public half of a secret key.
pub fn public(secret: [u8; 32]) -> PublicKey {
    PublicKey::from_bytes(spread(scalar(&secret).wrapping_mul(GENERATOR)))
}

struct Toy;
struct ToyRandom;
struct ToyDh {
    secret: [u8; 32],
    public: [u8; 32],
}
/// The real cipher, which tells a trace what is sealed, and sees that texts are opened once each and in order.
struct Watched {
    cipher: Box<dyn Cipher>,
    next: AtomicU64,
}

const GENERATOR: u64 = 0x9e37_79b9_7f4a_7c15;

fn scalar(secret: &[u8]) -> u64 {
    let words = secret.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight bytes")));
    words.fold(1, |sum: u64, word| sum.wrapping_mul(31).wrapping_add(word)) | 1
}

fn spread(point: u64) -> [u8; 32] {
    let mut bytes = [0x5a; 32];
    bytes[..8].copy_from_slice(&point.to_le_bytes());
    bytes
}

impl CryptoResolver for Toy {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(ToyRandom))
    }

    fn resolve_dh(&self, _: &DHChoice) -> Option<Box<dyn Dh>> {
        Some(Box::new(ToyDh { secret: [0; 32], public: [0; 32] }))
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        let cipher = DefaultResolver.resolve_cipher(choice)?;
        Some(Box::new(Watched { cipher, next: AtomicU64::new(0) }))
    }
}

impl Random for ToyRandom {
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        let mut random = fastrand::Rng::with_seed(SEED.get());
        random.fill(bytes);
        SEED.set(random.u64(..));
        Ok(())
    }
}

impl Dh for ToyDh {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, secret: &[u8]) {
        self.secret.copy_from_slice(secret);
        self.public = spread(scalar(secret).wrapping_mul(GENERATOR));
    }

    fn generate(&mut self, random: &mut dyn Random) -> Result<(), Error> {
        let mut secret = [0; 32];
        random.try_fill_bytes(&mut secret)?;
        self.set(&secret);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        &self.secret
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let point = u64::from_le_bytes(public[..8].try_into().map_err(|_| Error::Dh)?);
        out[..32].copy_from_slice(&spread(scalar(&self.secret).wrapping_mul(point)));
        Ok(())
    }
}

impl Cipher for Watched {
    fn name(&self) -> &'static str {
        self.cipher.name()
    }

    fn set(&mut self, key: &[u8; 32]) {
        self.cipher.set(key);
        self.next = AtomicU64::new(0);
    }

    fn encrypt(&self, nonce: u64, authtext: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        if authtext.is_empty() && !plaintext.is_empty() {
            trace::note(|| format!("           seals {nonce}: {}", String::from_utf8_lossy(plaintext)));
        }
        self.cipher.encrypt(nonce, authtext, plaintext, out)
    }

    fn decrypt(&self, nonce: u64, authtext: &[u8], ciphertext: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        let opened = self.cipher.decrypt(nonce, authtext, ciphertext, out);
        // A handshake's messages are bound to what came before; texts are not.
        if opened.is_ok() && authtext.is_empty() {
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            assert_eq!(nonce, next, "a text is opened out of its turn");
        }
        if opened.is_err() {
            trace::note(|| format!("           does not verify: {nonce}"));
        }
        opened
    }
}
