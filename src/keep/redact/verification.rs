//! A second look at a redacted file: whether a value still stands where it stood.
//!
//! The written file is read as any capture. Its control streams have the same offsets as the captured ones, so that a text that
//! is there by chance, as a part of a replacement, is no finding: only one that stands in both at the same place is.
//!
//! Data connections are looked into only where their content is replaced, and a segment of which nothing but full stops and line
//! ends is left needs no look: nearly all of a large file is passed over packet by packet.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::{ControlFlow, Range};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use foldhash::fast::RandomState;

use super::streams::{Connection, Half};
use super::substitution::is_extension;
use super::text::{CommandPlaces, Rewriter, grammar_numbers, name_in_listing, reply_text};
use super::vocabulary::Vocabulary;
use super::{Class, ConnectionPlan, Redaction, StreamCollector};
use crate::capture::{Input, Packet, PacketSource, SkippedPackets};
use crate::decode::{Decoded, Decoder};
use crate::model::record::Capture;
use crate::model::streams::PartKind;
use crate::model::{Endpoint, FlowKey, Limits};

/// A value that still stands in a redacted file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// First frame of its connection, in the redacted file.
    pub first_frame: u64,
    /// Class of the value.
    pub class: Class,
}

/// The packets of a redacted file that may hold a value.
pub struct Suspects<'s> {
    source: &'s mut dyn PacketSource,
    decoder: Decoder,
    control: HashSet<FlowKey, RandomState>,
    data: HashSet<FlowKey, RandomState>,
    /// Data connections have replaced content.
    hides_content: bool,
}

impl<'s> Suspects<'s> {
    /// Creates a source that passes over packets of a redacted file in which `redaction` left nothing to find.
    #[must_use]
    pub fn new(source: &'s mut dyn PacketSource, redaction: &Redaction) -> Self {
        let keys = |is_control| {
            let plans = redaction.plans.values();
            let keys = plans.filter(move |plan| plan.is_control == is_control);
            keys.filter_map(|plan| {
                let [low, high] = redaction.replaced_ends(plan.key?);
                Some(FlowKey::new(low, high).0)
            })
            .collect()
        };
        Self {
            source,
            decoder: Decoder::new(&Limits::default()),
            control: keys(true),
            data: keys(false),
            hides_content: redaction.classes.has(Class::Content),
        }
    }
}

impl PacketSource for Suspects<'_> {
    fn for_each(&mut self, deliver: &mut dyn FnMut(Input<'_>) -> ControlFlow<()>) {
        let Self {
            source,
            decoder,
            control,
            data,
            hides_content,
        } = self;
        let mut is_suspect = |packet: &Packet<'_>| {
            let Decoded::Segment(segment) = decoder.decode(packet) else {
                return true;
            };
            let (key, _) = FlowKey::new(segment.source, segment.destination);
            if control.contains(&key) || !data.contains(&key) {
                return true;
            }
            *hides_content && !is_hidden(segment.payload)
        };
        source.for_each(&mut |input| match &input {
            Input::Packet(packet) if !is_suspect(packet) => ControlFlow::Continue(()),
            _ => deliver(input),
        });
    }

    fn captures(&self) -> Vec<Capture> {
        self.source.captures()
    }

    fn skipped(&self) -> SkippedPackets {
        self.source.skipped()
    }
}

impl Redaction {
    /// Returns the values that still stand in the connections of a redacted file, as they are, in base64 or percent-encoded; in
    /// data connections only if their content is replaced.
    #[must_use]
    pub fn leaks(&self, written: StreamCollector) -> BTreeSet<Leak> {
        // Connections between the same end points are matched by their order.
        let mut plans: HashMap<FlowKey, Vec<(u64, &ConnectionPlan)>> = HashMap::new();
        for (first, plan) in &self.plans {
            if let Some(key) = plan.key {
                let [low, high] = self.replaced_ends(key);
                let key = FlowKey::new(low, high).0;
                plans.entry(key).or_default().push((*first, plan));
            }
        }
        for list in plans.values_mut() {
            list.sort_by_key(|(first, _)| std::cmp::Reverse(*first));
        }
        let encoded = self.rewriter.encoded();
        let mut found: Vec<_> = written.into_connections().into_iter().collect();
        found.sort_by_key(|(first, _)| *first);
        let mut leaks = BTreeSet::new();
        for (first_frame, connection) in found {
            let Some(key) = connection.key else {
                continue;
            };
            let plan = plans.get_mut(&key).and_then(Vec::pop);
            if connection.control_of.is_none() && !self.classes.has(Class::Content) {
                continue;
            }
            self.leaks_of(
                &connection,
                plan.map(|(_, plan)| plan),
                &encoded,
                &mut |class| {
                    leaks.insert(Leak { first_frame, class });
                },
            );
        }
        leaks
    }

