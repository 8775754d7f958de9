//! Reading of expectation files: all of them, with every mistake in them, before any capture is opened.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;

use crate::check::file::{self, Expectations};
use crate::check::mistake::{self, Mistake};
use crate::cli::failure::Failure;
use crate::model::system_message;

/// Reads all expectation files with their texts; the failure lists every mistake in all of them.
pub(super) fn read_files(paths: &[PathBuf]) -> Result<Vec<(Expectations, String)>, Failure> {
    let mut files = Vec::new();
    let mut mistakes = String::new();
    for path in paths {
        let name = path.display().to_string();
        let text = match String::from_utf8(read_file(path, &name)?) {
            Ok(text) => text,
            Err(error) => {
                mistakes.push_str(&not_utf8(&name, &error));
                continue;
            }
        };
        match file::read(&name, &text) {
            Ok(expectations) => files.push((expectations, text)),
            Err(found) => mistakes.push_str(&mistake::render(&name, &text, &found)),
        }
    }
    if mistakes.is_empty() {
        Ok(files)
    } else {
        Err(Failure::Mistakes(mistakes))
    }
}

/// Reads an expectation file of at most 64 MiB.
fn read_file(path: &Path, name: &str) -> Result<Vec<u8>, Failure> {
    let refused = |cause: String| Failure::Refused(format!("cannot read {name}: {cause}"));
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_LIMIT + 1).read_to_end(&mut bytes));
    read.map_err(|cause| {
        let hint = match cause.kind() {
            io::ErrorKind::NotFound => "; ftpscope check --record writes one",
            io::ErrorKind::IsADirectory => "; name a TOML file in it",
            _ => "",
        };
        refused(format!("{}{hint}", system_message(&cause)))
    })?;
    // The common mistake of naming a capture after --expect gets its own hint.
    if bytes.iter().take(PROBE).any(|byte| *byte == 0) {
        let hint = "expectation files are TOML; captures stand behind the options";
        return Err(refused(format!("it is no text; {hint}")));
    }
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(refused("it is longer than 64 MiB".to_owned()));
    }
    Ok(bytes)
}

/// Renders the mistake of a file that is not UTF-8, at its place.
fn not_utf8(name: &str, error: &FromUtf8Error) -> String {
    let text = String::from_utf8_lossy(error.as_bytes());
    let at = error.utf8_error().valid_up_to();
    let mistake = Mistake {
        // The span is that of the replacement character in the lossy text.
        span: at..at + char::REPLACEMENT_CHARACTER.len_utf8(),
        message: "this is not UTF-8".to_owned(),
        hint: Some("expectation files are TOML in UTF-8".to_owned()),
    };
    mistake::render(name, &text, &[mistake])
}

/// Limit of an expectation file in bytes: one recorded from 20,000 sessions has 40 MB.
const FILE_LIMIT: u64 = 64 << 20;

/// Bytes that are searched for NUL, to recognize files that are no text.
const PROBE: usize = 512;
