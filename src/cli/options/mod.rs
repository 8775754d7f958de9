//! Blocks of options that several commands share.

pub(super) mod values;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use zeroize::Zeroizing;

#[cfg(feature = "parquet")]
use self::values::part_name;
use self::values::{local_networks, memory_size, session_id, time_zone, waiting_time};
use super::failure::{Exit, Failure};
use super::output::{self, Inputs};
use super::reading::Outcome;
use super::terminal::{self, ColorChoice, Environment};
use crate::check::{Expression, Scope, Selection};
use crate::model::record::Severity;
use crate::model::system_message;
use crate::pipeline;
use crate::protocol::tls::decryption::{FollowedKeyLog, Keyring, SecretSources};
#[cfg(feature = "parquet")]
use crate::report::export::TABLES;
use crate::report::export::{CsvTable, EveType, EveTypes, LocalNetworks, ZeekCommands, ZeekLog};
use crate::report::{CaptureNames, EventChoice, ExportOptions, table};

/// The captures to read, and limits on them.
#[derive(Clone, Debug, Args)]
pub(super) struct InputOptions {
    /// pcap or pcapng files (also compressed), directories of them, or - for standard input
    #[arg(required = true, value_name = "CAPTURE")]
    pub(super) captures: Vec<PathBuf>,
    /// Look only at packets that match a libpcap filter
    #[cfg(feature = "live")]
    #[arg(short, long, value_name = "BPF", help_heading = "Input")]
    pub(super) filter: Option<String>,
    /// Look at packets from this time on
    #[arg(long, value_name = "TIME", help_heading = "Input")]
    pub(super) since: Option<String>,
    /// Look at packets before this time
    #[arg(long, value_name = "TIME", help_heading = "Input")]
    pub(super) until: Option<String>,
    /// Read a file that is still being written: wait for more at its end, until SIGINT
    #[arg(long, help_heading = "Input")]
    pub(super) follow: bool,
    #[command(flatten)]
    pub(super) memory: MemoryOptions,
    #[command(flatten)]
    pub(super) secrets: SecretOptions,
    /// True while a screen is shown, which handles signals itself.
    #[arg(skip)]
    pub(super) on_screen: bool,
}

impl InputOptions {
    /// Returns the files that are read, for outputs that must not be one of them.
    pub(super) fn files(&self) -> Inputs {
        let captures = Inputs::default().with(ONE_OF_CAPTURES, &self.captures);
        self.secrets.add_files(captures)
    }
}

/// Description of a capture among the files that are read.
pub(super) const ONE_OF_CAPTURES: &str = "one of the captures";

/// TLS secrets.
#[derive(Clone, Debug, Args)]
pub(super) struct SecretOptions {
    /// TLS secrets in the SSLKEYLOGFILE format, to read FTPS with; may be given more than once
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    keylog: Vec<PathBuf>,
    /// RSA private key of a server (PEM), for TLS 1.2 and before with RSA key exchange; may be given more than once
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    tls_key: Vec<PathBuf>,
    /// While reading live or with --follow, how long bytes wait for their TLS secret: 0 to 10min
    #[arg(
        long,
        value_name = "TIME",
        default_value = "5s",
        value_parser = waiting_time,
        help_heading = "Input"
    )]
    keylog_wait: Duration,
    /// Use no TLS secrets, also not those that a capture carries
    #[arg(long, conflicts_with_all = ["keylog", "tls_key"], help_heading = "Input")]
    no_decrypt: bool,
}

impl SecretOptions {
    /// Adds the files that are read.
    pub(super) fn add_files(&self, inputs: Inputs) -> Inputs {
        let inputs = inputs.with("read as --keylog", &self.keylog);
        inputs.with("read as --tls-key", &self.tls_key)
    }

