//! Paths given by the user become a list of inputs: a directory stands for all files in and below it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Error;
use super::capture_reader::Origin;
use crate::model::wire_text;

/// A file or stream that may be a capture.
pub(super) struct Candidate {
    pub(super) origin: Origin,
    /// Path to show in messages and reports.
    pub(super) path: PathBuf,
    /// Index of the directory it was found in; `None` if the user named it.
    pub(super) directory: Option<usize>,
}

/// A directory named by the user.
pub(super) struct Directory {
    pub(super) path: PathBuf,
    /// Set if this directory or one below it could not be listed.
    pub(super) failed: bool,
}

/// Expansion of a list of paths.
#[derive(Default)]
pub(super) struct InputListing {
    pub(super) candidates: Vec<Candidate>,
    pub(super) directories: Vec<Directory>,
    /// Directory entries that are neither regular files nor directories.
    pub(super) skipped_files: Vec<PathBuf>,
    pub(super) failures: Vec<Error>,
}

impl InputListing {
    /// Expands `paths`; `-` is standard input.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut listing = Self::default();
        let mut standard_input = false;
        for path in paths {
            if path.as_os_str() == "-" {
                if standard_input {
                    listing.failures.push(Error::StandardInputTwice);
                    continue;
                }
                standard_input = true;
                listing.add(Origin::StandardInput, path.clone(), None);
                continue;
            }
            match fs::metadata(path) {
                Err(cause) => listing.fail(path, cause),
                Ok(found) if found.is_dir() => {
                    let index = listing.directories.len();
                    let failed = listing.walk(path, index);
                    listing.directories.push(Directory {
                        path: path.clone(),
                        failed,
                    });
                }
                Ok(found) if found.is_file() => {
                    listing.add(Origin::File(path.clone()), path.clone(), None);
                }
                Ok(_) => listing.add(Origin::Pipe(path.clone()), path.clone(), None),
            }
        }
        listing
    }

    /// Adds the files in and below directory `top`, sorted by path. Returns true if a directory could not be listed.
    fn walk(&mut self, top: &Path, index: usize) -> bool {
        let failures = self.failures.len();
        let mut found = Vec::new();
        let mut unvisited = vec![top.to_path_buf()];
        while let Some(directory) = unvisited.pop() {
            if let Err(cause) = self.read_directory(&directory, &mut unvisited, &mut found) {
                self.fail(&directory, cause);
            }
        }
        found.sort();
        for path in found {
            self.add(Origin::File(path.clone()), path, Some(index));
        }
        self.failures.len() > failures
    }

    fn read_directory(
        &mut self,
        directory: &Path,
        unvisited: &mut Vec<PathBuf>,
        found: &mut Vec<PathBuf>,
    ) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let path = entry.path();
            // `DirEntry::file_type` does not follow links: a link to a directory may lead in a circle.
            if entry.file_type()?.is_dir() {
                unvisited.push(path);
            } else if fs::metadata(&path).is_ok_and(|target| target.is_file()) {
                found.push(path);
            } else {
                // Opening a pipe or a device found by chance may block for ever.
                self.skipped_files.push(path);
            }
        }
        Ok(())
    }

    fn add(&mut self, origin: Origin, path: PathBuf, directory: Option<usize>) {
        self.candidates.push(Candidate {
            origin,
            path,
            directory,
        });
    }

    fn fail(&mut self, path: &Path, cause: io::Error) {
        self.failures.push(Error::Io {
            path: printable_path(path),
            cause,
        });
    }
}

/// Formats a path for a message: one line, without control characters that a terminal would obey.
pub(super) fn printable_path(path: &Path) -> String {
    wire_text::printable(&path.to_string_lossy()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_standard_input_is_an_error() {
        let listing = InputListing::of(&["-".into(), "-".into()]);
        assert_eq!(listing.candidates.len(), 1);
        assert!(matches!(
            listing.failures.as_slice(),
            [Error::StandardInputTwice]
        ));
    }

    #[test]
    fn control_characters_in_a_path_are_escaped() {
        let path = printable_path(Path::new("a\nb\u{1b}[2J"));
        assert_eq!(path, "a\\x0ab\\x1b[2J");
    }
}
