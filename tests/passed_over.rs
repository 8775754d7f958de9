//! Ends `cargo test` with the number of tests that could not run on this machine, and why.
//!
//! Not a test: it runs after the integration tests, whose `support::passed_over` writes the lines that it counts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn main() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("passed-over");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let _ = std::fs::remove_file(&path);
    let lines: BTreeSet<&str> = text.lines().collect();
    if lines.is_empty() {
        println!("\nno test was passed over\n");
        return;
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for line in &lines {
        let reason = line.split('\t').next().unwrap_or(line);
        *reasons.entry(reason).or_default() += 1;
    }
    let reasons: Vec<String> = reasons
        .iter()
        .map(|(reason, count)| format!("{count}: {reason}"))
        .collect();
    println!(
        "\n{} tests were passed over ({})\n",
        lines.len(),
        reasons.join("; ")
    );
}
