//! ICMP errors about possible data connections: the reason why one never opened.

use std::collections::VecDeque;

use crate::decode::IcmpError;
use crate::diagnosis::Unreachable;
use crate::model::{Endpoint, FlowKey};

/// Latest errors.
#[derive(Debug, Default)]
pub(crate) struct Unreachables {
    notes: VecDeque<(FlowKey, Unreachable)>,
}

impl Unreachables {
    /// Remembers an error if it means that a TCP connection cannot open.
    pub(crate) fn note(&mut self, error: &IcmpError) {
        let Some(says) = meaning(error).filter(|_| error.protocol == TCP) else {
            return;
        };
        // The error quotes the packet that failed, whose direction does not matter.
        let (key, _) = FlowKey::new(error.source, error.destination);
        let reporter = Endpoint {
            address: error.reporter,
            port: 0,
        };
        if self.notes.len() >= MAX_ERRORS {
            self.notes.pop_front();
        }
        let unreachable = Unreachable {
            frame: error.frame.number,
            reporter: reporter.ip(),
            says,
        };
        self.notes.push_back((key, unreachable));
    }

    /// Returns the first error about a connection from frame `frame` on; `None` if there is none.
    pub(crate) fn of(&self, key: FlowKey, frame: u64) -> Option<Unreachable> {
        self.notes
            .iter()
            .find(|(about, unreachable)| *about == key && unreachable.frame >= frame)
            .map(|&(_, unreachable)| unreachable)
    }
}

/// Returns the meaning of an error that prevents a connection; `None` for an error that does not.
///
/// Types and codes: RFC 792, RFC 1812 section 5.2.7.1 (IPv4), RFC 4443 section 3 (IPv6).
fn meaning(error: &IcmpError) -> Option<&'static str> {
    let says = match (error.v6, error.kind, error.code) {
        (false, 3, 0 | 6 | 11) => "network unreachable",
        (false, 3, 1 | 5 | 7 | 8 | 12) | (true, 1, 3) => "host unreachable",
        (false, 3, 2) => "protocol unreachable",
        (false, 3, 3) | (true, 1, 4) => "port unreachable",
        (false, 3, 9 | 10 | 13) | (true, 1, 1 | 5 | 6) => "prohibited by a filter",
        (true, 1, 0) => "no route to the destination",
        // Code 4 demands smaller packets (RFC 1191), and the connection goes on.
        (false, 3, code) if code != 4 => "destination unreachable",
        (true, 1, _) => "destination unreachable",
        (false, 11, 0) | (true, 3, 0) => "time to live exceeded on the way",
        _ => return None,
    };
    Some(says)
}

/// Bound on errors kept. The oldest is evicted first: a data connection is reported soon after its SYN.
const MAX_ERRORS: usize = 1024;

const TCP: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FrameRef;

    fn error(kind: u8, code: u8, number: u64) -> IcmpError {
        IcmpError {
            frame: FrameRef {
                number,
                ..FrameRef::default()
            },
            reporter: Endpoint::v4([10, 0, 0, 254], 0).address,
            v6: false,
            kind,
            code,
            protocol: TCP,
            source: Endpoint::v4([10, 0, 0, 2], 40_001),
            destination: Endpoint::v4([10, 0, 0, 1], 5001),
        }
    }

    #[test]
    fn error_is_found_by_its_connection_and_only_from_its_syn_on() {
        let mut errors = Unreachables::default();
        errors.note(&error(3, 13, 7));
        let (key, _) = FlowKey::new(error(3, 13, 7).destination, error(3, 13, 7).source);
        let found = errors.of(key, 5).expect("an error");
        assert_eq!(
            (found.frame, found.says, found.reporter),
            (7, "prohibited by a filter", [10, 0, 0, 254].into())
        );
        assert_eq!(errors.of(key, 8), None);
    }

    #[test]
    fn harmless_errors_are_not_kept_and_memory_is_bounded() {
        let mut errors = Unreachables::default();
        errors.note(&error(3, 4, 1));
        errors.note(&error(4, 0, 1));
        assert!(errors.notes.is_empty());
        for number in 0..5_000 {
            errors.note(&error(3, 1, number));
        }
        assert_eq!(errors.notes.len(), MAX_ERRORS);
    }
}
