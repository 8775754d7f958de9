//! Packets rewritten by the plans of their connections: addresses, payload, quoted packets, checksums.
//!
//! Checksums are changed by difference (RFC 1624 section 3): right ones stay right, wrong ones stay wrong. One that a network card
//! was to fill in, which holds the sum of the pseudo-header only, stays unfinished. A UDP checksum of 0 means none and stays 0.

use std::ops::Range;

use super::{Class, Redaction};
use crate::capture::Packet;
use crate::decode::{
    HeaderKind, PlacedHeader, fold, ones_complement_sum, place_headers, place_headers_of_datagram,
    place_headers_of_quote,
};
use crate::model::{Endpoint, FlowKey};

/// A rewriter of packets. Buffers are used again.
#[derive(Debug, Default)]
pub(in crate::keep) struct PacketPatcher {
    headers: Vec<PlacedHeader>,
    quoted: Vec<PlacedHeader>,
}

/// Returns the first frame of the connection between two end points that a packet belongs to.
pub(in crate::keep) type FindConnection<'f> = &'f dyn Fn(FlowKey) -> Option<u64>;

/// A packet whose payload is a fragment, until the datagram is complete.
#[derive(Debug)]
pub(in crate::keep) struct HeldFragment {
    pub(in crate::keep) old: Vec<u8>,
    pub(in crate::keep) new: Vec<u8>,
    headers: Vec<PlacedHeader>,
    payload: Range<usize>,
    offset: usize,
    protocol: u8,
}

/// Addresses of the IP header around a transport header, as its checksum covers them.
#[derive(Clone, Copy, Debug, Default)]
struct Around {
    source: u128,
    destination: u128,
    /// Sums of the addresses before and after.
    old: u64,
    new: u64,
}

impl PacketPatcher {
    /// Writes the redacted packet to `new`. Returns the fragment it holds, if it does: then `new` is not finished.
    pub(in crate::keep) fn patch(
        &mut self,
        packet: &Packet<'_>,
        redaction: &Redaction,
        find: FindConnection<'_>,
        new: &mut Vec<u8>,
    ) -> Option<HeldFragment> {
        let old = packet.data;
        new.clear();
        new.extend_from_slice(old);
        self.headers.clear();
        place_headers(packet, &mut self.headers);
        let around = Around::default();
        self.rewrite(old, new, around, redaction, find);
        self.clear_padding(new, redaction);
        if let Some(PlacedHeader {
            kind: HeaderKind::Fragment { offset, protocol },
            at,
            end,
            ..
        }) = self.headers.last().copied()
        {
            return Some(HeldFragment {
                old: old.to_vec(),
                new: std::mem::take(new),
                headers: self.headers.clone(),
                payload: at..end,
                offset: offset as usize,
                protocol,
            });
        }
        finish(old, new, &self.headers, around);
        None
    }

    /// Rewrites the fragments of one datagram, all of them.
    pub(in crate::keep) fn join(
        &mut self,
        fragments: &mut [&mut HeldFragment],
        redaction: &Redaction,
        find: FindConnection<'_>,
    ) {
        let ends = fragments.iter().map(|one| one.offset + one.payload.len());
        let length = ends.max().unwrap_or(0);
        let mut old = vec![0; length];
        let mut is_known = vec![false; length];
        // The bytes captured first count, as in the decoder.
        for fragment in fragments.iter() {
            let bytes = &fragment.old[fragment.payload.clone()];
            for (index, byte) in (fragment.offset..).zip(bytes) {
                if !std::mem::replace(&mut is_known[index], true) {
                    old[index] = *byte;
                }
            }
        }
        let first = fragments.iter().find(|one| one.offset == 0);
        let Some((protocol, around)) = first.map(|one| (one.protocol, one.around())) else {
            return;
        };
        let mut new = old.clone();
        self.headers.clear();
        place_headers_of_datagram(protocol, &old, &mut self.headers);
        let is_nested = matches!(
            self.headers.last().map(|header| header.kind),
            None | Some(HeaderKind::Fragment { .. })
        );
        if is_nested {
            // Fragments of a tunnel within fragments: nothing in it can be read on its own.
            new.fill(0);
        } else {
            self.rewrite(&old, &mut new, around, redaction, find);
            self.clear_padding(&mut new, redaction);
            finish(&old, &mut new, &self.headers, around);
        }
        for fragment in fragments.iter_mut() {
            let HeldFragment {
                old: before,
                new: after,
                headers,
                payload,
                offset,
                ..
            } = &mut **fragment;
            let range = *offset..*offset + payload.len();
            super::copy_replaced(
                &old[range.clone()],
                &new[range],
                &before[payload.clone()],
                &mut after[payload.clone()],
            );
            finish(before, after, headers, Around::default());
        }
    }

