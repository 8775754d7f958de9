//! Text that is kept in memory up to a bound, and beyond it in a file without a name.
//!
//! The file loses its name in the moment it is made, so that nobody else reads it and nothing is left of it whatever
//! happens.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::text_pieces::TextPieces;

/// Text that grows, and of which any part can be had again.
#[derive(Debug)]
pub struct SpooledText {
    /// What is not in the file: all of it until there is one, the latest of it then.
    memory: TextPieces,
    spilled: Option<Spilled>,
    /// Bytes from which on memory goes into the file.
    bound: usize,
}

#[derive(Debug)]
struct Spilled {
    file: File,
    length: u64,
}

impl SpooledText {
    /// Nothing yet; a file is made once there are `bound` bytes.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self {
            memory: TextPieces::default(),
            spilled: None,
            bound,
        }
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        let spilled = self.spilled.as_ref().map_or(0, |spilled| spilled.length);
        spilled.saturating_add(self.memory.len() as u64)
    }

    /// True where there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of it that are in memory.
    #[cfg(test)]
    pub(super) fn in_memory(&self) -> usize {
        self.memory.len()
    }

    /// Writes `length` bytes from the place `from`.
    pub fn copy(&mut self, from: u64, length: u64, out: &mut dyn Write) -> io::Result<()> {
        let Some(spilled) = &mut self.spilled else {
            let part = |from: u64| usize::try_from(from).unwrap_or(usize::MAX);
            return self.memory.write(part(from), part(length), out);
        };
        if self.memory.len() > 0 {
            spilled.append(&mut self.memory)?;
        }
        spilled.copy(from, length, out)
    }

    /// Forgets everything; a file that was made is used again.
    pub fn clear(&mut self) {
        self.memory.clear();
        if let Some(spilled) = &mut self.spilled {
            spilled.length = 0;
        }
    }

    fn spill(&mut self) -> io::Result<()> {
        let mut spilled = match self.spilled.take() {
            Some(spilled) => spilled,
            None => Spilled::create()?,
        };
        spilled.append(&mut self.memory)?;
        self.bound = self.bound.min(WRITTEN_AT_ONCE);
        self.spilled = Some(spilled);
        Ok(())
    }
}

impl Write for SpooledText {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.memory.push(bytes);
        if self.memory.len() < self.bound {
            Ok(())
        } else {
            self.spill()
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Spilled {
    fn create() -> io::Result<Self> {
        let folder = std::env::temp_dir();
        let file = nameless(&folder).map_err(|error| explained(&folder, &error))?;
        Ok(Self { file, length: 0 })
    }

    fn append(&mut self, text: &mut TextPieces) -> io::Result<()> {
        let told = |error| explained(&std::env::temp_dir(), &error);
        self.file.seek(SeekFrom::Start(self.length)).map_err(told)?;
        text.write(0, text.len(), &mut self.file).map_err(told)?;
        self.length = self.length.saturating_add(text.len() as u64);
        text.clear();
        Ok(())
    }

    fn copy(&mut self, from: u64, length: u64, out: &mut dyn Write) -> io::Result<()> {
        let told = |error| explained(&std::env::temp_dir(), &error);
        self.file.seek(SeekFrom::Start(from)).map_err(told)?;
        let mut piece = Vec::new();
        let mut rest = length;
        while rest > 0 {
            let length = rest.min(WRITTEN_AT_ONCE as u64);
            piece.resize(usize::try_from(length).unwrap_or(WRITTEN_AT_ONCE), 0);
            self.file.read_exact(&mut piece).map_err(told)?;
            out.write_all(&piece)?;
            rest -= length;
        }
        Ok(())
    }
}

/// A file that only this process can reach.
fn nameless(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    for attempt in 0..ATTEMPTS {
        let path = folder.join(format!(".ftpscope-{}-{attempt}", std::process::id()));
        match options.open(&path) {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn explained(folder: &Path, error: &io::Error) -> io::Error {
    let text = format!("the temporary file in {}: {error}", folder.display());
    io::Error::new(error.kind(), text)
}

/// Bytes of text gathered for the file.
const WRITTEN_AT_ONCE: usize = 256 << 10;

/// Names tried for the file, which others may have taken to be in the way.
const ATTEMPTS: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &mut SpooledText) -> Vec<u8> {
        let length = text.len();
        part(text, 0, length)
    }

    fn part(text: &mut SpooledText, from: u64, length: u64) -> Vec<u8> {
        let mut out = Vec::new();
        text.copy(from, length, &mut out).expect("it is there");
        out
    }

    #[test]
    fn what_passes_the_bound_goes_to_a_file_that_nobody_sees_and_comes_back() {
        let mut text = SpooledText::new(1 << 20);
        text.write_all(&vec![b'x'; 1 << 19]).expect("memory");
        assert!(text.spilled.is_none());
        text.write_all(&vec![b'y'; 1 << 19]).expect("a file");
        let spilled = text.spilled.as_ref().expect("a file");
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let metadata = spilled.file.metadata().expect("known");
            assert_eq!((metadata.mode() & 0o777, metadata.nlink()), (0o600, 0));
        }
        assert_eq!((spilled.length, text.memory.len()), (1 << 20, 0));
        text.write_all(b"end").expect("memory");
        assert_eq!(part(&mut text, (1 << 19) - 1, 2), b"xy");
        assert_eq!(part(&mut text, (1 << 20) - 1, 4), b"yend");
    }

    #[test]
    fn what_is_forgotten_is_written_over() {
        for bound in [1 << 20, 2] {
            let mut text = SpooledText::new(bound);
            text.write_all(b"before").expect("kept");
            text.clear();
            assert!(text.is_empty());
            text.write_all(b"now").expect("kept");
            assert_eq!(all(&mut text), b"now");
            text.write_all(b" and then").expect("kept");
            assert_eq!(all(&mut text), b"now and then");
        }
    }
}
