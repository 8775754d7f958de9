//! Any dialogue: control lines both ways and data connections, through the whole tool.

#![no_main]

#[path = "../support/mod.rs"]
mod support;

use support::{Made, segment};

const CLIENT: u8 = 1;
const SERVER: u8 = 2;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut packets = Vec::new();
    let mut next = [1000_u32, 5000, 100, 900];
    let mut rest = bytes;
    let mut time = 0;
    // Who says it and how, how long it is; then the text. A prefix of common words saves guessing.
    while let [how, length, tail @ ..] = rest {
        let (text, tail) = tail.split_at(usize::from(length & 0x3f).min(tail.len()));
        rest = tail;
        time += u64::from(how >> 6) * 1000 + 1;
        let word = WORDS[usize::from(length >> 6) * 8 + usize::from(how >> 3 & 7)];
        let payload = [word, text].concat();
        let side = usize::from(how & 3);
        let (from, to) = match side {
            0 => ((CLIENT, 40_000), (SERVER, 21)),
            1 => ((SERVER, 21), (CLIENT, 40_000)),
            2 => ((CLIENT, 40_001), (SERVER, 2020)),
            _ => ((SERVER, 2020), (CLIENT, 40_001)),
        };
        let flags = match how & 7 {
            4 if text.is_empty() => 0x11,
            5 if text.is_empty() => 0x14,
            6 | 7 if text.is_empty() => 0x02,
            _ => 0x18,
        };
        let acknowledged = next[side ^ 1];
        packets.push((
            time,
            segment(from, to, next[side], acknowledged, flags, &payload),
        ));
        let length = u32::try_from(payload.len()).unwrap_or(0) + u32::from(flags & 3 != 0);
        // Now and then a segment is lost.
        next[side] = next[side].wrapping_add(length + u32::from(how & 0x20 != 0 && length > 50));
    }
    let made = Made {
        packets,
        link_type: 1,
    };
    support::report(&made.file());
});

const WORDS: [&[u8]; 32] = [
    b"",
    b"\r\n",
    b"220 ready\r\n",
    b"USER u\r\nPASS secret\r\n",
    b"331 more\r\n230 in\r\n",
    b"PASV\r\n",
    b"227 Entering Passive Mode (10,0,0,2,7,228)\r\n",
    b"RETR ",
    b"STOR ",
    b"LIST\r\n",
    b"150 Opening (12 bytes)\r\n",
    b"226 done\r\n",
    b"EPSV\r\n",
    b"229 Extended (|||2020|)\r\n",
    b"PORT 10,0,0,1,156,65\r\n",
    b"EPRT |1|10.0.0.1|40001|\r\n",
    b"REST 7\r\n",
    b"350 ok\r\n",
    b"QUIT\r\n",
    b"221-bye\r\n",
    b"ABOR\r\n",
    b"426 cut\r\n",
    b"AUTH TLS\r\n",
    b"234 go\r\n\x16\x03\x01",
    b"CWD ",
    b"250 \"/a\"\r\n",
    b"550 no\r\n",
    b"RNFR a\r\n",
    b"RNTO b\r\n",
    b"SIZE ",
    b"213 12\r\n",
    b"drwxr-xr-x 2 0 0 4096 Feb 11 09:30 pub\r\n",
];
