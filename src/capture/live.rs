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

mod interface;
mod losses;

use std::ops::ControlFlow;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use interface::Line;
pub use losses::DropCounts;

use super::ticker::Ticker;
use super::{Error, Filter, Input, Packet, PacketSource, Wake};
use crate::model::record::{Capture, Drops};
use crate::model::{Warning, WarningCode};

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
            line.counts.add(held.time, held.data.len());
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
        self.ask_drops();
        for line in &mut self.lines {
            let drops = line.lost.drops;
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
        ControlFlow::Continue(())
    }

    /// Asks every interface how many packets were lost, and keeps the sum.
    fn ask_drops(&mut self) {
        let mut sum = Drops::default();
        for line in &mut self.lines {
            line.ask_drops();
            sum.kernel = sum.kernel.saturating_add(line.lost.drops.kernel);
            sum.interface = sum.interface.saturating_add(line.lost.drops.interface);
        }
        self.drops.set(sum);
    }
}

impl PacketSource for LiveSource {
    fn for_each(&mut self, take: Take<'_>) {
        // A break needs no further word: the caller made it.
        let _ = self.run(take);
        self.ask_drops();
    }

    fn captures(&self) -> Vec<Capture> {
        self.lines
            .iter()
            .map(|line| line.record(self.begun))
            .collect()
    }
}

type Take<'a> = &'a mut dyn FnMut(Input<'_>) -> ControlFlow<()>;

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
/// How often lost packets are counted.
const BETWEEN_COUNTS: Duration = Duration::from_secs(1);
