//! The state of the server's side of a session, as far as commands and replies show it.
//!
//! In: commands, final replies, and what a lost line leaves uncertain. Out: the values that hold for the next transfer.
//!
//! ```text
//! reply ─> effects: what a final reply changes, a pure function ─> ServerState ─┬─ login            who is logged in
//! lost  ─> lost_lines ──────────────────────────────────────────────────────────┤  directory, restart, rename, allocation
//!                                                                               ├─ representation   TYPE, STRU, MODE
//!                                                                               └─ known_files      sizes and digests by name
//! ```
//!
//! Four events reset parts of it, all in [`ServerState::reset`]:
//!
//! | state | REIN | login of another user | commands hidden | why |
//! | --- | --- | --- | --- | --- |
//! | login attempt | reset | kept | kept | RFC 959 section 4.1.1: REIN "terminates a USER"; the others do not |
//! | working directory | unknown | unknown | unknown | each user has a home; hidden commands may change it |
//! | representation, restart | default | default | default | RFC 959 section 4.1.1; section 3.5 has the defaults |
//! | representation is certain | yes | kept | no | REIN is a known start; hidden commands may change it |
//! | file to rename | none | kept | none | RFC 959 section 4.1.1: all parameters are reset |
//! | allocation, known files | none | kept | none | the same; names mean the same files to both users of one server |

pub(crate) mod effects;
pub(crate) mod known_files;
pub(crate) mod login;
pub(crate) mod lost_lines;
pub(crate) mod representation;

use self::effects::{Effect, opening_type};
use self::known_files::{KnownFiles, StatedSize};
use self::login::Logins;
use self::representation::Representation;
use crate::model::record::{DataType, TransferDirection};
use crate::protocol::ftp::{ParsedReply, Verb, allocated_size, path, size_reply};
use crate::session::transfers::transfer_state::direction_of;

/// Login, working directory, representation, and everything else that commands set for later ones.
#[derive(Debug)]
pub(crate) struct ServerState {
    logins: Logins,
    /// Working directory; `None` while it is unknown.
    directory: Option<Vec<u8>>,
    representation: Representation,
    /// The data type is known from the beginning of the session, or was stated since.
    type_certain: bool,
    /// Offset from REST in bytes, for the next transfer; 0 without one.
    restart: u64,
    /// Argument of an accepted RNFR; `None` outside a rename.
    renaming: Option<Vec<u8>>,
    /// Bytes from ALLO, for the next upload; `None` without one.
    allocated: Option<u64>,
    known_files: KnownFiles,
    /// Bytes that long paths may still have, all together: [`LONG_PATHS`] at the beginning.
    long_paths_left: usize,
}

/// Bytes of all paths of a session that are longer than [`path::COMMON_LENGTH`]. Later ones are unknown: eight bytes of
/// commands would have a path of 64 KiB repeated otherwise.
const LONG_PATHS: usize = 1 << 20;

/// Cause of a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResetCause {
    /// REIN was accepted (RFC 959 section 4.1.1).
    Reinitialize,
    /// Another user than before has logged in.
    OtherUser,
    /// Commands cannot be read from here on: TLS or GSSAPI.
    CommandsHidden,
}

/// State that a transfer takes when its turn comes.
#[derive(Debug)]
pub(crate) struct TransferContext {
    /// Absolute path of the file or directory; `None` if the working directory is unknown.
    pub(crate) path: Option<Vec<u8>>,
    /// TYPE, STRU and MODE.
    pub(crate) representation: Representation,
    /// Offset from REST in bytes.
    pub(crate) restart: u64,
    /// From ALLO; `None` for downloads and listings.
    pub(crate) allocated: Option<u64>,
    /// From an earlier reply to SIZE; `None` without one.
    pub(crate) size: Option<StatedSize>,
    /// From an earlier listing; `None` without one.
    pub(crate) listed: Option<StatedSize>,
}

impl ServerState {
    /// Creates the state of a new session; `from_start` if its beginning was captured, so that defaults are certain.
    pub(crate) fn new(from_start: bool) -> Self {
        Self {
            logins: Logins::default(),
            directory: None,
            representation: Representation::default(),
            type_certain: from_start,
            restart: 0,
            renaming: None,
            allocated: None,
            known_files: KnownFiles::default(),
            long_paths_left: LONG_PATHS,
        }
    }

    /// Returns the working directory; `None` while it is unknown.
    pub(crate) fn directory(&self) -> Option<&[u8]> {
        self.directory.as_deref()
    }

    /// Returns the working directory for a report that repeats it; `None` while it is unknown, and once the long paths of
    /// the session are used up.
    pub(crate) fn stated_directory(&mut self) -> Option<&[u8]> {
        let length = self.directory.as_ref()?.len();
        if spend(&mut self.long_paths_left, length) {
            self.directory()
        } else {
            None
        }
    }

    /// Returns TYPE, STRU and MODE in force.
    pub(crate) const fn representation(&self) -> Representation {
        self.representation
    }

