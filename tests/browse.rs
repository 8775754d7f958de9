//! The browser: pictures after keys, hostile names, reports read back, and a terminal that is resized and killed.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::conversation::Conversation;
use crate::support::folder::Folder;
use crate::support::wire::Wire;

/// Returns the path of a committed capture.
fn committed(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    folder.join(name).display().to_string()
}

/// Returns the picture of `input` in a size, after `keys`.
fn picture(folder: &Folder, input: &str, size: &str, keys: &str) -> String {
    let arguments = ["browse", "--render", size, "--keys", keys, input];
    let output = folder.command(&arguments).output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{keys}: {errors}");
    String::from_utf8(output.stdout).expect("a picture is text")
}

/// Returns an NDJSON or JSON report of a committed capture, written into the folder.
fn report(folder: &Folder, capture: &str, format: &str) -> String {
    let output = folder
        .command(&["analyze", "-q", "--format", format, &committed(capture)])
        .output()
        .expect("it runs");
    let name = format!("report.{format}");
    folder.write(&name, &output.stdout);
    name
}

/// A session whose names move cursors, change titles and reorder text.
fn hostile() -> Vec<u8> {
    let mut ftp = Conversation::logged_in("192.0.2.10:39021", "192.0.2.20:21");
    let name = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}txt.exe 日本語 cafe\u{301}";
    ftp.retrieve(name, 40_002, 50_002, b"\x1b[2Jhello\n\x1b]52;c;AAAA\x07\n");
    ftp.exchange("CWD \u{1b}[1;1Hdocs", "550 \u{1b}c\u{90}no\u{2066} such");
    ftp.quit()
}

