//! The decoders, one per format, and the buffer they read from.
//!
//! Each wraps a decoder crate and adds what a capture needs: members and frames that follow each other are one
//! stream, an early end is distinguished from corruption, and the bytes before either are returned.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;
use lz4_flex::frame::FrameDecoder as Lz4FrameDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder as ZstdFrameDecoder};

use super::{Compression, Damage};

/// gzip members that follow each other, as `cat` and bgzip write them.
pub(super) struct Gzip {
    state: GzipState,
}

enum GzipState {
    BetweenMembers(PeekReader),
    InMember(Box<GzDecoder<PeekReader>>),
    Ended,
}

impl Gzip {
    pub(super) fn new(input: PeekReader) -> Self {
        Self {
            state: GzipState::BetweenMembers(input),
        }
    }
}

impl Read for Gzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The decoder discards what it decoded in a call that ends in an error, so calls are kept small.
        let len = buffer.len().min(GZIP_PIECE);
        let piece = buffer.get_mut(..len).unwrap_or_default();
        loop {
            match std::mem::replace(&mut self.state, GzipState::Ended) {
                GzipState::Ended => return Ok(0),
                GzipState::BetweenMembers(mut input) => {
                    if begins_gzip_member(&mut input)? {
                        self.state = GzipState::InMember(Box::new(GzDecoder::new(input)));
                    }
                }
                GzipState::InMember(mut member) => {
                    let got = member
                        .read(piece)
                        .map_err(|error| classify_error(Compression::Gzip, error))?;
                    if got == 0 && !piece.is_empty() {
                        self.state = GzipState::BetweenMembers(member.into_inner());
                        continue;
                    }
                    self.state = GzipState::InMember(member);
                    return Ok(got);
                }
            }
        }
    }
}

/// Returns true if a member follows, false at the end of the input.
fn begins_gzip_member(input: &mut PeekReader) -> io::Result<bool> {
    loop {
        match *input.peek(2)? {
            [] => return Ok(false),
            [0x1f, 0x8b, ..] => return Ok(true),
            // gzip ignores zeros behind the last member: padding of a tape or disk block.
            [0, ..] => input.consume(1),
            [0x1f] => return Err(Damage::Cut(Compression::Gzip).into()),
            _ => {
                let detail = "what follows the last member is not gzip".to_owned();
                return Err(Damage::Corrupt(detail).into());
            }
        }
    }
}

/// LZ4 frames that follow each other; skippable frames are skipped.
pub(super) struct Lz4 {
    state: Lz4State,
}

enum Lz4State {
    BetweenFrames(PeekReader),
    InFrame(Box<Lz4FrameDecoder<PeekReader>>),
    Ended,
}

impl Lz4 {
    pub(super) fn new(input: PeekReader) -> Self {
        Self {
            state: Lz4State::BetweenFrames(input),
        }
    }
}

impl Read for Lz4 {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, Lz4State::Ended) {
                Lz4State::Ended => return Ok(0),
                Lz4State::BetweenFrames(mut input) => {
                    match peek_magic(&mut input, Compression::Lz4)? {
                        None => return Ok(0),
                        Some(LZ4_FRAME) => {
                            self.state = Lz4State::InFrame(Box::new(Lz4FrameDecoder::new(input)));
                        }
                        Some(magic) if is_skippable(magic) => {
                            skip_frame(&mut input, Compression::Lz4)?;
                            self.state = Lz4State::BetweenFrames(input);
                        }
                        Some(_) => {
                            let detail = "what follows the last frame is not lz4".to_owned();
                            return Err(Damage::Corrupt(detail).into());
                        }
                    }
                }
                Lz4State::InFrame(mut frame) => {
                    let got = frame
                        .read(buffer)
                        .map_err(|error| classify_error(Compression::Lz4, error))?;
                    if got > 0 || buffer.is_empty() {
                        self.state = Lz4State::InFrame(frame);
                        return Ok(got);
                    }
                    // The decoder takes a stream cut between two blocks for a complete one. It buffers nothing here, so
                    // the frame was complete exactly if its end mark was the last thing read, not the end of the input.
                    if frame.get_ref().hit_end() {
                        return Err(Damage::Cut(Compression::Lz4).into());
                    }
                    self.state = Lz4State::BetweenFrames(frame.into_inner());
                }
            }
        }
    }
}

