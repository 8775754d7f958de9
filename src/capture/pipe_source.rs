//! A capture that comes through a pipe while it is made: packets as they come, and ticks where none comes.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::ops::ControlFlow;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::counts::Counts;
use super::file_source::{FileSource, Origin};
use super::record::Step;
use super::ticker::Ticker;
use super::{Error, Input, Packet, PacketSource, Wake, record_buffer};
use crate::model::record::Capture;
use crate::model::{CapturePlace, FrameRef, Timestamp, wire_text};

/// One pipe, read as packets come; see [`PipeSource::new`].
pub struct PipeSource {
    path: PathBuf,
    file: Option<File>,
    window_limit: u64,
    wake: Wake,
    record: Capture,
}

/// The pipe itself: says that it has nothing instead of waiting without end.
struct WaitingInput {
    file: File,
    wake: Wake,
    /// Whether to say so; else it is waited for.
    says_idle: Arc<AtomicBool>,
    /// It was said once since the source shall end.
    said_at_end: bool,
}

impl PipeSource {
    /// Reads `file`, which is called `path` (`-` for standard input), until it is closed or `wake` says to stop: then until
    /// nothing has come for a moment, so that the last packets of a capture program that got the same signal are not lost.
    #[must_use]
    pub fn new(path: PathBuf, file: File, window_limit: u64, wake: Wake) -> Self {
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
            wake,
            record,
        }
    }

    /// Standard input as a file of its own.
    pub fn standard_input() -> io::Result<File> {
        Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
    }

    fn open(&mut self) -> Result<FileSource, Error> {
        let says_idle = Arc::new(AtomicBool::new(false));
        let input = self.file.take().map(|file| WaitingInput {
            file,
            wake: self.wake.clone(),
            says_idle: Arc::clone(&says_idle),
            said_at_end: false,
        });
        let name = wire_text::printable(&self.path.to_string_lossy()).into_owned();
        let mut origin = Origin::Reader(input.map(|input| Box::new(input) as Box<dyn Read + Send>));
        let source = FileSource::open(
            &mut origin,
            &name,
            record_buffer::CAPACITY,
            self.window_limit,
        )?;
        // A decoder cannot be asked again where it stopped.
        says_idle.store(source.compression().is_none(), Ordering::Relaxed);
        self.learn(&source);
        Ok(source)
    }

    fn learn(&mut self, source: &FileSource) {
        self.record.format = source.format();
        self.record.link_types = source.links().iter().map(ToString::to_string).collect();
    }

    fn run(&mut self, take: &mut dyn FnMut(Input<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        // Whoever writes may be long in coming; until then only time passes.
        while let Some(file) = &self.file
            && !self.wake.wait(&[file.as_fd()], QUIET)
        {
            if self.wake.is_stopping() {
                return ControlFlow::Continue(());
            }
            take(Input::Tick(Timestamp::default()))?;
        }
        let mut source = match self.open() {
            Ok(source) => source,
            // Stopped before anything came.
            Err(Error::Empty { .. }) if self.wake.is_stopping() => return ControlFlow::Continue(()),
            Err(error) => return take(Input::Failed(error)),
        };
        take(Input::CaptureStart(&self.record))?;
        let mut ticker = Ticker::default();
        let mut counts = Counts::default();
        let mut last = None::<FrameRef>;
        let mut stopping: Option<Instant> = None;
        let flow = loop {
            match source.advance() {
                Step::Packet => {
                    let record = source.record();
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
                        data: source.data(),
                    };
                    if take(Input::Packet(packet)).is_break() {
                        break ControlFlow::Break(());
                    }
                    if number.is_multiple_of(PACKETS_BETWEEN_LOOKS) {
                        ticker.packets(record.time);
                        if self.wake.is_stopping() {
                            let since = *stopping.get_or_insert_with(Instant::now);
                            if since.elapsed() > LAST_WORDS {
                                break ControlFlow::Continue(());
                            }
                        }
                    }
                }
                Step::Idle => {
                    if self.wake.is_stopping() {
                        break ControlFlow::Continue(());
                    }
                    // The last packet came before the waiting began.
                    if let Some(frame) = last.take() {
                        ticker.packets(frame.time);
                    }
                    if take(Input::Tick(ticker.now())).is_break() {
                        break ControlFlow::Break(());
                    }
                }
                Step::Notice(notice) => {
                    counts.note(&notice);
                    let warning = notice.warning(&self.record.path, last);
                    if take(Input::Warning(warning)).is_break() {
                        break ControlFlow::Break(());
                    }
                }
                Step::Failed(cause) => {
                    counts.truncated = true;
                    let error = source.name_failure(&self.record.path, cause, counts.packets);
                    break take(Input::Failed(error));
                }
                Step::End => break ControlFlow::Continue(()),
            }
        };
        self.learn(&source);
        self.record.packets = Some(counts.packets);
        self.record.bytes = Some(counts.bytes);
        self.record.first_packet = counts.first;
        self.record.last_packet = counts.last;
        self.record.truncated = Some(counts.truncated);
        flow
    }
}

impl PacketSource for PipeSource {
    fn for_each(&mut self, take: &mut dyn FnMut(Input<'_>) -> ControlFlow<()>) {
        // A break needs no further word: the caller made it.
        let _ = self.run(take);
    }

    fn captures(&self) -> Vec<Capture> {
        vec![self.record.clone()]
    }
}

impl Read for WaitingInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.wake.wait(&[self.file.as_fd()], QUIET) {
                return self.file.read(buffer);
            }
            if self.wake.is_stopping() && std::mem::replace(&mut self.said_at_end, true) {
                return Ok(0);
            }
            if self.says_idle.load(Ordering::Relaxed) {
                return Err(ErrorKind::WouldBlock.into());
            }
        }
    }
}

/// A pipe that gives nothing for this long is quiet.
const QUIET: Duration = Duration::from_millis(100);
/// How long is read on after the stop where packets do not cease.
const LAST_WORDS: Duration = Duration::from_secs(1);
const PACKETS_BETWEEN_LOOKS: u64 = 16;

#[cfg(test)]
mod tests;
