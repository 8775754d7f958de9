//! Replacements drawn by a key: of the same length, the same for the same value, different for different values.
//!
//! | value | replacement |
//! | --- | --- |
//! | name of a user | letters; other signs stay |
//! | part of a path, label of a host name | a keyed permutation of texts of the same shape: letters, digits and characters of a script within their kind, other signs stay |
//! | IPv4 address, IPv6 address | octet by octet, group by group: a keyed permutation that depends on what stands before |
//! | MAC address | vendor and rest, a keyed permutation of each |
//!
//! Addresses keep prefixes to the borders of octets and groups, the digits of each as text, groups that are 0, and their kind: an
//! octet is permuted among those that have as many digits, lie in the same special ranges and contain the beginning of none. No
//! permutation of texts or IPv4 octets has a fixed point: each is a cycle through its whole class.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Class;

/// The key of all replacements.
#[derive(Clone)]
pub struct RedactionKey([u8; 32]);

impl RedactionKey {
    /// Creates a key from 32 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns 32 bytes that depend on the key, a purpose, and parts of any length.
    fn digest(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return [0; 32];
        };
        for part in std::iter::once(&purpose.as_bytes()).chain(parts) {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for RedactionKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("RedactionKey")
    }
}

/// Replacements by class and original.
pub type Mapping = BTreeMap<(Class, Vec<u8>), Vec<u8>>;

/// All replacements of one run.
#[derive(Debug)]
pub(super) struct Substitution {
    key: RedactionKey,
    /// Replacements of users by name in lower case: letters for other signs are not reversible, so that two may collide.
    users: BTreeMap<Vec<u8>, Vec<u8>>,
    addresses: RefCell<HashMap<u128, u128, RandomState>>,
    /// Replacements of the octet behind a beginning of IPv4 addresses.
    octets: RefCell<HashMap<Vec<u8>, Box<[u8; 256]>, RandomState>>,
    hardware: RefCell<HashMap<[u8; 6], [u8; 6], RandomState>>,
    mapping: RefCell<Mapping>,
}

impl Substitution {
    pub(super) fn new(key: RedactionKey) -> Self {
        Self {
            key,
            users: BTreeMap::new(),
            addresses: RefCell::default(),
            octets: RefCell::default(),
            hardware: RefCell::default(),
            mapping: RefCell::default(),
        }
    }

    /// Returns a copy of what became what so far.
    pub(super) fn mapping(&self) -> Mapping {
        self.mapping.borrow().clone()
    }

    /// Records a replacement for the mapping file.
    pub(super) fn record(&self, class: Class, original: &[u8], replacement: &[u8]) {
        let mut mapping = self.mapping.borrow_mut();
        if original != replacement && mapping.len() < MAPPED {
            mapping
                .entry((class, original.to_vec()))
                .or_insert_with(|| replacement.to_vec());
        }
    }

