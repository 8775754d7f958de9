//! Folders below one root, opened component by component, never through a link, and safe names in them.
//!
//! The root is opened once, as the user named it. Below it every step is relative to a descriptor and refuses links, so
//! that links planted there, at any time, cannot redirect a read or write. A component that exists and is no folder is
//! not changed; the folder is created under the next free name (`name~2`).
//!
//! Remote paths become names that are safe on any local file system.
//!
//! Every byte of a remote path may be chosen by an attacker. Safe names have no component that leads upwards (`..`),
//! hides its file type (bidirectional controls), names a device, or is longer than file systems allow. Different
//! components have different safe names; cut ones are distinguished by a digest.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::model::hex;
use crate::model::wire_text::is_hostile;

/// An open folder and its path.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    descriptor: Arc<OwnedFd>,
    /// Path below the root, with `/` after each component.
    path: String,
}

impl Folder {
    /// Opens the root. Links on the way are the user's own and are followed.
    pub(super) fn root(path: &Path) -> io::Result<Self> {
        let descriptor = rustix::fs::openat(
            CWD,
            path,
            OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        Ok(Self {
            descriptor: Arc::new(descriptor),
            path: String::new(),
        })
    }

    /// Returns the same folder as the root of all paths below it.
    pub(super) fn into_root(self) -> Self {
        Self {
            path: String::new(),
            ..self
        }
    }

    /// Returns the path of an entry of this folder, below the root.
    pub(super) fn path_of(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    /// Opens the folder `name` in this one, created if necessary. If the name is taken by something else, the next free
    /// one is used.
    pub(super) fn enter(&self, name: &str) -> io::Result<Self> {
        for attempt in 1..=ATTEMPTS_MAX {
            let name = numbered(name, attempt, "");
            match self.open_folder(&name) {
                Err(Errno::NOENT) => match self.make(&name) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                },
                other => match self.opened(other, &name)? {
                    Some(folder) => return Ok(folder),
                    None => continue,
                },
            }
            // Created just now, by us or by another process that was faster: then it need not be a folder.
            if let Some(folder) = self.opened(self.open_folder(&name), &name)? {
                return Ok(folder);
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Creates the folder `name`, which must not exist, and opens it.
    pub(super) fn create(&self, name: &str) -> io::Result<Self> {
        self.make(name)?;
        self.opened(self.open_folder(name), name)?
            .ok_or_else(|| Errno::NOTDIR.into())
    }

    /// Creates the file `name`, which must not exist.
    pub(super) fn create_file(&self, name: &str) -> io::Result<File> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(File::from(rustix::fs::openat(
            self.descriptor.as_fd(),
            name,
            flags,
            mode,
        )?))
    }

    /// Opens the file `name` again for writing.
    pub(super) fn open_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(
            self.descriptor.as_fd(),
            name,
            flags,
            Mode::empty(),
        )?))
    }

