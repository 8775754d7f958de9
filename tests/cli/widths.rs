//! Text on narrow terminals: no line is wider, and nothing of it is lost.

use std::path::Path;

use unicode_width::UnicodeWidthStr as _;

use crate::support::folder::Folder;

fn committed(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    folder.join(name).display().to_string()
}

/// Returns standard output of a run on a terminal of this width, or into a pipe.
fn output(folder: &Folder, width: Option<usize>, arguments: &[&str]) -> String {
    let mut command = folder.command(arguments);
    match width {
        Some(width) => command.env("COLUMNS", width.to_string()),
        None => command.env_remove("COLUMNS"),
    };
    let output = command.output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!text.is_empty(), "{arguments:?}: {errors}");
    text
}

/// Returns a text without its line breaks and indents, as it would be read aloud.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// Digests are copied as a whole, also from a terminal that breaks them.
fn is_digest(line: &str) -> bool {
    line.split_whitespace()
        .any(|word| word.len() >= 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[test]
fn every_text_output_fits_a_narrow_terminal_with_all_its_words() {
    let folder = Folder::new("widths");
    let (classic, loss) = (committed("classic.pcap"), committed("loss.pcap"));
    std::fs::copy(&classic, folder.path().join("a.pcap")).expect("copied");
    std::fs::copy(&loss, folder.path().join("b.pcap")).expect("copied");
    folder.write(
        "vsftpd.log",
        b"Mon Mar  2 10:00:12 2026 [pid 3] [ftp] OK DOWNLOAD: Client \"192.168.0.2\", \
        \"/pub/another.txt\", 1715 bytes, 100.00Kbyte/sec\n",
    );
    folder.write(
        "e.toml",
        b"[[session]]\nmatch = 'login.user == \"nobody\"'\nsteps = [\"login\", \"quit\"]\n\
        [[rule]]\nname = \"nobody logs in without TLS, and this name is longer than a line\"\n\
        assert = 'tls != null'\n",
    );
    let runs: &[&[&str]] = &[
        &["help", "findings"],
        &["help", "exit-codes"],
        &["help", "signals"],
        &["check", "--list-rules"],
        &["check", "--expect", "e.toml", "a.pcap"],
        &[
            "check",
            "-v",
            "--rule",
            "no-cleartext-login",
            "--rule",
            "all-transfers-complete",
            "b.pcap",
        ],
        &["check", "--baseline", "a.pcap", "b.pcap"],
        &["check", "--fail-on", "info", "b.pcap"],
        &["reconcile", "--log", "vsftpd.log", "a.pcap"],
        &["reconcile", "-v", "--log", "vsftpd.log", "b.pcap"],
        &["series", "--format", "text", "a.pcap", "b.pcap"],
    ];
    for arguments in runs {
        let whole = output(&folder, None, arguments);
        for width in [60, 40] {
            let text = output(&folder, Some(width), arguments);
            for line in text.lines().filter(|line| !is_digest(line)) {
                assert!(line.width() <= width, "{arguments:?} at {width}: {line}");
            }
            assert_eq!(words(&text), words(&whole), "{arguments:?} at {width}");
        }
    }
}

#[test]
fn line_of_a_log_stays_whole_in_a_pipe_and_keeps_its_blanks() {
    let folder = Folder::new("widths-log");
    let line = "Mon Mar  2 10:00:12 2026 [pid 3] [ftp] OK DOWNLOAD: Client \"192.168.0.2\", \
        \"/pub/a  file  of  a  rather  long  name.txt\", 1715 bytes, 100.00Kbyte/sec";
    folder.write("vsftpd.log", format!("{line}\n").as_bytes());
    let arguments = [
        "reconcile",
        "--log",
        "vsftpd.log",
        &committed("classic.pcap"),
    ];
    let text = output(&folder, None, &arguments);
    assert!(text.contains(line), "{text}");
    let narrow = output(&folder, Some(60), &arguments);
    assert!(
        narrow.contains("log      Mon Mar  2 10:00:12 2026"),
        "{narrow}"
    );
}

#[test]
fn capture_from_standard_input_is_named_in_words() {
    let folder = Folder::new("widths-stdin");
    let run = |arguments: &[&str]| {
        let file = std::fs::File::open(committed("classic.pcap")).expect("a capture");
        let output = folder.command(arguments).stdin(file).output();
        String::from_utf8(output.expect("it runs").stdout).expect("text")
    };
    let text = run(&[
        "check",
        "--fail-on",
        "info",
        "--rule",
        "data-resumes-control",
        "-",
    ]);
    assert!(text.contains("1 session in standard input\n"), "{text}");
    assert!(!text.contains(" of -") && !text.contains(" in -"), "{text}");
    let text = run(&[
        "check",
        "--rule",
        "all-transfers-complete",
        "-",
        "missing.pcap",
    ]);
    assert!(!text.contains(" in -"), "{text}");
    let none = folder.command(&["check", "--rule", "no-cleartext-login", "missing.pcap"]);
    let mut none = none;
    let output = none.output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(
        text.contains("0 skipped, no capture could be read\n"),
        "{text}"
    );
}
