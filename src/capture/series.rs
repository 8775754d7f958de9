//! Series: the files of one sensor that follow one another, as a ring of capture files does.
//!
//! A session that begins in one file and ends in the next needs both in one run, so that a series is the least unit of work when
//! many captures are divided among processes or machines.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::{CaptureSet, Error, Input, PacketSource as _, ReadOptions};
use crate::model::record::Capture;
use crate::model::{Span, Timestamp};

/// Files of one sensor in the order of their times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Name: the folder and the common beginning of the files' names, with a number where there are several of that name.
    pub name: String,
    /// The files, in the order of their first packets.
    pub paths: Vec<PathBuf>,
    /// Captured bytes of all packets.
    pub bytes: u64,
    /// Time of the earliest packet; `None` if there is none.
    pub first_packet: Option<Timestamp>,
    /// Time of the latest packet; `None` if there is none.
    pub last_packet: Option<Timestamp>,
}

/// The series of a set of files, and the files that belong to none.
#[derive(Debug, Default)]
pub struct SeriesListing {
    /// Series by name, those of one name by time.
    pub series: Vec<Series>,
    /// Inputs that cannot be read.
    pub failures: Vec<Error>,
    /// Files of directories that are no captures.
    pub skipped_files: Vec<PathBuf>,
    /// Files of directories that have the name of a capture and are none.
    pub damaged_files: Vec<Error>,
}

/// The sensor of a file, as far as its place, name and link types show it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sensor {
    folder: PathBuf,
    /// Name before the first digit: rings number their files or put the time into the name.
    prefix: String,
    links: Vec<String>,
}

impl SeriesListing {
    /// Reads the records of every file that `paths` name, and puts those of one sensor together that follow one another with at
    /// most `gap` between them. Packets are counted and not decoded.
    #[must_use]
    pub fn of(paths: &[PathBuf], gap: Span, options: ReadOptions) -> Self {
        let mut set = CaptureSet::open(paths, options);
        let mut listing = Self {
            skipped_files: set.skipped_files().to_vec(),
            damaged_files: set.take_damaged_files(),
            ..Self::default()
        };
        let files: Vec<PathBuf> = set.paths();
        // Only the failures to open: each file is read by itself below.
        set.for_each(&mut |input| match input {
            Input::Failed(error) => {
                listing.failures.push(error);
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Break(()),
        });
        let mut by_sensor: BTreeMap<Sensor, Vec<(PathBuf, Capture)>> = BTreeMap::new();
        for path in files {
            let mut one = CaptureSet::open(std::slice::from_ref(&path), options);
            one.for_each(&mut |input| {
                if let Input::Failed(error) = input {
                    listing.failures.push(error);
                }
                ControlFlow::Continue(())
            });
            if let Some(capture) = one.captures().into_iter().next() {
                let sensor = Sensor::of(&path, &capture);
                by_sensor.entry(sensor).or_default().push((path, capture));
            }
        }
        // The header of an empty pcapng file has no link type yet: such a file joins the next sensor of its name.
        let empty: Vec<_> = by_sensor
            .keys()
            .filter(|sensor| sensor.links.is_empty())
            .cloned()
            .collect();
        for sensor in empty {
            let is_same = |other: &Sensor| {
                other.folder == sensor.folder
                    && other.prefix == sensor.prefix
                    && !other.links.is_empty()
            };
            let Some(target) = by_sensor.keys().find(|other| is_same(other)).cloned() else {
                continue;
            };
            let files = by_sensor.remove(&sensor).unwrap_or_default();
            by_sensor.entry(target).or_default().extend(files);
        }
        for (sensor, files) in by_sensor {
            listing.add(&sensor, files, gap);
        }
        listing.number();
        listing
    }

    /// Sorts the series by name and time, and numbers those of one name: outputs are named by them.
    fn number(&mut self) {
        self.series.sort_by(|one, other| {
            (&one.name, one.first_packet).cmp(&(&other.name, other.first_packet))
        });
        for several in self
            .series
            .chunk_by_mut(|one, other| one.name == other.name)
        {
            if several.len() < 2 {
                continue;
            }
            for (number, series) in (1..).zip(several) {
                series.name = format!("{}#{number}", series.name);
            }
        }
    }

    /// Divides the files of one sensor where more than `gap` lies between two of them.
    fn add(&mut self, sensor: &Sensor, mut files: Vec<(PathBuf, Capture)>, gap: Span) {
        files.sort_by(|(path, capture), (other_path, other)| {
            let key = |capture: &Capture, path: &Path| (capture.first_packet, path.to_owned());
            key(capture, path).cmp(&key(other, other_path))
        });
        let begin = self.series.len();
        let paths: Vec<&Path> = files.iter().map(|(path, _)| path.as_path()).collect();
        let name = sensor.name(&paths);
        for (path, capture) in files {
            let bytes = capture.bytes.unwrap_or(0);
            let follows = |series: &Series| match (series.last_packet, capture.first_packet) {
                (Some(last), Some(first)) => first.since(last) <= gap,
                // A file without packets bridges nothing and belongs anywhere.
                _ => true,
            };
            let is_continued = self.series.len() > begin && self.series.last().is_some_and(follows);
            if !is_continued {
                self.series.push(Series {
                    name: name.clone(),
                    paths: Vec::new(),
                    bytes: 0,
                    first_packet: None,
                    last_packet: None,
                });
            }
            if let Some(series) = self.series.last_mut() {
                series.paths.push(path);
                series.bytes = series.bytes.saturating_add(bytes);
                series.first_packet = series.first_packet.or(capture.first_packet);
                series.last_packet = series.last_packet.max(capture.last_packet);
            }
        }
    }
}

impl Sensor {
    fn of(path: &Path, capture: &Capture) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let prefix = name.split(|letter: char| letter.is_ascii_digit()).next();
        Self {
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
            prefix: prefix.unwrap_or_default().to_owned(),
            links: capture.link_types.clone(),
        }
    }

