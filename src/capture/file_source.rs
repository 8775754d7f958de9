//! Opens one input and picks its reader.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use super::compressed::{Compression, Damage, damage};
use super::long_file::LongFile;
use super::pcap_file::{self, PcapFile, is_pcap};
use super::pcapng_file::{self, PcapNgFile, SECTION_HEADER};
use super::pcapng_secrets::Secrets;
use super::record::{Record, Step};
use super::record_buffer::{self, RecordBuffer};
use super::{Error, LinkType};

/// Where an input comes from.
pub(super) enum Origin {
    /// A regular file, which can be opened again.
    File(PathBuf),
    /// A named pipe or device, which can be opened once.
    Pipe(PathBuf),
    /// Standard input.
    StandardInput,
    /// A reader of the caller's, taken when it is opened.
    Reader(Option<Box<dyn Read + Send>>),
}

/// Its bytes.
enum Input {
    File(File),
    Stream(Box<dyn Read + Send>),
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Stream(stream) => stream.read(buffer),
        }
    }
}

/// An input that is open.
pub(super) struct FileSource {
    reader: Reader,
    compression: Option<Compression>,
    window_limit: u64,
}

enum Reader {
    Pcap(PcapFile),
    PcapNg(Box<PcapNgFile>),
}

impl Origin {
    /// True where closing it loses nothing.
    pub(super) fn can_be_reopened(&self) -> bool {
        matches!(self, Self::File(_))
    }

    fn open(&mut self) -> io::Result<Input> {
        Ok(match self {
            Self::File(path) | Self::Pipe(path) => Input::File(File::open(path)?),
            Self::StandardInput => Input::Stream(Box::new(io::stdin())),
            Self::Reader(reader) => Input::Stream(
                reader
                    .take()
                    .ok_or_else(|| io::Error::other("it was read before"))?,
            ),
        })
    }
}

impl FileSource {
    /// Opens an input called `path` and reads its file header, through a buffer of `capacity` bytes.
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
        let compression = Compression::of(&head);
        let whole = |input: Input| Box::new(io::Cursor::new(head).chain(input));
        let buffer = match (compression, input) {
            (Some(compression), input) => {
                let decompressed = compression.open(whole(input), window_limit);
                RecordBuffer::new(decompressed, capacity, true)
            }
            (None, Input::File(file)) if capacity >= record_buffer::CAPACITY => {
                match LongFile::begin(file) {
                    Ok(long) => RecordBuffer::over(long),
                    Err(file) => RecordBuffer::new(whole(Input::File(file)), capacity, false),
                }
            }
            (None, input) => RecordBuffer::new(whole(input), capacity, false),
        };
        let reader = Reader::pick(buffer, path, compression, window_limit)?;
        Ok(Self {
            reader,
            compression,
            window_limit,
        })
    }

    /// As reports write it: `pcap`, `gzip pcapng`.
    pub(super) fn format(&self) -> String {
        let format = match self.reader {
            Reader::Pcap(_) => "pcap",
            Reader::PcapNg(_) => "pcapng",
        };
        match self.compression {
            Some(compression) => format!("{compression} {format}"),
            None => format.to_owned(),
        }
    }

    /// How it is compressed.
    pub(super) fn compression(&self) -> Option<Compression> {
        self.compression
    }

    /// Link types met so far, each once.
    pub(super) fn links(&self) -> Vec<LinkType> {
        match &self.reader {
            Reader::Pcap(file) => vec![file.link()],
            Reader::PcapNg(file) => file.links().to_vec(),
        }
    }

    /// Decryption secrets met since the last call.
    pub(super) fn take_secrets(&mut self) -> Vec<Secrets> {
        match &mut self.reader {
            Reader::Pcap(_) => Vec::new(),
            Reader::PcapNg(file) => file.take_secrets(),
        }
    }

    /// Goes to the next packet.
    #[inline]
    pub(super) fn advance(&mut self) -> Step {
        match &mut self.reader {
            Reader::Pcap(file) => file.advance(),
            Reader::PcapNg(file) => file.advance(),
        }
    }

    /// The packet it stands on.
    #[inline]
    pub(super) fn record(&self) -> Record {
        match &self.reader {
            Reader::Pcap(file) => file.record(),
            Reader::PcapNg(file) => file.record(),
        }
    }

    /// Its bytes.
    #[inline]
    pub(super) fn data(&self) -> &[u8] {
        match &self.reader {
            Reader::Pcap(file) => file.data(),
            Reader::PcapNg(file) => file.data(),
        }
    }

    /// Names what [`Step::Failed`] told, after `packets` packets.
    pub(super) fn name_failure(&self, path: &str, cause: io::Error, packets: u64) -> Error {
        name_failure(path, self.compression, self.window_limit, cause, packets)
    }
}