    /// Opens a file for reading by its path below this folder. No component may be a link.
    pub(super) fn read_below(&self, path: &str) -> io::Result<File> {
        let mut parts: Vec<&str> = path.split('/').collect();
        let name = parts.pop().unwrap_or_default();
        let mut folder = None;
        for part in parts {
            let from = folder.as_ref().unwrap_or(self);
            let opened = from.opened(from.open_folder(part), part)?;
            folder = Some(opened.ok_or(Errno::NOTDIR)?);
        }
        // NONBLOCK: opening a planted fifo must not wait for its writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(
            folder.as_ref().unwrap_or(self).descriptor.as_fd(),
            name,
            flags,
            Mode::empty(),
        )?))
    }

    /// Moves the file `from` of this folder to the name `to` in `folder`. Returns false if that name is taken; never
    /// replaces a file.
    pub(super) fn rename_new(&self, from: &str, folder: &Self, to: &str) -> io::Result<bool> {
        match self.rename_exclusive(from, folder, to) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            // A file system without exclusive rename: claim the name with an empty file, and replace that.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match folder.create_file(to) {
                Ok(_) => {
                    rustix::fs::renameat(&self.descriptor, from, &folder.descriptor, to)?;
                    Ok(true)
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
                Err(error) => Err(error),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Moves the file `from` of this folder to the name `to` in `folder`, replacing an earlier file of this run.
    pub(super) fn rename_over(&self, from: &str, folder: &Self, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(
            &self.descriptor,
            from,
            &folder.descriptor,
            to,
        )?)
    }

    /// Returns true if anything has that name, even a dangling link.
    pub(super) fn exists(&self, name: &str) -> bool {
        rustix::fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Removes the file `name`.
    pub(super) fn remove_file(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(
            &self.descriptor,
            name,
            AtFlags::empty(),
        )?)
    }

    /// Removes the empty folder `name`.
    pub(super) fn remove_folder(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(
            &self.descriptor,
            name,
            AtFlags::REMOVEDIR,
        )?)
    }

    /// Creates a folder that only its owner can read: extracted files may be secret.
    fn make(&self, name: &str) -> Result<(), Errno> {
        rustix::fs::mkdirat(&self.descriptor, name, Mode::RWXU)
    }

    fn open_folder(&self, name: &str) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(
            self.descriptor.as_fd(),
            name,
            OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
    }

    /// Wraps an opened folder; `None` if the name is taken by something else.
    fn opened(&self, result: Result<OwnedFd, Errno>, name: &str) -> io::Result<Option<Self>> {
        match result {
            Ok(descriptor) => Ok(Some(Self {
                descriptor: Arc::new(descriptor),
                path: format!("{}{name}/", self.path),
            })),
            // LOOP is the answer of NOFOLLOW to a link.
            Err(Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    fn rename_exclusive(&self, from: &str, folder: &Self, to: &str) -> Result<(), Errno> {
        let flags = rustix::fs::RenameFlags::NOREPLACE;
        rustix::fs::renameat_with(&self.descriptor, from, &folder.descriptor, to, flags)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    fn rename_exclusive(&self, _: &str, _: &Self, _: &str) -> Result<(), Errno> {
        Err(Errno::NOSYS)
    }
}

/// Splits a remote path into safe local names, folders first. Empty only if the path names nothing.
///
/// `/` separates; empty and `.` components are dropped. A path of more than [`PARTS_MAX`] components, or of more than
/// [`PATH_MAX`] bytes, keeps its beginning and its last component; one component replaces the others: `~` and 16 hex
/// digits of the SHA-256 of the whole remote path. Any tool can then still open the file.
pub(super) fn safe_parts(path: &[u8]) -> Vec<String> {
    let mut parts: Vec<String> = path
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .map(safe_part)
        .collect();
    let length: usize = parts.iter().map(|part| part.len() + 1).sum();
    if parts.len() > PARTS_MAX || length > PATH_MAX {
        let last = parts.pop().unwrap_or_default();
        let budget = PATH_MAX - 2 * (PART_MAX + 1);
        let mut used = 0;
        let kept = parts
            .iter()
            .take(PARTS_MAX - 2)
            .take_while(|part| {
                used += part.len() + 1;
                used <= budget
            })
            .count();
        parts.truncate(kept);
        parts.push(format!("~{}", short_digest(path)));
        parts.push(last);
    }
    parts
}

/// Converts one component of a path to a safe local name, which is empty only for an empty component.
pub(super) fn safe_part(part: &[u8]) -> String {
    // `.` was dropped before; `..` is escaped and not resolved, so that the path stays recognizable.
    if part == b".." {
        return "%2E%2E".into();
    }
    let name = encode(part);
    if name.len() <= PART_MAX {
        return name;
    }
    let mut cut = CUT_TO;
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    // Every `%` begins an escape, since `%` itself is escaped: one in the last two bytes has been cut in half.
    if let Some(escape) = name[..cut].rfind('%').filter(|escape| escape + 2 >= cut) {
        cut = escape;
    }
    format!("{}~{}", &name[..cut], short_digest(part))
}

/// Returns the name to try as number `attempt`: the name itself, then with `~2`, `~3` and so on before `suffix`.
pub(super) fn numbered(name: &str, attempt: u64, suffix: &str) -> String {
    if attempt <= 1 {
        format!("{name}{suffix}")
    } else {
        format!("{name}~{attempt}{suffix}")
    }
}

fn encode(part: &[u8]) -> String {
    let mut name = String::with_capacity(part.len() + 8);
    let mut position = 0;
    let device = is_device(part);
    for chunk in part.utf8_chunks() {
        for character in chunk.valid().chars() {
            // Windows strips trailing dots and spaces from names, so that two names would be one.
            let last = position + character.len_utf8() == part.len();
            let escape = is_hostile(character)
                || RESERVED.contains(character)
                || (last && matches!(character, '.' | ' '))
                || (device && position == 0)
                || (character == '.' && part.get(position..) == Some(PARTIAL.as_bytes()));
            if escape {
                escape_bytes(&mut name, character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                name.push(character);
            }
            position += character.len_utf8();
        }
        escape_bytes(&mut name, chunk.invalid());
        position += chunk.invalid().len();
    }
    name
}

fn escape_bytes(name: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a `String` cannot fail.
        let _ = write!(name, "%{byte:02X}");
    }
}

/// Returns true if Windows would open a device: the name up to the first dot decides, in any case.
fn is_device(part: &[u8]) -> bool {
    let stem = part.split(|byte| *byte == b'.').next().unwrap_or_default();
    let stem = stem.trim_ascii_end();
    if DEVICES
        .iter()
        .any(|device| stem.eq_ignore_ascii_case(device))
    {
        return true;
    }
    let Some((kind, number)) = stem.split_at_checked(3) else {
        return false;
    };
    let numbered = kind.eq_ignore_ascii_case(b"com") || kind.eq_ignore_ascii_case(b"lpt");
    // Windows treats the superscript digits ¹, ² and ³ as plain ones.
    numbered && (matches!(number, [b'0'..=b'9']) || matches!(number, [0xc2, 0xb9 | 0xb2 | 0xb3]))
}

/// Returns 16 hex digits of the SHA-256 of `bytes`.
fn short_digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes)[..8])
}

