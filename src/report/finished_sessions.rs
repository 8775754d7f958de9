//! Sessions of a report that is one document, kept as the text they will be until the input ends.
//!
//! A finished session does not change any more, but sessions stand by id, and totals before them: nothing can be written
//! yet. Its text takes a fraction of the memory of its records, and beyond a bound it goes into a file.

use std::io::{self, Write};

use super::spooled_text::SpooledText;

/// Texts of sessions, by id.
#[derive(Debug)]
pub struct FinishedSessions {
    places: Vec<Place>,
    text: SpooledText,
    /// Why texts could not be kept, where they could not.
    error: Option<io::Error>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    id: u64,
    offset: u64,
    length: u64,
}

/// Where the text of one session goes, in pieces: one long session does not stand in memory as a whole either.
#[derive(Debug)]
pub struct SessionText<'a>(&'a mut SpooledText);

impl Write for SessionText<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl FinishedSessions {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::within(KEPT_IN_MEMORY)
    }

    /// Nothing yet; texts go into a file once they take `bound` bytes.
    #[must_use]
    pub fn within(bound: usize) -> Self {
        Self {
            places: Vec::new(),
            text: SpooledText::new(bound),
            error: None,
        }
    }

    /// Keeps what `write` makes of the session with this id. An error is kept and comes out of [`write`](Self::write).
    pub fn push(&mut self, id: u64, write: impl FnOnce(&mut SessionText<'_>) -> io::Result<()>) {
        if self.error.is_some() {
            return;
        }
        let offset = self.text.len();
        match write(&mut SessionText(&mut self.text)) {
            Ok(()) => {
                let length = self.text.len().saturating_sub(offset);
                self.places.push(Place { id, offset, length });
            }
            Err(error) => {
                self.error = Some(error);
                self.text = SpooledText::new(0);
            }
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True where there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Writes all texts by id, with `between` between them.
    pub fn write(mut self, between: &[u8], out: &mut dyn Write) -> io::Result<()> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.places.sort_by_key(|place| place.id);
        for (at, place) in self.places.iter().enumerate() {
            if at > 0 {
                out.write_all(between)?;
            }
            self.text.copy(place.offset, place.length, out)?;
        }
        Ok(())
    }
}

impl Default for FinishedSessions {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes of text kept before there is a file.
const KEPT_IN_MEMORY: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sessions: FinishedSessions) -> String {
        let mut out = Vec::new();
        sessions.write(b"|", &mut out).expect("all is there");
        String::from_utf8(out).expect("text")
    }

    fn push(sessions: &mut FinishedSessions, id: u64, text: &[u8]) {
        sessions.push(id, |out| out.write_all(text));
    }

    #[test]
    fn texts_come_by_id() {
        let mut sessions = FinishedSessions::new();
        push(&mut sessions, 2, b"second");
        push(&mut sessions, 1, b"first");
        assert_eq!(texts(sessions), "first|second");
    }

    #[test]
    fn texts_in_the_file_come_by_id_too() {
        let mut sessions = FinishedSessions::within(1 << 20);
        let large = vec![b'x'; 1 << 19];
        push(&mut sessions, 3, &large);
        push(&mut sessions, 1, &large);
        push(&mut sessions, 2, b"between");
        assert_eq!(sessions.len(), 3);
        let texts = texts(sessions);
        let lengths: Vec<_> = texts.split('|').map(str::len).collect();
        assert_eq!(lengths, [large.len(), 7, large.len()]);
    }

    #[test]
    fn one_long_text_does_not_stand_in_memory_as_a_whole() {
        let bound = 1 << 20;
        let mut sessions = FinishedSessions::within(bound);
        let line = [b'x'; 1 << 14];
        let lines = 4 * bound / line.len();
        sessions.push(1, |out| {
            for _ in 0..lines {
                out.write_all(&line)?;
                assert!(out.0.in_memory() < bound);
            }
            Ok(())
        });
        assert_eq!(texts(sessions).len(), lines * line.len());
    }

    #[test]
    fn an_error_is_told_once_all_is_wanted() {
        let mut sessions = FinishedSessions::new();
        sessions.push(1, |_| Err(io::ErrorKind::StorageFull.into()));
        push(&mut sessions, 2, b"kept by nobody");
        let error = sessions.write(b"", &mut Vec::new()).expect_err("it failed");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
