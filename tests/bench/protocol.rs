//! Control lines and listings.

use std::fmt::Write as _;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use ftpscope::model::Timestamp;
use ftpscope::protocol::ftp::listing::{Extent, ListingKind, parse_listing};
use ftpscope::protocol::ftp::{LineAssembler, ReplyAssembler, Verb, parse_command};

#[divan::bench]
fn commands(bencher: Bencher<'_, '_>) {
    let text =
        b"TYPE I\r\nPASV\r\nSIZE readme.txt\r\nRETR readme.txt\r\nCWD /pub/a folder\r\nQUIT\r\n"
            .repeat(1000);
    bencher.counter(ItemsCount::new(6_000_usize)).bench(|| {
        let mut lines = LineAssembler::new(65_535);
        let mut rest = text.as_slice();
        while let Some(line) = lines.next(&mut rest) {
            let command = parse_command(&line.bytes);
            black_box((Verb::from_bytes(&command.verb), command.argument));
        }
    });
}

#[divan::bench]
fn replies(bencher: Bencher<'_, '_>) {
    let text = b"200 Switching to Binary mode.\r\n211-Features:\r\n SIZE\r\n MDTM\r\n211 End\r\n226 Transfer complete.\r\n"
        .repeat(1000);
    bencher.counter(ItemsCount::new(6_000_usize)).bench(|| {
        let mut lines = LineAssembler::new(65_535);
        let mut replies = ReplyAssembler::new(10_000);
        let mut rest = text.as_slice();
        while let Some(line) = lines.next(&mut rest) {
            black_box(replies.line(&line.bytes, false));
        }
    });
}

#[divan::bench(args = [10, 1_000])]
fn listing(bencher: Bencher<'_, '_>, entries: usize) {
    let mut text = String::new();
    for entry in 0..entries {
        let _ = write!(
            text,
            "-rw-r--r--   1 ftp      ftp      {entry:>8} Jan 17 15:58 file{entry}.bin\r\n"
        );
    }
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        let captured = Timestamp::from_parts(1_700_000_000, 0);
        parse_listing(
            text.as_bytes(),
            ListingKind::List,
            captured,
            Extent::WHOLE,
            100_000,
        )
    });
}
