//! Decompression ahead of the reader, in a thread of its own.
//!
//! ```text
//! decoder ── thread ──> full pieces ──> Ahead ── read ──> the capture's reader
//!               ^ ───── empty pieces ────┘
//! ```
//!
//! The bytes and the place of an error in them are those of the decoder, whichever of the two is faster.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

/// Reads from a decoder; the thread begins once the input has shown that it is long.
pub(super) struct Ahead {
    state: State,
}

enum State {
    /// Read as it is asked for, this many bytes so far: a probe of many files starts no threads.
    Here(Box<dyn Read + Send>, u64),
    There(Pieces),
    /// The thread cannot be asked any more.
    Over,
}

/// What comes from the thread.
struct Pieces {
    full: Receiver<io::Result<Vec<u8>>>,
    empty: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
    read: usize,
}

impl Ahead {
    pub(super) fn new(decoder: Box<dyn Read + Send>) -> Self {
        Self {
            state: State::Here(decoder, 0),
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.state {
            State::Here(decoder, count) if *count < SHORT => {
                let got = decoder.read(buffer)?;
                *count = count.saturating_add(got as u64);
                Ok(got)
            }
            State::Here(..) => {
                if let State::Here(decoder, _) = std::mem::replace(&mut self.state, State::Over) {
                    self.state = State::begin(decoder);
                }
                self.read(buffer)
            }
            State::There(pieces) => pieces.read(buffer),
            State::Over => Ok(0),
        }
    }
}

impl State {
    fn begin(decoder: Box<dyn Read + Send>) -> Self {
        let (full_sender, full) = sync_channel(PIECES);
        let (empty, empty_receiver) = sync_channel(PIECES + 1);
        // The decoder goes over by a channel, so that it comes back where no thread can be had.
        let (decoder_sender, decoder_receiver) = sync_channel(1);
        let started = thread::Builder::new()
            .name("decompression".to_owned())
            .spawn(move || {
                if let Ok(decoder) = decoder_receiver.recv() {
                    decode(decoder, &full_sender, &empty_receiver);
                }
            });
        if started.is_err() {
            return Self::Here(decoder, 0);
        }
        if decoder_sender.send(decoder).is_err() {
            return Self::Over;
        }
        Self::There(Pieces {
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
                // The decoder came to its end.
                return Ok(0);
            };
            let used = std::mem::replace(&mut self.piece, next?);
            // Where the thread is gone nobody needs it.
            let _ = self.empty.try_send(used);
            self.read = 0;
        }
        let mut rest = self.piece.get(self.read..).unwrap_or_default();
        let count = rest.read(buffer)?;
        self.read += count;
        Ok(count)
    }
}

/// Decodes until the end, an error, or until nobody listens.
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
        // What comes in small portions is handed on in small portions: a reader may wait for it.
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

/// Bytes after which an input is worth a thread.
const SHORT: u64 = 4 << 20;

/// Bytes handed over at once.
const PIECE: usize = 256 << 10;

/// Pieces that wait at most.
const PIECES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives numbered bytes in odd portions, then an error if it is told to.
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

    fn ahead(length: usize, fails: bool) -> Ahead {
        Ahead::new(Box::new(Portions {
            given: 0,
            length,
            fails,
        }))
    }

    #[test]
    fn the_bytes_are_those_of_the_decoder() {
        for length in [0, 1000, 9 << 20] {
            let mut bytes = Vec::new();
            ahead(length, false).read_to_end(&mut bytes).expect("read");
            assert_eq!(bytes.len(), length);
            let right = |(at, byte): (usize, &u8)| usize::from(*byte) == at % 251;
            assert!(bytes.iter().enumerate().all(right));
        }
    }

    #[test]
    fn an_error_comes_behind_the_bytes_before_it() {
        for length in [1000, 9 << 20] {
            let mut bytes = Vec::new();
            let error = ahead(length, true)
                .read_to_end(&mut bytes)
                .expect_err("it fails");
            assert_eq!(bytes.len(), length);
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn a_reader_that_goes_away_ends_the_thread() {
        let mut reader = ahead(64 << 20, false);
        let mut bytes = vec![0; 8 << 20];
        reader.read_exact(&mut bytes).expect("read");
        assert!(matches!(reader.state, State::There(_)));
        drop(reader);
    }
}
