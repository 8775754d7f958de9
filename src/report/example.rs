//! The classic session, written by hand, as input for the tests of the renderers.

use std::sync::Arc;

use super::{Report, SCHEMA_VERSION};
use crate::model::record::{
    Accounting, Address, AttemptOutcome, Capture, Close, Command, Completeness, Connection,
    ConnectionAttempt, DataType, Dns, EndState, EntryKind, Finding, Index, Link, LinkMethod,
    ListingEntry, Login, LoginOutcome, Mode, Opener, Outcome, Precision, Reply, Server, Session,
    Severity, Step, StepKind, Structure, Timing, Totals, Transfer, TransferDirection, TransferMode,
    UnmatchedData, Verdict, VerdictStatus, WarningRecord,
};
use crate::model::{Span, Timestamp, WarningCode};

/// Lookup, login, a listing, a change of directory, a download, an upload that was refused, and the end.
pub(crate) fn example_session() -> Session {
    Session {
        id: 1,
        client: address("192.168.0.2", 1175),
        server: Server {
            ip: ip("192.168.0.1"),
            port: 21,
            name: Some("ftp.any-domain.com".into()),
        },
        uid: "C1nV9wQ2g5RzKmEyTjX".into(),
        community_id: "1:t9T66/2c66NQyftAEsr4aMZv4Hc=".into(),
        display_filter: "ip.addr == 192.168.0.2 && tcp.port == 1175".into(),
        display_filters: vec![],
        display_filters_omitted: 0,
        layers: ["EN10MB", "VLAN 5", "IPv4", "TCP"].map(String::from).into(),
        start: at(120),
        end: at(42_400),
        duration: 42.28,
        midstream: false,
        end_state: EndState::Closed,
        control: Connection {
            server: address("192.168.0.1", 21),
            opened_by: Some(Opener::Client),
            originator: Opener::Client,
            uid: "C1nV9wQ2g5RzKmEyTjX".into(),
            tcp_history: "ShAdDaFf".into(),
            community_id: "1:t9T66/2c66NQyftAEsr4aMZv4Hc=".into(),
            ..connection(1175, 120, 42_400, [3, 67])
        },
        timing: Timing {
            syn_ack: Some(0.002),
            handshake: Some(0.003),
            greeting: Some(0.137),
        },
        dns: Some(Dns {
            name: "ftp.any-domain.com".into(),
            record_type: "A".into(),
            aliases: vec![],
            answers: vec![ip("192.168.0.1")],
            resolver: address("192.168.0.1", 53),
            query_frame: Some(1),
            response_frame: 2,
            query_place: None,
            response_place: None,
            response_time: Some(0.018),
        }),
        greeting: Some(reply(220, &["ANY-DOMAIN.COM FTP Service"], 260, 6)),
        login: Login {
            outcome: LoginOutcome::Accepted,
            user: Some("ftp".into()),
            user_b64: None,
            password: Some("abc@any-domain.com".into()),
            password_b64: None,
            account: None,
            anonymous: true,
            attempts: 1,
        },
        tls: None,
        steps: steps().into_iter().map(Into::into).collect(),
        steps_omitted: 0,
        transfers: vec![listing().into(), download().into(), refused_upload().into()],
        transfers_omitted: 0,
        encrypted_data: vec![],
        encrypted_data_omitted: 0,
        unsolicited_replies: vec![],
        unsolicited_replies_omitted: 0,
        findings: vec![
            Finding {
                id: "cleartext-login".into(),
                severity: Severity::Low,
                title: "User name and password crossed the network in the clear".into(),
                explanation: "USER ftp and its password stand readable in frames 8 and 11.".into(),
                advice: "Use FTP over TLS (AUTH TLS) or SFTP.".into(),
                frames: vec![8, 11],
                places: vec![],
                step: Some(4),
                transfer: None,
                sessions: vec![],
            },
            Finding {
                id: "upload-refused".into(),
                severity: Severity::Medium,
                title: "The server refused an upload".into(),
                explanation: "STOR notes.txt was answered 550 notes.txt: Permission denied.".into(),
                advice: "Anonymous users seldom may write: log in with an account, or change the rights of /pub."
                    .into(),
                frames: vec![58, 59],
                places: vec![],
                step: Some(8),
                transfer: Some(3),
                sessions: vec![],
            },
        ],
        findings_omitted: 0,
        verdict: Verdict {
            status: VerdictStatus::Failed,
            text: "readme.txt was downloaded whole; the upload of notes.txt was refused (550)".into(),
        },
        index: Index::default(),
    }
}

