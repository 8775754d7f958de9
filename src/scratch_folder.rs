//! A folder for a unit test that needs files.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

/// An empty folder, which is gone when the test is over, however it ends.
pub(crate) struct ScratchFolder(PathBuf);

impl ScratchFolder {
    /// A folder of its own for each `name`.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ftpscope-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Deref for ScratchFolder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
