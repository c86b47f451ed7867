//! Conversations on disk: `<state>/conversations/<id>.json`, one file each, for their owner's eyes only.
//!
//! Invariants: a file is replaced whole or not at all; what cannot be read is never written over; one bad file harms no
//! other conversation; every change happens under the folder's lock, on the file as it then is.

mod file;
mod name;

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::{
    file::Trouble,
    name::{Name, NameError, is_like_id, is_like_link},
};
use crate::{
    ids::{ConversationId, InstanceId},
    invite::Origin,
    pairing::{PairingKey, SpentCode},
    seal::{PublicKey, SecretKey},
};

/// How often the holder of a claim is asked to end before it is given up: 3 s in all.
const TAKE_OVER_TRIES: u32 = 30;
/// How long it is given each time: 100 ms.
const TAKE_OVER_PAUSE: Duration = Duration::from_millis(100);

/// One conversation, as this side knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bookmark {
    /// The conversation.
    pub id: ConversationId,
    /// What its owner calls it.
    pub name: Name,
    /// This side's instance id.
    pub own: InstanceId,
    /// The other side's instance id, from pairing on, or from the link that is being accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub far: Option<InstanceId>,
    /// The code, only until pairing is done: without `far` it is our own, with `far` it is theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// This side's key; none in a file of the time before calls were sealed.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "file::optional_secret")]
    pub key: Option<SecretKey>,
    /// The other side's key, from pairing on; while its code is being accepted, as soon as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "file::optional_text")]
    pub far_key: Option<PublicKey>,
    /// What is left of this side's code, if that paired the two: to refuse it to others.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "file::optional_secret")]
    pub spent: Option<SpentCode>,
    /// The server they meet at; `None` is one inside this program.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "file::optional_text")]
    pub server: Option<Origin>,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When the two last talked, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_talked: Option<u64>,
    /// What a later version may have written, kept as it is.
    #[serde(flatten)]
    other: serde_json::Map<String, serde_json::Value>,
}

/// A pairing key and its age.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Code {
    /// The key.
    #[serde(with = "file::secret")]
    pub key: PairingKey,
    /// When it was made, in seconds since 1970.
    pub created: u64,
}

/// The folder of conversations.
#[derive(Debug, Clone)]
pub struct Bookmarks {
    folder: PathBuf,
}

/// What the folder holds.
#[derive(Debug)]
pub struct Listing {
    /// Every conversation that can be read, by name.
    pub bookmarks: Vec<Bookmark>,
    /// Every file that cannot, and what was done about it; to be shown.
    pub troubles: Vec<Trouble>,
}

/// The right to run a conversation on this machine, until it is dropped.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
}

/// Why a conversation could not be stored or opened.
#[derive(Debug, Error)]
pub enum BookmarkError {
    /// A file or folder cannot be made, read or written: no permission, disk full, something else in its place.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file of this conversation cannot be used.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// Another conversation goes by this name.
    #[error("there is a conversation called \"{0}\" already")]
    NameTaken(Name),
    /// There is a file for this conversation already.
    #[error("there is a file for conversation {0} already")]
    Exists(ConversationId),
    /// There is no such conversation, or no longer.
    #[error("there is no conversation {0}")]
    Unknown(ConversationId),
    /// This side has it open in another process.
    #[error("this conversation is open in another window")]
    AlreadyOpen,
}

impl Bookmark {
    /// A conversation that is paired with nobody; `now` is in seconds since 1970.
    pub fn new(id: ConversationId, own: InstanceId, key: SecretKey, name: Name, now: u64) -> Self {
        let other = serde_json::Map::new();
        Self {
            id,
            name,
            own,
            far: None,
            code: None,
            key: Some(key),
            far_key: None,
            spent: None,
            server: None,
            created: now,
            last_talked: None,
            other,
        }
    }

    /// Whether the other side is known for good.
    pub fn is_paired(&self) -> bool {
        self.far.is_some() && self.far_key.is_some() && self.code.is_none()
    }

    /// Whether the two were paired before calls were sealed, and must be paired once more.
    pub fn is_unsealed(&self) -> bool {
        self.far.is_some() && self.far_key.is_none() && self.code.is_none()
    }
}

