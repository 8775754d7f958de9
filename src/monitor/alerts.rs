//! Alerts: expressions over events, and the program that receives each matching event.
//!
//! ```text
//! event -> expressions -> queue of 1,000 -> thread -> pipe -> exec helper (a process of its own) -> programs, 4 at once
//!                         full: counted               <- two bytes for each that has ended <-
//! ```
//!
//! The exec helper is the process that starts the alert program: our own executable, without any of the capture's privileges.
//!
//! In: one alert per line on standard input. Out: two bytes on standard output for each program that has ended. The helper ends
//! with its standard input. It is started before the monitor restricts the file system for itself, since programs need files to
//! run; it holds no capabilities and can gain none.

use std::cell::Cell;
use std::ffi::OsString;
use std::fmt;
use std::io::{BufRead as _, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, thread};

use rustix::process::{Pid, Signal, kill_process_group};

use super::counters::Counters;
use super::error::{Error, Notice, Notify};
use super::privileges::{self, Account};
use crate::check::Expression;
use crate::model::system_message;

/// Alert expressions, and the way to the program.
pub(super) struct Alerts {
    expressions: Vec<Expression>,
    /// Set once the notice about expensive expressions is sent.
    expense_noticed: Cell<bool>,
    /// `None` if alerts are only marked.
    program: Option<Program>,
    notify: Notify,
}

struct Program {
    path: PathBuf,
    /// `None` once the run ends.
    queue: Option<SyncSender<Vec<u8>>>,
    shared: Arc<Shared>,
    /// `None` once joined at the end.
    thread: Option<JoinHandle<()>>,
    helper: Child,
    counters: Arc<Counters>,
    /// Set once the notice about the dead helper is sent.
    death_noticed: bool,
    /// Time at which the first failure was found; `None` before it.
    first_failure: Option<Instant>,
    /// Failed alerts of the latest notice about failures; 0 before the first.
    failures_noticed: u64,
}

/// State shared by the forwarding thread and its owner.
#[derive(Default)]
struct Shared {
    /// Set by the thread when the helper is gone.
    is_gone: AtomicBool,
    /// Set by the owner when queued alerts are to be dropped.
    is_over: AtomicBool,
    queued_bytes: AtomicUsize,
    /// Bytes of the latest [`RunResult`] that was a failure; 0 before the first.
    last_failure: AtomicU16,
}

impl Alerts {
    pub(super) fn new(expressions: Vec<Expression>, notify: Notify) -> Self {
        Self {
            expressions,
            expense_noticed: Cell::new(false),
            program: None,
            notify,
        }
    }

    /// Starts the thread that sends alerts to `helper`, which runs the program at `path`.
    pub(super) fn connect(&mut self, path: &Path, mut helper: Child, counters: &Arc<Counters>) {
        let (Some(input), Some(output)) = (helper.stdin.take(), helper.stdout.take()) else {
            return;
        };
        let (queue, alerts) = sync_channel(QUEUE_LENGTH);
        let shared = Arc::new(Shared::default());
        let thread = {
            let (shared, counters) = (Arc::clone(&shared), Arc::clone(counters));
            // As long as the most programs that run: no end has to wait.
            let (end, ended) = sync_channel(MAX_PROGRAMS);
            let (state, totals) = (Arc::clone(&shared), Arc::clone(&counters));
            thread::spawn(move || count_ends(output, &end, &state, &totals));
            thread::spawn(move || {
                if forward(&alerts, input, &ended, &shared, &counters).is_none() {
                    shared.is_gone.store(true, Ordering::Relaxed);
                }
            })
        };
        self.program = Some(Program {
            path: path.to_owned(),
            queue: Some(queue),
            shared,
            thread: Some(thread),
            helper,
            counters: Arc::clone(counters),
            death_noticed: false,
            first_failure: None,
            failures_noticed: 0,
        });
    }

    /// Returns true if there is any expression.
    pub(super) const fn are_wanted(&self) -> bool {
        !self.expressions.is_empty()
    }

    /// Returns true if alerts are sent to a program.
    pub(super) const fn has_program(&self) -> bool {
        self.program.is_some()
    }

    /// Returns true if an expression is true for `event`.
    pub(super) fn matches(&self, event: &serde_json::Value) -> bool {
        let is_true = self
            .expressions
            .iter()
            .any(|expression| expression.is_true(event));
        if !self.expense_noticed.get() && self.expressions.iter().any(Expression::has_given_up) {
            self.expense_noticed.set(true);
            (self.notify)(&Notice::AlertsTooExpensive);
        }
        is_true
    }

