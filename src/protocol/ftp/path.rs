//! Names and directories on the server.
//!
//! Paths are bytes (RFC 2640 section 2.2). Paths that begin with `/` are absolute. Other syntaxes (drive letters, VMS,
//! MVS) are kept as sent: joining them by Unix rules would invent paths.
//!
//! Servers have paths of up to [`COMMON_LENGTH`] bytes; longer ones are sent all the same. A client could have one long
//! directory repeated with each of its commands, or make a directory longer with each CWD, so [`resolve`] stops at that
//! length, and [`resolve_long`] is for those who bound the sum of what they resolve.

/// Resolves `name` against the working directory. `None` if `name` is relative and `directory` is unknown (`None`), and for
/// a path, or a directory before a relative name, of more than [`COMMON_LENGTH`] bytes.
#[must_use]
pub fn resolve(directory: Option<&[u8]>, name: &[u8]) -> Option<Vec<u8>> {
    let directory = directory.filter(|directory| directory.len() <= COMMON_LENGTH);
    joined(directory, name).filter(|path| path.len() <= COMMON_LENGTH)
}

/// Resolves as [`resolve`] does, up to [`LONGEST_PATH`] bytes. The caller bounds the sum: the work and the result are as
/// long as the directory, whatever was sent.
#[must_use]
pub fn resolve_long(directory: Option<&[u8]>, name: &[u8]) -> Option<Vec<u8>> {
    joined(directory, name).filter(|path| path.len() <= LONGEST_PATH)
}

