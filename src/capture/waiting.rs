//! Waiting for packets: the poll that signals interrupt, the clock of a quiet link, the pipe that can be left before its end,
//! and the file that another program is still writing, for `--follow`.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::model::{Span, Timestamp};

/// Interrupts a source that waits for packets, and asks it to stop.
#[derive(Clone, Debug)]
pub struct Waker {
    signal: Arc<UnixStream>,
    stop: Arc<AtomicBool>,
}

impl Waker {
    /// Creates a waker from the read end of a signal pipe and a stop flag.
    ///
    /// A byte on `signal` interrupts the current wait; the stream must be non-blocking. Once `stop` is true the source
    /// delivers what has already arrived and ends.
    #[must_use]
    pub fn new(signal: UnixStream, stop: Arc<AtomicBool>) -> Self {
        Self {
            signal: Arc::new(signal),
            stop,
        }
    }

    /// Returns true once the source has been asked to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits at most `timeout` until one of `descriptors` is readable or failed, or a signal arrives. Returns true if a
    /// descriptor is ready.
    pub(super) fn wait(&self, descriptors: &[BorrowedFd<'_>], timeout: Duration) -> bool {
        let mut polled: Vec<PollFd<'_>> = descriptors
            .iter()
            .map(|descriptor| PollFd::from_borrowed_fd(*descriptor, PollFlags::IN))
            .collect();
        polled.push(PollFd::new(&*self.signal, PollFlags::IN));
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        // EINTR: a signal handler ran during poll, and its byte is read by the next wait.
        if poll(&mut polled, Some(&timeout)).is_err() {
            return false;
        }
        let signalled = polled.pop().is_some_and(|own| !own.revents().is_empty());
        if signalled {
            self.drain();
        }
        // Any event counts, not only POLLIN: after POLLHUP or POLLERR the read that follows reports the end or the
        // error.
        polled.iter().any(|polled| !polled.revents().is_empty())
    }

    fn drain(&self) {
        let mut bytes = [0; 64];
        loop {
            match (&*self.signal).read(&mut bytes) {
                Ok(got) if got == bytes.len() => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }
}

/// Estimate of the current capture time while no packet arrives.
///
/// The machine that stamped the packets may have another wall clock than this one, so only elapsed time is taken
/// from the local (monotonic) clock.
#[derive(Debug, Default)]
pub(super) struct QuietClock {
    /// Time of the latest packet, and when it was read; `None` before the first packet.
    last: Option<(Timestamp, Instant)>,
}

impl QuietClock {
    /// Sets the clock: a packet stamped `time` was just read.
    pub(super) fn on_packet(&mut self, time: Timestamp) {
        self.last = Some((time, Instant::now()));
    }

    /// Returns the estimated time, 200 ms late; the epoch before the first packet.
    pub(super) fn now(&self) -> Timestamp {
        let Some((time, read)) = self.last else {
            return Timestamp::default();
        };
        // A tick must not overtake a packet that the kernel still holds: its timers would expire before it is seen.
        let quiet = read.elapsed().saturating_sub(DELIVERY_LAG);
        time.plus(Span::from_nanos(
            i64::try_from(quiet.as_nanos()).unwrap_or(i64::MAX),
        ))
    }
}

/// Pipe that is read until it is closed or, after a stop, until it is quiet. The end by a stop is an `io::Error` that holds
/// [`FollowEnd::Stopped`].
///
/// After the stop reading continues while bytes arrive, for at most a second: a capture program that received the same
/// signal is flushing its last packets.
pub(super) struct StoppablePipe {
    file: File,
    stop: Arc<AtomicBool>,
    /// Time at which the stop was noticed; `None` before it.
    stopped: Option<Instant>,
}

impl StoppablePipe {
    /// Reads from `file` until `stop` is true.
    pub(super) fn new(file: File, stop: Arc<AtomicBool>) -> Self {
        Self {
            file,
            stop,
            stopped: None,
        }
    }

    /// Waits for bytes or the end of the pipe; returns true if there are any within `POLL_INTERVAL`.
    fn is_ready(&self) -> bool {
        let mut polled = [PollFd::new(&self.file, PollFlags::IN)];
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: POLL_INTERVAL.subsec_nanos().into(),
        };
        // EINTR: the caller looks at the stop flag and waits again.
        poll(&mut polled, Some(&timeout)).is_ok() && !polled[0].revents().is_empty()
    }
}

impl Read for StoppablePipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.stopped.is_none() && self.stop.load(Ordering::Relaxed) {
                self.stopped = Some(Instant::now());
            }
            let waited = self.stopped.map(|since| since.elapsed());
            if waited.is_some_and(|waited| waited > FLUSH_LIMIT) {
                return Err(FollowEnd::Stopped.into());
            }
            if self.is_ready() {
                return self.file.read(buffer);
            }
            // The signal itself ends one wait early, so only a quiet interval that began after it counts.
            if waited.is_some_and(|waited| waited >= POLL_INTERVAL) {
                return Err(FollowEnd::Stopped.into());
            }
        }
    }
}

