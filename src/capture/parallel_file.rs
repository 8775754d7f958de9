//! A large regular file, read in pieces by several threads.
//!
//! Copying a gigabyte out of the page cache takes most of the run time of a capture with little FTP in it, and a single
//! core copies at a fraction of the memory bandwidth.
//!
//! ```text
//! helper threads: claim a piece, read it ──┐
//!                                          ├──> ready pieces ──> consumed in order, each with headroom
//! consumer:       claim a piece, read it ──┘
//! ```
//!
//! The consumer never waits while a piece is unclaimed: it reads that piece itself. The helpers do nothing but
//! read, so the bytes, and the position of an error in them, are the same as with one thread.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Sequential reader of a regular file with helper threads.
pub(super) struct ParallelFile {
    shared: Arc<Shared>,
    /// Number of the next piece to consume.
    next: u64,
    /// File offset behind the first piece that was not full: the end of the file, or an unreadable place. `None`
    /// before.
    tail: Option<u64>,
}

/// Bytes of the file, preceded by [`HEADROOM`] unused bytes.
#[derive(Debug)]
pub(super) struct Piece {
    /// Buffer; the bytes of the file begin at [`HEADROOM`].
    pub(super) bytes: Vec<u8>,
    /// Index in `bytes` behind the last byte of the file.
    pub(super) end: usize,
}

/// State shared by the consumer and the helper threads.
struct Shared {
    file: File,
    /// Length of the file in bytes when it was opened.
    length: u64,
    queue: Mutex<PieceQueue>,
    changed: Condvar,
}

/// Pieces between being claimed and being consumed.
struct PieceQueue {
    /// Number of the first piece that no thread reads yet.
    unclaimed: u64,
    /// Count of pieces consumed.
    taken: u64,
    ready: BTreeMap<u64, Piece>,
    /// Used buffers for reuse.
    spare: Vec<Vec<u8>>,
    /// Threads blocked on `Shared::changed`.
    waiting: usize,
    /// Set once the consumer reads no further.
    stopped: bool,
}

impl ParallelFile {
    /// Reads `file` with helper threads, or returns it if it is short, not a regular file, or only one core is
    /// available.
    pub(super) fn open(file: File) -> Result<Self, File> {
        let Ok(metadata) = file.metadata() else {
            return Err(file);
        };
        if !metadata.is_file() || metadata.len() < MIN_LENGTH {
            return Err(file);
        }
        // Checked last: `available_parallelism` reads cgroup files, which takes longer than reading a short
        // capture, and there may be thousands of those.
        let cores = thread::available_parallelism().map_or(1, usize::from);
        if cores < 2 {
            return Err(file);
        }
        let parallel = Self::over(file, metadata.len());
        for _ in 1..cores.min(MAX_THREADS) {
            parallel.add_helper();
        }
        Ok(parallel)
    }

    fn over(file: File, length: u64) -> Self {
        let queue = PieceQueue {
            unclaimed: 0,
            taken: 0,
            ready: BTreeMap::new(),
            spare: Vec::new(),
            waiting: 0,
            stopped: false,
        };
        let shared = Shared {
            file,
            length,
            queue: Mutex::new(queue),
            changed: Condvar::new(),
        };
        Self {
            shared: Arc::new(shared),
            next: 0,
            tail: None,
        }
    }

    /// Starts a helper thread.
    fn add_helper(&self) {
        let shared = Arc::clone(&self.shared);
        // Without a thread the consumer reads every piece itself: slower, with the same result.
        let _ = thread::Builder::new()
            .name("reading".to_owned())
            .spawn(move || shared.read_ahead());
    }