    /// Draws replacements of all users at once, none of which is a user itself.
    pub(super) fn draw_users<'u>(&mut self, users: impl Iterator<Item = &'u [u8]>) {
        let mut names: Vec<Vec<u8>> = users.map(<[u8]>::to_ascii_lowercase).collect();
        names.sort();
        names.dedup();
        let mut taken: std::collections::BTreeSet<Vec<u8>> = names.iter().cloned().collect();
        for name in names {
            for attempt in 0..ATTEMPTS {
                let drawn = self.draw_letters(&name, attempt);
                if taken.insert(drawn.clone()) || attempt + 1 == ATTEMPTS {
                    self.users.insert(name, drawn);
                    break;
                }
            }
        }
    }

    fn draw_letters(&self, name: &[u8], attempt: u32) -> Vec<u8> {
        let stream = self.stream("user", &[&attempt.to_le_bytes(), name], name.len());
        let letter = |(byte, draw): (&u8, u32)| {
            if byte.is_ascii_alphanumeric() || !byte.is_ascii() {
                u8::try_from(draw % 26).unwrap_or_default() + b'a'
            } else {
                *byte
            }
        };
        name.iter().zip(stream).map(letter).collect()
    }

    /// Returns the replacement of a user; upper case stays upper case.
    pub(super) fn user(&self, name: &[u8]) -> Vec<u8> {
        let lower = name.to_ascii_lowercase();
        let drawn = self.users.get(&lower).cloned();
        let mut drawn = drawn.unwrap_or_else(|| self.draw_letters(&lower, 0));
        for (new, old) in drawn.iter_mut().zip(name) {
            if old.is_ascii_uppercase() {
                new.make_ascii_uppercase();
            }
        }
        self.record(Class::Users, name, &drawn);
        drawn
    }

    /// Returns the replacement of one part of a path; `.`, `..` and the extension stay.
    pub(super) fn part(&self, part: &[u8]) -> Vec<u8> {
        let stem = stem_length(part);
        let mut new = self.permuted("path", &part[..stem]);
        new.extend_from_slice(&part[stem..]);
        self.record(Class::Paths, part, &new);
        new
    }

    /// Returns the replacement of a word that has a value of `class` within it.
    pub(super) fn word(&self, class: Class, word: &[u8]) -> Vec<u8> {
        let new = self.permuted("word", word);
        self.record(class, word, &new);
        new
    }

    /// Returns the replacement of one label of a host name.
    pub(super) fn label(&self, label: &[u8]) -> Vec<u8> {
        if Self::is_reserved_label(label) {
            return label.to_vec();
        }
        let new = self.permuted("name", label);
        self.record(Class::Names, label, &new);
        new
    }

    /// Returns whether a label stays, since it says what kind of name it is.
    pub(super) fn is_reserved_label(label: &[u8]) -> bool {
        let mut reserved = RESERVED_LABELS.iter();
        reserved.any(|reserved| label.eq_ignore_ascii_case(reserved))
    }

    /// Returns the replacement of a host name, label by label.
    pub(super) fn host_name(&self, name: &[u8]) -> Vec<u8> {
        let labels = name.split(|&byte| byte == b'.');
        let labels: Vec<_> = labels.map(|label| self.label(label)).collect();
        labels.join(&b'.')
    }

    /// Returns the replacement of an IP address in the form of [`Endpoint::address`](crate::model::Endpoint::address).
    pub(super) fn address(&self, address: u128) -> u128 {
        if let Some(known) = self.addresses.borrow().get(&address) {
            return *known;
        }
        let new = match v4_of(address) {
            Some(octets) => V4_MAPPED | u128::from(u32::from_be_bytes(self.v4(octets))),
            None => self.v6(address),
        };
        let mut known = self.addresses.borrow_mut();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(address, new);
        drop(known);
        self.record(Class::Addresses, &text_of(address), &text_of(new));
        new
    }

    fn v4(&self, octets: [u8; 4]) -> [u8; 4] {
        let mut new = octets;
        let mut tables = self.octets.borrow_mut();
        if tables.len() >= TABLES {
            tables.clear();
        }
        for (index, octet) in octets.iter().enumerate() {
            let before = &octets[..index];
            let table = tables
                .entry(before.to_vec())
                .or_insert_with(|| self.octet_table(before));
            new[index] = table[usize::from(*octet)];
        }
        new
    }

    /// Returns for each octet behind `before` the one behind it in the order that the key gives to its class.
    fn octet_table(&self, before: &[u8]) -> Box<[u8; 256]> {
        let mut classes: BTreeMap<_, Vec<u8>> = BTreeMap::new();
        for octet in 0..=u8::MAX {
            classes
                .entry(octet_class(before, octet))
                .or_default()
                .push(octet);
        }
        let mut table = Box::new([0; 256]);
        for mut class in classes.into_values() {
            class.sort_by_cached_key(|octet| self.key.digest("octet", &[before, &[*octet]]));
            for (octet, next) in class.iter().zip(class.iter().cycle().skip(1)) {
                table[usize::from(*octet)] = *next;
            }
        }
        table
    }

    fn v6(&self, address: u128) -> u128 {
        // The loopback address; its groups of 0 stay anyway.
        if address <= 1 {
            return address;
        }
        // An IPv4 address behind the prefix of a translator (RFC 6052 section 2.1).
        if address >> 32 == NAT64 {
            let low = u32::try_from(address & 0xffff_ffff).unwrap_or_default();
            let new = u32::from_be_bytes(self.v4(low.to_be_bytes()));
            return NAT64 << 32 | u128::from(new);
        }
        let bytes = address.to_be_bytes();
        let mut new = bytes;
        for index in 0..8 {
            let before = &bytes[..index * 2];
            let group = [bytes[index * 2], bytes[index * 2 + 1]];
            let mut drawn = group;
            // A group that is special at this place would change the kind of the address: walk on along the cycle.
            for _ in 0..ATTEMPTS {
                if is_special_group(before, group) {
                    break;
                }
                drawn = self.group(before, drawn);
                if !is_special_group(before, drawn) {
                    break;
                }
            }
            new[index * 2..index * 2 + 2].copy_from_slice(&drawn);
        }
        u128::from_be_bytes(new)
    }

    /// Permutes a group among those with as many hexadecimal digits, whose octets have as many decimal digits (LPRT).
    fn group(&self, before: &[u8], group: [u8; 2]) -> [u8; 2] {
        let [high, low] = group;
        if group == [0, 0] {
            return group;
        }
        let highs = match (before.is_empty(), high) {
            (_, 0) => 0..=0,
            (_, 1..=9) => 1..=9,
            (_, 10..=15) => 10..=15,
            (_, 16..=99) => 16..=99,
            // Unique local addresses (RFC 4193); link-local and multicast ones.
            (true, 0xfc..=0xfd) => 0xfc..=0xfd,
            (true, _) => 100..=0xfb,
            (false, _) => 100..=255,
        };
        let lows = match (high, low) {
            (0, 1..=9) => 1..=9,
            (0, 10..=15) => 10..=15,
            (0, 16..=99) => 16..=99,
            (_, 0..=9) => 0..=9,
            (_, 10..=99) => 10..=99,
            _ => 100..=255,
        };
        let (a, c) = (u32::from(*highs.start()), u32::from(*lows.start()));
        let columns = u32::from(*lows.end()) - c + 1;
        let size = (u32::from(*highs.end()) - a + 1) * columns;
        let index = (u32::from(high) - a) * columns + u32::from(low) - c;
        let shape = [*highs.start(), *lows.start()];
        let index = self.permuted_index("group", &[before, &shape], size, index);
        let octet = |value: u32| u8::try_from(value).unwrap_or_default();
        [octet(index / columns + a), octet(index % columns + c)]
    }

    /// Returns the replacement of a MAC address: vendor and rest are permuted each, group addresses stay.
    pub(super) fn hardware(&self, address: [u8; 6]) -> [u8; 6] {
        if address == [0; 6] || address[0] & 1 == 1 {
            return address;
        }
        if let Some(known) = self.hardware.borrow().get(&address) {
            return *known;
        }
        let ([first, second, third], [fourth, fifth, sixth]) = (
            [address[0], address[1], address[2]],
            [address[3], address[4], address[5]],
        );
        let vendor = u32::from_be_bytes([0, first >> 2, second, third]);
        let drawn = self.permuted_index("vendor", &[], 1 << 22, vendor);
        let [_, new_a, new_b, new_c] = drawn.to_be_bytes();
        let rest = u32::from_be_bytes([0, fourth, fifth, sixth]);
        let drawn = self.permuted_index("device", &[&address[..3]], 1 << 24, rest);
        let [_, new_d, new_e, new_f] = drawn.to_be_bytes();
        let new = [new_a << 2 | first & 3, new_b, new_c, new_d, new_e, new_f];
        let mut known = self.hardware.borrow_mut();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(address, new);
        drop(known);
        let text = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":").into_bytes();
        self.record(Class::Addresses, &text(address), &text(new));
        new
    }

    /// Permutes the numbers below `size` by a Feistel network, walking on along the cycle from numbers that are too large.
    fn permuted_index(&self, purpose: &str, tweak: &[&[u8]], size: u32, index: u32) -> u32 {
        if size < 2 {
            return index;
        }
        let bits = (u32::BITS - (size - 1).leading_zeros()).next_multiple_of(2);
        let half = bits / 2;
        let mask = (1_u32 << half) - 1;
        let mut value = index;
        loop {
            let (mut left, mut right) = (value >> half, value & mask);
            for round in 0..ROUNDS {
                let parts = [&[round][..], &right.to_le_bytes()];
                let parts = [tweak, &parts].concat();
                let digest = self.key.digest(purpose, &parts);
                let draw = digest.first_chunk().copied().map_or(0, u32::from_le_bytes);
                (left, right) = (right, left ^ (draw & mask));
            }
            value = left << half | right;
            if value < size {
                return value;
            }
        }
    }

    /// Permutes the texts of the same shape as `text`.
    fn permuted(&self, purpose: &str, text: &[u8]) -> Vec<u8> {
        let signs = signs(text);
        let mut digits: Vec<u32> = Vec::new();
        let mut radices: Vec<u32> = Vec::new();
        // The shape is what stays.
        let mut shape = Vec::new();
        for sign in &signs {
            shape.extend(sign.base.to_le_bytes());
            shape.extend(sign.radix.to_le_bytes());
            if sign.radix > 1 {
                digits.push(sign.digit);
                radices.push(sign.radix);
            } else {
                shape.extend(sign.digit.to_le_bytes());
            }
        }
        // A cycle through all texts of the shape: the next one in the order that the key gives them.
        self.run_rounds(purpose, &shape, &radices, &mut digits, true);
        increment(&mut digits, &radices);
        self.run_rounds(purpose, &shape, &radices, &mut digits, false);
        let mut drawn = digits.into_iter();
        let mut out = Vec::with_capacity(text.len());
        for sign in signs {
            let digit = if sign.radix > 1 {
                drawn.next().unwrap_or_default()
            } else {
                sign.digit
            };
            sign.write(digit, &mut out);
        }
        out
    }

    /// Runs the rounds of a Feistel network over numbers in mixed radices, in either direction.
    fn run_rounds(
        &self,
        purpose: &str,
        shape: &[u8],
        radices: &[u32],
        digits: &mut [u32],
        forwards: bool,
    ) {
        let middle = digits.len() / 2;
        let (left_radices, right_radices) = radices.split_at(middle);
        for step in 0..ROUNDS {
            let round = if forwards { step } else { ROUNDS - 1 - step };
            let (left, right) = digits.split_at_mut(middle);
            let (changed, other, radices) = if round % 2 == 0 {
                (right, &*left, right_radices)
            } else {
                (left, &*right, left_radices)
            };
            let other: Vec<u8> = other.iter().flat_map(|digit| digit.to_le_bytes()).collect();
            let stream = self.stream(purpose, &[&[round], shape, &other], changed.len());
            for ((digit, radix), draw) in changed.iter_mut().zip(radices).zip(stream) {
                let draw = draw % radix;
                let draw = if forwards { draw } else { radix - draw };
                *digit = (*digit + draw) % radix;
            }
        }
    }

    /// Returns `count` numbers that depend on the key and `parts`.
    fn stream(&self, purpose: &str, parts: &[&[u8]], count: usize) -> Vec<u32> {
        let mut out = Vec::with_capacity(count + 8);
        for block in 0_u32.. {
            if out.len() >= count {
                break;
            }
            let block = block.to_le_bytes();
            let parts = [&[&block[..]], parts].concat();
            let digest = self.key.digest(purpose, &parts);
            let (words, _) = digest.as_chunks::<4>();
            out.extend(words.iter().map(|word| u32::from_le_bytes(*word)));
        }
        out.truncate(count);
        out
    }
}

