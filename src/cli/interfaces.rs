//! `ftpscope interfaces`: the network interfaces of this machine.

use unicode_width::UnicodeWidthStr;

use super::failure::{Exit, Failure};
use super::generated::print;
use super::messages;
use crate::capture::{Interface, interfaces};
use crate::model::wire_text::printable;

/// Prints one line per interface.
pub(super) fn run() -> Result<Exit, Failure> {
    let interfaces = interfaces().map_err(|error| Failure::Refused(messages::input(&error)))?;
    print(lines(&interfaces).as_bytes())
}

fn lines(interfaces: &[Interface]) -> String {
    let width = |interface: &Interface| printable(&interface.name).width();
    let widest = interfaces.iter().map(width).max().unwrap_or(0);
    let mut text = String::new();
    // Descriptions come from drivers and may hold anything, hence `printable`.
    for interface in interfaces {
        let addresses: Vec<_> = interface
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect();
        let description = match &interface.description {
            Some(description) => format!("({})", printable(description)),
            None => String::new(),
        };
        let line = [
            printable(&interface.name).into_owned(),
            " ".repeat(widest.saturating_sub(width(interface)) + 2),
            format!("{:<10}", state(interface)),
            addresses.join(", "),
            " ".repeat(usize::from(!addresses.is_empty())),
            description,
        ];
        text.push_str(line.concat().trim_end());
        text.push('\n');
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
        insta::assert_snapshot!(lines(&listed), @"
        lo         loopback  10.0.0.1
        enp0s31f6  up        10.0.0.1 (the long one)
        tun        no link   10.0.0.1
        wlan0      down
        ");
    }
}
