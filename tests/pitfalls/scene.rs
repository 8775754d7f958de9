//! A dialogue written as a script, the whole program run on it, and its report in a form that is easy to compare.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::support::connection::Side;
use crate::support::conversation::Conversation;
use crate::support::folder::Folder;
use crate::support::wire::Wire;

/// A conversation that goes by a script.
pub(crate) struct Scene {
    pub(crate) ftp: Conversation,
    data_connections: u16,
}

impl Scene {
    /// The control connection is open, and the server has greeted.
    pub(crate) fn greeted() -> Self {
        let mut scene = Self::connected();
        scene.play("< 220 ready");
        scene
    }

    /// A user is logged in.
    pub(crate) fn logged_in() -> Self {
        let mut scene = Self::greeted();
        scene.play("> USER mira\n< 331 password please\n> PASS hazel-lantern\n< 230 welcome");
        scene
    }

    /// The control connection is open, and nobody has said a word.
    pub(crate) fn connected() -> Self {
        Self::between(CLIENT, "198.51.100.21:21")
    }

    /// The same between other ends.
    pub(crate) fn between(client: &str, server: &str) -> Self {
        Self {
            ftp: Conversation::connect_on(Wire::new(), client, server),
            data_connections: 0,
        }
    }

    /// Plays a script, a line at a time:
    /// `> x` the client sends a line, `< x` the server, each acknowledged; `>> x | y` and `<< x | y` send several lines in one
    /// segment; `>! x` and `<! x` pass without being captured; `= 50001 300` is a passive data connection to that port, on
    /// which the server sends that many bytes, `=up` the client; `~ 5` lets seconds pass.
    pub(crate) fn play(&mut self, script: &str) -> &mut Self {
        for line in script.lines().map(str::trim_start) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "" => {}
                "~" => {
                    let seconds = rest.parse().expect("seconds");
                    self.ftp.wire.wait(Duration::from_secs_f64(seconds));
                }
                "=" | "=up" => {
                    let (port, bytes) = rest.split_once(' ').expect("port and bytes");
                    let sender = if word == "=" {
                        Side::Server
                    } else {
                        Side::Client
                    };
                    let bytes = vec![b'x'; bytes.parse().expect("a number")];
                    self.data(port.parse().expect("a port"), sender, &bytes);
                }
                _ => {
                    let side = if word.starts_with('>') {
                        Side::Client
                    } else {
                        Side::Server
                    };
                    let lines: Vec<&str> = match &word[1..] {
                        "" | "!" => vec![rest],
                        _ => rest.split(" | ").collect(),
                    };
                    let bytes = lines.iter().map(|line| format!("{line}\r\n"));
                    let bytes = bytes.collect::<String>().into_bytes();
                    if word.ends_with('!') {
                        self.lost(side, &bytes);
                    } else {
                        self.raw(side, &bytes);
                    }
                }
            }
        }
        self
    }

    /// One end sends these bytes in one segment, and the other acknowledges them.
    pub(crate) fn raw(&mut self, side: Side, bytes: &[u8]) -> &mut Self {
        self.ftp.wire.wait(Duration::from_millis(3));
        self.ftp.control.say(&mut self.ftp.wire, side, bytes);
        self.ftp.control.ack(&mut self.ftp.wire, side.other());
        self
    }

    /// The same, but the segment is not in the capture.
    pub(crate) fn lost(&mut self, side: Side, bytes: &[u8]) -> &mut Self {
        self.ftp.wire.wait(Duration::from_millis(3));
        self.ftp.control.lose(&mut self.ftp.wire, side, bytes);
        self.ftp.control.ack(&mut self.ftp.wire, side.other());
        self
    }

    /// A whole passive data connection.
    pub(crate) fn data(&mut self, port: u16, sender: Side, bytes: &[u8]) -> &mut Self {
        self.data_connections += 1;
        let mut data = self.ftp.passive_data(40_000 + self.data_connections, port);
        data.open(&mut self.ftp.wire);
        data.stream(&mut self.ftp.wire, sender, bytes, 1400);
        data.close(&mut self.ftp.wire, sender);
        self
    }

    /// The server closes the control connection; what the program reports, with secrets shown.
    pub(crate) fn report(&mut self) -> Value {
        self.ftp.control.close(&mut self.ftp.wire, Side::Server);
        analyze(&self.ftp.wire.to_pcap(), &["--show-passwords"])
    }
}