    /// Queues an alert for the program; with a full queue it is dropped and counted.
    pub(super) fn enqueue(&mut self, alert: Vec<u8>) {
        let Some(program) = &self.program else {
            return;
        };
        let Some(queue) = &program.queue else {
            return;
        };
        let length = alert.len();
        let before = program
            .shared
            .queued_bytes
            .fetch_add(length, Ordering::Relaxed);
        // A session_end event carries the whole session: a thousand of them could exhaust the memory.
        let is_queued = (before == 0 || before.saturating_add(length) <= QUEUE_BYTES)
            && queue.try_send(alert).is_ok();
        if !is_queued {
            program
                .shared
                .queued_bytes
                .fetch_sub(length, Ordering::Relaxed);
            program.counters.add_dropped_alert();
        }
    }

    /// Notices, once each, that the program fails and that the helper is gone.
    pub(super) fn maintain(&mut self) {
        if let Some(program) = &mut self.program
            && program.failures_noticed == 0
            && program.counters.alerts_failed() > 0
        {
            let since = *program.first_failure.get_or_insert_with(Instant::now);
            // Failures seldom come alone, and one line with their count is enough.
            if since.elapsed() >= NOTICE_DELAY {
                program.notice_failures(&self.notify);
            }
        }
        if let Some(program) = &mut self.program
            && !program.death_noticed
            && program.shared.is_gone.load(Ordering::Relaxed)
        {
            program.death_noticed = true;
            (self.notify)(&Notice::AlertHelperGone);
        }
    }

    /// Sends queued alerts for up to 5 s, then waits until the programs that run have ended.
    pub(super) fn finish(&mut self) {
        let Some(mut program) = self.program.take() else {
            return;
        };
        drop(program.queue.take());
        let dropped_before = program.counters.alerts_dropped();
        if let Some(thread) = program.thread.take() {
            wait_for(&thread, DRAIN_TIME);
            program.shared.is_over.store(true, Ordering::Relaxed);
            // The helper kills each program in time and then ends; twice the grace, since its own clock started later.
            wait_for(&thread, PROGRAM_TIME + GRACE * 2);
            if !thread.is_finished() {
                let _ = program.helper.kill();
            }
        }
        let dropped = program
            .counters
            .alerts_dropped()
            .saturating_sub(dropped_before);
        if dropped > 0 {
            (self.notify)(&Notice::AlertsUndelivered(dropped));
        }
        let _ = program.helper.wait();
        program.notice_failures(&self.notify);
    }
}

impl Program {
    /// Notices the failures so far, unless the latest notice counted them.
    fn notice_failures(&mut self, notify: &Notify) {
        let count = self.counters.alerts_failed();
        if count == self.failures_noticed {
            return;
        }
        self.failures_noticed = count;
        let result = self
            .shared
            .last_failure
            .load(Ordering::Relaxed)
            .to_be_bytes();
        notify(&Notice::AlertProgramFailed {
            program: &self.path,
            count,
            cause: RunResult::of_bytes(result).to_string(),
        });
    }
}

