//! TLS record layer (RFC 8446 section 5.1, RFC 5246 section 6.2.1).

/// Content type of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// The sender encrypts with new keys from here on.
    ChangeCipherSpec,
    /// Warning, error or end of the connection.
    Alert,
    /// Handshake messages.
    Handshake,
    /// Encrypted content of any kind.
    ApplicationData,
    /// Heartbeat (RFC 6520).
    Heartbeat,
}

/// Returns whether the first bytes of a stream are those of a TLS record. 3 bytes suffice, up to 6 are checked.
#[must_use]
pub fn looks_like_record(bytes: &[u8]) -> bool {
    // Versions 3.0 to 3.4. In TLS 1.3 the record version stays at 3.1 or 3.3 for middleboxes.
    let [kind, 3, 0..=4, rest @ ..] = bytes else {
        return false;
    };
    let Some(content) = ContentType::from_byte(*kind) else {
        return false;
    };
    if let [high, low, ..] = rest {
        let length = u16::from_be_bytes([*high, *low]);
        if length == 0 || length > LENGTH_MAX {
            return false;
        }
    }
    // Handshake messages that can come unencrypted have numbers up to 24 (key update).
    match rest.get(2) {
        Some(message) if content == ContentType::Handshake => *message <= 24,
        _ => true,
    }
}

/// Splits a stream into the fragments of its records. Keeps no payload.
#[derive(Clone, Debug, Default)]
pub struct RecordSplitter {
    header: [u8; HEADER],
    header_bytes: usize,
    /// Bytes left of the current record; 0 until its header is complete.
    left: usize,
}

/// Piece of a record's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Content type of the record.
    pub content: ContentType,
    /// Length of the record's whole payload, in bytes.
    pub length: u16,
    /// The payload, never empty. A record may come in several pieces.
    pub bytes: &'a [u8],
}

/// Error: the stream is not TLS, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotTls;

impl RecordSplitter {
    /// Removes the next fragment from the front of `input`; `None` if more bytes are needed.
    ///
    /// # Errors
    ///
    /// [`NotTls`] at a byte that cannot be part of a record header.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Fragment<'a>>, NotTls> {
        while self.left == 0 {
            for place in self.header.iter_mut().skip(self.header_bytes) {
                let Some((first, rest)) = input.split_first() else {
                    return Ok(None);
                };
                *place = *first;
                *input = rest;
                self.header_bytes += 1;
                // Cleartext is detected at its first byte: after CCC, no byte of an FTP line may be held back here.
                if self.header_bytes == 1 && ContentType::from_byte(*first).is_none()
                    || self.header_bytes == 2 && *first != 3
                {
                    return Err(NotTls);
                }
            }
            let [kind, major, minor, high, low] = self.header;
            let length = u16::from_be_bytes([high, low]);
            if major != 3
                || minor > 4
                || length > LENGTH_MAX
                || ContentType::from_byte(kind).is_none()
            {
                return Err(NotTls);
            }
            self.left = usize::from(length);
            if self.left == 0 {
                // An empty record of application data is allowed (RFC 5246 section 6.2.1).
                self.header_bytes = 0;
            }
        }
        let Some(content) = ContentType::from_byte(self.header[0]) else {
            return Err(NotTls);
        };
        if input.is_empty() {
            return Ok(None);
        }
        let (bytes, rest) = input.split_at(self.left.min(input.len()));
        *input = rest;
        self.left -= bytes.len();
        if self.left == 0 {
            self.header_bytes = 0;
        }
        let [.., high, low] = self.header;
        let length = u16::from_be_bytes([high, low]);
        Ok(Some(Fragment {
            content,
            length,
            bytes,
        }))
    }

    /// Returns whether the next byte begins a record.
    #[must_use]
    pub const fn at_record_start(&self) -> bool {
        self.left == 0 && self.header_bytes == 0
    }

    /// Returns the bytes consumed as a header that turned out to be none, after [`NotTls`].
    #[must_use]
    pub fn refused(&self) -> &[u8] {
        self.header.get(..self.header_bytes).unwrap_or_default()
    }

    /// Skips `length` bytes that were not captured. Returns false if they extend beyond the current record, so that the
    /// start of the next one is unknown.
    #[must_use]
    pub fn skip(&mut self, length: u64) -> bool {
        match usize::try_from(length) {
            Ok(length) if length <= self.left => {
                self.left -= length;
                if self.left == 0 {
                    self.header_bytes = 0;
                }
                true
            }
            _ => false,
        }
    }
}

impl ContentType {
    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            20 => Some(Self::ChangeCipherSpec),
            21 => Some(Self::Alert),
            22 => Some(Self::Handshake),
            23 => Some(Self::ApplicationData),
            24 => Some(Self::Heartbeat),
            _ => None,
        }
    }
}

/// Length of a record header in bytes.
const HEADER: usize = 5;

/// Longest record in bytes: 2^14, and 2,048 that encryption may add (RFC 5246 section 6.2.3).
const LENGTH_MAX: u16 = (1 << 14) + 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_distinguished_from_ftp() {
        assert!(looks_like_record(&[22, 3, 1, 0, 200, 1]));
        assert!(looks_like_record(&[22, 3, 3]));
        assert!(looks_like_record(&[21, 3, 3, 0, 2, 2, 40]));
        assert!(!looks_like_record(&[22, 3]));
        assert!(!looks_like_record(&[22, 3, 5, 0, 200, 1]));
        assert!(!looks_like_record(&[22, 3, 1, 0xff, 0xff, 1]));
        assert!(!looks_like_record(&[22, 3, 1, 0, 200, 99]));
        assert!(!looks_like_record(&[22, 3, 1, 0, 0]));
        assert!(!looks_like_record(b"220 ready\r\n"));
        assert!(!looks_like_record(b""));
    }

    #[test]
    fn fragments_are_the_same_for_pieces_of_any_size() {
        let stream = [
            22, 3, 3, 0, 3, b'a', b'b', b'c', 23, 3, 3, 0, 0, 20, 3, 3, 0, 1, 1,
        ];
        for size in 1..=stream.len() {
            let mut splitter = RecordSplitter::default();
            let (mut handshake, mut changes) = (Vec::new(), 0);
            for mut piece in stream.chunks(size) {
                while let Some(fragment) = splitter.next(&mut piece).expect("TLS") {
                    match fragment.content {
                        ContentType::Handshake => handshake.extend(fragment.bytes),
                        ContentType::ChangeCipherSpec => changes += 1,
                        other => panic!("{other:?}"),
                    }
                }
            }
            assert_eq!((handshake.as_slice(), changes), (b"abc".as_slice(), 1));
        }
    }

    #[test]
    fn cleartext_is_an_error_and_its_bytes_are_available() {
        let mut splitter = RecordSplitter::default();
        let mut input = b"200 ok\r\n".as_slice();
        assert_eq!(splitter.next(&mut input), Err(NotTls));
        assert_eq!((splitter.refused(), input), (&b"2"[..], &b"00 ok\r\n"[..]));
    }

    #[test]
    fn hole_inside_a_record_is_skipped_and_one_beyond_it_is_not() {
        let mut splitter = RecordSplitter::default();
        let mut input = [23, 3, 3, 0, 9, 1].as_slice();
        assert!(matches!(splitter.next(&mut input), Ok(Some(_))));
        assert!(!splitter.skip(9));
        assert!(splitter.skip(8));
        assert!(splitter.at_record_start());
    }
}