    /// Returns the next piece; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Piece>> {
        if let Some(offset) = self.tail {
            return self.read_tail(offset);
        }
        let piece = self.shared.take(self.next);
        if piece.end < HEADROOM + PIECE {
            self.shared.stop();
            let offset = self.next * PIECE as u64 + (piece.end - HEADROOM) as u64;
            self.tail = Some(offset);
            if piece.end == HEADROOM {
                return self.read_tail(offset);
            }
        }
        self.next += 1;
        Ok(Some(piece))
    }

    /// Returns a consumed piece's buffer for reuse.
    pub(super) fn recycle(&self, bytes: Vec<u8>) {
        let mut queue = self.shared.queue();
        if bytes.len() == HEADROOM + PIECE && queue.spare.len() < WINDOW {
            queue.spare.push(bytes);
        }
    }

    /// Reads bytes that were appended since the file was opened, or returns the error that ended the last piece.
    fn read_tail(&mut self, offset: u64) -> io::Result<Option<Piece>> {
        let mut bytes = vec![0; HEADROOM + PIECE];
        loop {
            let free = bytes.get_mut(HEADROOM..).unwrap_or_default();
            match self.shared.file.read_at(free, offset) {
                Ok(0) => return Ok(None),
                Ok(got) => {
                    self.tail = Some(offset.saturating_add(got as u64));
                    let end = HEADROOM + got.min(PIECE);
                    return Ok(Some(Piece { bytes, end }));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for ParallelFile {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, PieceQueue> {
        // Every change is a single assignment or insertion, so a panic under the lock cannot leave a broken state.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, mut queue: MutexGuard<'a, PieceQueue>) -> MutexGuard<'a, PieceQueue> {
        queue.waiting += 1;
        let mut queue = self
            .changed
            .wait(queue)
            .unwrap_or_else(PoisonError::into_inner);
        queue.waiting -= 1;
        queue
    }

    fn stop(&self) {
        self.queue().stopped = true;
        self.changed.notify_all();
    }

    /// Returns piece `number` to the consumer; empty if it lies behind the end.
    fn take(&self, number: u64) -> Piece {
        let mut queue = self.queue();
        loop {
            if let Some(piece) = queue.ready.remove(&number) {
                queue.taken = number + 1;
                // A wake-up is a system call: helpers are woken when half the window is free, not for every piece.
                if queue.waiting > 0 && queue.unclaimed - queue.taken <= WINDOW as u64 / 2 {
                    self.changed.notify_all();
                }
                return piece;
            }
            queue = match self.claim(&mut queue) {
                Some((claimed, spare)) => {
                    drop(queue);
                    self.fill(claimed, spare)
                }
                None if number >= queue.unclaimed => {
                    return Piece {
                        bytes: vec![0; HEADROOM],
                        end: HEADROOM,
                    };
                }
                None => self.wait(queue),
            };
        }
    }

    /// Claims the next piece, with a buffer for it. Returns `None` at the end of the file or if the window is full.
    fn claim(&self, queue: &mut PieceQueue) -> Option<(u64, Vec<u8>)> {
        let number = queue.unclaimed;
        let begin = number.checked_mul(PIECE as u64)?;
        if queue.stopped || begin >= self.length || number - queue.taken >= WINDOW as u64 {
            return None;
        }
        queue.unclaimed += 1;
        Some((number, queue.spare.pop().unwrap_or_default()))
    }

    /// Reads a claimed piece and puts it into the queue.
    fn fill(&self, number: u64, spare: Vec<u8>) -> MutexGuard<'_, PieceQueue> {
        let piece = self.read(number, spare);
        let mut queue = self.queue();
        queue.ready.insert(number, piece);
        queue
    }

    /// Reads as much of a piece as the file holds.
    fn read(&self, number: u64, mut bytes: Vec<u8>) -> Piece {
        bytes.resize(HEADROOM + PIECE, 0);
        let begin = number * PIECE as u64;
        let mut end = HEADROOM;
        while let Some(free) = bytes.get_mut(end..).filter(|free| !free.is_empty()) {
            let offset = begin + (end - HEADROOM) as u64;
            match self.file.read_at(free, offset) {
                Ok(0) => break,
                Ok(got) => end += got.min(free.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Not reported here: a piece far ahead may fail. The consumer meets the error when it gets there, in
                // `read_tail`.
                Err(_) => break,
            }
        }
        Piece { bytes, end }
    }

    /// Runs a helper thread: reads pieces ahead of the consumer until the end of the file.
    fn read_ahead(&self) {
        let mut queue = self.queue();
        while !queue.stopped && queue.unclaimed.saturating_mul(PIECE as u64) < self.length {
            queue = match self.claim(&mut queue) {
                Some((number, spare)) => {
                    drop(queue);
                    let queue = self.fill(number, spare);
                    if queue.waiting > 0 {
                        self.changed.notify_all();
                    }
                    queue
                }
                None => self.wait(queue),
            };
        }
    }
}

/// Free bytes in front of a piece, into which the unfinished record of the previous piece is copied.
pub(super) const HEADROOM: usize = 64 << 10;

/// Bytes read at once: the pieces in flight fit into the processor's caches.
pub(super) const PIECE: usize = 256 << 10;

/// Pieces claimed ahead of the consumer at most: 2 MiB of read-ahead.
const WINDOW: usize = 8;

/// Reading threads at most, the consumer included: four saturate the memory bus.
const MAX_THREADS: usize = 4;

/// File length in bytes from which threads pay off.
const MIN_LENGTH: u64 = 16 << 20;

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use super::*;

    /// Creates an unlinked file of numbered bytes.
    fn file(length: usize) -> File {
        let path = std::env::temp_dir().join(format!(
            "ftpscope-parallel-file-{}-{length}-{:?}",
            std::process::id(),
            thread::current().id()
        ));
        let mut file = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&path)
            .expect("a temporary file");
        std::fs::remove_file(path).expect("removed");
        file.write_all(&numbered(0, length)).expect("written");
        file
    }

    /// Returns bytes whose value depends on their offset.
    pub(crate) fn numbered(from: usize, to: usize) -> Vec<u8> {
        (from..to)
            .map(|at| u8::try_from(at % 251).expect("small"))
            .collect()
    }

    /// Opens a file of numbered bytes with one helper thread.
    pub(crate) fn parallel(length: usize) -> ParallelFile {
        let parallel = ParallelFile::over(file(length), length as u64);
        parallel.add_helper();
        parallel
    }

    fn read(mut parallel: ParallelFile) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(piece) = parallel.next().expect("readable") {
            all.extend_from_slice(&piece.bytes[HEADROOM..piece.end]);
            parallel.recycle(piece.bytes);
        }
        all
    }

    #[test]
    fn bytes_are_those_of_the_file_with_any_number_of_helpers() {
        for length in [0, 1, PIECE, PIECE + 1, 30 * PIECE + 77] {
            for helpers in [0, 1, 3] {
                let parallel = ParallelFile::over(file(length), length as u64);
                for _ in 0..helpers {
                    parallel.add_helper();
                }
                assert!(
                    read(parallel) == numbered(0, length),
                    "{length} bytes, {helpers} helpers"
                );
            }
        }
    }

    #[test]
    fn bytes_appended_while_reading_are_read_too() {
        let length = 3 * PIECE + 5;
        let file = file(length);
        let mut writer = file.try_clone().expect("a second handle");
        let mut parallel = ParallelFile::over(file, length as u64);
        parallel.add_helper();
        let first = parallel.next().expect("readable").expect("not empty");
        writer
            .write_all(&numbered(length, 2 * length))
            .expect("written");
        let mut all = first.bytes[HEADROOM..first.end].to_vec();
        all.extend(read(parallel));
        assert!(all == numbered(0, 2 * length));
    }

    #[test]
    fn file_that_shrank_ends_at_its_new_length() {
        let length = 20 * PIECE;
        let file = file(length);
        file.set_len(2 * PIECE as u64 + 10).expect("cut");
        let parallel = ParallelFile::over(file, length as u64);
        parallel.add_helper();
        assert!(read(parallel) == numbered(0, 2 * PIECE + 10));
    }

    #[test]
    fn unreadable_file_returns_the_error() {
        let length = 2 * PIECE as u64;
        // A directory can be opened but not read.
        let directory = File::open(std::env::temp_dir()).expect("a directory");
        let mut parallel = ParallelFile::over(directory, length);
        parallel.add_helper();
        assert!(parallel.next().is_err());
    }

    #[test]
    fn short_file_is_returned_unread() {
        assert!(ParallelFile::open(file(1000)).is_err());
    }

    #[test]
    fn dropping_the_consumer_ends_the_helpers() {
        let length = 100 * PIECE;
        let mut parallel = ParallelFile::over(file(length), length as u64);
        parallel.add_helper();
        let _ = parallel.next().expect("readable");
        let shared = Arc::downgrade(&parallel.shared);
        drop(parallel);
        while shared.upgrade().is_some() {
            thread::yield_now();
        }
    }
}
