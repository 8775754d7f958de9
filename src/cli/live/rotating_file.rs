//! A file that is continued where it exists, put aside when it is large or old, and only ever holds whole pieces.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::args::Rotation;

/// An output file and the older ones beside it.
#[derive(Debug)]
pub(super) struct RotatingFile {
    path: PathBuf,
    file: File,
    /// Bytes of whole pieces.
    length: u64,
    opened: Instant,
    rotate: Option<Rotation>,
    keep: Option<u32>,
    /// Older files, the oldest first.
    older: VecDeque<PathBuf>,
}

impl RotatingFile {
    /// Opens or makes the file.
    pub(super) fn open(
        path: &Path,
        rotate: Option<Rotation>,
        keep: Option<u32>,
    ) -> io::Result<Self> {
        let (file, length) = open(path)?;
        let older = match keep {
            Some(_) => older_files(path)?,
            None => VecDeque::new(),
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            length,
            opened: Instant::now(),
            rotate,
            keep,
            older,
        })
    }

    /// Appends a piece, whole or not at all; a new file is begun first where the piece does not fit any more.
    pub(super) fn write_whole(&mut self, piece: &[u8]) -> io::Result<()> {
        self.rotate_if_due(piece.len() as u64)?;
        self.append(piece)
    }

    /// Appends a piece to this very file, whole or not at all.
    pub(super) fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        if let Err(cause) = self.file.write_all(piece) {
            // Best effort: what cannot be taken back is a cut line, which its reader will notice.
            let _ = self.file.set_len(self.length);
            return Err(cause);
        }
        self.length = self.length.saturating_add(piece.len() as u64);
        Ok(())
    }

    /// True where a piece of `more` bytes belongs into a new file.
    pub(super) fn is_due(&self, more: u64) -> bool {
        self.length > 0
            && match self.rotate {
                Some(Rotation::Size(limit)) => self.length.saturating_add(more) > limit,
                Some(Rotation::Age(limit)) => self.opened.elapsed() >= limit,
                None => false,
            }
    }

    /// Puts the file aside where it is time to, and begins a new one; true where it did.
    pub(super) fn rotate_if_due(&mut self, more: u64) -> io::Result<bool> {
        if !self.is_due(more) {
            return Ok(false);
        }
        let aside = free_name(&self.path)?;
        fs::rename(&self.path, &aside)?;
        self.older.push_back(aside);
        if let Some(keep) = self.keep {
            while self.older.len() > keep as usize
                && let Some(oldest) = self.older.pop_front()
            {
                match fs::remove_file(&oldest) {
                    Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(cause),
                    _ => {}
                }
            }
        }
        self.reopen()?;
        Ok(true)
    }

    /// Opens the file again under its name.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        (self.file, self.length) = open(&self.path)?;
        self.opened = Instant::now();
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = File::options()
        .append(true)
        .create(true)
        // Events tell who did what: not for everybody on the machine.
        .mode(0o640)
        .open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

/// The name with the time behind it: `events.ndjson.20261121T053000Z`, with a number where that exists.
fn free_name(path: &Path) -> io::Result<PathBuf> {
    let now = jiff::Timestamp::now()
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string();
    for number in 1..=SAME_SECOND {
        let mut name = OsString::from(path.as_os_str());
        name.push(format!(".{now}"));
        if number > 1 {
            name.push(format!("~{number}"));
        }
        let name = PathBuf::from(name);
        if fs::symlink_metadata(&name).is_err() {
            return Ok(name);
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// What earlier runs have put aside, the oldest first.
fn older_files(path: &Path) -> io::Result<VecDeque<PathBuf>> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Some(own) = path.file_name().and_then(|name| name.to_str()) else {
        return Ok(VecDeque::new());
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let is_ours = name
            .to_str()
            .and_then(|name| name.strip_prefix(own)?.strip_prefix('.'))
            .is_some_and(is_time);
        if is_ours {
            found.push(folder.join(name));
        }
    }
    found.sort();
    Ok(found.into())
}

/// True for what [`free_name`] puts behind a name.
fn is_time(text: &str) -> bool {
    let (time, number) = text.split_once('~').unwrap_or((text, "2"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((day, clock)) = time.strip_suffix('Z').and_then(|time| time.split_once('T')) else {
        return false;
    };
    day.len() == 8 && clock.len() == 6 && digits(day) && digits(clock) && digits(number)
}

/// Files put aside within one second.
const SAME_SECOND: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("ftpscope-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        path
    }

    #[test]
    fn every_file_is_whole_and_only_the_newest_are_kept() {
        let folder = folder("rotating");
        let path = folder.join("events");
        let size = Some(Rotation::Size(20));
        let mut file = RotatingFile::open(&path, size, Some(2)).expect("opened");
        for number in 0..10 {
            file.write_whole(format!("line {number:03}\n").as_bytes())
                .expect("written");
        }
        let mut texts: Vec<(PathBuf, String)> = fs::read_dir(&folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .map(|path| (path.clone(), fs::read_to_string(path).expect("text")))
            .collect();
        texts.sort();
        let texts: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts.len(), 3);
        assert!(texts.iter().all(|text| text.len() == 18), "{texts:?}");
        assert!(texts.contains(&"line 008\nline 009\n"), "{texts:?}");
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_file_that_was_moved_away_is_begun_anew() {
        let folder = folder("reopened");
        let path = folder.join("events");
        let mut file = RotatingFile::open(&path, None, None).expect("opened");
        file.write_whole(b"one\n").expect("written");
        fs::rename(&path, folder.join("moved")).expect("renamed");
        file.write_whole(b"two\n").expect("written");
        file.reopen().expect("opened");
        file.write_whole(b"three\n").expect("written");
        let text = |name: &str| fs::read_to_string(folder.join(name)).expect("text");
        assert_eq!(text("moved"), "one\ntwo\n");
        assert_eq!(text("events"), "three\n");
        let again = RotatingFile::open(&path, None, None).expect("opened");
        assert_eq!(again.length, 6);
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn only_names_that_were_put_aside_by_us_are_removed() {
        assert!(is_time("20261121T053000Z"));
        assert!(is_time("20261121T053000Z~2"));
        for other in [
            "gz",
            "1",
            "20261121",
            "2026112xT053000Z",
            "20261121T053000Z~",
        ] {
            assert!(!is_time(other), "{other}");
        }
    }
}
