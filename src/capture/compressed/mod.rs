//! Decompression: compressed inputs as a `Read`, detected by their magic number.
//!
//! ```text
//! first bytes ──> Compression::detect ──> open ──> decoder (gzip, zstd, lz4, xz) ──> read_ahead thread ──> bytes
//! ```
//!
//! Decoders return their output in pieces and hold at most their window, so a decompression bomb costs time but not
//! memory. Streams may consist of several members or frames, as `cat a.gz b.gz` makes them. Damage comes out as an
//! `io::Error` that holds a [`Damage`]; everything decoded before it is returned first.
//!
//! [`ReadAhead`] decompresses ahead of the reader, in a thread of its own:
//!
//! ```text
//! decoder ──> thread ──> full pieces ───> ReadAhead::read ──> capture reader
//!               ^ ────── empty pieces <──────┘
//! ```
//!
//! The bytes, and the position of an error in them, are those of the decoder itself.

mod decoders;

use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::{io, thread};

use decoders::{Gzip, Lz4, PeekReader, Xz, Zstd};

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

/// Returns the content of an input: decompressed if its first bytes show a compression, else as it is.
///
/// A stream that needs a window of more than `window_limit` bytes, and damage, are errors of the reader that is returned.
///
/// # Errors
///
/// The first bytes cannot be read.
pub fn decompressed(
    mut input: Box<dyn Read + Send>,
    window_limit: u64,
) -> io::Result<Box<dyn Read + Send>> {
    let mut head = Vec::with_capacity(MAGIC);
    input.by_ref().take(MAGIC as u64).read_to_end(&mut head)?;
    let compression = Compression::detect(&head);
    let whole: Box<dyn Read + Send> = Box::new(io::Cursor::new(head).chain(input));
    Ok(match compression {
        Some(compression) => compression.open(whole, window_limit),
        None => whole,
    })
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

/// Reader of a decoder's output, with a thread once the output is known to be long.
struct ReadAhead {
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
    fn new(decoder: Box<dyn Read + Send>) -> Self {
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

/// Bytes that [`Compression::detect`] looks at.
const MAGIC: usize = 6;

/// Bytes handed over at once.
const PIECE: usize = 256 << 10;

/// Full pieces queued at most: 1 MiB of read-ahead.
const PIECES: usize = 4;

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read, Write};

    use super::*;

    const ALL: [Compression; 4] = [
        Compression::Gzip,
        Compression::Zstd,
        Compression::Lz4,
        Compression::Xz,
    ];

    fn compress(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        match compression {
            Compression::Gzip => {
                let mut encoder =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Zstd => {
                use ruzstd::encoding::{CompressionLevel, compress_to_vec};
                compress_to_vec(bytes, CompressionLevel::Fastest)
            }
            Compression::Lz4 => {
                use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};
                let info = FrameInfo::new().block_size(BlockSize::Max64KB);
                let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Xz => {
                let options = lzma_rust2::XzOptions::with_preset(1);
                let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
        }
    }

    /// Generates bytes that compress by about a third.
    fn content(len: usize) -> Vec<u8> {
        let mut state = 1_u32;
        (0..len)
            .map(|index| {
                state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
                if index % 3 == 0 {
                    b'x'
                } else {
                    u8::try_from(state >> 24).unwrap_or(0)
                }
            })
            .collect()
    }

    /// Decompresses to the end. Returns the output and the result of the last read.
    fn decompress(bytes: &[u8], window_limit: u64) -> (Vec<u8>, io::Result<()>) {
        let compression = Compression::detect(bytes).expect("a magic number");
        let mut reader = compression.open(Box::new(Cursor::new(bytes.to_vec())), window_limit);
        let mut out = Vec::new();
        let mut piece = [0; 10_000];
        loop {
            match reader.read(&mut piece) {
                Ok(0) => return (out, Ok(())),
                Ok(got) => out.extend_from_slice(&piece[..got]),
                Err(error) => return (out, Err(error)),
            }
        }
    }

    #[test]
    fn every_format_is_detected_by_its_magic_and_read_whole() {
        let bytes = content(500_000);
        for compression in ALL {
            let packed = compress(compression, &bytes);
            assert_eq!(Compression::detect(&packed), Some(compression));
            let (out, end) = decompress(&packed, 64 << 20);
            assert!(end.is_ok(), "{compression}: {end:?}");
            assert!(out == bytes, "{compression}");
        }
    }

    #[test]
    fn concatenated_streams_are_read_as_one() {
        for compression in ALL {
            let packed = [
                compress(compression, b"one "),
                compress(compression, b""),
                compress(compression, b"two"),
            ]
            .concat();
            let (out, end) = decompress(&packed, 64 << 20);
            assert!(end.is_ok(), "{compression}: {end:?}");
            assert_eq!(out, b"one two", "{compression}");
        }
    }

    #[test]
    fn skippable_frames_are_skipped() {
        let skippable = [0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        for compression in [Compression::Zstd, Compression::Lz4] {
            let packed = [
                compress(compression, b"one "),
                skippable.to_vec(),
                compress(compression, b"two"),
                skippable.to_vec(),
            ]
            .concat();
            let (out, end) = decompress(&packed, 64 << 20);
            assert!(end.is_ok(), "{compression}: {end:?}");
            assert_eq!(out, b"one two");
        }
    }

    #[test]
    fn stream_cut_anywhere_reports_the_cut_and_adds_no_bytes() {
        let bytes = content(3_000);
        for compression in ALL {
            let packed = compress(compression, &bytes);
            for cut in 6..packed.len() {
                let (out, end) = decompress(&packed[..cut], 64 << 20);
                assert!(bytes.starts_with(&out), "{compression} cut at {cut}");
                let error = end.expect_err("cut");
                assert!(
                    matches!(Damage::in_error(&error), Some(Damage::Cut(kind)) if *kind == compression),
                    "{compression} cut at {cut}: {error}"
                );
            }
        }
    }

    #[test]
    fn bytes_decoded_before_a_cut_are_returned() {
        let bytes = content(1_000_000);
        for compression in [Compression::Gzip, Compression::Zstd, Compression::Lz4] {
            let packed = compress(compression, &bytes);
            let (out, _) = decompress(&packed[..packed.len() / 2], 64 << 20);
            assert!(out.len() > 300_000, "{compression}: {}", out.len());
        }
    }

    #[test]
    fn damaged_gzip_and_xz_report_damage() {
        let bytes = content(300_000);
        for compression in ALL {
            let mut packed = compress(compression, &bytes);
            let middle = packed.len() / 2;
            for byte in &mut packed[middle..middle + 8] {
                *byte ^= 0x5a;
            }
            // LZ4 and Zstandard as written here have no checksum, so damage inside a block may go undetected.
            let (_, end) = decompress(&packed, 64 << 20);
            if matches!(compression, Compression::Gzip | Compression::Xz) {
                assert!(
                    matches!(
                        end.as_ref().map_err(Damage::in_error),
                        Err(Some(Damage::Corrupt(_) | Damage::Cut(_)))
                    ),
                    "{compression}: {end:?}"
                );
            }
        }
    }

    #[test]
    fn trailing_bytes_are_damage_but_zeros_behind_gzip_are_padding() {
        for compression in ALL {
            let packed = [compress(compression, b"one"), b"something else".to_vec()].concat();
            let (out, end) = decompress(&packed, 64 << 20);
            assert_eq!(out, b"one", "{compression}");
            assert!(end.is_err(), "{compression}");
        }
        let packed = [compress(Compression::Gzip, b"one"), vec![0; 512]].concat();
        assert!(decompress(&packed, 64 << 20).1.is_ok());
    }

    #[test]
    fn window_beyond_the_limit_is_rejected() {
        // A Zstandard frame header with a window of 128 MiB, and an xz stream with a dictionary of 8 MiB.
        let zstd = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 1, 0, 0];
        let error = decompress(&zstd, 64 << 20).1.expect_err("rejected");
        assert!(matches!(
            Damage::in_error(&error),
            Some(Damage::WindowTooLarge)
        ));
        let mut options = lzma_rust2::XzOptions::with_preset(1);
        options.lzma_options.dict_size = 8 << 20;
        let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        encoder.write_all(b"abc").unwrap();
        let xz = encoder.finish().unwrap();
        let error = decompress(&xz, 1 << 20).1.expect_err("rejected");
        assert!(matches!(
            Damage::in_error(&error),
            Some(Damage::WindowTooLarge)
        ));
        assert!(decompress(&xz, 64 << 20).1.is_ok());
    }

    #[test]
    fn error_of_the_input_keeps_its_code() {
        struct Fails(Cursor<Vec<u8>>);
        impl Read for Fails {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                match self.0.read(buffer)? {
                    0 => Err(io::Error::from_raw_os_error(5)),
                    got => Ok(got),
                }
            }
        }
        for compression in ALL {
            let mut packed = compress(compression, &content(5_000));
            packed.truncate(1_000);
            let mut reader = compression.open(Box::new(Fails(Cursor::new(packed))), 64 << 20);
            let error = io::copy(&mut reader, &mut io::sink()).expect_err("fails");
            assert_eq!(error.raw_os_error(), Some(5), "{compression}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]
        #[test]
        fn arbitrary_damage_never_panics(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 1..60),
            at in 0_usize..2_000,
            which in 0_usize..4,
        ) {
            let mut packed = compress(ALL[which], &content(2_000));
            let at = at.min(packed.len()).max(6);
            let end = (at + bytes.len()).min(packed.len()).max(at);
            packed.splice(at..end, bytes);
            let (out, _) = decompress(&packed, 64 << 20);
            proptest::prop_assert!(out.len() < 100 << 20);
        }
    }

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
