//! `reply-violation`: replies that break a rule of the RFCs. One finding for each rule and session.

use super::{DataTrouble, Draft, LineRule, quote};
use crate::model::record::{Command, Finding, Outcome, Reply, Session, Severity};
use crate::protocol::ftp::{extended_passive_reply, passive_reply};

/// Reports the rules that the server broke.
pub(super) fn detect(session: &Session, evidence: &[DataTrouble], findings: &mut Vec<Finding>) {
    let mut violations = [const { Violations::NONE }; RULES.len()];
    let mut epsv_all = false;
    for command in session.steps.iter().flat_map(|step| &step.commands) {
        for rule in broken_rules(command) {
            let reply = match rule {
                Rule::SecondPreliminary => preliminary(command).nth(1),
                _ => command.replies.last(),
            };
            violations[rule as usize].add(reply);
        }
        if epsv_all && sets_up_data(&command.verb) && accepted(command) {
            violations[Rule::AfterEpsvAll as usize].add(command.replies.last());
        }
        epsv_all |= command.verb == "EPSV"
            && accepted(command)
            && command
                .argument
                .as_deref()
                .is_some_and(|word| word.eq_ignore_ascii_case("ALL"));
    }
    if dialogue_is_complete(session, evidence) {
        // After the last command a reply is no violation: some servers say farewell to a client that left without QUIT.
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
            // 421 may come at any time (RFC 959 section 4.2.2).
            .filter(|reply| reply.code >= 200 && reply.code != 421)
            .filter(before_the_end)
        {
            violations[Rule::Unsolicited as usize].add(Some(reply));
        }
    }
    for item in evidence {
        let DataTrouble::OddLines {
            rule,
            count,
            frames,
            first,
        } = item
        else {
            continue;
        };
        let rule = match rule {
            LineRule::NoCode => Rule::NoCode,
            LineRule::WrongEnd => Rule::WrongEnd,
            LineRule::CodeForm => Rule::CodeForm,
            LineRule::ReplyLineEnd => Rule::ReplyLineEnd,
            LineRule::CommandLineEnd => Rule::CommandLineEnd,
        };
        let entry = &mut violations[rule as usize];
        entry.count += count;
        entry.frames.extend(frames.iter().take(MAX_FRAMES));
        entry.example = first.map(str::to_owned);
    }
    for (rule, violations) in RULES.iter().zip(violations) {
        if violations.count > 0 {
            findings.push(rule.finding(&violations));
        }
    }
}

/// Violations of one rule in one session.
struct Violations {
    count: u64,
    /// Frames of the first [`MAX_FRAMES`].
    frames: Vec<u64>,
    /// Quotation of the first reply; `None` where the evidence has frames alone.
    example: Option<String>,
}

impl Violations {
    const NONE: Self = Self {
        count: 0,
        frames: Vec::new(),
        example: None,
    };

    fn add(&mut self, reply: Option<&Reply>) {
        self.count += 1;
        if let Some(reply) = reply {
            if self.frames.len() < MAX_FRAMES {
                self.frames.push(reply.frame);
            }
            self.example.get_or_insert_with(|| quote(reply));
        }
    }
}

/// A rule; its number is the index into [`RULES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    SecondPreliminary,
    PassiveForExtended,
    NoEndpoint,
    NoCode,
    WrongEnd,
    NoQuotes,
    NoTime,
    NoSize,
    Unsolicited,
    AfterEpsvAll,
    CodeForm,
    ReplyLineEnd,
    CommandLineEnd,
}

/// Texts of a rule.
struct RuleText {
    /// RFC and section that state it.
    section: &'static str,
    severity: Severity,
    /// The violation, as title of the finding.
    title: &'static str,
    /// The rule itself, as clause after "By RFC ...".
    rule: &'static str,
}

impl RuleText {
    fn finding(&self, violations: &Violations) -> Finding {
        let times = match violations.count {
            1 => String::new(),
            count => format!(", {count} times"),
        };
        let example = violations
            .example
            .as_deref()
            .map_or_else(String::new, |example| format!(" First: {example}."));
        Draft {
            id: "reply-violation",
            severity: self.severity,
            title: format!("{} ({}){times}", self.title, self.section),
            explanation: format!("By {} {}.{example}", self.section, self.rule),
            advice: "Nothing to do where the client copes with it; otherwise report it to the makers of the server.",
            frames: violations.frames.clone(),
        }
        .about(None, None)
    }
}

