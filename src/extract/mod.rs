//! Transfer bytes become files.
//!
//! In come the bytes of data connections, and later what they were; out come files below one folder, with the names
//! they had on the server as far as that is safe here.
//!
//! ```text
//! write(id, offset, bytes) ──> FileWriter ──> DIR/.unfinished/<id>
//! settle(id, what it was)  ──> safe_name ──> Folder ──> DIR/<server>_<port>/<session>/<remote path>
//!                              (renamed: a name appears when the file is whole, never before)
//! finish()                 ──> Manifest ──> DIR/manifest.json, DIR/SHA256SUMS
//! ```
//!
//! What a reader of the folder can rely on:
//!
//! - Nothing outside the folder is touched, whatever the remote names are and whatever links lie in it.
//! - Nothing that was there before is changed. A second file of a name is `name~2`, of an incomplete one
//!   `name~2.partial`; where a file and a folder want one name, the later is `name~2`.
//! - A folder that an earlier run has used (it holds `manifest.json`, `SHA256SUMS`, or the `.unfinished` of a run that
//!   was killed or is still at work) is not used again: this run takes `run-2`, `run-3` and so on in it. All paths
//!   that a run tells are below its own folder, [`Extractor::folder`].
//! - Missing bytes are holes in the file and read as zeros. Such a file is not in `SHA256SUMS`, because the digest of
//!   its captured bytes is not the digest of the file.
//! - Where MODE, STRU or TYPE make the bytes on the wire another file than they are, the file that they stand for lies
//!   beside them as `<name>~decoded`. Parts that together are a whole file lie beside it as they came, and the whole
//!   as `<name>~assembled`.
//! - A transfer whose path and argument name nothing is saved as `unnamed`.

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

/// Saves transfers as files below one folder.
#[derive(Debug)]
pub struct Extractor {
    path: PathBuf,
    root: Folder,
    writer: FileWriter,
    /// `None` only once it is finished.
    manifest: Option<Manifest>,
    unfinished: Folder,
    /// The folder that the last file went to, by its wanted path.
    last_folder: Option<(String, Folder)>,
    /// How far the numbers of a name that came more than once have gone.
    taken: HashMap<String, u64>,
    assembly: Assembly,
    finished: Finished,
}

/// What a run has saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// Files saved.
    pub files: u64,
    /// Payload bytes in them.
    pub bytes: u64,
    /// Files that could not be saved.
    pub failures: u64,
    /// The first of these, in words.
    pub first_failure: Option<String>,
}

/// Why nothing can be extracted, or its lists could not be written.
#[derive(Debug, Error)]
pub enum Error {
    /// The folder cannot be made or used.
    #[error("cannot extract to {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The files are there, their lists are not.
    #[error("cannot write manifest.json and SHA256SUMS in {}: {source}", path.display())]
    Manifest {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Extractor {
    /// Prepares `folder`, which is made where there is none, with its parents.
    pub fn create(folder: &Path) -> Result<Self, Error> {
        Self::prepare(folder).map_err(|source| Error::Folder {
            path: folder.to_owned(),
            source,
        })
    }

    /// The folder of this run: the one asked for, or `run-2` and so on in it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.path
    }

    /// Removes what was saved of these sessions: they turned out not to be asked for.
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

    /// Removes a file of this run, and the folders that it leaves empty.
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
            if folder.remove_folder(part).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Transfers in the lists so far.
    #[must_use]
    pub fn transfers(&self) -> usize {
        self.manifest.as_ref().map_or(0, Manifest::len)
    }

    /// True while a stream that is not settled has bytes here.
    #[must_use]
    pub fn holds(&self, id: ContentId) -> bool {
        self.writer.holds(id)
    }

    /// True while no stream has bytes here that is not settled.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.writer.is_idle()
    }

    /// Brings the lists up to date while the run goes on: appends to `SHA256SUMS`, replaces `manifest.json` whole.
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

    /// Writes `manifest.json` and `SHA256SUMS`, and tells what was saved. Streams that were never settled are dropped.
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

    /// Saves the bytes on the wire, or the decoded ones beside them.
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
        match self.name_it(&unfinished, settled, decoded) {
            Ok(saved_as) => Ok(Stored {
                saved_as: Some(saved_as),
            }),
            Err(error) => {
                let _ = self.unfinished.remove_file(&unfinished.name);
                Err(StoreError(format!("cannot save a file: {error}")))
            }
        }
    }

    /// Moves a complete file to its own name.
    fn name_it(
        &mut self,
        unfinished: &Unfinished,
        settled: &Settled<'_>,
        decoded: Option<&Decoded>,
    ) -> io::Result<String> {
        let (folders, mut name) = place_of(settled);
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

    /// Opens the folders of a file; those of the last one are at hand.
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
    /// Leaves no temporary file behind. Best effort: there is nobody left to tell.
    fn drop(&mut self) {
        self.writer.discard_all();
        for name in [SPOOL, MANIFEST, SUMS] {
            let _ = self.unfinished.remove_file(name);
        }
        let _ = self.root.remove_folder(UNFINISHED);
    }
}

/// Takes a folder for this run by making its `.unfinished`, which only one run can. `None` where another run has used
/// it or is at work in it.
fn claim(folder: &Folder) -> io::Result<Option<Folder>> {
    let unfinished = match folder.create(UNFINISHED) {
        Ok(unfinished) => unfinished,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        Err(error) => return Err(error),
    };
    // Looked for only now: a run that has just finished put its lists there before it gave up the folder.
    if folder.exists(MANIFEST) || folder.exists(SUMS) {
        folder.remove_folder(UNFINISHED)?;
        return Ok(None);
    }
    Ok(Some(unfinished))
}

/// The folders and the name that a file should have below the root.
fn place_of(settled: &Settled<'_>) -> (Vec<String>, String) {
    let (Some(session), Some(_)) = (settled.session, settled.transfer) else {
        return (vec![UNMATCHED.into()], settled.first_frame.to_string());
    };
    let address = settled.server.ip().to_string().replace(':', "-");
    let server = format!("{address}_{}", settled.server.port);
    let mut parts = vec![safe_part(server.as_bytes()), session.to_string()];
    let remote = settled.path.or(settled.argument).unwrap_or_default();
    let mut remote = safe_parts(remote);
    let name = remote.pop().unwrap_or_else(|| UNNAMED.into());
    parts.extend(remote);
    (parts, name)
}

/// Line ends that are odd are no reason to take a text for a part of it.
fn only_text(decoded: &Decoded) -> bool {
    decoded.steps.iter().all(|step| step == "line-ends")
}

/// What stands behind the name of a decoded copy.
const DECODED: &str = "~decoded";
/// Holds files that are not settled; also tells other runs that this one is at work.
const UNFINISHED: &str = ".unfinished";
/// Holds data without a command.
const UNMATCHED: &str = "unmatched";
/// Name of a file that has none.
const UNNAMED: &str = "unnamed";
/// Runs in one folder.
const RUNS_MAX: u32 = 100_000;
/// Names of which the next number is remembered.
const TAKEN_MAX: usize = 10_000;

#[cfg(test)]
mod tests;
