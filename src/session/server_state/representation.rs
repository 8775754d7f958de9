//! The representation of files on the data connection.

use crate::model::record::{DataType, Structure, TransferMode};
use crate::protocol::ftp::Verb;

/// TYPE, STRU and MODE in force (RFC 959 sections 3.1 and 3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Representation {
    pub(crate) data_type: DataType,
    pub(crate) transfer_mode: TransferMode,
    pub(crate) structure: Structure,
    /// The byte size of TYPE L is 8.
    octets: bool,
}

impl Representation {
    /// Sets what an accepted TYPE, STRU or MODE sets; a value that is not in RFC 959 changes nothing.
    pub(crate) fn set(&mut self, verb: Verb, argument: &[u8]) {
        let letter = argument.trim_ascii().first().map(u8::to_ascii_uppercase);
        match (verb, letter) {
            (Verb::Type, Some(b'A')) => self.data_type = DataType::Ascii,
            (Verb::Type, Some(b'I')) => self.data_type = DataType::Image,
            (Verb::Type, Some(b'E')) => self.data_type = DataType::Ebcdic,
            (Verb::Type, Some(b'L')) => {
                self.data_type = DataType::Local;
                let size = argument.trim_ascii().get(1..).map(<[u8]>::trim_ascii);
                self.octets = size == Some(b"8");
            }
            (Verb::Mode, Some(b'S')) => self.transfer_mode = TransferMode::Stream,
            (Verb::Mode, Some(b'B')) => self.transfer_mode = TransferMode::Block,
            (Verb::Mode, Some(b'C')) => self.transfer_mode = TransferMode::Compressed,
            // Not in RFC 959: zlib, as most servers with a MODE Z do it.
            (Verb::Mode, Some(b'Z')) => self.transfer_mode = TransferMode::Deflate,
            (Verb::Stru, Some(b'F')) => self.structure = Structure::File,
            (Verb::Stru, Some(b'R')) => self.structure = Structure::Record,
            (Verb::Stru, Some(b'P')) => self.structure = Structure::Page,
            _ => {}
        }
    }

    /// Returns whether the bytes on the wire are those of the file: TYPE I, or L 8, which is the same (RFC 1123 section
    /// 4.1.2.1), in stream mode and file structure.
    pub(crate) fn bytes_are_the_file(self) -> bool {
        self.is_image()
            && self.transfer_mode == TransferMode::Stream
            && self.structure == Structure::File
    }

    /// Returns whether the file's own bytes are sent, in whatever mode.
    pub(crate) fn is_image(self) -> bool {
        match self.data_type {
            DataType::Image => true,
            DataType::Local => self.octets,
            DataType::Ascii | DataType::Ebcdic => false,
        }
    }
}
