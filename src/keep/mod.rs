//! Packets out: the packets of FTP sessions become pcapng files.
//!
//! In: every packet of the link with its [`Relation`] to FTP, and a call for each session found. Out: pcapng files that rotate.
//!
//! ```text
//! packet, Relation ─> PacketRecorder ─> PcapNgWriter ─> RotatingFile
//!                     (choice)          (blocks)        (whole records, old files beside it)
//! ```
//!
//! The pipeline calls a [`PacketSink`]; nothing here parses a packet. [`RotatingFile`] also serves outputs of lines.

mod packet_recorder;
mod rotating_file;

pub use packet_recorder::{PacketRecorder, RecordingError};
pub use rotating_file::{OUTPUT_MODE, PcapNgWriter, RotatingFile, Rotation, RotationLimits};

use crate::capture::Packet;
use crate::model::FlowKey;

/// Receives every packet as captured.
pub trait PacketSink {
    /// Receives one packet and its relation to FTP.
    fn packet(&mut self, packet: &Packet<'_>, relation: Relation);

    /// Announces a new session, before the packet that revealed it.
    ///
    /// Earlier packets of `connection`, and the DNS packets in `lookup_frames` that resolved the server's name, belong to it.
    fn session(&mut self, connection: FlowKey, lookup_frames: &[u64]);
}

/// A packet's relation to FTP, as far as known when the packet passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Segment of a control or data connection, to which earlier undecided segments of it belong too.
    Session(FlowKey),
    /// Segment of a connection that may still turn out to be FTP.
    Undecided(FlowKey),
    /// DNS query or response.
    Dns,
    /// Anything else.
    Unrelated,
}
