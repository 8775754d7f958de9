//! `ftpscope schema`, `completions`, `man` and `--version -v`: texts generated from the program itself.

use std::env::consts;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Args, Command, CommandFactory as _, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;

use super::command_line::Arguments;
use super::failure::{Exit, Failure};
use super::terminal::two_columns;
use super::wireshark;
use crate::check::answer;
use crate::check::built_in;
use crate::check::file::FINDINGS;
use crate::reconcile;
use crate::report::export::{self, EVE_GENERATOR, FORMATS};
use crate::report::json;

#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// The schema of another format of analyze: ndjson, csv, zeek, zeek-json, eve, ecs, parquet
    #[arg(long, value_name = "FORMAT", value_parser = described_formats(), hide_possible_values = true)]
    format: Option<String>,
    /// The signatures of EVE's alerts: generator, number, finding and its meaning
    #[arg(long, conflicts_with = "format")]
    eve_alerts: bool,
    /// The schema of a line of --format ndjson instead
    #[arg(long, conflicts_with_all = ["format", "eve_alerts"])]
    events: bool,
    /// The schema of what tree --format json writes instead
    #[arg(long, conflicts_with_all = ["format", "eve_alerts", "events"])]
    tree: bool,
    /// The schema of what check --format json writes instead
    #[arg(long, conflicts_with_all = ["format", "eve_alerts", "events", "tree"])]
    check: bool,
    /// The schema of what reconcile --format json writes instead
    #[arg(long, conflicts_with_all = ["format", "eve_alerts", "events", "tree", "check"])]
    reconcile: bool,
}

#[derive(Debug, Args)]
#[command(after_help = INTEGRATION_EXAMPLES)]
pub(super) struct IntegrationArguments {
    /// The engine: spark (a Python data source for Apache Spark 4), wireshark (a profile, as a zip archive to import)
    #[arg(hide_possible_values = true)]
    engine: Engine,
    /// For wireshark: captures whose sessions get colours, buttons and filters
    #[arg(value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
}

/// Engines with an integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    Spark,
    Wireshark,
}

#[derive(Debug, Args)]
pub(super) struct HelpArguments {
    /// A command, or findings, exit-codes, signals
    topic: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// The shell
    shell: Shell,
    /// Leave out zones and interfaces of this machine, for completions that are installed on others
    #[arg(long)]
    portable: bool,
}

#[derive(Debug, Args)]
pub(super) struct ManArguments {
    /// Write a page for each command into this directory instead: ftpscope.1, ftpscope-analyze.1 and so on
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Parses the name of a format that has a schema.
fn described_formats() -> PossibleValuesParser {
    let described = FORMATS.iter().filter(|format| format.schema.is_some());
    PossibleValuesParser::new(described.map(|format| format.name))
}

/// Prints a schema.
pub(super) fn schema(arguments: &SchemaArguments) -> Result<Exit, Failure> {
    let format = arguments.format.as_deref().and_then(export::find);
    let schema = if let Some(schema) = format.and_then(|format| format.schema) {
        schema()
    } else if arguments.eve_alerts {
        let mut lines = String::new();
        for (id, meaning) in FINDINGS {
            let number = export::eve_signature(id);
            // Writing to a `String` cannot fail.
            let _ = writeln!(lines, "{EVE_GENERATOR} || {number} || {id}: {meaning}");
        }
        lines
    } else if arguments.events {
        json::event_schema()
    } else if arguments.tree {
        json::tree_schema()
    } else if arguments.check {
        answer::json_schema()
    } else if arguments.reconcile {
        reconcile::answer::json_schema()
    } else {
        json::report_schema()
    };
    print(schema.as_bytes())
}

/// Prints the module through which an engine runs this program.
pub(super) fn integration(arguments: &IntegrationArguments) -> Result<Exit, Failure> {
    match arguments.engine {
        Engine::Spark if !arguments.captures.is_empty() => Err(Failure::Refused(
            "the module for spark is the same for all captures; leave them out".to_owned(),
        )),
        Engine::Spark => print(include_bytes!("spark.py")),
        Engine::Wireshark => wireshark::profile(&arguments.captures),
    }
}

/// Prints help on a command or a topic.
pub(super) fn help(arguments: &HelpArguments) -> Result<Exit, Failure> {
    let mut command = Arguments::command();
    command.build();
    let text = match arguments.topic.as_deref() {
        None => command.render_help().to_string(),
        Some("findings") => two_columns(FINDINGS),
        Some("exit-codes") => two_columns(&exit_codes()),
        Some("signals") => two_columns(SIGNALS),
        Some(name) => match command.find_subcommand_mut(name) {
            Some(command) => command.render_long_help().to_string(),
            None => {
                return Err(Failure::Refused(format!(
                    "there is no help on {name}; name a command, findings, exit-codes or signals"
                )));
            }
        },
    };
    print(text.as_bytes())
}

fn exit_codes() -> Vec<(String, &'static str)> {
    Exit::ALL
        .iter()
        .map(|exit| (exit.code().to_string(), exit.meaning()))
        .collect()
}

/// Prints completions for a shell, with the rules and, unless they are portable, the zones and interfaces of this machine.
pub(super) fn completions(arguments: &CompletionsArguments) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    let mut command = Arguments::command();
    let rules: Vec<String> = built_in::ALL
        .iter()
        .map(|rule| rule.name.to_owned())
        .collect();
    let mut values = vec![("rule", rules)];
    if !arguments.portable {
        let mut zones: Vec<String> = ["UTC".to_owned(), "local".to_owned()].into();
        zones.extend(jiff::tz::db().available().map(|name| name.to_string()));
        values.extend([("tz", zones), ("interface", interfaces())]);
    }
    let names: Vec<String> = command
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    for name in names {
        command = command.mut_subcommand(name, |mut command| {
            for (option, values) in &values {
                let is_known = command
                    .get_arguments()
                    .any(|known| known.get_id() == *option);
                if is_known && !values.is_empty() {
                    let parser = PossibleValuesParser::new(values.clone());
                    command = command.mut_arg(*option, |argument| argument.value_parser(parser));
                }
            }
            command
        });
    }
    clap_complete::generate(arguments.shell, &mut command, "ftpscope", &mut text);
    print(&text)
}

