//! Files onto a disk in memory, where there is one.

use std::fs;
use std::path::{Path, PathBuf};

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use ftpscope::extract::Extractor;
use ftpscope::model::record::Completeness;
use ftpscope::model::{ContentId, Endpoint, Settled, Timestamp, TransferSink};

/// 64 MiB of one file, as segments and as reads come.
#[divan::bench(args = [1448, 64 << 10], sample_count = 10)]
fn one_large_file(bencher: Bencher<'_, '_>, chunk: usize) {
    let bytes = vec![7; chunk];
    bencher
        .counter(BytesCount::new(LARGE))
        .with_inputs(Folder::new)
        .bench_local_refs(|folder| {
            let mut extractor = Extractor::create(&folder.0).expect("a folder");
            let mut offset = 0;
            while offset < LARGE {
                extractor.write(ContentId(1), offset, &bytes);
                offset += chunk as u64;
            }
            extractor
                .settle(ContentId(1), &settled(1, b"/large", offset))
                .expect("saved");
            extractor.finish().expect("finished");
        });
}

#[divan::bench(sample_count = 10)]
fn many_small_files(bencher: Bencher<'_, '_>) {
    bencher
        .counter(ItemsCount::new(MANY))
        .with_inputs(Folder::new)
        .bench_local_refs(|folder| {
            let mut extractor = Extractor::create(&folder.0).expect("a folder");
            for id in 1..=MANY {
                extractor.write(ContentId(id), 0, &[1; 500]);
                extractor
                    .settle(
                        ContentId(id),
                        &settled(id, format!("/d/f{id}").as_bytes(), 500),
                    )
                    .expect("saved");
            }
            extractor.finish().expect("finished");
        });
}

fn settled(transfer: u64, path: &[u8], bytes: u64) -> Settled<'_> {
    Settled {
        session: Some(1),
        transfer: Some(transfer),
        client: Endpoint::new([10, 0, 0, 1].into(), 40_000),
        server: Endpoint::new([10, 0, 0, 2].into(), 21),
        first_frame: 1,
        first_place: None,
        user: None,
        verb: "RETR",
        path: Some(path),
        argument: Some(path),
        shown: std::str::from_utf8(path).ok(),
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
        start: Timestamp::default(),
        end: Timestamp::default(),
    }
}

/// A folder that is gone with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        Self(parent.join(format!("ftpscope-bench-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const LARGE: u64 = 64 << 20;
const MANY: u64 = 2_000;