    /// Returns the name of this sensor's series: the folder, and the common beginning of the names of its files.
    fn name(&self, files: &[&Path]) -> String {
        let names: Vec<String> = files.iter().map(|file| stem(file)).collect();
        let first = names.first().map_or("", String::as_str);
        let common = names
            .iter()
            .fold(first, |common, name| common_beginning(common, name));
        // Of 10 and 11 a part of the number is common.
        let is_cut = names.iter().any(|name| {
            let rest = name.get(common.len()..).unwrap_or_default();
            rest.starts_with(|letter: char| letter.is_ascii_digit())
        });
        let name = self.folder.join(without_numbers(common, is_cut));
        let name = name.to_string_lossy();
        let name = name.trim_end_matches('/');
        if name.is_empty() {
            ".".to_owned()
        } else {
            name.to_owned()
        }
    }
}

/// Returns the name of a file without its endings, such as `.pcap`, `.pcapng.gz` and the `.pcap1` of a ring.
fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ending = [".pcap", ".cap", ".ntar"].iter();
    let end = ending.filter_map(|ending| name.rfind(ending)).min();
    name.get(..end.unwrap_or(name.len()))
        .unwrap_or_default()
        .to_owned()
}

fn common_beginning<'t>(one: &'t str, other: &str) -> &'t str {
    let same = one.char_indices().zip(other.chars());
    let end = same.take_while(|((_, letter), other)| letter == other);
    let end = end
        .last()
        .map_or(0, |((at, letter), _)| at + letter.len_utf8());
    one.get(..end).unwrap_or_default()
}

