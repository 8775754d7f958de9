//! The representation of files on the data connection.

use crate::model::record::{DataType, Structure, TransferMode};
use crate::protocol::ftp::Verb;

/// TYPE, STRU and MODE in force (RFC 959 sections 3.1 and 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Representation {
    /// `None` after an accepted TYPE that RFC 959 does not know.
    pub(crate) data_type: Option<DataType>,
    pub(crate) transfer_mode: TransferMode,
    pub(crate) structure: Structure,
    /// The byte size of TYPE L is 8.
    octets: bool,
}

impl Default for Representation {
    /// Returns the defaults of RFC 959 section 3.5.
    fn default() -> Self {
        Self {
            data_type: Some(DataType::Ascii),
            transfer_mode: TransferMode::Stream,
            structure: Structure::File,
            octets: false,
        }
    }
}

impl Representation {
    /// Sets what an accepted TYPE, STRU or MODE sets.
    ///
    /// A TYPE that is not in RFC 959 section 3.1.1 leaves the type unknown: IBM hosts accept `B 1` (Shift JIS), `U 2`
    /// (UCS-2) and others, and the type before is no longer in force. MODE and STRU that are not in RFC 959 change nothing:
    /// the bytes are then taken as before.
    pub(crate) fn set(&mut self, verb: Verb, argument: &[u8]) {
        let argument = argument.trim_ascii();
        let letter = argument.first().map(u8::to_ascii_uppercase);
        match (verb, letter) {
            (Verb::Type, Some(b'A')) => self.data_type = Some(DataType::Ascii),
            (Verb::Type, Some(b'I')) => self.data_type = Some(DataType::Image),
            (Verb::Type, Some(b'E')) => self.data_type = Some(DataType::Ebcdic),
            (Verb::Type, Some(b'L')) => {
                self.data_type = Some(DataType::Local);
                self.octets = argument[1..].trim_ascii() == b"8";
            }
            // Typed by people into clients that pass it on, and accepted by servers that look at the word.
            (Verb::Type, Some(b'B')) if argument.eq_ignore_ascii_case(b"BINARY") => {
                self.data_type = Some(DataType::Image);
            }
            (Verb::Type, Some(_)) => self.data_type = None,
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
            Some(DataType::Image) => true,
            Some(DataType::Local) => self.octets,
            Some(DataType::Ascii | DataType::Ebcdic) | None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_type_of_no_standard_leaves_the_type_unknown() {
        for (argument, data_type) in [
            ("A", Some(DataType::Ascii)),
            ("a n", Some(DataType::Ascii)),
            ("E", Some(DataType::Ebcdic)),
            ("I", Some(DataType::Image)),
            ("binary", Some(DataType::Image)),
            ("L 8", Some(DataType::Local)),
            ("B 1", None),
            ("U 2", None),
            ("X", None),
        ] {
            let mut representation = Representation::default();
            representation.set(Verb::Type, b"E");
            representation.set(Verb::Type, argument.as_bytes());
            assert_eq!(representation.data_type, data_type, "{argument}");
            // The question what is in force, which some servers answer with 200.
            representation.set(Verb::Type, b" ");
            assert_eq!(representation.data_type, data_type, "{argument}");
        }
        let mut unknown = Representation::default();
        unknown.set(Verb::Type, b"U 2");
        assert!(!unknown.bytes_are_the_file());
    }
}
