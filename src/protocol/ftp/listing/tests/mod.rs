//! Listings as servers send them, MLSD, NLST and STAT, and arbitrary bytes.

mod forms;
mod unix;

use proptest::prelude::*;

use super::*;
use crate::model::record::Precision;

/// Returns the time of the capture.
fn captured(text: &str) -> Timestamp {
    let time: jiff::Timestamp = text.parse().expect("a time");
    Timestamp::from_nanos(i64::try_from(time.as_nanosecond()).expect("in range"))
}

fn parse(text: &[u8], kind: ListingKind) -> Vec<ListingEntry> {
    parse_listing(
        text,
        kind,
        captured("2024-06-19T12:00:00Z"),
        Extent::WHOLE,
        1000,
    )
    .entries
}

fn list(text: &str) -> Vec<ListingEntry> {
    parse(text.as_bytes(), ListingKind::List)
}

fn one(text: &str) -> ListingEntry {
    let mut entries = list(text);
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.remove(0)
}

fn names(entries: &[ListingEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.name.as_str()).collect()
}

fn when(entry: &ListingEntry) -> &str {
    entry.modified.as_deref().unwrap_or("none")
}

#[test]
fn mlsd_facts_become_fields() {
    let text = b"Type=file;Size=1715;Modify=20240619152245.123;Perm=adfr;UNIX.mode=0644;UNIX.owner=alice;UNIX.gid=100; a; b=c\r\n\
        type=cdir;modify=20240619152245;perm=flcdmpe; /pub\r\n\
        type=dir;sizd=4096;perm=el;  leading\r\n\
        type=OS.unix=slink:/etc;  \r\n\
        type=OS.unix=chr-1/3; null\r\n";
    let entries = parse(text, ListingKind::Facts);
    assert_eq!(names(&entries), ["a; b=c", "/pub", " leading", " ", "null"]);
    let first = &entries[0];
    assert_eq!((first.kind, first.size), (EntryKind::File, Some(1715)));
    assert_eq!(when(first), "2024-06-19T15:22:45.123Z");
    assert_eq!(when(&entries[1]), "2024-06-19T15:22:45Z");
    assert_eq!(first.permissions.as_deref(), Some("0644"));
    assert_eq!(entries[1].permissions.as_deref(), Some("flcdmpe"));
    assert_eq!(
        (first.owner.as_deref(), first.group.as_deref()),
        (Some("alice"), Some("100"))
    );
    assert_eq!(
        (entries[1].kind, entries[2].size),
        (EntryKind::Directory, Some(4096))
    );
    assert_eq!(
        (entries[3].kind, entries[3].target.as_deref()),
        (EntryKind::Link, Some("/etc"))
    );
    assert_eq!(entries[4].kind, EntryKind::Other);
}

#[test]
fn mlsd_lines_without_facts_or_with_malformed_ones() {
    assert_eq!(
        facts::parse_entry(b" only a name")
            .map(|entry| entry.name)
            .as_deref(),
        Some("only a name")
    );
    assert!(facts::parse_entry(b"type=file;").is_none());
    assert!(facts::parse_entry(b"no facts here").is_none());
    let entry = facts::parse_entry(b"size=x;modify=20241319000000;size=5; n").expect("an entry");
    assert_eq!((entry.size, entry.modified), (Some(5), None));
    let entries = parse(b"what is this\r\n", ListingKind::Facts);
    assert_eq!(
        (names(&entries), entries[0].kind),
        (vec!["what is this"], EntryKind::Other)
    );
}

#[test]
fn nlst_lines_are_names_unless_they_form_a_long_listing() {
    let entries = parse(b"pub/a b\r\n\r\n total 5\r\n-\nlast", ListingKind::Names);
    assert_eq!(names(&entries), ["pub/a b", " total 5", "-", "last"]);
    assert_eq!(entries[0].kind, EntryKind::Other);
    assert!(parse(b"", ListingKind::Names).is_empty());
    let long = parse(
        b"total 1\r\n-rw-r--r-- 1 a b 3 Jan  1  2020 x\r\n-rw-r--r-- 1 a b 3 Jan  1  2020 y\r\n",
        ListingKind::Names,
    );
    assert_eq!(names(&long), ["x", "y"]);
}