    /// Reads the files. One that cannot be used is refused before anything else is read. With `follow`, key logs stay open, and
    /// are read on during the run.
    pub(super) fn read(&self, follow: bool) -> Result<SecretSources, Failure> {
        let mut sources = SecretSources {
            off: self.no_decrypt,
            ..SecretSources::default()
        };
        let hint = "name a file of SSLKEYLOGFILE lines";
        for path in &self.keylog {
            if follow {
                let key_log = follow_key_log(path);
                let key_log = key_log
                    .map_err(|cause| unusable("--keylog", path, system_message(&cause), hint))?;
                sources.followed.push(key_log);
            } else {
                let bytes = read_secret("--keylog", path, hint)?;
                sources.key_logs.push(Arc::new(bytes));
            }
        }
        if follow {
            sources.wait = self.keylog_wait;
        }
        for path in &self.tls_key {
            let hint = "convert it with openssl rsa -in KEY -out PLAIN";
            let bytes = read_secret("--tls-key", path, hint)?;
            let text = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
            Keyring::default()
                .add_private_key(&text)
                .map_err(|cause| unusable("--tls-key", path, cause.to_string(), hint))?;
            sources.private_keys.push(Arc::new(text));
        }
        Ok(sources)
    }
}

/// Opens a key log that is read on during the run.
fn follow_key_log(path: &Path) -> std::io::Result<FollowedKeyLog> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    Ok(FollowedKeyLog {
        path: path.to_owned(),
        file: Arc::new(file),
    })
}

/// Reads a file with secrets.
fn read_secret(
    option: &'static str,
    path: &Path,
    hint: &'static str,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let bytes = std::fs::read(path);
    let bytes = bytes.map_err(|cause| unusable(option, path, system_message(&cause), hint))?;
    Ok(Zeroizing::new(bytes))
}

fn unusable(option: &'static str, path: &Path, cause: String, hint: &'static str) -> Failure {
    Failure::Option {
        option,
        value: path.display().to_string(),
        cause,
        hint,
    }
}

/// Limits on the memory and the threads of the machine.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct MemoryOptions {
    /// Ceiling for buffered stream data; what does not fit becomes a recorded gap
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "256MiB",
        value_parser = memory_size,
        help_heading = "Input"
    )]
    pub(super) max_memory: usize,
    /// Threads for digests of large files, 1 for none (default: as many as processors); changes speed, never output
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u8).range(1..=64),
        help_heading = "Input"
    )]
    threads: Option<u8>,
}

impl MemoryOptions {
    /// Returns the number of threads for digests.
    pub(super) fn threads(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(processors, usize::from).min(64)
    }
}

/// The target of a report that is written at once.
#[derive(Debug, Args)]
pub(super) struct WholeOutputOptions {
    /// Write to FILE; a regular file appears whole or not at all
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub(super) output: Option<PathBuf>,
}

/// File contents on a page.
#[derive(Debug, Args)]
pub(super) struct PreviewOptions {
    /// On the page, show the beginning of text files, and small pictures
    #[arg(long, help_heading = "Output")]
    pub(super) previews: bool,
}

/// The kinds of events to write.
#[derive(Debug, Args)]
pub(super) struct EventOptions {
    /// Which events ndjson has: all, or summary (whole sessions, warnings, totals)
    #[arg(
        long,
        value_name = "WHICH",
        default_value = "all",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub(super) events: Events,
}

/// Names of [`EventChoice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Events {
    /// All events.
    All,
    /// Whole sessions, warnings and totals.
    Summary,
}

impl From<Events> for EventChoice {
    fn from(events: Events) -> Self {
        match events {
            Events::All => Self::All,
            Events::Summary => Self::Summary,
        }
    }
}

/// Options of the formats that other programs read.
#[derive(Debug, Args)]
pub(super) struct ExportChoices {
    /// Commands with a row in ftp.log: zeek (those that Zeek logs), all
    #[arg(
        long,
        value_name = "WHICH",
        default_value = "zeek",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    zeek_commands: LoggedCommands,
    /// Networks that count as local in Zeek's logs (default: private and special ones)
    #[arg(long, value_name = "CIDR,...", value_parser = local_networks, help_heading = "Output")]
    local: Option<LocalNetworks>,
    // As an attribute: in a comment, the names would need marks that help shows.
    #[arg(
        long,
        help = "EVE events: ftp, ftp_data, fileinfo, flow (default: these), tls, dns, anomaly, alert",
        value_name = "LIST",
        value_delimiter = ',',
        hide_possible_values = true,
        help_heading = "Output"
    )]
    eve_types: Vec<EveEvent>,
    /// Zeek's logs: conn, ftp, files (default: these), dns, ssl, notice; a single one is a file, not a directory
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        hide_possible_values = true,
        help_heading = "Output"
    )]
    logs: Vec<Log>,
}

