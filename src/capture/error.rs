//! Errors of this layer: one line each, and a hint about the remedy.

use super::compressed::Compression;
use crate::model::system_message;

/// Error of an input or of a capture filter. Texts name the path or interface and, if known, the byte offset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused access or failed to read.
    #[error("cannot read {path}: {}", system_message(cause))]
    Io {
        /// Path of the input as messages show it.
        path: String,
        /// Error of the operating system.
        cause: std::io::Error,
    },
    /// The input has no bytes.
    #[error("cannot read {path}: it is empty (0 bytes)")]
    Empty {
        /// Path of the input as messages show it.
        path: String,
    },
    /// The input begins like no supported capture format.
    #[error("cannot read {path}: not a pcap or pcapng capture; it looks like {looks_like}")]
    NotACapture {
        /// Path of the input as messages show it.
        path: String,
        /// Description of its first bytes, such as `text`.
        looks_like: String,
    },
    /// The input ends inside its file header.
    #[error("cannot read {path}: it ends inside its {format} file header, after {bytes} bytes")]
    HeaderCut {
        /// Path of the input as messages show it.
        path: String,
        /// Format that its magic number announces.
        format: String,
        /// Length of the input in bytes.
        bytes: u64,
    },
    /// The file header is damaged.
    #[error("cannot read {path}: damaged {format} file header: {detail}")]
    HeaderCorrupt {
        /// Path of the input as messages show it.
        path: String,
        /// Format that its magic number announces.
        format: String,
        /// Damage and its byte offset.
        detail: String,
    },
    /// A compressed input cannot be decompressed.
    #[error("cannot read {path}: corrupt {compression} stream after {packets} packets: {detail}")]
    CorruptCompression {
        /// Path of the input as messages show it.
        path: String,
        /// Compression format.
        compression: Compression,
        /// Count of packets read before the damage.
        packets: u64,
        /// Message of the decoder.
        detail: String,
    },
    /// A compressed input needs a larger decompression window than allowed.
    #[error(
        "cannot read {path}: its {compression} stream needs a larger window than the limit of {limit} bytes"
    )]
    WindowTooLarge {
        /// Path of the input as messages show it.
        path: String,
        /// Compression format.
        compression: Compression,
        /// Limit in bytes.
        limit: u64,
    },
    /// A compressed file was given to `--follow`.
    #[error("cannot follow {path}: it is compressed ({compression})")]
    CompressedFollow {
        /// Path of the file as messages show it.
        path: String,
        /// Compression format.
        compression: Compression,
    },
    /// A directory contains no capture.
    #[error("cannot read {path}: the directory holds no capture, {}", other_files(*.files))]
    NoCapture {
        /// Path of the directory as messages show it.
        path: String,
        /// Count of files in it that are not captures.
        files: usize,
    },
    /// Standard input was given twice.
    #[error("cannot read -: standard input was given more than once")]
    StandardInputTwice,
    /// A capture filter does not compile or would look up a name.
    #[error("cannot use the filter '{expression}': {cause}")]
    Filter {
        /// Filter expression as given.
        expression: String,
        /// Reason: a message of libpcap, or ours.
        cause: String,
    },
    /// The process lacks the privilege to capture.
    #[error("cannot capture from {interface}: no permission ({cause})")]
    Permission {
        /// Name of the interface.
        interface: String,
        /// Message of libpcap.
        cause: String,
    },
    /// An interface cannot be opened.
    #[error("cannot capture from {interface}: {cause}")]
    Interface {
        /// Name of the interface.
        interface: String,
        /// Message of libpcap.
        cause: String,
    },
    /// An interface disappeared during the capture.
    #[error("the capture from {interface} has ended: {cause}")]
    InterfaceGone {
        /// Name of the interface.
        interface: String,
        /// Message of libpcap.
        cause: String,
    },
    /// The interfaces cannot be listed.
    #[error("cannot list the network interfaces: {cause}")]
    Interfaces {
        /// Message of libpcap.
        cause: String,
    },
}

impl Error {
    /// Returns a hint about the remedy; `None` if there is none to give.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Io { cause, .. } => io_hint(cause),
            Self::Empty { .. } => {
                Some("did the capture program stop before it wrote a packet, or is the disk full?")
            }
            Self::NotACapture { looks_like, .. } => not_a_capture_hint(looks_like),
            Self::HeaderCut { .. } => Some("copy the file again; it is not whole"),
            Self::HeaderCorrupt { .. } => {
                Some("copy the file again in binary mode, or repair it with pcapfix")
            }
            Self::CorruptCompression { .. } => Some(
                "copy the file again, or decompress it with its own tool to see how far it goes",
            ),
            Self::WindowTooLarge { .. } => {
                Some("raise --max-memory, or decompress it with its own tool first")
            }
            Self::NoCapture { files: 0, .. } => Some("check the path"),
            Self::CompressedFollow { .. } => {
                Some("follow the file before it is compressed, or read it without --follow")
            }
            Self::NoCapture { .. } => Some("run with -v to see which files were passed over"),
            Self::StandardInputTwice => Some("give - once"),
            Self::Filter { .. } => Some(
                "the syntax is that of tcpdump (man 7 pcap-filter); write addresses instead of names",
            ),
            Self::Permission { .. } => Some(
                "run it as root, or grant the right once with setcap cap_net_raw+ep (in a container: --cap-add NET_RAW)",
            ),
            Self::Interface { .. } => {
                Some("ftpscope interfaces lists what there is to capture from, with its state")
            }
            Self::InterfaceGone { .. } => Some(
                "what was seen until then is reported; start it again once the interface is back",
            ),
            Self::Interfaces { .. } => {
                Some("run it with the right to capture, for example as root")
            }
        }
    }
}

fn other_files(count: usize) -> String {
    match count {
        0 => "and no other file".to_owned(),
        1 => "only 1 other file".to_owned(),
        _ => format!("only {count} other files"),
    }
}

fn io_hint(cause: &std::io::Error) -> Option<&'static str> {
    use std::io::ErrorKind;
    match cause.kind() {
        ErrorKind::NotFound => Some("check the path"),
        ErrorKind::PermissionDenied => Some("ask for the right to read it"),
        ErrorKind::IsADirectory => Some("give the files in it"),
        _ if cause.raw_os_error() == Some(TOO_MANY_OPEN_FILES) => {
            Some("raise the limit of open files (ulimit -n), or merge some captures first")
        }
        _ => None,
    }
}

fn not_a_capture_hint(looks_like: &str) -> Option<&'static str> {
    // Names of formats are written in either case: "Tape Archive".
    let looks_like = looks_like.to_ascii_lowercase();
    if looks_like.contains("archive") || looks_like.contains("bzip2") {
        return Some("unpack it first");
    }
    if looks_like.contains("capture") {
        return Some("convert it with editcap -F pcapng");
    }
    if looks_like.contains("text") {
        return Some("capture with tcpdump -w FILE: what tcpdump prints cannot be read back");
    }
    None
}

/// `EMFILE`: the same number on Linux, macOS and the BSDs. `io::ErrorKind` has no stable value for it.
const TOO_MANY_OPEN_FILES: i32 = 24;
