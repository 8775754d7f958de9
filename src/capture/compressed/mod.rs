//! Decompression: compressed inputs as a `Read`, detected by their magic number.
//!
//! ```text
//! first bytes ──> Compression::detect ──> open ──> decoder (gzip, zstd, lz4, xz) ──> read_ahead thread ──> bytes
//! ```
//!
//! Decoders return their output in pieces and hold at most their window, so a decompression bomb costs time but not
//! memory. Streams may consist of several members or frames, as `cat a.gz b.gz` makes them. Damage comes out as an
//! `io::Error` that holds a [`Damage`]; everything decoded before it is returned first.

use std::io::{self, Read};

use decoders::{Gzip, Lz4, PeekReader, Xz, Zstd};
use read_ahead::ReadAhead;

mod decoders;
mod read_ahead;

/// Compression format of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// LZ4 frames.
    Lz4,
    /// xz streams.
    Xz,
}

/// Defect of a compressed stream.
#[derive(Debug, thiserror::Error)]
pub(super) enum Damage {
    /// The stream ends inside a member or frame.
    #[error("the {0} stream is cut short")]
    Cut(Compression),
    /// The stream cannot be decoded.
    #[error("{0}")]
    Corrupt(String),
    /// The stream needs a larger window than the limit.
    #[error("its window is too large")]
    WindowTooLarge,
}

impl Compression {
    /// Detects the format by the first bytes of an input; `None` if it is not compressed.
    pub(super) fn detect(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4),
            // The second begins a skippable frame, which zstd and lz4 share. Only zstd tools (pzstd) put one first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Returns the name that reports use: `gzip`, `zstd`, `lz4`, `xz`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Xz => "xz",
        }
    }

    /// Decompresses `input`; rejects a stream that needs a window of more than `window_limit` bytes.
    pub(super) fn open(
        self,
        input: Box<dyn Read + Send>,
        window_limit: u64,
    ) -> Box<dyn Read + Send> {
        let input = PeekReader::new(input);
        let decoder: Box<dyn Read + Send> = match self {
            Self::Gzip => Box::new(Gzip::new(input)),
            Self::Zstd => Box::new(Zstd::new(input, window_limit)),
            Self::Lz4 => Box::new(Lz4::new(input)),
            Self::Xz => Box::new(Xz::new(input, window_limit)),
        };
        // On a single core a thread adds only its own cost.
        match std::thread::available_parallelism() {
            Ok(cores) if cores.get() > 1 => Box::new(ReadAhead::new(decoder)),
            _ => decoder,
        }
    }
}

impl std::fmt::Display for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Damage {
    /// Returns the damage inside `error`; `None` for any other error.
    pub(super) fn in_error(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Damage> for io::Error {
    fn from(damage: Damage) -> Self {
        Self::other(damage)
    }
}

#[cfg(test)]
mod tests;
