//! `reply-violation`: replies that are not as the RFCs say. One finding for each rule and session.

use super::{DataTrouble, Draft, quote};
use crate::model::record::{Command, Finding, Outcome, Reply, Session, Severity};
use crate::protocol::ftp::{extended_passive_reply, passive_reply};

pub(super) fn violations(session: &Session, troubles: &[DataTrouble], findings: &mut Vec<Finding>) {
    let mut rules = [const { Seen::NONE }; RULES.len()];
    let mut all_extended = false;
    for command in session.steps.iter().flat_map(|step| &step.commands) {
        for rule in broken(command) {
            let reply = match rule {
                Rule::SecondPreliminary => preliminary(command).nth(1),
                _ => command.replies.last(),
            };
            rules[rule as usize].add(reply);
        }
        if all_extended && sets_up_data(&command.verb) && accepted(command) {
            rules[Rule::AfterEpsvAll as usize].add(command.replies.last());
        }
        all_extended |= command.verb == "EPSV"
            && accepted(command)
            && command
                .argument
                .as_deref()
                .is_some_and(|word| word.eq_ignore_ascii_case("ALL"));
    }
    if nothing_is_missing(session, troubles) {
        // Some servers say farewell to a client that went without QUIT.
        let last_command = session
            .steps
            .iter()
            .flat_map(|step| &step.commands)
            .map(|command| command.time)
            .max();
        let before_the_end =
            |reply: &&Reply| last_command.is_some_and(|command| reply.time < command);
        for reply in session
            .unsolicited_replies
            .iter()
            .filter(|reply| reply.code >= 200 && reply.code != 421)
            .filter(before_the_end)
        {
            rules[Rule::Unasked as usize].add(Some(reply));
        }
    }
    for trouble in troubles {
        let (rule, count, frames) = match trouble {
            DataTrouble::OddLines { count, frames } => (Rule::NoCode, *count, frames),
            DataTrouble::WrongEnds { count, frames } => (Rule::WrongEnd, *count, frames),
            _ => continue,
        };
        let seen = &mut rules[rule as usize];
        seen.count += count;
        seen.frames.extend(frames.iter().take(FRAMES));
    }
    for (rule, seen) in RULES.iter().zip(rules) {
        if seen.count > 0 {
            findings.push(rule.finding(&seen));
        }
    }
}

/// What was seen of one rule.
struct Seen {
    count: u64,
    frames: Vec<u64>,
    example: Option<String>,
}

impl Seen {
    const NONE: Self = Self {
        count: 0,
        frames: Vec::new(),
        example: None,
    };

    fn add(&mut self, reply: Option<&Reply>) {
        self.count += 1;
        if let Some(reply) = reply {
            if self.frames.len() < FRAMES {
                self.frames.push(reply.frame);
            }
            self.example.get_or_insert_with(|| quote(reply));
        }
    }
}

/// The rules, by their place in [`RULES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    SecondPreliminary,
    PassiveForExtended,
    NoEndPoint,
    NoCode,
    WrongEnd,
    NoQuotes,
    NoTime,
    NoSize,
    Unasked,
    AfterEpsvAll,
}

struct Text {
    section: &'static str,
    severity: Severity,
    what: &'static str,
    why: &'static str,
}

impl Text {
    fn finding(&self, seen: &Seen) -> Finding {
        let times = match seen.count {
            1 => String::new(),
            count => format!(", {count} times"),
        };
        let example = seen
            .example
            .as_deref()
            .map_or_else(String::new, |example| format!(" First: {example}."));
        Draft {
            id: "reply-violation",
            severity: self.severity,
            title: format!("{} ({}){times}", self.what, self.section),
            explanation: format!("By {} {}.{example}", self.section, self.why),
            advice: "Nothing to do where the client copes with it; otherwise report it to the makers of the server.",
            frames: seen.frames.clone(),
        }
        .about(None, None)
    }
}

