//! Outputs of a monitor: rotated events, files and their lists, packets, alerts, metrics.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::Value;

use crate::live::monitor::{Monitor, analyzed, capture, events, folder, sessions};
use crate::live::specimen::{specimen, write_again};

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

#[test]
fn events_rotate_and_every_file_is_whole() {
    let folder = folder("rotate");
    let path = folder.join("events");
    let input = capture("classic.pcap");
    let arguments = [
        "-r",
        text(&input),
        "--format",
        "ndjson",
        "-o",
        text(&path),
        "--rotate",
        "4kB",
        "--keep",
        "2",
    ];
    let ended = Monitor::start(&arguments).end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let files = files(&folder);
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        let whole = fs::read_to_string(file).expect("text");
        assert!(whole.ends_with('\n'));
        let lines: Vec<String> = whole.lines().map(str::to_owned).collect();
        assert!(!events(&lines).is_empty());
    }
}

#[test]
fn a_file_that_was_moved_away_is_opened_again() {
    let folder = folder("reopen");
    let path = folder.join("events");
    let mut monitor = Monitor::start(&["-r", "-", "--format", "ndjson", "-o", text(&path)]);
    let bytes = fs::read(capture("classic.pcap")).expect("a capture");
    let input = monitor.input.as_mut().expect("a pipe");
    input.write_all(&bytes).expect("written");
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    wait(|| read(&path).contains("\"session_end\""));
    fs::rename(&path, folder.join("moved")).expect("renamed");
    monitor.signal(Signal::HUP);
    wait(|| path.exists());
    assert_eq!(monitor.end().code, Some(0));
    assert!(
        read(&path).starts_with("{\"type\":\"totals\""),
        "{}",
        read(&path)
    );
}

#[test]
fn files_and_their_lists_are_there_while_it_runs() {
    let folder = folder("extract");
    let saved = folder.join("files");
    let mut monitor = Monitor::start(&["-r", "-", "-x", text(&saved)]);
    let bytes = fs::read(capture("classic.pcap")).expect("a capture");
    let input = monitor.input.as_mut().expect("a pipe");
    input.write_all(&bytes).expect("written");
    let sums = saved.join("SHA256SUMS");
    let line = "c232a16f5c07";
    wait(|| {
        fs::read_to_string(&sums)
            .unwrap_or_default()
            .starts_with(line)
    });
    let manifest = fs::read_to_string(saved.join("manifest.json"));
    wait(|| saved.join("manifest.json").exists());
    drop(manifest);
    let during: Value =
        serde_json::from_str(&fs::read_to_string(saved.join("manifest.json")).expect("a list"))
            .expect("JSON");
    let ended = monitor.end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let after: Value =
        serde_json::from_str(&fs::read_to_string(saved.join("manifest.json")).expect("a list"))
            .expect("JSON");
    assert_eq!(during, after);
    assert_eq!(after["transfers"][0]["completeness"], "complete");
    assert_eq!(fs::read_to_string(&sums).expect("sums").lines().count(), 1);
    assert!(!saved.join(".unfinished").exists());
}

#[test]
fn sessions_that_are_not_asked_for_leave_no_file() {
    let folder = folder("where");
    let saved = folder.join("files");
    let input = capture("classic.pcap");
    let arguments = [
        "-r",
        text(&input),
        "-x",
        text(&saved),
        "--where",
        "login.user == \"nobody\"",
        "--format",
        "ndjson",
    ];
    let ended = Monitor::start(&arguments).end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let events = events(&ended.lines);
    assert!(sessions(&events).is_empty());
    assert_eq!(
        events.last().expect("totals")["totals"]["sessions_filtered"],
        1
    );
    let names: Vec<_> = files(&saved)
        .iter()
        .filter_map(|path| path.file_name()?.to_str().map(str::to_owned))
        .collect();
    assert_eq!(names, ["SHA256SUMS", "manifest.json"]);
}

#[test]
fn packets_of_chosen_sessions_alone_are_not_promised() {
    let folder = folder("chosen-packets");
    let (input, packets) = (capture("classic.pcap"), folder.join("packets.pcapng"));
    let all = ["-r", text(&input), "-w", text(&packets)];
    let ended = Monitor::start(&[&all[..], &["--session", "1"]].concat()).end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let about = "gets the packets of all sessions";
    assert_eq!(ended.errors.matches(about).count(), 1, "{}", ended.errors);
    let ended = Monitor::start(&all).end();
    assert!(!ended.errors.contains(about), "{}", ended.errors);
}