    /// Returns the login attempts.
    pub(crate) const fn logins(&self) -> &Logins {
        &self.logins
    }

    /// Returns the login attempts, to record commands and replies.
    pub(crate) const fn logins_mut(&mut self) -> &mut Logins {
        &mut self.logins
    }

    /// Returns sizes and digests by file name, to record more of them.
    pub(crate) const fn known_files_mut(&mut self) -> &mut KnownFiles {
        &mut self.known_files
    }

    /// Returns the absolute path of `name`, or `name` itself while the working directory is unknown.
    pub(crate) fn resolve(&self, name: Vec<u8>) -> Vec<u8> {
        path::resolve(self.directory(), &name).unwrap_or(name)
    }

    /// Returns whether two arguments mean the same file.
    pub(crate) fn is_same_file(&self, one: &[u8], other: &[u8]) -> bool {
        let absolute = |name| path::resolve(self.directory(), name);
        one == other || absolute(one).is_some_and(|path| Some(path) == absolute(other))
    }

    /// Returns the absolute path of what a transfer command names; `None` if it is unknown.
    fn path_of(&mut self, verb: Verb, argument: Option<&[u8]>) -> Option<Vec<u8>> {
        match direction_of(verb) {
            // STOU's argument is a hint at most; the reply names the file (RFC 1123 section 4.1.2.9).
            _ if verb == Verb::Stou => None,
            TransferDirection::Listing => {
                match path::listing_argument(argument.unwrap_or_default()) {
                    b"" => self.stated_directory().map(<[u8]>::to_vec),
                    name => self.resolve_bounded(name),
                }
            }
            _ => self.resolve_bounded(argument?),
        }
    }

    /// Returns the absolute path of `name`, which is long only while the session has long paths left.
    fn resolve_bounded(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        if name.len() <= path::COMMON_LENGTH
            && let Some(path) = path::resolve(self.directory(), name)
        {
            return Some(path);
        }
        let relative_to = self.directory.as_ref().map_or(0, Vec::len);
        // Before the work, which is as long as the directory, even where `..` makes the path short.
        if !spend(&mut self.long_paths_left, relative_to + name.len()) {
            return None;
        }
        path::resolve_long(self.directory(), name)
    }

    /// Hands over what is in force to the transfer whose turn it is. REST and ALLO hold for one transfer only.
    pub(crate) fn begin_transfer(
        &mut self,
        verb: Verb,
        argument: Option<&[u8]>,
    ) -> TransferContext {
        let path = self.path_of(verb, argument);
        let name = path.as_deref().or(argument);
        let size = name.and_then(|name| self.known_files.size_of(name).cloned());
        let listed = name
            .filter(|_| verb == Verb::Retr)
            .and_then(|name| self.known_files.listed_size_of(name).cloned());
        TransferContext {
            path,
            representation: self.representation,
            restart: std::mem::take(&mut self.restart),
            allocated: match direction_of(verb) {
                TransferDirection::Upload => self.allocated.take(),
                _ => None,
            },
            size,
            listed,
        }
    }

    /// Applies the effect of a final reply to `verb`.
    pub(crate) fn apply(&mut self, effect: Effect, verb: Verb, argument: Option<&[u8]>) {
        match effect {
            Effect::ChangeDirectory { stated } => {
                let directory =
                    stated.or_else(|| self.resolve_bounded(argument.unwrap_or_default()));
                self.enter(directory);
            }
            Effect::ParentDirectory { stated } => {
                let directory = stated.or_else(|| self.resolve_bounded(b".."));
                self.enter(directory);
            }
            Effect::WorkingDirectory(directory) => self.directory = bounded(Some(directory)),
            Effect::Representation => self.represent(verb, argument.unwrap_or_default()),
            Effect::Restart(offset) => self.restart = offset,
            Effect::Allocation(bytes) => self.allocated = bytes,
            Effect::Deleted => self.forget_file(argument),
            Effect::RenameFrom { accepted } => {
                self.renaming = argument.filter(|_| accepted).map(<[u8]>::to_vec);
            }
            Effect::Renamed => {
                let from = self.renaming.take();
                self.forget_file(from.as_deref());
                self.forget_file(argument);
            }
            Effect::Reinitialized => self.reset(ResetCause::Reinitialize),
            _ => {}
        }
    }

    /// Records a final reply to USER, PASS or ACCT. A login of another user resets what was set for the one before.
    pub(crate) fn on_login_reply(&mut self, verb: Verb, code: u16) {
        let other = self.logins.is_other_user();
        if self.logins.reply(verb, code) && other {
            self.reset(ResetCause::OtherUser);
        }
    }

    /// Assumes that a command whose reply was not captured was accepted, as far as that can be assumed (the table of
    /// [`lost_lines`]).
    pub(crate) fn on_reply_lost(&mut self, verb: Verb, argument: &[u8]) {
        match verb {
            Verb::Cwd | Verb::Cdup => self.enter(None),
            Verb::Type | Verb::Mode | Verb::Stru => self.represent(verb, argument),
            Verb::Rest => self.restart = size_reply(argument).unwrap_or(0),
            _ => {}
        }
    }

