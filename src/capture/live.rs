//! Packets from network interfaces, as they pass.
//!
//! ```text
//! interface -> kernel ring (TPACKET_V3) -> dispatch -> Input            one interface: straight through
//! several:                                   └> held for a moment -> merged by time -> Input
//! poll(rings, signals) -> nothing for 100 ms -> Tick
//! ```
//!
//! libpcap blocks on a quiet link whatever its time limit says, so the descriptors are polled here and libpcap never waits.
//! The kernel hands a block of the ring over after at most 50 ms, however few packets are in it.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::ControlFlow;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::ticker::Ticker;
use super::{Error, Filter, Input, LinkType, Packet, PacketSource, Wake};
use crate::model::record::{Capture, Drops};
use crate::model::{FrameRef, Timestamp, Warning, WarningCode};

/// How to capture.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// Bytes of the kernel's ring, for each interface.
    pub buffer: u32,
    /// Bytes kept of each packet.
    pub snap_length: u32,
    /// Whether packets for other machines are wanted too.
    pub promiscuous: bool,
    /// A filter in the syntax of pcap-filter(7), run by the kernel.
    pub filter: Option<String>,
    /// Which packets are wanted.
    pub way: Way,
}

/// Which way packets go, seen from this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// Both.
    #[default]
    Both,
    /// Received ones.
    In,
    /// Sent ones.
    Out,
}

/// Packets lost so far, over all interfaces; another thread may read it.
#[derive(Debug, Default)]
pub struct DropCounts {
    kernel: AtomicU64,
    interface: AtomicU64,
}

/// Open interfaces; see [`LiveSource::open`].
pub struct LiveSource {
    lines: Vec<Line>,
    wake: Wake,
    number: u64,
    begun: bool,
    held_bytes: usize,
    drops: Arc<DropCounts>,
    ticker: Ticker,
}

/// One interface.
struct Line {
    name: String,
    capture: pcap::Capture<pcap::Active>,
    link: LinkType,
    packets: u64,
    bytes: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    lost: Lost,
    /// Packets that wait for their turn among several interfaces.
    held: VecDeque<Held>,
    gone: bool,
}

/// A packet that waits.
struct Held {
    time: Timestamp,
    wire_len: u32,
    data: Box<[u8]>,
    arrived: Instant,
}

/// Packets that an interface lost.
struct Lost {
    drops: Drops,
    /// What libpcap said last: its counter has 32 bits.
    seen: u32,
    /// The kernel's own counters, opened while that was allowed, and what they said at first.
    counters: Vec<(File, u64)>,
    told: bool,
}

impl DropCounts {
    /// The counts.
    #[must_use]
    pub fn get(&self) -> Drops {
        Drops {
            kernel: self.kernel.load(Ordering::Relaxed),
            interface: self.interface.load(Ordering::Relaxed),
        }
    }
}

impl LiveSource {
    /// Opens interfaces; `any` stands for all of them. From here on their packets are kept, until `wake` says to stop.
    pub fn open(interfaces: &[String], options: &LiveOptions, wake: Wake) -> Result<Self, Error> {
        if let Some(filter) = &options.filter {
            // What would be looked up over the network, and what is no filter at all, is refused in our words.
            Filter::new(filter)?;
        }
        let mut lines = Vec::new();
        for interface in interfaces {
            lines.push(Line::open(interface, options)?);
        }
        Ok(Self {
            lines,
            wake,
            number: 0,
            begun: false,
            held_bytes: 0,
            drops: Arc::default(),
            ticker: Ticker::default(),
        })
    }

    /// The counts of lost packets, which go on while the source is read.
    #[must_use]
    pub fn drops(&self) -> Arc<DropCounts> {
        Arc::clone(&self.drops)
    }

    fn run(&mut self, take: Take<'_>) -> ControlFlow<()> {
        self.begun = true;
        for line in &self.lines {
            take(Input::CaptureStart(&line.record(false)))?;
        }
        let mut counted = Instant::now();
        let mut end: Option<Instant> = None;
        loop {
            if end.is_none() && self.wake.is_stopping() {
                // What is in the ring already is handed over within this time.
                end = Some(Instant::now() + RETIRE * 3);
            }
            let got = self.collect(take)?;
            if counted.elapsed() >= BETWEEN_COUNTS {
                counted = Instant::now();
                self.count_drops(take)?;
            }
            let over = end.is_some_and(|end| Instant::now() >= end);
            if over || self.lines.iter().all(|line| line.gone) {
                break;
            }
            if got == 0 {
                self.wait(end.is_some());
                let now = self.ticker.now();
                if self.held_bytes == 0 {
                    take(Input::Tick(now))?;
                }
            }
        }
        self.release(true, take)?;
        self.count_drops(take)
    }