/// Tables to write.
#[derive(Debug, Args)]
pub(super) struct TableChoices {
    /// Table of csv: transfers (default), sessions, credentials, hosts, files
    #[arg(
        long,
        value_name = "TABLE",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    table: Option<Table>,
    /// Parquet tables to write (default: all but entries)
    #[cfg(feature = "parquet")]
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        value_parser = clap::builder::PossibleValuesParser::new(TABLES),
        hide_possible_values = true,
        help_heading = "Output"
    )]
    tables: Vec<String>,
    /// Name of this run in Parquet files: DIR/TABLE/NAME.parquet, so that many runs share a directory
    #[cfg(feature = "parquet")]
    #[arg(long, value_name = "NAME", value_parser = part_name, help_heading = "Output")]
    part: Option<String>,
}

impl TableChoices {
    /// Returns the table of CSV; `None` if none was named.
    pub(super) fn csv(&self) -> Option<CsvTable> {
        self.table.map(|table| match table {
            Table::Transfers => CsvTable::Transfers,
            Table::Sessions => CsvTable::Sessions,
            Table::Credentials => CsvTable::Credentials,
            Table::Hosts => CsvTable::Hosts,
            Table::Files => CsvTable::Files,
        })
    }

    /// Returns the names of the tables; empty for the default.
    #[cfg_attr(
        not(feature = "parquet"),
        expect(clippy::unused_self, reason = "without tables there is no choice")
    )]
    pub(super) fn tables(&self) -> Vec<String> {
        #[cfg(feature = "parquet")]
        return self.tables.clone();
        #[cfg(not(feature = "parquet"))]
        return Vec::new();
    }

    /// Returns the name of this run in tables; `None` for a single run.
    #[cfg_attr(
        not(feature = "parquet"),
        expect(clippy::unused_self, reason = "without tables there is no choice")
    )]
    pub(super) fn part(&self) -> Option<String> {
        #[cfg(feature = "parquet")]
        return self.part.clone();
        #[cfg(not(feature = "parquet"))]
        return None;
    }
}

impl ExportChoices {
    /// Returns Zeek's logs, each once; empty for the default ones.
    pub(super) fn logs(&self) -> Vec<ZeekLog> {
        let mut logs: Vec<ZeekLog> = self
            .logs
            .iter()
            .map(|log| match log {
                Log::Conn => ZeekLog::Conn,
                Log::Ftp => ZeekLog::Ftp,
                Log::Files => ZeekLog::Files,
                Log::Dns => ZeekLog::Dns,
                Log::Ssl => ZeekLog::Ssl,
                Log::Notice => ZeekLog::Notice,
            })
            .collect();
        logs.sort();
        logs.dedup();
        logs
    }

    /// Applies the choices to the options of an export.
    pub(super) fn apply(&self, options: &mut ExportOptions) {
        options.zeek_commands = self.zeek_commands.into();
        options.local = self.local.clone().unwrap_or_default();
        options.eve_types = self.eve_types();
        options.logs = self.logs();
    }

    /// Returns the kinds of EVE events; empty for the default ones.
    fn eve_types(&self) -> EveTypes {
        let wanted = self.eve_types.iter();
        wanted
            .map(|event| match event {
                EveEvent::Ftp => EveType::Ftp,
                EveEvent::FtpData => EveType::FtpData,
                EveEvent::Fileinfo => EveType::FileInfo,
                EveEvent::Flow => EveType::Flow,
                EveEvent::Tls => EveType::Tls,
                EveEvent::Dns => EveType::Dns,
                EveEvent::Anomaly => EveType::Anomaly,
                EveEvent::Alert => EveType::Alert,
            })
            .collect()
    }
}

