//! Packets out: the packets of FTP sessions become pcapng files.
//!
//! In: every packet of the link with its [`Relation`] to FTP, and a call for each session found. Out: pcapng files that rotate, or
//! one file of chosen sessions.
//!
//! ```text
//! packet, Relation ─> PacketRecorder ─┐                ┌> RotatingFile (whole records, old files beside it)
//!                     (one reading)   ├─> PcapNgWriter ┤
//! captures ─> carve (two readings) ───┘   (blocks)     └> CarvedFiles
//!               └> TLS in clear ────────> packets made anew
//! ```
//!
//! The pipeline calls a [`PacketSink`]; packets are read again only to be made anew, as copies of TLS connections in clear. [`RotatingFile`] also serves outputs of lines.

mod carve;
mod clear_copy;
mod packet_recorder;
mod pcapng_writer;
mod redact;
mod rotating_file;
mod secret_lines;

pub use carve::{
    CarvedFiles, Carver, ChosenPackets, ChosenSession, EncryptedConnection, FragmentLog,
    PacketChooser, PacketKinds, RedactionPlan,
};
pub use packet_recorder::{PacketRecorder, RecordingError};
pub use pcapng_writer::PcapNgWriter;
pub use redact::{
    Class, Classes, Leak, Mapping, Redaction, RedactionKey, StreamCollector, Suspects,
};
pub use rotating_file::{OUTPUT_MODE, RecordEnd, RotatingFile, Rotation, RotationLimits};
pub use secret_lines::{EmbeddedSecrets, SecretLines};

use crate::capture::Packet;
use crate::model::{FlowKey, FrameRef};

/// Receives every packet as captured.
pub trait PacketSink {
    /// Receives one packet and its relation to FTP.
    fn packet(&mut self, packet: &Packet<'_>, relation: Relation);

    /// Announces that the packet in `frame`, which comes next, completes an IP datagram begun in `earlier` frames.
    fn fragments(&mut self, frame: FrameRef, earlier: &[u64], relation: Relation) {
        let _ = (frame, earlier, relation);
    }

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
