//! Giving up every right that is not needed any more, once everything is open and before any thread starts.
//!
//! The order matters: the bounding set first, while there is the right to empty it; groups, group and user; then the
//! capabilities, after which nothing of this can be undone; at last the file system. Threads and processes that start later
//! inherit all of it, those that started before would not.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::cli::error_text::{self, Failure};
use crate::keep::OUTPUT_MODE;

/// Who a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// A folder that is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OutputFolder {
    pub(super) path: PathBuf,
    /// We made it.
    pub(super) is_new: bool,
}

/// What we have made of the outputs, to be given to the account that goes on with it.
#[derive(Debug)]
pub(super) struct Made {
    path: PathBuf,
    /// The very file or folder: a path may lead elsewhere by the time it is given away.
    descriptor: fs::File,
}

impl OutputFolder {
    /// The folder, made with its parents where there is none; what was made is put into `made`.
    pub(super) fn prepare(path: &Path, made: &mut Vec<Made>) -> Result<Self, Failure> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        let is_new = !path.exists();
        if is_new {
            let missing: Vec<&Path> = path
                .ancestors()
                .take_while(|part| !part.as_os_str().is_empty() && !part.exists())
                .collect();
            for part in missing.into_iter().rev() {
                let folder = Made::folder(part).map_err(|cause| Failure::output(part, &cause))?;
                made.push(folder);
            }
        }
        Ok(Self {
            path: path.to_owned(),
            is_new,
        })
    }
}

impl Made {
    fn folder(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        fs::DirBuilder::new().mode(0o750).create(path)?;
        let only_this = OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let descriptor = fs::File::options()
            .read(true)
            .custom_flags(only_this.bits().cast_signed())
            .open(path)?;
        Ok(Self {
            path: path.to_owned(),
            descriptor,
        })
    }

    /// An empty file, which must not be there yet.
    pub(super) fn file(path: &Path) -> Result<Self, Failure> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let file = fs::File::options()
            .append(true)
            .create_new(true)
            .mode(OUTPUT_MODE)
            .open(path);
        Ok(Self {
            path: path.to_owned(),
            descriptor: file.map_err(|cause| Failure::output(path, &cause))?,
        })
    }

    /// Gives it to the account.
    pub(super) fn give(&self, account: Account) -> Result<(), Failure> {
        let (uid, gid) = (Some(account.uid), Some(account.gid));
        std::os::unix::fs::fchown(&self.descriptor, uid, gid).map_err(|cause| {
            Failure::Refused(format!(
                "cannot give {} to user {}: {}; choose another user with --user",
                self.path.display(),
                account.uid,
                error_text::system_words(&cause)
            ))
        })
    }
}

/// The account to go on as: what `--user` says; else, as root, the owner of the first output folder that was there before, or
/// `nobody`. `None` where we are not root, and stay who we are.
pub(super) fn account(
    user: Option<&str>,
    folders: &[OutputFolder],
) -> Result<Option<Account>, Failure> {
    if !rustix::process::geteuid().is_root() {
        return match user {
            None => Ok(None),
            Some(user) => Err(Failure::Refused(format!(
                "--user {user}: only root can become somebody else; leave it out, or start as root"
            ))),
        };
    }
    if let Some(user) = user {
        return named(user).map(Some);
    }
    if !may_change_user() {
        // Root of a container that was given the right to capture and no other: there is nothing more to give up.
        return Ok(None);
    }
    let owner = folders
        .iter()
        .filter(|folder| !folder.is_new)
        .find_map(|folder| fs::metadata(&folder.path).ok());
    Ok(Some(match owner {
        Some(owner) => Account {
            uid: owner.uid(),
            gid: owner.gid(),
        },
        None => named("nobody").unwrap_or(NOBODY),
    }))
}

/// An account by its name in `/etc/passwd`, or by numbers: `1000` or `1000:1000`.
fn named(user: &str) -> Result<Account, Failure> {
    if let Some(account) = numbered(user) {
        return Ok(account);
    }
    let table = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (uid, gid) = (fields.nth(1)?, fields.next()?);
        (name == user).then_some(Account {
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
        })
    });
    found.ok_or_else(|| {
        Failure::Refused(format!(
            "--user {user}: there is no such user; name one of /etc/passwd, or write UID:GID"
        ))
    })
}

fn numbered(user: &str) -> Option<Account> {
    let (uid, gid) = user.split_once(':').unwrap_or((user, user));
    Some(Account {
        uid: uid.parse().ok().filter(|uid| *uid != u32::MAX)?,
        gid: gid.parse().ok().filter(|gid| *gid != u32::MAX)?,
    })
}

/// Proves that files can be made and removed in each folder.
pub(super) fn probe(folders: &[OutputFolder]) -> Result<(), Failure> {
    for folder in folders {
        let path = folder
            .path
            .join(format!(".ftpscope-probe-{}", std::process::id()));
        let made = fs::File::options()
            .write(true)
            .create_new(true)
            .open(&path)
            .and_then(|_| fs::remove_file(&path));
        made.map_err(|cause| {
            Failure::Refused(format!(
                "cannot write in {} as user {}: {}; give the folder to that user, or choose another one with --user",
                folder.path.display(),
                rustix::process::geteuid().as_raw(),
                error_text::system_words(&cause)
            ))
        })?;
    }
    Ok(())
}

