//! One conversation's file: read with suspicion, replaced whole.

use std::{
    fmt::Display,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::Bookmark;
use crate::{
    pairing::{PairingKey, SpentCode},
    seal::SecretKey,
};

/// The version of the files that this program writes.
const VERSION: u64 = 2;
/// The oldest version that it reads: without keys, from before calls were sealed.
const OLDEST: u64 = 1;

/// The longest file that is read: 64 KiB; ours have under one.
const FILE_LIMIT: u64 = 64 * 1024;

/// Why a file gave no conversation, and what was done about it.
#[derive(Debug, Error)]
pub enum Trouble {
    /// Its content is no conversation; it was kept under another name.
    #[error("{} is damaged ({why}); it was set aside as {}", path.display(), aside.display())]
    SetAside {
        /// Where it was.
        path: PathBuf,
        /// Where it is now.
        aside: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A folder, a symbolic link or a device stands where the file should; it was left alone.
    #[error("{} is no regular file; it was left alone", path.display())]
    NotAFile {
        /// Where.
        path: PathBuf,
    },
    /// A later version of this program wrote it; it was left alone.
    #[error("{} was written by a newer version of twocan; it was left alone", path.display())]
    Newer {
        /// Where.
        path: PathBuf,
    },
    /// It cannot be read, or cannot be set aside; it was left alone.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Trouble {
    /// The file that is meant, where it is or was.
    pub fn path(&self) -> &Path {
        match self {
            Self::SetAside { path, .. }
            | Self::NotAFile { path }
            | Self::Newer { path }
            | Self::Unreadable { path, .. } => path,
        }
    }
}

#[derive(Serialize)]
struct Versioned<'a> {
    version: u64,
    #[serde(flatten)]
    bookmark: &'a Bookmark,
}

/// What is wrong with a file's content.
enum Content {
    Newer,
    Damaged(String),
}

/// Reads the conversation at `path`; `None` if there is none. Damaged content is set aside.
pub(super) fn read(path: &Path) -> Result<Option<Bookmark>, Trouble> {
    let unreadable = |source| Trouble::Unreadable { path: path.to_owned(), source };
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata.map_err(unreadable)?,
    };
    if !metadata.is_file() {
        return Err(Trouble::NotAFile { path: path.to_owned() });
    }
    let content = if metadata.len() > FILE_LIMIT {
        Err(Content::Damaged(format!("longer than {FILE_LIMIT} bytes")))
    } else {
        parse(&fs::read(path).map_err(unreadable)?, path)
    };
    match content {
        Ok(bookmark) => Ok(Some(bookmark)),
        Err(Content::Newer) => Err(Trouble::Newer { path: path.to_owned() }),
        Err(Content::Damaged(why)) => {
            let aside = set_aside(path).map_err(unreadable)?;
            Err(Trouble::SetAside { path: path.to_owned(), aside, why })
        }
    }
}

fn parse(bytes: &[u8], path: &Path) -> Result<Bookmark, Content> {
    let damaged = |error: serde_json::Error| Content::Damaged(error.to_string());
    let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(bytes).map_err(damaged)?;
    match object.remove("version").and_then(|version| version.as_u64()) {
        Some(OLDEST..=VERSION) => {}
        Some(version) if version > VERSION => return Err(Content::Newer),
        Some(_) | None => return Err(Content::Damaged("it has no version".to_owned())),
    }
    let bookmark = Bookmark::deserialize(serde_json::Value::Object(object)).map_err(damaged)?;
    if path.file_stem().is_none_or(|stem| stem != bookmark.id.as_str()) {
        return Err(Content::Damaged("it holds another conversation than its name says".to_owned()));
    }
    Ok(bookmark)
}

/// Renames a file to the first free `*.damaged-<n>`.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    for number in 1_u32.. {
        let mut aside = path.as_os_str().to_owned();
        aside.push(format!(".damaged-{number}"));
        let aside = PathBuf::from(aside);
        if fs::symlink_metadata(&aside).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            fs::rename(path, &aside)?;
            return Ok(aside);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Replaces the file at `path`, or makes it: after a crash it is the old one or the new one, whole.
pub(super) fn write(path: &Path, bookmark: &Bookmark) -> io::Result<()> {
    let mut json = serde_json::to_vec_pretty(&Versioned { version: VERSION, bookmark })?;
    json.push(b'\n');
    if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something other than a file is in its place"));
    }
    let new = path.with_extension("new");
    let written = write_new(&new, &json).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // What is half written, for want of room perhaps, is of no use.
        let _ = fs::remove_file(&new);
    }
    written?;
    path.parent().map_or(Ok(()), sync_folder)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Left by a crash, if at all; made anew so that its permissions are ours.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes renames and removals in `folder` last.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A secret that has a text.
pub(super) trait Secret: FromStr<Err: Display> {
    fn reveal(&self) -> Zeroizing<String>;
}

impl Secret for PairingKey {
    fn reveal(&self) -> Zeroizing<String> {
        self.reveal()
    }
}

impl Secret for SecretKey {
    fn reveal(&self) -> Zeroizing<String> {
        self.reveal()
    }
}

impl Secret for SpentCode {
    fn reveal(&self) -> Zeroizing<String> {
        self.reveal()
    }
}

/// A secret as text.
pub(super) mod secret {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use zeroize::Zeroizing;

    use super::Secret;

    pub(in super::super) fn serialize<T: Secret, S: Serializer>(it: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&it.reveal())
    }

    pub(in super::super) fn deserialize<'de, T: Secret, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        Zeroizing::new(String::deserialize(deserializer)?).parse().map_err(D::Error::custom)
    }
}

/// A secret that may be missing, as text.
pub(super) mod optional_secret {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use zeroize::Zeroizing;

    use super::Secret;

    pub(in super::super) fn serialize<T: Secret, S: Serializer>(
        it: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match it {
            Some(it) => serializer.serialize_str(&it.reveal()),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, T: Secret, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.map(Zeroizing::new);
        text.map(|text| text.parse()).transpose().map_err(D::Error::custom)
    }
}

/// Something optional as text.
pub(super) mod optional_text {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in super::super) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse()).transpose().map_err(D::Error::custom)
    }
}
