//! Real sessions, damaged in many ways: a recorded file fails on each, with expected and found value, place and cause.

use crate::check::edited::Edited;
use crate::support::folder::Folder;

/// Checks a damaged session against the file recorded of the whole one, and returns the output.
fn checked(name: &str, capture: &str, damage: impl FnOnce(&mut Edited)) -> String {
    let folder = Folder::new(&format!("damaged-{name}"));
    let good = Edited::read(capture);
    folder.write("good.pcap", &good.to_pcap());
    let recorded = folder.run(&["check", "-q", "--record", "session.toml", "good.pcap"]);
    assert_eq!(recorded, "exit 0\n", "{name}");
    let mut run = good;
    damage(&mut run);
    folder.write("run.pcap", &run.to_pcap());
    folder.run(&["check", "--expect", "session.toml", "run.pcap"])
}

/// Asserts that the check fails, that every difference has a frame, and that the output has all parts.
fn assert_reported(name: &str, capture: &str, parts: &[&str], damage: impl FnOnce(&mut Edited)) {
    let text = checked(name, capture, damage);
    assert!(text.starts_with("exit 1\n"), "{name}: {text}");
    for part in parts {
        assert!(text.contains(part), "{name}: no {part:?} in {text}");
    }
    assert!(text.contains("    in        frame "), "{name}: {text}");
}

#[test]
fn undamaged_sessions_pass() {
    for capture in [PASSIVE, UPLOAD, ACTIVE] {
        let text = checked("not", capture, |_| {});
        assert!(text.starts_with("exit 0\n"), "{capture}: {text}");
    }
}

#[test]
fn damaged_files_are_reported() {
    for capture in [PASSIVE, UPLOAD] {
        assert_reported(
            "lost",
            capture,
            &[
                "completeness is \"complete\"",
                "found     \"gaps\"",
                "bytes are missing in the capture",
            ],
            |run| run.lose(run.data()[3]),
        );
        assert_reported(
            "content",
            capture,
            &[
                "expected  sha256 is \"",
                "the file is whole in the capture: what was sent is another",
            ],
            |run| run.flip(run.data()[3]),
        );
    }
    assert_reported(
        "short",
        PASSIVE,
        &[
            "found     \"truncated\"",
            "the 150 reply said 12,000 bytes, 11,900 were seen",
        ],
        |run| run.shorten(*run.data().last().expect("data"), 100),
    );
    assert_reported(
        "short-upload",
        UPLOAD,
        &[
            "bytes is 9000",
            "found     8900",
            "what was sent is another",
        ],
        |run| {
            // The last packet of the first of two files.
            let data = run.data();
            let last = data.windows(2).find(|two| two[1] - two[0] > 20);
            run.shorten(last.map_or(data[data.len() - 1], |two| two[0]), 100);
        },
    );
}

#[test]
fn different_replies_are_reported() {
    let answers = |name: &str, command: &str, answer: &str, parts: &[&str]| {
        assert_reported(name, PASSIVE, parts, |run| {
            let at = run.answer(run.line(command));
            run.say(at, &format!("{answer}\r\n"));
        });
    };
    answers(
        "refused",
        "CWD pub",
        "550 Gone.",
        &[
            "expected  step cwd pub: ok 250",
            "found     cwd pub: failed, answered 550 Gone.",
            "path is \"/pub\"",
            "because   cwd pub: failed, answered 550 Gone.",
        ],
    );
    answers(
        "code",
        "CWD pub",
        "200 Fine.",
        &["step cwd pub: ok 250", "cwd pub: ok, answered 200 Fine."],
    );
    answers(
        "login",
        "PASS",
        "530 Login incorrect.",
        &[
            "login.outcome is \"accepted\"",
            "found     \"rejected\"",
            "because   The server refused the login as mira: 530 Login incorrect.",
        ],
    );
    assert_reported(
        "aborted",
        PASSIVE,
        &[
            "step list: ok 226",
            "list: failed, answered 426 Broken.",
            "found     \"aborted\"",
            "final reply 426 Broken.",
        ],
        |run| run.say(run.line("226"), "426 Broken.\r\n"),
    );
    assert_reported(
        "greeting",
        PASSIVE,
        &[
            "greeting.code is 220",
            "the server greeted with 421 Too many users.",
        ],
        |run| run.say(run.line("220"), "421 Too many users.\r\n"),
    );
}

