//! Any bytes behind the magic number of each compression.

#![no_main]

#[path = "../support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    let magic: &[u8] = match kind % 6 {
        0 => &[0x1f, 0x8b, 8],
        1 => &[0x28, 0xb5, 0x2f, 0xfd],
        2 => &[0x04, 0x22, 0x4d, 0x18],
        3 => &[0xfd, b'7', b'z', b'X', b'Z', 0],
        4 => &[0x50, 0x2a, 0x4d, 0x18],
        _ => &[],
    };
    support::read(&[magic, rest].concat());
});
