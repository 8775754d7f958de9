use super::*;
use crate::model::FrameRef;

fn packet(link: LinkType, data: &[u8]) -> Packet<'_> {
    Packet {
        frame: FrameRef::default(),
        link,
        wire_len: 0,
        data,
    }
}

/// Builds an IPv4 TCP packet from port 1025 to port 21.
fn to_ftp() -> Vec<u8> {
    let mut ip = vec![
        0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 4, 1, 0, 21,
    ];
    ip.resize(40, 0);
    ip
}

#[test]
fn one_filter_matches_packets_of_several_link_types() {
    let mut filter = Filter::new("tcp port 21 and host 10.0.0.2").unwrap();
    let raw = to_ftp();
    let ethernet = [[0; 12].as_slice(), &[8, 0], &raw].concat();
    assert!(filter.matches(&packet(LinkType::ETHERNET, &ethernet)));
    assert!(filter.matches(&packet(LinkType::RAW, &raw)));
    assert!(filter.matches(&packet(LinkType::IPV4, &raw)));
    assert!(!filter.matches(&packet(LinkType::ETHERNET, &raw)));
    let mut other = Filter::new("port 22").unwrap();
    assert!(!other.matches(&packet(LinkType::RAW, &raw)));
    assert!(filter.unsupported().is_empty());
}

#[test]
fn packets_of_an_unsupported_link_type_never_match_and_it_is_listed_once() {
    let mut filter = Filter::new("tcp port 21").unwrap();
    let usb = LinkType(249);
    assert!(!filter.matches(&packet(usb, &to_ftp())));
    assert!(!filter.matches(&packet(usb, &to_ftp())));
    assert_eq!(filter.unsupported().len(), 1);
}

#[test]
fn syntax_error_quotes_the_filter_and_libpcap() {
    let error = Filter::new("tcp prot 21").map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("'tcp prot 21'"), "{error}");
    let error = Filter::new("port 21 and and").map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("syntax error"), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn names_that_would_be_resolved_are_rejected() {
    for filter in [
        "host ftp.example.com",
        "ftp.example.com",
        "src www",
        "port 21 and host gw",
        "net mynet",
        "dst host a and port ftp",
        "tcp src caf\u{e9}",
        "port ftp and src foo",
        "ether host router",
        "host dead.beef.example",
        "host \\tcp",
        "host 1.2.3.4.5",
        "10-20-30",
    ] {
        assert!(name_to_look_up(filter).is_some(), "{filter}");
        assert!(Filter::new(filter).is_err(), "{filter}");
    }
}

#[test]
fn filters_without_a_lookup_are_accepted() {
    for filter in [
        "",
        "port ftp or telnet",
        "tcp portrange 20-21",
        "host 10.0.0.1 or 10.0.0.2",
        "net 10.0.0.0/8",
        "net 10.0 mask 255.255.0.0",
        "ip6 host fe80::1",
        "ether host 00:11:22:aa:bb:cc",
        "ether src 00-11-22-aa-bb-cc",
        "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
        "ip proto \\tcp",
        "vlan 100 && tcp port 0x15",
        "len > 100 and not broadcast",
        "icmp6",
        "src or dst host 10.1.2.3",
    ] {
        assert_eq!(name_to_look_up(filter), None, "{filter}");
    }
    for filter in [
        "port ftp or telnet",
        "ip proto \\tcp",
        "src or dst host 10.1.2.3",
    ] {
        assert!(Filter::new(filter).is_ok(), "{filter}");
    }
}
