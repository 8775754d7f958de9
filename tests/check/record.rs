//! Files that are recorded: readable, without what changes by itself, never over what is there; and brought up to date.

use std::path::Path;

use crate::check::{Change, capture};
use crate::support::classic::classic;
use crate::support::conversation::Conversation;
use crate::support::folder::Folder;

#[test]
fn a_recorded_file_has_what_stays_the_same() {
    let folder = Folder::new("record-text");
    folder.write("good.pcap", &capture(Change::None));
    insta::assert_snapshot!(folder.run(&["check", "-q", "--record", "-", "good.pcap"]));
}

#[test]
fn every_capture_of_the_project_can_be_recorded_and_passes() {
    let folder = Folder::new("record-all");
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    let mut count = 0;
    for entry in std::fs::read_dir(captures).expect("a folder") {
        let path = entry.expect("an entry").path().display().to_string();
        let file = format!("{count}.toml");
        let recorded = folder.run(&["check", "-q", "--record", &file, &path]);
        assert_eq!(recorded, "exit 0\n", "{path}");
        let checked = folder.run(&["check", "--expect", &file, &path]);
        assert!(checked.starts_with("exit 0\n"), "{path}: {checked}");
        assert!(
            checked.contains(" 0 failed, 0 skipped"),
            "{path}: {checked}"
        );
        let text = folder.read(&file);
        assert!(!text.contains("hazel-lantern"), "{path}: {text}");
        count += 1;
    }
    assert!(count > 15);
}

