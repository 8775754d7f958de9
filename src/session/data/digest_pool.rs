//! Digests of large contents, computed on a few threads.
//!
//! ```text
//! Content ── first bytes ──> its own digests, at once
//!         └─ a large one ──> pieces ──> queue of a thread ──> one digest of one content
//!                                  └──> queue of a thread ──> another digest of it
//! ```
//!
//! The pieces of a digest go to one thread, in order, so that the result does not depend on the number of threads. One digest
//! cannot be divided, but the digests of a content, and those of several contents, are computed beside each other. Threads
//! start with the first large content. Queues are short: the analysis waits for threads that do not keep up.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::model::hex;

/// Handle of the threads; without any where digests are computed at once.
#[derive(Clone, Default)]
pub(crate) struct DigestPool(Option<Arc<Threads>>);

struct Threads {
    wanted: usize,
    /// Queue of each thread, once they are started; `None` inside if they could not be.
    queues: OnceLock<Option<Vec<SyncSender<Job>>>>,
    /// Digests given to threads so far; the last one has this number.
    count: AtomicU64,
    /// Contents whose digests are on threads.
    contents: AtomicUsize,
}

/// A running digest.
pub(crate) enum Running {
    Sha256(Sha256),
    Md5(Md5),
    Sha1(Sha1),
    Crc32(flate2::Crc),
}

/// Algorithm of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Sha256,
    Md5,
    Sha1,
    Crc32,
}

/// Request to a thread about the digest with a number.
enum Job {
    Begin(u64, Box<Running>),
    Update(u64, Arc<Vec<u8>>),
    /// The digest of all bytes so far and of these, which will come again.
    Report(u64, Arc<Vec<u8>>, mpsc::Sender<(Algorithm, String)>),
    End(u64),
}

/// Digests of one content, on threads.
pub(crate) struct PooledDigests {
    threads: Arc<Threads>,
    /// Number of each digest; the thread follows from it.
    numbers: Vec<u64>,
    /// Bytes that no thread has yet, less than [`PIECE`].
    pending: Vec<u8>,
}

impl DigestPool {
    /// Creates a pool of so many threads; with one, digests are computed at once.
    pub(crate) fn new(threads: usize) -> Self {
        Self((threads > 1).then(|| {
            Arc::new(Threads {
                wanted: threads.min(MAX_THREADS),
                queues: OnceLock::new(),
                count: AtomicU64::new(0),
                contents: AtomicUsize::new(0),
            })
        }))
    }

    /// Returns whether a content of this many bytes is worth a thread.
    #[inline]
    pub(crate) fn takes(&self, bytes: u64) -> bool {
        bytes >= PIECE as u64 && self.0.is_some()
    }

    /// Takes over digests; gives them back if the threads have enough to do.
    pub(crate) fn begin(&self, digests: Vec<Running>) -> Result<PooledDigests, Vec<Running>> {
        let Some(threads) = self.0.as_ref().filter(|threads| threads.is_ready()) else {
            return Err(digests);
        };
        if threads.contents.fetch_add(1, Ordering::Relaxed) >= MAX_CONTENTS {
            threads.contents.fetch_sub(1, Ordering::Relaxed);
            return Err(digests);
        }
        let numbers = digests.into_iter().map(|digest| {
            let number = threads.count.fetch_add(1, Ordering::Relaxed);
            threads.send(number, Job::Begin(number, Box::new(digest)));
            number
        });
        Ok(PooledDigests {
            numbers: numbers.collect(),
            threads: Arc::clone(threads),
            pending: Vec::new(),
        })
    }
}

impl Threads {
    /// Starts the threads on the first call. Returns whether they run.
    fn is_ready(&self) -> bool {
        self.queues.get_or_init(|| self.start().ok()).is_some()
    }

    fn start(&self) -> std::io::Result<Vec<SyncSender<Job>>> {
        let start = |_| {
            let (queue, jobs) = sync_channel(QUEUED);
            let name = "digests".to_owned();
            thread::Builder::new()
                .name(name)
                .spawn(move || work(&jobs))
                .map(|_| queue)
        };
        (0..self.wanted).map(start).collect()
    }

    fn send(&self, number: u64, job: Job) {
        if let Some(Some(queues)) = self.queues.get() {
            let index = usize::try_from(number).unwrap_or_default() % queues.len().max(1);
            if let Some(queue) = queues.get(index) {
                // A thread ends only after its queue.
                let _ = queue.send(job);
            }
        }
    }
}

