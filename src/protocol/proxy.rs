//! Proxies in front of a connection: HTTP CONNECT, SOCKS 4 and 5, and the PROXY protocol of load balancers.
//!
//! ```text
//! HTTP CONNECT  client: CONNECT host:port HTTP/1.1 ... CRLF CRLF   proxy: HTTP/1.1 200 ... CRLF CRLF
//! SOCKS4, 4a    client: 4 1 port address user 0 [host 0]           proxy: 0 90 port address
//! SOCKS5        client: 5 n methods [login] 5 1 0 address port     proxy: 5 method [1 0] 5 0 0 address port
//! PROXY v1, v2  client: PROXY TCP4 source target ports CRLF        nothing
//! ```
//!
//! In all of them the client speaks first, and everything after the last byte of the prelude belongs to the connection
//! that runs through the proxy (RFC 9110 section 9.3.6, RFC 1928 section 6).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::Endpoint;

/// Everything that precedes the first byte of a proxied connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prelude {
    /// Protocol.
    pub protocol: ProxyProtocol,
    /// End point that the client named behind the proxy; `None` if it named a host, or the header names none.
    pub target: Option<Endpoint>,
    /// Port that the client named; `None` if the header names none.
    pub target_port: Option<u16>,
    /// Host and port that the client named, as text; empty if the header names none.
    pub target_text: String,
    /// True client, as a load balancer states it; `None` in all other protocols.
    pub source: Option<Endpoint>,
    /// Length in bytes of the client's part.
    pub client_bytes: usize,
    /// Length in bytes of the proxy's part.
    pub server_bytes: usize,
}

/// Protocol between client and proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// CONNECT (RFC 9110 section 9.3.6).
    HttpConnect,
    /// SOCKS 4 and 4a.
    Socks4,
    /// SOCKS 5 (RFC 1928).
    Socks5,
    /// PROXY protocol, version 1 or 2.
    Header(u8),
}

/// Result of a look at the first bytes of both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detection {
    /// No proxy.
    None,
    /// More bytes are needed.
    Incomplete,
    /// A whole prelude.
    Found(Box<Prelude>),
}

impl Prelude {
    /// Describes the proxy in a few words: `SOCKS5 to 192.0.2.1:21`, `PROXY v1 from 192.0.2.9:41000`.
    #[must_use]
    pub fn text(&self) -> String {
        let name = match self.protocol {
            ProxyProtocol::HttpConnect => "HTTP CONNECT",
            ProxyProtocol::Socks4 => "SOCKS4",
            ProxyProtocol::Socks5 => "SOCKS5",
            ProxyProtocol::Header(1) => "PROXY v1",
            ProxyProtocol::Header(_) => "PROXY v2",
        };
        match self.source {
            Some(source) => format!("{name} from {source}"),
            None if self.target_text.is_empty() => name.to_owned(),
            None => format!("{name} to {}", self.target_text),
        }
    }

    /// Returns whether the connection runs through a tunnel, so that its far end is not the peer of the packets.
    #[must_use]
    pub const fn is_tunnel(&self) -> bool {
        !matches!(self.protocol, ProxyProtocol::Header(_))
    }
}

/// Returns whether a payload may begin a proxied connection, other than one to a web server.
#[inline]
#[must_use]
pub fn may_begin(payload: &[u8]) -> bool {
    match payload {
        [b'C', b'O', b'N', b'N', ..] => {
            payload.starts_with(b"CONNECT ") && !names_web_port(payload)
        }
        [b'P', b'R', b'O', b'X', ..] => payload.starts_with(b"PROXY "),
        [b'\r', b'\n', b'\r', b'\n', ..] => payload.starts_with(SIGNATURE),
        [4, 1, _, _, _, _, _, _, .., 0] => true,
        [5, count, methods @ ..] => *count > 0 && methods.len() == usize::from(*count),
        _ => false,
    }
}

/// Detects a prelude at the beginning of a connection, from the first bytes of both sides.
#[must_use]
pub fn detect(client: &[u8], server: &[u8]) -> Detection {
    let found = match client.first() {
        None => return Detection::Incomplete,
        Some(b'P') => header_v1(client),
        Some(b'\r') => header_v2(client),
        Some(b'C') => http_connect(client, server),
        Some(4) => socks4(client, server),
        Some(5) => socks5(client, server),
        Some(_) => Err(Detection::None),
    };
    match found {
        Ok(prelude) => Detection::Found(Box::new(prelude)),
        Err(detection) => detection,
    }
}

