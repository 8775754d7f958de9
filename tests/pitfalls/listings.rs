//! Listings of the common forms: Unix, DOS, MLSD and NLST (74 to 78), and what is left of cut ones (80). The long tail (79)
//! is in `listing_forms`.

use serde_json::{Value, json};

use crate::pitfalls::run::{DONE, OPENING, Run, begin, fetch, open};
use crate::support::connection::Side;

/// The entries of a listing that `command` asked for, in a capture of 2 March 2026.
pub(crate) fn entries(name: &str, command: &str, listing: &[u8]) -> Vec<Value> {
    let mut ftp = begin();
    fetch(&mut ftp, command, 50_001, listing);
    let run = Run::on(name, &ftp.quit());
    assert_eq!(run.only()["completeness"], "complete");
    run.only()["entries"].as_array().expect("a list").clone()
}

/// One field of all entries.
pub(crate) fn all(entries: &[Value], field: &str) -> Value {
    entries.iter().map(|entry| entry[field].clone()).collect()
}

#[test]
fn pitfall_74_unix_listings_in_all_their_columns() {
    let listing = "total 48\r\n\
        -rw-r--r--   1 alice    staff        1715 Feb 18 15:22 nine columns.txt\r\n\
        -rw-r--r--   1 alice             1715 Feb 18 15:22 no group\r\n\
        -rw-r--r--   1 1001     1002         1715 Feb 18  2019 numbers\r\n\
        524288 -rw-r--r-- 1 alice staff 1715 Feb 18 15:22 inode\r\n\
        drwxrwxr-x+  2 alice    staff        4096 Feb 18 15:22 acl\r\n\
        -rw-r--r--.  1 alice    staff          12 Feb 18 15:22 selinux\r\n\
        -rw-r--r--@  1 alice    staff          12 Feb 18 15:22 mac\r\n\
        brw-rw----   1 root     disk       8,   0 Feb 18 15:22 sda\r\n\
        crw-rw-rw-   1 root     root       1,3    Feb 18 15:22 null\r\n\
        lrwxrwxrwx   1 alice    staff           7 Feb 18 15:22 link -> usr/lib\r\n\
        -rw-r--r--   1 alice    staff   1,234,567 Feb 18 15:22 grouped\r\n\
        -rw-r--r--   1 alice    staff           1 Feb 18 15:22  leading space\r\n";
    let entries = entries("74-unix", "LIST", listing.as_bytes());
    assert_eq!(
        all(&entries, "name"),
        json!([
            "nine columns.txt",
            "no group",
            "numbers",
            "inode",
            "acl",
            "selinux",
            "mac",
            "sda",
            "null",
            "link",
            "grouped",
            " leading space"
        ])
    );
    assert_eq!(
        all(&entries, "kind"),
        json!([
            "file",
            "file",
            "file",
            "file",
            "directory",
            "file",
            "file",
            "other",
            "other",
            "link",
            "file",
            "file"
        ])
    );
    assert_eq!(
        json!([
            entries[0]["owner"],
            entries[0]["group"],
            entries[1]["owner"],
            entries[1]["group"],
            entries[2]["owner"],
            entries[2]["group"]
        ]),
        json!(["alice", "staff", "alice", null, "1001", "1002"])
    );
    assert_eq!(
        json!([
            entries[3]["size"],
            entries[7]["size"],
            entries[8]["size"],
            entries[10]["size"]
        ]),
        json!([1715, null, null, 1_234_567])
    );
    assert_eq!(entries[9]["target"], "usr/lib");
    assert_eq!(entries[4]["permissions"], "rwxrwxr-x+");
}

#[test]
fn pitfall_74_months_in_other_languages_and_the_29th_of_february() {
    let listing = "insgesamt 8\r\n\
        -rw-r--r-- 1 a b 3 Mär  1  2020 german\r\n\
        -rw-r--r-- 1 a b 3 août  1  2020 french\r\n\
        -rw-r--r-- 1 a b 3 12月 31  2020 chinese\r\n\
        -rw-r--r-- 1 a b 3 Feb 29  2024 leap\r\n\
        -rw-r--r-- 1 a b 3 Feb 29 12:00 inferred leap\r\n";
    let entries = entries("74-months", "LIST", listing.as_bytes());
    assert_eq!(
        all(&entries, "modified"),
        json!([
            "2020-03-01",
            "2020-08-01",
            "2020-12-31",
            "2024-02-29",
            "2024-02-29T12:00:00"
        ])
    );
}

