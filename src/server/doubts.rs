//! What a server starts with all the same, and whoever runs it had better know.

use std::{os::unix::fs::PermissionsExt, path::Path};

use super::{Limits, Options, Tls, certificate, listen};

/// Something that had better be otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// What it is about, by the name of its [`super::Check`].
    pub what: &'static str,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// What there is to be said of a server that has started so.
pub fn doubts(options: &Options) -> Vec<Doubt> {
    [certificate(options), turn(options), connections(options)].into_iter().flatten().collect()
}

/// Of the certificate's files, which are good.
pub(super) fn certificate(options: &Options) -> Vec<Doubt> {
    let Tls::Files { certificate, key } = &options.settings.tls else { return Vec::new() };
    let of_authority = certificate::is_authority(certificate).then(|| Doubt {
        what: "certificate",
        message: format!(
            "{} is an authority's (CA:TRUE): programs that check it refuse it as a server's",
            certificate.display()
        ),
        hint: "make one that is for a server alone: openssl req -x509 does with -addext basicConstraints=critical,CA:FALSE \
               and -addext subjectAltName=DNS:NAME"
            .into(),
    });
    readable_by_all("certificate", "the private key", key).into_iter().chain(of_authority).collect()
}

/// Of the secret that is shared with TURN servers.
pub(super) fn turn(options: &Options) -> Vec<Doubt> {
    let turn = options.settings.turn.iter();
    turn.filter_map(|turn| readable_by_all("turn secret", "the TURN secret", &turn.secret_file)).collect()
}

/// Of how many the system lets be connected at once.
pub(super) fn connections(options: &Options) -> Vec<Doubt> {
    let (wanted, (files, room)) = (options.settings.limits.connections, listen::file_limit());
    // Nobody has asked for what is so unless said.
    let is_asked_for = wanted != Limits::default().connections;
    let doubt = (is_asked_for && wanted > room).then(|| Doubt {
        what: "connections",
        message: format!("max-connections is {wanted}, but {files} open files are the limit here, enough for {room}"),
        hint: format!(
            "raise the limit (LimitNOFILE= in the systemd unit, else ulimit -Hn), or set max-connections = {room}"
        ),
    });
    doubt.into_iter().collect()
}

/// A group may well be meant to read it.
fn readable_by_all(what: &'static str, secret: &str, path: &Path) -> Option<Doubt> {
    let is_open = path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0);
    let path = path.display();
    is_open.then(|| Doubt {
        what,
        message: format!("{path} holds {secret}, and everybody on this machine can read it"),
        hint: format!("chmod o-r {path}"),
    })
}
