//! What is noted of few sessions: made when there is any of it.

use crate::diagnosis::{DataTrouble, Lost};
use crate::session::sightings::Sightings;

/// What was noted of a session for the findings.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    pub(crate) troubles: Vec<DataTrouble>,
    pub(crate) lost: Lost,
    pub(crate) odd_lines: Sightings,
    pub(crate) wrong_ends: Sightings,
}
