//! A long file, read in pieces by this thread and others.
//!
//! Copying a gigabyte out of the page cache takes most of the time that little FTP in much other traffic takes, and one
//! processor does it at a fraction of what memory allows.
//!
//! ```text
//! others: claim a piece, read it ──┐
//!                                  ├──> pieces that are ready ──> in order, each with room before it
//! reader: claim a piece, read it ──┘
//! ```
//!
//! The reader never waits while a piece is unclaimed: it reads one itself. Nothing else happens in the other threads, so
//! that the bytes, and the place of an error in them, are those of one thread.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A regular file from its beginning to its end.
pub(super) struct LongFile {
    shared: Arc<Shared>,
    /// The piece that comes next.
    next: u64,
    /// Where to go on behind a piece that was not full: at the end of the file, or before what cannot be read.
    tail: Option<u64>,
}

/// Bytes of the file, behind [`HEADROOM`] bytes of room.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// Where the bytes of the file end; they begin at [`HEADROOM`].
    pub(super) end: usize,
}

struct Shared {
    file: File,
    /// Length of the file when it was opened.
    length: u64,
    desk: Mutex<Desk>,
    changed: Condvar,
}

/// What the threads agree on.
struct Desk {
    /// The first piece that nobody reads yet.
    unclaimed: u64,
    /// Pieces that the reader has taken.
    taken: u64,
    ready: BTreeMap<u64, Piece>,
    spare: Vec<Vec<u8>>,
    /// Threads that wait for room, or for a piece.
    waiting: usize,
    /// Nobody reads any more.
    over: bool,
}

impl LongFile {
    /// Reads `file` with other threads where it is long enough and there are processors; else hands it back.
    pub(super) fn begin(file: File) -> Result<Self, File> {
        let Ok(about) = file.metadata() else {
            return Err(file);
        };
        if !about.is_file() || about.len() < LONG {
            return Err(file);
        }
        // Asking for them takes longer than reading a short file: captures may be thousands of those.
        let processors = thread::available_parallelism().map_or(1, usize::from);
        if processors < 2 {
            return Err(file);
        }
        let long = Self::over(file, about.len());
        for _ in 1..processors.min(READERS) {
            long.help();
        }
        Ok(long)
    }

    fn over(file: File, length: u64) -> Self {
        let desk = Desk {
            unclaimed: 0,
            taken: 0,
            ready: BTreeMap::new(),
            spare: Vec::new(),
            waiting: 0,
            over: false,
        };
        let shared = Shared {
            file,
            length,
            desk: Mutex::new(desk),
            changed: Condvar::new(),
        };
        Self {
            shared: Arc::new(shared),
            next: 0,
            tail: None,
        }
    }

    /// One more thread reads. Where none can be had, the reader does all.
    fn help(&self) {
        let shared = Arc::clone(&self.shared);
        let _ = thread::Builder::new()
            .name("reading".to_owned())
            .spawn(move || shared.read_ahead());
    }

    /// The bytes that follow; `None` at the end.
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

    /// A piece that is not needed any more.
    pub(super) fn give_back(&self, bytes: Vec<u8>) {
        let mut desk = self.shared.desk();
        if bytes.len() == HEADROOM + PIECE && desk.spare.len() < WINDOW {
            desk.spare.push(bytes);
        }
    }

