//! What makes a run fail beside failures: options about the exit code.

use clap::{Args, ValueEnum};

use super::exit_code::Exit;
use super::reading::Outcome;
use crate::model::record::Severity;

/// Options about the exit code, of every command that reads captures.
#[derive(Debug, Args)]
pub(super) struct ExitArguments {
    /// Exit 3 where an input was cut short, had lost packets or a link type that is not supported
    #[arg(long, help_heading = "Exit codes")]
    pub(super) strict: bool,
    /// Exit 4 where there is no FTP session
    #[arg(long, help_heading = "Exit codes")]
    pub(super) fail_if_empty: bool,
}

/// The severities by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Threshold {
    Info,
    Low,
    Medium,
    High,
}

impl ExitArguments {
    /// The exit code after `outcome`, beside what the command itself has found.
    pub(super) fn exit(&self, outcome: &Outcome, found: bool) -> Exit {
        let mut reasons = Vec::new();
        if outcome.undecided {
            reasons.push(Exit::Misuse);
        }
        if outcome.failures > 0 || self.strict && outcome.tally.not_whole {
            reasons.push(Exit::Unreadable);
        }
        if found {
            reasons.push(Exit::Found);
        }
        if self.fail_if_empty && outcome.summary.totals.sessions == 0 {
            reasons.push(Exit::NoSession);
        }
        Exit::first_of(&reasons)
    }
}

impl From<Threshold> for Severity {
    fn from(threshold: Threshold) -> Self {
        match threshold {
            Threshold::Info => Self::Info,
            Threshold::Low => Self::Low,
            Threshold::Medium => Self::Medium,
            Threshold::High => Self::High,
        }
    }
}
