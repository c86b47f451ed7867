//! The rendezvous server and the page, on one port, in a thread of their own.
//!
//! [`Server::start`] binds, makes or loads the certificate and returns; from then on the server runs by itself on a
//! tokio runtime of its own until it is shut down or dropped. The caller needs no runtime, and may have any.
//!
//! The first byte of a connection tells TLS from plain HTTP. Plain HTTP is for this machine alone, where a page may use
//! the microphone without TLS; whoever comes from elsewhere is sent to https.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime},
};

use thiserror::Error;
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::{mpsc, oneshot},
};
use url::Url;

use certificate::Certificate;
use hub::Hub;
use turn::Ice;

mod addresses;
mod certificate;
mod check;
mod doubts;
mod figures;
mod http;
mod hub;
mod life;
mod limits;
mod links;
mod listen;
mod metrics;
mod origin;
mod outbox;
mod page;
mod probe;
mod proxy;
mod settings;
mod storms;
mod stream;
mod ticket;
mod turn;
mod websocket;

pub use certificate::{CertificateProblem, LocalAuthority};
pub use check::{Check, Finding, check};
pub use doubts::{Doubt, doubts};
pub use limits::Limits;
pub use probe::is_twocan;
pub use settings::{Origins, Settings, Tls, Turn};

/// The port when none is chosen: 8443.
pub const DEFAULT_PORT: u16 = 8443;

/// How the `server` header of every response begins; [`is_twocan`] looks for it.
const SERVER_HEADER: &str = concat!("twocan/", env!("CARGO_PKG_VERSION"));

/// How long connections get to say goodbye when the server stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where a server listens and what it keeps.
#[derive(Debug, Clone)]
pub struct Options {
    /// The addresses to listen on; every address of this machine when empty.
    pub listen: Vec<IpAddr>,
    /// The port for plain HTTP and TLS alike; 0 takes any free one.
    pub port: u16,
    /// The folder for the key and the certificate; made when missing.
    pub state: PathBuf,
    /// Everything else.
    pub settings: Settings,
}

/// Where a running server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urls {
    /// From this machine: `http://localhost:<port>/`, or the first of `network` when it listens on no loopback address.
    pub here: Url,
    /// From other machines, the likeliest first: `https://<address>:<port>/`.
    pub network: Vec<Url>,
}

