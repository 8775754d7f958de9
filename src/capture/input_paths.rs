//! What was asked for, as a list of inputs: directories become the files in and below them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Error;
use super::file_source::Origin;
use crate::model::wire_text;

/// One input to be tried.
pub(super) struct Candidate {
    pub(super) origin: Origin,
    /// As it is shown.
    pub(super) path: PathBuf,
    /// Index of the directory it was found in; what is no capture there is passed over.
    pub(super) directory: Option<usize>,
}

/// A directory that was asked for.
pub(super) struct Directory {
    pub(super) path: PathBuf,
    /// It, or one below it, could not be listed.
    pub(super) failed: bool,
}

/// What a list of paths stands for.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) candidates: Vec<Candidate>,
    pub(super) directories: Vec<Directory>,
    /// Entries of directories that are no regular files.
    pub(super) passed_over: Vec<PathBuf>,
    pub(super) failures: Vec<Error>,
}

impl Listing {
    /// Looks at every path; `-` is standard input.
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

    /// Adds the files in and below a directory in path order. Links to directories are not followed: they may lead in
    /// circles. Pipes and devices are not opened: they may never answer. True where a directory could not be listed.
    fn walk(&mut self, top: &Path, index: usize) -> bool {
        let failures = self.failures.len();
        let mut found = Vec::new();
        let mut waiting = vec![top.to_path_buf()];
        while let Some(directory) = waiting.pop() {
            if let Err(cause) = self.read_directory(&directory, &mut waiting, &mut found) {
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
        waiting: &mut Vec<PathBuf>,
        found: &mut Vec<PathBuf>,
    ) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                waiting.push(path);
            } else if fs::metadata(&path).is_ok_and(|target| target.is_file()) {
                found.push(path);
            } else {
                self.passed_over.push(path);
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
            path: shown(path),
            cause,
        });
    }
}

/// A path in a message: one line, and nothing in it that moves a terminal's cursor.
pub(super) fn shown(path: &Path) -> String {
    wire_text::printable(&path.to_string_lossy()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_input_can_be_given_once() {
        let listing = Listing::of(&["-".into(), "-".into()]);
        assert_eq!(listing.candidates.len(), 1);
        assert!(matches!(
            listing.failures.as_slice(),
            [Error::StandardInputTwice]
        ));
    }

    #[test]
    fn a_hostile_name_is_shown_without_its_power() {
        assert_eq!(shown(Path::new("a\nb\u{1b}[2J")), "a\\x0ab\\x1b[2J");
    }
}
