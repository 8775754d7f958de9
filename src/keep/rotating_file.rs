//! An append-only output file that rotates by size or age and never contains a partial record.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

/// An output file and the rotated files beside it.
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    file: File,
    /// Bytes at the beginning of every file, such as a section header.
    head: Vec<u8>,
    /// Length of the current file in bytes, head included.
    length: u64,
    opened: Instant,
    limits: RotationLimits,
    /// Rotated files, oldest first; filled only if their number is limited.
    rotated: VecDeque<PathBuf>,
    /// `None` before the first rotation of this run, unless an earlier run left rotated files.
    last_name: Option<RotatedName>,
    /// Earliest time of the next attempt after a failed rotation; `None` after a successful one.
    retry_at: Option<Instant>,
    /// The last rotation failure that nobody has taken yet.
    error: Option<io::Error>,
    /// New name of a file that ended inside a record when this one was opened.
    cut_off: Option<PathBuf>,
}

/// The time at which an output begins a new file, and the number of old files that stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RotationLimits {
    /// `None` for a file that grows without limit.
    pub rotate: Option<Rotation>,
    /// Number of rotated files to keep; `None` keeps all.
    pub keep: Option<u32>,
}

/// The limit at which a file is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Largest length of a file in bytes. A single longer record gets a file of its own.
    Size(u64),
    /// Largest age of a file, counted from the moment it was opened.
    Age(Duration),
}

/// The form of a record's end, by which a file that a crash cut off is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordEnd {
    /// Line feed.
    LineFeed,
    /// The length of a pcapng block, as at its beginning (draft-ietf-opsawg-pcapng section 3.1).
    BlockLength,
}

/// Suffix of a rotated file: UTC time, and a number within that second. Ordered by age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RotatedName {
    time: String,
    number: u32,
}

impl RotatingFile {
    /// Opens `path` for appending, or creates it; an empty file receives `head`.
    ///
    /// A file that ends inside a record is rotated: no reader would find what stands behind it.
    pub fn open(
        path: &Path,
        limits: RotationLimits,
        head: Vec<u8>,
        end: RecordEnd,
    ) -> io::Result<Self> {
        let is_cut_off = !ends_with_record(path, end)?;
        let (file, length) = open(path, &head)?;
        let rotated = match limits.keep {
            Some(_) => rotated_files(path)?,
            None => Vec::new(),
        };
        let mut opened = Self {
            path: path.to_owned(),
            file,
            head,
            length,
            opened: Instant::now(),
            limits,
            last_name: rotated.last().map(|(name, _)| name.clone()),
            rotated: rotated.into_iter().map(|(_, path)| path).collect(),
            retry_at: None,
            error: None,
            cut_off: None,
        };
        if is_cut_off {
            opened.cut_off = Some(opened.rotate()?);
            opened.remove_oldest();
        }
        Ok(opened)
    }

    /// Returns the new name of the file that was there before and ended inside a record; `None` if it ended behind one.
    #[must_use]
    pub fn cut_off(&self) -> Option<&Path> {
        self.cut_off.as_deref()
    }

    /// Appends a record, whole or not at all, after a rotation if the record no longer fits.
    pub fn write_record(&mut self, record: &[u8]) -> io::Result<()> {
        self.rotate_if_due(record.len() as u64);
        self.append(record)
    }

    /// Appends `bytes` to the current file, whole or not at all.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        append(&mut self.file, bytes)?;
        self.length = self.length.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// Returns true if the file contains nothing but its head.
    pub(super) fn has_only_head(&self) -> bool {
        self.length <= self.head.len() as u64
    }

    /// Returns true if `more` bytes would exceed the size limit.
    pub(super) fn exceeds_size(&self, more: u64) -> bool {
        matches!(self.limits.rotate, Some(Rotation::Size(limit)) if self.length.saturating_add(more) > limit)
    }

    /// Returns true if a record of `more` bytes belongs into a new file.
    pub(super) fn is_rotation_due(&self, more: u64) -> bool {
        let is_old = matches!(self.limits.rotate, Some(Rotation::Age(limit)) if self.opened.elapsed() >= limit);
        !self.has_only_head()
            && (is_old || self.exceeds_size(more))
            && self.retry_at.is_none_or(|time| Instant::now() >= time)
    }

    /// Rotates the file if `more` bytes no longer belong into it; returns true if it did.
    ///
    /// If rotation fails, the current file stays in use and [`take_error`](Self::take_error) returns the cause.
    pub fn rotate_if_due(&mut self, more: u64) -> bool {
        if !self.is_rotation_due(more) {
            return false;
        }
        if let Err(cause) = self.rotate() {
            self.retry_at = Instant::now().checked_add(RETRY_INTERVAL);
            self.error = Some(cause);
            return false;
        }
        self.retry_at = None;
        self.remove_oldest();
        true
    }

