//! `ftpscope schema`, `completions` and `man`: texts generated from the program itself.

use std::io::{self, Write};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use super::command_line::Arguments;
use super::failure::{Exit, Failure};
use crate::check::answer;
use crate::report::json;

#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// The schema of a line of --format ndjson instead
    #[arg(long)]
    events: bool,
    /// The schema of what tree --format json writes instead
    #[arg(long, conflicts_with = "events")]
    tree: bool,
    /// The schema of what check --format json writes instead
    #[arg(long, conflicts_with_all = ["events", "tree"])]
    check: bool,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

/// Prints a JSON Schema.
pub(super) fn schema(arguments: &SchemaArguments) -> Result<Exit, Failure> {
    let schema = if arguments.events {
        json::event_schema()
    } else if arguments.tree {
        json::tree_schema()
    } else if arguments.check {
        answer::json_schema()
    } else {
        json::report_schema()
    };
    print(schema.as_bytes())
}

/// Prints completions for a shell.
pub(super) fn completions(arguments: &CompletionsArguments) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "ftpscope", &mut text);
    print(&text)
}

/// Prints the manual page, with all commands on it.
pub(super) fn man() -> Result<Exit, Failure> {
    let mut text = Vec::new();
    write_man(&mut text).map_err(|cause| Failure::stdout(&cause))?;
    print(&text)
}

fn write_man(out: &mut dyn Write) -> io::Result<()> {
    let mut command = Arguments::command();
    // Derives the usage lines of the subcommands, which clap otherwise does while it parses.
    command.build();
    Man::new(command.clone()).render(out)?;
    for subcommand in command.get_subcommands() {
        if subcommand.get_name() == "help" {
            continue;
        }
        let name = subcommand.get_name().to_uppercase();
        writeln!(out, ".SH \"COMMAND {name}\"")?;
        let man = Man::new(subcommand.clone());
        man.render_synopsis_section(out)?;
        man.render_description_section(out)?;
        man.render_options_section(out)?;
    }
    Ok(())
}

/// Writes a complete text to standard output.
pub(super) fn print(text: &[u8]) -> Result<Exit, Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text)
        .and_then(|()| out.flush())
        .map_err(|cause| Failure::stdout(&cause))?;
    Ok(Exit::Done)
}
