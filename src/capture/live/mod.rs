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
//! `interface` owns one open interface and its loss counters; this file merges them and drives the loop.

mod interface;

use std::ops::ControlFlow;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use interface::OpenInterface;
pub use interface::{DropCounts, Interface, interfaces};

use super::waiting::QuietClock;
use super::{Deliver, Error, Filter, Input, Packet, PacketSource, Waker};
use crate::model::record::{Capture, Drops};
use crate::model::{Warning, WarningCode};

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

    /// Updates the loss counters and delivers a warning about each interface's first loss.
    fn report_drops(&mut self, deliver: Deliver<'_>) -> ControlFlow<()> {
        self.update_drops();
        for interface in &mut self.interfaces {
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