#[test]
fn text_around_the_entries_of_a_stat_reply_is_skipped() {
    let text = b"Status of /pub:\r\n213-drwxr-xr-x 2 a b 4096 Jan  1  2020 d\r\n -rw-r--r-- 1 a b 3 Jan  1  2020 x\r\nEnd of status\r\n";
    let entries = parse(text, ListingKind::Status);
    assert_eq!(names(&entries), ["d", "x"]);
    assert!(
        parse(
            b"Connected to 10.0.0.1\r\nTYPE: ASCII\r\n",
            ListingKind::Status
        )
        .is_empty()
    );
}

#[test]
fn list_of_bare_names_keeps_all_of_them() {
    let entries = list("readme.txt\r\nsome dir\r\n");
    assert_eq!(names(&entries), ["readme.txt", "some dir"]);
    assert!(entries.iter().all(|entry| entry.kind == EntryKind::Other));
}

#[test]
fn last_line_of_a_cut_listing_is_no_entry() {
    let text = b"-rw-r--r-- 1 a b 3 Jan  1  2020 x\r\n-rw-r--r-- 1 a b 3 Jan  1  2020 half a na";
    let parse = |extent| parse_listing(text, ListingKind::List, Timestamp::default(), extent, 9);
    let whole = parse(Extent::WHOLE);
    assert_eq!((whole.entries.len(), whole.cut_lines.len()), (2, 0));
    let cut = parse(Extent {
        to_end: false,
        ..Extent::WHOLE
    });
    assert_eq!(names(&cut.entries), ["x"]);
    assert_eq!(cut.cut_lines, ["-rw-r--r-- 1 a b 3 Jan  1  2020 half a na"]);
}

#[test]
fn lines_with_a_hole_are_no_entries() {
    let lines = |at: &[usize], from_start, kind| {
        let extent = Extent {
            from_start,
            holes: at,
            to_end: true,
        };
        parse_listing(
            b"one\r\ntwo\r\nthree\r\nfour",
            kind,
            Timestamp::default(),
            extent,
            9,
        )
    };
    let listing = lines(&[6], true, ListingKind::Names);
    assert_eq!(names(&listing.entries), ["one", "three", "four"]);
    assert_eq!(listing.cut_lines, ["t", "wo"]);
    // Whether a line begins at the end of a hole is unknown.
    let listing = lines(&[5], true, ListingKind::Names);
    assert_eq!(names(&listing.entries), ["one", "three", "four"]);
    assert_eq!(listing.cut_lines, ["two"]);
    let listing = lines(&[12, 19], false, ListingKind::Names);
    assert_eq!(names(&listing.entries), ["two"]);
    assert_eq!(listing.cut_lines, ["one", "th", "ree", "fo", "ur"]);
}

#[test]
fn first_line_with_mode_or_facts_counts_as_complete() {
    let extent = Extent {
        from_start: false,
        ..Extent::WHOLE
    };
    let parse = |text: &[u8], kind| parse_listing(text, kind, Timestamp::default(), extent, 9);
    let unix = b"-rw-r--r-- 1 a b 3 Jan  1  2020 x\r\n-rw-r--r-- 1 a b 3 Jan  1  2020 y\r\n";
    assert_eq!(names(&parse(unix, ListingKind::List).entries), ["x", "y"]);
    assert_eq!(names(&parse(&unix[3..], ListingKind::List).entries), ["y"]);
    let facts = b"size=3;type=file; x\r\nsize=3;type=file; y\r\n";
    assert_eq!(
        names(&parse(&facts[2..], ListingKind::Facts).entries),
        ["x", "y"]
    );
    assert_eq!(
        names(&parse(&facts[9..], ListingKind::Facts).entries),
        ["y"]
    );
    let dos = b"6-19-24  03:22PM  5 x\r\n06-19-24  03:22PM  5 y\r\n";
    assert_eq!(names(&parse(dos, ListingKind::List).entries), ["y"]);
}

#[test]
fn entries_beyond_the_limit_are_counted() {
    let listing = parse_listing(
        b"a\nb\nc\nd\n",
        ListingKind::Names,
        Timestamp::default(),
        Extent::WHOLE,
        3,
    );
    assert_eq!((listing.entries.len(), listing.omitted), (3, 1));
}

/// Returns pieces of real lines and random bytes, so that text gets past the first check of each form.
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
    fn arbitrary_bytes_cause_no_panic_and_respect_the_limit(
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
