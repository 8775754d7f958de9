//! `ftpscope diagram`: draws sessions.

use std::sync::Arc;

use super::args_diagram::{DiagramArguments, DiagramFormat};
use super::error_text::{self, Failure};
use super::exit_code::Exit;
use super::output::Output;
use super::reading::Reading;
use crate::diagram::{
    Detail, Recorder, TextOptions, write_mermaid, write_plantuml, write_svg, write_text,
};
use crate::model::trace::Tracing;
use crate::page::PageOptions;
use crate::report::ReportBuilder;

/// Reads the captures and draws their sessions.
pub(super) fn run(arguments: &DiagramArguments) -> Result<Exit, Failure> {
    let is_page = arguments.format == DiagramFormat::Html;
    error_text::check_previews(arguments.previews, is_page, arguments.presentation.quiet)?;
    let mut reading = Reading::open(
        &arguments.input,
        &arguments.selection,
        &arguments.presentation,
    )?;
    let detail = Detail::from(arguments.detail);
    let path = arguments.output.as_deref();
    let mut output = Output::open(path, &arguments.input.captures, true)?;
    if is_page {
        let options = PageOptions {
            zone: arguments.presentation.tz.clone(),
            detail,
        };
        let (page, outcome) = reading.page(options, arguments.previews, &mut ());
        let page = page.ok_or(Failure::Interrupted)?;
        let written = page.write(&mut output);
        output.close(written)?;
        return Ok(arguments.exit.exit(&outcome, false));
    }
    reading.options.tracing = match detail {
        Detail::Steps | Detail::Messages => Tracing::Connections,
        Detail::Packets => Tracing::Packets,
    };
    let mut builder = ReportBuilder::new(&reading.options.limits);
    let mut recorder = Recorder::new(&reading.options.limits);
    let mut events = (&mut builder, &mut recorder);
    let outcome = reading.run(&mut events, false, &mut (), Arc::default());
    if outcome.interrupted {
        return Err(Failure::Interrupted);
    }
    let summary = &outcome.summary;
    let report = builder.finish(summary.captures.clone(), summary.totals.clone());
    let sessions = report.sessions.iter();
    let mut diagrams = sessions.map(|session| recorder.diagram(session));
    let out = &mut output;
    let written = match arguments.format {
        DiagramFormat::Text => {
            let layout = arguments.presentation.layout(path);
            let options = TextOptions {
                detail,
                width: layout.width,
                color: layout.color,
            };
            write_text(&mut diagrams, options, out)
        }
        DiagramFormat::Mermaid => write_mermaid(&mut diagrams, detail, out),
        DiagramFormat::Plantuml => write_plantuml(&mut diagrams, detail, out),
        DiagramFormat::Svg => write_svg(&mut diagrams, detail, out),
        // It was written above.
        DiagramFormat::Html => Ok(()),
    };
    output.close(written)?;
    Ok(arguments.exit.exit(&outcome, false))
}
