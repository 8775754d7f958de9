//! Table of clients and servers: sessions and bytes between each two of them.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;

use super::picture::shown;
use super::{LanesBy, SessionSpan, Timeline};
use crate::model::record::VerdictStatus;
use crate::report::units;

/// Sums of the sessions between one client, or several, and one server, or several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cell {
    sessions: u64,
    failed: u64,
    downloaded: u64,
    uploaded: u64,
}

/// Table by row and column. The last row and the last column may stand for several hosts.
#[derive(Debug, PartialEq, Eq)]
struct Matrix {
    clients: Vec<String>,
    servers: Vec<String>,
    cells: BTreeMap<(usize, usize), Cell>,
}

/// Writes the section of the page, nothing if there is only one pair of hosts.
pub fn write_hosts_section(timeline: &Timeline, out: &mut dyn Write) -> io::Result<()> {
    let matrix = timeline.matrix();
    if matrix.cells.len() < 2 {
        return Ok(());
    }
    writeln!(
        out,
        "<section id=\"hosts\" class=\"plots\" aria-labelledby=\"hosts-title\">\n<h2 id=\"hosts-title\">Who talked to whom</h2>"
    )?;
    // A long table would hide the sessions below it.
    let is_long = matrix.clients.len() > LONG;
    if is_long {
        let clients = units::counted(units::to_u64(matrix.clients.len()), "row", "rows");
        writeln!(out, "<details><summary>{clients}, one per client</summary>")?;
    }
    writeln!(
        out,
        "<div class=\"scroll\" role=\"region\" aria-label=\"Clients and servers\" tabindex=\"0\"><table class=\"matrix\"><thead><tr>\
         <th scope=\"col\">Client \\ Server</th>"
    )?;
    for server in &matrix.servers {
        write!(
            out,
            "<th scope=\"col\" class=\"wire\">{}</th>",
            shown(server)
        )?;
    }
    writeln!(out, "</tr></thead><tbody>")?;
    let most = matrix.cells.values().map(Cell::bytes).max();
    let most = most.unwrap_or_default().max(1);
    for (row, client) in matrix.clients.iter().enumerate() {
        write!(
            out,
            "<tr><th scope=\"row\" class=\"wire\">{}</th>",
            shown(client)
        )?;
        for column in 0..matrix.servers.len() {
            match matrix.cells.get(&(row, column)) {
                None => write!(out, "<td></td>")?,
                Some(cell) => {
                    // Five shades by order of magnitude: the numbers in the cell say the same.
                    let shade = (0..4)
                        .take_while(|power| most / 8_u64.pow(*power) > cell.bytes())
                        .count();
                    write!(out, "<td class=\"m{}\">{}</td>", 5 - shade, cell.text())?;
                }
            }
        }
        writeln!(out, "</tr>")?;
    }
    let end = if is_long { "</details>" } else { "" };
    writeln!(out, "</tbody></table></div>{end}\n</section>")
}

impl Timeline {
    /// Sums up sessions by client and server.
    fn matrix(&self) -> Matrix {
        let rows = self.ranked(LanesBy::Client, MAX_CLIENTS);
        let columns = self.ranked(LanesBy::Server, MAX_SERVERS);
        let mut cells: BTreeMap<(usize, usize), Cell> = BTreeMap::new();
        for session in &self.sessions {
            // Hosts beyond the limits share the last row and the last column.
            let row = rows.get(&session.client).copied().unwrap_or(MAX_CLIENTS);
            let column = columns.get(&session.server).copied().unwrap_or(MAX_SERVERS);
            cells.entry((row, column)).or_default().add(session);
        }
        Matrix {
            clients: self.names_of(&rows, LanesBy::Client),
            servers: self.names_of(&columns, LanesBy::Server),
            cells,
        }
    }

