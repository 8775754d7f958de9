//! `ftpscope live`: the arguments of the [`monitor`](crate::monitor), which does the work.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::failure::{Exit, Failure};
use super::messages;
use super::options::values::{metrics_address, rotation, time_span};
use super::options::{
    DigestOptions, EventOptions, ExportChoices, MemoryOptions, PresentationOptions, SecretOptions,
    SelectionOptions, enable_digests,
};
use super::output::{Inputs, is_standard};
use crate::check::{Expression, Scope};
use crate::keep::{Rotation, RotationLimits};
use crate::monitor::{EventFormat, Monitor, Settings, SourceSettings};
use crate::report::export::{self, ExportLines};
use crate::report::{ExportOptions, LiveLines};

/// The arguments of `ftpscope live`.
#[derive(Debug, Args)]
// Without arguments one line names what is missing: the help has 85, and -i and -r are but two of its options.
#[command(after_help = EXAMPLES)]
pub(super) struct LiveArguments {
    /// Capture from an interface; any for all of them; may be given more than once
    #[cfg(feature = "live")]
    #[arg(
        short,
        long,
        value_name = "INTERFACE",
        conflicts_with = "read",
        help_heading = "Input"
    )]
    interface: Vec<String>,
    /// Take packets from a pipe as they are captured, or - for standard input; a file is read to its end (analyze --follow reads on)
    #[arg(short, long, value_name = "FILE", help_heading = "Input")]
    #[cfg_attr(not(feature = "live"), arg(required = true))]
    read: Option<PathBuf>,
    /// Look only at packets that match a libpcap filter
    #[cfg(feature = "live")]
    #[arg(short, long, value_name = "BPF", help_heading = "Input")]
    filter: Option<String>,
    /// Size of the capture buffer of each interface
    #[cfg(feature = "live")]
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "64MiB",
        value_parser = super::options::values::memory_size,
        help_heading = "Input"
    )]
    buffer: usize,
    /// Bytes captured of each packet
    #[cfg(feature = "live")]
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 262_144,
        value_parser = clap::value_parser!(u32).range(64..=262_144),
        help_heading = "Input"
    )]
    snap_length: u32,
    /// Only packets that this machine sends or is sent
    #[cfg(feature = "live")]
    #[arg(short = 'p', long, help_heading = "Input")]
    no_promiscuous: bool,
    /// Only packets that go this way: in, out, both
    #[cfg(feature = "live")]
    #[arg(
        long,
        value_name = "WAY",
        default_value = "both",
        hide_possible_values = true,
        help_heading = "Input"
    )]
    direction: DirectionChoice,
    /// End after this many packets
    #[arg(short, long, value_name = "PACKETS", help_heading = "Input")]
    count: Option<u64>,
    /// End after this time: 90s, 10min, 8h, 7d
    #[arg(long, value_name = "TIME", value_parser = time_span, help_heading = "Input")]
    duration: Option<Duration>,
    #[command(flatten)]
    memory: MemoryOptions,
    #[command(flatten)]
    secrets: SecretOptions,
    /// Output format: text (one line an event), ndjson (one object an event), zeek-json, eve, ecs (lines of a session at its end)
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    format: LiveFormat,
    /// Write events into FILE, behind what it holds already; a folder that does not exist is created
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    #[command(flatten)]
    events: EventOptions,
    #[command(flatten)]
    exports: ExportChoices,
    /// Begin a new file at a size or after a time: 100MB, 1GiB, 30min, 24h; the old one gets the time behind its name
    #[arg(long, value_name = "LIMIT", value_parser = rotation, help_heading = "Output")]
    rotate: Option<Rotation>,
    /// Keep only the newest COUNT of the old files of each output
    #[arg(
        long,
        value_name = "COUNT",
        requires = "rotate",
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Output"
    )]
    keep: Option<u32>,
    /// Save the transferred files below DIR, as they arrive
    #[arg(short = 'x', long, value_name = "DIR", help_heading = "Output")]
    extract: Option<PathBuf>,
    /// Keep the packets of FTP sessions (control, data, their DNS): append to FILE, as pcapng
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    write: Option<PathBuf>,
    /// Serve numbers for Prometheus at ADDRESS, such as 127.0.0.1:9121 or just 9121
    #[arg(long, value_name = "ADDRESS", value_parser = metrics_address, help_heading = "Output")]
    metrics: Option<SocketAddr>,
    /// Mark events for which a CEL expression is true, such as 'finding.severity == "high"'; may be given more than once
    #[arg(long, value_name = "EXPR", help_heading = "Alerts")]
    alert: Vec<String>,
    /// Give each marked event to PROGRAM, as JSON on its standard input
    #[arg(long, value_name = "PROGRAM", help_heading = "Alerts")]
    exec: Option<PathBuf>,
    /// As root, go on as this user once everything is open, in place of the owner of the output folder or nobody (root: stay root)
    #[arg(long, value_name = "USER", help_heading = "Privileges")]
    user: Option<String>,
    #[command(flatten, next_help_heading = "Output")]
    digests: DigestOptions,
    #[command(flatten)]
    presentation: PresentationOptions,
    #[command(flatten)]
    selection: SelectionOptions,
}

