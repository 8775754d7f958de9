//! `server-closes-at-once`: servers that accept connections and end them before they greet.
//!
//! The server closes or resets first, and neither side sent a byte. In a scan the client ends the connection, and nothing is
//! reported.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Draft;
use super::cross_session::MAX_FRAMES;
use crate::model::Timestamp;
use crate::model::record::{Address, Finding, Severity};

/// A connection to port 21 that the server ended before the first byte.
#[derive(Clone, Copy, Debug)]
pub struct ClosedByServer {
    /// Client end.
    pub client: Address,
    /// Server end.
    pub server: Address,
    /// Time of the SYN.
    pub opened: Timestamp,
    /// Time of the FIN or RST.
    pub closed: Timestamp,
    /// Frame of the FIN or RST.
    pub frame: u64,
    /// An RST ended it, rather than a FIN.
    pub reset: bool,
}

/// Such connections of all servers.
#[derive(Debug, Default)]
pub(super) struct ClosedAtOnce {
    /// By server and client address, at most [`MAX_PAIRS`].
    pairs: BTreeMap<(IpAddr, u16, IpAddr), Closings>,
}

#[derive(Debug)]
struct Closings {
    count: u64,
    resets: u64,
    /// Longest time from SYN to FIN or RST, in seconds.
    longest: f64,
    frames: Vec<u64>,
}

impl ClosedAtOnce {
    /// Adds a connection.
    pub(super) fn on_closed(&mut self, closed: ClosedByServer) {
        let key = (closed.server.ip, closed.server.port, closed.client.ip);
        if self.pairs.len() >= MAX_PAIRS && !self.pairs.contains_key(&key) {
            return;
        }
        let closings = self.pairs.entry(key).or_insert_with(|| Closings {
            count: 0,
            resets: 0,
            longest: 0.0,
            frames: Vec::new(),
        });
        closings.count += 1;
        closings.resets += u64::from(closed.reset);
        closings.longest = closings
            .longest
            .max(closed.closed.since(closed.opened).seconds());
        if closings.frames.len() < MAX_FRAMES {
            closings.frames.push(closed.frame);
        }
    }

    /// Returns the findings, and forgets all connections.
    pub(super) fn finish(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.pairs)
            .into_iter()
            .map(|((server, port, client), closings)| {
                let Closings {
                    count,
                    resets,
                    longest,
                    frames,
                } = closings;
                let connections = if count == 1 {
                    "1 connection".to_owned()
                } else {
                    format!("{count} connections")
                };
                let how = match resets {
                    0 => "FIN",
                    resets if resets == count => "RST",
                    _ => "FIN or RST",
                };
                Draft {
                    id: "server-closes-at-once",
                    severity: Severity::Info,
                    title: format!("server {server}:{port} closed {connections} of {client} before it greeted"),
                    explanation: format!(
                        "The server accepted {connections} of {client} and ended each with {how} at most {longest:.3} s after the SYN, before either side sent a byte. In a scan the client would close."
                    ),
                    advice: "Look at the server: a limit on connections, or a list of hosts that it does not serve (TCP wrappers), ends connections like this.",
                    frames,
                }
                .about(None, None)
            })
            .collect()
    }
}

/// Limit of the pairs of hosts remembered.
const MAX_PAIRS: usize = 10_000;