fn wait_for(thread: &JoinHandle<()>, limit: Duration) {
    let deadline = Instant::now() + limit;
    while !thread.is_finished() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Counts the programs that have ended, as the helper reports them, and passes each end on; returns once the helper is gone.
///
/// On a thread of its own: the one that forwards alerts waits for the next alert, which may be an hour away.
fn count_ends(
    mut output: ChildStdout,
    ended: &SyncSender<()>,
    shared: &Shared,
    counters: &Counters,
) {
    let mut result = [0; 2];
    while output.read_exact(&mut result).is_ok() {
        if RunResult::of_bytes(result) != RunResult::Succeeded {
            let result = u16::from_be_bytes(result);
            shared.last_failure.store(result, Ordering::Relaxed);
            counters.add_failed_alert();
        }
        if ended.send(()).is_err() {
            break;
        }
    }
}

/// Sends alerts to the helper, at most as many as it may run at once; `None` if the helper is gone. `ended` has one item for each
/// program that has ended.
fn forward(
    alerts: &Receiver<Vec<u8>>,
    mut input: ChildStdin,
    ended: &Receiver<()>,
    shared: &Shared,
    counters: &Counters,
) -> Option<()> {
    let mut running: usize = 0;
    let wait_for_one = |running: &mut usize| -> Option<()> {
        ended.recv().ok()?;
        *running = running.saturating_sub(1);
        Some(())
    };
    while let Ok(alert) = alerts.recv() {
        shared
            .queued_bytes
            .fetch_sub(alert.len(), Ordering::Relaxed);
        while running >= MAX_PROGRAMS {
            wait_for_one(&mut running)?;
        }
        // The rest of the queue is drained rather than abandoned, so that every alert is counted.
        if shared.is_over.load(Ordering::Relaxed) {
            counters.add_dropped_alert();
            continue;
        }
        input.write_all(&alert).ok()?;
        running += 1;
    }
    drop(input);
    while running > 0 {
        wait_for_one(&mut running)?;
    }
    Some(())
}

/// The helper's side of this process.
///
/// A program that uses [`Settings::alert_program`](super::Settings::alert_program) must call [`of_process`](Self::of_process)
/// first thing in `main` and [`run`](Self::run) what it returns.
#[derive(Debug)]
pub struct ExecHelper {
    program: OsString,
    /// `None` if the account stays the same.
    account: Option<Account>,
}

impl ExecHelper {
    /// Returns the helper if a monitor started this process as one; `None` for an ordinary start.
    #[must_use]
    pub fn of_process() -> Option<Self> {
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

    /// Starts the program for each alert until standard input ends; `report` receives failures in words.
    pub fn run(self, report: impl Fn(&str) + Send + Sync + 'static) -> Result<(), String> {
        close_others_on_exec();
        privileges::drop_privileges(self.account)
            .map_err(|cause| format!("the helper for alerts cannot start: {cause}"))?;
        let program = Arc::new(PathBuf::from(self.program));
        let output = Arc::new(Mutex::new(io::stdout()));
        let report = Arc::new(report);
        let mut input = io::stdin().lock();
        let is_reported = Arc::new(AtomicBool::new(false));
        loop {
            let mut alert = Vec::new();
            match input.read_until(b'\n', &mut alert) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            let (program, output) = (Arc::clone(&program), Arc::clone(&output));
            let (report, is_reported) = (Arc::clone(&report), Arc::clone(&is_reported));
            let worker = thread::Builder::new().spawn(move || {
                let result = run_program(&program, alert).unwrap_or_else(|cause| {
                    // Only the helper knows why; the monitor counts.
                    if !is_reported.swap(true, Ordering::Relaxed) {
                        let cause = system_message(&cause);
                        report(&format!("the alert program cannot be started: {cause}"));
                    }
                    RunResult::NotStarted
                });
                if let Ok(mut output) = output.lock() {
                    // A failed write means that the monitor is gone, and with it every reader.
                    let _ = output
                        .write_all(&result.bytes())
                        .and_then(|()| output.flush());
                }
            });
            if worker.is_err() {
                break;
            }
        }
        // Programs that still run get their full time: the monitor waits as long for their bytes. Each worker holds a reference.
        let deadline = Instant::now() + PROGRAM_TIME + GRACE;
        while Arc::strong_count(&output) > 1 && Instant::now() < deadline {
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }
}

/// Starts the helper process, which drops its privileges itself.
pub(super) fn start(program: &Path, account: Option<Account>) -> Result<Child, Error> {
    let failed = |cause: String| Error::AlertProgram {
        program: program.to_owned(),
        cause,
    };
    let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    let found = find(program, &path).map_err(|cause| failed(cause.to_owned()))?;
    let own = std::env::current_exe().map_err(|cause| failed(cause.to_string()))?;
    let mut command = Command::new(own);
    command.arg(HELPER).arg(&found);
    if let Some(account) = account {
        command.args([account.uid.to_string(), account.gid.to_string()]);
    }
    command
        // The program acts on data from the network: nothing of the environment is its business.
        .env_clear()
        .env("PATH", path)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Ctrl-C reaches the monitor only, which then ends the helper in order.
        .process_group(0);
    close_others_on_exec();
    command.spawn().map_err(|cause| failed(cause.to_string()))
}

/// Marks every descriptor above standard error as closed on exec. Those of libpcap are not: a program with its packet socket
/// could read and send raw frames. Nor are those that whoever started us left open.
fn close_others_on_exec() {
    close_fds::set_fds_cloexec(3, &[]);
}

/// End of one run of the program, as the helper reports it in two bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RunResult {
    Succeeded,
    NotStarted,
    TimedOut,
    Exited(u8),
    /// By the signal of this number.
    Killed(u8),
}

impl RunResult {
    fn of_status(status: ExitStatus) -> Self {
        let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
        match (status.code(), status.signal()) {
            (Some(0), _) => Self::Succeeded,
            (Some(code), _) => Self::Exited(byte(code)),
            (None, signal) => Self::Killed(byte(signal.unwrap_or_default())),
        }
    }

    const fn bytes(self) -> [u8; 2] {
        match self {
            Self::Succeeded => [b'.', 0],
            Self::NotStarted => [b'?', 0],
            Self::TimedOut => [b'T', 0],
            Self::Exited(code) => [b'E', code],
            Self::Killed(signal) => [b'S', signal],
        }
    }

    const fn of_bytes(bytes: [u8; 2]) -> Self {
        match bytes {
            [b'.', _] => Self::Succeeded,
            [b'T', _] => Self::TimedOut,
            [b'E', code] => Self::Exited(code),
            [b'S', signal] => Self::Killed(signal),
            _ => Self::NotStarted,
        }
    }
}

impl fmt::Display for RunResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded => f.write_str("it succeeded"),
            Self::NotStarted => f.write_str("it could not be started"),
            Self::TimedOut => write!(f, "it took more than {} s", PROGRAM_TIME.as_secs()),
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Killed(signal) => write!(f, "killed by signal {signal}"),
        }
    }
}

