//! Extraction: the bytes of transfers become files.
//!
//! In: the bytes of data connections, and later the transfers that they belong to. Out: files below one directory, with
//! the names they had on the server as far as these are safe locally.
//!
//! ```text
//! write(id, offset, bytes) ──> FileWriter ──> DIR/.unfinished/<id>
//! settle(id, Settled)      ──> safe_name ──> Folder ──> DIR/<server>_<port>/<session>/<remote path>
//!                              (renamed: a name appears when the file is complete, never before)
//! finish()                 ──> Manifest ──> DIR/manifest.json, DIR/SHA256SUMS
//! ```
//!
//! Guarantees to readers of the directory:
//!
//! - Nothing outside the directory is touched, whatever the remote names are and whatever links are in it.
//! - Files that were there before are not changed. A second file of a name is `name~2`, an incomplete one
//!   `name~2.partial`; if a file and a directory have the same name, the later one is `name~2`.
//! - A directory that an earlier run has used (it has `manifest.json`, `SHA256SUMS`, or the `.unfinished` of a run that
//!   was killed or is still running) is not used again: this run uses `run-2`, `run-3` and so on in it. All reported
//!   paths are below the directory of the run, [`Extractor::folder`].
//! - Missing bytes are holes in the file and read as zeros. Such a file is not in `SHA256SUMS`, because the digest of
//!   its captured bytes is not the digest of the file.
//! - If MODE, STRU or TYPE make the file differ from the bytes on the wire, the decoded file is beside them as
//!   `<name>~decoded`. If several transfers together are a whole file, it is beside them as `<name>~assembled`.
//! - A transfer whose path and argument name no file is saved as `unnamed`.

mod assembly;
mod file_writer;
mod folder;
mod manifest;
mod safe_name;

use std::collections::{BTreeSet, HashMap};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use self::assembly::Assembly;
use self::file_writer::{FileWriter, Unfinished};
use self::folder::Folder;
use self::manifest::{MANIFEST, Manifest, SPOOL, SUMS};
use self::safe_name::{PARTIAL, numbered, safe_part, safe_parts};
use crate::model::record::{Completeness, Decoded};
use crate::model::{ContentId, Settled, StoreError, Stored, TransferSink};

/// Sink that saves transfers as files below one directory.
#[derive(Debug)]
pub struct Extractor {
    path: PathBuf,
    root: Folder,
    writer: FileWriter,
    /// `None` after [`finish`](Self::finish).
    manifest: Option<Manifest>,
    unfinished: Folder,
    /// Path and folder of the previous file; `None` before the first. Sessions save many files into one folder.
    last_folder: Option<(String, Folder)>,
    /// Latest number of each name that was used more than once.
    // Without it, the thousandth file of a name would try 999 names.
    taken: HashMap<String, u64>,
    assembly: Assembly,
    finished: Finished,
}

/// Result of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// Files saved.
    pub files: u64,
    /// Payload bytes in them.
    pub bytes: u64,
    /// Files that could not be saved.
    pub failures: u64,
    /// Message of the first failure; `None` without failures.
    pub first_failure: Option<String>,
}

