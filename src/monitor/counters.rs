//! Counters of a run, for the summary and for the metrics thread.

use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::model::record::{Drops, Severity, TransferDirection};
use crate::model::{Event, EventKind, EventSink};
use crate::report::units;

/// Counters of a run. All are monotonic; `Relaxed` is enough, since no other memory depends on them.
#[derive(Debug)]
pub(super) struct Counters {
    began: Instant,
    /// `/proc/self/statm`, opened before the file system is restricted; `None` on systems without it.
    memory: Option<File>,
    packets: AtomicU64,
    bytes: AtomicU64,
    kernel_drops: AtomicU64,
    interface_drops: AtomicU64,
    sessions: AtomicU64,
    sessions_closed: AtomicU64,
    downloads: AtomicU64,
    uploads: AtomicU64,
    listings: AtomicU64,
    file_bytes: AtomicU64,
    findings: [AtomicU64; 4],
    warnings: AtomicU64,
    alerts: AtomicU64,
    alerts_dropped: AtomicU64,
    alerts_failed: AtomicU64,
    events_lost: AtomicU64,
    packets_written: AtomicU64,
}

impl Counters {
    /// Creates counters at zero, and opens what reading the memory use takes.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            memory: File::open("/proc/self/statm").ok(),
            packets: AtomicU64::default(),
            bytes: AtomicU64::default(),
            kernel_drops: AtomicU64::default(),
            interface_drops: AtomicU64::default(),
            sessions: AtomicU64::default(),
            sessions_closed: AtomicU64::default(),
            downloads: AtomicU64::default(),
            uploads: AtomicU64::default(),
            listings: AtomicU64::default(),
            file_bytes: AtomicU64::default(),
            findings: Default::default(),
            warnings: AtomicU64::default(),
            alerts: AtomicU64::default(),
            alerts_dropped: AtomicU64::default(),
            alerts_failed: AtomicU64::default(),
            events_lost: AtomicU64::default(),
            packets_written: AtomicU64::default(),
        })
    }

    /// Sets the packets captured so far and their bytes.
    pub(super) fn set_packets(&self, packets: u64, bytes: u64) {
        self.packets.store(packets, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Sets the packets lost so far.
    pub(super) fn set_drops(&self, drops: Drops) {
        self.kernel_drops.store(drops.kernel, Ordering::Relaxed);
        self.interface_drops
            .store(drops.interface, Ordering::Relaxed);
    }

    /// Counts an event that an alert expression marked.
    pub(super) fn add_alert(&self) {
        add(&self.alerts, 1);
    }

    /// Counts an alert that the program will not receive.
    pub(super) fn add_dropped_alert(&self) {
        add(&self.alerts_dropped, 1);
    }

    /// Returns the alerts that the program did not receive.
    pub(super) fn alerts_dropped(&self) -> u64 {
        get(&self.alerts_dropped)
    }

    /// Counts an alert for which the program failed.
    pub(super) fn add_failed_alert(&self) {
        add(&self.alerts_failed, 1);
    }

    /// Sets the events that could not be written so far.
    pub(super) fn set_events_lost(&self, events: u64) {
        self.events_lost.store(events, Ordering::Relaxed);
    }

    /// Sets the packets written by the recorder so far.
    pub(super) fn set_packets_written(&self, packets: u64) {
        self.packets_written.store(packets, Ordering::Relaxed);
    }

    /// Returns the packets lost by the kernel and the interface.
    pub(super) fn packets_dropped(&self) -> u64 {
        get(&self.kernel_drops).saturating_add(get(&self.interface_drops))
    }

    /// Returns the resident memory in bytes; `None` if the system does not report it.
    fn memory(&self) -> Option<u64> {
        // Read at an offset rather than by a cursor: the metrics thread reads at the same time.
        let mut text = [0; 128];
        let got = self.memory.as_ref()?.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(text.get(..got)?).ok()?;
        let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
        pages.checked_mul(u64::try_from(rustix::param::page_size()).ok()?)
    }

    /// Returns the main counters as one line of text.
    pub(super) fn summary(&self) -> String {
        let findings: u64 = self.findings.iter().map(get).sum();
        let closed = get(&self.sessions_closed);
        let transfers = [&self.downloads, &self.uploads, &self.listings];
        let transfers: u64 = transfers.into_iter().map(get).sum();
        let mut text = format!(
            "running for {}: {}, {}; {} ({} open), {}, {} in files, {}",
            units::duration(self.began.elapsed().as_secs_f64()),
            units::counted(get(&self.packets), "packet", "packets"),
            units::counted(self.packets_dropped(), "packet dropped", "packets dropped"),
            units::counted(get(&self.sessions), "session", "sessions"),
            units::count(get(&self.sessions).saturating_sub(closed)),
            units::counted(transfers, "transfer", "transfers"),
            units::size(get(&self.file_bytes)),
            units::counted(findings, "finding", "findings"),
        );
        let rest = [
            (&self.alerts, "alert", "alerts"),
            (&self.alerts_dropped, "alert dropped", "alerts dropped"),
            (&self.events_lost, "event not written", "events not written"),
        ];
        for (counter, one, many) in rest {
            if get(counter) > 0 {
                // Writing to a String cannot fail.
                let _ = write!(text, ", {}", units::counted(get(counter), one, many));
            }
        }
        if let Some(memory) = self.memory() {
            let _ = write!(text, "; memory {}", units::size(memory));
        }
        text
    }

    /// Returns all counters in the Prometheus text format, version 0.0.4.
    pub(super) fn prometheus(&self) -> String {
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str, values: &[(&str, u64)]| {
            let _ = writeln!(text, "# HELP ftpscope_{name} {help}");
            let _ = writeln!(text, "# TYPE ftpscope_{name} {kind}");
            for (labels, value) in values {
                let _ = writeln!(text, "ftpscope_{name}{labels} {value}");
            }
        };
        let running = self.began.elapsed().as_secs();
        let uptime = [("", running)];
        family("uptime_seconds", "gauge", "Time since the start.", &uptime);
        if let Some(memory) = self.memory() {
            let help = "Resident memory.";
            family("resident_memory_bytes", "gauge", help, &[("", memory)]);
        }
        let packets = [("", get(&self.packets))];
        family("packets_total", "counter", "Packets captured.", &packets);
        let bytes = [("", get(&self.bytes))];
        family("bytes_total", "counter", "Bytes captured.", &bytes);
        let drops = [
            ("{by=\"kernel\"}", get(&self.kernel_drops)),
            ("{by=\"interface\"}", get(&self.interface_drops)),
        ];
        let help = "Packets lost before they could be read.";
        family("packets_dropped_total", "counter", help, &drops);
        let sessions = get(&self.sessions);
        let help = "FTP sessions.";
        family("sessions_total", "counter", help, &[("", sessions)]);
        let open = sessions.saturating_sub(get(&self.sessions_closed));
        family(
            "sessions_open",
            "gauge",
            "FTP sessions that are open.",
            &[("", open)],
        );
        let transfers = [
            ("{direction=\"download\"}", get(&self.downloads)),
            ("{direction=\"upload\"}", get(&self.uploads)),
            ("{direction=\"listing\"}", get(&self.listings)),
        ];
        family(
            "transfers_total",
            "counter",
            "Transfers that ended.",
            &transfers,
        );
        let help = "Payload bytes of downloads and uploads.";
        family(
            "file_bytes_total",
            "counter",
            help,
            &[("", get(&self.file_bytes))],
        );
        let [info, low, medium, high] = &self.findings;
        let findings = [
            ("{severity=\"info\"}", get(info)),
            ("{severity=\"low\"}", get(low)),
            ("{severity=\"medium\"}", get(medium)),
            ("{severity=\"high\"}", get(high)),
        ];
        family("findings_total", "counter", "Findings.", &findings);
        let rest = [
            ("warnings_total", "Warnings.", &self.warnings),
            (
                "alerts_total",
                "Events that an alert expression marked.",
                &self.alerts,
            ),
            (
                "alerts_dropped_total",
                "Alerts that the program was not given because too many waited.",
                &self.alerts_dropped,
            ),
            (
                "alerts_failed_total",
                "Alerts for which the program could not be started, failed or took too long.",
                &self.alerts_failed,
            ),
            (
                "events_lost_total",
                "Events that could not be written.",
                &self.events_lost,
            ),
            (
                "packets_written_total",
                "Packets of FTP that were kept.",
                &self.packets_written,
            ),
        ];
        for (name, help, counter) in rest {
            family(name, "counter", help, &[("", get(counter))]);
        }
        text
    }
}

/// A sink that counts events.
pub(super) struct CountingSink(pub(super) Arc<Counters>);

impl EventSink for CountingSink {
    fn event(&mut self, event: &Event<'_>) {
        let counters = &self.0;
        match &event.kind {
            EventKind::SessionStart { .. } => add(&counters.sessions, 1),
            EventKind::SessionEnd(_) => add(&counters.sessions_closed, 1),
            EventKind::Transfer(transfer) => match transfer.direction {
                TransferDirection::Listing => add(&counters.listings, 1),
                TransferDirection::Download => {
                    add(&counters.downloads, 1);
                    add(&counters.file_bytes, transfer.bytes);
                }
                TransferDirection::Upload => {
                    add(&counters.uploads, 1);
                    add(&counters.file_bytes, transfer.bytes);
                }
            },
            EventKind::Finding(finding) => {
                let [info, low, medium, high] = &counters.findings;
                let counter = match finding.severity {
                    Severity::Info => info,
                    Severity::Low => low,
                    Severity::Medium => medium,
                    Severity::High => high,
                };
                add(counter, 1);
            }
            EventKind::Warning(_) => add(&counters.warnings, 1),
            _ => {}
        }
    }
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_family_has_help_type_and_values() {
        let counters = Counters::new();
        counters.set_packets(7, 700);
        let text = counters.prometheus();
        assert!(text.contains("\nftpscope_packets_total 7\n"));
        assert!(text.contains("ftpscope_packets_dropped_total{by=\"kernel\"} 0\n"));
        let count = |word: &str| text.matches(word).count();
        assert_eq!(count("# HELP "), count("# TYPE "));
        assert!(
            text.lines()
                .all(|line| line.starts_with("# ") || line.starts_with("ftpscope_"))
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn resident_memory_is_read_from_proc() {
        assert!(
            Counters::new()
                .memory()
                .is_some_and(|bytes| bytes > 1 << 20)
        );
    }
}
