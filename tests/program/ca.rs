//! `--ca`: which servers are believed to be who they say.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::json;
use twocan::server::{Options, Server, Settings};

use super::{Home, assert_fails, serve::Service, talk::Line};

fn server(home: &Home) -> Server {
    let listen = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    Server::start(Options { listen, port: 0, state: home.state(), settings: Settings::default() }).unwrap()
}

#[test]
fn a_named_authority_is_believed_and_from_then_on_no_other() {
    let (here, there) = (Home::new(), Home::new());
    let (server, _other) = (server(&here), server(&there));
    let url = format!("https://127.0.0.1:{}", server.port());
    let authority = |home: &Home| home.state().join("server/authority.pem").to_str().unwrap().to_owned();
    let talks = |ca: &[&str]| {
        let home = Home::new();
        let line = Line::open(&home, &[&["tim", "--server", &url][..], ca].concat());
        (home, line)
    };
    let good = authority(&here);
    for ca in [&[][..], &["--ca", &good]] {
        let (_home, mut line) = talks(ca);
        line.wait("line", json!({ "state": "joined" }));
    }
    let (_home, line) = talks(&["--ca", &authority(&there)]);
    let (code, said) = line.end();
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("no authority that this machine trusts") && said.contains("hint: ") && said.contains("--ca FILE")
    );
}

#[test]
fn a_file_that_holds_no_authority_is_said_to() {
    let home = Home::new();
    let file = home.folder.path().join("ca.pem");
    std::fs::write(&file, "nonsense").unwrap();
    let (code, said) = Line::open(&home, &["tim", "--ca", file.to_str().unwrap()]).end();
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("ca.pem") && said.contains("/ca"), "{said}");
}

#[test]
fn an_authoritys_own_certificate_is_said_to_be_none_of_a_server() {
    let home = Home::new();
    let (certificate, key) = super::serve::certificate(&home, true);
    let service = Service::start(&home, &["--certificate", &certificate, "--key", &key]);
    let server = format!("https://localhost:{}", service.port);
    let ran = home.run(&["find", "anna", "--server", &server, "--ca", &certificate]);
    assert_fails(&ran, 4, "an authority's own (CA:TRUE), not a server's", "");
}
