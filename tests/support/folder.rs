//! A folder with small inputs, and the tool run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

/// A temporary folder for one test, removed when dropped.
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A folder with `headers.pcap` (no packet), `cut.pcap` (ends in its first), `empty.pcap` (0 bytes), `text.txt` and
    /// `notes/` (no capture in it).
    pub(crate) fn new(name: &str) -> Self {
        // Tests of one process run in parallel, and two of them may choose the same name.
        let number = CREATED.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}-{number}"));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("notes")).expect("a folder");
        let folder = Self { path };
        let mut capture = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
            capture.extend(word.to_le_bytes());
        }
        folder.write("headers.pcap", &capture);
        for word in [1_700_000_000_u32, 0, 60, 60, 0] {
            capture.extend(word.to_le_bytes());
        }
        folder.write("cut.pcap", &capture);
        folder.write("empty.pcap", b"");
        folder.write("text.txt", b"This is no capture.\n");
        folder.write("notes/a.txt", b"Nor is this.\n");
        folder
    }

    /// Returns the path of the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file in the folder.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path.join(name), bytes).expect("a file");
    }

    /// Reads a text file in the folder.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path.join(name)).expect("a text")
    }

    /// Reads a file in the folder.
    pub(crate) fn read_bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path.join(name)).expect("a file")
    }

    /// Builds a command that runs the program in the folder, isolated from the environment of the tests.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ftpscope"));
        command
            .args(arguments)
            .current_dir(&self.path)
            .env("COLUMNS", width_for(arguments))
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .stdin(Stdio::null());
        command
    }

    /// Exit code, standard output and standard error as one text.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("it runs");
        let mut text = match output.status.code() {
            Some(code) => format!("exit {code}\n"),
            None => "killed\n".to_owned(),
        };
        for (name, bytes) in [("-- stdout", output.stdout), ("-- stderr", output.stderr)] {
            if !bytes.is_empty() {
                text.push_str(name);
                text.push('\n');
                text.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        text
    }

    /// The JSON report that `analyze` makes with these arguments.
    pub(crate) fn report(&self, arguments: &[&str]) -> Value {
        let output = self
            .command(&["analyze", "--format", "json", "-q"])
            .args(arguments)
            .output()
            .expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {errors}", output.status);
        serde_json::from_slice(&output.stdout).expect("the report is JSON")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Returns the columns of the terminal: answers are compared line by line, and are not wrapped.
fn width_for(arguments: &[&str]) -> &'static str {
    match arguments.first() {
        Some(&("check" | "reconcile" | "series")) => "1000",
        _ => "100",
    }
}

/// Number of folders created so far by this process.
static CREATED: AtomicU32 = AtomicU32::new(0);
