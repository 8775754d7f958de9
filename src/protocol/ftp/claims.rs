//! Claims of servers about a file in the free text of replies: transferred bytes, and digests.
//!
//! No RFC defines these texts (only HASH has a draft, draft-bryan-ftpext-hash): a claim is evidence, no more. Text that
//! does not have exactly the expected form claims nothing.

/// Digest algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// XCRC, HASH.
    Crc32,
    /// XMD5, MD5, HASH.
    Md5,
    /// XSHA, XSHA1, HASH.
    Sha1,
    /// XSHA256, HASH.
    Sha256,
    /// XSHA512, HASH.
    Sha512,
}

impl Algorithm {
    /// Returns its usual name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC-32",
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha512 => "SHA-512",
        }
    }

    /// Returns the number of hex digits.
    const fn digits(self) -> usize {
        match self {
            Self::Crc32 => 8,
            Self::Md5 => 32,
            Self::Sha1 => 40,
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// Digest in a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedDigest {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Hex digits in lower case.
    pub value: String,
    /// First and last byte it covers, counted by the server from 0; `None` if the reply has no range.
    pub range: Option<(u64, u64)>,
}

/// Parses the digest in a positive reply to HASH, MD5 or one of the X commands. `None` without a word of the right
/// length, and with several that differ.
#[must_use]
pub fn claimed_digest(verb: &str, lines: &[Vec<u8>]) -> Option<ClaimedDigest> {
    let expected = match verb {
        "XCRC" => Algorithm::Crc32,
        "XMD5" | "MD5" => Algorithm::Md5,
        "XSHA" | "XSHA1" => Algorithm::Sha1,
        "XSHA256" => Algorithm::Sha256,
        "XSHA512" => Algorithm::Sha512,
        "HASH" => return hash_reply(lines),
        _ => return None,
    };
    let mut found = lines
        .iter()
        .flat_map(|line| line.split(u8::is_ascii_whitespace))
        .filter_map(|word| hex(word, expected.digits()));
    // Several lines may repeat one digest; two that differ may belong to two files.
    let value = found.next()?;
    found.all(|other| other == value).then_some(ClaimedDigest {
        algorithm: expected,
        value,
        range: None,
    })
}

/// Parses `SHA-256 0-49 6f52… name`, with the range in bytes counted from 0.
fn hash_reply(lines: &[Vec<u8>]) -> Option<ClaimedDigest> {
    let line = lines.iter().rev().find(|line| !line.is_empty())?;
    let mut words = line.split(|&byte| byte == b' ').filter(|w| !w.is_empty());
    let algorithm = match words.next()?.to_ascii_uppercase().as_slice() {
        b"CRC32" | b"CRC-32" => Algorithm::Crc32,
        b"MD5" => Algorithm::Md5,
        b"SHA-1" | b"SHA1" => Algorithm::Sha1,
        b"SHA-256" | b"SHA256" => Algorithm::Sha256,
        b"SHA-512" | b"SHA512" => Algorithm::Sha512,
        _ => return None,
    };
    let (from, to) = split_once(words.next()?, b'-')?;
    Some(ClaimedDigest {
        algorithm,
        range: Some((number(from)?, number(to)?)),
        value: hex(words.next()?, algorithm.digits())?,
    })
}

/// Parses the file name in the argument of HASH, MD5 or an X digest command, if the digest covers the whole file.
///
/// A quoted name may be followed by a byte range (`XCRC "name" 0 100`); with one, or without a closing quote, `None`.
/// An unquoted argument is all name, spaces included.
#[must_use]
pub fn whole_file_argument(argument: &[u8]) -> Option<&[u8]> {
    let Some(quoted) = argument.strip_prefix(b"\"") else {
        return Some(argument);
    };
    let (name, range) = split_once(quoted, b'"')?;
    range.trim_ascii().is_empty().then_some(name)
}

/// Parses the number of transferred bytes in the text of a final reply: `1,024 bytes transferred`.
///
/// Rates (`bytes/sec`), quotas and sums over a session do not count. `None` also if a text has two such numbers that
/// differ.
#[must_use]
pub fn transferred_size(line: &[u8]) -> Option<u64> {
    let lower = line.to_ascii_lowercase();
    if OTHER_SUBJECTS.iter().any(|word| contains(&lower, word)) {
        return None;
    }
    let mut found = None;
    for at in positions(&lower, b"byte") {
        let Some(size) = number_before(&lower, at) else {
            continue;
        };
        let rest = lower.get(at + 4..).unwrap_or_default();
        let rest = rest.strip_prefix(b"(s)").unwrap_or(rest);
        let rest = rest.strip_prefix(b"s").unwrap_or(rest);
        if rest.first().is_some_and(u8::is_ascii_alphanumeric)
            || RATES
                .iter()
                .any(|unit| rest.trim_ascii_start().starts_with(unit))
        {
            continue;
        }
        if found.is_some_and(|other| other != size) {
            return None;
        }
        found = Some(size);
    }
    found
}

/// Parses the announcement of pure-ftpd, `12.3 kbytes to download`; returns tenths of 1,024 bytes, rounded by the
/// server.
#[must_use]
pub fn kilobytes_to_download(line: &[u8]) -> Option<u64> {
    let at = positions(line, b" kbytes to download").next()?;
    let start = line[..at]
        .iter()
        .rposition(|byte| !byte.is_ascii_digit() && *byte != b'.')
        .map_or(0, |before| before + 1);
    let (whole, tenth) = split_once(&line[start..at], b'.')?;
    // pure-ftpd prints exactly one decimal; the text of another server would mean something else.
    if tenth.len() != 1 {
        return None;
    }
    number(whole)?.checked_mul(10)?.checked_add(number(tenth)?)
}

/// Parses the number that ends before the word at `at`, with at most one space between. Groups of three digits may be
/// separated by commas or dots.
fn number_before(line: &[u8], at: usize) -> Option<u64> {
    let line = &line[..at];
    let line = line.strip_suffix(b" ").unwrap_or(line);
    let start = line
        .iter()
        .rposition(|byte| !byte.is_ascii_digit() && !matches!(byte, b',' | b'.'))
        .map_or(0, |before| before + 1);
    // `file-7 bytes` is a name, not a number.
    if start > 0 && (line[start - 1].is_ascii_alphanumeric() || line[start - 1] == b'-') {
        return None;
    }
    let text = &line[start..];
    let mut groups = text.split(|byte| matches!(byte, b',' | b'.'));
    let first = groups.next()?;
    let mut digits = first.to_vec();
    let mut grouped = false;
    for group in groups {
        // `5.6` is a fraction; only groups of three digits continue a number.
        if group.len() != 3 || first.is_empty() || first.len() > 3 {
            return None;
        }
        grouped = true;
        digits.extend_from_slice(group);
    }
    if grouped && text.contains(&b',') && text.contains(&b'.') {
        return None;
    }
    number(&digits)
}

/// Returns a word of `digits` hex digits in lower case; `None` for any other word.
fn hex(word: &[u8], digits: usize) -> Option<String> {
    let fits = word.len() == digits && word.iter().all(u8::is_ascii_hexdigit);
    fits.then(|| String::from_utf8_lossy(word).to_ascii_lowercase())
}

fn number(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain
        .then(|| std::str::from_utf8(digits).ok()?.parse().ok())
        .flatten()
}

fn split_once(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&byte| byte == at)?;
    Some((&text[..at], &text[at + 1..]))
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    positions(text, what).next().is_some()
}

