//! What a person is handed, or types: links, servers, keys.

use twocan::{
    invite::{LINK_LIMIT, Link, Origin},
    pairing::{PairingKey, SpentCode},
    seal::{PublicKey, SafetyWords, SecretKey},
};

/// Reads `data` as any of it.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    link(&text);
    if let Ok(server) = text.parse::<Origin>() {
        origin(&server);
    }
    keys(&text);
    words(data);
}

fn link(text: &str) {
    let (again, origin_of, link) = match text.parse::<Link>() {
        Ok(Link::Invite(invite)) => (invite.to_string(), invite.origin.clone(), Link::Invite(invite)),
        Ok(Link::Bookmark { origin, conversation }) => {
            (origin.bookmark(&conversation).to_string(), origin.clone(), Link::Bookmark { origin, conversation })
        }
        Err(_) => return,
    };
    origin(&origin_of);
    // A name that is not ASCII gets longer.
    if again.len() <= LINK_LIMIT {
        assert_eq!(again.parse(), Ok(link), "{again}");
    }
}

/// A server is known by its scheme, host and port, and by nothing else that stood there.
fn origin(origin: &Origin) {
    let shown = origin.to_string();
    if shown.len() <= LINK_LIMIT {
        assert_eq!(shown.parse().as_ref(), Ok(origin), "{shown}");
    }
    let socket = origin.socket();
    assert!(matches!(socket.scheme(), "ws" | "wss") && socket.path() == "/ws" && socket.has_host(), "{socket}");
    assert!(socket.username().is_empty() && socket.password().is_none(), "{socket}");
    assert!(socket.query().is_none() && socket.fragment().is_none(), "{socket}");
    assert_eq!(socket.scheme() == "wss", shown.starts_with("https://"));
    let (_, behind) = shown.split_once("://").expect("it has a scheme");
    assert!(!behind.contains(['/', '?', '#', '@', '\\']) && !shown.contains(char::is_whitespace), "{shown}");
    // Whether certificates count hangs on it: no name that a public authority vouches for may pass as private.
    if origin.is_private() {
        let host = socket.host_str().expect("it has a host");
        let is_address = socket.domain().is_none();
        assert!(is_address || !host.contains('.') || host.ends_with(".local"), "{host}");
    }
}

fn keys(text: &str) {
    if let Ok(key) = text.parse::<PairingKey>() {
        assert_eq!(key.reveal().as_str(), text);
        assert!(!format!("{key:?}").contains(text));
    }
    if let Ok(key) = text.parse::<SecretKey>() {
        assert_eq!(key.reveal().as_str(), text);
        assert!(!format!("{key:?}").contains(text));
        assert_ne!(key.public().to_string(), text);
    }
    if let Ok(spent) = text.parse::<SpentCode>() {
        assert_eq!(spent.reveal().as_str(), text);
    }
    if let Ok(key) = text.parse::<PublicKey>() {
        assert_eq!(key.to_string(), text);
    }
}

fn words(data: &[u8]) {
    if let Some(hash) = data.first_chunk() {
        let words = SafetyWords::from_hash(hash).to_string();
        assert!(words.split(' ').count() == 4 && words.split(' ').all(|word| word.len() == 5), "{words}");
    }
}