/// A report around the example session, with one thing in each list.
pub(crate) fn example_report() -> Report {
    Report {
        schema_version: SCHEMA_VERSION.into(),
        captures: vec![Capture {
            path: "classic.pcap".into(),
            path_b64: None,
            format: "pcap".into(),
            link_types: vec!["ETHERNET".into()],
            packets: Some(71),
            bytes: Some(9_042),
            first_packet: Some(at(0)),
            last_packet: Some(at(42_400)),
            truncated: Some(true),
            drops: None,
        }],
        sessions: vec![Arc::new(example_session())],
        sessions_omitted: 0,
        unmatched_data: vec![UnmatchedData {
            session: None,
            connection: connection(5_009, 43_000, 43_100, [68, 70]),
            bytes: 2_480_312,
            completeness: Completeness::Truncated,
            sha256: Some("ab".repeat(32)),
            md5: None,
            sha1: None,
            media_type: Some("application/zip".into()),
            saved_as: None,
        }],
        unmatched_data_omitted: 0,
        connection_attempts: vec![ConnectionAttempt {
            client: address("192.168.0.2", 1180),
            server: address("192.168.0.9", 21),
            time: at(43_500),
            frame: 69,
            capture: None,
            capture_frame: None,
            outcome: AttemptOutcome::Refused,
            protocol: None,
            connection: attempt(),
        }],
        connection_attempts_omitted: 0,
        findings: vec![],
        findings_omitted: 0,
        warnings: vec![WarningRecord {
            code: WarningCode::CaptureTruncated,
            message: "classic.pcap ends inside packet 72; it was analyzed to there".into(),
            count: 1,
            frame: Some(71),
            capture: None,
            capture_frame: None,
        }],
        warnings_omitted: 0,
        totals: Totals {
            packets: 71,
            bytes: 9_042,
            sessions: 1,
            transfers: 3,
            file_bytes: 1_715,
            findings: 2,
            sessions_filtered: 0,
            accounting: Accounting {
                used: 66,
                dns: 2,
                not_ftp: 2,
                not_decodable: [("malformed".to_owned(), 1)].into(),
                ..Accounting::default()
            },
        },
    }
}

fn listing() -> Transfer {
    let connection = connection(5_001, 12_007, 12_060, [22, 30]);
    Transfer {
        id: 1,
        uid: "F1kTz8QbYw5JfLrNcVs".into(),
        verb: "LIST".into(),
        argument: None,
        path: Some("/".into()),
        name: None,
        direction: TransferDirection::Listing,
        announced: Some(connection.client),
        bytes: 187,
        completeness: Completeness::Complete,
        evidence: vec!["FIN of the sender".into(), "226".into()],
        evidence_places: Vec::new(),
        sha256: Some("c0ffee00".repeat(8)),
        tls: None,
        media_type: Some("text/plain".into()),
        saved_as: None,
        announced_bytes: None,
        throughput: Some(3_528.3),
        entries: vec![
            entry("pub", EntryKind::Directory, None),
            entry("readme.txt", EntryKind::File, Some(1_715)),
            entry(
                "backup-2026-11-19.tar.gz",
                EntryKind::File,
                Some(734_003_200),
            ),
        ],
        connection: Some(connection),
        ..download()
    }
}

fn download() -> Transfer {
    let connection = connection(5_002, 24_009, 24_021, [42, 53]);
    Transfer {
        id: 2,
        uid: "F2kTz8QbYw5JfLrNcVs".into(),
        verb: "RETR".into(),
        argument: Some("readme.txt".into()),
        argument_b64: None,
        path: Some("/pub/readme.txt".into()),
        path_b64: None,
        name: Some("readme.txt".into()),
        name_b64: None,
        direction: TransferDirection::Download,
        mode: Mode::Active,
        data_type: Some(DataType::Ascii),
        transfer_mode: TransferMode::Stream,
        structure: Structure::File,
        restart_offset: 0,
        announced: Some(connection.client),
        connection: Some(connection),
        link: Some(Link {
            method: LinkMethod::AnnouncedAddress,
            confidence: 1.0,
        }),
        bytes: 1_715,
        missing_bytes: 0,
        missing_ranges: vec![],
        missing_ranges_omitted: 0,
        announced_bytes: Some(1_715),
        completeness: Completeness::Complete,
        evidence: vec![
            "FIN of the sender".into(),
            "226".into(),
            "1715 bytes announced".into(),
        ],
        evidence_places: Vec::new(),
        sha256: Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into()),
        md5: None,
        sha1: None,
        decoded: None,
        tls: None,
        media_type: Some("text/plain".into()),
        saved_as: Some("192.168.0.1_21/1/pub/readme.txt".into()),
        throughput: Some(142_916.7),
        entries: vec![],
        entries_omitted: 0,
        cut_lines: Vec::new(),
        cut_lines_omitted: 0,
    }
}