#[test]
fn every_pane_of_the_classic_session_is_drawn() {
    let folder = Folder::new("browse-panes");
    let capture = committed("classic.pcap");
    let mut text = String::new();
    for keys in [
        "", "2", "2<Enter>", "3<Enter>", "4", "5", "3j6", "7", "?", "y",
    ] {
        let picture = picture(&folder, &capture, "100x30", keys);
        let _ = writeln!(text, "== {keys}\n{picture}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn narrow_and_wide_screens_are_filled_and_no_line_is_too_wide() {
    let folder = Folder::new("browse-sizes");
    let capture = committed("failed-login.pcap");
    let mut text = String::new();
    for (size, keys) in [
        ("60x15", ""),
        ("60x15", "5"),
        ("80x24", "2"),
        ("160x50", "3"),
    ] {
        let picture = picture(&folder, &capture, size, keys);
        let (width, height) = size.split_once('x').expect("a size");
        assert_eq!(picture.lines().count().to_string(), height);
        let widest = picture
            .lines()
            .map(unicode_width::UnicodeWidthStr::width)
            .max();
        assert!(widest <= width.parse().ok(), "{widest:?}\n{picture}");
        let _ = writeln!(text, "== {size} {keys}\n{picture}");
    }
    insta::assert_snapshot!(text);
    let small = picture(&folder, &capture, "40x10", "");
    assert!(small.starts_with("browse needs 60 × 15 cells"), "{small}");
}

#[test]
fn failed_session_is_selected_at_the_start_and_its_diagram_is_one_key_away() {
    let folder = Folder::new("browse-failed");
    let (good, bad) = (committed("classic.pcap"), committed("failed-login.pcap"));
    let arguments = ["browse", "--render", "100x40", "--keys", "5", &good, &bad];
    let output = folder.command(&arguments).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(
        text.contains("FAILED") && text.contains("[5 Diagram]"),
        "{text}"
    );
    assert!(text.contains("├") && text.contains("PASS"), "{text}");
}

#[test]
fn panes_of_a_failed_session_begin_at_its_failure() {
    let mut ftp = Conversation::logged_in("192.0.2.10:39021", "192.0.2.20:21");
    for number in 0..30 {
        ftp.exchange(&format!("CWD early{number}"), "250 OK.");
    }
    ftp.exchange("RETR gone.bin", "550 No such file here.");
    ftp.exchange("SITE IDLE", "500 Unknown SITE command.");
    let folder = Folder::new("browse-failure");
    folder.write("failed.pcap", &ftp.quit());
    for size in ["60x15", "80x24"] {
        let diagram = picture(&folder, "failed.pcap", size, "5");
        let lines: Vec<&str> = diagram.lines().collect();
        let selected = lines.iter().rposition(|line| line.starts_with('▶'));
        let selected = selected.expect("a selected line");
        // In a narrow diagram the label stands above its arrow.
        let near = lines[selected - 1..=selected].concat();
        assert!(near.contains("550 No such"), "{size}: {diagram}");
        let steps = picture(&folder, "failed.pcap", size, "2");
        let mut selected = steps.lines().filter(|line| line.starts_with("▶ ✗"));
        assert!(
            selected
                .next_back()
                .is_some_and(|line| line.contains("RETR gone")),
            "{size}: {steps}"
        );
        let first = picture(&folder, "failed.pcap", size, "5g");
        assert!(first.contains("The user starts the client"), "{first}");
    }
}

#[test]
fn pane_that_is_looked_at_gets_most_lines_and_no_key_in_the_last_line_is_cut() {
    let folder = Folder::new("browse-space");
    folder.write("many.pcap", &many(40));
    let rows = |keys: &str| {
        let picture = picture(&folder, "many.pcap", "80x24", keys);
        let rule = picture.lines().position(|line| line.starts_with("──"));
        rule.expect("a rule") - 3
    };
    assert_eq!((rows(""), rows("5"), rows("5<Esc>")), (7, 3, 7));
    for width in [60, 61, 70, 80, 97, 120] {
        let size = format!("{width}x15");
        for keys in ["", "2", "3", "5"] {
            let picture = picture(&folder, "many.pcap", &size, keys);
            let last = picture.lines().last().expect("a line");
            assert!(!last.contains('…') && last.starts_with("q quit"), "{last}");
        }
    }
}

#[test]
fn help_is_whole_on_the_smallest_screen_and_closed_by_any_key() {
    let folder = Folder::new("browse-help");
    let help = picture(&folder, &committed("classic.pcap"), "60x15", "?");
    for words in [
        "next, previous session with trouble",
        "filter sessions with a CEL expression, as --where",
        "sort sessions: time, bytes, duration, severity",
        "copy the display filter, the digest",
        "q, Ctrl-C  quit",
    ] {
        assert!(help.contains(words), "{words}\n{help}");
    }
    assert!(!help.lines().any(|line| line.contains("… │")), "{help}");
    let closed = picture(&folder, &committed("classic.pcap"), "60x15", "?j");
    assert!(!closed.contains("Ctrl-C"), "{closed}");
}

#[test]
fn findings_are_shown_with_the_most_severe_first() {
    let folder = Folder::new("browse-severity");
    let capture = committed("blocked-passive.pcap");
    let ranks = |keys: &str| {
        let picture = picture(&folder, &capture, "100x60", keys);
        let words = ["high", "medium", "low", "info"];
        let rank = |line: &str| {
            let mut shown = line.split_whitespace().filter(|word| *word != "▶");
            let first = shown.next().unwrap_or_default();
            words.iter().position(|word| *word == first)
        };
        let ranks: Vec<usize> = picture.lines().filter_map(rank).collect();
        (ranks, picture)
    };
    let (ranks, picture) = ranks("4");
    assert!(ranks.len() > 1 && ranks.is_sorted(), "{ranks:?}\n{picture}");
}

#[test]
fn text_from_the_wire_never_reaches_the_terminal_as_it_is() {
    let folder = Folder::new("browse-hostile");
    folder.write("hostile.pcap", &hostile());
    for size in ["60x15", "100x30", "200x60"] {
        for keys in [
            "",
            "2",
            "2<Enter>j<Enter>j<Enter>",
            "3<Enter>",
            "4",
            "5",
            "5jjjjjjj",
            "6",
            "7",
            "y",
            "Y",
            "/docs<Enter>",
        ] {
            let text = picture(&folder, "hostile.pcap", size, keys);
            let bad = |one: char| {
                one != '\n'
                    && (one.is_control()
                        || matches!(one, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
            };
            assert!(!text.contains(bad), "{keys}: {text:?}");
            let width: usize = size
                .split_once('x')
                .expect("a size")
                .0
                .parse()
                .expect("a number");
            for line in text.lines() {
                let columns = unicode_width::UnicodeWidthStr::width(line);
                assert!(columns <= width, "{keys}: {columns}: {line}");
            }
        }
    }
    let plain = [
        "browse",
        "--ascii",
        "--render",
        "80x24",
        "--keys",
        "3",
        "hostile.pcap",
    ];
    let output = folder.command(&plain).output().expect("it runs");
    assert!(output.stdout.is_ascii());
}

#[test]
fn report_made_before_shows_the_same_as_its_capture() {
    let folder = Folder::new("browse-report");
    let capture = committed("classic.pcap");
    for format in ["ndjson", "json"] {
        let report = report(&folder, "classic.pcap", format);
        for keys in ["", "2<Enter>", "3<Enter>", "4", "7"] {
            let of_capture = picture(&folder, &capture, "110x40", keys);
            let of_report = picture(&folder, &report, "110x40", keys);
            let rest = |text: &str| text.split_once('\n').map(|(_, rest)| rest.to_owned());
            assert_eq!(rest(&of_capture), rest(&of_report), "{format} {keys}");
        }
        let content = picture(&folder, &report, "80x24", "6");
        assert!(
            content.contains("no transfer") || content.contains("Content"),
            "{content}"
        );
        let saved = picture(&folder, &report, "80x24", "x");
        assert!(saved.contains("a report does not hold files"), "{saved}");
    }
}

#[test]
fn filter_with_a_mistake_leaves_the_old_one_and_names_the_mistake() {
    let folder = Folder::new("browse-filter");
    let report = report(&folder, "classic.pcap", "ndjson");
    let none = picture(&folder, &report, "90x24", "fid == 9<Enter>");
    assert!(none.contains("no session passes the filter"), "{none}");
    assert!(none.contains("0 where id == 9"), "{none}");
    let wrong = picture(
        &folder,
        &report,
        "90x24",
        "fid == 1<Enter>f<C-u>nonsense(<Enter>",
    );
    assert!(wrong.contains("1 where id == 1"), "{wrong}");
    assert!(wrong.contains("sessions where: nonsense("), "{wrong}");
    let capture = committed("classic.pcap");
    let digest = "ftransfers.exists(t, t.md5 != null)<Enter>";
    let absent = picture(&folder, &capture, "90x24", digest);
    assert!(absent.contains("md5 is not computed"), "{absent}");
    let all = picture(&folder, &report, "90x24", "fid == 9<Enter>f<C-u><Enter>");
    assert!(!all.contains("where"), "{all}");
    let same = [
        "browse",
        "--where",
        "id == 9",
        "--render",
        "90x24",
        report.as_str(),
    ];
    let output = folder.command(&same).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("0 where id == 9"), "{text}");
}

#[test]
fn search_goes_to_the_next_line_and_around_and_says_where_nothing_is() {
    let folder = Folder::new("browse-search");
    let capture = committed("classic.pcap");
    let selected = |keys: &str| {
        let picture = picture(&folder, &capture, "100x40", keys);
        let line = picture.lines().rev().find(|line| line.starts_with('▶'));
        line.unwrap_or_default().to_owned()
    };
    assert!(
        selected("2/readme<Enter>").contains("readme"),
        "{}",
        selected("2/readme<Enter>")
    );
    assert_eq!(selected("2/readme<Enter>nN"), selected("2/readme<Enter>"));
    let nothing = picture(&folder, &capture, "100x40", "2/no such text<Enter>");
    assert!(
        nothing.contains("'no such text' is not in this pane"),
        "{nothing}"
    );
}

#[test]
fn passwords_in_a_report_are_hidden_unless_asked_for() {
    let folder = Folder::new("browse-secrets");
    let output = folder
        .command(&[
            "analyze",
            "-q",
            "--show-passwords",
            "--format",
            "ndjson",
            &committed("failed-login.pcap"),
        ])
        .output()
        .expect("it runs");
    folder.write("shown.ndjson", &output.stdout);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let value: serde_json::Value = text
        .lines()
        .find(|line| line.starts_with("{\"type\":\"session_end\""))
        .and_then(|line| serde_json::from_str(line).ok())
        .expect("a session");
    let secret = value["report"]["login"]["password"]
        .as_str()
        .expect("a password")
        .to_owned();
    for keys in [
        "",
        "2",
        "2<Enter>j<Enter>j<Enter>j<Enter>j<Enter>",
        "5",
        "5jjjjjjjjjj",
    ] {
        let hidden = picture(&folder, "shown.ndjson", "140x60", keys);
        assert!(!hidden.contains(&secret), "{keys}: {hidden}");
    }
    let shown = [
        "browse",
        "--show-passwords",
        "--render",
        "140x60",
        "--keys",
        "2",
        "shown.ndjson",
    ];
    let output = folder.command(&shown).output().expect("it runs");
    assert!(String::from_utf8_lossy(&output.stdout).contains(&secret));
}

#[test]
fn chosen_file_is_saved_and_chosen_session_is_written() {
    let folder = Folder::new("browse-save");
    let capture = committed("classic.pcap");
    let saved = picture(&folder, &capture, "100x30", "3jx<C-u>out<Enter>");
    assert!(saved.contains("saved out/"), "{saved}");
    let sums = folder.read("out/SHA256SUMS");
    assert_eq!(sums.lines().count(), 1, "{sums}");
    let written = picture(&folder, &capture, "100x30", "w<C-u>one.pcapng<Enter>");
    assert!(written.contains("wrote one.pcapng"), "{written}");
    let again = picture(&folder, &capture, "100x30", "w<C-u>one.pcapng<Enter>");
    assert!(again.contains("exists already"), "{again}");
    let report = folder.report(&["one.pcapng"]);
    assert_eq!(
        report["sessions"][0]["transfers"][1]["completeness"],
        "complete"
    );
}

#[test]
fn list_of_many_sessions_is_sorted_paged_and_filtered() {
    let folder = Folder::new("browse-many");
    let report = report(&folder, "classic.pcap", "ndjson");
    let text = folder.read(&report);
    let line = text
        .lines()
        .find(|line| line.starts_with("{\"type\":\"session_end\""))
        .expect("a session");
    let mut many = String::new();
    for id in 1..=3_000 {
        let own = line.replacen(
            "\"report\":{\"id\":1,",
            &format!("\"report\":{{\"id\":{id},"),
            1,
        );
        let status = if id == 2_000 {
            "\"status\":\"failed\""
        } else {
            "\"status\":\"ok\""
        };
        many.push_str(&own.replacen("\"status\":\"ok\"", status, 1));
        many.push('\n');
    }
    folder.write("many.ndjson", many.as_bytes());
    let selected = |keys: &str| {
        let picture = picture(&folder, "many.ndjson", "100x20", keys);
        let line = picture.lines().find(|line| line.starts_with('▶'));
        let line = line.unwrap_or_default().to_owned();
        let mut words = line.split_whitespace();
        words.nth(2).unwrap_or_default().to_owned()
    };
    assert_eq!(selected(""), "2000");
    assert_eq!(selected("g"), "1");
    assert_eq!(selected("G"), "3000");
    assert_eq!(selected("g<PgDn>"), "16");
    assert_eq!(selected("gsss"), "1");
    assert_eq!(selected("gsssg"), "2000");
    assert_eq!(selected("ge"), "2000");
    assert_eq!(selected("fid > 2500<Enter>"), "2501");
    assert_eq!(selected("g/1234 192<Enter>"), "1234");
}

#[test]
fn wrong_calls_are_refused_before_anything_is_read() {
    let folder = Folder::new("browse-wrong");
    let capture = committed("classic.pcap");
    let report = report(&folder, "classic.pcap", "json");
    insta::assert_snapshot!(folder.run(&["browse", &capture]), @"
    exit 2
    -- stderr
    ftpscope: browse needs a terminal that it can draw on; ftpscope analyze prints the same
    ");
    insta::assert_snapshot!(folder.run(&["browse", "--render", "big", "x"]), @"
    exit 2
    -- stderr
    ftpscope: invalid value 'big' for '--render <WxH>': write it like 100x30, each from 1 to 500; try '--help'
    ");
    let both = folder.run(&["browse", "--render", "80x24", &capture, &report]);
    assert!(
        both.contains("give captures or reports, not both"),
        "{both}"
    );
    let missing = folder.run(&["browse", "--render", "80x24", "missing.pcap"]);
    assert!(missing.starts_with("exit 3"), "{missing}");
}

#[test]
fn input_from_a_pipe_is_recognized_by_its_first_byte() {
    let folder = Folder::new("browse-pipe");
    let report = report(&folder, "classic.pcap", "json");
    let capture = std::fs::read(committed("classic.pcap")).expect("a capture");
    for bytes in [folder.read(&report).into_bytes(), capture] {
        use std::io::Write as _;
        let mut child = folder
            .command(&["browse", "--render", "100x30", "-"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(&bytes).expect("it reads");
        drop(input);
        let output = child.wait_with_output().expect("it ends");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            text.contains("1 session") && text.contains("Session 1"),
            "{text}"
        );
    }
}

/// `count` short sessions, one behind the other.
fn many(count: u16) -> Vec<u8> {
    let mut wire = Wire::new();
    for number in 0..count {
        let client = format!("192.0.2.10:{}", 30_000 + number);
        let mut ftp = Conversation::open_on(wire, &client, "192.0.2.20:21");
        ftp.part();
        wire = ftp.wire;
    }
    wire.to_pcap()
}

/// A terminal of tmux, killed at the end.
struct Tmux {
    socket: String,
}

impl Tmux {
    /// Starts a shell in a terminal; `None` where there is no tmux, which is said.
    fn start(name: &str, folder: &Folder) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            crate::support::passed_over("tmux is not installed");
            return None;
        }
        let tmux = Self {
            socket: format!("ftpscope-{name}-{}", std::process::id()),
        };
        let path = folder.path().display().to_string();
        tmux.call(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "100",
            "-y",
            "30",
            "-c",
            &path,
            "sh",
        ]);
        Some(tmux)
    }

    fn call(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-u", "-L", &self.socket])
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .env("PS1", "ready$ ")
            .output()
            .expect("tmux runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn keys(&self, keys: &[&str]) {
        self.call(&[&["send-keys", "-t", "0"], keys].concat());
    }

    /// Waits until the screen satisfies `is_there`, and returns it.
    fn wait(&self, wanted: &str, is_there: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + Duration::from_mins(1);
        loop {
            let screen = self.call(&["capture-pane", "-p", "-t", "0"]);
            if is_there(&screen) {
                return screen;
            }
            assert!(Instant::now() < end, "no {wanted}:\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.call(&["kill-server"]);
    }
}

#[test]
fn terminal_is_resized_while_it_runs_and_restored_when_it_is_quit_stopped_or_killed() {
    let folder = Folder::new("browse-tmux");
    let Some(tmux) = Tmux::start("browse", &folder) else {
        return;
    };
    let program = env!("CARGO_BIN_EXE_ftpscope");
    let line = format!(
        "LC_ALL=C.UTF-8 {program} browse {}",
        committed("classic.pcap")
    );
    let is_shell = |screen: &str| screen.trim_end().ends_with(['$', '#']);
    let start = || {
        tmux.keys(&["clear", "Enter"]);
        tmux.keys(&[&line, "Enter"]);
        tmux.wait("list", |screen| screen.contains("[1 Sessions]"));
    };
    start();
    tmux.keys(&["5"]);
    tmux.wait("diagram", |screen| {
        screen.contains("[5 Diagram]") && screen.contains('├')
    });
    for (width, height) in [("60", "15"), ("40", "10"), ("160", "50"), ("100", "30")] {
        tmux.call(&["resize-window", "-t", "0", "-x", width, "-y", height]);
        let wanted = if width == "40" {
            "browse needs"
        } else {
            "Diag"
        };
        tmux.wait(wanted, |screen| screen.contains(wanted));
    }
    tmux.keys(&["q"]);
    tmux.wait("shell", is_shell);
    for signal in ["TERM", "HUP", "QUIT"] {
        start();
        tmux.keys(&["2"]);
        tmux.wait("steps", |screen| screen.contains("[2 Steps]"));
        kill(&tmux, signal);
        tmux.wait("shell", is_shell);
        // A raw terminal would not show what is typed, nor end the line.
        tmux.keys(&["echo al''ive", "Enter"]);
        tmux.wait("echo", |screen| {
            screen.lines().any(|line| line.trim() == "alive")
        });
    }
    start();
    tmux.keys(&["C-z"]);
    tmux.wait("shell", is_shell);
    tmux.keys(&["fg", "Enter"]);
    tmux.wait("list again", |screen| screen.contains("[1 Sessions]"));
    tmux.keys(&["C-c"]);
    tmux.wait("shell", is_shell);
}

#[test]
fn second_sigint_ends_the_browser_however_soon_it_comes() {
    let folder = Folder::new("browse-sigint");
    let program = env!("CARGO_BIN_EXE_ftpscope");
    // A file that is followed is read until the first SIGINT.
    let line = format!(
        "clear; LC_ALL=C.UTF-8 {program} browse --follow {}",
        committed("classic.pcap")
    );
    let Some(tmux) = Tmux::start("sigint", &folder) else {
        return;
    };
    for pause in [0, 5, 30, 200] {
        tmux.keys(&[&line, "Enter"]);
        tmux.wait("list", |screen| screen.contains("reading"));
        kill(&tmux, "INT");
        std::thread::sleep(Duration::from_millis(pause));
        kill(&tmux, "INT");
        tmux.wait("shell", |screen| screen.trim_end().ends_with(['$', '#']));
        tmux.keys(&["echo al''ive", "Enter"]);
        tmux.wait("echo", |screen| {
            screen.lines().any(|line| line.trim() == "alive")
        });
    }
}

#[test]
fn browser_ends_when_its_terminal_is_closed() {
    let folder = Folder::new("browse-closed");
    let program = env!("CARGO_BIN_EXE_ftpscope");
    let capture = committed("classic.pcap");
    let Some(tmux) = Tmux::start("closed", &folder) else {
        return;
    };
    let line = format!("LC_ALL=C.UTF-8 {program} browse {capture}");
    tmux.keys(&[&line, "Enter"]);
    tmux.wait("list", |screen| screen.contains("[1 Sessions]"));
    let child = child(&tmux);
    tmux.call(&["kill-server"]);
    let status = format!("/proc/{child}/stat");
    let is_over = || {
        // Nobody may wait for it: then it stays as a zombie.
        std::fs::read_to_string(&status).map_or(true, |stat| stat.contains(") Z "))
    };
    let end = Instant::now() + Duration::from_mins(1);
    while !is_over() {
        assert!(Instant::now() < end, "{child} still runs");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Sends a signal to the browser that runs in the terminal, and to no other.
fn kill(tmux: &Tmux, signal: &str) {
    let child = child(tmux);
    let killed = Command::new("kill").args(["-s", signal, &child]).status();
    assert!(killed.expect("kill runs").success());
}

/// Returns the process id of the browser that runs in the terminal.
fn child(tmux: &Tmux) -> String {
    let shell = tmux.call(&["display-message", "-p", "-t", "0", "#{pane_pid}"]);
    let children = Command::new("ps")
        .args(["-o", "pid=", "--ppid", shell.trim()])
        .output()
        .expect("ps runs");
    let children = String::from_utf8_lossy(&children.stdout).into_owned();
    let child = children.split_whitespace().next();
    child.expect("the browser").to_owned()
}
