//! Rules by name, `--fail-on`, and what the exit code says.

use crate::support::folder::Folder;
use crate::{Change, capture};

#[test]
fn rules_are_listed_by_name() {
    insta::assert_snapshot!(Folder::new("rules-list").run(&["check", "--list-rules"]));
}

#[test]
fn a_rule_holds_fails_or_meets_nothing() {
    let folder = Folder::new("rules");
    folder.write("run.pcap", &capture(Change::LostPacket));
    let arguments = [
        "check",
        "-v",
        "--rule",
        "no-cleartext-login",
        "--rule",
        "all-transfers-complete",
        "--rule",
        "no-active-mode",
        "--rule",
        "sessions-end-with-quit",
        "run.pcap",
    ];
    insta::assert_snapshot!(folder.run(&arguments));
    let classic = format!(
        "{}/testdata/captures/ftps-implicit.pcap",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = folder.run(&["check", "--rule", "all-transfers-complete", &classic]);
    assert!(text.starts_with("exit 0\n"), "{text}");
    assert!(
        text.contains("- all-transfers-complete: skipped, there is no transfer"),
        "{text}"
    );
    assert!(text.contains("0 passed, 0 failed, 1 skipped"), "{text}");
}

#[test]
fn exit_codes_are_those_of_the_documentation() {
    let folder = Folder::new("rules-exit");
    folder.write("run.pcap", &capture(Change::None));
    let exit = |arguments: &[&str]| {
        let text = folder.run(arguments);
        text.lines().next().unwrap_or_default().to_owned()
    };
    let rule = ["--rule", "all-transfers-complete"];
    let check = |more: &[&str]| exit(&[&["check"], &rule[..], more].concat());
    assert_eq!(check(&["run.pcap"]), "exit 0");
    assert_eq!(check(&["--fail-on", "low", "run.pcap"]), "exit 1");
    assert_eq!(check(&["--fail-on", "high", "run.pcap"]), "exit 0");
    assert_eq!(check(&["headers.pcap"]), "exit 4");
    assert_eq!(check(&["missing.pcap", "run.pcap"]), "exit 3");
    assert_eq!(
        check(&["--fail-on", "low", "missing.pcap", "run.pcap"]),
        "exit 3"
    );
    assert_eq!(check(&["cut.pcap", "run.pcap"]), "exit 0");
    assert_eq!(check(&["--strict", "cut.pcap", "run.pcap"]), "exit 3");
    assert_eq!(exit(&["check", "run.pcap"]), "exit 2");
    assert_eq!(
        exit(&["check", "--rule", "no-such-rule", "run.pcap"]),
        "exit 2"
    );
    assert_eq!(exit(&["check", "--update", "run.pcap"]), "exit 2");
}

#[test]
fn the_secret_is_shown_only_where_it_is_asked_for() {
    let folder = Folder::new("rules-secret");
    folder.write("run.pcap", &capture(Change::None));
    folder.write(
        "e.toml",
        b"[[rule]]\nname = \"x\"\nassert = 'login.password == null'\n",
    );
    for format in ["text", "junit", "github", "json"] {
        let arguments = [
            "check", "--expect", "e.toml", "--format", format, "run.pcap",
        ];
        let text = folder.run(&arguments);
        assert!(text.starts_with("exit 1\n"), "{text}");
        assert!(
            text.contains("hidden") && !text.contains("hazel-lantern"),
            "{text}"
        );
        let shown = folder.run(&[&arguments[..], &["--show-passwords"]].concat());
        assert!(shown.contains("hazel-lantern"), "{shown}");
    }
}
