//! Arguments of `--log`: files, folders, and the order of rotated files.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::{LogError, LogKind};

/// A file that `--log` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogInput {
    /// Path of the file.
    pub path: PathBuf,
    /// Kind in front of the colon; `None` to detect it.
    pub kind: Option<LogKind>,
    /// True for a file of a folder: if its kind cannot be detected, it is passed over.
    pub is_from_folder: bool,
}

/// Returns the files of `--log` arguments, each `[KIND:]FILE` or `[KIND:]FOLDER`.
///
/// Files of a folder are in order of their names; those in its folders are not read. Rotated files of one log are in order of
/// time, the oldest first, wherever they were given. A file that is given twice is read once.
///
/// # Errors
///
/// The name in front of a colon is no kind, or a folder cannot be read or has no file.
pub fn log_inputs(arguments: &[OsString]) -> Result<Vec<LogInput>, LogError> {
    let mut inputs = Vec::new();
    let mut known = BTreeSet::new();
    for argument in arguments {
        let (kind, path) = kind_and_path(argument)?;
        if path.is_dir() {
            let files = files(&path)?;
            inputs.extend(files.into_iter().map(|path| LogInput {
                path,
                kind,
                is_from_folder: true,
            }));
        } else {
            inputs.push(LogInput {
                path,
                kind,
                is_from_folder: false,
            });
        }
    }
    inputs.retain(|input| known.insert(input.path.clone()));
    put_rotations_in_order(&mut inputs);
    Ok(inputs)
}

/// Divides `KIND:FILE`. A path that exists is never divided.
fn kind_and_path(argument: &OsString) -> Result<(Option<LogKind>, PathBuf), LogError> {
    let whole = PathBuf::from(argument);
    let Some((name, path)) = argument.to_str().and_then(|text| text.split_once(':')) else {
        return Ok((None, whole));
    };
    if let Some(kind) = LogKind::from_name(name) {
        return Ok((Some(kind), PathBuf::from(path)));
    }
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_name && !whole.exists() {
        return Err(LogError::UnknownKind {
            argument: argument.to_string_lossy().into_owned(),
            name: name.to_owned(),
        });
    }
    Ok((None, whole))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, LogError> {
    let error = |cause| LogError::Io {
        path: folder.display().to_string(),
        cause,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(error)? {
        let entry = entry.map_err(error)?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !is_hidden && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    if files.is_empty() {
        return Err(LogError::NoFile {
            path: folder.display().to_string(),
        });
    }
    files.sort();
    Ok(files)
}

/// Sorts the files of each rotated log among the places that they have.
fn put_rotations_in_order(inputs: &mut [LogInput]) {
    let rotations: Vec<Rotation> = inputs
        .iter()
        .map(|input| Rotation::of(&input.path))
        .collect();
    let mut done = BTreeSet::new();
    for rotation in &rotations {
        if !done.insert(&rotation.log) {
            continue;
        }
        let places: Vec<usize> = (0..rotations.len())
            .filter(|at| rotations[*at].log == rotation.log)
            .collect();
        let mut sorted: Vec<(&Age, LogInput)> = places
            .iter()
            .map(|at| (&rotations[*at].age, inputs[*at].clone()))
            .collect();
        sorted.sort_by_key(|(age, _)| *age);
        for (place, (_, input)) in places.into_iter().zip(sorted) {
            inputs[place] = input;
        }
    }
}

/// Position of a file among the rotated ones of its log.
struct Rotation {
    /// Path of the log that is still written.
    log: PathBuf,
    age: Age,
}

/// Age by the name's ending, oldest first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    /// `-20261129` or `.2026-11-29`, perhaps with a time behind it.
    Dated(String),
    /// `.4` is older than `.3`.
    Numbered(std::cmp::Reverse<u32>),
    /// The file that is still written.
    Current,
}

impl Rotation {
    fn of(path: &Path) -> Self {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let plain = [".gz", ".xz", ".zst", ".lz4"]
            .iter()
            .find_map(|ending| name.strip_suffix(ending))
            .unwrap_or(&name);
        let (base, age) = age(plain).unwrap_or((plain, Age::Current));
        Self {
            log: path.with_file_name(base),
            age,
        }
    }
}

/// Divides a name into that of the log and its age; `None` for a name without a number behind it.
fn age(name: &str) -> Option<(&str, Age)> {
    let end = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-' || c == '_');
    let suffix = &name[end.len()..];
    // The trimming has taken the hyphen in front of a date, and left the point in front of a date or number.
    let (base, digits) = match end.strip_suffix('.') {
        Some(base) => (base, suffix),
        None => (end, suffix.strip_prefix('-')?),
    };
    if base.is_empty() || digits.is_empty() {
        return None;
    }
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    if count >= 6 {
        let digits = digits.chars().filter(char::is_ascii_digit).collect();
        return Some((base, Age::Dated(digits)));
    }
    let number = digits.parse().ok()?;
    Some((base, Age::Numbered(std::cmp::Reverse(number))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_files_are_in_order_of_time_and_others_keep_their_place() {
        let names = [
            "xferlog",
            "other",
            "xferlog.1",
            "xferlog.10.gz",
            "xferlog.2.xz",
            "vsftpd.log-20261129",
            "vsftpd.log",
            "vsftpd.log-20261122.gz",
            "xferlog",
        ];
        let inputs = log_inputs(&names.map(OsString::from)).unwrap();
        let order: Vec<&str> = inputs.iter().map(|i| i.path.to_str().unwrap()).collect();
        assert_eq!(
            order,
            [
                "xferlog.10.gz",
                "other",
                "xferlog.2.xz",
                "xferlog.1",
                "xferlog",
                "vsftpd.log-20261122.gz",
                "vsftpd.log-20261129",
                "vsftpd.log",
            ]
        );
    }

    #[test]
    fn kinds_stand_in_front_of_a_colon_and_unknown_ones_are_named() {
        let inputs = log_inputs(&["iis:u_ex.log".into(), "./a:b".into()]).unwrap();
        assert_eq!(inputs[0].kind, Some(LogKind::Iis));
        assert_eq!(inputs[0].path, Path::new("u_ex.log"));
        assert_eq!(
            (inputs[1].kind, inputs[1].path.as_path()),
            (None, Path::new("./a:b"))
        );
        let error = log_inputs(&["apache:x".into()]).unwrap_err();
        assert!(error.is_usage());
        assert_eq!(
            error.to_string(),
            "cannot read apache:x: 'apache' is no kind of log"
        );
    }

    #[test]
    fn folders_give_their_files_without_those_of_their_folders() {
        let folder = crate::scratch_folder::ScratchFolder::new("logs");
        fs::create_dir(folder.join("inner")).unwrap();
        for name in ["b.1", "b", "a", ".hidden", "inner/c"] {
            fs::write(folder.join(name), "x").unwrap();
        }
        let mut argument = OsString::from("clf:");
        argument.push(folder.as_os_str());
        let inputs = log_inputs(&[argument]).unwrap();
        let names: Vec<_> = inputs.iter().map(|i| i.path.file_name().unwrap()).collect();
        assert_eq!(names, ["a", "b.1", "b"]);
        assert!(
            inputs
                .iter()
                .all(|i| i.is_from_folder && i.kind == Some(LogKind::Clf))
        );
    }
}
