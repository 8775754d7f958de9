//! Options of `ftpscope carve --redact`: classes, key, and the file of what became what.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;

use super::failure::Failure;
use super::output::Output;
use crate::capture::{CaptureSet, ReadOptions};
use crate::keep::{Class, Classes, Mapping, Redaction, RedactionKey, StreamCollector, Suspects};
use crate::model::{FlowKey, Timestamp, wire_text};
use crate::pipeline;
use crate::protocol::community_id::community_id;
use crate::protocol::uid::connection_uid;

/// A class of `--redact`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Redacted {
    Passwords,
    Users,
    Addresses,
    Names,
    Paths,
    Content,
    Banners,
    All,
}

impl Redacted {
    const fn classes(self) -> &'static [Class] {
        match self {
            Self::Passwords => &[Class::Passwords],
            Self::Users => &[Class::Users],
            Self::Addresses => &[Class::Addresses],
            Self::Names => &[Class::Names],
            Self::Paths => &[Class::Paths],
            Self::Content => &[Class::Content],
            Self::Banners => &[Class::Banners],
            Self::All => &Class::ALL,
        }
    }
}

/// Returns the classes of a list; `None` for an empty one: nothing is redacted.
pub(super) fn classes(list: &[Redacted]) -> Option<Classes> {
    let chosen = list.iter().flat_map(|one| one.classes());
    (!list.is_empty()).then(|| Classes(chosen.copied().collect()))
}

/// Reads the key from `path`, or draws a new one.
pub(super) fn key(path: Option<&Path>) -> Result<RedactionKey, Failure> {
    let Some(path) = path else {
        return drawn_key();
    };
    let text = fs::read(path).map_err(|cause| {
        Failure::Refused(format!(
            "cannot read the key {}: {}",
            path.display(),
            crate::model::system_message(&cause)
        ))
    })?;
    key_of(text.trim_ascii()).ok_or_else(|| {
        Failure::Refused(format!(
            "{} is no key; it has to hold 32 bytes as 64 hex digits, such as `openssl rand -hex 32` makes",
            path.display()
        ))
    })
}

/// Reads 64 hex digits.
fn key_of(text: &[u8]) -> Option<RedactionKey> {
    let mut bytes = [0; 32];
    let (pairs, []) = text.as_chunks::<2>() else {
        return None;
    };
    if pairs.len() != bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? << 4 | low?).ok()?;
    }
    Some(RedactionKey::new(bytes))
}

fn drawn_key() -> Result<RedactionKey, Failure> {
    let mut bytes = [0; 32];
    fs::File::open(RANDOM)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|cause| {
            Failure::Refused(format!(
                "cannot draw a key from {RANDOM}: {}; name one with --redact-key",
                crate::model::system_message(&cause)
            ))
        })?;
    Ok(RedactionKey::new(bytes))
}

/// Returns the name of a connection as the report of the redacted file has it.
pub(super) fn uid(key: FlowKey, first: Timestamp) -> String {
    connection_uid(&community_id(&key), first).to_string()
}

/// Reads redacted files again, and fails if a replaced value still stands in one of them.
pub(super) fn verify(
    paths: &[PathBuf],
    redaction: &Redaction,
    limit: usize,
) -> Result<(), Failure> {
    for path in paths {
        let mut written = StreamCollector::new(limit);
        let mut captures = CaptureSet::open(std::slice::from_ref(path), ReadOptions::default());
        let options = pipeline::Options {
            omit_sha256: true,
            ..pipeline::Options::default()
        };
        let mut suspects = Suspects::new(&mut captures, redaction);
        pipeline::analyze(&mut suspects, &options, &mut (), &mut written);
        let leaks = redaction.leaks(written);
        if !leaks.is_empty() {
            let named: Vec<_> = leaks
                .iter()
                .take(NAMED)
                .map(|leak| {
                    let class = leak.class.name();
                    format!("{class} in the connection of frame {}", leak.first_frame)
                })
                .collect();
            return Err(Failure::Refused(format!(
                "redaction-incomplete: {}; nothing is written",
                named.join(", ")
            )));
        }
    }
    Ok(())
}

/// One line of the mapping file.
#[derive(Serialize)]
struct Line<'m> {
    kind: &'static str,
    original: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_b64: Option<String>,
    replacement: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    replacement_b64: Option<String>,
}

/// Writes what became what, as JSON lines that only the user can read. The file appears once the returned output is finished.
pub(super) fn write_mapping(path: &Path, mapping: &Mapping) -> Result<Output, Failure> {
    let mut output = Output::private(path)?;
    let written = write_lines(&mut output, mapping);
    written.map_err(|cause| output.failure(&cause))?;
    Ok(output)
}

fn write_lines(out: &mut impl io::Write, mapping: &Mapping) -> io::Result<()> {
    for ((class, original), replacement) in mapping {
        let (original, original_b64) = wire_text::decode::<String>(original);
        let (replacement, replacement_b64) = wire_text::decode::<String>(replacement);
        let line = Line {
            kind: class.name(),
            original: &original,
            original_b64,
            replacement: &replacement,
            replacement_b64,
        };
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Values named in the message about an incomplete redaction.
const NAMED: usize = 5;
/// Source of new keys.
const RANDOM: &str = "/dev/urandom";