/// xz streams that follow each other, within a memory limit.
pub(super) struct Xz {
    reader: XzReader<PeekReader>,
    /// Set after an error: the decoder must not be called again then.
    failed: bool,
}

impl Xz {
    pub(super) fn new(input: PeekReader, window_limit: u64) -> Self {
        // The decoder's limit covers its other state too, about 100 KiB; 1 MiB on top leaves the window its full size.
        let kib = u32::try_from(window_limit / 1024 + 1024).unwrap_or(u32::MAX);
        Self {
            reader: XzReader::new_mem_limit(input, true, kib),
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
            classify_error(Compression::Xz, error)
        })
    }
}

/// Zstandard frames that follow each other; skippable frames are skipped.
pub(super) struct Zstd {
    input: PeekReader,
    decoder: ZstdFrameDecoder,
    in_frame: bool,
    /// Error to return once the bytes decoded before it have been returned; `None` while there is none.
    failure: Option<io::Error>,
    ended: bool,
}

impl Zstd {
    pub(super) fn new(input: PeekReader, window_limit: u64) -> Self {
        let mut decoder = ZstdFrameDecoder::new();
        decoder.set_max_window_size(window_limit);
        Self {
            input,
            decoder,
            in_frame: false,
            failure: None,
            ended: false,
        }
    }

    /// Reads the header of the next frame. Returns false at the end of the input.
    fn begin_frame(&mut self) -> io::Result<bool> {
        loop {
            match peek_magic(&mut self.input, Compression::Zstd)? {
                None => return Ok(false),
                Some(ZSTD_FRAME) => {
                    self.decoder
                        .reset(&mut self.input)
                        .map_err(|error| classify_zstd_error(&error))?;
                    return Ok(true);
                }
                Some(magic) if is_skippable(magic) => {
                    skip_frame(&mut self.input, Compression::Zstd)?;
                }
                Some(_) => {
                    let detail = "what follows the last frame is not zstd".to_owned();
                    return Err(Damage::Corrupt(detail).into());
                }
            }
        }
    }

    fn decode_block(&mut self) {
        let one = BlockDecodingStrategy::UptoBlocks(1);
        let Err(error) = self.decoder.decode_blocks(&mut self.input, one) else {
            return;
        };
        let error = classify_zstd_error(&error);
        if matches!(Damage::in_error(&error), Some(Damage::Cut(_))) {
            // The decoder retains its whole window, megabytes of packets, until the frame ends. An empty last block
            // (and a checksum, which it does not verify) makes it release them.
            let last_block: &[u8] = &[1, 0, 0, 0, 0, 0, 0];
            let one = BlockDecodingStrategy::UptoBlocks(1);
            if self.decoder.decode_blocks(last_block, one).is_err() {
                self.ended = true;
            }
        } else {
            self.ended = true;
        }
        self.failure = Some(error);
    }
}

impl Read for Zstd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.in_frame && !self.ended && self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if let Some(failure) = self.failure.take() {
                self.ended = true;
                return Err(failure);
            }
            if self.ended || buffer.is_empty() {
                return Ok(0);
            }
            if self.in_frame && !self.decoder.is_finished() {
                self.decode_block();
                continue;
            }
            // Set before the call: if it fails, the decoder has no valid frame and must not be used again.
            self.ended = true;
            self.in_frame = self.begin_frame()?;
            self.ended = !self.in_frame;
        }
    }
}

