//! The published Noise vectors, through the same handshakes and sessions that the program uses.

use std::{cell::RefCell, collections::VecDeque};

use data_encoding::HEXLOWER;
use serde_json::Value;
use snow::{
    params::{CipherChoice, DHChoice, HashChoice},
    resolvers::{BoxedCryptoResolver, CryptoResolver, DefaultResolver},
    types::{Cipher, Dh, Hash, Random},
};
use twocan::{
    pairing::PairingKey,
    seal::{Handshake, Role, SecretKey, Session, Terms},
};

use super::{list, text, vectors};

thread_local! {
    /// The ephemeral keys to come, as random bytes.
    static EPHEMERALS: RefCell<VecDeque<[u8; 32]>> = const { RefCell::new(VecDeque::new()) };
}

/// The real cryptography, but for its random bytes.
struct Fixed;

struct FixedRandom;

impl CryptoResolver for Fixed {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(FixedRandom))
    }
    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }
    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }
    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

impl Random for FixedRandom {
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), snow::Error> {
        let next = EPHEMERALS.with_borrow_mut(VecDeque::pop_front).ok_or(snow::Error::Rng)?;
        bytes.copy_from_slice(&next);
        Ok(())
    }
}

pub(crate) fn fixed() -> BoxedCryptoResolver {
    Box::new(Fixed)
}

/// From now on these are the ephemeral keys of this thread's handshakes, in the order in which they are made.
pub(crate) fn set_ephemerals(keys: impl IntoIterator<Item = [u8; 32]>) {
    EPHEMERALS.set(keys.into_iter().collect());
}

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(text(value).as_bytes()).unwrap()
}

fn key(value: &Value) -> [u8; 32] {
    hex(value).try_into().unwrap()
}

/// Two ends, who speaks first in front.
enum Pair {
    Hands(Box<[Handshake; 2]>),
    Sessions(Box<[Session; 2]>),
}

fn begin(vector: &Value) -> Pair {
    let secrets = ["init_static", "resp_static"].map(|name| SecretKey::from_bytes(key(&vector[name])));
    let publics = secrets.each_ref().map(SecretKey::public);
    let psk = vector.get("psk").map(|psk| PairingKey::from_bytes(key(psk)));
    let prologue = hex(&vector["prologue"]);
    set_ephemerals(["init_ephemeral", "resp_ephemeral"].map(|name| key(&vector[name])));
    let end = |role, own: usize| {
        let terms = psk.as_ref().map_or(Terms::Key(&publics[1 - own]), Terms::Code);
        Handshake::new(fixed, role, terms, &secrets[own], &prologue).unwrap()
    };
    Pair::Hands(Box::new([end(Role::Initiator, 0), end(Role::Responder, 1)]))
}

#[test]
fn handshakes_are_noises() {
    for vector in list(&vectors("noise"), "vectors") {
        let last = if text(&vector["protocol"]).contains("XXpsk0") { 2 } else { 1 };
        let mut pair = begin(vector);
        for (at, message) in list(vector, "messages").iter().enumerate() {
            let from = usize::from(message["from"] == "resp");
            let (payload, sealed) = (hex(&message["payload"]), hex(&message["ciphertext"]));
            let (written, read) = match &mut pair {
                Pair::Hands(ends) => (ends[from].write(&payload), ends[1 - from].read(&sealed)),
                Pair::Sessions(ends) => (ends[from].seal(&payload), ends[1 - from].open(&sealed)),
            };
            assert_eq!((written, read), (Ok(sealed), Ok(payload)), "message {at} of {vector}");
            pair = match pair {
                Pair::Hands(ends) if at == last => Pair::Sessions(Box::new(ends.map(|end| end.finish().unwrap()))),
                Pair::Hands(_) | Pair::Sessions(_) => pair,
            };
        }
        let Pair::Sessions(ends) = pair else { panic!("no session: {vector}") };
        let [init, resp] = *ends;
        assert_eq!(init.hash(), resp.hash());
        if let Some(hash) = vector.get("handshake_hash") {
            assert_eq!(init.hash(), key(hash));
        }
        assert_eq!(init.far(), SecretKey::from_bytes(key(&vector["resp_static"])).public());
        assert_eq!(resp.far(), SecretKey::from_bytes(key(&vector["init_static"])).public());
    }
}
