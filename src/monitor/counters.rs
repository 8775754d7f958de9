//! Counters of a run, for the summary and for Prometheus: the HTTP server runs on a thread of its own.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

use super::error::Error;
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

    /// Returns the alerts for which the program failed.
    pub(super) fn alerts_failed(&self) -> u64 {
        get(&self.alerts_failed)
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

/// A bound socket that nobody answers on yet.
#[derive(Debug)]
pub(super) struct Metrics(TcpListener);

impl Metrics {
    /// Binds `address`.
    pub(super) fn bind(address: SocketAddr) -> Result<Self, Error> {
        TcpListener::bind(address)
            .map(Self)
            .map_err(|cause| Error::Metrics { address, cause })
    }

    /// Starts the thread that answers requests until the process ends.
    ///
    /// Each request gets a thread of its own, up to 16 at once. A client beyond them takes the place of the oldest, which has
    /// had the most time to say what it wants: silent clients cannot keep others away.
    pub(super) fn serve(self, counters: Arc<Counters>) -> io::Result<()> {
        let listen = move || {
            // Connections in the order in which they came; the thread of each holds the second reference.
            let mut clients: VecDeque<Arc<TcpStream>> = VecDeque::new();
            loop {
                let Ok((stream, _)) = self.0.accept() else {
                    // Out of descriptors, or a client that left early: both pass, but not within a busy loop.
                    thread::sleep(Duration::from_millis(100));
                    continue;
                };
                clients.retain(|client| Arc::strong_count(client) > 1);
                if clients.len() >= MAX_CLIENTS
                    && let Some(oldest) = clients.pop_front()
                {
                    // Ends the read or write in which its thread waits.
                    let _ = oldest.shutdown(Shutdown::Both);
                }
                let stream = Arc::new(stream);
                clients.push_back(Arc::clone(&stream));
                let counters = Arc::clone(&counters);
                // Without a thread this scrape fails; Prometheus scrapes again.
                let _ = named("metrics client").spawn(move || {
                    let _ = answer(&stream, &counters);
                    // The list of clients still holds the connection.
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        };
        named("metrics").spawn(listen).map(|_| ())
    }
}

fn named(name: &str) -> thread::Builder {
    thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK)
}

fn answer(mut stream: &TcpStream, counters: &Counters) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = read_request(stream)?;
    let (status, body) = respond(&request, counters);
    let head_only = request.starts_with(b"HEAD ");
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    if !head_only {
        stream.write_all(body.as_bytes())?;
    }
    stream.flush()
}

fn respond(request: &[u8], counters: &Counters) -> (&'static str, String) {
    let line = request.split(|&byte| byte == b'\r').next();
    let mut words = line.unwrap_or_default().split(|&byte| byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next());
    let path = target.map(|target| target.split(|&byte| byte == b'?').next());
    match (method, path.flatten()) {
        (b"GET" | b"HEAD", Some(b"/metrics" | b"/")) => ("200 OK", counters.prometheus()),
        (b"GET" | b"HEAD", _) => ("404 Not Found", "the numbers are at /metrics\n".to_owned()),
        _ => (
            "405 Method Not Allowed",
            "only GET is answered\n".to_owned(),
        ),
    }
}

/// Reads a request head of at most 8 KiB within 1 s.
fn read_request(mut stream: &TcpStream) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + PATIENCE;
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || request.len() > HEAD_LIMIT {
            return Err(ErrorKind::TimedOut.into());
        }
        // The rest of the total time, not a time per read: a client that sends byte by byte must not hold the thread.
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            got => request.extend_from_slice(piece.get(..got).unwrap_or_default()),
        }
    }
    Ok(request)
}

/// Time that a client gets to send its request, and again to read the answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Clients that are answered at once.
const MAX_CLIENTS: usize = 16;
/// Stack of a thread in bytes: 16 default stacks of 2 MiB would count against a memory limit.
const STACK: usize = 256 << 10;
/// Limit of a request head in bytes.
const HEAD_LIMIT: usize = 8 << 10;

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

    #[test]
    fn only_the_metrics_path_is_served() {
        let counters = Counters::new();
        let status = |request: &[u8]| respond(request, &counters).0;
        assert_eq!(status(b"GET /metrics HTTP/1.1\r\n\r\n"), "200 OK");
        assert_eq!(status(b"GET /metrics?x=1 HTTP/1.1\r\n\r\n"), "200 OK");
        assert_eq!(status(b"GET /etc/passwd HTTP/1.1\r\n\r\n"), "404 Not Found");
        assert_eq!(
            status(b"POST /metrics HTTP/1.1\r\n\r\n"),
            "405 Method Not Allowed"
        );
        assert_eq!(status(b"\r\n\r\n"), "405 Method Not Allowed");
    }

    #[test]
    fn a_client_receives_metrics_over_http() {
        let loopback = "127.0.0.1:0".parse().expect("an address");
        let metrics = Metrics::bind(loopback).expect("bound");
        let address = metrics.0.local_addr().expect("an address");
        metrics.serve(Counters::new()).expect("a thread");
        let mut stream = TcpStream::connect(address).expect("connected");
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            .expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(text.contains("ftpscope_packets_total 0"));
    }

    #[test]
    fn silent_clients_do_not_delay_others() {
        let loopback = "127.0.0.1:0".parse().expect("an address");
        let metrics = Metrics::bind(loopback).expect("bound");
        let address = metrics.0.local_addr().expect("an address");
        metrics.serve(Counters::new()).expect("a thread");
        let mut silent: Vec<TcpStream> = (0..8)
            .map(|_| TcpStream::connect(address).expect("connected"))
            .collect();
        let mut stream = TcpStream::connect(address).expect("connected");
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        // If the answer had waited for the silent clients, the last of them would be closed by now.
        let last = silent.last_mut().expect("one");
        last.set_nonblocking(true).expect("set");
        let still_open = last.read(&mut [0]).expect_err("nothing to read");
        assert_eq!(still_open.kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn stalled_clients_beyond_the_limit_give_way_to_new_ones() {
        let loopback = "127.0.0.1:0".parse().expect("an address");
        let metrics = Metrics::bind(loopback).expect("bound");
        let address = metrics.0.local_addr().expect("an address");
        metrics.serve(Counters::new()).expect("a thread");
        let stalled: Vec<TcpStream> = (0..129)
            .map(|_| TcpStream::connect(address).expect("connected"))
            .collect();
        let mut stream = TcpStream::connect(address).expect("connected");
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        let mut oldest = stalled.first().expect("one");
        let read = oldest.read(&mut [0]);
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
}
