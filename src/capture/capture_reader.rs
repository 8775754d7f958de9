//! One open input: opens it, detects compression and format, and reads packets.
//!
//! ```text
//! Origin ──> first bytes ──> compression? ──> RecordBuffer ──> magic number ──> PcapFile | PcapNgFile
//! ```

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use super::compressed::{Compression, Damage};
use super::parallel_file::ParallelFile;
use super::pcap_file::{PcapFile, is_pcap};
use super::pcapng_file::{PcapNgFile, SECTION_HEADER};
use super::record::{Advance, HeaderError, Record};
use super::record_buffer::{self, RecordBuffer};
use super::{Error, HostName, LinkType, Notes, Secrets};
use crate::model::FrameRef;

/// Source of an input's bytes, before it is opened.
pub(super) enum Origin {
    /// A regular file, which can be opened again.
    File(PathBuf),
    /// A named pipe or device, which can be opened once.
    Pipe(PathBuf),
    /// Standard input.
    StandardInput,
    /// A reader supplied by the caller; `None` after it was opened.
    Reader(Option<Box<dyn Read + Send>>),
}

/// Opened origin. Regular files stay visible as such: only they can be read in parallel.
enum ByteSource {
    File(File),
    Stream(Box<dyn Read + Send>),
}

impl Read for ByteSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Stream(stream) => stream.read(buffer),
        }
    }
}

/// Reader of one capture in any supported format and compression.
pub(super) struct CaptureReader {
    file: FormatReader,
    /// `None` for an uncompressed input.
    compression: Option<Compression>,
    /// Largest decompression window in bytes, for error messages.
    window_limit: u64,
}

enum FormatReader {
    Pcap(PcapFile),
    PcapNg(Box<PcapNgFile>),
}

impl Origin {
    /// Returns true if closing the input loses no bytes.
    pub(super) fn can_be_reopened(&self) -> bool {
        matches!(self, Self::File(_))
    }

    fn open(&mut self) -> io::Result<ByteSource> {
        Ok(match self {
            Self::File(path) | Self::Pipe(path) => ByteSource::File(File::open(path)?),
            Self::StandardInput => ByteSource::Stream(Box::new(io::stdin())),
            Self::Reader(reader) => ByteSource::Stream(
                reader
                    .take()
                    .ok_or_else(|| io::Error::other("it was read before"))?,
            ),
        })
    }
}

impl CaptureReader {
    /// Opens an input and reads its file header through a buffer of `capacity` bytes. `path` names it in errors.
    pub(super) fn open(
        origin: &mut Origin,
        path: &str,
        capacity: usize,
        window_limit: u64,
    ) -> Result<Self, Error> {
        let failed = |cause| Error::Io {
            path: path.to_owned(),
            cause,
        };
        let mut input = origin.open().map_err(failed)?;
        let head = read_head(&mut input).map_err(failed)?;
        if head.is_empty() {
            return Err(Error::Empty {
                path: path.to_owned(),
            });
        }
        let compression = Compression::detect(&head);
        // Pipes cannot seek, so the bytes read for detection go back in front.
        let rewound = |input: ByteSource| Box::new(io::Cursor::new(head).chain(input));
        let buffer = match (compression, input) {
            (Some(compression), input) => {
                let decompressed = compression.open(rewound(input), window_limit);
                RecordBuffer::new(decompressed, capacity, true)
            }
            // A small capacity means a probe or one of very many inputs: no threads for those. `ParallelFile` reads by
            // offset, so it needs no rewinding.
            (None, ByteSource::File(file)) if capacity >= record_buffer::CAPACITY => {
                match ParallelFile::open(file) {
                    Ok(parallel) => RecordBuffer::over(parallel),
                    Err(file) => {
                        RecordBuffer::new(rewound(ByteSource::File(file)), capacity, false)
                    }
                }
            }
            (None, input) => RecordBuffer::new(rewound(input), capacity, false),
        };
        let file = FormatReader::detect(buffer, path, compression, window_limit)?;
        Ok(Self {
            file,
            compression,
            window_limit,
        })
    }

