//! Paths on a server as their components, in any syntax, ordered as a tree.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::protocol::ftp::path;

/// Beginning of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Root {
    /// `/`.
    Slash,
    /// A drive letter, `\`, VMS, MVS: kept as sent.
    Foreign,
    /// None: the directory is not known.
    Unknown,
}

/// A path in the order of a tree: a directory precedes its entries, and names are in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TreePath {
    pub(super) root: Root,
    pub(super) parts: Vec<Vec<u8>>,
}

impl TreePath {
    /// Splits a path of a report. Returns `None` if it is longer or deeper than the limits.
    pub(super) fn of(path: &[u8]) -> Option<Self> {
        if path.is_empty() || path.len() > PATH_BYTES {
            return None;
        }
        let (root, parts) = if path.first() == Some(&b'/') {
            (Root::Slash, split(&path::normalise(path), b'/'))
        } else if path.contains(&b'\\') {
            (Root::Foreign, split(path, b'\\'))
        } else {
            (Root::Foreign, vec![path.to_vec()])
        };
        (parts.len() <= DEPTH).then_some(Self { root, parts })
    }

    /// Splits a name in an unknown directory. Returns `None` beyond the limits, and for `.` and `..`, which mean
    /// nothing there.
    pub(super) fn unknown(name: &[u8]) -> Option<Self> {
        let parts = split(name, b'/');
        let fits = !parts.is_empty() && parts.len() <= DEPTH && name.len() <= PATH_BYTES;
        (fits && parts.iter().all(|part| part != b"." && part != b"..")).then_some(Self {
            root: Root::Unknown,
            parts,
        })
    }

    /// Resolves `name` in `directory`, which is `None` if unknown.
    pub(super) fn resolve(directory: Option<&[u8]>, name: &[u8]) -> Option<Self> {
        match path::resolve(directory, name) {
            Some(path) => Self::of(&path),
            None => Self::unknown(name),
        }
    }

    /// Puts a path in an unknown directory below directories that were entered from it. Any other path, and one that would
    /// exceed the limits, stays as it is.
    pub(super) fn enter(&mut self, entered: &[Vec<u8>]) {
        let fits = entered.len() + self.parts.len() <= DEPTH;
        if self.root == Root::Unknown && fits {
            self.parts.splice(0..0, entered.iter().cloned());
        }
    }

    /// Returns the directory of the path, or `None` for a root and for a single component without one.
    pub(super) fn parent(&self) -> Option<Self> {
        let (_, above) = self.parts.split_last()?;
        (self.root == Root::Slash || !above.is_empty()).then(|| Self {
            root: self.root,
            parts: above.to_vec(),
        })
    }

    /// Returns the bytes of its components and separators.
    pub(super) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.len() + 1).sum()
    }

    /// Returns the path as text, or `None` if the directory is unknown.
    pub(super) fn path(&self) -> Option<Vec<u8>> {
        match self.root {
            Root::Slash if self.parts.is_empty() => Some(b"/".to_vec()),
            Root::Slash => Some(self.parts.iter().fold(Vec::new(), |mut path, part| {
                path.push(b'/');
                path.extend_from_slice(part);
                path
            })),
            Root::Foreign => Some(self.parts.join(&b'\\')),
            Root::Unknown => None,
        }
    }

    /// Returns the last component, or `/` for the root.
    pub(super) fn name(&self) -> &[u8] {
        self.parts.last().map_or(b"/", Vec::as_slice)
    }

    /// Returns the number of directories above it.
    pub(super) fn depth(&self) -> usize {
        match self.root {
            Root::Slash => self.parts.len(),
            Root::Foreign | Root::Unknown => self.parts.len().saturating_sub(1),
        }
    }
}

/// Returns the exact bytes of a text in a report, from its `_b64` field if there is one.
pub(super) fn exact(text: &str, base64: Option<&str>) -> Vec<u8> {
    base64
        .and_then(|base64| STANDARD.decode(base64).ok())
        .unwrap_or_else(|| text.as_bytes().to_vec())
}

fn split(path: &[u8], separator: u8) -> Vec<Vec<u8>> {
    path.split(|&byte| byte == separator)
        .filter(|part| !part.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

/// Bytes of the longest path; longer ones are omitted. As `PATH_MAX` of Linux.
const PATH_BYTES: usize = 4096;
/// Components of the deepest path; deeper ones are omitted.
const DEPTH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_precede_their_entries() {
        let mut places: Vec<_> = ["/a/b", "/a", "/", "/a-b", "/a/b/c"]
            .iter()
            .filter_map(|path| TreePath::of(path.as_bytes()))
            .collect();
        places.sort();
        let paths: Vec<_> = places.iter().filter_map(TreePath::path).collect();
        assert_eq!(
            paths,
            [&b"/"[..], b"/a", b"/a/b", b"/a/b/c", b"/a-b"].map(<[u8]>::to_vec)
        );
    }

    #[test]
    fn paths_of_other_syntaxes_are_kept_as_sent() {
        let place = TreePath::of(b"C:\\temp\\a.txt").expect("a place");
        assert_eq!((place.name(), place.depth()), (&b"a.txt"[..], 2));
        assert_eq!(place.path().as_deref(), Some(&b"C:\\temp\\a.txt"[..]));
        assert_eq!(TreePath::of(b"DISK:[USER]").expect("one").depth(), 0);
    }

    #[test]
    fn paths_beyond_the_limits_are_omitted() {
        assert_eq!(TreePath::of(&[b'/', b'a'].repeat(100)), None);
        assert_eq!(TreePath::of(&vec![b'a'; 5000]), None);
        assert_eq!(TreePath::unknown(b"../x"), None);
        assert_eq!(TreePath::resolve(None, b"x"), TreePath::unknown(b"x"));
    }
}