/// Texts of all rules, in the order of [`Rule`].
const RULES: [RuleText; 13] = [
    RuleText {
        section: "RFC 959 section 4.2",
        severity: Severity::Info,
        title: "more than one preliminary reply to one command",
        rule: "a server sends at most one 1yz reply for each command",
    },
    RuleText {
        section: "RFC 2428 section 3",
        severity: Severity::Low,
        title: "EPSV answered with 227",
        rule: "the answer to EPSV is 229 with the port alone; many clients cannot read another",
    },
    RuleText {
        section: "RFC 1123 section 4.1.2.6",
        severity: Severity::Low,
        title: "227 or 229 without an end point",
        rule: "227 holds six numbers and 229 a port between bars (RFC 2428 section 3); without them no data connection is possible",
    },
    RuleText {
        section: "RFC 959 section 4.2",
        severity: Severity::Low,
        title: "lines without a reply code",
        rule: "each reply begins with three digits; lines without belong between the first and last line of one reply",
    },
    RuleText {
        section: "RFC 959 section 4.2",
        severity: Severity::Low,
        title: "reply of several lines that did not end with its own code",
        rule: "the last line of such a reply begins with the code of the first and a space",
    },
    RuleText {
        section: "RFC 959 section 4.2.1 and appendix II",
        severity: Severity::Info,
        title: "257 without a quoted directory",
        rule: "257 names the directory in double quotes",
    },
    RuleText {
        section: "RFC 3659 section 2.3",
        severity: Severity::Info,
        title: "MDTM answered with another time than YYYYMMDDHHMMSS",
        rule: "a time is 14 digits in UTC, with a fraction at most",
    },
    RuleText {
        section: "RFC 3659 section 4.1",
        severity: Severity::Info,
        title: "SIZE answered with another thing than a number",
        rule: "the answer to SIZE is 213 and a decimal number",
    },
    RuleText {
        section: "RFC 959 section 4.2",
        severity: Severity::Info,
        title: "final reply that no command waits for",
        rule: "each command gets one final reply",
    },
    RuleText {
        section: "RFC 2428 section 4",
        severity: Severity::Info,
        title: "data connection set up otherwise after EPSV ALL",
        rule: "a server that accepted EPSV ALL refuses PORT, EPRT and PASV",
    },
    RuleText {
        section: "RFC 959 section 4.2",
        severity: Severity::Info,
        title: "reply code without a blank behind it, or behind blanks",
        rule: "a reply begins with its three digits and a blank or hyphen; it was read all the same",
    },
    RuleText {
        section: "RFC 959 section 5.3.1",
        severity: Severity::Info,
        title: "replies that do not end with CR LF alone",
        rule: "a line ends with CR LF, and nothing pads it; the replies were read all the same",
    },
    RuleText {
        section: "RFC 959 section 5.3.1",
        severity: Severity::Info,
        title: "commands that do not end with CR LF alone",
        rule: "a line ends with CR LF, and nothing pads it; the commands were read all the same, as this server did",
    },
];

