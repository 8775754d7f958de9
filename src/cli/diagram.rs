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
    Detail, DiagramRecorder, Drawings, LanesBy, TextOptions, Timeline, write_mermaid,
    write_mermaid_timeline, write_plantuml, write_svg, write_svg_timeline, write_text,
};
use crate::model::trace::Tracing;
use crate::page::PageOptions;
use crate::report::CaptureNames;

#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(super) struct DiagramArguments {
    #[command(flatten)]
    input: InputOptions,
    /// Level of detail: steps, messages (commands, replies, connections), packets (every segment), timeline (all sessions as
    /// bars over time; svg and mermaid)
    #[arg(
        long,
        value_name = "DETAIL",
        default_value = "messages",
        hide_possible_values = true
    )]
    detail: DetailChoice,
    /// Lanes of the time line: client, server
    #[arg(
        long,
        value_name = "END",
        default_value = "client",
        hide_possible_values = true
    )]
    lanes: LanesChoice,
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

/// Names of [`Detail`], and of the time line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DetailChoice {
    Steps,
    Messages,
    Packets,
    Timeline,
}

/// Names of [`LanesBy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LanesChoice {
    Client,
    Server,
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

impl DetailChoice {
    /// Returns the detail of a sequence diagram; `None` for the time line.
    const fn of_sequence(self) -> Option<Detail> {
        match self {
            Self::Steps => Some(Detail::Steps),
            Self::Messages => Some(Detail::Messages),
            Self::Packets => Some(Detail::Packets),
            Self::Timeline => None,
        }
    }
}

impl From<LanesChoice> for LanesBy {
    fn from(choice: LanesChoice) -> Self {
        match choice {
            LanesChoice::Client => Self::Client,
            LanesChoice::Server => Self::Server,
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
    let Some(detail) = arguments.detail.of_sequence() else {
        return write_timeline(arguments);
    };
    let mut reading = Reading::open(
        &arguments.input,
        &arguments.selection,
        &arguments.presentation,
    )?;
    let path = arguments.output.output.as_deref();
    let mut output = Output::open(path, &arguments.input.files(), true)?;
    if is_page {
        let options = PageOptions {
            zone: arguments.presentation.tz.clone(),
            detail,
        };
        let (page, outcome) = reading.page(options, arguments.previews.previews, &mut (), &mut ());
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

/// Reads the captures and draws all sessions over time.
fn write_timeline(arguments: &DiagramArguments) -> Result<Exit, Failure> {
    match arguments.format {
        DiagramFormat::Svg | DiagramFormat::Mermaid => {}
        DiagramFormat::Html => {
            let cause = "the page has the time line at any detail; leave out --detail timeline";
            return Err(Failure::Refused(cause.to_owned()));
        }
        DiagramFormat::Text | DiagramFormat::Plantuml => {
            let cause = "--detail timeline is drawn as svg or mermaid; add --format svg";
            return Err(Failure::Refused(cause.to_owned()));
        }
    }
    let reading = Reading::open(
        &arguments.input,
        &arguments.selection,
        &arguments.presentation,
    )?;
    let path = arguments.output.output.as_deref();
    let mut output = Output::open(path, &arguments.input.files(), true)?;
    let (report, sessions, outcome) = reading.kept(&mut ())?;
    let mut timeline = Timeline::default();
    timeline.set_captures(&report.captures);
    let by = LanesBy::from(arguments.lanes);
    let drawn = sessions.iter().try_for_each(|session| {
        timeline.add(&*session?);
        Ok(())
    });
    let written = drawn.and_then(|()| match arguments.format {
        DiagramFormat::Mermaid => write_mermaid_timeline(&timeline, by, &mut output),
        _ => write_svg_timeline(&timeline, by, &arguments.presentation.tz, &mut output),
    });
    output.close(written)?;
    outcome.note_empty_selection(&arguments.presentation);
    Ok(arguments.exit.exit(&outcome, false))
}

const EXAMPLES: &str = "\
Examples:
  ftpscope diagram capture.pcap
  ftpscope diagram --detail packets --session 3 capture.pcap
  ftpscope diagram --format mermaid -o session.mmd capture.pcap
  ftpscope diagram --format svg -o session.svg --session 1 capture.pcap
  ftpscope diagram --format svg --detail timeline -o day.svg captures/";
