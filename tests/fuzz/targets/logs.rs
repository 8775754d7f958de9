//! Any bytes as a server's log: the first byte chooses the grammar, a LogFormat may stand in front of a NUL.

#![no_main]

use std::io::Cursor;
use std::path::Path;

use ftpscope::reconcile::log::{LogFile, LogKind, LogOptions};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, rest)) = bytes.split_first() else {
        return;
    };
    // One choice more than there are kinds: detection.
    let kind = LogKind::ALL.get(usize::from(choice) % (LogKind::ALL.len() + 1)).copied();
    let mut options = LogOptions::default();
    let mut text = rest;
    if choice >= 128
        && let Some(end) = rest.iter().position(|byte| *byte == 0)
    {
        options.log_format = Some(String::from_utf8_lossy(&rest[..end]).into_owned());
        text = &rest[end + 1..];
    }
    let input = Box::new(Cursor::new(text.to_vec()));
    let Ok(mut log) = LogFile::read(Path::new("log"), input, kind, &options) else {
        return;
    };
    let mut claims = 0;
    while let Ok(Some(claim)) = log.next_claim() {
        claims += 1;
        assert!(claim.line >= 1 && claim.text.chars().count() <= 1024);
    }
    let counts = log.counts();
    assert_eq!(counts.claims, claims);
    assert!(counts.unreadable + counts.without_claim <= counts.lines);
    assert_eq!(counts.first_unreadable.is_some(), counts.unreadable > 0);
});
