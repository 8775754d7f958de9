//! Expectation files as they are read: all of them, with every mistake in them, before anything else is done.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;

use super::error_text::{self, Failure};
use crate::check::file::{self, Expectations};
use crate::check::mistake::{self, Mistake};

/// Reads all expectation files; every mistake in them is told at once.
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

/// The bytes of an expectation file, up to more than anybody writes.
fn read_file(path: &Path, name: &str) -> Result<Vec<u8>, Failure> {
    let refused = |cause: String| Failure::Refused(format!("cannot read {name}: {cause}"));
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
    read.map_err(|cause| {
        let hint = match cause.kind() {
            io::ErrorKind::NotFound => "; ftpscope check --record writes one",
            io::ErrorKind::IsADirectory => "; name a TOML file in it",
            _ => "",
        };
        refused(format!("{}{hint}", error_text::system_words(&cause)))
    })?;
    if bytes.iter().take(FEW).any(|byte| *byte == 0) {
        let hint = "expectation files are TOML; captures stand behind the options";
        return Err(refused(format!("it is no text; {hint}")));
    }
    if bytes.len() as u64 > LONGEST {
        return Err(refused("it is longer than 64 MiB".to_owned()));
    }
    Ok(bytes)
}

/// What is not UTF-8, shown at its place.
fn not_utf8(name: &str, error: &FromUtf8Error) -> String {
    let text = String::from_utf8_lossy(error.as_bytes());
    let at = error.utf8_error().valid_up_to();
    let mistake = Mistake {
        // What stands for it in the text that is shown has three bytes.
        span: at..at + char::REPLACEMENT_CHARACTER.len_utf8(),
        message: "this is not UTF-8".to_owned(),
        hint: Some("expectation files are TOML in UTF-8".to_owned()),
    };
    mistake::render(name, &text, &[mistake])
}

/// Bytes of an expectation file: a recorded one of 20,000 sessions has 40 MB.
const LONGEST: u64 = 64 << 20;

/// Bytes of a file by which it is told whether it is a text.
const FEW: usize = 512;
