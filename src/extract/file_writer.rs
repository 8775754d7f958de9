//! Growing files: any number of them at once, with few descriptors and little memory.
//!
//! ```text
//! write ──> buffer of at most 64 KiB ──> file among the unfinished ones ──(settled)──> its final name
//!            most listings are discarded        created only when the buffer is full
//!            before they reach the disk         or is needed for another stream
//! ```
//!
//! Only [`ACTIVE_MAX`] streams have a buffer and a descriptor; a new one takes those of the stream that was idle
//! longest. Gaps are never written, so that they are holes on disk.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use foldhash::fast::FixedState;

use super::folder::Folder;
use crate::model::ContentId;

/// Writer of all unsettled streams.
#[derive(Debug)]
pub(super) struct FileWriter {
    folder: Folder,
    // Ids are our own numbers, so that the hash needs no protection against chosen keys.
    streams: HashMap<ContentId, Stream, FixedState>,
    /// Ids of the streams with a buffer or a descriptor.
    active: Vec<ContentId>,
    /// Count of writes, by which the stream idle for longest is found.
    clock: u64,
}

/// A complete stream on disk under its temporary name.
#[derive(Debug)]
pub(super) struct Unfinished {
    /// Name in the folder of unfinished files.
    pub(super) name: String,
}

/// An unsettled stream.
#[derive(Debug, Default)]
struct Stream {
    /// `None` while the file does not exist or is closed.
    file: Option<File>,
    /// Bytes that are not on disk yet.
    buffer: Vec<u8>,
    /// Offset of the first byte in `buffer`.
    buffered_from: u64,
    /// True once the temporary file exists.
    on_disk: bool,
    /// Offset behind the latest byte.
    end: u64,
    /// Count of writes at the latest write.
    last_used: u64,
    /// True if it is one of the active streams.
    active: bool,
    /// First failure; `None` while all bytes were written.
    failure: Option<String>,
}

impl FileWriter {
    /// Creates a writer to temporary files in `folder`.
    pub(super) fn new(folder: Folder) -> Self {
        Self {
            folder,
            streams: HashMap::default(),
            active: Vec::with_capacity(ACTIVE_MAX),
            clock: 0,
        }
    }

    /// Writes bytes of a stream. A failure is returned by [`settle`](Self::settle).
    pub(super) fn write(&mut self, id: ContentId, offset: u64, bytes: &[u8]) {
        self.clock += 1;
        if !self.streams.get(&id).is_some_and(|stream| stream.active) {
            self.activate(id);
        }
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.last_used = self.clock;
        if stream.failure.is_none()
            && let Err(error) = stream.write(&self.folder, id, offset, bytes)
        {
            stream.fail(&self.folder, id, &error);
        }
    }

    /// Completes a stream of `length` bytes. After a failure nothing of it is left on disk.
    pub(super) fn settle(&mut self, id: ContentId, length: u64) -> Result<Unfinished, String> {
        let mut stream = self.take(id);
        let result = match stream.failure.take() {
            Some(failure) => Err(failure),
            None => stream
                .complete(&self.folder, id, length)
                .map_err(|error| error.to_string()),
        };
        if result.is_err() && stream.on_disk {
            // Best effort: the failure that is returned matters more.
            let _ = self.folder.remove_file(&temporary_name(id));
        }
        result.map(|()| Unfinished {
            name: temporary_name(id),
        })
    }

    /// Discards a stream, and its file if it has one.
    pub(super) fn discard(&mut self, id: ContentId) {
        if self.take(id).on_disk {
            let _ = self.folder.remove_file(&temporary_name(id));
        }
    }

    /// Returns true for an unsettled stream.
    pub(super) fn holds(&self, id: ContentId) -> bool {
        self.streams.contains_key(&id)
    }

    /// Returns true if there are no unsettled streams.
    pub(super) fn is_idle(&self) -> bool {
        self.streams.is_empty()
    }

    /// Discards all streams.
    pub(super) fn discard_all(&mut self) {
        for (id, stream) in self.streams.drain() {
            if stream.on_disk {
                let _ = self.folder.remove_file(&temporary_name(id));
            }
        }
        self.active.clear();
    }

    fn take(&mut self, id: ContentId) -> Stream {
        self.active.retain(|active| *active != id);
        self.streams.remove(&id).unwrap_or_default()
    }

