//! `ftpscope check --baseline`: what to compare with, a report as JSON or a capture that is read now.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use super::args_check::CheckArguments;
use super::args_input::InputArguments;
use super::error_text::{self, Failure};
use super::reading::Reading;
use crate::report::SCHEMA_VERSION;

/// The baseline by its name, and its report.
pub(super) fn read_baseline(
    path: &Path,
    arguments: &CheckArguments,
) -> Result<(String, Value), Failure> {
    let name = path.display().to_string();
    if let Some(report) = report_at(path)? {
        return Ok((name, report));
    }
    let input = InputArguments {
        captures: vec![path.to_owned()],
        // It was recorded at another time.
        since: None,
        until: None,
        follow: false,
        ..arguments.input.clone()
    };
    let reading = Reading::open(&input, &arguments.selection, &arguments.presentation)?;
    let (report, outcome) = reading.report()?;
    if outcome.failures > 0 {
        return Err(Failure::Unreadable);
    }
    Ok((name, serde_json::to_value(&report).unwrap_or_default()))
}

/// The report in a file that begins like JSON; `None` for anything else.
fn report_at(path: &Path) -> Result<Option<Value>, Failure> {
    let is_file = fs::metadata(path).is_ok_and(|found| found.is_file());
    let mut first = [0; 1];
    let begins = fs::File::open(path).and_then(|mut file| file.read(&mut first));
    if !is_file || !begins.is_ok_and(|read| read == 1) || first != *b"{" {
        return Ok(None);
    }
    let refused = |cause: &str| {
        let path = path.display();
        let hint = "write it with ftpscope analyze --format json";
        Failure::Refused(format!("cannot use {path} as a baseline: {cause}; {hint}"))
    };
    let text = fs::read(path).map_err(|cause| refused(&error_text::system_words(&cause)))?;
    let report: Value =
        serde_json::from_slice(&text).map_err(|cause| refused(&cause.to_string()))?;
    let version = report.get("schema_version");
    let is_ours = version.is_some_and(|version| version == SCHEMA_VERSION);
    if !is_ours || !report.get("sessions").is_some_and(Value::is_array) {
        return Err(refused("it is no report of this version"));
    }
    Ok(Some(report))
}