    /// Takes what the rings hold, up to a bound; how many packets that were.
    fn collect(&mut self, take: Take<'_>) -> ControlFlow<(), usize> {
        let mut got = 0;
        let several = self.lines.len() > 1;
        for index in 0..self.lines.len() {
            let Some(line) = self.lines.get_mut(index).filter(|line| !line.gone) else {
                continue;
            };
            let found = if several {
                line.hold(&mut self.held_bytes)
            } else {
                line.deliver(index, &mut self.number, &mut self.ticker, take)?
            };
            match found {
                Ok(count) => got += count,
                Err(cause) => {
                    line.gone = true;
                    let interface = line.name.clone();
                    take(Input::Failed(Error::InterfaceGone { interface, cause }))?;
                }
            }
        }
        if several {
            self.release(false, take)?;
        }
        ControlFlow::Continue(got)
    }

    /// Delivers packets that waited long enough, in the order of their times; `all` of them at the end.
    fn release(&mut self, all: bool, take: Take<'_>) -> ControlFlow<()> {
        loop {
            let next = self
                .lines
                .iter()
                .enumerate()
                .filter_map(|(index, line)| Some((line.held.front()?.time, index)))
                .min();
            let Some((_, index)) = next else {
                return ControlFlow::Continue(());
            };
            let Some(line) = self.lines.get_mut(index) else {
                return ControlFlow::Continue(());
            };
            let waited = line
                .held
                .front()
                .is_some_and(|held| held.arrived.elapsed() >= HOLD);
            if !all && !waited && self.held_bytes <= HELD_BYTES {
                return ControlFlow::Continue(());
            }
            let Some(held) = line.held.pop_front() else {
                return ControlFlow::Continue(());
            };
            self.held_bytes = self.held_bytes.saturating_sub(held.cost());
            self.number += 1;
            line.count(held.time, held.data.len());
            self.ticker.packets(held.time);
            let frame = line.frame(held.time, index, self.number);
            take(Input::Packet(Packet {
                frame,
                link: line.link,
                wire_len: held.wire_len,
                data: &held.data,
            }))?;
        }
    }

    fn wait(&self, short: bool) {
        let descriptors: Vec<_> = self
            .lines
            .iter()
            .filter(|line| !line.gone)
            .map(|line| line.capture.as_fd())
            .collect();
        let longest = if short || self.held_bytes > 0 {
            RETIRE / 2
        } else {
            QUIET
        };
        self.wake.wait(&descriptors, longest);
    }

    /// Asks how many packets were lost, and tells it the first time.
    fn count_drops(&mut self, take: Take<'_>) -> ControlFlow<()> {
        let mut sum = Drops::default();
        for line in &mut self.lines {
            line.ask_drops();
            let drops = line.lost.drops;
            sum.kernel = sum.kernel.saturating_add(drops.kernel);
            sum.interface = sum.interface.saturating_add(drops.interface);
            if drops.kernel > 0 && !std::mem::replace(&mut line.lost.told, true) {
                let message = format!(
                    "{}: the kernel drops packets because the capture buffer is full; a larger --buffer or a narrower -f helps",
                    line.name
                );
                let warning = Warning {
                    count: drops.kernel,
                    ..Warning::new(WarningCode::PacketsDropped, message, None)
                };
                take(Input::Warning(warning))?;
            }
        }
        self.drops.kernel.store(sum.kernel, Ordering::Relaxed);
        self.drops.interface.store(sum.interface, Ordering::Relaxed);
        ControlFlow::Continue(())
    }
}

impl PacketSource for LiveSource {
    fn for_each(&mut self, take: Take<'_>) {
        // A break needs no further word: the caller made it.
        let _ = self.run(take);
        let mut sum = Drops::default();
        for line in &mut self.lines {
            line.ask_drops();
            sum.kernel = sum.kernel.saturating_add(line.lost.drops.kernel);
            sum.interface = sum.interface.saturating_add(line.lost.drops.interface);
        }
        self.drops.kernel.store(sum.kernel, Ordering::Relaxed);
        self.drops.interface.store(sum.interface, Ordering::Relaxed);
    }

    fn captures(&self) -> Vec<Capture> {
        self.lines
            .iter()
            .map(|line| line.record(self.begun))
            .collect()
    }
}

