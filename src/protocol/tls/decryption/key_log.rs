//! Key log: lines of TLS secrets in the SSLKEYLOGFILE format (RFC 9850), as clients, servers and capture files carry them.
//!
//! ```text
//! CLIENT_RANDOM <client random> <master secret>
//! CLIENT_TRAFFIC_SECRET_0 <client random> <secret>
//! RSA Session-ID:<id> Master-Key:<master secret>
//! ```
//!
//! Lines end with LF, CR LF or CR. A line counts once its end is there, or the source ends. Lines that are no secrets are counted
//! and passed over; their text appears nowhere, as it may be half a secret.

use zeroize::{Zeroize, Zeroizing};

/// Incremental reader of a key log. Holds at most one line.
#[derive(Debug, Default)]
pub struct KeyLogReader {
    line: Zeroizing<Vec<u8>>,
    /// The current line exceeds [`LINE_MAX`]; its rest is skipped.
    too_long: bool,
    /// The last byte was a CR, so that an LF ends no further line.
    after_cr: bool,
    /// Lines that ended.
    lines: u64,
    unusable: Unusable,
}

/// Lines of a key log that are no secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unusable {
    /// Number of such lines.
    pub lines: u64,
    /// Number of the first one, from 1; 0 if there is none.
    pub first: u64,
}

/// Kind of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// Master secret of TLS 1.2 and before.
    Master,
    /// Premaster secret of TLS 1.2 and before.
    Premaster,
    /// `CLIENT_EARLY_TRAFFIC_SECRET`.
    ClientEarly,
    /// `CLIENT_HANDSHAKE_TRAFFIC_SECRET`.
    ClientHandshake,
    /// `SERVER_HANDSHAKE_TRAFFIC_SECRET`.
    ServerHandshake,
    /// `CLIENT_TRAFFIC_SECRET_0`.
    ClientTraffic,
    /// `SERVER_TRAFFIC_SECRET_0`.
    ServerTraffic,
}

/// Connection or session that a secret belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretId {
    /// Random of the `ClientHello`.
    ClientRandom([u8; 32]),
    /// Session id of TLS 1.2 and before: length, and bytes padded with zeros.
    SessionId(u8, [u8; 32]),
    /// First 8 bytes of the premaster secret as the client encrypted it for the server's RSA key.
    EncryptedPremaster([u8; 8]),
}

/// Secret of one line. Its bytes are wiped when it is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Kind of the secret.
    pub label: Label,
    /// The secret.
    pub bytes: Zeroizing<Box<[u8]>>,
}

/// Result of one line.
enum Parsed {
    Secret(SecretId, Secret),
    /// Comment, empty line, or a secret that opens no record.
    Nothing,
    Unusable,
}

impl KeyLogReader {
    /// Reads the next bytes, and passes each secret to `found`.
    pub fn feed(&mut self, bytes: &[u8], found: &mut dyn FnMut(SecretId, Secret)) {
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            if std::mem::replace(&mut self.after_cr, false) && first == b'\n' {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.collect(rest);
                return;
            };
            let (line, behind) = rest.split_at(end);
            self.collect(line);
            self.after_cr = behind.first() == Some(&b'\r');
            rest = behind.get(1..).unwrap_or_default();
            self.end_line(found);
        }
    }

    /// Ends the source: bytes behind the last line end are a line as well.
    pub fn finish(&mut self, found: &mut dyn FnMut(SecretId, Secret)) {
        if !self.line.is_empty() || self.too_long {
            self.end_line(found);
        }
        self.after_cr = false;
    }

    /// Returns the lines so far that are no secrets.
    #[must_use]
    pub const fn unusable(&self) -> Unusable {
        self.unusable
    }

    fn collect(&mut self, bytes: &[u8]) {
        if self.line.len() + bytes.len() > LINE_MAX {
            self.too_long = true;
            self.line.zeroize();
        } else if !self.too_long {
            self.line.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self, found: &mut dyn FnMut(SecretId, Secret)) {
        self.lines += 1;
        let line = std::mem::take(&mut self.line);
        let mut text = line.as_slice();
        if self.lines == 1 {
            text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        }
        let parsed = if std::mem::replace(&mut self.too_long, false) {
            Parsed::Unusable
        } else {
            parse_line(text)
        };
        match parsed {
            Parsed::Secret(id, secret) => found(id, secret),
            Parsed::Nothing => {}
            Parsed::Unusable => {
                self.unusable.lines += 1;
                if self.unusable.first == 0 {
                    self.unusable.first = self.lines;
                }
            }
        }
    }
}

fn parse_line(line: &[u8]) -> Parsed {
    let line = line.trim_ascii_end();
    if line.is_empty() || line.starts_with(b"#") {
        return Parsed::Nothing;
    }
    fields(line, |byte| *byte == b' ')
        .and_then(parse_fields)
        .unwrap_or(Parsed::Unusable)
}

