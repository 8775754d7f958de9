//! A packet source that prints failures and progress, and ends when the output is closed or the user interrupts.

use std::io::{IsTerminal, Write, stderr};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::messages;
use crate::capture::{Input, PacketSource, SkippedPackets};
use crate::model::record::Capture;
use crate::monitor::Interruption;
use crate::report::units;

/// A source that passes every input on and prints failures on standard error.
pub(super) struct WatchedSource<'a> {
    inner: &'a mut dyn PacketSource,
    stop: Arc<AtomicBool>,
    interruption: &'a Interruption,
    /// `None` if progress is not shown.
    progress: Option<Progress>,
    failures: u64,
}

impl<'a> WatchedSource<'a> {
    /// Wraps `inner`, which ends once `stop` is true or at an interruption. Progress is shown only on a terminal.
    pub(super) fn new(
        inner: &'a mut dyn PacketSource,
        stop: Arc<AtomicBool>,
        interruption: &'a Interruption,
        progress: bool,
    ) -> Self {
        Self {
            inner,
            stop,
            interruption,
            progress: (progress && stderr().is_terminal()).then(Progress::new),
            failures: 0,
        }
    }

    /// Returns the number of inputs that could not be read.
    pub(super) fn failures(&self) -> u64 {
        self.failures
    }
}

impl PacketSource for WatchedSource<'_> {
    fn for_each(&mut self, take: &mut dyn FnMut(Input<'_>) -> ControlFlow<()>) {
        let Self {
            inner,
            stop,
            interruption,
            progress,
            failures,
        } = self;
        inner.for_each(&mut |input| {
            match &input {
                Input::Packet(packet) => {
                    if let Some(progress) = progress {
                        progress.packet(packet.data.len());
                    }
                }
                Input::Failed(error) => {
                    *failures += 1;
                    if let Some(progress) = progress {
                        progress.clear();
                    }
                    messages::print(&messages::input(error));
                }
                _ => {}
            }
            if stop.load(Ordering::Relaxed) || interruption.is_requested() {
                ControlFlow::Break(())
            } else {
                take(input)
            }
        });
        if let Some(progress) = progress {
            progress.clear();
        }
    }

    fn captures(&self) -> Vec<Capture> {
        self.inner.captures()
    }

    fn skipped(&self) -> SkippedPackets {
        self.inner.skipped()
    }
}

/// A progress line on standard error, overwritten in place.
struct Progress {
    packets: u64,
    bytes: u64,
    next: Instant,
    /// True while the line is on the screen.
    shown: bool,
}

impl Progress {
    fn new() -> Self {
        Self {
            packets: 0,
            bytes: 0,
            next: Instant::now() + FIRST_AFTER,
            shown: false,
        }
    }

    fn packet(&mut self, length: usize) {
        self.packets = self.packets.saturating_add(1);
        self.bytes = self.bytes.saturating_add(units::to_u64(length));
        if !self.packets.is_multiple_of(PACKETS_BETWEEN_CHECKS) || Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + UPDATE_INTERVAL;
        self.shown = true;
        let packets = units::counted(self.packets, "packet", "packets");
        let size = units::size(self.bytes);
        let _ = write!(stderr(), "\r\x1b[K{packets}, {size}");
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

/// Delay of the first line, so that short runs show none.
const FIRST_AFTER: Duration = Duration::from_millis(500);

/// Time between two updates.
const UPDATE_INTERVAL: Duration = Duration::from_millis(200);

/// Reading the clock at each packet would cost more than decoding it.
const PACKETS_BETWEEN_CHECKS: u64 = 4096;