impl Reader {
    fn pick(
        mut buffer: RecordBuffer,
        path: &str,
        compression: Option<Compression>,
        window_limit: u64,
    ) -> Result<Self, Error> {
        buffer.need(4);
        let magic: [u8; 4] = buffer.head();
        let (mut buffer, refused) = if is_pcap(magic) {
            match PcapFile::new(buffer) {
                Ok(file) => return Ok(Self::Pcap(file)),
                Err((pcap_file::Refused::Cut, buffer)) => (buffer, Some(("pcap", None))),
                Err((pcap_file::Refused::NotPcap, buffer)) => (buffer, None),
            }
        } else if u32::from_le_bytes(magic) == SECTION_HEADER {
            match PcapNgFile::new(buffer) {
                Ok(file) => return Ok(Self::PcapNg(Box::new(file))),
                Err((pcapng_file::Refused::Cut, buffer)) => (buffer, Some(("pcapng", None))),
                Err((pcapng_file::Refused::Damaged(detail), buffer)) => {
                    (buffer, Some(("pcapng", Some(detail))))
                }
            }
        } else {
            // What was read so far has to do: more of a file that is followed may never come.
            (buffer, None)
        };
        if let Some(failure) = buffer.take_failure() {
            return Err(name_failure(path, compression, window_limit, failure, 0));
        }
        let path = path.to_owned();
        Err(match refused {
            None => Error::NotACapture {
                path,
                looks_like: looks_like(buffer.held()),
            },
            Some((format, None)) => Error::HeaderCut {
                path,
                format: format.to_owned(),
                bytes: buffer.held().len() as u64,
            },
            Some((format, Some(detail))) => Error::HeaderCorrupt {
                path,
                format: format.to_owned(),
                detail: format!("the block at {} {detail}", buffer.place()),
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
    match (damage(&cause), compression) {
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

/// What an input that is no capture begins like.
fn looks_like(head: &[u8]) -> String {
    let known = match head {
        [] => "nothing: there is no byte in it",
        [b's', b'n', b'o', b'o', b'p', 0, ..] => "a capture of Solaris snoop",
        [b'G', b'M', b'B', b'U', ..] | [b'R', b'T', b'S', b'S', ..] => {
            "a capture of Microsoft Network Monitor"
        }
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => "bzip2",
        [b'P', b'K', 3, 4, ..] => "a zip archive",
        _ if head.iter().all(|byte| *byte == 0) => "zeros only",
        _ if is_text(head) => "text",
        _ => return file_format::FileFormat::from_bytes(head).name().to_owned(),
    };
    known.to_owned()
}

/// True for UTF-8 (the last character may be cut) without control characters.
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

/// The first bytes of an input: one read where that tells enough, so that a probe of many files stays cheap.
fn read_head(input: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD];
    let mut len = 0;
    while len < MAGIC {
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

const HEAD: usize = 4096;
/// The longest magic number.
const MAGIC: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_an_input_looks_like() {
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
    fn text_may_be_cut_inside_a_character() {
        assert!(is_text("caf\u{e9}".as_bytes().get(..4).unwrap()));
        assert!(!is_text(&[b'a', 0xff, b'b']));
        assert!(!is_text(b"a\0b"));
    }
}
