//! Endpoints in the arguments of PORT, EPRT and LPRT, and in the replies to PASV, EPSV and LPSV.
//!
//! All parsers return `None` for text without an endpoint, and for port 0, on which no host can listen.

use std::net::{IpAddr, Ipv6Addr};

use crate::model::Endpoint;

/// Parses the argument of PORT: six numbers (RFC 959 section 4.1.2).
#[must_use]
pub fn port_argument(argument: &[u8]) -> Option<Endpoint> {
    let argument = argument.trim_ascii();
    let (numbers, used) = six_numbers(argument)?;
    // Servers reject anything after the numbers, so that no connection to such an endpoint is to be expected.
    if used != argument.len() {
        return None;
    }
    endpoint_of(numbers)
}

/// Parses the six numbers of a 227 reply, wherever they stand.
///
/// RFC 1123 section 4.1.2.6: the text before them is free, parentheses included, and has to be scanned for the first
/// digit.
#[must_use]
pub fn passive_reply(text: &[u8]) -> Option<Endpoint> {
    let mut at = 0;
    while at < text.len() {
        // Not in the middle of a longer list of numbers.
        let starts_number = (text[at].is_ascii_digit() || begins_signed(&text[at..]))
            && (at == 0 || !is_number_part(text[at - 1]));
        if starts_number && let Some((numbers, _)) = six_numbers(&text[at..]) {
            return endpoint_of(numbers);
        }
        at += 1;
    }
    None
}

/// Endpoint of a 229 reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedPassive {
    /// Port on which the server listens, never 0.
    pub port: u16,
    /// `None` in nearly all replies: the address is that of the control connection (RFC 2428 section 3).
    pub address: Option<IpAddr>,
}

/// Parses a 229 reply: `(<d><d><d>port<d>)` with any delimiter (RFC 2428 section 3). Parentheses may be missing and
/// spaces added, as some servers do.
#[must_use]
pub fn extended_passive_reply(text: &[u8]) -> Option<ExtendedPassive> {
    let from = text
        .iter()
        .position(|&byte| byte == b'(')
        .map_or(0, |at| at + 1);
    (from..text.len()).find_map(|at| {
        let delimiter = *text.get(at)?;
        // RFC 2428 allows any character from 33 to 126. A letter counts only right after the parenthesis: elsewhere it is
        // more likely part of a word.
        let begins = at == from && from > 0;
        if !(is_delimiter(delimiter) || begins && delimiter.is_ascii_alphabetic()) {
            return None;
        }
        let mut fields = text[at + 1..].splitn(4, |&byte| byte == delimiter);
        let (family, address, port) = (fields.next()?, fields.next()?, fields.next()?);
        // The fourth field exists only where a delimiter closes the third.
        fields.next()?;
        if !matches!(family.trim_ascii(), b"" | b"1" | b"2") {
            return None;
        }
        let address = ip(address.trim_ascii());
        Some(ExtendedPassive {
            port: port_number(port.trim_ascii())?,
            address,
        })
    })
}

/// Parses the argument of EPRT: `<d>family<d>address<d>port<d>` (RFC 2428 section 2).
#[must_use]
pub fn extended_port_argument(argument: &[u8]) -> Option<Endpoint> {
    let argument = argument.trim_ascii();
    let (&delimiter, rest) = argument.split_first()?;
    if !is_delimiter(delimiter) {
        return None;
    }
    let mut fields = rest.split(|&byte| byte == delimiter);
    let (family, address, port) = (fields.next()?, fields.next()?, fields.next()?);
    if !matches!(family, b"1" | b"2") {
        return None;
    }
    Some(Endpoint::new(ip(address)?, port_number(port)?))
}

/// Parses the argument of LPRT, or the numbers of a 228 reply: `4,4,h1..h4,2,p1,p2` or `6,16,h1..h16,2,p1,p2` (RFC
/// 1639).
#[must_use]
pub fn long_address(text: &[u8]) -> Option<Endpoint> {
    let start = text
        .iter()
        .position(|&byte| byte == b'(')
        .map_or(0, |at| at + 1);
    let text = &text[start..];
    let start = text.iter().position(u8::is_ascii_digit)?;
    let end = text[start..]
        .iter()
        .position(|&byte| !is_number_part(byte))
        .map_or(text.len(), |at| start + at);
    let numbers: Option<Vec<u8>> = text[start..end]
        .split(|&byte| byte == b',')
        // The longest form has 21 numbers; a hostile reply may have any number of them.
        .take(32)
        .map(octet)
        .collect();
    match numbers?.as_slice() {
        &[4, 4, a, b, c, d, 2, high, low] => {
            nonzero(Endpoint::v4([a, b, c, d], u16::from_be_bytes([high, low])))
        }
        [6, 16, host @ .., 2, high, low] => {
            let host: [u8; 16] = host.try_into().ok()?;
            nonzero(Endpoint::new(
                IpAddr::V6(Ipv6Addr::from(host)),
                u16::from_be_bytes([*high, *low]),
            ))
        }
        _ => None,
    }
}

