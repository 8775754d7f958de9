//! Claims of servers' logs on a page: the column "Log" of sessions and steps, and the list of what disagrees.
//!
//! ```text
//! PageLogs ── write ──> "logs" of the JSON block ──> script/logs.js
//! ```

use serde_json::{Value, json};

use super::embed::visible;

/// Logs that were compared with the captures.
#[derive(Clone, Debug, Default)]
pub struct PageLogs {
    /// Each log with its lines and its clock, for people.
    pub files: Vec<String>,
    /// Counts of all outcomes, for people.
    pub totals: String,
    /// Claims, and events without a line.
    pub claims: Vec<PageClaim>,
}

/// A claim of a log, or an event that a log has no line for.
#[derive(Clone, Debug)]
pub struct PageClaim {
    /// Id of the session; `None` if nothing on the wire is like the claim.
    pub session: Option<u64>,
    /// Number of the step; `None` if the command was not captured.
    pub step: Option<u64>,
    /// `agrees`, `differs`, `log-only`, `wire-only` or `not-comparable`.
    pub outcome: &'static str,
    /// File and line; for an event without a line, the files that lack it.
    pub place: String,
    /// The line; for an event without a line, the event.
    pub text: String,
    /// Differences, or the reason why it cannot be compared.
    pub notes: Vec<String>,
}

impl PageClaim {
    /// Returns true if log and wire contradict each other.
    fn disagrees(&self) -> bool {
        !matches!(self.outcome, "agrees" | "not-comparable")
    }
}

/// Returns the logs for the JSON block; those claims that contradict the wire come first, and so within the limit.
pub(super) fn write(logs: &PageLogs) -> Value {
    let (worst, others): (Vec<_>, Vec<_>) = logs.claims.iter().partition(|one| one.disagrees());
    let shown = worst.into_iter().chain(others).take(MAX_CLAIMS);
    json!({
        "files": logs.files.iter().map(|one| visible(one)).collect::<Vec<_>>(),
        "totals": logs.totals,
        "claims": shown.map(claim).collect::<Value>(),
        "more": logs.claims.len().saturating_sub(MAX_CLAIMS),
    })
}

/// Returns a claim in the order that `script/logs.js` relies on.
fn claim(claim: &PageClaim) -> Value {
    json!([
        claim.session,
        claim.step,
        claim.outcome,
        visible(&claim.place),
        visible(&claim.text),
        claim
            .notes
            .iter()
            .map(|one| visible(one))
            .collect::<Vec<_>>(),
    ])
}

/// Limit of the claims on a page.
const MAX_CLAIMS: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(line: usize, outcome: &'static str) -> PageClaim {
        PageClaim {
            session: Some(1),
            step: Some(4),
            outcome,
            place: format!("xferlog:{line}"),
            text: "a line with \u{1b}[31m".to_owned(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn claims_that_disagree_are_kept_where_there_are_too_many() {
        let mut claims: Vec<_> = (1..=MAX_CLAIMS).map(|line| claim(line, "agrees")).collect();
        claims.push(claim(MAX_CLAIMS + 1, "differs"));
        let value = write(&PageLogs {
            claims,
            ..PageLogs::default()
        });
        let listed = value["claims"].as_array().expect("claims");
        assert_eq!(listed.len(), MAX_CLAIMS);
        assert_eq!(value["more"], 1);
        assert_eq!(listed[0][2], "differs");
        assert!(!value.to_string().contains("\\u001b"), "{}", listed[0]);
    }
}
