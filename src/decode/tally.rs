//! Statistics of the decoder: the outcome of every packet, and the warnings that follow.

use std::collections::BTreeMap;

use super::decoded::{Encapsulation, Layer, SkipReason};
use super::tunnels;
use crate::capture::LinkType;
use crate::model::{FrameRef, Warning, WarningCode};

/// Number of packets with some property, and the first of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occurrences {
    /// Number of packets.
    pub count: u64,
    /// First packet; `None` if there is none.
    pub first: Option<FrameRef>,
}

impl Occurrences {
    /// Counts a packet.
    #[cold]
    pub(super) fn add(&mut self, frame: FrameRef) {
        self.count += 1;
        self.first.get_or_insert(frame);
    }

    /// Builds a warning with this count; `None` if the count is 0.
    pub(super) fn warning(self, code: WarningCode, message: impl Into<String>) -> Option<Warning> {
        (self.count > 0).then(|| Warning {
            count: self.count,
            ..Warning::new(code, message, self.first)
        })
    }
}

/// Outcomes of all packets. `packets` is the sum of `segments`, `datagrams`, `icmp_errors`, `fragments_joined` and the
/// counts of all [`SkipReason`]s.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Packets passed to the decoder.
    pub packets: u64,
    /// Packets that yielded a TCP segment.
    pub segments: u64,
    /// Packets that yielded a UDP datagram.
    pub datagrams: u64,
    /// Packets that yielded an ICMP error.
    pub icmp_errors: u64,
    /// Packets skipped as [`SkipReason::NotIp`].
    pub not_ip: Occurrences,
    /// Packets skipped as [`SkipReason::OtherProtocol`].
    pub other_protocol: Occurrences,
    /// Packets skipped as [`SkipReason::Encrypted`].
    pub encrypted: Occurrences,
    /// Packets skipped as [`SkipReason::HeaderCut`].
    pub header_cut: Occurrences,
    /// Packets skipped as [`SkipReason::FragmentHeld`] and not joined since.
    pub fragment_held: Occurrences,
    /// Packets skipped as [`SkipReason::FragmentHeld`] whose datagram a later packet completed.
    pub fragments_joined: u64,
    /// Packets skipped as [`SkipReason::DepthLimit`].
    pub depth_limit: Occurrences,
    /// Packets skipped as [`SkipReason::Malformed`]: link, network, transport and tunnel layer.
    pub malformed: [Occurrences; 4],
    /// Packets skipped as [`SkipReason::LinkTypeUnsupported`], by link type. All link types behind the first 16
    /// share one entry with `None`.
    pub unsupported: Vec<(Option<LinkType>, Occurrences)>,
    /// Packets skipped as [`SkipReason::Unread`], by encapsulation; they count as not IP, of another protocol or as datagrams
    /// too. All
    /// encapsulations behind the first 16 share one entry with `None`.
    pub unread: Vec<(Option<Encapsulation>, Occurrences)>,
    /// Packets captured only in part, whatever their outcome.
    pub cut: Occurrences,
    /// Wireless frames of which only the first of several packets was decoded, whatever its outcome.
    pub aggregates: Occurrences,
}

impl Tally {
    /// Counts a skipped packet.
    #[cold]
    pub(super) fn add_skipped(&mut self, reason: SkipReason, link: LinkType, frame: FrameRef) {
        let occurrences = match reason {
            SkipReason::LinkTypeUnsupported => entry(&mut self.unsupported, link),
            SkipReason::NotIp => &mut self.not_ip,
            SkipReason::OtherProtocol => &mut self.other_protocol,
            SkipReason::Unread(encapsulation) => {
                entry(&mut self.unread, encapsulation).add(frame);
                match encapsulation {
                    Encapsulation::EtherType(_) => &mut self.not_ip,
                    Encapsulation::Protocol(_) | Encapsulation::UdpPort(_) => {
                        &mut self.other_protocol
                    }
                }
            }
            SkipReason::Encrypted => &mut self.encrypted,
            SkipReason::Malformed(layer) => self.malformed_at(layer),
            SkipReason::HeaderCut => &mut self.header_cut,
            SkipReason::FragmentHeld => &mut self.fragment_held,
            SkipReason::DepthLimit => &mut self.depth_limit,
        };
        occurrences.add(frame);
    }

    /// Counts a datagram of a tunnel that is not read.
    #[cold]
    pub(super) fn add_unread_tunnel(&mut self, port: u16, frame: FrameRef) {
        entry(&mut self.unread, Encapsulation::UdpPort(port)).add(frame);
    }

    /// Moves `count` packets from held to joined fragments.
    #[cold]
    pub(super) fn join_fragments(&mut self, count: u64) {
        self.fragment_held.count = self.fragment_held.count.saturating_sub(count);
        self.fragments_joined += count;
    }

    /// Returns the number of packets that could be decoded, whatever they carry.
    #[must_use]
    pub fn decoded(&self) -> u64 {
        self.segments
            + self.datagrams
            + self.icmp_errors
            + self.fragments_joined
            + self.not_ip.count
            + self.other_protocol.count
    }

