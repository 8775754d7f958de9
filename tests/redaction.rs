//! Redacted packets: the same report, right checksums, and nothing of what was replaced.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::connection::Side;
use crate::support::conversation::Conversation;
use crate::support::folder::Folder;
use crate::support::recording::{Recorded, packets, pcap};
use crate::support::specimens;
use crate::support::wire::Wire;
use crate::support::wrapping::{fragmented, wrappings};

/// What of a session has to be the same after redaction: everything but texts, addresses and the content of listings.
fn outline(session: &Value) -> Value {
    let replies = |list: &Value| -> Vec<Value> {
        let list = list.as_array().into_iter().flatten();
        list.map(|reply| json!([reply["code"], count(&reply["lines"])]))
            .collect()
    };
    let steps: Vec<Value> = items(&session["steps"])
        .map(|step| {
            let commands: Vec<Value> = items(&step["commands"])
                .map(|command| {
                    json!([
                        command["verb"],
                        length(&command["argument"]),
                        replies(&command["replies"])
                    ])
                })
                .collect();
            json!([
                step["kind"],
                step["outcome"],
                step["inferred"],
                length(&step["directory"]),
                commands
            ])
        })
        .collect();
    let transfers: Vec<Value> = items(&session["transfers"])
        .map(|transfer| {
            let connection = &transfer["connection"];
            json!([
                transfer["verb"],
                transfer["direction"],
                transfer["mode"],
                transfer["bytes"],
                transfer["missing_ranges"],
                transfer["announced_bytes"],
                transfer["completeness"],
                transfer["link"],
                length(&transfer["path"]),
                connection["opened_by"],
                connection["retransmitted_bytes"],
                connection["tcp_history"],
            ])
        })
        .collect();
    let findings: Vec<&Value> = items(&session["findings"]).map(|one| &one["id"]).collect();
    json!({
        "login": [session["login"]["outcome"], session["login"]["attempts"], length(&session["login"]["user"])],
        "times": [session["start"], session["end"], session["end_state"]],
        "unsolicited": replies(&session["unsolicited_replies"]),
        "verdict": session["verdict"]["status"],
        "dns": length(&session["dns"]["name"]),
        "steps": steps,
        "transfers": transfers,
        "findings": findings,
    })
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn count(list: &Value) -> usize {
    items(list).count()
}

/// The length of a text: what is replaced keeps it.
fn length(text: &Value) -> Option<usize> {
    text.as_str().map(str::len)
}

fn outlines(report: &Value) -> Vec<Value> {
    items(&report["sessions"]).map(outline).collect()
}

/// A redacted capture.
struct Redacted {
    before: Value,
    after: Value,
    bytes: Vec<u8>,
    mapping: Vec<(String, String, String)>,
}

/// Redacts a capture, and analyzes it before and after.
fn redact(folder: &Folder, capture: &str, classes: &str) -> Redacted {
    folder.write("key", "0123456789abcdef".repeat(4).as_bytes());
    let arguments = [
        "carve",
        "-q",
        "--redact",
        classes,
        "--redact-key",
        "key",
        "--mapping",
        "mapping.jsonl",
        "-w",
        "redacted.pcapng",
        capture,
    ];
    assert_eq!(folder.run(&arguments), "exit 0\n", "{capture}");
    let mapping = folder.read("mapping.jsonl");
    let mapping = mapping.lines().map(|line| {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        let text = |name: &str| line[name].as_str().expect("a text").to_owned();
        (text("kind"), text("original"), text("replacement"))
    });
    Redacted {
        before: folder.report(&[capture]),
        after: folder.report(&["redacted.pcapng"]),
        bytes: fs::read(folder.path().join("redacted.pcapng")).expect("a file"),
        mapping: mapping.collect(),
    }
}

impl Redacted {
    fn contains(&self, text: &str) -> bool {
        memchr::memmem::find(&self.bytes, text.as_bytes()).is_some()
    }

    /// Asserts that both reports hide as much in each line of a reply.
    fn assert_same_hidden(&self) {
        let [before, after] = [&self.before, &self.after].map(reply_lines);
        let hidden = |lines: &[String]| -> Vec<usize> {
            let hidden = lines.iter().map(|line| line.matches("<hidden>"));
            hidden.map(Iterator::count).collect()
        };
        assert_eq!(hidden(&before), hidden(&after), "{before:?} {after:?}");
    }

    /// Asserts that the reports agree and no value is left.
    fn assert_same(&self, name: &str) {
        assert_eq!(outlines(&self.before), outlines(&self.after), "{name}");
        for (kind, original, replacement) in &self.mapping {
            assert_eq!(original.len(), replacement.len());
            // The section comment names the classes.
            let is_class = "passwords users addresses paths ports".contains(original);
            // A permutation makes one value of another: what stands there is a replacement.
            let is_replacement = self.mapping.iter().any(|line| line.2.contains(original));
            if original.len() >= 4 && !is_class && !is_replacement {
                assert!(!self.contains(original), "{name}: {kind} {original}");
            }
        }
    }
}

/// All lines of replies to commands in the first session.
fn reply_lines(report: &Value) -> Vec<String> {
    let steps = items(&report["sessions"][0]["steps"]);
    let commands = steps.flat_map(|step| items(&step["commands"]));
    let replies = commands.flat_map(|command| items(&command["replies"]));
    let lines = replies.flat_map(|reply| items(&reply["lines"]));
    lines
        .map(|line| line.as_str().expect("a text").to_owned())
        .collect()
}

/// Kind, size and date of each entry of all listings.
fn shapes(report: &Value) -> Vec<Value> {
    items(&report["sessions"])
        .flat_map(|session| items(&session["transfers"]))
        .map(|transfer| {
            let entries = items(&transfer["entries"]).chain(items(&transfer["listing"]["entries"]));
            entries
                .map(|entry| json!([entry["kind"], entry["size"], entry["modified"]]))
                .collect()
        })
        .collect()
}

#[test]
fn entries_of_redacted_listings_keep_kind_size_and_date() {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    let folder = Folder::new("redacted-listings");
    let mut entries = 0;
    for entry in fs::read_dir(captures).expect("a folder") {
        let path = entry.expect("an entry").path();
        let path = path.to_str().expect("UTF-8");
        let redacted = redact(&folder, path, "all");
        let before = shapes(&redacted.before);
        assert_eq!(before, shapes(&redacted.after), "{path}");
        entries += before.iter().map(count).sum::<usize>();
    }
    assert!(entries > 5, "{entries}");
}

#[test]
fn the_report_of_any_redacted_capture_is_the_redacted_report() {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    let folder = Folder::new("redacted");
    let mut compared = 0;
    for entry in fs::read_dir(captures).expect("a folder") {
        let path = entry.expect("an entry").path();
        let path = path.to_str().expect("UTF-8");
        for classes in ["all", "passwords,users,addresses,names,paths"] {
            let redacted = redact(&folder, path, classes);
            if classes == "all" {
                redacted.assert_same(path);
            } else {
                // Files, which stay, may hold the same texts.
                assert_eq!(
                    outlines(&redacted.before),
                    outlines(&redacted.after),
                    "{path}"
                );
            }
            compared += outlines(&redacted.after).len();
        }
    }
    assert!(compared >= 36);
}

#[test]
fn lost_repeated_and_conflicting_segments_stay_what_they_were() {
    let folder = Folder::new("specimens");
    for (number, capture) in [
        specimens::plain_passive(),
        specimens::extended_passive_ipv6(),
        specimens::active_from_port_20(),
        specimens::extended_active(),
        specimens::out_of_order(),
        specimens::overlap_with_new_bytes(),
        specimens::lost_segment(),
        specimens::conflicting_retransmission(),
        specimens::keep_alive(),
        specimens::sequence_wrap(),
        specimens::bytes_after_reset(),
        specimens::translated_address(),
        specimens::zero_address(),
        specimens::pipelined(),
        specimens::split_lines(),
        specimens::store_unique(),
        specimens::control_on_port_2121(),
        specimens::one_direction(),
        specimens::same_four_tuple(),
        specimens::short_snap_length(),
    ]
    .into_iter()
    .enumerate()
    {
        folder.write("capture.pcap", &capture);
        redact(&folder, "capture.pcap", "all").assert_same(&format!("specimen {number}"));
    }
}

#[test]
fn fragments_and_tunnels_are_redacted_inside() {
    let folder = Folder::new("wrapped");
    let recorded = packets(&specimens::plain_passive());
    let pieces = fragmented(&recorded, 512, |_, pieces| pieces.reverse());
    folder.write("capture.pcap", &pcap(1, &pieces));
    let redacted = redact(&folder, "capture.pcap", "all");
    redacted.assert_same("fragments");
    assert_eq!(redacted.after["captures"][0]["packets"], pieces.len());
    for wrapping in wrappings() {
        let wrapped = wrapping.apply(&recorded);
        folder.write("capture.pcap", &pcap(wrapping.link_type.into(), &wrapped));
        let redacted = redact(&folder, "capture.pcap", "all");
        redacted.assert_same(wrapping.name);
        assert_eq!(count(&redacted.after["sessions"]), 1, "{}", wrapping.name);
    }
}

/// A session with every kind of value, its password repeated by the server.
fn talkative() -> Vec<u8> {
    let mut dialogue = Conversation::open_on(Wire::new(), "192.0.2.10:39021", "192.0.2.20:21");
    dialogue.exchange("USER mirabel", "331 Password required for mirabel.");
    dialogue.exchange("PASS open sesame", "530 Login incorrect: open sesame.");
    dialogue.exchange("USER mirabel", "331 Password required for mirabel.");
    dialogue.exchange(
        "PASS s3cretPhrase",
        "230 Welcome back, mirabel, from 192.0.2.10.",
    );
    dialogue.exchange(
        "CWD /home/mirabel/Quarterly",
        "250 CWD successful. \"/home/mirabel/Quarterly\" is current directory.",
    );
    dialogue.exchange(
        "PWD",
        "257 \"/home/mirabel/Quarterly\" is current directory.",
    );
    dialogue.exchange("NOOP s3cretPhrase", "200 OK.");
    dialogue.retrieve("figures.xlsx", 40_001, 50_001, b"two thousand");
    dialogue.quit()
}

/// Listings in forms of rare servers, and a common one with two blanks before the name.
const LISTINGS: [&str; 8] = [
    "PAYROLL   EXEC     A1    F    132         84          3  01/25/93  14:49:47\r\n\
     LEDGERS   SCRIPT   A1    V     77       1216         17  01/04/93  20:30:47\r\n",
    "Directory DISK$USER:[PAYROLL]\r\n\r\nPAYROLL_A.DAT;3\r\n64   4-MAR-2019 00:04 [OPS,LEDGERS] (RWED,RWED,RWED,R)\r\n\
     PAYROLL_B.DAT;1\r\n102  28-APR-2013 23:12 [OPS,LEDGERS] (RWED,RWED,RWED,R)\r\n\r\nTotal of 2 files, 166 blocks.\r\n",
    "-rwxr-xr-x    1 user group        9 Oct 08, 2002 09:47 payroll file.txt\r\n",
    "  size          date       time       name\r\n--------       ------     ------    --------\r\n\
     \x20    512    JAN-01-1980  00:00:00   .                 <DIR>\r\n\
     \x20   6775    FEB-02-2021  10:11:12   payroll.tcl\r\n",
    " Name     Size   TTR   Alias-of AC --------- Attributes --------- Amode Rmode\r\n\
     PAYROLL  000278 000405          00 FO             RN RU            31    ANY\r\n",
    "----------   1 noone    nogroup    4906281 Nov 30 2000  payroll.zip\r\n",
    "\u{feff}-rw-r--r--   1 ftp ftp   10 Jan 05  2020 payroll.txt\r\n",
    "lrwxrwxrwx    1 0              12 Oct 20  2010 PAYROLL -> pub/LEDGERS\r\n",
];

#[test]
fn listings_of_any_form_keep_their_entries() {
    for listing in LISTINGS {
        let mut dialogue = Conversation::logged_in("192.0.2.10:39021", "192.0.2.20:21");
        dialogue.passive(None, 50_001);
        let mut data = dialogue.passive_data(40_001, 50_001);
        dialogue.command("LIST");
        data.open(&mut dialogue.wire);
        dialogue.deliver("LIST", &mut data, Side::Server, listing.as_bytes());
        let folder = Folder::new("rare-listings");
        folder.write("capture.pcap", &dialogue.quit());
        let redacted = redact(&folder, "capture.pcap", "all");
        redacted.assert_same(listing);
        let before = shapes(&redacted.before);
        assert!(before.iter().any(|shape| count(shape) > 0), "{listing}");
        assert_eq!(before, shapes(&redacted.after), "{listing}");
        for value in ["PAYROLL", "payroll", "LEDGERS"] {
            assert!(!redacted.contains(value), "{listing}: {value}");
        }
    }
}

#[test]
fn every_value_of_a_session_is_replaced_wherever_it_stands() {
    let folder = Folder::new("values");
    folder.write("capture.pcap", &talkative());
    let redacted = redact(&folder, "capture.pcap", "all");
    redacted.assert_same("talkative");
    for value in [
        "mirabel",
        "MIRABEL",
        "open sesame",
        "s3cretPhrase",
        "Quarterly",
        "figures",
        "192.0.2.10",
        "192,0,2",
        "two thousand",
        "Welcome",
    ] {
        // The network of documentation addresses stays, their last octet does not.
        if value != "192,0,2" {
            assert!(!redacted.contains(value), "{value}");
        }
    }
    // The form stays: verbs, codes, sizes, extensions.
    for value in [
        "USER ",
        "RETR ",
        ".xlsx (12 bytes)",
        "227 Entering Passive Mode (192,0,2,",
        "257 \"/",
    ] {
        assert!(redacted.contains(value), "{value}");
    }
    let again = redact(&folder, "capture.pcap", "all");
    assert_eq!(redacted.bytes, again.bytes);
}

#[test]
fn hidden_banner_holds_no_replaced_password_unless_it_held_the_password() {
    let mut dialogue = Conversation::open_on(Wire::new(), "192.0.2.10:39021", "192.0.2.20:21");
    dialogue.exchange("USER mira", "331 Password required.");
    dialogue.exchange(
        "PASS kiwi-7",
        "230-Welcome to ExampleServers7\r\n230 your word is kiwi-7.",
    );
    dialogue.exchange("SYST", "215 UNIX Type: Somewhere");
    let folder = Folder::new("banner");
    folder.write("capture.pcap", &dialogue.quit());
    let redacted = redact(&folder, "capture.pcap", "all");
    redacted.assert_same("banner");
    let after = reply_lines(&redacted.after);
    redacted.assert_same_hidden();
    assert!(
        after.contains(&"xxxxxyx xx xxxxxyxxxxxyxxx".to_owned()),
        "{after:?}"
    );
    assert!(redacted.contains("xxxx xxxx xx xxxxxx."));
}

#[test]
fn password_that_is_the_name_of_the_user_is_replaced_as_a_name_elsewhere() {
    let mut dialogue = Conversation::open_on(Wire::new(), "192.0.2.10:39021", "192.0.2.20:21");
    dialogue.exchange("USER mirabel", "331 Password required for mirabel.");
    dialogue.exchange("PASS Mirabel", "230 User mirabel logged in.");
    dialogue.exchange("PWD", "257 \"/home/mirabel\" is the current directory.");
    let folder = Folder::new("user-as-password");
    folder.write("capture.pcap", &dialogue.quit());
    for classes in ["all", "passwords", "passwords,banners", "users"] {
        let redacted = redact(&folder, "capture.pcap", classes);
        redacted.assert_same_hidden();
        let hides_users = matches!(classes, "all" | "users");
        assert_eq!(redacted.contains("for mirabel."), !hides_users, "{classes}");
        assert_eq!(redacted.contains("PASS xxxxxxx"), classes != "users");
    }
}

#[test]
fn each_password_of_a_command_is_replaced_in_replies_and_blanks_around_it_stay() {
    let mut dialogue = Conversation::open_on(Wire::new(), "192.0.2.10:39021", "192.0.2.20:21");
    dialogue.exchange("USER mira", "331 Password required.");
    dialogue.exchange("PASS  kiwi-7x", "530 Login incorrect: kiwi-7x");
    dialogue.exchange("PASS mango-85", "202 Login successful: mango-85.");
    dialogue.exchange("SITE PSWD mango-85 papaya-963", "200 No longer mango-85.");
    let folder = Folder::new("words");
    folder.write("capture.pcap", &dialogue.quit());
    for classes in ["all", "passwords"] {
        let redacted = redact(&folder, "capture.pcap", classes);
        redacted.assert_same_hidden();
        for password in ["kiwi", "mango", "papaya"] {
            assert!(!redacted.contains(password), "{classes}: {password}");
        }
        assert!(redacted.contains("SITE PSWD xxxxxxxx xxxxxxxxxx"));
        assert!(redacted.contains("PASS  xxxxxxx\r\n"));
    }
}

#[test]
fn server_alone_and_data_without_its_command_are_redacted_too() {
    let folder = Folder::new("one-sided");
    for one_sided in [true, false] {
        let mut dialogue = Conversation::open_on(Wire::new(), "192.0.2.10:39021", "192.0.2.20:21");
        dialogue.exchange("USER mirabel", "331 Password required for mirabel.");
        dialogue.exchange("PASS s3cretPhrase", "230 Welcome back.");
        dialogue.retrieve("figures.xlsx", 40_001, 50_001, b"two thousand");
        dialogue.exchange("DELE ledger.xlsx", "550 ledger.xlsx: no such file.");
        dialogue.part();
        let server = "192.0.2.20"
            .parse::<std::net::IpAddr>()
            .expect("an address");
        let capture = if one_sided {
            dialogue.wire.keep_only(|source, _| source == server);
            dialogue.wire.to_pcap()
        } else {
            let all = packets(&dialogue.wire.to_pcap());
            let is_command = |one: &&Recorded| one.bytes.windows(5).any(|bytes| bytes == b"RETR ");
            let kept: Vec<Recorded> = all.iter().filter(|one| !is_command(one)).cloned().collect();
            pcap(1, &kept)
        };
        folder.write("capture.pcap", &capture);
        let redacted = redact(&folder, "capture.pcap", "all");
        for value in ["mirabel", "figures", "two thousand"] {
            assert!(!redacted.contains(value), "{value}, {one_sided}");
        }
        assert!(!one_sided || !redacted.contains("ledger"));
        redacted.assert_same("one-sided");
    }
}

#[test]
fn version_of_a_request_by_a_browser_stays() {
    let folder = Folder::new("browser");
    let mut dialogue = Conversation::open_on(Wire::new(), "192.0.2.10:39021", "192.0.2.20:21");
    dialogue.exchange("GET /ledger HTTP/1.0", "500 Unknown command.");
    folder.write("capture.pcap", &dialogue.quit());
    let redacted = redact(&folder, "capture.pcap", "all");
    redacted.assert_same("browser");
    assert!(redacted.contains("GET xxxxxxx HTTP/1.0"));
}

#[test]
fn names_with_blanks_and_names_that_the_server_chose_are_replaced_whole() {
    let folder = Folder::new("blanks");
    let mut dialogue = Conversation::open_on(Wire::new(), "192.0.2.10:39022", "192.0.2.20:21");
    dialogue.exchange("USER mirabel", "331 Password required.");
    dialogue.exchange("PASS s3cretPhrase", "230 Logged in.");
    dialogue.exchange("MKD Project", "257 \"/Project\" created.");
    dialogue.exchange("MKD Project Falcon", "257 \"/Project Falcon\" created.");
    dialogue.exchange("CWD /Project Falcon", "250 Now in /Project Falcon.");
    dialogue.exchange(
        "SIZE /Project Falcon/Merger plan.doc",
        "550 /Project Falcon/Merger plan.doc: no such file.",
    );
    dialogue.exchange("STOU", "150 FILE: kestrel.t3p4");
    dialogue.exchange(
        "SITE CHMOD 640 Osprey list.txt",
        "200 Osprey list.txt is 640 now.",
    );
    dialogue.exchange("SITE CPFR Harrier", "350 Ready for the copy of Harrier.");
    dialogue.exchange("SITE UTIME 20261120155301 Goshawk", "213 Done.");
    dialogue.exchange(
        "SITE UTIME Buzzard 20261120155301 20261120155301 20261120155301 UTC",
        "213 Done.",
    );
    let packets = dialogue.quit();
    folder.write("capture.pcap", &packets);
    let redacted = redact(&folder, "capture.pcap", "all");
    for value in [
        "Project", "Falcon", "Merger", "plan", "kestrel", "Osprey", "Harrier", "Goshawk", "Buzzard",
    ] {
        assert!(!redacted.contains(value), "{value}");
    }
    assert!(redacted.contains(".doc"));
}

#[test]
fn classes_that_are_not_chosen_stay() {
    let folder = Folder::new("classes");
    folder.write("capture.pcap", &talkative());
    for (class, gone, kept) in [
        ("passwords", "s3cretPhrase", "mirabel"),
        ("users", "mirabel", "Quarterly"),
        ("addresses", "192.0.2.10", "mirabel"),
        ("paths", "Quarterly", "s3cretPhrase"),
        ("content", "two thousand", "figures"),
        ("banners", "Welcome", "Quarterly"),
    ] {
        let redacted = redact(&folder, "capture.pcap", class);
        redacted.assert_same(class);
        assert!(!redacted.contains(gone), "{class}");
        assert!(redacted.contains(kept), "{class}");
    }
}

#[test]
fn right_checksums_stay_right_and_wrong_ones_wrong() {
    let folder = Folder::new("checksums");
    let mut capture = packets(&talkative());
    // Checksums of the captures that tests build are right; make every fifth one wrong.
    for packet in capture.iter_mut().skip(4).step_by(5) {
        packet.bytes[14 + 20 + 16] ^= 0x5a;
    }
    folder.write("capture.pcap", &pcap(1, &capture));
    let redacted = redact(&folder, "capture.pcap", "all");
    let after = blocks(&redacted.bytes);
    assert_eq!(after.len(), capture.len());
    for (number, (before, after)) in capture.iter().zip(&after).enumerate() {
        assert_eq!(sums(&before.bytes), sums(after), "packet {number}");
        assert_ne!(before.bytes, *after);
    }
}

/// The packets of a pcapng file.
fn blocks(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let word = |bytes: &[u8], at: usize| {
        let bytes = bytes[at..at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(bytes) as usize
    };
    let mut packets = Vec::new();
    while bytes.len() >= 12 {
        if word(bytes, 0) == 6 {
            packets.push(bytes[28..28 + word(bytes, 20)].to_vec());
        }
        bytes = &bytes[word(bytes, 4)..];
    }
    packets
}

/// Whether the checksums of IPv4 and TCP are right, in an Ethernet frame.
fn sums(frame: &[u8]) -> [bool; 2] {
    let ip = &frame[14..];
    let length = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    let segment = &ip[20..length];
    let pseudo = [
        &ip[12..20],
        &[0, 6],
        &u16::try_from(segment.len()).expect("short").to_be_bytes(),
    ];
    let is_right = |parts: &[&[u8]]| {
        let mut sum = 0_u64;
        for part in parts {
            for pair in part.chunks(2) {
                sum += u64::from(u16::from_be_bytes([
                    pair[0],
                    pair.get(1).copied().unwrap_or(0),
                ]));
            }
        }
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum == 0xffff
    };
    let [addresses, protocol, size] = pseudo;
    [
        is_right(&[&ip[..20]]),
        is_right(&[addresses, protocol, size, segment]),
    ]
}

#[test]
fn secrets_and_clear_copies_are_not_mixed_with_redaction() {
    let folder = Folder::new("mixed");
    folder.write("capture.pcap", &talkative());
    for options in [
        ["--redact", "addresses,users", "--embed-secrets"],
        ["--redact", "all", "--decrypted"],
    ] {
        let mut arguments = vec!["carve", "-w", "out.pcapng", "capture.pcap"];
        arguments.extend(options);
        assert!(folder.run(&arguments).starts_with("exit 2\n"));
    }
    assert!(!folder.path().join("out.pcapng").exists());
}

#[test]
fn wrong_redaction_options_are_refused_with_a_reason() {
    let folder = Folder::new("refused-redaction");
    folder.write("capture.pcap", &talkative());
    folder.write("short", b"0123");
    let carve = |options: &[&str]| {
        let mut arguments = vec!["carve", "-w", "out.pcapng", "capture.pcap"];
        arguments.extend(options);
        folder.run(&arguments)
    };
    for (options, reason) in [
        (&["--redact", "shoes"][..], "shoes"),
        (&["--mapping", "m"], "--redact"),
        (
            &["--redact", "all", "--redact-key", "short"],
            "64 hex digits",
        ),
        (
            &["--redact", "all", "--redact-key", "missing"],
            "cannot read the key",
        ),
    ] {
        let told = carve(options);
        assert!(
            told.starts_with("exit 2\n") && told.contains(reason),
            "{told}"
        );
    }
    assert!(!folder.path().join("out.pcapng").exists());
}

#[test]
fn mapping_of_an_earlier_run_is_not_replaced_unless_its_key_is_kept() {
    let folder = Folder::new("mapping-again");
    folder.write("capture.pcap", &talkative());
    let carve = [
        "carve",
        "-q",
        "--redact",
        "all",
        "--mapping",
        "m",
        "-w",
        "out",
    ];
    let carve = [&carve[..], &["capture.pcap"]].concat();
    assert_eq!(folder.run(&carve), "exit 0\n");
    let (mapping, output) = (folder.read("m"), folder.read_bytes("out"));
    let told = folder.run(&carve);
    assert!(told.starts_with("exit 2\n"), "{told}");
    assert!(
        told.contains("may be the only mapping of an earlier output"),
        "{told}"
    );
    assert_eq!(
        (folder.read("m"), folder.read_bytes("out")),
        (mapping, output)
    );
    // With a key the same can be made again.
    folder.write("key", "0123456789abcdef".repeat(4).as_bytes());
    let told = folder.run(&[&carve[..], &["--redact-key", "key"]].concat());
    assert_eq!(told, "exit 0\n");
}

#[cfg(unix)]
#[test]
fn only_the_user_can_read_the_mapping() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new("mapping");
    folder.write("capture.pcap", &talkative());
    folder.write("mapping.jsonl", b"old");
    let redacted = redact(&folder, "capture.pcap", "all");
    let mode = fs::metadata(folder.path().join("mapping.jsonl")).expect("a file");
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    let original_of = |kind: &str, original: &str| {
        redacted
            .mapping
            .iter()
            .any(|line| line.0 == kind && line.1 == original)
    };
    for (kind, original) in [
        ("passwords", "s3cretPhrase"),
        ("users", "mirabel"),
        ("addresses", "192.0.2.10"),
        ("paths", "figures.xlsx"),
    ] {
        assert!(original_of(kind, original), "{kind} {original}");
    }
}

#[test]
fn no_option_and_no_comment_shows_what_is_redacted() {
    let folder = Folder::new("redacted-all");
    for (name, hidden) in [
        ("upload", &["hazel-lantern", "vsFTPd"][..]),
        // The password of an anonymous login is shown in reports, and is an address of somebody.
        ("classic", &["abc@any-domain", "any-domain.com"]),
    ] {
        let capture = fs::canonicalize(format!("testdata/captures/{name}.pcap"));
        let capture = capture.expect("a capture");
        let capture = capture.to_str().expect("a path");
        let original = fs::read(capture).expect("a capture");
        for option in ["-q", "--show-passwords"] {
            let out = format!("{name}{option}.pcapng");
            let arguments = ["carve", "--redact", "all", option, "-w", &out, capture];
            assert!(folder.run(&arguments).starts_with("exit 0\n"));
            let bytes = fs::read(folder.path().join(&out)).expect("a capture");
            for text in hidden {
                let find = |bytes: &[u8]| memchr::memmem::find(bytes, text.as_bytes());
                assert!(find(&original).is_some(), "{name}: {text}");
                assert_eq!(find(&bytes), None, "{name} {option}: {text}");
            }
        }
    }
}

#[test]
fn folders_named_like_numbers_extensions_and_parts_of_words_break_nothing() {
    let mut dialogue = Conversation::open_on(Wire::new(), "192.0.2.10:39021", "192.0.2.20:21");
    dialogue.exchange("USER pass", "331 Password required for pass.");
    dialogue.exchange("PASS 12345678", "230 Welcome, 12345678 bytes are free.");
    dialogue.exchange("CWD 195", "250 CWD successful.");
    dialogue.exchange("CWD byte", "250 CWD successful.");
    dialogue.exchange("CWD html", "250 CWD successful.");
    dialogue.exchange("SIZE 195", "213 195");
    dialogue.exchange("REST 195", "350 Restarting at 195.");
    dialogue.exchange("REST 0", "350 Restarting at 0.");
    dialogue.retrieve("index.html", 40_001, 50_001, b"two thousand");
    let folder = Folder::new("numbers");
    folder.write("capture.pcap", &dialogue.quit());
    let redacted = redact(&folder, "capture.pcap", "all");
    assert_eq!(outlines(&redacted.before), outlines(&redacted.after));
    for kept in [
        "213 195\r\n",
        "REST 195\r\n",
        ".html",
        "(192,0,2,",
        "(12 bytes)",
    ] {
        assert!(redacted.contains(kept), "{kept}");
    }
    // The rest of a known word would show the user's name.
    for hidden in ["331 Pass", "word required", "CWD byte", "CWD 195", "/html"] {
        assert!(!redacted.contains(hidden), "{hidden}");
    }
}

#[test]
fn encrypted_connections_are_named_and_standard_output_is_verified() {
    let folder = Folder::new("named");
    let capture = fs::canonicalize("testdata/tls/tls13.pcap").expect("a capture");
    folder.write("customer-nine.pcap", &fs::read(capture).expect("a capture"));
    let arguments = ["carve", "--redact", "all", "--mapping", "mapping", "-w"];
    let told = folder.run(&[&arguments[..], &["out.pcapng", "customer-nine.pcap"]].concat());
    assert!(told.contains("TLS connections stay encrypted"), "{told}");
    assert!(told.contains(" from frame "), "{told}");
    let bytes = fs::read(folder.path().join("out.pcapng")).expect("a capture");
    let has = |text: &[u8]| memchr::memmem::find(&bytes, text).is_some();
    assert!(has(b"encrypted, and replaced only in hellos: "));
    assert!(!has(b"customer-nine"));
    // Through a pipe the same comes out, and without an output there is no mapping.
    fs::remove_file(folder.path().join("mapping")).expect("removed");
    let told = folder.run(&[&arguments[..], &["no/such/out", "customer-nine.pcap"]].concat());
    assert!(told.starts_with("exit 2\n"), "{told}");
    assert!(!folder.path().join("mapping").exists());
    let told = folder.run(&[
        "carve",
        "-q",
        "--redact",
        "all",
        "-w",
        "-",
        "customer-nine.pcap",
    ]);
    assert!(told.starts_with("exit 0\n") && told.len() > bytes.len() / 2);
}
