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
