//! What single servers write in their own way, beside a capture of the same work.

use std::time::Duration;

use serde_json::Value;

use super::{answer, only, totals};
use crate::support::connection::Side;
use crate::support::conversation::{Conversation, SEGMENT};
use crate::support::folder::Folder;

/// A folder with `capture.pcap`: a session of four downloads, then `work`, then one more.
fn recorded(name: &str, work: impl FnOnce(&mut Conversation)) -> Folder {
    let mut ftp = Conversation::logged_in("192.0.2.10:39021", "192.0.2.20:21");
    ftp.exchange("TYPE I", "200 Type set to I.");
    ftp.exchange("PWD", "257 \"/\" is the current directory");
    for number in 1..=4_u16 {
        ftp.wire.wait(Duration::from_secs(5));
        let content = vec![b'x'; 1_000 + usize::from(number)];
        let name = format!("f{number}.bin");
        ftp.retrieve(&name, 40_000 + number, 50_000 + number, &content);
    }
    ftp.wire.wait(Duration::from_secs(4));
    work(&mut ftp);
    ftp.wire.wait(Duration::from_secs(4));
    ftp.retrieve("last.bin", 40_020, 50_020, b"the last one");
    ftp.wire.wait(Duration::from_secs(4));
    let folder = Folder::new(name);
    folder.write("capture.pcap", &ftp.quit());
    folder
}

/// A command on the wire.
struct Done {
    verb: String,
    argument: String,
    code: u64,
    /// Time of the final reply.
    time: jiff::Timestamp,
    /// The transfer; `null` without one.
    transfer: Value,
}

impl Done {
    /// Bytes of the transfer, or `-`.
    fn bytes(&self) -> String {
        self.transfer["bytes"]
            .as_u64()
            .map_or_else(|| "-".to_owned(), |bytes| bytes.to_string())
    }
}

/// Lines that `write` makes of the commands on the wire.
fn lines(folder: &Folder, write: impl Fn(&Done) -> Option<String>) -> Vec<String> {
    let report = folder.report(&["capture.pcap"]);
    let session = &report["sessions"][0];
    let mut lines = Vec::new();
    for step in session["steps"].as_array().expect("steps") {
        for command in step["commands"].as_array().expect("commands") {
            let replies = command["replies"].as_array().expect("replies");
            let Some(reply) = replies.last() else {
                continue;
            };
            let verb = command["verb"].as_str().expect("a verb");
            let transfers = session["transfers"].as_array().expect("transfers");
            let is_own = |transfer: &&Value| transfer["id"] == step["transfer"];
            let moves = matches!(verb, "RETR" | "STOR" | "STOU");
            let transfer = transfers.iter().find(|transfer| moves && is_own(transfer));
            let done = Done {
                verb: verb.to_owned(),
                argument: command["argument"].as_str().unwrap_or_default().to_owned(),
                code: reply["code"].as_u64().expect("a code"),
                time: reply["time"]
                    .as_str()
                    .expect("a time")
                    .parse()
                    .expect("a time"),
                transfer: transfer.cloned().unwrap_or_default(),
            };
            lines.extend(write(&done));
        }
    }
    lines
}

/// A line of `ProFTPD`'s `ExtendedLog`: its command is made of words, so that several blanks are one.
fn extended(done: &Done) -> String {
    let words: Vec<&str> = done.argument.split_ascii_whitespace().collect();
    let request = match done.verb.as_str() {
        "PASS" => "PASS (hidden)".to_owned(),
        verb => format!("{verb} {}", words.join(" ")).trim_end().to_owned(),
    };
    let user = if matches!(done.verb.as_str(), "USER" | "AUTH") {
        "-"
    } else {
        "mira"
    };
    format!(
        "192.0.2.10 UNKNOWN {user} [{}] \"{request}\" {} {}\n",
        done.time.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        done.code,
        done.bytes()
    )
}