const RULES: [Text; 10] = [
    Text {
        section: "RFC 959 section 4.2",
        severity: Severity::Info,
        what: "more than one preliminary reply to one command",
        why: "a server sends at most one 1yz reply for each command",
    },
    Text {
        section: "RFC 2428 section 3",
        severity: Severity::Low,
        what: "EPSV answered with 227",
        why: "the answer to EPSV is 229 with the port alone; many clients cannot read another",
    },
    Text {
        section: "RFC 1123 section 4.1.2.6",
        severity: Severity::Low,
        what: "227 or 229 without an end point",
        why: "227 holds six numbers and 229 a port between bars (RFC 2428 section 3); without them no data connection is possible",
    },
    Text {
        section: "RFC 959 section 4.2",
        severity: Severity::Low,
        what: "lines without a reply code",
        why: "each reply begins with three digits; lines without belong between the first and last line of one reply",
    },
    Text {
        section: "RFC 959 section 4.2",
        severity: Severity::Low,
        what: "reply of several lines that did not end with its own code",
        why: "the last line of such a reply begins with the code of the first and a space",
    },
    Text {
        section: "RFC 959 section 4.2.1 and appendix II",
        severity: Severity::Info,
        what: "257 without a quoted directory",
        why: "257 names the directory in double quotes",
    },
    Text {
        section: "RFC 3659 section 2.3",
        severity: Severity::Info,
        what: "MDTM answered with another time than YYYYMMDDHHMMSS",
        why: "a time is 14 digits in UTC, with a fraction at most",
    },
    Text {
        section: "RFC 3659 section 4.1",
        severity: Severity::Info,
        what: "SIZE answered with another thing than a number",
        why: "the answer to SIZE is 213 and a decimal number",
    },
    Text {
        section: "RFC 959 section 4.2",
        severity: Severity::Info,
        what: "final reply that no command waits for",
        why: "each command gets one final reply",
    },
    Text {
        section: "RFC 2428 section 4",
        severity: Severity::Info,
        what: "data connection set up otherwise after EPSV ALL",
        why: "a server that accepted EPSV ALL refuses PORT, EPRT and PASV",
    },
];

/// The rules that the replies to one command break.
fn broken(command: &Command) -> Vec<Rule> {
    let mut rules = Vec::new();
    if preliminary(command).nth(1).is_some() {
        rules.push(Rule::SecondPreliminary);
    }
    let Some(reply) = command.replies.iter().rev().find(|reply| reply.code >= 200) else {
        return rules;
    };
    if reply.truncated {
        return rules;
    }
    let holds = |found: fn(&[u8]) -> bool| reply.lines.iter().any(|line| found(line.as_bytes()));
    let rule = match (command.verb.as_str(), reply.code) {
        ("EPSV", 227) => Rule::PassiveForExtended,
        ("PASV", 227) if !holds(|line| line.contains(&b',') && has_end_point(line)) => {
            Rule::NoEndPoint
        }
        ("PASV" | "EPSV", 229) if !holds(|line| extended_passive_reply(line).is_some()) => {
            Rule::NoEndPoint
        }
        ("PWD" | "XPWD" | "MKD" | "XMKD", 257) if !holds(|line| line.contains(&b'"')) => {
            Rule::NoQuotes
        }
        ("MDTM", 213) if !sets_time(command) && !holds(is_time) => Rule::NoTime,
        ("SIZE", 213) if !holds(is_number) => Rule::NoSize,
        _ => return rules,
    };
    rules.push(rule);
    rules
}

/// The 1yz replies to a command.
fn preliminary(command: &Command) -> impl Iterator<Item = &Reply> {
    command
        .replies
        .iter()
        .filter(|reply| reply.code < 200 && reply.code != RESTART_MARKER)
}

/// Port 0 is an end point too, though one that nobody can use: some servers refuse so.
fn has_end_point(line: &[u8]) -> bool {
    passive_reply(line).is_some() || line.windows(4).any(|part| part == b",0,0")
}

