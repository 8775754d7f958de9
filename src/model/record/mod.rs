//! Records: the facts of a capture under the field names of the JSON report.
//!
//! ```text
//! Session ── steps:     Step ── commands: Command ── replies: Reply
//!         ├─ transfers: Transfer ── connection: Connection, entries: ListingEntry
//!         ├─ findings:  Finding
//!         └─ dns, greeting, login, tls, verdict
//! outside of sessions:  Capture, ConnectionAttempt, UnmatchedData, WarningRecord, Totals
//! ```
//!
//! A fact that is not known is `None` and serialized as `null`, never guessed. Fields that end in `_b64` hold the exact
//! bytes of a text that is not UTF-8. These, the `_omitted` counts and the `capture` fields are omitted from JSON if
//! they have nothing to say, so that most records stay short.
//!
//! Every record implements `Deserialize`: a report that is read and written again is the same, byte for byte.

mod capture;
mod finding;
mod session;
mod step;
mod transfer;
mod weight;

pub use super::endpoint::Address;
pub use super::frame::Place;
pub use capture::{
    Accounting, AttemptOutcome, Capture, ConnectionAttempt, Drops, Totals, UnmatchedData,
    WarningRecord,
};
pub use finding::{Finding, Severity, Verdict, VerdictStatus};
pub use session::{
    Dns, EncryptedConnection, EndState, Index, Login, LoginOutcome, Numbered, Server, Session,
    Timing, Tls,
};
pub use step::{Command, Outcome, Reply, Step, StepKind};
pub use transfer::{
    Close, Completeness, Connection, DataType, Decoded, EntryKind, Link, LinkMethod, ListingEntry,
    Mode, Opener, Precision, Structure, Transfer, TransferDirection, TransferMode,
};
pub use weight::Weight;

/// Returns true for a count that JSON omits.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes fields by reference"
)]
pub(crate) fn is_zero(count: &u64) -> bool {
    *count == 0
}