/// Returns the rules that the replies to one command break: at most one about 1yz replies and one about the final reply.
fn broken_rules(command: &Command) -> Vec<Rule> {
    let mut rules = Vec::new();
    if preliminary(command).nth(1).is_some() {
        rules.push(Rule::SecondPreliminary);
    }
    let Some(reply) = command.replies.iter().rev().find(|reply| reply.code >= 200) else {
        return rules;
    };
    // The missing part of a truncated reply may be the one that the rule demands.
    if reply.truncated {
        return rules;
    }
    let holds = |found: fn(&[u8]) -> bool| reply.lines.iter().any(|line| found(line.as_bytes()));
    let rule = match (command.verb.as_str(), reply.code) {
        ("EPSV", 227) => Rule::PassiveForExtended,
        ("PASV", 227) if !holds(|line| line.contains(&b',') && has_endpoint(line)) => {
            Rule::NoEndpoint
        }
        ("PASV" | "EPSV", 229) if !holds(|line| extended_passive_reply(line).is_some()) => {
            Rule::NoEndpoint
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

/// Returns the 1yz replies to a command that count against the limit of one.
fn preliminary(command: &Command) -> impl Iterator<Item = &Reply> {
    command
        .replies
        .iter()
        .filter(|reply| reply.code < 200 && reply.code != RESTART_MARKER)
}

/// Returns whether a line holds an endpoint. Port 0 counts although nobody can use it: some servers refuse that way.
fn has_endpoint(line: &[u8]) -> bool {
    passive_reply(line).is_some() || line.windows(4).any(|part| part == b",0,0")
}

/// Returns whether a text is a time as in RFC 3659 section 2.3: `YYYYMMDDHHMMSS` with an optional fraction.
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

/// Returns whether an MDTM sets the time: `MDTM YYYYMMDDHHMMSS name` is an extension of several servers.
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

/// Returns whether the capture shows the whole dialogue, so that an unsolicited reply is a fault of the server.
///
/// ABOR makes the count of replies uncertain (RFC 959 section 4.1.3: one or two), and so does TLS.
fn dialogue_is_complete(session: &Session, evidence: &[DataTrouble]) -> bool {
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
        && !evidence
            .iter()
            .any(|item| matches!(item, DataTrouble::Lost(lost) if lost.control > 0))
}

/// Reply that may come many times, once for each restart marker (RFC 959 section 3.4.2).
const RESTART_MARKER: u16 = 110;
/// Limit of the frames named for one rule.
const MAX_FRAMES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Lost;
    use crate::diagnosis::tests::{command, session, step};
    use crate::model::Timestamp;

    fn findings_of(commands: Vec<Command>, evidence: &[DataTrouble]) -> Vec<Finding> {
        let mut session = session();
        session.steps.push(step(commands).into());
        let mut findings = Vec::new();
        detect(&session, evidence, &mut findings);
        findings
    }

    fn titles(verb: &str, code: u16, text: &str) -> Vec<String> {
        findings_of(vec![command(verb, None, (code, text))], &[])
            .into_iter()
            .map(|finding| finding.title)
            .collect()
    }

    #[test]
    fn replies_by_the_rfcs_report_nothing() {
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
                titles(verb, code, text),
                Vec::<String>::new(),
                "{verb} {code} {text}"
            );
        }
    }

    #[test]
    fn violated_rule_is_titled_with_its_section() {
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
            let titles = titles(verb, code, text);
            assert!(
                titles.len() == 1 && titles[0].contains(section),
                "{titles:?}"
            );
        }
    }

    #[test]
    fn second_1yz_reply_is_reported_once_with_its_count_and_restart_markers_are_not() {
        let twice = |first: u16, second: u16| {
            let mut retrieve = command("RETR", Some("a"), (226, "done"));
            let mut begun = retrieve.replies[0].clone();
            begun.code = first;
            retrieve.replies.insert(0, begun.clone());
            begun.code = second;
            retrieve.replies.insert(1, begun);
            retrieve
        };
        let found = findings_of(vec![twice(150, 150), twice(125, 150)], &[]);
        assert_eq!(found.len(), 1);
        assert!(found[0].title.ends_with(", 2 times"), "{}", found[0].title);
        assert!(found[0].explanation.ends_with("First: 150 done."));
        assert!(findings_of(vec![twice(150, 110)], &[]).is_empty());
    }

    #[test]
    fn unsolicited_reply_is_reported_only_if_the_dialogue_is_complete() {
        let with_late_reply = |evidence: &[DataTrouble], code: u16, verb: &str| {
            let mut session = session();
            session
                .steps
                .push(step(vec![command(verb, None, (200, "ok"))]).into());
            let mut after = command("NOOP", None, (200, "ok"));
            after.time = Timestamp::from_parts(1, 0);
            session.steps.push(step(vec![after]).into());
            let mut late = session.steps[0].commands[0].replies[0].clone();
            late.code = code;
            session.unsolicited_replies = vec![late];
            let mut findings = Vec::new();
            detect(&session, evidence, &mut findings);
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
    fn farewell_after_the_last_command_and_mdtm_that_sets_the_time_report_nothing() {
        let mut session = session();
        session.unsolicited_replies = vec![command("QUIT", None, (221, "bye")).replies.remove(0)];
        let set = command(
            "MDTM",
            Some("20260102030405 a.txt"),
            (213, "File modification time set."),
        );
        session.steps.push(step(vec![set]).into());
        let mut findings = Vec::new();
        detect(&session, &[], &mut findings);
        assert!(findings.is_empty(), "{findings:?}");
    }

    #[test]
    fn lines_without_a_code_are_reported_from_packet_evidence() {
        let odd = DataTrouble::OddLines {
            rule: LineRule::NoCode,
            count: 3,
            frames: vec![7, 8],
            first: None,
        };
        let found = findings_of(vec![], &[odd]);
        assert_eq!(
            (found[0].frames.as_slice(), found[0].severity),
            (&[7, 8][..], Severity::Low)
        );
        assert!(found[0].title.contains("3 times"));
    }

    #[test]
    fn port_after_epsv_all_is_reported_if_the_server_accepted_it() {
        let all = command("EPSV", Some("ALL"), (200, "ok"));
        let port = |code| command("PORT", Some("10,0,0,2,4,1"), (code, "x"));
        assert_eq!(findings_of(vec![all.clone(), port(200)], &[]).len(), 1);
        assert!(findings_of(vec![all, port(501)], &[]).is_empty());
        assert!(findings_of(vec![port(200)], &[]).is_empty());
    }
}
