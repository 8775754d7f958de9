//! The data connections of a session whose commands cannot be read.

use crate::model::record::EncryptedConnection;

/// The encrypted data connections of one session.
#[derive(Debug, Default)]
pub(in crate::session) struct EncryptedData {
    /// How many are open.
    pub(in crate::session) open: u64,
    pub(in crate::session) told: Vec<EncryptedConnection>,
    pub(in crate::session) omitted: u64,
}
