//! Alerts: expressions over events, and the program that is given those for which one is true.
//!
//! ```text
//! event -> expressions -> queue of 1,000 -> thread -> pipe -> exec_helper (a process of its own) -> the program, 4 at once
//!                         full: counted               <- one byte for each that is over <-
//! ```

use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::exec_helper::{FAILED, GRACE, LONGEST, MOST_AT_ONCE};
use super::numbers::{Numbers, add, get};
use crate::check::{Expression, Scope};
use crate::cli::error_text::{self, Failure};
use crate::report::units;

/// The expressions, and the way to the program.
#[derive(Default)]
pub(super) struct Alerts {
    expressions: Vec<Expression>,
    /// That some events are too much work is told once.
    work_told: Cell<bool>,
    program: Option<Program>,
}

struct Program {
    queue: Option<SyncSender<Vec<u8>>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    helper: Child,
    numbers: Arc<Numbers>,
    /// That the helper is gone was told.
    told: bool,
}

/// What the thread and its owner tell each other.
#[derive(Default)]
struct Shared {
    /// The helper is gone.
    gone: AtomicBool,
    /// Nothing more is to be given to the program.
    over: AtomicBool,
    /// Bytes that wait in the queue.
    waiting: AtomicUsize,
}

impl Alerts {
    /// Takes the expressions apart; a mistake is told before anything is opened.
    pub(super) fn compile(texts: &[String]) -> Result<Self, Failure> {
        let compile = |text: &String| {
            Expression::compile(text, Scope::Event)
                .map_err(|error| Failure::Refused(format!("--alert: {error}")))
        };
        Ok(Self {
            expressions: texts.iter().map(compile).collect::<Result<_, _>>()?,
            work_told: Cell::new(false),
            program: None,
        })
    }

    /// Alerts go to the program behind `helper` from here on. This starts a thread.
    pub(super) fn connect(&mut self, mut helper: Child, numbers: &Arc<Numbers>) {
        let (Some(input), Some(output)) = (helper.stdin.take(), helper.stdout.take()) else {
            return;
        };
        let (queue, alerts) = sync_channel(QUEUE);
        let shared = Arc::new(Shared::default());
        let thread = {
            let (shared, numbers) = (Arc::clone(&shared), Arc::clone(numbers));
            std::thread::spawn(move || {
                if forward(&alerts, input, output, &shared, &numbers).is_none() {
                    shared.gone.store(true, Ordering::Relaxed);
                }
            })
        };
        self.program = Some(Program {
            queue: Some(queue),
            shared,
            thread: Some(thread),
            helper,
            numbers: Arc::clone(numbers),
            told: false,
        });
    }

    /// Whether there is anything to look for.
    pub(super) const fn are_wanted(&self) -> bool {
        !self.expressions.is_empty()
    }

    /// Whether alerts are given to a program.
    pub(super) const fn has_program(&self) -> bool {
        self.program.is_some()
    }

    /// Whether an expression is true of an event.
    pub(super) fn matches(&self, event: &serde_json::Value) -> bool {
        let is_true = self
            .expressions
            .iter()
            .any(|expression| expression.is_true(event));
        if !self.work_told.get() && self.expressions.iter().any(Expression::has_given_up) {
            self.work_told.set(true);
            error_text::note(
                "--alert: it is too much work for some events, which are not marked; look at fewer lists within lists",
            );
        }
        is_true
    }

    /// Puts an alert into the queue; where it is full the alert is counted and dropped.
    pub(super) fn hand_over(&mut self, alert: Vec<u8>) {
        let Some(program) = &self.program else {
            return;
        };
        let Some(queue) = &program.queue else {
            return;
        };
        let length = alert.len();
        let before = program.shared.waiting.fetch_add(length, Ordering::Relaxed);
        // The report of a long session may be large: a thousand of them are not to fill the memory.
        let sent = if before > 0 && before.saturating_add(length) > QUEUE_BYTES {
            false
        } else {
            queue.try_send(alert).is_ok()
        };
        if !sent {
            program.shared.waiting.fetch_sub(length, Ordering::Relaxed);
            add(&program.numbers.alerts_dropped, 1);
        }
    }

    /// Tells once if alerts have nowhere to go any more.
    pub(super) fn look_after(&mut self) {
        if let Some(program) = &mut self.program
            && !program.told
            && program.shared.gone.load(Ordering::Relaxed)
        {
            program.told = true;
            error_text::print(
                "the helper that starts the alert program is gone; alerts are only counted from here on",
            );
        }
    }

    /// Gives the program what is in the queue, for a while, and lets those that run come to their end.
    pub(super) fn finish(&mut self) {
        let Some(mut program) = self.program.take() else {
            return;
        };
        drop(program.queue.take());
        let dropped_before = get(&program.numbers.alerts_dropped);
        if let Some(thread) = program.thread.take() {
            wait_for(&thread, PATIENCE);
            program.shared.over.store(true, Ordering::Relaxed);
            // The helper ends each program in time, and then itself.
            wait_for(&thread, LONGEST + GRACE * 2);
            if !thread.is_finished() {
                let _ = program.helper.kill();
            }
        }
        let dropped = get(&program.numbers.alerts_dropped).saturating_sub(dropped_before);
        if dropped > 0 {
            error_text::note(&format!(
                "{} not given to the program any more: it takes too long",
                units::counted(dropped, "alert was", "alerts were")
            ));
        }
        let _ = program.helper.wait();
    }
}

fn wait_for(thread: &JoinHandle<()>, longest: Duration) {
    let deadline = Instant::now() + longest;
    while !thread.is_finished() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Gives alerts to the helper, never more than it may run at once; `None` where the helper is gone.
fn forward(
    alerts: &Receiver<Vec<u8>>,
    mut input: ChildStdin,
    mut output: ChildStdout,
    shared: &Shared,
    numbers: &Numbers,
) -> Option<()> {
    let mut running = 0;
    let mut end_of_one = |running: &mut usize| -> Option<()> {
        let mut byte = [0];
        output.read_exact(&mut byte).ok()?;
        *running = running.saturating_sub(1);
        if byte == [FAILED] {
            add(&numbers.alerts_failed, 1);
        }
        Some(())
    };
    while let Ok(alert) = alerts.recv() {
        shared.waiting.fetch_sub(alert.len(), Ordering::Relaxed);
        while running >= MOST_AT_ONCE {
            end_of_one(&mut running)?;
        }
        if shared.over.load(Ordering::Relaxed) {
            add(&numbers.alerts_dropped, 1);
            continue;
        }
        input.write_all(&alert).ok()?;
        running += 1;
    }
    drop(input);
    while running > 0 {
        end_of_one(&mut running)?;
    }
    Some(())
}

/// Alerts that wait for the program.
const QUEUE: usize = 1_000;
/// Bytes of them; a single one may have more.
const QUEUE_BYTES: usize = 16 << 20;
/// How long the end of a run goes on giving alerts to the program.
const PATIENCE: Duration = Duration::from_secs(5);
