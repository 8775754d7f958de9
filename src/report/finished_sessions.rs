//! Sessions of a report that is one document, kept as the text they will be until the input ends.
//!
//! A finished session does not change any more, but sessions stand by id, and totals before them: nothing can be written
//! yet. Its text takes a fraction of the memory of its records, and beyond a bound it goes into a temporary file that
//! has no name from its first moment on, so that nobody else reads it and nothing is left of it whatever happens.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Texts of sessions, by id.
#[derive(Debug, Default)]
pub struct FinishedSessions {
    places: Vec<Place>,
    /// What is not in the file: all texts until there is one, the latest ones then.
    memory: Vec<u8>,
    spilled: Option<Spilled>,
    /// Why texts could not be kept, where they could not.
    error: Option<io::Error>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    id: u64,
    offset: u64,
    length: usize,
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
        Self::default()
    }

    /// Keeps what `write` makes of the session with this id. An error is kept and comes out of
    /// [`for_each`](Self::for_each).
    pub(super) fn push(&mut self, id: u64, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) {
        if self.error.is_some() {
            return;
        }
        let start = self.memory.len();
        if let Err(error) = write(&mut self.memory).and_then(|()| self.place(id, start)) {
            self.error = Some(error);
            self.memory = Vec::new();
        }
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

    /// Gives all texts, by id.
    pub fn for_each(mut self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.places.sort_by_key(|place| place.id);
        let Some(mut spilled) = self.spilled.take() else {
            for place in &self.places {
                let start = usize::try_from(place.offset).unwrap_or(usize::MAX);
                let text = self.memory.get(start..start.saturating_add(place.length));
                take(text.unwrap_or_default())?;
            }
            return Ok(());
        };
        spilled.append(&mut self.memory)?;
        let mut text = Vec::new();
        for place in &self.places {
            text.resize(place.length, 0);
            spilled.read(place.offset, &mut text)?;
            take(&text)?;
        }
        Ok(())
    }

    fn place(&mut self, id: u64, start: usize) -> io::Result<()> {
        let before = self.spilled.as_ref().map_or(0, |spilled| spilled.length);
        self.places.push(Place {
            id,
            offset: before.saturating_add(start as u64),
            length: self.memory.len() - start,
        });
        let bound = if self.spilled.is_some() {
            WRITTEN_AT_ONCE
        } else {
            KEPT_IN_MEMORY
        };
        if self.memory.len() < bound {
            return Ok(());
        }
        let mut spilled = match self.spilled.take() {
            Some(spilled) => spilled,
            None => Spilled::create()?,
        };
        spilled.append(&mut self.memory)?;
        self.memory.shrink_to(WRITTEN_AT_ONCE);
        self.spilled = Some(spilled);
        Ok(())
    }
}

impl Spilled {
    fn create() -> io::Result<Self> {
        let folder = std::env::temp_dir();
        let file = nameless(&folder).map_err(|error| explained(&folder, &error))?;
        Ok(Self { file, length: 0 })
    }

    fn append(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        self.file
            .write_all(bytes)
            .map_err(|error| explained(&std::env::temp_dir(), &error))?;
        self.length = self.length.saturating_add(bytes.len() as u64);
        bytes.clear();
        Ok(())
    }

    fn read(&mut self, offset: u64, text: &mut [u8]) -> io::Result<()> {
        self.file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.file.read_exact(text))
            .map_err(|error| explained(&std::env::temp_dir(), &error))
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

    fn texts(sessions: FinishedSessions) -> Vec<Vec<u8>> {
        let mut texts = Vec::new();
        sessions
            .for_each(|text| {
                texts.push(text.to_vec());
                Ok(())
            })
            .expect("all is there");
        texts
    }

    fn push(sessions: &mut FinishedSessions, id: u64, text: &[u8]) {
        sessions.push(id, |out| out.write_all(text));
    }

    #[test]
    fn texts_come_by_id() {
        let mut sessions = FinishedSessions::new();
        push(&mut sessions, 2, b"second");
        push(&mut sessions, 1, b"first");
        assert_eq!(texts(sessions), [&b"first"[..], b"second"]);
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
        assert!(sessions.memory.capacity() <= WRITTEN_AT_ONCE);
        push(&mut sessions, 2, b"between");
        assert_eq!(sessions.len(), 3);
        let lengths: Vec<_> = texts(sessions).iter().map(Vec::len).collect();
        assert_eq!(lengths, [large.len(), 7, large.len()]);
    }

    #[test]
    fn an_error_is_told_once_all_is_wanted() {
        let mut sessions = FinishedSessions::new();
        sessions.push(1, |_| Err(io::ErrorKind::StorageFull.into()));
        push(&mut sessions, 2, b"kept by nobody");
        let error = sessions.for_each(|_| Ok(())).expect_err("it failed");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
