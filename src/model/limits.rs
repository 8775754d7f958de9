//! Every bound on memory, counts and time, with its default.

use super::Span;

/// The bounds of one run. A store that reaches its bound says so with a `limit-reached` warning.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes held out of order over all connections; beyond it the oldest hole becomes a gap.
    pub held_bytes: usize,
    /// Bytes held out of order in one direction of one connection, when the other side is not seen.
    pub held_bytes_one_sided: usize,
    /// Bytes of recently delivered data kept for comparing retransmissions, over all connections.
    pub history_bytes: usize,
    /// Connections tracked at once.
    pub flows: usize,
    /// Connections that may become FTP and are watched for it.
    pub candidates: usize,
    /// Bytes of one control line; the rest of a longer line is dropped and the line marked.
    pub line_bytes: usize,
    /// Lines of one reply.
    pub reply_lines: usize,
    /// Commands kept of one session.
    pub commands: usize,
    /// Transfers kept of one session.
    pub transfers: usize,
    /// Replies without a command kept of one session.
    pub unsolicited_replies: usize,
    /// Announced data end points waiting for their connection.
    pub expectations: usize,
    /// Bytes of control lines, steps and transfers kept of all open sessions; beyond it long lines are cut, and steps and
    /// transfers told but left out of the whole session.
    pub record_bytes: usize,
    /// Bytes of a listing kept for parsing its entries.
    pub listing_bytes: usize,
    /// Entries kept of one listing.
    pub listing_entries: usize,
    /// Names remembered from DNS.
    pub names: usize,
    /// Data connections without a command kept for the report.
    pub unmatched_data: usize,
    /// Connection attempts kept for the report.
    pub connection_attempts: usize,
    /// Findings kept of one session.
    pub findings: usize,
    /// Sessions kept for a report that is one document.
    pub sessions: usize,
    /// Segments kept for diagrams, of all connections that are open, and again of those that are over.
    pub traced_segments: usize,
    /// A control connection without a packet for this long has ended.
    pub control_idle: Span,
    /// A data connection or candidate without a packet for this long has ended.
    pub data_idle: Span,
    /// Bytes of IP fragments held until their datagrams are whole.
    pub fragment_bytes: usize,
    /// A datagram that lacks fragments for this long is dropped.
    pub fragment_age: Span,
    /// How long a closed connection is remembered, so that late segments find it.
    pub linger: Span,
    /// How long after its final reply a transfer waits for its data connection.
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
            control_idle: Span::from_secs(2 * 3600),
            data_idle: Span::from_secs(3600),
            fragment_bytes: 4 << 20,
            fragment_age: Span::from_secs(30),
            linger: Span::from_secs(60),
            settle: Span::from_secs(2),
        }
    }
}
