//! Lists of the extracted files: `manifest.json` and `SHA256SUMS`.
//!
//! Entries are spooled to a temporary file as they come and sorted at the end, so that memory holds 48 bytes per entry.
//!
//! A [`Reserve`] keeps the space on disk that the entries of saved files need. On a full disk the lists have at least
//! these; the entries of files that were not saved are there as far as there is space, and counted beyond it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

use rustix::fs::FallocateFlags;
use serde::Serialize;

use super::assembly::Assembled;
use super::folder::Folder;
use crate::model::record::{Address, Completeness, Decoded};
use crate::model::wire_text::{decode, is_hostile};
use crate::model::{Endpoint, Settled, StoreError, Stored, Timestamp};

/// Builder of the lists of one run.
#[derive(Debug)]
pub(super) struct Manifest {
    folder: Folder,
    spool: File,
    /// Bytes that are not in the spool file yet.
    buffer: Vec<u8>,
    /// Bytes spooled, those in `buffer` included.
    spooled: u64,
    entries: Vec<Place>,
    /// Corrected completeness by session and transfer.
    revised: BTreeMap<(u64, u64), Completeness>,
    assembled: Vec<Assembled>,
    parts_omitted: u64,
    /// Number of files saved per path. A path beyond the limit has no version.
    versions: HashMap<(Endpoint, Vec<u8>), u64>,
    /// First failure to spool; `None` while all entries were spooled.
    failure: Option<io::Error>,
    /// `SHA256SUMS` in its final place; `None` before the first refresh.
    sums: Option<File>,
    /// Entries in `sums`.
    summed: usize,
    /// True once a manifest of this run is in its final place.
    published: bool,
    /// With more than one capture: the paths of all, in the order of the report; otherwise empty.
    captures: Vec<String>,
    reserve: Reserve,
    /// Bytes that the entries of saved files take in both lists.
    listed: u64,
    /// Entries left out of the manifest for want of space.
    omitted: usize,
}

/// A file that takes the space of the lists until they are written.
#[derive(Debug)]
struct Reserve {
    /// `None` on a file system that cannot reserve space.
    file: Option<File>,
    length: u64,
}

impl Reserve {
    /// Reserves space, as far as the file system can.
    fn new(folder: &Folder) -> Self {
        let mut reserve = Self {
            file: folder.create_file(RESERVE).ok(),
            length: 0,
        };
        // Best effort: what does not fit now is an error when the first file is saved.
        let _ = reserve.extend(RESERVE_STEP);
        reserve
    }

    /// Extends the space to `length` bytes. Fails on a full disk.
    fn extend(&mut self, length: u64) -> io::Result<()> {
        while self.length < length {
            let Some(file) = &self.file else {
                return Ok(());
            };
            let flags = FallocateFlags::empty();
            match rustix::fs::fallocate(file, flags, self.length, RESERVE_STEP) {
                Ok(()) => self.length += RESERVE_STEP,
                Err(error) if is_full(&error.into()) => return Err(error.into()),
                Err(_) => self.file = None,
            }
        }
        Ok(())
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Place of an entry in the spool and in the order of the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// Session, transfer, first frame. Data without a command is last.
    order: (u64, u64, u64),
    /// Offset in the spool.
    at: u64,
    /// Length of the manifest entry.
    json_bytes: u32,
    /// Length of the lines for `SHA256SUMS` behind it.
    sum_bytes: u32,
    /// True if there is a file on disk.
    is_saved: bool,
}

/// One entry of `manifest.json`.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    session: Option<u64>,
    transfer: Option<u64>,
    client: Address,
    server: Address,
    user: Option<&'a str>,
    first_frame: u64,
    /// With more than one capture: index into `captures` of the report.
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<u32>,
    /// With more than one capture: path of the capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    capture_path: Option<&'a str>,
    /// With more than one capture: number of the first frame within it.
    #[serde(skip_serializing_if = "Option::is_none")]
    capture_frame: Option<u64>,
    verb: Option<&'a str>,
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
    argument: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    argument_b64: Option<String>,
    saved_as: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    bytes: u64,
    length: u64,
    missing_ranges: &'a [[u64; 2]],
    restart_offset: u64,
    completeness: Completeness,
    sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    md5: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha1: Option<&'a str>,
    media_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decoded: Option<&'a Decoded>,
    /// Number of the file among those of its path, from 1 over the run.
    version: Option<u64>,
    start: Timestamp,
    end: Timestamp,
}