    /// Returns the format as reports write it: `pcap`, `gzip pcapng`.
    pub(super) fn format_name(&self) -> String {
        let format = match self.file {
            FormatReader::Pcap(_) => "pcap",
            FormatReader::PcapNg(_) => "pcapng",
        };
        match self.compression {
            Some(compression) => format!("{compression} {format}"),
            None => format.to_owned(),
        }
    }

    /// Returns the compression format; `None` for an uncompressed input.
    pub(super) fn compression(&self) -> Option<Compression> {
        self.compression
    }

    /// Returns the link types found so far, each once.
    pub(super) fn links(&self) -> Vec<LinkType> {
        match &self.file {
            FormatReader::Pcap(file) => file.links().to_vec(),
            FormatReader::PcapNg(file) => file.links().to_vec(),
        }
    }

    /// Reads up to the next packet, secrets or notice.
    #[inline]
    pub(super) fn advance(&mut self) -> Advance {
        match &mut self.file {
            FormatReader::Pcap(file) => file.advance(),
            FormatReader::PcapNg(file) => file.advance(),
        }
    }

    /// Returns the metadata of the current packet; valid after [`Advance::Packet`].
    #[inline]
    pub(super) fn record(&self) -> Record {
        match &self.file {
            FormatReader::Pcap(file) => file.record(),
            FormatReader::PcapNg(file) => file.record(),
        }
    }

    /// Returns the captured bytes of the current packet; valid after [`Advance::Packet`].
    #[inline]
    pub(super) fn data(&self) -> &[u8] {
        match &self.file {
            FormatReader::Pcap(file) => file.data(),
            FormatReader::PcapNg(file) => file.data(),
        }
    }

    /// Returns what the file says beside the packet at `frame`; valid after [`Advance::Packet`].
    #[cold]
    pub(super) fn notes(&mut self, frame: FrameRef) -> Notes {
        let (comments, interfaces) = match &mut self.file {
            FormatReader::Pcap(file) => (Vec::new(), vec![file.interface()]),
            FormatReader::PcapNg(file) => file.notes(),
        };
        Notes {
            frame,
            comments,
            interfaces,
        }
    }

    /// Returns the current secrets; valid after [`Advance::Secrets`].
    pub(super) fn secrets(&self) -> Secrets<'_> {
        match &self.file {
            // Classic pcap has no place for secrets and never advances to any.
            FormatReader::Pcap(_) => Secrets {
                secrets_type: 0,
                data: &[],
            },
            FormatReader::PcapNg(file) => file.secrets(),
        }
    }

    /// Returns the current names of hosts; valid after [`Advance::Names`].
    pub(super) fn names(&self) -> Vec<HostName> {
        match &self.file {
            // Classic pcap has no place for names.
            FormatReader::Pcap(_) => Vec::new(),
            FormatReader::PcapNg(file) => file.names(),
        }
    }

    /// Turns the cause of an [`Advance::Failed`] after `packets` packets into an error about `path`.
    pub(super) fn name_failure(&self, path: &str, cause: io::Error, packets: u64) -> Error {
        name_failure(path, self.compression, self.window_limit, cause, packets)
    }
}

