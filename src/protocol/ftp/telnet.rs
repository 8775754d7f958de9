//! Telnet sequences inside control lines.
//!
//! RFC 959 section 4.1.3: ABOR may be preceded by IAC IP IAC DM; RFC 1123 section 4.1.2.12 asks servers to accept them. A name
//! with the byte 255 arrives with that byte doubled, and one with a CR as CR NUL (RFC 854, RFC 2640 section 3.1).

use std::borrow::Cow;

/// The line without Telnet sequences, `IAC IAC` and CR NUL as one byte. As it came where there are none.
#[must_use]
pub fn strip<'a>(line: impl Into<Cow<'a, [u8]>>) -> Cow<'a, [u8]> {
    let line = line.into();
    if memchr::memchr2(IAC, 0, &line).is_none() {
        return line;
    }
    let mut out = Vec::with_capacity(line.len());
    let mut rest = &*line;
    loop {
        match rest {
            [] => break,
            [IAC, IAC, tail @ ..] => {
                out.push(IAC);
                rest = tail;
            }
            [b'\r', 0, tail @ ..] => {
                out.push(b'\r');
                rest = tail;
            }
            [IAC, WILL..=DONT, _, tail @ ..] => rest = tail,
            [IAC, SUBNEGOTIATION, tail @ ..] => {
                let end = tail
                    .windows(2)
                    .position(|pair| pair == [IAC, SUBNEGOTIATION_END]);
                rest = end.map_or(&[][..], |at| &tail[at + 2..]);
            }
            [IAC, SUBNEGOTIATION_END..=DONT, tail @ ..] => rest = tail,
            [byte, tail @ ..] => {
                // An IAC before anything else is a Latin-1 letter of a client that does not double it.
                out.push(*byte);
                rest = tail;
            }
        }
    }
    // The Data Mark may lose its IAC to TCP urgent handling and stand alone before the verb.
    if out.first() == Some(&DATA_MARK) {
        out.remove(0);
    }
    Cow::Owned(out)
}

const IAC: u8 = 255;
const SUBNEGOTIATION_END: u8 = 240;
const DATA_MARK: u8 = 242;
const SUBNEGOTIATION: u8 = 250;
const WILL: u8 = 251;
const DONT: u8 = 254;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupt_process_and_data_mark_before_abor_vanish() {
        assert_eq!(&*strip(b"\xff\xf4\xff\xf2ABOR"), b"ABOR");
        assert_eq!(&*strip(b"\xff\xf4\xf2ABOR"), b"ABOR");
    }

    #[test]
    fn a_doubled_255_is_one_byte_of_the_name() {
        assert_eq!(&*strip(b"RETR a\xff\xffb"), b"RETR a\xffb");
    }

    #[test]
    fn carriage_return_and_nul_are_a_carriage_return() {
        assert_eq!(&*strip(b"RETR a\r\0b\r\0"), b"RETR a\rb\r");
        assert_eq!(&*strip(b"RETR a\rb\0"), b"RETR a\rb\0");
    }

    #[test]
    fn negotiations_vanish_and_plain_lines_are_borrowed() {
        assert_eq!(
            &*strip(b"\xff\xfb\x01\xff\xfa\x18\x00x\xff\xf0USER x"),
            b"USER x"
        );
        assert!(matches!(strip(b"USER x"), Cow::Borrowed(_)));
        assert_eq!(&*strip(b"RETR na\xffve"), b"RETR na\xffve");
        assert_eq!(&*strip(b"a\xff"), b"a\xff");
    }
}
