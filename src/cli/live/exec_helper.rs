//! The process that starts the alert program: our own binary, without any right that the capture needs.
//!
//! In: one alert a line on standard input. Out: one byte on standard output for each program that is over. It ends with its
//! standard input. It is started before the monitor closes the file system to itself, because a program that is started has to
//! read files; it has no capabilities and can get none.

use std::ffi::OsString;
use std::io::{self, BufRead as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::privileges::{self, Account};
use crate::cli::error_text::{self, Failure};

/// The arguments of the helper. Nobody but the monitor starts it, so that it has no place among the commands.
#[derive(Debug)]
pub(in crate::cli) struct HelperArguments {
    program: OsString,
    account: Option<Account>,
}

impl HelperArguments {
    /// What this process was started with, where it is the helper.
    pub(in crate::cli) fn of_process() -> Option<Self> {
        let mut arguments = std::env::args_os().skip(1);
        if arguments.next()? != HELPER {
            return None;
        }
        let program = arguments.next()?;
        let mut number = || arguments.next()?.to_str()?.parse().ok();
        let account = match (number(), number()) {
            (Some(uid), Some(gid)) => Some(Account { uid, gid }),
            _ => None,
        };
        Some(Self { program, account })
    }
}

/// Starts the helper, which gives up its privileges by itself.
pub(super) fn start(program: &Path, account: Option<Account>) -> Result<Child, Failure> {
    let refused = |cause: &str| {
        Failure::Refused(format!(
            "cannot run {} for alerts: {cause}; name a program that can be executed",
            program.display()
        ))
    };
    let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    let program = find(program, &path).ok_or_else(|| refused("there is no such program"))?;
    let own = std::env::current_exe().map_err(|cause| refused(&cause.to_string()))?;
    let mut command = Command::new(own);
    command.arg(HELPER).arg(&program);
    if let Some(account) = account {
        command.args([account.uid.to_string(), account.gid.to_string()]);
    }
    command
        .env_clear()
        .env("PATH", path)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Ctrl-C is for the monitor, which then ends the helper.
        .process_group(0);
    command.spawn().map_err(|cause| refused(&cause.to_string()))
}

/// The helper itself.
pub(in crate::cli) fn run(arguments: HelperArguments) -> ExitCode {
    if let Err(cause) = privileges::become_harmless(arguments.account) {
        error_text::print(&format!("the helper for alerts cannot start: {cause}"));
        return ExitCode::from(2);
    }
    let program = Arc::new(PathBuf::from(arguments.program));
    let output = Arc::new(Mutex::new(io::stdout()));
    let mut input = io::stdin().lock();
    let told = Arc::new(AtomicBool::new(false));
    loop {
        let mut alert = Vec::new();
        match input.read_until(b'\n', &mut alert) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let (program, output) = (Arc::clone(&program), Arc::clone(&output));
        let told = Arc::clone(&told);
        let worker = thread::Builder::new().spawn(move || {
            let verdict = match give(&program, alert) {
                Ok(true) => DONE,
                Ok(false) => FAILED,
                Err(cause) => {
                    if !told.swap(true, Ordering::Relaxed) {
                        let cause = error_text::system_words(&cause);
                        error_text::print(&format!("the alert program cannot be started: {cause}"));
                    }
                    FAILED
                }
            };
            if let Ok(mut output) = output.lock() {
                // Where the monitor is gone there is nobody to tell.
                let _ = output.write_all(&[verdict]).and_then(|()| output.flush());
            }
        });
        if worker.is_err() {
            break;
        }
    }
    // Programs that still run have their time; the bytes they send are read by the monitor as long as it waits.
    let deadline = Instant::now() + LONGEST + GRACE;
    while Arc::strong_count(&output) > 1 && Instant::now() < deadline {
        thread::sleep(BETWEEN_LOOKS);
    }
    ExitCode::SUCCESS
}

/// Runs the program with the alert on its standard input; whether it ended well and in time.
fn give(program: &Path, alert: Vec<u8>) -> io::Result<bool> {
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()?;
    let input = child.stdin.take();
    // A program that does not read must not keep us from looking at the clock.
    let writer = thread::Builder::new().spawn(move || {
        if let Some(mut input) = input {
            let _ = input.write_all(&alert);
        }
    })?;
    let deadline = Instant::now() + LONGEST;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if Instant::now() >= deadline {
            break None;
        }
        thread::sleep(BETWEEN_LOOKS);
    };
    if status.is_none() {
        // With what it has started itself.
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        child.kill()?;
        child.wait()?;
    }
    drop(writer);
    Ok(status.is_some_and(|status| status.success()))
}

/// The program as a path, looked up in PATH where it is only a name.
fn find(program: &Path, path: &std::ffi::OsStr) -> Option<PathBuf> {
    let is_program = |candidate: &Path| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(candidate)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if program.components().count() > 1 || program.is_absolute() {
        let absolute = std::path::absolute(program).ok()?;
        return Some(absolute).filter(|candidate| is_program(candidate));
    }
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|candidate| is_program(candidate))
}

/// Tells our own binary what it is to be.
const HELPER: &str = "--exec-helper";
/// Programs that run at once.
pub(super) const MOST_AT_ONCE: usize = 4;
/// A program ended well.
const DONE: u8 = b'.';
/// A program could not be started, failed or took too long.
pub(super) const FAILED: u8 = b'!';
/// The time that a program has.
pub(super) const LONGEST: Duration = Duration::from_secs(10);
/// What the end of a program may take beside that.
pub(super) const GRACE: Duration = Duration::from_secs(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// Where programs are looked for if nobody says where.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