#[test]
fn pitfall_75_a_date_without_a_year_is_of_the_last_twelve_months() {
    // The capture is of 2026-03-02 10:00 UTC; the server's clock may be up to a day ahead.
    let listing = "-rw-r--r-- 1 a b 3 Mar  1 23:00 yesterday\r\n\
        -rw-r--r-- 1 a b 3 Mar  2 23:00 another zone\r\n\
        -rw-r--r-- 1 a b 3 Mar  4 10:00 last year\r\n\
        -rw-r--r-- 1 a b 3 Dec 31 23:59 december\r\n\
        -rw-r--r-- 1 a b 3 Dec 31  2023 told\r\n\
        02-14 10:00 is no unix line\r\n";
    let entries = entries("75-years", "LIST", listing.as_bytes());
    assert_eq!(
        all(&entries[..5], "modified"),
        json!([
            "2026-03-01T23:00:00",
            "2026-03-02T23:00:00",
            "2025-03-04T10:00:00",
            "2025-12-31T23:59:00",
            "2023-12-31"
        ])
    );
    assert_eq!(
        all(&entries[..5], "year_inferred"),
        json!([true, true, true, true, false])
    );
    assert_eq!(
        all(&entries[3..5], "modified_precision"),
        json!(["minute", "day"])
    );
}

#[test]
fn pitfall_76_dos_with_every_kind_of_date_and_size() {
    let listing = b"06-19-24  03:22PM       <DIR>          aspnet client\r\n\
        01-02-1999  12:05AM                 1234 a b.txt\r\n\
        12-31-98  12:00PM            1,234,567  leading\r\n\
        06-19-2024  15:22               77 day.txt\r\n\
        06-19-24  03:22PM       <JUNCTION>     Docs [C:\\Docs]\r\n";
    let entries = entries("76-dos", "LIST", listing);
    assert_eq!(
        all(&entries, "name"),
        json!(["aspnet client", "a b.txt", " leading", "day.txt", "Docs"])
    );
    assert_eq!(
        all(&entries, "size"),
        json!([null, 1234, 1_234_567, 77, null])
    );
    assert_eq!(
        all(&entries, "modified"),
        json!([
            "2024-06-19T15:22:00",
            "1999-01-02T00:05:00",
            "1998-12-31T12:00:00",
            "2024-06-19T15:22:00",
            "2024-06-19T15:22:00"
        ])
    );
    assert_eq!(
        all(&entries, "kind"),
        json!(["directory", "file", "file", "file", "link"])
    );
    assert_eq!(entries[4]["target"], "C:\\Docs");
}

#[test]
fn pitfall_77_mlsd_facts_end_at_the_first_space() {
    let listing = b"Type=file;Size=1715;Modify=20240619152245.123;Perm=adfr;UNIX.mode=0644;UNIX.owner=alice; a; b=c\r\n\
        type=cdir;modify=20240619152245;perm=flcdmpe; /pub\r\n\
        type=pdir; ..\r\n\
        type=dir;sizd=4096;perm=el;  leading\r\n\
        type=OS.unix=slink:/etc;unique=8U1; link\r\n\
        TYPE=OS.unix=chr-1/3; null\r\n";
    let entries = entries("77-mlsd", "MLSD", listing);
    assert_eq!(
        all(&entries, "name"),
        json!(["a; b=c", "/pub", "..", " leading", "link", "null"])
    );
    assert_eq!(
        all(&entries, "kind"),
        json!([
            "file",
            "directory",
            "directory",
            "directory",
            "link",
            "other"
        ])
    );
    assert_eq!(entries[0]["modified"], "2024-06-19T15:22:45.123Z");
    assert_eq!(entries[0]["modified_precision"], "second");
    assert_eq!(entries[0]["year_inferred"], false);
    assert_eq!(
        json!([
            entries[0]["permissions"],
            entries[0]["owner"],
            entries[0]["size"]
        ]),
        json!(["0644", "alice", 1715])
    );
    assert_eq!(entries[3]["size"], 4096);
    assert_eq!(entries[4]["target"], "/etc");
}

#[test]
fn pitfall_77_mlst_is_one_entry_on_the_control_connection() {
    let mut ftp = begin();
    ftp.exchange(
        "MLST a.txt",
        "250-Listing a.txt\r\n type=file;size=5;modify=20240619152245; /pub/a.txt\r\n250 End",
    );
    let run = Run::on("77-mlst", &ftp.quit());
    let steps = run.report["sessions"][0]["steps"]
        .as_array()
        .expect("steps");
    let step = steps
        .iter()
        .find(|step| step["commands"][0]["verb"] == "MLST")
        .expect("a step");
    assert_eq!(step["entries"].as_array().map(Vec::len), Some(1));
    assert_eq!(step["entries"][0]["name"], "/pub/a.txt");
    assert_eq!(step["entries"][0]["size"], 5);
    assert_eq!(step["entries"][0]["modified"], "2024-06-19T15:22:45Z");
}

#[test]
fn pitfall_78_nlst_is_names_and_nothing_else() {
    let entries = entries("78-names", "NLST", b"pub/a b\r\n total 5\r\n-\r\nlast\r\n");
    assert_eq!(
        all(&entries, "name"),
        json!(["pub/a b", " total 5", "-", "last"])
    );
    assert_eq!(
        all(&entries, "kind"),
        json!(["other", "other", "other", "other"])
    );
    assert_eq!(all(&entries, "size"), json!([null, null, null, null]));
}

