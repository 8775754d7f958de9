//! Extraction as users see it, on a real file system.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::*;
use crate::model::{Endpoint, Timestamp};

/// A folder that is gone when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("ftpscope-extract-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.0.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn top(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.0)
            .expect("a folder")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("text")
            })
            .collect();
        names.sort();
        names
    }

    fn manifest(&self) -> serde_json::Value {
        serde_json::from_slice(&self.read("manifest.json")).expect("JSON")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn settled(transfer: u64, path: &[u8], bytes: u64) -> Settled<'_> {
    Settled {
        session: Some(1),
        transfer: Some(transfer),
        client: Endpoint::v4([192, 0, 2, 10], 39_021),
        server: Endpoint::v4([192, 0, 2, 1], 21),
        first_frame: 40 + transfer,
        verb: "RETR",
        path: Some(path),
        argument: None,
        completeness: Completeness::Complete,
        bytes,
        missing_ranges: &[],
        restart_offset: 0,
        plain: true,
        told_size: None,
        length: bytes,
        sha256: None,
        md5: None,
        sha1: None,
        decoded: None,
        media_type: None,
        start: Timestamp::from_parts(1_700_000_000, 0),
        end: Timestamp::from_parts(1_700_000_001, 0),
    }
}

/// Saves one complete file and returns its path.
fn save(extractor: &mut Extractor, id: u64, path: &[u8], content: &[u8]) -> String {
    let digest = hex(content);
    extractor.write(ContentId(id), 0, content);
    let what = Settled {
        sha256: Some(&digest),
        ..settled(id, path, content.len() as u64)
    };
    extractor
        .settle(ContentId(id), &what)
        .expect("saved")
        .saved_as
        .expect("a name")
}

#[test]
fn file_keeps_its_bytes_and_path() {
    let scratch = Scratch::new("plain");
    let mut extractor = Extractor::create(&scratch.0).expect("a folder");
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut offset = 0;
    for chunk in content.chunks(1460) {
        extractor.write(ContentId(9), offset, chunk);
        offset += chunk.len() as u64;
    }
    let digest = hex(&content);
    let what = Settled {
        sha256: Some(&digest),
        ..settled(1, b"/pub/data.bin", offset)
    };
    let stored = extractor.settle(ContentId(9), &what).expect("saved");
    assert_eq!(
        stored.saved_as.as_deref(),
        Some("192.0.2.1_21/1/pub/data.bin")
    );
    let finished = extractor.finish().expect("finished");
    assert_eq!((finished.files, finished.failures), (1, 0));
    assert_eq!(scratch.read("192.0.2.1_21/1/pub/data.bin"), content);
    assert_eq!(
        scratch.top(),
        ["192.0.2.1_21", "SHA256SUMS", "manifest.json"]
    );
    let mode = |path: &str| {
        fs::metadata(scratch.0.join(path))
            .expect("there")
            .permissions()
            .mode()
    };
    assert_eq!(mode("192.0.2.1_21/1/pub/data.bin") & 0o777, 0o600);
    assert_eq!(mode("192.0.2.1_21/1/pub") & 0o777, 0o700);
    assert_eq!(mode("manifest.json") & 0o777, 0o600);
}

#[test]
fn name_appears_only_when_the_file_is_complete() {
    let scratch = Scratch::new("whole");
    let mut extractor = Extractor::create(&scratch.0).expect("a folder");
    extractor.write(ContentId(1), 0, &vec![7; 200_000]);
    assert_eq!(scratch.top(), [UNFINISHED]);
    extractor
        .settle(ContentId(1), &settled(1, b"x", 200_000))
        .expect("saved");
    assert_eq!(scratch.top(), [UNFINISHED, "192.0.2.1_21"]);
}

#[test]
fn sha256sum_accepts_every_line() {
    let scratch = Scratch::new("sums");
    let mut extractor = Extractor::create(&scratch.0).expect("a folder");
    let names: [&[u8]; 8] = [
        b"/a b.txt",
        b"../../etc/passwd",
        b"back\\slash",
        b"line\nend",
        b"caf\xe9",
        "evil\u{202e}txt".as_bytes(),
        b"-n",
        b" *x",
    ];
    for (id, name) in (1..).zip(names) {
        save(&mut extractor, id, name, name);
    }
    extractor.finish().expect("finished");
    let output = Command::new("sha256sum")
        .args(["--strict", "-c", "SHA256SUMS"])
        .current_dir(&scratch.0)
        .output()
        .expect("coreutils");
    let output_text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output_text}");
    assert_eq!(
        output_text
            .lines()
            .filter(|line| line.ends_with(": OK"))
            .count(),
        8
    );
}