/// Splits a line into label, id and secret; `None` if there are fewer or more fields.
fn fields(line: &[u8], is_blank: fn(&u8) -> bool) -> Option<[&[u8]; 3]> {
    let mut fields = line.split(is_blank).filter(|field| !field.is_empty());
    let three = [fields.next()?, fields.next()?, fields.next()?];
    fields.next().is_none().then_some(three)
}

/// Parses the 3 fields of a line; `None` if they are no secret.
fn parse_fields([label, id, secret]: [&[u8]; 3]) -> Option<Parsed> {
    if label == RSA {
        let id = SecretId::of_field(true, id)?;
        let (label, secret) = match id {
            SecretId::SessionId(..) => (Label::Master, secret.strip_prefix(MASTER_KEY)?),
            _ => (Label::Premaster, secret),
        };
        let bytes = hex(secret)?;
        return (bytes.len() == MASTER_SECRET).then(|| parsed(id, label, &bytes));
    }
    let label = match label {
        b"CLIENT_RANDOM" => Label::Master,
        b"PMS_CLIENT_RANDOM" => Label::Premaster,
        b"CLIENT_EARLY_TRAFFIC_SECRET" => Label::ClientEarly,
        b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Label::ClientHandshake,
        b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => Label::ServerHandshake,
        b"CLIENT_TRAFFIC_SECRET_0" => Label::ClientTraffic,
        b"SERVER_TRAFFIC_SECRET_0" => Label::ServerTraffic,
        b"EXPORTER_SECRET" | b"EARLY_EXPORTER_SECRET" | b"ECH_SECRET" | b"ECH_CONFIG" => {
            return Some(Parsed::Nothing);
        }
        _ => return None,
    };
    let id = SecretId::of_field(false, id)?;
    let bytes = hex(secret)?;
    let fits = match label {
        Label::Master => bytes.len() == MASTER_SECRET,
        Label::Premaster => (1..=PREMASTER_MAX).contains(&bytes.len()),
        // The length of SHA-256 or SHA-384, the hashes of TLS 1.3 suites.
        _ => matches!(bytes.len(), 32 | 48),
    };
    fits.then(|| parsed(id, label, &bytes))
}

fn parsed(id: SecretId, label: Label, bytes: &[u8]) -> Parsed {
    let bytes = Zeroizing::new(Box::from(bytes));
    Parsed::Secret(id, Secret { label, bytes })
}

impl SecretId {
    /// Returns the id of a TLS session; `None` if it is empty or longer than 32 bytes (RFC 5246 section 7.4.1.2).
    #[must_use]
    pub fn of_session(id: &[u8]) -> Option<Self> {
        let mut padded = [0; 32];
        padded.get_mut(..id.len())?.copy_from_slice(id);
        let length = u8::try_from(id.len()).ok()?;
        (length > 0).then_some(Self::SessionId(length, padded))
    }

    /// Returns what a line of a key log belongs to, also one with a secret that opens no record, or one of a kind that is not
    /// known; `None` if it holds no secret.
    #[must_use]
    pub fn named_by(line: &[u8]) -> Option<Self> {
        let [label, id, secret] = fields(line, u8::is_ascii_whitespace)?;
        let is_label =
            |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
        let secret = hex(secret.strip_prefix(MASTER_KEY).unwrap_or(secret))?;
        if secret.len() < SHORTEST_NAMED || !label.iter().all(is_label) {
            return None;
        }
        Self::of_field(label == RSA, id)
    }

    /// Parses the second field of a line.
    fn of_field(is_rsa: bool, id: &[u8]) -> Option<Self> {
        if !is_rsa {
            return hex(id)?.as_slice().try_into().ok().map(Self::ClientRandom);
        }
        match id.strip_prefix(b"Session-ID:") {
            Some(id) => Self::of_session(&hex(id)?),
            None => hex(id)?
                .as_slice()
                .try_into()
                .ok()
                .map(Self::EncryptedPremaster),
        }
    }
}

/// Decodes hex digits of either case; `None` for anything else, or an odd number.
fn hex(digits: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(pairs.len()));
    for [high, low] in pairs {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push(u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?);
    }
    Some(bytes)
}

/// Longest line in bytes. A premaster secret of 1,024 bytes takes about 2,130.
const LINE_MAX: usize = 4096;

/// Label of lines about TLS sessions and encrypted premaster secrets.
const RSA: &[u8] = b"RSA";

/// Prefix of the master secret of a TLS session.
const MASTER_KEY: &[u8] = b"Master-Key:";

/// Length of the shortest secret in bytes that names its connection: a hash or a premaster secret.
const SHORTEST_NAMED: usize = 32;

/// Length of a master secret in bytes (RFC 5246 section 8.1).
const MASTER_SECRET: usize = 48;

