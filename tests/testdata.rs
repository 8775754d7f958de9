//! The captures in `testdata/captures` that a program makes are what that program makes.
//!
//! After a change to the generator, `WRITE_TESTDATA=1 cargo test testdata::` writes the file anew.

use std::path::Path;

#[test]
fn classic_capture_is_what_the_generator_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures/classic.pcap");
    let made = crate::support::classic::classic();
    if std::env::var_os("WRITE_TESTDATA").is_some() {
        std::fs::write(&path, &made).expect("testdata is writable");
    }
    let committed = std::fs::read(&path).expect("the capture is part of the project");
    assert!(
        committed == made,
        "classic.pcap differs from what the generator makes"
    );
}

#[test]
fn readme_of_the_classic_session_has_the_announced_size() {
    assert_eq!(crate::support::classic::readme().len(), 1715);
}