    /// Replaces addresses and payload; checksums are left to [`finish`].
    fn rewrite(
        &mut self,
        old: &[u8],
        new: &mut [u8],
        mut around: Around,
        redaction: &Redaction,
        find: FindConnection<'_>,
    ) {
        let headers = std::mem::take(&mut self.headers);
        for header in &headers {
            let at = header.at;
            match header.kind {
                HeaderKind::Ethernet => redaction.hardware_addresses(old, new, &[at, at + 6]),
                HeaderKind::Wireless => {
                    redaction.hardware_addresses(old, new, &[at + 4, at + 10, at + 16]);
                    // Between two access points.
                    if old.get(at + 1).is_some_and(|flags| flags & 3 == 3) {
                        redaction.hardware_addresses(old, new, &[at + 24]);
                    }
                }
                HeaderKind::Cooked if old.get(at + 4..at + 6) == Some(&[0, 6]) => {
                    redaction.hardware_addresses(old, new, &[at + 6]);
                }
                HeaderKind::Cooked2 if old.get(at + 11) == Some(&6) => {
                    redaction.hardware_addresses(old, new, &[at + 12]);
                }
                HeaderKind::Ipv4 | HeaderKind::Ipv6 => {
                    redaction.ip_addresses(old, new, header);
                    around = Around::of(old, new, header);
                }
                HeaderKind::Tcp => rewrite_tcp(old, new, header, around, redaction, find),
                HeaderKind::Udp => {
                    let ports = [port(old, at), port(old, at + 2)];
                    let payload = (at + 8).min(header.end)..header.end;
                    if ports.iter().any(|port| DNS_PORTS.contains(port)) {
                        redaction.dns(&old[payload.clone()], &mut new[payload]);
                    }
                }
                HeaderKind::Icmp | HeaderKind::IcmpV6 if at + 8 < header.end => {
                    self.rewrite_quote(old, new, at + 8..header.end, redaction, find);
                }
                _ => {}
            }
        }
        self.headers = headers;
    }

    /// Clears the bytes behind the innermost packet: padding, which may hold anything, and what is not read.
    fn clear_padding(&self, new: &mut [u8], redaction: &Redaction) {
        let hides = redaction.classes.has_text() || redaction.classes.has(Class::Content);
        if hides
            && let Some(last) = self.headers.last()
            && let Some(rest) = new.get_mut(last.end..)
        {
            rest.fill(0);
        }
    }

    /// Rewrites the packet that an ICMP error quotes.
    fn rewrite_quote(
        &mut self,
        old: &[u8],
        new: &mut [u8],
        quote: Range<usize>,
        redaction: &Redaction,
        find: FindConnection<'_>,
    ) {
        let (old, new) = (&old[quote.clone()], &mut new[quote]);
        let mut quoted = std::mem::take(&mut self.quoted);
        quoted.clear();
        place_headers_of_quote(old, &mut quoted);
        // An error about an error is never sent (RFC 1122 section 3.2.2).
        let is_error =
            |header: &PlacedHeader| matches!(header.kind, HeaderKind::Icmp | HeaderKind::IcmpV6);
        if !quoted.iter().any(is_error) {
            let mut inner = Self {
                headers: quoted,
                quoted: Vec::new(),
            };
            inner.rewrite(old, new, Around::default(), redaction, find);
            finish(old, new, &inner.headers, Around::default());
            quoted = inner.headers;
        }
        self.quoted = quoted;
    }
}

impl HeldFragment {
    /// Returns the addresses of the IP header before the fragment.
    fn around(&self) -> Around {
        let is_ip =
            |header: &&PlacedHeader| matches!(header.kind, HeaderKind::Ipv4 | HeaderKind::Ipv6);
        let header = self.headers.iter().rev().find(is_ip);
        header.map_or_else(Around::default, |header| {
            Around::of(&self.old, &self.new, header)
        })
    }

