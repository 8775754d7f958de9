//! No output shows a secret, however the lines of the client are damaged on their way.

pub(crate) mod variants;

use std::fs;

use self::variants::SECRET;
use crate::support::connection::Side;
use crate::support::conversation::Conversation;
use crate::support::folder::Folder;

#[test]
fn damaged_lines_show_the_password_in_no_output() {
    let folder = Folder::new("secrets-damaged");
    folder.write("a.pcap", &variants::generated(0..150));
    assert_hidden(&folder);
}

#[test]
fn password_that_equals_the_user_stays_visible_in_paths() {
    let folder = Folder::new("secrets-equal");
    let mut talk = Conversation::open("192.168.0.2:40000", "192.168.0.21:21");
    talk.exchange("USER rocky", "331 Password required for rocky");
    talk.exchange("PASS rocky", "230 User rocky logged in");
    talk.exchange("PWD", "257 \"/home/rocky\" is the current directory");
    talk.retrieve("notes.txt", 40_001, 50_001, b"notes");
    folder.write("a.pcap", &talk.quit());
    let report = folder.report(&["a.pcap"]);
    let session = &report["sessions"][0];
    assert_eq!(session["transfers"][0]["path"], "/home/rocky/notes.txt");
    assert_eq!(session["login"]["password"], "<hidden>");
    assert_eq!(
        session["steps"][2]["commands"][1]["replies"][0]["lines"][0],
        "User rocky logged in"
    );
}

#[test]
fn names_with_the_password_stay_visible_and_texts_do_not() {
    let folder = Folder::new("secrets-names");
    let mut talk = Conversation::open("[2001:db8::2]:40000", "[2001:db8::21]:21");
    talk.exchange("USER mira", "331 Password please");
    talk.exchange(&format!("PASS {SECRET}"), &format!("230 {SECRET} is right"));
    talk.exchange(&format!("MKD {SECRET}"), &format!("257 \"/{SECRET}\" made"));
    talk.exchange(&format!("CWD /{SECRET}"), &format!("250 in {SECRET} now"));
    folder.write("a.pcap", &talk.quit());
    let report = folder.report(&["a.pcap"]);
    let steps = report["sessions"][0]["steps"].as_array().expect("steps");
    let step = |kind: &str| {
        let mut of_kind = steps.iter().filter(|step| step["kind"] == kind);
        of_kind.next_back().expect("the step")
    };
    assert_eq!(step("cwd")["directory"], format!("/{SECRET}"));
    assert_eq!(step("cwd")["commands"][0]["argument"], format!("/{SECRET}"));
    let replies = &step("cwd")["commands"][0]["replies"];
    assert_eq!(replies[0]["lines"][0], "in <hidden> now");
}

#[test]
fn anonymous_password_is_shown_only_for_its_own_user() {
    let folder = Folder::new("secrets-anonymous");
    let mut talk = Conversation::open("192.168.0.2:40000", "192.168.0.21:21");
    talk.exchange("USER ftp", "331 Password please");
    talk.exchange("PASS me@example.com", "230 In");
    talk.control
        .lose(&mut talk.wire, Side::Client, b"USER mira\r\n");
    talk.reply("331 Password please");
    talk.exchange(&format!("PASS {SECRET}"), "230 In");
    folder.write("a.pcap", &talk.quit());
    let report = folder.report(&["a.pcap"]).to_string();
    assert!(report.contains("me@example.com"));
    assert_hidden(&folder);
}

#[test]
fn cut_line_on_another_port_is_not_joined_with_the_password() {
    let folder = Folder::new("secrets-other-port");
    let mut talk = Conversation::open("192.168.0.2:40000", "192.168.0.21:2121");
    talk.control.say(&mut talk.wire, Side::Client, b"USER mi");
    talk.control.lose(&mut talk.wire, Side::Client, b"ra\r\n");
    talk.reply("331 Password please");
    talk.exchange(&format!("PASS {SECRET}"), "230 In");
    folder.write("a.pcap", &talk.quit());
    assert_hidden(&folder);
    let report = folder.report(&["a.pcap"]);
    assert_eq!(report["sessions"][0]["login"]["password"], "<hidden>");
}

#[test]
fn secret_captured_too_late_is_hidden_in_later_replies() {
    let folder = Folder::new("secrets-late");
    let mut talk = Conversation::open("192.168.0.2:40000", "192.168.0.21:21");
    talk.exchange("USER mira", "331 Password please");
    let late = talk.wire.len();
    talk.exchange(&format!("PASS {SECRET}"), "230 In");
    talk.exchange("SYST", "215 UNIX Type: L8");
    talk.wire.move_frame(late, talk.wire.len() - 1);
    talk.exchange("NOOP", &format!("200 {SECRET} was right"));
    folder.write("a.pcap", &talk.quit());
    assert_hidden(&folder);
    let report = folder.report(&["a.pcap"]).to_string();
    assert!(report.contains("<hidden> was right"), "{report}");
}

