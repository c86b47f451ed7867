//! Whether a server could start with these options; nothing is started, made or left behind.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rcgen::KeyPair;

use super::{
    Doubt, Options, ServerError, Tls, certificate::Certificate, doubts, figures, listen, probe::is_twocan, turn::Ice,
};

/// One thing that was looked at.
#[derive(Debug)]
pub struct Check {
    /// What it is, in a word or two.
    pub what: &'static str,
    /// How it was found, or why the server could not start with it.
    pub outcome: Result<Finding, ServerError>,
}

/// How a thing was found that a server can start with.
#[derive(Debug)]
pub enum Finding {
    /// Good, in these words.
    Good(String),
    /// Not as it had better be, in one way at least.
    Doubtful(Vec<Doubt>),
}

/// Looks at everything that a server needs from the system.
pub fn check(options: &Options) -> Vec<Check> {
    let settings = &options.settings;
    let good = |how: Result<String, ServerError>, doubts: fn(&Options) -> Vec<Doubt>| {
        how.map(|how| match doubts(options) {
            none if none.is_empty() => Finding::Good(how),
            doubts => Finding::Doubtful(doubts),
        })
    };
    let (_, room) = listen::file_limit();
    let connections = format!("{} at once", settings.limits.connections.min(room));
    let mut checks = vec![
        Check { what: "state folder", outcome: good(state(&options.state), |_| Vec::new()) },
        Check { what: "certificate", outcome: good(certificate(options), doubts::certificate) },
        Check { what: "port", outcome: port(options) },
        Check { what: "connections", outcome: good(Ok(connections), doubts::connections) },
    ];
    if settings.metrics.is_some() {
        checks.push(Check { what: "metrics", outcome: metrics(options) });
    }
    if settings.turn.is_some() {
        checks.push(Check { what: "turn secret", outcome: good(turn(options), doubts::turn) });
    }
    checks
}

/// What is said of a port that a twocan has: it may be the very server that is to be started anew, or another.
fn served(what: &'static str, place: impl std::fmt::Display) -> Finding {
    let message = format!("{place} is served by twocan already: a second one cannot start there");
    let hint =
        format!("stop that one first, unless it is the one that you mean to restart; or choose another --{what}");
    Finding::Doubtful(vec![Doubt { what, message, hint }])
}

/// Whether files can be made in the folder, or in the one that it would be made in.
fn state(folder: &Path) -> Result<String, ServerError> {
    let Some(there) = folder.ancestors().find(|path| path.as_os_str().is_empty() || path.exists()) else {
        return Err(ServerError::State { path: folder.to_owned(), source: io::ErrorKind::NotFound.into() });
    };
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    let trial = there.join(format!(".twocan-check.{}", std::process::id()));
    let tried = fs::OpenOptions::new().write(true).create_new(true).open(&trial);
    tried.and_then(|_| fs::remove_file(&trial)).map_err(|source| ServerError::State { path: there.into(), source })?;
    Ok(match folder.exists() {
        true => format!("{} can be written", folder.display()),
        false => format!("{} can be made", folder.display()),
    })
}

fn certificate(options: &Options) -> Result<String, ServerError> {
    let folder = options.state.join("server");
    match &options.settings.tls {
        Tls::Own => own(&folder.join("key.pem")),
        files @ Tls::Files { certificate, .. } => {
            Certificate::new(files, &folder, &[])?;
            Ok(format!("{} and its key are good", certificate.display()))
        }
        acme @ Tls::Acme { domains, .. } => {
            Certificate::new(acme, &folder, &[])?;
            Ok(format!("an authority is asked for {} when the server starts", domains.join(", ")))
        }
    }
}

fn own(path: &PathBuf) -> Result<String, ServerError> {
    match fs::read_to_string(path) {
        Ok(text) => match KeyPair::from_pem(&text) {
            Ok(_) => Ok(format!("this machine's own, by the key in {}", path.display())),
            Err(error) => Err(ServerError::BadKey { path: path.clone(), reason: error.to_string() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok("this machine's own, made at the start".into()),
        Err(source) => Err(ServerError::State { path: path.clone(), source }),
    }
}

fn port(options: &Options) -> Result<Finding, ServerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _inside = runtime.enter();
    match listen::bind(&options.listen, options.port) {
        Ok((_, port)) if options.port == 0 => Ok(Finding::Good(format!("any, such as {port}"))),
        Ok((_, port)) => Ok(Finding::Good(format!("{port} is free"))),
        Err(ServerError::PortTaken { port }) if is_twocan(port) => Ok(served("port", port)),
        Err(error) => Err(error),
    }
}

fn metrics(options: &Options) -> Result<Finding, ServerError> {
    figures::apart(options)?;
    let Some(address) = options.settings.metrics else { return Ok(Finding::Good(String::new())) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _inside = runtime.enter();
    match figures::bind(address) {
        Ok(_) => Ok(Finding::Good(format!("{address} is free"))),
        Err(ServerError::Figures { source, .. })
            if source.kind() == io::ErrorKind::AddrInUse && is_twocan(address.port()) =>
        {
            Ok(served("metrics", address))
        }
        Err(error) => Err(error),
    }
}

fn turn(options: &Options) -> Result<String, ServerError> {
    Ice::new(&options.settings)?;
    Ok("it can be read".into())
}
