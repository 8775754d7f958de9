//! What was moved: from the command to the verdict on each file and listing.
//!
//! In: transfer commands, their replies, and the data connection that belongs to them. Out: transfers as reports tell them.
//!
//! ```text
//! negotiation, command ──> transfer ──> settle ──> transfer_record
//!                                         ├─ facts ──> completeness                    whole or not, and on what evidence
//!                                         ├─ listings, listing_text                    entries of LIST, NLST, MLSD
//!                                         └─ known_sizes, stated_sizes, file_evidence  what else is said of the same file
//! ```

pub(super) mod completeness;
pub(super) mod facts;
pub(super) mod file_evidence;
pub(super) mod known_sizes;
pub(super) mod listing_text;
pub(super) mod listings;
pub(super) mod settle;
pub(super) mod stated_sizes;
pub(super) mod transfer;
pub(super) mod transfer_record;
pub(super) mod transfer_state;
