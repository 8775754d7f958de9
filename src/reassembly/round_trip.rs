//! When the dialogue itself shows that bytes will not come.
//!
//! ```text
//! sender   --- A (not captured) ------------------ C acknowledges B --->
//! receiver ------------------- B acknowledges A ------------------------
//! ```
//!
//! B shows that A was sent and arrived; C, that its sender had B when it sent C, so a round trip after A. The packets of one
//! direction pass the place of capture in the order in which they were sent, but for what overtakes on the way, and nothing is
//! overtaken by a round trip. So A is missing in the capture, however little time has passed: in a dialogue no later packet
//! needs to wait for it.

/// The round trip that is being watched, of one stream with a hole.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundTrip {
    /// Where the receiver was in this stream, and the end of its own when it said so.
    answer: Option<(u64, u64)>,
}

impl RoundTrip {
    /// The receiver acknowledged up to `position`, beyond what was seen, with new bytes of its own that end at `end`.
    pub(super) const fn answered(&mut self, position: u64, end: u64) {
        if self.answer.is_none() {
            self.answer = Some((position, end));
        }
    }

    /// The sender has acknowledged the other stream up to `acked`, and all before `next` of this one is known. Returns the
    /// position before which nothing will come any more, or 0.
    pub(super) fn decided(&mut self, next: u64, acked: u64) -> u64 {
        self.answer.take_if(|(position, _)| *position <= next);
        self.answer
            .filter(|(_, end)| acked >= *end)
            .map_or(0, |(position, _)| position)
    }
}
