//! Where something is: the parts of a path on a server, in any syntax.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::protocol::ftp::path;

/// What a path begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Root {
    /// `/`.
    Slash,
    /// A drive letter, `\`, VMS, MVS: kept as sent.
    Foreign,
    /// The folder is not known.
    Unknown,
}

/// A place in the order of a tree: a folder comes before what is in it, and names stand in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) root: Root,
    pub(super) parts: Vec<Vec<u8>>,
}

impl Place {
    /// The place of a path as it stands in a report; `None` for one that is too long or too deep to keep.
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

    /// A name in a folder that is not known.
    pub(super) fn unknown(name: &[u8]) -> Option<Self> {
        let parts = split(name, b'/');
        let fits = !parts.is_empty() && parts.len() <= DEPTH && name.len() <= PATH_BYTES;
        (fits && parts.iter().all(|part| part != b"." && part != b"..")).then_some(Self {
            root: Root::Unknown,
            parts,
        })
    }

    /// What `name` means in `directory`.
    pub(super) fn resolve(directory: Option<&[u8]>, name: &[u8]) -> Option<Self> {
        match path::resolve(directory, name) {
            Some(path) => Self::of(&path),
            None => Self::unknown(name),
        }
    }

    /// The folder it is in; `None` for a root and for what stands beside it.
    pub(super) fn parent(&self) -> Option<Self> {
        let (_, above) = self.parts.split_last()?;
        (self.root == Root::Slash || !above.is_empty()).then(|| Self {
            root: self.root,
            parts: above.to_vec(),
        })
    }

    /// Bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.len() + 1).sum()
    }

    /// As a path; `None` where the folder is not known.
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

    /// The last part, `/` for the root.
    pub(super) fn name(&self) -> &[u8] {
        self.parts.last().map_or(b"/", Vec::as_slice)
    }

    /// Folders above it.
    pub(super) fn depth(&self) -> usize {
        match self.root {
            Root::Slash => self.parts.len(),
            Root::Foreign | Root::Unknown => self.parts.len().saturating_sub(1),
        }
    }
}

/// The exact bytes of a text in a report.
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

/// Longer paths are left out.
const PATH_BYTES: usize = 4096;
/// Deeper paths are left out.
const DEPTH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_before_what_is_in_them() {
        let mut places: Vec<_> = ["/a/b", "/a", "/", "/a-b", "/a/b/c"]
            .iter()
            .filter_map(|path| Place::of(path.as_bytes()))
            .collect();
        places.sort();
        let paths: Vec<_> = places.iter().filter_map(Place::path).collect();
        assert_eq!(
            paths,
            [&b"/"[..], b"/a", b"/a/b", b"/a/b/c", b"/a-b"].map(<[u8]>::to_vec)
        );
    }

    #[test]
    fn other_syntaxes_are_kept_as_sent() {
        let place = Place::of(b"C:\\temp\\a.txt").expect("a place");
        assert_eq!((place.name(), place.depth()), (&b"a.txt"[..], 2));
        assert_eq!(place.path().as_deref(), Some(&b"C:\\temp\\a.txt"[..]));
        assert_eq!(Place::of(b"DISK:[USER]").expect("one").depth(), 0);
    }

    #[test]
    fn hostile_paths_are_left_out() {
        assert_eq!(Place::of(&[b'/', b'a'].repeat(100)), None);
        assert_eq!(Place::of(&vec![b'a'; 5000]), None);
        assert_eq!(Place::unknown(b"../x"), None);
        assert_eq!(Place::resolve(None, b"x"), Place::unknown(b"x"));
    }
}
