//! Dropping of privileges, once everything is open and before any thread starts.
//!
//! The order matters: the bounding set first, while `CAP_SETPCAP` is there to empty it; groups, group and user; then the
//! capabilities, after which nothing can be undone; at last the file system. Threads and processes started later inherit the
//! result, those started before would not.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::error::Error;
use crate::keep::OUTPUT_MODE;

/// User and group of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    pub(super) const fn is_root(self) -> bool {
        self.uid == 0
    }

    /// Returns the name of the user, else its number.
    pub(super) fn name(self) -> String {
        let found = find_user(|name, uid, _| {
            let own: u32 = uid.parse().ok()?;
            (own == self.uid).then(|| name.to_owned())
        });
        found.unwrap_or_else(|| self.uid.to_string())
    }
}

/// Folders that outputs are written to, and the files and folders created for them.
#[derive(Debug, Default)]
pub(super) struct OutputFolders {
    folders: Vec<OutputFolder>,
    created: Vec<Created>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct OutputFolder {
    path: PathBuf,
    /// True if this run created it.
    is_new: bool,
}

/// A file or folder created for an output, to be given to the account that the run continues as.
#[derive(Debug)]
struct Created {
    path: PathBuf,
    /// Open descriptor, since the path may lead elsewhere by the time of `fchown`.
    descriptor: fs::File,
}

impl OutputFolders {
    /// Adds the folder of the file `path`, and creates the file if there is none.
    pub(super) fn add_file(&mut self, path: &Path) -> Result<(), Error> {
        self.add_folder(path.parent().unwrap_or(Path::new(".")))?;
        if fs::symlink_metadata(path).is_err() {
            self.created.push(Created::file(path)?);
        }
        Ok(())
    }

    /// Adds a file that this run created at `path` after [`add_file`](Self::add_file), in place of one that was moved away.
    pub(super) fn add_begun(&mut self, path: &Path) -> Result<(), Error> {
        self.created.push(Created::begun(path)?);
        Ok(())
    }

    /// Adds the folder `path`, and creates it with its parents if there is none.
    pub(super) fn add_folder(&mut self, path: &Path) -> Result<(), Error> {
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
                let folder = Created::folder(part).map_err(|cause| Error::output(part, cause))?;
                self.created.push(folder);
            }
        }
        if !self.folders.iter().any(|known| known.path == path) {
            self.folders.push(OutputFolder {
                path: path.to_owned(),
                is_new,
            });
        }
        Ok(())
    }

    /// Returns the folder whose owner the run continues as if no user is given: the first that existed before, and its
    /// properties. `None` if there is no such folder.
    fn owned(&self) -> Option<(&Path, fs::Metadata)> {
        let mut existing = self.folders.iter().filter(|folder| !folder.is_new);
        existing.find_map(|folder| Some((folder.path.as_path(), fs::metadata(&folder.path).ok()?)))
    }

    /// Returns the folder for whose owner the run stays root, as an absolute path; `None` if another user owns it.
    pub(super) fn owned_by_root(&self) -> Option<PathBuf> {
        let (path, _) = self.owned().filter(|(_, found)| found.uid() == 0)?;
        Some(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()))
    }

    /// Gives everything created to `account`.
    pub(super) fn give_to(&self, account: Account) -> Result<(), Error> {
        let (uid, gid) = (Some(account.uid), Some(account.gid));
        for created in &self.created {
            std::os::unix::fs::fchown(&created.descriptor, uid, gid).map_err(|cause| {
                Error::Give {
                    path: created.path.clone(),
                    uid: account.uid,
                    cause,
                }
            })?;
        }
        Ok(())
    }
}