/// Names tried for one folder before giving up.
const ATTEMPTS_MAX: u64 = 1_000;

/// Suffix of the name of an incomplete file.
pub(super) const PARTIAL: &str = ".partial";
/// Bytes of the longest component. File systems allow 255; suffixes need some.
const PART_MAX: usize = 200;
/// Bytes kept of a longer component, before its digest.
const CUT_TO: usize = 160;
/// Bytes of the longest path, with one separator per component. Linux allows 4096 with the directory before it.
const PATH_MAX: usize = 2048;
/// Components of the deepest path.
const PARTS_MAX: usize = 128;
/// Characters that are escaped: `%` since it begins an escape, the others since Windows or a shell interprets them.
const RESERVED: &str = "%\\<>:\"|?*";
/// Names of devices on Windows, besides COM and LPT with a digit.
const DEVICES: [&[u8]; 6] = [b"con", b"prn", b"aux", b"nul", b"conin$", b"conout$"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(path: &[u8]) -> String {
        safe_parts(path).join("/")
    }

    #[test]
    fn plain_paths_are_unchanged() {
        assert_eq!(parts(b"/pub/readme.txt"), "pub/readme.txt");
        assert_eq!(parts("/Grüße/日本.txt".as_bytes()), "Grüße/日本.txt");
        assert_eq!(parts(b"-rf ~ $(x) 'q'"), "-rf ~ $(x) 'q'");
    }

    #[test]
    fn parent_components_are_escaped() {
        assert_eq!(parts(b"../../etc/passwd"), "%2E%2E/%2E%2E/etc/passwd");
        assert_eq!(parts(b"//a/./b//"), "a/b");
        assert_eq!(parts(b"..\\..\\boot.ini"), "..%5C..%5Cboot.ini");
        assert_eq!(parts(b"C:\\x"), "C%3A%5Cx");
        assert!(safe_parts(b"/").is_empty());
        assert!(safe_parts(b"").is_empty());
    }

    #[test]
    fn trailing_dots_and_spaces_are_escaped() {
        assert_eq!(parts(b"..."), "..%2E");
        assert_eq!(parts(b"a. /b "), "a.%20/b%20");
    }

    #[test]
    fn device_names_are_escaped() {
        assert_eq!(parts(b"CON"), "%43ON");
        assert_eq!(parts(b"nul.txt"), "%6Eul.txt");
        assert_eq!(parts(b"Com1 .log"), "%43om1 .log");
        assert_eq!(parts("lpt²".as_bytes()), "%6Cpt²");
        assert_eq!(parts(b"console/com10/com"), "console/com10/com");
    }

    #[test]
    fn invisible_characters_are_escaped() {
        assert_eq!(
            parts("invoice\u{202e}fdp.exe".as_bytes()),
            "invoice%E2%80%AEfdp.exe"
        );
        assert_eq!(parts(b"a\0b\nc\x7f"), "a%00b%0Ac%7F");
        assert_eq!(parts("\u{85}\u{200b}".as_bytes()), "%C2%85%E2%80%8B");
        assert_eq!(parts(b"caf\xe9.txt"), "caf%E9.txt");
        assert_eq!(parts(b"100%"), "100%25");
    }

    #[test]
    fn remote_name_that_ends_in_partial_is_escaped() {
        assert_eq!(parts(b"x.partial"), "x%2Epartial");
        assert_eq!(parts(b".partial"), "%2Epartial");
        assert_eq!(parts(b"x.partial.gz"), "x.partial.gz");
        assert_eq!(numbered("x", 1, PARTIAL), "x.partial");
        assert_eq!(numbered("x", 2, PARTIAL), "x~2.partial");
    }

    #[test]
    fn long_parts_keep_160_bytes_and_a_digest() {
        let name = safe_part(&[b'a'; 300]);
        assert_eq!(name.len(), 177);
        assert!(name.starts_with(&"a".repeat(160)));
        assert_eq!(&name[160..161], "~");
        // The first half of `printf 'a%.0s' $(seq 300) | sha256sum`.
        assert_eq!(&name[161..], "9835fa6bf4e20a9b");
        assert_eq!(safe_part(&[b'a'; 200]).len(), 200);
        assert_ne!(safe_part(&[b'a'; 300]), safe_part(&[b'a'; 301]));
    }

    #[test]
    fn cut_never_splits_an_escape_or_a_character() {
        for lead in 0..6 {
            let mut escaped = vec![b'x'; 156 + lead];
            escaped.extend([b':'; 100]);
            let name = safe_part(&escaped);
            let (stem, _) = name.split_once('~').expect("a cut name");
            let clean = stem.replace("%3A", "");
            assert!(!clean.contains('%'), "{name}");

            let wide = "x".repeat(lead) + &"日".repeat(100);
            assert!(safe_part(wide.as_bytes()).len() <= 177);
        }
    }

    #[test]
    fn path_too_deep_or_too_long_to_open_is_shortened() {
        let deep = [b"d/".repeat(30_000), b"end".to_vec()].concat();
        let short = safe_parts(&deep);
        assert_eq!(short.len(), PARTS_MAX);
        assert_eq!(short.last().map(String::as_str), Some("end"));
        let long = [[b'n'; 150].as_slice(); 100].join(&b'/');
        assert!(parts(&long).len() <= PATH_MAX);
        let other = [long.clone(), b"/x".to_vec()].concat();
        assert_ne!(parts(&long), parts(&other));
    }

    proptest! {
        #[test]
        fn any_path_gives_safe_names(path in proptest::collection::vec(any::<u8>(), 0..600)) {
            for part in safe_parts(&path) {
                prop_assert!(!part.is_empty() && part.len() <= PART_MAX);
                prop_assert!(part != "." && part != "..");
                prop_assert!(!part.contains('/') && !part.contains('\\'));
                prop_assert!(!part.chars().any(is_hostile));
                prop_assert!(!part.ends_with(['.', ' ']));
            }
        }

        #[test]
        fn different_names_stay_different(a in "[a%. ~:]{1,8}", b in "[a%. ~:]{1,8}") {
            prop_assume!(a != b && a != "." && b != ".");
            prop_assert_ne!(safe_part(a.as_bytes()), safe_part(b.as_bytes()));
        }
    }
}