impl Manifest {
    /// Creates empty lists that are spooled to a file in `folder`.
    pub(super) fn new(folder: Folder) -> io::Result<Self> {
        let spool = folder.create_file(SPOOL)?;
        Ok(Self {
            reserve: Reserve::new(&folder),
            listed: 0,
            omitted: 0,
            folder,
            spool,
            buffer: Vec::new(),
            spooled: 0,
            entries: Vec::new(),
            revised: BTreeMap::new(),
            assembled: Vec::new(),
            parts_omitted: 0,
            versions: HashMap::new(),
            failure: None,
            sums: None,
            summed: 0,
            published: false,
            captures: Vec::new(),
        })
    }

    /// Names the captures, if there are more than one: entries give the path of theirs.
    pub(super) fn name_captures(&mut self, paths: Vec<String>) {
        self.captures = paths;
    }

    /// Returns the number of entries.
    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Reserves space for the entry of one more file. A file must not be saved if that fails.
    pub(super) fn make_room(&mut self) -> io::Result<()> {
        self.reserve
            .extend(self.listed.saturating_add(RESERVE_MARGIN))
    }

    /// Returns true if entries that wait in memory for a full disk leave space for further ones of files that are not saved.
    pub(super) fn has_space(&self) -> bool {
        self.buffer.len() < BUFFER_MAX / 2
    }

    /// Adds an entry. A failure is returned by [`finish`](Self::finish).
    pub(super) fn add(&mut self, settled: &Settled<'_>, stored: &Result<Stored, StoreError>) {
        if self.failure.is_none()
            && let Err(error) = self.try_add(settled, stored)
        {
            self.failure = Some(error);
        }
    }

    /// Removes the entries of sessions that were filtered out, and returns the paths of their files.
    pub(super) fn withdraw(&mut self, sessions: &BTreeSet<u64>) -> io::Result<Vec<String>> {
        self.flush()?;
        // Published sums may include them: the next refresh writes all of them anew.
        self.summed = 0;
        let (removed, kept) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(|place: &Place| sessions.contains(&place.order.0));
        self.entries = kept;
        let removed: Vec<Place> = removed;
        let mut paths = Vec::new();
        let mut text = Vec::new();
        for place in removed {
            self.read(&mut text, place.at, place.json_bytes)?;
            let entry: serde_json::Value = serde_json::from_slice(&text)?;
            for saved in [&entry["saved_as"], &entry["decoded"]["saved_as"]] {
                paths.extend(saved.as_str().map(str::to_owned));
            }
        }
        Ok(paths)
    }

    /// Adds the assembled files, and the number of parts omitted from assembly.
    pub(super) fn assembled(&mut self, assembled: Vec<Assembled>, parts_omitted: u64) {
        self.assembled = assembled;
        self.parts_omitted = parts_omitted;
    }

    /// Corrects the completeness of an entry.
    pub(super) fn revise(&mut self, session: u64, transfer: u64, completeness: Completeness) {
        if self.revised.len() < REVISED_MAX {
            self.revised.insert((session, transfer), completeness);
        }
    }