impl FormatReader {
    fn detect(
        mut buffer: RecordBuffer,
        path: &str,
        compression: Option<Compression>,
        window_limit: u64,
    ) -> Result<Self, Error> {
        buffer.ensure(4);
        let magic: [u8; 4] = buffer.head();
        let (format, error, mut buffer) = if is_pcap(magic) {
            match PcapFile::new(buffer) {
                Ok(file) => return Ok(Self::Pcap(file)),
                Err((error, buffer)) => ("pcap", error, buffer),
            }
        } else if u32::from_le_bytes(magic) == SECTION_HEADER {
            match PcapNgFile::new(buffer) {
                Ok(file) => return Ok(Self::PcapNg(Box::new(file))),
                Err((error, buffer)) => ("pcapng", error, buffer),
            }
        } else {
            // The first read has to suffice for describing the file: a followed file may never grow further.
            ("", HeaderError::UnknownMagic, buffer)
        };
        if let Some(failure) = buffer.take_failure() {
            return Err(name_failure(path, compression, window_limit, failure, 0));
        }
        let path = path.to_owned();
        Err(match error {
            HeaderError::UnknownMagic => Error::NotACapture {
                path,
                looks_like: looks_like(buffer.held()),
            },
            HeaderError::Truncated => Error::HeaderCut {
                path,
                format: format.to_owned(),
                bytes: buffer.held().len() as u64,
            },
            HeaderError::Damaged(detail) => Error::HeaderCorrupt {
                path,
                format: format.to_owned(),
                detail: format!("the block at {} {detail}", buffer.describe_position()),
            },
        })
    }
}

fn name_failure(
    path: &str,
    compression: Option<Compression>,
    window_limit: u64,
    cause: io::Error,
    packets: u64,
) -> Error {
    let path = path.to_owned();
    match (Damage::in_error(&cause), compression) {
        (Some(Damage::WindowTooLarge), Some(compression)) => Error::WindowTooLarge {
            path,
            compression,
            limit: window_limit,
        },
        (Some(damage), Some(compression)) => Error::CorruptCompression {
            path,
            compression,
            packets,
            detail: damage.to_string(),
        },
        _ => Error::Io { path, cause },
    }
}

/// Describes a file that is not a capture by its first bytes.
fn looks_like(head: &[u8]) -> String {
    let known = match head {
        [] => "nothing: there is no byte in it",
        [b's', b'n', b'o', b'o', b'p', 0, ..] => "a capture of Solaris snoop",
        [b'G', b'M', b'B', b'U', ..] | [b'R', b'T', b'S', b'S', ..] => {
            "a capture of Microsoft Network Monitor"
        }
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => "bzip2",
        [b'P', b'K', 3, 4, ..] => "a zip archive",
        // A capture that a full disk or a crash left preallocated but unwritten.
        _ if head.iter().all(|byte| *byte == 0) => "zeros only",
        _ if is_text(head) => "text",
        _ => return file_format::FileFormat::from_bytes(head).name().to_owned(),
    };
    known.to_owned()
}

/// Returns true for UTF-8 without control characters; the last character may be cut.
fn is_text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => head
            .get(..error.valid_up_to())
            .and_then(|head| std::str::from_utf8(head).ok())
            .unwrap_or_default(),
        Err(_) => return false,
    };
    !valid.is_empty()
        && valid
            .chars()
            .all(|character| !character.is_control() || matches!(character, '\n' | '\r' | '\t'))
}

/// Reads the first bytes of an input: usually one system call, so that probing thousands of files stays cheap.
fn read_head(input: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD];
    let mut len = 0;
    while len < LONGEST_MAGIC {
        match input.read(head.get_mut(len..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(got) => len += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(len);
    Ok(head)
}

/// Bytes asked for to detect compression and format.
const HEAD: usize = 4096;
/// Length in bytes of the longest magic number, that of xz.
const LONGEST_MAGIC: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_formats_are_described_by_their_first_bytes() {
        for (head, expected) in [
            (b"10:21:33 IP 10.0.0.1.21 > ...\n".as_slice(), "text"),
            (b"snoop\0\0\0\0\0\0\x02", "a capture of Solaris snoop"),
            (b"PK\x03\x04....", "a zip archive"),
            (&[0; 100], "zeros only"),
            (b"%PDF-1.7\n\x00\x01", "Portable Document Format"),
        ] {
            assert_eq!(looks_like(head), expected);
        }
    }

    #[test]
    fn text_cut_inside_a_character_is_still_text() {
        assert!(is_text("caf\u{e9}".as_bytes().get(..4).unwrap()));
        assert!(!is_text(&[b'a', 0xff, b'b']));
        assert!(!is_text(b"a\0b"));
    }
}
