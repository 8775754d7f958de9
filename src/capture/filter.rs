//! Capture filters in the syntax of pcap-filter(7), compiled by libpcap and matched in user space on packets of any source.
//!
//! A BPF program is specific to a link type, so the filter is compiled once per link type in the capture. Host and
//! network names are rejected before libpcap sees them: it would resolve them over the network, and analyzing a
//! capture must not cause traffic.

use std::ops::ControlFlow;

use pcap::{BpfProgram, Linktype};

use super::{Error, Input, LinkType, Packet, PacketSource, SkippedPackets};
use crate::model::record::Capture;
use crate::model::{Warning, WarningCode};

/// Capture filter for packets of all link types.
pub struct Filter {
    expression: String,
    /// Compiled programs in the order of first use; `None` for a link type that the filter does not compile for.
    ///
    /// A list, not a map: a capture has a handful of link types at most.
    programs: Vec<(LinkType, Option<BpfProgram>)>,
    unsupported: Vec<(LinkType, String)>,
}

impl Filter {
    /// Compiles a filter, for Ethernet at first, and so checks its syntax.
    pub fn new(expression: &str) -> Result<Self, Error> {
        let failed = |cause: String| Error::Filter {
            expression: expression.to_owned(),
            cause,
        };
        if let Some(name) = name_to_look_up(expression) {
            return Err(failed(format!(
                "'{name}' is the name of a host or network, which would have to be looked up"
            )));
        }
        let program = compile(LinkType::ETHERNET, expression).map_err(failed)?;
        Ok(Self {
            expression: expression.to_owned(),
            programs: vec![(LinkType::ETHERNET, Some(program))],
            unsupported: Vec::new(),
        })
    }

    /// Returns true if a packet matches. Packets of a link type that libpcap cannot filter never match; see
    /// [`Self::unsupported`].
    ///
    /// `len`, `greater` and `less` refer to the captured length, not to the length on the wire.
    pub fn matches(&mut self, packet: &Packet<'_>) -> bool {
        let known = self
            .programs
            .iter()
            .position(|(link, _)| *link == packet.link);
        let Some(index) = known.or_else(|| self.add(packet.link)) else {
            return false;
        };
        matches!(self.programs.get(index), Some((_, Some(program))) if program.filter(packet.data))
    }

    /// Returns the link types that the filter does not compile for, with libpcap's messages.
    #[must_use]
    pub fn unsupported(&self) -> &[(LinkType, String)] {
        &self.unsupported
    }

    /// Compiles the filter for one more link type and returns its index; `None` beyond 64 link types.
    fn add(&mut self, link: LinkType) -> Option<usize> {
        if self.programs.len() >= MAX_PROGRAMS {
            return None;
        }
        let program = match compile(link, &self.expression) {
            Ok(program) => Some(program),
            Err(cause) => {
                self.unsupported.push((link, cause));
                None
            }
        };
        self.programs.push((link, program));
        self.programs.len().checked_sub(1)
    }
}

fn compile(link: LinkType, expression: &str) -> Result<BpfProgram, String> {
    pcap::Capture::dead(Linktype(platform_number(link)))
        .and_then(|capture| capture.compile(expression, true))
        .map_err(|error| match error {
            pcap::Error::PcapError(words) => words,
            other => other.to_string(),
        })
}

/// Converts a link type to this platform's DLT number. They are equal except for the few on which platforms disagree.
fn platform_number(link: LinkType) -> i32 {
    let openbsd = cfg!(target_os = "openbsd");
    match link {
        LinkType::RAW if openbsd => 14,
        LinkType::RAW => 12,
        LinkType::LOOP if openbsd => 12,
        LinkType(100) => 11,
        LinkType(PFSYNC) if cfg!(target_os = "freebsd") => 121,
        LinkType(number) => i32::from(number),
    }
}

