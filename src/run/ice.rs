//! Asks the server which STUN and TURN servers it offers, before the first call and again before passwords run out.

use std::time::{Duration, SystemTime};

use super::home::Home;
use crate::{
    config::{Stun, Turn},
    media::{Media, OfferedServers},
    rt,
    socket::{self, IceServers},
};

/// How long after a failure the server is asked again: 2 s, and each time twice as long, up to ten minutes.
const RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(600);

/// How often it is looked whether it is time, on the clock that goes on while this machine sleeps.
const LOOK: Duration = Duration::from_secs(60);

/// The shortest time after which an answer is old, whatever the server says.
const SHORTEST: Duration = Duration::from_secs(5);

/// Keeps the media told, for as long as there are any; a server inside this program has nothing to offer.
pub(super) fn keep_asking(home: &Home, media: &Media) {
    let (server, media) = (home.connect_origin().clone(), media.offered());
    if home.is_here() {
        let _ = media.set(OfferedServers::default());
        return;
    }
    rt::spawn(async move {
        let mut retry = RETRY;
        loop {
            let wait = match socket::ice_servers(&server).await {
                Ok(answer) => {
                    retry = RETRY;
                    let half = Duration::from_secs(answer.lifetime / 2);
                    if media.set(usable(&answer)).is_err() {
                        return;
                    }
                    half.max(SHORTEST)
                }
                Err(error) => {
                    tracing::debug!(%error, "the server does not tell which STUN and TURN servers to use");
                    retry = (retry * 2).min(LONGEST_RETRY);
                    retry / 2
                }
            };
            sleep(wait).await;
        }
    });
}

async fn sleep(wait: Duration) {
    let until = wall_clock() + wait;
    while let Ok(left) = until.duration_since(wall_clock())
        && !left.is_zero()
    {
        rt::sleep_until(Some(rt::now() + left.min(LOOK))).await;
    }
}

/// What of an answer can be used, as the media take it.
fn usable(answer: &IceServers) -> OfferedServers {
    let mut servers = OfferedServers::default();
    for server in &answer.ice_servers {
        for url in &server.urls {
            let user = server.username.as_deref().zip(server.credential.as_ref());
            if let Ok(stun) = url.parse::<Stun>() {
                servers.stun.get_or_insert_with(|| stun.address().to_owned());
            } else if let Some((user, password)) = user
                && let Ok(turn) = Turn::offered(url, user, password.clone())
            {
                servers.turn.push(turn.address());
            } else {
                tracing::debug!(url, "neither a STUN nor a TURN server");
            }
        }
    }
    servers
}

#[expect(clippy::disallowed_methods, reason = "passwords run out by the wall clock")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_browsers_take_becomes_what_the_media_take() {
        let answer = r#"{"lifetime":1,"iceServers":[{"urls":["stun:a:1","stun:b:2"]},
            {"urls":["turn:c:3","turns:d?transport=tcp","http://e"],"username":"17:x","credential":"a/b+c="},
            {"urls":["turn:f:4"]}]}"#;
        let servers = usable(&serde_json::from_str(answer).unwrap());
        assert_eq!(servers.stun.as_deref(), Some("stun://a:1"));
        let turn: Vec<&str> = servers.turn.iter().map(|turn| turn.as_str()).collect();
        assert_eq!(turn, ["turn://17%3Ax:a%2Fb+c%3D@c:3", "turns://17%3Ax:a%2Fb+c%3D@d:5349?transport=tcp"]);
    }
}
