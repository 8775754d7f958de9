//! Any bytes as what stands in lines and messages: commands, replies, listings, paths, DNS, TLS.

#![no_main]

use ftpscope::model::Timestamp;
use ftpscope::protocol::dns::parse_message;
use ftpscope::protocol::ftp::listing::{Extent, ListingKind, parse_listing};
use ftpscope::protocol::ftp::{self, LineAssembler, ReplyAssembler, path};
use ftpscope::protocol::tls::hello::{HandshakeReader, resumed};
use ftpscope::protocol::tls::record::{RecordSplitter, looks_like_record};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = ftp::parse_command(bytes);
    let _ = ftp::passive_reply(bytes);
    let _ = ftp::extended_passive_reply(bytes);
    let _ = ftp::port_argument(bytes);
    let _ = ftp::extended_port_argument(bytes);
    let _ = ftp::long_address(bytes);
    let _ = ftp::announced_size(bytes);
    let _ = ftp::size_reply(bytes);
    let _ = ftp::facts::parse_entry(bytes);
    let _ = path::resolve(Some(b"/a"), bytes);
    let _ = path::quoted_path(bytes);
    let _ = path::listing_argument(bytes);
    let _ = parse_message(bytes);
    let _ = looks_like_record(bytes);
    for kind in [ListingKind::Facts, ListingKind::Names, ListingKind::List, ListingKind::Status] {
        for whole in [false, true] {
            let holes = [bytes.len() / 3, bytes.len() / 2];
            let extent = Extent { from_start: whole, holes: if whole { &[] } else { &holes }, to_end: whole };
            let at = Timestamp::from_nanos(1_700_000_000_000_000_000);
            let listing = parse_listing(bytes, kind, at, extent, 100);
            assert!(listing.entries.len() <= 100);
        }
    }
    let mut lines = LineAssembler::new(64);
    let mut replies = ReplyAssembler::new(100);
    for piece in bytes.chunks(7) {
        let mut piece = piece;
        while let Some(line) = lines.next(&mut piece) {
            let _ = ftp::strip_telnet(&*line.bytes);
            let _ = replies.line(&line.bytes, line.truncated);
        }
    }
    let _ = replies.give_up();
    let (mut one, mut other) = (HandshakeReader::new(), HandshakeReader::new());
    let (first, second) = bytes.split_at(bytes.len() / 2);
    one.feed(first);
    other.feed(second);
    let _ = resumed(&one, &other);
    let mut records = RecordSplitter::default();
    let mut rest = bytes;
    while let Ok(Some(fragment)) = records.next(&mut rest) {
        assert!(fragment.bytes.len() <= bytes.len());
    }
});