/// Returns the names of the interfaces; empty where they cannot be listed.
fn interfaces() -> Vec<String> {
    #[cfg(feature = "live")]
    let found = crate::capture::interfaces().unwrap_or_default();
    #[cfg(feature = "live")]
    let names = found.into_iter().map(|interface| interface.name).collect();
    #[cfg(not(feature = "live"))]
    let names = Vec::new();
    names
}

/// Prints the manual page with all commands on it, or writes one page for each command.
pub(super) fn man(arguments: &ManArguments) -> Result<Exit, Failure> {
    if let Some(directory) = &arguments.directory {
        return man_pages(directory);
    }
    let mut text = Vec::new();
    write_man(&built_command(), &mut text).map_err(|cause| Failure::stdout(&cause))?;
    print(&text)
}

/// Writes the page of the program and one for each of its commands.
fn man_pages(directory: &Path) -> Result<Exit, Failure> {
    fs::create_dir_all(directory).map_err(|cause| Failure::output(directory, &cause))?;
    let command = built_command();
    let mut pages = vec![("ftpscope".to_owned(), Vec::new())];
    // Writing to a `Vec` cannot fail.
    let _ = write_man(&command, &mut pages[0].1);
    for subcommand in command.get_subcommands() {
        // The title and the name of the page, as in `man ftpscope-analyze`.
        let name = format!("ftpscope-{}", subcommand.get_name());
        let mut text = Vec::new();
        let _ = write_command_page(&subcommand.clone().display_name(name.clone()), &mut text);
        pages.push((name, text));
    }
    for (name, text) in pages {
        let path = directory.join(format!("{name}.1"));
        fs::write(&path, text).map_err(|cause| Failure::output(&path, &cause))?;
    }
    Ok(Exit::Done)
}

/// Returns the command line with the usage lines of its subcommands, which clap otherwise derives while it parses.
fn built_command() -> Command {
    let mut command = Arguments::command();
    command.build();
    command
}

/// Writes the sections that every manual page begins with.
fn write_head(man: &Man, out: &mut dyn Write) -> io::Result<()> {
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)
}

/// Writes the manual page of one command.
fn write_command_page(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let man = Man::new(command.clone()).source(concat!("ftpscope ", env!("CARGO_PKG_VERSION")));
    write_head(&man, out)?;
    write_examples(command, out)?;
    write_pairs("EXIT STATUS", &exit_codes(), out)?;
    writeln!(out, ".SH \"SEE ALSO\"\n\\fBftpscope\\fR(1)")
}

/// Writes the manual page of the program, with all commands on it.
fn write_man(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let man = Man::new(command.clone());
    write_head(&man, out)?;
    man.render_subcommands_section(out)?;
    write_examples(command, out)?;
    for subcommand in command.get_subcommands() {
        let name = subcommand.get_name().to_uppercase();
        writeln!(out, ".SH \"COMMAND {name}\"")?;
        let man = Man::new(subcommand.clone());
        man.render_synopsis_section(out)?;
        man.render_description_section(out)?;
        man.render_options_section(out)?;
        write_examples(subcommand, out)?;
    }
    write_pairs("EXIT STATUS", &exit_codes(), out)?;
    write_pairs("SIGNALS", SIGNALS, out)?;
    write_pairs("FINDINGS", FINDINGS, out)?;
    man.render_version_section(out)
}

