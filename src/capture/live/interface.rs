//! One interface: opened by libpcap, and read without ever waiting for it.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::Instant;

use super::losses::Lost;
use super::{FORMAT, LiveOptions, RETIRE, Take, Way};
use crate::capture::counts::Counts;
use crate::capture::ticker::Ticker;
use crate::capture::{Error, Input, LinkType, Packet};
use crate::model::record::Capture;
use crate::model::{CapturePlace, FrameRef, Timestamp};

/// One interface.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) capture: pcap::Capture<pcap::Active>,
    pub(super) link: LinkType,
    pub(super) counts: Counts,
    pub(super) lost: Lost,
    /// Packets that wait for their turn among several interfaces.
    pub(super) held: VecDeque<Held>,
    pub(super) gone: bool,
}

/// A packet that waits.
pub(super) struct Held {
    pub(super) time: Timestamp,
    pub(super) wire_len: u32,
    pub(super) data: Box<[u8]>,
    pub(super) arrived: Instant,
}

impl Line {
    pub(super) fn open(interface: &str, options: &LiveOptions) -> Result<Self, Error> {
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
            counts: Counts::default(),
            lost: Lost::open(interface),
            held: VecDeque::new(),
            gone: false,
        })
    }

    /// Hands packets on as they lie in the ring; libpcap's words where the interface is gone.
    pub(super) fn deliver(
        &mut self,
        index: usize,
        number: &mut u64,
        ticker: &mut Ticker,
        take: Take<'_>,
    ) -> ControlFlow<(), Result<usize, String>> {
        let mut flow = ControlFlow::Continue(());
        let (link, counts) = (self.link, &mut self.counts);
        let before = counts.packets;
        let capture = u32::try_from(index).unwrap_or(u32::MAX);
        let found = self.capture.dispatch(Some(BATCH), |packet| {
            // A batch cannot be ended early.
            if flow.is_break() {
                return;
            }
            let time = time_of(packet.header);
            *number += 1;
            counts.add(time, packet.data.len());
            flow = take(Input::Packet(Packet {
                frame: FrameRef {
                    time,
                    number: *number,
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
            ticker.packets(last);
        }
        flow?;
        ControlFlow::Continue(outcome(found))
    }

    /// Keeps packets until those of the other interfaces from the same time are here too.
    pub(super) fn hold(&mut self, held_bytes: &mut usize) -> Result<usize, String> {
        let arrived = Instant::now();
        let held = &mut self.held;
        let found = self.capture.dispatch(Some(BATCH_HELD), |packet| {
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

    pub(super) fn frame(&self, time: Timestamp, index: usize, number: u64) -> FrameRef {
        FrameRef {
            time,
            number,
            place: CapturePlace::new(
                u32::try_from(index).unwrap_or(u32::MAX),
                self.counts.packets,
            ),
        }
    }

    pub(super) fn ask_drops(&mut self) {
        if !self.gone
            && let Ok(stat) = self.capture.stats()
        {
            let new = stat.dropped.wrapping_sub(self.lost.seen);
            self.lost.seen = stat.dropped;
            self.lost.drops.kernel = self.lost.drops.kernel.saturating_add(u64::from(new));
        }
        self.lost.ask_interface();
    }

    pub(super) fn record(&self, counted: bool) -> Capture {
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
            drops: counted.then_some(self.lost.drops),
        }
    }
}

impl Held {
    pub(super) fn cost(&self) -> usize {
        self.data.len() + size_of::<Self>()
    }
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

/// The pseudo-interface for all interfaces of Linux.
const ANY: &str = "any";
/// Packets taken from one ring before the others are looked at.
const BATCH: usize = 4096;
/// Packets taken at once where they are copied: super-frames of them are some megabytes.
const BATCH_HELD: usize = 256;

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