/// Classifies an error of the zstd decoder, which may wrap one of the input at any depth.
fn classify_zstd_error(error: &FrameDecoderError) -> io::Error {
    if let FrameDecoderError::WindowSizeTooBig { .. } = error {
        return Damage::WindowTooLarge.into();
    }
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if let Some(input) = cause.downcast_ref::<io::Error>() {
            // Rebuilt, since an `io::Error` can be neither cloned nor taken out of the chain.
            return match input.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => classify_error(
                    Compression::Zstd,
                    io::Error::new(input.kind(), input.to_string()),
                ),
            };
        }
        next = cause.source();
    }
    Damage::Corrupt(error.to_string()).into()
}

/// Classifies a decoder's error: errors of the operating system stay as they are, an early end is a cut, everything
/// else is corruption.
fn classify_error(compression: Compression, error: io::Error) -> io::Error {
    if error.raw_os_error().is_some() || error.kind() == io::ErrorKind::Interrupted {
        return error;
    }
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Damage::Cut(compression).into();
    }
    Damage::Corrupt(error.to_string()).into()
}

/// Returns the next four bytes as a little-endian number without consuming them; `None` at the end of the input. One to
/// three bytes are a cut.
fn peek_magic(input: &mut PeekReader, compression: Compression) -> io::Result<Option<u32>> {
    match *input.peek(4)? {
        [] => Ok(None),
        [a, b, c, d, ..] => Ok(Some(u32::from_le_bytes([a, b, c, d]))),
        _ => Err(Damage::Cut(compression).into()),
    }
}

/// Skips a skippable frame, whose magic number is next (RFC 8878 section 3.1.2).
fn skip_frame(input: &mut PeekReader, compression: Compression) -> io::Result<()> {
    let mut head = [0; 8];
    input
        .read_exact(&mut head)
        .map_err(|error| classify_error(compression, error))?;
    let [.., a, b, c, d] = head;
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    let skipped = io::copy(&mut input.by_ref().take(length), &mut io::sink())?;
    if skipped < length {
        return Err(Damage::Cut(compression).into());
    }
    Ok(())
}

/// Returns true for the 16 magic numbers of skippable frames.
fn is_skippable(magic: u32) -> bool {
    magic & 0xffff_fff0 == 0x184d_2a50
}

/// Buffered compressed input that can look ahead.
pub(super) struct PeekReader {
    input: Box<dyn Read + Send>,
    /// Filled from `start` to `end`.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    hit_end: bool,
}

impl PeekReader {
    pub(super) fn new(input: Box<dyn Read + Send>) -> Self {
        Self {
            input,
            bytes: vec![0; PEEK_BUFFER],
            start: 0,
            end: 0,
            ended: false,
            hit_end: false,
        }
    }

    /// Returns at least `count` bytes (at most 64 KiB) without consuming them; fewer only at the end of the input.
    fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.end - self.start < count {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.end - self.start < count.min(PEEK_BUFFER) && !self.ended {
            self.read_more()?;
        }
        Ok(self.held())
    }

    /// Returns true once a read has returned 0 because the input had ended.
    fn hit_end(&self) -> bool {
        self.hit_end
    }

    fn held(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    fn read_more(&mut self) -> io::Result<()> {
        let free = self.bytes.get_mut(self.end..).unwrap_or_default();
        match self.input.read(free) {
            Ok(0) => self.ended = true,
            Ok(got) => self.end = (self.end + got).min(self.bytes.len()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl BufRead for PeekReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek(1)
    }

    fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
    }
}

impl Read for PeekReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut held = self.fill_buf()?;
        let count = held.read(buffer)?;
        self.hit_end |= count == 0 && !buffer.is_empty();
        self.consume(count);
        Ok(count)
    }
}

/// Largest number of bytes decoded from gzip in one call.
const GZIP_PIECE: usize = 32 << 10;
/// Buffer of compressed bytes.
const PEEK_BUFFER: usize = 64 << 10;
const LZ4_FRAME: u32 = 0x184d_2204;
const ZSTD_FRAME: u32 = 0xfd2f_b528;