#[test]
fn pitfall_78_an_empty_folder_is_no_bytes_or_a_refusal() {
    assert_eq!(entries("78-empty", "NLST", b""), Vec::<Value>::new());
    for (name, reply) in [
        ("78-450", "450 No files found."),
        ("78-550", "550 No files found."),
    ] {
        let mut ftp = begin();
        ftp.passive(None, 50_001);
        ftp.exchange("NLST", reply);
        let run = Run::on(name, &ftp.quit());
        assert_eq!(run.only()["entries"], json!([]));
        assert_eq!(run.findings(), ["cleartext-credentials"], "{name}");
    }
}

#[test]
fn pitfall_80_names_in_other_encodings_keep_their_bytes() {
    let entries = entries(
        "80-latin",
        "LIST",
        b"-rw-r--r-- 1 a b 3 Jan  1  2020 caf\xe9\r\n-rw-r--r-- 1 a b 3 Jan  1  2020 caf\xc3\xa9\r\n",
    );
    assert_eq!(all(&entries, "name"), json!(["caf\u{fffd}", "café"]));
    assert_eq!(all(&entries, "name_b64"), json!(["Y2Fm6Q==", null]));
}

#[test]
fn pitfall_80_a_listing_that_was_cut_marks_its_last_line() {
    let mut ftp = begin();
    let mut data = open(&mut ftp, "LIST", 50_001, OPENING);
    let listing = b"-rw-r--r-- 1 a b 3 Jan  1  2020 x\r\n-rw-r--r-- 1 a b 3 Jan  1  2020 half a na";
    data.say(&mut ftp.wire, Side::Server, listing);
    data.ack(&mut ftp.wire, Side::Client);
    let run = Run::on("80-cut", &ftp.wire.to_pcap());
    assert_eq!(run.only()["completeness"], "truncated");
    let names = all(run.only()["entries"].as_array().expect("a list"), "name");
    assert_eq!(names, json!(["x"]));
    assert_eq!(
        run.only()["cut_lines"],
        json!(["-rw-r--r-- 1 a b 3 Jan  1  2020 half a na"])
    );
}

#[test]
fn pitfall_80_lines_around_a_hole_are_never_joined() {
    let lines: Vec<String> = (0..8)
        .map(|number| format!("-rw-r--r-- 1 a b {number} Jan  1  2020 name{number}\r\n"))
        .collect();
    let listing = lines.concat();
    let (first, rest) = listing.as_bytes().split_at(100);
    let (lost, rest) = rest.split_at(100);
    for command in ["LIST", "NLST", "MLSD"] {
        let mut ftp = begin();
        let mut data = open(&mut ftp, command, 50_001, OPENING);
        data.say(&mut ftp.wire, Side::Server, first);
        data.lose(&mut ftp.wire, Side::Server, lost);
        data.say(&mut ftp.wire, Side::Server, rest);
        data.close(&mut ftp.wire, Side::Server);
        ftp.reply(DONE);
        let run = Run::on(&format!("80-hole-{command}"), &ftp.quit());
        assert_eq!(run.only()["completeness"], "gaps");
        let raw = all(run.only()["entries"].as_array().expect("a list"), "raw");
        let whole: Vec<&str> = [0, 1, 6, 7]
            .iter()
            .map(|&number| lines[number].trim_end())
            .collect();
        assert_eq!(raw, json!(whole), "{command}");
        assert_eq!(
            run.only()["cut_lines"],
            json!([&lines[2][..22], lines[5][5..].trim_end()]),
            "{command}"
        );
    }
}

#[test]
fn pitfall_80_the_first_line_of_a_listing_that_began_earlier_counts_only_where_it_is_whole() {
    for (name, command, lines, whole) in [
        ("80-names", "NLST", ["dme.txt", "b.txt"], 1),
        (
            "80-unix",
            "LIST",
            [
                "-rw-r--r-- 1 a b 3 Jan  1  2020 x",
                "-rw-r--r-- 1 a b 3 Jan  1  2020 y",
            ],
            2,
        ),
        (
            "80-dos",
            "LIST",
            ["6-19-24  03:22PM  5 x", "06-19-24  03:22PM  5 y"],
            1,
        ),
    ] {
        let mut ftp = begin();
        ftp.passive(None, 50_001);
        let mut data = ftp.passive_data(40_001, 50_001);
        ftp.command(command);
        ftp.wire.unseen(|wire| data.open(wire));
        ftp.reply(OPENING);
        let listing = format!("{}\r\n{}\r\n", lines[0], lines[1]);
        data.say(&mut ftp.wire, Side::Server, listing.as_bytes());
        data.close(&mut ftp.wire, Side::Server);
        ftp.reply(DONE);
        let run = Run::on(name, &ftp.quit());
        let raw = all(run.only()["entries"].as_array().expect("a list"), "raw");
        assert_eq!(raw, json!(lines[2 - whole..]), "{name}");
    }
}
