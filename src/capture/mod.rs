//! Capture files, pipes and network interfaces become packets.
//!
//! In: paths, open files, interface names. Out: [`Input`]s in the order of one merged timeline, each lent for one
//! call of the closure given to [`PacketSource::for_each`].
//!
//! ```text
//! interface ──> live (libpcap: kernel ring, poll, ticks, drop counts) ─────────────────────────────────> Input
//!
//! pipe of a running capture ──> pipe_source (poll, ticks) ──> capture_reader ──────────────────────────> Input
//!
//! paths, directories, - ──> capture_set (list, order, merge by time) ──> capture_reader ───────────────> Input
//!
//! capture_reader:  bytes ──> compressed (by magic number) ──> record_buffer ──> pcap_file | pcapng_file
//!                    └ waiting (--follow), parallel_file (large regular files)
//! ```
//!
//! - [`CaptureSet`] reads files and merges them, `LiveSource` captures from interfaces, [`PipeSource`] follows a
//!   pipe. All three implement [`PacketSource`]. `live` and `filter` wrap libpcap and exist only with the feature
//!   `live`.
//! - The opposite direction, packets into pcapng files, is the layer `keep`.
//!
//! # Guarantees
//!
//! - Damage in an input is an [`Input::Warning`] at its place, never a panic; an input that cannot be opened or
//!   read on is an [`Input::Failed`] and the other inputs continue.
//! - Frame numbers count every packet of the timeline, delivered or not, so that they match those of Wireshark for a
//!   single file.
//! - Memory per input is bounded: a read buffer of 256 KiB, about 3 MiB of read-ahead for large and compressed files
//!   (a decompression window besides), and 16 MiB of secrets in front of the first packet. A larger record takes
//!   memory only as its bytes arrive; a length field that lies allocates nothing.
//!
//! # Why not libpcap's file readers
//!
//! Own readers over one reused buffer take a third of libpcap's time, read pipes and compressed streams the same
//! way, and accept pcapng files whose interfaces differ in link type or clock, which libpcap refuses.

use std::net::IpAddr;
use std::ops::ControlFlow;

use crate::model::record::Capture;
use crate::model::{FrameRef, Timestamp, Warning};

mod capture_reader;
mod capture_set;
mod compressed;
mod error;
#[cfg(feature = "live")]
mod filter;
mod link_type;
#[cfg(feature = "live")]
mod live;
mod parallel_file;
mod pcap_file;
mod pcapng_file;
mod pcapng_options;
mod pipe_source;
mod record;
mod record_buffer;
mod series;
mod waiting;

pub use capture_set::{CaptureSet, ReadOptions};
pub use compressed::{Compression, decompressed};
pub use error::Error;
#[cfg(feature = "live")]
pub use filter::Filter;
#[cfg(feature = "live")]
pub use filter::FilteredSource;
pub use link_type::LinkType;
#[cfg(feature = "live")]
pub use live::{CaptureDirection, DropCounts, Interface, LiveOptions, LiveSource, interfaces};
pub use pipe_source::PipeSource;
pub use series::{Series, SeriesListing};
pub use waiting::Waker;
pub(crate) use waiting::open_without_waiting;

/// Returns true if these are the first bytes of a pcap or pcapng file, decompressed.
#[must_use]
pub fn is_capture(bytes: &[u8]) -> bool {
    let word = |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).copied();
    // A text may begin with the line ends of a section header; the order of bytes is named behind it.
    let is_section = || {
        word(0) == Some(pcapng_file::SECTION_HEADER.to_le_bytes())
            && matches!(
                word(8),
                Some([0x1a, 0x2b, 0x3c, 0x4d] | [0x4d, 0x3c, 0x2b, 0x1a])
            )
    };
    word(0).is_some_and(pcap_file::is_pcap) || is_section()
}

/// One captured packet, lent for one call.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Time, number and capture of the packet.
    pub frame: FrameRef,
    /// Link type, which names the first header in `data`.
    pub link: LinkType,
    /// Length on the wire in bytes; exceeds `data.len()` if the snap length truncated the packet.
    pub wire_len: u32,
    /// Captured bytes.
    pub data: &'a [u8],
}

