//! gzip: one member after the other, as `cat a.gz b.gz` and block gzip make them.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use super::source::Source;
use super::{Compression, Damage, sort_error};

pub(super) struct Gzip {
    state: State,
}

enum State {
    Between(Source),
    Member(Box<GzDecoder<Source>>),
    Ended,
}

impl Gzip {
    pub(super) fn new(source: Source) -> Self {
        Self {
            state: State::Between(source),
        }
    }
}

impl Read for Gzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // An error takes what was decoded in the same call with it, so calls are kept small.
        let len = buffer.len().min(PIECE);
        let piece = buffer.get_mut(..len).unwrap_or_default();
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(0),
                State::Between(mut source) => {
                    if begins_member(&mut source)? {
                        self.state = State::Member(Box::new(GzDecoder::new(source)));
                    }
                }
                State::Member(mut member) => {
                    let got = member
                        .read(piece)
                        .map_err(|error| sort_error(Compression::Gzip, error))?;
                    if got == 0 && !piece.is_empty() {
                        self.state = State::Between(member.into_inner());
                        continue;
                    }
                    self.state = State::Member(member);
                    return Ok(got);
                }
            }
        }
    }
}

/// False at the end; zeros behind the last member are padding of a tape or a disk block.
fn begins_member(source: &mut Source) -> io::Result<bool> {
    loop {
        match *source.peek(2)? {
            [] => return Ok(false),
            [0x1f, 0x8b, ..] => return Ok(true),
            [0, ..] => source.consume(1),
            [0x1f] => return Err(Damage::Cut(Compression::Gzip).into()),
            _ => {
                let detail = "what follows the last member is not gzip".to_owned();
                return Err(Damage::Corrupt(detail).into());
            }
        }
    }
}

const PIECE: usize = 32 << 10;
