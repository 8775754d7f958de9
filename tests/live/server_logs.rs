//! Logs of real servers beside captures: each agrees line by line, until a line is removed.
//!
//! `FTPSCOPE_SERVERS` names a folder into which the Debian packages of Pure-FTPd and `ProFTPD` are unpacked, as they exclude vsftpd
//! and each other when they are installed. `.ci/run` makes it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use crate::live::monitor::program;
use crate::live::network::{Wire, wait_for_capture};

/// A program below the folder of unpacked servers; `None`, and the test passed over, where it is missing or does not start.
fn unpacked(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("FTPSCOPE_SERVERS").unwrap_or_default();
    let path = Path::new(&folder).join("usr/sbin").join(name);
    let runs = Command::new(&path)
        .arg("--help")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !runs.is_ok_and(|status| status.code().is_some_and(|code| code != 127)) {
        crate::support::passed_over(&format!("FTPSCOPE_SERVERS has no {name} that starts"));
        return None;
    }
    Some(path)
}

/// A server's host with one account, whose home has files, and a capture beside it.
struct Host {
    wire: Wire,
    folder: PathBuf,
    overlay: PathBuf,
}

impl Host {
    /// `None` where namespaces cannot be made, or a program is missing.
    fn new(name: &str) -> Option<Self> {
        let wire = Wire::with_programs(name, &["ip", "curl", "tcpdump"])?;
        let server = wire.server();
        let host = Self {
            folder: std::env::temp_dir().join(&server),
            overlay: Path::new("/etc/netns").join(&server),
            wire,
        };
        let home = host.folder.join("home");
        fs::create_dir_all(&home).expect("a folder");
        fs::create_dir_all(&host.overlay).expect("a folder");
        for (name, size) in [
            ("a b.bin", 30_000),
            ("c.txt", 1_715),
            ("c\"d.bin", 2_222),
            ("eü.bin", 3_333),
        ] {
            fs::write(home.join(name), vec![b'x'; size]).expect("written");
        }
        fs::write(host.folder.join("upload"), [b'u'; 4_321]).expect("written");
        for path in [&host.folder, &home] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("set");
        }
        chown(&home, Some(UID), Some(UID)).expect("set");
        for (name, text) in [
            (
                "passwd",
                format!(
                    "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\nmira:x:{UID}:{UID}::{}:/bin/sh\n",
                    home.display()
                ),
            ),
            (
                "group",
                format!("root:x:0:\nnogroup:x:65534:\nmira:x:{UID}:\n"),
            ),
            (
                "shadow",
                format!("mira:{PASSWORD_HASH}:20000:0:99999:7:::\n"),
            ),
        ] {
            fs::write(host.overlay.join(name), text).expect("written");
        }
        Some(host)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Starts a shell command in the server's namespace, with the account.
    fn start(&mut self, command: &str) {
        let command = Wire::at(&self.wire.server(), "sh", &["-c", command]);
        self.wire.start(command);
    }

