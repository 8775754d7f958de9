//! The README says what is so: its example is what the tool prints, its commands are those of `.ci/run`.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_examples_are_what_the_tool_prints() {
    for (arguments, columns) in [
        (&["analyze", "testdata/captures/classic.pcap"][..], "88"),
        (
            &[
                "diagram",
                "--detail",
                "steps",
                "testdata/captures/classic.pcap",
            ],
            "96",
        ),
        #[cfg(feature = "browse")]
        (
            &[
                "browse",
                "--render",
                "96x26",
                "--keys",
                "5/530<Enter>",
                "testdata/captures/failed-login.pcap",
            ],
            "96",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_ftpscope"))
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("COLUMNS", columns)
            .env("NO_COLOR", "1")
            .output()
            .expect("it runs");
        let printed = String::from_utf8(output.stdout).expect("it prints text");
        let heading = format!("$ ftpscope {}\n", arguments.join(" "));
        let readme = file("README.md");
        let (_, example) = readme.split_once(&heading).expect("the example's heading");
        let (example, _) = example.split_once("```").expect("the example's end");
        assert_eq!(example, printed);
    }
}

#[test]
fn the_two_commands_are_those_of_the_checks() {
    let readme = file("README.md");
    let commands = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with(".ci/prepare"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(commands(&readme).len(), 2);
    assert_eq!(commands(&readme), commands(&file(".ci/run")));
}

#[test]
fn the_expectation_file_can_be_read() {
    let readme = file("README.md");
    let (_, example) = readme.split_once("```toml\n").expect("an expectation file");
    let (example, _) = example.split_once("```").expect("its end");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme.toml");
    fs::write(&path, example).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_ftpscope"))
        .args(["check", "--expect"])
        .args([
            path.as_path(),
            Path::new("testdata/captures/passive-lftp.pcap"),
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), told.as_str()), (Some(1), ""));
}

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(path).expect("a text of the project")
}