/// Detects a PROXY header whose protocol needs no answer, at the beginning of a data connection.
#[must_use]
pub fn detect_header(client: &[u8]) -> Option<Prelude> {
    header_v1(client).or_else(|_| header_v2(client)).ok()
}

/// Parses a version 1 header: one line of at most 107 bytes.
fn header_v1(client: &[u8]) -> Result<Prelude, Detection> {
    if !client.starts_with(b"PROXY ") {
        let begins = b"PROXY ".starts_with(client);
        return Err(more_if(begins));
    }
    let longest = &client[..client.len().min(LONGEST_V1)];
    let Some(end) = longest.windows(2).position(|pair| pair == b"\r\n") else {
        return Err(more_if(client.len() < LONGEST_V1));
    };
    let line = std::str::from_utf8(&client[..end]).map_err(|_| Detection::None)?;
    let words: Vec<&str> = line.split(' ').collect();
    let (source, target) = match words.as_slice() {
        [_, "TCP4" | "TCP6", source, target, from, to] => {
            (endpoint(source, from), endpoint(target, to))
        }
        [_, "UNKNOWN", ..] => (None, None),
        _ => return Err(Detection::None),
    };
    if words.get(1) != Some(&"UNKNOWN") && (source.is_none() || target.is_none()) {
        return Err(Detection::None);
    }
    Ok(header(1, source, target, end + 2))
}