    /// Writes both lists in order of session and transfer, and moves them into `root` when they are complete.
    pub(super) fn finish(mut self, root: &Folder) -> io::Result<()> {
        // Its space is free once nobody has it open.
        self.reserve.file = None;
        // An earlier attempt that failed may have left one. The reserve makes room for the lists on a full disk.
        for name in [MANIFEST, SUMS, RESERVE] {
            let _ = self.folder.remove_file(name);
        }
        self.entries.sort_unstable();
        // The sums first: they are of what is there, and small.
        self.write_sums()?;
        match self.write_manifest() {
            Err(error) if is_full(&error) => self.write_saved()?,
            written => written?,
        }
        // The manifest last: its existence means that the run is complete.
        for name in [SUMS, MANIFEST] {
            if (name == SUMS && self.sums.is_some()) || (name == MANIFEST && self.published) {
                self.folder.rename_over(name, root, name)?;
            } else if !self.folder.rename_new(name, root, name)? {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
        }
        // The lists have what could be recorded.
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Appends the sums of files saved since the last call to the list in `root`, so that a run that is killed leaves no file
    /// without its sum but the one it was saving.
    pub(super) fn publish_sums(&mut self, root: &Folder) -> io::Result<()> {
        if self.summed > 0 && self.summed == self.entries.len() {
            return Ok(());
        }
        let sums = match self.sums.take() {
            Some(sums) if self.summed > 0 => sums,
            begun => {
                // An earlier attempt that failed may have left one.
                let _ = self.folder.remove_file(SUMS);
                let sums = self.folder.create_file(SUMS)?;
                if begun.is_some() {
                    self.folder.rename_over(SUMS, root, SUMS)?;
                } else if !self.folder.rename_new(SUMS, root, SUMS)? {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                self.summed = 0;
                sums
            }
        };
        let mut text = Vec::new();
        let mut lines = Vec::new();
        for place in self.entries.get(self.summed..).unwrap_or_default() {
            let at = place.at.saturating_add(u64::from(place.json_bytes));
            self.read(&mut text, at, place.sum_bytes)?;
            lines.extend_from_slice(&text);
        }
        let length = sums.metadata()?.len();
        let appended = sums.write_all_at(&lines, length);
        if appended.is_err() {
            // Only whole lines stay. If the rest cannot be cut off, `finish` writes the file anew.
            let _ = sums.set_len(length);
        } else {
            self.summed = self.entries.len();
        }
        self.sums = Some(sums);
        appended
    }

    /// Updates the lists in `root` during the run.
    pub(super) fn refresh(&mut self, root: &Folder) -> io::Result<()> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        self.publish_sums(root)?;
        // An earlier attempt that failed may have left one.
        let _ = self.folder.remove_file(MANIFEST);
        // Sorted only for writing: `summed` counts entries in order of arrival.
        let in_order_of_arrival = self.entries.clone();
        self.entries.sort_unstable();
        let written = self.write_manifest();
        self.entries = in_order_of_arrival;
        written?;
        if self.published {
            self.folder.rename_over(MANIFEST, root, MANIFEST)
        } else if self.folder.rename_new(MANIFEST, root, MANIFEST)? {
            self.published = true;
            Ok(())
        } else {
            Err(io::ErrorKind::AlreadyExists.into())
        }
    }

    fn try_add(
        &mut self,
        settled: &Settled<'_>,
        stored: &Result<Stored, StoreError>,
    ) -> io::Result<()> {
        let saved_as = stored
            .as_ref()
            .ok()
            .and_then(|stored| stored.saved_as.as_deref());
        let at = self.spooled;
        let before = self.buffer.len();
        let version = self.version_of(settled);
        let capture_path = settled
            .first_place
            .and_then(|place| usize::try_from(place.capture).ok())
            .and_then(|capture| self.captures.get(capture).map(String::as_str));
        let json = serde_json::to_string(&Entry {
            capture_path,
            ..entry(settled, saved_as, stored, version)
        })?;
        escape_into(&mut self.buffer, &json);
        let json_bytes = self.buffer.len() - before;
        if let (Some(digest), Some(saved_as)) = (digest_on_disk(settled), saved_as) {
            self.buffer.extend(sum_line(digest, saved_as).into_bytes());
        }
        if let Some(decoded) = settled.decoded
            && let Some(saved_as) = &decoded.saved_as
        {
            self.buffer
                .extend(sum_line(&decoded.sha256, saved_as).into_bytes());
        }
        let sum_bytes = self.buffer.len() - before - json_bytes;
        self.spooled += (json_bytes + sum_bytes) as u64;
        let is_saved = saved_as.is_some();
        if is_saved {
            let text = json_bytes + sum_bytes + SEPARATOR;
            self.listed = self.listed.saturating_add(text as u64);
        }
        self.entries.push(Place {
            order: (
                settled.session.unwrap_or(u64::MAX),
                settled.transfer.unwrap_or(u64::MAX),
                settled.first_frame,
            ),
            at,
            json_bytes: u32::try_from(json_bytes).map_err(io::Error::other)?,
            sum_bytes: u32::try_from(sum_bytes).map_err(io::Error::other)?,
            is_saved,
        });
        // A full disk may have space again later; until then the entries wait in memory.
        if self.buffer.len() >= BUFFER
            && let Err(error) = self.flush()
            && self.buffer.len() >= BUFFER_MAX
        {
            return Err(error);
        }
        Ok(())
    }

    fn version_of(&mut self, settled: &Settled<'_>) -> Option<u64> {
        // Without a path two files of one name may be different files.
        let key = (settled.server, settled.path?.to_vec());
        if let Some(version) = self.versions.get_mut(&key) {
            *version += 1;
            return Some(*version);
        }
        let short = key.1.len() <= VERSION_PATH_MAX && self.versions.len() < VERSIONS_MAX;
        short.then(|| *self.versions.entry(key).or_insert(1))
    }

    fn flush(&mut self) -> io::Result<()> {
        // At its offset: after a partial write to a full disk all of it is written again.
        let at = self.spooled.saturating_sub(self.buffer.len() as u64);
        self.spool.write_all_at(&self.buffer, at)?;
        self.buffer.clear();
        Ok(())
    }

    fn write_manifest(&self) -> io::Result<()> {
        let mut out = BufWriter::new(self.folder.create_file(MANIFEST)?);
        out.write_all(b"{\n  \"schema_version\": \"1\",\n  \"transfers\": [")?;
        let mut text = Vec::new();
        let mut separator: &[u8] = b"\n    ";
        for place in &self.entries {
            self.read(&mut text, place.at, place.json_bytes)?;
            let (session, transfer, _) = place.order;
            if let Some(completeness) = self.revised.get(&(session, transfer)) {
                text = with_completeness(&text, *completeness)?;
            }
            out.write_all(separator)?;
            out.write_all(&text)?;
            separator = b",\n    ";
        }
        out.write_all(if self.entries.is_empty() {
            b"]"
        } else {
            b"\n  ]"
        })?;
        if self.omitted > 0 {
            write!(out, ",\n  \"transfers_omitted\": {}", self.omitted)?;
        }
        if !self.assembled.is_empty() {
            out.write_all(b",\n  \"assembled\": [")?;
            let mut separator: &[u8] = b"\n    ";
            for assembled in &self.assembled {
                text.clear();
                escape_into(&mut text, &serde_json::to_string(assembled)?);
                out.write_all(separator)?;
                out.write_all(&text)?;
                separator = b",\n    ";
            }
            out.write_all(b"\n  ]")?;
        }
        if self.parts_omitted > 0 {
            write!(
                out,
                ",\n  \"assembled_parts_omitted\": {}",
                self.parts_omitted
            )?;
        }
        out.write_all(b"\n}\n")?;
        out.flush()
    }

    /// Writes the manifest without the files that were not saved, whose entries the disk has no space for.
    fn write_saved(&mut self) -> io::Result<()> {
        let _ = self.folder.remove_file(MANIFEST);
        let all = self.entries.len();
        self.entries.retain(|place| place.is_saved);
        self.omitted = all - self.entries.len();
        self.write_manifest()
    }

    fn write_sums(&self) -> io::Result<()> {
        let mut out = BufWriter::new(self.folder.create_file(SUMS)?);
        let mut text = Vec::new();
        for place in &self.entries {
            self.read(
                &mut text,
                place.at.saturating_add(u64::from(place.json_bytes)),
                place.sum_bytes,
            )?;
            out.write_all(&text)?;
        }
        for assembled in &self.assembled {
            out.write_all(sum_line(&assembled.sha256, &assembled.saved_as).as_bytes())?;
        }
        out.flush()
    }

    /// Reads a part of the spool, or of the buffer that is not in it yet.
    fn read(&self, text: &mut Vec<u8>, at: u64, length: u32) -> io::Result<()> {
        let buffered = self.spooled.saturating_sub(self.buffer.len() as u64);
        if let Some(from) = at
            .checked_sub(buffered)
            .and_then(|from| usize::try_from(from).ok())
        {
            let part = self
                .buffer
                .get(from..)
                .and_then(|rest| rest.get(..length as usize));
            text.clear();
            text.extend_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
            return Ok(());
        }
        text.resize(length as usize, 0);
        self.spool.read_exact_at(text, at)
    }
}

fn entry<'a>(
    settled: &'a Settled<'_>,
    saved_as: Option<&'a str>,
    stored: &'a Result<Stored, StoreError>,
    version: Option<u64>,
) -> Entry<'a> {
    let (path, path_b64) = settled.path.map(decode).unzip();
    let (argument, argument_b64) = settled.argument.map(decode).unzip();
    Entry {
        session: settled.session,
        transfer: settled.transfer,
        client: settled.client.into(),
        server: settled.server.into(),
        user: settled.user,
        first_frame: settled.first_frame,
        capture: settled.first_place.map(|place| place.capture),
        capture_path: None,
        capture_frame: settled.first_place.map(|place| place.capture_frame),
        verb: Some(settled.verb).filter(|verb| !verb.is_empty()),
        path,
        path_b64: path_b64.flatten(),
        argument,
        argument_b64: argument_b64.flatten(),
        saved_as,
        error: stored.as_ref().err().map(|error| error.0.as_str()),
        bytes: settled.bytes,
        length: settled.length,
        missing_ranges: settled.missing_ranges,
        restart_offset: settled.restart_offset,
        completeness: settled.completeness,
        sha256: settled.sha256,
        md5: settled.md5,
        sha1: settled.sha1,
        media_type: settled.media_type,
        decoded: settled.decoded,
        version,
        start: settled.start,
        end: settled.end,
    }
}

