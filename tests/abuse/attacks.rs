//! What clients may try.

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use futures_util::{SinkExt, future::join_all};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};

use crate::line::{Line, Target};

/// Everything that is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attack {
    /// Heads of requests, a byte at a time.
    SlowHeads,
    /// TLS handshakes, a byte at a time.
    SlowTls,
    /// Messages, a byte at a time.
    SlowFrames,
    /// A client that never reads what a quick one says to it.
    NeverReading,
    /// Messages of a megabyte.
    LargeMessages,
    /// A room for every connection, and connections without end.
    Rooms,
    /// Registrations without end, on one connection and on many.
    Hellos,
    /// Bytes that mean nothing, before and after the upgrade.
    Junk,
    /// Texts that are none.
    InvalidUtf8,
    /// Frames that say they are compressed.
    CompressedBombs,
    /// Pages of other sites.
    WrongOrigin,
    /// Paths that lead out of the page's folder.
    Traversal,
    /// Heads that have too much in them.
    HeaderFlood,
    /// Searches in the directory without end, by clients that have many names each.
    Searches,
    /// Guesses at short links, one after the other on each connection.
    Guesses,
    /// Connections on which nothing is said.
    Silence,
}

/// Somebody at one address.
pub(crate) struct Attacker {
    target: Target,
    address: usize,
    /// How often something was tried to its end, the server's refusals of connections left aside.
    pub(crate) carried_out: AtomicUsize,
}

/// The number of the first attacker's address; a hundred numbers share one.
const ADDRESS: usize = 90_000;

/// How long a server may take until it has closed who has to be closed.
const SOON: Duration = Duration::from_secs(20);

/// How many connections an attack uses at the same time.
const CROWD: usize = 100;

/// How many bytes one that is slow says.
const DRIPS: usize = 20;

const DRIP: Duration = Duration::from_millis(50);

impl Attack {
    pub(crate) const ALL: [Self; 16] = [
        Self::SlowHeads,
        Self::SlowTls,
        Self::SlowFrames,
        Self::NeverReading,
        Self::LargeMessages,
        Self::Rooms,
        Self::Hellos,
        Self::Junk,
        Self::InvalidUtf8,
        Self::CompressedBombs,
        Self::WrongOrigin,
        Self::Traversal,
        Self::HeaderFlood,
        Self::Searches,
        Self::Guesses,
        Self::Silence,
    ];

    /// Does it once; panics where the server takes what it has to refuse.
    pub(crate) async fn run(self, by: &Attacker) {
        match self {
            Self::SlowHeads => by.drip(b"GET / HTTP/1.1\r\nhost: localhost\r\nx: yyyyyyyyyyyyyyyyyyyyy").await,
            Self::SlowTls => by.drip(&[&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3][..], &[7; 30][..]].concat()).await,
            Self::SlowFrames => by.drip_frames().await,
            Self::NeverReading => by.flood_one_who_never_reads().await,
            Self::LargeMessages => by.each_frame(&large(), Some((1009, "message too large"))).await,
            Self::Rooms => by.rooms().await,
            Self::Hellos => by.hellos().await,
            Self::Junk => by.junk().await,
            Self::InvalidUtf8 => by.each_frame(&frame(0x81, b"\xff\xfe\xc0"), Some((1007, "not UTF-8"))).await,
            Self::CompressedBombs => by.each_frame(&frame(0xC1, &[0; 125]), Some((1002, "invalid protocol"))).await,
            Self::WrongOrigin => by.requests("GET /ws", UPGRADE_ELSEWHERE, &["403"]).await,
            Self::Traversal => by.traversal().await,
            Self::HeaderFlood => by.header_flood().await,
            Self::Searches => by.searches().await,
            Self::Guesses => by.guesses().await,
            Self::Silence => by.silence().await,
        }
    }
}

/// The headers by which a page of another site asks for a WebSocket.
const UPGRADE_ELSEWHERE: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\norigin: https://elsewhere.example\r\n";

/// A masked frame with this first byte; the mask is nothing but zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let head = match u8::try_from(payload.len()) {
        Ok(length @ ..126) => vec![first, 0x80 | length],
        _ => [&[first, 0xff][..], &(payload.len() as u64).to_be_bytes()].concat(),
    };
    [&head, &[0; 4][..], payload].concat()
}

fn large() -> Vec<u8> {
    frame(0x81, &vec![b'x'; 1 << 20])
}

