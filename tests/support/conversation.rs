//! An FTP dialogue between one client and one server, with its data connections.

use std::net::SocketAddr;
use std::time::Duration;

use super::connection::{Connection, Side};
use super::wire::Wire;

/// A control connection on a wire. Its parts are open to the tests, which disturb them.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    /// Recorder of all frames.
    pub(crate) wire: Wire,
    /// The control connection.
    pub(crate) control: Connection,
    client: SocketAddr,
    server: SocketAddr,
}

impl Conversation {
    /// Opens the control connection and exchanges the greeting.
    pub(crate) fn open(client: &str, server: &str) -> Self {
        Self::open_on(Wire::new(), client, server)
    }

    /// The same on a wire that has seen other conversations.
    pub(crate) fn open_on(wire: Wire, client: &str, server: &str) -> Self {
        let mut conversation = Self::connect_on(wire, client, server);
        conversation.reply("220 Specimen server ready.");
        conversation
    }

    /// Opens the control connection; nobody has said a word yet.
    pub(crate) fn connect_on(wire: Wire, client: &str, server: &str) -> Self {
        let client: SocketAddr = client.parse().expect("a test names a socket address");
        let server: SocketAddr = server.parse().expect("a test names a socket address");
        let mut conversation = Self {
            wire,
            control: Connection::new(client, server),
            client,
            server,
        };
        conversation.control.open(&mut conversation.wire);
        conversation
    }

    /// Opens it and logs a named user in.
    pub(crate) fn logged_in(client: &str, server: &str) -> Self {
        let mut conversation = Self::open(client, server);
        conversation.exchange(&format!("USER {USER}"), "331 Please specify the password.");
        conversation.exchange(&format!("PASS {PASSWORD}"), "230 Login successful.");
        conversation.exchange("TYPE I", "200 Switching to Binary mode.");
        conversation
    }

    /// The client sends one command line; the server acknowledges it.
    pub(crate) fn command(&mut self, line: &str) {
        self.wire.wait(THINKING);
        self.control.say(
            &mut self.wire,
            Side::Client,
            format!("{line}\r\n").as_bytes(),
        );
        self.control.ack(&mut self.wire, Side::Server);
    }

    /// The server sends one reply line; the client acknowledges it.
    pub(crate) fn reply(&mut self, line: &str) {
        self.control.say(
            &mut self.wire,
            Side::Server,
            format!("{line}\r\n").as_bytes(),
        );
        self.control.ack(&mut self.wire, Side::Client);
    }

    /// A command and its reply.
    pub(crate) fn exchange(&mut self, command: &str, reply: &str) {
        self.command(command);
        self.reply(reply);
    }

    /// A data connection that the client will open to `port` of the server.
    pub(crate) fn passive_data(&self, client_port: u16, port: u16) -> Connection {
        Connection::new(
            with_port(self.client, client_port),
            with_port(self.server, port),
        )
    }

    /// Returns whether the conversation runs over IPv6.
    pub(crate) const fn is_ipv6(&self) -> bool {
        self.server.is_ipv6()
    }

    /// A data connection that the server will open from `from_port` to `port` of the client.
    pub(crate) fn active_data(&self, from_port: u16, port: u16) -> Connection {
        Connection::new(
            with_port(self.server, from_port),
            with_port(self.client, port),
        )
    }

    /// PASV; the reply announces `address` (the server's own where it is `None`) and `port`.
    pub(crate) fn passive(&mut self, address: Option<[u8; 4]>, port: u16) {
        let own = match self.server.ip() {
            std::net::IpAddr::V4(ip) => ip.octets(),
            std::net::IpAddr::V6(_) => panic!("PASV has no room for an IPv6 address"),
        };
        let text = comma_address(address.unwrap_or(own), port);
        self.exchange("PASV", &format!("227 Entering Passive Mode ({text})."));
    }

    /// A retrieve in passive mode, from PASV to 226.
    pub(crate) fn retrieve(&mut self, name: &str, client_port: u16, port: u16, content: &[u8]) {
        self.passive(None, port);
        let mut data = self.passive_data(client_port, port);
        self.command(&format!("RETR {name}"));
        data.open(&mut self.wire);
        self.deliver(name, &mut data, Side::Server, content);
    }

    /// 150, the content from `sender`, its FIN, 226.
    pub(crate) fn deliver(
        &mut self,
        name: &str,
        data: &mut Connection,
        sender: Side,
        content: &[u8],
    ) {
        self.opening(name, content.len());
        data.stream(&mut self.wire, sender, content, SEGMENT);
        data.close(&mut self.wire, sender);
        self.reply("226 Transfer complete.");
    }

    /// The 150 reply that announces the size.
    pub(crate) fn opening(&mut self, name: &str, size: usize) {
        self.reply(&format!(
            "150 Opening BINARY mode data connection for {name} ({size} bytes)."
        ));
    }

    /// QUIT and the end of the control connection; gives the pcap file.
    pub(crate) fn quit(mut self) -> Vec<u8> {
        self.part();
        self.wire.to_pcap()
    }

    /// QUIT and the end of the control connection.
    pub(crate) fn part(&mut self) {
        self.exchange("QUIT", "221 Goodbye.");
        self.control.close(&mut self.wire, Side::Server);
    }
}

/// `h1,h2,h3,h4,p1,p2` (RFC 959 section 4.1.2).
pub(crate) fn comma_address(ip: [u8; 4], port: u16) -> String {
    let [a, b, c, d] = ip;
    format!("{a},{b},{c},{d},{},{}", port / 256, port % 256)
}

fn with_port(address: SocketAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.ip(), port)
}

/// User that logs in.
pub(crate) const USER: &str = "mira";
/// With what.
pub(crate) const PASSWORD: &str = "hazel-lantern";
/// Bytes in a full data segment.
pub(crate) const SEGMENT: usize = 1400;
const THINKING: Duration = Duration::from_millis(3);