#[test]
fn what_a_person_wrote_is_not_replaced() {
    let folder = Folder::new("record-again");
    folder.write("good.pcap", &capture(Change::None));
    folder.write("mine.toml", b"# mine\n");
    insta::assert_snapshot!(folder.run(&["check", "--record", "mine.toml", "good.pcap"]), @"
    exit 2
    -- stderr
    ftpscope: cannot record to mine.toml: it is there already; --expect mine.toml --update rewrites it, or choose another name
    ");
    assert_eq!(folder.read("mine.toml"), "# mine\n");
}

#[test]
fn what_has_no_session_is_not_recorded() {
    let folder = Folder::new("record-empty");
    insta::assert_snapshot!(folder.run(&["check", "--record", "new.toml", "headers.pcap"]), @"
    exit 4
    -- stderr
    ftpscope: nothing is recorded: the captures cannot be read or have no FTP session
    ");
    assert!(!folder.path().join("new.toml").exists());
}

#[test]
fn doubtful_sessions_are_named_when_recorded() {
    let folder = Folder::new("record-doubts");
    folder.write("bad.pcap", &capture(Change::Refused));
    let text = folder.run(&["check", "--record", "bad.toml", "bad.pcap"]);
    assert!(
        text.contains("note: session 1 is recorded as it is:"),
        "{text}"
    );
}

#[test]
fn update_that_adds_a_listing_holds_at_once() {
    let folder = Folder::new("update-listing");
    folder.write("run.pcap", &classic());
    folder.run(&["check", "-q", "--record", "session.toml", "run.pcap"]);
    let recorded = folder.read("session.toml");
    let (before, listing) = recorded
        .split_once("  [[session.transfer]]\n  verb = \"LIST\"\n")
        .expect("a listing");
    let (_, after) = listing
        .split_once("  [[session.transfer]]")
        .expect("a file");
    let without = format!("{before}  [[session.transfer]]{after}");
    folder.write("session.toml", without.as_bytes());
    let updated = folder.run(&["check", "--expect", "session.toml", "--update", "run.pcap"]);
    assert!(updated.starts_with("exit 0\n"), "{updated}");
    assert!(updated.contains("+   entries = "), "{updated}");
    let again = folder.run(&["check", "--expect", "session.toml", "run.pcap"]);
    assert!(again.starts_with("exit 0\n"), "{again}");
}

#[test]
fn an_update_changes_what_no_longer_holds_and_nothing_else() {
    let folder = Folder::new("update");
    folder.write("good.pcap", &capture(Change::None));
    folder.write("run.pcap", &capture(Change::Content));
    folder.run(&["check", "-q", "--record", "session.toml", "good.pcap"]);
    let edited = folder
        .read("session.toml")
        .replace("bytes = 7000", "bytes = \"1..9000\"   # any size")
        .replace(
            "path = \"/pub/log-1.txt\"",
            "path = { glob = \"/pub/log-*\" }",
        );
    folder.write("session.toml", edited.as_bytes());
    insta::assert_snapshot!(folder.run(&[
        "check",
        "--expect",
        "session.toml",
        "--update",
        "run.pcap"
    ]));
    let updated = folder.read("session.toml");
    assert!(
        updated.contains("bytes = \"1..9000\"   # any size"),
        "{updated}"
    );
    assert!(updated.contains("glob = \"/pub/log-*\""), "{updated}");
    let again = folder.run(&["check", "--expect", "session.toml", "run.pcap"]);
    assert!(again.starts_with("exit 0\n"), "{again}");
    let nothing = folder.run(&["check", "--expect", "session.toml", "--update", "run.pcap"]);
    assert_eq!(
        nothing,
        "exit 0\n-- stdout\nsession.toml: nothing to change\n"
    );
}

#[test]
fn after_an_update_every_change_passes() {
    for change in [
        Change::LostPacket,
        Change::Login,
        Change::ExtraCommand,
        Change::ExtraSize,
        Change::NoQuit,
        Change::Refused,
        Change::NoFile,
        Change::OtherName,
        Change::Active,
        Change::SecondSession,
    ] {
        let folder = Folder::new(&format!("update-{change:?}"));
        folder.write("good.pcap", &capture(Change::None));
        folder.write("run.pcap", &capture(change));
        folder.run(&["check", "-q", "--record", "session.toml", "good.pcap"]);
        let text = folder.run(&["check", "--expect", "session.toml", "--update", "run.pcap"]);
        assert!(text.starts_with("exit 0\n"), "{change:?}: {text}");
        assert!(
            text.contains("\n- ") || text.contains("\n+ "),
            "{change:?}: {text}"
        );
        let again = folder.run(&["check", "--expect", "session.toml", "run.pcap"]);
        assert!(again.starts_with("exit 0\n"), "{change:?}: {again}\n{text}");
    }
}

#[test]
fn a_rule_that_does_not_hold_is_no_matter_of_an_update() {
    let folder = Folder::new("update-rule");
    folder.write("run.pcap", &capture(Change::None));
    folder.write(
        "rule.toml",
        b"[[session]]\nlogin.user = \"eve\"\n\n[[rule]]\nname = \"encrypted\"\nassert = 'tls != null'\n",
    );
    let text = folder.run(&["check", "--expect", "rule.toml", "--update", "run.pcap"]);
    assert!(text.starts_with("exit 1\n"), "{text}");
    assert!(text.contains("+ login.user = \"mira\""), "{text}");
    assert!(text.contains("tls is null"), "{text}");
    assert!(folder.read("rule.toml").contains("assert = 'tls != null'"));
}

#[test]
fn an_update_leaves_the_steps_that_hold_as_they_were_written() {
    let folder = Folder::new("update-steps");
    folder.write("run.pcap", &capture(Change::ExtraCommand));
    folder.write(
        "e.toml",
        b"[[session]]\nsteps = [  # by hand\n  \"login\",   # anybody\n  { kind = \"retrieve\", duration = \"..5\" },\n  \
          \"store log-9.txt\",\n  \"rename\",\n  \"quit: ok\",\n]\n\n[[session]]\nsteps = [\"quit: failed\"]\n",
    );
    folder.write("two.pcap", &capture(Change::SecondSession));
    let text = folder.run(&["check", "--expect", "e.toml", "--update", "two.pcap"]);
    assert!(text.starts_with("exit 0\n"), "{text}");
    assert_eq!(
        folder.read("e.toml"),
        "[[session]]\nsteps = [  # by hand\n  \"login\",   # anybody\n  { kind = \"retrieve\", duration = \"..5\" },\n  \
         \"store log-1.txt: ok 226\",\n  \"quit: ok\",\n]\n\n[[session]]\nsteps = [\"quit: ok 221\"]\n"
    );
    // What may not stand beside is taken in, in its place.
    folder.write(
        "e.toml",
        b"[[session]]\nextra_steps = false\nsteps = [\"login mira: ok\", \"quit\"]\n",
    );
    let text = folder.run(&["check", "--expect", "e.toml", "--update", "run.pcap"]);
    assert!(text.starts_with("exit 0\n"), "{text}");
    assert_eq!(
        folder.read("e.toml"),
        "[[session]]\nextra_steps = false\nsteps = [\n  \"login mira: ok\",\n  \"command PWD: ok 257\",\n  \
         \"command TYPE I: ok 200\",\n  \"cwd pub: ok 250\",\n  \"command SITE CHMOD 777 pub: ok 200\",\n  \
         \"retrieve firmware.bin: ok 226\",\n  \"store log-1.txt: ok 226\",\n  \"quit\",\n]\n"
    );
}

#[test]
fn hostile_sessions_can_be_recorded_and_pass() {
    let folder = Folder::new("record-hostile");
    let session = || Conversation::logged_in("192.168.0.2:40000", "192.168.0.21:21");
    let mut verbs = Conversation::open("192.168.0.2:40000", "192.168.0.21:21");
    verbs.exchange("PASSS Kq7vXwZ9", "500 What?");
    verbs.exchange("USER mira", "331 Password");
    verbs.exchange("PASS hazel-lantern", "230 In");
    verbs.exchange("PWD", "257 \"/\"");
    verbs.exchange("FEAT2 a: failed 500", "500 \"quoted\" \\");
    verbs.exchange("X\"Y 'z'", "500 What?");
    let mut many = session();
    for number in 0..2_100 {
        many.exchange(&format!("MKD a{number}"), "257 made");
    }
    let mut restart = session();
    restart.exchange("REST 9223372036854775808", "350 Go on");
    restart.retrieve("a.bin", 40_001, 50_001, b"bytes");
    let damaged = crate::secrets::variants::generated(0..100);
    let captures = [verbs.quit(), many.quit(), restart.quit(), damaged];
    for (number, capture) in captures.into_iter().enumerate() {
        folder.write("hostile.pcap", &capture);
        let file = format!("{number}.toml");
        let recorded = folder.run(&["check", "-q", "--record", &file, "hostile.pcap"]);
        assert_eq!(recorded, "exit 0\n");
        let checked = folder.run(&["check", "--expect", &file, "hostile.pcap"]);
        assert!(checked.starts_with("exit 0\n"), "{number}: {checked}");
    }
}
