//! One file of 20,000 bytes, sent in all the ways that make other tools lose it, name it wrong or change it.
//!
//! Each function gives one capture with one variation and says what happens in it. Where nothing else is said, the
//! file arrives whole and the server says 226.

use std::net::SocketAddr;
use std::time::Duration;

use super::connection::{Connection, Side};
use super::conversation::{Conversation, SEGMENT, comma_address};

/// Content of the file: 20,000 bytes without a pattern that a hole or a shift would leave intact.
pub(crate) fn content() -> Vec<u8> {
    noise(SIZE, 0x2545_f491)
}

/// Content of the second file, where there is one.
pub(crate) fn second_content() -> Vec<u8> {
    noise(7_000, 0x9e37_79b9)
}

/// PASV, nothing odd.
pub(crate) fn plain_passive() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.retrieve(NAME, 40_001, PASSIVE_PORT, &content());
    ftp.quit()
}

/// EPSV over IPv6.
pub(crate) fn extended_passive_ipv6() -> Vec<u8> {
    let mut ftp = Conversation::logged_in("[fd00:21::2]:39021", "[fd00:21::1]:21");
    ftp.exchange("EPSV", "229 Entering Extended Passive Mode (|||50001|)");
    let mut data = ftp.passive_data(40_001, PASSIVE_PORT);
    ftp.command(RETRIEVE);
    data.open(&mut ftp.wire);
    ftp.deliver(NAME, &mut data, Side::Server, &content());
    ftp.quit()
}

/// PORT; the server connects from port 20.
pub(crate) fn active_from_port_20() -> Vec<u8> {
    active("PORT 192,0,2,10,19,137", "200 PORT command successful.", 20)
}

/// PORT; the server connects from a high port.
pub(crate) fn active_from_a_high_port() -> Vec<u8> {
    active(
        "PORT 192,0,2,10,19,137",
        "200 PORT command successful.",
        61_918,
    )
}

/// EPRT.
pub(crate) fn extended_active() -> Vec<u8> {
    active(
        "EPRT |1|192.0.2.10|5001|",
        "200 EPRT command successful.",
        20,
    )
}

/// Two data segments change places, and one arrives six segments late.
pub(crate) fn out_of_order() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    let mut data = begin(&mut ftp);
    let first = ftp.wire.len();
    for piece in content().chunks(SEGMENT) {
        data.say(&mut ftp.wire, Side::Server, piece);
    }
    ftp.wire.reorder(first + 2, first + 3);
    ftp.wire.move_frame(first + 5, first + 11);
    data.ack(&mut ftp.wire, Side::Client);
    finish(&mut ftp, &mut data);
    ftp.quit()
}

/// A segment is lost before the tap; its retransmission also carries the next, new bytes.
pub(crate) fn overlap_with_new_bytes() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    let mut data = begin(&mut ftp);
    let content = content();
    let (first, rest) = content.split_at(7 * SEGMENT);
    data.stream(&mut ftp.wire, Side::Server, first, SEGMENT);
    data.lose(&mut ftp.wire, Side::Server, &rest[..SEGMENT]);
    data.lose(&mut ftp.wire, Side::Server, &rest[SEGMENT..2 * SEGMENT]);
    // 700 bytes that were seen, then the two segments that were not, in one frame as segmentation offload makes it.
    let back = u32::try_from(2 * SEGMENT + 700).expect("a few segments");
    data.say_again(
        &mut ftp.wire,
        Side::Server,
        back,
        &content[7 * SEGMENT - 700..9 * SEGMENT],
    );
    data.ack(&mut ftp.wire, Side::Client);
    data.stream(&mut ftp.wire, Side::Server, &rest[2 * SEGMENT..], SEGMENT);
    finish(&mut ftp, &mut data);
    ftp.quit()
}

