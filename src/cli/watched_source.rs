//! A packet source that prints failures and progress, and ends when the output is closed or the user interrupts.

use std::io::{IsTerminal, Write, stderr};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{messages, terminal};
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

/// Quantities that progress is compared with.
pub(super) struct ProgressTarget {
    pub(super) is_wanted: bool,
    /// Size of the inputs in bytes; `None` for pipes and files that grow.
    pub(super) total: Option<u64>,
    /// Sessions found so far, counted by a sink of the run.
    pub(super) sessions: Arc<AtomicU64>,
}

impl<'a> WatchedSource<'a> {
    /// Wraps `inner`, which ends once `stop` is true or at an interruption.
    ///
    /// Progress is shown only on a terminal.
    pub(super) fn new(
        inner: &'a mut dyn PacketSource,
        stop: Arc<AtomicBool>,
        interruption: &'a Interruption,
        progress: ProgressTarget,
    ) -> Self {
        Self {
            inner,
            stop,
            interruption,
            progress: (progress.is_wanted && stderr().is_terminal())
                .then(|| Progress::new(progress.total, progress.sessions)),
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

    fn is_prompt(&self) -> bool {
        self.inner.is_prompt()
    }
}

/// A progress line on standard error, overwritten in place.
struct Progress {
    packets: u64,
    bytes: u64,
    /// Size of the inputs; `None` for pipes and files that grow.
    total: Option<u64>,
    /// Bytes that this process had read before the first packet.
    read_before: u64,
    /// Sessions found so far.
    sessions: Arc<AtomicU64>,
    start: Instant,
    next: Instant,
    /// True while the line is on the screen.
    shown: bool,
}

impl Progress {
    fn new(total: Option<u64>, sessions: Arc<AtomicU64>) -> Self {
        let start = Instant::now();
        Self {
            packets: 0,
            bytes: 0,
            total,
            read_before: bytes_read().unwrap_or_default(),
            sessions,
            start,
            next: start + FIRST_AFTER,
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
        let read = bytes_read().map(|read| read.saturating_sub(self.read_before));
        let line = self.line(read, self.start.elapsed());
        let width = terminal::stderr_width().map_or(usize::MAX, usize::from);
        // A line that wraps would not be overwritten.
        let line: String = line.chars().take(width.saturating_sub(1)).collect();
        let _ = write!(stderr(), "\r\x1b[K{line}");
    }

    /// Returns the line after `elapsed`; `read` are the bytes of the inputs read so far, `None` if that is not known.
    fn line(&self, read: Option<u64>, elapsed: Duration) -> String {
        let sessions = self.sessions.load(Ordering::Relaxed);
        let sessions = units::counted(sessions, "session", "sessions");
        let seconds = elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        let Some((read, total)) = read.zip(self.total).filter(|(_, total)| *total > 0) else {
            let packets = units::counted(self.packets, "packet", "packets");
            #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
            let rate = units::rate(self.bytes as f64 / seconds);
            return format!("{sessions}, {packets}, {}, {rate}", units::size(self.bytes));
        };
        // Reading runs ahead of analysis, and headers are read twice.
        let read = read.min(total);
        #[expect(clippy::cast_precision_loss, reason = "percent and seconds for people")]
        let (rate, left) = {
            let rate = (read as f64 / seconds).max(1.0);
            (rate, (total - read) as f64 / rate)
        };
        format!(
            "{:>2} % of {}, {}, {} left, {sessions}",
            read.saturating_mul(100) / total,
            units::size(total),
            units::rate(rate),
            units::duration(left.ceil()),
        )
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

/// Returns the bytes that this process has read; `None` where the system does not say.
///
/// The system counts what every thread reads of files as they are on disk, so that percent are right for compressed captures
/// as well, and no reader has to count.
fn bytes_read() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/io").ok()?;
    let count = text.lines().find_map(|line| line.strip_prefix("rchar: "))?;
    count.trim().parse().ok()
}

/// Delay of the first line, so that short runs show none.
const FIRST_AFTER: Duration = Duration::from_millis(500);

/// Time between two updates.
const UPDATE_INTERVAL: Duration = Duration::from_millis(200);

/// Reading the clock at each packet would cost more than decoding it.
const PACKETS_BETWEEN_CHECKS: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_line_has_percent_rate_time_left_and_sessions() {
        let mut progress = Progress::new(Some(4_000_000_000), Arc::new(AtomicU64::new(1_203)));
        progress.packets = 5_000_000;
        progress.bytes = 900_000_000;
        let after = Duration::from_secs(2);
        assert_eq!(
            progress.line(Some(1_000_000_000), after),
            "25 % of 4.0 GB, 500.0 MB/s, 6.0 s left, 1,203 sessions"
        );
        progress.total = None;
        assert_eq!(
            progress.line(Some(1_000_000_000), after),
            "1,203 sessions, 5,000,000 packets, 900.0 MB, 450.0 MB/s"
        );
    }
}