    /// Finishes a fragment whose datagram never becomes complete: its bytes are hidden.
    pub(in crate::keep) fn give_up(&mut self) {
        self.new[self.payload.clone()].fill(0);
        finish(&self.old, &mut self.new, &self.headers, Around::default());
    }
}

impl Around {
    fn of(old: &[u8], new: &[u8], header: &PlacedHeader) -> Self {
        let range = address_range(header);
        let (Some(before), Some(after)) = (old.get(range.clone()), new.get(range)) else {
            return Self::default();
        };
        let (source, destination) = before.split_at(before.len() / 2);
        Self {
            source: address_of(source),
            destination: address_of(destination),
            old: ones_complement_sum(before),
            new: ones_complement_sum(after),
        }
    }
}

/// Returns the place of both addresses of an IP header.
const fn address_range(header: &PlacedHeader) -> Range<usize> {
    match header.kind {
        HeaderKind::Ipv4 => header.at + 12..header.at + 20,
        _ => header.at + 8..header.at + 40,
    }
}

fn address_of(bytes: &[u8]) -> u128 {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Endpoint::v4(octets, 0).address;
    }
    <[u8; 16]>::try_from(bytes).map_or(0, u128::from_be_bytes)
}

fn port(bytes: &[u8], at: usize) -> u16 {
    let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map_or(0, |bytes| u16::from_be_bytes(*bytes))
}

/// Replaces the payload of a TCP segment.
fn rewrite_tcp(
    old: &[u8],
    new: &mut [u8],
    header: &PlacedHeader,
    around: Around,
    redaction: &Redaction,
    find: FindConnection<'_>,
) {
    let at = header.at;
    let segment = &old[at..header.end];
    let (Some(ports), Some(sequence)) = (segment.get(..4), segment.get(4..8)) else {
        return;
    };
    let source = Endpoint {
        address: around.source,
        port: port(ports, 0),
    };
    let destination = Endpoint {
        address: around.destination,
        port: port(ports, 2),
    };
    let Some(length) = segment.get(12).map(|byte| usize::from(byte >> 4) * 4) else {
        return;
    };
    let Some(payload) = segment.get(length..).filter(|bytes| !bytes.is_empty()) else {
        return;
    };
    let new = &mut new[header.end - payload.len()..header.end];
    let sequence = sequence
        .first_chunk()
        .copied()
        .map_or(0, u32::from_be_bytes);
    // SYN takes the first number.
    let syn = segment.get(13).is_some_and(|flags| flags & 2 != 0);
    let sequence = sequence.wrapping_add(u32::from(syn));
    let (key, direction) = FlowKey::new(source, destination);
    if let Some(first_frame) = find(key) {
        redaction.replace_payload(first_frame, direction, sequence, payload, new);
    } else if source.port == DNS_PORT || destination.port == DNS_PORT {
        // A length before each message (RFC 1035 section 4.2.2).
        if payload.len() > 2 {
            redaction.dns(&payload[2..], &mut new[2..]);
        }
    } else if source.port == IDENT_PORT || destination.port == IDENT_PORT {
        redaction.ident(payload, new);
    }
}

/// Updates all checksums, the innermost first: an outer one covers the inner ones.
fn finish(old: &[u8], new: &mut [u8], headers: &[PlacedHeader], outer: Around) {
    if old == new {
        return;
    }
    for (index, header) in headers.iter().enumerate().rev() {
        let around = || {
            let mut before = headers[..index].iter().rev();
            let ip = before.find(|one| matches!(one.kind, HeaderKind::Ipv4 | HeaderKind::Ipv6));
            ip.map_or(outer, |header| Around::of(old, new, header))
        };
        let (at, end) = (header.at, header.end);
        match header.kind {
            HeaderKind::Ipv4 => {
                let length = old.get(at).map_or(0, |byte| usize::from(byte & 0x0f) * 4);
                let range = at..(at + length).min(end);
                update_unless_empty(old, new, 10, range, Around::default(), 0);
            }
            HeaderKind::Tcp => transport(old, new, 16, header, around(), TCP),
            HeaderKind::Udp if port(old, at + 6) != 0 => {
                transport(old, new, 6, header, around(), UDP);
                // 0 would mean that there is none.
                if port(new, at + 6) == 0
                    && let Some(field) = new.get_mut(at + 6..at + 8)
                {
                    field.fill(0xff);
                }
            }
            HeaderKind::Icmp => update(old, new, 2, at..end, Around::default()),
            HeaderKind::IcmpV6 => update(old, new, 2, at..end, around()),
            HeaderKind::Gre if old.get(at).is_some_and(|flags| flags & 0x80 != 0) => {
                update(old, new, 4, at..end, Around::default());
            }
            _ => {}
        }
    }
}

