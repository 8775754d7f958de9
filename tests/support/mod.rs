//! Handmade traffic and other helpers of the tests.
//!
//! In: what a client and a server say. Out: the bytes of a classic pcap file, the same on every run.
//!
//! ```text
//! Conversation (FTP dialogue) -> Connection (TCP, both ends) -> Wire (frames with times) -> pcap bytes
//! ```
//!
//! [`classic`] has the textbook session, [`specimens`] one capture for each way in which other tools lose a file.

#[cfg(unix)]
pub(crate) mod browser;
pub(crate) mod classic;
pub(crate) mod connection;
pub(crate) mod containers;
pub(crate) mod conversation;
pub(crate) mod extraction;
pub(crate) mod folder;
pub(crate) mod frames;
pub(crate) mod outputs;
pub(crate) mod recording;
pub(crate) mod report;
pub(crate) mod specimens;
pub(crate) mod wire;
pub(crate) mod wrapping;

/// Fails unless a document is as a JSON schema says.
pub(crate) fn assert_fits(schema: serde_json::Value, document: &serde_json::Value) {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler
        .add_resource("answer.json", schema)
        .expect("a schema");
    let schema = compiler
        .compile("answer.json", &mut schemas)
        .expect("a schema");
    schemas
        .validate(document, schema)
        .expect("it is as the schema says");
}

/// Records that the test of this thread cannot run on this machine, for the summary at the end of `cargo test`.
///
/// With `FTPSCOPE_ALL_TESTS` set, as in `.ci/run`, the test fails: a green run must not hide what was never tried.
pub(crate) fn passed_over(reason: &str) {
    use std::io::Write as _;
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    assert!(
        std::env::var_os("FTPSCOPE_ALL_TESTS").is_none(),
        "{test} was passed over: {reason}"
    );
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("passed-over");
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path);
    // One write a line: tests run in parallel.
    let line = format!("{reason}\t{test}\n");
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .expect("a line");
}
