//! The steps of the example session, with their commands and replies.

use super::at;
use crate::model::record::{Command, Outcome, Reply, Step, StepKind};

#[expect(
    clippy::too_many_lines,
    reason = "one entry a step, in the order of the session"
)]
pub(super) fn steps() -> Vec<Step> {
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

pub(super) fn reply(code: u16, lines: &[&str], millis: i64, frame: u64) -> Reply {
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