fn refused_upload() -> Transfer {
    Transfer {
        id: 3,
        uid: "F3kTz8QbYw5JfLrNcVs".into(),
        verb: "STOR".into(),
        argument: Some("notes.txt".into()),
        path: Some("/pub/notes.txt".into()),
        name: Some("notes.txt".into()),
        direction: TransferDirection::Upload,
        announced: None,
        connection: None,
        link: None,
        bytes: 0,
        announced_bytes: None,
        completeness: Completeness::Aborted,
        evidence: vec!["550 in place of the transfer".into()],
        evidence_places: Vec::new(),
        sha256: None,
        tls: None,
        media_type: None,
        saved_as: None,
        throughput: None,
        ..download()
    }
}

fn entry(name: &str, kind: EntryKind, size: Option<u64>) -> ListingEntry {
    ListingEntry {
        name: name.into(),
        name_b64: None,
        kind,
        size,
        modified: Some("2026-11-19T08:15".into()),
        modified_precision: Some(Precision::Minute),
        year_inferred: true,
        permissions: None,
        owner: Some("ftp".into()),
        group: Some("ftp".into()),
        target: None,
        folder: None,
        raw: format!(
            "-rw-r--r-- 1 ftp ftp {} Nov 19 08:15 {name}",
            size.unwrap_or(4_096)
        ),
        truncated: false,
    }
}

fn connection(port: u16, start: i64, end: i64, frames: [u64; 2]) -> Connection {
    Connection {
        uid: "C3Wk0tB1x7oGhUqsvPL".into(),
        client: address("192.168.0.2", port),
        server: address("192.168.0.1", 20),
        opened_by: Some(Opener::Server),
        originator: Opener::Server,
        start: at(start),
        end: at(end),
        closed_at: Some(at(end)),
        first_payload: Some(at(start)),
        last_payload: Some(at(end)),
        first_frame: frames[0],
        last_frame: frames[1],
        captures: vec![],
        captures_omitted: 0,
        packets_from_client: 4,
        packets_from_server: 5,
        ip_bytes_from_client: 216,
        ip_bytes_from_server: 1_983,
        frame_bytes_from_client: 272,
        frame_bytes_from_server: 2_053,
        payload_bytes_from_client: 0,
        payload_bytes_from_server: 1_715,
        copies: None,
        missing_bytes: 0,
        retransmitted_bytes: 0,
        zero_windows: 0,
        zero_window_seconds: 0.0,
        close: Close::Fin,
        tcp_state: "SF".into(),
        tcp_history: "ShADadFf".into(),
        community_id: "1:QrpcLk+5zGMjL5d3RwIpH+zsvbI=".into(),
        samples: None,
    }
}