    /// Returns the number of packets that could not be decoded, by reason as the report names it. Reasons without
    /// packets are omitted.
    #[must_use]
    pub fn not_decodable(&self) -> BTreeMap<String, u64> {
        let sum = |all: &[Occurrences]| all.iter().map(|occurrences| occurrences.count).sum();
        let unsupported = self.unsupported.iter().map(|(_, found)| found.count).sum();
        [
            ("encrypted", self.encrypted.count),
            ("fragment", self.fragment_held.count),
            ("headers-cut", self.header_cut.count),
            ("link-type-unsupported", unsupported),
            ("malformed", sum(&self.malformed)),
            ("too-many-layers", self.depth_limit.count),
        ]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| (reason.to_owned(), count))
        .collect()
    }

    /// Returns warnings for the report, in a fixed order.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        for (link, occurrences) in &self.unsupported {
            let kind = link.map_or_else(|| "of further types".to_owned(), describe);
            warnings.extend(occurrences.warning(
                WarningCode::LinkTypeUnsupported,
                format!("packets of link type {kind} were not read; convert the capture, or capture on another interface"),
            ));
        }
        for (encapsulation, occurrences) in &self.unread {
            let share = occurrences.count.saturating_mul(100) / self.packets.max(1);
            if let Some(encapsulation) = encapsulation.filter(|_| share >= UNREAD_PERCENT) {
                warnings.extend(occurrences.warning(
                    WarningCode::EncapsulationUnread,
                    format!(
                        "packets of {}, {share} % of the capture, were not read; FTP in them is not in the report",
                        describe_encapsulation(encapsulation)
                    ),
                ));
            }
        }
        warnings.extend(self.cut.warning(
            WarningCode::PacketsCut,
            "packets were captured in part; the rest of their bytes counts as missing (capture with snap length 0)",
        ));
        warnings.extend(self.header_cut.warning(
            WarningCode::PacketsCut,
            "packets were cut within their headers and could not be read at all (capture with snap length 0)",
        ));
        for (layer, occurrences) in LAYERS.iter().zip(self.malformed) {
            warnings.extend(occurrences.warning(
                WarningCode::MalformedPacket,
                format!(
                    "packets with a malformed {} header were not read",
                    layer.name()
                ),
            ));
        }
        warnings.extend(self.depth_limit.warning(
            WarningCode::LimitReached,
            "packets with too many layers around their payload were not read",
        ));
        warnings.extend(self.aggregates.warning(
            WarningCode::LimitReached,
            "wireless frames carry several packets each; only the first of each was read",
        ));
        warnings
    }

    fn malformed_at(&mut self, layer: Layer) -> &mut Occurrences {
        // A pattern rather than an index: the compiler checks that every layer has its entry.
        match (layer, &mut self.malformed) {
            (Layer::Link, [found, _, _, _])
            | (Layer::Network, [_, found, _, _])
            | (Layer::Transport, [_, _, found, _])
            | (Layer::Tunnel, [_, _, _, found]) => found,
        }
    }
}

/// Returns the entry of `key` in a list of bounded length, whose last entry is shared by all further keys.
fn entry<K: Copy + PartialEq>(
    list: &mut Vec<(Option<K>, Occurrences)>,
    key: K,
) -> &mut Occurrences {
    // The shared entry is the last one, so it matches only a key without an entry of its own.
    let matches = |entry: &(Option<K>, Occurrences)| entry.0 == Some(key) || entry.0.is_none();
    let index = list.iter().position(matches).unwrap_or_else(|| {
        let named = list.len() < MAX_KINDS;
        list.push((named.then_some(key), Occurrences::default()));
        list.len() - 1
    });
    &mut list[index].1
}

/// Formats an encapsulation for a message.
fn describe_encapsulation(encapsulation: Encapsulation) -> String {
    match encapsulation {
        Encapsulation::EtherType(0x88e5) => "EtherType 0x88e5 (encrypted MACsec)".to_owned(),
        Encapsulation::EtherType(value) => format!("EtherType {value:#06x}"),
        Encapsulation::Protocol(50) => "IP protocol 50 (ESP, encrypted IPsec)".to_owned(),
        Encapsulation::Protocol(value) => format!("IP protocol {value}"),
        Encapsulation::UdpPort(port) => format!("{} (UDP port {port})", tunnels::port_name(port)),
    }
}

/// Formats a link type as its number and, if it has one, its name.
fn describe(link: LinkType) -> String {
    match link.name() {
        Some(name) => format!("{} ({name})", link.0),
        None => link.0.to_string(),
    }
}

/// Layers in the order of [`Tally::malformed`].
const LAYERS: [Layer; 4] = [Layer::Link, Layer::Network, Layer::Transport, Layer::Tunnel];

/// Unsupported link types, and unread encapsulations, counted separately; a hostile capture may have 65,536 of each.
const MAX_KINDS: usize = 16;

/// Share of the packets, in percent, from which on an unread encapsulation is worth a warning.
const UNREAD_PERCENT: u64 = 10;