fn joined(directory: Option<&[u8]>, name: &[u8]) -> Option<Vec<u8>> {
    if name.first() == Some(&b'/') {
        return Some(normalise(name));
    }
    if is_foreign_absolute(name) {
        return Some(name.to_vec());
    }
    let directory = directory?;
    if directory.first() != Some(&b'/') {
        // A directory of another syntax: only its separator is known, `..` is not.
        let mut path = directory.to_vec();
        if directory.contains(&b'\\') && !directory.ends_with(b"\\") {
            path.push(b'\\');
        } else if !directory.ends_with(b"/") && !directory.ends_with(b"\\") {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        return Some(path);
    }
    let mut path = directory.to_vec();
    path.push(b'/');
    path.extend_from_slice(name);
    Some(normalise(&path))
}

/// Longest path in bytes that servers have: `PATH_MAX` of Linux, above that of all other systems in use.
pub const COMMON_LENGTH: usize = 4096;

/// Longest path in bytes that is resolved at all.
pub const LONGEST_PATH: usize = 64 << 10;

/// Returns the parent of a directory.
#[must_use]
pub fn parent(directory: &[u8]) -> Vec<u8> {
    resolve(Some(directory), b"..").unwrap_or_else(|| directory.to_vec())
}

/// Returns an absolute path without empty parts, `.` and `..`. `..` in the root directory is the root.
#[must_use]
pub fn normalise(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            // RFC 959 has no parent of the root; servers stay there, as Unix does.
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut out = Vec::with_capacity(path.len());
    for part in parts {
        out.push(b'/');
        out.extend_from_slice(part);
    }
    if out.is_empty() {
        out.push(b'/');
    }
    out
}

/// Returns the last part of a path or argument, without trailing slashes; empty for the root.
#[must_use]
pub fn file_name(path: &[u8]) -> &[u8] {
    let end = path
        .iter()
        .rposition(|&byte| byte != b'/')
        .map_or(0, |at| at + 1);
    let path = &path[..end];
    path.iter()
        .rposition(|&byte| byte == b'/')
        .map_or(path, |at| &path[at + 1..])
}

/// Parses the path in the text of a 257 reply: between the first quote and the matching one, with a doubled quote for a
/// quote (RFC 959 appendix II). Without quotes, which some servers leave out, the first word if it is an absolute path.
#[must_use]
pub fn quoted_path(text: &[u8]) -> Option<Vec<u8>> {
    let Some(open) = text.iter().position(|&byte| byte == b'"') else {
        let word = text
            .split(u8::is_ascii_whitespace)
            .find(|word| !word.is_empty())?;
        return (word.first() == Some(&b'/')).then(|| word.to_vec());
    };
    let mut path = Vec::new();
    let mut rest = &text[open + 1..];
    loop {
        match rest {
            [] => return None,
            [b'"', b'"', tail @ ..] => {
                path.push(b'"');
                rest = tail;
            }
            [b'"', ..] => break,
            [byte, tail @ ..] => {
                path.push(*byte);
                rest = tail;
            }
        }
    }
    (!path.is_empty()).then_some(path)
}

/// Returns the argument of a listing command without options: `dir` of `-la dir`.
#[must_use]
pub fn listing_argument(argument: &[u8]) -> &[u8] {
    let mut rest = argument;
    loop {
        let start = rest
            .iter()
            .position(|&byte| byte != b' ')
            .unwrap_or(rest.len());
        let word = &rest[start..];
        if word.first() != Some(&b'-') {
            return word;
        }
        let end = word
            .iter()
            .position(|&byte| byte == b' ')
            .unwrap_or(word.len());
        rest = &word[end..];
    }
}

/// Returns whether a name is absolute by another syntax: `C:\temp`, `\share`, `~user`, `'MVS.DATASET'`, `[VMS.DIR]`.
fn is_foreign_absolute(name: &[u8]) -> bool {
    match name {
        [letter, b':', ..] => letter.is_ascii_alphabetic(),
        [b'\\' | b'~' | b'\'' | b'[', ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_that_grows_with_each_cwd_becomes_unknown() {
        let mut directory = Some(b"/".to_vec());
        for _ in 0..COMMON_LENGTH {
            directory = resolve(directory.as_deref(), b"d");
        }
        assert_eq!(directory, None);
        assert_eq!(resolve(None, &[b'/'; 5000]).as_deref(), Some(&b"/"[..]));
    }

    #[test]
    fn relative_names_are_joined_and_normalised() {
        assert_eq!(
            resolve(Some(b"/pub"), b"a.txt").as_deref(),
            Some(&b"/pub/a.txt"[..])
        );
        assert_eq!(resolve(Some(b"/"), b"../../x").as_deref(), Some(&b"/x"[..]));
        assert_eq!(
            resolve(None, b"/a//b/./c/").as_deref(),
            Some(&b"/a/b/c"[..])
        );
        assert_eq!(resolve(None, b"a"), None);
        assert_eq!(parent(b"/a/b"), b"/a");
        assert_eq!(parent(b"/"), b"/");
    }

    #[test]
    fn paths_of_other_syntaxes_are_kept_as_sent() {
        assert_eq!(
            resolve(Some(b"/"), b"C:\\temp").as_deref(),
            Some(&b"C:\\temp"[..])
        );
        assert_eq!(
            resolve(Some(b"C:\\temp"), b"a.txt").as_deref(),
            Some(&b"C:\\temp\\a.txt"[..])
        );
    }

    #[test]
    fn path_of_a_257_reply_is_unquoted() {
        assert_eq!(
            quoted_path(b"\"/a \"\"b\"\"\" is current").as_deref(),
            Some(&b"/a \"b\""[..])
        );
        assert_eq!(
            quoted_path(b"/home/x is current directory").as_deref(),
            Some(&b"/home/x"[..])
        );
        assert_eq!(quoted_path(b"\"open"), None);
        assert_eq!(quoted_path(b"created"), None);
    }

    #[test]
    fn options_of_a_listing_are_not_part_of_its_path() {
        assert_eq!(listing_argument(b"-la  sub dir"), b"sub dir");
        assert_eq!(listing_argument(b"-a"), b"");
        assert_eq!(listing_argument(b"dir"), b"dir");
        assert_eq!(file_name(b"/a/b.txt"), b"b.txt");
        assert_eq!(file_name(b"/a/b/"), b"b");
        assert_eq!(file_name(b"/"), b"");
    }
}
