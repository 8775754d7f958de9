//! Folders below one root, opened component by component, never through a link.
//!
//! The root is opened once, as the user named it. Below it every step is relative to a descriptor and refuses links, so
//! that links planted there, at any time, cannot redirect a read or write. A component that exists and is no folder is
//! not changed; the folder is created under the next free name (`name~2`).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use super::safe_name::numbered;

/// An open folder and its path.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    descriptor: Arc<OwnedFd>,
    /// Path below the root, with `/` after each component.
    path: String,
}

impl Folder {
    /// Opens the root. Links on the way are the user's own and are followed.
    pub(super) fn root(path: &Path) -> io::Result<Self> {
        let descriptor = rustix::fs::openat(
            CWD,
            path,
            OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        Ok(Self {
            descriptor: Arc::new(descriptor),
            path: String::new(),
        })
    }

    /// Returns the same folder as the root of all paths below it.
    pub(super) fn into_root(self) -> Self {
        Self {
            path: String::new(),
            ..self
        }
    }

    /// Returns the path of an entry of this folder, below the root.
    pub(super) fn path_of(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    /// Opens the folder `name` in this one, created if necessary. If the name is taken by something else, the next free
    /// one is used.
    pub(super) fn enter(&self, name: &str) -> io::Result<Self> {
        for attempt in 1..=ATTEMPTS_MAX {
            let name = numbered(name, attempt, "");
            match self.open_folder(&name) {
                Err(Errno::NOENT) => match self.make(&name) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                },
                other => match self.opened(other, &name)? {
                    Some(folder) => return Ok(folder),
                    None => continue,
                },
            }
            // Created just now, by us or by another process that was faster: then it need not be a folder.
            if let Some(folder) = self.opened(self.open_folder(&name), &name)? {
                return Ok(folder);
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Creates the folder `name`, which must not exist, and opens it.
    pub(super) fn create(&self, name: &str) -> io::Result<Self> {
        self.make(name)?;
        self.opened(self.open_folder(name), name)?
            .ok_or_else(|| Errno::NOTDIR.into())
    }

    /// Creates the file `name`, which must not exist.
    pub(super) fn create_file(&self, name: &str) -> io::Result<File> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(File::from(rustix::fs::openat(
            self.descriptor.as_fd(),
            name,
            flags,
            mode,
        )?))
    }

    /// Opens the file `name` again for writing.
    pub(super) fn open_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(
            self.descriptor.as_fd(),
            name,
            flags,
            Mode::empty(),
        )?))
    }

    /// Opens a file for reading by its path below this folder. No component may be a link.
    pub(super) fn read_below(&self, path: &str) -> io::Result<File> {
        let mut parts: Vec<&str> = path.split('/').collect();
        let name = parts.pop().unwrap_or_default();
        let mut folder = None;
        for part in parts {
            let from = folder.as_ref().unwrap_or(self);
            let opened = from.opened(from.open_folder(part), part)?;
            folder = Some(opened.ok_or(Errno::NOTDIR)?);
        }
        // NONBLOCK: opening a planted fifo must not wait for its writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(
            folder.as_ref().unwrap_or(self).descriptor.as_fd(),
            name,
            flags,
            Mode::empty(),
        )?))
    }

    /// Moves the file `from` of this folder to the name `to` in `folder`. Returns false if that name is taken; never
    /// replaces a file.
    pub(super) fn rename_new(&self, from: &str, folder: &Self, to: &str) -> io::Result<bool> {
        match self.rename_exclusive(from, folder, to) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            // A file system without exclusive rename: claim the name with an empty file, and replace that.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match folder.create_file(to) {
                Ok(_) => {
                    rustix::fs::renameat(&self.descriptor, from, &folder.descriptor, to)?;
                    Ok(true)
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
                Err(error) => Err(error),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Moves the file `from` of this folder to the name `to` in `folder`, replacing an earlier file of this run.
    pub(super) fn rename_over(&self, from: &str, folder: &Self, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(
            &self.descriptor,
            from,
            &folder.descriptor,
            to,
        )?)
    }

    /// Returns true if anything has that name, even a dangling link.
    pub(super) fn exists(&self, name: &str) -> bool {
        rustix::fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Removes the file `name`.
    pub(super) fn remove_file(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(
            &self.descriptor,
            name,
            AtFlags::empty(),
        )?)
    }

    /// Removes the empty folder `name`.
    pub(super) fn remove_folder(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(
            &self.descriptor,
            name,
            AtFlags::REMOVEDIR,
        )?)
    }

    /// Creates a folder that only its owner can read: extracted files may be secret.
    fn make(&self, name: &str) -> Result<(), Errno> {
        rustix::fs::mkdirat(&self.descriptor, name, Mode::RWXU)
    }

    fn open_folder(&self, name: &str) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(
            self.descriptor.as_fd(),
            name,
            OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
    }

    /// Wraps an opened folder; `None` if the name is taken by something else.
    fn opened(&self, result: Result<OwnedFd, Errno>, name: &str) -> io::Result<Option<Self>> {
        match result {
            Ok(descriptor) => Ok(Some(Self {
                descriptor: Arc::new(descriptor),
                path: format!("{}{name}/", self.path),
            })),
            // LOOP is the answer of NOFOLLOW to a link.
            Err(Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    fn rename_exclusive(&self, from: &str, folder: &Self, to: &str) -> Result<(), Errno> {
        let flags = rustix::fs::RenameFlags::NOREPLACE;
        rustix::fs::renameat_with(&self.descriptor, from, &folder.descriptor, to, flags)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    fn rename_exclusive(&self, _: &str, _: &Self, _: &str) -> Result<(), Errno> {
        Err(Errno::NOSYS)
    }
}

/// Names tried for one folder before giving up.
const ATTEMPTS_MAX: u64 = 1_000;