/// Returns the report of the program on a capture.
pub(crate) fn analyze(capture: &[u8], options: &[&str]) -> Value {
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = Folder::new(&format!("scene-{number}"));
    folder.write("capture.pcap", capture);
    folder.report(&[options, &["capture.pcap"]].concat())
}

/// The only session.
pub(crate) fn session(report: &Value) -> &Value {
    let sessions = report["sessions"].as_array().expect("a list");
    assert_eq!(sessions.len(), 1, "one session in {report:#}");
    &sessions[0]
}

/// The commands of the only session as they were sent, each with the codes of its replies: `RETR a: 150 226`.
pub(crate) fn dialogue(report: &Value) -> Vec<String> {
    let mut commands: Vec<&Value> = list(&session(report)["steps"])
        .iter()
        .flat_map(|step| list(&step["commands"]))
        .collect();
    commands.sort_by_key(|command| command["sequence"].as_u64());
    let line = |command: &&Value| {
        let mut text = command["verb"].as_str().expect("a verb").to_owned();
        if let Some(argument) = command["argument"].as_str() {
            text = format!("{text} {argument}");
        }
        text.push(':');
        for reply in list(&command["replies"]) {
            text = format!("{text} {}", reply["code"]);
        }
        text
    };
    commands.iter().map(line).collect()
}

/// The same without the login of [`Scene::logged_in`].
pub(crate) fn after_login(report: &Value) -> Vec<String> {
    let all = dialogue(report);
    assert_eq!(all[..2], ["USER mira: 331", "PASS hazel-lantern: 230"]);
    all[2..].to_vec()
}

/// The codes of the replies that answer nothing.
pub(crate) fn left_over(report: &Value) -> Vec<u64> {
    let replies = list(&session(report)["unsolicited_replies"]).iter();
    replies.filter_map(|reply| reply["code"].as_u64()).collect()
}

/// The steps with this kind.
pub(crate) fn steps<'a>(report: &'a Value, kind: &str) -> Vec<&'a Value> {
    let steps = list(&session(report)["steps"]).iter();
    steps.filter(|step| step["kind"] == kind).collect()
}

/// The step of the command that begins with `line`.
pub(crate) fn step_of<'a>(report: &'a Value, line: &str) -> &'a Value {
    let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
    let is_it = |command: &Value| {
        command["verb"] == verb
            && command["argument"]
                .as_str()
                .unwrap_or("")
                .starts_with(argument)
    };
    list(&session(report)["steps"])
        .iter()
        .find(|step| list(&step["commands"]).iter().any(is_it))
        .unwrap_or_else(|| panic!("{line} in {report:#}"))
}

/// The transfers of the only session.
pub(crate) fn transfers(report: &Value) -> &Vec<Value> {
    list(&session(report)["transfers"])
}

/// Ids of findings, of sessions and of the whole report, but for the one that every password in clear raises.
pub(crate) fn findings(report: &Value) -> Vec<&str> {
    let of_sessions = list(&report["sessions"])
        .iter()
        .flat_map(|one| list(&one["findings"]));
    of_sessions
        .chain(list(&report["findings"]))
        .filter_map(|finding| finding["id"].as_str())
        .filter(|id| *id != "cleartext-credentials")
        .collect()
}

pub(crate) fn list(value: &Value) -> &Vec<Value> {
    value
        .as_array()
        .unwrap_or_else(|| panic!("a list, not {value:#}"))
}

/// The client of every scene.
pub(crate) const CLIENT: &str = "192.0.2.10:39021";

static COUNT: AtomicU32 = AtomicU32::new(0);
