//! The commands and what they take.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::args_check::CheckArguments;
use super::args_diagram::DiagramArguments;
use super::args_digest::DigestArguments;
use super::args_exit::{ExitArguments, Threshold};
use super::args_input::InputArguments;
use super::args_output::OutputArguments;
use super::args_presentation::PresentationArguments;
use super::args_selection::SelectionArguments;
use super::args_tree::TreeArguments;
use super::live::LiveArguments;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "ftpscope",
    version,
    about = "Tells what happened over FTP in a packet capture",
    arg_required_else_help = true,
    after_help = EXAMPLES
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Report every FTP session in captures
    Analyze(Box<AnalyzeArguments>),
    /// Draw sessions as sequence diagrams
    Diagram(Box<DiagramArguments>),
    /// Check captures against expectations
    Check(Box<CheckArguments>),
    /// Report what happens on a network, as it happens
    Live(Box<LiveArguments>),
    /// Show what was seen of the servers' folders, and what happened there
    Tree(Box<TreeArguments>),
    /// List the network interfaces
    #[cfg(feature = "live")]
    Interfaces,
    /// Print the JSON Schema of the report
    Schema(SchemaArguments),
    /// Print completions for a shell
    Completions(CompletionsArguments),
    /// Print the manual page
    Man,
}

#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = ANALYZE_EXAMPLES)]
pub(super) struct AnalyzeArguments {
    #[command(flatten)]
    pub(super) input: InputArguments,
    #[command(flatten)]
    pub(super) output: OutputArguments,
    #[command(flatten)]
    pub(super) presentation: PresentationArguments,
    /// Save the transferred files below DIR
    #[arg(short = 'x', long, value_name = "DIR")]
    pub(super) extract: Option<PathBuf>,
    #[command(flatten)]
    pub(super) digests: DigestArguments,
    #[command(flatten)]
    pub(super) selection: SelectionArguments,
    #[command(flatten)]
    pub(super) exit: ExitArguments,
    /// Exit 1 where there is a finding of SEVERITY (info, low, medium, high) or more
    #[arg(
        long,
        value_name = "SEVERITY",
        hide_possible_values = true,
        help_heading = "Exit codes"
    )]
    pub(super) fail_on: Option<Threshold>,
}

#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// The schema of a line of --format ndjson instead
    #[arg(long)]
    pub(super) events: bool,
    /// The schema of what tree --format json writes instead
    #[arg(long, conflicts_with = "events")]
    pub(super) tree: bool,
    /// The schema of what check --format json writes instead
    #[arg(long, conflicts_with_all = ["events", "tree"])]
    pub(super) check: bool,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// The shell
    pub(super) shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  ftpscope analyze capture.pcap                 what happened, as tables
  ftpscope analyze -x files capture.pcapng.gz   save the transferred files below files/
  ftpscope analyze --format json day/ | jq .    everything in a folder of captures, as JSON";

const ANALYZE_EXAMPLES: &str = "\
Examples:
  ftpscope analyze --where 'transfers.exists(t, t.name.endsWith(\".zip\"))' capture.pcap
  ftpscope analyze --since 2026-11-20T15:00 --tz Europe/Berlin capture.pcap
  tcpdump -U -w - host 192.0.2.7 | ftpscope analyze --format ndjson -
  ftpscope analyze --strict --fail-on medium -o report.json --format json captures/";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }
}