#[test]
fn packets_of_sessions_alone_give_the_same_report() {
    let folder = folder("write");
    for name in [
        "classic.pcap",
        "passive-lftp.pcap",
        "ipv6-epsv.pcap",
        "ftps-explicit.pcap",
    ] {
        let path = folder.join(format!("{name}.pcapng"));
        let input = capture(name);
        let ended = Monitor::start(&["-r", text(&input), "-w", text(&path)]).end();
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
        assert_eq!(
            sessions(&analyzed(&path)),
            sessions(&analyzed(&input)),
            "{name}"
        );
    }
}

#[test]
fn ring_files_are_captures_of_their_own_and_together_the_whole() {
    let folder = folder("ring");
    let path = folder.join("kept.pcapng");
    let input = capture("classic.pcap");
    let arguments = ["-r", text(&input), "-w", text(&path), "--rotate", "3kB"];
    let ended = Monitor::start(&arguments).end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let ring = files(&folder);
    assert!(ring.len() > 2, "{ring:?}");
    for file in &ring {
        let length = fs::metadata(file).expect("a file").len();
        assert!((100..=3_000).contains(&length), "{length}");
    }
    let whole = folder.join("whole.pcapng");
    // The youngest has the bare name, which sorts first.
    let in_order = ring.iter().skip(1).chain(ring.first());
    let bytes: Vec<u8> = in_order
        .flat_map(|file| fs::read(file).expect("a file"))
        .collect();
    fs::write(&whole, bytes).expect("written");
    assert_eq!(sessions(&analyzed(&whole)), sessions(&analyzed(&input)));
}

#[test]
fn what_is_kept_can_be_read_before_the_first_packet() {
    let folder = folder("kept-early");
    let path = folder.join("kept.pcapng");
    let mut monitor = Monitor::start(&["-r", "-", "-w", text(&path), "--format", "ndjson"]);
    wait(|| fs::metadata(&path).is_ok_and(|found| found.len() > 0));
    assert!(sessions(&analyzed(&path)).is_empty());
    let bytes = fs::read(capture("classic.pcap")).expect("a capture");
    let input = monitor.input.as_mut().expect("a pipe");
    input.write_all(&bytes).expect("written");
    wait(|| sessions(&analyzed(&path)).len() == 1);
    assert_eq!(monitor.end().code, Some(0));
}

