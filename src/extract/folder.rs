//! Folders below one root, opened part by part, never through a link.
//!
//! The root is opened once, as the user named it. Below it every step is relative to a descriptor and refuses links:
//! whatever somebody plants there, and whenever, nothing is read or written elsewhere. A part that exists and is no
//! folder is left alone; the folder is made under the next free name (`name~2`).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use super::safe_name::numbered;

/// A folder that is open, and where it is.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    descriptor: Arc<OwnedFd>,
    /// Path below the root, with `/` between and after its parts.
    path: String,
}

impl Folder {
    /// Opens the folder that everything else is below. Links on the way are the user's own and are followed.
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

    /// The same folder as the root of all paths below it.
    pub(super) fn into_root(self) -> Self {
        Self {
            path: String::new(),
            ..self
        }
    }

    /// Path of an entry of this folder below the root.
    pub(super) fn path_of(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    /// The folder `name` in this one, made where there is none. Where something else has the name, the next free one.
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
            // Made just now, by us or by somebody who was faster: then it need not be a folder.
            if let Some(folder) = self.opened(self.open_folder(&name), &name)? {
                return Ok(folder);
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Makes the folder `name`, which must not exist, and opens it.
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

    /// Opens a file for reading by its path below this folder; no part of the path may be a link.
    pub(super) fn read_below(&self, path: &str) -> io::Result<File> {
        let mut parts: Vec<&str> = path.split('/').collect();
        let name = parts.pop().unwrap_or_default();
        let mut folder = None;
        for part in parts {
            let from = folder.as_ref().unwrap_or(self);
            let opened = from.opened(from.open_folder(part), part)?;
            folder = Some(opened.ok_or(Errno::NOTDIR)?);
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(
            folder.as_ref().unwrap_or(self).descriptor.as_fd(),
            name,
            flags,
            Mode::empty(),
        )?))
    }

    /// Gives the file `from` of this folder the name `to` in `folder`; false where that name is taken. Never replaces
    /// what is there.
    pub(super) fn rename_new(&self, from: &str, folder: &Self, to: &str) -> io::Result<bool> {
        match self.rename_exclusive(from, folder, to) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            // The file system knows no exclusive rename: take the name with an empty file of our own, replace that.
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

    /// Gives the file `from` of this folder the name `to` in `folder`, where a file of ours may have it.
    pub(super) fn rename_over(&self, from: &str, folder: &Self, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(
            &self.descriptor,
            from,
            &folder.descriptor,
            to,
        )?)
    }

    /// True where there is anything of that name, be it a link to nowhere.
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

    /// `None` where the name is taken by what is no folder.
    fn opened(&self, result: Result<OwnedFd, Errno>, name: &str) -> io::Result<Option<Self>> {
        match result {
            Ok(descriptor) => Ok(Some(Self {
                descriptor: Arc::new(descriptor),
                path: format!("{}{name}/", self.path),
            })),
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