/// Returns a SYN from the client that a RST answered.
fn attempt() -> Connection {
    Connection {
        client: address("192.168.0.2", 1180),
        server: address("192.168.0.9", 21),
        opened_by: Some(Opener::Client),
        originator: Opener::Client,
        closed_at: None,
        first_payload: None,
        last_payload: None,
        packets_from_client: 1,
        packets_from_server: 1,
        ip_bytes_from_client: 60,
        ip_bytes_from_server: 40,
        frame_bytes_from_client: 74,
        frame_bytes_from_server: 54,
        payload_bytes_from_server: 0,
        copies: None,
        close: Close::Reset,
        tcp_state: "REJ".into(),
        tcp_history: "Sr".into(),
        ..connection(1180, 43_500, 43_501, [69, 70])
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_parts(1_795_190_081, 256_485_000).plus(Span::from_millis(millis))
}

fn address(text: &str, port: u16) -> Address {
    Address { ip: ip(text), port }
}

fn ip(text: &str) -> std::net::IpAddr {
    text.parse().expect("an address")
}

#[expect(
    clippy::too_many_lines,
    reason = "one entry a step, in the order of the session"
)]
fn steps() -> Vec<Step> {
    let welcome = ["Welcome to ftp.any-domain.com", "Anonymous user logged in."];
    vec![
        step(
            1,
            StepKind::Dns,
            "ftp.any-domain.com is 192.168.0.1",
            0,
            18,
            vec![],
        ),
        step(
            2,
            StepKind::Connect,
            "connect to 192.168.0.1:21",
            120,
            1,
            vec![],
        ),
        step(
            3,
            StepKind::Greeting,
            "220 ANY-DOMAIN.COM FTP Service",
            260,
            0,
            vec![],
        ),
        step(
            4,
            StepKind::Login,
            "login as ftp: accepted",
            3_100,
            5_412,
            vec![
                command(
                    1,
                    "USER",
                    "ftp",
                    3_100,
                    8,
                    vec![reply(
                        331,
                        &["Anonymous access allowed, send identity (e-mail name) as password."],
                        3_104,
                        10,
                    )],
                ),
                command(
                    2,
                    "PASS",
                    "abc@any-domain.com",
                    8_500,
                    11,
                    vec![reply(230, &welcome, 8_512, 14)],
                ),
            ],
        ),
        with_transfer(
            1,
            step(
                5,
                StepKind::List,
                "LIST: 3 entries, complete",
                12_000,
                41,
                vec![
                    command(
                        3,
                        "PORT",
                        "192,168,0,2,19,137",
                        12_000,
                        16,
                        vec![reply(200, &["PORT command successful."], 12_002, 18)],
                    ),
                    command(
                        4,
                        "LIST",
                        "",
                        12_004,
                        19,
                        vec![
                            reply(
                                150,
                                &["Opening ASCII mode data connection for /bin/ls."],
                                12_006,
                                21,
                            ),
                            reply(226, &["Transfer complete."], 12_041, 26),
                        ],
                    ),
                ],
            ),
        ),
        step(
            6,
            StepKind::Cwd,
            "CWD pub",
            17_500,
            2,
            vec![command(
                5,
                "CWD",
                "pub",
                17_500,
                32,
                vec![reply(250, &["CWD command successful."], 17_502, 33)],
            )],
        ),
        with_transfer(
            2,
            step(
                7,
                StepKind::Retrieve,
                "RETR readme.txt: 1,715 bytes in 0.012 s, complete",
                24_000,
                36,
                vec![
                    command(
                        6,
                        "PORT",
                        "192,168,0,2,19,138",
                        24_000,
                        35,
                        vec![reply(200, &["PORT command successful."], 24_003, 38)],
                    ),
                    command(
                        7,
                        "RETR",
                        "readme.txt",
                        24_005,
                        39,
                        vec![
                            reply(
                                150,
                                &["Opening ASCII mode data connection for readme.txt(1715 bytes)."],
                                24_008,
                                41,
                            ),
                            reply(226, &["Transfer complete."], 24_036, 54),
                        ],
                    ),
                ],
            ),
        ),
        with_transfer(
            3,
            Step {
                outcome: Outcome::Failed,
                ..step(
                    8,
                    StepKind::Store,
                    "STOR notes.txt: refused",
                    31_000,
                    3,
                    vec![command(
                        8,
                        "STOR",
                        "notes.txt",
                        31_000,
                        58,
                        vec![reply(550, &["notes.txt: Permission denied."], 31_003, 59)],
                    )],
                )
            },
        ),
        step(
            9,
            StepKind::Quit,
            "QUIT",
            42_300,
            4,
            vec![command(
                9,
                "QUIT",
                "",
                42_300,
                61,
                vec![reply(
                    221,
                    &["Thank you for visiting ftp.any-domain.com."],
                    42_304,
                    63,
                )],
            )],
        ),
        step(
            10,
            StepKind::Disconnect,
            "closed by the server",
            42_310,
            90,
            vec![],
        ),
    ]
}

fn step(
    number: u64,
    kind: StepKind,
    title: &str,
    start: i64,
    millis: u32,
    commands: Vec<Command>,
) -> Step {
    Step {
        number,
        commands,
        directory: (number > 3).then(|| if number > 5 { "/pub" } else { "/" }.into()),
        ..Step::without_commands(kind, title.into(), at(start), f64::from(millis) / 1000.0)
    }
}

fn with_transfer(id: u64, step: Step) -> Step {
    Step {
        transfer: Some(id),
        ..step
    }
}

fn command(
    sequence: u64,
    verb: &str,
    argument: &str,
    millis: i64,
    frame: u64,
    replies: Vec<Reply>,
) -> Command {
    Command {
        sequence,
        verb: verb.into(),
        verb_b64: None,
        argument: (!argument.is_empty()).then(|| argument.into()),
        argument_b64: None,
        time: at(millis),
        frame,
        capture: None,
        capture_frame: None,
        truncated: false,
        response_time: replies
            .first()
            .map(|first| first.time.since(at(millis)).seconds()),
        replies,
    }
}

fn reply(code: u16, lines: &[&str], millis: i64, frame: u64) -> Reply {
    Reply {
        code,
        lines: lines.iter().map(|&line| line.into()).collect(),
        lines_b64: None,
        lines_omitted: 0,
        time: at(millis),
        frame,
        capture: None,
        capture_frame: None,
        truncated: false,
        preliminary: vec![],
    }
}
