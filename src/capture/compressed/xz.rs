//! xz streams, within a memory limit.

use std::io::{self, Read};

use lzma_rust2::XzReader;

use super::source::Source;
use super::{Compression, Damage, sort_error};

pub(super) struct Xz {
    reader: XzReader<Source>,
    /// The decoder must not be called again after an error.
    failed: bool,
}

impl Xz {
    pub(super) fn new(source: Source, window_limit: u64) -> Self {
        // What the decoder needs beside its dictionary: about 100 KiB.
        let kib = u32::try_from(window_limit / 1024 + 1024).unwrap_or(u32::MAX);
        Self {
            reader: XzReader::new_mem_limit(source, true, kib),
            failed: false,
        }
    }
}

impl Read for Xz {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed {
            return Ok(0);
        }
        self.reader.read(buffer).map_err(|error| {
            self.failed = true;
            if error.kind() == io::ErrorKind::OutOfMemory {
                return Damage::WindowTooLarge.into();
            }
            sort_error(Compression::Xz, error)
        })
    }
}
