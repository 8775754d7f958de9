//! Every limit on memory, counts and time, with its default.

use super::Span;

/// Limits of one run. A store that reaches its limit emits a `limit-reached` warning and goes on without the rest.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes held out of order over all connections; beyond it the oldest hole becomes a gap.
    pub held_bytes: usize,
    /// Bytes held out of order in one direction of a connection whose other side is not captured.
    // No acknowledgment can close a hole there: without this limit one lost packet would hold the rest of the file.
    pub held_bytes_one_sided: usize,
    /// Bytes of delivered data kept for comparison with retransmissions, over all connections.
    pub history_bytes: usize,
    /// Connections tracked at once.
    pub flows: usize,
    /// Connections on other ports watched for an FTP greeting.
    pub candidates: usize,
    /// Bytes of one control line; a longer line is cut and marked.
    pub line_bytes: usize,
    /// Lines of one reply.
    pub reply_lines: usize,
    /// Commands kept per session.
    pub commands: usize,
    /// Transfers kept per session.
    pub transfers: usize,
    /// Unsolicited replies kept per session.
    pub unsolicited_replies: usize,
    /// Expectations: announced data end points without a connection so far.
    pub expectations: usize,
    /// Bytes of control lines, steps and transfers kept of all open sessions; beyond it long lines are cut, and steps
    /// and transfers are emitted as events but omitted from the whole session.
    pub record_bytes: usize,
    /// Bytes of one listing kept for parsing.
    pub listing_bytes: usize,
    /// Entries kept per listing.
    pub listing_entries: usize,
    /// Host names kept from DNS.
    pub names: usize,
    /// Data connections without a command kept for the report.
    pub unmatched_data: usize,
    /// Connection attempts kept for the report.
    pub connection_attempts: usize,
    /// Findings kept per session.
    pub findings: usize,
    /// Sessions kept for a report that is one document.
    pub sessions: usize,
    /// Segments kept for diagrams, of all open connections, and as many again of all closed ones.
    pub traced_segments: usize,
    /// Points over time kept of each connection; 0 for none.
    pub samples: usize,
    /// Idle time after which a control connection expires.
    // Two hours: an idle FTP session is kept open by its NAT for about as long (RFC 5382 section 5 asks for 2 h 4 min).
    pub control_idle: Span,
    /// Idle time after which a data connection or candidate expires.
    pub data_idle: Span,
    /// Bytes of IP fragments held for incomplete datagrams.
    pub fragment_bytes: usize,
    /// Time after which an incomplete datagram is dropped.
    // RFC 1122 section 3.3.2 allows 60 to 120 s; Linux drops after 30 s, and a capture shows what hosts do.
    pub fragment_age: Span,
    /// Time for which a closed connection is kept, so that late segments are attributed to it.
    pub linger: Span,
    /// Time after its final reply that a transfer waits for its data connection.
    pub settle: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            held_bytes: 256 << 20,
            held_bytes_one_sided: 1 << 20,
            history_bytes: 16 << 20,
            flows: 200_000,
            candidates: 20_000,
            // RFC 959 sets no limit; 65,535 is above the longest path of any file system.
            line_bytes: 65_535,
            reply_lines: 10_000,
            commands: 200_000,
            transfers: 100_000,
            unsolicited_replies: 1_000,
            expectations: 100_000,
            record_bytes: 64 << 20,
            listing_bytes: 8 << 20,
            listing_entries: 100_000,
            names: 50_000,
            unmatched_data: 10_000,
            connection_attempts: 10_000,
            findings: 1_000,
            sessions: 1_000_000,
            traced_segments: 1_000_000,
            samples: 0,
            control_idle: Span::from_secs(2 * 3600),
            data_idle: Span::from_secs(3600),
            fragment_bytes: 4 << 20,
            fragment_age: Span::from_secs(30),
            linger: Span::from_secs(60),
            settle: Span::from_secs(2),
        }
    }
}