    /// Makes a stream active, in place of the one that was idle longest.
    fn activate(&mut self, id: ContentId) {
        if self.active.len() >= ACTIVE_MAX {
            let idlest = self
                .active
                .iter()
                .enumerate()
                .min_by_key(|(_, id)| self.streams.get(id).map_or(0, |stream| stream.last_used))
                .map(|(index, _)| index);
            if let Some(index) = idlest {
                let idle = self.active.swap_remove(index);
                if let Some(stream) = self.streams.get_mut(&idle) {
                    stream.deactivate(&self.folder, idle);
                }
            }
        }
        self.active.push(id);
        self.streams.entry(id).or_default().active = true;
    }
}

impl Stream {
    fn write(
        &mut self,
        folder: &Folder,
        id: ContentId,
        offset: u64,
        mut bytes: &[u8],
    ) -> io::Result<()> {
        // A gap: the buffer holds contiguous bytes only.
        if offset != self.end {
            self.flush(folder, id)?;
            self.end = offset;
        }
        while !bytes.is_empty() {
            if self.buffer.is_empty() {
                self.buffered_from = self.end;
                // Whole buffers need not be copied first.
                let whole = bytes.len() - bytes.len() % BUFFER;
                if whole > 0 {
                    let (direct, rest) = bytes.split_at(whole);
                    let end = end_of(self.end, direct)?;
                    let start = std::mem::replace(&mut self.end, end);
                    self.file(folder, id)?.write_all_at(direct, start)?;
                    bytes = rest;
                    continue;
                }
            }
            let free = BUFFER.saturating_sub(self.buffer.len()).min(bytes.len());
            let (now, rest) = bytes.split_at(free);
            self.buffer.extend_from_slice(now);
            self.end = end_of(self.end, now)?;
            bytes = rest;
            if self.buffer.len() >= BUFFER {
                self.flush(folder, id)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, folder: &Folder, id: ContentId) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.file(folder, id)?;
            if let Some(file) = &self.file {
                file.write_all_at(&self.buffer, self.buffered_from)?;
            }
            self.buffer.clear();
        }
        Ok(())
    }

    /// Returns the temporary file, created or opened again if necessary.
    fn file(&mut self, folder: &Folder, id: ContentId) -> io::Result<&File> {
        let file = match self.file.take() {
            Some(file) => file,
            None if self.on_disk => folder.open_file(&temporary_name(id))?,
            None => folder.create_file(&temporary_name(id))?,
        };
        self.on_disk = true;
        Ok(self.file.insert(file))
    }

    fn complete(&mut self, folder: &Folder, id: ContentId, length: u64) -> io::Result<()> {
        self.flush(folder, id)?;
        // The stream may end in a gap, or be empty.
        if !self.on_disk || self.end != length {
            self.file(folder, id)?.set_len(length)?;
        }
        Ok(())
    }

    /// Writes the buffer to disk, and releases it and the descriptor.
    fn deactivate(&mut self, folder: &Folder, id: ContentId) {
        self.active = false;
        if let Err(error) = self.flush(folder, id) {
            self.fail(folder, id, &error);
        }
        self.buffer = Vec::new();
        self.file = None;
    }

    /// Records a failure and removes the file at once: the disk may be full, and other streams may still fit.
    fn fail(&mut self, folder: &Folder, id: ContentId, error: &io::Error) {
        self.failure = Some(error.to_string());
        self.buffer = Vec::new();
        self.file = None;
        if self.on_disk {
            let _ = folder.remove_file(&temporary_name(id));
            self.on_disk = false;
        }
    }
}

/// Returns the end of bytes that begin at `offset`. A file cannot be longer than 2^63 bytes.
fn end_of(offset: u64, bytes: &[u8]) -> io::Result<u64> {
    offset
        .checked_add(bytes.len() as u64)
        .filter(|end| i64::try_from(*end).is_ok())
        .ok_or_else(|| io::ErrorKind::FileTooLarge.into())
}

fn temporary_name(id: ContentId) -> String {
    id.0.to_string()
}

/// Streams with a buffer and a descriptor. Their buffers are at most 8 MiB.
const ACTIVE_MAX: usize = 128;
/// Bytes of a buffer. A multiple of the page size, so that full buffers are whole pages.
const BUFFER: usize = 64 << 10;
