//! Packets that were lost before we saw them: by the kernel because its ring was full, or by the interface.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::record::Drops;

/// Packets lost so far, over all interfaces; another thread may read it.
#[derive(Debug, Default)]
pub struct DropCounts {
    kernel: AtomicU64,
    interface: AtomicU64,
}

/// Packets that an interface lost.
pub(super) struct Lost {
    pub(super) drops: Drops,
    /// What libpcap said last: its counter has 32 bits.
    pub(super) seen: u32,
    /// The kernel's own counters, opened while that was allowed, and what they said at first.
    counters: Vec<(File, u64)>,
    pub(super) told: bool,
}

impl DropCounts {
    /// The counts.
    #[must_use]
    pub fn get(&self) -> Drops {
        Drops {
            kernel: self.kernel.load(Ordering::Relaxed),
            interface: self.interface.load(Ordering::Relaxed),
        }
    }

    /// So many over all interfaces by now.
    pub(super) fn set(&self, sum: Drops) {
        self.kernel.store(sum.kernel, Ordering::Relaxed);
        self.interface.store(sum.interface, Ordering::Relaxed);
    }
}

impl Lost {
    /// libpcap would open the interface's counters each time; once the file system is closed to us only what is open counts.
    pub(super) fn open(interface: &str) -> Self {
        let counters = COUNTERS.iter().filter_map(|counter| {
            let path = format!("/sys/class/net/{interface}/statistics/{counter}");
            let file = File::open(path).ok()?;
            let count = read_count(&file)?;
            Some((file, count))
        });
        Self {
            drops: Drops::default(),
            seen: 0,
            counters: counters.collect(),
            told: false,
        }
    }

    pub(super) fn ask_interface(&mut self) {
        let new = self
            .counters
            .iter()
            .filter_map(|(file, before)| read_count(file)?.checked_sub(*before))
            .fold(0, u64::saturating_add);
        self.drops.interface = self.drops.interface.max(new);
    }
}

fn read_count(file: &File) -> Option<u64> {
    let mut text = [0; 32];
    let got = file.read_at(&mut text, 0).ok()?;
    let text = text.get(..got)?.trim_ascii();
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The kernel's counters of packets that an interface lost.
const COUNTERS: [&str; 2] = ["rx_missed_errors", "rx_fifo_errors"];
