//! A second look at a redacted file: whether a value still stands where it stood.
//!
//! The written file is read as any capture. Its control streams have the same offsets as the captured ones, so that a text that
//! is there by chance, as a part of a replacement, is no finding: only one that stands in both at the same place is.

use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::streams::Half;
use super::text::{CommandPlaces, Rewriter, name_in_listing, reply_text};
use super::vocabulary::Vocabulary;
use super::{Class, ConnectionPlan, Redaction, StreamCollector};
use crate::model::streams::PartKind;
use crate::model::{Endpoint, FlowKey};

/// A value that still stands in a redacted file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// First frame of its connection, in the redacted file.
    pub first_frame: u64,
    /// Class of the value.
    pub class: Class,
}

impl Redaction {
    /// Returns the values that still stand in the control connections of a redacted file, as they are, in base64 or
    /// percent-encoded.
    #[must_use]
    pub fn leaks(&self, written: StreamCollector) -> BTreeSet<Leak> {
        // Connections between the same end points are matched by their order.
        let mut plans: HashMap<FlowKey, Vec<(u64, &ConnectionPlan)>> = HashMap::new();
        for (first, plan) in &self.plans {
            if let Some(key) = plan.key.filter(|_| plan.is_control) {
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
            let Some(key) = connection.key.filter(|_| connection.control_of.is_some()) else {
                continue;
            };
            let plan = plans.get_mut(&key).and_then(Vec::pop);
            for (index, half) in connection.halves.iter().enumerate() {
                let original = plan.and_then(|(_, plan)| {
                    // The order of both ends may be another one.
                    let [low, _] = plan.key.map(|key| self.replaced_ends(key))?;
                    let index = if low == key.low { index } else { 1 - index };
                    plan.halves[index].as_ref()
                });
                let original = original.map(|stream| stream.original.as_slice());
                let original = original.filter(|bytes| bytes.len() == half.bytes.len());
                self.rewriter
                    .leaks_in(half, original, &encoded, &mut |class| {
                        leaks.insert(Leak { first_frame, class });
                    });
            }
        }
        leaks
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
            for vocabulary in [self.vocabulary(), encoded] {
                for at in begin..line.len() {
                    let Some((length, class)) = vocabulary.find(line, at) else {
                        continue;
                    };
                    let range = at..at + length;
                    let stood = match before {
                        Some(before) => before[range.clone()] == line[range.clone()],
                        None => class == Class::Passwords,
                    };
                    // Hidden secrets are values of their own in the redacted file.
                    let is_hidden = line[range].iter().all(|byte| *byte == b'x');
                    if stood && !is_hidden && !(is_listing && class == Class::Paths) {
                        found(class);
                    }
                }
            }
        });
    }
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
