//! Packets from network interfaces, as they pass.
//!
//! ```text
//! one interface:       kernel ring (TPACKET_V3) ──> dispatch ──> Input
//! several interfaces:  rings ──> dispatch ──> held for 120 ms ──> merged by time ──> Input
//! poll(rings, signals) without an event for 100 ms ──> Tick
//! ```
//!
//! libpcap blocks on a quiet link whatever its timeout says, so the descriptors are polled here and libpcap only
//! ever reads without blocking. The kernel hands over a block of the ring after at most 50 ms, however few packets
//! are in it.
//!
//! [`OpenInterface`] owns one open interface and its loss counters; [`LiveSource`] merges them and drives the loop.

use std::collections::VecDeque;
use std::fs::File;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::record::CaptureCounts;
use super::waiting::QuietClock;
use super::{Deliver, Error, Filter, Input, LinkType, Packet, PacketSource, Waker};
use crate::model::record::{Capture, Drops};
use crate::model::{CapturePlace, FrameRef, Timestamp, Warning, WarningCode};

/// Options of a live capture.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// Size in bytes of the kernel ring of each interface.
    pub buffer: u32,
    /// Largest number of bytes captured of each packet.
    pub snap_length: u32,
    /// Captures packets for other machines too.
    pub promiscuous: bool,
    /// Filter in the syntax of pcap-filter(7), run by the kernel. `None` captures every packet.
    pub filter: Option<String>,
    /// Direction of the packets to capture.
    pub direction: CaptureDirection,
}

/// Direction of packets, seen from this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaptureDirection {
    /// Received and sent packets.
    #[default]
    Both,
    /// Received packets only.
    In,
    /// Sent packets only.
    Out,
}

/// Open interfaces; see [`LiveSource::open`].
pub struct LiveSource {
    interfaces: Vec<OpenInterface>,
    waker: Waker,
    /// Packets of all interfaces so far: the frame number of the latest one.
    packets: u64,
    started: bool,
    /// Memory of the packets held for merging, in bytes.
    held_bytes: usize,
    drops: Arc<DropCounts>,
    clock: QuietClock,
}

impl LiveSource {
    /// Opens interfaces by name; `any` stands for all of them. The kernel queues their packets from now on, and the
    /// source runs until `waker` asks to stop.
    pub fn open(interfaces: &[String], options: &LiveOptions, waker: Waker) -> Result<Self, Error> {
        if let Some(filter) = &options.filter {
            // Compiled once for the checks in `Filter::new`: libpcap itself would resolve host names.
            Filter::new(filter)?;
        }
        let mut opened = Vec::new();
        for interface in interfaces {
            opened.push(OpenInterface::open(interface, options)?);
        }
        Ok(Self {
            interfaces: opened,
            waker,
            packets: 0,
            started: false,
            held_bytes: 0,
            drops: Arc::default(),
            clock: QuietClock::default(),
        })
    }

    /// Returns the shared counts of lost packets, updated every second while the source runs.
    #[must_use]
    pub fn drops(&self) -> Arc<DropCounts> {
        Arc::clone(&self.drops)
    }

    fn run(&mut self, deliver: Deliver<'_>) -> ControlFlow<()> {
        self.started = true;
        for interface in &self.interfaces {
            deliver(Input::CaptureStart(&interface.record(false)))?;
        }
        let mut counted = Instant::now();
        let mut deadline: Option<Instant> = None;
        loop {
            if deadline.is_none() && self.waker.is_stopping() {
                // Packets already in the ring are handed over within one block timeout; three leave a margin.
                deadline = Some(Instant::now() + BLOCK_TIMEOUT * 3);
            }
            let got = self.collect(deliver)?;
            if counted.elapsed() >= DROP_COUNT_INTERVAL {
                counted = Instant::now();
                self.report_drops(deliver)?;
            }
            let expired = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if expired || self.interfaces.iter().all(|interface| interface.gone) {
                break;
            }
            if got == 0 {
                self.wait(deadline.is_some());
                let now = self.clock.now();
                // A tick must not overtake held packets, which carry earlier times.
                if self.held_bytes == 0 {
                    deliver(Input::Tick(now))?;
                }
            }
        }
        self.release(true, deliver)?;
        self.report_drops(deliver)
    }

