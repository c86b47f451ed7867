//! `twocan serve`: the rendezvous server and the page, until a signal.

mod settings;

use std::io::{self, Write};

use sd_notify::NotifyState;
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};

pub use self::settings::{SettingsError, settings};
use crate::{
    run::Error,
    server::{self, Finding, LocalAuthority, Options, Server, ServerError, Tls, Urls},
};

/// Runs the server until SIGINT or SIGTERM, and says on `out` where it listens.
///
/// SIGHUP has the certificate's files read again. A second signal to stop waits for nobody.
pub fn serve(options: Options, out: &mut impl Write) -> Result<(), ServerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    // Asked for before anything is said, so that whoever reads it may send the signal.
    let mut signals = {
        let _inside = runtime.enter();
        Signals::new()?
    };
    let is_by_acme = matches!(options.settings.tls, Tls::Acme { .. });
    let mut server = Server::start(options.clone())?;
    for server::Doubt { message, hint, .. } in server::doubts(&options) {
        tracing::warn!("{message}: {hint}");
    }
    notify(&[NotifyState::Ready]);
    // A reader of ours that goes away is no reason to stop serving others.
    let _ = announce(server.urls(), server.authority(), out).and_then(|()| finish(is_by_acme, out));
    loop {
        let order = runtime.block_on(async {
            tokio::select! {
                order = signals.next() => Ok(order),
                ended = server.ended() => Err(ended),
            }
        });
        match order? {
            Order::Reload => reload(&server),
            Order::Stop => break,
        }
    }
    notify(&[NotifyState::Stopping]);
    stop(server, &runtime, &mut signals);
    runtime.shutdown_background();
    Ok(())
}

fn reload(server: &Server) {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
    if let Err(error) = server.reload() {
        tracing::error!("{error}; the last certificate stays in use");
    }
    notify(&[NotifyState::Ready]);
}

/// Stops the server, and waits until it has, or until a second signal.
fn stop(server: Server, runtime: &Runtime, signals: &mut Signals) {
    let stopping = runtime.spawn_blocking(move || server.shutdown());
    let again = async { while signals.next().await == Order::Reload {} };
    runtime.block_on(async {
        tokio::select! {
            _ = stopping => {}
            () = again => {}
        }
    });
}

/// Tells the service manager, where there is one.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Reload,
    Stop,
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// To be called inside the runtime.
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.interrupt.recv() => Order::Stop,
            _ = self.terminate.recv() => Order::Stop,
            _ = self.hang_up.recv() => Order::Reload,
        }
    }
}

/// What a server that is started so would find, thing by thing.
pub fn check(options: Result<Options, Error>) -> Vec<(&'static str, Result<Finding, Error>)> {
    match options {
        Err(error) => vec![("settings", Err(error))],
        Ok(options) => {
            let found =
                server::check(&options).into_iter().map(|check| (check.what, check.outcome.map_err(Error::from)));
            [("settings", Ok(Finding::Good("they go together".to_owned())))].into_iter().chain(found).collect()
        }
    }
}

fn announce(urls: &Urls, authority: Option<&LocalAuthority>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "twocan serves the page and the rendezvous on")?;
    writeln!(out, "  {}  (this machine)", urls.here)?;
    for url in urls.network.iter().filter(|&url| *url != urls.here) {
        writeln!(out, "  {url}")?;
    }
    if let (Some(authority), Some(url)) = (authority, urls.network.first()) {
        // So much of it nobody can make another key for.
        let LocalAuthority { name, fingerprint, .. } = authority;
        let (host, port, print) = (url.host_str().unwrap_or_default(), url.port_or_known_default(), &fingerprint[..59]);
        let port = port.unwrap_or_default();
        writeln!(
            out,
            "Other devices warn of the certificate once, or not at all if you install \"{name}\" there, from"
        )?;
        writeln!(out, "  http://{host}:{port}/ca  (only if its SHA-256 fingerprint begins {print})")?;
    }
    Ok(())
}

fn finish(is_by_acme: bool, out: &mut impl Write) -> io::Result<()> {
    if is_by_acme {
        writeln!(out, "The certificate authority calls at port 443 of these names: it has to lead here.")?;
    }
    writeln!(out, "Press Ctrl-C to stop.")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_announced_once() {
        let here: url::Url = "https://192.168.1.5:8443/".parse().unwrap();
        let there: url::Url = "https://10.0.0.5:8443/".parse().unwrap();
        let urls = Urls { here: here.clone(), network: vec![here, there] };
        let mut out = Vec::new();
        announce(&urls, None, &mut out).unwrap();
        let said = String::from_utf8(out).unwrap();
        for url in ["https://192.168.1.5:8443/", "https://10.0.0.5:8443/"] {
            assert_eq!(said.matches(url).count(), 1, "{said}");
        }
    }

    #[test]
    fn a_certificate_of_its_own_comes_with_the_way_to_trust_it() {
        let network = vec!["https://192.168.1.5:8443/".parse().unwrap()];
        let urls = Urls { here: "http://localhost:8443/".parse().unwrap(), network };
        let fingerprint = ["AB"; 32].join(":");
        let authority = LocalAuthority { name: "twocan 1234".into(), fingerprint, der: [].into() };
        let said = |authority: Option<&LocalAuthority>| {
            let mut out = Vec::new();
            announce(&urls, authority, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let with = said(Some(&authority));
        assert!(with.contains("\"twocan 1234\"") && with.contains("http://192.168.1.5:8443/ca "), "{with}");
        assert!(with.contains(&["AB"; 20].join(":")), "{with}");
        assert!(!said(None).contains("/ca"));
    }
}
