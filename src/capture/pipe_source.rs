//! A capture that arrives through a pipe while it is made: packets as they come, ticks while none comes.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::ops::ControlFlow;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::capture_reader::{CaptureReader, Origin};
use super::record::{Advance, CaptureCounts};
use super::waiting::QuietClock;
use super::{Deliver, Error, Input, Packet, PacketSource, Waker, record_buffer};
use crate::model::record::Capture;
use crate::model::{CapturePlace, FrameRef, Timestamp, wire_text};

/// One pipe, read as packets arrive; see [`PipeSource::new`].
pub struct PipeSource {
    path: PathBuf,
    /// `None` once the pipe was opened for reading.
    file: Option<File>,
    window_limit: u64,
    waker: Waker,
    record: Capture,
}

/// Pipe that reports `WouldBlock` after a quiet interval instead of blocking.
struct TimedPipe {
    file: File,
    waker: Waker,
    /// Set to report quiet intervals; cleared to block until bytes arrive.
    reports_idle: Arc<AtomicBool>,
    /// Set after the first quiet interval since the stop; the next one is the end of the pipe.
    quiet_since_stop: bool,
}

impl PipeSource {
    /// Reads a capture from `file`, called `path` in messages (`-` for standard input), until the pipe is closed or
    /// `waker` asks to stop.
    ///
    /// After the stop the source reads until the pipe is quiet, for at most a second: a capture program that
    /// received the same signal is flushing its last packets.
    #[must_use]
    pub fn new(path: PathBuf, file: File, window_limit: u64, waker: Waker) -> Self {
        let (text, path_b64) = wire_text::decode(path.as_os_str().as_encoded_bytes());
        let record = Capture {
            path: text,
            path_b64,
            format: String::new(),
            link_types: Vec::new(),
            packets: None,
            bytes: None,
            first_packet: None,
            last_packet: None,
            truncated: None,
            drops: None,
        };
        Self {
            path,
            file: Some(file),
            window_limit,
            waker,
            record,
        }
    }

    /// Duplicates standard input into a file that can be polled.
    pub fn standard_input() -> io::Result<File> {
        Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
    }

    fn open(&mut self) -> Result<CaptureReader, Error> {
        let reports_idle = Arc::new(AtomicBool::new(false));
        let input = self.file.take().map(|file| TimedPipe {
            file,
            waker: self.waker.clone(),
            reports_idle: Arc::clone(&reports_idle),
            quiet_since_stop: false,
        });
        let name = wire_text::printable(&self.path.to_string_lossy()).into_owned();
        let mut origin = Origin::Reader(input.map(|input| Box::new(input) as Box<dyn Read + Send>));
        let reader = CaptureReader::open(
            &mut origin,
            &name,
            record_buffer::CAPACITY,
            self.window_limit,
        )?;
        // Decoders take `WouldBlock` for an error they cannot recover from, so a compressed pipe never ticks.
        reports_idle.store(reader.compression().is_none(), Ordering::Relaxed);
        self.update_from(&reader);
        Ok(reader)
    }

    fn update_from(&mut self, reader: &CaptureReader) {
        self.record.format = reader.format_name();
        self.record.link_types = reader.links().iter().map(ToString::to_string).collect();
    }