/// The tap misses one segment, which the client acknowledges: bytes 9,800 to 11,200 are not in the capture.
pub(crate) fn lost_segment() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    let mut data = begin(&mut ftp);
    let content = content();
    data.stream(
        &mut ftp.wire,
        Side::Server,
        &content[..7 * SEGMENT],
        SEGMENT,
    );
    data.lose(
        &mut ftp.wire,
        Side::Server,
        &content[7 * SEGMENT..8 * SEGMENT],
    );
    data.ack(&mut ftp.wire, Side::Client);
    data.stream(
        &mut ftp.wire,
        Side::Server,
        &content[8 * SEGMENT..],
        SEGMENT,
    );
    finish(&mut ftp, &mut data);
    ftp.quit()
}

/// An acknowledged segment is sent again with other bytes; the client has taken the first.
pub(crate) fn conflicting_retransmission() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    let mut data = begin(&mut ftp);
    let content = content();
    data.stream(
        &mut ftp.wire,
        Side::Server,
        &content[..8 * SEGMENT],
        SEGMENT,
    );
    let back = u32::try_from(SEGMENT).expect("a segment");
    data.say_again(&mut ftp.wire, Side::Server, back, &[b'X'; SEGMENT]);
    data.ack(&mut ftp.wire, Side::Client);
    data.stream(
        &mut ftp.wire,
        Side::Server,
        &content[8 * SEGMENT..],
        SEGMENT,
    );
    finish(&mut ftp, &mut data);
    ftp.quit()
}

/// A keep-alive probe in the middle: one garbage byte in the place of one that was acknowledged.
pub(crate) fn keep_alive() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    let mut data = begin(&mut ftp);
    let content = content();
    data.stream(
        &mut ftp.wire,
        Side::Server,
        &content[..8 * SEGMENT],
        SEGMENT,
    );
    ftp.wire.wait(Duration::from_secs(30));
    data.say_again(&mut ftp.wire, Side::Server, 1, b"?");
    data.ack(&mut ftp.wire, Side::Client);
    data.stream(
        &mut ftp.wire,
        Side::Server,
        &content[8 * SEGMENT..],
        SEGMENT,
    );
    finish(&mut ftp, &mut data);
    ftp.quit()
}

/// The server's sequence numbers pass through zero after 5,000 bytes.
pub(crate) fn sequence_wrap() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, PASSIVE_PORT);
    let address = |text: &str| text.parse::<SocketAddr>().expect("a socket address");
    let mut data = Connection::with_sequences(
        address("192.0.2.10:40001"),
        address("192.0.2.21:50001"),
        77,
        u32::MAX - 5_000,
    );
    ftp.command(RETRIEVE);
    data.open(&mut ftp.wire);
    ftp.deliver(NAME, &mut data, Side::Server, &content());
    ftp.quit()
}

/// The server ends the data connection with RST, all bytes sent; 1,400 bytes that follow belong to no file.
pub(crate) fn bytes_after_reset() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    let mut data = begin(&mut ftp);
    data.stream(&mut ftp.wire, Side::Server, &content(), SEGMENT);
    data.rst(&mut ftp.wire, Side::Server);
    data.say(&mut ftp.wire, Side::Server, &[b'X'; SEGMENT]);
    ftp.reply("226 Transfer complete.");
    ftp.quit()
}

/// The 227 names the server's private address; the client knows better and connects to the public one.
pub(crate) fn translated_address() -> Vec<u8> {
    misleading_address([10, 1, 2, 3])
}

/// The 227 names 0.0.0.0.
pub(crate) fn zero_address() -> Vec<u8> {
    misleading_address([0, 0, 0, 0])
}

/// TYPE, SIZE and CWD stand between PASV and RETR.
pub(crate) fn commands_between_passive_and_retrieve() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, PASSIVE_PORT);
    let mut data = ftp.passive_data(40_001, PASSIVE_PORT);
    data.open(&mut ftp.wire);
    ftp.exchange("TYPE I", "200 Switching to Binary mode.");
    ftp.exchange("CWD /pub", "250 Directory successfully changed.");
    ftp.exchange("SIZE f.bin", "213 20000");
    ftp.command(RETRIEVE);
    ftp.deliver(NAME, &mut data, Side::Server, &content());
    ftp.quit()
}

/// The client writes its commands in lower case.
pub(crate) fn lower_case() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("pasv", &passive_reply());
    let mut data = ftp.passive_data(40_001, PASSIVE_PORT);
    ftp.command("retr f.bin");
    data.open(&mut ftp.wire);
    ftp.deliver(NAME, &mut data, Side::Server, &content());
    ftp.quit()
}

