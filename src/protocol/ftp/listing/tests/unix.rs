//! `ls -l` and its variants.

use super::*;

#[test]
fn all_columns_of_ls_become_fields() {
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
fn group_may_be_absent_and_ids_numeric() {
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
fn inode_and_blocks_before_the_mode_are_skipped() {
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
fn heading_of_a_recursive_listing_is_the_folder_of_its_entries() {
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
fn device_numbers_are_no_size() {
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
fn targets_of_links_are_split_from_names() {
    let entry = one("lrwxrwxrwx 1 a b 7 Jan  1  2020 current -> rel-1.2");
    assert_eq!(entry.kind, EntryKind::Link);
    assert_eq!(entry.name, "current");
    assert_eq!(entry.target.as_deref(), Some("rel-1.2"));
    // The size is the length of the target, which decides between the arrows.
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
fn names_keep_all_spaces() {
    let text = "-rw-r--r-- 1 a b 3 Jan  1  2020   two before\n-rw-r--r-- 1 a b 3 Jun 18 09:00 two  within and one after \n";
    assert_eq!(
        names(&list(text)),
        ["  two before", "two  within and one after "]
    );
}

#[test]
fn padding_after_a_left_aligned_year_is_no_part_of_the_name() {
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
fn iso_and_full_times_are_parsed() {
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
fn missing_year_is_inferred_within_the_last_twelve_months() {
    let year_of = |date: &str, captured_at: &str| {
        let line = format!("-rw-r--r-- 1 a b 3 {date} name");
        let listing = parse_listing(
            line.as_bytes(),
            ListingKind::List,
            captured(captured_at),
            Extent::WHOLE,
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
fn lines_with_impossible_dates_are_no_file_entries() {
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
fn size_that_touches_the_group_is_split_off() {
    let entries = list(
        "-r-xr-xr-x longowner longgroup123456 Feb 12  2020 big.iso\n-r-xr-xr-x longowner longgroup 23456 Feb 12  2020 small.iso\n",
    );
    assert_eq!(names(&entries), ["big.iso", "small.iso"]);
    for (entry, size) in entries.iter().zip([123_456, 23_456]) {
        assert_eq!(entry.size, Some(size));
        assert_eq!(
            (entry.owner.as_deref(), entry.group.as_deref()),
            (Some("longowner"), Some("longgroup"))
        );
    }
}

#[test]
fn size_below_zero_is_no_size() {
    for size in ["-2147483648", "(-1)", "-1"] {
        let entry = one(&format!("-rw-r--r--   1 ftp ftp   {size} Jan 05  2020 big"));
        assert_eq!(
            (entry.name.as_str(), entry.kind, entry.size),
            ("big", EntryKind::File, None)
        );
        assert_eq!(entry.group.as_deref(), Some("ftp"));
    }
}

#[test]
fn dates_in_other_languages_and_orders_are_read() {
    for (date, expected) in [
        ("26. Juli, 20:10", "2023-07-26T20:10:00"),
        ("2.   Okt.  2003", "2003-10-02"),
        ("szept 26 20:10", "2023-09-26T20:10:00"),
        ("24-04-2003 17:12", "2003-04-24T17:12:00"),
        ("04-24-2003 17:12", "2003-04-24T17:12:00"),
        ("24.04.2003 17:12", "2003-04-24T17:12:00"),
        ("1999/10/12 17:12", "1999-10-12T17:12:00"),
        ("2003-24-04 17:12", "2003-04-24T17:12:00"),
        ("01-jun-99", "1999-06-01"),
        ("01-Jun-2019 08:05", "2019-06-01T08:05:00"),
        ("09-26 2000", "2000-09-26"),
        ("3 29 03:26", "2024-03-29T03:26:00"),
        ("4月 18日 2003年", "2003-04-18"),
        ("2003年 4月 18日", "2003-04-18"),
        ("4月18日 2003年", "2003-04-18"),
        ("4월 18일 03:26", "2024-04-18T03:26:00"),
        ("18 de", "none"),
        ("15 января 2020", "2020-01-15"),
    ] {
        let entries = list(&format!(
            "-r-xr-xr-x   2 root     other      2235 {date} c d.txt"
        ));
        assert_eq!(when(&entries[0]), expected, "{date}");
        if expected != "none" {
            assert_eq!(
                (entries[0].name.as_str(), entries[0].size),
                ("c d.txt", Some(2235))
            );
        }
    }
    // Shift JIS.
    let line = b"-rw-r--r--   1 root  sys   8473  4\x8c\x8e 18\x93\xfa 2003\x94\x4e x.txt";
    assert_eq!(when(&parse(line, ListingKind::List)[0]), "2003-04-18");
}

#[test]
fn numbers_before_a_year_are_owner_and_group() {
    let entry = one("-rw-r--r-- 1 10 20 2000 Jan  5  2020 x");
    assert_eq!((entry.size, when(&entry)), (Some(2000), "2020-01-05"));
}

#[test]
fn mailbox_flags_of_connect_enterprise_are_a_mode() {
    let entry = one("-C--E-----FTP A QUA1I1      18128       41 Aug 12 13:56 QUADTEST");
    assert_eq!(
        (entry.name.as_str(), entry.kind, entry.size),
        ("QUADTEST", EntryKind::File, Some(41))
    );
    assert_eq!(when(&entry), "2023-08-12T13:56:00");
}