/// One character of a text to permute: `base + digit`, with `digit` below `radix`.
#[derive(Clone, Copy)]
struct Sign {
    base: u32,
    radix: u32,
    digit: u32,
    is_upper: bool,
    /// A byte of a text that is not UTF-8.
    is_byte: bool,
}

impl Sign {
    fn write(self, digit: u32, out: &mut Vec<u8>) {
        let code = self.base + digit;
        if self.is_byte || code < 0x80 {
            let byte = u8::try_from(code).unwrap_or_default();
            out.push(if self.is_upper {
                byte.to_ascii_uppercase()
            } else {
                byte
            });
        } else if let Some(character) = char::from_u32(code) {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

/// Splits a text into characters, each within its range.
fn signs(text: &[u8]) -> Vec<Sign> {
    let mut out = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            let code = u32::from(character);
            let range = match character {
                'a'..='z' | 'A'..='Z' => (u32::from(b'a'), 26),
                '0'..='9' => (u32::from(b'0'), 10),
                _ => range_of(code),
            };
            let lower = u32::from(character.to_ascii_lowercase());
            out.push(Sign {
                base: range.0,
                radix: range.1,
                digit: lower.saturating_sub(range.0),
                is_upper: character.is_ascii_uppercase(),
                is_byte: false,
            });
        }
        for &byte in chunk.invalid() {
            let base = match byte {
                0x80..=0xbf => byte & 0xe0,
                0xc0..=0xdf => 0xc0,
                0xe0..=0xef => 0xe0,
                // Telnet bytes stay.
                _ => byte,
            };
            let radix = match byte {
                0x80..=0xdf => 32,
                0xe0..=0xef => 16,
                _ => 1,
            };
            out.push(Sign {
                base: base.into(),
                radix,
                digit: (byte - base).into(),
                is_upper: false,
                is_byte: true,
            });
        }
    }
    out
}

/// Returns the range of characters, all encoded with as many bytes, within which a character is permuted.
fn range_of(code: u32) -> (u32, u32) {
    for (from, to) in RANGES {
        if (*from..=*to).contains(&code) {
            return (*from, to - from + 1);
        }
    }
    (code, 1)
}

/// Adds 1 to a number in mixed radices; the largest becomes 0.
fn increment(digits: &mut [u32], radices: &[u32]) {
    for (digit, radix) in digits.iter_mut().zip(radices) {
        *digit += 1;
        if *digit < *radix {
            return;
        }
        *digit = 0;
    }
}

/// Returns the length of a part of a path without its extension.
fn stem_length(part: &[u8]) -> usize {
    if part.iter().all(|&byte| byte == b'.') {
        return 0;
    }
    // A version number of VMS stays with the extension, for commands mostly leave it out.
    let version = part.iter().rposition(|&byte| byte == b';');
    let version = version.filter(|at| part[at + 1..].iter().all(u8::is_ascii_digit));
    let part = &part[..version.unwrap_or(part.len())];
    let Some(dot) = part.iter().rposition(|&byte| byte == b'.') else {
        return part.len();
    };
    let extension = &part[dot + 1..];
    let is_extension = dot > 0
        && !extension.is_empty()
        && extension.len() <= EXTENSION
        && extension.iter().all(u8::is_ascii_alphanumeric);
    if is_extension { dot } else { part.len() }
}

/// Returns whether a range of a text is the extension of a name, which stays.
pub(super) fn is_extension(text: &[u8], range: std::ops::Range<usize>) -> bool {
    let behind = text.get(range.end).copied();
    range.start > 0
        && text[range.start - 1] == b'.'
        && range.len() <= EXTENSION
        && text[range].iter().all(u8::is_ascii_alphanumeric)
        && !behind.is_some_and(super::vocabulary::is_word_byte)
}

/// Returns the class of an octet: those of one class have as many digits and the same relation to all special ranges. One in
/// which a special range begins is alone in its class.
fn octet_class(before: &[u8], octet: u8) -> (usize, Vec<Relation>, Option<u8>) {
    let digits = octet.to_string().len();
    let relations: Vec<_> = SPECIAL_V4
        .iter()
        .map(|range| relation(before, octet, *range))
        .collect();
    // 0 and 255 at the end are networks and broadcasts.
    let is_end = before.len() == 3 && matches!(octet, 0 | 255);
    let is_alone = is_end || relations.contains(&Relation::Cuts);
    (digits, relations, is_alone.then_some(octet))
}

/// Relation of all addresses with a common beginning to a range.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Relation {
    Inside,
    Outside,
    /// The range is a part of them.
    Cuts,
}

