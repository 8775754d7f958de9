//! Names of files: chosen by the server (64), on disk (72), and in listings with patterns (73).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::pitfalls::run::{
    CLIENT, DONE, OPENING, PUB, Run, SERVER, begin, fetch, pass, says, sha256,
};
use crate::support::connection::Side;
use crate::support::conversation::Conversation;

#[test]
fn pitfall_64_stou_has_the_name_that_the_server_states_in_either_reply() {
    for (name, opening, done) in [
        ("64-150", "150 FILE: up.0017", DONE),
        ("64-125", "125 FILE: up.0017", DONE),
        (
            "64-hylafax",
            "150 FILE: up.0017 (Opening new data connection).",
            DONE,
        ),
        (
            "64-226",
            OPENING,
            "226 Transfer complete (unique file name:up.0017).",
        ),
        ("64-226-file", OPENING, "226 FILE: up.0017"),
        ("64-250", OPENING, "250 FILE: up.0017"),
    ] {
        let mut ftp = begin();
        pass(
            &mut ftp,
            "STOU wish.txt",
            50_001,
            (opening, done),
            Side::Client,
            b"hello",
        );
        let run = Run::on(name, &ftp.quit());
        let upload = run.only();
        run.assert_whole(upload, b"hello");
        assert_eq!(upload["path"], "/pub/up.0017", "{name}");
        assert_eq!(upload["name"], "up.0017", "{name}");
        assert_eq!(upload["argument"], "wish.txt", "{name}");
        assert_eq!(upload["saved_as"], format!("{PUB}/up.0017"), "{name}");
    }
}

#[test]
fn pitfall_64_the_argument_of_stou_is_a_hint_at_most() {
    let mut ftp = begin();
    pass(
        &mut ftp,
        "STOU wish.txt",
        50_001,
        (OPENING, DONE),
        Side::Client,
        b"hello",
    );
    let run = Run::on("64-never", &ftp.quit());
    let upload = run.only();
    run.assert_whole(upload, b"hello");
    assert_eq!(
        (&upload["path"], &upload["name"]),
        (&Value::Null, &Value::Null)
    );
    // Where the folder is not known, there is a name and no path.
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    let replies = (OPENING, "226 Transfer complete (unique file name:up.1).");
    pass(&mut ftp, "STOU", 50_001, replies, Side::Client, b"hello");
    let run = Run::on("64-no-folder", &ftp.quit());
    assert_eq!(
        (&run.only()["path"], &run.only()["name"]),
        (&Value::Null, &json!("up.1"))
    );
    assert_eq!(run.only()["saved_as"], "192.0.2.20_21/1/up.1");
}

#[test]
fn pitfall_72_the_same_name_twice_is_two_files() {
    let mut ftp = begin();
    fetch(&mut ftp, "RETR a.txt", 50_001, b"first");
    fetch(&mut ftp, "RETR a.txt", 50_002, b"second");
    fetch(&mut ftp, "RETR A.TXT", 50_003, b"third");
    let run = Run::on("72-twice", &ftp.quit());
    for (index, content, place) in [
        (0, &b"first"[..], "a.txt"),
        (1, b"second", "a~2.txt"),
        (2, b"third", "A.TXT"),
    ] {
        let transfer = run.transfer(index);
        run.assert_whole(transfer, content);
        let saved_as = transfer["saved_as"].as_str().expect("a path");
        if index != 1 {
            assert_eq!(saved_as, format!("{PUB}/{place}"));
        }
    }
    let places: BTreeSet<&str> = (0..3)
        .filter_map(|index| run.transfer(index)["saved_as"].as_str())
        .collect();
    assert_eq!(places.len(), 3);
    let versions = &run.manifest()["transfers"];
    assert_eq!(
        json!([versions[0]["version"], versions[1]["version"]]),
        json!([1, 2])
    );
}

#[test]
fn pitfall_72_hostile_names_stay_below_the_folder_and_exact_in_the_manifest() {
    let long = "n".repeat(300);
    let names = [
        "../../../../etc/passwd",
        "/etc/cron.d/job",
        "..\\..\\windows\\win.ini",
        "C:\\boot.ini",
        "con",
        "aux.txt",
        "trailing.",
        "a:b",
        "tab\there",
        "esc\u{1b}[2J",
        "\u{202e}gpj.exe",
        "x.partial",
        long.as_str(),
    ];
    let mut ftp = begin();
    for (port, name) in (50_001..).zip(names) {
        fetch(&mut ftp, &format!("RETR {name}"), port, name.as_bytes());
    }
    let run = Run::on("72-hostile", &ftp.quit());
    let top = run.folder.path().join("out/192.0.2.20_21/1");
    let top = top.canonicalize().expect("a folder");
    let manifest = run.manifest();
    let mut places = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        let transfer = run.transfer(index);
        run.assert_whole(transfer, name.as_bytes());
        let saved_as = transfer["saved_as"].as_str().expect("a path");
        let place = run.folder.path().join("out").join(saved_as);
        assert!(
            place.canonicalize().expect("a file").starts_with(&top),
            "{saved_as}"
        );
        assert!(
            saved_as
                .split('/')
                .all(|part| part.len() <= 200 && part != ".."),
            "{saved_as}"
        );
        assert!(
            !saved_as.contains(['\\', ':', '\t', '\u{1b}', '\u{202e}']),
            "{saved_as}"
        );
        let file = saved_as.rsplit('/').next().unwrap_or_default();
        assert!(
            !["con", "aux.txt", "trailing.", "x.partial"].contains(&file),
            "{saved_as}"
        );
        assert!(places.insert(saved_as.to_lowercase()), "{saved_as}");
        assert_eq!(manifest["transfers"][index]["argument"], *name);
        assert_eq!(
            manifest["transfers"][index]["sha256"],
            sha256(name.as_bytes())
        );
    }
}

