//! Names and directories on the server.
//!
//! Paths are bytes (RFC 2640 section 2.2). What begins with `/` is absolute. Other syntaxes (drive letters, VMS, MVS) are kept
//! as sent: joining them by Unix rules would invent paths.

/// The directory or file that `name` means when the working directory is `directory`; `None` where that is not known.
#[must_use]
pub fn resolve(directory: Option<&[u8]>, name: &[u8]) -> Option<Vec<u8>> {
    if name.first() == Some(&b'/') {
        return Some(normalise(name));
    }
    if is_foreign_absolute(name) {
        return Some(name.to_vec());
    }
    let directory = directory?;
    if directory.first() != Some(&b'/') {
        // A foreign directory: only its separator is known to be one.
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

/// The parent of a directory.
#[must_use]
pub fn parent(directory: &[u8]) -> Vec<u8> {
    resolve(Some(directory), b"..").unwrap_or_else(|| directory.to_vec())
}

/// An absolute path without empty parts, `.` and `..`.
#[must_use]
pub fn normalise(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
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

/// Last part of a path or argument.
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

/// The path in the text of a 257 (RFC 959 appendix II): between the first quote and its match, a doubled quote being one.
/// Some servers give none: then the first word, if it is a path.
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

/// What a listing command lists: its argument without options (`-la dir`) and without a glob part.
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
    fn names_are_joined_and_normalised() {
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
    fn foreign_syntaxes_are_kept_as_sent() {
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
    fn a_257_is_unquoted() {
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
    fn options_of_a_listing_are_no_path() {
        assert_eq!(listing_argument(b"-la  sub dir"), b"sub dir");
        assert_eq!(listing_argument(b"-a"), b"");
        assert_eq!(listing_argument(b"dir"), b"dir");
        assert_eq!(file_name(b"/a/b.txt"), b"b.txt");
        assert_eq!(file_name(b"/a/b/"), b"b");
        assert_eq!(file_name(b"/"), b"");
    }
}