/// Names of [`CsvTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Table {
    Transfers,
    Sessions,
    Credentials,
    Hosts,
    Files,
}

/// Names of [`ZeekLog`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Log {
    Conn,
    Ftp,
    Files,
    Dns,
    Ssl,
    Notice,
}

/// Names of [`ZeekCommands`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LoggedCommands {
    /// Commands that Zeek logs.
    Zeek,
    /// All commands.
    All,
}

impl From<LoggedCommands> for ZeekCommands {
    fn from(which: LoggedCommands) -> Self {
        match which {
            LoggedCommands::Zeek => Self::Zeek,
            LoggedCommands::All => Self::All,
        }
    }
}

/// Names of [`EveType`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EveEvent {
    Ftp,
    #[value(name = "ftp_data")]
    FtpData,
    Fileinfo,
    Flow,
    Tls,
    Dns,
    Anomaly,
    Alert,
}

/// Digests and copies of transferred files.
#[derive(Debug, Args)]
pub(super) struct DigestOptions {
    /// Digests beside SHA-256: md5, sha1 (those that an expression names are computed anyway)
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        hide_possible_values = true
    )]
    hash: Vec<Digest>,
    /// Save files of TYPE A also with LF in place of CR LF, as NAME~decoded
    #[arg(long)]
    text_lines: bool,
}

impl DigestOptions {
    /// Enables the digests and copies in the pipeline, beside those that it has already.
    pub(super) fn apply(&self, options: &mut pipeline::Options) {
        options.md5 |= self.hash.contains(&Digest::Md5);
        options.sha1 |= self.hash.contains(&Digest::Sha1);
        options.text_lines = self.text_lines;
    }
}

/// Enables the digests that an expression or an expectation names: without them it would be false for every file, and say
/// nothing of the reason.
pub(super) fn enable_digests(options: &mut pipeline::Options, names_field: impl Fn(&str) -> bool) {
    options.md5 |= names_field("md5");
    options.sha1 |= names_field("sha1");
}

/// Digests computed on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Digest {
    Md5,
    Sha1,
}

/// The look of text, and the amount of messages.
#[derive(Clone, Debug, Args)]
pub(super) struct PresentationOptions {
    /// When to use colours: auto, always, never
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub(super) color: ColorChoice,
    /// Zone of times, as shown and as given: UTC, local, Europe/Berlin, +02:00
    #[arg(
        long,
        value_name = "ZONE",
        default_value = "UTC",
        value_parser = time_zone,
        help_heading = "Output"
    )]
    pub(super) tz: TimeZone,
    /// No notes on standard error, only errors
    #[arg(short, long, conflicts_with = "verbose", help_heading = "Output")]
    pub(super) quiet: bool,
    /// Show everything: commands and replies, explanations, files that were passed over
    #[arg(short, long, help_heading = "Output")]
    pub(super) verbose: bool,
    /// No progress on standard error
    #[arg(long, help_heading = "Output")]
    pub(super) no_progress: bool,
}

impl PresentationOptions {
    /// Returns true if progress is wanted on standard error.
    pub(super) fn shows_progress(&self) -> bool {
        !self.no_progress && !self.quiet
    }

    /// Returns the layout of text for `output`, or for standard output if `None`.
    pub(super) fn layout(&self, output: Option<&Path>) -> table::Options {
        let environment = Environment::of_process();
        let to_terminal = is_terminal(output);
        table::Options {
            width: environment.width(terminal_width(output)),
            color: environment.color(self.color, to_terminal),
            zone: self.tz.clone(),
            verbose: self.verbose,
            summary: false,
            captures: CaptureNames::default(),
        }
    }
}

/// Returns the width of text for `output`, or for standard output if `None`; `None` if it need not be wrapped.
pub(super) fn known_width(output: Option<&Path>) -> Option<u16> {
    Environment::of_process().known_width(terminal_width(output))
}

/// Returns true if `output`, or standard output if `None`, is a terminal.
fn is_terminal(output: Option<&Path>) -> bool {
    output.is_none_or(output::is_standard) && terminal::stdout_is_terminal()
}

