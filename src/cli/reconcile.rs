//! `ftpscope reconcile`: servers' logs beside captures.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;

use super::failure::{Exit, Failure};
use super::messages;
use super::options::values::{time_zone, tolerance};
use super::options::{
    ExitOptions, InputOptions, PresentationOptions, SelectionOptions, WholeOutputOptions,
    known_width,
};
use super::output::Output;
use super::reading::{Outcome, Reading, time_bounds};
use crate::diagram::Detail;
use crate::model::record::WarningRecord;
use crate::model::{Event, EventKind, EventSink, Span, WarningCode};
use crate::page::{Page, PageClaim, PageLogs, PageOptions};
use crate::reconcile::answer::{self, Answer, csv, junit, text};
use crate::reconcile::log::{LogError, LogOptions, log_inputs};
use crate::reconcile::wire::{Wire, WireBuilder};
use crate::reconcile::{PathMap, ServerChoice, Settings, reconcile};
use crate::report::{ReportBuilder, units};

#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(super) struct ReconcileArguments {
    #[command(flatten)]
    input: InputOptions,
    /// Log of a server, or a folder of logs, also compressed; may be given more than once. Kinds: xferlog, vsftpd, proftpd,
    /// clf, pureftpd-stats, pureftpd-syslog, w3c, iis, filezilla, filezilla09, pyftpdlib, ftpscope; detected where not given
    #[arg(
        long,
        value_name = "[KIND:]FILE",
        required = true,
        help_heading = "Logs"
    )]
    log: Vec<OsString>,
    // As an attribute: in a comment, the names would need marks that help shows.
    #[arg(
        long,
        help = "LogFormat of ProFTPD's ExtendedLog, default: %h %l %u %t \"%r\" %s %b",
        value_name = "FORMAT",
        help_heading = "Logs"
    )]
    log_format: Option<String>,
    /// Zone of times in logs that name none: auto (estimated from matches), UTC, local, Europe/Berlin, +02:00
    #[arg(
        long,
        value_name = "ZONE",
        default_value = "auto",
        value_parser = log_zone,
        help_heading = "Logs"
    )]
    log_tz: LogZone,
    // As an attribute: in a comment, the address would need marks that help shows.
    #[arg(
        long,
        help = "Server of the logs, where the captures hold several (default: those that lines fit); with its port, where its \
                host has several: 192.0.2.1:2121, [2001:db8::1]:2121",
        value_name = "ADDRESS[:PORT]",
        value_parser = server,
        help_heading = "Logs"
    )]
    server: Option<ServerChoice>,
    /// Prefix of paths in the log, and of the same ones on the wire: /srv/ftp=/; may be given more than once
    #[arg(long, value_name = "FROM=TO", value_parser = path_map, help_heading = "Logs")]
    path_map: Vec<PathPair>,
    /// Distance of times that count as the same, the error of the log's clock left out
    #[arg(
        long,
        value_name = "TIME",
        default_value = "2s",
        value_parser = tolerance,
        help_heading = "Logs"
    )]
    tolerance: Span,
    /// Output format: text, json (one document), csv, junit (XML), html (the page of the captures, with a column for the log)
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    format: ReconcileFormat,
    #[command(flatten)]
    output: WholeOutputOptions,
    #[command(flatten)]
    presentation: PresentationOptions,
    #[command(flatten)]
    selection: SelectionOptions,
    /// Exit 0 whatever differs
    #[arg(long, help_heading = "Exit codes")]
    report_only: bool,
    #[command(flatten)]
    exit: ExitOptions,
}

/// The format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReconcileFormat {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// Rows.
    Csv,
    /// `JUnit` XML.
    Junit,
    /// A page.
    Html,
}

/// Zone of times that name none.
#[derive(Clone, Debug)]
struct LogZone(Option<TimeZone>);

/// One value of `--path-map`.
type PathPair = (String, String);

/// Parses the value of `--log-tz`.
fn log_zone(value: &str) -> Result<LogZone, String> {
    if value == "auto" {
        return Ok(LogZone(None));
    }
    time_zone(value)
        .map(|zone| LogZone(Some(zone)))
        .map_err(|cause| format!("{cause}, or auto"))
}