impl Created {
    fn folder(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        fs::DirBuilder::new().mode(0o750).create(path)?;
        // NOFOLLOW: between the two calls somebody may have put a link in the folder's place.
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

    /// Opens a file of this run again.
    fn begun(path: &Path) -> Result<Self, Error> {
        use std::os::unix::fs::OpenOptionsExt as _;
        // NOFOLLOW: somebody may have put a link in the file's place.
        let file = fs::File::options()
            .append(true)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(path);
        Ok(Self {
            path: path.to_owned(),
            descriptor: file.map_err(|cause| Error::output(path, cause))?,
        })
    }

    /// Creates an empty file, which must not exist yet.
    fn file(path: &Path) -> Result<Self, Error> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let file = fs::File::options()
            .append(true)
            .create_new(true)
            .mode(OUTPUT_MODE)
            .open(path);
        Ok(Self {
            path: path.to_owned(),
            descriptor: file.map_err(|cause| Error::output(path, cause))?,
        })
    }
}

/// Returns the account to continue as: `user`; else, as root, the owner of the first folder that existed before, or `nobody`.
///
/// `None` if the process does not run as root, or may not change its user.
pub(super) fn account(
    user: Option<&str>,
    outputs: &OutputFolders,
) -> Result<Option<Account>, Error> {
    if !rustix::process::geteuid().is_root() {
        return match user {
            None => Ok(None),
            Some(user) => Err(Error::NotRoot(user.to_owned())),
        };
    }
    if let Some(user) = user {
        return named(user).map(Some);
    }
    if !may_change_user() {
        // Root of a container that was granted the right to capture and no other: there is nothing more to drop.
        return Ok(None);
    }
    Ok(Some(match outputs.owned() {
        Some((_, owner)) => Account {
            uid: owner.uid(),
            gid: owner.gid(),
        },
        None => named("nobody").unwrap_or(NOBODY),
    }))
}

/// Looks up an account by its name in `/etc/passwd`, or parses `UID` or `UID:GID`.
fn named(user: &str) -> Result<Account, Error> {
    if let Some(account) = numbered(user) {
        return Ok(account);
    }
    let found = find_user(|name, uid, gid| {
        (name == user).then_some(Account {
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
        })
    });
    found.ok_or_else(|| Error::UnknownUser(user.to_owned()))
}

/// Returns the first result for a line of `/etc/passwd`: name, number of the user, number of the group.
fn find_user<T>(take: impl Fn(&str, &str, &str) -> Option<T>) -> Option<T> {
    // Read directly: getpwnam may load modules and open sockets, which a program about to drop its privileges should not.
    let table = fs::read_to_string("/etc/passwd").unwrap_or_default();
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (uid, gid) = (fields.nth(1)?, fields.next()?);
        take(name, uid, gid)
    })
}

fn numbered(user: &str) -> Option<Account> {
    let (uid, gid) = user.split_once(':').unwrap_or((user, user));
    // The largest number means "leave unchanged" to setresuid(2): it would stay root.
    Some(Account {
        uid: uid.parse().ok().filter(|uid| *uid != u32::MAX)?,
        gid: gid.parse().ok().filter(|gid| *gid != u32::MAX)?,
    })
}

