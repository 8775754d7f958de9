//! The whole pipeline in this process: captures in memory go in, the report as JSON comes out.

use std::io::Cursor;
use std::path::PathBuf;

use ftpscope::capture::{CaptureSet, ReadOptions};
use ftpscope::extract::Extractor;
use ftpscope::pipeline::{Options, analyze};
use ftpscope::report::{ReportBuilder, json};
use serde_json::Value;

use super::extraction::{Extraction, assert_lists_are_right};

/// The report on one capture.
pub(crate) fn report(capture: Vec<u8>) -> Value {
    report_on(vec![capture], ReadOptions::default())
}

/// The report on several captures, which are called `0`, `1` and so on.
pub(crate) fn report_on(captures: Vec<Vec<u8>>, read: ReadOptions) -> Value {
    let inputs = captures
        .into_iter()
        .enumerate()
        .map(|(index, bytes)| {
            let reader: Box<dyn std::io::Read + Send> = Box::new(Cursor::new(bytes));
            (PathBuf::from(format!("{index:04}")), reader)
        })
        .collect();
    let options = Options::default();
    let mut builder = ReportBuilder::new(&options.limits);
    let mut source = CaptureSet::from_readers(inputs, read);
    // The files of each capture that a test builds are verified, whatever the test is about.
    let extraction = Extraction::new();
    let mut extractor = Extractor::create(extraction.path()).expect("a folder");
    let summary = analyze(&mut source, &options, &mut builder, &mut extractor);
    assert!(summary.failures.is_empty(), "{:?}", summary.failures);
    extractor.finish().expect("the lists are written");
    assert_lists_are_right(extraction.path());
    let report = builder.finish(summary.captures, summary.totals);
    let mut bytes = Vec::new();
    json::write_report(&report, &mut bytes).expect("memory takes it");
    serde_json::from_slice(&bytes).expect("reports are JSON")
}

/// Of each transfer of each session, what does not depend on how the packets were wrapped, cut into files or numbered.
pub(crate) fn transfers(report: &Value) -> Vec<Value> {
    let sessions = report["sessions"].as_array().expect("a list");
    let transfers = sessions.iter().flat_map(|session| {
        let transfers = session["transfers"].as_array().expect("a list");
        transfers.iter().map(|transfer| {
            let kept = [
                "verb",
                "path",
                "direction",
                "mode",
                "bytes",
                "missing_bytes",
                "completeness",
                "sha256",
                "media_type",
                "entries",
            ];
            let fields = kept.map(|name| (name.to_owned(), transfer[name].clone()));
            Value::Object(fields.into_iter().collect())
        })
    });
    transfers.collect()
}
