//! Listings as servers write them.

use proptest::prelude::*;

use super::*;
use crate::model::record::Precision;

/// The capture was made at this time.
fn captured(text: &str) -> Timestamp {
    let time: jiff::Timestamp = text.parse().expect("a time");
    Timestamp::from_nanos(i64::try_from(time.as_nanosecond()).expect("in range"))
}

fn parse(text: &[u8], kind: ListingKind) -> Vec<ListingEntry> {
    parse_listing(text, kind, captured("2024-06-19T12:00:00Z"), true, 1000).entries
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
fn unix_with_all_columns() {
    let entry = one("-rw-r--r--   1 alice    staff        1715 Jun 18 15:22 readme.txt\r\n");
    assert_eq!(entry.name, "readme.txt");
    assert_eq!(entry.kind, EntryKind::File);
    assert_eq!(entry.size, Some(1715));
    assert_eq!(when(&entry), "2024-06-18T15:22:00");
    assert_eq!(entry.modified_precision, Some(Precision::Minute));
    assert!(entry.year_inferred);
    assert_eq!(entry.permissions.as_deref(), Some("rw-r--r--"));
    assert_eq!(entry.owner.as_deref(), Some("alice"));
    assert_eq!(entry.group.as_deref(), Some("staff"));
    assert_eq!(
        entry.raw,
        "-rw-r--r--   1 alice    staff        1715 Jun 18 15:22 readme.txt"
    );
}

#[test]
fn unix_without_group_and_with_numeric_ids() {
    let entry = one("drwxr-xr-x 3 alice 512 Jan  1  2020 pub");
    assert_eq!(
        (entry.owner.as_deref(), entry.group.as_deref()),
        (Some("alice"), None)
    );
    assert_eq!(entry.kind, EntryKind::Directory);
    assert_eq!((when(&entry), entry.year_inferred), ("2020-01-01", false));
    assert_eq!(entry.modified_precision, Some(Precision::Day));

    let entry = one("-rw-r--r-- 1 1000 100 5 Jan  1  2020 x");
    assert_eq!(
        (entry.owner.as_deref(), entry.group.as_deref(), entry.size),
        (Some("1000"), Some("100"), Some(5))
    );
    let entry = one("-rw-r--r-- 1 CORP\\bob Domain Users 5 Jan  1  2020 x");
    assert_eq!(entry.group.as_deref(), Some("Domain Users"));
    let entry = one("-rw-r--r-- 5 Jan  1  2020 x");
    assert_eq!((entry.owner, entry.size), (None, Some(5)));
}

#[test]
fn unix_with_inode_and_blocks() {
    let entry = one(" 131 8 -rw-r--r-- 1 a b 77 Jan  1  2020 x y");
    assert_eq!((entry.name.as_str(), entry.size), ("x y", Some(77)));
    let entry = one("9437 drwxr-xr-x 1 a b 77 Jan  1  2020 d");
    assert_eq!(entry.kind, EntryKind::Directory);
}

#[test]
fn totals_and_headings_are_no_entries() {
    let text =
        "total 12\r\n\r\n.:\r\n-rw-r--r-- 1 a b 7 Jan  1  2020 x\r\nls: y: Permission denied\r\n";
    assert_eq!(names(&list(text)), ["x"]);
    assert!(list("total 0\r\n").is_empty());
    assert!(list("insgesamt 4,0K\r\n").is_empty());
    assert!(list("总用量 12\n").is_empty());
    assert!(list("").is_empty());
}

#[test]
fn headings_of_a_recursive_listing_tell_the_folder() {
    let entries = list(
        ".:\ntotal 4\ndrwxr-xr-x 2 f f 4096 Jan 1 2020 sub\n\n./sub:\ntotal 4\n-rw-r--r-- 1 f f 7 Jan 1 2020 a: b:\n",
    );
    let places: Vec<_> = entries
        .iter()
        .map(|entry| (entry.folder.as_deref(), entry.name.as_str()))
        .collect();
    assert_eq!(places, [(Some("."), "sub"), (Some("./sub"), "a: b:")]);
}

#[test]
fn access_list_marks_stay_with_the_permissions() {
    for (line, permissions) in [
        ("-rw-r--r--+ 1 a b 7 Jan  1  2020 x", "rw-r--r--+"),
        ("drwxrwsr-t. 1 a b 7 Jan  1  2020 x", "rwxrwsr-t."),
        ("-rw-r--r--@ 1 a b 7 Jan  1  2020 x", "rw-r--r--@"),
    ] {
        assert_eq!(one(line).permissions.as_deref(), Some(permissions));
    }
}

#[test]
fn devices_have_numbers_in_place_of_a_size() {
    for line in [
        "crw-rw-rw-   1 root wheel 1,   3 Jan  1  2020 null",
        "brw-rw----   1 root disk 8,0 Jan  1  2020 null",
    ] {
        let entry = one(line);
        assert_eq!((entry.kind, entry.size), (EntryKind::Other, None));
        assert_eq!(entry.name, "null");
        assert_eq!(entry.owner.as_deref(), Some("root"));
    }
}

#[test]
fn sizes_may_have_separators_or_be_rounded() {
    assert_eq!(
        one("-rw-r--r-- 1 a b 1,234,567 Jan  1  2020 x").size,
        Some(1_234_567)
    );
    assert_eq!(
        one("-rw-r--r-- 1 a b 1.234 Jan  1  2020 x").size,
        Some(1234)
    );
    assert_eq!(one("-rw-r--r-- 1 a b 1.2K Jan  1  2020 x").size, None);
    let huge = "-rw-r--r-- 1 a b 99999999999999999999999 Jan  1  2020 x";
    assert_eq!(one(huge).kind, EntryKind::Other);
}

#[test]
fn links_point_somewhere() {
    let entry = one("lrwxrwxrwx 1 a b 7 Jan  1  2020 current -> rel-1.2");
    assert_eq!(entry.kind, EntryKind::Link);
    assert_eq!(entry.name, "current");
    assert_eq!(entry.target.as_deref(), Some("rel-1.2"));
    // The size is the length of the target, which tells which arrow divides.
    let entry = one("lrwxrwxrwx 1 a b 1 Jan  1  2020 a -> b -> c");
    assert_eq!(
        (entry.name.as_str(), entry.target.as_deref()),
        ("a -> b", Some("c"))
    );
    let entry = one("lrwxrwxrwx 1 a b 999 Jan  1  2020 a -> b -> c");
    assert_eq!(
        (entry.name.as_str(), entry.target.as_deref()),
        ("a", Some("b -> c"))
    );
    let entry = one("lrwxrwxrwx 1 a b 3 Jan  1  2020 hidden");
    assert_eq!((entry.name.as_str(), entry.target), ("hidden", None));
    let entry = one("-rw-r--r-- 1 a b 3 Jan  1  2020 a -> b");
    assert_eq!(entry.name, "a -> b");
}

#[test]
fn names_keep_every_space() {
    let text = "-rw-r--r-- 1 a b 3 Jan  1  2020   two before\n-rw-r--r-- 1 a b 3 Jun 18 09:00 two  within and one after \n";
    assert_eq!(
        names(&list(text)),
        ["  two before", "two  within and one after "]
    );
}

#[test]
fn a_year_may_stand_to_the_left_of_its_column() {
    let text = "----------   1 nobody   nogroup     1803128 Nov 30 2000  archive.zip\n\
                ----------   1 nobody   nogroup     1803128 Jun 18 09:00 archive.new\n\
                ----------   1 nobody   nogroup     1803128 Jun 18 09:00  leading\n";
    assert_eq!(
        names(&list(text)),
        ["archive.zip", "archive.new", " leading"]
    );
}

#[test]
fn names_that_are_not_utf8_keep_their_bytes() {
    let entries = parse(
        b"-rw-r--r-- 1 a b 3 Jan  1  2020 caf\xe9\n",
        ListingKind::List,
    );
    assert_eq!(entries[0].name, "caf\u{fffd}");
    assert_eq!(entries[0].name_b64.as_deref(), Some("Y2Fm6Q=="));
}

#[test]
fn months_may_be_in_another_language() {
    let cases: [(&[u8], &str); 9] = [
        ("Mär  1  2020".as_bytes(), "2020-03-01"),
        (b"M\xe4r  1  2020", "2020-03-01"),
        ("1. Okt. 2020".as_bytes(), "2020-10-01"),
        ("août  1  2020".as_bytes(), "2020-08-01"),
        (b"d\xe9c.  1  2020", "2020-12-01"),
        ("1 янв 2020".as_bytes(), "2020-01-01"),
        ("12月 31 2020".as_bytes(), "2020-12-31"),
        ("6月 19日 2020年".as_bytes(), "2020-06-19"),
        (b"19 Jun 2020", "2020-06-19"),
    ];
    for (date, expected) in cases {
        let line = [b"-rw-r--r-- 1 a b 3 ".as_slice(), date, b" name"].concat();
        let entries = parse(&line, ListingKind::List);
        assert_eq!(when(&entries[0]), expected, "{}", text(date));
        assert_eq!(entries[0].name, "name");
    }
}

#[test]
fn iso_and_full_times() {
    for (date, expected, precision) in [
        ("2020-02-03 04:05", "2020-02-03T04:05:00", Precision::Minute),
        ("2020-02-03", "2020-02-03", Precision::Day),
        ("02-03 04:05", "2024-02-03T04:05:00", Precision::Minute),
        (
            "2020-02-03 04:05:06.000000000 +0000",
            "2020-02-03T04:05:06Z",
            Precision::Second,
        ),
        (
            "2020-02-03 04:05:06.5 +0200",
            "2020-02-03T04:05:06.5+02:00",
            Precision::Second,
        ),
        (
            "Feb  3 04:05:06 2020",
            "2020-02-03T04:05:06",
            Precision::Second,
        ),
    ] {
        let entry = one(&format!("-rw-r--r-- 1 a b 3 {date} name"));
        assert_eq!(when(&entry), expected);
        assert_eq!(entry.modified_precision, Some(precision));
        assert_eq!(entry.name, "name");
    }
}

#[test]
fn a_missing_year_is_that_of_the_last_twelve_months() {
    let year_of = |date: &str, captured_at: &str| {
        let line = format!("-rw-r--r-- 1 a b 3 {date} name");
        let listing = parse_listing(
            line.as_bytes(),
            ListingKind::List,
            captured(captured_at),
            true,
            9,
        );
        let entry = listing.entries.first().expect("an entry").clone();
        assert!(entry.year_inferred);
        when(&entry)[..10].to_owned()
    };
    assert_eq!(
        year_of("Dec 31 23:00", "2024-01-01T00:00:00Z"),
        "2023-12-31"
    );
    assert_eq!(
        year_of("Jan  1 08:00", "2023-12-31T20:00:00Z"),
        "2024-01-01"
    );
    assert_eq!(
        year_of("Jan  2 08:00", "2023-12-31T20:00:00Z"),
        "2023-01-02"
    );
    assert_eq!(
        year_of("Jun 20 11:59", "2024-06-19T12:00:00Z"),
        "2024-06-20"
    );
    assert_eq!(
        year_of("Jun 20 12:01", "2024-06-19T12:00:00Z"),
        "2023-06-20"
    );
    assert_eq!(
        year_of("Feb 29 12:00", "2024-03-01T00:00:00Z"),
        "2024-02-29"
    );
    assert_eq!(
        year_of("Feb 29 12:00", "2023-03-01T00:00:00Z"),
        "2020-02-29"
    );
    assert_eq!(
        year_of("Feb 29 12:00", "2104-01-01T00:00:00Z"),
        "2096-02-29"
    );
}

#[test]
fn dates_that_do_not_exist_make_no_entry_of_a_file() {
    assert_eq!(
        one("-rw-r--r-- 1 a b 3 Feb 30 12:00 x").kind,
        EntryKind::Other
    );
    assert_eq!(
        one("-rw-r--r-- 1 a b 3 Feb 29  2023 x").kind,
        EntryKind::Other
    );
    assert_eq!(
        one("-rw-r--r-- 1 a b 3 Feb  2 25:00 x").kind,
        EntryKind::Other
    );
}

#[test]
fn dos_as_iis_writes_it() {
    let text = "06-19-24  03:22PM       <DIR>          aspnet client\r\n\
                01-02-1999  12:05AM                 1234 a b.txt\r\n\
                12-31-98  12:00PM            1,234,567  leading\r\n\
                06-19-2024  15:22               77 day.txt\r\n";
    let entries = list(text);
    assert_eq!(
        names(&entries),
        ["aspnet client", "a b.txt", " leading", "day.txt"]
    );
    assert_eq!(entries[0].kind, EntryKind::Directory);
    assert_eq!(entries[0].size, None);
    assert_eq!(
        entries.iter().map(when).collect::<Vec<_>>(),
        [
            "2024-06-19T15:22:00",
            "1999-01-02T00:05:00",
            "1998-12-31T12:00:00",
            "2024-06-19T15:22:00"
        ]
    );
    assert_eq!(entries[1].size, Some(1234));
    assert_eq!(entries[2].size, Some(1_234_567));
    assert!(!entries[0].year_inferred);
}

#[test]
fn dos_as_dir_writes_it() {
    let text = " Volume in drive C is System\r\n Directory of C:\\pub\r\n\r\n\
                06/19/2024  03:22 PM    <DIR>          .\r\n\
                2024-06-19  15:22                77 iso.txt\r\n\
                19.06.2024  15:22                77 german.txt\r\n\
                06/19/2024  03:22 PM    <JUNCTION>     Docs [C:\\Users\\Docs]\r\n\
                \x20              1 File(s)             77 bytes\r\n";
    let entries = list(text);
    assert_eq!(names(&entries), [".", "iso.txt", "german.txt", "Docs"]);
    assert!(
        entries
            .iter()
            .all(|entry| when(entry) == "2024-06-19T15:22:00")
    );
    assert_eq!(entries[3].kind, EntryKind::Link);
    assert_eq!(entries[3].target.as_deref(), Some("C:\\Users\\Docs"));
}

#[test]
fn mlsd_tells_everything() {
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
fn mlsd_lines_without_facts_or_with_bad_ones() {
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
fn nlst_is_names() {
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
fn stat_replies_have_text_around_the_entries() {
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
fn eplf_counts_seconds() {
    let text = "+i8388621.29609,m824255902,/,\tdev\r\n+i8388621.44468,m839956783,r,s10376,up644,\tRFC EPLF\r\n";
    let entries = list(text);
    assert_eq!(names(&entries), ["dev", "RFC EPLF"]);
    assert_eq!(
        (entries[0].kind, entries[1].kind),
        (EntryKind::Directory, EntryKind::File)
    );
    assert_eq!(when(&entries[0]), "1996-02-13T23:58:22Z");
    assert_eq!(
        (entries[1].size, entries[1].permissions.as_deref()),
        (Some(10376), Some("644"))
    );
}

#[test]
fn vms_wraps_long_names() {
    let text = "\r\nDirectory DISK$USER:[ANONYMOUS]\r\n\r\n\
                CIM.DIR;1            1/3  2-JAN-1996 10:11:12  [ANON,BOB]  (RWED,RWED,RE,)\r\n\
                A_LONG_NAME_THAT_NEEDS_A_LINE.TXT;12\r\n                    12/15  2-JAN-1996 10:11  [BOB]  (RWED,,RE,)\r\n\
                LOCKED.TXT;1   %RMS-E-PRV, insufficient privilege or file protection violation\r\n\
                \r\nTotal of 3 files, 13/18 blocks.\r\n";
    let entries = list(text);
    assert_eq!(
        names(&entries),
        [
            "CIM.DIR;1",
            "A_LONG_NAME_THAT_NEEDS_A_LINE.TXT;12",
            "LOCKED.TXT;1"
        ]
    );
    assert_eq!(entries[0].kind, EntryKind::Directory);
    assert_eq!(
        (when(&entries[0]), when(&entries[1])),
        ("1996-01-02T10:11:12", "1996-01-02T10:11:00")
    );
    assert_eq!(
        (entries[0].group.as_deref(), entries[0].owner.as_deref()),
        (Some("ANON"), Some("BOB"))
    );
    assert_eq!(entries[1].permissions.as_deref(), Some("RWED,,RE,"));
    assert_eq!(entries[1].size, None);
    assert_eq!(when(&entries[2]), "none");
}

#[test]
fn mvs_data_sets_and_members() {
    let text = "Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname\r\n\
                WRK001 3390   2004/06/19  1    1  FB      80  8000  PS  USER.DATA\r\n\
                WRK002 3390   2004/06/19  1   15  FB      80 27920  PO  'USER.LIB'\r\n\
                Migrated                                                USER.OLD\r\n";
    let entries = list(text);
    assert_eq!(names(&entries), ["USER.DATA", "'USER.LIB'", "USER.OLD"]);
    assert_eq!(
        entries.iter().map(|entry| entry.kind).collect::<Vec<_>>(),
        [EntryKind::File, EntryKind::Directory, EntryKind::Other]
    );
    let text = " Name     VV.MM   Created       Changed      Size  Init   Mod   Id\r\n\
                MEMBER1   01.01 2002/09/12 2002/10/11 09:37    11    11     0 KIL001\r\n\
                BARE\r\n";
    let entries = list(text);
    assert_eq!(names(&entries), ["MEMBER1", "BARE"]);
    assert_eq!(
        (when(&entries[0]), entries[0].owner.as_deref()),
        ("2002-10-11T09:37:00", Some("KIL001"))
    );
}

#[test]
fn netware_shows_rights() {
    let text = "total 0\r\nd [R----F--] supervisor            512       Jan 16 18:53    login\r\n\
                - [RWCEAFMS] rhesus             214059       Oct 20  1999    cx.exe\r\n";
    let entries = list(text);
    assert_eq!(names(&entries), ["login", "cx.exe"]);
    assert_eq!(entries[0].permissions.as_deref(), Some("R----F--"));
    assert_eq!(
        (entries[1].size, entries[1].owner.as_deref()),
        (Some(214_059), Some("rhesus"))
    );
    assert_eq!(when(&entries[1]), "1999-10-20");
}

#[test]
fn as400_tells_types() {
    let text = "QSYS            77824 02/23/00 15:09:55 *DIR       QOpenSys/\r\n\
                BOB              1234 23.02.00 15:09:55 *STMF      a b.txt\r\n\
                BOB                                     *MEM       QGPL/SRC.MBR\r\n";
    let entries = list(text);
    assert_eq!(names(&entries), ["QOpenSys/", "a b.txt", "QGPL/SRC.MBR"]);
    assert_eq!(
        (when(&entries[0]), when(&entries[1])),
        ("2000-02-23T15:09:55", "2000-02-23T15:09:55")
    );
    assert_eq!(
        (entries[0].kind, entries[1].size),
        (EntryKind::Directory, Some(1234))
    );
}

#[test]
fn a_list_of_bare_names_loses_none() {
    let entries = list("readme.txt\r\nsome dir\r\n");
    assert_eq!(names(&entries), ["readme.txt", "some dir"]);
    assert!(entries.iter().all(|entry| entry.kind == EntryKind::Other));
}

#[test]
fn the_last_line_of_a_cut_listing_is_left_out() {
    let text = b"-rw-r--r-- 1 a b 3 Jan  1  2020 x\r\n-rw-r--r-- 1 a b 3 Jan  1  2020 half a na";
    let parse = |whole| parse_listing(text, ListingKind::List, Timestamp::default(), whole, 9);
    assert_eq!(
        (names(&parse(true).entries).len(), parse(true).cut),
        (2, false)
    );
    assert_eq!(
        (names(&parse(false).entries), parse(false).cut),
        (vec!["x"], true)
    );
    let no_line = parse_listing(b"half", ListingKind::Names, Timestamp::default(), false, 9);
    assert!(no_line.entries.is_empty() && no_line.cut);
}

#[test]
fn entries_beyond_the_bound_are_counted() {
    let listing = parse_listing(
        b"a\nb\nc\nd\n",
        ListingKind::Names,
        Timestamp::default(),
        true,
        3,
    );
    assert_eq!((listing.entries.len(), listing.omitted), (3, 1));
}

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
    " Name VV.MM\n",
    "6月 ",
    "total 1\n",
    "<JUNCTION> a [b]",
    "31",
    "Feb 29 ",
];

proptest! {
    #[test]
    fn no_bytes_make_it_panic(pieces in proptest::collection::vec(piece(), 0..60), whole: bool, nanos: i64) {
        let bytes = pieces.concat();
        let line_count = bytes.split(|byte| *byte == b'\n').count();
        for kind in [ListingKind::List, ListingKind::Names, ListingKind::Facts, ListingKind::Status] {
            let listing = parse_listing(&bytes, kind, Timestamp::from_nanos(nanos), whole, 5);
            prop_assert!(listing.entries.len() <= 5);
            prop_assert!(listing.entries.len() as u64 + listing.omitted <= line_count as u64);
            prop_assert!(listing.entries.iter().all(|entry| !entry.name.is_empty()));
        }
    }
}
