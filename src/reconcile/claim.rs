//! Claims of a server's log: one value for each line that says something a wire can show.
//!
//! Every reader of a log gives these, whatever the grammar. A field is `None` where the line does not have it; nothing
//! is filled in from other lines but what the grammar says of them (`x-session` of IIS, the USER before a PASS).

use crate::model::Timestamp;

/// The kind of a claim; the wire gives the same kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClaimKind {
    /// A login, accepted or rejected.
    Login,
    /// A file moved: RETR, STOR, STOU, APPE.
    Transfer,
    /// A listing: LIST, NLST, MLSD.
    List,
    /// A file deleted: DELE.
    Delete,
    /// A folder made: MKD.
    Mkdir,
    /// A folder removed: RMD.
    Rmdir,
    /// A file or folder renamed: RNFR and RNTO.
    Rename,
    /// Any other command the log names.
    Command,
}

/// The way a file moved, seen from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From server to client.
    Download,
    /// From client to server.
    Upload,
}

/// End of an action, as the server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClaimStatus {
    /// Done: `OK`, `c`, a 2yz.
    Done,
    /// Not done, or not wholly: `FAIL`, `i`, a 4yz or 5yz.
    Failed,
}

/// The representation type of a transfer, as the log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoggedType {
    /// `a`: with line ends changed.
    Ascii,
    /// `b`: byte by byte.
    Image,
}

/// The names by which a log calls files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathForm {
    /// As the client sees it: vsftpd, `%F` of `ProFTPD`, IIS.
    Seen,
    /// The path in the server's own file system: `Pure-FTPd`, `%f` of `ProFTPD`, pyftpdlib.
    Real,
    /// The argument as it was sent, perhaps relative to the working directory: `%J` and `%r` of `ProFTPD`.
    Argument,
}

/// Characters of a name that a log writes as others, so that the name is a pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NameChanges {
    /// `_` may stand for a blank, a tab or a control character (xferlog).
    pub underscores: bool,
    /// `?` may stand for a control character or one byte of 128 or more (vsftpd).
    pub question_marks: bool,
    /// `+` may stand for a blank (IIS).
    pub plus_signs: bool,
    /// One blank may stand for several, and none for those at either end (`%r` of `ProFTPD`).
    pub joined_blanks: bool,
}

/// The time a line names, before anything is known of the clock that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogTime {
    /// The wall clock that is written, counted as if it were UTC.
    pub wall: Timestamp,
    /// Seconds east of UTC that the line names; `None` where it names no zone. A claim like any other.
    pub offset: Option<i32>,
    /// Whole seconds were written, cut off: the true time is up to a second later.
    pub whole_seconds: bool,
    /// False for the header of RFC 3164: the year in `wall` is then 1972 (a leap year), and means nothing.
    pub has_year: bool,
}

/// Bytes that a line claims, and what the server counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimedBytes {
    /// The number that is written.
    pub count: u64,
    /// Bytes that this server counts.
    pub counted: Counted,
}

/// Bytes that a server counts as those of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    /// Bytes on the data connection, line ends as sent: vsftpd, `Pure-FTPd`, pyftpdlib.
    Wire,
    /// Bytes of the file, line ends as stored: `ProFTPD`.
    File,
    /// Bytes of the file as a whole, not of this transfer: `%{file-size}` of `ProFTPD`.
    WholeFile,
    /// Either: the grammar does not say which server wrote it.
    Unknown,
}

/// Part of a line that may be missing: a log that was rotated or copied by its size begins and ends within a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// The line is whole.
    #[default]
    None,
    /// The beginning: the first line of a file.
    Start,
    /// The end: the last line of a file, without a line end.
    End,
}

/// One claim of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The number of the line, from 1.
    pub line: u64,
    /// The line, without its end, cut at 1,024 characters; secrets are not yet hidden in it.
    pub text: String,
    /// Kind of the claim.
    pub kind: ClaimKind,
    /// The time the line names; `None` where it names none.
    pub time: Option<LogTime>,
    /// Lines whose clock is one: the kind of line and the process that writes it, told apart by the reader. Two zones
    /// may stand in one log, as a process that is locked into a folder loses its zone file.
    pub clock_group: u16,
    /// The client: an address or a name, as written; `::ffff:` is taken off.
    pub host: Option<String>,
    /// The port of the client's control connection.
    pub client_port: Option<u16>,
    /// Lines with the same value belong to one session; `None` where the grammar has no such thing (the pid of vsftpd
    /// is none).
    pub session_key: Option<String>,
    /// The user.
    pub user: Option<String>,
    /// True if the user stands in an earlier line, which may be that of another session: it is no claim of this line.
    pub user_is_inferred: bool,
    /// The password an anonymous user gave; of other users none is kept.
    pub anonymous_password: Option<String>,
    /// The verb, in upper case, where the line has it.
    pub verb: Option<String>,
    /// Raw bytes of the path or argument, percent-encoding undone.
    pub path: Option<Vec<u8>>,
    /// The new name of a rename.
    pub new_path: Option<Vec<u8>>,
    /// A rename whose two names are apart by one blank, and have blanks themselves: both stand in `path`.
    pub names_joined: bool,
    /// The form of `path`.
    pub path_form: PathForm,
    /// Characters of `path` that may stand for others.
    pub name_changes: NameChanges,
    /// The way of a transfer.
    pub direction: Option<Direction>,
    /// Bytes claimed.
    pub bytes: Option<ClaimedBytes>,
    /// End of the action; `None` where the grammar does not say (constant codes are no status).
    pub status: Option<ClaimStatus>,
    /// False where `Done` is written whatever happened (the `c` of `Pure-FTPd`'s xferlog): it is compared, and a
    /// transfer that broke off without a line is not missed.
    pub status_is_judged: bool,
    /// The code of the reply, where the line has one that was sent.
    pub code: Option<u16>,
    /// The representation type of a transfer.
    pub data_type: Option<LoggedType>,
    /// Duration in nanoseconds.
    pub duration: Option<u64>,
    /// True if the line was written when the command arrived, before its reply.
    pub is_early: bool,
    /// Part of the line that may be missing.
    pub cut: Cut,
}

impl Claim {
    /// Creates a claim that has nothing but its kind and its line.
    #[must_use]
    pub fn new(kind: ClaimKind, line: u64, text: &str) -> Self {
        Self {
            line,
            text: match text.char_indices().nth(1024) {
                Some((end, _)) => text[..end].to_owned(),
                None => text.to_owned(),
            },
            kind,
            time: None,
            clock_group: 0,
            host: None,
            client_port: None,
            session_key: None,
            user: None,
            user_is_inferred: false,
            anonymous_password: None,
            verb: None,
            path: None,
            new_path: None,
            names_joined: false,
            path_form: PathForm::Seen,
            name_changes: NameChanges::default(),
            direction: None,
            bytes: None,
            status: None,
            status_is_judged: true,
            code: None,
            data_type: None,
            duration: None,
            is_early: false,
            cut: Cut::None,
        }
    }
}