/// Parses six numbers separated by commas at the start of `text`; returns them modulo 256, and the number of bytes
/// used.
fn six_numbers(text: &[u8]) -> Option<([u8; 6], usize)> {
    let mut numbers = [0; 6];
    let mut at = 0;
    for (index, slot) in numbers.iter_mut().enumerate() {
        if index > 0 {
            if text.get(at) != Some(&b',') {
                return None;
            }
            at += 1;
            while text.get(at) == Some(&b' ') {
                at += 1;
            }
        }
        let negative = text.get(at) == Some(&b'-');
        at += usize::from(negative);
        let digits = text[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits == 0 || digits > 5 {
            return None;
        }
        let value: i32 = std::str::from_utf8(&text[at..at + digits])
            .ok()?
            .parse()
            .ok()?;
        // Some servers print bytes as signed numbers, or the port without its modulo.
        let value = if negative { -value } else { value };
        *slot = u8::try_from(value.rem_euclid(256)).ok()?;
        at += digits;
    }
    Some((numbers, at))
}

fn endpoint_of([a, b, c, d, high, low]: [u8; 6]) -> Option<Endpoint> {
    nonzero(Endpoint::v4([a, b, c, d], u16::from_be_bytes([high, low])))
}

fn nonzero(endpoint: Endpoint) -> Option<Endpoint> {
    (endpoint.port != 0).then_some(endpoint)
}

fn octet(digits: &[u8]) -> Option<u8> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn port_number(digits: &[u8]) -> Option<u16> {
    let port: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (port != 0).then_some(port)
}

/// Parses an address without its zone ID, which only has a meaning on the sender's host.
fn ip(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    text.split('%').next()?.parse().ok()
}

const fn is_delimiter(byte: u8) -> bool {
    byte.is_ascii_graphic() && !byte.is_ascii_alphanumeric()
}

/// Returns whether `text` begins with a byte that was printed as a signed number, -128 at least. A dash before a larger
/// number is punctuation.
fn begins_signed(text: &[u8]) -> bool {
    let Some((b'-', rest)) = text.split_first() else {
        return false;
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = std::str::from_utf8(&rest[..digits]).ok();
    value
        .and_then(|digits| digits.parse().ok())
        .is_some_and(|value: u32| value <= 128)
}

const fn is_number_part(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b','
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::unnecessary_wraps,
        reason = "compared with the results of parsers"
    )]
    fn v4(a: u8, b: u8, c: u8, d: u8, port: u16) -> Option<Endpoint> {
        Some(Endpoint::v4([a, b, c, d], port))
    }

    #[test]
    fn port_argument_is_six_numbers_and_nothing_else() {
        assert_eq!(
            port_argument(b"192,168,0,2,19,137"),
            v4(192, 168, 0, 2, 5001)
        );
        assert_eq!(port_argument(b"192,168,0,2,0,0"), None);
        assert_eq!(port_argument(b"192,168,0,2,19"), None);
        assert_eq!(port_argument(b"192,168,0,2,19,137,1"), None);
        assert_eq!(port_argument(b""), None);
    }

    #[test]
    fn reply_227_is_scanned_for_its_numbers() {
        for text in [
            &b"Entering Passive Mode (127,0,0,1,4,51)."[..],
            b"Entering passive mode. 127,0,0,1,4,51",
            b"127,0,0,1,4,51",
            b"PASV OK (ftp://127,0,0,1,4,51)",
            b"=127,0,0,1,4,51",
            b"Data transfer 2 will passively listen to 127,0,0,1,4,51",
            b"x (127, 0, 0, 1, 4, 51)",
        ] {
            assert_eq!(
                passive_reply(text),
                v4(127, 0, 0, 1, 1075),
                "{}",
                text.escape_ascii()
            );
        }
        assert_eq!(
            passive_reply(b"(192,168,1,1,-1,-2)"),
            v4(192, 168, 1, 1, 0xfffe)
        );
        assert_eq!(passive_reply(b"Logout"), None);
        assert_eq!(passive_reply(b"Entering Passive Mode (1,2,3"), None);
    }

    #[test]
    fn reply_229_may_have_any_delimiter_and_spaces() {
        for text in [
            &b"Entering Extended Passive Mode (|||6446|)"[..],
            b"ok (!!!6446!)",
            b"ok (||| 6446 |)",
            b"ok |||6446|",
            b"ok (xxx6446x)",
        ] {
            assert_eq!(
                extended_passive_reply(text).map(|found| found.port),
                Some(6446),
                "{}",
                text.escape_ascii()
            );
        }
        let full = extended_passive_reply(b"ok (|1|10.0.0.1|6446|)").expect("parsed");
        assert_eq!(full.address, Some("10.0.0.1".parse().expect("an address")));
        assert_eq!(
            extended_passive_reply(b"Entering Passive Mode (127,0,0,1,4,51)"),
            None
        );
        assert_eq!(extended_passive_reply(b"(|||0|)"), None);
        assert_eq!(extended_passive_reply(b"(|||99999|)"), None);
    }

    #[test]
    fn eprt_argument_may_have_either_family_and_a_zone_id() {
        assert_eq!(
            extended_port_argument(b"|1|132.235.1.2|6275|"),
            v4(132, 235, 1, 2, 6275)
        );
        let v6 = extended_port_argument(b"|2|1080::8:800:200C:417A|5282|").expect("parsed");
        assert_eq!(v6.port, 5282);
        assert!(extended_port_argument(b"|2|fe80::1%eth0|5282|").is_some());
        assert_eq!(extended_port_argument(b"|3|x|1|"), None);
    }

    #[test]
    fn long_addresses_of_both_families_are_parsed() {
        assert_eq!(long_address(b"4,4,10,0,0,1,2,4,51"), v4(10, 0, 0, 1, 1075));
        let v6 = long_address(
            b"Entering Long Passive Mode (6,16,32,1,13,184,0,0,0,0,0,0,0,0,0,0,0,1,2,4,51)",
        );
        assert_eq!(
            v6.map(|end| end.to_string()),
            Some("[2001:db8::1]:1075".into())
        );
        assert_eq!(long_address(b"4,4,300,0,0,1,2,4,51"), None);
        assert_eq!(long_address(b""), None);
    }
}
