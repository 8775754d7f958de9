//! The folder that `-x` names.

use std::path::Path;

use super::error_text::{self, Failure};
use crate::extract::{self, Extractor};

/// Opens the folder, if one is named, and notes what is to be known of it; `failure` is the command's own words for why
/// that cannot be done.
pub(super) fn open(
    named: Option<&Path>,
    quiet: bool,
    failure: impl FnOnce(&extract::Error) -> Failure,
) -> Result<Option<Extractor>, Failure> {
    let Some(named) = named else {
        return Ok(None);
    };
    let extractor = Extractor::create(named).map_err(|error| failure(&error))?;
    if !quiet {
        let folder = extractor.folder();
        if folder != named {
            error_text::note(&format!(
                "{} holds an earlier run; this one goes to {}",
                named.display(),
                folder.display()
            ));
        }
        error_text::note(&format!(
            "-x copies bytes as they are: {} may hold secrets",
            folder.display()
        ));
    }
    Ok(Some(extractor))
}
