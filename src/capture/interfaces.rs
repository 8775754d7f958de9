//! The network interfaces of this machine, as libpcap lists them.

use std::net::IpAddr;

use super::Error;

/// An interface that can be captured from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// What `-i` takes.
    pub name: String,
    /// In words, where the system knows them.
    pub description: Option<String>,
    /// Its addresses, in the system's order.
    pub addresses: Vec<IpAddr>,
    /// It is switched on.
    pub up: bool,
    /// It is ready to send and receive.
    pub running: bool,
    /// Its traffic does not leave the machine.
    pub loopback: bool,
}

/// Lists the interfaces in libpcap's order: those most likely wanted first.
pub fn interfaces() -> Result<Vec<Interface>, Error> {
    let devices = pcap::Device::list().map_err(|error| Error::Interfaces {
        cause: error.to_string(),
    })?;
    Ok(devices.into_iter().map(describe).collect())
}

fn describe(device: pcap::Device) -> Interface {
    Interface {
        up: device.flags.is_up(),
        running: device.flags.is_running(),
        loopback: device.flags.is_loopback(),
        name: device.name,
        description: device.desc,
        addresses: device
            .addresses
            .iter()
            .map(|address| address.addr)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_told_by_its_flag() {
        let device = pcap::Device {
            name: "lo".to_owned(),
            desc: None,
            addresses: Vec::new(),
            flags: pcap::DeviceFlags::from(7),
        };
        let interface = describe(device);
        assert!(interface.loopback && interface.up && interface.running);
    }
}