    /// Takes a limited batch from each ring. Returns how many packets that were.
    fn collect(&mut self, deliver: Deliver<'_>) -> ControlFlow<(), usize> {
        let mut got = 0;
        let several = self.interfaces.len() > 1;
        for index in 0..self.interfaces.len() {
            let Some(interface) = self.interfaces.get_mut(index).filter(|open| !open.gone) else {
                continue;
            };
            let found = if several {
                interface.hold(&mut self.held_bytes)
            } else {
                interface.dispatch(index, &mut self.packets, &mut self.clock, deliver)?
            };
            match found {
                Ok(count) => got += count,
                Err(cause) => {
                    interface.gone = true;
                    let interface = interface.name.clone();
                    deliver(Input::Failed(Error::InterfaceGone { interface, cause }))?;
                }
            }
        }
        if several {
            self.release(false, deliver)?;
        }
        ControlFlow::Continue(got)
    }

    /// Delivers packets that were held long enough, ordered by time; all of them if `flush`.
    fn release(&mut self, flush: bool, deliver: Deliver<'_>) -> ControlFlow<()> {
        loop {
            let next = self
                .interfaces
                .iter()
                .enumerate()
                .filter_map(|(index, interface)| Some((interface.held.front()?.time, index)))
                .min();
            let Some((_, index)) = next else {
                return ControlFlow::Continue(());
            };
            let Some(interface) = self.interfaces.get_mut(index) else {
                return ControlFlow::Continue(());
            };
            let is_due = interface
                .held
                .front()
                .is_some_and(|held| held.arrived.elapsed() >= HOLD_TIME);
            if !flush && !is_due && self.held_bytes <= MAX_HELD_BYTES {
                return ControlFlow::Continue(());
            }
            let Some(held) = interface.held.pop_front() else {
                return ControlFlow::Continue(());
            };
            self.held_bytes = self.held_bytes.saturating_sub(held.memory());
            self.packets += 1;
            interface.counts.add(held.time, held.data.len());
            self.clock.on_packet(held.time);
            let frame = interface.frame(held.time, index, self.packets);
            deliver(Input::Packet(Packet {
                frame,
                link: interface.link,
                wire_len: held.wire_len,
                data: &held.data,
            }))?;
        }
    }

    /// Waits for packets or a signal; only briefly while packets are held or the source is stopping.
    fn wait(&self, stopping: bool) {
        let descriptors: Vec<_> = self
            .interfaces
            .iter()
            .filter(|interface| !interface.gone)
            .map(|interface| interface.capture.as_fd())
            .collect();
        let timeout = if stopping || self.held_bytes > 0 {
            BLOCK_TIMEOUT / 2
        } else {
            QUIET
        };
        self.waker.wait(&descriptors, timeout);
    }

