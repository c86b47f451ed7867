//! `twocan find`: whom a server's directory knows, by the Workrooms protocol.

use std::{io::Write, time::Duration};

use serde::Serialize;

use super::{
    Error, SOCKET_BACKLOG,
    bookmarks::{Format, table},
    random_id,
};
use crate::{
    foreign,
    ids::Sessionid,
    invite::Origin,
    rt,
    socket::{Event, Socket, SocketError},
    workrooms::{ClientEvent, Found, Profiles, ServerEvent},
};

/// How long the server may take to answer: 10 s.
const REPLY_LIMIT: Duration = Duration::from_secs(10);

/// What one is called in one place.
#[derive(Debug, Serialize, PartialEq, Eq)]
struct Row {
    v: u64,
    name: Option<String>,
    login: Option<String>,
    source: String,
    sessionid: String,
}

/// Prints who at `server` is found by `text`, a name or login or the beginning of one; the likeliest first.
pub async fn find(server: &Origin, text: &str, format: Format, out: &mut impl Write) -> Result<(), Error> {
    let (sender, events) = rt::channel(SOCKET_BACKLOG);
    let socket = Socket::connect_workrooms(server, 1, sender);
    let session = Sessionid::from_bits(random_id()?);
    let found = rt::timeout(REPLY_LIMIT, ask(&socket, &events, session, text)).await;
    socket.close().await;
    let silent = || Err(SocketError::Unreachable("the server does not answer".into()));
    let found = found.unwrap_or_else(silent).map_err(|source| Error::Socket { origin: server.clone(), source })?;
    if found.is_empty() {
        return Err(Error::NobodyFound { text: text.to_owned(), origin: server.clone() });
    }
    let shown = shape(&found, format);
    out.write_all(shown.as_bytes()).and_then(|()| out.flush()).map_err(Error::Output)
}

async fn ask(
    socket: &Socket,
    events: &rt::Receiver<(u64, Event)>,
    session: Sessionid,
    text: &str,
) -> Result<Vec<Found>, SocketError> {
    while let Ok((_, event)) = events.recv().await {
        match event {
            Event::Open => {
                let register = ClientEvent::Register { session: session.clone(), calls: Vec::new() };
                for event in [register, ClientEvent::Autocomplete { search: text.to_owned() }] {
                    socket.send(event.to_string());
                }
            }
            Event::Line(line) => match ServerEvent::parse(&line) {
                Ok(ServerEvent::Autocomplete { results, .. }) => return Ok(results),
                Ok(ServerEvent::Error { message }) => return Err(SocketError::NotRendezvous(message)),
                // Nobody knows of this client, so nothing else is meant for it.
                Ok(
                    ServerEvent::OutboundCall(_)
                    | ServerEvent::InboundCall(_)
                    | ServerEvent::Signal(_)
                    | ServerEvent::Hangup(_),
                )
                | Err(_) => {}
            },
            Event::Closed(Some(error)) => return Err(error),
            Event::Closed(None) => break,
        }
    }
    Err(SocketError::Unreachable("the server has ended the connection".into()))
}

fn shape(found: &[Found], format: Format) -> String {
    let rows = found.iter().flat_map(|Found { session, profiles }| rows(session, profiles));
    match format {
        // Strings and numbers in a struct always serialise.
        Format::Json => rows.map(|row| serde_json::to_string(&row).unwrap_or_default() + "\n").collect(),
        Format::Table => {
            let head = ["NAME", "LOGIN", "SOURCE", "SESSIONID"].map(str::to_owned);
            let cells = |row: Row| {
                let (name, login) = (row.name.unwrap_or_default(), row.login.unwrap_or_default());
                [name, login, row.source, row.sessionid].map(|cell| safe(&cell))
            };
            table(&std::iter::once(head).chain(rows.map(cells)).collect::<Vec<_>>())
        }
    }
}

fn rows(session: &Sessionid, profiles: &Profiles) -> Vec<Row> {
    let row = |(source, names): (&str, crate::workrooms::Names)| Row {
        v: 1,
        name: names.name,
        login: names.login,
        source: source.to_owned(),
        sessionid: session.to_string(),
    };
    profiles.names().map(row).collect()
}

/// What a stranger calls themselves, safe to show.
fn safe(text: &str) -> String {
    foreign::shown(text, foreign::NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_profile_has_a_line_and_nobody_else_writes_on_the_terminal() {
        let found = [
            Found {
                session: "s1".parse().unwrap(),
                profiles: serde_json::from_str(r#"{"github":{"name":"Anna\u001b[2J","login":"an"},"x":{"name":"A"}}"#)
                    .unwrap(),
            },
            Found {
                session: "s 2".parse().unwrap(),
                profiles: serde_json::from_str(r#"{"y":{"login":"ann"}}"#).unwrap(),
            },
        ];
        let table = [
            "NAME      LOGIN  SOURCE  SESSIONID",
            "Anna [2J  an     github  s1",
            "A                x       s1",
            "          ann    y       s 2",
        ];
        assert_eq!(shape(&found, Format::Table).lines().collect::<Vec<_>>(), table);
        let lines = shape(&found, Format::Json);
        assert_eq!(
            lines.lines().next(),
            Some(r#"{"v":1,"name":"Anna\u001b[2J","login":"an","source":"github","sessionid":"s1"}"#)
        );
        assert_eq!(lines.lines().count(), 3);
    }
}