/// Why a server cannot start.
#[derive(Debug, Error)]
pub enum ServerError {
    /// Something listens on the port; [`is_twocan`] tells whether it is one of ours.
    #[error("port {port} is taken by another program")]
    PortTaken {
        /// The port asked for.
        port: u16,
    },
    /// The system keeps the port for privileged programs.
    #[error("this user may not listen on port {port}")]
    PortForbidden {
        /// The port asked for.
        port: u16,
    },
    /// No interface of this machine has the address.
    #[error("this machine does not have the address {address}")]
    NoSuchAddress {
        /// The address asked for.
        address: IpAddr,
    },
    /// The folder for the key and the certificate cannot be used.
    #[error("cannot keep the server's key in {}: {source}", path.display())]
    State {
        /// The file or folder that could not be read or written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The key on disk is no key, or no certificate can be made with it.
    #[error("the server's key in {} cannot be used: {reason}", path.display())]
    BadKey {
        /// The file with the key.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate that was named, its key, or what is to be asked for, is not usable.
    #[error("cannot use {}: {problem}", path.display())]
    Certificate {
        /// The file, or the setting.
        path: PathBuf,
        /// What is wrong with it.
        problem: CertificateProblem,
    },
    /// The file with the secret that TURN servers share is not usable.
    #[error("cannot read the TURN secret in {}: {source}", path.display())]
    TurnSecret {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// The figures are to be shown where the server itself listens.
    #[error("the figures cannot be shown at {address}: the server itself listens there")]
    FiguresAtServer {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The port for the figures alone cannot be had.
    #[error("cannot show the figures at {address}: {source}")]
    Figures {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A running server has ended, and nobody had asked it to.
    #[error("the server has ended by a defect of its own")]
    Ended,
    /// The system refused something every server needs.
    #[error("the server cannot start: {0}")]
    System(#[from] io::Error),
}

/// A running server; dropping it stops it.
#[derive(Debug)]
pub struct Server {
    port: u16,
    urls: Urls,
    authority: Option<Box<LocalAuthority>>,
    orders: Option<mpsc::UnboundedSender<Reload>>,
    /// Dropped at the other end when the thread ends, however it does.
    alive: oneshot::Receiver<Infallible>,
    thread: Option<JoinHandle<()>>,
}

/// The order to read the certificate again, and where to say what came of it.
type Reload = std::sync::mpsc::Sender<Result<(), ServerError>>;

impl Server {
    /// Starts a server; returns once it accepts connections.
    pub fn start(options: Options) -> Result<Self, ServerError> {
        let (orders, ordered) = mpsc::unbounded_channel();
        let (report, reported) = std::sync::mpsc::channel();
        let (lifeline, alive) = oneshot::channel();
        let thread = run_in_thread(move || {
            let _lifeline: oneshot::Sender<Infallible> = lifeline;
            match Prepared::new(&options) {
                Ok(prepared) => {
                    let authority = prepared.certificate.authority().map(Box::new);
                    let _ = report.send(Ok((prepared.port, prepared.urls.clone(), authority))); // Whoever started it waits for this.
                    prepared.run(ordered);
                }
                Err(error) => {
                    let _ = report.send(Err(error));
                }
            }
        })?;
        let (port, urls, authority) = reported.recv().map_err(io::Error::other)??;
        tracing::info!(port, "the server is up");
        Ok(Self { port, urls, authority, orders: Some(orders), alive, thread: Some(thread) })
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it is reached.
    pub fn urls(&self) -> &Urls {
        &self.urls
    }

    /// The authority that other devices may be told to trust, if the certificate is of this machine's own making.
    pub fn authority(&self) -> Option<&LocalAuthority> {
        self.authority.as_deref()
    }

    /// Reads the certificate's files again, where it comes from files; if they are no good, the last one stays in use.
    pub fn reload(&self) -> Result<(), ServerError> {
        let (report, reported) = std::sync::mpsc::channel();
        if self.orders.as_ref().is_none_or(|orders| orders.send(report).is_err()) {
            return Ok(()); // It is stopping.
        }
        reported.recv().unwrap_or(Ok(()))
    }

    /// Waits until it has ended by itself, which no server should.
    pub async fn ended(&mut self) -> ServerError {
        let Err(_) = (&mut self.alive).await;
        ServerError::Ended
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Says goodbye on every connection and stops; takes two seconds at most, as dropping does.
    pub fn shutdown(self) {}
}

impl Drop for Server {
    fn drop(&mut self) {
        self.orders.take(); // The other end takes a dropped sender as the word to stop.
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the server's thread had panicked");
        }
    }
}

impl Urls {
    /// Where a server that listens thus is reached.
    pub fn of(listen: &[IpAddr], port: u16) -> Result<Self, ServerError> {
        Self::new(listen, &addresses::reachable(listen), port)
    }

    fn new(listen: &[IpAddr], network: &[IpAddr], port: u16) -> Result<Self, ServerError> {
        let parse = |url: String| Url::parse(&url).map_err(io::Error::other);
        let network = network
            .iter()
            .map(|address| match address {
                IpAddr::V4(v4) => parse(format!("https://{v4}:{port}/")),
                IpAddr::V6(v6) => parse(format!("https://[{v6}]:{port}/")),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let hears_itself = listen.is_empty() || listen.iter().any(|a| a.is_loopback() || a.is_unspecified());
        let here = match network.first() {
            Some(first) if !hears_itself => first.clone(),
            _ => parse(format!("http://localhost:{port}/"))?,
        };
        Ok(Self { here, network })
    }
}

/// A server that has everything it needs and has not begun.
struct Prepared {
    runtime: Runtime,
    listeners: Vec<TcpListener>,
    certificate: Arc<Certificate>,
    ice: Ice,
    figures: Option<TcpListener>,
    settings: Settings,
    /// What the switchboard's secrets follow from.
    secret: [u8; 32],
    port: u16,
    urls: Urls,
}

impl Prepared {
    fn new(options: &Options) -> Result<Self, ServerError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ((listeners, port), figures) = {
            let _inside = runtime.enter();
            figures::apart(options)?;
            let figures = options.settings.metrics.map(figures::bind).transpose()?;
            (listen::bind(&options.listen, options.port)?, figures)
        };
        let network = addresses::reachable(&options.listen);
        let certificate = Certificate::new(&options.settings.tls, &options.state.join("server"), &network)?;
        let mut urls = Urls::new(&options.listen, &network, port)?;
        if let Tls::Acme { domains, .. } = &options.settings.tls {
            // The certificate is for these, and their port 443 leads here, or there would be none.
            let url = |name: &String| Url::parse(&format!("https://{name}/")).map_err(io::Error::other);
            urls.network = domains.iter().map(url).collect::<Result<_, _>>()?;
        }
        let settings = options.settings.clone();
        let ice = Ice::new(&settings)?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        let certificate = Arc::new(certificate);
        Ok(Self { runtime, listeners, certificate, figures, ice, settings, secret, port, urls })
    }

    /// The server's whole life.
    fn run(self, mut orders: mpsc::UnboundedReceiver<Reload>) {
        let Self { runtime, listeners, certificate, figures, ice, settings, secret, .. } = self;
        runtime.block_on(async {
            let hub = Arc::new(Hub::new(settings, secret, listen::raise_file_limit()));
            let router = http::router(hub.clone(), certificate.routes().merge(ice.routes()));
            for listener in listeners {
                spawn(listen::accept(listener, certificate.clone(), hub.clone(), router.clone()));
            }
            if let Some(listener) = figures {
                spawn(figures::accept(listener, hub.clone()));
            }
            let obey = async {
                while let Some(report) = orders.recv().await {
                    let _ = report.send(certificate.reload()); // Whoever ordered it waits for this.
                }
            };
            tokio::select! {
                () = obey => {}
                () = storms::watch(&hub.metrics) => {}
                () = hub.keep_deadlines() => {}
                () = certificate.keep() => {}
                () = hub.keep_alive() => {}
            }
            tracing::info!("the server stops");
            hub.close_all();
            let _ = tokio::time::timeout(FAREWELL, hub.emptied()).await;
        });
    }
}

/// The server is tokio's and its caller's runtime may not be; so it gets a thread.
fn run_in_thread(run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("twocan-server".into()).spawn(run)
}

/// Starts a task; the one place where the server does.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

#[expect(clippy::disallowed_methods, reason = "the one place where the server asks how much time has passed")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "certificates are bound to the calendar")]
fn today() -> SystemTime {
    SystemTime::now()
}

/// The IPv4 address in an IPv6 one that stands for it, else the address itself.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// The loopback address that a client on this machine tries first.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_dies_is_known_to_be_dead() {
        let (lifeline, alive) = oneshot::channel::<Infallible>();
        let thread = run_in_thread(move || {
            let _lifeline = lifeline;
            panic!("a defect");
        });
        let urls = Urls::new(&[], &[], 1).unwrap();
        let mut server = Server { port: 1, urls, authority: None, orders: None, alive, thread: thread.ok() };
        assert!(matches!(server.ended().await, ServerError::Ended));
        while server.is_running() {
            tokio::task::yield_now().await;
        }
    }
}
