//! `ftpscope man`: the manual page, all commands in one.

use std::io::{self, Write};

use clap::CommandFactory as _;
use clap_mangen::Man;

use super::args::Arguments;
use super::error_text::Failure;
use super::exit_code::Exit;
use super::schema_command::print;

/// Prints the manual page.
pub(super) fn run() -> Result<Exit, Failure> {
    let mut text = Vec::new();
    page(&mut text).map_err(|cause| Failure::stdout(&cause))?;
    print(&text)
}

fn page(out: &mut dyn Write) -> io::Result<()> {
    let mut command = Arguments::command();
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
