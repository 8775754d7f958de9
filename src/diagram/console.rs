//! The user's side of a session: typing, and output of the client.
//!
//! None of it is in a capture. It is rebuilt from commands and replies, in the words of the classic command-line client.

use super::model::Levels;
use crate::model::record::{
    Command, Completeness, Session, Step, StepKind, Transfer, TransferDirection,
};
use crate::report::units;

/// User input.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    /// Label of the arrow.
    pub(super) label: String,
    /// Line on the console, with its prompt.
    pub(super) line: String,
    pub(super) caption: String,
    pub(super) levels: Levels,
}

/// Output on the console.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) label: String,
    pub(super) lines: Vec<String>,
    pub(super) caption: String,
    /// Whether the row goes after the acknowledgements that follow its cause, which they would separate from it.
    pub(super) after_acks: bool,
}

/// Returns the input that begins a step; `None` for steps that the client begins by itself.
pub(super) fn typed_for(session: &Session, step: &Step) -> Option<Typed> {
    let begins = match step.kind {
        StepKind::Dns => true,
        // Without a name lookup, connecting is the first thing that the user caused.
        StepKind::Connect => session.dns.is_none(),
        _ => false,
    };
    if begins {
        let name = session.server.name.clone();
        let host = name.unwrap_or_else(|| session.server.ip.to_string());
        let port = match session.server.port {
            21 => String::new(),
            port => format!(" {port}"),
        };
        let label = format!("ftp {host}{port}");
        return Some(Typed {
            line: format!("$ {label}"),
            caption: format!("The user starts the client: {label}."),
            label,
            levels: Levels::ALL,
        });
    }
    // Login steps have an input for each command instead, see `typed_login`. TLS and disconnecting need no user.
    let is_automatic = matches!(
        step.kind,
        StepKind::Login | StepKind::Tls | StepKind::Greeting | StepKind::Disconnect
    );
    if is_automatic || step.inferred || step.kind == StepKind::Connect {
        return None;
    }
    let label = client_command(step)?;
    Some(Typed {
        line: format!("{PROMPT} {label}"),
        caption: format!("The user types {label}."),
        label,
        levels: Levels::ALL,
    })
}

/// Returns the input behind USER, PASS and ACCT; `None` for other commands.
pub(super) fn typed_login(command: &Command) -> Option<Typed> {
    let argument = command.argument.as_deref().unwrap_or_default();
    let (label, line, caption) = match command.verb.as_str() {
        "USER" => (
            argument.to_owned(),
            format!("{NAME} {argument}"),
            format!("The user types the login name {argument}."),
        ),
        "PASS" => (
            if argument.is_empty() {
                "no password".to_owned()
            } else {
                argument.to_owned()
            },
            PASSWORD.to_owned(),
            "The user types a password; the console does not show it.".to_owned(),
        ),
        "ACCT" => (
            argument.to_owned(),
            ACCOUNT.to_owned(),
            "The user types an account.".to_owned(),
        ),
        _ => return None,
    };
    Some(Typed {
        label,
        line,
        caption,
        levels: Levels::FINE,
    })
}

/// Returns the output after the greeting: a prompt for the user name, or the refusal.
pub(super) fn after_greeting(code: u16) -> Shown {
    if (200..300).contains(&code) {
        Shown {
            label: NAME.to_owned(),
            lines: vec![NAME.to_owned()],
            caption: "The console shows the greeting and asks for a user name.".to_owned(),
            after_acks: false,
        }
    } else {
        Shown {
            label: format!("{code}"),
            lines: Vec::new(),
            caption: "The console shows why there is no service.".to_owned(),
            after_acks: false,
        }
    }
}

/// Returns the output after a reply to USER, PASS or ACCT; `None` for replies that show nothing.
pub(super) fn after_login(code: u16) -> Option<Shown> {
    let (label, lines, caption) = match code {
        331 => (
            PASSWORD,
            vec![PASSWORD.to_owned()],
            "The console asks for the password.",
        ),
        332 => (
            ACCOUNT,
            vec![ACCOUNT.to_owned()],
            "The console asks for an account.",
        ),
        200..=299 => (
            "login successful",
            Vec::new(),
            "The console shows that the login succeeded.",
        ),
        400.. => (
            "login failed",
            vec!["Login failed.".to_owned()],
            "The console shows that the login failed.",
        ),
        _ => return None,
    };
    Some(Shown {
        label: label.to_owned(),
        lines,
        caption: caption.to_owned(),
        after_acks: false,
    })
}

