//! What `ftpscope diagram` takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::args_exit::ExitArguments;
use super::args_input::InputArguments;
use super::args_presentation::PresentationArguments;
use super::args_selection::SelectionArguments;
use crate::diagram::Detail;

#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(super) struct DiagramArguments {
    #[command(flatten)]
    pub(super) input: InputArguments,
    /// How much to draw: steps, messages (commands, replies, connections), packets (every segment)
    #[arg(
        long,
        value_name = "DETAIL",
        default_value = "messages",
        hide_possible_values = true
    )]
    pub(super) detail: DetailChoice,
    /// What to write: text, mermaid, plantuml, svg, html
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub(super) format: DiagramFormat,
    /// Write to FILE; a regular file appears whole or not at all
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub(super) output: Option<PathBuf>,
    /// On the page, show the beginning of text files, and small pictures
    #[arg(long, help_heading = "Output")]
    pub(super) previews: bool,
    #[command(flatten)]
    pub(super) presentation: PresentationArguments,
    #[command(flatten)]
    pub(super) selection: SelectionArguments,
    #[command(flatten)]
    pub(super) exit: ExitArguments,
}

/// How much is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DetailChoice {
    Steps,
    Messages,
    Packets,
}

/// What a diagram is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DiagramFormat {
    Text,
    Mermaid,
    Plantuml,
    Svg,
    Html,
}

impl From<DetailChoice> for Detail {
    fn from(choice: DetailChoice) -> Self {
        match choice {
            DetailChoice::Steps => Self::Steps,
            DetailChoice::Messages => Self::Messages,
            DetailChoice::Packets => Self::Packets,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  ftpscope diagram capture.pcap
  ftpscope diagram --detail packets --session 3 capture.pcap
  ftpscope diagram --format mermaid -o session.mmd capture.pcap
  ftpscope diagram --format svg -o session.svg --session 1 capture.pcap";
