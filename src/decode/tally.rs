//! Every packet is accounted for: what the decoder made of each, and the warnings that follow from it.

use std::collections::BTreeMap;

use super::outcome::{Layer, NotOurs};
use crate::capture::LinkType;
use crate::model::{FrameRef, Warning, WarningCode};

/// How often something happened, and where first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How often.
    pub count: u64,
    /// The first frame it happened in.
    pub first: Option<FrameRef>,
}

impl Count {
    /// Once more.
    #[cold]
    pub(super) fn add(&mut self, frame: FrameRef) {
        self.count += 1;
        self.first.get_or_insert(frame);
    }

    /// A warning with this count, unless it never happened.
    pub(super) fn warning(self, code: WarningCode, message: impl Into<String>) -> Option<Warning> {
        (self.count > 0).then(|| Warning {
            count: self.count,
            ..Warning::new(code, message, self.first)
        })
    }
}

/// What became of the packets: `packets` is the sum of `segments`, `datagrams`, `icmp_errors`, `fragments_joined` and all
/// reasons of [`NotOurs`].
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Packets given to the decoder.
    pub packets: u64,
    /// TCP segments they yielded.
    pub segments: u64,
    /// UDP datagrams.
    pub datagrams: u64,
    /// ICMP errors.
    pub icmp_errors: u64,
    /// Packets by [`NotOurs::NotIp`].
    pub not_ip: Count,
    /// Packets by [`NotOurs::OtherProtocol`].
    pub other_protocol: Count,
    /// Packets by [`NotOurs::Encrypted`].
    pub encrypted: Count,
    /// Packets by [`NotOurs::HeaderCut`].
    pub header_cut: Count,
    /// Packets by [`NotOurs::FragmentHeld`].
    pub fragment_held: Count,
    /// Those of them that were put together with a later packet, and are counted here only.
    pub fragments_joined: u64,
    /// Packets by [`NotOurs::DepthLimit`].
    pub depth_limit: Count,
    /// Packets by [`NotOurs::Malformed`]: link, network, transport and tunnel layer.
    pub malformed: [Count; 4],
    /// Packets by [`NotOurs::LinkTypeUnsupported`], by link type; what comes after 16 of them is one entry without.
    pub unsupported: Vec<(Option<LinkType>, Count)>,
    /// Packets of which less was captured than was on the wire; these are counted above as well.
    pub cut: Count,
    /// Wireless frames that carry several packets, of which the first was read; these are counted above as well.
    pub aggregates: Count,
}

impl Tally {
    /// Counts a packet that is none of ours.
    #[cold]
    pub(super) fn not_ours(&mut self, reason: NotOurs, link: LinkType, frame: FrameRef) {
        let count = match reason {
            NotOurs::LinkTypeUnsupported => self.unsupported(link),
            NotOurs::NotIp => &mut self.not_ip,
            NotOurs::OtherProtocol => &mut self.other_protocol,
            NotOurs::Encrypted => &mut self.encrypted,
            NotOurs::Malformed(layer) => self.malformed_at(layer),
            NotOurs::HeaderCut => &mut self.header_cut,
            NotOurs::FragmentHeld => &mut self.fragment_held,
            NotOurs::DepthLimit => &mut self.depth_limit,
        };
        count.add(frame);
    }

    /// Fragments that waited are part of something whole.
    #[cold]
    pub(super) fn fragments_joined(&mut self, count: u64) {
        self.fragment_held.count = self.fragment_held.count.saturating_sub(count);
        self.fragments_joined += count;
    }

    /// Packets that were decoded, whatever they carry.
    #[must_use]
    pub fn decoded(&self) -> u64 {
        self.segments
            + self.datagrams
            + self.icmp_errors
            + self.fragments_joined
            + self.not_ip.count
            + self.other_protocol.count
    }

    /// Packets that could not be decoded, by the name of the reason; only reasons that there were.
    #[must_use]
    pub fn not_decodable(&self) -> BTreeMap<String, u64> {
        let count = |counts: &[Count]| counts.iter().map(|count| count.count).sum();
        let unsupported = self.unsupported.iter().map(|(_, count)| count.count).sum();
        [
            ("encrypted", self.encrypted.count),
            ("fragment", self.fragment_held.count),
            ("headers-cut", self.header_cut.count),
            ("link-type-unsupported", unsupported),
            ("malformed", count(&self.malformed)),
            ("too-many-layers", self.depth_limit.count),
        ]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| (reason.to_owned(), count))
        .collect()
    }

    /// What a reader of the report should know of, in an order that does not change.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        for (link, count) in &self.unsupported {
            let kind = link.map_or_else(|| "of further types".to_owned(), describe);
            warnings.extend(count.warning(
                WarningCode::LinkTypeUnsupported,
                format!("packets of link type {kind} were not read; convert the capture, or capture on another interface"),
            ));
        }
        warnings.extend(self.cut.warning(
            WarningCode::PacketsCut,
            "packets were captured in part; the rest of their bytes counts as missing (capture with snap length 0)",
        ));
        warnings.extend(self.header_cut.warning(
            WarningCode::PacketsCut,
            "packets were cut within their headers and could not be read at all (capture with snap length 0)",
        ));
        for (layer, count) in LAYERS.iter().zip(self.malformed) {
            warnings.extend(count.warning(
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

    fn malformed_at(&mut self, layer: Layer) -> &mut Count {
        match (layer, &mut self.malformed) {
            (Layer::Link, [count, _, _, _])
            | (Layer::Network, [_, count, _, _])
            | (Layer::Transport, [_, _, count, _])
            | (Layer::Tunnel, [_, _, _, count]) => count,
        }
    }

    fn unsupported(&mut self, link: LinkType) -> &mut Count {
        let known = |entry: &(Option<LinkType>, Count)| entry.0 == Some(link) || entry.0.is_none();
        let index = self.unsupported.iter().position(known);
        let index = index.unwrap_or_else(|| {
            let named = self.unsupported.len() < MAX_LINK_TYPES;
            let entry = (named.then_some(link), Count::default());
            self.unsupported.push(entry);
            self.unsupported.len() - 1
        });
        &mut self.unsupported[index].1
    }
}

/// A link type's number and, where known, its name.
fn describe(link: LinkType) -> String {
    match link.name() {
        Some(name) => format!("{} ({name})", link.0),
        None => link.0.to_string(),
    }
}

/// In the order of [`Tally::malformed`].
const LAYERS: [Layer; 4] = [Layer::Link, Layer::Network, Layer::Transport, Layer::Tunnel];

/// Unsupported link types that are told apart.
const MAX_LINK_TYPES: usize = 16;
