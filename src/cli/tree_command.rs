//! `ftpscope tree`: what was seen of the servers' folders.

use std::cell::Cell;
use std::io::Write as _;
use std::rc::Rc;

#[cfg(feature = "live")]
use super::analyze_command::open_filter;
use super::analyze_command::{analyze, is_pipe, open_output, read_options, selection};
use super::args_tree::{TreeArguments, TreeFormat};
use super::error_text::{self, Failure};
use super::exit_code::Exit;
#[cfg(feature = "live")]
use super::filtered_source::FilteredSource;
use super::interruption::Interruption;
use super::tally::Tally;
use super::terminal::{self, Environment};
use super::watched_source::WatchedSource;
use crate::capture::{CaptureSet, PacketSource};
use crate::model::{EventSink, Limits};
use crate::pipeline::Options;
use crate::report::tree::Tree;
use crate::report::{ReportBuilder, json, table};

/// Reads the captures and writes the trees.
pub(super) fn run(arguments: &TreeArguments) -> Result<Exit, Failure> {
    let read = read_options(&arguments.input, &arguments.tz)?;
    let selection = selection(arguments.condition.as_ref(), &arguments.session)?;
    let mut output = open_output(arguments.output.as_deref(), &arguments.input, true)?;
    #[cfg(feature = "live")]
    let filter = open_filter(&arguments.input)?;
    let mut captures = CaptureSet::open(&arguments.input.captures, read);
    if arguments.verbose {
        for path in captures.passed_over() {
            error_text::note(&format!("passed over {}: no capture", path.display()));
        }
    }
    #[cfg(not(feature = "live"))]
    let source: &mut dyn PacketSource = &mut captures;
    #[cfg(feature = "live")]
    let mut filtered;
    #[cfg(feature = "live")]
    let source: &mut dyn PacketSource = match filter {
        Some(filter) => {
            filtered = FilteredSource::new(&mut captures, filter);
            &mut filtered
        }
        None => &mut captures,
    };
    let options = Options {
        show_passwords: arguments.show_passwords,
        limits: Limits {
            held_bytes: arguments.input.max_memory,
            ..Limits::default()
        },
        ..Options::default()
    };
    let progress = !arguments.no_progress && !arguments.quiet;
    let mut tally = Tally::default();
    let mut builder = ReportBuilder::new(&options.limits);
    let piped = arguments.input.captures.iter().any(is_pipe);
    let asked = Interruption::watch().map_err(|cause| Failure::Refused(cause.to_string()))?;
    let ignored = Interruption::default();
    let interruption = if piped { &ignored } else { &asked };
    let stop = Rc::new(Cell::new(false));
    let mut source = WatchedSource::new(source, stop, interruption, progress);
    let events: &mut dyn EventSink = &mut (&mut tally, &mut builder);
    let (summary, _) = analyze(&mut source, &options, selection, events, false, &mut ());
    let failures = source.failures();
    if interruption.is_asked() {
        return Err(Failure::Interrupted);
    }
    let report = builder.finish(summary.captures, summary.totals.clone());
    let tree = Tree::of(&report);
    let written = match arguments.format {
        TreeFormat::Json => json::write_tree(&tree, &mut output),
        TreeFormat::Text => table::render_tree(&tree, &text_options(arguments), &mut output),
    };
    let written = match written.and_then(|()| output.flush()) {
        Ok(()) => output.finish(),
        Err(cause) => Err(output.failure(&cause)),
    };
    match written {
        Ok(()) | Err(Failure::PipeClosed) => {}
        Err(failure) => return Err(failure),
    }
    let mut reasons = Vec::new();
    if failures > 0 || arguments.strict && tally.not_whole {
        reasons.push(Exit::Unreadable);
    }
    if arguments.fail_if_empty && summary.totals.sessions == 0 {
        reasons.push(Exit::NoSession);
    }
    Ok(Exit::first_of(&reasons))
}

fn text_options(arguments: &TreeArguments) -> table::Options {
    let environment = Environment::of_process();
    let to_terminal = arguments.output.is_none() && terminal::stdout_is_terminal();
    let columns = to_terminal.then(terminal::stdout_width).flatten();
    table::Options {
        width: environment.width(columns),
        color: environment.color(arguments.color, to_terminal),
        zone: arguments.tz.clone(),
        verbose: arguments.verbose,
    }
}