/// Writes the examples of a command line by line, as they are: a filled paragraph cannot be copied.
fn write_examples(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let Some(text) = command.get_after_help() else {
        return Ok(());
    };
    writeln!(out, ".SS EXAMPLES\n.nf")?;
    for line in text.to_string().lines().filter(|line| *line != "Examples:") {
        writeln!(out, "{}", roff(line.strip_prefix("  ").unwrap_or(line)))?;
    }
    writeln!(out, ".fi")
}

fn write_pairs<T: AsRef<str>>(
    title: &str,
    pairs: &[(T, &str)],
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, ".SH \"{title}\"")?;
    for (word, meaning) in pairs {
        writeln!(
            out,
            ".TP\n\\fB{}\\fR\n{}",
            roff(word.as_ref()),
            roff(meaning)
        )?;
    }
    Ok(())
}

/// Escapes a line for roff, in which backslashes, and dots and quotes at its beginning, are requests.
fn roff(line: &str) -> String {
    let escaped = line
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq");
    if escaped.starts_with('.') {
        format!("\\&{escaped}")
    } else {
        escaped
    }
}

/// Returns whether the arguments of a call that prints the version ask for details of the build too.
pub(super) fn wants_build_details(mut arguments: impl Iterator<Item = String>) -> bool {
    arguments.any(|word| matches!(word.as_str(), "-v" | "--verbose" | "-Vv" | "-vV"))
}

/// Prints the version, and features, commit, libpcap and target of this build.
pub(super) fn build_details() -> Result<Exit, Failure> {
    let features = [
        ("browse", cfg!(feature = "browse")),
        ("cli", cfg!(feature = "cli")),
        ("live", cfg!(feature = "live")),
        ("mimalloc", cfg!(feature = "mimalloc")),
        ("parquet", cfg!(feature = "parquet")),
    ];
    let features: Vec<&str> = features
        .into_iter()
        .filter_map(|(name, is_built)| is_built.then_some(name))
        .collect();
    let pairs = [
        // Recorded by .ci/release: a build script that asks git would compile everything anew after each commit.
        (
            "commit",
            option_env!("FTPSCOPE_COMMIT")
                .unwrap_or("not recorded")
                .to_owned(),
        ),
        ("features", features.join(", ")),
        ("libpcap", libpcap()),
        ("target", target()),
    ];
    let text = format!(
        "ftpscope {}\n{}",
        env!("CARGO_PKG_VERSION"),
        two_columns(&pairs)
    );
    print(text.as_bytes())
}

/// Returns the version of libpcap that this process uses, and the way it is linked.
fn libpcap() -> String {
    if cfg!(not(feature = "live")) {
        return "none".to_owned();
    }
    if let Some(version) = option_env!("FTPSCOPE_LIBPCAP") {
        return format!("{version}, linked statically");
    }
    // The library is loaded from a file that carries its version; asking the library itself needs unsafe code.
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let version = maps
        .lines()
        .find_map(|line| line.rsplit_once("libpcap.so."));
    match version {
        Some((_, version)) => format!("{version}, linked dynamically"),
        None => "version unknown".to_owned(),
    }
}

/// Returns processor, system and C library that this program is built for.
fn target() -> String {
    let libc = match () {
        () if cfg!(target_env = "gnu") => "-gnu",
        () if cfg!(target_env = "musl") => "-musl",
        () => "",
    };
    let linking = if cfg!(target_feature = "crt-static") {
        ", linked statically"
    } else {
        ""
    };
    format!("{}-{}{libc}{linking}", consts::ARCH, consts::OS)
}

/// Writes a complete text to standard output.
pub(super) fn print(text: &[u8]) -> Result<Exit, Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text)
        .and_then(|()| out.flush())
        .map_err(|cause| Failure::stdout(&cause))?;
    Ok(Exit::Done)
}

const INTEGRATION_EXAMPLES: &str = "\
Examples:
  ftpscope integration spark > ftpscope_spark.py
  pyspark --py-files ftpscope_spark.py
  ftpscope integration wireshark capture.pcap > ftpscope.zip   # Edit, Configuration Profiles, Import";

/// Signals that `live` obeys, and their effects.
const SIGNALS: &[(&str, &str)] = &[
    (
        "SIGINT, SIGTERM",
        "live, and a command that reads a pipe, reports what there is and exits 0; others end without a report (130); the second one ends all of them at once (130)",
    ),
    (
        "SIGUSR1",
        "live writes one line of numbers to standard error",
    ),
    (
        "SIGHUP",
        "live opens its files again under their names; outputs that stopped on a full disk resume",
    ),
];
