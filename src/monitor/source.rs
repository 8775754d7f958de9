//! Opening of the packet source, and the loop that maintains the outputs between packets.

use std::cell::{Cell, RefCell};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::Signals;
use super::counters::Counters;
use super::error::{Error, Notice, Notify};
use crate::capture::{
    self, CaptureSet, Input, PacketSource, PipeSource, ReadOptions, SkippedPackets, Waker,
};
#[cfg(feature = "live")]
use crate::capture::{Filter, FilteredSource, LiveOptions, LiveSource};
use crate::model::Warning;
use crate::model::record::{Capture, Drops};

/// The source to open.
#[derive(Clone, Debug)]
pub enum SourceSettings {
    /// A capture that is being written: a pipe, a file, or `-` for standard input.
    Read {
        /// The path.
        path: PathBuf,
        /// Filter in the syntax of pcap-filter(7); `None` for every packet.
        #[cfg(feature = "live")]
        filter: Option<String>,
    },
    /// Network interfaces.
    #[cfg(feature = "live")]
    Interfaces {
        /// Their names; `any` stands for all of them.
        names: Vec<String>,
        /// Options of the capture.
        options: LiveOptions,
    },
}

impl SourceSettings {
    /// Creates settings that read `path` without a filter.
    #[must_use]
    pub fn read(path: impl Into<PathBuf>) -> Self {
        Self::Read {
            path: path.into(),
            #[cfg(feature = "live")]
            filter: None,
        }
    }

    /// Returns the names of the interfaces, in the order of their capture numbers.
    pub(super) fn names(&self) -> &[String] {
        match self {
            Self::Read { .. } => &[],
            #[cfg(feature = "live")]
            Self::Interfaces { names, .. } => names,
        }
    }

    /// Returns the names of the interfaces; empty for a pipe or a file.
    #[must_use]
    pub fn interfaces(&self) -> Vec<String> {
        self.names().to_vec()
    }

    /// Returns the filter; `None` for every packet.
    pub(super) fn filter(&self) -> Option<&str> {
        match self {
            #[cfg(feature = "live")]
            Self::Read { filter, .. } => filter.as_deref(),
            #[cfg(feature = "live")]
            Self::Interfaces { options, .. } => options.filter.as_deref(),
            #[cfg(not(feature = "live"))]
            Self::Read { .. } => None,
        }
    }

    /// Returns true if frames have to be identified by capture as well.
    pub(super) fn is_several(&self) -> bool {
        self.names().len() > 1
    }

    /// Returns the folders in which Linux counts the losses of each interface.
    pub(super) fn counter_folders(&self) -> Vec<PathBuf> {
        let folder = |name: &String| Path::new("/sys/class/net").join(name).join("statistics");
        self.names().iter().map(folder).collect()
    }
}

/// An open source of packets.
pub(super) struct OpenSource {
    source: Box<dyn PacketSource>,
    /// False for sources that have to be ended from outside when a signal asks for it.
    ends_itself: bool,
    drops: CountDrops,
}

/// Returns the packets lost so far, as far as the source counts them.
type CountDrops = Box<dyn Fn() -> Drops>;

impl OpenSource {
    /// Opens the source; decompression windows are limited to `max_memory` bytes.
    pub(super) fn open(
        settings: &SourceSettings,
        max_memory: usize,
        wake: Waker,
    ) -> Result<Self, Error> {
        let usual = ReadOptions::default();
        let options = ReadOptions {
            window_limit: u64::try_from(max_memory)
                .unwrap_or(u64::MAX)
                .min(usual.window_limit),
            ..usual
        };
        match settings {
            #[cfg(not(feature = "live"))]
            SourceSettings::Read { path } => Self::open_path(path, options, wake),
            #[cfg(feature = "live")]
            SourceSettings::Read { path, filter } => {
                let opened = Self::open_path(path, options, wake)?;
                let Some(filter) = filter else {
                    return Ok(opened);
                };
                Ok(Self {
                    source: Box::new(FilteredSource::new(opened.source, Filter::new(filter)?)),
                    ..opened
                })
            }
            #[cfg(feature = "live")]
            SourceSettings::Interfaces { names, options } => {
                let source = LiveSource::open(names, options, wake)?;
                let drops = source.drops();
                Ok(Self {
                    source: Box::new(source),
                    ends_itself: true,
                    drops: Box::new(move || drops.get()),
                })
            }
        }
    }

