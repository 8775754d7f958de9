//! Zstandard frames, one after the other, skippable ones passed over.

use std::error::Error;
use std::io::{self, Read};

use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::source::Source;
use super::{Compression, Damage, is_skippable, peek_magic, skip_frame, sort_error};

pub(super) struct Zstd {
    source: Source,
    decoder: FrameDecoder,
    in_frame: bool,
    /// Said once what was decoded before it has been given.
    failure: Option<io::Error>,
    ended: bool,
}

impl Zstd {
    pub(super) fn new(source: Source, window_limit: u64) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(window_limit);
        Self {
            source,
            decoder,
            in_frame: false,
            failure: None,
            ended: false,
        }
    }

    /// Goes to the next frame; false at the end of the input.
    fn begin_frame(&mut self) -> io::Result<bool> {
        loop {
            match peek_magic(&mut self.source, Compression::Zstd)? {
                None => return Ok(false),
                Some(FRAME) => {
                    self.decoder
                        .reset(&mut self.source)
                        .map_err(|error| sort(&error))?;
                    return Ok(true);
                }
                Some(magic) if is_skippable(magic) => {
                    skip_frame(&mut self.source, Compression::Zstd)?;
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
        let Err(error) = self.decoder.decode_blocks(&mut self.source, one) else {
            return;
        };
        let error = sort(&error);
        if matches!(super::damage(&error), Some(Damage::Cut(_))) {
            // The decoder keeps its whole window back until the frame ends. An empty last block (and a checksum, which
            // it does not look at) makes it give what it has.
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
            // Whatever goes wrong here, this is the last look.
            self.ended = true;
            self.in_frame = self.begin_frame()?;
            self.ended = !self.in_frame;
        }
    }
}

/// Looks for the input's own error below the decoder's.
fn sort(error: &FrameDecoderError) -> io::Error {
    if let FrameDecoderError::WindowSizeTooBig { .. } = error {
        return Damage::WindowTooLarge.into();
    }
    let mut below: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = below {
        if let Some(input) = cause.downcast_ref::<io::Error>() {
            return match input.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => sort_error(
                    Compression::Zstd,
                    io::Error::new(input.kind(), input.to_string()),
                ),
            };
        }
        below = cause.source();
    }
    Damage::Corrupt(error.to_string()).into()
}

const FRAME: u32 = 0xfd2f_b528;