#[test]
fn pitfall_72_names_in_any_bytes_are_kept_exactly() {
    let mut ftp = begin();
    ftp.passive(None, 50_001);
    let mut data = ftp.passive_data(40_001, 50_001);
    ftp.control
        .say(&mut ftp.wire, Side::Client, b"RETR caf\xe9\r\n");
    data.open(&mut ftp.wire);
    ftp.reply(OPENING);
    data.say(&mut ftp.wire, Side::Server, b"hello");
    data.close(&mut ftp.wire, Side::Server);
    ftp.reply(DONE);
    let run = Run::on("72-latin", &ftp.quit());
    let transfer = run.only();
    assert_eq!(transfer["name"], "caf\u{fffd}");
    assert_eq!(transfer["name_b64"], "Y2Fm6Q==");
    assert_eq!(transfer["saved_as"], format!("{PUB}/caf%E9"));
    assert_eq!(run.manifest()["transfers"][0]["argument_b64"], "Y2Fm6Q==");
}

#[test]
fn pitfall_73_patterns_and_options_of_listings_are_no_folders() {
    for (name, command, path) in [
        ("73-options", "LIST -la docs", "/pub/docs"),
        ("73-only-options", "LIST -al", "/pub"),
        ("73-bare", "LIST", "/pub"),
        ("73-several", "NLST -a -l docs", "/pub/docs"),
        ("73-absolute", "MLSD /other", "/other"),
    ] {
        let mut ftp = begin();
        fetch(&mut ftp, command, 50_001, b"");
        let run = Run::on(name, &ftp.quit());
        assert_eq!(run.only()["path"], path, "{name}");
        assert_eq!(run.only()["direction"], "listing");
        assert_eq!(run.only()["saved_as"], Value::Null);
    }
}

#[test]
fn pitfall_73_what_nlst_lists_is_what_is_fetched_then() {
    let mut ftp = begin();
    fetch(&mut ftp, "NLST *.txt", 50_001, b"a.txt\r\nb.txt\r\n");
    fetch(&mut ftp, "RETR a.txt", 50_002, b"hello");
    fetch(&mut ftp, "RETR b.txt", 50_003, b"you");
    let capture = ftp.quit();
    let run = Run::on("73-mget", &capture);
    assert_eq!(run.transfer(0)["entries"][1]["name"], "b.txt");
    assert_eq!(run.transfer(0)["entries"][1]["kind"], "other");
    run.assert_whole(run.transfer(2), b"you");
    let tree = run
        .folder
        .run(&["tree", "--format", "json", "-q", "0.pcap"]);
    let tree: Value =
        serde_json::from_str(tree.split_once("stdout\n").expect("a tree").1).expect("JSON");
    let entries = tree["servers"][0]["entries"].as_array().expect("a list");
    for name in ["a.txt", "b.txt"] {
        let path = format!("/pub/{name}");
        let entry = entries
            .iter()
            .find(|entry| entry["path"] == path)
            .expect("it is there");
        let events = entry["events"].as_array().expect("a list");
        let events: Vec<&Value> = events.iter().map(|event| &event["what"]).collect();
        assert_eq!(events, ["listed", "downloaded"]);
    }
    assert!(entries.iter().all(|entry| entry["name"] != "*.txt"));
}

#[test]
fn pitfall_73_sizes_of_a_listing_count_for_the_files_that_follow() {
    let mut ftp = begin();
    let listing = b"-rw-r--r-- 1 ftp ftp 5 Nov 20 10:00 a.txt\r\n-rw-r--r-- 1 ftp ftp 9 Nov 20 10:00 b.txt\r\n";
    fetch(&mut ftp, "LIST -l *.txt", 50_001, listing);
    fetch(&mut ftp, "RETR a.txt", 50_002, b"hello");
    fetch(&mut ftp, "RETR b.txt", 50_003, b"hello");
    let run = Run::on("73-sizes", &ftp.quit());
    run.assert_whole(run.transfer(1), b"hello");
    assert!(says(run.transfer(1), "said 5 bytes: equal"));
    assert_eq!(run.transfer(2)["completeness"], "unverifiable");
}
