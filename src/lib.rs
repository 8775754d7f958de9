//! Tells what happened over FTP in a packet capture.
//!
//! Data flows one way, through one folder a layer:
//!
//! ```text
//! model <- capture <- decode <- reassembly <- session <- pipeline <- cli
//! model <- protocol <- diagnosis <-----------/               ^
//! model <- protocol <- report <- check, diagram <- page -----+
//! model <- extract, keep ------------------------------------+
//! ```
//!
//! `capture` turns files into packets, `decode` packets into TCP segments and UDP datagrams, `reassembly` segments into
//! ordered bytes, `session` bytes into FTP sessions, `report` shows them, `extract` saves the files and `keep` the packets.
//! `tests/layering.rs` holds the imports to this picture.

pub mod capture;
pub mod check;
pub mod cli;
pub mod decode;
pub mod diagnosis;
pub mod diagram;
pub mod extract;
pub mod keep;
pub mod model;
pub mod monitor;
pub mod page;
pub mod pipeline;
pub mod protocol;
pub mod reassembly;
pub mod report;
#[cfg(test)]
mod scratch_folder;
pub mod session;
