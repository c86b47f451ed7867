//! What a person settled once, in a file, rather than by flags each time; and where files are kept.

mod ice;
mod serve;
mod wording;

use std::{
    fs, io,
    net::IpAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use directories::ProjectDirs;
use serde::Deserialize;
use thiserror::Error;

pub use self::{
    ice::{IceError, Stun, Turn, turn_address},
    serve::{AllowedOrigin, NotASite, ServeSettings},
    wording::plain,
};
use crate::{
    invite::Origin,
    media::{Choice, Kind},
};

/// The longest config file that is read: 64 KiB.
const FILE_LIMIT: u64 = 64 * 1024;

/// The settings of `config.toml`; every one may be left out, and a flag of the same name goes before it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The rendezvous server; none means one inside this program.
    #[serde(deserialize_with = "origin")]
    pub server: Option<Origin>,
    /// The port of a server inside this program.
    pub port: Option<u16>,
    /// The address that a server inside this program listens on.
    pub listen: Option<IpAddr>,
    /// The STUN server.
    pub stun: Option<Stun>,
    /// TURN servers, each with `url`, `user` and `password`.
    pub turn: Vec<Turn>,
    /// A file with an authority whose servers are trusted.
    pub ca: Option<PathBuf>,
    /// Whether sound and picture go by a TURN server whatever else there is.
    #[serde(rename = "relay-only")]
    pub relay_only: bool,
    /// The microphone: a name, `auto`, `test` or `none`.
    #[serde(deserialize_with = "microphone")]
    pub microphone: Option<Choice>,
    /// The camera: a name, `auto`, `test` or `none`.
    #[serde(deserialize_with = "camera")]
    pub camera: Option<Choice>,
    /// The speaker: a name, `auto`, `test` or `none`.
    #[serde(deserialize_with = "speaker")]
    pub speaker: Option<Choice>,
    /// What is for `twocan serve` alone.
    pub serve: ServeSettings,
}

/// A config file, read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// The file, if it holds a password and others on this machine can read it: to be shown.
    pub exposed: Option<PathBuf>,
}

/// Why settings or folders could not be found.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file is missing though it was asked for, or cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line is no TOML, holds an unknown key, or a value of the wrong kind.
    #[error("{}, line {line}: {message}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// There is no home folder to keep files in.
    #[error("there is no home folder to keep conversations in")]
    NoHome,
}

/// Reads the settings: from `file` if one is named, or else from the usual place if there is one.
///
/// Paths in it begin at its own folder.
pub fn load(file: Option<&Path>) -> Result<Loaded, ConfigError> {
    let usual = || directories().map(|directories| directories.config_dir().join("config.toml"));
    match (file, usual()) {
        (Some(path), _) => read(path),
        (None, Some(path)) => match read(&path) {
            Err(ConfigError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(Loaded::default())
            }
            result => result,
        },
        (None, None) => Ok(Loaded::default()),
    }
}

/// The folder for what is to be kept: `folder` if one is named, or else the usual place.
pub fn state_folder(folder: Option<&Path>) -> Result<PathBuf, ConfigError> {
    match folder {
        Some(folder) => Ok(folder.to_owned()),
        None => directories().map(|usual| usual.data_dir().to_owned()).ok_or(ConfigError::NoHome),
    }
}

impl Config {
    /// The files that it names.
    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let ServeSettings { certificate, key, turn_secret_file, .. } = &mut self.serve;
        [&mut self.ca, certificate, key, turn_secret_file].into_iter().flatten()
    }
}

fn directories() -> Option<ProjectDirs> {
    ProjectDirs::from("", "", "twocan")
}

fn read(path: &Path) -> Result<Loaded, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if metadata.len() > FILE_LIMIT {
        return Err(unreadable(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 64 KiB")));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let mut config = parse(&text, path)?;
    if let Some(folder) = path.parent() {
        config.paths().for_each(|path| *path = folder.join(&*path));
    }
    let others_can_read = metadata.permissions().mode() & 0o044 != 0;
    let exposed = (others_can_read && !config.turn.is_empty()).then(|| path.to_owned());
    Ok(Loaded { config, exposed })
}

fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        // Only the message: the excerpt that the error can also show may hold a password.
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        let message = wording::unknown_key(&message).unwrap_or_else(|| plain(&message));
        ConfigError::Line { path: path.to_owned(), line, message }
    })
}

fn origin<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Origin>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

fn microphone<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Choice>, D::Error> {
    device(Kind::Microphone, deserializer)
}

fn camera<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Choice>, D::Error> {
    device(Kind::Camera, deserializer)
}