/// Parses the value of `--server`.
fn server(value: &str) -> Result<ServerChoice, String> {
    if let Ok(ip) = value.parse::<IpAddr>() {
        return Ok(ServerChoice { ip, port: None });
    }
    let both: SocketAddr = value.parse().map_err(|_| {
        "write the address of a server, such as 192.0.2.1 or 192.0.2.1:2121".to_owned()
    })?;
    Ok(ServerChoice {
        ip: both.ip(),
        port: Some(both.port()),
    })
}

/// Parses the value of `--path-map`.
fn path_map(value: &str) -> Result<PathPair, String> {
    let wrong = || "write it like /srv/ftp=/".to_owned();
    let (from, to) = value.rsplit_once('=').ok_or_else(wrong)?;
    if from.is_empty() || to.is_empty() {
        return Err(wrong());
    }
    Ok((from.to_owned(), to.to_owned()))
}

/// Reads the captures, then the logs, and writes which claims agree.
pub(super) fn run(arguments: &ReconcileArguments) -> Result<Exit, Failure> {
    let inputs = log_inputs(&arguments.log).map_err(|error| of_log(&error))?;
    let options = LogOptions {
        log_format: arguments.log_format.clone(),
        ..LogOptions::default()
    };
    let logs = inputs.iter().map(|input| &input.path);
    let files = arguments.input.files().with("read as --log", logs);
    let output = Output::open(arguments.output.output.as_deref(), &files, true)?;
    // Captures may take long: a missing log is reported first.
    if let Some(input) = inputs.iter().find(|input| !input.path.is_file()) {
        let path = input.path.display();
        let cause = if input.path.exists() {
            "logs are read twice; save it to a file first"
        } else {
            "no such file or directory; check the path"
        };
        return Err(Failure::Missing(format!("cannot read {path}: {cause}")));
    }
    let (wire, rest, page, outcome) = read_captures(arguments)?;
    outcome.note_empty_selection(&arguments.presentation);
    let settings = Settings {
        tolerance: arguments.tolerance,
        zone: arguments.log_tz.0.clone(),
        server: arguments.server,
        path_map: PathMap::new(arguments.path_map.iter().cloned()),
        show_secrets: arguments.selection.show_passwords,
    };
    let mut answer =
        reconcile(&wire, &inputs, &options, &settings).map_err(|error| of_log(&error))?;
    let of_logs = std::mem::replace(&mut answer.warnings, rest.warnings);
    note(&of_logs, arguments);
    answer.warnings.extend(of_logs);
    answer.captures = rest.captures;
    write_answer(&answer, page, arguments, output)?;
    let found = answer.disagrees() && !arguments.report_only;
    Ok(arguments.exit.exit(&outcome, found))
}

/// Reads the captures into events, and a report without sessions; into a page too, if that is the format.
fn read_captures(
    arguments: &ReconcileArguments,
) -> Result<(Wire, crate::report::Report, Option<Page>, Outcome), Failure> {
    let input = &arguments.input;
    let mut reading = Reading::open(input, &arguments.selection, &arguments.presentation)?;
    // Some servers count the bytes of a text as stored, others as sent.
    reading.options.text_lines = true;
    // Of a download that breaks off, servers may count no more than was acknowledged.
    reading.options.limits.samples = 4;
    let mut rest = WithoutSessions {
        builder: ReportBuilder::new(&reading.options.limits),
        dropped: false,
    };
    let mut events = WireBuilder::default();
    let sinks = &mut (&mut events, &mut rest);
    let (page, outcome) = if arguments.format == ReconcileFormat::Html {
        let options = PageOptions {
            zone: arguments.presentation.tz.clone(),
            detail: Detail::Messages,
        };
        reading.page(options, false, &mut (), sinks)
    } else {
        (None, reading.run(sinks, false, &mut (), Arc::default()))
    };
    if outcome.interrupted {
        return Err(Failure::Interrupted);
    }
    let summary = &outcome.summary;
    let bounds = time_bounds(input, &arguments.presentation.tz)?;
    let mut wire = events.finish(&summary.captures, bounds);
    let dropped = rest.dropped;
    let report = rest
        .builder
        .finish(summary.captures.clone(), summary.totals.clone());
    wire.is_partial = dropped || summary.totals.accounting.filtered > 0 || outcome.failures > 0;
    Ok((wire, report, page, outcome))
}