/// Opens a file or a fifo for blocking reads. A plain open of a fifo would wait for its writer, deaf to signals; the reader
/// waits for bytes instead.
pub(crate) fn open_without_waiting(path: &Path) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    let flags = fcntl_getfl(&file)?;
    fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    Ok(file)
}

/// Reader that waits at the end of a file until it grows. Its end is an `io::Error` that holds a [`FollowEnd`].
pub(super) struct GrowingFile {
    file: File,
    path: PathBuf,
    /// Bytes read so far.
    position: u64,
    stop: Arc<AtomicBool>,
}

/// Reason why a growing file is read no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FollowEnd {
    /// The caller stopped the wait.
    #[error("it was not waited for any longer")]
    Stopped,
    /// The file is shorter than the bytes already read.
    #[error("it became shorter while it was followed; what was written after that was not read")]
    Shrunk,
    /// The path now names another file, or none.
    #[error("it was replaced or removed while it was followed; what is in its place was not read")]
    Replaced,
}

impl FollowEnd {
    /// Returns the reason inside `error`; `None` for any other error.
    pub(super) fn in_error(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl From<FollowEnd> for io::Error {
    fn from(end: FollowEnd) -> Self {
        Self::other(end)
    }
}

impl GrowingFile {
    /// Opens a file; the wait at its end is over once `stop` is true.
    pub(super) fn open(path: PathBuf, stop: Arc<AtomicBool>) -> io::Result<Self> {
        Ok(Self {
            file: File::open(&path)?,
            path,
            position: 0,
            stop,
        })
    }

    /// Returns why the file can no longer grow; `None` while it can.
    fn ended(&self) -> Option<FollowEnd> {
        let own = self.file.metadata().ok()?;
        if own.len() < self.position {
            return Some(FollowEnd::Shrunk);
        }
        match std::fs::metadata(&self.path) {
            Ok(named) if same_file(&own, &named) => None,
            _ => Some(FollowEnd::Replaced),
        }
    }
}

impl Read for GrowingFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut ended: Option<FollowEnd> = None;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(FollowEnd::Stopped.into());
            }
            let got = self.file.read(buffer)?;
            if got > 0 || buffer.is_empty() {
                self.position = self.position.saturating_add(got as u64);
                return Ok(got);
            }
            // The last bytes may have been written between the read and the check, before the file was rotated: one
            // more read after the end was detected returns them.
            if let Some(end) = ended {
                return Err(end.into());
            }
            ended = self.ended();
            if ended.is_none() {
                std::thread::sleep(POLL_INTERVAL);
                // The headers are read at once; behind them the caller's own timers have to run.
                if self.position > HEADERS {
                    return Err(ErrorKind::WouldBlock.into());
                }
            }
        }
    }
}

#[cfg(unix)]
fn same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Compares creation times: without inode numbers there is nothing better in the standard library.
#[cfg(not(unix))]
fn same_file(one: &Metadata, other: &Metadata) -> bool {
    one.created().ok() == other.created().ok()
}

/// Longest time from a packet's timestamp to its delivery: four times the 50 ms the kernel holds a ring block.
const DELIVERY_LAG: Duration = Duration::from_millis(200);

/// Longest time that a pipe is read after the stop while bytes keep coming.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// Bytes at the beginning of a file that no reader is interrupted in.
const HEADERS: u64 = 4096;