#[test]
fn short_line_behind_a_gap_is_read_for_its_secret() {
    let folder = Folder::new("secrets-short");
    let mut talk = Conversation::open("192.168.0.2:40000", "192.168.0.21:21");
    talk.exchange("USER ftp", "331 Go on");
    let guest = b"PASS somebody@a-long-name.example.com";
    talk.control.say(&mut talk.wire, Side::Client, guest);
    talk.reply("230 In");
    let lost = b"\r\nUSER mira\r\n";
    talk.control.lose(&mut talk.wire, Side::Client, lost);
    talk.reply("331 Go on");
    talk.wire.wait(std::time::Duration::from_secs(1));
    let pass = format!("PASS {SECRET}\r");
    let control = &mut talk.control;
    control.say(&mut talk.wire, Side::Client, pass.as_bytes());
    talk.reply(&format!("530 {SECRET} is wrong"));
    talk.reply(&format!("421 {SECRET} was wrong"));
    folder.write("a.pcap", &talk.quit());
    assert_hidden(&folder);
}

#[test]
fn secret_in_a_retransmission_with_other_bytes_is_hidden_in_later_replies() {
    let folder = Folder::new("secrets-conflict");
    let mut talk = Conversation::open("192.168.0.2:40000", "192.168.0.21:21");
    talk.exchange("USER mira", "331 Password please");
    let first = format!("NOOP {}\r\n", "x".repeat(SECRET.len()));
    let second = format!("PASS {SECRET}\r\n");
    let length = u32::try_from(second.len()).expect("a short line");
    let control = &mut talk.control;
    control.say(&mut talk.wire, Side::Client, first.as_bytes());
    control.say_again(&mut talk.wire, Side::Client, length, second.as_bytes());
    talk.reply(&format!("230 {SECRET} was right"));
    folder.write("a.pcap", &talk.quit());
    assert_hidden(&folder);
}

#[test]
fn session_whose_letters_come_one_by_one_is_recognized_on_another_port() {
    let folder = Folder::new("secrets-letters");
    let mut talk = Conversation::connect_on(
        crate::support::wire::Wire::new(),
        "192.168.0.2:40000",
        "192.168.0.21:2121",
    );
    let pass = format!("PASS {SECRET}\r\n");
    for (side, line) in [
        (Side::Server, "220 Ready\r\n"),
        (Side::Client, "USER superuser\r\n"),
        (Side::Server, "331 Go on\r\n"),
        (Side::Client, pass.as_str()),
        (Side::Server, "230 In\r\n"),
    ] {
        for letter in line.as_bytes() {
            talk.control.say(&mut talk.wire, side, &[*letter]);
        }
    }
    folder.write("a.pcap", &talk.quit());
    assert_hidden(&folder);
    let report = folder.report(&["a.pcap"]);
    let session = &report["sessions"][0];
    assert_eq!(session["greeting"]["code"], 220);
    assert_eq!(session["login"]["user"], "superuser");
    assert_eq!(session["login"]["outcome"], "accepted");
}

/// Runs every command and format over the capture of a folder, and looks for the secret.
fn assert_hidden(folder: &Folder) {
    let formats = [
        "table", "json", "ndjson", "csv", "html", "zeek", "eve", "ecs",
    ];
    let mut runs: Vec<Vec<&str>> = formats
        .iter()
        .map(|format| vec!["analyze", "--no-progress", "--format", format, "a.pcap"])
        .collect();
    runs.push(vec!["analyze", "--no-progress", "-v", "a.pcap"]);
    for format in ["text", "mermaid", "plantuml", "svg", "html"] {
        runs.push(vec![
            "diagram",
            "--no-progress",
            "--format",
            format,
            "a.pcap",
        ]);
    }
    for detail in ["steps", "packets"] {
        runs.push(vec![
            "diagram",
            "--no-progress",
            "--detail",
            detail,
            "a.pcap",
        ]);
    }
    for format in ["svg", "mermaid"] {
        runs.push(vec![
            "diagram",
            "--no-progress",
            "--detail",
            "timeline",
            "--format",
            format,
            "a.pcap",
        ]);
    }
    runs.push(vec!["tree", "--no-progress", "a.pcap"]);
    runs.push(vec!["live", "-r", "a.pcap"]);
    runs.push(vec![
        "check",
        "--no-progress",
        "--record",
        "recorded.toml",
        "a.pcap",
    ]);
    for arguments in runs {
        let output = folder.command(&arguments).output().expect("it runs");
        let mut written = output.stdout;
        written.extend_from_slice(&output.stderr);
        if let Ok(recorded) = fs::read(folder.path().join("recorded.toml")) {
            written.extend_from_slice(&recorded);
        }
        let text = String::from_utf8_lossy(&written);
        if let Some(at) = text.find(SECRET) {
            let from = text.floor_char_boundary(at.saturating_sub(300));
            let to = text.floor_char_boundary(at + 100);
            panic!("{arguments:?} shows the secret: {}", &text[from..to]);
        }
    }
}
