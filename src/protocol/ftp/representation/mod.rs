//! Decodes the bytes of a data connection into the bytes of the file (RFC 959 sections 3.1 and 3.4).
//!
//! In: payload in order, in pieces of any size. Out: the file's bytes, in pieces of any size.
//!
//! ```text
//! MODE Z ── deflate ──────────┐
//! MODE B ── framing::Blocks ──┼─(record ends)─┬─> TYPE E ── text (EBCDIC 1047) ──> UTF-8, LF
//! MODE C ── framing::Runs ────┤               ├─> TYPE A, on request ── text ────> LF in place of CR LF
//! STRU R ── framing::Records ─┘               └─> TYPE I ────────────────────────> as it is
//! ```
//!
//! [`FileEnds`] finds the ends of files in a data connection that carries several.
//!
//! A record ends with a line end in TYPE A and E; in TYPE I records simply follow each other. Between pieces a decoder
//! keeps part of an escape or header and nothing else, except for the window of a zlib stream (32 KiB). It never fails
//! on the way: [`Decoder::finish`] returns the first problem. A zlib stream that grows beyond all reason is not
//! inflated further.

mod deflate;
mod ends;
mod framing;
#[cfg(test)]
mod tests;
mod text;

use self::deflate::Inflate;
pub use self::ends::FileEnds;
use self::framing::{Blocks, Records, Runs};
use self::text::{Ebcdic, Lines};
use crate::model::record::{DataType, Structure, TransferMode};

/// Representation of a file on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coding {
    /// Transfer mode (MODE).
    pub mode: TransferMode,
    /// File structure (STRU).
    pub structure: Structure,
    /// Data type (TYPE).
    pub data_type: DataType,
    /// Whether to convert the line ends of TYPE A to LF.
    pub text_lines: bool,
}

impl Coding {
    /// Returns the names of the decoding steps, first to last; none if the bytes are the file.
    #[must_use]
    pub fn steps(self) -> Vec<&'static str> {
        let mut steps = Vec::new();
        match self.mode {
            TransferMode::Stream if self.structure == Structure::Record => steps.push("records"),
            TransferMode::Stream => {}
            TransferMode::Block => steps.push("blocks"),
            TransferMode::Compressed => steps.push("runs"),
            TransferMode::Deflate => steps.push("deflate"),
        }
        // Blocks and runs mark records themselves; a zlib stream has the escapes of stream mode inside.
        if self.mode == TransferMode::Deflate && self.structure == Structure::Record {
            steps.push("records");
        }
        match self.data_type {
            DataType::Ebcdic => steps.push("ebcdic"),
            DataType::Ascii if self.text_lines => steps.push("line-ends"),
            _ => {}
        }
        steps
    }
}

/// Receiver of decoded bytes, piece by piece.
pub type Output<'a> = &'a mut dyn FnMut(&[u8]);

/// Decoder of one file.
#[derive(Debug)]
pub struct Decoder {
    stages: Vec<Stage>,
}

#[derive(Debug)]
enum Stage {
    Inflate(Box<Inflate>),
    Blocks(Blocks),
    Runs(Runs),
    Records(Records),
    Ebcdic(Ebcdic),
    Lines(Lines),
}

impl Decoder {
    /// Creates a decoder; `None` if the bytes are the file.
    #[must_use]
    pub fn new(coding: Coding) -> Option<Self> {
        let line_end: &[u8] = match coding.data_type {
            DataType::Ascii => b"\r\n",
            // NEL, the line end of EBCDIC.
            DataType::Ebcdic => b"\x15",
            DataType::Image | DataType::Local => b"",
        };
        let mut stages = Vec::new();
        for step in coding.steps() {
            stages.push(match step {
                "deflate" => Stage::Inflate(Box::default()),
                "blocks" => Stage::Blocks(Blocks::new(line_end)),
                "runs" => Stage::Runs(Runs::new(line_end, coding.data_type)),
                "records" => Stage::Records(Records::new(line_end)),
                "ebcdic" => Stage::Ebcdic(Ebcdic::default()),
                _ => Stage::Lines(Lines::default()),
            });
        }
        (!stages.is_empty()).then_some(Self { stages })
    }

    /// Decodes a piece.
    pub fn push(&mut self, bytes: &[u8], out: Output<'_>) {
        run(&mut self.stages, bytes, out);
    }

    /// Ends the file, and passes on bytes held back.
    ///
    /// # Errors
    ///
    /// The first problem as a message, such as `the zlib stream has no end`. All bytes decoded are passed on all the
    /// same.
    pub fn finish(&mut self, out: Output<'_>) -> Result<(), String> {
        let mut problem = None;
        for at in 0..self.stages.len() {
            let Some((stage, rest)) = self.stages.get_mut(at..).and_then(<[_]>::split_first_mut)
            else {
                break;
            };
            if let Err(words) = stage.finish(&mut |piece| run(rest, piece, &mut *out)) {
                problem.get_or_insert(words);
            }
        }
        problem.map_or(Ok(()), Err)
    }
}

impl Stage {
    fn push(&mut self, bytes: &[u8], out: Output<'_>) {
        match self {
            Self::Inflate(stage) => stage.push(bytes, out),
            Self::Blocks(stage) => stage.push(bytes, out),
            Self::Runs(stage) => stage.push(bytes, out),
            Self::Records(stage) => stage.push(bytes, out),
            Self::Ebcdic(stage) => stage.push(bytes, out),
            Self::Lines(stage) => stage.push(bytes, out),
        }
    }

    fn finish(&mut self, out: Output<'_>) -> Result<(), String> {
        match self {
            Self::Inflate(stage) => stage.finish(),
            Self::Blocks(stage) => stage.finish(),
            Self::Runs(stage) => stage.finish(),
            Self::Records(stage) => stage.finish(),
            Self::Ebcdic(stage) => stage.finish(out),
            Self::Lines(stage) => stage.finish(out),
        }
    }
}

fn run(stages: &mut [Stage], bytes: &[u8], out: Output<'_>) {
    match stages.split_first_mut() {
        Some((stage, rest)) => stage.push(bytes, &mut |piece| run(rest, piece, &mut *out)),
        None => out(bytes),
    }
}

/// Bits of a descriptor of MODE B and C (RFC 959 section 3.4.2).
const END_OF_RECORD: u8 = 128;
const END_OF_FILE: u8 = 64;
const SUSPECT: u8 = 32;
const RESTART_MARKER: u8 = 16;
