//! Any bytes as a pcap or pcapng file, through the readers and through the whole tool.

#![no_main]

#[path = "../support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    // A magic number in front: guessing it is no work for a fuzzer.
    let magic: &[u8] = match kind % 8 {
        0 => &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0],
        1 => &[0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4],
        2 => &[0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0],
        3 => &[0x34, 0xcd, 0xb2, 0xa1, 2, 0, 4, 0],
        4 => &[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a],
        5 => &[0x0a, 0x0d, 0x0d, 0x0a, 0, 0, 0, 28, 0x1a, 0x2b, 0x3c, 0x4d],
        6 => &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 3, 0],
        _ => &[],
    };
    let file = [magic, rest].concat();
    support::read(&file);
    if magic.len() > 3 {
        support::report(&file);
    }
});