    /// Updates the loss counters and delivers warnings: about each interface's first loss, and that one went down or is up again.
    fn report_drops(&mut self, deliver: Deliver<'_>) -> ControlFlow<()> {
        self.update_drops();
        for interface in &mut self.interfaces {
            let name = &interface.name;
            let message = match interface.state.changed() {
                _ if interface.gone => None,
                Some(true) => Some(format!("{name} is up again: packets are captured from it")),
                Some(false) => Some(format!(
                    "{name} is down: nothing is captured from it until it is up again"
                )),
                None => None,
            };
            if let Some(message) = message {
                let warning = Warning::new(WarningCode::InterfaceDown, message, None);
                deliver(Input::Warning(warning))?;
            }
            let drops = interface.losses.drops;
            if drops.kernel > 0 && !std::mem::replace(&mut interface.losses.warned, true) {
                let message = format!(
                    "{}: the kernel drops packets because the capture buffer is full; a larger --buffer or a narrower -f helps",
                    interface.name
                );
                let warning = Warning {
                    count: drops.kernel,
                    ..Warning::new(WarningCode::PacketsDropped, message, None)
                };
                deliver(Input::Warning(warning))?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Reads the loss counters of every interface and publishes the sum.
    fn update_drops(&mut self) {
        let mut sum = Drops::default();
        for interface in &mut self.interfaces {
            interface.update_drops();
            sum.kernel = sum.kernel.saturating_add(interface.losses.drops.kernel);
            sum.interface = sum
                .interface
                .saturating_add(interface.losses.drops.interface);
        }
        self.drops.set(sum);
    }
}

impl PacketSource for LiveSource {
    fn for_each(&mut self, deliver: Deliver<'_>) {
        // The caller broke the run itself and knows why.
        let _ = self.run(deliver);
        self.update_drops();
    }

    fn captures(&self) -> Vec<Capture> {
        self.interfaces
            .iter()
            .map(|interface| interface.record(self.started))
            .collect()
    }

    fn is_prompt(&self) -> bool {
        true
    }
}

/// Network interface of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Name, as given to `-i`.
    pub name: String,
    /// Description by the system; `None` if it has none.
    pub description: Option<String>,
    /// Addresses in the system's order.
    pub addresses: Vec<IpAddr>,
    /// The interface is enabled.
    pub up: bool,
    /// The interface is ready to send and receive.
    pub running: bool,
    /// The interface carries only traffic of this machine with itself.
    pub loopback: bool,
}

/// Lists the interfaces in libpcap's order: the likeliest to be captured from first.
pub fn interfaces() -> Result<Vec<Interface>, Error> {
    let devices = pcap::Device::list().map_err(|error| Error::Interfaces {
        cause: error.to_string(),
    })?;
    Ok(devices.into_iter().map(describe).collect())
}

fn describe(device: pcap::Device) -> Interface {
    Interface {
        up: device.flags.is_up(),
        running: device.flags.is_running(),
        loopback: device.flags.is_loopback(),
        name: device.name,
        description: device.desc,
        addresses: device
            .addresses
            .iter()
            .map(|address| address.addr)
            .collect(),
    }
}

/// Interface opened by libpcap and read without blocking.
struct OpenInterface {
    name: String,
    capture: pcap::Capture<pcap::Active>,
    link: LinkType,
    counts: CaptureCounts,
    losses: LossCounters,
    state: LinkState,
    /// Packets held for merging with those of other interfaces, in order of arrival.
    held: VecDeque<HeldPacket>,
    /// Set once the interface has disappeared.
    gone: bool,
}

/// Copy of a packet that is held for merging.
struct HeldPacket {
    time: Timestamp,
    wire_len: u32,
    data: Box<[u8]>,
    /// Time of this machine's clock at which the packet was read from the ring.
    arrived: Instant,
}

impl OpenInterface {
    /// Opens an interface with `options`.
    fn open(interface: &str, options: &LiveOptions) -> Result<Self, Error> {
        let failed = |error: pcap::Error| interface_error(interface, &error);
        let is_any = interface == ANY;
        let capture = pcap::Capture::from_device(interface)
            .map_err(failed)?
            // `any` has no promiscuous mode: libpcap returns a warning, which the binding turns into an error.
            .promisc(options.promiscuous && !is_any)
            .snaplen(i32::try_from(options.snap_length).unwrap_or(i32::MAX))
            .buffer_size(i32::try_from(options.buffer).unwrap_or(i32::MAX))
            .timeout(i32::try_from(BLOCK_TIMEOUT.as_millis()).unwrap_or(50))
            .precision(pcap::Precision::Nano);
        let mut capture = capture.open().map_err(failed)?;
        if is_any {
            // As tcpdump does. Systems without version 2 of the cooked header keep version 1, which is decoded as well.
            let _ = capture.set_datalink(pcap::Linktype(i32::from(LinkType::LINUX_SLL2.0)));
        }
        let mut capture = capture.setnonblock().map_err(failed)?;
        // Not called for both directions: that is the default, and some platforms support no other.
        let direction = match options.direction {
            CaptureDirection::Both => None,
            CaptureDirection::In => Some(pcap::Direction::In),
            CaptureDirection::Out => Some(pcap::Direction::Out),
        };
        if let Some(direction) = direction {
            capture.direction(direction).map_err(failed)?;
        }
        if let Some(filter) = &options.filter {
            capture
                .filter(filter, true)
                .map_err(|error| Error::Filter {
                    expression: filter.clone(),
                    cause: message(&error),
                })?;
        }
        let number = capture.get_datalink().0;
        let link = LinkType::from_file(u16::try_from(number).unwrap_or(u16::MAX));
        Ok(Self {
            name: interface.to_owned(),
            capture,
            link,
            counts: CaptureCounts::default(),
            losses: LossCounters::open(interface),
            state: LinkState::open(interface),
            held: VecDeque::new(),
            gone: false,
        })
    }

    /// Delivers a batch of packets straight from the ring. Returns how many, or libpcap's message if the interface
    /// is gone.
    fn dispatch(
        &mut self,
        index: usize,
        packets: &mut u64,
        clock: &mut QuietClock,
        deliver: Deliver<'_>,
    ) -> ControlFlow<(), Result<usize, String>> {
        let mut flow = ControlFlow::Continue(());
        let (link, counts) = (self.link, &mut self.counts);
        let before = counts.packets;
        let capture = u32::try_from(index).unwrap_or(u32::MAX);
        let found = self.capture.dispatch(Some(BATCH), |packet| {
            // libpcap's callback cannot end a batch early, so its rest is discarded after a break.
            if flow.is_break() {
                return;
            }
            let time = time_of(packet.header);
            *packets += 1;
            counts.add(time, packet.data.len());
            flow = deliver(Input::Packet(Packet {
                frame: FrameRef {
                    time,
                    number: *packets,
                    place: CapturePlace::new(capture, counts.packets),
                },
                link,
                wire_len: packet.header.len.max(packet.header.caplen),
                data: packet.data,
            }));
        });
        if counts.packets > before
            && let Some(last) = counts.last
        {
            clock.on_packet(last);
        }
        flow?;
        ControlFlow::Continue(dispatch_result(found))
    }

    /// Copies a batch of packets until those of the other interfaces with the same times have arrived. Returns how
    /// many, or libpcap's message if the interface is gone.
    fn hold(&mut self, held_bytes: &mut usize) -> Result<usize, String> {
        let arrived = Instant::now();
        let held = &mut self.held;
        let found = self.capture.dispatch(Some(HELD_BATCH), |packet| {
            let packet = HeldPacket {
                time: time_of(packet.header),
                wire_len: packet.header.len.max(packet.header.caplen),
                data: packet.data.into(),
                arrived,
            };
            *held_bytes += packet.memory();
            held.push_back(packet);
        });
        dispatch_result(found)
    }

    /// Builds the reference of a packet just counted; `number` is its frame number over all interfaces.
    fn frame(&self, time: Timestamp, index: usize, number: u64) -> FrameRef {
        FrameRef {
            time,
            number,
            place: CapturePlace::new(
                u32::try_from(index).unwrap_or(u32::MAX),
                self.counts.packets,
            ),
        }
    }

    /// Reads the loss counters of kernel and interface.
    fn update_drops(&mut self) {
        if !self.gone
            && let Ok(stat) = self.capture.stats()
        {
            // 32 bits wrap within minutes of heavy loss on a fast link; the difference does not.
            let new = stat.dropped.wrapping_sub(self.losses.last_dropped);
            self.losses.last_dropped = stat.dropped;
            self.losses.drops.kernel = self.losses.drops.kernel.saturating_add(u64::from(new));
        }
        self.losses.update_interface();
    }

    /// Builds the report's record of this interface, without counts unless `counted`.
    fn record(&self, counted: bool) -> Capture {
        Capture {
            path: self.name.clone(),
            path_b64: None,
            format: FORMAT.to_owned(),
            link_types: vec![self.link.to_string()],
            packets: counted.then_some(self.counts.packets),
            bytes: counted.then_some(self.counts.bytes),
            first_packet: self.counts.first,
            last_packet: self.counts.last,
            truncated: counted.then_some(self.counts.truncated),
            drops: counted.then_some(self.losses.drops),
        }
    }
}

impl HeldPacket {
    /// Returns the memory that the packet occupies, in bytes.
    fn memory(&self) -> usize {
        self.data.len() + size_of::<Self>()
    }
}

/// Packets lost so far on all interfaces, readable from other threads.
#[derive(Debug, Default)]
pub struct DropCounts {
    kernel: AtomicU64,
    interface: AtomicU64,
}

/// Loss counters of one interface.
struct LossCounters {
    drops: Drops,
    /// libpcap's 32-bit counter at the last reading.
    last_dropped: u32,
    /// Open counter files of the kernel, each with its value at the start.
    counters: Vec<(File, u64)>,
    /// Set once a warning about lost packets was delivered.
    warned: bool,
}

impl DropCounts {
    /// Returns the current counts.
    #[must_use]
    pub fn get(&self) -> Drops {
        Drops {
            kernel: self.kernel.load(Ordering::Relaxed),
            interface: self.interface.load(Ordering::Relaxed),
        }
    }

    /// Replaces the counts by `sum`, taken over all interfaces.
    fn set(&self, sum: Drops) {
        self.kernel.store(sum.kernel, Ordering::Relaxed);
        self.interface.store(sum.interface, Ordering::Relaxed);
    }
}

impl LossCounters {
    /// Opens the kernel's counters of an interface; those that do not exist count nothing.
    fn open(interface: &str) -> Self {
        // Kept open rather than opened for each reading, as libpcap does: once the sandbox closes the file system, only
        // descriptors opened before remain usable.
        let counters = COUNTERS.iter().filter_map(|counter| {
            let path = format!("/sys/class/net/{interface}/statistics/{counter}");
            let file = File::open(path).ok()?;
            let count = read_count(&file)?;
            Some((file, count))
        });
        Self {
            drops: Drops::default(),
            last_dropped: 0,
            counters: counters.collect(),
            warned: false,
        }
    }

    fn update_interface(&mut self) {
        let new = self
            .counters
            .iter()
            .filter_map(|(file, before)| read_count(file)?.checked_sub(*before))
            .fold(0, u64::saturating_add);
        // Drivers reset their counters when an interface goes down; the losses happened all the same.
        self.drops.interface = self.drops.interface.max(new);
    }
}

/// Whether an interface is up. libpcap waits without a word while it is not.
struct LinkState {
    /// The kernel's flags of the interface, kept open as the loss counters are; `None` where it has none, as `any`.
    flags: Option<File>,
    is_up: bool,
}

impl LinkState {
    /// Opens the flags of an interface, which is up: libpcap opens no other.
    fn open(interface: &str) -> Self {
        Self {
            flags: File::open(format!("/sys/class/net/{interface}/flags")).ok(),
            is_up: true,
        }
    }

    /// Returns the new state if it differs from that of the last call.
    fn changed(&mut self) -> Option<bool> {
        let is_up = read_flags(self.flags.as_ref()?)? & IFF_UP != 0;
        (std::mem::replace(&mut self.is_up, is_up) != is_up).then_some(is_up)
    }
}

/// Flag of an interface that is up (netdevice(7)).
const IFF_UP: u32 = 1;

fn read_flags(file: &File) -> Option<u32> {
    let text = read_value(file)?;
    u32::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
}

fn read_count(file: &File) -> Option<u64> {
    read_value(file)?.trim().parse().ok()
}

/// Reads a file of the kernel that holds one value.
fn read_value(file: &File) -> Option<String> {
    let mut text = [0; 32];
    let got = file.read_at(&mut text, 0).ok()?;
    String::from_utf8(text.get(..got)?.to_vec()).ok()
}

fn dispatch_result(found: Result<usize, pcap::Error>) -> Result<usize, String> {
    match found {
        Ok(count) => Ok(count),
        Err(error) => match message(&error) {
            // libpcap returns an error without a message after a break, which is no failure.
            message if message.is_empty() => Ok(0),
            message => Err(message),
        },
    }
}

fn message(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(message) => within_sentence(message),
        other => other.to_string(),
    }
}

/// Returns libpcap's message without its capital, but for a name in capitals such as that of a system call.
fn within_sentence(message: &str) -> String {
    let mut letters = message.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => message.to_owned(),
    }
}