/// Returns the first word of a filter that libpcap would resolve as a host or network; `None` if there is none.
///
/// libpcap takes a bare word as a name of the kind that the last qualifier named (`port ftp or ssh`), or of a host
/// without a qualifier. Port and protocol names are accepted: they are looked up in local files.
fn name_to_look_up(expression: &str) -> Option<&str> {
    let mut expected = Expected::Host;
    // Words in brackets are named constants (`tcp[tcpflags]`), which libpcap does not resolve.
    let mut depth = 0_usize;
    let bytes = expression.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if !byte.is_ascii_alphanumeric() {
            match byte {
                b'[' => depth += 1,
                b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            // Bytes from 0x80 up belong to a word: libpcap would resolve an internationalized name too.
            if byte < 0x80 {
                at += 1;
                continue;
            }
        }
        // An escaped keyword is a name: `host \\tcp` means a host called tcp.
        let escaped = at > 0 && bytes.get(at - 1) == Some(&b'\\');
        let rest = expression.get(at..).unwrap_or_default();
        let end = rest
            .find(|character: char| !is_word(character))
            .unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        at += word.len().max(1);
        if depth > 0 {
            continue;
        }
        if let Some(next) = expected_after(word, expected).filter(|_| !escaped) {
            expected = next;
        } else if expected == Expected::Host && !is_number_or_address(word) {
            return Some(word);
        }
    }
    None
}

/// Kind of name that a bare word would be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// A host or network, which libpcap resolves over the network.
    Host,
    /// A port, protocol, interface or frame type, which is resolved locally.
    Local,
}

/// Returns the kind of name expected behind the keyword `word`; `None` if `word` is not a keyword.
fn expected_after(word: &str, before: Expected) -> Option<Expected> {
    if LOCAL_NAMES_FOLLOW.contains(&word) {
        Some(Expected::Local)
    } else if HOSTS_FOLLOW.contains(&word) {
        Some(Expected::Host)
    } else {
        NEUTRAL.contains(&word).then_some(before)
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '.' | '_' | '-' | ':')
}

/// Returns true for a number or address in a form that libpcap parses without a lookup.
fn is_number_or_address(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(rest) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        return hex(rest);
    }
    // Numbers, IPv4 addresses and prefixes, port ranges. libpcap takes more parts than these for a name.
    let parts = |separator, most| {
        word.split(separator).all(digits) && word.split(separator).count() <= most
    };
    if parts('.', 4) || parts('-', 2) {
        return true;
    }
    // IPv6 and MAC addresses.
    if word.contains(':') {
        return word.split([':', '.']).all(hex);
    }
    let mac_groups = [(6, 2, ['.', '-']), (3, 4, ['.', '.'])];
    mac_groups.iter().any(|(count, longest, separators)| {
        let groups: Vec<_> = word.split(separators.as_slice()).collect();
        groups.len() == *count
            && groups
                .iter()
                .all(|group| hex(group) && (1..=*longest).contains(&group.len()))
    })
}

/// A source of the packets that match a filter. The counts of the captures stay those of all packets.
pub struct FilteredSource<S> {
    inner: S,
    filter: Filter,
    /// Packets that did not match.
    filtered: u64,
}

impl<S: PacketSource> FilteredSource<S> {
    /// Creates a source of the packets of `inner` that match `filter`.
    pub fn new(inner: S, filter: Filter) -> Self {
        Self {
            inner,
            filter,
            filtered: 0,
        }
    }
}

