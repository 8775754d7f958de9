//! Files and interfaces become packets.
//!
//! In: paths and standard input. Out: [`Input`]s in the order of one merged timeline, each lent for one call.
//!
//! ```text
//! interface -> live (libpcap: ring, poll, ticks, drop counts) --------------> Input
//! pipe of a capture that goes on -> pipe_source (poll, ticks) ---------------> Input
//! path | - | directory -> input_paths -> file_source: compressed (by magic) -> record_buffer -> pcap_file | pcapng_file
//!                                             |
//!                         capture_set (order of inputs) -> merge (one timeline) -> Input
//! ```
//!
//! [`CaptureSet`] is the way in for files, `LiveSource` for interfaces and [`PipeSource`] for a pipe that is watched as packets
//! come. `live`, `bpf` and `interfaces` are what libpcap does better than we would; without the feature `live` they are left
//! out.
//!
//! Why our own readers: over one reused buffer filled by `read` they take a third of the time libpcap takes, they read
//! pipes and compressed streams the same way, and libpcap refuses pcapng files with several interfaces.

use std::ops::ControlFlow;

use crate::model::record::Capture;
use crate::model::{FrameRef, Timestamp, Warning};

#[cfg(feature = "live")]
mod bpf;
mod capture_set;
mod compressed;
mod counts;
mod error;
mod file_source;
mod growing_file;
mod input_paths;
#[cfg(feature = "live")]
mod interfaces;
mod link_type;
#[cfg(feature = "live")]
mod live;
mod long_file;
mod merge;
mod pcap_file;
mod pcap_layout;
mod pcapng_file;
mod pcapng_options;
mod pcapng_secrets;
mod pipe_source;
mod record;
mod record_buffer;
mod resynchronise;
mod ticker;
mod wake;

#[cfg(feature = "live")]
pub use bpf::Filter;
pub use capture_set::{CaptureSet, ReadOptions};
pub use compressed::Compression;
pub use error::Error;
#[cfg(feature = "live")]
pub use interfaces::{Interface, interfaces};
pub use link_type::LinkType;
#[cfg(feature = "live")]
pub use live::{DropCounts, LiveOptions, LiveSource, Way};
pub use pcapng_secrets::Secrets;
pub use pipe_source::PipeSource;
pub use wake::Wake;

/// One captured packet, lent for one call.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Where it stands.
    pub frame: FrameRef,
    /// What the bytes begin with.
    pub link: LinkType,
    /// Length on the wire; more than `data` holds where the snap length cut it.
    pub wire_len: u32,
    /// The captured bytes.
    pub data: &'a [u8],
}

/// Packets that were read and counted, but not looked at because nobody wanted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// They do not match the filter.
    pub filtered: u64,
    /// They lie outside the bounds on packet time.
    pub outside_time_bounds: u64,
}

/// What a source gives.
#[derive(Debug)]
pub enum Input<'a> {
    /// An input begins; its counts are not known yet.
    CaptureStart(&'a Capture),
    /// A packet.
    Packet(Packet<'a>),
    /// No packet came for a while, and it is about this time: timers go on. Only sources that wait for packets tell it.
    Tick(Timestamp),
    /// Something about the input.
    Warning(Warning),
    /// An input could not be opened or read on; the others go on.
    Failed(Error),
}

/// Drives packets into a closure; each is lent for one call.
pub trait PacketSource {
    /// Runs until the inputs end or `take` breaks. What is damaged is an [`Input::Warning`], what cannot be read at all
    /// an [`Input::Failed`].
    fn for_each(&mut self, take: &mut dyn FnMut(Input<'_>) -> ControlFlow<()>);

    /// All inputs with what is known of them so far, in the order of the timeline.
    fn captures(&self) -> Vec<Capture>;

    /// Packets that were counted and not delivered.
    fn hidden(&self) -> Hidden {
        Hidden::default()
    }
}
