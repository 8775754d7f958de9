//! Data connections: the files and listings that they carry.
//!
//! In: ordered bytes of data connections, and the purpose that a transfer command gives them. Out: digests, media
//! types, listing texts and saved files for transfers; a report of data that no command used.
//!
//! ```text
//! data_channels ─> data_channel ─┬─ binding           negotiation, or session that may own the connection
//!                                ├─ shared_connection  position of one of several files in the stream
//!                                ├─ encrypted_stream   TLS seen from outside, if commands cannot be read
//!                                └─ payload ─> content  ─┬─ file_type, line_ends, listing_text, digest_pool
//!                                      │                 └─> content_sink: saved bytes, shared budgets
//!                                      └─────> decoding ─> content of the decoded file
//! unmatched   data connections that no command used
//! ```
//!
//! Memory is bounded per content and for all contents together: first bytes by 4 MiB, listing texts by 32 MiB, decoders
//! by number.

pub(crate) mod content;
pub(crate) mod content_sink;
pub(crate) mod data_channel;
pub(crate) mod data_channels;
pub(crate) mod decoding;
pub(crate) mod digest_pool;
pub(crate) mod encrypted_stream;
pub(crate) mod file_type;
pub(crate) mod line_ends;
pub(crate) mod listing_text;
pub(crate) mod payload;
pub(crate) mod shared_connection;
pub(crate) mod tls_data;
pub(crate) mod unmatched;
