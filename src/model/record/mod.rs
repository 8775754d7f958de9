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
//!
//! [`Weight`] estimates the memory of a record, so that the records of open sessions stay within their limit.

mod capture;
mod session;
mod step;
mod transfer;

use std::mem::size_of;

use compact_str::CompactString;

pub use super::endpoint::Address;
pub use super::frame::{CaptureFrame, NamedFrame, Place};
pub use capture::{
    Accounting, AttemptOutcome, Capture, ConnectionAttempt, Drops, Totals, UnmatchedData,
    WarningRecord,
};
pub use session::{
    CloseNotify, DisplayFilter, Dns, EncryptedConnection, EncryptedContent, EndState, Finding,
    Index, Login, LoginOutcome, Numbered, Server, Session, Severity, Timing, Tls, TlsAlert,
    TlsAlertLevel, TlsObstacle, TlsObstacles, TlsResumption, TlsSecret, Verdict, VerdictStatus,
};
pub use step::{Command, Outcome, Reply, Step, StepKind};
pub use transfer::{
    CaptureSpan, Close, Completeness, Connection, ConnectionSamples, Copies, DataType, Decoded,
    EntryKind, Link, LinkMethod, ListingEntry, Mode, Opener, Precision, SamplePoint, Structure,
    Transfer, TransferDirection, TransferMode,
};

/// Returns true for a count that JSON omits.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes fields by reference"
)]
pub(crate) fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Size estimate of a value with all that it owns.
pub trait Weight {
    /// Estimates the bytes of memory: those of the value itself, and its heap allocations with their overhead.
    fn weight(&self) -> usize;
}

impl Weight for Session {
    /// Counts steps and transfers, of which there may be any number.
    fn weight(&self) -> usize {
        let steps = self.steps.iter().map(|step| step.weight());
        let transfers = self.transfers.iter().map(|transfer| transfer.weight());
        size_of::<Self>() + steps.sum::<usize>() + transfers.sum::<usize>()
    }
}

impl Weight for Step {
    fn weight(&self) -> usize {
        size_of::<Self>()
            + string(&self.title)
            + option(self.directory.as_ref())
            + option(self.directory_b64.as_ref())
            + list(&self.commands)
    }
}

impl Weight for Command {
    fn weight(&self) -> usize {
        size_of::<Self>()
            + string(&self.verb)
            + option(self.verb_b64.as_ref())
            + option(self.argument.as_ref())
            + option(self.argument_b64.as_ref())
            + list(&self.replies)
    }
}

impl Weight for Reply {
    fn weight(&self) -> usize {
        size_of::<Self>()
            + strings(&self.lines)
            + self.lines_b64.as_ref().map_or(0, strings)
            + list(&self.preliminary)
    }
}

impl Weight for Transfer {
    fn weight(&self) -> usize {
        let options = [
            &self.argument,
            &self.argument_b64,
            &self.path,
            &self.path_b64,
            &self.name,
            &self.name_b64,
            &self.sha256,
            &self.md5,
            &self.sha1,
            &self.media_type,
            &self.saved_as,
        ];
        let connection = self.connection.as_ref();
        size_of::<Self>()
            + string(&self.verb)
            + options
                .map(|one| option(one.as_ref()))
                .iter()
                .sum::<usize>()
            + connection.map_or(0, |connection| {
                string(&connection.community_id)
                    + short_string(&connection.tcp_history)
                    + connection.captures.capacity() * size_of::<CaptureSpan>()
                    + connection.samples.as_ref().map_or(0, |samples| {
                        samples.points.capacity() * size_of::<SamplePoint>()
                    })
            })
            + self.missing_ranges.capacity() * size_of::<[u64; 2]>()
            + strings(&self.evidence)
            + list(&self.entries)
    }
}

impl Weight for ListingEntry {
    fn weight(&self) -> usize {
        let options = [
            &self.modified,
            &self.permissions,
            &self.owner,
            &self.group,
            &self.target,
        ];
        size_of::<Self>()
            + short_string(&self.name)
            + string(&self.raw)
            + option(self.name_b64.as_ref())
            + options
                .iter()
                .filter_map(|one| one.as_ref().map(short_string))
                .sum::<usize>()
    }
}

fn list<T: Weight>(values: &Vec<T>) -> usize {
    // The values count themselves with their inline size; only the spare capacity is left.
    let unused = values.capacity().saturating_sub(values.len());
    heap(unused.saturating_mul(size_of::<T>())) + values.iter().map(T::weight).sum::<usize>()
}

// Capacities and not lengths count: a line that was cut keeps the memory of its first bytes.
fn strings(values: &Vec<String>) -> usize {
    let list = heap(values.capacity().saturating_mul(size_of::<String>()));
    list + values.iter().map(string).sum::<usize>()
}

fn option(value: Option<&String>) -> usize {
    value.map_or(0, string)
}

fn string(value: &String) -> usize {
    heap(value.capacity())
}

fn short_string(value: &CompactString) -> usize {
    if value.is_heap_allocated() {
        heap(value.capacity())
    } else {
        0
    }
}

fn heap(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { bytes + ALLOCATOR }
}

/// Estimated overhead of an allocation in bytes: bookkeeping, and rounding up to a size class.
const ALLOCATOR: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::example_session;

    #[test]
    fn heap_memory_of_a_record_counts_into_its_weight() {
        let session = example_session();
        let mut step = Step::clone(&session.steps[0]);
        let before = step.weight();
        assert!(before >= size_of::<Step>());
        step.title.push_str(&"x".repeat(10_000));
        assert!(step.weight() >= before + 10_000);
        let mut listing = Transfer::clone(&session.transfers[0]);
        let before = listing.weight();
        let entry = listing.entries[0].clone();
        let one = entry.weight();
        listing.entries.push(entry);
        assert!(listing.weight() >= before + one);
    }
}
