//! A TCP connection seen from outside: both ends' sequence numbers, and what either sends.

use std::net::SocketAddr;

use etherparse::{TcpHeader, TcpOptionElement};

use super::wire::Wire;

/// Which end sends. For the connection itself the client is the end that opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The end that opened the connection.
    Client,
    /// The end that accepted it.
    Server,
}

/// One connection and where its two ends stand.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    client: End,
    server: End,
}

#[derive(Clone, Debug)]
struct End {
    address: SocketAddr,
    /// Sequence number of the next byte.
    next: u32,
    /// The window it offers.
    window: u16,
    /// Last segment sent, for retransmission.
    last: Sent,
}

#[derive(Clone, Debug, Default)]
struct Sent {
    sequence: u32,
    flags: Flags,
    payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    syn: bool,
    ack: bool,
    psh: bool,
    fin: bool,
    rst: bool,
}

impl Connection {
    /// A connection from `client` to `server`, not yet open. Initial sequence numbers are made of the ports, so that
    /// they differ between connections and never between runs.
    pub(crate) fn new(client: SocketAddr, server: SocketAddr) -> Self {
        let seed = |own: SocketAddr, other: SocketAddr| {
            (u32::from(own.port()) * 0x1_0001).wrapping_add(u32::from(other.port()) * 257)
        };
        Self::with_sequences(client, server, seed(client, server), seed(server, client))
    }

    /// The same with chosen initial sequence numbers.
    pub(crate) fn with_sequences(
        client: SocketAddr,
        server: SocketAddr,
        client_isn: u32,
        server_isn: u32,
    ) -> Self {
        let end = |address, next| End {
            address,
            next,
            window: WINDOW,
            last: Sent::default(),
        };
        Self {
            client: end(client, client_isn),
            server: end(server, server_isn),
        }
    }

    /// The three-way handshake.
    pub(crate) fn open(&mut self, wire: &mut Wire) {
        self.syn(wire);
        self.syn_ack(wire);
        self.ack(wire, Side::Client);
    }

    /// The client's SYN.
    pub(crate) fn syn(&mut self, wire: &mut Wire) {
        self.send(
            wire,
            Side::Client,
            Flags {
                syn: true,
                ..Flags::default()
            },
            &[],
        );
    }

    /// The server's SYN ACK.
    pub(crate) fn syn_ack(&mut self, wire: &mut Wire) {
        self.send(wire, Side::Server, Flags { syn: true, ..ACK }, &[]);
    }

    /// `side` sends `bytes` in one segment.
    pub(crate) fn say(&mut self, wire: &mut Wire, side: Side, bytes: &[u8]) {
        self.send(wire, side, Flags { psh: true, ..ACK }, bytes);
    }

    /// `side` sends `bytes` in segments of at most `largest` bytes; the other end acknowledges every second one, and
    /// the last.
    pub(crate) fn stream(&mut self, wire: &mut Wire, side: Side, bytes: &[u8], largest: usize) {
        let count = bytes.chunks(largest).len();
        for (index, piece) in bytes.chunks(largest).enumerate() {
            self.send(wire, side, ACK, piece);
            if index % 2 == 1 || index + 1 == count {
                self.ack(wire, side.other());
            }
        }
    }

    /// `side` sends `bytes` and FIN in one segment.
    pub(crate) fn say_and_fin(&mut self, wire: &mut Wire, side: Side, bytes: &[u8]) {
        self.send(
            wire,
            side,
            Flags {
                psh: true,
                fin: true,
                ..ACK
            },
            bytes,
        );
    }

    /// `side` acknowledges what it has from the other end.
    pub(crate) fn ack(&mut self, wire: &mut Wire, side: Side) {
        self.send(wire, side, ACK, &[]);
    }

    /// `side` acknowledges and has room for `window` bytes more.
    pub(crate) fn ack_with_window(&mut self, wire: &mut Wire, side: Side, window: u16) {
        let usual = std::mem::replace(&mut self.end_mut(side).window, window);
        self.ack(wire, side);
        self.end_mut(side).window = usual;
    }