fn terminal_width(output: Option<&Path>) -> Option<u16> {
    is_terminal(output).then(terminal::stdout_width).flatten()
}

/// The sessions to report.
#[derive(Clone, Debug, Args)]
pub(super) struct SelectionOptions {
    /// Keep only sessions for which a CEL expression is true, such as 'login.user == "bob"'
    #[arg(long = "where", value_name = "EXPR", help_heading = "Sessions")]
    condition: Option<String>,
    /// Keep only the session with this id; may be given more than once
    #[arg(long, value_name = "ID", value_parser = session_id, help_heading = "Sessions")]
    session: Vec<u64>,
    /// Show secrets as they were sent
    #[arg(long, help_heading = "Sessions")]
    pub(super) show_passwords: bool,
}

#[cfg(feature = "browse")]
impl SelectionOptions {
    /// Selects one session.
    pub(super) fn of_session(id: u64) -> Self {
        Self {
            condition: None,
            session: vec![id],
            show_passwords: false,
        }
    }

    /// Returns the selection as people read it.
    pub(super) fn text(&self) -> String {
        let ids = self.session.iter().map(|id| format!("id == {id}"));
        let mut parts = Vec::new();
        parts.extend((!self.session.is_empty()).then(|| ids.collect::<Vec<_>>().join(" || ")));
        parts.extend(self.condition.clone());
        parts.join(" && ")
    }
}

impl SelectionOptions {
    /// Returns whether an expression looks at the sessions.
    pub(super) const fn has_expression(&self) -> bool {
        self.condition.is_some()
    }

    /// Compiles the selection; fails on a mistake in the expression, before anything is read.
    pub(super) fn selection(&self) -> Result<Selection, Failure> {
        let compile = |text: &String| Expression::compile(text, Scope::Session);
        let expression = self.condition.as_ref().map(compile).transpose();
        Ok(Selection {
            ids: self.session.iter().copied().collect(),
            expression: expression
                .map_err(|error| Failure::Refused(format!("--where: {error}")))?,
        })
    }
}

/// Conditions for exit codes beside failures.
#[derive(Debug, Default, Args)]
pub(super) struct ExitOptions {
    /// Exit 3 where an input was cut short, had lost packets or a link type that is not supported
    #[arg(long, help_heading = "Exit codes")]
    pub(super) strict: bool,
    /// Exit 4 where there is no FTP session
    #[arg(long, help_heading = "Exit codes")]
    pub(super) fail_if_empty: bool,
}

impl ExitOptions {
    /// Returns the exit code after `outcome`; `found` if the command itself has a reason to fail.
    pub(super) fn exit(&self, outcome: &Outcome, found: bool) -> Exit {
        let mut reasons = Vec::new();
        if outcome.undecided {
            reasons.push(Exit::Misuse);
        }
        if outcome.failures > 0 || self.strict && outcome.tally.not_whole {
            reasons.push(Exit::Unreadable);
        }
        if found {
            reasons.push(Exit::Found);
        }
        if self.fail_if_empty && outcome.summary.totals.sessions == 0 {
            reasons.push(Exit::NoSession);
        }
        Exit::first_of(&reasons)
    }
}

/// The severity that fails a run. Its heading in the help is that of the command.
#[derive(Debug, Args)]
pub(super) struct FailOnOptions {
    /// Exit 1 where there is a finding of SEVERITY (info, low, medium, high) or more
    #[arg(long, value_name = "SEVERITY", hide_possible_values = true)]
    fail_on: Option<Threshold>,
}

impl FailOnOptions {
    /// Returns the least severity that fails the run; `None` if findings do not matter.
    pub(super) fn least(&self) -> Option<Severity> {
        self.fail_on.map(|threshold| match threshold {
            Threshold::Info => Severity::Info,
            Threshold::Low => Severity::Low,
            Threshold::Medium => Severity::Medium,
            Threshold::High => Severity::High,
        })
    }
}

/// Names of [`Severity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Threshold {
    Info,
    Low,
    Medium,
    High,
}
