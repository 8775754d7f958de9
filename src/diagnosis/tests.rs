//! Sample sessions, steps, commands and transfers for the unit tests of the findings.

use crate::model::Timestamp;
use crate::model::record::{
    Address, Close, Command, Completeness, Connection, DataType, EndState, Index, Login,
    LoginOutcome, Mode, Opener, Reply, Server, Session, Step, StepKind, Structure, Timing,
    Transfer, TransferDirection, TransferMode,
};

/// Returns a closed session of user bob with an accepted login and no transfer.
pub(super) fn session() -> Session {
    let mut login = step(vec![
        command("USER", Some("bob"), (331, "password")),
        command("PASS", Some("<hidden>"), (230, "in")),
    ]);
    login.kind = StepKind::Login;
    Session {
        id: 1,
        client: Address {
            ip: [10, 0, 0, 2].into(),
            port: 1175,
        },
        server: Server {
            ip: [10, 0, 0, 1].into(),
            port: 21,
            name: None,
        },
        community_id: String::new(),
        layers: vec![],
        display_filter: String::new(),
        start: Timestamp::default(),
        end: Timestamp::default(),
        duration: 0.0,
        midstream: false,
        end_state: EndState::Closed,
        timing: Timing::default(),
        dns: None,
        greeting: None,
        login: Login {
            outcome: LoginOutcome::Accepted,
            user: Some("bob".into()),
            user_b64: None,
            password: Some("<hidden>".into()),
            password_b64: None,
            account: None,
            anonymous: false,
            attempts: 1,
        },
        tls: None,
        steps: vec![login.into()],
        steps_omitted: 0,
        transfers: vec![],
        transfers_omitted: 0,
        encrypted_data: vec![],
        encrypted_data_omitted: 0,
        unsolicited_replies: vec![],
        unsolicited_replies_omitted: 0,
        findings: vec![],
        findings_omitted: 0,
        verdict: super::no_verdict(),
        index: Index::default(),
    }
}

/// Returns a step of these commands.
pub(super) fn step(commands: Vec<Command>) -> Step {
    Step {
        number: 1,
        commands,
        ..Step::without_commands(StepKind::Command, String::new(), Timestamp::default(), 0.0)
    }
}

/// Returns a command in frame 7 with its reply in frame 8.
pub(super) fn command(verb: &str, argument: Option<&str>, (code, text): (u16, &str)) -> Command {
    let reply = Reply {
        code,
        lines: vec![text.into()],
        lines_b64: None,
        lines_omitted: 0,
        time: Timestamp::default(),
        frame: 8,
        capture: None,
        capture_frame: None,
        truncated: false,
        preliminary: vec![],
    };
    Command {
        sequence: 1,
        verb: verb.into(),
        verb_b64: None,
        argument: argument.map(Into::into),
        argument_b64: None,
        time: Timestamp::default(),
        frame: 7,
        capture: None,
        capture_frame: None,
        truncated: false,
        response_time: None,
        replies: vec![reply],
    }
}

/// Returns a passive download of 100 bytes in frames 20 to 30.
pub(super) fn transfer(completeness: Completeness) -> Transfer {
    Transfer {
        id: 1,
        verb: "RETR".into(),
        argument: Some("readme.txt".into()),
        argument_b64: None,
        path: Some("/pub/readme.txt".into()),
        path_b64: None,
        name: Some("readme.txt".into()),
        name_b64: None,
        direction: TransferDirection::Download,
        mode: Mode::Passive,
        data_type: DataType::Image,
        transfer_mode: TransferMode::Stream,
        structure: Structure::File,
        restart_offset: 0,
        announced: None,
        connection: Some(Connection {
            client: Address {
                ip: [10, 0, 0, 2].into(),
                port: 1176,
            },
            server: Address {
                ip: [10, 0, 0, 1].into(),
                port: 5001,
            },
            opened_by: Some(Opener::Client),
            start: Timestamp::default(),
            end: Timestamp::default(),
            first_frame: 20,
            last_frame: 30,
            retransmitted_bytes: 0,
            zero_windows: 0,
            zero_window_seconds: 0.0,
            close: Close::Fin,
            community_id: String::new(),
        }),
        link: None,
        bytes: 100,
        missing_bytes: 0,
        missing_ranges: vec![],
        missing_ranges_omitted: 0,
        announced_bytes: None,
        completeness,
        evidence: vec![],
        sha256: None,
        md5: None,
        sha1: None,
        decoded: None,
        media_type: None,
        saved_as: None,
        throughput: None,
        entries: vec![],
        entries_omitted: 0,
        cut_lines: Vec::new(),
        cut_lines_omitted: 0,
    }
}