/// Classifies libpcap's error; it has a code for permissions, but the binding passes on only the text.
fn interface_error(interface: &str, error: &pcap::Error) -> Error {
    let cause = message(error);
    let interface = interface.to_owned();
    let denied = ["ermission", "not permitted"];
    if denied.iter().any(|word| cause.contains(word)) {
        let cause = "socket: operation not permitted".to_owned();
        return Error::Permission { interface, cause };
    }
    let prefix = format!("{interface}: ");
    let cause = within_sentence(cause.strip_prefix(&prefix).unwrap_or(&cause));
    Error::Interface { interface, cause }
}

fn time_of(header: &pcap::PacketHeader) -> Timestamp {
    let seconds = u64::try_from(header.ts.tv_sec).unwrap_or(0);
    // Nanoseconds, since `Precision::Nano` was requested: the field keeps its name.
    let nanos = u64::try_from(header.ts.tv_usec).unwrap_or(0);
    Timestamp::from_parts(seconds, nanos)
}

/// Time after which the kernel hands over a block of its ring even if it is not full.
const BLOCK_TIMEOUT: Duration = Duration::from_millis(50);
/// Time for which packets of several interfaces are held for ordering: two block timeouts and a margin, so that the
/// block of the other interface with the same times has arrived.
const HOLD_TIME: Duration = Duration::from_millis(120);
/// Memory of held packets in bytes; beyond it the oldest are delivered early.
const MAX_HELD_BYTES: usize = 64 << 20;
/// Time without a packet after which a link is considered quiet.
const QUIET: Duration = Duration::from_millis(100);
/// Interval between two readings of the loss counters.
const DROP_COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// Format of an interface in reports, where files have `pcap` or `pcapng`.
const FORMAT: &str = "live";
/// Linux's pseudo-interface for all interfaces.
const ANY: &str = "any";
/// Packets taken from a ring before signals and the other rings are looked at.
const BATCH: usize = 4096;
/// Packets copied from a ring at once: offloaded segments of 64 KiB make 16 MiB of them.
const HELD_BATCH: usize = 256;
/// The kernel's counters of packets that an interface lost before they reached the ring.
const COUNTERS: [&str; 2] = ["rx_missed_errors", "rx_fifo_errors"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_flags_become_states_of_the_interface() {
        let device = pcap::Device {
            name: "lo".to_owned(),
            desc: None,
            addresses: Vec::new(),
            flags: pcap::DeviceFlags::from(7),
        };
        let interface = describe(device);
        assert!(interface.loopback && interface.up && interface.running);
    }

    #[test]
    fn missing_permission_hints_at_the_capability() {
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
    fn unknown_interface_is_named_once_in_the_message() {
        let words = "nosuch0: No such device exists (SIOCGIFHWADDR: No such device)";
        let error = interface_error("nosuch0", &pcap::Error::PcapError(words.to_owned()));
        let text = error.to_string();
        assert_eq!(text.matches("nosuch0").count(), 1, "{text}");
        assert!(text.contains(": no such device exists (SIOC"), "{text}");
    }
}
