//! Commands grouped into steps.

use super::*;

struct Script {
    log: StepLog,
    sequence: u64,
}

impl Script {
    fn new() -> Self {
        Self {
            log: StepLog::default(),
            sequence: 0,
        }
    }

    fn say(&mut self, line: &str, transfer: Option<u64>, code: Option<u16>) -> u64 {
        self.sequence += 1;
        let (verb, argument) = line
            .split_once(' ')
            .map_or((line, None), |(verb, argument)| (verb, Some(argument)));
        let name = argument.unwrap_or("").to_owned();
        let time = Timestamp::from_nanos(i64::try_from(self.sequence).expect("few"));
        let command = CommandState {
            record: Command {
                sequence: self.sequence,
                verb: verb.into(),
                verb_b64: None,
                argument: argument.map(Into::into),
                argument_b64: None,
                time,
                frame: self.sequence,
                capture: None,
                capture_frame: None,
                truncated: false,
                response_time: None,
                replies: vec![],
            },
            verb: Verb::from_bytes(verb.as_bytes()),
            argument: argument.map(|text| text.as_bytes().to_vec()),
            answer: code.map(|code| (code, time)),
            reply_lost: false,
            anonymous: false,
        };
        self.log
            .add_command(command, transfer, |other| other == name.as_bytes());
        self.sequence
    }

    fn settle(&mut self, transfer: u64) {
        self.log.settled(
            transfer,
            TransferNote {
                title: "done".into(),
                end: Timestamp::default(),
            },
        );
    }

    fn emitted(&mut self, all: bool) -> Vec<(StepKind, Vec<u64>)> {
        let mut steps = Vec::new();
        while let Some(step) = self.log.next(all, |command| command.record) {
            steps.push((
                step.kind,
                step.commands
                    .iter()
                    .map(|command| command.sequence)
                    .collect(),
            ));
        }
        steps
    }
}

#[test]
fn preparations_join_the_transfer_across_refused_commands() {
    let mut script = Script::new();
    script.say("EPSV", None, Some(229));
    script.say("SIZE a", None, Some(213));
    script.say("CWD a", None, Some(550));
    assert!(script.emitted(false).is_empty());
    script.say("RETR a", Some(1), Some(226));
    assert!(script.emitted(false).is_empty());
    script.settle(1);
    assert_eq!(
        script.emitted(false),
        [
            (StepKind::Retrieve, vec![1, 2, 4]),
            (StepKind::Cwd, vec![3])
        ]
    );
}

#[test]
fn preparations_for_nothing_stand_alone() {
    let mut script = Script::new();
    script.say("TYPE I", None, Some(200));
    script.say("SIZE b", None, Some(213));
    script.say("CWD a", None, Some(250));
    assert_eq!(
        script.emitted(false),
        [
            (StepKind::Command, vec![1]),
            (StepKind::Command, vec![2]),
            (StepKind::Cwd, vec![3])
        ]
    );
}

#[test]
fn an_accepted_auth_waits_for_its_handshake_and_a_refused_one_does_not() {
    let mut script = Script::new();
    script.say("AUTH SSL", None, Some(500));
    script.say("AUTH TLS", None, Some(234));
    assert_eq!(script.emitted(false), [(StepKind::Tls, vec![1])]);
    let facts = ("TLS 1.3, a suite".to_owned(), Timestamp::from_nanos(9));
    assert!(script.log.handshake(Some(facts)));
    let step = script.log.next(false, |command| command.record.clone());
    assert_eq!(
        step.map(|step| step.title).as_deref(),
        Some("AUTH TLS: TLS 1.3, a suite")
    );
    assert!(!script.log.handshake(None));
}

#[test]
fn an_auth_of_another_mechanism_waits_for_nothing() {
    let mut script = Script::new();
    script.say("AUTH GSSAPI", None, Some(334));
    script.say("ENC aGVsbG8=", None, Some(632));
    assert_eq!(
        script.emitted(false),
        [(StepKind::Tls, vec![1]), (StepKind::Command, vec![2])]
    );
}

#[test]
fn the_size_of_another_file_breaks_the_chain() {
    let mut script = Script::new();
    script.say("PASV", None, Some(227));
    script.say("SIZE b", None, Some(213));
    script.say("RETR a", Some(1), Some(226));
    script.settle(1);
    assert_eq!(script.emitted(true).len(), 3);
}

#[test]
fn a_login_attempt_is_one_step_and_the_next_user_another() {
    let mut script = Script::new();
    script.say("USER a", None, Some(331));
    script.say("PASS b", None, Some(530));
    assert_eq!(script.emitted(false), [(StepKind::Login, vec![1, 2])]);
    script.say("USER ftp", None, Some(230));
    assert!(script.emitted(false).is_empty());
    script.say("QUIT", None, Some(221));
    assert_eq!(
        script.emitted(false),
        [(StepKind::Login, vec![3]), (StepKind::Quit, vec![4])]
    );
}

#[test]
fn abor_belongs_to_the_running_transfer_and_rnto_to_its_rnfr() {
    let mut script = Script::new();
    let retr = script.say("RETR a", Some(1), None);
    script.say("ABOR", None, None);
    for (sequence, code) in [(retr, 426), (2, 226)] {
        script.log.get_mut(sequence).expect("open").answer = Some((code, Timestamp::default()));
    }
    script.settle(1);
    script.say("RNFR a", None, Some(350));
    script.say("RNTO b", None, Some(250));
    script.say("ABOR", None, Some(226));
    assert_eq!(
        script.emitted(false),
        [
            (StepKind::Retrieve, vec![1, 2]),
            (StepKind::Rename, vec![3, 4]),
            (StepKind::Command, vec![5])
        ]
    );
}
