//! Privileges that remain once a monitor runs. Tests that need root print a message and pass without it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::live::monitor::{Monitor, folder, program};

/// True where the tests run as root; else that is said.
fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        crate::support::passed_over("not root");
    }
    is_root
}

/// A line of `/proc/<id>/status`.
fn status(id: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{id}/status")).expect("a process");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.expect("a line")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn wait_until(is_so: impl Fn() -> bool, what: &str) {
    for _ in 0..1_500 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{what}");
}

/// Nothing of root is left but, where it is wanted, its name.
fn assert_harmless(id: u32, account: &str) {
    wait_until(
        || status(id, "NoNewPrivs") == "1",
        "privileges were never given up",
    );
    // Rights are those of a thread: none may have been started before they were given up.
    for thread in fs::read_dir(format!("/proc/{id}/task")).expect("a process") {
        let thread = thread.expect("a thread").file_name();
        let thread = thread.to_str().and_then(|name| name.parse().ok());
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            let rights = status(thread.expect("a number"), set);
            assert_eq!(rights, "0000000000000000", "{set}");
        }
    }
    assert_eq!(status(id, "Uid"), [account; 4].join(" "));
    let groups = status(id, "Groups");
    assert!(groups.is_empty() || account == "0", "{groups}");
}

/// The process that starts programs for alerts.
fn helper_of(id: u32) -> u32 {
    let children = || fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    wait_until(
        || children().is_ok_and(|text| !text.trim().is_empty()),
        "there is no helper",
    );
    children().expect("a list").trim().parse().expect("an id")
}

fn assert_ends(monitor: Monitor) {
    monitor.signal(Signal::TERM);
    assert_eq!(monitor.end().code, Some(0));
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn waiting(arguments: &[&str]) -> Monitor {
    Monitor::start(&[&["-r", "-"], arguments].concat())
}

#[test]
fn started_as_root_it_drops_privileges_to_nobody_or_the_given_user() {
    if !is_root() {
        return;
    }
    let monitor = waiting(&[]);
    assert_harmless(monitor.id(), "65534");
    assert_ends(monitor);
    let monitor = waiting(&["--user", "root"]);
    assert_harmless(monitor.id(), "0");
    assert_ends(monitor);
    let monitor = waiting(&["--user", "4321:8765"]);
    assert_harmless(monitor.id(), "4321");
    assert_eq!(status(monitor.id(), "Gid"), ["8765"; 4].join(" "));
    assert_ends(monitor);
}

#[test]
fn started_as_root_it_drops_privileges_to_the_owner_of_the_output_folder() {
    if !is_root() {
        return;
    }
    let folder = folder("owner");
    std::os::unix::fs::chown(&folder, Some(4321), Some(8765)).expect("given");
    let events = folder.join("events");
    let monitor = waiting(&["-o", text(&events), "-x", text(&folder.join("a/b"))]);
    assert_harmless(monitor.id(), "4321");
    assert_ends(monitor);
    for made in ["events", "a", "a/b", "a/b/manifest.json"] {
        let found = fs::metadata(folder.join(made)).expect(made);
        assert_eq!((found.uid(), found.gid()), (4321, 8765), "{made}");
        assert_eq!(found.permissions().mode() & 0o007, 0, "{made}");
    }
}

#[test]
fn staying_root_for_a_folder_of_root_is_told_once_with_the_remedy() {
    if !is_root() {
        return;
    }
    let folder = folder("root-owned");
    let events = folder.join("events");
    let told = |arguments: &[&str]| {
        let output = ["-o", text(&events)];
        let monitor = waiting(&[&output[..], arguments].concat());
        assert_harmless(monitor.id(), "0");
        monitor.signal(Signal::TERM);
        let errors = monitor.end().errors;
        let wanted = format!(
            "goes on as root, without its capabilities: {} belongs to root; give that folder to another user (chown), or name one with --user",
            folder.display()
        );
        errors.matches(&wanted).count()
    };
    assert_eq!(told(&[]), 1);
    // Whoever asks for root knows it.
    assert_eq!(told(&["--user", "root"]), 0);
    assert_eq!(told(&["-q"]), 0);
}

#[test]
fn the_helper_has_no_rights_either() {
    if !is_root() {
        return;
    }
    let monitor = waiting(&["--alert", "true", "--exec", "/bin/cat"]);
    assert_harmless(monitor.id(), "65534");
    let helper = helper_of(monitor.id());
    assert_harmless(helper, "65534");
    let environment = fs::read(format!("/proc/{helper}/environ")).expect("a process");
    let variables = environment.split(|&byte| byte == 0);
    let variables: Vec<_> = variables.filter(|variable| !variable.is_empty()).collect();
    assert_eq!(variables.len(), 1);
    assert!(variables[0].starts_with(b"PATH="));
    assert_ends(monitor);
    wait_until(
        || fs::metadata(format!("/proc/{helper}")).is_err(),
        "the helper stays behind",
    );
}

#[test]
fn a_folder_that_the_account_cannot_write_ends_the_start() {
    if !is_root() {
        return;
    }
    let folder = folder("not-theirs");
    let saved = folder.join("files");
    fs::create_dir(&saved).expect("a folder");
    let ended = waiting(&["-x", text(&saved), "--user", "4321:8765"]).end();
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.errors.contains("give the folder to that user"),
        "{}",
        ended.errors
    );
    // Nothing is left that the next start would stumble over.
    assert_eq!(fs::read_dir(&saved).expect("a folder").count(), 0);
}

#[test]
fn nothing_but_the_output_folders_can_be_reached() {
    if !is_root() {
        return;
    }
    let folder = folder("landlock");
    let (own, other) = (folder.join("own"), folder.join("other"));
    for folder in [&own, &other] {
        fs::create_dir(folder).expect("a folder");
        std::os::unix::fs::chown(folder, Some(4321), Some(8765)).expect("given");
    }
    let events = own.join("events");
    let monitor = waiting(&["-o", text(&events), "--format", "ndjson"]);
    assert_harmless(monitor.id(), "4321");
    // Whoever owns the folder can make it lead elsewhere, but not the monitor go there.
    fs::remove_file(&events).expect("removed");
    std::os::unix::fs::symlink(other.join("stolen"), &events).expect("a link");
    monitor.signal(Signal::HUP);
    thread::sleep(Duration::from_secs(1));
    let ended = monitor.end();
    if ended.errors.contains("no Landlock") {
        crate::support::passed_over("this kernel has no Landlock");
        return;
    }
    assert!(
        ended
            .errors
            .contains("cannot be opened again: permission denied"),
        "{}",
        ended.errors
    );
    assert!(!other.join("stolen").exists());
}

#[test]
fn without_the_right_to_capture_it_says_what_to_grant() {
    if !is_root() {
        return;
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=4321", "--regid=8765", "--clear-groups"])
        .args(["--inh-caps=-all", "--bounding-set=-all"]);
    let there = Command::new("setpriv")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if there.is_err() {
        crate::support::passed_over("setpriv is not installed");
        return;
    }
    // The program has to be where anybody can start it.
    let folder = std::env::temp_dir().join(format!("ftpscope-granted-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("set");
    let copy = folder.join("ftpscope");
    fs::copy(program(), &copy).expect("copied");
    command.arg(&copy).args(["live", "-i", "lo"]);
    let ended = Monitor::of(&mut command).end();
    fs::remove_dir_all(&folder).expect("removed");
    assert_eq!(ended.code, Some(2));
    let wanted = format!("setcap cap_net_raw+ep {}", copy.display());
    assert!(ended.errors.contains(&wanted), "{}", ended.errors);
}