impl<S: PacketSource> PacketSource for FilteredSource<S> {
    fn for_each(&mut self, take: &mut dyn FnMut(Input<'_>) -> ControlFlow<()>) {
        let Self {
            inner,
            filter,
            filtered,
        } = self;
        let mut ended = false;
        inner.for_each(&mut |input| {
            let flow = match &input {
                Input::Packet(packet) if !filter.matches(packet) => {
                    *filtered += 1;
                    ControlFlow::Continue(())
                }
                _ => take(input),
            };
            ended = flow.is_break();
            flow
        });
        // Known only now: a filter is compiled for a link type when its first packet comes.
        for (link, cause) in filter.unsupported() {
            if ended {
                return;
            }
            let name = link
                .name()
                .map_or_else(|| link.0.to_string(), str::to_owned);
            let message = format!("the filter hides all packets of link type {name}: {cause}");
            let warning = Warning::new(WarningCode::LinkTypeUnsupported, message, None);
            ended = take(Input::Warning(warning)).is_break();
        }
    }

    fn captures(&self) -> Vec<Capture> {
        self.inner.captures()
    }

    fn skipped(&self) -> SkippedPackets {
        SkippedPackets {
            filtered: self.filtered,
            ..self.inner.skipped()
        }
    }

    fn is_prompt(&self) -> bool {
        self.inner.is_prompt()
    }
}

impl<S: PacketSource + ?Sized> PacketSource for &mut S {
    fn for_each(&mut self, take: &mut dyn FnMut(Input<'_>) -> ControlFlow<()>) {
        (**self).for_each(take);
    }

    fn captures(&self) -> Vec<Capture> {
        (**self).captures()
    }

    fn skipped(&self) -> SkippedPackets {
        (**self).skipped()
    }

    fn is_prompt(&self) -> bool {
        (**self).is_prompt()
    }
}

impl<S: PacketSource + ?Sized> PacketSource for Box<S> {
    fn for_each(&mut self, take: &mut dyn FnMut(Input<'_>) -> ControlFlow<()>) {
        (**self).for_each(take);
    }

    fn captures(&self) -> Vec<Capture> {
        (**self).captures()
    }

    fn skipped(&self) -> SkippedPackets {
        (**self).skipped()
    }

    fn is_prompt(&self) -> bool {
        (**self).is_prompt()
    }
}

/// Link types that one filter is compiled for at most; a hostile pcapng file may name 65,536.
const MAX_PROGRAMS: usize = 64;
/// OpenBSD's pfsync in the LINKTYPE registry.
const PFSYNC: u16 = 246;

/// Keywords followed by a name that is resolved locally.
const LOCAL_NAMES_FOLLOW: &[&str] = &[
    "port",
    "portrange",
    "proto",
    "protochain",
    "ifname",
    "on",
    "type",
    "subtype",
    "dir",
    "reason",
    "rset",
    "ruleset",
    "action",
    "srnr",
    "rulenum",
    "subrulenum",
];

/// Keywords followed by a host or network.
const HOSTS_FOLLOW: &[&str] = &[
    "host", "net", "gateway", "mask", "src", "dst", "ether", "link", "fddi", "tr", "wlan", "ppp",
    "slip", "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "igrp",
    "pim", "vrrp", "carp", "ah", "esp", "atalk", "aarp", "decnet", "iso", "stp", "ipx", "netbeui",
    "lat", "moprc", "mopdl", "sca", "radio", "ra", "ta", "addr1", "addr2", "addr3", "addr4",
    "address1", "address2", "address3", "address4",
];

/// Keywords that leave the expected kind of name unchanged.
const NEUTRAL: &[&str] = &[
    "and",
    "or",
    "not",
    "less",
    "greater",
    "len",
    "length",
    "byte",
    "broadcast",
    "multicast",
    "inbound",
    "outbound",
    "vlan",
    "mpls",
    "pppoed",
    "pppoes",
    "geneve",
    "vxlan",
    "clnp",
    "esis",
    "es-is",
    "isis",
    "is-is",
    "l1",
    "l2",
    "iih",
    "lsp",
    "snp",
    "csnp",
    "psnp",
    "lane",
    "llc",
    "metac",
    "bcc",
    "oam",
    "oamf4",
    "oamf4ec",
    "oamf4sc",
    "oam4",
    "oam4ec",
    "oam4sc",
    "sc",
    "ilmic",
    "connectmsg",
    "metaconnect",
    "vpi",
    "vci",
    "fisu",
    "lssu",
    "lsu",
    "msu",
    "hfisu",
    "hlssu",
    "hmsu",
    "sio",
    "opc",
    "dpc",
    "sls",
    "hsio",
    "hopc",
    "hdpc",
    "hsls",
    "ifindex",
    "tcpflags",
    "tcp-fin",
    "tcp-syn",
    "tcp-rst",
    "tcp-push",
    "tcp-ack",
    "tcp-urg",
    "tcp-ece",
    "tcp-cwr",
    "icmptype",
    "icmpcode",
    "icmp6type",
    "icmp6code",
    "icmp-echoreply",
    "icmp-unreach",
    "icmp-sourcequench",
    "icmp-redirect",
    "icmp-echo",
    "icmp-routeradvert",
    "icmp-routersolicit",
    "icmp-timxceed",
    "icmp-paramprob",
    "icmp-tstamp",
    "icmp-tstampreply",
    "icmp-ireq",
    "icmp-ireqreply",
    "icmp-maskreq",
    "icmp-maskreply",
    "icmp6-destinationunreach",
    "icmp6-packettoobig",
    "icmp6-timeexceeded",
    "icmp6-parameterproblem",
    "icmp6-echo",
    "icmp6-echoreply",
    "icmp6-multicastlistenerquery",
    "icmp6-multicastlistenerreportv1",
    "icmp6-multicastlistenerdone",
    "icmp6-routersolicit",
    "icmp6-routeradvert",
    "icmp6-neighborsolicit",
    "icmp6-neighboradvert",
    "icmp6-redirect",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FrameRef;

    fn packet(link: LinkType, data: &[u8]) -> Packet<'_> {
        Packet {
            frame: FrameRef::default(),
            link,
            wire_len: 0,
            data,
        }
    }

