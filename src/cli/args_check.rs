//! What `ftpscope check` takes.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};

use super::args_exit::{ExitArguments, Threshold};
use super::args_input::InputArguments;
use super::args_presentation::PresentationArguments;
use super::args_selection::SelectionArguments;

#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = EXAMPLES,
    group = ArgGroup::new("what").multiple(true).required(true)
        .args(["expect", "rule", "record", "baseline", "fail_on", "list_rules"])
)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    pub(super) input: InputArguments,
    /// Check what an expectation file (TOML) says; may be given more than once
    #[arg(short, long, value_name = "FILE", help_heading = "Expectations")]
    pub(super) expect: Vec<PathBuf>,
    /// Check a built-in rule; may be given more than once
    #[arg(long, value_name = "NAME", help_heading = "Expectations")]
    pub(super) rule: Vec<String>,
    /// Exit 1 where there is a finding of SEVERITY (info, low, medium, high) or more
    #[arg(
        long,
        value_name = "SEVERITY",
        hide_possible_values = true,
        help_heading = "Expectations"
    )]
    pub(super) fail_on: Option<Threshold>,
    /// Write an expectation file from captures that are known to be good
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "expect", "update", "rule", "fail_on", "baseline", "format", "show_passwords", "output"
        ],
        help_heading = "Expectations"
    )]
    pub(super) record: Option<PathBuf>,
    /// Rewrite what no longer holds in the files of --expect, and show the difference
    #[arg(
        long,
        requires = "expect",
        conflicts_with_all = ["rule", "fail_on", "baseline", "format", "show_passwords", "output"],
        help_heading = "Expectations"
    )]
    pub(super) update: bool,
    /// Show the difference to an earlier capture, or to a report that analyze wrote as JSON
    #[arg(long, value_name = "CAPTURE|REPORT", help_heading = "Expectations")]
    pub(super) baseline: Option<PathBuf>,
    /// List the built-in rules
    #[arg(long, exclusive = true, help_heading = "Expectations")]
    pub(super) list_rules: bool,
    /// What to write: text, junit (XML), github (annotations and a summary), json (one document)
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub(super) format: CheckFormat,
    /// Write to FILE; a regular file appears whole or not at all
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub(super) output: Option<PathBuf>,
    #[command(flatten)]
    pub(super) presentation: PresentationArguments,
    #[command(flatten)]
    pub(super) selection: SelectionArguments,
    /// Without a session the exit code is 4, asked for or not.
    #[command(flatten)]
    pub(super) exit: ExitArguments,
}

/// What an answer is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CheckFormat {
    /// For people.
    Text,
    /// `JUnit` XML.
    Junit,
    /// GitHub's workflow commands.
    Github,
    /// One JSON document.
    Json,
}

const EXAMPLES: &str = "\
Examples:
  ftpscope check --record session.toml good.pcap          write what happened; edit it
  ftpscope check --expect session.toml run.pcap           fail where it is not so
  ftpscope check --expect session.toml --update run.pcap  take what is new
  ftpscope check --baseline good.pcap run.pcap            tell the difference
  ftpscope check --rule no-cleartext-login --rule all-transfers-complete run.pcap
  ftpscope check --expect session.toml --format junit -o results.xml run.pcap";