    /// Returns the last failure to rotate or to remove a rotated file, once.
    pub fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    /// Reopens the file under its name, after an outside tool such as logrotate has moved it.
    pub fn reopen(&mut self) -> io::Result<()> {
        (self.file, self.length) = open(&self.path, &self.head)?;
        self.opened = Instant::now();
        Ok(())
    }

    /// Renames the file and begins a new one. Returns the new name, which the file does not have if an outside tool had already
    /// moved it.
    fn rotate(&mut self) -> io::Result<PathBuf> {
        let rotated = self.free_name()?;
        match fs::rename(&self.path, &rotated) {
            // Only a new file is missing.
            Err(cause) if cause.kind() == ErrorKind::NotFound => {
                return self.reopen().map(|()| rotated);
            }
            renamed => renamed?,
        }
        if let Err(cause) = self.reopen() {
            // Best effort: the open descriptor stays valid under either name.
            let _ = fs::rename(&rotated, &self.path);
            return Err(cause);
        }
        // Without a limit the list would only grow, over weeks, for nobody.
        if self.limits.keep.is_some() {
            self.rotated.push_back(rotated.clone());
        }
        Ok(rotated)
    }

    fn remove_oldest(&mut self) {
        let Some(keep) = self.limits.keep else { return };
        while self.rotated.len() > keep as usize
            && let Some(oldest) = self.rotated.pop_front()
        {
            match fs::remove_file(&oldest) {
                // A file that an administrator has removed is as good as removed here.
                Err(cause) if cause.kind() != ErrorKind::NotFound => self.error = Some(cause),
                _ => {}
            }
        }
    }

