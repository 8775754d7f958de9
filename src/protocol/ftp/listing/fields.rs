//! The words of a line, with their places.

/// The first words of a line.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    line: &'a [u8],
    words: [&'a [u8]; WORDS_MAX],
    /// Where each word ends.
    ends: [usize; WORDS_MAX],
    count: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn new(line: &'a [u8]) -> Self {
        let mut fields = Self {
            line,
            words: [&[]; WORDS_MAX],
            ends: [0; WORDS_MAX],
            count: 0,
        };
        let mut at = 0;
        for (word, end) in fields.words.iter_mut().zip(&mut fields.ends) {
            let rest = line.get(at..).unwrap_or_default();
            let Some(begin) = rest.iter().position(|byte| !is_space(*byte)) else {
                break;
            };
            let rest = &rest[begin..];
            let length = rest
                .iter()
                .position(|byte| is_space(*byte))
                .unwrap_or(rest.len());
            *word = &rest[..length];
            at += begin + length;
            *end = at;
            fields.count += 1;
        }
        fields
    }

    /// Word number `index`, from 0; empty where there is none.
    pub(super) fn word(&self, index: usize) -> &'a [u8] {
        self.words.get(index).copied().unwrap_or_default()
    }

    /// How many words there are, up to a bound.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// What follows word number `index`, with all spaces.
    pub(super) fn after(&self, index: usize) -> &'a [u8] {
        let end = self.ends.get(index).copied().unwrap_or(self.line.len());
        self.line.get(end..).unwrap_or_default()
    }

    /// What follows word number `index` and one space: a name, which may begin with more of them.
    pub(super) fn name_after(&self, index: usize) -> &'a [u8] {
        let rest = self.after(index);
        rest.strip_prefix(b" ").unwrap_or(rest)
    }

    /// How many spaces stand before word number `index`.
    pub(super) fn gap_before(&self, index: usize) -> usize {
        let begin = |index: usize| self.ends.get(index)?.checked_sub(self.word(index).len());
        let end = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before));
        begin(index)
            .unwrap_or_default()
            .saturating_sub(end.copied().unwrap_or_default())
    }

    /// From word number `first` to before word number `end`, as it stands; `None` for no words.
    pub(super) fn span(&self, first: usize, end: usize) -> Option<&'a [u8]> {
        if first >= end {
            return None;
        }
        let from = self.ends.get(first)?.checked_sub(self.word(first).len())?;
        self.line.get(from..*self.ends.get(end - 1)?)
    }
}

/// A number of digits only.
pub(in crate::protocol::ftp) fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0_u64, |total, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        total.checked_mul(10)?.checked_add(digit)
    })
}

/// A number that may have separators between its thousands.
pub(super) fn size(word: &[u8]) -> Option<u64> {
    let mut total = 0_u64;
    for (index, group) in word
        .split(|byte| matches!(byte, b',' | b'.' | b'\''))
        .enumerate()
    {
        let value = number(group)?;
        if index == 0 {
            total = value;
        } else if group.len() == 3 {
            total = total.checked_mul(1000)?.checked_add(value)?;
        } else {
            return None;
        }
    }
    Some(total)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n')
}

/// More words than any form has before the name.
const WORDS_MAX: usize = 20;