#[test]
fn different_commands_are_reported() {
    assert_reported(
        "user",
        PASSIVE,
        &[
            "login.user is \"mira\"",
            "found     \"eve\"",
            "step login mira",
        ],
        |run| run.say(run.line("USER"), "USER eve\r\n"),
    );
    assert_reported(
        "name",
        PASSIVE,
        &[
            "RETR /pub/data.bin",
            "retrieve pub/other.bin: ok",
            "RETR /pub/other.bin (12,000 bytes, complete)",
        ],
        |run| run.say(run.line("RETR"), "RETR pub/other.bin\r\n"),
    );
    assert_reported(
        "type",
        PASSIVE,
        &[
            "data_type is \"image\"",
            "found     \"ascii\"",
            "because   TYPE A (frame 31 of run.pcap)",
        ],
        |run| run.say(run.line("TYPE I"), "TYPE A\r\n"),
    );
    assert_reported(
        "gone",
        PASSIVE,
        &[
            "expected  step command MDTM data.bin: ok 213",
            "nothing like it after command TYPE I: ok",
        ],
        |run| run.unsay(run.line("MDTM")),
    );
    assert_reported(
        "quit",
        PASSIVE,
        &[
            "step quit: ok 221",
            "the session ended without QUIT (closed)",
        ],
        |run| run.unsay(run.line("QUIT")),
    );
    assert_reported(
        "more",
        PASSIVE,
        &[
            "no other step",
            "delete data.bin: ok, answered 250 Deleted.",
            "found     DELE data.bin",
        ],
        |run| {
            let at = run.line("QUIT");
            run.say(run.answer(at), "250 Deleted.\r\n221 Goodbye.\r\n");
            run.say(at, "DELE data.bin\r\nQUIT\r\n");
        },
    );
    assert_reported(
        "mode",
        ACTIVE,
        &[
            "mode is \"active\"",
            "found     \"extended-active\"",
            "because   EPRT |1|",
        ],
        |run| {
            let at = run.line("PORT");
            let numbers: Vec<u16> = run
                .text(at)
                .trim_start_matches("PORT ")
                .trim_end()
                .split(',')
                .map(|number| number.parse().expect("a number"))
                .collect();
            let [a, b, c, d, high, low] = numbers[..] else {
                panic!("six numbers");
            };
            run.say(
                at,
                &format!("EPRT |1|{a}.{b}.{c}.{d}|{}|\r\n", high * 256 + low),
            );
        },
    );
}

#[test]
fn gaps_in_the_capture_are_reported_as_the_cause() {
    assert_reported(
        "end",
        PASSIVE,
        &[
            "retrieve pub/data.bin: incomplete, answered 150",
            "because   the capture ends while the session is open",
            "found     \"truncated\"",
        ],
        |run| run.end(run.data()[4]),
    );
    assert_reported(
        "side",
        PASSIVE,
        &[
            "found     cwd: ok, known from its answer alone",
            "no command is in the capture: of the control connection it has one direction only",
        ],
        Edited::mute_client,
    );
    assert_reported(
        "encrypted",
        "ftps-explicit.pcap",
        &[
            "no capture-loss",
            "of one data connection are not in the capture",
        ],
        |run| run.lose(run.data()[4]),
    );
    // Of a session that is not there no frame is known.
    let text = checked("session", UPLOAD, |run| {
        run.end(run.line_after(run.line("QUIT"), "USER") - 6);
    });
    for part in [
        "exit 1\n",
        "session 2 is there",
        "only 1, and those before it in the file took them",
        "8 expectations skipped in session.toml",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn slow_steps_are_reported_if_the_file_limits_their_duration() {
    let folder = Folder::new("damaged-slow");
    let mut run = Edited::read(PASSIVE);
    run.delay(run.data()[2], 30);
    folder.write("run.pcap", &run.to_pcap());
    folder.write(
        "e.toml",
        b"[[session]]\nduration = \"..10\"\nsteps = [{ kind = \"retrieve\", duration = \"..5\" }]\n\n\
          [[rule]]\nname = \"no step hangs\"\nfor = \"step\"\nassert = 'duration < 5.0'\n",
    );
    let text = folder.run(&["check", "--expect", "e.toml", "run.pcap"]);
    assert!(text.starts_with("exit 1\n"), "{text}");
    for part in [
        "duration is 10 or less",
        "found     30.0",
        "retrieve pub/data.bin: ok, answered 226 Transfer complete., in 30.0",
        "no step hangs",
        "duration is 30.0",
        "in        frame 37 of run.pcap",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

const PASSIVE: &str = "passive-lftp.pcap";
const UPLOAD: &str = "upload.pcap";
const ACTIVE: &str = "classic-real.pcap";
