//! Correlation: the single owner of all FTP state.
//!
//! In: ordered bytes of connections and DNS datagrams. Out: events, and the bytes of transfers.
//!
//! ```text
//! StreamHandler ── recognise    which connection is what
//!   ├─ control     bytes -> lines -> commands, replies        (one Session each)
//!   │    ├─ pairing        which command a reply answers
//!   │    ├─ login, steps   who, and what a person would call it
//!   │    └─ transfer       negotiations, transfers -> settle -> completeness
//!   ├─ data_channel        bytes of data connections -> content
//!   └─ expectation         ties the two together
//! ```

mod commands;
mod completeness;
mod content;
mod control;
mod data_channel;
mod expectation;
mod finish;
mod inferred;
mod login;
mod pairing;
mod recognise;
mod replies;
mod secrets;
mod settle;
mod shared;
mod steps;
mod title;
mod tracker;
mod transfer;

pub use shared::Options;
pub use tracker::SessionTracker;
