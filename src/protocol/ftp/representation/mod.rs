//! What the bytes of a data connection mean where they are not the file as it is (RFC 959 sections 3.1 and 3.4).
//!
//! In: payload bytes, in order, in pieces of any size. Out: the file's bytes, in pieces of any size.
//!
//! ```text
//! MODE Z ── deflate ──┐
//! MODE B ── block ────┼─(records end)─┬─> TYPE E ── text (EBCDIC 1047) ──> UTF-8, LF
//! MODE C ── compressed┘               ├─> TYPE A, on request ── text ────> LF in place of CR LF
//! MODE S ── record (STRU R) ──────────┘
//! ```
//!
//! [`FileEnds`] tells where one file ends and the next begins, where a data connection carries several.
//!
//! A record ends with a line end in TYPE A and E; in TYPE I the records simply follow each other. A decoder keeps what it
//! has of an escape or header between pieces and nothing else; only the window of a zlib stream is larger. It stops at
//! the first byte that cannot be, and says why; and it stops where a zlib stream grows beyond all reason.

mod block;
mod compressed;
mod deflate;
mod ends;
mod record;
#[cfg(test)]
mod tests;
mod text;

use self::block::Blocks;
use self::compressed::Runs;
use self::deflate::Inflate;
pub use self::ends::FileEnds;
use self::record::Records;
use self::text::{Ebcdic, Lines};
use crate::model::record::{DataType, Structure, TransferMode};

/// How a file is represented on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coding {
    /// MODE.
    pub mode: TransferMode,
    /// STRU.
    pub structure: Structure,
    /// TYPE.
    pub data_type: DataType,
    /// Convert the line ends of TYPE A as well.
    pub text_lines: bool,
}

impl Coding {
    /// The steps of decoding by name, first to last; empty where the bytes are the file.
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
        // Blocks mark records themselves; under zlib the escapes of a stream are left.
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

/// Takes piece after piece of the decoded bytes.
pub type Output<'a> = &'a mut dyn FnMut(&[u8]);

/// Decodes one file.
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
    /// A decoder; `None` where the bytes are the file.
    #[must_use]
    pub fn new(coding: Coding) -> Option<Self> {
        let line_end: &[u8] = match coding.data_type {
            DataType::Ascii => b"\r\n",
            // NEL.
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

    /// There are no more bytes: gives what is left, and says in words what is wrong with the whole, if anything.
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

/// What a descriptor of MODE B and C, or an escape of STRU R, says ends here (RFC 959 section 3.4.2).
const END_OF_RECORD: u8 = 128;
const END_OF_FILE: u8 = 64;
const SUSPECT: u8 = 32;
const RESTART_MARKER: u8 = 16;