impl Line {
    fn open(interface: &str, options: &LiveOptions) -> Result<Self, Error> {
        let failed = |error: pcap::Error| interface_error(interface, &error);
        let is_any = interface == ANY;
        let capture = pcap::Capture::from_device(interface)
            .map_err(failed)?
            // Asking for it where there is none is an error to the binding.
            .promisc(options.promiscuous && !is_any)
            .snaplen(i32::try_from(options.snap_length).unwrap_or(i32::MAX))
            .buffer_size(i32::try_from(options.buffer).unwrap_or(i32::MAX))
            .timeout(i32::try_from(RETIRE.as_millis()).unwrap_or(50))
            .precision(pcap::Precision::Nano);
        let mut capture = capture.open().map_err(failed)?;
        if is_any {
            // As tcpdump does; where the system knows no second version, the first one does as well.
            let _ = capture.set_datalink(pcap::Linktype(i32::from(LinkType::LINUX_SLL2.0)));
        }
        let mut capture = capture.setnonblock().map_err(failed)?;
        let way = match options.way {
            Way::Both => None,
            Way::In => Some(pcap::Direction::In),
            Way::Out => Some(pcap::Direction::Out),
        };
        if let Some(way) = way {
            capture.direction(way).map_err(failed)?;
        }
        if let Some(filter) = &options.filter {
            capture
                .filter(filter, true)
                .map_err(|error| Error::Filter {
                    expression: filter.clone(),
                    cause: words(&error),
                })?;
        }
        let number = capture.get_datalink().0;
        let link = LinkType::from_file(u16::try_from(number).unwrap_or(u16::MAX));
        Ok(Self {
            name: interface.to_owned(),
            capture,
            link,
            packets: 0,
            bytes: 0,
            first: None,
            last: None,
            lost: Lost::open(interface),
            held: VecDeque::new(),
            gone: false,
        })
    }

    /// Hands packets on as they lie in the ring; libpcap's words where the interface is gone.
    fn deliver(
        &mut self,
        index: usize,
        number: &mut u64,
        ticker: &mut Ticker,
        take: Take<'_>,
    ) -> ControlFlow<(), Result<usize, String>> {
        let mut flow = ControlFlow::Continue(());
        let (link, mut packets, mut bytes) = (self.link, self.packets, self.bytes);
        let (mut first, mut last) = (self.first, self.last);
        let capture = u32::try_from(index).unwrap_or(u32::MAX);
        let found = self.capture.dispatch(Some(BATCH), |packet| {
            // A batch cannot be ended early.
            if flow.is_break() {
                return;
            }
            let time = time_of(packet.header);
            *number += 1;
            packets += 1;
            bytes += packet.data.len() as u64;
            first = Some(first.map_or(time, |first: Timestamp| first.min(time)));
            last = last.max(Some(time));
            flow = take(Input::Packet(Packet {
                frame: FrameRef {
                    time,
                    number: *number,
                    capture,
                    capture_number: packets,
                },
                link,
                wire_len: packet.header.len.max(packet.header.caplen),
                data: packet.data,
            }));
        });
        let new = packets - self.packets;
        (self.packets, self.bytes, self.first, self.last) = (packets, bytes, first, last);
        if new > 0
            && let Some(last) = last
        {
            ticker.packets(last);
        }
        flow?;
        ControlFlow::Continue(outcome(found))
    }

    /// Keeps packets until those of the other interfaces from the same time are here too.
    fn hold(&mut self, held_bytes: &mut usize) -> Result<usize, String> {
        let arrived = Instant::now();
        let held = &mut self.held;
        let found = self.capture.dispatch(Some(BATCH), |packet| {
            let packet = Held {
                time: time_of(packet.header),
                wire_len: packet.header.len.max(packet.header.caplen),
                data: packet.data.into(),
                arrived,
            };
            *held_bytes += packet.cost();
            held.push_back(packet);
        });
        outcome(found)
    }

    fn count(&mut self, time: Timestamp, length: usize) {
        self.packets += 1;
        self.bytes += length as u64;
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = self.last.max(Some(time));
    }

    fn frame(&self, time: Timestamp, index: usize, number: u64) -> FrameRef {
        FrameRef {
            time,
            number,
            capture: u32::try_from(index).unwrap_or(u32::MAX),
            capture_number: self.packets,
        }
    }

    fn ask_drops(&mut self) {
        if !self.gone
            && let Ok(stat) = self.capture.stats()
        {
            let new = stat.dropped.wrapping_sub(self.lost.seen);
            self.lost.seen = stat.dropped;
            self.lost.drops.kernel = self.lost.drops.kernel.saturating_add(u64::from(new));
        }
        self.lost.ask_interface();
    }

