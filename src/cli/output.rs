//! Where a report goes: standard output, a file that appears whole, or a target that is written as it is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error_text::Failure;

/// An open target. Without [`finish`](Self::finish) a regular file stays as it was.
pub(super) struct Output {
    writer: BufWriter<Box<dyn Write + Send>>,
    path: Option<PathBuf>,
    /// Present for a file that appears whole.
    temporary: Option<Temporary>,
}

impl Output {
    /// `path`, or standard output where that is `None`; none of `captures`. With `whole` a regular file appears whole.
    pub(super) fn open(
        path: Option<&Path>,
        captures: &[PathBuf],
        whole: bool,
    ) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self::stdout());
        };
        if let Ok(target) = fs::canonicalize(path)
            && captures
                .iter()
                .any(|capture| fs::canonicalize(capture).is_ok_and(|input| input == target))
        {
            return Err(Failure::Refused(format!(
                "cannot write {}: it is one of the captures; choose another name",
                path.display()
            )));
        }
        if whole {
            Self::whole(path)
        } else {
            Self::as_it_is(path)
        }
    }

    /// Ends after the report was `written` or could not be. Whoever closed the pipe has seen enough: no failure.
    pub(super) fn close(mut self, written: io::Result<()>) -> Result<(), Failure> {
        let closed = match written.and_then(|()| self.flush()) {
            Ok(()) => self.finish(),
            Err(cause) => Err(self.failure(&cause)),
        };
        match closed {
            Err(Failure::PipeClosed) => Ok(()),
            closed => closed,
        }
    }

    /// Standard output.
    pub(super) fn stdout() -> Self {
        Self::new(Box::new(io::stdout()), None, None)
    }

    /// A file that appears whole or not at all. What exists and is no regular file is written to, never replaced.
    pub(super) fn whole(path: &Path) -> Result<Self, Failure> {
        if is_special(path) {
            return Self::as_it_is(path);
        }
        let (temporary, file) =
            Temporary::create(path).map_err(|cause| Failure::output(path, &cause))?;
        Ok(Self::new(
            Box::new(file),
            Some(path.to_owned()),
            Some(temporary),
        ))
    }

    /// A file that is written event by event.
    pub(super) fn as_it_is(path: &Path) -> Result<Self, Failure> {
        let special = is_special(path);
        let file = OpenOptions::new()
            .write(true)
            .create(!special)
            .truncate(!special)
            .open(path)
            .map_err(|cause| Failure::output(path, &cause))?;
        Ok(Self::new(Box::new(file), Some(path.to_owned()), None))
    }

    /// Writes what is left and, for a file that appears whole, puts it in its place.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        if let Err(cause) = self.writer.flush() {
            return Err(self.failure(&cause));
        }
        match self.temporary.take().map(Temporary::put_in_place) {
            Some(Err(cause)) => Err(self.failure(&cause)),
            _ => Ok(()),
        }
    }

    /// The failure of writing here.
    pub(super) fn failure(&self, cause: &io::Error) -> Failure {
        match &self.path {
            Some(path) => Failure::output(path, cause),
            None => Failure::stdout(cause),
        }
    }

    fn new(
        writer: Box<dyn Write + Send>,
        path: Option<PathBuf>,
        temporary: Option<Temporary>,
    ) -> Self {
        Self {
            writer: BufWriter::with_capacity(BUFFER, writer),
            path,
            temporary,
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    // A report is very many small pieces: the buffer takes them as they are.
    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// True for what exists and is no regular file: a device, a fifo, a directory.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())
}

/// A file beside its place, removed unless it is put there.
struct Temporary {
    path: PathBuf,
    place: PathBuf,
    in_place: bool,
}

impl Temporary {
    fn create(place: &Path) -> io::Result<(Self, File)> {
        // Through links, so that the file they point to is replaced and not the link.
        let place = fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
        let name = place
            .file_name()
            .ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
        for number in 0..ATTEMPTS {
            let mut hidden = std::ffi::OsString::from(".");
            hidden.push(name);
            hidden.push(format!(".{}-{number}.tmp", std::process::id()));
            let path = place.with_file_name(hidden);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    if let Ok(old) = fs::metadata(&place) {
                        file.set_permissions(old.permissions())?;
                    }
                    let temporary = Self {
                        path,
                        place,
                        in_place: false,
                    };
                    return Ok((temporary, file));
                }
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(cause),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn put_in_place(mut self) -> io::Result<()> {
        fs::rename(&self.path, &self.place)?;
        self.in_place = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.in_place {
            // Nothing can be done about a file that cannot be removed.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Large enough that a report is written in few calls.
const BUFFER: usize = 64 << 10;

/// Names tried for the file beside its place.
const ATTEMPTS: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch_folder::ScratchFolder;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_only_when_it_is_finished() {
        let folder = ScratchFolder::new("whole");
        let path = folder.join("report.json");
        fs::write(&path, "old").expect("written");
        let mut output = Output::whole(&path).expect("opened");
        output.write_all(b"new").expect("written");
        output.flush().expect("flushed");
        assert_eq!(fs::read_to_string(&path).expect("read"), "old");
        output.finish().expect("finished");
        assert_eq!(fs::read_to_string(&path).expect("read"), "new");
        assert_eq!(names(&folder), ["report.json"]);
    }

    #[test]
    fn what_is_not_finished_leaves_no_trace() {
        let folder = ScratchFolder::new("unfinished");
        let mut output = Output::whole(&folder.join("report.json")).expect("opened");
        output.write_all(b"half").expect("written");
        drop(output);
        assert!(names(&folder).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_a_device_a_device() {
        let folder = ScratchFolder::new("special");
        let link = folder.join("link");
        fs::write(folder.join("real"), "old").expect("written");
        std::os::unix::fs::symlink("real", &link).expect("linked");
        let mut output = Output::whole(&link).expect("opened");
        output.write_all(b"new").expect("written");
        output.finish().expect("finished");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(
            fs::read_to_string(folder.join("real")).expect("read"),
            "new"
        );
        let mut device = Output::whole(Path::new("/dev/null")).expect("opened");
        device.write_all(b"x").expect("written");
        device.finish().expect("finished");
        assert!(!fs::metadata("/dev/null").expect("there").is_file());
    }

    #[test]
    fn a_folder_is_refused() {
        let failure = Output::whole(&std::env::temp_dir()).err().expect("refused");
        assert!(failure.to_string().starts_with("cannot write "));
    }
}
