use super::*;
use crate::model::Timestamp;

fn frame(number: u64, millis: i64) -> FrameRef {
    FrameRef {
        number,
        time: Timestamp::from_parts(1_700_000_000, 0).plus(Span::from_millis(millis)),
        ..FrameRef::default()
    }
}

fn part(identification: u32, offset: u32, more: bool) -> FragmentInfo {
    FragmentInfo {
        identification,
        offset,
        more,
        v6: false,
    }
}

struct Store {
    defragmenter: Defragmenter,
    buffer: Vec<u8>,
    number: u64,
}

impl Store {
    fn new(limits: &Limits) -> Self {
        Self {
            defragmenter: Defragmenter::new(limits),
            buffer: Vec::new(),
            number: 0,
        }
    }

    /// Adds a fragment. Returns the datagram if it is complete now.
    fn add(&mut self, at: FragmentInfo, data: &[u8], millis: i64) -> Option<Vec<u8>> {
        self.number += 1;
        let bytes = WireBytes { data, cut: 0 };
        let frame = frame(self.number, millis);
        let (defragmenter, buffer) = (&mut self.defragmenter, &mut self.buffer);
        let added = defragmenter.add(frame, Addresses::default(), 6, at, bytes, buffer);
        added.ok().map(|_| self.buffer.clone())
    }
}

#[test]
fn overlap_keeps_the_first_bytes_and_is_warned_about() {
    let mut store = Store::new(&Limits::default());
    assert_eq!(store.add(part(1, 8, true), b"BBBBBBBB", 0), None);
    assert_eq!(store.add(part(1, 0, true), b"aaaaaaaaaaaaaaaa", 0), None);
    let whole = store.add(part(1, 16, false), b"CC", 0);
    assert_eq!(whole.as_deref(), Some(&b"aaaaaaaaBBBBBBBBCC"[..]));
    let warnings = store.defragmenter.warnings();
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].frame.map(|frame| frame.number), Some(2));
}

#[test]
fn fragment_that_contradicts_the_end_is_ignored() {
    let mut store = Store::new(&Limits::default());
    assert_eq!(store.add(part(1, 8, false), b"end", 0), None);
    assert_eq!(store.add(part(1, 16, true), b"beyond!!", 0), None);
    assert_eq!(store.add(part(1, 16, false), b"other", 0), None);
    let whole = store.add(part(1, 0, true), b"begin...", 0);
    assert_eq!(whole.as_deref(), Some(&b"begin...end"[..]));
    assert_eq!(store.defragmenter.warnings()[0].count, 2);
}

#[test]
fn second_copies_of_all_fragments_begin_no_second_datagram() {
    let mut store = Store::new(&Limits::default());
    assert_eq!(store.add(part(1, 0, true), b"12345678", 0), None);
    assert_eq!(store.add(part(1, 0, true), b"12345678", 0), None);
    assert!(store.add(part(1, 8, false), b"9", 1).is_some());
    assert_eq!(store.add(part(1, 8, false), b"9", 1), None);
    assert_eq!(store.defragmenter.warnings(), []);
    // Later the same identification belongs to another datagram.
    assert_eq!(store.add(part(1, 8, false), b"!", 500), None);
    let whole = store.add(part(1, 0, true), b"abcdefgh", 500);
    assert_eq!(whole.as_deref(), Some(&b"abcdefgh!"[..]));
}

#[test]
fn oldest_datagrams_are_evicted_at_the_memory_limit() {
    let limits = Limits {
        fragment_bytes: 10_000,
        ..Limits::default()
    };
    let mut store = Store::new(&limits);
    for identification in 0..1000 {
        assert_eq!(store.add(part(identification, 0, true), &[7; 64], 0), None);
        assert!(store.defragmenter.held_bytes <= 10_000);
    }
    assert_eq!(
        store.defragmenter.partial.len(),
        store.defragmenter.by_key.len()
    );
    let memory: usize = store
        .defragmenter
        .partial
        .values()
        .map(PartialDatagram::memory)
        .sum();
    assert_eq!(store.defragmenter.held_bytes, memory);
    // The newest are still there.
    assert!(store.add(part(999, 64, false), b"end", 0).is_some());
    let warnings = store.defragmenter.warnings();
    assert_eq!(warnings[1].code, WarningCode::LimitReached);
    assert_eq!(warnings[1].frame.map(|frame| frame.number), Some(1));
}

#[test]
fn fragments_with_impossible_lengths_are_malformed() {
    let mut store = Store::new(&Limits::default());
    assert_eq!(store.add(part(1, 65_528, false), b"12345678", 0), None);
    assert_eq!(store.defragmenter.partial.len(), 0);
    assert_eq!(store.add(part(1, 0, true), b"", 0), None);
    assert_eq!(store.add(part(1, 0, true), b"1234567", 0), None);
    assert_eq!(store.defragmenter.partial.len(), 0);
    assert_eq!(store.add(part(1, 65_520, false), b"12345678", 0), None);
    assert_eq!(store.defragmenter.partial.len(), 1);
}

#[test]
fn random_fragments_equal_a_model_in_which_the_first_byte_wins() {
    let mut seed = 1_u32;
    let mut random = move |below: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % below
    };
    for round in 0..300 {
        let mut store = Store::new(&Limits::default());
        let mut naive = [None; 64];
        let mut done = false;
        for index in 0..100_u8 {
            let from = random(8);
            let to = from + 1 + random(8 - from);
            let data = vec![index; (to - from) as usize * 8];
            for place in naive
                .iter_mut()
                .take(to as usize * 8)
                .skip(from as usize * 8)
            {
                place.get_or_insert(index);
            }
            let whole = store.add(part(round, from * 8, to < 8), &data, 0);
            let expected: Option<Vec<u8>> = naive.iter().copied().collect();
            assert_eq!(whole, expected, "round {round}, fragment {index}");
            if whole.is_some() {
                done = true;
                break;
            }
        }
        assert!(done, "round {round}");
    }
}