fn relation(before: &[u8], octet: u8, (base, bits): ([u8; 4], u32)) -> Relation {
    let mut first = [0; 4];
    let mut last = [255; 4];
    for bound in [&mut first, &mut last] {
        bound[..before.len()].copy_from_slice(before);
        bound[before.len()] = octet;
    }
    let (first, last) = (u32::from_be_bytes(first), u32::from_be_bytes(last));
    let size = u32::MAX >> bits.min(31) >> bits.saturating_sub(31);
    let base = u32::from_be_bytes(base);
    let end = base | size;
    if last < base || first > end {
        Relation::Outside
    } else if first >= base && last <= end {
        Relation::Inside
    } else {
        Relation::Cuts
    }
}

/// Returns whether a group of an IPv6 address stays, since it makes the address one of a special kind.
fn is_special_group(before: &[u8], group: [u8; 2]) -> bool {
    let value = u16::from_be_bytes(group);
    match before {
        // Link-local and multicast; the ranges that 2001, 2002 and 64 begin.
        [] => matches!(value, 0xfe00..=0xffff | 0x2001 | 0x2002 | 0x0064 | 0),
        [0x20, 0x01] => matches!(value, 0x0db8 | 0),
        [0x00, 0x64] => matches!(value, 0xff9b | 0),
        _ => value == 0,
    }
}

