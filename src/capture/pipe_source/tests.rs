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
