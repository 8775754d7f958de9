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
