//! The classic session: name lookup, anonymous login, `dir`, `cd`, `get readme.txt`, `bye`, all in active mode.
//!
//! Every segment and every acknowledgement of the textbook picture, in its order. In the wild no two of these would
//! come out alike; here they are the same bytes each time.

use std::net::SocketAddr;
use std::time::Duration;

use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, ResourceRecord, TYPE};

use super::connection::{Connection, Side};
use super::wire::Wire;

/// The capture as a pcap file.
pub(crate) fn classic() -> Vec<u8> {
    let mut wire = Wire::new();
    look_up_the_server(&mut wire);
    wire.wait(Duration::from_millis(1));

    let mut control = Connection::new(at(CLIENT, 1175), at(SERVER, 21));
    connect_and_log_in(&mut wire, &mut control);
    list(&mut wire, &mut control);
    change_directory(&mut wire, &mut control);
    retrieve(&mut wire, &mut control);
    log_out(&mut wire, &mut control);
    wire.to_pcap()
}

/// `readme.txt` as it crosses the wire in ASCII type: 1,715 bytes, lines ended by CR LF.
pub(crate) fn readme() -> Vec<u8> {
    let mut text = b"Welcome to the public area of ftp.any-domain.com.\r\n\r\n".to_vec();
    for number in 1_u8.. {
        let line =
            format!("{number:>3}. This line is here so that the file has something in it.\r\n");
        if text.len() + line.len() > README_SIZE - END.len() {
            break;
        }
        text.extend(line.bytes());
    }
    text.resize(README_SIZE - END.len(), b'-');
    text.extend(END);
    text
}

/// Listing that `dir` shows.
pub(crate) const LISTING: &str = "total 6\r\n\
    drwxr-xr-x   2 ftp      ftp          4096 Feb 11 09:30 incoming\r\n\
    drwxr-xr-x   3 ftp      ftp          4096 Jan 17 16:02 pub\r\n\
    -rw-r--r--   1 ftp      ftp           212 Jan 17 15:58 welcome.msg\r\n";

/// Directory that the client enters with `cd`.
pub(crate) const DIRECTORY: &str = "pub";

fn look_up_the_server(wire: &mut Wire) {
    let (client, resolver) = (at(CLIENT, 1174), at(RESOLVER, 53));
    let name = || Name::new_unchecked("ftp.any-domain.com");
    let mut query = Packet::new_query(0x0a5d);
    query.set_flags(PacketFlag::RECURSION_DESIRED);
    query.questions.push(Question::new(
        name(),
        QTYPE::TYPE(TYPE::A),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    wire.datagram(
        client,
        resolver,
        &query.build_bytes_vec().expect("a short query"),
    );

    let mut response = query.into_reply();
    response.set_flags(PacketFlag::RECURSION_DESIRED | PacketFlag::RECURSION_AVAILABLE);
    response.answers.push(ResourceRecord::new(
        name(),
        CLASS::IN,
        3600,
        RData::A(A::from(std::net::Ipv4Addr::from(SERVER))),
    ));
    wire.wait(Duration::from_millis(12));
    wire.datagram(
        resolver,
        client,
        &response.build_bytes_vec().expect("a short answer"),
    );
}

fn connect_and_log_in(wire: &mut Wire, control: &mut Connection) {
    control.open(wire);
    reply(wire, control, "220 ANY-DOMAIN.COM FTP Service");
    control.ack(wire, Side::Client);

    typed(wire, control, "USER ftp");
    reply(
        wire,
        control,
        "331 Anonymous access allowed, send identity (e-mail name) as password.",
    );
    control.ack(wire, Side::Client);

    typed(wire, control, "PASS abc@any-domain.com");
    reply(wire, control, "230-Welcome to ftp.any-domain.com");
    reply(wire, control, "230 Anonymous user logged in.");
    control.ack(wire, Side::Client);
}

fn list(wire: &mut Wire, control: &mut Connection) {
    typed(wire, control, "PORT 192,168,0,2,19,137");
    reply(wire, control, "200 PORT command successful.");
    command(wire, control, "LIST");
    reply(
        wire,
        control,
        "150 Opening ASCII mode data connection for /bin/ls.",
    );

    let mut data = Connection::new(at(SERVER, 20), at(CLIENT, 5001));
    data.open(wire);
    data.say(wire, Side::Client, LISTING.as_bytes());
    reply(wire, control, "226 Transfer complete.");
    data.ack(wire, Side::Server);
    control.ack(wire, Side::Client);
    data.close(wire, Side::Client);
}

fn change_directory(wire: &mut Wire, control: &mut Connection) {
    typed(wire, control, &format!("CWD {DIRECTORY}"));
    reply(wire, control, "250 CWD command successful.");
    control.ack(wire, Side::Client);
}

fn retrieve(wire: &mut Wire, control: &mut Connection) {
    wire.wait(TYPING);
    control.say(wire, Side::Client, b"PORT 192,168,0,2,19,138\r\n");
    wire.wait(Duration::from_secs(1));
    control.retransmit(wire, Side::Client);
    control.ack(wire, Side::Server);
    reply(wire, control, "200 PORT command successful.");
    command(wire, control, "RETR readme.txt");
    reply(
        wire,
        control,
        "150 Opening ASCII mode data connection for readme.txt(1715 bytes).",
    );

    // The server opens the connection, so it is the client of the TCP connection.
    let mut data = Connection::new(at(SERVER, 20), at(CLIENT, 5002));
    data.open(wire);
    let content = readme();
    let (full, rest) = content.split_at(4 * README_SEGMENT);
    data.stream(wire, Side::Client, full, README_SEGMENT);
    data.say_and_fin(wire, Side::Client, rest);
    data.answer_fin(wire, Side::Server);
    reply(wire, control, "226 Transfer complete.");
    control.ack(wire, Side::Client);
}

fn log_out(wire: &mut Wire, control: &mut Connection) {
    typed(wire, control, "QUIT");
    reply(
        wire,
        control,
        "221 Thank you for visiting ftp.any-domain.com.",
    );
    control.ack(wire, Side::Client);
    control.close(wire, Side::Server);
}

/// A command for which the user had to type something first.
fn typed(wire: &mut Wire, control: &mut Connection, line: &str) {
    wire.wait(TYPING);
    command(wire, control, line);
}

/// A command, acknowledged before its reply.
fn command(wire: &mut Wire, control: &mut Connection, line: &str) {
    control.say(wire, Side::Client, format!("{line}\r\n").as_bytes());
    wire.wait(SERVING);
    control.ack(wire, Side::Server);
}

/// A reply line, not acknowledged here: the picture says when.
fn reply(wire: &mut Wire, control: &mut Connection, line: &str) {
    wire.wait(SERVING);
    control.say(wire, Side::Server, format!("{line}\r\n").as_bytes());
}

fn at(ip: [u8; 4], port: u16) -> SocketAddr {
    SocketAddr::from((ip, port))
}

const CLIENT: [u8; 4] = [192, 168, 0, 2];
const SERVER: [u8; 4] = [192, 168, 0, 21];
const RESOLVER: [u8; 4] = [192, 168, 0, 1];
const README_SIZE: usize = 1715;
const README_SEGMENT: usize = 400;
const END: &[u8] = b"\r\nEnd of file.\r\n";
const TYPING: Duration = Duration::from_millis(2400);
const SERVING: Duration = Duration::from_millis(1);
