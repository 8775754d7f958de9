//! A monitor that runs: its standard input, the lines it writes, and how it ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A running `ftpscope live`.
pub(crate) struct Monitor {
    child: Child,
    pub(crate) input: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: JoinHandle<String>,
}

/// Exit of a monitor.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// Lines that nobody has read before.
    pub(crate) lines: Vec<String>,
    pub(crate) errors: String,
}

impl Monitor {
    /// Starts `ftpscope live` with `arguments`.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::of(Command::new(program()).arg("live").args(arguments))
    }

    /// Starts it by a command, such as one that enters a namespace first.
    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.lines() {
                if line.is_err() || sender.send(line.expect("a line")).is_err() {
                    return;
                }
            }
        });
        let mut errors = child.stderr.take().expect("a pipe");
        let errors = thread::spawn(move || {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text);
            text
        });
        Self {
            input: child.stdin.take(),
            child,
            lines,
            errors,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line for which `wanted` is true; gives it with all before it.
    pub(crate) fn wait_for(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self
                .lines
                .recv_timeout(left)
                .unwrap_or_else(|_| panic!("no such line among {seen:#?}"));
            let found = wanted(&line);
            seen.push(line);
            if found {
                return seen;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.child.id().cast_signed()).expect("an id");
        kill_process(id, signal).expect("sent");
    }

    /// Waits for the end. What it reads is closed.
    pub(crate) fn end(mut self) -> Ended {
        drop(self.input.take());
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("waited") {
                break status;
            }
            if Instant::now() > deadline {
                let _ = self.child.kill();
                panic!("it does not end");
            }
            thread::sleep(Duration::from_millis(10));
        };
        Ended {
            code: status.code(),
            lines: self.lines.iter().collect(),
            errors: self.errors.join().expect("no panic"),
        }
    }
}

/// The program under test.
pub(crate) fn program() -> &'static str {
    env!("CARGO_BIN_EXE_ftpscope")
}

/// A capture of ours.
pub(crate) fn capture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/captures")
        .join(name)
}

/// A new folder of this test run.
pub(crate) fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("live-{name}"));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a folder");
    path
}

/// Lines of NDJSON.
pub(crate) fn events(lines: &[String]) -> Vec<Value> {
    lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

/// The reports of whole sessions among events, without what differs between two captures of the same packets: numbers of
/// frames, ids, and what the link layer adds.
pub(crate) fn sessions(events: &[Value]) -> Vec<Value> {
    let mut found: Vec<Value> = events
        .iter()
        .filter(|event| event["type"] == "session_end")
        .map(|event| event["report"].clone())
        .collect();
    for session in &mut found {
        strip(session);
    }
    found.sort_by_key(|session| session["client"].to_string());
    found
}

/// Returns the report of `analyze` on a capture.
pub(crate) fn analyzed(path: &Path) -> Vec<Value> {
    let output = Command::new(program())
        .args(["analyze", "--format", "ndjson"])
        .arg(path)
        .output()
        .expect("started");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    events(&lines)
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| {
                let differs = ["id", "display_filter", "saved_as", "layers"];
                !(name.ends_with("frame")
                    || name.ends_with("frames")
                    || differs.contains(&name.as_str()))
            });
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::String(text) => *text = without_frames(text),
        _ => {}
    }
}

/// Texts name frames too.
fn without_frames(text: &str) -> String {
    match text.find("frame") {
        Some(at) => text[..at].to_owned(),
        None => text.to_owned(),
    }
}

/// Long enough for a machine that is busy; nothing waits that long where all is well.
const PATIENCE: Duration = Duration::from_mins(1);
