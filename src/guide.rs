//! Pages about the crate as a whole: the way of a capture, contributing, changes.

/// The way of a capture to a report.
///
/// ```text
///  files, pipes, interfaces                                         src/
///        │  Input: packet, tick, secrets, warning                   capture/
///        v
///     Decoder ── Segment ──> FlowTable ── bytes, gaps ──┐           decode/, reassembly/
///        └────── Datagram (DNS), ICMP error ──────────┐ │
///                                                     v v
///                                              SessionTracker       session/, with protocol/ and diagnosis/
///                       Event  ┌──────────────────┘   │   │
///                              v                      │   └─ packets of sessions ──> keep/
///        ReportBuilder, exporters, LiveLines          └───── bytes of transfers ───> extract/
///                  │ Report                                         report/
///                  v
///        tables, JSON, CSV ── check ── diagram ── page, browse      check/, diagram/, page/, browse/
/// ```
///
/// 1. **Packets.** [`CaptureSet`](crate::capture::CaptureSet) merges its inputs into one timeline and lends each packet for one
///    call. Nothing is copied: a packet borrows from a reused buffer.
/// 2. **Segments.** [`Decoder`](crate::decode::Decoder) strips link layers, tunnels and fragments. Malformed headers are
///    counted, never an error.
/// 3. **Bytes in order.** [`FlowTable`](crate::reassembly::FlowTable) puts segments of a connection in order, and asks the
///    session layer which connections it wants; all others cost no memory.
/// 4. **Sessions.** [`SessionTracker`](crate::session::SessionTracker) recognizes control connections, pairs commands with
///    replies, keeps the server's state, turns PORT, PASV and their like into expectations, and binds data connections to them.
/// 5. **Conclusions.** When a session ends, [`diagnosis`](crate::diagnosis) derives findings and a verdict from its record.
/// 6. **Events.** Each fact leaves as an [`Event`](crate::Event), dated by the frame that made it knowable, so that events are
///    in capture order. Secrets are hidden here, before any consumer sees them.
/// 7. **Views.** Sinks turn events into a [`Report`](crate::Report), lines, files or packets. Several sinks compose as a tuple.
///
/// [`pipeline::analyze`](crate::pipeline::analyze) connects all of this on one thread. It has no clock but that of the packets,
/// so that the same input gives the same output, byte for byte. Every store has a limit in
/// [`Limits`](crate::model::Limits); what exceeds it is counted and reported.
pub mod how_a_capture_becomes_a_report {}

/// Recipes for extending the crate. Each names all files to touch.
///
/// The words to use are listed in `src/model/mod.rs`. `.ci/run` holds everything that must pass.
///
/// # A format of the report
///
/// 1. Write `src/report/export/<name>.rs` with its `FORMAT`, modelled on `src/report/export/csv.rs`.
/// 2. Add the module and one line to `FORMATS` in `src/report/export/mod.rs`; `--format` and its help follow.
/// 3. Escape text from the wire in the format's own way, with a hostile name as unit test.
/// 4. Add a transcript to `tests/cli.rs`, with its snapshot.
/// 5. Name the format in `README.md` and in [`changelog`](mod@crate::guide::changelog).
///
/// # A finding
///
/// 1. Write a `detect` function in `src/diagnosis/`, in the file of its subject or a new one: id, severity, title, advice.
/// 2. Call it in `diagnose` in `src/diagnosis/mod.rs`; findings about several sessions in `src/diagnosis/cross_session.rs`.
/// 3. Evidence that only packets show is a variant of `DataTrouble` in `src/diagnosis/evidence.rs`, noted by `src/session/`.
/// 4. Test it in `src/diagnosis/mod.rs`, and from packets in `tests/findings.rs`; test the innocent explanation as well.
/// 5. Name it in [`changelog`](mod@crate::guide::changelog).
///
/// # A command of the protocol
///
/// 1. Add its verb to `verbs!` in `src/protocol/ftp/command.rs`, with the RFC section.
/// 2. State what its replies change in `src/session/server_state/effects.rs`.
/// 3. If it opens a data connection, add it to `src/session/negotiation/` and its reply's parser to
///    `src/protocol/ftp/data_address.rs`.
/// 4. Give its step a title in `src/session/steps/title.rs`.
/// 5. Test a dialogue with it in `tests/pitfalls/control_state.rs`.
///
/// # A link type
///
/// 1. Add its number and name to `src/capture/link_type.rs`.
/// 2. Map it to the header that follows in `src/decode/link.rs`.
/// 3. Parse a new header in a file of `src/decode/`, with every length checked.
/// 4. Test it in `src/decode/tests/stacks.rs`, damaged headers in `src/decode/tests/hostile.rs`.
/// 5. Name it in `README.md` and in [`changelog`](mod@crate::guide::changelog).
pub mod contributing {}

