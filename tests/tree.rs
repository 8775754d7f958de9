//! The servers' folders over time, from captures made by hand.

use serde_json::Value;

use crate::support::connection::Side;
use crate::support::conversation::{Conversation, SEGMENT};
use crate::support::folder::Folder;

/// A session in which nearly everything happens to a few files.
fn busy_session() -> Vec<u8> {
    let mut ftp = Conversation::logged_in("192.0.2.10:39021", "192.0.2.20:21");
    ftp.exchange("PWD", "257 \"/home/mira\" is the current directory");
    transfer(
        &mut ftp,
        "LIST",
        (40_001, 50_001),
        Side::Server,
        b"total 8\r\n\
          drwxr-xr-x 2 mira mira 4096 Nov 19 10:00 docs\r\n\
          -rw-r--r-- 1 mira mira    5 Nov 20 10:00 a.txt\r\n\
          lrwxrwxrwx 1 mira mira    5 Nov 20 10:00 latest -> a.txt\r\n\
          -rw-r--r-- 1 mira mira  900 Nov 20 10:00 never fetched.bin\r\n",
    );
    ftp.retrieve("a.txt", 40_002, 50_002, b"hello");
    ftp.exchange("MDTM a.txt", "213 20261120100000");
    ftp.exchange("CWD docs", "250 Directory changed.");
    transfer(
        &mut ftp,
        "STOR new.txt",
        (40_003, 50_003),
        Side::Client,
        b"uploaded text",
    );
    ftp.exchange("SIZE new.txt", "213 13");
    ftp.exchange("CDUP", "250 Directory changed.");
    ftp.exchange("MKD backup", "257 \"/home/mira/backup\" created");
    ftp.exchange("RNFR docs", "350 Ready for RNTO.");
    ftp.exchange("RNTO papers", "250 Rename successful.");
    ftp.exchange("DELE a.txt", "250 Deleted.");
    ftp.exchange("RMD backup", "250 Removed.");
    ftp.exchange("DELE no-such-file", "550 No such file.");
    ftp.quit()
}

fn transfer(ftp: &mut Conversation, command: &str, ports: (u16, u16), sender: Side, bytes: &[u8]) {
    ftp.passive(None, ports.1);
    let mut data = ftp.passive_data(ports.0, ports.1);
    ftp.command(command);
    data.open(&mut ftp.wire);
    ftp.reply("150 Opening data connection.");
    data.stream(&mut ftp.wire, sender, bytes, SEGMENT);
    data.close(&mut ftp.wire, sender);
    ftp.reply("226 Transfer complete.");
}

fn tree(name: &str, capture: &[u8], options: &[&str]) -> String {
    let folder = Folder::new(name);
    folder.write("capture.pcap", capture);
    let mut arguments = vec!["tree", "-q"];
    arguments.extend(options);
    arguments.push("capture.pcap");
    folder.run(&arguments)
}

fn entries(name: &str, capture: &[u8]) -> Vec<Value> {
    let text = tree(name, capture, &["--format", "json"]);
    let json = text
        .strip_prefix("exit 0\n-- stdout\n")
        .expect("it succeeds");
    let tree: Value = serde_json::from_str(json).expect("JSON");
    tree["servers"][0]["entries"]
        .as_array()
        .expect("entries")
        .clone()
}

fn entry<'a>(entries: &'a [Value], path: &str) -> &'a Value {
    entries
        .iter()
        .find(|entry| entry["path"] == path)
        .unwrap_or_else(|| panic!("there is no {path}"))
}

fn events(entry: &Value) -> Vec<&str> {
    let events = entry["events"].as_array().expect("events");
    events
        .iter()
        .filter_map(|event| event["what"].as_str())
        .collect()
}

#[test]
fn as_text() {
    insta::assert_snapshot!(tree("tree-text", &busy_session(), &[]));
}

#[test]
fn what_happened_to_each_entry() {
    let entries = entries("tree-json", &busy_session());
    let file = entry(&entries, "/home/mira/a.txt");
    assert_eq!(events(file), ["listed", "downloaded", "deleted"]);
    assert_eq!(file["exists"], false);
    assert_eq!(file["modified"], "2026-11-20T10:00:00Z");
    assert_eq!(
        file["known_from"],
        serde_json::json!(["listing", "modification-time", "download", "delete"])
    );
    let never = entry(&entries, "/home/mira/never fetched.bin");
    assert_eq!(events(never), ["listed"]);
    assert_eq!(never["size"], 900);
    let moved = entry(&entries, "/home/mira/papers/new.txt");
    assert_eq!(events(moved), ["renamed-from"]);
    assert_eq!(
        (&moved["size"], &moved["exists"]),
        (&13.into(), &true.into())
    );
    let old = entry(&entries, "/home/mira/docs/new.txt");
    assert_eq!(events(old), ["uploaded", "renamed-to"]);
    assert_eq!(old["exists"], false);
    assert_eq!(entry(&entries, "/home/mira/latest")["target"], "a.txt");
    assert!(entries.iter().all(|entry| entry["name"] != "no-such-file"));
}