    /// Builds an IPv4 TCP packet from port 1025 to port 21.
    fn to_ftp() -> Vec<u8> {
        let mut ip = vec![
            0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 4, 1, 0, 21,
        ];
        ip.resize(40, 0);
        ip
    }

    #[test]
    fn one_filter_matches_packets_of_several_link_types() {
        let mut filter = Filter::new("tcp port 21 and host 10.0.0.2").unwrap();
        let raw = to_ftp();
        let ethernet = [[0; 12].as_slice(), &[8, 0], &raw].concat();
        assert!(filter.matches(&packet(LinkType::ETHERNET, &ethernet)));
        assert!(filter.matches(&packet(LinkType::RAW, &raw)));
        assert!(filter.matches(&packet(LinkType::IPV4, &raw)));
        assert!(!filter.matches(&packet(LinkType::ETHERNET, &raw)));
        let mut other = Filter::new("port 22").unwrap();
        assert!(!other.matches(&packet(LinkType::RAW, &raw)));
        assert!(filter.unsupported().is_empty());
    }

    #[test]
    fn packets_of_an_unsupported_link_type_never_match_and_it_is_listed_once() {
        let mut filter = Filter::new("tcp port 21").unwrap();
        let usb = LinkType(249);
        assert!(!filter.matches(&packet(usb, &to_ftp())));
        assert!(!filter.matches(&packet(usb, &to_ftp())));
        assert_eq!(filter.unsupported().len(), 1);
    }

    #[test]
    fn syntax_error_quotes_the_filter_and_libpcap() {
        let error = Filter::new("tcp prot 21").map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("'tcp prot 21'"), "{error}");
        let error = Filter::new("port 21 and and").map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("syntax error"), "{error}");
        assert!(error.hint().is_some());
    }

    #[test]
    fn names_that_would_be_resolved_are_rejected() {
        for filter in [
            "host ftp.example.com",
            "ftp.example.com",
            "src www",
            "port 21 and host gw",
            "net mynet",
            "dst host a and port ftp",
            "tcp src caf\u{e9}",
            "port ftp and src foo",
            "ether host router",
            "host dead.beef.example",
            "host \\tcp",
            "host 1.2.3.4.5",
            "10-20-30",
        ] {
            assert!(name_to_look_up(filter).is_some(), "{filter}");
            assert!(Filter::new(filter).is_err(), "{filter}");
        }
    }

    #[test]
    fn filters_without_a_lookup_are_accepted() {
        for filter in [
            "",
            "port ftp or telnet",
            "tcp portrange 20-21",
            "host 10.0.0.1 or 10.0.0.2",
            "net 10.0.0.0/8",
            "net 10.0 mask 255.255.0.0",
            "ip6 host fe80::1",
            "ether host 00:11:22:aa:bb:cc",
            "ether src 00-11-22-aa-bb-cc",
            "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
            "ip proto \\tcp",
            "vlan 100 && tcp port 0x15",
            "len > 100 and not broadcast",
            "icmp6",
            "src or dst host 10.1.2.3",
        ] {
            assert_eq!(name_to_look_up(filter), None, "{filter}");
        }
        for filter in [
            "port ftp or telnet",
            "ip proto \\tcp",
            "src or dst host 10.1.2.3",
        ] {
            assert!(Filter::new(filter).is_ok(), "{filter}");
        }
    }
}
