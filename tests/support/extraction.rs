//! A folder of extracted files and its lists, compared with one another.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// A temporary folder for extracted files, removed when dropped.
pub(crate) struct Extraction(PathBuf);

impl Extraction {
    /// Chooses a folder that does not exist.
    pub(crate) fn new() -> Self {
        let number = CREATED.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("extraction-{number}"));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    /// Returns the path of the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Extraction {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Asserts that each line of `SHA256SUMS` is right, and that the lists name exactly the files of the folder.
///
/// Only files with gaps are not in `SHA256SUMS`. Returns the number of its lines.
pub(crate) fn assert_lists_are_right(folder: &Path) -> usize {
    let mut on_disk = BTreeSet::new();
    collect(folder, folder, &mut on_disk);
    let manifest = fs::read(folder.join("manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    let mut listed = BTreeSet::new();
    let mut summed = BTreeSet::new();
    for transfer in manifest["transfers"].as_array().expect("a list") {
        if let Some(name) = transfer["saved_as"].as_str() {
            assert!(listed.insert(name.to_owned()), "{name} is listed twice");
            if transfer["bytes"] == transfer["length"] {
                summed.insert(name.to_owned());
            }
        }
        if let Some(name) = transfer["decoded"]["saved_as"].as_str() {
            assert!(listed.insert(name.to_owned()), "{name} is listed twice");
            summed.insert(name.to_owned());
        }
    }
    let assembled = manifest["assembled"].as_array();
    for file in assembled.into_iter().flatten() {
        let name = file["saved_as"]
            .as_str()
            .expect("an assembled file is saved");
        assert!(listed.insert(name.to_owned()), "{name} is listed twice");
        summed.insert(name.to_owned());
    }
    assert_eq!(listed, on_disk, "manifest.json and the folder");
    let sums = fs::read_to_string(folder.join("SHA256SUMS")).expect("sums");
    let mut in_sums = BTreeSet::new();
    for line in sums.lines() {
        let (line, escaped) = match line.strip_prefix('\\') {
            Some(line) => (line, true),
            None => (line, false),
        };
        let (digest, name) = line.split_once("  ").expect("a digest and a name");
        let name = if escaped {
            unescaped(name)
        } else {
            name.to_owned()
        };
        let content = fs::read(folder.join(&name)).expect("a listed file exists");
        assert_eq!(digest, hex(&Sha256::digest(content)), "{name}");
        assert!(in_sums.insert(name), "{line} stands twice in SHA256SUMS");
    }
    assert_eq!(in_sums, summed, "SHA256SUMS and manifest.json");
    in_sums.len()
}

/// Adds the paths of all files below `folder` but the lists, relative to `top`.
fn collect(top: &Path, folder: &Path, paths: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.strip_prefix(top).expect("a path below the top");
        let name = name.to_str().expect("names of files are safe text");
        if path.is_dir() {
            collect(top, &path, paths);
        } else if !["manifest.json", "SHA256SUMS"].contains(&name) {
            paths.insert(name.to_owned());
        }
    }
}

/// Reverses the escaping of `sha256sum`.
fn unescaped(name: &str) -> String {
    let mut text = String::new();
    let mut characters = name.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                _ => '\\',
            },
            other => other,
        });
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

/// Number of folders chosen so far by this process.
static CREATED: AtomicU32 = AtomicU32::new(0);
