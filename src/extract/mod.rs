//! Extraction: the bytes of transfers become files.
//!
//! In: the bytes of data connections, and later the transfers that they belong to. Out: files below one directory, with
//! the names they had on the server as far as these are safe locally.
//!
//! ```text
//! write(id, offset, bytes) ──> FileWriter ──> DIR/.unfinished/<id>
//! settle(id, Settled)      ──> safe path ──> Folder ──> DIR/<server>_<port>/<session>/<remote path>
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

use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use self::assembly::Assembly;
use self::file_writer::{FileWriter, Unfinished};
use self::folder::{Folder, PARTIAL, numbered, safe_part, safe_parts};
use self::manifest::{MANIFEST, Manifest, RESERVE, SPOOL, SUMS};
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
    /// The lists could not be written: `.unfinished` stays, so that no later run mixes its files with those here.
    lacks_lists: bool,
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
    /// Files assembled from the parts that several transfers moved.
    pub assembled: Vec<AssembledFile>,
}

/// A file assembled from parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssembledFile {
    /// Path below the folder.
    pub saved_as: String,
    /// Length.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
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

    /// Names the captures, if there are more than one, in the order of the report: the manifest gives for each file the path
    /// of the capture in which its data connection begins.
    pub fn name_captures(&mut self, paths: Vec<String>) {
        if let Some(manifest) = &mut self.manifest {
            manifest.name_captures(paths);
        }
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

    /// Lists a transfer whose file is not saved, for `reason`. Entries wait in memory while the disk is full; beyond 2 MiB of them
    /// no more are listed.
    pub fn list_unsaved(&mut self, settled: &Settled<'_>, reason: &str) {
        let error = not_saved(settled, &reason);
        self.finished.failures += 1;
        self.finished
            .first_failure
            .get_or_insert_with(|| error.0.clone());
        if let Some(manifest) = self.manifest.as_mut().filter(|list| list.has_space()) {
            manifest.add(settled, &Err(error));
        }
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

    /// Appends the files saved since the last call to `SHA256SUMS`.
    pub fn publish_sums(&mut self) -> Result<(), Error> {
        let Some(manifest) = &mut self.manifest else {
            return Ok(());
        };
        manifest
            .publish_sums(&self.root)
            .map_err(|source| Error::Manifest {
                path: self.path.clone(),
                source,
            })
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
        let files = assembled.iter().map(|one| AssembledFile {
            saved_as: one.saved_as.clone(),
            bytes: one.bytes,
            sha256: one.sha256.clone(),
        });
        self.finished.assembled = files.collect();
        if let Some(mut manifest) = self.manifest.take() {
            manifest.assembled(assembled, omitted);
            // What is being written can never be whole, and its space is needed.
            self.writer.discard_all();
            if let Err(source) = manifest.finish(&self.root) {
                self.lacks_lists = true;
                return Err(Error::Manifest {
                    path: self.path.clone(),
                    source,
                });
            }
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
            lacks_lists: false,
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
            .map_err(|reason| not_saved(settled, &reason))?;
        let room = self.manifest.as_mut().map_or(Ok(()), Manifest::make_room);
        match room.and_then(|()| self.move_into_place(&unfinished, settled, decoded)) {
            Ok(saved_as) => Ok(Stored {
                saved_as: Some(saved_as),
            }),
            Err(error) => {
                let _ = self.unfinished.remove_file(&unfinished.name);
                Err(not_saved(settled, &error))
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
        for name in [SPOOL, MANIFEST, SUMS, RESERVE] {
            let _ = self.unfinished.remove_file(name);
        }
        if !self.lacks_lists {
            let _ = self.root.remove_folder(UNFINISHED);
        }
    }
}

/// Returns the failure to save a file for `reason`, with the name that reports show.
fn not_saved(settled: &Settled<'_>, reason: &dyn Display) -> StoreError {
    let name = match (settled.session, settled.shown) {
        (None, _) => format!("{UNMATCHED}/{}", settled.first_frame),
        (Some(session), None | Some("")) => format!("a file of session {session}"),
        (Some(session), Some(name)) => {
            let name: String = match name.char_indices().nth(NAME_CHARS_MAX) {
                Some((end, _)) => format!("{}…", &name[..end]),
                None => name.to_owned(),
            };
            format!("{name} of session {session}")
        }
    };
    StoreError(format!("cannot save {name}: {reason}"))
}

/// Returns true if the failure to save a file is that of a full disk or quota, or of one that cannot be written to: ENOSPC,
/// EDQUOT and EROFS.
#[must_use]
pub fn is_disk_full(message: &str) -> bool {
    // A sink reports its failure as text only; the number in it is what does not depend on the system's language.
    ["(os error 28)", "(os error 122)", "(os error 30)"]
        .iter()
        .any(|number| message.contains(number))
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
/// Characters of a name in a message.
const NAME_CHARS_MAX: usize = 200;
/// Folder of data without a command.
const UNMATCHED: &str = "unmatched";
/// Name of a file without a name.
const UNNAMED: &str = "unnamed";
/// Runs in one directory.
const RUNS_MAX: u32 = 100_000;
/// Names whose latest number is kept.
const TAKEN_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    //! Extraction as users see it, on a real file system.

    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::process::Command;

    use sha2::{Digest, Sha256};

    use super::*;
    use crate::model::{Endpoint, Timestamp};

    /// A folder that is gone when the test is over.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir()
                .join(format!("ftpscope-extract-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }

        fn read(&self, path: &str) -> Vec<u8> {
            fs::read(self.0.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
        }

        fn top(&self) -> Vec<String> {
            let mut names: Vec<String> = fs::read_dir(&self.0)
                .expect("a folder")
                .map(|entry| {
                    entry
                        .expect("an entry")
                        .file_name()
                        .into_string()
                        .expect("text")
                })
                .collect();
            names.sort();
            names
        }

        fn manifest(&self) -> serde_json::Value {
            serde_json::from_slice(&self.read("manifest.json")).expect("JSON")
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn hex(bytes: &[u8]) -> String {
        use std::fmt::Write as _;
        Sha256::digest(bytes)
            .iter()
            .fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
    }

    fn settled(transfer: u64, path: &[u8], bytes: u64) -> Settled<'_> {
        Settled {
            session: Some(1),
            transfer: Some(transfer),
            client: Endpoint::v4([192, 0, 2, 10], 39_021),
            server: Endpoint::v4([192, 0, 2, 1], 21),
            first_frame: 40 + transfer,
            first_place: None,
            user: Some("mira"),
            verb: "RETR",
            path: Some(path),
            argument: None,
            shown: std::str::from_utf8(path).ok(),
            completeness: Completeness::Complete,
            bytes,
            missing_ranges: &[],
            restart_offset: 0,
            plain: true,
            told_size: None,
            length: bytes,
            sha256: None,
            md5: None,
            sha1: None,
            decoded: None,
            media_type: None,
            start: Timestamp::from_parts(1_700_000_000, 0),
            end: Timestamp::from_parts(1_700_000_001, 0),
        }
    }

    /// Saves one complete file and returns its path.
    fn save(extractor: &mut Extractor, id: u64, path: &[u8], content: &[u8]) -> String {
        let digest = hex(content);
        extractor.write(ContentId(id), 0, content);
        let what = Settled {
            sha256: Some(&digest),
            ..settled(id, path, content.len() as u64)
        };
        extractor
            .settle(ContentId(id), &what)
            .expect("saved")
            .saved_as
            .expect("a name")
    }

    #[test]
    fn file_keeps_its_bytes_and_path() {
        let scratch = Scratch::new("plain");
        let mut extractor = Extractor::create(&scratch.0).expect("a folder");
        let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut offset = 0;
        for chunk in content.chunks(1460) {
            extractor.write(ContentId(9), offset, chunk);
            offset += chunk.len() as u64;
        }
        let digest = hex(&content);
        let what = Settled {
            sha256: Some(&digest),
            ..settled(1, b"/pub/data.bin", offset)
        };
        let stored = extractor.settle(ContentId(9), &what).expect("saved");
        assert_eq!(
            stored.saved_as.as_deref(),
            Some("192.0.2.1_21/1/pub/data.bin")
        );
        let finished = extractor.finish().expect("finished");
        assert_eq!((finished.files, finished.failures), (1, 0));
        assert_eq!(scratch.read("192.0.2.1_21/1/pub/data.bin"), content);
        assert_eq!(
            scratch.top(),
            ["192.0.2.1_21", "SHA256SUMS", "manifest.json"]
        );
        let mode = |path: &str| {
            fs::metadata(scratch.0.join(path))
                .expect("there")
                .permissions()
                .mode()
        };
        assert_eq!(mode("192.0.2.1_21/1/pub/data.bin") & 0o777, 0o600);
        assert_eq!(mode("192.0.2.1_21/1/pub") & 0o777, 0o700);
        assert_eq!(mode("manifest.json") & 0o777, 0o600);
    }

    #[test]
    fn name_appears_only_when_the_file_is_complete() {
        let scratch = Scratch::new("whole");
        let mut extractor = Extractor::create(&scratch.0).expect("a folder");
        extractor.write(ContentId(1), 0, &vec![7; 200_000]);
        assert_eq!(scratch.top(), [UNFINISHED]);
        extractor
            .settle(ContentId(1), &settled(1, b"x", 200_000))
            .expect("saved");
        assert_eq!(scratch.top(), [UNFINISHED, "192.0.2.1_21"]);
    }

    #[test]
    fn sha256sum_accepts_every_line() {
        let scratch = Scratch::new("sums");
        let mut extractor = Extractor::create(&scratch.0).expect("a folder");
        let names: [&[u8]; 8] = [
            b"/a b.txt",
            b"../../etc/passwd",
            b"back\\slash",
            b"line\nend",
            b"caf\xe9",
            "evil\u{202e}txt".as_bytes(),
            b"-n",
            b" *x",
        ];
        for (id, name) in (1..).zip(names) {
            save(&mut extractor, id, name, name);
        }
        extractor.finish().expect("finished");
        let output = Command::new("sha256sum")
            .args(["--strict", "-c", "SHA256SUMS"])
            .current_dir(&scratch.0)
            .output()
            .expect("coreutils");
        let output_text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{output_text}");
        assert_eq!(
            output_text
                .lines()
                .filter(|line| line.ends_with(": OK"))
                .count(),
            8
        );
    }

    #[test]
    fn file_with_gaps_reads_as_zeros_and_has_no_sum() {
        let scratch = Scratch::new("holes");
        let mut extractor = Extractor::create(&scratch.0).expect("a folder");
        extractor.write(ContentId(1), 0, b"head");
        extractor.write(ContentId(1), 40_000_000, b"tail");
        let what = Settled {
            completeness: Completeness::Gaps,
            missing_ranges: &[[4, 40_000_000]],
            length: 40_000_010,
            ..settled(1, b"f", 8)
        };
        let stored = extractor.settle(ContentId(1), &what).expect("saved");
        extractor.finish().expect("finished");
        let saved_as = stored.saved_as.expect("a name");
        assert_eq!(saved_as, "192.0.2.1_21/1/f.partial");
        let metadata = fs::metadata(scratch.0.join(&saved_as)).expect("there");
        assert_eq!(metadata.len(), 40_000_010);
        assert!(
            metadata.blocks() * 512 < 1_000_000,
            "the hole takes no room"
        );
        let content = scratch.read(&saved_as);
        assert_eq!(&content[..6], b"head\0\0");
        assert_eq!(&content[40_000_000..], b"tail\0\0\0\0\0\0");
        assert!(scratch.read("SHA256SUMS").is_empty());
        assert_eq!(
            scratch.manifest()["transfers"][0]["missing_ranges"],
            serde_json::json!([[4, 40_000_000]])
        );
    }

    #[test]
    fn empty_file_is_saved() {
        let scratch = Scratch::new("empty");
        let mut extractor = Extractor::create(&scratch.0).expect("a folder");
        extractor
            .settle(ContentId(5), &settled(1, b"/nothing", 0))
            .expect("saved");
        extractor.finish().expect("finished");
        assert!(scratch.read("192.0.2.1_21/1/nothing").is_empty());
    }

    #[test]
    fn discarded_content_leaves_no_file() {
        let scratch = Scratch::new("discarded");
        let mut extractor = Extractor::create(&scratch.0).expect("a folder");
        extractor.write(ContentId(1), 0, b"a listing");
        extractor.write(ContentId(2), 0, &vec![1; 500_000]);
        extractor.discard(ContentId(1));
        extractor.discard(ContentId(2));
        extractor.discard(ContentId(3));
        extractor.write(ContentId(4), 0, &vec![1; 500_000]);
        extractor.finish().expect("finished");
        assert_eq!(scratch.top(), ["SHA256SUMS", "manifest.json"]);

        let scratch = Scratch::new("dropped");
        let mut extractor = Extractor::create(&scratch.0).expect("a folder");
        extractor.write(ContentId(4), 0, &vec![1; 500_000]);
        drop(extractor);
        assert!(scratch.top().is_empty());
    }

    #[test]
    fn later_file_of_the_same_name_gets_a_number() {
        let scratch = Scratch::new("twice");
        let mut extractor = Extractor::create(&scratch.0).expect("a folder");
        let names: Vec<String> = (1..=4)
            .map(|id| save(&mut extractor, id, b"/d/x", format!("{id}").as_bytes()))
            .collect();
        assert_eq!(
            names,
            [
                "192.0.2.1_21/1/d/x",
                "192.0.2.1_21/1/d/x~2",
                "192.0.2.1_21/1/d/x~3",
                "192.0.2.1_21/1/d/x~4"
            ]
        );
        let partial = |extractor: &mut Extractor, id| {
            let what = Settled {
                completeness: Completeness::Truncated,
                ..settled(id, b"/d/x", 0)
            };
            extractor
                .settle(ContentId(id), &what)
                .expect("saved")
                .saved_as
        };
        assert_eq!(
            partial(&mut extractor, 5).as_deref(),
            Some("192.0.2.1_21/1/d/x.partial")
        );
        assert_eq!(
            partial(&mut extractor, 6).as_deref(),
            Some("192.0.2.1_21/1/d/x~2.partial")
        );
        assert_eq!(scratch.read("192.0.2.1_21/1/d/x~3"), b"3");
    }

    #[test]
    fn file_and_folder_of_one_name_are_both_saved() {
        let scratch = Scratch::new("clash");
        let mut extractor = Extractor::create(&scratch.0).expect("a folder");
        assert_eq!(save(&mut extractor, 1, b"a", b"1"), "192.0.2.1_21/1/a");
        assert_eq!(
            save(&mut extractor, 2, b"a/b", b"2"),
            "192.0.2.1_21/1/a~2/b"
        );
        assert_eq!(
            save(&mut extractor, 3, b"a/c", b"3"),
            "192.0.2.1_21/1/a~2/c"
        );
        assert_eq!(
            save(&mut extractor, 4, b"a~2", b"4"),
            "192.0.2.1_21/1/a~2~2"
        );
        assert_eq!(save(&mut extractor, 5, b"a", b"5"), "192.0.2.1_21/1/a~3");
        assert_eq!(scratch.read("192.0.2.1_21/1/a"), b"1");
    }

    #[test]
    fn manifest_lists_exact_names_in_order() {
        let scratch = Scratch::new("manifest");
        let mut extractor = Extractor::create(&scratch.0).expect("a folder");
        extractor.write(ContentId(7), 0, b"data");
        let unclaimed = Settled {
            session: None,
            transfer: None,
            verb: "",
            path: None,
            server: Endpoint::new("2001:db8::1".parse().expect("an address"), 20),
            ..settled(7, b"", 4)
        };
        extractor.settle(ContentId(7), &unclaimed).expect("saved");
        save(&mut extractor, 2, b"caf\xe9", b"2");
        let stou = Settled {
            session: Some(1),
            transfer: Some(1),
            verb: "STOU",
            path: None,
            argument: Some(b"dir/name"),
            ..settled(1, b"", 0)
        };
        extractor.settle(ContentId(1), &stou).expect("saved");
        let nameless = Settled {
            server: Endpoint::new("2001:db8::1".parse().expect("an address"), 2121),
            ..settled(3, b"/", 0)
        };
        extractor.settle(ContentId(3), &nameless).expect("saved");
        extractor.finish().expect("finished");

        let manifest = scratch.manifest();
        let entries = manifest["transfers"].as_array().expect("a list");
        let names: Vec<&str> = entries
            .iter()
            .filter_map(|entry| entry["saved_as"].as_str())
            .collect();
        assert_eq!(
            names,
            [
                "192.0.2.1_21/1/dir/name",
                "192.0.2.1_21/1/caf%E9",
                "2001-db8--1_2121/1/unnamed",
                "unmatched/47"
            ]
        );
        assert_eq!(entries[1]["path"], "caf\u{fffd}");
        assert_eq!(entries[1]["path_b64"], "Y2Fm6Q==");
        assert_eq!(entries[0]["argument"], "dir/name");
        assert_eq!(entries[0]["completeness"], "complete");
        assert_eq!(entries[3]["session"], serde_json::Value::Null);
        assert_eq!(entries[3]["verb"], serde_json::Value::Null);
    }

    #[test]
    fn planted_links_are_not_followed() {
        let outside = Scratch::new("outside");
        fs::create_dir_all(&outside.0).expect("a folder");
        fs::write(outside.0.join("target"), b"precious").expect("a file");
        let scratch = Scratch::new("links");
        fs::create_dir_all(scratch.0.join("192.0.2.1_21/1/sub")).expect("a folder");
        symlink(&outside.0, scratch.0.join("192.0.2.1_21/1/away")).expect("a link");
        symlink(&outside.0, scratch.0.join("unmatched")).expect("a link");
        symlink(
            outside.0.join("target"),
            scratch.0.join("192.0.2.1_21/1/target"),
        )
        .expect("a link");
        symlink("/nowhere/at/all", scratch.0.join("192.0.2.1_21/1/sub/x")).expect("a link");

        let mut extractor = Extractor::create(&scratch.0).expect("a folder");
        assert_eq!(
            save(&mut extractor, 1, b"/away/target", b"new"),
            "192.0.2.1_21/1/away~2/target"
        );
        assert_eq!(
            save(&mut extractor, 2, b"/target", b"new"),
            "192.0.2.1_21/1/target~2"
        );
        assert_eq!(
            save(&mut extractor, 3, b"/sub/x", b"new"),
            "192.0.2.1_21/1/sub/x~2"
        );
        extractor.write(ContentId(4), 0, b"data");
        let unclaimed = Settled {
            session: None,
            transfer: None,
            ..settled(4, b"", 4)
        };
        let stored = extractor.settle(ContentId(4), &unclaimed).expect("saved");
        assert_eq!(stored.saved_as.as_deref(), Some("unmatched~2/44"));
        extractor.finish().expect("finished");
        assert_eq!(outside.top(), ["target"]);
        assert_eq!(outside.read("target"), b"precious");
    }

    #[test]
    fn files_of_an_earlier_run_are_not_touched() {
        let scratch = Scratch::new("runs");
        let mut first = Extractor::create(&scratch.0).expect("a folder");
        assert_eq!(first.folder(), scratch.0);
        let beside = Extractor::create(&scratch.0).expect("a folder");
        assert_eq!(beside.folder(), scratch.0.join("run-2"));
        save(&mut first, 1, b"x", b"first");
        first.finish().expect("finished");
        beside.finish().expect("finished");
        let before = scratch.read("manifest.json");

        let mut second = Extractor::create(&scratch.0).expect("a folder");
        assert_eq!(second.folder(), scratch.0.join("run-3"));
        assert_eq!(save(&mut second, 1, b"x", b"second"), "192.0.2.1_21/1/x");
        second.finish().expect("finished");
        assert_eq!(scratch.read("manifest.json"), before);
        assert_eq!(scratch.read("192.0.2.1_21/1/x"), b"first");
        assert_eq!(scratch.read("run-3/192.0.2.1_21/1/x"), b"second");
        let sums = String::from_utf8(scratch.read("run-3/SHA256SUMS")).expect("text");
        assert!(sums.ends_with("  192.0.2.1_21/1/x\n"), "{sums}");
        assert_eq!(
            scratch.top(),
            [
                "192.0.2.1_21",
                "SHA256SUMS",
                "manifest.json",
                "run-2",
                "run-3"
            ]
        );
    }

    #[test]
    fn thousands_of_streams_share_few_descriptors() {
        let scratch = Scratch::new("many");
        let mut extractor = Extractor::create(&scratch.0).expect("a folder");
        let streams = 3_000;
        for round in 0..3_u64 {
            for id in 0..streams {
                extractor.write(
                    ContentId(id),
                    round * 1000,
                    &[u8::try_from(id % 251).expect("small"); 1000],
                );
            }
        }
        let open = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        assert!(open < 1000, "{open} descriptors");
        for id in 0..streams {
            extractor
                .settle(
                    ContentId(id),
                    &settled(id + 1, format!("d{}/f{id}", id % 7).as_bytes(), 3000),
                )
                .expect("saved");
        }
        let finished = extractor.finish().expect("finished");
        assert_eq!(finished.files, streams);
        for id in [0, 1, 250, 2_999] {
            let content = scratch.read(&format!("192.0.2.1_21/1/d{}/f{id}", id % 7));
            assert_eq!(content, vec![u8::try_from(id % 251).expect("small"); 3000]);
        }
        assert_eq!(
            scratch.top(),
            ["192.0.2.1_21", "SHA256SUMS", "manifest.json"]
        );
    }

    #[test]
    fn file_that_cannot_be_written_is_reported_and_others_are_saved() {
        let scratch = Scratch::new("failure");
        let mut extractor = Extractor::create(&scratch.0).expect("a folder");
        // No file system takes an offset beyond 2^63.
        extractor.write(ContentId(1), u64::MAX - 10, &[0; 8]);
        let refused = extractor.settle(ContentId(1), &settled(1, b"huge", u64::MAX));
        assert!(refused.is_err());
        assert_eq!(save(&mut extractor, 2, b"ok", b"fine"), "192.0.2.1_21/1/ok");
        let finished = extractor.finish().expect("finished");
        assert_eq!((finished.files, finished.failures), (1, 1));
        assert!(finished.first_failure.is_some());
        let manifest = scratch.manifest();
        assert_eq!(
            manifest["transfers"][0]["saved_as"],
            serde_json::Value::Null
        );
        assert!(manifest["transfers"][0]["error"].is_string());
        assert_eq!(
            scratch.top(),
            ["192.0.2.1_21", "SHA256SUMS", "manifest.json"]
        );
    }

    #[test]
    fn unusable_directory_is_an_error_that_names_it() {
        let scratch = Scratch::new("nofolder");
        fs::write(&scratch.0, b"a file").expect("a file");
        let error = Extractor::create(&scratch.0).expect_err("no folder");
        assert!(error.to_string().contains("nofolder"), "{error}");
        let _ = fs::remove_file(&scratch.0);
    }
}