#[test]
fn file_with_gaps_reads_as_zeros_and_has_no_sum() {
    let scratch = Scratch::new("holes");
    let mut extractor = Extractor::create(&scratch.0).expect("a folder");
    extractor.write(ContentId(1), 0, b"head");
    extractor.write(ContentId(1), 40_000_000, b"tail");
    let what = Settled {
        completeness: Completeness::Gaps,
        missing_ranges: &[[4, 40_000_000]],
        length: 40_000_010,
        ..settled(1, b"f", 8)
    };
    let stored = extractor.settle(ContentId(1), &what).expect("saved");
    extractor.finish().expect("finished");
    let saved_as = stored.saved_as.expect("a name");
    assert_eq!(saved_as, "192.0.2.1_21/1/f.partial");
    let metadata = fs::metadata(scratch.0.join(&saved_as)).expect("there");
    assert_eq!(metadata.len(), 40_000_010);
    assert!(
        metadata.blocks() * 512 < 1_000_000,
        "the hole takes no room"
    );
    let content = scratch.read(&saved_as);
    assert_eq!(&content[..6], b"head\0\0");
    assert_eq!(&content[40_000_000..], b"tail\0\0\0\0\0\0");
    assert!(scratch.read("SHA256SUMS").is_empty());
    assert_eq!(
        scratch.manifest()["transfers"][0]["missing_ranges"],
        serde_json::json!([[4, 40_000_000]])
    );
}

#[test]
fn empty_file_is_saved() {
    let scratch = Scratch::new("empty");
    let mut extractor = Extractor::create(&scratch.0).expect("a folder");
    extractor
        .settle(ContentId(5), &settled(1, b"/nothing", 0))
        .expect("saved");
    extractor.finish().expect("finished");
    assert!(scratch.read("192.0.2.1_21/1/nothing").is_empty());
}

#[test]
fn discarded_content_leaves_no_file() {
    let scratch = Scratch::new("discarded");
    let mut extractor = Extractor::create(&scratch.0).expect("a folder");
    extractor.write(ContentId(1), 0, b"a listing");
    extractor.write(ContentId(2), 0, &vec![1; 500_000]);
    extractor.discard(ContentId(1));
    extractor.discard(ContentId(2));
    extractor.discard(ContentId(3));
    extractor.write(ContentId(4), 0, &vec![1; 500_000]);
    extractor.finish().expect("finished");
    assert_eq!(scratch.top(), ["SHA256SUMS", "manifest.json"]);

    let scratch = Scratch::new("dropped");
    let mut extractor = Extractor::create(&scratch.0).expect("a folder");
    extractor.write(ContentId(4), 0, &vec![1; 500_000]);
    drop(extractor);
    assert!(scratch.top().is_empty());
}

#[test]
fn later_file_of_the_same_name_gets_a_number() {
    let scratch = Scratch::new("twice");
    let mut extractor = Extractor::create(&scratch.0).expect("a folder");
    let names: Vec<String> = (1..=4)
        .map(|id| save(&mut extractor, id, b"/d/x", format!("{id}").as_bytes()))
        .collect();
    assert_eq!(
        names,
        [
            "192.0.2.1_21/1/d/x",
            "192.0.2.1_21/1/d/x~2",
            "192.0.2.1_21/1/d/x~3",
            "192.0.2.1_21/1/d/x~4"
        ]
    );
    let partial = |extractor: &mut Extractor, id| {
        let what = Settled {
            completeness: Completeness::Truncated,
            ..settled(id, b"/d/x", 0)
        };
        extractor
            .settle(ContentId(id), &what)
            .expect("saved")
            .saved_as
    };
    assert_eq!(
        partial(&mut extractor, 5).as_deref(),
        Some("192.0.2.1_21/1/d/x.partial")
    );
    assert_eq!(
        partial(&mut extractor, 6).as_deref(),
        Some("192.0.2.1_21/1/d/x~2.partial")
    );
    assert_eq!(scratch.read("192.0.2.1_21/1/d/x~3"), b"3");
}