#[test]
fn nobody_reading_the_events_any_more_is_a_quiet_end() {
    let mut command = std::process::Command::new(crate::live::monitor::program());
    let mut child = command
        .args(["live", "-r", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("started");
    drop(child.stdout.take());
    let bytes = fs::read(capture("classic.pcap")).expect("a capture");
    let mut input = child.stdin.take().expect("a pipe");
    // It may be gone before all of it is written.
    let _ = input.write_all(&bytes);
    let output = child.wait_with_output().expect("waited");
    drop(input);
    assert_eq!(output.status.code(), Some(0));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.lines().all(|line| line.contains(": note: ")),
        "{errors}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_program_that_hangs_is_ended_and_four_run_at_once() {
    let folder = folder("hang");
    let program = folder.join("program");
    let log = folder.join("log");
    let script = format!("#!/bin/sh\necho $$ >> {}\nexec sleep 1000\n", text(&log));
    fs::write(&program, script).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("set");
    let input = capture("classic.pcap");
    let arguments = ["-r", text(&input), "--alert", "type == \"step\""];
    let ended = Monitor::start(&[&arguments[..], &["--exec", text(&program)]].concat()).end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(
        ended.errors.contains("not given to the program any more"),
        "{}",
        ended.errors
    );
    let log = fs::read_to_string(log).expect("it has run");
    assert_eq!(log.lines().count(), 4, "{log}");
    for id in log.lines() {
        let state = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        assert!(!state.contains("(sleep)"), "{state}");
    }
}

#[test]
fn failures_of_the_alert_program_are_reported_once_with_their_count() {
    for (name, script, cause) in [
        ("exit", "cat >/dev/null; exit 3", "exit code 3"),
        ("signal", "cat >/dev/null; kill -9 $$", "killed by signal 9"),
    ] {
        let folder = folder(&format!("failing-{name}"));
        let program = folder.join("program");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("set");
        let input = capture("classic.pcap");
        let alert = ["-r", text(&input), "--alert", "type == \"step\""];
        let ended = Monitor::start(&[&alert[..], &["--exec", text(&program)]].concat()).end();
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
        let steps = ended
            .lines
            .iter()
            .filter(|line| line.contains("ALERT"))
            .count();
        assert_eq!(
            ended.errors.matches(" failed for ").count(),
            1,
            "{}",
            ended.errors
        );
        // Titles of steps with a transfer have no line of their own.
        assert!(steps > 3, "{:?}", ended.lines);
        assert!(
            ended.errors.contains(&format!("alerts ({cause})")),
            "{}",
            ended.errors
        );
    }
}

#[test]
fn killed_monitor_has_listed_every_file_whose_event_was_emitted() {
    let folder = folder("killed");
    let saved = folder.join("files");
    let events = folder.join("events.ndjson");
    let packets = specimen();
    for wanted in [1, 7, 20] {
        let _ = fs::remove_dir_all(&saved);
        let _ = fs::remove_file(&events);
        let mut monitor = Monitor::start(&["-r", "-", "--format", "ndjson", "-x", text(&saved)]);
        let mut input = monitor.input.take().expect("a pipe");
        let mut bytes = fs::read(capture("classic.pcap")).expect("a capture")[..24].to_vec();
        for number in 0..40 {
            write_again(&packets, number, number * 20, &mut bytes);
        }
        let writer = std::thread::spawn(move || {
            // The pipe breaks with the monitor.
            let _ = input.write_all(&bytes);
            input
        });
        let mut emitted = Vec::new();
        while emitted.len() < wanted {
            let lines = monitor.wait_for(|line| line.contains("\"saved_as\":\""));
            let events = crate::live::monitor::events(&lines);
            let saved = events.iter().filter(|event| event["type"] == "transfer");
            emitted.extend(
                saved.filter_map(|event| Some(event["transfer"]["saved_as"].as_str()?.to_owned())),
            );
        }
        monitor.signal(Signal::KILL);
        let ended = monitor.end();
        assert_eq!(ended.code, None);
        drop(writer.join().expect("no panic"));
        let sums = fs::read_to_string(saved.join("SHA256SUMS")).expect("sums");
        for name in &emitted {
            assert!(
                sums.lines().any(|line| line.ends_with(name)),
                "{name} is not in {sums}"
            );
        }
        let files = files_below(&saved)
            .into_iter()
            .filter(|path| path.ends_with("readme.txt"));
        let unlisted: Vec<_> = files
            .filter(|path| !sums.lines().any(|line| path.ends_with(&line[66..])))
            .collect();
        assert!(unlisted.len() <= 1, "{unlisted:?}");
    }
}

/// Returns the paths of all files in and below `folder`.
fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(text(&path).to_owned());
        }
    }
    found
}

#[test]
fn failure_of_the_alert_program_is_counted_when_it_ends_and_not_at_a_later_alert() {
    let folder = folder("failing-once");
    let program = folder.join("program");
    fs::write(&program, "#!/bin/sh\ncat >/dev/null; exit 3\n").expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("set");
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address").to_string();
    drop(free);
    let alert = "type == \"session_end\"";
    let mut monitor = Monitor::start(&[
        "-r",
        "-",
        "--metrics",
        &address,
        "--alert",
        alert,
        "--exec",
        text(&program),
    ]);
    let bytes = fs::read(capture("classic.pcap")).expect("a capture");
    let input = monitor.input.as_mut().expect("a pipe");
    input.write_all(&bytes).expect("written");
    monitor.wait_for(|line| line.contains("session ends"));
    // One alert in all, and the pipe stays open.
    wait(|| {
        let mut answer = String::new();
        let mut stream = TcpStream::connect(&address).expect("connected");
        let asked = stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n");
        asked.expect("asked");
        stream.read_to_string(&mut answer).expect("an answer");
        answer.contains("\nftpscope_alerts_failed_total 1\n")
    });
    let ended = monitor.end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(
        ended.errors.contains("alert (exit code 3)")
            || ended.errors.contains("alerts (exit code 3)"),
        "{}",
        ended.errors
    );
}

