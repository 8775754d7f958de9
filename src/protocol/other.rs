//! Protocols other than FTP, by the first bytes of a connection to the port of FTP.
//!
//! The server decides: one that answers with reply codes is an FTP server, whatever its client sends. A protocol is named by
//! bytes that no FTP peer begins with: identification strings (RFC 4253 section 4.2), greetings (RFC 5321 section 4.2, RFC
//! 1939 section 4, RFC 3501 section 7.1.1, RFC 6143 section 7.1.1), request lines (RFC 9112 section 3), Telnet options before
//! any text (RFC 854), TPKT (RFC 2126), frames of `NetBIOS`, and the binary greeting of `MySQL`.

/// Returns the protocol whose server sends `bytes` first; `None` if they may be those of an FTP server.
#[must_use]
pub fn server_protocol(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [b'S', b'S', b'H', b'-', ..] => Some("ssh"),
        [b'H', b'T', b'T', b'P', b'/', ..] => Some("http"),
        [b'R', b'T', b'S', b'P', b'/', ..] => Some("rtsp"),
        [b'S', b'I', b'P', b'/', ..] => Some("sip"),
        [b'R', b'F', b'B', b' ', ..] => Some("vnc"),
        [b'+', b'O', b'K', b' ' | b'\r', ..] => Some("pop3"),
        [b'*', b' ', b'O', b'K', b' ', ..] => Some("imap"),
        [b'2', b'2', b'0', b' ' | b'-', ..] if names_mail(first_line(bytes)) => Some("smtp"),
        // An FTP server may send options as well, but never without a greeting.
        [255, 251..=254, _, rest @ ..] if only_options(rest) => Some("telnet"),
        _ => frame_protocol(bytes),
    }
}

/// Returns the protocol whose client sends `bytes` first; `None` if they may be those of an FTP client.
#[must_use]
pub fn client_protocol(bytes: &[u8]) -> Option<&'static str> {
    let line = first_line(bytes);
    let mut words = line.split(|&byte| byte == b' ');
    let (method, target, version) = (words.next()?, words.next(), words.next());
    match (method, version) {
        (_, Some(version)) if version.starts_with(b"HTTP/") => return Some("http"),
        (_, Some(version)) if version.starts_with(b"RTSP/") => return Some("rtsp"),
        (_, Some(version)) if version.starts_with(b"SIP/") => return Some("sip"),
        (b"GET" | b"HEAD" | b"POST" | b"PUT", _)
            if target.is_some_and(|target| target.first() == Some(&b'/')) =>
        {
            return Some("http");
        }
        (verb, _)
            if ["EHLO", "HELO"]
                .iter()
                .any(|hello| verb.eq_ignore_ascii_case(hello.as_bytes())) =>
        {
            return Some("smtp");
        }
        _ => {}
    }
    if bytes.starts_with(b"SSH-") {
        return Some("ssh");
    }
    frame_protocol(bytes)
}

/// Returns whether bytes are no NVT text (RFC 959 section 5.3.1), which binary protocols leave within a few bytes. NUL alone
/// pads lines of home-made peers.
#[must_use]
pub fn is_binary(bytes: &[u8]) -> bool {
    memchr::memchr(0, bytes).is_some()
        && bytes
            .iter()
            .any(|byte| matches!(byte, 1..=8 | 11 | 12 | 14..=31))
}

/// Returns the protocol of a frame with a length in front; `None` for any other bytes.
fn frame_protocol(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        // TPKT version 3, then an X.224 connection request or confirm.
        [3, 0, _, _, _, 0xe0 | 0xd0, ..] => Some("rdp"),
        [0, _, _, _, 0xfe | 0xff, b'S', b'M', b'B', ..] => Some("smb"),
        // Length of the packet, its number 0, version 10 of the protocol, and the version of the server as text.
        [_, _, 0, 0, 10, b'0'..=b'9', b'.' | b'0'..=b'9', ..] => Some("mysql"),
        _ => None,
    }
}

/// Returns whether a greeting is that of a mail server: those name SMTP or ESMTP in it, by custom.
fn names_mail(line: &[u8]) -> bool {
    let has = |word: &[u8]| {
        line.windows(word.len())
            .any(|part| part.eq_ignore_ascii_case(word))
    };
    has(b"SMTP") && !has(b"FTP ") && !has(b"(FTP")
}

/// Returns whether bytes are Telnet options and nothing else.
fn only_options(mut bytes: &[u8]) -> bool {
    loop {
        bytes = match bytes {
            [] => return true,
            [255, 251..=254, _, rest @ ..] => rest,
            _ => return false,
        };
    }
}

fn first_line(bytes: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
    bytes[..end.min(LINE)].trim_ascii_end()
}

/// Bytes of a first line that are looked at.
const LINE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_other_protocols_are_named_by_their_first_bytes() {
        for (bytes, protocol) in [
            (&b"SSH-2.0-OpenSSH_9.6\r\n"[..], Some("ssh")),
            (b"HTTP/1.1 400 Bad Request\r\n", Some("http")),
            (b"220 mx.example.org ESMTP Postfix\r\n", Some("smtp")),
            (b"+OK ready\r\n", Some("pop3")),
            (b"* OK IMAP4rev1\r\n", Some("imap")),
            (b"RFB 003.008\n", Some("vnc")),
            (b"\xff\xfd\x18\xff\xfd\x20", Some("telnet")),
            (b"\x03\0\0\x13\x0e\xd0\0\0", Some("rdp")),
            (b"\x4a\0\0\0\x0a8.0.36\0", Some("mysql")),
            (b"220 (vsFTPd 3.0.5)\r\n", None),
            (b"220 smtp-gw FTP server ready\r\n", None),
            (b"\xff\xfb\x01220 ready\r\n", None),
            (b"+OKAY\r\n", None),
            (b"\x16\x03\x03\0\x05", None),
            (b"", None),
        ] {
            assert_eq!(server_protocol(bytes), protocol, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn clients_of_other_protocols_are_named_by_their_first_line() {
        for (bytes, protocol) in [
            (&b"SSH-2.0-Go\r\n"[..], Some("ssh")),
            (b"GET / HTTP/1.1\r\nHost: a\r\n", Some("http")),
            (b"GET /\r\n", Some("http")),
            (b"OPTIONS rtsp://a RTSP/1.0\r\n", Some("rtsp")),
            (b"ehlo me\r\n", Some("smtp")),
            (b"\0\0\0\x45\xffSMBr\0", Some("smb")),
            (b"USER bob\r\n", None),
            (b"GET readme.txt\r\n", None),
            (b"\0\0USER bob\r\n", None),
            (b"", None),
        ] {
            assert_eq!(client_protocol(bytes), protocol, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn padding_with_nul_is_no_binary_protocol() {
        assert!(!is_binary(b"USER bob\0\0\0\0"));
        assert!(is_binary(b"\x03\0\0\x13\x0e\xe0"));
        assert!(!is_binary(b"220 \x01 no NUL\r\n"));
    }
}
