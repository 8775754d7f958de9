//! How files are represented while they are sent.

use crate::model::record::{DataType, Structure, TransferMode};

/// TYPE, STRU and MODE in force (RFC 959 sections 3.1 and 3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Representation {
    pub(crate) data_type: DataType,
    pub(crate) transfer_mode: TransferMode,
    pub(crate) structure: Structure,
    /// The byte size of TYPE L is 8.
    pub(crate) octets: bool,
}

impl Representation {
    /// Whether the bytes on the wire are those of the file: TYPE I, or L 8, which is the same (RFC 1123 section 4.1.2.1).
    pub(crate) fn bytes_are_the_file(self) -> bool {
        self.is_image()
            && self.transfer_mode == TransferMode::Stream
            && self.structure == Structure::File
    }

    /// Whether the file's own bytes are sent, in whatever mode.
    pub(crate) fn is_image(self) -> bool {
        match self.data_type {
            DataType::Image => true,
            DataType::Local => self.octets,
            DataType::Ascii | DataType::Ebcdic => false,
        }
    }
}
