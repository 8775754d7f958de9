//! `ftpscope interfaces`: the network interfaces of this machine.

use unicode_width::UnicodeWidthStr;

use super::failure::{Exit, Failure};
use super::generated::print;
use super::messages;
use super::terminal::{Environment, stdout_width};
use crate::capture::{Interface, interfaces};
use crate::model::wire_text::printable;
use crate::report::table::PLAIN;
use crate::report::wrapping::{label, verbatim, write_wrapped};

/// Prints one line per interface.
pub(super) fn run() -> Result<Exit, Failure> {
    let interfaces = interfaces().map_err(|error| Failure::Refused(messages::input(&error)))?;
    let width = Environment::of_process().known_width(stdout_width());
    print(&lines(&interfaces, width))
}

fn lines(interfaces: &[Interface], columns: Option<u16>) -> Vec<u8> {
    let width = |interface: &Interface| printable(&interface.name).width();
    let widest = interfaces.iter().map(width).max().unwrap_or(0);
    let mut text = Vec::new();
    for interface in interfaces {
        let addresses: Vec<_> = interface
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect();
        let mut spans = vec![
            label(PLAIN, &interface.name, widest + 1),
            verbatim(PLAIN, &format!("{:<STATE_WIDTH$}", state(interface))),
        ];
        if !addresses.is_empty() {
            spans.push(verbatim(PLAIN, &addresses.join(", ")));
        }
        if let Some(description) = &interface.description {
            spans.push(verbatim(PLAIN, &format!("({description})")));
        }
        // Writing to a `Vec` cannot fail.
        let _ = write_wrapped(&spans, columns, (0, 4), false, &mut text);
    }
    text
}

fn state(interface: &Interface) -> &'static str {
    match (interface.up, interface.running, interface.loopback) {
        (false, ..) => "down",
        (true, false, _) => "no link",
        (true, true, true) => "loopback",
        (true, true, false) => "up",
    }
}

/// Columns of a state.
const STATE_WIDTH: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_states_and_addresses_are_aligned() {
        let interface = |name: &str, description: Option<&str>, running, loopback| Interface {
            name: name.into(),
            description: description.map(Into::into),
            addresses: vec!["10.0.0.1".parse().expect("an address")],
            up: true,
            running,
            loopback,
        };
        let mut down = interface("wlan0", None, false, false);
        down.up = false;
        down.addresses.clear();
        let listed = [
            interface("lo", None, true, true),
            interface("enp0s31f6", Some("the long one"), true, false),
            interface("tun", None, false, false),
            down,
        ];
        let lines = |width| String::from_utf8(lines(&listed, width)).expect("text");
        for line in lines(Some(24)).lines() {
            assert!(line.width() <= 24, "{line}");
        }
        insta::assert_snapshot!(lines(None), @"
        lo         loopback  10.0.0.1
        enp0s31f6  up        10.0.0.1 (the long one)
        tun        no link   10.0.0.1
        wlan0      down
        ");
    }
}
