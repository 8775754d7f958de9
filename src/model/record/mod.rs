//! What was found, in the field names of the JSON report.
//!
//! ```text
//! Session ── steps:     Step ── commands: Command ── replies: Reply
//!         ├─ transfers: Transfer ── connection: Connection, entries: ListingEntry
//!         ├─ findings:  Finding
//!         └─ dns, greeting, login, tls, verdict
//! beside sessions:      Capture, ConnectionAttempt, UnmatchedData
//! ```
//!
//! Absent knowledge is `None` and written as `null`, never a guess. Fields that end in `_b64` hold the exact bytes of
//! a text that is not UTF-8; they, the `_omitted` counts and the `capture` fields are left out where they say nothing.

mod accounting;
mod capture;
mod finding;
mod place;
mod session;
mod step;
mod transfer;
mod weight;

pub use accounting::Accounting;
pub use capture::{
    AttemptOutcome, Capture, ConnectionAttempt, Drops, Totals, UnmatchedData, WarningRecord,
};
pub use finding::{Finding, Severity, Verdict, VerdictStatus};
pub use place::{Address, Place};
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

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields over by reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
