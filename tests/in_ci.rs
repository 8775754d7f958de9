//! The example of a check in CI, with a real server, a real client and a real capture: it passes, and fails when the server
//! is changed. Passed over where that cannot be run, which is said.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

/// The exit code and the text of `tests/in_ci/run` with a server that was changed so.
fn run(change: &str) -> (Option<i32>, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let output = Command::new(root.join("tests/in_ci/run"))
        .args(["--expect", "tests/in_ci/session.toml"])
        .current_dir(root)
        .env("FTPSCOPE", env!("CARGO_BIN_EXE_ftpscope"))
        .env("PORT", free.expect("a free port").port().to_string())
        .env("SERVER_CHANGE", change)
        .output()
        .expect("bash runs it");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.code(), text)
}

/// Returns the name of a program that this machine lacks; `None` if all are there.
fn missing() -> Option<&'static str> {
    let can = |command: &str| {
        let output = Command::new("bash").args(["-c", command]).output();
        output.is_ok_and(|output| output.status.success())
    };
    [
        ("test \"$(id -u)\" -eq 0", "root"),
        (
            "timeout 1 tcpdump -i lo -c 1 -w /dev/null; test $? -ne 1 -a $? -ne 127",
            "tcpdump on the loopback interface",
        ),
        ("command -v curl", "curl"),
        ("python3 -c 'import pyftpdlib'", "pyftpdlib"),
    ]
    .into_iter()
    .find(|(command, _)| !can(command))
    .map(|(_, what)| what)
}

#[test]
fn a_check_of_real_traffic_passes_and_fails_when_the_server_is_changed() {
    if let Some(what) = missing() {
        crate::support::passed_over(&format!("the example in tests/in_ci needs {what}"));
        return;
    }
    let (code, text) = run("");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("0 failed, 0 skipped, 1 session in"), "{text}");
    for (change, parts) in [
        (
            "content",
            ["RETR /config/device.ini", "sha256 is \"857905b4"],
        ),
        (
            "login",
            ["login.outcome is \"accepted\"", "found     \"rejected\""],
        ),
        ("refuse", ["step store: ok", "answered 550"]),
    ] {
        let (code, text) = run(change);
        assert_eq!(code, Some(1), "{change}: {text}");
        for part in parts {
            assert!(text.contains(part), "{change}: no {part:?} in {text}");
        }
    }
}