/// Runs the program with `alert` on its standard input; fails if it cannot be started.
fn run_program(program: &Path, alert: Vec<u8>) -> io::Result<RunResult> {
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()?;
    let input = child.stdin.take();
    // On a thread: a program that does not read its input would block us here, past its time.
    let writer = thread::Builder::new().spawn(move || {
        if let Some(mut input) = input {
            let _ = input.write_all(&alert);
        }
    })?;
    let deadline = Instant::now() + PROGRAM_TIME;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if Instant::now() >= deadline {
            break None;
        }
        thread::sleep(POLL_INTERVAL);
    };
    if status.is_none() {
        // The whole group, so that children of the program do not pile up.
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        child.kill()?;
        child.wait()?;
    }
    drop(writer);
    Ok(status.map_or(RunResult::TimedOut, RunResult::of_status))
}

/// Resolves the program to a path, searching `path` for a bare name; fails with the reason in words.
fn find(program: &Path, path: &std::ffi::OsStr) -> Result<PathBuf, &'static str> {
    let check = |candidate: &Path| match std::fs::metadata(candidate) {
        Err(_) => Err("there is no such program"),
        Ok(found) if found.is_dir() => Err("it is a folder"),
        Ok(found) if !found.is_file() || found.permissions().mode() & 0o111 == 0 => {
            Err("it is there, but not executable (chmod +x)")
        }
        Ok(_) => Ok(()),
    };
    if program.components().count() > 1 || program.is_absolute() {
        // Absolute, since the helper runs in another directory.
        let absolute = std::path::absolute(program).map_err(|_| "there is no such program")?;
        return check(&absolute).map(|()| absolute);
    }
    // As execvp does: a file that cannot be executed does not hide one further on.
    let mut first_cause = None;
    for folder in std::env::split_paths(path).filter(|folder| folder.is_absolute()) {
        let candidate = folder.join(program);
        match check(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(cause) if candidate.exists() => {
                first_cause.get_or_insert(cause);
            }
            Err(_) => {}
        }
    }
    Err(first_cause.unwrap_or("there is no such program"))
}

/// Limit of queued alerts.
const QUEUE_LENGTH: usize = 1_000;
/// Limit of queued bytes; a single alert may be longer.
const QUEUE_BYTES: usize = 16 << 20;
/// Time for which queued alerts are still sent at the end of a run.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Time from the first failure of the program to the notice about it.
const NOTICE_DELAY: Duration = Duration::from_secs(10);

/// First argument of a helper process.
const HELPER: &str = "--exec-helper";
/// Programs that run at once.
pub(super) const MAX_PROGRAMS: usize = 4;
/// Time after which a program is killed.
pub(super) const PROGRAM_TIME: Duration = Duration::from_secs(10);
/// Extra time for killing a program and reading its result.
pub(super) const GRACE: Duration = Duration::from_secs(1);
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Search path if the environment has none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
