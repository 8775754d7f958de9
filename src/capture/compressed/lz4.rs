//! LZ4 frames, one after the other, skippable ones passed over.

use std::io::{self, Read};

use lz4_flex::frame::FrameDecoder;

use super::source::Source;
use super::{Compression, Damage, is_skippable, peek_magic, skip_frame, sort_error};

pub(super) struct Lz4 {
    state: State,
}

enum State {
    Between(Source),
    Frame(Box<FrameDecoder<Source>>),
    Ended,
}

impl Lz4 {
    pub(super) fn new(source: Source) -> Self {
        Self {
            state: State::Between(source),
        }
    }
}

impl Read for Lz4 {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(0),
                State::Between(mut source) => match peek_magic(&mut source, Compression::Lz4)? {
                    None => return Ok(0),
                    Some(FRAME) => {
                        self.state = State::Frame(Box::new(FrameDecoder::new(source)));
                    }
                    Some(magic) if is_skippable(magic) => {
                        skip_frame(&mut source, Compression::Lz4)?;
                        self.state = State::Between(source);
                    }
                    Some(_) => {
                        let detail = "what follows the last frame is not lz4".to_owned();
                        return Err(Damage::Corrupt(detail).into());
                    }
                },
                State::Frame(mut frame) => {
                    let got = frame
                        .read(buffer)
                        .map_err(|error| sort_error(Compression::Lz4, error))?;
                    if got > 0 || buffer.is_empty() {
                        self.state = State::Frame(frame);
                        return Ok(got);
                    }
                    // The decoder takes a stream that was cut between two blocks for one that ended. Nothing is held
                    // in it here, so its end mark was the last it took, unless it asked for more and met the end.
                    let end_mark = !frame.get_ref().asked_past_end();
                    if !end_mark {
                        return Err(Damage::Cut(Compression::Lz4).into());
                    }
                    self.state = State::Between(frame.into_inner());
                }
            }
        }
    }
}

const FRAME: u32 = 0x184d_2204;
