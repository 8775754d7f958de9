//! Runs the tool as a user does and compares what it says.

mod csv;
mod exports;
#[cfg(unix)]
mod follow;
mod inputs;
mod selection;
mod usage;
mod widths;

use std::io::pipe;
use std::process::Stdio;

use crate::support::folder::Folder;

#[cfg(feature = "live")]
#[test]
fn help_names_what_is_built() {
    insta::assert_snapshot!(Folder::new("help").run(&["--help"]), @r"
    exit 0
    -- stdout
    Reports what happened over FTP in packet captures

    Usage: ftpscope <COMMAND>

    Commands:
      analyze      Report every FTP session in captures
      diagram      Draw sessions as sequence diagrams
      check        Check captures against expectations
      reconcile    Compare servers' logs with captures
      live         Report what happens on a network, as it happens
      tree         Show what was seen of the servers' folders, and what happened there
      browse       Look through captures or a report in the terminal
      carve        Write the packets of sessions to a pcapng file
      series       Put captures that follow one another into series
      interfaces   List the network interfaces
      schema       Print the schema of the report, or of another format
      integration  Print the module through which another engine runs this program
      completions  Print completions for a shell
      man          Print the manual page, or write one for each command
      help         Print help on a command, or on findings, exit-codes, signals

    Options:
      -h, --help     Print help
      -V, --version  Print the version; with -v also features, commit, libpcap and target

    Examples:
      ftpscope analyze capture.pcap                 what happened, as tables
      ftpscope analyze -x files capture.pcapng.gz   save the transferred files below files/
      ftpscope analyze --format json day/ | jq .    everything in a folder of captures, as JSON
    ");
}

#[cfg(feature = "live")]
#[test]
fn help_of_analyze() {
    insta::assert_snapshot!(Folder::new("help-analyze").run(&["analyze", "--help"]));
}

#[test]
fn without_arguments_help_goes_to_standard_error() {
    let text = Folder::new("no-arguments").run(&[]);
    assert!(
        text.starts_with("exit 2\n-- stderr\nReports what happened"),
        "{text}"
    );
}

#[test]
fn version() {
    let text = Folder::new("version").run(&["--version"]);
    assert_eq!(
        text,
        format!(
            "exit 0\n-- stdout\nftpscope {}\n",
            env!("CARGO_PKG_VERSION")
        )
    );
}

#[test]
fn unknown_options_and_commands_are_wrong_usage_in_one_line() {
    let folder = Folder::new("unknown");
    insta::assert_snapshot!(folder.run(&["analyze", "--bogus", "x"]), @"
    exit 2
    -- stderr
    ftpscope: unexpected argument '--bogus' found; tip: a similar argument exists: '--logs'; try '--help'
    ");
    insta::assert_snapshot!(folder.run(&["unheard-of", "x"]), @"
    exit 2
    -- stderr
    ftpscope: unrecognized subcommand 'unheard-of'; try '--help'
    ");
    // The formats of a build without tables are fewer by one.
    let formats = folder.run(&["analyze", "--format", "pdf", "x"]);
    insta::assert_snapshot!(formats.replace(", parquet", ""), @"
    exit 2
    -- stderr
    ftpscope: invalid value 'pdf' for '--format <FORMAT>' [possible values: table, json, ndjson, csv, zeek, zeek-json, eve, ecs, html]; try '--help'
    ");
}

#[test]
fn times_sizes_and_zones_are_checked_before_anything_is_read() {
    let folder = Folder::new("values");
    insta::assert_snapshot!(folder.run(&["analyze", "--since", "noon", "x"]), @"
    exit 2
    -- stderr
    ftpscope: --since 'noon': not a time; write it like 2026-11-20T15:53:01Z, 2026-11-20T15:53 or 2026-11-20
    ");
    insta::assert_snapshot!(folder.run(&["analyze", "--tz", "Mars", "x"]), @"
    exit 2
    -- stderr
    ftpscope: invalid value 'Mars' for '--tz <ZONE>': write UTC, local, a name like Europe/Berlin or an offset like +02:00; try '--help'
    ");
    insta::assert_snapshot!(folder.run(&["analyze", "--max-memory", "12", "x"]), @"
    exit 2
    -- stderr
    ftpscope: invalid value '12' for '--max-memory <SIZE>': at least 1MiB is needed; try '--help'
    ");
}

#[cfg(feature = "live")]
#[test]
fn filters_are_checked_before_anything_is_read() {
    let folder = Folder::new("filter");
    insta::assert_snapshot!(folder.run(&["analyze", "-f", "port 21 and and", "x"]), @"
    exit 2
    -- stderr
    ftpscope: cannot use the filter 'port 21 and and': can't parse filter expression: syntax error; the syntax is that of tcpdump (man 7 pcap-filter); write addresses instead of names
    ");
}

#[test]
fn unwritable_output_is_reported_before_anything_is_read() {
    let folder = Folder::new("output");
    insta::assert_snapshot!(folder.run(&["analyze", "-o", "no/such/report", "headers.pcap"]), @"
    exit 2
    -- stderr
    ftpscope: cannot write no/such/report: no such file or directory; make the folder first
    ");
    insta::assert_snapshot!(folder.run(&["analyze", "-o", "headers.pcap", "headers.pcap"]), @"
    exit 2
    -- stderr
    ftpscope: cannot write headers.pcap: it is one of the captures; choose another name
    ");
    insta::assert_snapshot!(folder.run(&["analyze", "-x", "text.txt", "headers.pcap"]), @"
    exit 2
    -- stderr
    ftpscope: cannot extract to text.txt: file exists; name a folder you may write to
    ");
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let folder = Folder::new("pipe");
    let commands: [&[&str]; 7] = [
        &["analyze", "headers.pcap"],
        &["analyze", "--format", "json", "headers.pcap"],
        &["analyze", "--format", "ndjson", "headers.pcap"],
        &["analyze", "--format", "csv", "headers.pcap"],
        &["schema"],
        &["man"],
        &["--help"],
    ];
    for arguments in commands {
        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        let output = folder
            .command(arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn schemas_pages_and_completions_are_printed() {
    let folder = Folder::new("generated");
    for (arguments, part) in [
        (&["schema"][..], "\"schema_version\""),
        (&["schema", "--events"], "\"session_end\""),
        (&["man"], ".SH \"COMMAND ANALYZE\""),
        (&["completions", "zsh"], "#compdef ftpscope"),
    ] {
        let text = folder.run(arguments);
        assert!(text.starts_with("exit 0\n-- stdout\n"), "{arguments:?}");
        assert!(text.contains(part), "{arguments:?}");
        assert!(!text.contains("-- stderr"), "{arguments:?}");
    }
}

#[test]
fn a_file_appears_whole_and_a_device_is_written_to() {
    let folder = Folder::new("file");
    let arguments = [
        "analyze",
        "--format",
        "json",
        "-o",
        "report.json",
        "headers.pcap",
    ];
    assert_eq!(folder.run(&arguments), "exit 0\n");
    let report = folder.read("report.json");
    assert!(report.starts_with("{\n  \"schema_version\": \"1\",\n"));
    assert!(report.ends_with("}\n"));
    let left = std::fs::read_dir(folder.path()).expect("a folder");
    let hidden = left.filter(|entry| {
        let name = entry.as_ref().expect("an entry").file_name();
        name.to_string_lossy().starts_with('.')
    });
    assert_eq!(hidden.count(), 0);
    let arguments = ["analyze", "-o", "/dev/null", "headers.pcap"];
    assert_eq!(folder.run(&arguments), "exit 0\n");
    assert!(!std::path::Path::new("/dev/null").is_file());
}

#[test]
fn what_is_copied_as_it_is_is_said_once() {
    let folder = Folder::new("extract");
    let text = folder.run(&["analyze", "-x", "saved", "headers.pcap"]);
    let note = "ftpscope: note: -x copies bytes as they are: saved may hold secrets\n";
    assert_eq!(text.matches(note).count(), 1, "{text}");
    let quiet = folder.run(&["analyze", "-q", "-x", "other", "headers.pcap"]);
    assert!(!quiet.contains("note"), "{quiet}");
}