/// Failure to extract files or to write their lists.
#[derive(Debug, Error)]
pub enum Error {
    /// The directory cannot be created or used.
    #[error("cannot extract to {}: {source}", path.display())]
    Folder {
        /// The directory.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// The lists of files could not be written; the files are complete.
    #[error("cannot write manifest.json and SHA256SUMS in {}: {source}", path.display())]
    Manifest {
        /// The directory.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
}

impl Extractor {
    /// Prepares `folder`, which is created with its parents if necessary.
    pub fn create(folder: &Path) -> Result<Self, Error> {
        Self::prepare(folder).map_err(|source| Error::Folder {
            path: folder.to_owned(),
            source,
        })
    }

    /// Returns the directory of this run: the given one, or `run-2` and so on in it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.path
    }

    /// Removes the files of sessions that were filtered out after their transfers had been saved.
    pub fn withdraw(&mut self, sessions: &BTreeSet<u64>) -> Result<(), Error> {
        let Some(manifest) = self.manifest.as_mut().filter(|_| !sessions.is_empty()) else {
            return Ok(());
        };
        self.assembly.withdraw(sessions);
        let withdrawn = manifest.withdraw(sessions).and_then(|paths| {
            self.last_folder = None;
            paths.iter().try_for_each(|path| self.remove(path))
        });
        withdrawn.map_err(|source| Error::Manifest {
            path: self.path.clone(),
            source,
        })
    }

    /// Removes a file of this run, and the folders that become empty.
    fn remove(&mut self, path: &str) -> io::Result<()> {
        let parts: Vec<&str> = path.split('/').collect();
        let Some((name, parents)) = parts.split_last() else {
            return Ok(());
        };
        let mut folders = vec![self.root.clone()];
        for part in parents {
            let inner = folders.last().map(|folder| folder.enter(part));
            folders.extend(inner.transpose()?);
        }
        if let Some(folder) = folders.last() {
            folder.remove_file(name)?;
        }
        self.finished.files = self.finished.files.saturating_sub(1);
        for (folder, part) in folders.iter().zip(parents).rev() {
            // Not empty: it holds files of other sessions.
            if folder.remove_folder(part).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Returns the number of transfers in the lists.
    #[must_use]
    pub fn transfers(&self) -> usize {
        self.manifest.as_ref().map_or(0, Manifest::len)
    }

    /// Returns true if bytes of this content were written and it is not settled.
    #[must_use]
    pub fn holds(&self, id: ContentId) -> bool {
        self.writer.holds(id)
    }

    /// Returns true if all content that was written is settled.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.writer.is_idle()
    }

    /// Updates the lists during the run: appends to `SHA256SUMS`, and replaces `manifest.json` as a whole.
    pub fn refresh(&mut self) -> Result<(), Error> {
        let Some(manifest) = &mut self.manifest else {
            return Ok(());
        };
        manifest
            .refresh(&self.root)
            .map_err(|source| Error::Manifest {
                path: self.path.clone(),
                source,
            })
    }

    /// Assembles files, writes `manifest.json` and `SHA256SUMS`, and returns the result. Unsettled content is
    /// discarded.
    pub fn finish(mut self) -> Result<Finished, Error> {
        let assembly = std::mem::take(&mut self.assembly);
        let root = self.root.clone();
        let (assembled, omitted) = assembly.finish(&root, |parts| {
            let parts: Vec<String> = parts.iter().map(|&part| part.to_owned()).collect();
            self.enter(&parts)
        });
        if let Some(mut manifest) = self.manifest.take() {
            manifest.assembled(assembled, omitted);
            manifest
                .finish(&self.root)
                .map_err(|source| Error::Manifest {
                    path: self.path.clone(),
                    source,
                })?;
        }
        Ok(std::mem::take(&mut self.finished))
    }

    fn prepare(folder: &Path) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            // Transferred files may be secret: only the owner reads them.
            .mode(0o700)
            .create(folder)?;
        let top = Folder::root(folder)?;
        if let Some(unfinished) = claim(&top)? {
            return Self::new(folder.to_owned(), top, unfinished);
        }
        for run in 2..=RUNS_MAX {
            let name = format!("run-{run}");
            match top.create(&name) {
                Ok(root) => {
                    let root = root.into_root();
                    let unfinished = root.create(UNFINISHED)?;
                    return Self::new(folder.join(name), root, unfinished);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn new(path: PathBuf, root: Folder, unfinished: Folder) -> io::Result<Self> {
        Ok(Self {
            path,
            writer: FileWriter::new(unfinished.clone()),
            manifest: Some(Manifest::new(unfinished.clone())?),
            root,
            unfinished,
            last_folder: None,
            taken: HashMap::new(),
            assembly: Assembly::default(),
            finished: Finished::default(),
        })
    }

    /// Saves the bytes of the wire or, with `decoded`, the decoded file beside them.
    fn save(
        &mut self,
        id: ContentId,
        settled: &Settled<'_>,
        decoded: Option<&Decoded>,
    ) -> Result<Stored, StoreError> {
        let length = decoded.map_or(settled.length, |decoded| decoded.bytes);
        let unfinished = self
            .writer
            .settle(id, length)
            .map_err(|reason| StoreError(format!("cannot save a file: {reason}")))?;
        match self.move_into_place(&unfinished, settled, decoded) {
            Ok(saved_as) => Ok(Stored {
                saved_as: Some(saved_as),
            }),
            Err(error) => {
                let _ = self.unfinished.remove_file(&unfinished.name);
                Err(StoreError(format!("cannot save a file: {error}")))
            }
        }
    }

    /// Moves a complete file to its final name, and returns its path.
    fn move_into_place(
        &mut self,
        unfinished: &Unfinished,
        settled: &Settled<'_>,
        decoded: Option<&Decoded>,
    ) -> io::Result<String> {
        let (folders, mut name) = path_of(settled);
        if decoded.is_some() {
            name.push_str(DECODED);
        }
        let suffix = match settled.completeness {
            _ if decoded.is_some_and(|decoded| !decoded.whole && !only_text(decoded)) => PARTIAL,
            Completeness::Complete | Completeness::Unverifiable => "",
            Completeness::Gaps | Completeness::Aborted | Completeness::Truncated => PARTIAL,
        };
        let folder = self.enter(&folders)?;
        let wanted = folder.path_of(&numbered(&name, 1, suffix));
        let mut attempt = self.taken.get(&wanted).copied().unwrap_or(1);
        loop {
            let local = numbered(&name, attempt, suffix);
            if self
                .unfinished
                .rename_new(&unfinished.name, &folder, &local)?
            {
                if attempt > 1 {
                    // Only a shortcut: forgetting the numbers costs some attempts.
                    if self.taken.len() >= TAKEN_MAX {
                        self.taken.clear();
                    }
                    self.taken.insert(wanted, attempt);
                }
                return Ok(folder.path_of(&local));
            }
            attempt += 1;
        }
    }

    /// Opens the folder with these parts below the root.
    fn enter(&mut self, folders: &[String]) -> io::Result<Folder> {
        let wanted = folders.join("/");
        if let Some((last, folder)) = &self.last_folder
            && *last == wanted
        {
            return Ok(folder.clone());
        }
        let mut folder = self.root.clone();
        for part in folders {
            folder = folder.enter(part)?;
        }
        self.last_folder = Some((wanted, folder.clone()));
        Ok(folder)
    }
}

impl TransferSink for Extractor {
    fn write(&mut self, id: ContentId, offset: u64, bytes: &[u8]) {
        self.writer.write(id, offset, bytes);
    }

    fn settle(&mut self, id: ContentId, settled: &Settled<'_>) -> Result<Stored, StoreError> {
        let stored = self.save(id, settled, None);
        if let Ok(Some(saved_as)) = stored.as_ref().map(|stored| stored.saved_as.as_deref()) {
            self.assembly.add(settled, saved_as);
        }
        if let Some(manifest) = &mut self.manifest {
            manifest.add(settled, &stored);
        }
        match &stored {
            Ok(_) => {
                self.finished.files += 1;
                self.finished.bytes = self.finished.bytes.saturating_add(settled.bytes);
            }
            Err(error) => {
                self.finished.failures += 1;
                if self.finished.first_failure.is_none() {
                    self.finished.first_failure = Some(error.0.clone());
                }
            }
        }
        stored
    }

    fn settle_decoded(
        &mut self,
        id: ContentId,
        settled: &Settled<'_>,
        decoded: &Decoded,
    ) -> Result<Stored, StoreError> {
        let stored = self.save(id, settled, Some(decoded));
        if stored.is_ok() {
            self.finished.files += 1;
        }
        stored
    }

    fn discard(&mut self, id: ContentId) {
        self.writer.discard(id);
    }

    fn revise(&mut self, session: u64, transfer: u64, completeness: Completeness) {
        if let Some(manifest) = &mut self.manifest {
            manifest.revise(session, transfer, completeness);
        }
    }
}

impl Drop for Extractor {
    /// Removes temporary files. Best effort, since a destructor returns no error.
    fn drop(&mut self) {
        self.writer.discard_all();
        for name in [SPOOL, MANIFEST, SUMS] {
            let _ = self.unfinished.remove_file(name);
        }
        let _ = self.root.remove_folder(UNFINISHED);
    }
}

/// Claims a folder for this run by creating its `.unfinished`, which only one run can. Returns `None` if another run
/// has used it or is still running in it.
fn claim(folder: &Folder) -> io::Result<Option<Folder>> {
    let unfinished = match folder.create(UNFINISHED) {
        Ok(unfinished) => unfinished,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        Err(error) => return Err(error),
    };
    // Checked after the claim: a run that has just finished wrote its lists before it removed `.unfinished`.
    if folder.exists(MANIFEST) || folder.exists(SUMS) {
        folder.remove_folder(UNFINISHED)?;
        return Ok(None);
    }
    Ok(Some(unfinished))
}

/// Returns the folders and the name that a file should have below the root.
fn path_of(settled: &Settled<'_>) -> (Vec<String>, String) {
    let (Some(session), Some(_)) = (settled.session, settled.transfer) else {
        return (vec![UNMATCHED.into()], settled.first_frame.to_string());
    };
    // Windows allows no colon in names.
    let address = settled.server.ip().to_string().replace(':', "-");
    let server = format!("{address}_{}", settled.server.port);
    let mut parts = vec![safe_part(server.as_bytes()), session.to_string()];
    let remote = settled.path.or(settled.argument).unwrap_or_default();
    let mut remote = safe_parts(remote);
    let name = remote.pop().unwrap_or_else(|| UNNAMED.into());
    parts.extend(remote);
    (parts, name)
}

/// Returns true if only line ends were decoded. A problem there (a lone CR) does not mean that bytes are missing.
fn only_text(decoded: &Decoded) -> bool {
    decoded.steps.iter().all(|step| step == "line-ends")
}

/// Suffix of the name of a decoded file.
const DECODED: &str = "~decoded";
/// Folder of unsettled content. Its existence also keeps other runs out.
const UNFINISHED: &str = ".unfinished";
/// Folder of data without a command.
const UNMATCHED: &str = "unmatched";
/// Name of a file without a name.
const UNNAMED: &str = "unnamed";
/// Runs in one directory.
const RUNS_MAX: u32 = 100_000;
/// Names whose latest number is kept.
const TAKEN_MAX: usize = 10_000;

#[cfg(test)]
mod tests;
