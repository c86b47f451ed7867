//! One side of a conversation against a server that says anything, a far side that seals anything, and media that tell
//! anything.

mod world;

use std::time::Duration;

use twocan::{
    call::{Body, Connection, MediaEvent, Message, Props, Signal, Turn},
    conversation::{Input, Switch},
    ids::SessionId,
    negotiation::{Candidate, Sdp, SdpType},
    rendezvous::UID_TAKEN,
};

use super::bytes::Bytes;
use world::World;

/// Reads `data` as what happens to it.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut world = World::new(bytes.byte());
    world.tell(Input::Start);
    while !bytes.is_empty() {
        step(&mut world, &mut bytes);
    }
    // Left alone, it comes to rest.
    world.pass(Duration::from_secs(120));
}

fn step(world: &mut World, bytes: &mut Bytes<'_>) {
    match bytes.below(16) {
        0 => person(world, bytes),
        1 => world.tell(Input::Unpause),
        2 => world.open(),
        3 => world.close(),
        4 => world.join(),
        5 => server(world, bytes),
        6 => world.pump(),
        7 | 8 => {
            let signal = signal(world, bytes);
            world.far_says(signal.to_string());
        }
        9 => world.far_says(bytes.text()),
        10 | 11 => media(world, bytes),
        12 => world.pass(Duration::from_millis(bytes.milliseconds())),
        13 => world.now += Duration::from_millis(bytes.milliseconds()),
        14 => world.far_frame(bytes.byte().into(), &bytes.chunk()),
        _ => world.deadline(),
    }
}

fn person(world: &mut World, bytes: &mut Bytes<'_>) {
    let switch = if bytes.flip() { Switch::On } else { Switch::Off };
    world.tell(match bytes.below(8) {
        0 => Input::Pause,
        1 => Input::HangUp,
        2 => Input::TakeOver,
        3 => Input::NetworkChanged,
        4 => Input::Microphone(switch),
        5 => Input::Camera(switch),
        6 => Input::Equipped { microphone: bytes.flip(), camera: bytes.flip() },
        _ => Input::Unpause,
    });
}

fn server(world: &mut World, bytes: &mut Bytes<'_>) {
    let uid = world.uid(bytes.byte());
    let line = match bytes.below(9) {
        0 => "HELLO".into(),
        1 => format!("ROOM_OK {uid}"),
        2 => format!("ROOM_PEER_JOINED {uid}"),
        3 => format!("ROOM_PEER_LEFT {uid}"),
        4 => format!("ROOM_PEER_MSG {uid} {}", bytes.text()),
        5 => format!("ERROR {UID_TAKEN}"),
        6 => format!("ERROR {}", bytes.text()),
        7 => format!("ROOM_PEER_LIST {uid}"),
        _ => bytes.text(),
    };
    world.server_says(&line);
}

fn signal(world: &World, bytes: &mut Bytes<'_>) -> Signal {
    let Connection { session, generation } = connection(world, bytes);
    let turn = if bytes.flip() { Turn::Request } else { Turn::Response };
    let body = match bytes.below(6) {
        0 | 1 => Body::Setup { sdp: sdp(bytes), props: Props::new() },
        2 => Body::Update { generation: generation.saturating_add(1), sdp: sdp(bytes), props: Props::new() },
        3 => Body::Cancel,
        4 => Body::Reject,
        _ => return Signal::Candidate(Connection { session, generation }, candidate(bytes)),
    };
    Signal::Message(Message { session, turn, body })
}

fn media(world: &mut World, bytes: &mut Bytes<'_>) {
    let connection = connection(world, bytes);
    let kind = if bytes.flip() { SdpType::Offer } else { SdpType::Answer };
    let message = |body| {
        let session = connection.session.clone();
        MediaEvent::DataText(Message { session, turn: Turn::Request, body }.to_string())
    };
    let event = match bytes.below(12) {
        0 | 1 => MediaEvent::Described(kind, sdp(bytes)),
        2 => MediaEvent::Candidate(candidate(bytes)),
        3 | 4 => MediaEvent::DataOpen,
        5 => MediaEvent::DataText(bytes.text()),
        6 => message(Body::Hangup),
        7 => message(Body::PropSync(Props::new())),
        8 => MediaEvent::DataText(r#"{"ping":{}}"#.into()),
        9 => MediaEvent::Disconnected,
        10 => MediaEvent::Closed,
        _ => MediaEvent::Failed("why".into()),
    };
    world.tell(Input::Media(connection, event));
}

/// One of those there have been, most often the latest, or a new one.
fn connection(world: &World, bytes: &mut Bytes<'_>) -> Connection {
    let choice = bytes.byte();
    let known = world.connections.iter().rev().nth(usize::from(choice & 7)).cloned();
    let new = || Connection::first(SessionId::from_bits(choice.into()));
    let connection = known.filter(|_| choice & 0x80 == 0).unwrap_or_else(new);
    let farther = if choice & 0x40 == 0 { 0 } else { u32::from(bytes.byte()) << 24 };
    Connection { generation: connection.generation.saturating_add(farther), ..connection }
}

fn sdp(bytes: &mut Bytes<'_>) -> Sdp {
    let text = format!("v=0\r\na=fingerprint:sha-256 {:02X}\r\n", bytes.byte());
    Sdp::try_from(text).expect("an SDP")
}

fn candidate(bytes: &mut Bytes<'_>) -> Candidate {
    Candidate { candidate: format!("candidate:{}", bytes.byte()), mid: Some("0".into()), m_line_index: 0 }
}