#[test]
fn several_blanks_of_a_name_are_one_in_an_extended_log() {
    let folder = recorded("reconcile-blanks", |ftp| {
        for (at, name) in (0..).zip(["two  blanks.bin", " lead.bin", "tab\t in.bin"]) {
            ftp.exchange(&format!("SIZE {name}"), "213 700");
            ftp.retrieve(name, 40_010 + at, 50_010 + at, &[b'x'; 700]);
            ftp.wire.wait(Duration::from_secs(3));
        }
    });
    let natural = lines(&folder, |done| Some(extended(done)));
    let count = natural.len() as u64;
    assert!(
        natural
            .iter()
            .any(|line| line.contains("RETR two blanks.bin\""))
    );
    let (code, whole) = answer(&folder, &[("x.log", &natural)], &[]);
    assert_eq!(
        (code, totals(&whole)),
        (0, [count, 0, 0, 0, 0]),
        "{whole:#}"
    );
    let mut removed = natural.clone();
    removed.retain(|line| !line.contains("RETR two"));
    let (_, without) = answer(&folder, &[("x.log", &removed)], &[]);
    assert_eq!(
        without["wire_only"][0]["path"], "/two  blanks.bin",
        "{without:#}"
    );
    let moved: Vec<String> = natural
        .iter()
        .map(|line| {
            let is_moved = line.contains("RETR lead.bin");
            line.replace(":10:00:", if is_moved { ":10:40:" } else { ":10:00:" })
        })
        .collect();
    let (_, late) = answer(&folder, &[("x.log", &moved)], &[]);
    assert_eq!(only(&late, "differs")["differences"][0]["field"], "time");
    let altered: Vec<String> = natural
        .iter()
        .map(|line| line.replace("RETR two blanks", "RETR twoblanks"))
        .collect();
    let (_, differing) = answer(&folder, &[("x.log", &altered)], &[]);
    assert_eq!(
        only(&differing, "differs")["differences"][0]["field"],
        "path"
    );
}

#[test]
fn command_whose_argument_the_format_lacks_agrees_by_its_verb() {
    let folder = recorded("reconcile-verbs", |ftp| {
        ftp.exchange("OPTS UTF8 ON", "200 UTF8 set to on");
        ftp.exchange("OPTS MLST type;size;", "200 MLST OPTS type;size;");
        ftp.exchange("SITE CHMOD 644 f1.bin", "200 SITE CHMOD command successful");
    });
    let lines = lines(&folder, |done| {
        let time = done.time.strftime("%Y-%m-%d %H:%M:%S");
        let path = match done.verb.as_str() {
            "RETR" => format!("/{}", done.argument),
            _ => "-".to_owned(),
        };
        let line = |verb: &str, code: &str| {
            format!(
                "{time} 192.0.2.10 {verb} \"{path}\" {code} {}\n",
                done.bytes()
            )
        };
        let code = done.code.to_string();
        Some(
            match (done.verb.as_str(), done.argument.split(' ').next()) {
                (verb @ ("OPTS" | "SITE"), Some(word)) => {
                    line(&format!("{verb}_{word}"), &code) + &line(verb, "-")
                }
                (verb, _) => line(verb, &code),
            },
        )
    });
    let format = r#"%{%Y-%m-%d %H:%M:%S}t %a %m "%F" %s %b"#;
    let options = ["--log-format", format];
    let (code, answer) = answer(&folder, &[("x.log", &lines)], &options);
    assert_eq!(code, 0, "{answer:#}");
    assert_eq!(answer["totals"]["not_comparable"], 0, "{answer:#}");
}

#[test]
fn unique_upload_agrees_by_the_name_that_the_client_gave() {
    let folder = recorded("reconcile-unique", |ftp| {
        for (at, command, chosen) in [(0, "STOU", "STOU.1"), (1, "STOU plan.txt", "plan.txt.1")] {
            ftp.passive(None, 50_010 + at);
            let mut data = ftp.passive_data(40_010 + at, 50_010 + at);
            ftp.command(command);
            data.open(&mut ftp.wire);
            ftp.reply(&format!("150 FILE: {chosen}"));
            data.stream(&mut ftp.wire, Side::Client, &[b'u'; 321], SEGMENT);
            data.close(&mut ftp.wire, Side::Client);
            ftp.reply("226 Transfer complete.");
            ftp.wire.wait(Duration::from_secs(3));
        }
    });
    let log = |name: &str| {
        lines(&folder, |done| {
            let what = match done.verb.as_str() {
                "RETR" => "DOWNLOAD",
                "STOU" => "UPLOAD",
                _ => return None,
            };
            let argument = done.argument.replace("plan.txt", name);
            let time = done.time.strftime("%a %b %e %H:%M:%S %Y");
            let bytes = done.bytes();
            Some(format!(
                "{time} [pid 7] [mira] OK {what}: Client \"192.0.2.10\", \"/{argument}\", {bytes} bytes, 9.00Kbyte/sec\n"
            ))
        })
    };
    let (code, natural) = answer(&folder, &[("vsftpd.log", &log("plan.txt"))], &[]);
    assert_eq!(
        (code, totals(&natural)),
        (0, [7, 0, 0, 0, 0]),
        "{natural:#}"
    );
    let (_, altered) = answer(&folder, &[("vsftpd.log", &log("other.txt"))], &[]);
    assert_eq!(totals(&altered), [6, 1, 0, 0, 0], "{altered:#}");
    assert_eq!(only(&altered, "differs")["differences"][0]["field"], "path");
}