/// Delay between two looks at the file: events appear at once to a person, and 20 calls a second cost nothing.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::fd::OwnedFd;

    use super::*;
    use crate::scratch_folder::ScratchFolder;

    #[test]
    fn quiet_clock_advances_from_the_last_packet_after_the_lag() {
        let mut clock = QuietClock::default();
        assert_eq!(clock.now(), Timestamp::default());
        let time = Timestamp::from_parts(1_000, 0);
        clock.on_packet(time);
        assert!(clock.now() >= time);
        let read = Instant::now().checked_sub(DELIVERY_LAG * 2);
        clock.last = Some((time, read.expect("a time")));
        assert!(clock.now() > time);
    }

    #[test]
    fn stop_ends_a_silent_pipe_and_one_whose_writer_never_stops() {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        let stop = Arc::new(AtomicBool::new(false));
        let mut pipe = StoppablePipe::new(File::from(OwnedFd::from(reader)), Arc::clone(&stop));
        writer.write_all(b"first").expect("written");
        let mut buffer = [0; 64];
        assert_eq!(pipe.read(&mut buffer).expect("bytes"), 5);
        stop.store(true, Ordering::Relaxed);
        // The last bytes of a writer that stops at the same time are still read.
        writer.write_all(b"last").expect("written");
        assert_eq!(pipe.read(&mut buffer).expect("bytes"), 4);
        let end = |error| FollowEnd::in_error(&error);
        assert_eq!(
            pipe.read(&mut buffer).map_err(end),
            Err(Some(FollowEnd::Stopped))
        );

        let zeros = File::open("/dev/zero").expect("opened");
        let mut endless = StoppablePipe::new(zeros, stop);
        let started = Instant::now();
        let ended = loop {
            if let Err(error) = endless.read(&mut buffer) {
                break FollowEnd::in_error(&error);
            }
        };
        assert_eq!(ended, Some(FollowEnd::Stopped));
        assert!(started.elapsed() < FLUSH_LIMIT * 10);
    }

    fn file(folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, b"first").expect("written");
        path
    }

    fn read(followed: &mut GrowingFile) -> Result<Vec<u8>, FollowEnd> {
        let mut buffer = [0; 64];
        match followed.read(&mut buffer) {
            Ok(got) => Ok(buffer[..got].to_vec()),
            Err(error) => Err(FollowEnd::in_error(&error).expect("an end")),
        }
    }

    #[test]
    fn appended_bytes_are_read_until_the_stop() {
        let folder = ScratchFolder::new("appended");
        let path = file(&folder, "capture");
        let stop = Arc::new(AtomicBool::new(false));
        let mut followed = GrowingFile::open(path.clone(), Arc::clone(&stop)).expect("opened");
        assert_eq!(read(&mut followed), Ok(b"first".to_vec()));
        let append = path.clone();
        let writer = std::thread::spawn(move || {
            std::thread::sleep(POLL_INTERVAL * 2);
            let mut file = File::options().append(true).open(append).expect("opened");
            file.write_all(b"second").expect("written");
        });
        assert_eq!(read(&mut followed), Ok(b"second".to_vec()));
        writer.join().expect("no panic");
        stop.store(true, Ordering::Relaxed);
        assert_eq!(read(&mut followed), Err(FollowEnd::Stopped));
    }

    #[test]
    fn shrunk_replaced_or_removed_file_ends_the_follow() {
        let folder = ScratchFolder::new("ends");
        let path = file(&folder, "capture");
        let open = || GrowingFile::open(path.clone(), Arc::default()).expect("opened");
        let mut shrunk = open();
        assert_eq!(read(&mut shrunk), Ok(b"first".to_vec()));
        fs::write(&path, b"no").expect("written");
        assert_eq!(read(&mut shrunk), Err(FollowEnd::Shrunk));

        let mut replaced = open();
        assert_eq!(read(&mut replaced), Ok(b"no".to_vec()));
        let other = file(&folder, "other");
        fs::rename(&other, &path).expect("renamed");
        assert_eq!(read(&mut replaced), Err(FollowEnd::Replaced));

        let mut removed = open();
        assert_eq!(read(&mut removed), Ok(b"first".to_vec()));
        fs::remove_file(&path).expect("removed");
        assert_eq!(read(&mut removed), Err(FollowEnd::Replaced));
    }
}