    /// Returns an unused name: `events.ndjson.20261121T053000Z`, then `~2`, `~3` behind it within the same second.
    fn free_name(&mut self) -> io::Result<PathBuf> {
        let time = jiff::Timestamp::now()
            .strftime("%Y%m%dT%H%M%SZ")
            .to_string();
        // Numbers only go up within a second: a number freed by `remove_oldest` would sort as the oldest file.
        let first = match &self.last_name {
            Some(last) if last.time == time => last.number.saturating_add(1),
            _ => 1,
        };
        for number in first..=MAX_PER_SECOND {
            let mut name = OsString::from(self.path.as_os_str());
            name.push(format!(".{time}"));
            if number > 1 {
                name.push(format!("~{number}"));
            }
            let name = PathBuf::from(name);
            // `symlink_metadata`, so that a dangling link of somebody else is not replaced either.
            if fs::symlink_metadata(&name).is_err() {
                self.last_name = Some(RotatedName { time, number });
                return Ok(name);
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }
}

impl RotatedName {
    /// Parses a suffix written by [`RotatingFile::free_name`]; `None` for any other suffix.
    ///
    /// Strict on purpose: files that match are deleted later.
    fn parse(suffix: &str) -> Option<Self> {
        let (time, number) = match suffix.split_once('~') {
            Some((time, number)) => (time, number.parse().ok().filter(|number| *number > 1)?),
            None => (suffix, 1),
        };
        let (day, clock) = time.strip_suffix('Z')?.split_once('T')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_time = day.len() == 8 && clock.len() == 6 && digits(day) && digits(clock);
        is_time.then(|| Self {
            time: time.to_owned(),
            number,
        })
    }
}

fn open(path: &Path, head: &[u8]) -> io::Result<(File, u64)> {
    let mut file = File::options()
        .append(true)
        .create(true)
        .mode(OUTPUT_MODE)
        .open(path)?;
    let length = file.metadata()?.len();
    if length > 0 {
        return Ok((file, length));
    }
    append(&mut file, head)?;
    Ok((file, head.len() as u64))
}

/// Returns false for a file whose last record is not whole: its writer was killed, or its machine lost power. True for one that
/// is empty or absent, and for devices and pipes, which are not read.
fn ends_with_record(path: &Path, end: RecordEnd) -> io::Result<bool> {
    let length = match fs::metadata(path) {
        Ok(found) if found.is_file() && found.len() > 0 => found.len(),
        _ => return Ok(true),
    };
    // A file that may be written but not read is taken as it is.
    let Ok(file) = File::open(path) else {
        return Ok(true);
    };
    match end {
        RecordEnd::LineFeed => {
            let mut last = [0];
            file.read_exact_at(&mut last, length - 1)?;
            Ok(last == *b"\n")
        }
        RecordEnd::BlockLength => {
            let Some(at) = length.checked_sub(4) else {
                return Ok(false);
            };
            let (mut first, mut last) = ([0; 4], [0; 4]);
            file.read_exact_at(&mut last, at)?;
            // Sections may be in either byte order.
            for block in [u32::from_le_bytes(last), u32::from_be_bytes(last)] {
                let begin = length.checked_sub(u64::from(block));
                let Some(begin) = begin.filter(|_| block >= SHORTEST_BLOCK && block % 4 == 0)
                else {
                    continue;
                };
                file.read_exact_at(&mut first, begin + 4)?;
                if first == last {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

/// Appends all of `bytes`, or truncates the file back to its old length.
fn append(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let cause = match file.write(rest) {
            Ok(0) => ErrorKind::WriteZero.into(),
            Ok(count) => {
                rest = rest.get(count..).unwrap_or_default();
                continue;
            }
            Err(cause) if cause.kind() == ErrorKind::Interrupted => continue,
            Err(cause) => cause,
        };
        let written = (bytes.len() - rest.len()) as u64;
        // Best effort: if truncation fails as well, the reader finds one cut record.
        if written > 0
            && let Ok(found) = file.metadata()
        {
            let _ = file.set_len(found.len().saturating_sub(written));
        }
        return Err(cause);
    }
    Ok(())
}

/// Lists the rotated files of `path` that earlier runs left, oldest first.
fn rotated_files(path: &Path) -> io::Result<Vec<(RotatedName, PathBuf)>> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Some(own) = path.file_name().and_then(|name| name.to_str()) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let rotated = name
            .to_str()
            .and_then(|name| name.strip_prefix(own)?.strip_prefix('.'))
            .and_then(RotatedName::parse);
        if let Some(rotated) = rotated {
            found.push((rotated, folder.join(name)));
        }
    }
    found.sort();
    Ok(found)
}

/// File mode of outputs: events name users and packets carry secrets, so that the world must not read them.
pub const OUTPUT_MODE: u32 = 0o640;
/// Length of the shortest pcapng block: a type and two lengths.
const SHORTEST_BLOCK: u32 = 12;
/// Rotations within one second; beyond it the second's names are taken to be exhausted.
const MAX_PER_SECOND: u32 = 10_000;
/// Time between two attempts to rotate a file that could not be rotated.
const RETRY_INTERVAL: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch_folder::ScratchFolder;

    fn size(limit: u64, keep: Option<u32>) -> RotationLimits {
        RotationLimits {
            rotate: Some(Rotation::Size(limit)),
            keep,
        }
    }

    #[test]
    fn file_that_ends_inside_a_record_is_rotated_before_the_first_one() {
        let folder = ScratchFolder::new("cut-off");
        let block = [b"\x06\0\0\0\x10\0\0\0data\x10\0\0\0".as_slice(); 2].concat();
        for (whole, cut, end) in [
            (&b"{}\n{}\n"[..], &b"{}\n{"[..], RecordEnd::LineFeed),
            (&block, &block[..31], RecordEnd::BlockLength),
            (&block, &block[..2], RecordEnd::BlockLength),
        ] {
            let path = folder.join("out");
            let open = || {
                RotatingFile::open(&path, RotationLimits::default(), Vec::new(), end)
                    .expect("opened")
            };
            fs::write(&path, whole).expect("written");
            let mut file = open();
            assert_eq!(file.cut_off(), None);
            file.write_record(b"more").expect("written");
            assert_eq!(fs::read(&path).expect("read"), [whole, b"more"].concat());
            fs::write(&path, cut).expect("written");
            let mut file = open();
            let moved = file.cut_off().expect("moved").to_owned();
            file.write_record(b"more").expect("written");
            assert_eq!(fs::read(&moved).expect("read"), cut);
            assert_eq!(fs::read(&path).expect("read"), b"more");
        }
    }

    #[test]
    fn rotated_files_hold_whole_records_and_only_the_newest_stay() {
        let folder = ScratchFolder::new("rotating");
        let path = folder.join("events");
        let mut file =
            RotatingFile::open(&path, size(20, Some(2)), Vec::new(), RecordEnd::LineFeed)
                .expect("opened");
        for number in 0..10 {
            file.write_record(format!("line {number:03}\n").as_bytes())
                .expect("written");
        }
        let mut texts: Vec<(PathBuf, String)> = fs::read_dir(&*folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .map(|path| (path.clone(), fs::read_to_string(path).expect("text")))
            .collect();
        texts.sort();
        let texts: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts.len(), 3);
        assert!(texts.iter().all(|text| text.len() == 18), "{texts:?}");
        assert!(texts.contains(&"line 008\nline 009\n"), "{texts:?}");
    }

    #[test]
    fn a_moved_file_is_created_again_on_reopen() {
        let folder = ScratchFolder::new("reopened");
        let path = folder.join("events");
        let mut file = RotatingFile::open(
            &path,
            RotationLimits::default(),
            Vec::new(),
            RecordEnd::LineFeed,
        )
        .expect("opened");
        file.write_record(b"one\n").expect("written");
        fs::rename(&path, folder.join("moved")).expect("renamed");
        file.write_record(b"two\n").expect("written");
        file.reopen().expect("opened");
        file.write_record(b"three\n").expect("written");
        let text = |name: &str| fs::read_to_string(folder.join(name)).expect("text");
        assert_eq!(text("moved"), "one\ntwo\n");
        assert_eq!(text("events"), "three\n");
        let again = RotatingFile::open(
            &path,
            RotationLimits::default(),
            Vec::new(),
            RecordEnd::LineFeed,
        )
        .expect("opened");
        assert_eq!(again.length, 6);
    }

    #[test]
    fn rotations_within_one_second_remove_the_oldest_file() {
        let folder = ScratchFolder::new("order");
        let path = folder.join("events");
        for run in 0..2 {
            let mut file =
                RotatingFile::open(&path, size(1, Some(3)), Vec::new(), RecordEnd::LineFeed)
                    .expect("opened");
            for number in 0..25 {
                file.write_record(format!("{run} {number:02}\n").as_bytes())
                    .expect("written");
            }
            assert!(file.take_error().is_none());
        }
        let mut rotated = rotated_files(&path).expect("a folder");
        let texts: Vec<String> = rotated
            .drain(..)
            .map(|(_, path)| fs::read_to_string(path).expect("text"))
            .collect();
        assert_eq!(texts, ["1 21\n", "1 22\n", "1 23\n"]);
        assert_eq!(fs::read_to_string(&path).expect("text"), "1 24\n");
    }

    #[test]
    fn a_file_with_only_its_head_is_not_rotated() {
        let folder = ScratchFolder::new("head");
        let path = folder.join("packets");
        let limits = RotationLimits {
            rotate: Some(Rotation::Age(Duration::ZERO)),
            keep: None,
        };
        let mut file = RotatingFile::open(&path, limits, b"head\n".to_vec(), RecordEnd::LineFeed)
            .expect("opened");
        assert!(!file.rotate_if_due(0));
        file.append(b"one\n").expect("written");
        assert!(file.rotate_if_due(0));
        assert!(!file.rotate_if_due(0));
        assert_eq!(fs::read_to_string(&path).expect("text"), "head\n");
        let rotated = rotated_files(&path).expect("a folder");
        let texts: Vec<String> = rotated
            .iter()
            .map(|(_, path)| fs::read_to_string(path).expect("text"))
            .collect();
        assert_eq!(texts, ["head\none\n"]);
    }

    #[test]
    fn a_file_that_cannot_be_rotated_stays_in_use() {
        let scratch = ScratchFolder::new("stuck");
        let folder = scratch.join("folder");
        fs::create_dir(&folder).expect("a folder");
        let path = folder.join("events");
        let mut file = RotatingFile::open(&path, size(1, None), Vec::new(), RecordEnd::LineFeed)
            .expect("opened");
        file.write_record(b"one\n").expect("written");
        let elsewhere = scratch.join("elsewhere");
        fs::rename(&folder, &elsewhere).expect("renamed");
        file.write_record(b"two\n").expect("written");
        assert!(file.take_error().is_some());
        file.write_record(b"three\n").expect("written");
        assert!(file.take_error().is_none(), "it is tried once a minute");
        let text = fs::read_to_string(elsewhere.join("events")).expect("text");
        assert_eq!(text, "one\ntwo\nthree\n");
    }

    #[test]
    fn only_suffixes_of_our_own_count_as_rotated_files() {
        let number = |text: &str| RotatedName::parse(text).map(|name| name.number);
        assert_eq!(number("20261121T053000Z"), Some(1));
        assert_eq!(number("20261121T053000Z~12"), Some(12));
        for other in [
            "gz",
            "1",
            "20261121",
            "2026112xT053000Z",
            "20261121T053000Z~",
            "20261121T053000Z~1",
            "20261121T053000Z.gz",
        ] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
