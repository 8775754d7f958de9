//! A packet source behind a capture filter.

use std::ops::ControlFlow;

use crate::capture::{Filter, Input, PacketSource, SkippedPackets};
use crate::model::record::Capture;
use crate::model::{Warning, WarningCode};

/// Passes on only packets that match; the counts of the captures stay those of all packets.
pub(super) struct FilteredSource<'a> {
    inner: &'a mut dyn PacketSource,
    filter: Filter,
    filtered: u64,
}

impl<'a> FilteredSource<'a> {
    /// The packets of `inner` that match `filter`.
    pub(super) fn new(inner: &'a mut dyn PacketSource, filter: Filter) -> Self {
        Self {
            inner,
            filter,
            filtered: 0,
        }
    }
}

impl PacketSource for FilteredSource<'_> {
    fn for_each(&mut self, take: &mut dyn FnMut(Input<'_>) -> ControlFlow<()>) {
        let Self {
            inner,
            filter,
            filtered,
        } = self;
        let mut ended = false;
        inner.for_each(&mut |input| {
            let flow = match &input {
                Input::Packet(packet) if !filter.matches(packet) => {
                    *filtered += 1;
                    ControlFlow::Continue(())
                }
                _ => take(input),
            };
            ended = flow.is_break();
            flow
        });
        for (link, cause) in filter.unsupported() {
            if ended {
                return;
            }
            let name = link
                .name()
                .map_or_else(|| link.0.to_string(), str::to_owned);
            let message = format!("the filter hides all packets of link type {name}: {cause}");
            let warning = Warning::new(WarningCode::LinkTypeUnsupported, message, None);
            ended = take(Input::Warning(warning)).is_break();
        }
    }

    fn captures(&self) -> Vec<Capture> {
        self.inner.captures()
    }

    fn skipped(&self) -> SkippedPackets {
        SkippedPackets {
            filtered: self.filtered,
            ..self.inner.skipped()
        }
    }
}
