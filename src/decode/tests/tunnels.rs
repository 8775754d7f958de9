//! What must not be taken for a tunnel, and where opening ends.

use super::{COMMAND, IPV4, Seen, behind, decode, ethernet, ipv4, ipv4_with, udp};
use crate::capture::LinkType;
use crate::decode::NotOurs;

#[test]
fn a_datagram_of_port_53_is_never_opened() {
    let frame = ethernet(IPV4, &ipv4());
    let vxlan = behind(&[8, 0, 0, 0, 0, 0, 7, 0], &frame);
    for (source, destination) in [(53, 4789), (4789, 53), (53, 8472), (53, 2152), (3544, 53)] {
        let seen = decode(LinkType::RAW, &udp(source, destination, &vxlan));
        assert!(
            matches!(seen, Seen::Datagram { .. }),
            "{source} to {destination}"
        );
    }
}

#[test]
fn a_port_alone_makes_no_tunnel() {
    for port in [4789, 8472, 6081, 2152, 3544] {
        for payload in [
            COMMAND,
            &[0; 64],
            &[0x30; 64],
            &[],
            &[8, 0, 0, 0, 0, 0, 0, 0],
        ] {
            match decode(LinkType::RAW, &udp(40_000, port, payload)) {
                Seen::Datagram { payload: seen, .. } => assert_eq!(seen, payload),
                other => panic!("port {port}: {other:?}"),
            }
        }
    }
}

#[test]
fn eight_tunnels_are_opened_and_no_more() {
    let mut packet = ipv4();
    for _ in 0..8 {
        packet = ipv4_with(4, &packet);
    }
    assert_eq!(decode(LinkType::RAW, &packet), Seen::command());
    packet = ipv4_with(4, &packet);
    assert_eq!(
        decode(LinkType::RAW, &packet),
        Seen::Other(NotOurs::DepthLimit)
    );
}

#[test]
fn tags_without_end_are_given_up() {
    let frame = ethernet(0x8100, &[0, 1, 0x81, 0].repeat(300));
    assert_eq!(
        decode(LinkType::ETHERNET, &frame),
        Seen::Other(NotOurs::DepthLimit)
    );
}

#[test]
fn encrypted_and_control_frames_of_a_wireless_network_are_told_apart() {
    let mut frame = behind(&[8, 0x41], &[0; 40]);
    assert_eq!(
        decode(LinkType::IEEE802_11, &frame),
        Seen::Other(NotOurs::Encrypted)
    );
    frame[0] = 0x80;
    assert_eq!(
        decode(LinkType::IEEE802_11, &frame),
        Seen::Other(NotOurs::NotIp)
    );
}
