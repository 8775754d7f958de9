//! Content of data connections on its way to the extractor.
//!
//! ```text
//! write(id, offset, bytes)*  ──>  settle(id, Settled) -> Stored      a file
//!                            \->  discard(id)                        a listing, TLS, or the wrong direction
//! ```

use super::record::{Completeness, Decoded};
use super::{Endpoint, Timestamp};

/// Receiver of the bytes of data connections as they arrive.
///
/// The command that the bytes belong to may become known later: bytes come under a [`ContentId`], and exactly one call
/// of [`settle`](Self::settle) or [`discard`](Self::discard) follows for each id that was written. `settle` may also
/// come for an id that was never written: an empty file. A sink that cannot write remembers the failure, returns it
/// from `settle`, and accepts further calls.
pub trait TransferSink {
    /// Receives bytes at `offset` of the stream. Offsets never decrease; gaps are skipped without a call.
    fn write(&mut self, id: ContentId, offset: u64, bytes: &[u8]);

    /// Ends a content that is a file.
    fn settle(&mut self, id: ContentId, settled: &Settled<'_>) -> Result<Stored, StoreError>;

    /// Ends a content that is no file: a listing, encrypted, or the wrong direction.
    fn discard(&mut self, id: ContentId);

    /// Ends the decoded content of the transfer that is settled next; `settled` describes the bytes on the wire.
    // Before `settle`, so that `Settled::decoded` already names the saved file.
    fn settle_decoded(
        &mut self,
        id: ContentId,
        settled: &Settled<'_>,
        decoded: &Decoded,
    ) -> Result<Stored, StoreError> {
        let _ = (id, settled, decoded);
        Ok(Stored::default())
    }

    /// Corrects the completeness of a settled transfer. Its file stays at its path.
    fn revise(&mut self, session: u64, transfer: u64, completeness: Completeness) {
        let _ = (session, transfer, completeness);
    }
}

impl TransferSink for () {
    fn write(&mut self, _: ContentId, _: u64, _: &[u8]) {}

    fn settle(&mut self, _: ContentId, _: &Settled<'_>) -> Result<Stored, StoreError> {
        Ok(Stored::default())
    }

    fn discard(&mut self, _: ContentId) {}
}

/// Identity of the bytes of one direction of one data connection; never reused in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId(pub u64);

/// Facts about the complete content of one direction of a data connection.
#[derive(Clone, Debug)]
pub struct Settled<'a> {
    /// Id of the session; `None` for data without a command.
    pub session: Option<u64>,
    /// Id of the transfer within the session; `None` for data without a command.
    pub transfer: Option<u64>,
    /// The FTP client's end of the control connection; of the data connection if no session claims it.
    pub client: Endpoint,
    /// The FTP server's end of the control connection; of the data connection if no session claims it.
    pub server: Endpoint,
    /// First frame of the data connection; names data without a command.
    pub first_frame: u64,
    /// Verb of the transfer command; empty for data without a command.
    pub verb: &'a str,
    /// Absolute path on the server; `None` if the working directory is unknown.
    pub path: Option<&'a [u8]>,
    /// Argument of the transfer command; `None` if it has none.
    pub argument: Option<&'a [u8]>,
    /// Completeness of the transfer.
    pub completeness: Completeness,
    /// Payload bytes captured, each once.
    pub bytes: u64,
    /// Gaps as half-open ranges of stream offsets, as in the report.
    pub missing_ranges: &'a [[u64; 2]],
    /// Offset in the server's file of the first byte (REST, RFC 3659 section 5); 0 without REST.
    pub restart_offset: u64,
    /// True if the bytes are those of the file (TYPE I, STRU F, MODE S) and all gaps are known. Only then can parts of
    /// several transfers be put together.
    pub plain: bool,
    /// Exact size of the file that the server stated before the transfer (SIZE, MLST, 213); `None` if it stated none.
    pub told_size: Option<u64>,
    /// Length of the stream with its gaps, in bytes: the length of the saved file.
    pub length: u64,
    /// SHA-256 of the captured bytes in hex; `None` if the report has none.
    pub sha256: Option<&'a str>,
    /// MD5 in hex; `None` unless requested.
    pub md5: Option<&'a str>,
    /// SHA-1 in hex; `None` unless requested.
    pub sha1: Option<&'a str>,
    /// Media type detected from the first bytes; `None` if not recognized.
    pub media_type: Option<&'a str>,
    /// The file after MODE, STRU and TYPE are decoded; `None` if the bytes are the file.
    pub decoded: Option<&'a Decoded>,
    /// Time of the first packet of the data connection.
    pub start: Timestamp,
    /// Time of the last packet of the data connection.
    pub end: Timestamp,
}

/// Location of settled content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Path below the extraction directory, with `/` between its parts; `None` if nothing was saved.
    pub saved_as: Option<String>,
}

/// Reason why content was not saved. The analysis continues without the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError(pub String);