impl Attacker {
    /// The attacker of that number; each has an address of its own.
    pub(crate) fn new(target: Target, number: usize) -> Self {
        Self { target, address: ADDRESS + 100 * number, carried_out: AtomicUsize::new(0) }
    }

    fn carry_out(&self) {
        self.carried_out.fetch_add(1, Relaxed);
    }

    /// A bare connection; none while the server takes no more from this address.
    async fn tcp(&self) -> io::Result<TcpStream> {
        self.target.tcp(self.address).await
    }

    /// As many registered clients as the server takes just now, up to so many.
    async fn crowd(&self, count: usize) -> Vec<Line> {
        let names: Vec<_> = (0..count).map(|_| format!("crowd-{}", fastrand::u64(..))).collect();
        let lines = join_all(names.iter().map(|uid| self.target.register(self.address, uid))).await;
        lines.into_iter().flatten().collect()
    }

    /// Says this a byte at a time on many connections, as far as each is let.
    async fn drip(&self, bytes: &[u8]) {
        join_all((0..CROWD).map(|_| async {
            let Ok(mut tcp) = self.tcp().await else { return };
            for byte in bytes.iter().take(DRIPS) {
                if tcp.write_all(&[*byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(DRIP).await; // The pace is what is tried.
            }
            self.carry_out();
        }))
        .await;
    }

    async fn drip_frames(&self) {
        let bytes = &frame(0x81, &[b'x'; 60_000]);
        let crowd = self.crowd(CROWD).await;
        join_all(crowd.into_iter().map(|mut line| async move {
            for byte in bytes.iter().take(DRIPS) {
                if line.0.get_mut().write_all(&[*byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(DRIP).await; // As above.
            }
            self.carry_out();
        }))
        .await;
    }

    async fn flood_one_who_never_reads(&self) {
        let mut pair = self.crowd(2).await;
        let (Some(mut deaf), Some(mut one)) = (pair.pop(), pair.pop()) else { return self.wait().await };
        let room = format!("ROOM deaf-{}", fastrand::u64(..));
        if deaf.ask(&room, "ROOM_OK ").await.is_err() || one.say(room.as_str()).await.is_err() {
            return;
        }
        let Ok(members) = one.hear().await else { return };
        let name = members.trim_start_matches("ROOM_OK ").to_owned();
        let text = format!("ROOM_PEER_MSG {name} {}", "x".repeat(60_000));
        let mut said = 0;
        let flood = async {
            while one.0.send(Message::text(text.as_str())).await.is_ok() {
                said += text.len();
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), flood).await;
        if said > 2 << 20 {
            self.carry_out();
        }
        drop(deaf);
    }

    /// Sends these bytes on some connections, each of which is then to be closed thus.
    async fn each_frame(&self, bytes: &[u8], closed: Option<(u16, &str)>) {
        let crowd = self.crowd(CROWD / 5).await;
        if crowd.is_empty() {
            return self.wait().await;
        }
        join_all(crowd.into_iter().map(|mut line| async move {
            let _ = line.0.get_mut().write_all(bytes).await; // The server stops reading somewhere in it.
            let end = line.end().await;
            let (code, reason) = end.as_ref().map_or((0, ""), |frame| (frame.code.into(), frame.reason.as_str()));
            assert_eq!(Some((code, reason)), closed);
            self.carry_out();
        }))
        .await;
    }

    /// Room after room, each by a connection of its own, for one can be in one room only.
    async fn rooms(&self) {
        let lines = self.crowd(CROWD).await;
        if lines.is_empty() {
            return self.wait().await;
        }
        join_all(lines.into_iter().map(|mut line| async move {
            line.ask(&format!("ROOM room-{}", fastrand::u64(..)), "ROOM_OK ").await.unwrap();
            self.carry_out();
        }))
        .await;
    }

    async fn hellos(&self) {
        for mut line in self.crowd(CROWD / 10).await {
            while line.0.feed(Message::text("HELLO again")).await.is_ok() {
                if fastrand::u8(..) == 0 && line.0.flush().await.is_err() {
                    break;
                }
            }
            let end = line.end().await.expect("a close frame");
            assert_eq!((u16::from(end.code), end.reason.as_str()), (1008, "too many messages"));
            self.carry_out();
        }
        // All under one name: each asks the server to look whether the last is still there.
        join_all((0..CROWD).map(|_| self.target.register(self.address, "same"))).await;
    }

    async fn junk(&self) {
        join_all((0..CROWD).map(|_| async {
            let Ok(mut tcp) = self.tcp().await else { return };
            let bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(4_000).collect();
            let _ = tcp.write_all(&bytes).await;
            let _ = tcp.shutdown().await;
            let mut answer = Vec::new();
            let _ = tcp.read_to_end(&mut answer).await;
            assert!(!answer.starts_with(b"HTTP/1.1 2"));
            self.carry_out();
        }))
        .await;
        join_all(self.crowd(CROWD / 5).await.into_iter().map(|mut line| async move {
            let bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(4_000).collect();
            let _ = line.0.get_mut().write_all(&bytes).await;
            // It may mean a large message, of which the rest never comes; then it is for us to end it.
            let _ = tokio::time::timeout(Duration::from_millis(200), line.end()).await;
        }))
        .await;
    }

    /// Asks for something many times over; the answer has one of these statuses, unless too many are asked for.
    async fn requests(&self, what: &str, headers: &str, statuses: &[&str]) {
        let address = self.target.address;
        let request = format!("{what} HTTP/1.1\r\nhost: {address}\r\n{headers}\r\n");
        join_all((0..CROWD / 2).map(|_| async {
            let Ok(mut tcp) = self.tcp().await else { return };
            let _ = tcp.write_all(request.as_bytes()).await;
            let mut status = [0; 12];
            if tcp.read_exact(&mut status).await.is_ok() {
                let status = String::from_utf8_lossy(&status[9..]).into_owned();
                let is_refused = statuses.contains(&status.as_str());
                assert!(is_refused || status == "429", "{what}: {status}");
                if is_refused {
                    self.carry_out();
                }
            }
        }))
        .await;
    }

    async fn traversal(&self) {
        for path in
            ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd", "//etc/passwd", "/\\..\\x"]
        {
            self.requests(&format!("GET {path}"), "", &["404", "400"]).await;
        }
    }

    async fn header_flood(&self) {
        self.requests("GET /", &"x: y\r\n".repeat(10_000), &["431"]).await;
        self.requests("GET /", &format!("x: {}\r\n", "y".repeat(100_000)), &["431"]).await;
    }

    /// Until the server takes no more of it.
    async fn searches(&self) {
        join_all((0..CROWD / 5).map(|_| async {
            let Ok(mut line) = self.target.connect_at(self.address, "workrooms").await else { return };
            let session = fastrand::u64(..);
            let _ = line.say(format!(r#"{{"type":"register","detail":{{"sessionid":"{session}","calls":[]}}}}"#)).await;
            let names = (0..16).map(|n| format!(r#""{n}":{{"name":"anna maria {}"}}"#, fastrand::u16(..)));
            let names = names.collect::<Vec<_>>().join(",");
            let _ = line.say(format!(r#"{{"type":"userprofile","detail":{{{names}}}}}"#)).await;
            let search = r#"{"type":"autocomplete","detail":{"search":"ana mari"}}"#;
            while line.0.feed(Message::text(search)).await.is_ok() && line.0.flush().await.is_ok() {}
            if let Some(end) = line.end().await {
                assert!(u16::from(end.code) == 1008 && end.reason.starts_with("too many messages"), "{end:?}");
                self.carry_out();
            }
        }))
        .await;
    }

    /// Until the server answers no more.
    async fn guesses(&self) {
        join_all((0..CROWD / 5).map(|_| async {
            let Ok(tcp) = self.tcp().await else { return };
            let (mut from, mut to) = tcp.into_split();
            let guess = format!("GET /s/aaaaaaaa HTTP/1.1\r\nhost: {}\r\n\r\n", self.target.address);
            let guessing = async { while to.write_all(guess.as_bytes()).await.is_ok() {} };
            let mut answers = Vec::new();
            let both = async { tokio::join!(guessing, from.read_to_end(&mut answers)) };
            tokio::time::timeout(SOON, both).await.expect("an end").1.ok();
            if answers.starts_with(b"HTTP/1.1 404") {
                self.carry_out();
            }
        }))
        .await;
    }

    async fn silence(&self) {
        let silent: Vec<_> = join_all((0..CROWD).map(|_| self.tcp())).await.into_iter().flatten().collect();
        silent.iter().for_each(|_| self.carry_out());
        self.wait().await;
        drop(silent);
    }

    /// Until the server may take something from this address again.
    async fn wait(&self) {
        tokio::time::sleep(DRIP).await;
    }
}

impl Line {
    /// How it is closed, once everything before has been heard.
    async fn end(&mut self) -> Option<CloseFrame> {
        use futures_util::StreamExt;
        loop {
            match self.0.next().await {
                Some(Ok(Message::Close(frame))) => return frame,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}
