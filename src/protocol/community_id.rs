//! Community ID v1: a string that identifies a connection across tools, such as Zeek and Suricata.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::model::FlowKey;

/// Returns the Community ID of a TCP connection, with seed 0: the default of all tools.
#[must_use]
pub fn community_id(key: &FlowKey) -> String {
    of_protocol(key, TCP)
}

fn of_protocol(key: &FlowKey, protocol: u8) -> String {
    let mut hash = Sha1::new();
    hash.update(SEED);
    // The specification orders the endpoints by address and port, as `FlowKey` does.
    for end in [key.low, key.high] {
        match end.ip() {
            std::net::IpAddr::V4(ip) => hash.update(ip.octets()),
            std::net::IpAddr::V6(ip) => hash.update(ip.octets()),
        }
    }
    hash.update([protocol, 0]);
    hash.update(key.low.port.to_be_bytes());
    hash.update(key.high.port.to_be_bytes());
    // 20 bytes of SHA-1 are 28 in base 64.
    let mut text = String::with_capacity(2 + 28);
    text.push_str("1:");
    STANDARD.encode_string(hash.finalize(), &mut text);
    text
}

const SEED: [u8; 2] = [0, 0];
const TCP: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Endpoint;

    #[test]
    fn published_vector_is_matched_in_both_directions() {
        let a = Endpoint::v4([192, 168, 1, 42], 4242);
        let b = Endpoint::v4([8, 8, 8, 8], 53);
        let udp = 17;
        assert_eq!(
            of_protocol(&FlowKey::new(a, b).0, udp),
            "1:vTdrngJjlP5eZ9mw9JtnKyn99KM="
        );
        assert_eq!(
            of_protocol(&FlowKey::new(b, a).0, udp),
            "1:vTdrngJjlP5eZ9mw9JtnKyn99KM="
        );
    }
}