/// Parses a version 2 header: a signature, 4 bytes, and as many as they state.
fn header_v2(client: &[u8]) -> Result<Prelude, Detection> {
    if !client.starts_with(SIGNATURE) {
        return Err(more_if(SIGNATURE.starts_with(client)));
    }
    let Some(&[version, family, high, low]) = client[SIGNATURE.len()..].first_chunk::<4>() else {
        return Err(Detection::Incomplete);
    };
    if version >> 4 != 2 {
        return Err(Detection::None);
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    let from = SIGNATURE.len() + 4;
    let Some(addresses) = client.get(from..from + length) else {
        return Err(Detection::Incomplete);
    };
    let (source, target) = match (family >> 4, addresses) {
        (1, addresses) if addresses.len() >= 12 => (
            v4_endpoint(&addresses[..4], &addresses[8..10]),
            v4_endpoint(&addresses[4..8], &addresses[10..12]),
        ),
        (2, addresses) if addresses.len() >= 36 => (
            v6_endpoint(&addresses[..16], &addresses[32..34]),
            v6_endpoint(&addresses[16..32], &addresses[34..36]),
        ),
        _ => (None, None),
    };
    // Command LOCAL: a health check of the balancer itself, whose addresses mean nothing.
    let local = version == 0x20;
    let source = source.filter(|_| !local);
    Ok(header(2, source, target, from + length))
}

fn v4_endpoint(address: &[u8], port: &[u8]) -> Option<Endpoint> {
    let address = <[u8; 4]>::try_from(address).ok()?;
    let port = <[u8; 2]>::try_from(port).ok()?;
    Some(Endpoint::v4(address, u16::from_be_bytes(port)))
}

fn header(
    version: u8,
    source: Option<Endpoint>,
    target: Option<Endpoint>,
    client_bytes: usize,
) -> Prelude {
    Prelude {
        protocol: ProxyProtocol::Header(version),
        target,
        target_port: target.map(|target| target.port),
        target_text: target.map(|target| target.to_string()).unwrap_or_default(),
        source,
        client_bytes,
        server_bytes: 0,
    }
}

/// Parses requests and responses up to the one that opens the tunnel: a proxy may ask for a login first (407).
fn http_connect(client: &[u8], server: &[u8]) -> Result<Prelude, Detection> {
    let (mut sent, mut answered) = (0, 0);
    for _ in 0..REQUESTS {
        let request = &client[sent..];
        if !request.starts_with(b"CONNECT ") {
            return Err(more_if(b"CONNECT ".starts_with(request)));
        }
        let length = head_length(request)?;
        let line = request.split(|&byte| byte == b'\r').next();
        let line = std::str::from_utf8(line.unwrap_or_default()).map_err(|_| Detection::None)?;
        let words: Vec<&str> = line.split(' ').collect();
        let [_, authority, version] = words.as_slice() else {
            return Err(Detection::None);
        };
        if !version.starts_with("HTTP/1.") {
            return Err(Detection::None);
        }
        let (host, port) = authority.rsplit_once(':').ok_or(Detection::None)?;
        let target_port: u16 = port.parse().map_err(|_| Detection::None)?;
        sent += length;
        let response = &server[answered..];
        if !response.starts_with(b"HTTP/1.") {
            return Err(more_if(
                b"HTTP/1.".starts_with(response.get(..7).unwrap_or(response)),
            ));
        }
        let length = head_length(response)?;
        let head = String::from_utf8_lossy(&response[..length]).to_ascii_lowercase();
        answered += length;
        if head
            .split(' ')
            .nth(1)
            .is_some_and(|code| code.starts_with('2'))
        {
            let target = endpoint(host.trim_matches(['[', ']']), port);
            return Ok(Prelude {
                protocol: ProxyProtocol::HttpConnect,
                target,
                target_port: Some(target_port),
                target_text: (*authority).to_owned(),
                source: None,
                client_bytes: sent,
                server_bytes: answered,
            });
        }
        let body = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .and_then(|length| length.trim().parse::<usize>().ok())
            .unwrap_or(0);
        answered = answered.saturating_add(body);
        if answered > server.len() || sent == client.len() {
            return Err(Detection::Incomplete);
        }
    }
    Err(Detection::None)
}

/// Returns the length of a head with the empty line that ends it.
fn head_length(text: &[u8]) -> Result<usize, Detection> {
    let end = text.windows(4).position(|end| end == b"\r\n\r\n");
    end.map(|at| at + 4)
        .ok_or(more_if(text.len() < LONGEST_HEAD))
}

/// Parses a request of SOCKS 4, or 4a with a host name, and its answer.
fn socks4(client: &[u8], server: &[u8]) -> Result<Prelude, Detection> {
    let Some(&[_, command, high, low, a, b, c, d]) = client.first_chunk::<8>() else {
        return Err(Detection::Incomplete);
    };
    if command != 1 {
        return Err(Detection::None);
    }
    let user = text_length(&client[8..])?;
    let mut length = 8 + user + 1;
    let port = u16::from_be_bytes([high, low]);
    let mut target = Some(Endpoint::v4([a, b, c, d], port));
    let mut target_text = Endpoint::v4([a, b, c, d], port).to_string();
    // SOCKS 4a: an address 0.0.0.x that is none, and the name behind the user.
    if [a, b, c] == [0; 3] && d != 0 {
        let host = text_length(&client[length..])?;
        target_text = named(&client[length..length + host], port);
        target = None;
        length += host + 1;
    }
    match server.first_chunk::<8>() {
        Some([0, 90, ..]) => {}
        Some(_) => return Err(Detection::None),
        None => return Err(Detection::Incomplete),
    }
    Ok(Prelude {
        protocol: ProxyProtocol::Socks4,
        target,
        target_port: Some(port),
        target_text,
        source: None,
        client_bytes: length,
        server_bytes: 8,
    })
}

/// Returns the length of a text up to its NUL.
fn text_length(bytes: &[u8]) -> Result<usize, Detection> {
    let end = bytes.iter().take(LONGEST_NAME).position(|&byte| byte == 0);
    end.ok_or(more_if(bytes.len() < LONGEST_NAME))
}

/// Parses the negotiation of SOCKS 5, its login (RFC 1929), the request and the answer.
fn socks5(client: &[u8], server: &[u8]) -> Result<Prelude, Detection> {
    let need = |bytes: Option<&u8>| bytes.copied().ok_or(Detection::Incomplete);
    let methods = usize::from(need(client.get(1))?);
    let mut sent = 2 + methods;
    let mut answered = 2;
    if methods == 0 || need(server.first())? != 5 {
        return Err(Detection::None);
    }
    match need(server.get(1))? {
        0 => {}
        2 => {
            let user = usize::from(need(client.get(sent + 1))?);
            let password = usize::from(need(client.get(sent + 2 + user))?);
            sent += 3 + user + password;
            if need(server.get(3))? != 0 {
                return Err(Detection::None);
            }
            answered += 2;
        }
        _ => return Err(Detection::None),
    }
    let Some(request) = client.get(sent..).filter(|rest| rest.len() >= 4) else {
        return Err(Detection::Incomplete);
    };
    if request[..3] != [5, 1, 0] {
        return Err(Detection::None);
    }
    let (host, length) = socks5_address(&request[3..])?;
    let Some(&[high, low]) = request
        .get(3 + length..)
        .and_then(|rest| rest.first_chunk())
    else {
        return Err(Detection::Incomplete);
    };
    let port = u16::from_be_bytes([high, low]);
    let (target, target_text) = match host {
        Ok(ip) => {
            let target = Endpoint::new(ip, port);
            (Some(target), target.to_string())
        }
        Err(name) => (None, named(name, port)),
    };
    let Some(answer) = server.get(answered..).filter(|rest| rest.len() >= 4) else {
        return Err(Detection::Incomplete);
    };
    if answer[..2] != [5, 0] {
        return Err(Detection::None);
    }
    let (_, bound) = socks5_address(&answer[3..])?;
    answered += 3 + bound + 2;
    if server.len() < answered {
        return Err(Detection::Incomplete);
    }
    Ok(Prelude {
        protocol: ProxyProtocol::Socks5,
        target,
        target_port: Some(port),
        target_text,
        source: None,
        client_bytes: sent + 3 + length + 2,
        server_bytes: answered,
    })
}

/// Parses an address of SOCKS 5 with its type; a name is the error. Returns its length with the type.
fn socks5_address(bytes: &[u8]) -> Result<(Result<IpAddr, &[u8]>, usize), Detection> {
    match bytes {
        [1, a, b, c, d, ..] => Ok((Ok(Ipv4Addr::new(*a, *b, *c, *d).into()), 5)),
        [4, rest @ ..] if rest.len() >= 16 => {
            let address: [u8; 16] = rest[..16].try_into().map_err(|_| Detection::None)?;
            Ok((Ok(Ipv6Addr::from(address).into()), 17))
        }
        [3, length, rest @ ..] if rest.len() >= usize::from(*length) => {
            let length = usize::from(*length);
            Ok((Err(&rest[..length]), 2 + length))
        }
        [1 | 3 | 4, ..] | [] => Err(Detection::Incomplete),
        _ => Err(Detection::None),
    }
}

fn named(host: &[u8], port: u16) -> String {
    // A name on the wire is hostile text: what no name may hold is left out.
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_".contains(byte);
    let host: String = host
        .iter()
        .filter(|byte| is_name(byte))
        .map(|&byte| char::from(byte))
        .collect();
    format!("{host}:{port}")
}

fn endpoint(address: &str, port: &str) -> Option<Endpoint> {
    Some(Endpoint::new(address.parse().ok()?, port.parse().ok()?))
}

fn v6_endpoint(address: &[u8], port: &[u8]) -> Option<Endpoint> {
    let address: [u8; 16] = address.try_into().ok()?;
    let port: [u8; 2] = port.try_into().ok()?;
    let ip = IpAddr::V6(Ipv6Addr::from(address));
    Some(Endpoint::new(ip, u16::from_be_bytes(port)))
}

/// Returns whether a CONNECT names a port of web servers: nearly all do, and are no business of ours.
fn names_web_port(request: &[u8]) -> bool {
    let authority = request[8..].split(|&byte| byte == b' ').next();
    let authority = authority.unwrap_or_default();
    authority.ends_with(b":443") || authority.ends_with(b":80")
}

const fn more_if(possible: bool) -> Detection {
    if possible {
        Detection::Incomplete
    } else {
        Detection::None
    }
}

/// First bytes of a version 2 header.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Length of the longest version 1 header in bytes, as its specification states.
const LONGEST_V1: usize = 107;

/// Longest head of a request or response, in bytes.
const LONGEST_HEAD: usize = 4096;

/// Longest user or host name of SOCKS 4, in bytes.
const LONGEST_NAME: usize = 256;

/// Requests after which no tunnel is to be expected: one, one with a login, and one more of it.
const REQUESTS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(client: &[u8], server: &[u8]) -> Prelude {
        match detect(client, server) {
            Detection::Found(prelude) => *prelude,
            other => panic!("{other:?} of {}", client.escape_ascii()),
        }
    }

    /// Every part of the prelude alone must ask for more, and the whole must be found, whatever follows.
    fn check(client: &[u8], server: &[u8], text: &str) {
        let whole = found(client, server);
        assert_eq!(whole.text(), text);
        assert_eq!(
            (whole.client_bytes, whole.server_bytes),
            (client.len(), server.len())
        );
        for length in 1..client.len() {
            assert_eq!(detect(&client[..length], b""), Detection::Incomplete);
        }
        for length in 0..server.len() {
            assert_eq!(detect(client, &server[..length]), Detection::Incomplete);
        }
        let more = [client, b"USER bob\r\n"].concat();
        assert_eq!(found(&more, &[server, b"220 hi\r\n"].concat()), whole);
    }

    #[test]
    fn preludes_of_all_protocols_are_found_whole_and_not_before() {
        let ok = b"HTTP/1.1 200 Connection established\r\n\r\n";
        check(
            b"CONNECT 192.0.2.1:21 HTTP/1.1\r\nHost: x\r\n\r\n",
            ok,
            "HTTP CONNECT to 192.0.2.1:21",
        );
        check(
            b"\x04\x01\x00\x15\xc0\x00\x02\x01me\0",
            b"\0\x5a\0\0\0\0\0\0",
            "SOCKS4 to 192.0.2.1:21",
        );
        check(
            b"\x04\x01\x00\x15\0\0\0\x01me\0ftp.example.com\0",
            b"\0\x5a\0\0\0\0\0\0",
            "SOCKS4 to ftp.example.com:21",
        );
        check(
            b"\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x15",
            b"\x05\x00\x05\x00\x00\x01\0\0\0\0\0\0",
            "SOCKS5 to 192.0.2.1:21",
        );
        check(
            b"\x05\x02\x00\x02\x01\x02me\x03pwd\x05\x01\x00\x03\x05a.com\x00\x15",
            b"\x05\x02\x01\x00\x05\x00\x00\x03\x01a\0\0",
            "SOCKS5 to a.com:21",
        );
        check(
            b"PROXY TCP4 203.0.113.9 192.0.2.1 41000 21\r\n",
            b"",
            "PROXY v1 from 203.0.113.9:41000",
        );
        check(
            b"PROXY TCP6 2001:db8::9 2001:db8::1 41000 21\r\n",
            b"",
            "PROXY v1 from [2001:db8::9]:41000",
        );
        check(
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00q\x09\xc0\x00\x02\x01\xa0\x28\x00\x15",
            b"",
            "PROXY v2 from 203.0.113.9:41000",
        );
    }

    #[test]
    fn proxy_that_asks_for_a_login_first_is_followed() {
        let request = b"CONNECT a.com:21 HTTP/1.1\r\n\r\n";
        let login = b"CONNECT a.com:21 HTTP/1.1\r\nProxy-Authorization: Basic eA==\r\n\r\n";
        let answer = b"HTTP/1.1 407 Who?\r\nContent-Length: 4\r\n\r\nHTTP";
        let ok = b"HTTP/1.1 200 ok\r\n\r\n";
        let prelude = found(&[&request[..], login].concat(), &[&answer[..], ok].concat());
        assert_eq!(prelude.text(), "HTTP CONNECT to a.com:21");
        assert_eq!(detect(request, answer), Detection::Incomplete);
    }

    #[test]
    fn other_beginnings_are_no_proxy() {
        for (client, server) in [
            (&b"USER bob\r\n"[..], &b""[..]),
            (b"PASS bob\r\n", b""),
            (b"PROXY TCP4 nobody nowhere 1 2\r\n", b""),
            (b"CWD /\r\n", b""),
            (b"\x05\x01\x00", b"220 hi\r\n"),
            (b"CONNECT a.com:21 HTTP/1.1\r\n\r\n", b"220 hi\r\n"),
        ] {
            assert_eq!(detect(client, server), Detection::None);
        }
        assert!(!may_begin(b"CONNECT a.com:443 HTTP/1.1\r\n\r\n"));
        assert!(may_begin(b"CONNECT a.com:21 HTTP/1.1\r\n\r\n"));
        assert!(!may_begin(b"\x05\x01"));
    }
}
