//! What is noted of few sessions: made when there is any of it.

use super::sightings::Sightings;
use crate::diagnosis::{DataTrouble, Lost};

/// What was noted of a session for the findings.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) troubles: Vec<DataTrouble>,
    pub(super) lost: Lost,
    pub(super) odd_lines: Sightings,
    pub(super) wrong_ends: Sightings,
}