    /// What was written behind the end since the file was opened, or the error that was met.
    fn read_tail(&mut self, offset: u64) -> io::Result<Option<Piece>> {
        let mut bytes = vec![0; HEADROOM + PIECE];
        loop {
            let room = bytes.get_mut(HEADROOM..).unwrap_or_default();
            match self.shared.file.read_at(room, offset) {
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

impl Drop for LongFile {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl Shared {
    /// A thread that panicked while it held the lock left nothing half done: all is set in single steps.
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, mut desk: MutexGuard<'a, Desk>) -> MutexGuard<'a, Desk> {
        desk.waiting += 1;
        let mut desk = self
            .changed
            .wait(desk)
            .unwrap_or_else(PoisonError::into_inner);
        desk.waiting -= 1;
        desk
    }

    fn stop(&self) {
        self.desk().over = true;
        self.changed.notify_all();
    }

    /// Piece `number`, for the reader.
    fn take(&self, number: u64) -> Piece {
        let mut desk = self.desk();
        loop {
            if let Some(piece) = desk.ready.remove(&number) {
                desk.taken = number + 1;
                // Waking costs, so a thread that waits for room gets some at once.
                if desk.waiting > 0 && desk.unclaimed - desk.taken <= WINDOW as u64 / 2 {
                    self.changed.notify_all();
                }
                return piece;
            }
            desk = match self.claim(&mut desk) {
                Some((claimed, spare)) => {
                    drop(desk);
                    self.work(claimed, spare)
                }
                None if number >= desk.unclaimed => {
                    // Behind the end: what is there now is for the tail.
                    return Piece {
                        bytes: vec![0; HEADROOM],
                        end: HEADROOM,
                    };
                }
                None => self.wait(desk),
            };
        }
    }

    /// The next piece to read, where there is one and room for it.
    fn claim(&self, desk: &mut Desk) -> Option<(u64, Vec<u8>)> {
        let number = desk.unclaimed;
        let begin = number.checked_mul(PIECE as u64)?;
        if desk.over || begin >= self.length || number - desk.taken >= WINDOW as u64 {
            return None;
        }
        desk.unclaimed += 1;
        Some((number, desk.spare.pop().unwrap_or_default()))
    }

    /// Reads a claimed piece and lays it on the desk.
    fn work(&self, number: u64, spare: Vec<u8>) -> MutexGuard<'_, Desk> {
        let piece = self.read(number, spare);
        let mut desk = self.desk();
        desk.ready.insert(number, piece);
        desk
    }

    /// Reads as much of a piece as can be read.
    fn read(&self, number: u64, mut bytes: Vec<u8>) -> Piece {
        bytes.resize(HEADROOM + PIECE, 0);
        let begin = number * PIECE as u64;
        let mut end = HEADROOM;
        while let Some(room) = bytes.get_mut(end..).filter(|room| !room.is_empty()) {
            let offset = begin + (end - HEADROOM) as u64;
            match self.file.read_at(room, offset) {
                Ok(0) => break,
                Ok(got) => end += got.min(room.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The reader meets it again when it comes to this place.
                Err(_) => break,
            }
        }
        Piece { bytes, end }
    }

    /// What the other threads do.
    fn read_ahead(&self) {
        let mut desk = self.desk();
        while !desk.over && desk.unclaimed.saturating_mul(PIECE as u64) < self.length {
            desk = match self.claim(&mut desk) {
                Some((number, spare)) => {
                    drop(desk);
                    let desk = self.work(number, spare);
                    if desk.waiting > 0 {
                        self.changed.notify_all();
                    }
                    desk
                }
                None => self.wait(desk),
            };
        }
    }
}

/// Room before the bytes of a piece, for the part of a record that the piece before it held.
pub(super) const HEADROOM: usize = 64 << 10;

/// Bytes read at once: few enough that the pieces in work stay in the processor's caches.
pub(super) const PIECE: usize = 256 << 10;

/// Pieces claimed ahead of the reader at most.
const WINDOW: usize = 8;

/// Threads at most, the reader included: more read no faster than memory.
const READERS: usize = 4;

/// Bytes from which on a file is worth threads.
const LONG: u64 = 16 << 20;

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use super::*;

    /// A file without a name of numbered bytes.
    fn file(length: usize) -> File {
        let path = std::env::temp_dir().join(format!(
            "ftpscope-long-file-{}-{length}-{:?}",
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

    pub(in crate::capture) fn numbered(from: usize, to: usize) -> Vec<u8> {
        (from..to)
            .map(|at| u8::try_from(at % 251).expect("small"))
            .collect()
    }

    /// Such a file, which a second thread reads too.
    pub(in crate::capture) fn long(length: usize) -> LongFile {
        let long = LongFile::over(file(length), length as u64);
        long.help();
        long
    }

    fn read(mut long: LongFile) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(piece) = long.next().expect("readable") {
            all.extend_from_slice(&piece.bytes[HEADROOM..piece.end]);
            long.give_back(piece.bytes);
        }
        all
    }

    #[test]
    fn the_bytes_are_those_of_the_file_however_many_read_it() {
        for length in [0, 1, PIECE, PIECE + 1, 30 * PIECE + 77] {
            for others in [0, 1, 3] {
                let long = LongFile::over(file(length), length as u64);
                for _ in 0..others {
                    long.help();
                }
                assert!(read(long) == numbered(0, length), "{length} {others}");
            }
        }
    }

    #[test]
    fn what_is_written_behind_the_end_meanwhile_is_read_too() {
        let length = 3 * PIECE + 5;
        let file = file(length);
        let mut writer = file.try_clone().expect("a second handle");
        let mut long = LongFile::over(file, length as u64);
        long.help();
        let first = long.next().expect("readable").expect("not empty");
        writer
            .write_all(&numbered(length, 2 * length))
            .expect("written");
        let mut all = first.bytes[HEADROOM..first.end].to_vec();
        all.extend(read(long));
        assert!(all == numbered(0, 2 * length));
    }

    #[test]
    fn a_file_that_became_shorter_ends_there() {
        let length = 20 * PIECE;
        let file = file(length);
        file.set_len(2 * PIECE as u64 + 10).expect("cut");
        let long = LongFile::over(file, length as u64);
        long.help();
        assert!(read(long) == numbered(0, 2 * PIECE + 10));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_at_its_place() {
        let length = 2 * PIECE as u64;
        // A folder can be opened, not read.
        let folder = File::open(std::env::temp_dir()).expect("a folder");
        let mut long = LongFile::over(folder, length);
        long.help();
        assert!(long.next().is_err());
    }

    #[test]
    fn short_files_and_pipes_are_handed_back() {
        assert!(LongFile::begin(file(1000)).is_err());
    }

    #[test]
    fn a_reader_that_goes_away_ends_the_others() {
        let length = 100 * PIECE;
        let mut long = LongFile::over(file(length), length as u64);
        long.help();
        let _ = long.next().expect("readable");
        let shared = Arc::downgrade(&long.shared);
        drop(long);
        while shared.upgrade().is_some() {
            thread::yield_now();
        }
    }
}
