//! Recognising another twocan on a port.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use super::LOOPBACK;

/// How long the other program may take for each step: 2 s, for a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most that is read of its answer, in bytes.
const ANSWER_LIMIT: u64 = 4096;

/// Whether a twocan server answers on this port of this machine, so that it can be shared; takes some seconds at most.
pub fn is_twocan(port: u16) -> bool {
    [LOOPBACK, IpAddr::V6(Ipv6Addr::LOCALHOST)]
        .into_iter()
        .filter_map(|address| head_of_health(SocketAddr::new(address, port)))
        .any(|head| is_ours(&head))
}

fn head_of_health(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    // A server that says a part and then nothing has said enough.
    let _ = stream.take(ANSWER_LIMIT).read_to_end(&mut answer);
    Some(String::from_utf8_lossy(&answer).into_owned())
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
    use super::*;

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