impl PooledDigests {
    /// Appends bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.pending.capacity() == 0 {
                self.pending.reserve_exact(PIECE);
            }
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.pending.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
            if self.pending.len() == PIECE {
                self.flush();
            }
        }
    }

    /// Returns the digests of the bytes so far, in lowercase hex. Waits for the threads.
    pub(crate) fn report(&self) -> Vec<(Algorithm, String)> {
        let rest = Arc::new(self.pending.clone());
        let (sender, reports) = channel();
        for &number in &self.numbers {
            let job = Job::Report(number, Arc::clone(&rest), sender.clone());
            self.threads.send(number, job);
        }
        drop(sender);
        reports.iter().collect()
    }

    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let piece = Arc::new(std::mem::take(&mut self.pending));
        for &number in &self.numbers {
            self.threads
                .send(number, Job::Update(number, Arc::clone(&piece)));
        }
    }
}

impl Drop for PooledDigests {
    fn drop(&mut self) {
        for &number in &self.numbers {
            self.threads.send(number, Job::End(number));
        }
        self.threads.contents.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Running {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(digest) => digest.update(bytes),
            Self::Md5(digest) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Crc32(digest) => digest.update(bytes),
        }
    }

    /// Returns the digest of the bytes so far and of `rest`. A copy of the state is finalized, for more bytes may follow.
    fn report(&self, rest: &[u8]) -> (Algorithm, String) {
        match self {
            Self::Sha256(digest) => (Algorithm::Sha256, finish(digest.clone(), rest)),
            Self::Md5(digest) => (Algorithm::Md5, finish(digest.clone(), rest)),
            Self::Sha1(digest) => (Algorithm::Sha1, finish(digest.clone(), rest)),
            Self::Crc32(digest) => {
                let mut last = flate2::Crc::new();
                last.update(rest);
                let mut all = flate2::Crc::new();
                all.combine(digest);
                all.combine(&last);
                (Algorithm::Crc32, hex(&all.sum().to_be_bytes()))
            }
        }
    }
}

fn finish<D: Digest>(mut digest: D, rest: &[u8]) -> String {
    digest.update(rest);
    hex(&digest.finalize())
}

/// Serves the queue of one thread to its end.
fn work(jobs: &Receiver<Job>) {
    let mut digests: HashMap<u64, Box<Running>> = HashMap::new();
    for job in jobs {
        match job {
            Job::Begin(number, digest) => {
                digests.insert(number, digest);
            }
            Job::Update(number, bytes) => {
                if let Some(digest) = digests.get_mut(&number) {
                    digest.update(&bytes);
                }
            }
            Job::Report(number, rest, reports) => {
                if let Some(digest) = digests.get(&number) {
                    // Whoever asked waits for it.
                    let _ = reports.send(digest.report(&rest));
                }
            }
            Job::End(number) => {
                digests.remove(&number);
            }
        }
    }
}

/// Bytes given to a thread at once, and from which on a content is worth a thread.
const PIECE: usize = 256 << 10;

/// Jobs that wait for one thread: 1 MiB.
const QUEUED: usize = 4;

/// Contents with digests on threads at once; those of further ones are computed at once.
const MAX_CONTENTS: usize = 64;

/// Threads of a pool.
const MAX_THREADS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Running> {
        vec![
            Running::Sha256(Sha256::new()),
            Running::Md5(Md5::new()),
            Running::Sha1(Sha1::new()),
            Running::Crc32(flate2::Crc::new()),
        ]
    }

    #[test]
    fn digests_are_the_same_with_any_number_of_threads() {
        let bytes: Vec<u8> = (0..3 * PIECE + 7)
            .map(|at| (at * 31).to_le_bytes()[0])
            .collect();
        let mut expected = all();
        for digest in &mut expected {
            digest.update(&bytes);
        }
        let expected: Vec<_> = expected.iter().map(|digest| digest.report(b"")).collect();
        for threads in [2, 3, 8] {
            let pool = DigestPool::new(threads);
            let begun = (0..3).map(|_| pool.begin(all()).ok().expect("threads"));
            let mut contents: Vec<PooledDigests> = begun.collect();
            for piece in bytes.chunks(10_007) {
                for content in &mut contents {
                    content.update(piece);
                }
            }
            for content in &mut contents {
                for _ in 0..2 {
                    let mut found = content.report();
                    found.sort_by_key(|(algorithm, _)| *algorithm as u8);
                    assert_eq!(found, expected, "{threads} threads");
                }
            }
        }
    }

    #[test]
    fn one_thread_or_too_many_contents_leave_digests_to_the_caller() {
        assert!(DigestPool::new(1).begin(all()).is_err());
        assert!(!DigestPool::new(1).takes(u64::MAX));
        let pool = DigestPool::new(2);
        assert!(!pool.takes(100) && pool.takes(PIECE as u64));
        let mut begun: Vec<_> = (0..MAX_CONTENTS).map(|_| pool.begin(all())).collect();
        assert!(begun.iter().all(Result::is_ok));
        assert!(pool.begin(all()).is_err());
        begun.pop();
        assert!(pool.begin(all()).is_ok());
    }
}
