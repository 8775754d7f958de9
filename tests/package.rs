//! Packaging: the texts that packages are made of, and the steps of the action. The artefacts themselves are tested by
//! `.ci/release`, which builds them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use regex::Regex;

use crate::support::folder::Folder;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ftpscope");

#[test]
fn version_with_v_lists_features_commit_libpcap_and_target() {
    let has_libpcap =
        Regex::new(r"(?m)^libpcap   \d+\.\d+.*, linked (dynamic|static)ally$").expect("a pattern");
    for arguments in [["--version", "-v"], ["-V", "--verbose"]] {
        let output = Command::new(PROGRAM)
            .args(arguments)
            .output()
            .expect("it runs");
        let text = String::from_utf8(output.stdout).expect("text");
        let (first, rest) = text.split_once('\n').expect("lines");
        assert_eq!(first, concat!("ftpscope ", env!("CARGO_PKG_VERSION")));
        let words: Vec<&str> = rest
            .lines()
            .filter_map(|line| line.split("  ").next())
            .collect();
        assert_eq!(words, ["commit", "features", "libpcap", "target"], "{text}");
        assert!(rest.contains("cli"), "{text}");
        assert_eq!(has_libpcap.is_match(rest), cfg!(feature = "live"), "{text}");
    }
}

#[test]
fn manual_pages_are_written_for_the_program_and_each_command() {
    let folder = Folder::new("manual-pages");
    let directory = folder.path().join("man");
    let status = Command::new(PROGRAM)
        .args(["man", "--directory"])
        .arg(&directory)
        .status();
    assert!(status.expect("it runs").success());
    let help = Command::new(PROGRAM).arg("help").output().expect("it runs");
    let help = String::from_utf8(help.stdout).expect("text");
    let (_, commands) = help.split_once("Commands:\n").expect("a list of commands");
    let (commands, _) = commands.split_once("\n\n").expect("its end");
    let mut expected: BTreeSet<String> = commands
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(|name| format!("ftpscope-{name}.1"))
        .collect();
    expected.insert("ftpscope.1".to_owned());
    let entries = fs::read_dir(&directory).expect("a directory");
    let written: BTreeSet<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("text")
        })
        .collect();
    assert_eq!(written, expected);
    let page = fs::read_to_string(directory.join("ftpscope-analyze.1")).expect("a page");
    for part in [
        ".TH ftpscope-analyze 1",
        "ftpscope\\-analyze \\- ",
        ".SH \"EXIT STATUS\"",
    ] {
        assert!(page.contains(part), "no {part:?} in {page}");
    }
}

#[test]
fn portable_completions_have_no_zones_and_interfaces_of_this_machine() {
    for (arguments, has_zones) in [(&["bash"][..], true), (&["--portable", "bash"], false)] {
        let output = Command::new(PROGRAM)
            .arg("completions")
            .args(arguments)
            .output();
        let text = String::from_utf8(output.expect("it runs").stdout).expect("text");
        assert!(text.contains("no-cleartext-login"), "no rules in {text}");
        assert_eq!(text.contains("UTC local"), has_zones, "{arguments:?}");
    }
}

#[test]
fn the_change_log_begins_with_the_version_of_the_manifest() {
    let guide = file("src/guide.rs");
    let newest = guide.lines().find_map(|line| {
        line.strip_prefix("/// # ")
            .filter(|head| head.starts_with(char::is_numeric))
    });
    assert_eq!(newest, Some(env!("CARGO_PKG_VERSION")));
}

#[test]
fn scripts_of_packaging_and_action_have_no_mistakes_in_their_syntax() {
    let mut checked = 0;
    for path in files_below(&root().join(".ci")) {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let first = text.lines().next().unwrap_or_default();
        let is_fragment = path.starts_with(root().join(".ci/package/tests"));
        let output = if is_fragment
            || first.contains("bash")
            || first.ends_with("/sh")
            || path.extension().is_some_and(|end| end == "sh")
        {
            Command::new("bash").arg("-n").arg(&path).output()
        } else if first.contains("python3") {
            let compile = "import sys; compile(open(sys.argv[1], encoding='utf-8').read(), sys.argv[1], 'exec')";
            Command::new("python3")
                .args(["-c", compile])
                .arg(&path)
                .output()
        } else {
            continue;
        };
        if let Ok(output) = output {
            assert!(output.status.success(), "{}", said(&output));
            checked += 1;
        }
    }
    assert!(checked > 10, "{checked} scripts");
}

