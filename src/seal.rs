//! The seal: a channel between the two sides of a conversation that nobody else can read, write, or pass off as new.
//!
//! It is Noise over whatever carries texts from one side to the other. A pairing is `XXpsk0` under the key of a code,
//! and each side learns the other's static key by it; every later meeting is `KK` between the two static keys, so that
//! a session's keys are worth nothing once it is over. [`Channel`] holds the rules; [`Frame`] is what travels.

mod channel;
mod exchange;
mod frame;
mod keys;
mod noise;
mod words;

pub use channel::{BEGIN_INTERVAL, Channel, HANDSHAKE_JITTER, HANDSHAKE_LIMIT, LATE_LIMIT, SILENCE_LIMIT};
pub use exchange::{Input, Order, Output, Setup, Suspicion, Trust};
pub use frame::{Frame, FrameError, PLAINTEXT_LIMIT, Pattern, Step};
pub use keys::{NotAKey, PublicKey, SecretKey};
pub use noise::{Handshake, NoiseError, Resolver, Role, Session, Terms, resolver};
pub use words::SafetyWords;
