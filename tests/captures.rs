//! Every capture in `testdata/captures` and the report on it, to the last field.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn reports_of_the_committed_captures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .expect("the captures are part of the project")
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("a plain name"))
        .collect();
    names.sort();
    for name in names {
        let output = Command::new(env!("CARGO_BIN_EXE_ftpscope"))
            .args(["analyze", "--format", "json", &name])
            .current_dir(&folder)
            .output()
            .expect("the tool runs");
        assert!(output.status.success(), "{name}");
        let report = String::from_utf8(output.stdout).expect("JSON is UTF-8");
        insta::assert_snapshot!(name, report);
    }
}