    /// Returns the hosts with most bytes and sessions, and the place of each.
    fn ranked(&self, by: LanesBy, limit: usize) -> BTreeMap<IpAddr, usize> {
        let mut hosts: BTreeMap<IpAddr, (u64, u64)> = BTreeMap::new();
        for session in &self.sessions {
            let (bytes, sessions) = hosts.entry(Self::host(session, by)).or_default();
            *bytes = bytes.saturating_add(session.bytes);
            *sessions += 1;
        }
        let mut hosts: Vec<_> = hosts.into_iter().collect();
        hosts.sort_by_key(|(host, weight)| (Reverse(*weight), *host));
        hosts.truncate(limit);
        let places = hosts.into_iter().enumerate();
        places.map(|(place, (host, _))| (host, place)).collect()
    }

    /// Returns the titles of hosts in order of their places, and one for the others if there are any.
    fn names_of(&self, places: &BTreeMap<IpAddr, usize>, by: LanesBy) -> Vec<String> {
        let mut hosts: Vec<_> = places.iter().collect();
        hosts.sort_by_key(|(_, place)| **place);
        let mut names: Vec<String> = hosts
            .into_iter()
            .map(|(host, _)| self.host_title(*host))
            .collect();
        let others = self.sessions.iter().map(|session| Self::host(session, by));
        let others: std::collections::BTreeSet<IpAddr> =
            others.filter(|host| !places.contains_key(host)).collect();
        if !others.is_empty() {
            let (one, many) = by.nouns();
            let others = units::counted(units::to_u64(others.len()), one, many);
            names.push(format!("{others} more"));
        }
        names
    }
}

impl Cell {
    fn add(&mut self, session: &SessionSpan) {
        self.sessions += 1;
        self.failed += u64::from(session.status == VerdictStatus::Failed);
        self.uploaded = self.uploaded.saturating_add(session.uploaded);
        let downloaded = session.bytes.saturating_sub(session.uploaded);
        self.downloaded = self.downloaded.saturating_add(downloaded);
    }

    const fn bytes(&self) -> u64 {
        self.downloaded.saturating_add(self.uploaded)
    }

    /// Formats the sums, those that are 0 left out.
    fn text(&self) -> String {
        let mut text = units::counted(self.sessions, "session", "sessions");
        if self.failed > 0 {
            text = format!("{text}, {} failed", units::count(self.failed));
        }
        for (sign, bytes) in [("↓", self.downloaded), ("↑", self.uploaded)] {
            if bytes > 0 {
                text = format!("{text}<br>{sign} {}", units::size(bytes));
            }
        }
        text
    }
}

/// Rows beyond which the table is shown on demand.
const LONG: usize = 12;
/// Limits of the hosts with a row or a column of their own: with those of all others, 50 names.
const MAX_CLIENTS: usize = 38;
const MAX_SERVERS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::example_session;

    fn timeline(clients: u64, servers: u64) -> Timeline {
        let mut timeline = Timeline::default();
        for id in 0..clients * servers {
            let mut session = example_session();
            let (client, server) = (id % clients, id / clients);
            session.client.ip = format!("10.0.{}.{}", client / 200, client % 200)
                .parse()
                .expect("one");
            session.server.ip = format!("10.1.0.{server}").parse().expect("one");
            timeline.add(&session);
        }
        timeline
    }

    #[test]
    fn every_session_is_in_one_cell_however_many_hosts_there_are() {
        let timeline = timeline(300, 20);
        let matrix = timeline.matrix();
        assert_eq!((matrix.clients.len(), matrix.servers.len()), (39, 11));
        assert_eq!(matrix.clients[38], "262 clients more");
        let sessions: u64 = matrix.cells.values().map(|cell| cell.sessions).sum();
        assert_eq!(sessions, 6_000);
        let bytes: u64 = matrix.cells.values().map(Cell::bytes).sum();
        assert_eq!(bytes, 6_000 * 1_715);
        let mut out = Vec::new();
        write_hosts_section(&timeline, &mut out).expect("memory takes it");
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text.matches("<tr>").count(), 40);
        assert!(text.contains("↓ ") && !text.contains("↑ "));
    }

    #[test]
    fn a_single_pair_of_hosts_has_no_table() {
        let mut out = Vec::new();
        write_hosts_section(&timeline(1, 1), &mut out).expect("memory takes it");
        assert!(out.is_empty());
    }
}