#[test]
fn alert_program_that_cannot_be_started_is_reported_with_the_first_alert() {
    let folder = folder("no-start");
    let program = folder.join("program");
    fs::write(&program, "#!/no/such/interpreter\n").expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
    let input = capture("classic.pcap");
    let alert = "type == \"session_end\"";
    let arguments = [
        "-r",
        text(&input),
        "--alert",
        alert,
        "--exec",
        text(&program),
    ];
    let ended = Monitor::start(&arguments).end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(
        ended.errors.contains("the alert program cannot be started"),
        "{}",
        ended.errors
    );
}

#[cfg(target_os = "linux")]
#[test]
fn alert_program_inherits_no_descriptor_but_the_standard_ones() {
    let folder = folder("descriptors");
    let program = folder.join("program");
    let result = folder.join("result");
    let script = format!(
        "#!/bin/sh\nls -l /proc/self/fd > {0}.tmp; mv {0}.tmp {0}\n",
        text(&result)
    );
    fs::write(&program, script).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("set");
    // As libpcap leaves its packet socket: without the flag, so that every program started from here on has it.
    let left_open = fs::File::create(folder.join("left-open")).expect("created");
    rustix::io::fcntl_setfd(&left_open, rustix::io::FdFlags::empty()).expect("set");
    let input = capture("classic.pcap");
    let arguments = ["-r", text(&input), "--alert", "type == \"session_end\""];
    let ended = Monitor::start(&[&arguments[..], &["--exec", text(&program)]].concat()).end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let listed = fs::read_to_string(result).expect("it has run");
    assert!(!listed.contains("left-open"), "{listed}");
    // The fourth is the directory that `ls` itself reads.
    assert_eq!(listed.matches(" -> ").count(), 4, "{listed}");
}

#[test]
fn an_alert_is_marked_and_given_to_the_program() {
    let folder = folder("alert");
    let program = folder.join("program");
    let result = folder.join("result");
    let script = format!(
        "#!/bin/sh\nenv > {0}.tmp; echo arguments $# >> {0}.tmp; cat >> {0}.tmp; mv {0}.tmp {0}\n",
        text(&result)
    );
    fs::write(&program, script).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
    // The program runs as somebody else where we are root.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("set");
    let input = capture("classic.pcap");
    let expression = "type == \"transfer\" && transfer.bytes == 1715";
    let mut command = std::process::Command::new(crate::live::monitor::program());
    command.args(["live", "-r", text(&input), "--format", "ndjson"]);
    command.args(["--alert", expression, "--exec", text(&program)]);
    command.env("A_SECRET", "hunter2");
    let ended = Monitor::of(&mut command).end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let events = events(&ended.lines);
    let marked: Vec<_> = events
        .iter()
        .filter(|event| event["alert"] == true)
        .collect();
    assert_eq!(marked.len(), 1);
    assert_eq!(marked[0]["transfer"]["name"], "readme.txt");
    let given = fs::read_to_string(&result).expect("the program has run");
    assert!(!given.contains("hunter2"), "{given}");
    assert!(given.contains("\narguments 0\n"), "{given}");
    let json = given.lines().last().expect("a line");
    assert_eq!(
        &serde_json::from_str::<Value>(json).expect("JSON"),
        marked[0]
    );
}

#[test]
fn the_numbers_are_served() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address").to_string();
    drop(free);
    let mut monitor = Monitor::start(&["-r", "-", "--metrics", &address]);
    let bytes = fs::read(capture("classic.pcap")).expect("a capture");
    let input = monitor.input.as_mut().expect("a pipe");
    input.write_all(&bytes).expect("written");
    monitor.wait_for(|line| line.contains("session ends"));
    let ask = || {
        let mut stream = TcpStream::connect(&address).expect("connected");
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\n\r\n")
            .expect("asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    wait(|| ask().contains("\nftpscope_packets_total 67\n"));
    let answer = ask();
    assert!(answer.contains("\nftpscope_sessions_total 1\n"), "{answer}");
    assert!(!answer.contains("abc@any-domain.com"));
    assert_eq!(monitor.end().code, Some(0));
}

/// Waits until something is so.
fn wait(is_so: impl Fn() -> bool) {
    for _ in 0..3_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("it does not come to it");
}
