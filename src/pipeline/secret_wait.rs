//! Waiting for TLS secrets that come later than the packets they open.
//!
//! A program writes its key log while it talks, and a capture file may carry secrets behind the packets. Once a hello is read
//! whose secret is unknown, all later segments between the two hosts are held: data connections depend on what the control
//! connection says. They are processed in their order as soon as the secret is there, or the time is over.
//!
//! ```text
//! hello without a secret ──> segments between its hosts are held ──┬─ secret known ──> processed, events are `late`
//!                                                                  └─ time over, limit, end of input ──> processed
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::decode::Segment;
use crate::model::record::TlsSecret;
use crate::model::{HostPair, system_message};
use crate::protocol::tls::decryption::{FollowedKeyLog, KeyLogReader, Keyring};

/// Random of a `ClientHello`, which names its secrets.
pub(super) type ClientRandom = [u8; 32];

/// Segments of hosts of which a secret is missing.
#[derive(Default)]
pub(super) struct SecretWait {
    /// By hosts; a group has at least its missing secret.
    groups: BTreeMap<HostPair, Group>,
    /// Hosts in the order in which they began to wait.
    order: VecDeque<HostPair>,
    /// Payload bytes of all groups, and a share for each segment.
    bytes: usize,
    /// Bound on `bytes`: a quarter of what may be buffered in all.
    limit: usize,
    /// Longest wait; `None` until the end of the input.
    longest: Option<Duration>,
}

struct Group {
    wanted: ClientRandom,
    since: Instant,
    segments: VecDeque<HeldSegment>,
    bytes: usize,
}

/// Copy of a segment.
pub(super) struct HeldSegment {
    segment: Segment<'static>,
    payload: Vec<u8>,
    held: Instant,
}

impl SecretWait {
    /// Returns whether no segment is held.
    pub(super) fn is_idle(&self) -> bool {
        self.groups.is_empty()
    }
}

impl HeldSegment {
    fn new(segment: &Segment<'_>) -> Self {
        Self {
            payload: segment.payload.to_vec(),
            segment: Segment {
                header: &[],
                payload: &[],
                ..*segment
            },
            held: Instant::now(),
        }
    }

    /// Returns the segment.
    pub(super) fn segment(&self) -> Segment<'_> {
        Segment {
            payload: &self.payload,
            ..self.segment
        }
    }

    /// Returns the time at which the segment was read.
    pub(super) const fn held(&self) -> Instant {
        self.held
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.payload.len()
    }
}

/// Hosts whose segments are processed now.
pub(super) struct Released {
    pub(super) hosts: HostPair,
    /// The secret came; else it is given up.
    pub(super) found: bool,
    pub(super) wanted: ClientRandom,
    pub(super) segments: VecDeque<HeldSegment>,
}

impl SecretWait {
    /// Creates a wait of `longest` that holds up to a quarter of `memory` bytes.
    pub(super) fn new(longest: Option<Duration>, memory: usize) -> Self {
        Self {
            limit: memory / 4,
            longest,
            ..Self::default()
        }
    }

    /// Returns whether segments between two hosts are held.
    pub(super) fn holds(&self, hosts: HostPair) -> bool {
        !self.groups.is_empty() && self.groups.contains_key(&hosts)
    }

    /// Begins to hold what comes between two hosts. `segments` were held before, the first of them from `since` on.
    pub(super) fn begin(
        &mut self,
        hosts: HostPair,
        wanted: ClientRandom,
        since: Option<Instant>,
        segments: VecDeque<HeldSegment>,
    ) {
        let bytes = segments.iter().map(HeldSegment::size).sum();
        self.bytes += bytes;
        self.order.push_back(hosts);
        self.groups.insert(
            hosts,
            Group {
                wanted,
                since: since.unwrap_or_else(Instant::now),
                segments,
                bytes,
            },
        );
    }