fn positions<'a>(text: &'a [u8], what: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    text.windows(what.len().max(1))
        .enumerate()
        .filter_map(move |(at, window)| (window == what).then_some(at))
}

/// Words of texts about several files, or about bytes that were not transferred.
const OTHER_SUBJECTS: [&[u8]; 11] = [
    b"quota",
    b"you have transferred",
    b"total",
    b"session",
    b"available",
    b"remaining",
    b"free",
    b"left",
    b"credit",
    b"limit",
    b"restart",
];

/// Text after `bytes` that makes a number a rate.
const RATES: [&[u8]; 4] = [b"/", b"per ", b"a second", b"p/s"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transferred_bytes_are_parsed_from_final_replies() {
        for (text, size) in [
            (
                &b"Transfer complete. 1,024 bytes transferred. 5.60 KB/sec."[..],
                Some(1024),
            ),
            (b"Transfer complete (4194304 bytes sent).", Some(4_194_304)),
            (b"1.715 bytes received in 0.02 secs", Some(1715)),
            (b"Transfer finished: 1 byte(s)", Some(1)),
            (b"Transfer complete; 7.5 bytes", None),
            (b"Transfer complete at 1024 bytes/sec", None),
            (b"Done: 3000 bytes per second", None),
            (b"You have transferred 1024 bytes in 1 files.", None),
            (b"Total traffic for this session was 3 bytes", None),
            (b"12 files used (1%) - authorized: 1000 bytes quota", None),
            (b"sent 10 bytes of 20 bytes", None),
            (b"Transfer complete.", None),
            (b"file-7 bytes", None),
            (b"99999999999999999999999 bytes sent", None),
        ] {
            assert_eq!(transferred_size(text), size, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn kilobytes_of_pure_ftpd_are_parsed_in_tenths() {
        assert_eq!(
            kilobytes_to_download(b"1024.0 kbytes to download"),
            Some(10_240)
        );
        assert_eq!(kilobytes_to_download(b"12 kbytes to download"), None);
        assert_eq!(kilobytes_to_download(b"Accepted data connection"), None);
    }

    #[test]
    fn digests_are_recognized_by_their_length() {
        let lines = |text: &str| {
            text.lines()
                .map(|l| l.as_bytes().to_vec())
                .collect::<Vec<_>>()
        };
        let crc = claimed_digest("XCRC", &lines("Computing CRC32 digest\n352441C2")).expect("one");
        assert_eq!(
            (crc.algorithm, crc.value.as_str()),
            (Algorithm::Crc32, "352441c2")
        );
        assert_eq!(
            claimed_digest("MD5", &lines("\"/a b\" 900150983CD24FB0D6963F7D28E17F72"))
                .map(|claim| claim.value)
                .as_deref(),
            Some("900150983cd24fb0d6963f7d28e17f72")
        );
        let hash = claimed_digest(
            "HASH",
            &lines("SHA-1 0-3 a9993e364706816aba3e25717850c26c9cd0d89d abc"),
        )
        .expect("one");
        assert_eq!(
            (hash.algorithm, hash.range),
            (Algorithm::Sha1, Some((0, 3)))
        );
        for (verb, text) in [
            ("XCRC", "352441C2 11223344"),
            ("XCRC", "command successful"),
            ("XMD5", "352441C2"),
            ("HASH", "SHA-1 a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("HASH", "WHIRLPOOL 0-3 00"),
            ("SITE", "352441C2"),
        ] {
            assert_eq!(claimed_digest(verb, &lines(text)), None, "{verb} {text}");
        }
    }

    #[test]
    fn byte_range_behind_a_quoted_name_is_not_the_whole_file() {
        assert_eq!(whole_file_argument(b"a b"), Some(&b"a b"[..]));
        assert_eq!(whole_file_argument(b"\"a b\" "), Some(&b"a b"[..]));
        assert_eq!(whole_file_argument(b"\"a b\" 0 100"), None);
        assert_eq!(whole_file_argument(b"\"a b"), None);
    }
}
