//! Every capture in `testdata/captures` and the report on it, to the last field.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ftpscope::report::{EventLine, Report, json};

#[test]
fn reports_of_the_committed_captures() {
    for name in captures() {
        let report = analyze(&name, "json");
        insta::assert_snapshot!(name, report);
    }
}

#[test]
fn report_read_back_into_types_is_written_byte_for_byte() {
    for name in captures() {
        let text = analyze(&name, "json");
        let report: Report =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut again = Vec::new();
        json::write_report(&report, &mut again).expect("memory takes it");
        assert!(again == text.as_bytes(), "{name}");
    }
}

#[test]
fn event_lines_read_back_into_types_are_written_byte_for_byte() {
    for name in captures() {
        for line in analyze(&name, "ndjson").lines() {
            let event: EventLine =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut again = Vec::new();
            json::write_line(&event, &mut again).expect("memory takes it");
            assert_eq!(
                String::from_utf8_lossy(&again),
                format!("{line}\n"),
                "{name}"
            );
        }
    }
}

/// Names of the committed captures, sorted.
fn captures() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .expect("the captures are part of the project")
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("a plain name"))
        .collect();
    names.sort();
    names
}

/// Output of `ftpscope analyze` for one capture.
fn analyze(name: &str, format: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ftpscope"))
        .args(["analyze", "--format", format, name])
        .current_dir(folder())
        .output()
        .expect("the tool runs");
    assert!(output.status.success(), "{name}");
    String::from_utf8(output.stdout).expect("JSON is UTF-8")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures")
}
