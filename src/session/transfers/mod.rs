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

pub(crate) mod completeness;
pub(crate) mod facts;
pub(crate) mod file_evidence;
pub(crate) mod listings;
pub(crate) mod settle;
pub(crate) mod stated_sizes;
pub(crate) mod transfer;
pub(crate) mod transfer_record;
pub(crate) mod transfer_state;
