//! Any bytes at all.

use proptest::prelude::*;

use super::*;

/// Pieces of real lines, so that random text gets past the first check of each form.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..6),
    ]
}

const PIECES: &[&str] = &[
    "-rw-r--r--",
    "drwx------",
    "lrwxrwxrwx",
    " 1 ",
    " a b ",
    "8, 0",
    "1,234",
    " Jun 19 ",
    "15:22",
    " 2024 ",
    "2024-06-19 ",
    " -> ",
    "\r\n",
    "\n",
    " ",
    "06-19-24  ",
    "03:22PM ",
    "<DIR> ",
    "+m1,\t",
    "d [RWC] ",
    "A.B;1 ",
    "2-JAN-1996 ",
    "[A,B] ",
    "(RW) ",
    "type=file;",
    "size=1; ",
    "*DIR ",
    "%",
    "Volume Unit Dsname\n",
    "File Code EOF RWEP\n",
    "101 528 12-Jan-14 ",
    "JOB00063 ",
    "OUTPUT ",
    " DIR  A ",
    "04-23-103 ",
    " Name VV.MM\n",
    "6月 ",
    "total 1\n",
    "<JUNCTION> a [b]",
    "31",
    "Feb 29 ",
];

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        pieces in proptest::collection::vec(piece(), 0..60),
        from_start: bool,
        to_end: bool,
        holes in proptest::collection::vec(0_usize..400, 0..4),
        nanos: i64,
    ) {
        let bytes = pieces.concat();
        let extent = Extent { from_start, holes: &holes, to_end };
        let line_count = bytes.split(|byte| *byte == b'\n').count();
        for kind in [ListingKind::List, ListingKind::Names, ListingKind::Facts, ListingKind::Status] {
            let listing = parse_listing(&bytes, kind, Timestamp::from_nanos(nanos), extent, 5);
            prop_assert!(listing.entries.len() <= 5);
            prop_assert!(listing.entries.len() as u64 + listing.omitted <= line_count as u64);
            prop_assert!(listing.entries.iter().all(|entry| !entry.name.is_empty()));
        }
    }
}
