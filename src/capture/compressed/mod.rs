//! Compressed inputs as a `Read`, told by their magic number.
//!
//! ```text
//! first bytes -> Compression::of -> open -> gzip (members) | zstd (frames) | lz4 (frames) | xz (streams) -> bytes
//! ```
//!
//! Every decoder gives its output in pieces and holds at most its window, so a decompression bomb costs time but no
//! memory. What is wrong with a stream comes out as a [`Damage`] inside the `io::Error`.

use std::io::{self, Read};

use ahead::Ahead;
use source::Source;

mod ahead;
mod gzip;
mod lz4;
mod source;
mod xz;
mod zstd;

/// How an input is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// The LZ4 frame format.
    Lz4,
    /// The .xz format.
    Xz,
}

/// What is wrong with a compressed stream.
#[derive(Debug, thiserror::Error)]
pub(super) enum Damage {
    /// It ends before its end.
    #[error("the {0} stream is cut short")]
    Cut(Compression),
    /// It cannot be decoded.
    #[error("{0}")]
    Corrupt(String),
    /// Its window is larger than the limit.
    #[error("its window is too large")]
    WindowTooLarge,
}

impl Compression {
    /// Told by the first bytes of an input.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4),
            // The second begins a skippable frame, which zstd and lz4 share; only tools for zstd put one first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// As reports write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Xz => "xz",
        }
    }

    /// Decompresses `input`; a stream that wants a window of more than `window_limit` bytes is refused.
    pub(super) fn open(
        self,
        input: Box<dyn Read + Send>,
        window_limit: u64,
    ) -> Box<dyn Read + Send> {
        let source = Source::new(input);
        let decoder: Box<dyn Read + Send> = match self {
            Self::Gzip => Box::new(gzip::Gzip::new(source)),
            Self::Zstd => Box::new(zstd::Zstd::new(source, window_limit)),
            Self::Lz4 => Box::new(lz4::Lz4::new(source)),
            Self::Xz => Box::new(xz::Xz::new(source, window_limit)),
        };
        // With one processor a thread only adds its own cost.
        match std::thread::available_parallelism() {
            Ok(processors) if processors.get() > 1 => Box::new(Ahead::new(decoder)),
            _ => decoder,
        }
    }
}

impl std::fmt::Display for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Damage> for io::Error {
    fn from(damage: Damage) -> Self {
        Self::other(damage)
    }
}

/// The damage inside an error, where it is one of a compressed stream.
pub(super) fn damage(error: &io::Error) -> Option<&Damage> {
    error.get_ref()?.downcast_ref()
}

/// Sorts a decoder's error: the operating system's stays what it is, an early end is a cut, all else is corruption.
fn sort_error(compression: Compression, error: io::Error) -> io::Error {
    if error.raw_os_error().is_some() || error.kind() == io::ErrorKind::Interrupted {
        return error;
    }
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Damage::Cut(compression).into();
    }
    Damage::Corrupt(error.to_string()).into()
}

/// The next four bytes as a little-endian number, without taking them; `None` at the end.
///
/// One to three bytes are a cut.
fn peek_magic(source: &mut Source, compression: Compression) -> io::Result<Option<u32>> {
    match *source.peek(4)? {
        [] => Ok(None),
        [a, b, c, d, ..] => Ok(Some(u32::from_le_bytes([a, b, c, d]))),
        _ => Err(Damage::Cut(compression).into()),
    }
}

/// Takes a skippable frame whose magic number is next.
fn skip_frame(source: &mut Source, compression: Compression) -> io::Result<()> {
    let mut head = [0; 8];
    source
        .read_exact(&mut head)
        .map_err(|error| sort_error(compression, error))?;
    let [.., a, b, c, d] = head;
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    let skipped = io::copy(&mut source.by_ref().take(length), &mut io::sink())?;
    if skipped < length {
        return Err(Damage::Cut(compression).into());
    }
    Ok(())
}

/// True for the magic number of a skippable frame.
fn is_skippable(magic: u32) -> bool {
    magic & 0xffff_fff0 == 0x184d_2a50
}

#[cfg(test)]
mod tests;