/// Returns an entry with another completeness.
// No string can hold the quoted name of the field, since quotes in strings are escaped.
fn with_completeness(json: &[u8], completeness: Completeness) -> io::Result<Vec<u8>> {
    let json = std::str::from_utf8(json).map_err(io::Error::other)?;
    let key = "\"completeness\":";
    let Some((before, rest)) = json.split_once(key) else {
        return Ok(json.as_bytes().to_vec());
    };
    let after = rest.find(',').map_or("", |end| &rest[end..]);
    let value = serde_json::to_string(&completeness)?;
    Ok(format!("{before}{key}{value}{after}").into_bytes())
}

/// Returns the digest of the saved file, or `None` for a file with gaps: zeros on disk, which the digest of the
/// captured bytes does not include.
fn digest_on_disk<'a>(settled: &Settled<'a>) -> Option<&'a str> {
    settled.sha256.filter(|_| {
        settled.missing_ranges.is_empty()
            && settled.bytes == settled.length
            && settled.completeness != Completeness::Gaps
    })
}

/// Returns a line as `sha256sum` writes it: names with a backslash or a line end are escaped, and the line then begins
/// with a backslash.
fn sum_line(digest: &str, name: &str) -> String {
    if name.contains(['\\', '\n', '\r']) {
        let name = name
            .replace('\\', "\\\\")
            .replace('\n', "\\n")
            .replace('\r', "\\r");
        format!("\\{digest}  {name}\n")
    } else {
        format!("{digest}  {name}\n")
    }
}

