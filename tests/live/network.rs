//! Real servers and clients over veth in network namespaces. Where that cannot be had the tests say so and pass.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::live::monitor::{Monitor, analyzed, events, folder, program, sessions};

/// A client and a server with a wire between them.
pub(super) struct Wire {
    name: String,
    running: Vec<Child>,
}

impl Wire {
    /// `None` where there is no right to make it, or a program is missing.
    fn new(name: &str) -> Option<Self> {
        Self::with_programs(name, &["ip", "vsftpd", "curl", "tcpdump"])
    }

    /// The same for a test that wants these programs.
    pub(super) fn with_programs(name: &str, programs: &[&str]) -> Option<Self> {
        let missing = programs.iter().find(|program| {
            !["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
                .iter()
                .any(|folder| Path::new(folder).join(program).exists())
        });
        if let Some(missing) = missing {
            crate::support::passed_over(&format!("{missing} is not installed"));
            return None;
        }
        let name = format!("fts{name}{}", std::process::id() % 10_000);
        let mut wire = Self {
            name,
            running: Vec::new(),
        };
        let (client, server) = (wire.client(), wire.server());
        if !ip(&["netns", "add", &client]) {
            crate::support::passed_over("no right to make network namespaces");
            wire.name.clear();
            return None;
        }
        let made = ip(&["netns", "add", &server])
            && ip(&[
                "link", "add", "vc", "netns", &client, "type", "veth", "peer", "name", "vs",
                "netns", &server,
            ])
            && ip(&["-n", &client, "addr", "add", "10.78.0.1/24", "dev", "vc"])
            && ip(&["-n", &server, "addr", "add", "10.78.0.2/24", "dev", "vs"])
            && ip(&["-n", &client, "link", "set", "vc", "up"])
            && ip(&["-n", &server, "link", "set", "vs", "up"])
            && ip(&["-n", &server, "link", "set", "lo", "up"]);
        if !made {
            crate::support::passed_over("this machine has no veth");
            return None;
        }
        Some(wire)
    }

    /// Gives the server another address.
    pub(super) fn add_address(&self, address: &str) {
        let prefix = format!("{address}/24");
        let server = self.server();
        // The first one is there already.
        ip(&["-n", &server, "addr", "add", &prefix, "dev", "vs"]);
    }

    pub(super) fn client(&self) -> String {
        format!("{}c", self.name)
    }

    pub(super) fn server(&self) -> String {
        format!("{}s", self.name)
    }

    /// A command at one of the ends.
    pub(super) fn at(end: &str, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", end, program])
            .args(arguments);
        command
    }

    pub(super) fn start(&mut self, mut command: Command) {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        self.running.push(child);
    }

    /// An FTP server with these files; the folder they are in.
    fn serve(&mut self, folder: &Path, files: &[(&str, Vec<u8>)]) -> PathBuf {
        self.serve_with(folder, files, "")
    }

    /// The same with further settings of vsftpd.
    fn serve_with(&mut self, folder: &Path, files: &[(&str, Vec<u8>)], settings: &str) -> PathBuf {
        let root = folder.join("root");
        fs::create_dir_all(&root).expect("a folder");
        for (name, bytes) in files {
            fs::write(root.join(name), bytes).expect("written");
        }
        let configuration = folder.join("vsftpd.conf");
        let text = format!(
            "listen=YES\nbackground=NO\nanonymous_enable=YES\nanon_root={}\nconnect_from_port_20=YES\nseccomp_sandbox=NO\n{settings}",
            root.display()
        );
        fs::write(&configuration, text).expect("written");
        let configuration = configuration.to_str().expect("UTF-8").to_owned();
        self.start(Self::at(&self.server(), "vsftpd", &[&configuration]));
        thread::sleep(Duration::from_millis(700));
        root
    }

    pub(super) fn curl(&self, arguments: &[&str]) {
        let mut all = vec!["-s", "-S", "--max-time", "60"];
        all.extend(arguments);
        let status = Self::at(&self.client(), "curl", &all)
            .stdout(Stdio::null())
            .status()
            .expect("started");
        assert!(status.success(), "curl {arguments:?}: {status}");
    }

    /// A monitor at the server, with `tcpdump` beside it; both are at work when this returns.
    fn watch(&mut self, dump: &Path, arguments: &[&str]) -> Monitor {
        let dump = dump.to_str().expect("UTF-8").to_owned();
        let precision = "--time-stamp-precision=nano";
        let options = [
            precision, "-i", "vs", "-U", "-B", "65536", "-w", &dump, "-Z", "root",
        ];
        self.start(Self::at(&self.server(), "tcpdump", &options));
        let mut all = vec!["live", "-i", "vs", "--format", "ndjson"];
        all.extend(arguments);
        let monitor = Monitor::of(&mut Self::at(&self.server(), program(), &all));
        monitor.wait_for(|line| line.contains("\"capture\""));
        thread::sleep(Duration::from_millis(700));
        monitor
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for child in &mut self.running {
            // tcpdump writes what it holds only if it is asked politely.
            if let Some(id) = Pid::from_raw(child.id().cast_signed()) {
                let _ = kill_process(id, Signal::TERM);
            }
            for _ in 0..100 {
                if matches!(child.try_wait(), Ok(Some(_))) {
                    break;
                }
                thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        if !self.name.is_empty() {
            for end in [self.client(), self.server()] {
                let _ = ip(&["netns", "del", &end]);
            }
        }
    }
}

#[test]
fn logs_of_a_real_server_agree_with_the_capture_until_a_line_is_removed() {
    let Some(mut wire) = Wire::new("logs") else {
        return;
    };
    let folder = folder("network-logs");
    let path = |name: &str| folder.join(name).display().to_string();
    let settings = format!(
        "xferlog_enable=YES\ndual_log_enable=YES\nvsftpd_log_file={}\nxferlog_file={}\n",
        path("vsftpd.log"),
        path("xferlog")
    );
    let files = [
        ("a b.bin", vec![b'a'; 30_000]),
        ("c.txt", vec![b'c'; 1_715]),
    ];
    wire.serve_with(&folder, &files, &settings);
    let dump = folder.join("capture.pcap");
    let name = dump.to_str().expect("UTF-8").to_owned();
    let options = ["-i", "vs", "-U", "-B", "65536", "-w", &name, "-Z", "root"];
    let listener = Wire::at(&wire.server(), "tcpdump", &options);
    wire.start(listener);
    thread::sleep(Duration::from_millis(1_500));
    for _ in 0..3 {
        wire.curl(&["-o", "/dev/null", "ftp://10.78.0.2/a%20b.bin"]);
        wire.curl(&["-o", "/dev/null", "-C", "1000", "ftp://10.78.0.2/c.txt"]);
        // Logs have whole seconds: equal lines closer together than that cannot be told apart.
        thread::sleep(Duration::from_millis(2_500));
    }
    // Behind the last line, so that it is not at the edge of the capture.
    thread::sleep(Duration::from_millis(1_500));
    wait_for_capture(&dump, 6);
    let reconciled = |log: &str| {
        let arguments = ["reconcile", "-q", "--format", "json", "--log", log, &name];
        let output = Command::new(program())
            .args(arguments)
            .output()
            .expect("started");
        let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (output.status.code(), answer["totals"].clone())
    };
    for (log, agrees) in [("vsftpd.log", 12), ("xferlog", 6)] {
        let (code, totals) = reconciled(&path(log));
        assert_eq!(
            (code, &totals["agrees"]),
            (Some(0), &agrees.into()),
            "{log}: {totals}"
        );
    }
    let text = fs::read_to_string(path("xferlog")).expect("a log");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let doctored = [&lines[..2], &lines[3..]].concat().concat();
    fs::write(path("doctored.log"), doctored).expect("written");
    let (code, totals) = reconciled(&path("doctored.log"));
    assert_eq!(
        (code, &totals["wire_only"]),
        (Some(1), &1.into()),
        "{totals}"
    );
}

/// Waits until `tcpdump`, which may be behind on a busy machine and throws away what it has not read when it ends, has written
/// so many whole sessions.
pub(super) fn wait_for_capture(dump: &Path, wanted: usize) {
    for _ in 0..300 {
        let sessions = sessions(&analyzed(dump));
        let closed = sessions
            .iter()
            .filter(|session| session["end_state"] == "closed");
        if closed.count() >= wanted {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("tcpdump has not seen {wanted} sessions");
}

/// Sessions without anything that a clock has measured.
fn without_times(mut sessions: Vec<Value>) -> Vec<Value> {
    sessions.iter_mut().for_each(strip_times);
    sessions
}

fn strip_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| {
                let measured = [
                    "time",
                    "start",
                    "end",
                    "timing",
                    "throughput",
                    "title",
                    "uid",
                    "closed_at",
                    "first_payload",
                    "last_payload",
                ];
                !(measured.contains(&name.as_str())
                    || name.ends_with("duration")
                    || name.ends_with("_time")
                    || name.ends_with("_seconds"))
            });
            fields.values_mut().for_each(strip_times);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_times),
        _ => {}
    }
}

fn ip(arguments: &[&str]) -> bool {
    Command::new("ip")
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn content(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .collect()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(bytes);
    digest.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn dropped(events: &[Value]) -> Option<u64> {
    events.last()?["captures"][0]["drops"]["kernel"].as_u64()
}

#[test]
fn live_reports_the_same_as_analyze_of_a_parallel_capture() {
    let Some(mut wire) = Wire::new("a") else {
        return;
    };
    let folder = folder("network");
    let (small, large) = (content(1_234, 1), content(3_000_000, 2));
    let files = [("small.bin", small.clone()), ("large.bin", large.clone())];
    wire.serve(&folder, &files);
    let dump = folder.join("beside.pcap");
    let kept = folder.join("kept.pcapng");
    let saved = folder.join("files");
    let arguments = [
        "-w",
        kept.to_str().expect("UTF-8"),
        "-x",
        saved.to_str().expect("UTF-8"),
    ];
    let monitor = wire.watch(&dump, &arguments);
    let server = "ftp://10.78.0.2";
    wire.curl(&[&format!("{server}/")]);
    wire.curl(&[&format!("{server}/small.bin")]);
    wire.curl(&["-P", "-", &format!("{server}/large.bin")]);
    wire.curl(&["-P", "-", "--disable-eprt", &format!("{server}/")]);
    wire.curl(&[
        "--disable-epsv",
        "-C",
        "1000000",
        &format!("{server}/large.bin"),
    ]);
    let clients = wire.client();
    let refused = Wire::at(&clients, "curl", &["-s", "ftp://x:y@10.78.0.2/"]).status();
    assert!(refused.is_ok());
    let mut lines = Vec::new();
    for _ in 0..6 {
        lines.extend(monitor.wait_for(|line| line.contains("\"session_end\"")));
    }
    wait_for_capture(&dump, 6);
    monitor.signal(Signal::TERM);
    lines.extend(monitor.wait_for(|line| line.contains("\"totals\"")));
    let ended = monitor.end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    drop(wire);
    let events = events(&lines);
    assert_eq!(dropped(&events), Some(0));
    let seen = sessions(&events);
    assert_eq!(seen.len(), 6);
    assert_eq!(seen, sessions(&analyzed(&kept)));
    // The kernel stamps some packets for each socket anew.
    let [seen, beside] = [seen, sessions(&analyzed(&dump))].map(without_times);
    assert_eq!(seen, beside);
    let sums = fs::read_to_string(saved.join("SHA256SUMS")).expect("sums");
    assert!(
        sums.contains(&sha256(&small)) && sums.contains(&sha256(&large)),
        "{sums}"
    );
}

#[test]
fn an_interface_that_goes_away_ends_the_run_with_a_report() {
    let Some(mut wire) = Wire::new("b") else {
        return;
    };
    let folder = folder("gone");
    wire.serve(&folder, &[("small.bin", content(100, 3))]);
    let monitor = wire.watch(&folder.join("beside.pcap"), &[]);
    wire.curl(&["ftp://10.78.0.2/small.bin"]);
    monitor.wait_for(|line| line.contains("\"session_end\""));
    assert!(ip(&["-n", &wire.client(), "link", "del", "vc"]));
    let lines = monitor.wait_for(|line| line.contains("\"totals\""));
    let ended = monitor.end();
    assert_eq!(ended.code, Some(3), "{}", ended.errors);
    assert!(ended.errors.contains("vs"), "{}", ended.errors);
    let events = events(&lines);
    assert_eq!(events.last().expect("totals")["totals"]["sessions"], 1);
}

#[test]
fn an_interface_that_is_down_for_a_while_is_reported_and_captured_from_again() {
    let Some(mut wire) = Wire::new("g") else {
        return;
    };
    let folder = folder("down");
    wire.serve(&folder, &[("small.bin", content(100, 5))]);
    let monitor = wire.watch(&folder.join("beside.pcap"), &[]);
    let server = wire.server();
    let set = |state: &str| assert!(ip(&["-n", &server, "link", "set", "vs", state]));
    set("down");
    let is_warning = |line: &str| line.contains("\"interface-down\"");
    let down = monitor.wait_for(is_warning);
    let down = down.last().expect("a line");
    assert!(
        down.contains("vs is down: nothing is captured from it until it is up again"),
        "{down}"
    );
    set("up");
    let up = monitor.wait_for(is_warning);
    let up = up.last().expect("a line");
    assert!(up.contains("vs is up again"), "{up}");
    wire.curl(&["ftp://10.78.0.2/small.bin"]);
    monitor.wait_for(|line| line.contains("\"session_end\""));
    monitor.signal(Signal::TERM);
    let ended = monitor.end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
}

#[test]
fn a_burst_is_seen_whole() {
    let Some(mut wire) = Wire::new("c") else {
        return;
    };
    let folder = folder("burst");
    // All of it fits the buffer, so that a machine with other work loses nothing either.
    let large = content(12_000_000, 4);
    wire.serve(&folder, &[("large.bin", large.clone())]);
    let monitor = wire.watch(&folder.join("beside.pcap"), &[]);
    for _ in 0..3 {
        wire.curl(&["ftp://10.78.0.2/large.bin"]);
    }
    let mut lines = Vec::new();
    for _ in 0..3 {
        lines.extend(monitor.wait_for(|line| line.contains("\"session_end\"")));
    }
    monitor.signal(Signal::TERM);
    lines.extend(monitor.wait_for(|line| line.contains("\"totals\"")));
    assert_eq!(monitor.end().code, Some(0));
    let events = events(&lines);
    assert_eq!(dropped(&events), Some(0));
    let digest = sha256(&large);
    let digests = events
        .iter()
        .filter(|event| event["type"] == "transfer" && event["transfer"]["sha256"] == digest);
    assert_eq!(digests.count(), 3);
}

#[test]
fn run_on_a_quiet_link_ends_at_its_time_limit() {
    let Some(wire) = Wire::new("d") else {
        return;
    };
    for signal in [Signal::INT, Signal::TERM] {
        let arguments = ["live", "-i", "vs", "-i", "any", "--format", "ndjson"];
        let monitor = Monitor::of(&mut Wire::at(&wire.server(), program(), &arguments));
        let mut lines = Vec::new();
        for _ in 0..2 {
            lines.extend(monitor.wait_for(|line| line.contains("\"capture\"")));
        }
        monitor.signal(signal);
        lines.extend(monitor.wait_for(|line| line.contains("\"totals\"")));
        let ended = monitor.end();
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
        let names: Vec<Value> = events(&lines)
            .iter()
            .filter(|event| event["type"] == "capture")
            .map(|event| event["interface"].clone())
            .collect();
        assert_eq!(names, ["vs", "any"]);
    }
}

#[test]
fn what_several_interfaces_see_of_one_session_is_one_session() {
    let Some(mut wire) = Wire::new("e") else {
        return;
    };
    let folder = folder("several");
    let small = content(1_234, 7);
    wire.serve(&folder, &[("small.bin", small.clone())]);
    let beside = folder.join("beside.pcap");
    let monitor = wire.watch(&beside, &["-i", "any", "-i", "lo"]);
    wire.curl(&["ftp://10.78.0.2/small.bin"]);
    let mut lines = monitor.wait_for(|line| line.contains("\"session_end\""));
    monitor.signal(Signal::TERM);
    lines.extend(monitor.wait_for(|line| line.contains("\"totals\"")));
    assert_eq!(monitor.end().code, Some(0));
    let events = events(&lines);
    let totals = events.last().expect("totals");
    assert_eq!(totals["totals"]["sessions"], 1);
    assert_eq!(totals["captures"].as_array().map(Vec::len), Some(3));
    let digest = sha256(&small);
    let transfer = events
        .iter()
        .find(|event| event["type"] == "transfer")
        .expect("one");
    assert_eq!(transfer["transfer"]["sha256"], digest);
    assert_eq!(transfer["transfer"]["completeness"], "complete");
}
