//! Lookups by ident (RFC 1413): servers that ask a client's port 113 who it is, before they greet it.

use std::collections::VecDeque;

use crate::decode::Segment;
use crate::model::Timestamp;

/// The latest lookups.
#[derive(Debug, Default)]
pub(crate) struct IdentLookups {
    lookups: VecDeque<Lookup>,
}

#[derive(Debug)]
struct Lookup {
    /// Host that asks: the FTP server.
    asker: u128,
    asked: u128,
    time: Timestamp,
    frame: u64,
    answered: bool,
}

impl IdentLookups {
    /// Records a segment from or to port 113.
    pub(crate) fn on_segment(&mut self, segment: &Segment<'_>) {
        let (source, destination) = (segment.source, segment.destination);
        if destination.port == IDENT_PORT {
            if segment.flags.syn() {
                if self.lookups.len() >= KEPT {
                    self.lookups.pop_front();
                }
                self.lookups.push_back(Lookup {
                    asker: source.address,
                    asked: destination.address,
                    time: segment.frame.time,
                    frame: segment.frame.number,
                    answered: false,
                });
            }
        } else if let Some(lookup) = self
            .lookups
            .iter_mut()
            .rev()
            .find(|one| one.asker == destination.address && one.asked == source.address)
        {
            lookup.answered = true;
        }
    }

    /// Returns the frame of the lookup of `server` at `client` between two times, and whether it was answered; `None` without
    /// one.
    pub(crate) fn between(
        &self,
        server: u128,
        client: u128,
        from: Timestamp,
        to: Timestamp,
    ) -> Option<(u64, bool)> {
        let mut first = self.lookups.iter();
        first
            .find(|one| {
                one.asker == server && one.asked == client && one.time >= from && one.time <= to
            })
            .map(|one| (one.frame, one.answered))
    }
}

/// Port of the ident service.
pub(crate) const IDENT_PORT: u16 = 113;

/// Lookups remembered.
const KEPT: usize = 256;
