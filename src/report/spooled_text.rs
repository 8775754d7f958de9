//! Text kept in memory up to a limit, and beyond it in a temporary file without a name.
//!
//! The file is unlinked as soon as it is created, so that no other process opens it and nothing is left of it after a
//! crash.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Append-only text of which any part can be copied.
#[derive(Debug)]
pub struct SpooledText {
    /// Text that is not in the file: all of it before there is a file, the latest of it afterwards.
    memory: TextPieces,
    /// `None` until the limit is reached for the first time.
    spilled: Option<Spilled>,
    /// Bytes in `memory` from which on they are moved into the file.
    limit: usize,
}

/// Part of the text in the temporary file.
#[derive(Debug)]
struct Spilled {
    file: File,
    /// Bytes in use; the file may be longer after [`SpooledText::clear`].
    length: u64,
}

impl SpooledText {
    /// Creates an empty text, which is moved into a file once it has `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            memory: TextPieces::default(),
            spilled: None,
            limit,
        }
    }

    /// Returns the length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        let spilled = self.spilled.as_ref().map_or(0, |spilled| spilled.length);
        spilled.saturating_add(self.memory.len() as u64)
    }

    /// Returns true if there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of bytes in memory.
    #[cfg(test)]
    pub(super) fn in_memory(&self) -> usize {
        self.memory.len()
    }

    /// Writes `length` bytes from offset `from` to `out`.
    pub fn copy(&mut self, from: u64, length: u64, out: &mut dyn Write) -> io::Result<()> {
        let Some(spilled) = &mut self.spilled else {
            let part = |from: u64| usize::try_from(from).unwrap_or(usize::MAX);
            return self.memory.write(part(from), part(length), out);
        };
        // Reading continues in the file only: a part may begin there and end in memory.
        if self.memory.len() > 0 {
            spilled.append(&mut self.memory)?;
        }
        spilled.copy(from, length, out)
    }

    /// Removes all text. The file is kept for later text.
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
        // From here on memory is only a write buffer.
        self.limit = self.limit.min(WRITTEN_AT_ONCE);
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
        if self.memory.len() < self.limit {
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
        let file = create_unlinked(&folder).map_err(|error| explained(&folder, &error))?;
        Ok(Self { file, length: 0 })
    }

    fn append(&mut self, text: &mut TextPieces) -> io::Result<()> {
        let named = |error| explained(&std::env::temp_dir(), &error);
        self.file
            .seek(SeekFrom::Start(self.length))
            .map_err(named)?;
        text.write(0, text.len(), &mut self.file).map_err(named)?;
        self.length = self.length.saturating_add(text.len() as u64);
        text.clear();
        Ok(())
    }

    fn copy(&mut self, from: u64, length: u64, out: &mut dyn Write) -> io::Result<()> {
        let named = |error| explained(&std::env::temp_dir(), &error);
        self.file.seek(SeekFrom::Start(from)).map_err(named)?;
        // Piece by piece: one session of a long capture may have hundreds of megabytes.
        let mut piece = Vec::new();
        let mut rest = length;
        while rest > 0 {
            let length = rest.min(WRITTEN_AT_ONCE as u64);
            piece.resize(usize::try_from(length).unwrap_or(WRITTEN_AT_ONCE), 0);
            self.file.read_exact(&mut piece).map_err(named)?;
            out.write_all(&piece)?;
            rest -= length;
        }
        Ok(())
    }
}

/// Creates a file and removes its name: it lives until this process closes it.
fn create_unlinked(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    for attempt in 0..ATTEMPTS {
        let path = folder.join(format!(".ftpscope-{}-{attempt}", std::process::id()));
        match options.open(&path) {
            Ok(file) => {
                // From here on only the descriptor leads to the file.
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Adds the directory of the temporary file to an error, which otherwise would seem to be one of the output.
fn explained(folder: &Path, error: &io::Error) -> io::Error {
    let text = format!("the temporary file in {}: {error}", folder.display());
    io::Error::new(error.kind(), text)
}

/// Bytes in pieces of equal size.
// A vector of tens of megabytes would be in memory twice whenever it grows.
#[derive(Debug, Default)]
struct TextPieces {
    /// Pieces of [`PIECE`] bytes, all but the last full.
    pieces: Vec<Vec<u8>>,
    /// Bytes in all pieces.
    length: usize,
}

impl TextPieces {
    fn len(&self) -> usize {
        self.length
    }

    fn push(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len();
        while !bytes.is_empty() {
            match self.pieces.last_mut().filter(|last| last.len() < PIECE) {
                Some(last) => {
                    let (now, later) = bytes.split_at(bytes.len().min(PIECE - last.len()));
                    last.extend_from_slice(now);
                    bytes = later;
                }
                None => self.pieces.push(Vec::with_capacity(PIECE)),
            }
        }
    }

    /// Writes `length` bytes from offset `start`.
    fn write(&self, start: usize, mut length: usize, out: &mut dyn Write) -> io::Result<()> {
        let mut within = start % PIECE;
        for piece in self.pieces.iter().skip(start / PIECE) {
            let end = within.saturating_add(length).min(piece.len());
            let part = piece.get(within..end).unwrap_or_default();
            out.write_all(part)?;
            length -= part.len();
            within = 0;
            if length == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Removes all bytes and keeps the allocation of one piece.
    fn clear(&mut self) {
        self.pieces.truncate(1);
        self.pieces.iter_mut().for_each(Vec::clear);
        self.length = 0;
    }
}

/// Bytes of a piece.
const PIECE: usize = 256 << 10;

/// Bytes per write to the file.
const WRITTEN_AT_ONCE: usize = 256 << 10;

/// Names tried for the file: the temporary directory is shared, and another user may have taken some on purpose.
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
    fn text_beyond_the_limit_moves_to_an_unlinked_file_and_is_copied_from_there() {
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
    fn cleared_text_is_overwritten() {
        for limit in [1 << 20, 2] {
            let mut text = SpooledText::new(limit);
            text.write_all(b"before").expect("kept");
            text.clear();
            assert!(text.is_empty());
            text.write_all(b"now").expect("kept");
            assert_eq!(all(&mut text), b"now");
            text.write_all(b" and then").expect("kept");
            assert_eq!(all(&mut text), b"now and then");
        }
    }

    #[test]
    fn any_part_of_the_pieces_equals_the_bytes_pushed() {
        let all: Vec<u8> = (0..3 * PIECE + 5)
            .map(|at| u8::try_from(at % 251).expect("small"))
            .collect();
        let mut pieces = TextPieces::default();
        let mut rest = all.as_slice();
        for size in [1, 70_000, PIECE, 3, 200_000].into_iter().cycle() {
            let (now, later) = rest.split_at(size.min(rest.len()));
            pieces.push(now);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        assert_eq!(pieces.len(), all.len());
        for (start, length) in [
            (0, all.len()),
            (0, 0),
            (PIECE - 1, 2),
            (PIECE, PIECE),
            (5, 2 * PIECE),
            (all.len() - 1, 1),
        ] {
            let mut out = Vec::new();
            pieces.write(start, length, &mut out).expect("memory");
            assert!(out == all[start..start + length], "{start} {length}");
        }
        pieces.clear();
        pieces.push(b"again");
        let mut out = Vec::new();
        pieces.write(0, 5, &mut out).expect("memory");
        assert_eq!(out, b"again");
    }
}
