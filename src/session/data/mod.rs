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

pub(super) mod content;
pub(super) mod content_sink;
pub(super) mod data_channel;
pub(super) mod data_roles;
pub(super) mod decoding;
pub(super) mod early_data;
pub(super) mod early_roles;
pub(super) mod expectation;
pub(super) mod first_bytes;
pub(super) mod line_ends;
pub(super) mod link;
pub(super) mod shared_connection;
pub(super) mod unmatched;
