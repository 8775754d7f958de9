//! Alerts: expressions over events, and the program that is given those for which one is true.
//!
//! ```text
//! event -> expressions -> queue of 1,000 -> thread -> pipe -> exec_helper (a process of its own) -> the program, 4 at once
//!                         full: counted               <- one byte for each that is over <-
//! ```

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::exec_helper::{FAILED, MOST_AT_ONCE};
use super::numbers::{Numbers, add};
use crate::check::{Expression, Scope};
use crate::cli::error_text::{self, Failure};

/// The expressions, and the way to the program.
#[derive(Default)]
pub(super) struct Alerts {
    expressions: Vec<Expression>,
    program: Option<Program>,
}

struct Program {
    queue: Option<SyncSender<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
    helper: Child,
    numbers: Arc<Numbers>,
    /// The helper is gone, which is told once.
    gone: Arc<AtomicBool>,
    told: bool,
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
            program: None,
        })
    }

    /// Alerts go to the program behind `helper` from here on. This starts a thread.
    pub(super) fn connect(&mut self, mut helper: Child, numbers: &Arc<Numbers>) {
        let (Some(input), Some(output)) = (helper.stdin.take(), helper.stdout.take()) else {
            return;
        };
        let (queue, alerts) = sync_channel(QUEUE);
        let gone = Arc::new(AtomicBool::new(false));
        let thread = {
            let (gone, numbers) = (Arc::clone(&gone), Arc::clone(numbers));
            std::thread::spawn(move || {
                if forward(&alerts, input, output, &numbers).is_none() {
                    gone.store(true, Ordering::Relaxed);
                }
            })
        };
        self.program = Some(Program {
            queue: Some(queue),
            thread: Some(thread),
            helper,
            numbers: Arc::clone(numbers),
            gone,
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
        self.expressions
            .iter()
            .any(|expression| expression.is_true(event))
    }

    /// Puts an alert into the queue; where it is full the alert is counted and dropped.
    pub(super) fn hand_over(&mut self, alert: Vec<u8>) {
        let Some(program) = &self.program else {
            return;
        };
        let Some(queue) = &program.queue else {
            return;
        };
        match queue.try_send(alert) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                add(&program.numbers.alerts_dropped, 1);
            }
        }
    }

    /// Tells once if alerts have nowhere to go any more.
    pub(super) fn look_after(&mut self) {
        if let Some(program) = &mut self.program
            && !program.told
            && program.gone.load(Ordering::Relaxed)
        {
            program.told = true;
            error_text::print(
                "the helper that starts the alert program is gone; alerts are only counted from here on",
            );
        }
    }

    /// Waits for what is in the queue, for a while.
    pub(super) fn finish(&mut self) {
        let Some(mut program) = self.program.take() else {
            return;
        };
        drop(program.queue.take());
        let deadline = Instant::now() + PATIENCE;
        if let Some(thread) = program.thread.take() {
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(10));
            }
            if !thread.is_finished() {
                error_text::note("some alerts were not given to the program: it takes too long");
                let _ = program.helper.kill();
            }
        }
        let _ = program.helper.wait();
    }
}

/// Gives alerts to the helper, never more than it may run at once; `None` where the helper is gone.
fn forward(
    alerts: &Receiver<Vec<u8>>,
    mut input: ChildStdin,
    mut output: ChildStdout,
    numbers: &Numbers,
) -> Option<()> {
    let mut running = 0;
    let mut over = |running: &mut usize| -> Option<()> {
        let mut byte = [0];
        output.read_exact(&mut byte).ok()?;
        *running = running.saturating_sub(1);
        if byte == [FAILED] {
            add(&numbers.alerts_failed, 1);
        }
        Some(())
    };
    while let Ok(alert) = alerts.recv() {
        while running >= MOST_AT_ONCE {
            over(&mut running)?;
        }
        input.write_all(&alert).ok()?;
        running += 1;
    }
    drop(input);
    while running > 0 {
        over(&mut running)?;
    }
    Some(())
}

/// Alerts that wait for the program.
const QUEUE: usize = 1_000;
/// How long the end of a run waits for the program.
const PATIENCE: Duration = Duration::from_secs(15);