    /// Waits until so many servers listen on port 21, and records everything from then on.
    fn record(&mut self, servers: usize) {
        for _ in 0..300 {
            let listening = Wire::at(&self.wire.server(), "cat", &["/proc/net/tcp"]).output();
            let table = String::from_utf8(listening.expect("started").stdout).expect("a table");
            let is_server = |line: &&str| line.contains(":0015 00000000:0000 0A");
            if table.lines().filter(is_server).count() == servers {
                let dump = self.path("capture.pcap");
                let options = [
                    "--immediate-mode",
                    "-i",
                    "vs",
                    "-U",
                    "-B",
                    "65536",
                    "-w",
                    &dump,
                    "-Z",
                    "root",
                ];
                let listener = Wire::at(&self.wire.server(), "tcpdump", &options);
                self.wire.start(listener);
                thread::sleep(Duration::from_millis(1_500));
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("the server does not listen");
    }

    /// Tries a login that the server refuses. Pure-FTPd answers after seconds.
    fn refused(&self, server: &str) {
        let options = ["-s", "-u", "mira:wrong", &format!("ftp://{server}/")];
        let refused = Wire::at(&self.wire.client(), "curl", &options).status();
        assert_eq!(refused.expect("started").code(), Some(67));
    }

    /// Does work of which servers write lines of all kinds, in seven sessions.
    fn work(&self, server: &str) {
        let url = |name: &str| format!("ftp://{server}/{name}");
        let account = ["-u", "mira:hazel-lantern", "-o", "/dev/null"];
        let get = |name: &str, options: &[&str]| {
            let url = url(name);
            self.wire.curl(&[&account, options, &[&url]].concat());
        };
        get("a%20b.bin", &[]);
        thread::sleep(Duration::from_millis(1_100));
        get("c.txt", &[]);
        get("c%22d.bin", &[]);
        get("e%C3%BC.bin", &[]);
        get("c.txt", &["-C", "1000"]);
        // Servers side by side have one home.
        let own = server.rsplit('.').next().expect("a number");
        let upload = self.path("upload");
        let changes =
            ["RNFR neu 1.", "RNTO neu 2.", "DELE neu 2."].map(|verb| format!("-{verb}{own}"));
        let changes = changes.iter().flat_map(|change| ["-Q", change]);
        let options: Vec<&str> = ["-T", &upload].into_iter().chain(changes).collect();
        get(&format!("neu%201.{own}"), &options);
        let folder = ["MKD", "RMD"].map(|verb| format!("{verb} new dir {own}"));
        get("", &["-Q", &folder[0], "-Q", &folder[1]]);
    }

    /// Waits until the capture holds so many sessions, and some time behind the last one.
    fn finish(&self, sessions: usize) {
        wait_for_capture(&self.folder.join("capture.pcap"), sessions);
        thread::sleep(Duration::from_millis(1_500));
    }

    fn reconciled(&self, server: &str, log: &str, options: &[&str]) -> Value {
        let capture = self.path("capture.pcap");
        let arguments = [
            "reconcile",
            "-q",
            "--report-only",
            "--format",
            "json",
            "--server",
            server,
            "--log",
            log,
            &capture,
        ];
        let output = Command::new(program())
            .args(arguments)
            .args(options)
            .output()
            .expect("started");
        let errors = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{log}: {errors}"))
    }

    /// Asserts that all claims of a log agree, and that the event is told whose line is removed.
    fn assert_agrees_until_a_line_is_removed(
        &self,
        server: &str,
        log: &str,
        claims: usize,
        options: &[&str],
    ) {
        let path = self.path(log);
        let answer = self.reconciled(server, &path, options);
        let totals = |agrees: usize, wire_only: usize| {
            serde_json::json!({
                "agrees": agrees, "differs": 0, "log_only": 0, "wire_only": wire_only, "not_comparable": 0
            })
        };
        assert_eq!(answer["totals"], totals(claims, 0), "{log}: {answer:#}");
        let text = fs::read(&path).expect("a log");
        let text = String::from_utf8_lossy(&text);
        let (removed, kept): (Vec<&str>, Vec<&str>) = text
            .split_inclusive('\n')
            .partition(|line| line.contains("c.txt") && line.contains("1715"));
        assert_eq!(removed.len(), 1, "{log}: {text}");
        let doctored = self.path(&format!("doctored-{log}"));
        fs::write(&doctored, kept.concat()).expect("written");
        let answer = self.reconciled(server, &doctored, options);
        assert_eq!(answer["totals"], totals(claims - 1, 1), "{log}: {answer:#}");
        let missing = &answer["wire_only"][0];
        assert_eq!(
            (&missing["path"], &missing["bytes"]),
            (&"/c.txt".into(), &1_715.into())
        );
        assert_eq!(answer["findings"][0]["id"], "log-entry-missing");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.overlay);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A daemon that files what a server sends to `/dev/log`.
struct Syslog {
    socket: PathBuf,
    filing: JoinHandle<()>,
}

impl Syslog {
    /// Returns the daemon, and a shell command that gives the server a `/dev` of its own with the daemon's socket.
    fn start(folder: &Path, log: PathBuf) -> (Self, String) {
        let dev = folder.join("dev");
        fs::create_dir_all(&dev).expect("a folder");
        let mut mounts = Vec::new();
        for name in ["null", "urandom", "random"] {
            let place = dev.join(name);
            fs::write(&place, "").expect("written");
            mounts.push(format!("mount --bind /dev/{name} {} && ", place.display()));
        }
        mounts.push(format!("mount --rbind {} /dev && ", dev.display()));
        let socket = dev.join("log");
        let listener = UnixDatagram::bind(&socket).expect("a socket");
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).expect("set");
        let filing = thread::spawn(move || {
            let mut text = Vec::new();
            let mut datagram = vec![0; 65_536];
            while let Ok(length @ 1..) = listener.recv(&mut datagram) {
                // `<PRIORITY>Mmm dd hh:mm:ss TAG: TEXT`; the daemon adds its host.
                let line = &datagram[..length];
                let start = line
                    .iter()
                    .position(|&byte| byte == b'>')
                    .map_or(0, |at| at + 1);
                let (time, rest) = line[start..].split_at(16);
                text.extend([time, b"host ", rest, b"\n"].concat());
            }
            fs::write(log, text).expect("written");
        });
        (Self { socket, filing }, mounts.concat())
    }

    fn end(self) {
        let end = UnixDatagram::unbound().and_then(|end| end.send_to(&[], &self.socket));
        end.expect("sent");
        self.filing.join().expect("filed");
    }
}

#[test]
fn logs_of_pure_ftpd_agree_with_the_capture_until_a_line_is_removed() {
    let (Some(pure_ftpd), Some(mut host)) = (unpacked("pure-ftpd"), Host::new("pure")) else {
        return;
    };
    let servers = [
        ("10.78.0.2", "clf"),
        ("10.78.0.12", "stats"),
        ("10.78.0.13", "w3c"),
        ("10.78.0.14", "xferlog"),
    ];
    let (syslog, own_dev) = Syslog::start(&host.folder, host.folder.join("syslog"));
    let mut own_dev = Some(own_dev);
    for (address, format) in servers {
        host.wire.add_address(address);
        let log = host.path(format);
        let command = format!(
            "{}TZ=Asia/Kolkata exec {} -S {address},21 -l unix -A -H -u 1 -g {log}.pid -O {format}:{log}",
            own_dev.take().unwrap_or_default(),
            pure_ftpd.display()
        );
        host.start(&command);
    }
    host.record(servers.len());
    thread::scope(|scope| {
        for (address, _) in servers {
            scope.spawn(|| host.work(address));
        }
    });
    host.finish(7 * servers.len());
    syslog.end();
    for (address, format) in servers {
        host.assert_agrees_until_a_line_is_removed(address, format, 6, &[]);
    }
    // Logins, transfers, a rename and a deletion.
    host.assert_agrees_until_a_line_is_removed("10.78.0.2", "syslog", 7 + 6 + 2, &[]);
}

#[test]
fn logs_of_proftpd_agree_with_the_capture_until_a_line_is_removed() {
    let (Some(proftpd), Some(mut host)) = (unpacked("proftpd"), Host::new("pro")) else {
        return;
    };
    let modules = proftpd.with_file_name("../lib/proftpd");
    let format = r#"%P %a %u %{%Y-%m-%d %H:%M:%S}t "%r" %s %b %T %f %{transfer-status}"#;
    let configuration = format!(
        "ServerName Test\nServerType standalone\nPort 21\nUseIPv6 off\nDefaultServer on\nModulePath {modules}\nUser nobody\nGroup nogroup\n\
         DefaultRoot ~\nAuthOrder mod_auth_unix.c\nRequireValidShell off\nAuthPAM off\nUseReverseDNS off\nWtmpLog off\n\
         AllowOverwrite on\nAllowRetrieveRestart on\nPidFile {pid}\nScoreboardFile {score}\nSystemLog {system}\n\
         TransferLog {xferlog}\nExtendedLog {all} ALL\nExtendedLog {moved} READ,WRITE\nLogFormat own \"{quoted}\"\n\
         ExtendedLog {own} READ,WRITE,AUTH own\n",
        modules = modules.display(),
        pid = host.path("pid"),
        score = host.path("score"),
        system = host.path("system"),
        xferlog = host.path("xferlog"),
        all = host.path("all"),
        moved = host.path("moved"),
        quoted = format.replace('"', "\\\""),
        own = host.path("own"),
    );
    let path = host.path("proftpd.conf");
    fs::write(&path, configuration).expect("written");
    host.start(&format!(
        "TZ=America/St_Johns exec {} -n -c {path}",
        proftpd.display()
    ));
    host.record(1);
    host.refused("10.78.0.2");
    host.work("10.78.0.2");
    host.finish(8);
    let all = fs::read_to_string(host.path("all")).expect("a log");
    let has_command = |line: &&str| !line.contains("\"\"");
    let commands = all.lines().filter(has_command).count();
    for (log, claims, options) in [
        // Transfers, and the deletion.
        ("xferlog", 6 + 1, &[][..]),
        ("all", commands, &[]),
        // Transfers, a deletion, two folders, RNFR and RNTO.
        ("moved", 6 + 1 + 2 + 2, &[]),
        // And a USER and a PASS of each session.
        ("own", 6 + 1 + 2 + 2 + 16, &["--log-format", format]),
    ] {
        host.assert_agrees_until_a_line_is_removed("10.78.0.2", log, claims, options);
    }
}

#[test]
fn log_of_pyftpdlib_agrees_with_the_capture_until_a_line_is_removed() {
    let has_library = Command::new("python3")
        .args(["-c", "import pyftpdlib"])
        .stderr(Stdio::null())
        .status();
    if !has_library.is_ok_and(|status| status.success()) {
        crate::support::passed_over("pyftpdlib is not installed");
        return;
    }
    let Some(mut host) = Host::new("py") else {
        return;
    };
    let script = host.path("server.py");
    fs::write(&script, PYFTPDLIB).expect("written");
    let (home, log) = (host.path("home"), host.path("log"));
    host.start(&format!(
        "TZ=Europe/Berlin exec python3 {script} {home} 2>{log}"
    ));
    host.record(1);
    host.refused("10.78.0.2");
    host.work("10.78.0.2");
    host.finish(8);
    // Logins, transfers, and changes with RNFR and RNTO.
    host.assert_agrees_until_a_line_is_removed("10.78.0.2", "log", 8 + 6 + 5, &[]);
}

/// A server of pyftpdlib; its argument is the home of the account.
const PYFTPDLIB: &str = "
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
FTPHandler.authorizer = DummyAuthorizer()
FTPHandler.authorizer.add_user('mira', 'hazel-lantern', sys.argv[1], perm='elradfmwMT')
FTPHandler.auth_failed_timeout = 1
FTPServer(('0.0.0.0', 21), FTPHandler).serve_forever()
";

/// User and group of the account.
const UID: u32 = 3_021;

/// `hazel-lantern`.
const PASSWORD_HASH: &str =
    "$6$lab$WR.9PJE9PYtiTqPoMMXWsP9Ef4It.IOI/GUM/7y4xVYfSfnYUBp.GRdfkiB6lqNFA.0RW2OwQeYWABa2CHWvp.";