/// Proves that the process can create and remove files in each folder.
pub(super) fn probe(outputs: &OutputFolders) -> Result<(), Error> {
    for folder in &outputs.folders {
        let path = folder
            .path
            .join(format!(".ftpscope-probe-{}", std::process::id()));
        let created = fs::File::options()
            .write(true)
            .create_new(true)
            .open(&path)
            .and_then(|_| fs::remove_file(&path));
        created.map_err(|cause| Error::NotWritable {
            path: folder.path.clone(),
            uid: rustix::process::geteuid().as_raw(),
            cause,
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

/// Switches to `account`, drops all capabilities and the ability to gain new ones.
#[cfg(all(feature = "live", target_os = "linux"))]
pub(super) fn drop_privileges(account: Option<Account>) -> Result<(), String> {
    use caps::{CapSet, Capability};
    use rustix::process::{Gid, Uid};
    let failed = |step: &str, cause: &dyn std::fmt::Display| format!("{step}: {cause}");
    // Emptying the set takes this capability. Without it the set does no harm: no_new_privs, below, bars every way back.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).unwrap_or(false) {
        caps::clear(None, CapSet::Bounding)
            .map_err(|cause| failed("cannot empty the bounding set", &cause))?;
    }
    if let Some(account) = account {
        let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
        if let Err(cause) = rustix::thread::set_thread_groups(&[])
            && account.uid != 0
        {
            return Err(failed("cannot leave the groups", &cause));
        }
        rustix::thread::set_thread_res_gid(gid, gid, gid)
            .map_err(|cause| failed(&format!("cannot become group {}", account.gid), &cause))?;
        rustix::thread::set_thread_res_uid(uid, uid, uid)
            .map_err(|cause| failed(&format!("cannot become user {}", account.uid), &cause))?;
    }
    for set in [
        CapSet::Ambient,
        CapSet::Effective,
        CapSet::Permitted,
        CapSet::Inheritable,
    ] {
        caps::clear(None, set).map_err(|cause| failed("cannot give up capabilities", &cause))?;
    }
    rustix::thread::set_no_new_privs(true)
        .map_err(|cause| failed("cannot give up new privileges", &cause))
}

/// Does nothing: other systems have no capabilities, there the user who starts the program decides.
#[cfg(not(all(feature = "live", target_os = "linux")))]
#[expect(clippy::unnecessary_wraps, reason = "fails on Linux")]
pub(super) fn drop_privileges(_: Option<Account>) -> Result<(), String> {
    Ok(())
}

/// Restricts the process to the output folders and forbids new connections, with Landlock; false if the kernel has none.
///
/// Files below `counters` stay readable: libpcap opens them each time it is asked for losses, and a denial each second would
/// drown the system log.
#[cfg(all(feature = "live", target_os = "linux"))]
pub(super) fn restrict_file_system(
    outputs: &OutputFolders,
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
    // Landlock ABI 1 (Linux 5.13) denies every rename between folders, which extraction needs: worse than no restriction.
    let needed = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::Refer);
    if needed.is_err() {
        return Ok(false);
    }
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V4)))
        .and_then(Ruleset::create)
        .and_then(|rules| {
            let paths = outputs.folders.iter().map(|folder| folder.path.as_path());
            rules.add_rules(path_beneath_rules(paths, written))
        })
        .and_then(|rules| rules.add_rules(path_beneath_rules(counters, AccessFs::ReadFile)))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(|cause| format!("cannot close the file system: {cause}"))?;
    Ok(ruleset.ruleset != RulesetStatus::NotEnforced)
}

/// Returns false: other systems have no Landlock.
#[cfg(not(all(feature = "live", target_os = "linux")))]
#[expect(clippy::unnecessary_wraps, reason = "fails on Linux")]
pub(super) fn restrict_file_system(_: &OutputFolders, _: &[PathBuf]) -> Result<bool, String> {
    Ok(false)
}

/// Returns the privilege that remains, in words, or `None`; `restricted` is the result of [`restrict_file_system`].
pub(super) fn remaining(restricted: bool) -> Option<&'static str> {
    if cfg!(all(feature = "live", target_os = "linux")) {
        return (!restricted).then_some(
            "this kernel has no Landlock: the file system stays open to what the user may do",
        );
    }
    rustix::process::geteuid()
        .is_root()
        .then_some("this build gives up no privileges: run it as an ordinary user")
}

/// Conventional numbers of `nobody`, for systems whose `/etc/passwd` has no such line.
const NOBODY: Account = Account {
    uid: 65_534,
    gid: 65_534,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_names_or_numbers() {
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
    fn a_folder_without_write_permission_fails_the_probe() {
        let folder = OutputFolder {
            path: PathBuf::from("/proc/ftpscope-has-no-folder-here"),
            is_new: false,
        };
        let outputs = OutputFolders {
            folders: vec![folder],
            created: Vec::new(),
        };
        let error = probe(&outputs).expect_err("refused");
        assert!(matches!(error, Error::NotWritable { .. }), "{error}");
    }
}