fn is_time(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let (whole, fraction) = text.split_at_checked(14).unwrap_or((text, b""));
    whole.len() == 14
        && whole.iter().all(u8::is_ascii_digit)
        && match fraction {
            [] => true,
            [b'.', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
            _ => false,
        }
}

/// `MDTM YYYYMMDDHHMMSS name` sets the time, an extension of several servers.
fn sets_time(command: &Command) -> bool {
    let argument = command.argument.as_deref().unwrap_or_default();
    argument
        .split_once(' ')
        .is_some_and(|(time, _)| is_time(time.as_bytes()))
}

fn is_number(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

fn sets_up_data(verb: &str) -> bool {
    matches!(verb, "PORT" | "EPRT" | "PASV" | "LPRT" | "LPSV")
}

fn accepted(command: &Command) -> bool {
    command
        .replies
        .last()
        .is_some_and(|reply| (200..300).contains(&reply.code))
}

/// Whether the capture shows all of the dialogue, so that a reply without a command is the server's doing. ABOR may be
/// answered once or twice (RFC 959 section 4.1.3), and what TLS hides cannot be counted.
fn nothing_is_missing(session: &Session, troubles: &[DataTrouble]) -> bool {
    let mut commands = session
        .steps
        .iter()
        .flat_map(|step| &step.commands)
        .peekable();
    let any = commands.peek().is_some();
    any && !session.midstream
        && session.tls.is_none()
        && session.steps_omitted == 0
        && commands.all(|command| command.verb != "ABOR" && !command.truncated)
        && session
            .steps
            .iter()
            .all(|step| step.outcome != Outcome::Unknown)
        && !troubles
            .iter()
            .any(|trouble| matches!(trouble, DataTrouble::Lost(lost) if lost.control > 0))
}

/// 110 comes once for each marker (RFC 959 section 3.4.2).
const RESTART_MARKER: u16 = 110;
/// Frames named for one rule.
const FRAMES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Lost;
    use crate::diagnosis::tests::{command, session, step};
    use crate::model::Timestamp;

    fn of(commands: Vec<Command>, troubles: &[DataTrouble]) -> Vec<Finding> {
        let mut it = session();
        it.steps.push(step(commands).into());
        let mut findings = Vec::new();
        violations(&it, troubles, &mut findings);
        findings
    }

    fn one(verb: &str, code: u16, text: &str) -> Vec<String> {
        of(vec![command(verb, None, (code, text))], &[])
            .into_iter()
            .map(|finding| finding.title)
            .collect()
    }

    #[test]
    fn what_the_rfcs_say_raises_nothing() {
        for (verb, code, text) in [
            ("EPSV", 229, "Entering Extended Passive Mode (|||5001|)"),
            ("PASV", 227, "Entering Passive Mode (10,0,0,1,19,137)"),
            ("PASV", 227, "=10,0,0,1,19,137"),
            ("PASV", 227, "Entering Passive Mode (0,0,0,0,0,0)"),
            ("EPSV", 500, "what"),
            ("PWD", 257, "\"/pub\" is the current directory"),
            ("PWD", 550, "no"),
            ("MKD", 257, "\"/a\"\"b\" created"),
            ("MDTM", 213, "20260102030405"),
            ("MDTM", 213, "20260102030405.123"),
            ("MDTM", 550, "no"),
            ("SIZE", 213, "1715"),
            ("LIST", 226, "done"),
            ("RETR", 226, "without a 150 before it"),
        ] {
            assert_eq!(
                one(verb, code, text),
                Vec::<String>::new(),
                "{verb} {code} {text}"
            );
        }
    }

    #[test]
    fn each_rule_has_its_section() {
        for (verb, code, text, section) in [
            ("EPSV", 227, "(10,0,0,1,19,137)", "RFC 2428 section 3"),
            (
                "PASV",
                227,
                "Entering Passive Mode",
                "RFC 1123 section 4.1.2.6",
            ),
            (
                "EPSV",
                229,
                "Entering Extended Passive Mode",
                "RFC 1123 section 4.1.2.6",
            ),
            (
                "PWD",
                257,
                "/pub is the current directory",
                "RFC 959 section 4.2.1",
            ),
            ("MDTM", 213, "19100102030405 GMT", "RFC 3659 section 2.3"),
            ("MDTM", 213, "191000102030405", "RFC 3659 section 2.3"),
            ("SIZE", 213, "1715 bytes", "RFC 3659 section 4.1"),
        ] {
            let titles = one(verb, code, text);
            assert!(
                titles.len() == 1 && titles[0].contains(section),
                "{titles:?}"
            );
        }
    }

    #[test]
    fn a_second_1yz_is_told_once_with_its_count_and_restart_markers_are_not() {
        let twice = |first: u16, second: u16| {
            let mut retrieve = command("RETR", Some("a"), (226, "done"));
            let mut begun = retrieve.replies[0].clone();
            begun.code = first;
            retrieve.replies.insert(0, begun.clone());
            begun.code = second;
            retrieve.replies.insert(1, begun);
            retrieve
        };
        let found = of(vec![twice(150, 150), twice(125, 150)], &[]);
        assert_eq!(found.len(), 1);
        assert!(found[0].title.ends_with(", 2 times"), "{}", found[0].title);
        assert!(found[0].explanation.ends_with("First: 150 done."));
        assert!(of(vec![twice(150, 110)], &[]).is_empty());
    }

    #[test]
    fn replies_without_a_command_count_only_where_nothing_was_lost() {
        let with_late_reply = |troubles: &[DataTrouble], code: u16, verb: &str| {
            let mut it = session();
            it.steps
                .push(step(vec![command(verb, None, (200, "ok"))]).into());
            let mut after = command("NOOP", None, (200, "ok"));
            after.time = Timestamp::from_parts(1, 0);
            it.steps.push(step(vec![after]).into());
            let mut late = it.steps[0].commands[0].replies[0].clone();
            late.code = code;
            it.unsolicited_replies = vec![late];
            let mut findings = Vec::new();
            violations(&it, troubles, &mut findings);
            findings.len()
        };
        let lost = DataTrouble::Lost(Lost {
            control: 6,
            ..Lost::default()
        });
        assert_eq!(with_late_reply(&[], 226, "NOOP"), 1);
        assert_eq!(with_late_reply(&[], 421, "NOOP"), 0);
        assert_eq!(with_late_reply(&[], 226, "ABOR"), 0);
        assert_eq!(with_late_reply(&[lost], 226, "NOOP"), 0);
    }

    #[test]
    fn a_farewell_to_a_client_that_went_and_an_mdtm_that_sets_the_time_are_no_violations() {
        let mut it = session();
        it.unsolicited_replies = vec![command("QUIT", None, (221, "bye")).replies.remove(0)];
        let set = command(
            "MDTM",
            Some("20260102030405 a.txt"),
            (213, "File modification time set."),
        );
        it.steps.push(step(vec![set]).into());
        let mut findings = Vec::new();
        violations(&it, &[], &mut findings);
        assert!(findings.is_empty(), "{findings:?}");
    }

    #[test]
    fn lines_and_ends_come_from_the_packets() {
        let odd = DataTrouble::OddLines {
            count: 3,
            frames: vec![7, 8],
        };
        let found = of(vec![], &[odd]);
        assert_eq!(
            (found[0].frames.as_slice(), found[0].severity),
            (&[7, 8][..], Severity::Low)
        );
        assert!(found[0].title.contains("3 times"));
    }

    #[test]
    fn port_after_epsv_all_is_told_where_it_was_accepted() {
        let all = command("EPSV", Some("ALL"), (200, "ok"));
        let port = |code| command("PORT", Some("10,0,0,2,4,1"), (code, "x"));
        assert_eq!(of(vec![all.clone(), port(200)], &[]).len(), 1);
        assert!(of(vec![all, port(501)], &[]).is_empty());
        assert!(of(vec![port(200)], &[]).is_empty());
    }
}
