//! Folders that others use too, and files that cannot be written.

use std::os::unix::fs::symlink;

use super::*;

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
fn an_earlier_run_is_not_touched() {
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
fn thousands_at_once_share_few_descriptors() {
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
fn a_file_that_cannot_be_written_is_told_and_the_others_are_saved() {
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
fn a_folder_that_cannot_be_used_is_an_error_that_names_it() {
    let scratch = Scratch::new("nofolder");
    fs::write(&scratch.0, b"a file").expect("a file");
    let error = Extractor::create(&scratch.0).expect_err("no folder");
    assert!(error.to_string().contains("nofolder"), "{error}");
    let _ = fs::remove_file(&scratch.0);
}
