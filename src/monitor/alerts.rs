//! Alerts: expressions over events, and the program that receives each matching event.
//!
//! ```text
//! event -> expressions -> queue of 1,000 -> thread -> pipe -> exec_helper (a process of its own) -> programs, 4 at once
//!                         full: counted               <- one byte for each that has ended <-
//! ```

use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::counters::Counters;
use super::error::{Notice, Notify};
use super::exec_helper::{FAILED, GRACE, MAX_PROGRAMS, PROGRAM_TIME};
use crate::check::Expression;

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
    /// `None` once the run ends.
    queue: Option<SyncSender<Vec<u8>>>,
    shared: Arc<Shared>,
    /// `None` once joined at the end.
    thread: Option<JoinHandle<()>>,
    helper: Child,
    counters: Arc<Counters>,
    /// Set once the notice about the dead helper is sent.
    death_noticed: bool,
}

/// State shared by the forwarding thread and its owner.
#[derive(Default)]
struct Shared {
    /// Set by the thread when the helper is gone.
    is_gone: AtomicBool,
    /// Set by the owner when queued alerts are to be dropped.
    is_over: AtomicBool,
    queued_bytes: AtomicUsize,
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

    /// Starts the thread that sends alerts to `helper`.
    pub(super) fn connect(&mut self, mut helper: Child, counters: &Arc<Counters>) {
        let (Some(input), Some(output)) = (helper.stdin.take(), helper.stdout.take()) else {
            return;
        };
        let (queue, alerts) = sync_channel(QUEUE_LENGTH);
        let shared = Arc::new(Shared::default());
        let thread = {
            let (shared, counters) = (Arc::clone(&shared), Arc::clone(counters));
            std::thread::spawn(move || {
                if forward(&alerts, input, output, &shared, &counters).is_none() {
                    shared.is_gone.store(true, Ordering::Relaxed);
                }
            })
        };
        self.program = Some(Program {
            queue: Some(queue),
            shared,
            thread: Some(thread),
            helper,
            counters: Arc::clone(counters),
            death_noticed: false,
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

    /// Notices, once, that the helper is gone.
    pub(super) fn maintain(&mut self) {
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
    }
}

fn wait_for(thread: &JoinHandle<()>, limit: Duration) {
    let deadline = Instant::now() + limit;
    while !thread.is_finished() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends alerts to the helper, at most as many as it may run at once; `None` if the helper is gone.
fn forward(
    alerts: &Receiver<Vec<u8>>,
    mut input: ChildStdin,
    mut output: ChildStdout,
    shared: &Shared,
    counters: &Counters,
) -> Option<()> {
    let mut running = 0;
    let mut wait_for_one = |running: &mut usize| -> Option<()> {
        let mut byte = [0];
        output.read_exact(&mut byte).ok()?;
        *running = running.saturating_sub(1);
        if byte == [FAILED] {
            counters.add_failed_alert();
        }
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

/// Limit of queued alerts.
const QUEUE_LENGTH: usize = 1_000;
/// Limit of queued bytes; a single alert may be longer.
const QUEUE_BYTES: usize = 16 << 20;
/// Time for which queued alerts are still sent at the end of a run.
const DRAIN_TIME: Duration = Duration::from_secs(5);
