//! Integration tests: the library through its public interface, and the program as a user runs it.
//!
//! One binary, so that [`support`] is compiled and linked once. A module is selected by its name:
//! `cargo test cli::csv`.

mod accounting;
mod bounds;
#[cfg(feature = "browse")]
mod browse;
mod capture_files;
mod captures;
mod carve;
mod check;
mod cli;
mod connections;
mod conversions;
mod decryption;
mod diagram;
mod differential;
mod duplicates;
mod encryption;
mod files;
mod findings;
#[cfg(target_os = "linux")]
mod in_ci;
mod layering;
mod live;
mod measured_gap;
#[cfg(target_os = "linux")]
mod package;
#[cfg(unix)]
mod page;
mod pitfalls;
mod properties;
mod readme;
mod reasons;
mod reconcile;
mod redaction;
mod secrets;
mod structure;
mod support;
mod testdata;
mod tree;