#[test]
fn headings_of_a_recursive_listing_name_the_folder() {
    let mut ftp = Conversation::logged_in("192.0.2.10:39021", "192.0.2.20:21");
    ftp.exchange("CWD /pub", "250 Directory changed.");
    transfer(
        &mut ftp,
        "LIST -R",
        (40_001, 50_001),
        Side::Server,
        b".:\r\ntotal 4\r\ndrwxr-xr-x 2 f f 4096 Nov 19 10:00 sub\r\n\r\n\
          ./sub:\r\ntotal 4\r\n-rw-r--r-- 1 f f 7 Nov 19 10:00 deep.txt\r\n",
    );
    let entries = entries("tree-recursive", &ftp.quit());
    assert_eq!(entry(&entries, "/pub/sub/deep.txt")["size"], 7);
    assert_eq!(entry(&entries, "/pub/sub")["kind"], "directory");
}

#[test]
fn names_that_nlst_gives_with_their_folder_are_not_put_below_it_again() {
    let mut ftp = Conversation::logged_in("192.0.2.10:39021", "192.0.2.20:21");
    ftp.exchange("CWD /pub", "250 Directory changed.");
    transfer(
        &mut ftp,
        "NLST sub",
        (40_001, 50_001),
        Side::Server,
        b"sub/a.txt\r\nb.txt\r\n",
    );
    transfer(
        &mut ftp,
        "NLST *.bin",
        (40_002, 50_002),
        Side::Server,
        b"c.bin\r\n",
    );
    let entries = entries("tree-nlst", &ftp.quit());
    for path in ["/pub/sub/a.txt", "/pub/sub/b.txt", "/pub/c.bin"] {
        assert_eq!(events(entry(&entries, path)), ["listed"]);
    }
}

#[test]
fn hostile_names_neither_begin_a_line_nor_move_the_cursor() {
    let mut ftp = Conversation::logged_in("192.0.2.10:39021", "192.0.2.20:21");
    ftp.exchange("CWD /", "250 Directory changed.");
    let long = "w".repeat(300);
    let listing = format!("\x1b]0;gone\x07\r\n::error::x\r\n../../etc/passwd\r\n{long}\r\n");
    transfer(
        &mut ftp,
        "NLST",
        (40_001, 50_001),
        Side::Server,
        listing.as_bytes(),
    );
    let text = tree("tree-hostile", &ftp.quit(), &[]);
    assert!(!text.contains('\x1b'));
    let lines = text.lines().skip(2).filter(|line| !line.is_empty());
    for line in lines {
        assert!(line.starts_with('│'), "{line}");
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert!(text.contains("etc/"), "{text}");
}

#[test]
fn a_capture_without_folders_says_so() {
    let ftp = Conversation::open("192.0.2.10:39021", "192.0.2.20:21");
    assert_eq!(
        tree("tree-empty", &ftp.quit(), &[]),
        "exit 0\n-- stdout\nnothing was seen of a server's folders\n"
    );
}

#[test]
fn lines_that_were_not_understood_are_no_files() {
    let mut ftp = Conversation::logged_in("192.0.2.10:39021", "192.0.2.20:21");
    ftp.exchange("PWD", "257 \"/\" is the current directory");
    let listings: [&[u8]; 3] = [
        b"  size          date       time       name\r\n--------       ------     ------    --------\r\n\
          \x20   512    JAN-01-1980  00:00:00   LOGS              <DIR>\r\n",
        b"REPORT.DAT;3\r\n64   4-MAR-2019 00:04 [OPS,STAFF] (RWED,RWED,,R)\r\n",
        b"-rw-r--r-- 1 a b 7 Jan  1  2020 read.txt\r\nthis line has no form\r\n",
    ];
    for (number, listing) in (0..).zip(listings) {
        let ports = (40_001 + number, 50_001 + number);
        transfer(&mut ftp, "LIST", ports, Side::Server, listing);
    }
    transfer(
        &mut ftp,
        "NLST",
        (40_009, 50_009),
        Side::Server,
        b"only a name\r\n",
    );
    let entries = entries("tree-unread", &ftp.quit());
    let paths: Vec<_> = entries.iter().map(|entry| &entry["path"]).collect();
    assert_eq!(
        paths,
        ["/", "/LOGS", "/REPORT.DAT;3", "/only a name", "/read.txt"]
    );
}

#[test]
fn names_in_an_unknown_directory_are_below_the_directories_entered_from_it() {
    let mut ftp = Conversation::logged_in("[2001:db8::10]:39021", "[2001:db8::20]:21");
    ftp.exchange("SIZE top.txt", "213 1");
    ftp.exchange("CWD pub", "250 Directory changed.");
    ftp.exchange("SIZE readme.txt", "213 5");
    let text = tree("tree-unknown", &ftp.quit(), &[]);
    let lines: Vec<_> = text.lines().filter(|line| line.contains('─')).collect();
    let at = |name: &str| lines.iter().position(|line| line.contains(name));
    assert!(
        at("pub") < at("readme.txt") && at("readme.txt").is_some(),
        "{text}"
    );
}