/// Removes the numbers and times that a ring puts behind a name. Digits without a separator before them belong to the name, as
/// in `eth0`, unless the files differ in them (`is_cut`): then the name may end within a number.
fn without_numbers(name: &str, mut is_cut: bool) -> &str {
    let is_separator = |letter: char| matches!(letter, '-' | '_' | '.' | ':' | ' ');
    is_cut &= name.ends_with(|letter: char| letter.is_ascii_digit());
    let mut name = name.trim_end_matches(is_separator);
    loop {
        let digits = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
        // The T of RFC 3339 stands between digits.
        let before = match digits.strip_suffix('T') {
            Some(date) if date.ends_with(|letter: char| letter.is_ascii_digit()) => date,
            _ => digits.trim_end_matches(is_separator),
        };
        if digits.len() == name.len() || (before.len() == digits.len() && !is_cut) {
            return name;
        }
        name = before;
        is_cut = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch_folder::ScratchFolder;

    /// Writes a pcap file with one empty packet at each of these seconds.
    fn write(folder: &Path, name: &str, link: u32, seconds: &[u32]) {
        let mut bytes = Vec::new();
        for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, link] {
            bytes.extend(u32::to_le_bytes(word));
        }
        for second in seconds {
            for word in [*second, 0, 1, 1] {
                bytes.extend(u32::to_le_bytes(word));
            }
            bytes.push(0);
        }
        std::fs::write(folder.join(name), bytes).expect("written");
    }

    fn series(folder: &Path, gap: i64) -> Vec<(String, Vec<String>)> {
        let paths = [folder.to_owned()];
        let listing = SeriesListing::of(&paths, Span::from_secs(gap), ReadOptions::default());
        assert!(listing.failures.is_empty(), "{:?}", listing.failures);
        let name = |path: &PathBuf| {
            let name = path.file_name().expect("a name");
            name.to_string_lossy().into_owned()
        };
        let short = |one: &Series| {
            let root = format!("{}/", folder.display());
            let paths = one.paths.iter().map(name).collect();
            (one.name.replace(&root, ""), paths)
        };
        listing.series.iter().map(short).collect()
    }

    #[test]
    fn files_of_a_ring_that_follow_one_another_are_one_series() {
        let folder = ScratchFolder::new("series");
        // Written in another order than the times say, as the numbers of a ring begin anew.
        write(&folder, "eth0-2.pcap", 1, &[1000, 1059]);
        write(&folder, "eth0-1.pcap", 1, &[1060, 1100]);
        write(&folder, "eth0-3.pcap", 1, &[1500]);
        write(&folder, "wlan-1.pcap", 1, &[1000]);
        write(&folder, "eth0-4.pcap", 101, &[1501]);
        let expected = |name: &str, paths: &[&str]| {
            let paths = paths.iter().map(|path| (*path).to_owned()).collect();
            (name.to_owned(), paths)
        };
        assert_eq!(
            series(&folder, 60),
            [
                expected("eth0#1", &["eth0-2.pcap", "eth0-1.pcap"]),
                expected("eth0#2", &["eth0-3.pcap"]),
                // Another link type is another sensor; no two series have one name.
                expected("eth0#3", &["eth0-4.pcap"]),
                expected("wlan", &["wlan-1.pcap"]),
            ]
        );
        assert_eq!(series(&folder, 600)[0].1.len(), 3);
    }

    #[test]
    fn series_have_the_name_before_numbers_and_times() {
        let name = |files: &[&str]| {
            let files: Vec<&Path> = files.iter().map(Path::new).collect();
            let sensor = Sensor {
                folder: PathBuf::from("day"),
                prefix: String::new(),
                links: Vec::new(),
            };
            sensor.name(&files)
        };
        for (files, wanted) in [
            (["eth0-1.pcap", "eth0-10.pcap"].as_slice(), "day/eth0"),
            (&["eth0-1.pcap.gz"], "day/eth0"),
            (&["eth0.pcap"], "day/eth0"),
            (&["eth0.pcap", "eth0.pcap1"], "day/eth0"),
            (&["k1.pcapng", "k2.pcapng"], "day/k"),
            (
                &[
                    "lan_00001_20260302100000.pcapng",
                    "lan_00002_20260302100100.pcapng",
                ],
                "day/lan",
            ),
            (&["run-2026-03-02T10-00-00.pcap"], "day/run"),
            (&["20260302.pcap", "20260303.pcap"], "day"),
            (&["20260302.pcap"], "day/20260302"),
        ] {
            assert_eq!(name(files), wanted, "{files:?}");
        }
    }

    #[test]
    fn file_that_overlaps_the_one_before_belongs_to_its_series() {
        let folder = ScratchFolder::new("overlap");
        write(&folder, "a1.pcap", 1, &[1000, 5000]);
        write(&folder, "a2.pcap", 1, &[2000, 2001]);
        write(&folder, "a3.pcap", 1, &[5010]);
        assert_eq!(series(&folder, 60).len(), 1);
    }
}
