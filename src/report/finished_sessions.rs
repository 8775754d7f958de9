//! Sessions of a report that is one document, kept as the text they will be until the input ends.
//!
//! A finished session does not change any more, but sessions stand by id, and totals before them: nothing can be written
//! yet. Its text takes a fraction of the memory of its records, and beyond a bound it goes into a temporary file that
//! has no name from its first moment on, so that nobody else reads it and nothing is left of it whatever happens.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::text_pieces::TextPieces;

/// Texts of sessions, by id.
#[derive(Debug)]
pub struct FinishedSessions {
    places: Vec<Place>,
    /// What is not in the file: all texts until there is one, the latest ones then.
    memory: TextPieces,
    spilled: Option<Spilled>,
    /// Bytes from which on memory goes into the file.
    bound: usize,
    /// Why texts could not be kept, where they could not.
    error: Option<io::Error>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    id: u64,
    offset: u64,
    length: u64,
}

/// Where the text of one session goes, in pieces: one long session does not stand in memory as a whole either.
#[derive(Debug)]
pub struct SessionText<'a>(&'a mut FinishedSessions);

impl Write for SessionText<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.memory.push(bytes);
        if self.0.memory.len() < self.0.bound {
            Ok(())
        } else {
            self.0.spill()
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Spilled {
    file: File,
    length: u64,
}

impl FinishedSessions {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            places: Vec::new(),
            memory: TextPieces::default(),
            spilled: None,
            bound: KEPT_IN_MEMORY,
            error: None,
        }
    }

    /// Keeps what `write` makes of the session with this id. An error is kept and comes out of [`write`](Self::write).
    pub(super) fn push(
        &mut self,
        id: u64,
        write: impl FnOnce(&mut SessionText<'_>) -> io::Result<()>,
    ) {
        if self.error.is_some() {
            return;
        }
        let offset = self.length();
        match write(&mut SessionText(self)) {
            Ok(()) => {
                let length = self.length().saturating_sub(offset);
                self.places.push(Place { id, offset, length });
            }
            Err(error) => {
                self.error = Some(error);
                self.memory = TextPieces::default();
            }
        }
    }

    /// Bytes of all texts.
    fn length(&self) -> u64 {
        let spilled = self.spilled.as_ref().map_or(0, |spilled| spilled.length);
        spilled.saturating_add(self.memory.len() as u64)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True where there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Writes all texts by id, with `between` between them.
    pub(super) fn write(mut self, between: &[u8], out: &mut dyn Write) -> io::Result<()> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.places.sort_by_key(|place| place.id);
        if let Some(spilled) = &mut self.spilled {
            spilled.append(&mut self.memory)?;
        }
        let mut piece = Vec::new();
        for (at, place) in self.places.iter().enumerate() {
            if at > 0 {
                out.write_all(between)?;
            }
            if let Some(spilled) = &mut self.spilled {
                spilled.copy(*place, &mut piece, out)?;
            } else {
                let part = |from: u64| usize::try_from(from).unwrap_or(usize::MAX);
                let (start, length) = (part(place.offset), part(place.length));
                self.memory.write(start, length, out)?;
            }
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        let mut spilled = match self.spilled.take() {
            Some(spilled) => spilled,
            None => Spilled::create()?,
        };
        spilled.append(&mut self.memory)?;
        self.bound = WRITTEN_AT_ONCE;
        self.spilled = Some(spilled);
        Ok(())
    }
}

impl Default for FinishedSessions {
    fn default() -> Self {
        Self::new()
    }
}

impl Spilled {
    fn create() -> io::Result<Self> {
        let folder = std::env::temp_dir();
        let file = nameless(&folder).map_err(|error| explained(&folder, &error))?;
        Ok(Self { file, length: 0 })
    }

    fn append(&mut self, text: &mut TextPieces) -> io::Result<()> {
        text.write(0, text.len(), &mut self.file)
            .map_err(|error| explained(&std::env::temp_dir(), &error))?;
        self.length = self.length.saturating_add(text.len() as u64);
        text.clear();
        Ok(())
    }

    /// Copies a text by way of `piece`.
    fn copy(&mut self, place: Place, piece: &mut Vec<u8>, out: &mut dyn Write) -> io::Result<()> {
        let told = |error| explained(&std::env::temp_dir(), &error);
        self.file
            .seek(SeekFrom::Start(place.offset))
            .map_err(told)?;
        let mut rest = place.length;
        while rest > 0 {
            let length = rest.min(WRITTEN_AT_ONCE as u64);
            piece.resize(usize::try_from(length).unwrap_or(WRITTEN_AT_ONCE), 0);
            self.file.read_exact(piece).map_err(told)?;
            out.write_all(piece)?;
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

/// Bytes of text kept before there is a file.
const KEPT_IN_MEMORY: usize = 64 << 20;

/// Bytes of text gathered for the file.
const WRITTEN_AT_ONCE: usize = 256 << 10;

/// Names tried for the file, which others may have taken to be in the way.
const ATTEMPTS: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sessions: FinishedSessions) -> String {
        let mut out = Vec::new();
        sessions.write(b"|", &mut out).expect("all is there");
        String::from_utf8(out).expect("text")
    }

    fn push(sessions: &mut FinishedSessions, id: u64, text: &[u8]) {
        sessions.push(id, |out| out.write_all(text));
    }

    #[test]
    fn texts_come_by_id() {
        let mut sessions = FinishedSessions::new();
        push(&mut sessions, 2, b"second");
        push(&mut sessions, 1, b"first");
        assert_eq!(texts(sessions), "first|second");
    }

    #[test]
    fn what_passes_the_bound_goes_to_a_file_and_comes_back() {
        let mut sessions = FinishedSessions::new();
        let large = vec![b'x'; KEPT_IN_MEMORY / 2];
        push(&mut sessions, 3, &large);
        assert!(sessions.spilled.is_none());
        push(&mut sessions, 1, &large);
        let spilled = sessions.spilled.as_ref().expect("a file");
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let metadata = spilled.file.metadata().expect("known");
            assert_eq!((metadata.mode() & 0o777, metadata.nlink()), (0o600, 0));
        }
        assert_eq!(spilled.length, KEPT_IN_MEMORY as u64);
        assert_eq!(sessions.memory.len(), 0);
        push(&mut sessions, 2, b"between");
        assert_eq!(sessions.len(), 3);
        let texts = texts(sessions);
        let lengths: Vec<_> = texts.split('|').map(str::len).collect();
        assert_eq!(lengths, [large.len(), 7, large.len()]);
    }

    #[test]
    fn one_long_text_does_not_stand_in_memory_as_a_whole() {
        let mut sessions = FinishedSessions::new();
        let line = [b'x'; 1 << 14];
        let lines = 2 * KEPT_IN_MEMORY / line.len();
        sessions.push(1, |out| {
            for _ in 0..lines {
                out.write_all(&line)?;
                assert!(out.0.memory.len() < KEPT_IN_MEMORY);
            }
            Ok(())
        });
        assert!(sessions.memory.len() <= WRITTEN_AT_ONCE);
        assert_eq!(texts(sessions).len(), lines * line.len());
    }

    #[test]
    fn an_error_is_told_once_all_is_wanted() {
        let mut sessions = FinishedSessions::new();
        sessions.push(1, |_| Err(io::ErrorKind::StorageFull.into()));
        push(&mut sessions, 2, b"kept by nobody");
        let error = sessions.write(b"", &mut Vec::new()).expect_err("it failed");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
