//! One line of the NDJSON output as a value: the schema is made of it, and written lines are read back into it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::model::record::{
    Address, Capture, ConnectionAttempt, Finding, Server, Session, Step, Totals, Transfer,
    UnmatchedData, WarningRecord,
};

/// One event as a JSON object.
///
/// Lines are written by [`EventLines`](super::EventLines), which borrows its events; this type owns them and is for
/// programs that read lines:
///
/// ```
/// use ftpscope::report::EventLine;
///
/// let line = r#"{"type":"transfer_progress","time":null,"session":1,"transfer":2,"bytes":512,"throughput":null}"#;
/// let EventLine::TransferProgress { bytes, .. } = serde_json::from_str(line)? else {
///     panic!("another event");
/// };
/// assert_eq!(bytes, 512);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(
    description = "One line. `time` is that of the packet that completed the event, `null` where no packet did."
)]
#[non_exhaustive]
pub enum EventLine {
    /// Start of an input; its counts are `null` until `totals`.
    Capture {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// The input.
        capture: Capture,
        /// Interface that packets are captured from; omitted for files and pipes.
        #[serde(skip_serializing_if = "Option::is_none")]
        interface: Option<String>,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// A connection recognized as an FTP control connection.
    SessionStart {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// Id of the session.
        session: u64,
        /// Client end of the control connection.
        client: Address,
        /// Server end of the control connection.
        server: Server,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// A completed step.
    Step {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// Id of the session.
        session: u64,
        /// The step.
        step: Step,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// A transfer whose completeness has been decided.
    Transfer {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// Id of the session.
        session: u64,
        /// The transfer.
        transfer: Transfer,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// A running transfer; emitted repeatedly, by `live` only.
    TransferProgress {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// Id of the session.
        session: u64,
        /// Id of the transfer within the session.
        transfer: u64,
        /// Payload bytes so far.
        bytes: u64,
        /// Bytes per second so far; `null` before two packets at different times.
        throughput: Option<f64>,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// A finding about one session, several sessions or the capture.
    Finding {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// Id of the session; omitted if the event concerns none or several.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<u64>,
        /// The finding.
        finding: Finding,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// End of a session, with the whole session.
    SessionEnd {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// Id of the session.
        session: u64,
        /// The session as in the JSON report.
        report: Session,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// A data connection without a transfer command in the capture.
    UnmatchedData {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// Id of the session; omitted if the event concerns none or several.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<u64>,
        /// The connection and its content.
        unmatched_data: UnmatchedData,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// A connection to port 21 that never carried a byte.
    ConnectionAttempt {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// The attempt.
        connection_attempt: ConnectionAttempt,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// A problem with the input, or a limit that was reached.
    Warning {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// Id of the session; omitted if the event concerns none or several.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<u64>,
        /// The warning.
        warning: WarningRecord,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
    /// Last line: the counts of the run and of each input.
    Totals {
        /// Time of the packet that completed the event; `null` if no packet did.
        time: Option<Timestamp>,
        /// Counts over the whole run.
        totals: Totals,
        /// The inputs, now with their counts.
        captures: Vec<Capture>,
        /// True if an expression of `--alert` holds for the event; omitted otherwise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alert: bool,
    },
}