/// A download that the client breaks off; the data connection ends `pause` after the final reply.
fn broken(name: &str, pause: Duration) -> Folder {
    recorded(name, |ftp| {
        ftp.passive(None, 50_010);
        let mut data = ftp.passive_data(40_010, 50_010);
        ftp.command("RETR big.bin");
        data.open(&mut ftp.wire);
        ftp.opening("big.bin", 500_000);
        data.stream(&mut ftp.wire, Side::Server, &vec![b'y'; 20_000], SEGMENT);
        ftp.reply("426 Transfer aborted. Data connection closed.");
        ftp.wire.wait(pause);
        data.rst(&mut ftp.wire, Side::Client);
    })
}

#[test]
fn line_of_a_broken_transfer_may_wait_for_the_end_of_its_data_connection() {
    let pause = Duration::from_secs(11);
    let folder = broken("reconcile-lingering", pause);
    let lines = lines(&folder, |done| {
        let is_broken = done.code == 426;
        let time = done.time + if is_broken { pause } else { Duration::ZERO };
        Some(extended(&Done {
            time,
            verb: done.verb.clone(),
            argument: done.argument.clone(),
            transfer: done.transfer.clone(),
            ..*done
        }))
    });
    let count = lines.len() as u64;
    let (code, answer) = answer(&folder, &[("x.log", &lines)], &[]);
    assert_eq!(
        (code, totals(&answer)),
        (0, [count, 0, 0, 0, 0]),
        "{answer:#}"
    );
}

#[test]
fn syslog_of_pure_ftpd_does_not_claim_that_a_transfer_is_whole() {
    let folder = broken("reconcile-syslog", Duration::ZERO);
    let log = |add: u64| {
        lines(&folder, |done| {
            let bytes = done.transfer["bytes"].as_u64()?;
            let claimed = bytes + if done.argument == "f2.bin" { add } else { 0 };
            Some(format!(
                "{} host pure-ftpd: (mira@192.0.2.10) [NOTICE] /srv//{} downloaded  ({claimed} bytes, 9.00KB/sec)\n",
                done.time.strftime("%b %e %H:%M:%S"),
                done.argument
            ))
        })
    };
    let (code, natural) = answer(&folder, &[("syslog", &log(0))], &[]);
    assert_eq!(
        (code, totals(&natural)),
        (0, [6, 0, 0, 0, 0]),
        "{natural:#}"
    );
    let (_, altered) = answer(&folder, &[("syslog", &log(1))], &[]);
    assert_eq!(totals(&altered), [5, 1, 0, 0, 0], "{altered:#}");
}

#[test]
fn number_of_bytes_of_a_broken_transfer_is_no_proof_for_another_line() {
    let folder = broken("reconcile-broken-bytes", Duration::ZERO);
    let line = |done: &Done, name: &str, bytes: &str| {
        let time = done.time.strftime("%a %b %d %H:%M:%S %Y");
        format!("{time} 0 192.0.2.10 {bytes} /srv/{name} b _ o r mira ftp 1 * c\n")
    };
    let log = |made_up: &str, has_own: bool| {
        lines(&folder, |done| {
            done.transfer["bytes"].as_u64()?;
            let own = line(done, &done.argument, &done.bytes());
            Some(match (done.code, has_own) {
                (426, true) => line(done, made_up, "90000") + &own,
                (426, false) => line(done, made_up, "90000"),
                _ => own,
            })
        })
    };
    // The line with the bytes of the wire is that of the transfer.
    let (_, both) = answer(&folder, &[("xferlog", &log("big.bin", true))], &[]);
    assert_eq!(totals(&both), [5, 1, 1, 0, 0], "{both:#}");
    assert_eq!(only(&both, "log-only")["bytes"], 90_000);
    assert_eq!(only(&both, "differs")["differences"][0]["field"], "status");
    // A server's own buffers may hold that many, but the name is another.
    let (_, other) = answer(&folder, &[("xferlog", &log("other.bin", false))], &[]);
    assert_eq!(totals(&other), [5, 0, 1, 0, 0], "{other:#}");
    assert_eq!(only(&other, "log-only")["path"], "/srv/other.bin");
}
