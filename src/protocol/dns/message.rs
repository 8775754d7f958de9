//! One DNS message: its question, and the addresses and aliases of its answer section.

use std::net::IpAddr;

use simple_dns::rdata::RData;
use simple_dns::{Packet, PacketFlag, QTYPE, ResourceRecord, TYPE};

/// Query or response about addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Identifier that a response shares with its query.
    pub id: u16,
    /// The question.
    pub question: Question,
    /// `None` for a query.
    pub answer: Option<Answer>,
}

/// Question section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Name without the final dot.
    pub name: String,
    /// `A` or `AAAA`.
    pub record_type: &'static str,
}

/// Answer section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// CNAME chain, in the order of the answer section.
    pub aliases: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// Shortest TTL of the aliases and addresses, in seconds; 0 without any.
    pub ttl: u32,
}

/// Parses a message; `None` if it is malformed, or not about addresses.
#[must_use]
pub fn parse_message(bytes: &[u8]) -> Option<Message> {
    let packet = Packet::parse(bytes).ok()?;
    let question = question(&packet)?;
    let answer = packet
        .has_flags(PacketFlag::RESPONSE)
        .then(|| answer(packet.answers.iter()));
    Some(Message {
        id: packet.id(),
        question,
        answer,
    })
}

/// Parses a message of multicast DNS; `None` if it is malformed, or not about addresses.
///
/// Its responses have no question (RFC 6762 section 6): the name is that of the first address, which may stand in the
/// additional section behind a service record.
#[must_use]
pub fn parse_multicast_message(bytes: &[u8]) -> Option<Message> {
    let packet = Packet::parse(bytes).ok()?;
    if !packet.has_flags(PacketFlag::RESPONSE) {
        return Some(Message {
            id: packet.id(),
            question: question(&packet)?,
            answer: None,
        });
    }
    let records = || {
        packet
            .answers
            .iter()
            .chain(&packet.additional_records)
            .take(MAX_RECORDS)
    };
    let (name, record_type) = records().find_map(|record| match &record.rdata {
        RData::A(_) => Some((&record.name, "A")),
        RData::AAAA(_) => Some((&record.name, "AAAA")),
        _ => None,
    })?;
    Some(Message {
        id: packet.id(),
        question: Question {
            name: name.to_string(),
            record_type,
        },
        answer: Some(answer(records().filter(|record| record.name == *name))),
    })
}

/// Returns the first question; `None` if it is not about addresses.
fn question(packet: &Packet<'_>) -> Option<Question> {
    // RFC 1035 allows several questions; no resolver sends or answers more than one.
    let question = packet.questions.first()?;
    let record_type = match question.qtype {
        QTYPE::TYPE(TYPE::A) => "A",
        QTYPE::TYPE(TYPE::AAAA) => "AAAA",
        _ => return None,
    };
    Some(Question {
        name: question.qname.to_string(),
        record_type,
    })
}

fn answer<'a, 'p: 'a>(records: impl Iterator<Item = &'a ResourceRecord<'p>>) -> Answer {
    let mut answer = Answer {
        aliases: Vec::new(),
        addresses: Vec::new(),
        ttl: 0,
    };
    let mut ttl = None;
    for record in records.take(MAX_RECORDS) {
        match &record.rdata {
            RData::A(a) => answer.addresses.push(IpAddr::V4(a.address.into())),
            RData::AAAA(aaaa) => answer.addresses.push(IpAddr::V6(aaaa.address.into())),
            RData::CNAME(name) => answer.aliases.push(name.0.to_string()),
            _ => continue,
        }
        ttl = Some(ttl.unwrap_or(u32::MAX).min(record.ttl));
    }
    answer.ttl = ttl.unwrap_or(0);
    answer
}

/// Records parsed of one answer.
const MAX_RECORDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use simple_dns::rdata::{A, CNAME};
    use simple_dns::{CLASS, Name, QCLASS};

    fn response() -> Vec<u8> {
        let mut packet = Packet::new_reply(7);
        let asked = Name::new_unchecked("ftp.example.com");
        packet.questions.push(simple_dns::Question::new(
            asked.clone(),
            QTYPE::TYPE(TYPE::A),
            QCLASS::CLASS(CLASS::IN),
            false,
        ));
        let real = Name::new_unchecked("host.example.com");
        packet.answers.push(ResourceRecord::new(
            asked,
            CLASS::IN,
            60,
            RData::CNAME(CNAME(real.clone())),
        ));
        packet.answers.push(ResourceRecord::new(
            real,
            CLASS::IN,
            60,
            RData::A(A {
                address: 0x0a00_0001,
            }),
        ));
        packet.build_bytes_vec().expect("a message")
    }

    #[test]
    fn addresses_and_aliases_are_parsed() {
        let message = parse_message(&response()).expect("parsed");
        assert_eq!(
            message.question,
            Question {
                name: "ftp.example.com".into(),
                record_type: "A"
            }
        );
        let answer = message.answer.expect("a response");
        assert_eq!(answer.aliases, ["host.example.com"]);
        assert_eq!(
            answer.addresses,
            ["10.0.0.1".parse::<IpAddr>().expect("an address")]
        );
        assert_eq!(answer.ttl, 60);
    }

    #[test]
    fn multicast_response_is_named_by_its_first_address() {
        let mut packet = Packet::new_reply(0);
        let name = Name::new_unchecked("nas.local");
        let record = ResourceRecord::new(
            name,
            CLASS::IN,
            120,
            RData::A(A {
                address: 0x0a00_0001,
            }),
        );
        packet.additional_records.push(record);
        let bytes = packet.build_bytes_vec().expect("a message");
        assert_eq!(parse_message(&bytes), None);
        let message = parse_multicast_message(&bytes).expect("parsed");
        assert_eq!(message.question.name, "nas.local");
        let answer = message.answer.expect("a response");
        assert_eq!((answer.addresses.len(), answer.ttl), (1, 120));
    }

    #[test]
    fn truncated_message_causes_no_panic() {
        let bytes = response();
        for end in 0..bytes.len() {
            let _ = parse_message(&bytes[..end]);
        }
    }
}
