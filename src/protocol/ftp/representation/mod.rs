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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, ZlibEncoder};

    use super::*;

    fn coding(mode: TransferMode, structure: Structure, data_type: DataType) -> Coding {
        Coding {
            mode,
            structure,
            data_type,
            text_lines: false,
        }
    }

    /// Returns the decoded bytes and the problem; asserts that both are the same for pieces of any size.
    fn decoded(coding: Coding, bytes: &[u8]) -> (Vec<u8>, Result<(), String>) {
        let mut results = [1, 2, 3, 7, bytes.len().max(1)].map(|size| {
            let mut decoder = Decoder::new(coding).expect("something to decode");
            let mut out = Vec::new();
            for piece in bytes.chunks(size) {
                decoder.push(piece, &mut |piece| out.extend_from_slice(piece));
            }
            let result = decoder.finish(&mut |piece| out.extend_from_slice(piece));
            (out, result)
        });
        for other in &results[1..] {
            assert_eq!(results[0], *other, "pieces change the result");
        }
        std::mem::replace(&mut results[0], (Vec::new(), Ok(())))
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    }

    const DEFLATE: Coding = Coding {
        mode: TransferMode::Deflate,
        structure: Structure::File,
        data_type: DataType::Image,
        text_lines: false,
    };

    #[test]
    fn stream_mode_needs_no_decoder() {
        for data_type in [DataType::Ascii, DataType::Image, DataType::Local] {
            let plain = coding(TransferMode::Stream, Structure::File, data_type);
            assert!(Decoder::new(plain).is_none());
        }
    }

    #[test]
    fn mode_z_is_inflated_with_or_without_a_zlib_header() {
        let text = b"hello hello hello".repeat(100);
        assert_eq!(decoded(DEFLATE, &zlib(&text)), (text.clone(), Ok(())));
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(&text).expect("memory takes it");
        let raw = raw.finish().expect("memory takes it");
        assert_eq!(decoded(DEFLATE, &raw), (text, Ok(())));
        assert_eq!(decoded(DEFLATE, b""), (Vec::new(), Ok(())));
    }

    #[test]
    fn cut_damaged_or_followed_zlib_stream_is_an_error() {
        let mut stream = zlib(b"hello hello hello");
        let (text, result) = decoded(DEFLATE, &stream[..stream.len() - 3]);
        assert_eq!(
            (text.as_slice(), result.is_err()),
            (&b"hello hello hello"[..], true)
        );
        stream.extend(b"xyz");
        let (_, result) = decoded(DEFLATE, &stream);
        assert_eq!(result, Err("3 bytes behind the zlib stream".to_owned()));
        let (_, result) = decoded(DEFLATE, b"\x78\x9c\xff\xff\xff\xff");
        assert!(result.is_err_and(|words| words.contains("damaged")));
    }

    #[test]
    fn zip_bomb_is_stopped() {
        let zeros = vec![0; 1 << 20];
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        for _ in 0..100 {
            encoder.write_all(&zeros).expect("memory takes it");
        }
        let bomb = encoder.finish().expect("memory takes it");
        let mut decoder = Decoder::new(DEFLATE).expect("something to decode");
        let mut made = 0;
        decoder.push(&bomb, &mut |piece| made += piece.len());
        assert!((64 << 20..66 << 20).contains(&made), "{made}");
        let result = decoder.finish(&mut |_| {});
        assert!(result.is_err_and(|words| words.contains("200 times")));
    }

    #[test]
    fn mode_b_is_decoded_without_restart_markers() {
        let image = coding(TransferMode::Block, Structure::File, DataType::Image);
        let blocks = b"\0\0\x03abc\x10\0\x06marker\x40\0\x02de";
        assert_eq!(decoded(image, blocks), (b"abcde".to_vec(), Ok(())));
        let records = coding(TransferMode::Block, Structure::Record, DataType::Ascii);
        let blocks = b"\x80\0\x03abc\xc0\0\x02de";
        assert_eq!(
            decoded(records, blocks),
            (b"abc\r\nde\r\n".to_vec(), Ok(()))
        );
        let (text, result) = decoded(image, b"\0\0\x03abc");
        assert_eq!((text.as_slice(), result.is_err()), (&b"abc"[..], true));
        let (_, result) = decoded(image, b"\x40\0\0\0\0\x01x");
        assert_eq!(result, Err("4 bytes behind the end of the file".to_owned()));
    }

    #[test]
    fn mode_c_expands_repetitions_and_fillers() {
        let text = coding(TransferMode::Compressed, Structure::File, DataType::Ascii);
        let runs = b"\x03abc\x85x\xc2\0\x40\x01!";
        assert_eq!(decoded(text, runs), (b"abcxxxxx  !".to_vec(), Ok(())));
        let marked = b"\0\x10\x04mark\x01a\0\x40";
        assert_eq!(decoded(text, marked), (b"a".to_vec(), Ok(())));
        let (_, result) = decoded(text, b"\x03abc");
        assert_eq!(result, Err("nothing ends the file".to_owned()));
    }

    #[test]
    fn record_escapes_become_line_ends_and_a_doubled_escape_one_byte() {
        let image = coding(TransferMode::Stream, Structure::Record, DataType::Image);
        let (bytes, result) = decoded(image, b"a\xff\xffb\xff\x01c\xff\x03");
        assert_eq!((bytes.as_slice(), result), (&b"a\xffbc"[..], Ok(())));
        let text = coding(TransferMode::Stream, Structure::Record, DataType::Ascii);
        let (bytes, result) = decoded(text, b"one\xff\x01two\xff\x01\xff\x02");
        assert_eq!((bytes.as_slice(), result), (&b"one\r\ntwo\r\n"[..], Ok(())));
        assert!(decoded(text, b"a\xff").1.is_err());
    }

    #[test]
    fn ebcdic_becomes_utf8_with_line_feeds() {
        let ebcdic = coding(TransferMode::Stream, Structure::File, DataType::Ebcdic);
        let hello = b"\xc8\x85\x93\x93\x96\x6b\x40\xad\xf0\xbd\x15\x0d\x25\xdc\x0d\x0d\x25";
        let (text, result) = decoded(ebcdic, hello);
        assert_eq!(
            String::from_utf8(text).as_deref(),
            Ok("Hello, [0]\n\nü\r\n")
        );
        assert_eq!(result, Ok(()));
        for byte in 0..=255 {
            let count = decoded(ebcdic, &[byte]).0.len();
            assert!((1..=2).contains(&count), "{byte:#x} became {count} bytes");
        }
    }

    #[test]
    fn line_ends_of_type_a_become_line_feeds_on_request() {
        let lines = Coding {
            text_lines: true,
            ..Coding::default()
        };
        assert_eq!(
            decoded(lines, b"a\r\nb\r\0c\r\n"),
            (b"a\nb\rc\n".to_vec(), Ok(()))
        );
        assert_eq!(
            decoded(lines, b"a\nb\rc\r\r\n\r"),
            (
                b"a\nb\rc\r\n\r".to_vec(),
                Err("4 line ends are not CR LF".to_owned())
            )
        );
    }

    #[test]
    fn deflate_records_and_ebcdic_are_decoded_in_this_order() {
        let all = Coding {
            mode: TransferMode::Deflate,
            structure: Structure::Record,
            data_type: DataType::Ebcdic,
            text_lines: false,
        };
        assert_eq!(all.steps(), ["deflate", "records", "ebcdic"]);
        let (text, result) = decoded(all, &zlib(b"\xc8\x89\xff\x03"));
        assert_eq!((text.as_slice(), result), (&b"Hi\n"[..], Ok(())));
    }
}