/// Returns the output at the end of a transfer.
pub(super) fn after_transfer(transfer: &Transfer, code: u16) -> Shown {
    let name = transfer.name.as_deref().unwrap_or(&transfer.verb);
    let bytes = units::bytes(transfer.bytes);
    let (label, lines) = match transfer.direction {
        _ if code >= 400 => (format!("{name}: failed ({code})"), Vec::new()),
        TransferDirection::Listing => {
            let entries = units::to_u64(transfer.entries.len()) + transfer.entries_omitted;
            let entries = units::counted(entries, "entry", "entries");
            (format!("listing: {entries}"), Vec::new())
        }
        TransferDirection::Download => (
            format!("{name}: {bytes} received"),
            vec![format!("{bytes} received")],
        ),
        TransferDirection::Upload => (
            format!("{name}: {bytes} sent"),
            vec![format!("{bytes} sent")],
        ),
    };
    let whole = match transfer.completeness {
        Completeness::Complete | Completeness::Unverifiable => "",
        Completeness::Gaps => " In the capture bytes are missing.",
        Completeness::Aborted => " The transfer was given up.",
        Completeness::Truncated => " The end of it is missing.",
    };
    Shown {
        caption: format!("The console shows: {label}.{whole}"),
        label,
        lines,
        after_acks: true,
    }
}

/// Returns the console lines of a listing, none for other transfers.
pub(super) fn listing(transfer: &Transfer) -> Vec<String> {
    if transfer.direction != TransferDirection::Listing {
        return Vec::new();
    }
    let shown = transfer.entries.iter().take(MAX_LISTED);
    let mut lines: Vec<String> = shown.map(|entry| entry.raw.clone()).collect();
    let left = transfer.entries.len().saturating_sub(MAX_LISTED);
    let left = units::to_u64(left) + transfer.entries_omitted;
    if left > 0 {
        lines.push(format!("… {}", units::counted(left, "line", "lines")));
    }
    lines
}

/// Returns the client command for a step; `None` for a step without commands.
fn client_command(step: &Step) -> Option<String> {
    let main = |command: &&Command| {
        matches!(
            command.verb.as_str(),
            "RETR" | "STOR" | "STOU" | "APPE" | "LIST" | "NLST" | "MLSD"
        )
    };
    let transfer = step.commands.iter().find(main);
    let command = transfer.or_else(|| step.commands.first())?;
    let word = match command.verb.as_str() {
        "LIST" => "dir",
        "NLST" => "ls",
        "MLSD" => "mlsd",
        "MLST" => "mlst",
        "RETR" => "get",
        "STOR" | "STOU" => "put",
        "APPE" => "append",
        "CWD" | "XCWD" => "cd",
        "CDUP" | "XCUP" => "cdup",
        "PWD" | "XPWD" => "pwd",
        "DELE" => "delete",
        "MKD" | "XMKD" => "mkdir",
        "RMD" | "XRMD" => "rmdir",
        // RNFR and RNTO are one command of the client.
        "RNFR" => return Some(rename(step)),
        "SIZE" => "size",
        "MDTM" => "modtime",
        "SYST" => "system",
        "FEAT" => "features",
        "HELP" => "rhelp",
        "STAT" => "rstatus",
        "SITE" => "site",
        "QUIT" => "bye",
        "REIN" => "reset",
        // The client has no word for these: its users send them with `quote`.
        verb => return Some(join(&format!("quote {verb}"), command)),
    };
    Some(join(word, command))
}

fn join(word: &str, command: &Command) -> String {
    match command.argument.as_deref() {
        Some(argument) if !argument.is_empty() => format!("{word} {argument}"),
        _ => word.to_owned(),
    }
}

fn rename(step: &Step) -> String {
    let names = step
        .commands
        .iter()
        .filter(|command| matches!(command.verb.as_str(), "RNFR" | "RNTO"))
        .filter_map(|command| command.argument.as_deref());
    let mut line = "rename".to_owned();
    for name in names {
        line.push(' ');
        line.push_str(name);
    }
    line
}

const PROMPT: &str = "ftp>";
const NAME: &str = "Name:";
const PASSWORD: &str = "Password:";
const ACCOUNT: &str = "Account:";
/// Limit of the lines of a listing on the console.
const MAX_LISTED: usize = 200;