/// Updates the checksum of TCP or UDP.
fn transport(
    old: &[u8],
    new: &mut [u8],
    field: usize,
    header: &PlacedHeader,
    around: Around,
    protocol: u8,
) {
    let (at, end) = (header.at, header.end);
    let Some(stored) = old.get(at + field..).and_then(<[u8]>::first_chunk::<2>) else {
        return;
    };
    let stored = u16::from_ne_bytes(*stored);
    let length = (end - at) as u64 + u64::from(header.cut);
    let length = u16::try_from(length).unwrap_or(0);
    let protocol = ones_complement_sum(&[0, protocol]) + ones_complement_sum(&length.to_be_bytes());
    let unfinished = fold(around.old + protocol);
    if stored == unfinished && header.cut == 0 {
        let is_right = fold(ones_complement_sum(&old[at..end]) + around.old + protocol) == u16::MAX;
        if !is_right {
            let unfinished = fold(around.new + protocol).to_ne_bytes();
            new[at + field..at + field + 2].copy_from_slice(&unfinished);
            // One of 32,768 sums of a pseudo-header is by chance the right checksum: a wrong one stays wrong instead.
            if fold(ones_complement_sum(&new[at..end]) + around.new + protocol) != u16::MAX {
                return;
            }
            new[at + field..at + field + 2].copy_from_slice(&stored.to_ne_bytes());
        }
    }
    if header.cut > 0 {
        update(old, new, field, at..end, around);
    } else {
        update_unless_empty(old, new, field, at..end, around, protocol);
    }
}

/// Does the same as [`update`], but leaves a wrong checksum of 0 as it is: a network card was to fill it in. `protocol` is the sum
/// of the pseudo-header without its addresses.
fn update_unless_empty(
    old: &[u8],
    new: &mut [u8],
    field: usize,
    range: Range<usize>,
    around: Around,
    protocol: u64,
) {
    let at = range.start + field;
    if old.get(at..at + 2) == Some(&[0, 0]) && at + 2 <= range.end {
        let is_right = |bytes: &[u8], addresses| {
            fold(ones_complement_sum(bytes) + addresses + protocol) == u16::MAX
        };
        // By chance it may be the right one now.
        if !is_right(&old[range.clone()], around.old) && !is_right(&new[range.clone()], around.new)
        {
            return;
        }
    }
    update(old, new, field, range, around);
}

/// Updates a checksum that covers `range` and the addresses `around` it by their difference.
fn update(old: &[u8], new: &mut [u8], field: usize, range: Range<usize>, around: Around) {
    let at = range.start + field;
    let Some(stored) = new.get(at..).and_then(<[u8]>::first_chunk::<2>) else {
        return;
    };
    if at + 2 > range.end {
        return;
    }
    let stored = u16::from_ne_bytes(*stored);
    let before = fold(ones_complement_sum(&old[range.clone()]) + around.old);
    let after = fold(ones_complement_sum(&new[range]) + around.new);
    if before != after {
        let sum = u64::from(!stored) + u64::from(!before) + u64::from(after);
        new[at..at + 2].copy_from_slice(&(!fold(sum)).to_ne_bytes());
    }
}

impl Redaction {
    fn hardware_addresses(&self, old: &[u8], new: &mut [u8], places: &[usize]) {
        if !self.classes.has(Class::Addresses) {
            return;
        }
        for at in places {
            let range = *at..*at + 6;
            if let (Some(old), Some(new)) = (old.get(range.clone()), new.get_mut(range))
                && let Some(address) = old.first_chunk()
            {
                new.copy_from_slice(&self.rewriter.substitution().hardware(*address));
            }
        }
    }

