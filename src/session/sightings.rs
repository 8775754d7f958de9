//! Things that are worth telling once, however often they come.

use crate::model::FrameRef;

/// How often something was seen, and where first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sightings {
    pub(crate) count: u64,
    pub(crate) frames: Vec<u64>,
}

impl Sightings {
    pub(crate) fn note(&mut self, frame: FrameRef) {
        self.count += 1;
        if self.frames.len() < FRAMES {
            self.frames.push(frame.number);
        }
    }
}

/// Frames kept of one kind of trouble.
pub(crate) const FRAMES: usize = 8;
