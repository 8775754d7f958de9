//! A file that is continued where it exists, put aside when it is large or old, and only ever holds whole pieces.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An output file and the older ones beside it.
#[derive(Debug)]
pub(super) struct RotatingFile {
    path: PathBuf,
    file: File,
    /// What every file begins with.
    head: Vec<u8>,
    /// Bytes of whole pieces, the head included.
    length: u64,
    opened: Instant,
    rotate: Option<Rotation>,
    keep: Option<u32>,
    /// Older files, the oldest first.
    older: VecDeque<PathBuf>,
    last_aside: Option<Aside>,
    /// It could not be put aside: not tried again before this.
    not_before: Option<Instant>,
    trouble: Option<io::Error>,
}

/// When an output begins a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rotation {
    /// Once it has this many bytes.
    Size(u64),
    /// Once it is this old.
    Age(Duration),
}

/// What stands behind the name of a file that was put aside: when, and which one of that second. In order of age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Aside {
    time: String,
    number: u32,
}

impl RotatingFile {
    /// Opens or makes the file; an empty one begins with `head`.
    pub(super) fn open(
        path: &Path,
        rotate: Option<Rotation>,
        keep: Option<u32>,
        head: Vec<u8>,
    ) -> io::Result<Self> {
        let (file, length) = open(path, &head)?;
        let older = match keep {
            Some(_) => older_files(path)?,
            None => Vec::new(),
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            head,
            length,
            opened: Instant::now(),
            rotate,
            keep,
            last_aside: older.last().map(|(aside, _)| aside.clone()),
            older: older.into_iter().map(|(_, path)| path).collect(),
            not_before: None,
            trouble: None,
        })
    }

    /// Appends a piece, whole or not at all; a new file is begun first where the piece does not fit any more.
    pub(super) fn write_whole(&mut self, piece: &[u8]) -> io::Result<()> {
        self.rotate_if_due(piece.len() as u64);
        self.append(piece)
    }

    /// Appends a piece to this very file, whole or not at all.
    pub(super) fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        append(&mut self.file, piece)?;
        self.length = self.length.saturating_add(piece.len() as u64);
        Ok(())
    }

    /// True where nothing but the head is in it.
    pub(super) fn is_fresh(&self) -> bool {
        self.length <= self.head.len() as u64
    }

    /// True where `more` bytes are more than the file may have.
    pub(super) fn is_too_much(&self, more: u64) -> bool {
        matches!(self.rotate, Some(Rotation::Size(limit)) if self.length.saturating_add(more) > limit)
    }

    /// True where a piece of `more` bytes belongs into a new file.
    pub(super) fn is_due(&self, more: u64) -> bool {
        let is_old =
            matches!(self.rotate, Some(Rotation::Age(limit)) if self.opened.elapsed() >= limit);
        !self.is_fresh()
            && (is_old || self.is_too_much(more))
            && self.not_before.is_none_or(|time| Instant::now() >= time)
    }

    /// Puts the file aside where it is time to, and begins a new one; true where it did. Where that fails, the file is
    /// written on.
    pub(super) fn rotate_if_due(&mut self, more: u64) -> bool {
        if !self.is_due(more) {
            return false;
        }
        let turned = self.put_aside();
        if let Err(cause) = turned {
            self.not_before = Instant::now().checked_add(BETWEEN_ATTEMPTS);
            self.trouble = Some(cause);
            return false;
        }
        self.not_before = None;
        self.remove_oldest();
        true
    }

    /// Why the file could not be put aside, or older ones not be removed; told once.
    pub(super) fn take_trouble(&mut self) -> Option<io::Error> {
        self.trouble.take()
    }

    /// Opens the file again under its name.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        (self.file, self.length) = open(&self.path, &self.head)?;
        self.opened = Instant::now();
        Ok(())
    }

    fn put_aside(&mut self) -> io::Result<()> {
        let aside = self.free_name()?;
        match fs::rename(&self.path, &aside) {
            // Somebody else has put it aside.
            Err(cause) if cause.kind() == ErrorKind::NotFound => return self.reopen(),
            moved => moved?,
        }
        if let Err(cause) = self.reopen() {
            // Best effort: the open file is written on under whichever name it has.
            let _ = fs::rename(&aside, &self.path);
            return Err(cause);
        }
        self.older.push_back(aside);
        if self.keep.is_none() {
            self.older.clear();
        }
        Ok(())
    }

    fn remove_oldest(&mut self) {
        let Some(keep) = self.keep else { return };
        while self.older.len() > keep as usize
            && let Some(oldest) = self.older.pop_front()
        {
            match fs::remove_file(&oldest) {
                Err(cause) if cause.kind() != ErrorKind::NotFound => self.trouble = Some(cause),
                _ => {}
            }
        }
    }

    /// The name with the time behind it: `events.ndjson.20261121T053000Z`, with a number for the next ones of that second.
    fn free_name(&mut self) -> io::Result<PathBuf> {
        let time = jiff::Timestamp::now()
            .strftime("%Y%m%dT%H%M%SZ")
            .to_string();
        // A number that was free again would be that of an older file.
        let first = match &self.last_aside {
            Some(last) if last.time == time => last.number.saturating_add(1),
            _ => 1,
        };
        for number in first..=SAME_SECOND {
            let mut name = OsString::from(self.path.as_os_str());
            name.push(format!(".{time}"));
            if number > 1 {
                name.push(format!("~{number}"));
            }
            let name = PathBuf::from(name);
            if fs::symlink_metadata(&name).is_err() {
                self.last_aside = Some(Aside { time, number });
                return Ok(name);
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }
}

impl Aside {
    /// Reads what [`RotatingFile::free_name`] puts behind a name.
    fn read(text: &str) -> Option<Self> {
        let (time, number) = match text.split_once('~') {
            Some((time, number)) => (time, number.parse().ok().filter(|number| *number > 1)?),
            None => (text, 1),
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

/// Appends all of it, or takes back what was written of it.
fn append(file: &mut File, piece: &[u8]) -> io::Result<()> {
    let mut rest = piece;
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
        let written = (piece.len() - rest.len()) as u64;
        // Best effort: what cannot be taken back is a cut line, which its reader will notice.
        if written > 0
            && let Ok(found) = file.metadata()
        {
            let _ = file.set_len(found.len().saturating_sub(written));
        }
        return Err(cause);
    }
    Ok(())
}

/// What earlier runs have put aside, the oldest first.
fn older_files(path: &Path) -> io::Result<Vec<(Aside, PathBuf)>> {
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
        let aside = name
            .to_str()
            .and_then(|name| name.strip_prefix(own)?.strip_prefix('.'))
            .and_then(Aside::read);
        if let Some(aside) = aside {
            found.push((aside, folder.join(name)));
        }
    }
    found.sort();
    Ok(found)
}

/// Events tell who did what, and packets hold secrets: not for everybody on the machine.
pub(super) const OUTPUT_MODE: u32 = 0o640;
/// Files put aside within one second.
const SAME_SECOND: u32 = 10_000;
/// How long a file that could not be put aside is written on before that is tried again.
const BETWEEN_ATTEMPTS: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch_folder::ScratchFolder;

    #[test]
    fn every_file_is_whole_and_only_the_newest_are_kept() {
        let folder = ScratchFolder::new("rotating");
        let path = folder.join("events");
        let size = Some(Rotation::Size(20));
        let mut file = RotatingFile::open(&path, size, Some(2), Vec::new()).expect("opened");
        for number in 0..10 {
            file.write_whole(format!("line {number:03}\n").as_bytes())
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
    fn a_file_that_was_moved_away_is_begun_anew() {
        let folder = ScratchFolder::new("reopened");
        let path = folder.join("events");
        let mut file = RotatingFile::open(&path, None, None, Vec::new()).expect("opened");
        file.write_whole(b"one\n").expect("written");
        fs::rename(&path, folder.join("moved")).expect("renamed");
        file.write_whole(b"two\n").expect("written");
        file.reopen().expect("opened");
        file.write_whole(b"three\n").expect("written");
        let text = |name: &str| fs::read_to_string(folder.join(name)).expect("text");
        assert_eq!(text("moved"), "one\ntwo\n");
        assert_eq!(text("events"), "three\n");
        let again = RotatingFile::open(&path, None, None, Vec::new()).expect("opened");
        assert_eq!(again.length, 6);
    }

    #[test]
    fn the_oldest_are_removed_however_many_come_in_a_second() {
        let folder = ScratchFolder::new("order");
        let path = folder.join("events");
        for run in 0..2 {
            let size = Some(Rotation::Size(1));
            let mut file = RotatingFile::open(&path, size, Some(3), Vec::new()).expect("opened");
            for number in 0..25 {
                file.write_whole(format!("{run} {number:02}\n").as_bytes())
                    .expect("written");
            }
            assert!(file.take_trouble().is_none());
        }
        let mut older = older_files(&path).expect("a folder");
        let texts: Vec<String> = older
            .drain(..)
            .map(|(_, path)| fs::read_to_string(path).expect("text"))
            .collect();
        assert_eq!(texts, ["1 21\n", "1 22\n", "1 23\n"]);
        assert_eq!(fs::read_to_string(&path).expect("text"), "1 24\n");
    }

    #[test]
    fn every_file_begins_with_its_head_and_is_never_put_aside_with_nothing_else_in_it() {
        let folder = ScratchFolder::new("head");
        let path = folder.join("packets");
        let age = Some(Rotation::Age(Duration::ZERO));
        let mut file = RotatingFile::open(&path, age, None, b"head\n".to_vec()).expect("opened");
        assert!(!file.rotate_if_due(0));
        file.append(b"one\n").expect("written");
        assert!(file.rotate_if_due(0));
        assert!(!file.rotate_if_due(0));
        assert_eq!(fs::read_to_string(&path).expect("text"), "head\n");
        let older = older_files(&path).expect("a folder");
        let texts: Vec<String> = older
            .iter()
            .map(|(_, path)| fs::read_to_string(path).expect("text"))
            .collect();
        assert_eq!(texts, ["head\none\n"]);
    }

    #[test]
    fn what_cannot_be_put_aside_is_written_on() {
        let scratch = ScratchFolder::new("stuck");
        let folder = scratch.join("folder");
        fs::create_dir(&folder).expect("a folder");
        let path = folder.join("events");
        let size = Some(Rotation::Size(1));
        let mut file = RotatingFile::open(&path, size, None, Vec::new()).expect("opened");
        file.write_whole(b"one\n").expect("written");
        let elsewhere = scratch.join("elsewhere");
        fs::rename(&folder, &elsewhere).expect("renamed");
        file.write_whole(b"two\n").expect("written");
        assert!(file.take_trouble().is_some());
        file.write_whole(b"three\n").expect("written");
        assert!(file.take_trouble().is_none(), "it is tried once a minute");
        let text = fs::read_to_string(elsewhere.join("events")).expect("text");
        assert_eq!(text, "one\ntwo\nthree\n");
    }

    #[test]
    fn only_names_that_were_put_aside_by_us_are_removed() {
        let number = |text: &str| Aside::read(text).map(|aside| aside.number);
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