    /// Sends an ICMP error from a router to the client about its last segment.
    pub(crate) fn unreachable(&self, wire: &mut Wire, router: [u8; 4], code: u8) {
        let (from, to) = (self.client.address, self.server.address);
        wire.unreachable(router, code, from, to);
    }

    /// `side` sends FIN.
    pub(crate) fn fin(&mut self, wire: &mut Wire, side: Side) {
        self.send(wire, side, Flags { fin: true, ..ACK }, &[]);
    }

    /// `side` closes first: FIN, ACK, FIN, ACK.
    pub(crate) fn close(&mut self, wire: &mut Wire, side: Side) {
        self.fin(wire, side);
        self.answer_fin(wire, side.other());
    }

    /// `side` has got the other end's FIN: it acknowledges, sends its own, and that is acknowledged.
    pub(crate) fn answer_fin(&mut self, wire: &mut Wire, side: Side) {
        self.ack(wire, side);
        self.fin(wire, side);
        self.ack(wire, side.other());
    }

    /// `side` resets the connection.
    pub(crate) fn rst(&mut self, wire: &mut Wire, side: Side) {
        self.send(wire, side, Flags { rst: true, ..ACK }, &[]);
    }

    /// `side` sends the last segment that had bytes or a flag of its own once more.
    pub(crate) fn retransmit(&mut self, wire: &mut Wire, side: Side) {
        let Sent {
            sequence,
            flags,
            payload,
        } = self.end(side).last.clone();
        self.put(wire, side, sequence, flags, &payload);
    }

    /// `side` sends `bytes` that begin `back` bytes before its next one; its own place does not move.
    pub(crate) fn say_again(&mut self, wire: &mut Wire, side: Side, back: u32, bytes: &[u8]) {
        let sequence = self.end(side).next.wrapping_sub(back);
        self.put(wire, side, sequence, Flags { psh: true, ..ACK }, bytes);
    }

    /// `side` sends `count` bytes, none of which the tap sees.
    pub(crate) fn skip(&mut self, side: Side, count: u32) {
        let end = self.end_mut(side);
        end.next = end.next.wrapping_add(count);
    }

    /// `side` sends `bytes`, but the tap does not see them.
    pub(crate) fn lose(&mut self, wire: &mut Wire, side: Side, bytes: &[u8]) {
        wire.unseen(|wire| self.say(wire, side, bytes));
    }

    fn send(&mut self, wire: &mut Wire, side: Side, flags: Flags, payload: &[u8]) {
        let sequence = self.end(side).next;
        self.put(wire, side, sequence, flags, payload);
        let length = u32::try_from(payload.len()).expect("a segment is short")
            + u32::from(flags.syn)
            + u32::from(flags.fin);
        if length > 0 {
            let end = self.end_mut(side);
            end.next = sequence.wrapping_add(length);
            end.last = Sent {
                sequence,
                flags,
                payload: payload.to_vec(),
            };
        }
    }

    fn put(&self, wire: &mut Wire, side: Side, sequence: u32, flags: Flags, payload: &[u8]) {
        let (from, to) = (self.end(side), self.end(side.other()));
        let mut header = TcpHeader::new(
            from.address.port(),
            to.address.port(),
            sequence,
            from.window,
        );
        header.syn = flags.syn;
        header.psh = flags.psh;
        header.fin = flags.fin;
        header.rst = flags.rst;
        if flags.ack {
            header.ack = true;
            header.acknowledgment_number = to.next;
        }
        if flags.syn {
            header
                .set_options(&[TcpOptionElement::MaximumSegmentSize(1460)])
                .expect("one option fits the header");
        }
        wire.segment(from.address, to.address, header, payload);
    }

    fn end(&self, side: Side) -> &End {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

impl Side {
    /// The end across.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

const ACK: Flags = Flags {
    syn: false,
    ack: true,
    psh: false,
    fin: false,
    rst: false,
};
const WINDOW: u16 = 64_240;
