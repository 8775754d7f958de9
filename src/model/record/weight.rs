//! How much memory records take, so that what is kept of open sessions can be bounded.

use std::mem::size_of;

use compact_str::CompactString;

use super::{Command, ListingEntry, Reply, Step, Transfer};

/// What takes memory.
pub trait Weight {
    /// Bytes it takes, near enough: its own, and those it points to with the allocator's share.
    fn weight(&self) -> usize;
}

impl Weight for Step {
    fn weight(&self) -> usize {
        size_of::<Self>()
            + text(&self.title)
            + option(self.directory.as_ref())
            + option(self.directory_b64.as_ref())
            + list(&self.commands)
    }
}

impl Weight for Command {
    fn weight(&self) -> usize {
        size_of::<Self>()
            + text(&self.verb)
            + option(self.verb_b64.as_ref())
            + option(self.argument.as_ref())
            + option(self.argument_b64.as_ref())
            + list(&self.replies)
    }
}

impl Weight for Reply {
    fn weight(&self) -> usize {
        size_of::<Self>()
            + texts(&self.lines)
            + self.lines_b64.as_ref().map_or(0, texts)
            + list(&self.preliminary)
    }
}

impl Weight for Transfer {
    fn weight(&self) -> usize {
        let options = [
            &self.argument,
            &self.argument_b64,
            &self.path,
            &self.path_b64,
            &self.name,
            &self.name_b64,
            &self.sha256,
            &self.md5,
            &self.sha1,
            &self.media_type,
            &self.saved_as,
        ];
        let connection = self.connection.as_ref();
        size_of::<Self>()
            + text(&self.verb)
            + options
                .map(|one| option(one.as_ref()))
                .iter()
                .sum::<usize>()
            + connection.map_or(0, |connection| text(&connection.community_id))
            + self.missing_ranges.capacity() * size_of::<[u64; 2]>()
            + texts(&self.evidence)
            + list(&self.entries)
    }
}

impl Weight for ListingEntry {
    fn weight(&self) -> usize {
        let options = [
            &self.modified,
            &self.permissions,
            &self.owner,
            &self.group,
            &self.target,
        ];
        size_of::<Self>()
            + short_text(&self.name)
            + text(&self.raw)
            + option(self.name_b64.as_ref())
            + options
                .iter()
                .filter_map(|one| one.as_ref().map(short_text))
                .sum::<usize>()
    }
}

fn list<T: Weight>(values: &Vec<T>) -> usize {
    let unused = values.capacity().saturating_sub(values.len());
    heap(unused.saturating_mul(size_of::<T>())) + values.iter().map(T::weight).sum::<usize>()
}

fn texts(values: &Vec<String>) -> usize {
    let list = heap(values.capacity().saturating_mul(size_of::<String>()));
    list + values.iter().map(text).sum::<usize>()
}

fn option(value: Option<&String>) -> usize {
    value.map_or(0, text)
}

fn text(value: &String) -> usize {
    heap(value.capacity())
}

fn short_text(value: &CompactString) -> usize {
    if value.is_heap_allocated() {
        heap(value.capacity())
    } else {
        0
    }
}

fn heap(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { bytes + ALLOCATOR }
}

/// What an allocation takes beside its bytes: its length, and what rounds it up.
const ALLOCATOR: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::example_session;

    #[test]
    fn what_a_record_points_to_counts() {
        let session = example_session();
        let mut step = Step::clone(&session.steps[0]);
        let before = step.weight();
        assert!(before >= size_of::<Step>());
        step.title.push_str(&"x".repeat(10_000));
        assert!(step.weight() >= before + 10_000);
        let mut listing = Transfer::clone(&session.transfers[0]);
        let before = listing.weight();
        let entry = listing.entries[0].clone();
        let one = entry.weight();
        listing.entries.push(entry);
        assert!(listing.weight() >= before + one);
    }
}