/// Returns the octets of an IPv4 address.
fn v4_of(address: u128) -> Option<[u8; 4]> {
    let low = u32::try_from(address & 0xffff_ffff).ok()?;
    (address >> 32 == 0xffff).then(|| low.to_be_bytes())
}

/// Returns an address as text.
fn text_of(address: u128) -> Vec<u8> {
    match v4_of(address) {
        Some(octets) => std::net::Ipv4Addr::from(octets).to_string(),
        None => std::net::Ipv6Addr::from(address).to_string(),
    }
    .into_bytes()
}

const V4_MAPPED: u128 = 0xffff_0000_0000;
/// Prefix of addresses that translators make (RFC 6052 section 2.1), without the last 32 bits.
const NAT64: u128 = 0x0064_ff9b_0000_0000_0000_0000;
/// Ranges of IPv4 addresses with a meaning of their own (RFC 6890 and its registry), with the bits of their prefixes.
const SPECIAL_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),
    ([0, 0, 0, 0], 32),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
    ([255, 255, 255, 255], 32),
];
/// Ranges of characters that are permuted within: letters of a script or a group of scripts. Signs between them stay.
const RANGES: &[(u32, u32)] = &[
    (0xc0, 0x17f),
    (0x180, 0x36f),
    (0x370, 0x52f),
    (0x530, 0x7ff),
    (0x800, 0x1fff),
    (0x3040, 0x30ff),
    (0x3100, 0x4dff),
    (0x4e00, 0x9fff),
    (0xa000, 0xabff),
    (0xac00, 0xd7a3),
    (0xf900, 0xfaff),
    (0x1_f300, 0x1_faff),
    (0x2_0000, 0x2_ffff),
];
/// Labels of names that stay.
const RESERVED_LABELS: &[&[u8]] = &[
    b"",
    b"arpa",
    b"in-addr",
    b"ip6",
    b"local",
    b"localhost",
    b"_ftp",
    b"_tcp",
];
/// Longest extension of a file that stays.
const EXTENSION: usize = 8;
const ROUNDS: u8 = 8;
const ATTEMPTS: u32 = 1000;
/// Addresses whose replacements are remembered.
const REMEMBERED: usize = 1 << 20;
/// Beginnings of IPv4 addresses whose tables are remembered.
const TABLES: usize = 1 << 16;
/// Replacements recorded for the mapping file.
const MAPPED: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::Endpoint;

    fn substitution() -> Substitution {
        Substitution::new(RedactionKey::new([7; 32]))
    }

    fn v4(octets: [u8; 4]) -> [u8; 4] {
        let address = substitution().address(Endpoint::v4(octets, 0).address);
        v4_of(address).expect("IPv4 stays IPv4")
    }

    #[test]
    fn ipv4_addresses_keep_digits_prefixes_and_kind() {
        let substitution = substitution();
        let mut seen = BTreeSet::new();
        for third in [0_u8, 5, 17, 200] {
            for last in 0..=255 {
                for (first, second) in
                    [(10, 0), (172, 20), (192, 168), (8, 8), (100, 70), (198, 51)]
                {
                    let old = [first, second, third, last];
                    let new = substitution.address(Endpoint::v4(old, 0).address);
                    let new = v4_of(new).expect("IPv4 stays IPv4");
                    assert_eq!(
                        old.map(|octet| octet.to_string().len()),
                        new.map(|octet| octet.to_string().len())
                    );
                    for range in SPECIAL_V4 {
                        let of = |octets: [u8; 4]| relation(&octets[..3], octets[3], *range);
                        assert!(of(old) == of(new), "{old:?} {new:?}");
                    }
                    assert!(seen.insert(new), "{old:?}");
                }
            }
        }
        assert_eq!(v4([10, 1, 2, 3])[..2], v4([10, 1, 77, 9])[..2]);
        assert_eq!(v4([127, 0, 0, 1])[0], 127);
        assert_eq!(v4([0, 0, 0, 0]), [0, 0, 0, 0]);
        assert_eq!(v4([255, 255, 255, 255]), [255, 255, 255, 255]);
    }

    #[test]
    fn ipv6_addresses_keep_zeros_digits_and_kind() {
        let substitution = substitution();
        for old in [
            "2001:db8::10",
            "fe80::1ff:fe23:4567:890a",
            "fd12:3456:789a:1::1",
            "2a00:1450:4001:80b::200e",
            "ff02::1:ff00:5",
            "64:ff9b::c000:221",
        ] {
            let old: std::net::Ipv6Addr = old.parse().expect("an address");
            let new = std::net::Ipv6Addr::from(substitution.address(u128::from(old)));
            for (old, new) in old.segments().iter().zip(new.segments()) {
                assert_eq!(*old == 0, new == 0);
            }
            if old.segments()[0] != 0x64 {
                assert_eq!(old.to_string().len(), new.to_string().len(), "{old} {new}");
            }
            assert_ne!(old, new);
            assert_eq!(old.is_multicast(), new.is_multicast());
            assert_eq!(old.is_unicast_link_local(), new.is_unicast_link_local());
            assert_eq!(old.is_unique_local(), new.is_unique_local());
        }
        assert_eq!(substitution.address(1), 1);
    }

    #[test]
    fn parts_of_paths_keep_their_shape_and_stay_distinct() {
        let substitution = substitution();
        let mut seen = BTreeSet::new();
        for a in b'a'..=b'z' {
            for b in b'a'..=b'z' {
                let new = substitution.part(&[a, b, b'.', b'g', b'z']);
                assert!(new.ends_with(b".gz") && new[..2] != [a, b]);
                assert!(seen.insert(new));
            }
        }
        let new = substitution.part("Übersicht 2026.tar.gz".as_bytes());
        let new = String::from_utf8(new).expect("UTF-8 stays UTF-8");
        assert!(
            new.ends_with("gz") && new.len() == "Übersicht 2026.tar.gz".len(),
            "{new}"
        );
        assert_eq!(substitution.part(b".."), b"..");
        let upper = substitution.part(b"README.TXT").to_ascii_lowercase();
        assert_eq!(upper[..6], substitution.part(b"readme.txt")[..6]);
    }

    #[test]
    fn hardware_addresses_keep_group_and_local_bits() {
        let substitution = substitution();
        let broadcast = [255; 6];
        assert_eq!(substitution.hardware(broadcast), broadcast);
        let one = substitution.hardware([0x02, 1, 2, 3, 4, 5]);
        let other = substitution.hardware([0x02, 1, 2, 9, 9, 9]);
        assert_eq!(one[..3], other[..3]);
        assert_eq!(one[0] & 3, 2);
        assert_ne!(one[3..], other[3..]);
    }

    #[test]
    fn users_become_letters_and_no_other_user() {
        let mut substitution = substitution();
        let users: Vec<Vec<u8>> = (b'a'..=b'z').map(|letter| vec![letter, b'1']).collect();
        substitution.draw_users(users.iter().map(Vec::as_slice));
        let drawn: BTreeSet<_> = users.iter().map(|user| substitution.user(user)).collect();
        assert_eq!(drawn.len(), users.len());
        assert!(drawn.iter().flatten().all(u8::is_ascii_lowercase));
        assert!(users.iter().all(|user| !drawn.contains(user)));
    }
}