#[test]
fn file_and_folder_of_one_name_are_both_saved() {
    let scratch = Scratch::new("clash");
    let mut extractor = Extractor::create(&scratch.0).expect("a folder");
    assert_eq!(save(&mut extractor, 1, b"a", b"1"), "192.0.2.1_21/1/a");
    assert_eq!(
        save(&mut extractor, 2, b"a/b", b"2"),
        "192.0.2.1_21/1/a~2/b"
    );
    assert_eq!(
        save(&mut extractor, 3, b"a/c", b"3"),
        "192.0.2.1_21/1/a~2/c"
    );
    assert_eq!(
        save(&mut extractor, 4, b"a~2", b"4"),
        "192.0.2.1_21/1/a~2~2"
    );
    assert_eq!(save(&mut extractor, 5, b"a", b"5"), "192.0.2.1_21/1/a~3");
    assert_eq!(scratch.read("192.0.2.1_21/1/a"), b"1");
}

#[test]
fn manifest_lists_exact_names_in_order() {
    let scratch = Scratch::new("manifest");
    let mut extractor = Extractor::create(&scratch.0).expect("a folder");
    extractor.write(ContentId(7), 0, b"data");
    let unclaimed = Settled {
        session: None,
        transfer: None,
        verb: "",
        path: None,
        server: Endpoint::new("2001:db8::1".parse().expect("an address"), 20),
        ..settled(7, b"", 4)
    };
    extractor.settle(ContentId(7), &unclaimed).expect("saved");
    save(&mut extractor, 2, b"caf\xe9", b"2");
    let stou = Settled {
        session: Some(1),
        transfer: Some(1),
        verb: "STOU",
        path: None,
        argument: Some(b"dir/name"),
        ..settled(1, b"", 0)
    };
    extractor.settle(ContentId(1), &stou).expect("saved");
    let nameless = Settled {
        server: Endpoint::new("2001:db8::1".parse().expect("an address"), 2121),
        ..settled(3, b"/", 0)
    };
    extractor.settle(ContentId(3), &nameless).expect("saved");
    extractor.finish().expect("finished");

    let manifest = scratch.manifest();
    let entries = manifest["transfers"].as_array().expect("a list");
    let names: Vec<&str> = entries
        .iter()
        .filter_map(|entry| entry["saved_as"].as_str())
        .collect();
    assert_eq!(
        names,
        [
            "192.0.2.1_21/1/dir/name",
            "192.0.2.1_21/1/caf%E9",
            "2001-db8--1_2121/1/unnamed",
            "unmatched/47"
        ]
    );
    assert_eq!(entries[1]["path"], "caf\u{fffd}");
    assert_eq!(entries[1]["path_b64"], "Y2Fm6Q==");
    assert_eq!(entries[0]["argument"], "dir/name");
    assert_eq!(entries[0]["completeness"], "complete");
    assert_eq!(entries[3]["session"], serde_json::Value::Null);
    assert_eq!(entries[3]["verb"], serde_json::Value::Null);
}

#[test]
fn planted_links_are_not_followed() {
    let outside = Scratch::new("outside");
    fs::create_dir_all(&outside.0).expect("a folder");
    fs::write(outside.0.join("target"), b"precious").expect("a file");
    let scratch = Scratch::new("links");
    fs::create_dir_all(scratch.0.join("192.0.2.1_21/1/sub")).expect("a folder");
    symlink(&outside.0, scratch.0.join("192.0.2.1_21/1/away")).expect("a link");
    symlink(&outside.0, scratch.0.join("unmatched")).expect("a link");
    symlink(
        outside.0.join("target"),
        scratch.0.join("192.0.2.1_21/1/target"),
    )
    .expect("a link");
    symlink("/nowhere/at/all", scratch.0.join("192.0.2.1_21/1/sub/x")).expect("a link");

    let mut extractor = Extractor::create(&scratch.0).expect("a folder");
    assert_eq!(
        save(&mut extractor, 1, b"/away/target", b"new"),
        "192.0.2.1_21/1/away~2/target"
    );
    assert_eq!(
        save(&mut extractor, 2, b"/target", b"new"),
        "192.0.2.1_21/1/target~2"
    );
    assert_eq!(
        save(&mut extractor, 3, b"/sub/x", b"new"),
        "192.0.2.1_21/1/sub/x~2"
    );
    extractor.write(ContentId(4), 0, b"data");
    let unclaimed = Settled {
        session: None,
        transfer: None,
        ..settled(4, b"", 4)
    };
    let stored = extractor.settle(ContentId(4), &unclaimed).expect("saved");
    assert_eq!(stored.saved_as.as_deref(), Some("unmatched~2/44"));
    extractor.finish().expect("finished");
    assert_eq!(outside.top(), ["target"]);
    assert_eq!(outside.read("target"), b"precious");
}