/// USER, PASS, TYPE, PASV and RETR in one segment, and the first four replies in one segment.
pub(crate) fn pipelined() -> Vec<u8> {
    let mut ftp = Conversation::open(CLIENT, SERVER);
    let login = "USER mira\r\nPASS hazel-lantern\r\nTYPE I\r\nPASV\r\nRETR f.bin";
    ftp.command(login);
    ftp.reply(&format!(
        "331 Please specify the password.\r\n230 Login successful.\r\n200 Switching to Binary mode.\r\n{}",
        passive_reply()
    ));
    let mut data = ftp.passive_data(40_001, PASSIVE_PORT);
    data.open(&mut ftp.wire);
    ftp.deliver(NAME, &mut data, Side::Server, &content());
    ftp.quit()
}

/// RETR and the 227 are cut into several segments; one of them begins with `195,81).`, which looks like a reply code.
pub(crate) fn split_lines() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.command("PASV");
    for piece in [
        "227 Entering Passi",
        "ve Mode (192,0,2,21,",
        "195,81).\r",
        "\n",
    ] {
        ftp.control
            .say(&mut ftp.wire, Side::Server, piece.as_bytes());
        ftp.control.ack(&mut ftp.wire, Side::Client);
    }
    let mut data = ftp.passive_data(40_001, 195 * 256 + 81);
    for piece in ["RE", "TR f.", "bin\r", "\n"] {
        ftp.control
            .say(&mut ftp.wire, Side::Client, piece.as_bytes());
        ftp.control.ack(&mut ftp.wire, Side::Server);
    }
    data.open(&mut ftp.wire);
    ftp.deliver(NAME, &mut data, Side::Server, &content());
    ftp.quit()
}

/// STOU: the server chooses the name and states it in its 150 (RFC 1123 section 4.1.2.9).
pub(crate) fn store_unique() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("CWD /incoming", "250 Directory successfully changed.");
    ftp.passive(None, PASSIVE_PORT);
    let mut data = ftp.passive_data(40_001, PASSIVE_PORT);
    ftp.command("STOU");
    data.open(&mut ftp.wire);
    ftp.reply("150 FILE: upload.0017");
    data.stream(&mut ftp.wire, Side::Client, &content(), SEGMENT);
    data.close(&mut ftp.wire, Side::Client);
    ftp.reply("226 Transfer complete.");
    ftp.quit()
}

/// A listing of two entries instead of the file.
pub(crate) fn listing() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, PASSIVE_PORT);
    let mut data = ftp.passive_data(40_001, PASSIVE_PORT);
    ftp.command("LIST");
    data.open(&mut ftp.wire);
    ftp.reply("150 Here comes the directory listing.");
    data.say(&mut ftp.wire, Side::Server, LISTING.as_bytes());
    data.close(&mut ftp.wire, Side::Server);
    ftp.reply("226 Directory send OK.");
    ftp.quit()
}

/// A file without a byte.
pub(crate) fn zero_length() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.retrieve("empty.bin", 40_001, PASSIVE_PORT, &[]);
    ftp.quit()
}

/// The first RETR breaks off after [`RESUME_AT`] bytes with 426; REST and a second RETR bring the rest.
pub(crate) fn resumed() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    let content = content();
    let mut data = begin(&mut ftp);
    data.stream(&mut ftp.wire, Side::Server, &content[..RESUME_AT], SEGMENT);
    data.close(&mut ftp.wire, Side::Server);
    ftp.reply("426 Failure writing network stream.");
    ftp.exchange("REST 8000", "350 Restart position accepted (8000).");
    ftp.passive(None, PASSIVE_PORT + 1);
    let mut data = ftp.passive_data(40_002, PASSIVE_PORT + 1);
    ftp.command(RETRIEVE);
    data.open(&mut ftp.wire);
    // The size in this 150 is that of the whole file, as vsftpd says it.
    ftp.opening(NAME, SIZE);
    data.stream(&mut ftp.wire, Side::Server, &content[RESUME_AT..], SEGMENT);
    finish(&mut ftp, &mut data);
    ftp.quit()
}

