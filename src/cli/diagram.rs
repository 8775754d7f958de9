//! `ftpscope diagram`: sequence diagrams of sessions.

use clap::{Args, ValueEnum};

use super::failure::{Exit, Failure};
use super::messages;
use super::options::{
    ExitOptions, InputOptions, PresentationOptions, PreviewOptions, SelectionOptions,
    WholeOutputOptions,
};
use super::output::Output;
use super::reading::Reading;
use crate::diagram::{
    Detail, DiagramRecorder, Drawings, TextOptions, write_mermaid, write_plantuml, write_svg,
    write_text,
};
use crate::model::trace::Tracing;
use crate::page::PageOptions;
use crate::report::CaptureNames;

#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(super) struct DiagramArguments {
    #[command(flatten)]
    input: InputOptions,
    /// Level of detail: steps, messages (commands, replies, connections), packets (every segment)
    #[arg(
        long,
        value_name = "DETAIL",
        default_value = "messages",
        hide_possible_values = true
    )]
    detail: DetailChoice,
    /// Output format: text, mermaid, plantuml, svg, html
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    format: DiagramFormat,
    #[command(flatten)]
    output: WholeOutputOptions,
    #[command(flatten)]
    previews: PreviewOptions,
    #[command(flatten)]
    presentation: PresentationOptions,
    #[command(flatten)]
    selection: SelectionOptions,
    #[command(flatten)]
    exit: ExitOptions,
}

/// Names of [`Detail`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DetailChoice {
    Steps,
    Messages,
    Packets,
}

/// The format of a diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DiagramFormat {
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

/// Reads the captures and draws their sessions.
pub(super) fn run(arguments: &DiagramArguments) -> Result<Exit, Failure> {
    let is_page = arguments.format == DiagramFormat::Html;
    messages::check_previews(
        arguments.previews.previews,
        is_page,
        arguments.presentation.quiet,
    )?;
    let mut reading = Reading::open(
        &arguments.input,
        &arguments.selection,
        &arguments.presentation,
    )?;
    let detail = Detail::from(arguments.detail);
    let path = arguments.output.output.as_deref();
    let mut output = Output::open(path, &arguments.input.captures, true)?;
    if is_page {
        let options = PageOptions {
            zone: arguments.presentation.tz.clone(),
            detail,
        };
        let (page, outcome) = reading.page(options, arguments.previews.previews, &mut ());
        let page = page.ok_or(Failure::Interrupted)?;
        let written = page.write(&mut output);
        output.close(written)?;
        outcome.note_empty_selection(&arguments.presentation);
        return Ok(arguments.exit.exit(&outcome, false));
    }
    // Segments are recorded only if they are drawn: they are most of the memory of a diagram.
    reading.options.tracing = match detail {
        Detail::Steps | Detail::Messages => Tracing::Connections,
        Detail::Packets => Tracing::Packets,
    };
    let mut recorder = DiagramRecorder::new(&reading.options.limits);
    recorder.name_captures(CaptureNames::new(&reading.several_paths()));
    let (_, sessions, outcome) = reading.kept(&mut recorder)?;
    let drawings = Drawings::new(sessions.iter(), &recorder);
    let out = &mut output;
    let written = match arguments.format {
        DiagramFormat::Text => {
            let layout = arguments.presentation.layout(path);
            let options = TextOptions {
                detail,
                width: layout.width,
                color: layout.color,
            };
            write_text(drawings, options, out)
        }
        DiagramFormat::Mermaid => write_mermaid(drawings, detail, out),
        DiagramFormat::Plantuml => write_plantuml(drawings, detail, out),
        DiagramFormat::Svg => write_svg(drawings, detail, out),
        // Written above.
        DiagramFormat::Html => Ok(()),
    };
    output.close(written)?;
    outcome.note_empty_selection(&arguments.presentation);
    Ok(arguments.exit.exit(&outcome, false))
}

const EXAMPLES: &str = "\
Examples:
  ftpscope diagram capture.pcap
  ftpscope diagram --detail packets --session 3 capture.pcap
  ftpscope diagram --format mermaid -o session.mmd capture.pcap
  ftpscope diagram --format svg -o session.svg --session 1 capture.pcap";
