//! Recognising another twocan on a port.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use super::{LOOPBACK, now};

/// How long the other program may take at each address: 2 s, for a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most that is read of its answer, in bytes.
const ANSWER_LIMIT: usize = 4096;

/// Whether a twocan server answers on this port of this machine, so that it can be shared; takes some seconds at most.
pub fn is_twocan(port: u16) -> bool {
    [LOOPBACK, IpAddr::V6(Ipv6Addr::LOCALHOST)]
        .into_iter()
        .filter_map(|address| head_of_health(SocketAddr::new(address, port)))
        .any(|head| is_ours(&head))
}

fn head_of_health(address: SocketAddr) -> Option<String> {
    let until = now() + PATIENCE;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
    let (mut answer, mut length) = ([0; ANSWER_LIMIT], 0);
    // A server that says a part and then nothing has said enough; so has one that goes on for ever.
    while length < ANSWER_LIMIT {
        let left = until.saturating_duration_since(now());
        // No time left is refused as a time-out, so that it ends the reading too.
        match stream.set_read_timeout(Some(left)).and_then(|()| stream.read(&mut answer[length..])) {
            Ok(0) | Err(_) => break,
            Ok(more) => length += more,
        }
    }
    Some(String::from_utf8_lossy(&answer[..length]).into_owned())
}

fn is_ours(answer: &str) -> bool {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    let mut lines = head.lines();
    lines.next().is_some_and(|status| status.starts_with("HTTP/1.1 200"))
        && lines
            .filter_map(|line| line.split_once(':'))
            .any(|(name, value)| name.eq_ignore_ascii_case("server") && value.trim().starts_with("twocan/"))
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    #[test]
    fn who_answers_bit_by_bit_is_listened_to_for_so_long_and_no_longer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let talker = thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            (0..300).take_while(|_| stream.write_all(b"x").map(|()| thread::sleep(PATIENCE / 20)).is_ok()).count()
        });
        let heard = head_of_health(address).unwrap().len();
        assert!((1..300).contains(&heard) && talker.join().unwrap() < 300, "{heard} bytes");
    }

    #[test]
    fn a_twocan_is_told_by_its_server_header() {
        for (answer, is) in [
            ("HTTP/1.1 200 OK\r\nserver: twocan/0.1.0\r\n\r\nOK", true),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nServer:twocan/9\r\n\r\nOK", true),
            ("HTTP/1.1 200 OK\r\nserver: nginx\r\n\r\nserver: twocan/1", false),
            ("HTTP/1.1 404 Not Found\r\nserver: twocan/1\r\n\r\n", false),
            ("SSH-2.0-OpenSSH_9.2\r\n", false),
            ("", false),
        ] {
            assert_eq!(is_ours(answer), is, "{answer:?}");
        }
    }
}
