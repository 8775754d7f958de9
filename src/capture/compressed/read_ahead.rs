//! Decompression ahead of the reader, in a thread of its own.
//!
//! ```text
//! decoder ──> thread ──> full pieces ───> ReadAhead::read ──> capture reader
//!               ^ ────── empty pieces <──────┘
//! ```
//!
//! The bytes, and the position of an error in them, are those of the decoder itself.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

/// Reader of a decoder's output, with a thread once the output is known to be long.
pub(super) struct ReadAhead {
    state: State,
}

enum State {
    /// Decoded by the caller, this many bytes so far. Probing thousands of files starts no threads.
    Inline(Box<dyn Read + Send>, u64),
    Threaded(Pieces),
    Ended,
}

/// Caller's side of the exchange with the thread.
struct Pieces {
    full: Receiver<io::Result<Vec<u8>>>,
    empty: SyncSender<Vec<u8>>,
    /// Piece being read.
    piece: Vec<u8>,
    /// Bytes of `piece` already returned.
    read: usize,
}

impl ReadAhead {
    pub(super) fn new(decoder: Box<dyn Read + Send>) -> Self {
        Self {
            state: State::Inline(decoder, 0),
        }
    }
}

impl Read for ReadAhead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.state {
            State::Inline(decoder, count) if *count < INLINE_LIMIT => {
                let got = decoder.read(buffer)?;
                *count = count.saturating_add(got as u64);
                Ok(got)
            }
            State::Inline(..) => {
                let state = std::mem::replace(&mut self.state, State::Ended);
                if let State::Inline(decoder, _) = state {
                    self.state = State::start_thread(decoder);
                }
                self.read(buffer)
            }
            State::Threaded(pieces) => pieces.read(buffer),
            State::Ended => Ok(0),
        }
    }
}

impl State {
    fn start_thread(decoder: Box<dyn Read + Send>) -> Self {
        let (full_sender, full) = sync_channel(PIECES);
        let (empty, empty_receiver) = sync_channel(PIECES + 1);
        // Handed over by a channel rather than by the closure: if no thread can be started, the decoder is still here.
        let (decoder_sender, decoder_receiver) = sync_channel(1);
        let started = thread::Builder::new()
            .name("decompression".to_owned())
            .spawn(move || {
                if let Ok(decoder) = decoder_receiver.recv() {
                    decode(decoder, &full_sender, &empty_receiver);
                }
            });
        if started.is_err() {
            return Self::Inline(decoder, 0);
        }
        if decoder_sender.send(decoder).is_err() {
            return Self::Ended;
        }
        Self::Threaded(Pieces {
            full,
            empty,
            piece: Vec::new(),
            read: 0,
        })
    }
}

impl Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.piece.len() {
            let Ok(next) = self.full.recv() else {
                // The thread hung up: the decoder has reached its end.
                return Ok(0);
            };
            let used = std::mem::replace(&mut self.piece, next?);
            // Fails if the thread has ended; then the buffer is simply freed.
            let _ = self.empty.try_send(used);
            self.read = 0;
        }
        let mut rest = self.piece.get(self.read..).unwrap_or_default();
        let count = rest.read(buffer)?;
        self.read += count;
        Ok(count)
    }
}

/// Runs the thread: decodes until the end, an error, or until the reader is dropped.
fn decode(
    mut decoder: Box<dyn Read + Send>,
    full: &SyncSender<io::Result<Vec<u8>>>,
    empty: &Receiver<Vec<u8>>,
) {
    loop {
        let mut piece = match empty.try_recv() {
            Ok(piece) => piece,
            Err(TryRecvError::Empty) => Vec::new(),
            Err(TryRecvError::Disconnected) => return,
        };
        piece.resize(PIECE, 0);
        // One read per piece, even a short one: the rest may come through a slow pipe while the reader waits.
        let result = match decoder.read(&mut piece) {
            Ok(0) => return,
            Ok(count) => {
                piece.truncate(count);
                Ok(piece)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        if full.send(result).is_err() {
            return;
        }
    }
}

/// Decoded bytes after which an input is worth a thread.
const INLINE_LIMIT: u64 = 4 << 20;

/// Bytes handed over at once.
const PIECE: usize = 256 << 10;

/// Full pieces queued at most: 1 MiB of read-ahead.
const PIECES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// Reader of numbered bytes in odd portions, ending in an error if `fails`.
    struct Portions {
        given: usize,
        length: usize,
        fails: bool,
    }

    impl Read for Portions {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.given == self.length && self.fails {
                self.fails = false;
                return Err(io::ErrorKind::InvalidData.into());
            }
            let count = (self.length - self.given).min(buffer.len()).min(70_001);
            for (at, byte) in buffer.iter_mut().take(count).enumerate() {
                *byte = u8::try_from((self.given + at) % 251).expect("small");
            }
            self.given += count;
            Ok(count)
        }
    }

    fn read_ahead(length: usize, fails: bool) -> ReadAhead {
        ReadAhead::new(Box::new(Portions {
            given: 0,
            length,
            fails,
        }))
    }

    #[test]
    fn bytes_are_those_of_the_decoder() {
        for length in [0, 1000, 9 << 20] {
            let mut bytes = Vec::new();
            let mut reader = read_ahead(length, false);
            reader.read_to_end(&mut bytes).expect("read");
            assert_eq!(bytes.len(), length);
            let right = |(at, byte): (usize, &u8)| usize::from(*byte) == at % 251;
            assert!(bytes.iter().enumerate().all(right));
        }
    }

    #[test]
    fn decoder_error_is_returned_behind_the_bytes_before_it() {
        for length in [1000, 9 << 20] {
            let mut bytes = Vec::new();
            let error = read_ahead(length, true)
                .read_to_end(&mut bytes)
                .expect_err("it fails");
            assert_eq!(bytes.len(), length);
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn dropping_the_reader_ends_the_thread() {
        let mut reader = read_ahead(64 << 20, false);
        let mut bytes = vec![0; 8 << 20];
        reader.read_exact(&mut bytes).expect("read");
        assert!(matches!(reader.state, State::Threaded(_)));
        drop(reader);
    }
}
