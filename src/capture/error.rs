//! Why an input could not be read, in one line each.

use super::compressed::Compression;

/// Why an input could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("cannot read {path}: {cause}")]
    Io {
        /// The input.
        path: String,
        /// Its words.
        cause: std::io::Error,
    },
    /// The input has no byte.
    #[error("cannot read {path}: it is empty (0 bytes)")]
    Empty {
        /// The input.
        path: String,
    },
    /// The input begins like no capture we know.
    #[error("cannot read {path}: not a pcap or pcapng capture; it looks like {looks_like}")]
    NotACapture {
        /// The input.
        path: String,
        /// What it begins like.
        looks_like: String,
    },
    /// The input ends inside its file header.
    #[error("cannot read {path}: it ends inside its {format} file header, after {bytes} bytes")]
    HeaderCut {
        /// The input.
        path: String,
        /// What it begins like.
        format: String,
        /// How many bytes there are.
        bytes: u64,
    },
    /// The file header is damaged.
    #[error("cannot read {path}: damaged {format} file header: {detail}")]
    HeaderCorrupt {
        /// The input.
        path: String,
        /// What it begins like.
        format: String,
        /// What is wrong with it, and where.
        detail: String,
    },
    /// A compressed input cannot be decompressed.
    #[error("cannot read {path}: corrupt {compression} stream after {packets} packets: {detail}")]
    CorruptCompression {
        /// The input.
        path: String,
        /// How it is compressed.
        compression: Compression,
        /// Packets that were read before.
        packets: u64,
        /// The decoder's words.
        detail: String,
    },
    /// A compressed input wants more memory than it is given.
    #[error(
        "cannot read {path}: its {compression} stream needs a larger window than the limit of {limit} bytes"
    )]
    WindowTooLarge {
        /// The input.
        path: String,
        /// How it is compressed.
        compression: Compression,
        /// The limit.
        limit: u64,
    },
    /// A compressed file cannot be followed.
    #[error("cannot follow {path}: it is compressed ({compression})")]
    CompressedFollow {
        /// The file.
        path: String,
        /// How it is compressed.
        compression: Compression,
    },
    /// A directory without a capture in it.
    #[error("cannot read {path}: the directory holds no capture, {}", other_files(*.files))]
    NoCapture {
        /// The directory.
        path: String,
        /// Files that are no captures.
        files: usize,
    },
    /// Standard input was given twice.
    #[error("cannot read -: standard input was given more than once")]
    StandardInputTwice,
    /// A capture filter does not compile.
    #[error("cannot use the filter '{expression}': {cause}")]
    Filter {
        /// The filter.
        expression: String,
        /// What is wrong with it: libpcap's words, or ours.
        cause: String,
    },
    /// The right to capture is missing.
    #[error("cannot capture from {interface}: no permission ({cause})")]
    Permission {
        /// The interface.
        interface: String,
        /// libpcap's words.
        cause: String,
    },
    /// An interface cannot be opened.
    #[error("cannot capture from {interface}: {cause}")]
    Interface {
        /// The interface.
        interface: String,
        /// libpcap's words.
        cause: String,
    },
    /// An interface went away while it was captured from.
    #[error("the capture from {interface} has ended: {cause}")]
    InterfaceGone {
        /// The interface.
        interface: String,
        /// libpcap's words.
        cause: String,
    },
    /// The interfaces cannot be listed.
    #[error("cannot list the network interfaces: {cause}")]
    Interfaces {
        /// libpcap's words.
        cause: String,
    },
}

impl Error {
    /// What to do about it, where there is something to do.
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

/// `EMFILE`, on every Unix we build for.
const TOO_MANY_OPEN_FILES: i32 = 24;
