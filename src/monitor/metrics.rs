//! The HTTP server for Prometheus, on a thread of its own.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::counters::Counters;
use super::error::Error;

/// A bound socket that nobody answers on yet.
#[derive(Debug)]
pub(super) struct Metrics(TcpListener);

impl Metrics {
    /// Binds `address`.
    pub(super) fn bind(address: SocketAddr) -> Result<Self, Error> {
        TcpListener::bind(address)
            .map(Self)
            .map_err(|cause| Error::Metrics { address, cause })
    }

    /// Starts the thread that answers requests until the process ends.
    ///
    /// Each request gets a thread of its own, up to 16 at once, so that a slow client does not delay the others.
    pub(super) fn serve(self, counters: Arc<Counters>) -> io::Result<()> {
        let listen = move || {
            // Counts the threads: each of them holds a reference.
            let running = Arc::new(());
            loop {
                let Ok((stream, _)) = self.0.accept() else {
                    // Out of descriptors, or a client that left early: both pass, but not within a busy loop.
                    thread::sleep(Duration::from_millis(100));
                    continue;
                };
                let one = Arc::clone(&running);
                let counters = Arc::clone(&counters);
                let answer = move || {
                    let _ = answer(stream, &counters);
                    drop(one);
                };
                if Arc::strong_count(&running) > MAX_CLIENTS {
                    // Answered here, so that the next client waits: for no longer than PATIENCE.
                    answer();
                } else {
                    // Without a thread this scrape fails; Prometheus scrapes again.
                    let _ = named("metrics client").spawn(answer);
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

fn answer(mut stream: TcpStream, counters: &Counters) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = read_request(&mut stream)?;
    let (status, body) = respond(&request, counters);
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

fn respond(request: &[u8], counters: &Counters) -> (&'static str, String) {
    let line = request.split(|&byte| byte == b'\r').next();
    let mut words = line.unwrap_or_default().split(|&byte| byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next());
    let path = target.map(|target| target.split(|&byte| byte == b'?').next());
    match (method, path.flatten()) {
        (b"GET" | b"HEAD", Some(b"/metrics" | b"/")) => ("200 OK", counters.prometheus()),
        (b"GET" | b"HEAD", _) => ("404 Not Found", "the numbers are at /metrics\n".to_owned()),
        _ => (
            "405 Method Not Allowed",
            "only GET is answered\n".to_owned(),
        ),
    }
}

/// Reads a request head of at most 8 KiB within 5 s.
fn read_request(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + PATIENCE;
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || request.len() > HEAD_LIMIT {
            return Err(ErrorKind::TimedOut.into());
        }
        // The rest of the total time, not a time per read: a client that sends byte by byte must not hold the thread.
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            got => request.extend_from_slice(piece.get(..got).unwrap_or_default()),
        }
    }
    Ok(request)
}

/// Time that one client gets.
const PATIENCE: Duration = Duration::from_secs(5);
/// Clients that are answered at once.
const MAX_CLIENTS: usize = 16;
/// Stack of a thread in bytes: 16 default stacks of 2 MiB would count against a memory limit.
const STACK: usize = 256 << 10;
/// Limit of a request head in bytes.
const HEAD_LIMIT: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_metrics_path_is_served() {
        let counters = Counters::new();
        let status = |request: &[u8]| respond(request, &counters).0;
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
    fn a_client_receives_metrics_over_http() {
        let loopback = "127.0.0.1:0".parse().expect("an address");
        let metrics = Metrics::bind(loopback).expect("bound");
        let address = metrics.0.local_addr().expect("an address");
        metrics.serve(Counters::new()).expect("a thread");
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
    fn silent_clients_do_not_delay_others() {
        let loopback = "127.0.0.1:0".parse().expect("an address");
        let metrics = Metrics::bind(loopback).expect("bound");
        let address = metrics.0.local_addr().expect("an address");
        metrics.serve(Counters::new()).expect("a thread");
        let mut silent: Vec<TcpStream> = (0..8)
            .map(|_| TcpStream::connect(address).expect("connected"))
            .collect();
        let mut stream = TcpStream::connect(address).expect("connected");
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        // If the answer had waited for the silent clients, the last of them would be closed by now.
        let last = silent.last_mut().expect("one");
        last.set_nonblocking(true).expect("set");
        let still_open = last.read(&mut [0]).expect_err("nothing to read");
        assert_eq!(still_open.kind(), ErrorKind::WouldBlock);
    }
}