/// The format of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LiveFormat {
    Text,
    Ndjson,
    ZeekJson,
    Eve,
    Ecs,
}

impl LiveFormat {
    /// Returns the name of the export; `None` if it is none.
    const fn export(self) -> Option<&'static str> {
        match self {
            Self::Text | Self::Ndjson => None,
            Self::ZeekJson => Some("zeek-json"),
            Self::Eve => Some("eve"),
            Self::Ecs => Some("ecs"),
        }
    }
}

/// Names of [`CaptureDirection`](crate::capture::CaptureDirection).
#[cfg(feature = "live")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DirectionChoice {
    In,
    Out,
    Both,
}

/// Monitors until the source ends or a signal asks for it.
pub(super) fn run(arguments: &LiveArguments) -> Result<Exit, Failure> {
    let quiet = arguments.presentation.quiet;
    let settings = arguments.settings()?;
    let monitor = Monitor::start(settings, messages::notices(quiet))?;
    let outcome = monitor.run();
    // With events on standard output their last line, the totals, already ends the run.
    if !quiet
        && arguments
            .output
            .as_deref()
            .is_some_and(|path| !is_standard(path))
    {
        messages::note(&outcome.summary);
    }
    #[cfg(feature = "live")]
    if let Some(filter) = &arguments.filter
        && outcome.packets == 0
        && outcome.failures.is_empty()
        && !quiet
    {
        messages::note(&format!("no packet matched the filter '{filter}' of -f"));
    }
    if let Some(error) = outcome.extraction {
        return Err(Failure::Refused(error.to_string()));
    }
    let mut reasons = Vec::new();
    if outcome.events_lost > 0 {
        reasons.push(Exit::Misuse);
    }
    if !outcome.failures.is_empty() {
        reasons.push(Exit::Unreadable);
    }
    Ok(Exit::first_of(&reasons))
}

