//! Lines of a log that stand in it because a name on the wire holds them.
//!
//! A name with a line end makes two lines of one: `MKD a<LF>Mon Nov 30 ...` or `USER x<NUL>[I 2026-11-30 ...`. Servers that write
//! names as they are then write a line that the client made up. Its text begins as the part of the name behind the line end; where
//! LF ends the command for the capture's reader, that part is a command of its own. Such a line claims nothing.

use std::collections::{BTreeMap, HashMap};

use super::matching::Held;
use super::wire::Wire;

/// Parts of names on the wire that may be lines of a log, with the number of their occurrences, by length.
#[derive(Debug, Default)]
pub(super) struct Injections {
    parts: BTreeMap<usize, HashMap<Vec<u8>, usize>>,
}

impl Injections {
    /// Collects the parts.
    #[must_use]
    pub(super) fn new(wire: &Wire) -> Self {
        let mut parts: BTreeMap<usize, HashMap<Vec<u8>, usize>> = BTreeMap::new();
        for part in &wire.line_parts {
            let of_length = parts.entry(part.len()).or_default();
            *of_length.entry(part.clone()).or_default() += 1;
        }
        // Every length costs a search for each line.
        while parts.len() > MAX_LENGTHS {
            parts.pop_first();
        }
        Self { parts }
    }

    /// Returns the longest part that a line begins with; `None` for other lines.
    #[must_use]
    pub(super) fn part_of(&self, text: &str) -> Option<Vec<u8>> {
        if self.parts.is_empty() {
            return None;
        }
        let line = normal(text.as_bytes());
        let mut by_length = self.parts.iter().rev();
        by_length.find_map(|(length, parts)| {
            let start = line.get(..*length)?;
            parts.contains_key(start).then(|| start.to_vec())
        })
    }

    /// Marks the injected lines among those of one log.
    ///
    /// A part explains as many lines as it occurs; others with the same text are genuine. Lines behind one without a claim, which
    /// may be the first half of the name, are taken first, then later ones.
    pub(super) fn mark(&self, held: &mut [Held]) {
        if self.parts.is_empty() {
            return;
        }
        let mut found: HashMap<(u32, Vec<u8>), Vec<usize>> = HashMap::new();
        for (at, held) in held.iter().enumerate() {
            if let Some(part) = self.part_of(&held.claim.text) {
                found.entry((held.log, part)).or_default().push(at);
            }
        }
        for ((_, part), mut lines) in found {
            let of_length = self.parts.get(&part.len());
            let count = of_length.and_then(|parts| parts.get(&part));
            lines.sort_by_key(|&at| {
                let held = held.get(at);
                held.map(|held| (!held.follows_other, std::cmp::Reverse(held.claim.line)))
            });
            for at in lines.into_iter().take(count.copied().unwrap_or(0)) {
                if let Some(held) = held.get_mut(at) {
                    held.is_injected = true;
                }
            }
        }
    }
}

/// Returns the parts of an argument behind line ends that may be lines of a log.
pub(super) fn parts(argument: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let parts = argument.split(|byte| matches!(byte, 0 | b'\r' | b'\n'));
    parts.skip(1).filter_map(line_part)
}

/// Returns a text in the form that is compared; `None` for one too short to be a line of a log.
pub(super) fn line_part(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    let text = text.get(..LONGEST).unwrap_or(text);
    (text.len() >= SHORTEST).then(|| normal(text))
}

/// Returns true for a command that is none: it may be the second half of a name.
pub(super) fn is_no_command(verb: &str) -> bool {
    let is_verb =
        matches!(verb.len(), 3 | 4) && verb.bytes().all(|byte| byte.is_ascii_alphabetic());
    !is_verb || DATES.iter().any(|name| verb.eq_ignore_ascii_case(name))
}

/// Lowers letters, and makes all that logs replace the same.
fn normal(text: &[u8]) -> Vec<u8> {
    let kept = |byte: &u8| match byte {
        byte if byte.is_ascii_alphanumeric() => byte.to_ascii_lowercase(),
        _ => b'_',
    };
    text.trim_ascii_start().iter().map(kept).collect()
}

/// Words that lines with a date begin with, as long as verbs.
const DATES: [&str; 19] = [
    "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Jan", "Feb", "Mar", "Apr", "May", "Jun",
    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Bytes of a part: no line of a log is shorter.
const SHORTEST: usize = 20;

/// Bytes of a part that are compared.
const LONGEST: usize = 512;

/// Lengths of parts that are searched for.
const MAX_LENGTHS: usize = 64;

/// Parts that are kept.
pub(super) const MAX_PARTS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_of_a_name_begins_the_line_that_a_server_makes_of_it() {
        let name = b"a\nMon Nov 30 10:00:00 2026 1 192.0.2.9 5 /x b _ o r mira ftp 0 * c";
        let wire = Wire {
            line_parts: parts(name).collect(),
            ..Wire::default()
        };
        let injections = Injections::new(&wire);
        let line = "Mon Nov 30 10:00:00 2026 1 192.0.2.9 5 /x b _ o r mira ftp 0 * c";
        assert!(injections.part_of(line).is_some());
        assert!(
            injections
                .part_of(&format!("{line} b _ i r mira ftp 0 * c"))
                .is_some()
        );
        assert!(injections.part_of(&line.replace("/x", "/y")).is_none());
    }

    #[test]
    fn commands_are_not_taken_for_halves_of_names() {
        assert!(!is_no_command("RETR") && !is_no_command("MKD"));
        assert!(is_no_command("[I") && is_no_command("MON") && is_no_command("192.0.2.9"));
    }
}