    fn ip_addresses(&self, old: &[u8], new: &mut [u8], header: &PlacedHeader) {
        if !self.classes.has(Class::Addresses) {
            return;
        }
        let range = address_range(header);
        let (Some(before), Some(after)) = (old.get(range.clone()), new.get_mut(range)) else {
            return;
        };
        let width = before.len() / 2;
        for (old, new) in before
            .chunks_exact(width)
            .zip(after.chunks_exact_mut(width))
        {
            self.replace_address(old, new);
        }
        if header.kind == HeaderKind::Ipv4 {
            self.route_options(old, new, header.at);
        }
    }

    /// Replaces an IPv4 or IPv6 address.
    fn replace_address(&self, old: &[u8], new: &mut [u8]) {
        let replaced = self.address(address_of(old)).to_be_bytes();
        new.copy_from_slice(&replaced[16 - new.len()..]);
    }

    /// Replaces the addresses in the options for routes (RFC 791 section 3.1).
    fn route_options(&self, old: &[u8], new: &mut [u8], at: usize) {
        let length = old.get(at).map_or(0, |byte| usize::from(byte & 0x0f) * 4);
        let mut option = at + 20;
        let end = (at + length).min(old.len());
        while option + 1 < end {
            let size = match old[option] {
                0 => return,
                1 => 1,
                _ => usize::from(old[option + 1]).max(2),
            };
            if matches!(old[option], 7 | 131 | 137) {
                let addresses = (option + 3).min(end)..(option + size).min(end);
                let range = addresses.start..addresses.end - addresses.len() % 4;
                let (before, after) = (&old[range.clone()], &mut new[range]);
                for (old, new) in before.chunks_exact(4).zip(after.chunks_exact_mut(4)) {
                    self.replace_address(old, new);
                }
            }
            option += size;
        }
    }

    /// Rewrites an ident lookup (RFC 1413): the user behind the last colon of an answer.
    fn ident(&self, old: &[u8], new: &mut [u8]) {
        self.rewriter.rewrite_text(old, new);
        let colon = old.iter().rposition(|&byte| byte == b':');
        let answers = memchr::memmem::find(old, b"USERID").is_some();
        if let Some(colon) = colon
            && answers
            && self.classes.has(Class::Users)
        {
            let user = old[colon + 1..].trim_ascii();
            let from = old.len() - old[colon + 1..].trim_ascii_start().len();
            let user = self.rewriter.substitution().user(user);
            new[from..from + user.len()].copy_from_slice(&user);
        }
    }

    /// Rewrites names and addresses of a DNS message (RFC 1035 section 4).
    fn dns(&self, old: &[u8], new: &mut [u8]) {
        let count = |at| usize::from(port(old, at));
        let (questions, records) = (count(4), count(6) + count(8) + count(10));
        let mut at = 12;
        for _ in 0..questions {
            let Some(end) = self.dns_name(old, new, at) else {
                return;
            };
            at = end + 4;
        }
        for _ in 0..records {
            let Some(end) = self.dns_name(old, new, at) else {
                return;
            };
            let Some(fields) = old.get(end..end + 10) else {
                return;
            };
            let kind = port(fields, 0);
            let begin = end + 10;
            let length = usize::from(port(fields, 8));
            at = begin + length;
            let data = begin..at.min(old.len());
            match (kind, length) {
                (A, 4) | (AAAA, 16)
                    if data.len() == length && self.classes.has(Class::Addresses) =>
                {
                    self.replace_address(&old[data.clone()], &mut new[data]);
                }
                (CNAME | NS | PTR | DNAME, _) => {
                    self.dns_name(old, new, begin);
                }
                (MX, _) => {
                    self.dns_name(old, new, begin + 2);
                }
                (SRV, _) => {
                    self.dns_name(old, new, begin + 6);
                }
                (SOA, _) => {
                    let end = self.dns_name(old, new, begin);
                    end.and_then(|end| self.dns_name(old, new, end));
                }
                (RRSIG, _) => {
                    self.dns_name(old, new, begin + 18);
                }
                (TXT, _) if self.classes.has(Class::Names) => {
                    super::Rest::Hide.apply(0, &old[data.clone()], &mut new[data]);
                }
                // The subnet of a client (RFC 7871) is behind four bytes of its option.
                (OPT, _)
                    if self.classes.has(Class::Addresses)
                        && old.get(begin..begin + 2) == Some(&[0, 8])
                        && data.len() > 8 =>
                {
                    new[data.start + 8..data.end].fill(0);
                }
                _ => {}
            }
        }
    }