    fn run(&mut self, deliver: Deliver<'_>) -> ControlFlow<()> {
        // The writer may not have started yet; ticks keep the caller's own timers running meanwhile.
        while let Some(file) = &self.file
            && !self.waker.wait(&[file.as_fd()], QUIET)
        {
            if self.waker.is_stopping() {
                return ControlFlow::Continue(());
            }
            deliver(Input::Tick(Timestamp::default()))?;
        }
        let mut reader = match self.open() {
            Ok(reader) => reader,
            // Stopped before the first byte: nothing was captured, and nothing went wrong.
            Err(Error::Empty { .. }) if self.waker.is_stopping() => {
                return ControlFlow::Continue(());
            }
            Err(error) => return deliver(Input::Failed(error)),
        };
        deliver(Input::CaptureStart(&self.record))?;
        let mut clock = QuietClock::default();
        let mut counts = CaptureCounts::default();
        let mut last = None::<FrameRef>;
        let mut stopping: Option<Instant> = None;
        let flow = loop {
            match reader.advance() {
                Advance::Packet => {
                    let record = reader.record();
                    counts.add(record.time, record.len);
                    let number = counts.packets;
                    let frame = FrameRef {
                        time: record.time,
                        number,
                        place: CapturePlace::new(0, number),
                    };
                    last = Some(frame);
                    let packet = Packet {
                        frame,
                        link: record.link,
                        wire_len: record.wire_len,
                        data: reader.data(),
                    };
                    if deliver(Input::Packet(packet)).is_break() {
                        break ControlFlow::Break(());
                    }
                    // Reading the clock for each packet would cost more than decoding it.
                    if number.is_multiple_of(PACKETS_BETWEEN_CHECKS) {
                        clock.on_packet(record.time);
                        if self.waker.is_stopping() {
                            let since = *stopping.get_or_insert_with(Instant::now);
                            if since.elapsed() > FLUSH_LIMIT {
                                break ControlFlow::Continue(());
                            }
                        }
                    }
                }
                Advance::Secrets => {
                    if deliver(Input::Secrets(reader.secrets())).is_break() {
                        break ControlFlow::Break(());
                    }
                }
                Advance::Names => {
                    if deliver(Input::Names(&reader.names())).is_break() {
                        break ControlFlow::Break(());
                    }
                }
                Advance::Section => {
                    if section_start(&counts, deliver).is_break() {
                        break ControlFlow::Break(());
                    }
                }
                Advance::Idle => {
                    if self.waker.is_stopping() {
                        break ControlFlow::Continue(());
                    }
                    // The clock follows only every 16th packet: catch up with the latest one before the first tick.
                    if let Some(frame) = last.take() {
                        clock.on_packet(frame.time);
                    }
                    if deliver(Input::Tick(clock.now())).is_break() {
                        break ControlFlow::Break(());
                    }
                }
                Advance::Notice(notice) => {
                    counts.note(&notice);
                    let warning = notice.warning(&self.record.path, last);
                    if deliver(Input::Warning(warning)).is_break() {
                        break ControlFlow::Break(());
                    }
                }
                Advance::Failed(cause) => {
                    counts.truncated = true;
                    let error = reader.name_failure(&self.record.path, cause, counts.packets);
                    break deliver(Input::Failed(error));
                }
                Advance::End => break ControlFlow::Continue(()),
            }
        };
        self.update_from(&reader);
        self.record.packets = Some(counts.packets);
        self.record.bytes = Some(counts.bytes);
        self.record.first_packet = counts.first;
        self.record.last_packet = counts.last;
        self.record.truncated = Some(counts.truncated);
        flow
    }
}

impl PacketSource for PipeSource {
    fn for_each(&mut self, deliver: &mut dyn FnMut(Input<'_>) -> ControlFlow<()>) {
        // The caller broke the run itself and knows why.
        let _ = self.run(deliver);
    }

    fn captures(&self) -> Vec<Capture> {
        vec![self.record.clone()]
    }
}

impl Read for TimedPipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.waker.wait(&[self.file.as_fd()], QUIET) {
                return self.file.read(buffer);
            }
            // The signal itself ends one wait early, so only the second quiet interval after it is a real one.
            if self.waker.is_stopping() && std::mem::replace(&mut self.quiet_since_stop, true) {
                return Ok(0);
            }
            if self.reports_idle.load(Ordering::Relaxed) {
                return Err(ErrorKind::WouldBlock.into());
            }
        }
    }
}

/// Time without bytes after which a pipe is considered quiet.
const QUIET: Duration = Duration::from_millis(100);
/// Longest time that reading continues after the stop while packets keep coming.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);
/// Packets between two looks at the clock and the stop flag.
const PACKETS_BETWEEN_CHECKS: u64 = 16;

