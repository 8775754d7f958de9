//! The commands and their arguments, as one definition for clap.

use clap::{ArgAction, Parser, Subcommand};

use super::analyze::AnalyzeArguments;
#[cfg(feature = "browse")]
use super::browse::BrowseArguments;
use super::carve::CarveArguments;
use super::check::CheckArguments;
use super::diagram::DiagramArguments;
use super::generated::{
    CompletionsArguments, HelpArguments, IntegrationArguments, ManArguments, SchemaArguments,
};
use super::live::LiveArguments;
use super::reconcile::ReconcileArguments;
use super::series::SeriesArguments;
use super::tree::TreeArguments;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "ftpscope",
    version,
    disable_version_flag = true,
    about = "Reports what happened over FTP in packet captures",
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = EXAMPLES
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
    /// Print the version; with -v also features, commit, libpcap and target
    #[arg(short = 'V', long, action = ArgAction::Version, display_order = 1000)]
    version: (),
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Report every FTP session in captures
    Analyze(Box<AnalyzeArguments>),
    /// Draw sessions as sequence diagrams
    Diagram(Box<DiagramArguments>),
    /// Check captures against expectations
    Check(Box<CheckArguments>),
    /// Compare servers' logs with captures
    Reconcile(Box<ReconcileArguments>),
    /// Report what happens on a network, as it happens
    Live(Box<LiveArguments>),
    /// Show what was seen of the servers' folders, and what happened there
    Tree(Box<TreeArguments>),
    /// Look through captures or a report in the terminal
    #[cfg(feature = "browse")]
    Browse(Box<BrowseArguments>),
    /// Write the packets of sessions to a pcapng file
    Carve(Box<CarveArguments>),
    /// Put captures that follow one another into series
    Series(SeriesArguments),
    /// List the network interfaces
    #[cfg(feature = "live")]
    Interfaces,
    /// Print the schema of the report, or of another format
    Schema(SchemaArguments),
    /// Print the module through which another engine runs this program
    Integration(IntegrationArguments),
    /// Print completions for a shell
    Completions(CompletionsArguments),
    /// Print the manual page, or write one for each command
    Man(ManArguments),
    /// Print help on a command, or on findings, exit-codes, signals
    Help(HelpArguments),
}

const EXAMPLES: &str = "\
Examples:
  ftpscope analyze capture.pcap                 what happened, as tables
  ftpscope analyze -x files capture.pcapng.gz   save the transferred files below files/
  ftpscope analyze --format json day/ | jq .    everything in a folder of captures, as JSON";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_satisfies_clap() {
        Arguments::command().debug_assert();
    }
}