    /// Rewrites the labels of a name that stand at `at`; returns the offset behind it. `None` for a name that is cut.
    fn dns_name(&self, old: &[u8], new: &mut [u8], at: usize) -> Option<usize> {
        let mut labels: Vec<Range<usize>> = Vec::new();
        // Labels behind a pointer were rewritten where they stand, but say what kind of name it is.
        let mut inline = 0;
        let mut place = at;
        let mut end = None;
        for _ in 0..MOST_LABELS {
            let length = usize::from(*old.get(place)?);
            match length {
                0 => {
                    end = end.or(Some(place + 1));
                    break;
                }
                1..=63 => {
                    let label = place + 1..place + 1 + length;
                    old.get(label.clone())?;
                    place = label.end;
                    labels.push(label);
                    inline += usize::from(end.is_none());
                }
                0xc0.. => {
                    let target = usize::from(port(old, place) & 0x3fff);
                    end = end.or(Some(place + 2));
                    place = target;
                }
                _ => return None,
            }
        }
        let end = end?;
        if !self.reverse_name(old, new, &labels, inline) && self.classes.has(Class::Names) {
            for label in &labels[..inline] {
                let replaced = self.rewriter.substitution().label(&old[label.clone()]);
                new[label.clone()].copy_from_slice(&replaced);
            }
        }
        Some(end)
    }

    /// Rewrites the address in a name below `in-addr.arpa` or `ip6.arpa`; returns false for any other name.
    fn reverse_name(
        &self,
        old: &[u8],
        new: &mut [u8],
        labels: &[Range<usize>],
        inline: usize,
    ) -> bool {
        let label = |index: usize| &old[labels[index].clone()];
        let Some(count) = labels.len().checked_sub(2) else {
            return false;
        };
        let is_v4 = label(count).eq_ignore_ascii_case(b"in-addr");
        let is_v6 = label(count).eq_ignore_ascii_case(b"ip6");
        if !label(count + 1).eq_ignore_ascii_case(b"arpa") || !(is_v4 || is_v6) {
            return false;
        }
        if !self.classes.has(Class::Addresses) {
            return true;
        }
        let text = |index: usize| std::str::from_utf8(label(index)).unwrap_or_default();
        let mut put = |index: usize, text: String| {
            let place = &labels[index];
            if index < inline && text.len() == place.len() {
                new[place.clone()].copy_from_slice(text.as_bytes());
            }
        };
        if is_v4 && count == 4 {
            let octets: Vec<u8> = (0..4)
                .rev()
                .filter_map(|at| text(at).parse().ok())
                .collect();
            if let [a, b, c, d] = octets[..] {
                let address = self.address(Endpoint::v4([a, b, c, d], 0).address);
                let replaced = address.to_be_bytes();
                for at in 0..4 {
                    put(at, replaced[15 - at].to_string());
                }
            }
        } else if is_v6 && count == 32 {
            let nibbles = (0..32).rev().map(|at| u128::from_str_radix(text(at), 16));
            let address = nibbles.into_iter().try_fold(0_u128, |address, nibble| {
                nibble.map(|nibble| address << 4 | nibble & 0x0f)
            });
            if let Ok(address) = address {
                let replaced = self.address(address);
                for at in 0..32 {
                    put(at, format!("{:x}", replaced >> (4 * at) & 0x0f));
                }
            }
        }
        true
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const DNS_PORT: u16 = 53;
/// DNS, multicast DNS, and link-local name resolution.
const DNS_PORTS: &[u16] = &[53, 5353, 5355];
/// Port of ident (RFC 1413).
const IDENT_PORT: u16 = 113;
/// Labels of a name that are followed, pointers included.
const MOST_LABELS: usize = 160;
const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const PTR: u16 = 12;
const MX: u16 = 15;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const DNAME: u16 = 39;
const OPT: u16 = 41;
const RRSIG: u16 = 46;