/// Appends JSON with hostile characters escaped. Serialized JSON has such characters only in strings.
fn escape_into(out: &mut Vec<u8>, json: &str) {
    if !json.chars().any(is_hostile) {
        out.extend(json.as_bytes());
        return;
    }
    for character in json.chars() {
        if is_hostile(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.extend(format!("\\u{unit:04x}").into_bytes());
            }
        } else {
            out.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

/// Name of the list of transfers.
pub(super) const MANIFEST: &str = "manifest.json";
/// Name of the list of digests.
pub(super) const SUMS: &str = "SHA256SUMS";
/// Name of the temporary file; streams have numbers for names.
pub(super) const SPOOL: &str = "spool";
/// Bytes per write to the spool.
const BUFFER: usize = 64 << 10;

/// Bytes of entries that wait in memory while the disk is full.
const BUFFER_MAX: usize = 4 << 20;

/// Name of the file that keeps space for the lists.
pub(super) const RESERVE: &str = "reserve";

/// Bytes that are reserved at once: enough for some hundred entries.
const RESERVE_STEP: u64 = 64 << 10;
/// Bytes that are always reserved beyond the entries so far, for one more.
const RESERVE_MARGIN: u64 = 16 << 10;
/// Bytes between two entries of the manifest.
const SEPARATOR: usize = 6;
/// Entries whose completeness can be corrected.
const REVISED_MAX: usize = 100_000;
/// Paths whose files are numbered.
const VERSIONS_MAX: usize = 65_536;
/// Bytes of the longest path whose files are numbered.
const VERSION_PATH_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sum_lines_escape_as_sha256sum_does() {
        assert_eq!(sum_line("00", "a b"), "00  a b\n");
        assert_eq!(sum_line("00", "a\\b\nc"), "\\00  a\\\\b\\nc\n");
    }

    #[test]
    fn manifest_holds_no_hostile_character() {
        let mut out = Vec::new();
        escape_into(&mut out, "[\"a\u{202e}b\u{7f}\u{e0001}ü\"]");
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text, "[\"a\\u202eb\\u007f\\udb40\\udc01ü\"]");
        let back: Vec<String> = serde_json::from_str(&text).expect("JSON");
        assert_eq!(back, ["a\u{202e}b\u{7f}\u{e0001}ü"]);
    }
}