/// Secrets stored in a capture for decryption: the content of one pcapng Decryption Secrets Block, lent for one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secrets<'a> {
    /// Secrets Type of the block, such as [`Secrets::TLS_KEY_LOG`].
    pub secrets_type: u32,
    /// Secrets as the writer stored them, without padding.
    pub data: &'a [u8],
}

impl Secrets<'_> {
    /// `TLSK`: lines of a TLS key log file in NSS format (draft-ietf-tls-keylogfile).
    pub const TLS_KEY_LOG: u32 = 0x544c_534b;

    /// Returns the lines of a TLS key log; `None` for secrets of another type.
    #[must_use]
    pub fn key_log(&self) -> Option<&[u8]> {
        (self.secrets_type == Self::TLS_KEY_LOG).then_some(self.data)
    }
}

/// Name of a host, as a pcapng Name Resolution Block states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName {
    /// Address of the host.
    pub address: IpAddr,
    /// The first of its names.
    pub name: String,
}

/// Description of an interface in a capture file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribedInterface {
    /// Link type of its packets.
    pub link: LinkType,
    /// Snap length in bytes; 0 for no limit.
    pub snap_len: u32,
    /// Its name; empty if the file has none.
    pub name: String,
    /// Further pcapng options, little endian, without those about times: code and value.
    pub options: Vec<(u16, Vec<u8>)>,
}

/// Statements of a file about one packet and the interfaces that it was captured on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// The packet, which comes next if no filter is in between.
    pub frame: FrameRef,
    /// Comments on the packet.
    pub comments: Vec<String>,
    /// Interfaces described since the packet before.
    pub interfaces: Vec<DescribedInterface>,
}

/// Counts of packets that a source read but did not deliver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SkippedPackets {
    /// Packets that do not match the capture filter.
    pub filtered: u64,
    /// Packets outside [`ReadOptions::since`] and [`ReadOptions::until`].
    pub outside_time_bounds: u64,
}

/// One item of a source's timeline.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// Start of an input; its packet counts are not known yet.
    CaptureStart(&'a Capture),
    /// A packet.
    Packet(Packet<'a>),
    /// Secrets for decryption, at their place in the file: writers put them before the first packet they decrypt.
    Secrets(Secrets<'a>),
    /// Comments on the packet that comes next, and descriptions of interfaces.
    Notes(&'a Notes),
    /// Names of hosts, at their place in the file: before the packets, or behind them.
    Names(&'a [HostName]),
    /// A section of a pcapng file behind another one, whose last packet this is: packets between the two may not be recorded.
    SectionStart(FrameRef),
    /// Estimated current time on a quiet link, so that timers run. Only sources that wait for packets emit it.
    Tick(Timestamp),
    /// Damage or loss found in an input, which continues.
    Warning(Warning),
    /// An input that could not be opened or read to its end; the others continue.
    Failed(Error),
}

/// A sequence of packets, driven into a closure.
pub trait PacketSource {
    /// Delivers every item to `deliver` until the inputs end or `deliver` breaks.
    fn for_each(&mut self, deliver: &mut dyn FnMut(Input<'_>) -> ControlFlow<()>);

    /// Returns all inputs in timeline order, with the counts known so far.
    fn captures(&self) -> Vec<Capture>;

    /// Returns the counts of packets that were read but not delivered.
    fn skipped(&self) -> SkippedPackets {
        SkippedPackets::default()
    }

    /// Returns true if packets are delivered as they pass, so that a tick proves that none has passed.
    ///
    /// False for pipes and files: the capture program may hold packets in its buffer, as tcpdump does without `-U`.
    fn is_prompt(&self) -> bool {
        false
    }
}

/// Closure that receives the items of a source.
type Deliver<'a> = &'a mut dyn FnMut(Input<'_>) -> ControlFlow<()>;
