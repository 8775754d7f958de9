//! Frames as people look them up: by number, and with several captures by file and by number within it.
//!
//! Wireshark numbers the packets of the file that it shows, so that with several captures a number over all of them finds
//! nothing: each frame is named by its own capture.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::record::{CaptureFrame, Connection, Finding, Reply, Session, Transfer};
use crate::model::split_at_frames;

/// Returns the words for a capture: its path, or what `-` stands for.
#[must_use]
pub fn capture_words(path: &str) -> &str {
    if path == "-" { "standard input" } else { path }
}

/// Short names of the captures of a report; none with a single capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureNames(Arc<[String]>);

impl Default for CaptureNames {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl CaptureNames {
    /// Names captures by their file names, and by their paths where two files have the same name.
    #[must_use]
    pub fn new(paths: &[String]) -> Self {
        if paths.len() < 2 {
            return Self(Arc::new([]));
        }
        let file_name = |path: &String| -> String {
            let name = path.rsplit('/').next().unwrap_or_default();
            capture_words(if name.is_empty() { path } else { name }).to_owned()
        };
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for path in paths {
            *times.entry(file_name(path)).or_default() += 1;
        }
        let names = paths.iter().map(|path| {
            let name = file_name(path);
            if times.get(&name) == Some(&1) {
                name
            } else {
                path.clone()
            }
        });
        Self(names.collect())
    }

    /// Returns whether there is a single capture, which needs no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the name of a capture; empty with a single capture.
    #[must_use]
    pub fn name(&self, capture: u32) -> &str {
        let index = usize::try_from(capture).ok();
        index
            .and_then(|index| self.0.get(index))
            .map_or("", String::as_str)
    }

    /// Returns a frame as `5`, or with several captures as `5 of b.pcap`.
    #[must_use]
    pub fn number(&self, frame: u64, place: Option<CaptureFrame>) -> String {
        match place.filter(|_| !self.is_empty()) {
            Some(place) => format!("{} of {}", place.capture_frame, self.name(place.capture)),
            None => frame.to_string(),
        }
    }

    /// Returns a frame as `frame 5`, or with several captures as `frame 5 of b.pcap`.
    #[must_use]
    pub fn frame(&self, frame: u64, place: Option<CaptureFrame>) -> String {
        format!("frame {}", self.number(frame, place))
    }

    /// Returns the frames of a finding, of many the first two: `frames 5, 9, …`, `frames 5, 9 of b.pcap`. `None` without one.
    #[must_use]
    pub fn frames(&self, finding: &Finding) -> Option<String> {
        let place = |at: usize| finding.places.get(at).copied().flatten();
        let more = if finding.frames.len() > 2 {
            ", …"
        } else {
            ""
        };
        Some(match finding.frames.as_slice() {
            [] => return None,
            [one] => self.frame(*one, place(0)),
            [first, second, ..] => match (place(0), place(1)) {
                (Some(one), Some(other)) if one.capture == other.capture && !self.is_empty() => {
                    let (one, other) = (one.capture_frame, self.number(*second, Some(other)));
                    format!("frames {one}, {other}{more}")
                }
                (one, other) => {
                    let (one, other) = (self.number(*first, one), self.number(*second, other));
                    format!("frames {one}, {other}{more}")
                }
            },
        })
    }
}

impl CaptureNames {
    /// Returns the explanation of a finding. It names frames by their numbers over all captures: with several captures each of
    /// the finding's own frames is named as by [`Self::frame`] instead.
    #[must_use]
    pub fn explanation<'a>(&self, finding: &'a Finding) -> Cow<'a, str> {
        self.sentence(&finding.explanation, |frame| {
            let index = finding.frames.iter().position(|one| *one == frame)?;
            finding.places.get(index).copied().flatten()
        })
    }

    /// Returns a sentence of the evidence for the completeness of a transfer, with its frames as in [`Self::explanation`].
    #[must_use]
    pub fn evidence<'a>(&self, transfer: &Transfer, sentence: &'a str) -> Cow<'a, str> {
        self.sentence(sentence, |frame| {
            let mut known = transfer.evidence_places.iter();
            let named = known.find(|named| named.frame == frame)?;
            Some(named.place)
        })
    }

    /// Names the frames of a sentence whose places are known.
    fn sentence<'a>(
        &self,
        sentence: &'a str,
        place: impl Fn(u64) -> Option<CaptureFrame>,
    ) -> Cow<'a, str> {
        if self.is_empty() || !sentence.contains("frame ") {
            return Cow::Borrowed(sentence);
        }
        let mut out = String::with_capacity(sentence.len());
        for (digits, frame, rest) in split_at_frames(sentence) {
            match frame.and_then(|frame| Some((frame, place(frame)?))) {
                Some((frame, place)) => out.push_str(&self.number(frame, Some(place))),
                None => out.push_str(digits),
            }
            out.push_str(rest);
        }
        Cow::Owned(out)
    }
}

/// Places of the frames of one session; none with a single capture.
#[derive(Clone, Debug, Default)]
pub struct SessionPlaces {
    /// By frame, in ascending order.
    places: Vec<(u64, CaptureFrame)>,
    /// Captures with packets of the session's connections, in order.
    captures: Vec<u32>,
}

