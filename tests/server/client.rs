//! The program's own client against the server.

use std::time::Duration;

use twocan::{
    invite::Origin,
    rendezvous::Resume,
    rt,
    server::Settings,
    socket::{Event, Socket, SocketError},
};

use crate::{Running, SOON};

/// What happens next, and on which connection.
async fn next(events: &rt::Receiver<(u64, Event)>) -> (u64, String) {
    let (number, event) = rt::timeout(SOON, events.recv()).await.expect("nothing happened").unwrap();
    let shown = match event {
        Event::Open => "open".into(),
        Event::Line(line) => line,
        Event::Closed(Some(SocketError::Restarts(back_in))) => back_in.to_string(),
        Event::Closed(Some(SocketError::LetGo(why))) => why,
        Event::Closed(error) => format!("closed {}", error.is_some()),
    };
    (number, shown)
}

#[test]
fn the_next_connection_of_a_program_takes_over_from_its_last() {
    let running = Running::start();
    let origin: Origin = format!("http://localhost:{}", running.port()).parse().unwrap();
    let course = async {
        let (sender, events) = rt::channel(16);
        let own = Resume::from_bits(1);
        let connect = |resume, number| Socket::connect(&origin, resume, number, sender.clone());
        let first = connect(&own, 1);
        assert_eq!(next(&events).await, (1, "open".into()));
        first.send("HELLO a".into());
        assert_eq!(next(&events).await, (1, "HELLO".into()));
        let second = connect(&own, 2);
        assert_eq!(next(&events).await, (2, "open".into()));
        second.send("HELLO a".into());
        let mut both = [next(&events).await, next(&events).await];
        both.sort();
        assert_eq!(both, [(1, "taken over".into()), (2, "HELLO".into())]);
        let stranger = connect(&Resume::from_bits(2), 3);
        assert_eq!(next(&events).await, (3, "open".into()));
        stranger.send("HELLO a".into());
        assert_eq!(next(&events).await, (3, "ERROR peer uid taken".into()));
    };
    rt::run(course).unwrap();
}

#[test]
fn the_program_hears_when_a_stopping_server_is_back() {
    let running = Running::start_with(Settings { retry_after: Some(Duration::from_secs(7)), ..Settings::default() });
    let origin: Origin = format!("http://localhost:{}", running.port()).parse().unwrap();
    let course = async {
        let (sender, events) = rt::channel(16);
        let _socket = Socket::connect(&origin, &Resume::from_bits(1), 1, sender);
        assert_eq!(next(&events).await, (1, "open".into()));
        let stopping = std::thread::spawn(move || running.server.shutdown());
        assert_eq!(next(&events).await, (1, "back in 7 s".into()));
        stopping.join().unwrap();
    };
    rt::run(course).unwrap();
}