#[cfg(all(feature = "live", target_os = "linux"))]
fn may_change_user() -> bool {
    use caps::{CapSet, Capability};
    [
        Capability::CAP_SETUID,
        Capability::CAP_SETGID,
        Capability::CAP_CHOWN,
    ]
    .into_iter()
    .all(|right| caps::has_cap(None, CapSet::Effective, right).unwrap_or(false))
}

#[cfg(not(all(feature = "live", target_os = "linux")))]
fn may_change_user() -> bool {
    false
}

/// Becomes `account` and gives up all capabilities and the way to get new ones.
#[cfg(all(feature = "live", target_os = "linux"))]
pub(super) fn become_harmless(account: Option<Account>) -> Result<(), String> {
    use caps::{CapSet, Capability};
    use rustix::process::{Gid, Uid};
    let said = |what: &str, cause: &dyn std::fmt::Display| format!("{what}: {cause}");
    // Only with this right; without it there is none that could come back through the bounding set by itself.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).unwrap_or(false) {
        caps::clear(None, CapSet::Bounding)
            .map_err(|cause| said("cannot empty the bounding set", &cause))?;
    }
    if let Some(account) = account {
        let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
        if let Err(cause) = rustix::thread::set_thread_groups(&[])
            && account.uid != 0
        {
            return Err(said("cannot leave the groups", &cause));
        }
        rustix::thread::set_thread_res_gid(gid, gid, gid)
            .map_err(|cause| said(&format!("cannot become group {}", account.gid), &cause))?;
        rustix::thread::set_thread_res_uid(uid, uid, uid)
            .map_err(|cause| said(&format!("cannot become user {}", account.uid), &cause))?;
    }
    for set in [
        CapSet::Ambient,
        CapSet::Effective,
        CapSet::Permitted,
        CapSet::Inheritable,
    ] {
        caps::clear(None, set).map_err(|cause| said("cannot give up capabilities", &cause))?;
    }
    rustix::thread::set_no_new_privs(true)
        .map_err(|cause| said("cannot give up new privileges", &cause))
}

/// Other systems have none of this; there the user who starts the program decides.
#[cfg(not(all(feature = "live", target_os = "linux")))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "where there is something to give up, that may fail"
)]
pub(super) fn become_harmless(_: Option<Account>) -> Result<(), String> {
    Ok(())
}

/// From here on nothing of the file system can be reached but these folders, and no connection can be opened. Files below
/// `counters` can be read: libpcap opens them each time it is asked what was lost, and denials are worth a look in the log of
/// the system only as long as they are rare. False where the kernel cannot do that.
#[cfg(all(feature = "live", target_os = "linux"))]
pub(super) fn close_file_system(
    folders: &[OutputFolder],
    counters: &[PathBuf],
) -> Result<bool, String> {
    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset,
        RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, path_beneath_rules,
    };
    let written = AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer;
    // A kernel of the first version lets nobody rename from one folder into another: that is worse than none.
    let old = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::Refer);
    if old.is_err() {
        return Ok(false);
    }
    let closed = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V4)))
        .and_then(Ruleset::create)
        .and_then(|rules| {
            let paths = folders.iter().map(|folder| folder.path.as_path());
            rules.add_rules(path_beneath_rules(paths, written))
        })
        .and_then(|rules| rules.add_rules(path_beneath_rules(counters, AccessFs::ReadFile)))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(|cause| format!("cannot close the file system: {cause}"))?;
    Ok(closed.ruleset != RulesetStatus::NotEnforced)
}

/// Other systems have nothing like it.
#[cfg(not(all(feature = "live", target_os = "linux")))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "where there is something to give up, that may fail"
)]
pub(super) fn close_file_system(_: &[OutputFolder], _: &[PathBuf]) -> Result<bool, String> {
    Ok(false)
}

/// What could not be given up, in words, where that is worth a note; `closed` is what [`close_file_system`] said.
pub(super) fn what_stays(closed: bool) -> Option<&'static str> {
    if cfg!(all(feature = "live", target_os = "linux")) {
        return (!closed).then_some(
            "this kernel has no Landlock: the file system stays open to what the user may do",
        );
    }
    rustix::process::geteuid()
        .is_root()
        .then_some("this build gives up no privileges: run it as an ordinary user")
}

/// What the name stands for where nobody has written it down.
const NOBODY: Account = Account {
    uid: 65_534,
    gid: 65_534,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_have_names_or_numbers() {
        let root = Account { uid: 0, gid: 0 };
        assert_eq!(named("root").expect("a user"), root);
        assert_eq!(
            named("1000:100").expect("numbers"),
            Account {
                uid: 1000,
                gid: 100
            }
        );
        for wrong in ["", "no such user", "1000:", "-1", "4294967295"] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_ends_the_start() {
        let folder = OutputFolder {
            path: PathBuf::from("/proc/ftpscope-has-no-folder-here"),
            is_new: false,
        };
        let failure = probe(&[folder]).expect_err("refused");
        assert!(failure.to_string().contains("--user"), "{failure}");
    }
}
