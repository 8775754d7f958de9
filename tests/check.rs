//! `ftpscope check` as a user runs it: expectations on captures, what is said where they do not hold, and the exit code.

mod answers;
mod baseline;
mod changed;
mod damaged;
mod edited;
mod files;
mod record;
mod rules;
mod unseen;

use crate::support::connection::Side;
use crate::support::conversation::Conversation;

const CLIENT: &str = "10.0.0.2:40000";
const SERVER: &str = "10.0.0.1:21";

/// A change in the device under test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Change {
    /// Nothing: the good run.
    #[default]
    None,
    /// A packet of the file is not in the capture.
    LostPacket,
    /// The file has the same size and other content.
    Content,
    /// Somebody else logs in.
    Login,
    /// A command more.
    ExtraCommand,
    /// A command more, which belongs to a transfer.
    ExtraSize,
    /// No QUIT.
    NoQuit,
    /// The server refuses the file.
    Refused,
    /// The file is not asked for.
    NoFile,
    /// The upload has another name.
    OtherName,
    /// The data connection is opened by the server.
    Active,
    /// Another session stands beside.
    SecondSession,
}

/// A session of a device: login, a folder, a download, an upload, QUIT.
fn capture(change: Change) -> Vec<u8> {
    let mut ftp = Conversation::open(CLIENT, SERVER);
    let user = if change == Change::Login {
        "eve"
    } else {
        "mira"
    };
    ftp.exchange(&format!("USER {user}"), "331 Please specify the password.");
    ftp.exchange("PASS hazel-lantern", "230 Login successful.");
    ftp.exchange("PWD", "257 \"/\" is the current directory");
    ftp.exchange("TYPE I", "200 Switching to Binary mode.");
    ftp.exchange("CWD pub", "250 Directory successfully changed.");
    if change == Change::ExtraCommand {
        ftp.exchange("SITE CHMOD 777 pub", "200 SITE CHMOD command ok.");
    }
    if change == Change::ExtraSize {
        ftp.exchange("SIZE firmware.bin", "213 7000");
    }
    if change != Change::NoFile {
        download(&mut ftp, change);
    }
    let name = if change == Change::OtherName {
        "log-2.txt"
    } else {
        "log-1.txt"
    };
    ftp.passive(None, 5002);
    let mut data = ftp.passive_data(40_002, 5002);
    ftp.command(&format!("STOR {name}"));
    data.open(&mut ftp.wire);
    ftp.deliver(name, &mut data, Side::Client, b"all is well\n");
    if change == Change::NoQuit {
        ftp.control.close(&mut ftp.wire, Side::Client);
    } else {
        ftp.part();
    }
    if change == Change::SecondSession {
        let mut other = Conversation::open_on(ftp.wire, "10.0.0.9:40009", SERVER);
        other.exchange("USER anonymous", "530 No.");
        return other.quit();
    }
    ftp.wire.to_pcap()
}

fn download(ftp: &mut Conversation, change: Change) {
    let mut content: Vec<u8> = (0..7000_u32).map(|at| (at * 7 % 251) as u8).collect();
    if change == Change::Content {
        content[3000] ^= 1;
    }
    let mut data = if change == Change::Active {
        ftp.exchange("PORT 10,0,0,2,156,65", "200 PORT command successful.");
        ftp.active_data(20, 40_001)
    } else {
        ftp.passive(None, 5001);
        ftp.passive_data(40_001, 5001)
    };
    ftp.command("RETR firmware.bin");
    if change == Change::Refused {
        ftp.reply("550 Failed to open file.");
        return;
    }
    data.open(&mut ftp.wire);
    let sender = if change == Change::Active {
        Side::Client
    } else {
        Side::Server
    };
    if change == Change::LostPacket {
        ftp.opening("firmware.bin", content.len());
        data.stream(&mut ftp.wire, sender, &content[..2800], 1400);
        data.lose(&mut ftp.wire, sender, &content[2800..4200]);
        data.stream(&mut ftp.wire, sender, &content[4200..], 1400);
        data.close(&mut ftp.wire, sender);
        ftp.reply("226 Transfer complete.");
    } else {
        ftp.deliver("firmware.bin", &mut data, sender, &content);
    }
}