    fn leaks_of(
        &self,
        connection: &Connection,
        plan: Option<&ConnectionPlan>,
        encoded: &Vocabulary,
        found: &mut dyn FnMut(Class),
    ) {
        let is_encrypted = plan.is_some_and(|plan| plan.is_encrypted);
        for (index, half) in connection.halves.iter().enumerate() {
            let original = plan.and_then(|plan| {
                // The order of both ends may be another one.
                let [low, _] = plan.key.map(|key| self.replaced_ends(key))?;
                let index = if Some(low) == connection.key.map(|key| key.low) {
                    index
                } else {
                    1 - index
                };
                plan.halves[index].as_ref()
            });
            let original = original.map(|stream| stream.original.as_slice());
            let original = original.filter(|bytes| bytes.len() == half.bytes.len());
            if connection.control_of.is_some() {
                self.rewriter.leaks_in(half, original, encoded, found);
            } else if !is_encrypted {
                let bytes = half.prelude()..half.bytes.len();
                self.rewriter
                    .leaks_between(&half.bytes, bytes, original, encoded, &mut |class| {
                        // Names in listings are replaced line by line, and keep their extensions.
                        if class != Class::Paths {
                            found(class);
                        }
                    });
            }
        }
    }

    fn replaced_ends(&self, key: FlowKey) -> [Endpoint; 2] {
        [key.low, key.high].map(|end| self.endpoint(end))
    }
}

impl Rewriter {
    /// Returns the encoded forms of all values.
    fn encoded(&self) -> Vocabulary {
        let mut encoded = Vocabulary::default();
        for class in Class::ALL {
            for value in self.vocabulary().of(class) {
                for form in encoded_forms(value) {
                    encoded.add(&form, class);
                }
            }
        }
        encoded
    }

    /// Calls `found` for each value that stands in a stream, and stood at the same place in `original`. Without `original` a
    /// password counts anywhere.
    fn leaks_in(
        &self,
        half: &Half,
        original: Option<&[u8]>,
        encoded: &Vocabulary,
        found: &mut dyn FnMut(Class),
    ) {
        half.each_place(&mut |place, kind| {
            let line = &half.bytes[place.clone()];
            let mut is_listing = false;
            let begin = match kind {
                Some(PartKind::Encrypted | PartKind::Prelude) => return,
                Some(PartKind::Command {
                    argument, shown, ..
                }) => CommandPlaces::of(line, argument, shown, true).argument,
                Some(PartKind::Reply) => {
                    is_listing = name_in_listing(line.trim_ascii_end()).is_some();
                    reply_text(line)
                }
                Some(PartKind::Unread) | None => 0,
            };
            let before = original.map(|bytes| &bytes[place]);
            let mut end = begin;
            let kept = grammar_numbers(line).into_iter();
            for numbers in kept.chain(std::iter::once(line.len()..line.len())) {
                let between = end..numbers.start.max(end);
                end = numbers.end.max(end);
                self.leaks_between(line, between, before, encoded, &mut |class| {
                    if !(is_listing && class == Class::Paths) {
                        found(class);
                    }
                });
            }
        });
    }

    /// Calls `found` for each value in `text[range]` that stood at the same place in `before`. Without `before` a password counts
    /// anywhere.
    fn leaks_between(
        &self,
        text: &[u8],
        range: Range<usize>,
        before: Option<&[u8]>,
        encoded: &Vocabulary,
        found: &mut dyn FnMut(Class),
    ) {
        let stood = |at: usize| before.is_none_or(|before| before[at] == text[at]);
        let mut at = range.start;
        while at < range.end {
            if !stood(at) {
                at += 1;
                continue;
            }
            let end = (at..range.end).find(|at| !stood(*at)).unwrap_or(range.end);
            for vocabulary in [self.vocabulary(), encoded] {
                for one in vocabulary.occurrences(text, at..end) {
                    let value = &text[one.from..one.to];
                    // Hidden secrets are values of their own in the redacted file.
                    let is_hidden = value.iter().all(|byte| *byte == b'x');
                    let counts = before.is_some() || one.class == Class::Passwords;
                    let stays = one.class == Class::Paths && is_extension(text, one.from..one.to);
                    if counts && !is_hidden && !stays {
                        found(one.class);
                    }
                }
            }
            at = end;
        }
    }
}

/// Returns whether a payload holds nothing but what replaces content. A comma is in place of a full stop where copies of a byte
/// differed.
fn is_hidden(payload: &[u8]) -> bool {
    let is_other = |byte: &u8| !matches!(byte, b'.' | b',' | b'\r' | b'\n');
    // Whole chunks without an early end are compared many bytes at once.
    let is_hidden = |chunk: &[u8]| {
        chunk
            .iter()
            .fold(0, |any, byte| any | u8::from(is_other(byte)))
            == 0
    };
    payload.chunks(128).all(is_hidden)
}

/// Returns a value in base64 without its padding, and percent-encoded.
pub(super) fn encoded_forms(value: &[u8]) -> [Vec<u8>; 2] {
    let base64 = STANDARD.encode(value);
    let base64 = base64.trim_end_matches('=').as_bytes().to_vec();
    let percent = value
        .iter()
        .flat_map(|byte| format!("%{byte:02X}").into_bytes());
    [base64, percent.collect()]
}