impl LiveArguments {
    /// Returns the arguments as settings of the engine; fails on a mistake in an expression.
    fn settings(&self) -> Result<Settings, Failure> {
        #[cfg(feature = "live")]
        if self.interface.is_empty() && self.read.is_none() {
            return Err(Failure::Refused(
                "there is nothing to read; give -i INTERFACE (ftpscope interfaces lists them) or -r FILE".to_owned(),
            ));
        }
        let output = self.output.as_deref().filter(|path| !is_standard(path));
        if self.rotate.is_some() && output.is_none() && self.write.is_none() {
            return Err(Failure::Refused(
                "--rotate needs files to rotate; give -o FILE for events or -w FILE for packets"
                    .to_owned(),
            ));
        }
        if self.exec.is_some() && self.alert.is_empty() {
            return Err(Failure::Refused(
                "--exec gets the events that --alert marks; add one, such as --alert 'finding.severity == \"high\"'"
                    .to_owned(),
            ));
        }
        let read = Inputs::default().with("read with -r", &self.read);
        let read = self.secrets.add_files(read);
        for written in output.into_iter().chain(self.write.as_deref()) {
            read.refuse(written)?;
        }
        let selection = self.selection.selection()?;
        let compile = |text: &String| {
            Expression::compile(text, Scope::Event)
                .map_err(|error| Failure::Refused(format!("--alert: {error}")))
        };
        let alerts: Vec<_> = self.alert.iter().map(compile).collect::<Result<_, _>>()?;
        let mut settings = Settings::new(self.source());
        settings.options.show_passwords = self.selection.show_passwords;
        settings.options.limits.held_bytes = self.memory.max_memory;
        settings.options.threads = self.memory.threads();
        settings.options.secrets = self.secrets.read(true)?;
        self.digests.apply(&mut settings.options);
        enable_digests(&mut settings.options, |field| {
            selection.names_field(field) || alerts.iter().any(|alert| alert.names_field(field))
        });
        settings.selection = selection;
        settings.format = self.event_format(&settings)?;
        settings.output = output.map(Path::to_owned);
        settings.rotation = RotationLimits {
            rotate: self.rotate,
            keep: self.keep,
        };
        settings.extract.clone_from(&self.extract);
        settings.write.clone_from(&self.write);
        settings.metrics = self.metrics;
        settings.alerts = alerts;
        settings.alert_program.clone_from(&self.exec);
        settings.user.clone_from(&self.user);
        settings.packets = self.count;
        settings.duration = self.duration;
        Ok(settings)
    }

    fn event_format(&self, settings: &Settings) -> Result<EventFormat, Failure> {
        if let Some(format) = self.format.export().and_then(export::find) {
            let mut options = ExportOptions {
                limits: settings.options.limits.clone(),
                names_logs: true,
                md5: settings.options.md5,
                sha1: settings.options.sha1,
                interfaces: settings.source.interfaces(),
                ..ExportOptions::default()
            };
            self.exports.apply(&mut options);
            let lines = ExportLines::open(format, &options);
            let lines = lines.map_err(|cause| Failure::stdout(&cause))?;
            return Ok(EventFormat::Export(lines));
        }
        if self.format == LiveFormat::Ndjson {
            return Ok(EventFormat::Ndjson(self.events.events.into()));
        }
        let layout = self.presentation.layout(self.output.as_deref());
        let lines = LiveLines::new(layout.color, layout.zone);
        Ok(EventFormat::Text(lines.verbose(layout.verbose)))
    }

    #[cfg(feature = "live")]
    fn source(&self) -> SourceSettings {
        use crate::capture::{CaptureDirection, LiveOptions};
        if let Some(path) = &self.read {
            return SourceSettings::Read {
                path: path.clone(),
                filter: self.filter.clone(),
            };
        }
        SourceSettings::Interfaces {
            names: self.interface.clone(),
            options: LiveOptions {
                buffer: u32::try_from(self.buffer).unwrap_or(u32::MAX),
                snap_length: self.snap_length,
                promiscuous: !self.no_promiscuous,
                filter: self.filter.clone(),
                direction: match self.direction {
                    DirectionChoice::In => CaptureDirection::In,
                    DirectionChoice::Out => CaptureDirection::Out,
                    DirectionChoice::Both => CaptureDirection::Both,
                },
            },
        }
    }

    #[cfg(not(feature = "live"))]
    fn source(&self) -> SourceSettings {
        // clap has made sure of it: without interfaces, -r is required.
        SourceSettings::read(self.read.clone().unwrap_or_default())
    }
}

#[cfg(feature = "live")]
const EXAMPLES: &str = "\
Examples:
  ftpscope live -i eth0                                      one line an event
  ftpscope live -i eth0 --format ndjson -o ftp.ndjson --rotate 24h --keep 30
  ftpscope live -i any -x files -f 'host 192.0.2.7'
  ssh server tcpdump -U -w - host 192.0.2.7 | ftpscope live -r -";

#[cfg(not(feature = "live"))]
const EXAMPLES: &str = "\
Examples:
  tcpdump -U -w - host 192.0.2.7 | ftpscope live -r -";