fn speaker<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Choice>, D::Error> {
    device(Kind::Speaker, deserializer)
}

fn device<'de, D: serde::Deserializer<'de>>(kind: Kind, deserializer: D) -> Result<Option<Choice>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Choice::of(kind, &text).map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    const WHOLE: &str = r#"
server = "https://talk.example"
port = 9443
listen = "127.0.0.1"
stun = "stun:stun.example"
ca = "ca.pem"
relay-only = true
microphone = "Yeti"
camera = "none"
speaker = "auto"

[[turn]]
url = "turn:turn.example:3479"
user = "me"
password = "hunter2"
"#;

    fn parsed(text: &str) -> Result<Config, ConfigError> {
        parse(text, Path::new("config.toml"))
    }

    #[test]
    fn every_setting_is_read() {
        let config = parsed(WHOLE).unwrap();
        assert_eq!(config.server.unwrap().to_string(), "https://talk.example");
        assert_eq!((config.port, config.listen), (Some(9443), Some([127, 0, 0, 1].into())));
        assert_eq!(config.stun.unwrap().address(), "stun://stun.example:3478");
        assert_eq!(config.turn[0].address().as_str(), "turn://me:hunter2@turn.example:3479");
        assert_eq!((config.ca, config.relay_only), (Some("ca.pem".into()), true));
        assert_eq!(config.microphone, Some(Choice::Named("Yeti".into())));
        assert_eq!((config.camera, config.speaker), (Some(Choice::None), Some(Choice::Auto)));
    }

    #[test]
    fn an_empty_file_settles_nothing() {
        assert_eq!(parsed("").unwrap(), Config::default());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, wanted) in [
            ("\n\nprot = 1", "config.toml, line 3: unknown key `prot`: did you mean `port`?"),
            ("port = \"x\"", "line 1: invalid type"),
            ("port = 99999", "line 1: invalid value"),
            ("\nserver = \"nonsense\"", "line 2: this is not a web address"),
            ("listen = \"everywhere\"", "line 1: invalid IP address"),
            ("stun = \"http://x\"", "line 1: a STUN server is stun:HOST[:PORT]"),
            ("stun = [\"stun:a\"]", "line 1: invalid type: sequence"),
            ("[[turn]]\nurl = \"turn:h\"\nuser = \"u\"", "missing field `password`"),
            ("port = 1\ncamera = 'test:pinkish'", "config.toml, line 2: there is no test camera \"pinkish\""),
            ("microphone = 'test:1'", "line 1: there is no test microphone"),
            ("speaker = 'test:1'", "line 1: there is no test speaker"),
            ("port = ", "line 1: "),
        ] {
            let error = parsed(text).unwrap_err().to_string();
            assert!(error.contains(wanted) && !error.contains('\n'), "{text:?}: {error}");
        }
    }

    #[test]
    fn an_error_does_not_show_the_password() {
        let error = parsed("[[turn]]\nurl = \"turn:h\"\nuser = 1\npassword = \"hunter2\"").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        assert!(!format!("{:?}", parsed(WHOLE).unwrap()).contains("hunter2"));
    }

    #[test]
    fn a_password_that_others_can_read_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let loaded = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            load(Some(&path)).unwrap().exposed
        };
        assert_eq!(loaded(WHOLE, 0o644), Some(path.clone()));
        assert_eq!(loaded(WHOLE, 0o600), None);
        assert_eq!(loaded("port = 1", 0o644), None);
    }

    #[test]
    fn paths_begin_at_the_files_own_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let keys = "ca = 'ca.pem'\n[serve]\ncertificate = 'c.pem'\nkey = '/k.pem'\nturn-secret-file = 'sub/s'";
        fs::write(&path, keys).unwrap();
        let Config { ca, serve, .. } = load(Some(&path)).unwrap().config;
        let at = |name: &str| Some(folder.path().join(name));
        assert_eq!((ca, serve.certificate, serve.key), (at("ca.pem"), at("c.pem"), Some("/k.pem".into())));
        assert_eq!(serve.turn_secret_file, at("sub/s"));
    }

    #[test]
    fn a_named_file_must_be_there_and_readable() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("missing"), folder.path().to_owned()] {
            assert!(matches!(load(Some(&path)), Err(ConfigError::Unreadable { .. })), "{}", path.display());
        }
        let path = folder.path().join("large");
        fs::write(&path, "#".repeat(70_000)).unwrap();
        assert!(matches!(load(Some(&path)), Err(ConfigError::Unreadable { .. })));
    }
}