    /// Learns the data type that a 150 or 125 to a file names, if it was not certain. Returns it if so. Not for listings:
    /// of those servers say ASCII whatever the type.
    pub(crate) fn learn_type(&mut self, opening: &ParsedReply) -> Option<DataType> {
        if self.type_certain {
            return None;
        }
        let stated = opening_type(opening)?;
        self.representation.data_type = Some(stated);
        self.type_certain = true;
        Some(stated)
    }

    /// Resets what `cause` resets: the table at the head of this module.
    pub(crate) fn reset(&mut self, cause: ResetCause) {
        self.enter(None);
        self.representation = Representation::default();
        self.restart = 0;
        if cause == ResetCause::OtherUser {
            return;
        }
        self.type_certain = cause == ResetCause::Reinitialize;
        self.renaming = None;
        self.allocated = None;
        self.known_files = KnownFiles::default();
        if cause == ResetCause::Reinitialize {
            self.logins.forget_attempt();
        }
    }

    /// Sets the working directory, which is `None` if it is unknown. Names as sent then mean files of another directory.
    fn enter(&mut self, directory: Option<Vec<u8>>) {
        if directory.is_none() {
            self.known_files.forget_relative();
        }
        self.directory = bounded(directory);
    }

    fn represent(&mut self, verb: Verb, argument: &[u8]) {
        self.type_certain |= verb == Verb::Type;
        self.representation.set(verb, argument);
    }

    /// Forgets what was known of a name that means another file from here on, or none.
    fn forget_file(&mut self, argument: Option<&[u8]>) {
        let Some(argument) = argument else { return };
        let name = path::resolve(self.directory(), argument);
        self.known_files.forget(name.as_deref().unwrap_or(argument));
    }
}

/// Returns a directory unless it is longer than any that is resolved.
fn bounded(directory: Option<Vec<u8>>) -> Option<Vec<u8>> {
    directory.filter(|path| path.len() <= path::LONGEST_PATH)
}

/// Takes a path of `length` bytes from the long paths that are left; nothing for one of common length. Returns whether
/// there was enough.
fn spend(left: &mut usize, length: usize) -> bool {
    if length <= path::COMMON_LENGTH {
        return true;
    }
    let rest = left.checked_sub(length);
    *left = rest.unwrap_or(0);
    rest.is_some()
}

/// Returns the bytes that an accepted ALLO reserves; `None` if its argument is no number.
fn allocation(argument: Option<&[u8]>) -> Option<u64> {
    argument.and_then(allocated_size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rein_forgets_a_rename_that_was_begun() {
        let mut state = ServerState::new(true);
        state.known_files.on_listed(StatedSize {
            name: b"/new".to_vec(),
            size: 7,
            exact: true,
            frame: 1,
        });
        let begun = Effect::RenameFrom { accepted: true };
        state.apply(begun, Verb::Rnfr, Some(b"/old"));
        assert!(state.renaming.is_some());
        state.apply(Effect::Reinitialized, Verb::Rein, None);
        assert_eq!(state.renaming, None);
    }

    #[test]
    fn long_directory_is_exact_until_the_long_paths_of_the_session_are_used_up() {
        let mut state = ServerState::new(true);
        let long = format!("/{}", "d".repeat(4999));
        state.directory = Some(long.clone().into_bytes());
        let first = state.begin_transfer(Verb::Retr, Some(b"f")).path;
        assert_eq!(first, Some(format!("{long}/f").into_bytes()));
        let told = (0..10_000).filter(|_| state.stated_directory().is_some());
        assert_eq!(told.count(), (LONG_PATHS - 5001) / 5000);
        assert_eq!(state.begin_transfer(Verb::Retr, Some(b"f")).path, None);
        let short = state.begin_transfer(Verb::Retr, Some(b"/f")).path;
        assert_eq!(short.as_deref(), Some(&b"/f"[..]));
    }

    #[test]
    fn another_user_keeps_known_files_and_loses_the_directory() {
        let mut state = ServerState::new(true);
        state.directory = Some(b"/home/bob".to_vec());
        state.restart = 100;
        state.allocated = Some(5);
        state.reset(ResetCause::OtherUser);
        assert_eq!((state.directory(), state.restart), (None, 0));
        assert_eq!(state.allocated, Some(5));
        assert!(state.type_certain);
    }

    #[test]
    fn hidden_commands_leave_the_type_uncertain() {
        let mut state = ServerState::new(true);
        state.reset(ResetCause::CommandsHidden);
        let opening = |text: &str| ParsedReply {
            code: 150,
            lines: vec![text.as_bytes().to_vec()],
            lines_omitted: 0,
            truncated: false,
            irregular: false,
        };
        let image = opening("Opening BINARY mode data connection");
        assert_eq!(state.learn_type(&image), Some(DataType::Image));
        assert_eq!(state.learn_type(&opening("ASCII mode")), None);
    }
}
