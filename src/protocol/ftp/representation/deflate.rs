//! MODE Z: one zlib stream per transfer (draft-preston-ftpext-deflate; RFC 1950). Some servers omit the zlib header.

use flate2::{Decompress, FlushDecompress, Status};

use super::Output;

/// Decoder of a zlib or raw deflate stream.
#[derive(Debug, Default)]
pub(super) struct Inflate {
    /// `None` before the second byte: the first two show whether there is a zlib header.
    stream: Option<Decompress>,
    /// First byte, held until the second arrives; `None` before it.
    first: Option<u8>,
    state: State,
    /// Bytes after the end of the stream.
    behind: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Ended,
    /// Damaged at this byte of the input.
    Damaged(u64),
    /// Stopped at this size of the output.
    TooLarge(u64),
}

impl Inflate {
    pub(super) fn push(&mut self, bytes: &[u8], out: Output<'_>) {
        let mut bytes = bytes;
        if self.stream.is_none() {
            let (first, rest) = match (self.first, bytes) {
                (Some(first), rest) => (first, rest),
                (None, [first, rest @ ..]) => (*first, rest),
                (None, []) => return,
            };
            let Some(second) = rest.first() else {
                self.first = Some(first);
                return;
            };
            // RFC 1950 section 2.2: method 8, and a checksum that makes the two bytes a multiple of 31.
            let header = first & 0x0f == 8
                && (u16::from(first) << 8 | u16::from(*second)).is_multiple_of(31);
            self.stream = Some(Decompress::new(header));
            self.inflate(&[first], out);
            bytes = rest;
        }
        self.inflate(bytes, out);
    }

    pub(super) fn finish(&mut self) -> Result<(), String> {
        match self.state {
            State::Ended if self.behind == 0 => Ok(()),
            State::Ended => Err(format!("{} bytes behind the zlib stream", self.behind)),
            State::Damaged(at) => Err(format!("the zlib stream is damaged at byte {at}")),
            State::TooLarge(size) => Err(format!(
                "inflating stopped at {size} bytes: more than {RATIO} times what was sent"
            )),
            State::Open if self.stream.is_none() && self.first.is_none() => Ok(()),
            State::Open => Err("the zlib stream has no end".to_owned()),
        }
    }

    fn inflate(&mut self, mut bytes: &[u8], out: Output<'_>) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        let mut buffer = [0; BUFFER];
        while self.state == State::Open {
            let (read, written) = (stream.total_in(), stream.total_out());
            let result = stream.decompress(bytes, &mut buffer, FlushDecompress::None);
            let taken = usize::try_from(stream.total_in() - read).unwrap_or(usize::MAX);
            let made = usize::try_from(stream.total_out() - written).unwrap_or(usize::MAX);
            out(buffer.get(..made).unwrap_or_default());
            bytes = bytes.get(taken..).unwrap_or_default();
            match result {
                Ok(Status::StreamEnd) => self.state = State::Ended,
                // zlib needs more input; another call would change nothing.
                Ok(_) if made == 0 && taken == 0 => break,
                Ok(_) => {}
                Err(_) => self.state = State::Damaged(stream.total_in()),
            }
            // Deflate can inflate 1 MB to 1 GB: an attacker must not fill the disk at that price.
            let (sent, inflated) = (stream.total_in(), stream.total_out());
            if inflated > ALWAYS_FINE && inflated / RATIO > sent {
                self.state = State::TooLarge(inflated);
            }
            if bytes.is_empty() && made < BUFFER {
                break;
            }
        }
        if self.state == State::Ended {
            self.behind = self.behind.saturating_add(bytes.len() as u64);
        }
    }
}

/// Output buffer in bytes.
const BUFFER: usize = 16 << 10;

/// Largest ratio of inflated to sent bytes, for files above [`ALWAYS_FINE`].
const RATIO: u64 = 200;

/// Size in bytes up to which any ratio is accepted.
const ALWAYS_FINE: u64 = 64 << 20;
