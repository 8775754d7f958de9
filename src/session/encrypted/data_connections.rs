//! The data connections of a session whose commands cannot be read.

use crate::model::record::EncryptedConnection;

/// The encrypted data connections of one session.
#[derive(Debug, Default)]
pub(crate) struct EncryptedData {
    /// How many are open.
    pub(crate) open: u64,
    pub(crate) told: Vec<EncryptedConnection>,
    pub(crate) omitted: u64,
}
