//! That a folder is its owner's alone.

use std::io;
use std::path::Path;

/// Who this process is, to the file system.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    #[cfg(unix)]
    uid: u32,
}

#[cfg(unix)]
impl Owner {
    /// Makes `folder` where it is missing, with access for this user alone, and sees to it that it is private.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};

        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // What this process makes is this user's.
        let uid = super::unfinished(folder)?.as_file().metadata()?.uid();
        let owner = Self { uid };
        owner.check(folder)?;
        let mode = std::fs::metadata(folder)?.mode();
        if mode & 0o077 != 0 {
            tracing::warn!(
                folder = %folder.display(),
                "others may look into the plugin cache (mode {:03o}): `chmod 700` it", mode & 0o777
            );
        }
        Ok(owner)
    }

    /// Whether nobody else can put anything into `folder`.
    pub(super) fn check(self, folder: &Path) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt as _;

        let found = std::fs::metadata(folder)?;
        let (mode, uid) = (found.mode() & 0o777, found.uid());
        if uid != self.uid {
            return Err(denied(format!(
                "the folder belongs to user {uid}, and this is user {}: choose another",
                self.uid
            )));
        }
        if mode & 0o022 != 0 {
            return Err(denied(format!("others can write into the folder (mode {mode:03o}): `chmod 700` it")));
        }
        Ok(())
    }

    /// Whether nobody else can know the key in `file`.
    pub(super) fn check_key(self, file: &Path) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt as _;

        let found = std::fs::symlink_metadata(file)?;
        let (mode, uid) = (found.mode() & 0o777, found.uid());
        let file = file.display();
        if !found.is_file() {
            return Err(denied(format!("{file} is not a regular file: remove it, and all is compiled anew")));
        }
        if uid != self.uid || mode & 0o077 != 0 {
            return Err(denied(format!(
                "others can read the key in {file} (user {uid}, mode {mode:03o}): remove it, and all is compiled anew"
            )));
        }
        Ok(())
    }
}

#[cfg(unix)]
fn denied(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, message)
}

#[cfg(not(unix))]
impl Owner {
    pub(super) fn of(_: &Path) -> io::Result<Self> {
        let message = "who can write into a folder is known on Unix only; set up the host without `cache`";
        Err(io::Error::new(io::ErrorKind::Unsupported, message))
    }

    pub(super) fn check(self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn check_key(self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}