    /// Holds a segment between hosts that wait.
    pub(super) fn hold(&mut self, hosts: HostPair, segment: &Segment<'_>) {
        if let Some(group) = self.groups.get_mut(&hosts) {
            let held = HeldSegment::new(segment);
            group.bytes += held.size();
            self.bytes += held.size();
            group.segments.push_back(held);
        }
    }

    /// Takes hosts that need not wait any longer; `None` if there are none. At the `end` of the input all are taken.
    pub(super) fn release(&mut self, keyring: &Keyring, end: bool) -> Option<Released> {
        let crowded = self.bytes > self.limit;
        let over = |group: &Group| {
            self.longest
                .is_some_and(|longest| group.since.elapsed() >= longest)
        };
        let index = self.order.iter().enumerate().position(|(index, hosts)| {
            self.groups.get(hosts).is_none_or(|group| {
                end || (crowded && index == 0) || keyring.has_all(group.wanted) || over(group)
            })
        })?;
        let hosts = self.order.remove(index)?;
        let group = self.groups.remove(&hosts)?;
        self.bytes -= group.bytes;
        Some(Released {
            hosts,
            found: keyring.has_all(group.wanted),
            wanted: group.wanted,
            segments: group.segments,
        })
    }
}

/// Reader of one followed key log.
pub(super) struct KeyLogFollower {
    log: FollowedKeyLog,
    offset: u64,
    lines: KeyLogReader,
    /// The replacement could not be opened, which was reported.
    is_stuck: bool,
}

impl KeyLogFollower {
    pub(super) fn new(log: FollowedKeyLog) -> Self {
        Self {
            log,
            offset: 0,
            lines: KeyLogReader::default(),
            is_stuck: false,
        }
    }

    /// Reads what was appended since the last call. Returns a warning, once, if the file was replaced and the new one cannot be
    /// opened.
    pub(super) fn poll(&mut self, keyring: &mut Keyring) -> Option<String> {
        let warning = self.reopen();
        let mut file = &*self.log.file;
        if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            let mut buffer = vec![0; CHUNK];
            while let Ok(read @ 1..) = self.log.file.read_at(&mut buffer, self.offset) {
                self.feed(&buffer[..read], keyring);
            }
            zeroize::Zeroize::zeroize(&mut buffer);
        } else if self.offset == 0 {
            // A pipe is read to its end at the start.
            let mut bytes = zeroize::Zeroizing::new(Vec::new());
            let _ = file.read_to_end(&mut bytes);
            self.feed(&bytes, keyring);
        }
        warning
    }

    /// Counts a last line without an end.
    pub(super) fn finish(&mut self, keyring: &mut Keyring) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.finish(&mut |id, secret| keyring.add(TlsSecret::Keylog, id, secret));
        keyring.add_unusable(lines.unusable());
    }

    fn feed(&mut self, bytes: &[u8], keyring: &mut Keyring) {
        self.offset += bytes.len() as u64;
        self.lines.feed(bytes, &mut |id, secret| {
            keyring.add(TlsSecret::Keylog, id, secret);
        });
    }

    /// Begins anew with a file that was cut, or has taken the place of the one that is open.
    fn reopen(&mut self) -> Option<String> {
        let open = self.log.file.metadata().ok()?;
        let Ok(there) = std::fs::metadata(&self.log.path) else {
            return None;
        };
        let is_same = (open.dev(), open.ino()) == (there.dev(), there.ino());
        if is_same && there.len() >= self.offset {
            return None;
        }
        if !is_same {
            match File::open(&self.log.path) {
                Ok(file) => self.log.file = Arc::new(file),
                Err(_) if self.is_stuck => return None,
                Err(cause) => {
                    self.is_stuck = true;
                    return Some(format!(
                        "the key log {} was replaced, and the new file cannot be opened ({}); secrets in it are not used",
                        self.log.path.display(),
                        system_message(&cause)
                    ));
                }
            }
        }
        self.offset = 0;
        self.lines = KeyLogReader::default();
        None
    }
}

/// Shortest time between two looks at a key log.
pub(super) const POLL: Duration = Duration::from_millis(200);

/// Bytes read at once.
const CHUNK: usize = 64 << 10;
