//! The answer as CSV: a row for each claim, then one for each event without a line.

use std::io::{self, Write};

use super::{Answer, Difference};
use crate::model::wire_text::printable;
use crate::reconcile::findings::shown;

/// Writes the answer.
pub fn write(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = ::csv::Writer::from_writer(out);
    rows.write_record(COLUMNS)?;
    let path_of = |log: u32| {
        let log = answer.logs.get(log as usize);
        log.map_or(String::new(), |log| log.path.clone())
    };
    let number = |number: Option<u64>| number.map_or(String::new(), |number| number.to_string());
    for claim in &answer.claims {
        let time = claim.time.map(|time| time.to_string());
        rows.write_record([
            claim.outcome.name().to_owned(),
            claim.kind.to_owned(),
            cell(&path_of(claim.log)),
            claim.line.to_string(),
            time.unwrap_or_default(),
            cell(claim.client.as_deref().unwrap_or_default()),
            cell(claim.user.as_deref().unwrap_or_default()),
            cell(claim.path.as_deref().unwrap_or_default()),
            claim.direction.unwrap_or_default().to_owned(),
            number(claim.bytes),
            claim.status.unwrap_or_default().to_owned(),
            number(claim.session),
            claim.session_uid.as_deref().unwrap_or_default().to_owned(),
            number(claim.transfer),
            cell(&differences(&claim.differences)),
            claim.reason.unwrap_or_default().to_owned(),
            cell(&claim.text),
        ])?;
    }
    for event in &answer.wire_only {
        let logs: Vec<String> = event.logs.iter().map(|&log| path_of(log)).collect();
        rows.write_record([
            "wire-only".to_owned(),
            event.kind.to_owned(),
            cell(&logs.join(" ")),
            String::new(),
            event.time.to_string(),
            event.client.clone(),
            cell(event.user.as_deref().unwrap_or_default()),
            cell(event.path.as_deref().unwrap_or_default()),
            event.direction.unwrap_or_default().to_owned(),
            number(event.bytes),
            String::new(),
            event.session.to_string(),
            event.session_uid.to_string(),
            number(event.transfer),
            String::new(),
            event.why.to_owned(),
            String::new(),
        ])?;
    }
    rows.flush()
}

fn differences(differences: &[Difference]) -> String {
    let texts: Vec<String> = differences
        .iter()
        .map(|one| format!("{}: {} / {}", one.field, shown(&one.log), shown(&one.wire)))
        .collect();
    texts.join("; ")
}

/// Returns a text as a cell that no spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    let text = printable(text);
    if text.starts_with(['=', '+', '-', '@', '\t']) {
        return format!("'{text}");
    }
    text.into_owned()
}

const COLUMNS: [&str; 17] = [
    "outcome",
    "kind",
    "log",
    "line",
    "time",
    "client",
    "user",
    "path",
    "direction",
    "bytes",
    "status",
    "session",
    "session_uid",
    "transfer",
    "differences",
    "reason",
    "text",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_neither_formula_nor_escape() {
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("a\x1b[0m"), "a\\x1b[0m");
    }
}