impl SessionPlaces {
    /// Collects the places of all frames that the record of a session names.
    #[must_use]
    pub fn of(session: &Session) -> Self {
        let mut found = Self::default();
        if session.control.captures.is_empty() {
            return found;
        }
        found.connection(&session.control);
        let transfers = session.transfers.iter();
        let data = transfers.filter_map(|transfer| transfer.connection.as_ref());
        let encrypted = session.encrypted_data.iter().map(|data| &data.connection);
        for connection in data.chain(encrypted) {
            found.connection(connection);
        }
        let commands = session.steps.iter().flat_map(|step| &step.commands);
        for command in commands {
            found.add(command.frame, command.place());
            for reply in &command.replies {
                found.reply(reply);
            }
        }
        let others = session.greeting.iter().chain(&session.unsolicited_replies);
        for reply in others {
            found.reply(reply);
        }
        if let Some(dns) = &session.dns {
            found.add(dns.query_frame.unwrap_or_default(), dns.query_place);
            found.add(dns.response_frame, dns.response_place);
        }
        for finding in &session.findings {
            for (frame, place) in finding.frames.iter().zip(&finding.places) {
                found.add(*frame, *place);
            }
        }
        found.places.sort_unstable_by_key(|(frame, _)| *frame);
        found.places.dedup_by_key(|(frame, _)| *frame);
        found.captures.sort_unstable();
        found.captures.dedup();
        found
    }

    /// Returns the place of a frame; `None` with a single capture, and for a frame that the record does not name.
    #[must_use]
    pub fn find(&self, frame: u64) -> Option<CaptureFrame> {
        let found = self
            .places
            .binary_search_by_key(&frame, |(frame, _)| *frame);
        self.places.get(found.ok()?).map(|(_, place)| *place)
    }

    /// Returns the captures with packets of the session, in order; empty with a single capture.
    #[must_use]
    pub fn captures(&self) -> &[u32] {
        &self.captures
    }

    /// Returns the first and the last of these frames in each capture, in order of the captures.
    #[must_use]
    pub fn ranges(&self, frames: &[u64]) -> Vec<(u32, u64, u64)> {
        let mut ranges: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for place in frames.iter().filter_map(|frame| self.find(*frame)) {
            let number = place.capture_frame;
            let (first, last) = ranges.entry(place.capture).or_insert((number, number));
            (*first, *last) = ((*first).min(number), (*last).max(number));
        }
        let range = |(capture, (first, last))| (capture, first, last);
        ranges.into_iter().map(range).collect()
    }

    fn connection(&mut self, connection: &Connection) {
        for span in &connection.captures {
            self.captures.push(span.capture);
            for (frame, capture_frame) in [
                (span.first_frame, span.first_capture_frame),
                (span.last_frame, span.last_capture_frame),
            ] {
                let place = CaptureFrame {
                    capture: span.capture,
                    capture_frame,
                };
                self.add(frame, Some(place));
            }
        }
    }

    fn reply(&mut self, reply: &Reply) {
        for reply in std::iter::once(reply).chain(&reply.preliminary) {
            self.add(reply.frame, reply.place());
        }
    }

    fn add(&mut self, frame: u64, place: Option<CaptureFrame>) {
        self.places.extend(place.map(|place| (frame, place)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[&str]) -> CaptureNames {
        let paths: Vec<String> = paths.iter().map(|&path| path.to_owned()).collect();
        CaptureNames::new(&paths)
    }

    const fn place(capture: u32, capture_frame: u64) -> CaptureFrame {
        CaptureFrame {
            capture,
            capture_frame,
        }
    }

    fn finding(frames: &[u64], places: Vec<Option<CaptureFrame>>) -> Finding {
        let report = crate::report::example::example_session();
        let mut finding = report.findings.first().expect("it has one").clone();
        finding.frames = frames.to_vec();
        finding.places = places;
        finding
    }

    #[test]
    fn file_names_stand_for_paths_unless_two_are_equal() {
        let names = names(&["a/one.pcap", "a/two.pcap", "b/two.pcap", "-"]);
        let all: Vec<&str> = (0..4).map(|capture| names.name(capture)).collect();
        assert_eq!(
            all,
            ["one.pcap", "a/two.pcap", "b/two.pcap", "standard input"]
        );
        assert_eq!(names.frame(17, Some(place(0, 5))), "frame 5 of one.pcap");
    }

    #[test]
    fn frames_of_one_capture_have_plain_numbers() {
        let names = names(&["a.pcap"]);
        assert!(names.is_empty());
        assert_eq!(names.frames(&finding(&[], vec![])), None);
        let text = names.frames(&finding(&[7, 9, 12], vec![]));
        assert_eq!(text.as_deref(), Some("frames 7, 9, …"));
    }

    #[test]
    fn explanation_names_the_frames_of_its_finding_by_their_captures() {
        let mut finding = finding(&[17, 8], vec![Some(place(1, 5)), None]);
        finding.explanation = "frame 17 (frame 8, frame 171) and frames; frame 17".into();
        let text = names(&["a.pcap", "b.pcap"])
            .explanation(&finding)
            .into_owned();
        let expected = "frame 5 of b.pcap (frame 8, frame 171) and frames; frame 5 of b.pcap";
        assert_eq!(text, expected);
        assert_eq!(
            names(&["a.pcap"]).explanation(&finding),
            finding.explanation
        );
    }

    #[test]
    fn frames_of_a_finding_name_each_capture_once() {
        let names = names(&["a.pcap", "b.pcap"]);
        let text = |places| {
            names
                .frames(&finding(&[17, 19], places))
                .expect("it has two")
        };
        assert_eq!(
            text(vec![Some(place(1, 5)), Some(place(1, 7))]),
            "frames 5, 7 of b.pcap"
        );
        assert_eq!(
            text(vec![Some(place(0, 5)), Some(place(1, 7))]),
            "frames 5 of a.pcap, 7 of b.pcap"
        );
        assert_eq!(
            text(vec![None, Some(place(1, 7))]),
            "frames 17, 7 of b.pcap"
        );
    }
}
