//! Cryptography for sequences of handshakes: the real hash and cipher, a group that is quick to reckon in, and chance
//! that is the same in every run.

use std::cell::Cell;

use snow::{
    Error,
    params::{CipherChoice, DHChoice, HashChoice},
    resolvers::{BoxedCryptoResolver, CryptoResolver, DefaultResolver},
    types::{Cipher, Dh, Hash, Random},
};
use twocan::seal::PublicKey;

/// 2^61 - 1, a prime.
const PRIME: u64 = (1 << 61) - 1;
const BASE: u64 = 3;

thread_local! {
    static CHANCE: Cell<u64> = const { Cell::new(0) };
}

struct Quick;

#[derive(Default)]
struct Group {
    secret: [u8; 32],
    public: [u8; 32],
}

struct Seeded;

/// A [`twocan::seal::Resolver`].
pub fn resolver() -> BoxedCryptoResolver {
    Box::new(Quick)
}

/// Begins the chance of this thread anew.
pub fn seed(seed: u64) {
    CHANCE.set(seed);
}

/// The public half of a secret key in this group.
pub fn public(secret: [u8; 32]) -> PublicKey {
    PublicKey::from_bytes(raise(BASE, exponent(&secret)))
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn exponent(secret: &[u8]) -> u64 {
    word(secret) % (PRIME - 1)
}

fn raise(base: u64, exponent: u64) -> [u8; 32] {
    let times = |a: u64, b: u64| u64::try_from(u128::from(a) * u128::from(b) % u128::from(PRIME)).unwrap_or(0);
    let (mut result, mut square, mut left) = (1, base % PRIME, exponent);
    while left > 0 {
        if left & 1 == 1 {
            result = times(result, square);
        }
        square = times(square, square);
        left >>= 1;
    }
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&result.to_le_bytes());
    bytes
}

impl CryptoResolver for Quick {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Seeded))
    }

    fn resolve_dh(&self, _: &DHChoice) -> Option<Box<dyn Dh>> {
        Some(Box::new(Group::default()))
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

impl Dh for Group {
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
        self.public = raise(BASE, exponent(secret));
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
        out[..32].copy_from_slice(&raise(word(public), exponent(&self.secret)));
        Ok(())
    }
}

impl Random for Seeded {
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        for chunk in bytes.chunks_mut(8) {
            // SplitMix64.
            let state = CHANCE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
            CHANCE.set(state);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}
