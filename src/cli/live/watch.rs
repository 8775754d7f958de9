//! The source with an eye on everything beside it: limits, signals, files that are due, numbers.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::numbers::Numbers;
use super::signals::Signals;
use crate::capture::{Input, PacketSource, SkippedPackets};
use crate::cli::error_text;
use crate::model::Warning;
use crate::model::record::{Capture, Drops};

/// Passes everything on, looks after the outputs between packets, and ends when it is time to.
pub(super) struct Watch<'a> {
    pub(super) inner: &'a mut dyn PacketSource,
    pub(super) signals: &'a Signals,
    pub(super) numbers: Arc<Numbers>,
    /// Nobody reads the events any more.
    pub(super) closed: Rc<Cell<bool>>,
    pub(super) count: Option<u64>,
    pub(super) duration: Option<Duration>,
    /// Lost packets by now.
    pub(super) drops: &'a dyn Fn() -> Drops,
    pub(super) outputs: &'a RefCell<dyn LookAfter + 'a>,
    /// The source does not end by itself when signals say so.
    pub(super) ends: bool,
    pub(super) failures: u64,
}

/// What has to be looked after while packets come.
pub(super) trait LookAfter {
    /// Several times a second; what is to be told about it.
    fn look_after(&mut self) -> Vec<Warning>;
    /// Files were moved away and are wanted anew.
    fn reopen(&mut self);
}

impl PacketSource for Watch<'_> {
    fn for_each(&mut self, take: &mut dyn FnMut(Input<'_>) -> ControlFlow<()>) {
        let began = Instant::now();
        let (mut packets, mut bytes) = (0_u64, 0_u64);
        let mut looked = began;
        let Self {
            inner,
            signals,
            numbers,
            closed,
            count,
            duration,
            drops,
            outputs,
            ends,
            failures,
        } = self;
        inner.for_each(&mut |input| {
            let mut look = false;
            match &input {
                Input::Packet(packet) => {
                    packets += 1;
                    bytes += packet.data.len() as u64;
                    look = packets.is_multiple_of(PACKETS_BETWEEN_LOOKS);
                }
                Input::Tick(_) => look = true,
                Input::Failed(error) => {
                    *failures += 1;
                    error_text::print(&error_text::input(error));
                }
                _ => {}
            }
            let is_last = count.is_some_and(|count| packets >= count);
            take(input)?;
            if closed.get() || is_last {
                return ControlFlow::Break(());
            }
            if !look {
                return ControlFlow::Continue(());
            }
            numbers.set_packets(packets, bytes);
            numbers.set_drops(drops());
            if signals.take_summary() {
                error_text::note(&numbers.summary());
            }
            if signals.take_reopen() {
                outputs.borrow_mut().reopen();
            }
            if looked.elapsed() >= BETWEEN_LOOKS {
                looked = Instant::now();
                let warnings = outputs.borrow_mut().look_after();
                for warning in warnings {
                    take(Input::Warning(warning))?;
                }
            }
            if *ends && signals.is_stopping() {
                return ControlFlow::Break(());
            }
            if duration.is_some_and(|duration| began.elapsed() >= duration) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        numbers.set_packets(packets, bytes);
        numbers.set_drops(drops());
    }

    fn captures(&self) -> Vec<Capture> {
        self.inner.captures()
    }

    fn skipped(&self) -> SkippedPackets {
        self.inner.skipped()
    }
}

/// Asking the clock at each packet would cost more than decoding it.
const PACKETS_BETWEEN_LOOKS: u64 = 16;
/// How often outputs are looked after.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