    fn record(&self, counted: bool) -> Capture {
        Capture {
            path: self.name.clone(),
            path_b64: None,
            format: FORMAT.to_owned(),
            link_types: vec![self.link.to_string()],
            packets: counted.then_some(self.packets),
            bytes: counted.then_some(self.bytes),
            first_packet: self.first,
            last_packet: self.last,
            truncated: counted.then_some(false),
            drops: counted.then_some(self.lost.drops),
        }
    }
}

impl Held {
    fn cost(&self) -> usize {
        self.data.len() + size_of::<Self>()
    }
}

impl Lost {
    /// libpcap would open the interface's counters each time; once the file system is closed to us only what is open counts.
    fn open(interface: &str) -> Self {
        let counters = COUNTERS.iter().filter_map(|counter| {
            let path = format!("/sys/class/net/{interface}/statistics/{counter}");
            let file = File::open(path).ok()?;
            let count = read_count(&file)?;
            Some((file, count))
        });
        Self {
            drops: Drops::default(),
            seen: 0,
            counters: counters.collect(),
            told: false,
        }
    }

    fn ask_interface(&mut self) {
        let new = self
            .counters
            .iter()
            .filter_map(|(file, before)| read_count(file)?.checked_sub(*before))
            .fold(0, u64::saturating_add);
        self.drops.interface = self.drops.interface.max(new);
    }
}

fn read_count(file: &File) -> Option<u64> {
    let mut text = [0; 32];
    let got = file.read_at(&mut text, 0).ok()?;
    let text = text.get(..got)?.trim_ascii();
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn outcome(found: Result<usize, pcap::Error>) -> Result<usize, String> {
    match found {
        Ok(count) => Ok(count),
        Err(error) => match words(&error) {
            // After a break libpcap says that it failed, and has nothing to say about it.
            words if words.is_empty() => Ok(0),
            words => Err(words),
        },
    }
}

fn words(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(words) => words.clone(),
        other => other.to_string(),
    }
}

fn interface_error(interface: &str, error: &pcap::Error) -> Error {
    let cause = words(error);
    let interface = interface.to_owned();
    let denied = ["ermission", "not permitted"];
    if denied.iter().any(|word| cause.contains(word)) {
        let cause = "socket: operation not permitted".to_owned();
        return Error::Permission { interface, cause };
    }
    let prefix = format!("{interface}: ");
    let cause = cause.strip_prefix(&prefix).unwrap_or(&cause).to_owned();
    Error::Interface { interface, cause }
}

/// Time stamps are asked for in nanoseconds; the field is named for microseconds all the same.
fn time_of(header: &pcap::PacketHeader) -> Timestamp {
    let seconds = u64::try_from(header.ts.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(header.ts.tv_usec).unwrap_or(0);
    Timestamp::from_parts(seconds, nanos)
}

type Take<'a> = &'a mut dyn FnMut(Input<'_>) -> ControlFlow<()>;

/// The pseudo-interface for all interfaces of Linux.
const ANY: &str = "any";
/// What reports call the format of an interface.
const FORMAT: &str = "live";
/// After this time the kernel hands over a block of its ring even if it is not full.
const RETIRE: Duration = Duration::from_millis(50);
/// How long packets of several interfaces wait for each other.
const HOLD: Duration = Duration::from_millis(120);
/// Bytes of packets that wait; beyond it they go on earlier.
const HELD_BYTES: usize = 64 << 20;
/// A link without a packet for this long is quiet.
const QUIET: Duration = Duration::from_millis(100);
/// Packets taken from one ring before the others are looked at.
const BATCH: usize = 4096;
/// How often lost packets are counted.
const BETWEEN_COUNTS: Duration = Duration::from_secs(1);
/// The kernel's counters of packets that an interface lost.
const COUNTERS: [&str; 2] = ["rx_missed_errors", "rx_fifo_errors"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_permission_says_what_to_grant() {
        let words = "eth0: You don't have permission to perform this capture on that device (socket: Operation not permitted)";
        let error = interface_error("eth0", &pcap::Error::PcapError(words.to_owned()));
        assert!(matches!(error, Error::Permission { .. }));
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("cap_net_raw+ep"))
        );
    }

    #[test]
    fn an_interface_that_is_not_there_is_named_once() {
        let words = "nosuch0: No such device exists (SIOCGIFHWADDR: No such device)";
        let error = interface_error("nosuch0", &pcap::Error::PcapError(words.to_owned()));
        let text = error.to_string();
        assert_eq!(text.matches("nosuch0").count(), 1, "{text}");
    }
}