    fn open_path(path: &Path, options: ReadOptions, wake: Waker) -> Result<Self, Error> {
        let unreadable = |cause: io::Error| {
            Error::Source(capture::Error::Io {
                path: path.display().to_string(),
                cause,
            })
        };
        let file = if path.as_os_str() == "-" {
            PipeSource::standard_input().map_err(unreadable)?
        } else {
            capture::open_without_waiting(path).map_err(unreadable)?
        };
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(Error::SourceIsFolder(path.to_owned()));
        }
        let (source, ends_itself): (Box<dyn PacketSource>, _) = if metadata.is_file() {
            let readers: Vec<(PathBuf, Box<dyn io::Read + Send>)> =
                vec![(path.to_owned(), Box::new(file))];
            (Box::new(CaptureSet::from_readers(readers, options)), false)
        } else {
            let source = PipeSource::new(path.to_owned(), file, options.window_limit, wake);
            (Box::new(source), true)
        };
        Ok(Self {
            source,
            ends_itself,
            drops: Box::new(Drops::default),
        })
    }
}

impl PacketSource for OpenSource {
    fn for_each(&mut self, take: &mut dyn FnMut(Input<'_>) -> ControlFlow<()>) {
        self.source.for_each(take);
    }

    fn captures(&self) -> Vec<Capture> {
        self.source.captures()
    }

    fn skipped(&self) -> SkippedPackets {
        self.source.skipped()
    }

    fn is_prompt(&self) -> bool {
        self.source.is_prompt()
    }
}

/// Outputs that need attention while packets arrive.
pub(super) trait Maintain {
    /// Runs what is due, several times a second, and returns the warnings to report.
    fn maintain(&mut self) -> Vec<Warning>;
    /// Returns whether these warnings go into a file alone, where nobody may see them.
    fn warns_into_file(&self) -> bool;
    /// Reopens files under their names, after SIGHUP.
    fn reopen(&mut self);
}

/// A source that maintains the outputs between packets and ends on limits, signals and closed outputs.
pub(super) struct WatchedSource<'a> {
    pub(super) inner: &'a mut OpenSource,
    pub(super) signals: &'a Signals,
    pub(super) counters: &'a Counters,
    pub(super) notify: &'a Notify,
    /// True once the reader of standard output is gone.
    pub(super) closed: Rc<Cell<bool>>,
    /// Packets after which the source ends; `None` for no limit.
    pub(super) packets: Option<u64>,
    /// Time after which the source ends; `None` for no limit.
    pub(super) duration: Option<Duration>,
    pub(super) outputs: &'a RefCell<dyn Maintain + 'a>,
}

impl PacketSource for WatchedSource<'_> {
    fn for_each(&mut self, take: &mut dyn FnMut(Input<'_>) -> ControlFlow<()>) {
        let began = Instant::now();
        let (mut packets, mut bytes) = (0_u64, 0_u64);
        let mut maintained = began;
        let OpenSource {
            source,
            ends_itself,
            drops,
        } = &mut *self.inner;
        let (signals, counters, notify) = (self.signals, self.counters, self.notify);
        source.for_each(&mut |input| {
            let mut is_check_due = false;
            match &input {
                Input::Packet(packet) => {
                    packets += 1;
                    bytes += packet.data.len() as u64;
                    is_check_due = packets.is_multiple_of(PACKETS_BETWEEN_CHECKS);
                }
                Input::Tick(_) => is_check_due = true,
                Input::Failed(error) => notify(&Notice::InputFailed(error)),
                _ => {}
            }
            let is_last = self.packets.is_some_and(|limit| packets >= limit);
            take(input)?;
            if self.closed.get() || is_last {
                return ControlFlow::Break(());
            }
            if !is_check_due {
                return ControlFlow::Continue(());
            }
            counters.set_packets(packets, bytes);
            counters.set_drops(drops());
            if signals.take_summary() {
                notify(&Notice::Summary(counters.summary()));
            }
            if signals.take_reopen() {
                self.outputs.borrow_mut().reopen();
            }
            if maintained.elapsed() >= MAINTENANCE_INTERVAL {
                maintained = Instant::now();
                // Collected first: `take` leads back into the outputs, which are borrowed during maintenance.
                let warnings = self.outputs.borrow_mut().maintain();
                let is_hidden = self.outputs.borrow().warns_into_file();
                for warning in warnings {
                    if is_hidden {
                        notify(&Notice::OutputFailed(&warning.message));
                    }
                    take(Input::Warning(warning))?;
                }
            }
            // The other sources are woken by the signal and end by themselves, after the packets that are already there.
            if !*ends_itself && signals.is_stopping() {
                return ControlFlow::Break(());
            }
            if self.duration.is_some_and(|limit| began.elapsed() >= limit) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        counters.set_packets(packets, bytes);
        counters.set_drops(drops());
    }

    fn captures(&self) -> Vec<Capture> {
        self.inner.captures()
    }

    fn skipped(&self) -> SkippedPackets {
        self.inner.skipped()
    }

    fn is_prompt(&self) -> bool {
        self.inner.is_prompt()
    }
}

/// Reading the clock at each packet would cost more than decoding it.
const PACKETS_BETWEEN_CHECKS: u64 = 16;
/// Time between two rounds of maintenance.
const MAINTENANCE_INTERVAL: Duration = Duration::from_millis(100);