/// Changes by version, newest first.
///
/// # 0.2.0
///
/// - FTPS is read with secrets: `--keylog`, `--tls-key`, secrets blocks of pcapng; `--no-decrypt` uses none. TLS 1.0 to 1.3,
///   control and data connections, resumption, records behind a loss.
/// - `live` and `--follow` read key logs on while they grow, and hold what waits for a secret for `--keylog-wait`. Events that a
///   late secret made known carry `late`.
/// - Implicit TLS is recognized on any port where secrets show what is said. `encrypted_data` has the content of connections that
///   were opened. `wire_bytes` of a control connection are all its payload bytes.
/// - A TLS handshake that an alert ended is reported as `tls-alert`, and no longer as `tls-failed`.
/// - Findings `tls-alert`, `tls-data-in-clear`, `tls-weak`, `tls-close-missing`, `tls-commands-in-clear`; rules `all-decrypted`,
///   `data-resumes-control`, `tls-1.2-or-newer`, `tls-closed-properly`.
/// - Library: [`analyze`](crate::analyze) and [`Analysis`](crate::Analysis) at the root of the crate;
///   [`Summary::failures`](crate::Summary::failures) are typed errors.
/// - Library: [`keep`](crate::keep) writes the packets of sessions, [`monitor`](crate::monitor) runs on a network without
///   the command line.
/// - `carve` writes the packets of chosen sessions as pcapng.
/// - `carve --redact` replaces passwords, users, addresses, names, paths, content and banners by texts of the same length, in
///   every copy; `--redact-key` repeats replacements, `--mapping` writes them down.
/// - `series` puts the files of a capture ring together, as the unit of work for several processes.
/// - Cargo feature `cli`, on by default: without it the library builds without clap, tables and an allocator. A program
///   built with `--no-default-features` now needs `--features cli`.
/// - A line of a listing beyond 5,000 bytes is cut, and its entry has `truncated`. A path beyond 4,096 bytes counts as unknown.
/// - A step has at most 1,000 commands.
/// - `check`, `diagram` and `tree` spool finished sessions. A rule that reads all sessions at once fails with a message where
///   they take more than 128 MiB.
/// - Library: [`KeptSessions`](crate::report::KeptSessions), which [`Subject`](crate::check::Subject),
///   [`ServerTrees`](crate::report::tree::ServerTrees) and [`Drawings`](crate::diagram::Drawings) read one by one.
/// - With several captures each frame has its place: `places` of findings, `captures` of connections, `query_place` and
///   `response_place` of lookups, `display_filters` for each capture. Tables, diagrams and pages number frames by capture.
/// - NDJSON and `live` emit a finding when it is proven, not at the end of its session; guessed passwords at the fifth
///   refusal, and again when one is right. Library: [`EventKind::FindingSoFar`](crate::EventKind::FindingSoFar).
/// - Finding `upload-unconfirmed`: the client left before the server had answered its upload.
/// - An NDJSON `finding` that replaces an earlier one, since more is known now, has `revises`.
/// - With several captures the CSV tables of sessions, credentials and files end with `capture_path` and `capture_frame`.
/// - `live` emits `stalled-transfer`, `data-connection-blocked` and `data-connection-failed` after 10 s, while they last. Library:
///   [`Standstill`](crate::diagnosis::Standstill).
/// - Warning `interface-down`: an interface of `live` went down, or is up again.
/// - `live` says once when files, packets and events are written again after a full disk, and how many were not; the message that
///   a file cannot be saved names it. Started as root for a folder of root, it says that it stays root.
/// - `live -w` notes that it writes the packets of all sessions, whatever `--session` and `--where` choose.
/// - `manifest.json` names client and user, with several captures `capture_path` and `capture_frame`.
/// - On a full disk `manifest.json` and `SHA256SUMS` have every file that was saved; `transfers_omitted` counts entries of
///   others that the disk had no space for.
/// - `SHA256SUMS` of `live` has each file before the event that names it.
///
/// - The first SIGINT ends a pipe as soon as it is quiet, and what it held is reported. Library:
///   [`CaptureSet::open_until`](crate::capture::CaptureSet::open_until).
/// - `live` reports how often the program of `--exec` failed, and why; `--alert` knows `user`, and refuses event types and ids of
///   findings that do not exist, as `--where` and rules do.
/// - Patterns of expectations know sets, `[a-z]` and `[!a-z]`; a `[` without `]` is a mistake, and so is a code beyond 100 to 699.
/// - `carve -w` refuses unknown placeholders.
/// - Overviews, verdicts and pages count the same transfers as moved:
///   [`Transfer::has_moved`](crate::model::record::Transfer::has_moved).
/// - Report: `uid` of sessions, connections and transfers; `control` of a session; for each connection packets, bytes,
///   `tcp_state` and `tcp_history` in Zeek's words; `connection` of a connection attempt.
/// - `analyze --format zeek`, `zeek-json`, `eve` and `ecs`: reports for Zeek's readers, Suricata's and Elastic's. `live` writes
///   the last three as well; `--logs` and `--eve-types` choose what they hold.
/// - `analyze --format csv --table`: sessions, credentials, hosts, files. `schema --format` prints the schema of each format.
/// - `--threads`: digests of large files on several processors; the output is the same with any number.
/// - `integration wireshark`: a profile with colours, buttons and filters for the sessions of captures.
/// - `integration spark`: a data source for Apache Spark 4.
/// - `browse` looks through captures or a report in the terminal; `--render` prints a picture of it. Cargo feature `browse`, on
///   by default.
/// - `reconcile` compares servers' logs with captures: claims that agree, differ, stand alone or cannot be compared, and events
///   without a line. `schema --reconcile`; findings `log-claims-complete`, `log-size-differs`, `log-entry-missing`,
///   `log-entry-unseen`, `log-user-differs`, `log-line-injected`, `log-clock-off`, `reply-and-log-disagree`.
///   Library: [`reconcile`](crate::reconcile).
/// - Packages: statically linked tarballs, a Debian package, a Python wheel with a module, a `Containerfile` and an action for
///   GitHub; `.ci/release` builds and tests all of them.
/// - `man --directory` writes a page for each command; `--version -v` names commit, features, libpcap and target.
/// - Cargo feature `mimalloc`, on by default: without it and `live` the program is Rust alone.
/// - `analyze --format parquet`: tables for `DuckDB`, pandas and Spark; Cargo feature `parquet`, on by default.
///
/// # 0.1.0
///
/// - `analyze`, `diagram`, `check`, `live`, `tree`, `interfaces`, `schema`, `completions` and `man`.
pub mod changelog {}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn every_path_in_the_guide_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let docs = include_str!("guide.rs").lines();
        let paths: Vec<&str> = docs
            .filter(|line| line.starts_with("///"))
            .flat_map(|line| line.split('`').skip(1).step_by(2))
            .filter(|path| {
                ["src/", "tests/", ".ci/"]
                    .iter()
                    .any(|top| path.starts_with(top))
            })
            .filter(|path| !path.contains('<'))
            .collect();
        assert!(paths.len() > 15, "{paths:?}");
        for path in paths {
            assert!(root.join(path).exists(), "{path}");
        }
    }
}