#[test]
fn files_of_an_earlier_run_are_not_touched() {
    let scratch = Scratch::new("runs");
    let mut first = Extractor::create(&scratch.0).expect("a folder");
    assert_eq!(first.folder(), scratch.0);
    let beside = Extractor::create(&scratch.0).expect("a folder");
    assert_eq!(beside.folder(), scratch.0.join("run-2"));
    save(&mut first, 1, b"x", b"first");
    first.finish().expect("finished");
    beside.finish().expect("finished");
    let before = scratch.read("manifest.json");

    let mut second = Extractor::create(&scratch.0).expect("a folder");
    assert_eq!(second.folder(), scratch.0.join("run-3"));
    assert_eq!(save(&mut second, 1, b"x", b"second"), "192.0.2.1_21/1/x");
    second.finish().expect("finished");
    assert_eq!(scratch.read("manifest.json"), before);
    assert_eq!(scratch.read("192.0.2.1_21/1/x"), b"first");
    assert_eq!(scratch.read("run-3/192.0.2.1_21/1/x"), b"second");
    let sums = String::from_utf8(scratch.read("run-3/SHA256SUMS")).expect("text");
    assert!(sums.ends_with("  192.0.2.1_21/1/x\n"), "{sums}");
    assert_eq!(
        scratch.top(),
        [
            "192.0.2.1_21",
            "SHA256SUMS",
            "manifest.json",
            "run-2",
            "run-3"
        ]
    );
}

#[test]
fn thousands_of_streams_share_few_descriptors() {
    let scratch = Scratch::new("many");
    let mut extractor = Extractor::create(&scratch.0).expect("a folder");
    let streams = 3_000;
    for round in 0..3_u64 {
        for id in 0..streams {
            extractor.write(
                ContentId(id),
                round * 1000,
                &[u8::try_from(id % 251).expect("small"); 1000],
            );
        }
    }
    let open = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    assert!(open < 1000, "{open} descriptors");
    for id in 0..streams {
        extractor
            .settle(
                ContentId(id),
                &settled(id + 1, format!("d{}/f{id}", id % 7).as_bytes(), 3000),
            )
            .expect("saved");
    }
    let finished = extractor.finish().expect("finished");
    assert_eq!(finished.files, streams);
    for id in [0, 1, 250, 2_999] {
        let content = scratch.read(&format!("192.0.2.1_21/1/d{}/f{id}", id % 7));
        assert_eq!(content, vec![u8::try_from(id % 251).expect("small"); 3000]);
    }
    assert_eq!(
        scratch.top(),
        ["192.0.2.1_21", "SHA256SUMS", "manifest.json"]
    );
}

#[test]
fn file_that_cannot_be_written_is_reported_and_others_are_saved() {
    let scratch = Scratch::new("failure");
    let mut extractor = Extractor::create(&scratch.0).expect("a folder");
    // No file system takes an offset beyond 2^63.
    extractor.write(ContentId(1), u64::MAX - 10, &[0; 8]);
    let refused = extractor.settle(ContentId(1), &settled(1, b"huge", u64::MAX));
    assert!(refused.is_err());
    assert_eq!(save(&mut extractor, 2, b"ok", b"fine"), "192.0.2.1_21/1/ok");
    let finished = extractor.finish().expect("finished");
    assert_eq!((finished.files, finished.failures), (1, 1));
    assert!(finished.first_failure.is_some());
    let manifest = scratch.manifest();
    assert_eq!(
        manifest["transfers"][0]["saved_as"],
        serde_json::Value::Null
    );
    assert!(manifest["transfers"][0]["error"].is_string());
    assert_eq!(
        scratch.top(),
        ["192.0.2.1_21", "SHA256SUMS", "manifest.json"]
    );
}

#[test]
fn unusable_directory_is_an_error_that_names_it() {
    let scratch = Scratch::new("nofolder");
    fs::write(&scratch.0, b"a file").expect("a file");
    let error = Extractor::create(&scratch.0).expect_err("no folder");
    assert!(error.to_string().contains("nofolder"), "{error}");
    let _ = fs::remove_file(&scratch.0);
}