/// Delivers the start of a section behind the packets so far.
fn section_start(counts: &CaptureCounts, deliver: Deliver<'_>) -> ControlFlow<()> {
    if counts.packets == 0 {
        return ControlFlow::Continue(());
    }
    deliver(Input::SectionStart(FrameRef {
        time: counts.last.unwrap_or_default(),
        number: counts.packets,
        place: CapturePlace::new(0, counts.packets),
    }))
}

#[cfg(test)]
mod tests {
    //! Pipes as a source: packets as they come, ticks in between, and the end on request.

    use std::io::Write as _;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::thread;

    use super::*;
    use crate::model::Span;

    /// A source over an open pipe, with the pipe's writer and the source's stop flag.
    struct OpenPipe {
        source: PipeSource,
        writer: UnixStream,
        stop: Arc<AtomicBool>,
        _signal: UnixStream,
    }

    fn header() -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
            bytes.extend(word.to_le_bytes());
        }
        bytes
    }

    fn record(seconds: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [seconds, 0, 4, 4] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(*b"data");
        bytes
    }

    fn open_pipe() -> OpenPipe {
        let (reader, writer) = UnixStream::pair().expect("a pipe");
        let (readable, signal) = UnixStream::pair().expect("a pipe");
        readable.set_nonblocking(true).expect("set");
        let stop = Arc::new(AtomicBool::new(false));
        let waker = Waker::new(readable, Arc::clone(&stop));
        let file = File::from(OwnedFd::from(reader));
        OpenPipe {
            source: PipeSource::new("-".into(), file, 1 << 20, waker),
            writer,
            stop,
            _signal: signal,
        }
    }

    #[test]
    fn quiet_pipe_ticks_from_the_time_of_its_last_packet() {
        let mut pipe = open_pipe();
        pipe.writer.write_all(&header()).expect("written");
        pipe.writer.write_all(&record(1_000)).expect("written");
        // Half a record: the reader waits for the rest.
        let second = record(1_001);
        pipe.writer.write_all(&second[..10]).expect("written");
        let mut writer = Some(pipe.writer);
        let (mut packets, mut ticks) = (Vec::new(), Vec::new());
        pipe.source.for_each(&mut |input| {
            match input {
                Input::Packet(packet) => packets.push(packet.frame.time),
                Input::Tick(time) if packets.len() == 1 => {
                    ticks.push(time);
                    if ticks.len() == 4
                        && let Some(mut writer) = writer.take()
                    {
                        writer.write_all(&second[10..]).expect("written");
                    }
                }
                Input::Failed(error) => panic!("{error}"),
                Input::Warning(warning) => panic!("{}", warning.message),
                _ => {}
            }
            ControlFlow::Continue(())
        });
        let first = Timestamp::from_parts(1_000, 0);
        assert_eq!(packets, [first, first.plus(Span::from_secs(1))]);
        assert!(ticks.is_sorted() && ticks.iter().all(|tick| *tick >= first));
        assert!(ticks.last() > Some(&first));
        let captures = pipe.source.captures();
        assert_eq!(
            (captures[0].packets, captures[0].truncated),
            (Some(2), Some(false))
        );
    }

    #[test]
    fn open_pipe_ends_on_request_without_a_warning() {
        for bytes in [Vec::new(), header(), [header(), record(1_000)].concat()] {
            let mut pipe = open_pipe();
            pipe.writer.write_all(&bytes).expect("written");
            let stop = Arc::clone(&pipe.stop);
            let asker = thread::spawn(move || {
                thread::sleep(Duration::from_millis(150));
                stop.store(true, Ordering::Relaxed);
            });
            let mut failures = 0;
            pipe.source.for_each(&mut |input| {
                failures += u32::from(matches!(input, Input::Failed(_) | Input::Warning(_)));
                ControlFlow::Continue(())
            });
            asker.join().expect("no panic");
            assert_eq!(failures, 0, "after {} bytes", bytes.len());
        }
    }
}
