//! Data connections: their bytes, and whom they belong to.
//!
//! In: bytes of connections that are no control connections. Out: digests and contents for transfers.
//!
//! ```text
//! data_roles ──> expectation, link ──> data_channel ──> content ──> decoding, line_ends ──> content_sink
//!     │                 │                       └─ first_bytes   what tells the type
//!     │                 └─ shared_connection   several files on one
//!     ├─ early_data, early_roles               data before its announcement
//!     └─ unmatched                             data that nobody asked for
//! ```

pub(crate) mod content;
pub(crate) mod content_sink;
pub(crate) mod data_channel;
pub(crate) mod data_channels;
pub(crate) mod decoding;
pub(crate) mod encrypted_stream;
pub(crate) mod first_bytes;
pub(crate) mod line_ends;
pub(crate) mod listing_text;
pub(crate) mod payload;
pub(crate) mod shared_connection;
pub(crate) mod unmatched;
