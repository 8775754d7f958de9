//! A packet source behind a capture filter that libpcap runs in user space.

use std::ops::ControlFlow;

use super::{Filter, Input, PacketSource, SkippedPackets};
use crate::model::record::Capture;
use crate::model::{Warning, WarningCode};

/// A source of the packets that match a filter. The counts of the captures stay those of all packets.
pub struct FilteredSource<S> {
    inner: S,
    filter: Filter,
    /// Packets that did not match.
    filtered: u64,
}

impl<S: PacketSource> FilteredSource<S> {
    /// Creates a source of the packets of `inner` that match `filter`.
    pub fn new(inner: S, filter: Filter) -> Self {
        Self {
            inner,
            filter,
            filtered: 0,
        }
    }
}

impl<S: PacketSource> PacketSource for FilteredSource<S> {
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
        // Known only now: a filter is compiled for a link type when its first packet comes.
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

impl<S: PacketSource + ?Sized> PacketSource for &mut S {
    fn for_each(&mut self, take: &mut dyn FnMut(Input<'_>) -> ControlFlow<()>) {
        (**self).for_each(take);
    }

    fn captures(&self) -> Vec<Capture> {
        (**self).captures()
    }

    fn skipped(&self) -> SkippedPackets {
        (**self).skipped()
    }
}

impl<S: PacketSource + ?Sized> PacketSource for Box<S> {
    fn for_each(&mut self, take: &mut dyn FnMut(Input<'_>) -> ControlFlow<()>) {
        (**self).for_each(take);
    }

    fn captures(&self) -> Vec<Capture> {
        (**self).captures()
    }

    fn skipped(&self) -> SkippedPackets {
        (**self).skipped()
    }
}
