//! The folder in which keys and certificates are kept, for their owner alone.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rcgen::KeyPair;

use crate::server::ServerError;

/// A folder that is made when it is first written to.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// A folder inside this one.
    pub(super) fn inside(&self, name: &str) -> Self {
        Self(self.0.join(name))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file's content; `None` if there is none.
    pub(super) fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(name)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A file's text; none, if it is damaged.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, ServerError> {
        let content = self.read(name).map_err(|source| ServerError::State { path: self.path(name), source })?;
        Ok(content.and_then(|content| String::from_utf8(content).ok()))
    }

    /// Replaces a file as a whole or not at all, readable by its owner alone.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let path = self.path(name);
        let draft = path.with_extension(format!("{}.new", std::process::id()));
        // One that was left behind may be readable by others: its mode is not to be this one's.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        let written = file.write_all(content).and_then(|()| file.sync_all());
        let result = written.and_then(|()| fs::rename(&draft, path));
        if result.is_err() {
            let _ = fs::remove_file(&draft);
        }
        result
    }

    /// The same, as a reason not to start.
    pub(super) fn store(&self, name: &str, content: &str) -> Result<(), ServerError> {
        self.write(name, content.as_bytes()).map_err(|source| ServerError::State { path: self.path(name), source })
    }

    /// The key in this file; made, if there is none.
    ///
    /// One that is damaged is never replaced by itself: whoever trusts this server trusts its keys.
    pub(super) fn key(&self, name: &str) -> Result<KeyPair, ServerError> {
        let bad = |reason: String| ServerError::BadKey { path: self.path(name), reason };
        let stored = self.read(name).map_err(|source| ServerError::State { path: self.path(name), source })?;
        if let Some(stored) = stored {
            let text = String::from_utf8(stored).map_err(|_| bad("it is not text".into()))?;
            return KeyPair::from_pem(&text).map_err(|error| bad(error.to_string()));
        }
        let key = KeyPair::generate().map_err(|error| bad(error.to_string()))?;
        self.store(name, &key.serialize_pem())?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_kept_is_its_owners_alone_whatever_was_left_behind() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::new(home.path());
        let draft = home.path().join(format!("key.{}.new", std::process::id()));
        fs::write(&draft, "left behind").unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o666)).unwrap();
        folder.write("key.pem", b"secret").unwrap();
        let mode = fs::metadata(folder.path("key.pem")).unwrap().permissions().mode();
        assert_eq!((mode & 0o777, draft.exists()), (0o600, false));
        assert_eq!(folder.read("key.pem").unwrap().unwrap(), b"secret");
    }
}