/// The server listens on port 2121.
pub(crate) fn control_on_port_2121() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, "192.0.2.21:2121");
    ftp.retrieve(NAME, 40_001, PASSIVE_PORT, &content());
    ftp.quit()
}

/// Only what the server sends was captured.
pub(crate) fn one_direction() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.retrieve(NAME, 40_001, PASSIVE_PORT, &content());
    ftp.part();
    let server: SocketAddr = SERVER.parse().expect("a socket address");
    ftp.wire.keep_only(|source, _| source == server.ip());
    ftp.wire.to_pcap()
}

/// Two files over data connections with the same addresses and ports.
pub(crate) fn same_four_tuple() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.retrieve(NAME, 40_001, PASSIVE_PORT, &content());
    ftp.wire.wait(Duration::from_secs(2));
    ftp.passive(None, PASSIVE_PORT);
    let mut data = Connection::with_sequences(
        "192.0.2.10:40001".parse().expect("a socket address"),
        "192.0.2.21:50001".parse().expect("a socket address"),
        900_000,
        4_000_000_000,
    );
    ftp.command("RETR g.bin");
    data.open(&mut ftp.wire);
    ftp.deliver("g.bin", &mut data, Side::Server, &second_content());
    ftp.quit()
}

/// The capture keeps 200 bytes of each frame: 146 of each data segment.
pub(crate) fn short_snap_length() -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.retrieve(NAME, 40_001, PASSIVE_PORT, &content());
    ftp.part();
    ftp.wire.snap(200);
    ftp.wire.to_pcap()
}

/// PASV and RETR up to the 150 reply.
fn begin(ftp: &mut Conversation) -> Connection {
    ftp.passive(None, PASSIVE_PORT);
    let mut data = ftp.passive_data(40_001, PASSIVE_PORT);
    ftp.command(RETRIEVE);
    data.open(&mut ftp.wire);
    ftp.opening(NAME, SIZE);
    data
}

/// The sender closes, the server says 226.
fn finish(ftp: &mut Conversation, data: &mut Connection) {
    data.close(&mut ftp.wire, Side::Server);
    ftp.reply("226 Transfer complete.");
}

fn active(command: &str, reply: &str, from_port: u16) -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange(command, reply);
    let mut data = ftp.active_data(from_port, 5001);
    ftp.command(RETRIEVE);
    ftp.opening(NAME, SIZE);
    data.open(&mut ftp.wire);
    data.stream(&mut ftp.wire, Side::Client, &content(), SEGMENT);
    data.close(&mut ftp.wire, Side::Client);
    ftp.reply("226 Transfer complete.");
    ftp.quit()
}

fn misleading_address(address: [u8; 4]) -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(Some(address), PASSIVE_PORT);
    let mut data = ftp.passive_data(40_001, PASSIVE_PORT);
    ftp.command(RETRIEVE);
    data.open(&mut ftp.wire);
    ftp.deliver(NAME, &mut data, Side::Server, &content());
    ftp.quit()
}

fn passive_reply() -> String {
    format!(
        "227 Entering Passive Mode ({}).",
        comma_address([192, 0, 2, 21], PASSIVE_PORT)
    )
}

/// Bytes from a xorshift generator.
fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    })
    .take(length)
    .collect()
}

/// The file's name.
pub(crate) const NAME: &str = "f.bin";
/// Its size.
pub(crate) const SIZE: usize = 20_000;
/// Offset at which [`resumed`] continues.
pub(crate) const RESUME_AT: usize = 8_000;
/// Content that [`listing`] transfers.
pub(crate) const LISTING: &str = "drwxr-xr-x    2 0        0            4096 Feb 11 09:30 pub\r\n\
    -rw-r--r--    1 0        0           20000 Feb 12 10:31 f.bin\r\n";
const CLIENT: &str = "192.0.2.10:39021";
const SERVER: &str = "192.0.2.21:21";
const PASSIVE_PORT: u16 = 50_001;
const RETRIEVE: &str = "RETR f.bin";