/// Longest premaster secret in bytes: that of a Diffie-Hellman group of 8,192 bits.
const PREMASTER_MAX: usize = 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> (Vec<(SecretId, Label, usize)>, Unusable) {
        let mut reader = KeyLogReader::default();
        let mut found = Vec::new();
        let mut push = |id, secret: Secret| found.push((id, secret.label, secret.bytes.len()));
        for piece in pieces {
            reader.feed(piece, &mut push);
        }
        reader.finish(&mut push);
        (found, reader.unusable())
    }

    fn line(label: &str, id: usize, secret: usize) -> String {
        format!("{label} {} {}", "ab".repeat(id), "Cd".repeat(secret))
    }

    #[test]
    fn every_kind_of_line_is_parsed() {
        let random = SecretId::ClientRandom([0xab; 32]);
        for (label, length, expected) in [
            ("CLIENT_RANDOM", 48, Label::Master),
            ("PMS_CLIENT_RANDOM", 1, Label::Premaster),
            ("PMS_CLIENT_RANDOM", 1024, Label::Premaster),
            ("CLIENT_EARLY_TRAFFIC_SECRET", 32, Label::ClientEarly),
            (
                "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
                48,
                Label::ClientHandshake,
            ),
            (
                "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                32,
                Label::ServerHandshake,
            ),
            ("CLIENT_TRAFFIC_SECRET_0", 32, Label::ClientTraffic),
            ("SERVER_TRAFFIC_SECRET_0", 48, Label::ServerTraffic),
        ] {
            let (found, unusable) = read(&[line(label, 32, length).as_bytes()]);
            assert_eq!(found, [(random, expected, length)], "{label}");
            assert_eq!(unusable.lines, 0);
        }
        let session = format!("RSA Session-ID:0102 Master-Key:{}", "00".repeat(48));
        let (found, _) = read(&[session.as_bytes()]);
        let id = SecretId::of_session(&[1, 2]).expect("short");
        assert_eq!(found, [(id, Label::Master, 48)]);
        let (found, _) = read(&[line("RSA", 8, 48).as_bytes()]);
        let id = SecretId::EncryptedPremaster([0xab; 8]);
        assert_eq!(found, [(id, Label::Premaster, 48)]);
    }

    #[test]
    fn line_ends_of_all_systems_comments_and_a_byte_order_mark_are_accepted() {
        let one = line("CLIENT_RANDOM", 32, 48);
        let text = format!("\u{feff}# a comment\r\n\r\n{one}\r{one}\n{one}\r\n  \n{one}");
        for size in 1..text.len() {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let (found, unusable) = read(&pieces);
            assert_eq!((found.len(), unusable), (4, Unusable::default()), "{size}");
        }
    }

    #[test]
    fn lines_that_are_no_secrets_are_counted_with_the_first_number() {
        let good = line("CLIENT_RANDOM", 32, 48);
        let long = "x".repeat(LINE_MAX + 1);
        let bad = [
            "nonsense".to_owned(),
            line("CLIENT_RANDOM", 31, 48),
            line("CLIENT_RANDOM", 32, 47),
            line("client_random", 32, 48),
            line("SERVER_TRAFFIC_SECRET_0", 32, 33),
            line("PMS_CLIENT_RANDOM", 32, 1025),
            line("NEW_LABEL", 32, 48),
            format!("CLIENT_RANDOM {} {}g", "ab".repeat(32), "0".repeat(95)),
            format!("{good} more"),
            format!("RSA Session-ID: Master-Key:{}", "00".repeat(48)),
            long,
        ];
        let text = format!("{good}\n{}\n{good}\n", bad.join("\n"));
        let (found, unusable) = read(&[text.as_bytes()]);
        assert_eq!(found.len(), 2);
        assert_eq!((unusable.lines, unusable.first), (bad.len() as u64, 2));
    }

    #[test]
    fn secrets_that_open_no_record_are_no_error() {
        let text = [
            line("EXPORTER_SECRET", 32, 32),
            line("EARLY_EXPORTER_SECRET", 32, 32),
            line("ECH_SECRET", 32, 32),
            line("ECH_CONFIG", 32, 200),
        ];
        let (found, unusable) = read(&[text.join("\n").as_bytes()]);
        assert_eq!((found.len(), unusable.lines), (0, 0));
    }

    #[test]
    fn two_spaces_between_fields_are_accepted() {
        let text = line("CLIENT_RANDOM", 32, 48).replace(' ', "   ");
        assert_eq!(read(&[text.as_bytes()]).0.len(), 1);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_cause_no_panic_and_no_long_line(
            bytes in proptest::collection::vec(any::<u8>(), 0..9000),
            size in 1_usize..5000,
        ) {
            let mut reader = KeyLogReader::default();
            for piece in bytes.chunks(size) {
                reader.feed(piece, &mut |_, _| {});
                prop_assert!(reader.line.len() <= LINE_MAX);
            }
            reader.finish(&mut |_, _| {});
        }
    }
}