/// Builder of a report that leaves sessions out.
struct WithoutSessions {
    builder: ReportBuilder,
    /// True if packets were dropped before they were captured.
    dropped: bool,
}

impl EventSink for WithoutSessions {
    fn event(&mut self, event: &Event<'_>) {
        match &event.kind {
            EventKind::SessionEnd(_) => {}
            kind => {
                if let EventKind::Warning(warning) = kind {
                    self.dropped |= warning.code == WarningCode::PacketsDropped;
                }
                self.builder.event(event);
            }
        }
    }
}

/// Notes the warnings about logs on standard error.
fn note(warnings: &[WarningRecord], arguments: &ReconcileArguments) {
    if arguments.presentation.quiet {
        return;
    }
    for warning in warnings {
        let message = &warning.message;
        match warning.count {
            0 | 1 => messages::note(message),
            count => messages::note(&format!("{message} ({} times)", units::count(count))),
        }
    }
}

fn of_log(error: &LogError) -> Failure {
    let text = match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    };
    if error.is_usage() {
        Failure::Refused(text)
    } else {
        Failure::Missing(text)
    }
}

/// Returns what the page shows of an answer.
fn page_logs(answer: &Answer, zone: &TimeZone) -> PageLogs {
    let claims = answer.claims.iter().map(|claim| {
        let differences = claim.differences.iter();
        let mut notes: Vec<String> = differences.map(text::difference).collect();
        notes.extend(claim.reason.map(str::to_owned));
        PageClaim {
            session: claim.session,
            step: claim.step,
            outcome: claim.outcome.name(),
            place: text::place(claim, answer),
            text: claim.text.clone(),
            notes,
        }
    });
    let missing = answer.wire_only.iter().map(|event| PageClaim {
        session: Some(event.session),
        step: event.step,
        outcome: "wire-only",
        place: text::logs_without(event, answer),
        text: text::event(event, zone),
        notes: Vec::new(),
    });
    PageLogs {
        files: answer.logs.iter().map(text::log_line).collect(),
        totals: text::totals(answer),
        claims: claims.chain(missing).collect(),
    }
}

/// Writes the answer in its format.
fn write_answer(
    answer: &Answer,
    page: Option<Page>,
    arguments: &ReconcileArguments,
    mut output: Output,
) -> Result<(), Failure> {
    let layout = arguments
        .presentation
        .layout(arguments.output.output.as_deref());
    let options = text::Options {
        color: layout.color,
        verbose: layout.verbose,
        zone: layout.zone,
        width: known_width(arguments.output.output.as_deref()),
    };
    let written = match arguments.format {
        ReconcileFormat::Text => text::write(answer, &options, &mut output),
        ReconcileFormat::Json => answer::write_json(answer, &mut output),
        ReconcileFormat::Csv => csv::write(answer, &mut output),
        ReconcileFormat::Junit => junit::write(answer, &mut output),
        ReconcileFormat::Html => match page {
            Some(mut page) => {
                let logs = page_logs(answer, &arguments.presentation.tz);
                page.add_logs(logs, &answer.findings);
                page.write(&mut output)
            }
            None => Ok(()),
        },
    };
    output.close(written)
}

const EXAMPLES: &str = "\
Examples:
  ftpscope reconcile --log /var/log/vsftpd.log capture.pcap
  ftpscope reconcile --log xferlog --log xferlog.1.gz --format json day/ | jq .totals
  ftpscope reconcile --log proftpd:access.log --log-format '%a %u %{iso8601} \"%r\" %s %b' run.pcap
  ftpscope reconcile --log vsftpd.log --format html -o page.html capture.pcap
  ftpscope reconcile --log pureftpd-stats:stats.log --path-map /srv/ftp=/ --report-only run.pcap";
