//! Numbers for Prometheus, over HTTP, from a thread of its own.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::numbers::Numbers;
use crate::cli::error_text::{self, Failure};

/// A socket that listens, before anybody answers on it.
#[derive(Debug)]
pub(super) struct Metrics(TcpListener);

impl Metrics {
    /// Listens on `address`.
    pub(super) fn bind(address: SocketAddr) -> Result<Self, Failure> {
        TcpListener::bind(address).map(Self).map_err(|cause| {
            Failure::Refused(format!(
                "cannot serve metrics at {address}: {}; choose another address with --metrics",
                error_text::system_words(&cause)
            ))
        })
    }

    /// Answers from here on. This starts a thread, which ends with the process; slow readers get threads of their own, so
    /// that they keep nobody waiting.
    pub(super) fn serve(self, numbers: Arc<Numbers>) -> io::Result<()> {
        let listen = move || {
            let beside = Arc::new(());
            loop {
                let Ok((stream, _)) = self.0.accept() else {
                    // Too many descriptors, or a peer that left: it passes.
                    thread::sleep(Duration::from_millis(100));
                    continue;
                };
                let one = Arc::clone(&beside);
                let numbers = Arc::clone(&numbers);
                let answer = move || {
                    let _ = answer(stream, &numbers);
                    drop(one);
                };
                if Arc::strong_count(&beside) > MOST_AT_ONCE {
                    // Then the next one waits: it costs no more than the time that a reader has.
                    answer();
                } else {
                    // Where no thread can be had, the reader asks again.
                    let _ = named("metrics reader").spawn(answer);
                }
            }
        };
        named("metrics").spawn(listen).map(|_| ())
    }
}

fn named(name: &str) -> thread::Builder {
    thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK)
}

fn answer(mut stream: TcpStream, numbers: &Numbers) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = read_request(&mut stream)?;
    let (status, body) = respond(&request, numbers);
    let head_only = request.starts_with(b"HEAD ");
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    if !head_only {
        stream.write_all(body.as_bytes())?;
    }
    stream.flush()
}

fn respond(request: &[u8], numbers: &Numbers) -> (&'static str, String) {
    let line = request.split(|&byte| byte == b'\r').next();
    let mut words = line.unwrap_or_default().split(|&byte| byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next());
    let path = target.map(|target| target.split(|&byte| byte == b'?').next());
    match (method, path.flatten()) {
        (b"GET" | b"HEAD", Some(b"/metrics" | b"/")) => ("200 OK", numbers.prometheus()),
        (b"GET" | b"HEAD", _) => ("404 Not Found", "the numbers are at /metrics\n".to_owned()),
        _ => (
            "405 Method Not Allowed",
            "only GET is answered\n".to_owned(),
        ),
    }
}

/// The head of a request, as long as it is short and comes soon.
fn read_request(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + PATIENCE;
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || request.len() > LONGEST_HEAD {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            got => request.extend_from_slice(piece.get(..got).unwrap_or_default()),
        }
    }
    Ok(request)
}

/// How long one reader may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Readers that are answered at once.
const MOST_AT_ONCE: usize = 16;
/// Bytes of a thread's stack.
const STACK: usize = 256 << 10;
/// Bytes of a request's head.
const LONGEST_HEAD: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_numbers_are_there_to_get() {
        let numbers = Numbers::new();
        let status = |request: &[u8]| respond(request, &numbers).0;
        assert_eq!(status(b"GET /metrics HTTP/1.1\r\n\r\n"), "200 OK");
        assert_eq!(status(b"GET /metrics?x=1 HTTP/1.1\r\n\r\n"), "200 OK");
        assert_eq!(status(b"GET /etc/passwd HTTP/1.1\r\n\r\n"), "404 Not Found");
        assert_eq!(
            status(b"POST /metrics HTTP/1.1\r\n\r\n"),
            "405 Method Not Allowed"
        );
        assert_eq!(status(b"\r\n\r\n"), "405 Method Not Allowed");
    }

    #[test]
    fn a_client_gets_them_over_the_network() {
        let loopback = "127.0.0.1:0".parse().expect("an address");
        let metrics = Metrics::bind(loopback).expect("bound");
        let address = metrics.0.local_addr().expect("an address");
        metrics.serve(Numbers::new()).expect("a thread");
        let mut stream = TcpStream::connect(address).expect("connected");
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            .expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(text.contains("ftpscope_packets_total 0"));
    }

    #[test]
    fn readers_that_ask_nothing_keep_nobody_waiting() {
        let loopback = "127.0.0.1:0".parse().expect("an address");
        let metrics = Metrics::bind(loopback).expect("bound");
        let address = metrics.0.local_addr().expect("an address");
        metrics.serve(Numbers::new()).expect("a thread");
        let mut silent: Vec<TcpStream> = (0..8)
            .map(|_| TcpStream::connect(address).expect("connected"))
            .collect();
        let mut stream = TcpStream::connect(address).expect("connected");
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        // The last of them would have been given up before an answer that waited for them.
        let last = silent.last_mut().expect("one");
        last.set_nonblocking(true).expect("set");
        let still_open = last.read(&mut [0]).expect_err("nothing to read");
        assert_eq!(still_open.kind(), ErrorKind::WouldBlock);
    }
}