#[test]
fn the_unit_of_the_service_calls_live_with_options_it_has() {
    let unit = file(".ci/package/deb/ftpscope@.service");
    let call = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/usr/bin/ftpscope "));
    let words = call.expect("a call of the program").split_whitespace();
    let words = words.filter(|word| cfg!(feature = "live") || !matches!(*word, "-i" | "%I"));
    let output = Command::new(PROGRAM)
        .args(words.filter(|word| !word.starts_with('$')))
        .arg("--help")
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn the_action_calls_the_steps_of_its_script_in_their_order() {
    let action = file(".ci/action/action.yml");
    let script = file(".ci/action/steps");
    let called: Vec<&str> = action
        .lines()
        .filter_map(|line| line.split_once("/steps\" ")?.1.strip_suffix('\''))
        .collect();
    assert_eq!(called, ["install", "build", "run", "check"]);
    for step in called {
        assert!(script.contains(&format!("\n{step})\n")), "no step {step}");
    }
}

/// The steps as the action runs them, with the program of this build in place of a release.
#[cfg(feature = "live")]
#[test]
fn the_action_captures_a_test_and_checks_what_it_did() {
    let can_isolate = Command::new("unshare")
        .args(["--net", "ip", "link", "set", "lo", "up"])
        .output();
    if !can_isolate.is_ok_and(|output| output.status.success()) {
        crate::support::passed_over("the steps of .ci/action need network namespaces");
        return;
    }
    let folder = Folder::new("action");
    let work = folder.path();
    fs::create_dir_all(work.join("ftpscope")).expect("a directory");
    std::os::unix::fs::symlink(PROGRAM, work.join("ftpscope/ftpscope")).expect("a link");
    let step = |name: &str, variables: &[(&str, &str)]| {
        Command::new("unshare")
            .args([
                "--net",
                "bash",
                "-c",
                "ip link set lo up; .ci/action/steps \"$0\"",
                name,
            ])
            .current_dir(root())
            .env("RUNNER_TEMP", work)
            .env("GITHUB_OUTPUT", work.join("output"))
            .env("GITHUB_STEP_SUMMARY", work.join("summary.md"))
            .env("INTERFACE", "lo")
            .envs(variables.iter().copied())
            .output()
            .expect("bash runs")
    };
    let session = [("RUN", "python3 .ci/package/ftp_session.py")];
    let output = step("run", &session);
    assert!(output.status.success(), "{}", said(&output));
    let outputs = fs::read_to_string(work.join("output")).expect("outputs of the step");
    let capture = outputs
        .lines()
        .find_map(|line| line.strip_prefix("capture="));
    let capture = capture.expect("a capture");
    let check = |options: &str| step("check", &[("CAPTURE", capture), ("OPTIONS", options)]);
    let output = check("--rule all-transfers-complete");
    assert!(output.status.success(), "{}", said(&output));
    let output = check("--rule no-cleartext-login");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("::error"), "{}", said(&output));
    let summary = fs::read_to_string(work.join("summary.md")).expect("a summary");
    assert!(summary.contains("no-cleartext-login"), "{summary}");
    // A test that fails is the failure of its step, whatever the capture shows.
    assert_eq!(step("run", &[("RUN", "exit 7")]).status.code(), Some(7));
}

/// Returns both outputs of a command as one text.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), output.stderr.as_slice()].concat())
        .into_owned()
}

/// Returns all files below a folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn file(name: &str) -> String {
    fs::read_to_string(root().join(name)).expect("a text of the project")
}