impl Bookmarks {
    /// The conversations in the state folder, which is made if it is missing.
    pub fn open(state: &Path) -> Result<Self, BookmarkError> {
        let folder = state.join("conversations");
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed("make", &folder))?;
        // An earlier umask or a copy may have left it open to others.
        let mode = fs::metadata(&folder).map_err(failed("read", &folder))?.permissions().mode();
        if mode & 0o077 != 0 {
            let private = Permissions::from_mode(0o700);
            fs::set_permissions(&folder, private).map_err(failed("make private", &folder))?;
        }
        Ok(Self { folder })
    }

    /// Reads every conversation; a damaged file is set aside.
    pub fn list(&self) -> Result<Listing, BookmarkError> {
        let _lock = self.lock()?;
        self.read_all()
    }

    /// The conversation of this name, or else of this id.
    ///
    /// Names compare without regard to case. What could not be read is in the listing's troubles.
    pub fn find(&self, wanted: &str) -> Result<(Option<Bookmark>, Vec<Trouble>), BookmarkError> {
        let Listing { bookmarks, troubles } = self.list()?;
        let is_wanted = |bookmark: &Bookmark| {
            bookmark.name.is_same(wanted.trim()) || wanted.trim().parse().is_ok_and(|id| bookmark.id == id)
        };
        Ok((bookmarks.into_iter().find(is_wanted), troubles))
    }

    /// A name that no conversation has yet, for one that nobody named: `conversation`, `conversation 2`, ….
    pub fn free_name(&self) -> Result<Name, BookmarkError> {
        let Listing { bookmarks, .. } = self.list()?;
        let is_free = |name: &Name| bookmarks.iter().all(|bookmark| !bookmark.name.is_same(name.as_str()));
        let free = (1..).map(Name::numbered).find(is_free);
        Ok(free.unwrap_or_else(|| Name::numbered(0)))
    }

    /// Stores a new conversation.
    pub fn create(&self, bookmark: &Bookmark) -> Result<(), BookmarkError> {
        let _lock = self.lock()?;
        let path = self.path(&bookmark.id);
        if fs::symlink_metadata(&path).is_ok() {
            return Err(BookmarkError::Exists(bookmark.id.clone()));
        }
        self.require_free(&bookmark.name, &bookmark.id)?;
        self.write(bookmark)
    }

    /// Changes a stored conversation, and returns it as it now is.
    ///
    /// The change is made to what is on disk at this moment, so that two processes undo nothing of each other's.
    pub fn update(&self, id: &ConversationId, change: impl FnOnce(&mut Bookmark)) -> Result<Bookmark, BookmarkError> {
        let _lock = self.lock()?;
        let mut bookmark = file::read(&self.path(id))?.ok_or_else(|| BookmarkError::Unknown(id.clone()))?;
        let name = bookmark.name.clone();
        change(&mut bookmark);
        if bookmark.name != name {
            self.require_free(&bookmark.name, id)?;
        }
        self.write(&bookmark)?;
        Ok(bookmark)
    }

    /// Gives a conversation another name.
    pub fn rename(&self, id: &ConversationId, name: Name) -> Result<Bookmark, BookmarkError> {
        self.update(id, |bookmark| bookmark.name = name)
    }

    /// Deletes a conversation and its keys, also those in copies that were set aside; not while it is open.
    pub fn forget(&self, id: &ConversationId) -> Result<(), BookmarkError> {
        if fs::symlink_metadata(self.path(id)).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Err(BookmarkError::Unknown(id.clone()));
        }
        let _claim = self.claim(id)?;
        let _lock = self.lock()?;
        for path in self.paths()? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.strip_prefix(id.as_str()).is_some_and(|rest| rest.starts_with('.')) {
                fs::remove_file(&path).map_err(failed("delete", &path))?;
            }
        }
        file::sync_folder(&self.folder).map_err(failed("write", &self.folder))
    }

    /// Takes the right to run this conversation; the system takes it back when the process ends, however it ends.
    ///
    /// Errors: [`BookmarkError::AlreadyOpen`] while another process or another claim holds it.
    pub fn claim(&self, id: &ConversationId) -> Result<Claim, BookmarkError> {
        // Under the folder's lock, so that nobody who only looks is taken for a holder.
        let _lock = self.lock()?;
        let path = self.lock_path(id);
        let lock = open_lock(&path)?;
        match lock.try_lock() {
            Ok(()) => {
                // For whoever wants to take over; only true while the lock is held.
                let signed = lock.set_len(0).and_then(|()| write!(&lock, "{}", std::process::id()));
                signed.map_err(failed("write", &path))?;
                Ok(Claim { _lock: lock })
            }
            Err(TryLockError::WouldBlock) => Err(BookmarkError::AlreadyOpen),
            Err(TryLockError::Error(source)) => Err(BookmarkError::Io { doing: "lock", path, source }),
        }
    }

    /// Takes the right to run this conversation from the process that holds it, which is asked to end.
    ///
    /// Errors: [`BookmarkError::AlreadyOpen`] if that process does not end in its time.
    pub fn take_over(&self, id: &ConversationId) -> Result<Claim, BookmarkError> {
        for _ in 0..TAKE_OVER_TRIES {
            match self.claim(id) {
                Err(BookmarkError::AlreadyOpen) => self.ask_to_end(id),
                claim => return claim,
            }
            thread::sleep(TAKE_OVER_PAUSE);
        }
        self.claim(id)
    }

    /// Sends SIGTERM to the holder of the claim, which hangs up and ends.
    fn ask_to_end(&self, id: &ConversationId) {
        let signed = fs::read_to_string(self.lock_path(id)).ok();
        let holder = signed.and_then(|pid| Pid::from_raw(pid.parse().ok()?));
        if let Some(holder) = holder.filter(|holder| *holder != rustix::process::getpid()) {
            // It may have ended by itself in this very moment.
            let _ = rustix::process::kill_process(holder, Signal::TERM);
        }
    }

    /// Whether somebody holds the claim on this conversation.
    pub fn is_open(&self, id: &ConversationId) -> Result<bool, BookmarkError> {
        let _lock = self.lock()?;
        match File::open(self.lock_path(id)) {
            Ok(lock) => Ok(matches!(lock.try_lock(), Err(TryLockError::WouldBlock))),
            Err(_) => Ok(false),
        }
    }

    fn require_free(&self, name: &Name, except: &ConversationId) -> Result<(), BookmarkError> {
        let taken = |bookmark: &Bookmark| bookmark.id != *except && bookmark.name.is_same(name.as_str());
        let taken = self.read_all()?.bookmarks.iter().any(taken);
        if taken { Err(BookmarkError::NameTaken(name.clone())) } else { Ok(()) }
    }

    /// The caller holds the folder's lock.
    fn read_all(&self) -> Result<Listing, BookmarkError> {
        let mut listing = Listing { bookmarks: Vec::new(), troubles: Vec::new() };
        for path in self.paths()? {
            if path.extension().is_some_and(|extension| extension == "json") {
                match file::read(&path) {
                    Ok(found) => listing.bookmarks.extend(found),
                    Err(trouble) => listing.troubles.push(trouble),
                }
            }
        }
        listing.bookmarks.sort_by_cached_key(|bookmark| bookmark.name.as_str().to_lowercase());
        Ok(listing)
    }

    fn paths(&self) -> Result<Vec<PathBuf>, BookmarkError> {
        let entries = fs::read_dir(&self.folder).map_err(failed("read", &self.folder))?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths.collect::<Result<_, _>>().map_err(failed("read", &self.folder))
    }

    /// The caller holds the folder's lock.
    fn write(&self, bookmark: &Bookmark) -> Result<(), BookmarkError> {
        let path = self.path(&bookmark.id);
        file::write(&path, bookmark).map_err(failed("write", &path))
    }

    /// Waits for other processes, which hold it only for the time of one change.
    fn lock(&self) -> Result<File, BookmarkError> {
        let path = self.folder.join("lock");
        let lock = open_lock(&path)?;
        lock.lock().map_err(failed("lock", &path))?;
        Ok(lock)
    }

    fn path(&self, id: &ConversationId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    fn lock_path(&self, id: &ConversationId) -> PathBuf {
        self.folder.join(format!("{id}.lock"))
    }
}

fn open_lock(path: &Path) -> Result<File, BookmarkError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(failed("open", path))
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BookmarkError {
    let path = path.to_owned();
    move |source| BookmarkError::Io { doing, path, source }
}

#[cfg(test)]
mod tests;
