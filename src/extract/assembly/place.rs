//! Which file on the server a part belongs to.

use std::collections::BTreeMap;

use super::Key;
use super::cover::Part;
use crate::model::Settled;

/// What names a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Its absolute path.
    Path(Vec<u8>),
    /// The name that was asked for, in a folder that nothing tells.
    Name(Vec<u8>),
}

impl Place {
    /// The place of a transfer; `None` where not even a name is known.
    pub(super) fn of(settled: &Settled<'_>) -> Option<Self> {
        if let Some(path) = settled.path {
            return Some(Self::Path(path.to_vec()));
        }
        let name = settled.argument.filter(|_| settled.verb != "STOU")?;
        let name = name.strip_prefix(b"./").unwrap_or(name);
        (!name.is_empty()).then(|| Self::Name(name.to_vec()))
    }

    /// The path, where it is known.
    pub(super) fn path(&self) -> Option<&[u8]> {
        match self {
            Self::Path(path) => Some(path),
            Self::Name(_) => None,
        }
    }

    /// The path or the name.
    pub(super) fn text(&self) -> &[u8] {
        match self {
            Self::Path(text) | Self::Name(text) => text,
        }
    }
}

/// Adds parts of which only the name is known to those of the one path that ends in it, if there is one version of that.
pub(super) fn bring_together(
    groups: BTreeMap<Key, Vec<Vec<Part>>>,
) -> impl Iterator<Item = (Key, Vec<Vec<Part>>)> {
    let (mut placed, mut named) = (BTreeMap::new(), BTreeMap::new());
    for (key, versions) in groups {
        if key.place.path().is_some() {
            placed.insert(key, versions);
        } else {
            named.insert(key, versions);
        }
    }
    named.retain(|key, versions: &mut Vec<Vec<Part>>| {
        let mut fitting = placed.iter_mut().filter(|(other, _)| fits(other, key));
        let (Some((_, target)), None) = (fitting.next(), fitting.next()) else {
            return true;
        };
        let ([parts], [more]) = (target.as_mut_slice(), versions.as_slice()) else {
            return true;
        };
        parts.extend_from_slice(more);
        parts.sort_by_key(|part| (part.session, part.transfer));
        false
    });
    placed.into_iter().chain(named)
}

/// Whether a name may be that of a path.
fn fits(placed: &Key, named: &Key) -> bool {
    let same =
        (placed.client, placed.server, placed.upload) == (named.client, named.server, named.upload);
    let before = placed.place.text().strip_suffix(named.place.text());
    same && before.is_some_and(|folder| folder.ends_with(b"/"))
}
