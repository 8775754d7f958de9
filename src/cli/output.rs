//! The target of a report: standard output, a file that appears whole, or a file written as it grows.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use super::failure::Failure;
use crate::report::{OutputFile, OutputKind, Outputs};

/// An open target. A file that appears whole stays unchanged unless [`finish`](Self::finish) succeeds.
pub(super) struct Output {
    writer: OutputFile,
    /// `None` for standard output.
    path: Option<PathBuf>,
    /// The file to rename into place, or to copy; `None` for a target written directly.
    temporary: Option<Temporary>,
    /// Target that the temporary file is copied to in the end; `None` if it is renamed.
    copied_to: Option<OutputFile>,
}

impl Output {
    /// Opens `path`, or standard output if `None`; refuses one of `inputs`. With `whole` a regular file appears whole.
    pub(super) fn open(path: Option<&Path>, inputs: &Inputs, whole: bool) -> Result<Self, Failure> {
        let Some(path) = path.filter(|path| !is_standard(path)) else {
            return Ok(Self::stdout());
        };
        inputs.refuse(path)?;
        if whole {
            Self::whole(path)
        } else {
            Self::growing(path)
        }
    }

    /// Opens a target whose bytes can be read again before it is finished: those for standard output, a device or a fifo stand in
    /// a temporary file that only the user can read, and are copied in the end.
    pub(super) fn held(path: Option<&Path>, inputs: &Inputs) -> Result<Self, Failure> {
        let target = Self::open(path, inputs, true)?;
        if target.temporary.is_some() {
            return Ok(target);
        }
        let place = std::env::temp_dir().join("ftpscope");
        let failure = |cause: io::Error| Failure::output(&place, &cause);
        let (temporary, file) = Temporary::create(&place, Access::User).map_err(failure)?;
        let held = Self::new(Box::new(file), target.path, Some(temporary));
        Ok(Self {
            copied_to: Some(target.writer),
            ..held
        })
    }

    /// Opens a file that appears whole, and that only the user can read.
    pub(super) fn private(path: &Path) -> Result<Self, Failure> {
        if is_special(path) {
            return Self::growing(path);
        }
        let failure = |cause: io::Error| Failure::output(path, &cause);
        let (temporary, file) = Temporary::create(path, Access::User).map_err(failure)?;
        Ok(Self::new(
            Box::new(file),
            Some(path.to_owned()),
            Some(temporary),
        ))
    }

    /// Writes a file that is not written directly on a thread of its own.
    pub(super) fn behind(mut self) -> Self {
        if self.temporary.is_some() {
            let writer = self.take_writer();
            let writer = writer.into_inner().map(WriteBehind::start);
            // Nothing is buffered yet, so that nothing can fail.
            if let Ok(writer) = writer {
                self.writer = BufWriter::with_capacity(BUFFER, writer);
            }
        }
        self
    }

    /// Returns the file that becomes the target once it is finished; `None` for a target written directly.
    pub(super) fn hidden_path(&self) -> Option<&Path> {
        self.temporary.as_ref().map(|file| file.path.as_path())
    }

    /// Finishes the output after the report was `written`, or returns why it was not. A closed pipe is no failure.
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

    /// Opens standard output.
    pub(super) fn stdout() -> Self {
        Self::new(Box::new(io::stdout()), None, None)
    }

    /// Opens a file that appears whole or not at all. A device, fifo or directory is never replaced.
    pub(super) fn whole(path: &Path) -> Result<Self, Failure> {
        if is_special(path) {
            return Self::growing(path);
        }
        let (temporary, file) = Temporary::create(path, Access::Target)
            .map_err(|cause| Failure::output(path, &cause))?;
        Ok(Self::new(
            Box::new(file),
            Some(path.to_owned()),
            Some(temporary),
        ))
    }

    /// Opens a file that grows as it is written.
    pub(super) fn growing(path: &Path) -> Result<Self, Failure> {
        let special = is_special(path);
        let file = OpenOptions::new()
            .write(true)
            .create(!special)
            .truncate(!special)
            .open(path)
            .map_err(|cause| Failure::output(path, &cause))?;
        Ok(Self::new(Box::new(file), Some(path.to_owned()), None))
    }

    /// Flushes the buffer and renames a file that appears whole into place.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        if let Err(cause) = self.writer.flush() {
            return Err(self.failure(&cause));
        }
        let finished = match (self.temporary.take(), self.copied_to.take()) {
            (Some(temporary), Some(mut target)) => temporary.copy(&mut target),
            (Some(temporary), None) => temporary.rename(),
            (None, _) => Ok(()),
        };
        finished.map_err(|cause| self.failure(&cause))
    }

    /// Returns true for a file that appears whole and has no bytes so far, but for those in the buffer.
    fn is_empty(&self) -> bool {
        let file = self.temporary.as_ref().map(|temporary| &temporary.path);
        file.is_some_and(|path| fs::metadata(path).is_ok_and(|file| file.len() == 0))
    }

    /// Returns the failure to write this target.
    pub(super) fn failure(&self, cause: &io::Error) -> Failure {
        match &self.path {
            Some(path) => Failure::output(path, cause),
            None => Failure::stdout(cause),
        }
    }

    /// Takes the writer out. What is written to this target afterwards is lost; it can only be finished.
    fn take_writer(&mut self) -> OutputFile {
        let nothing: Box<dyn Write + Send> = Box::new(io::sink());
        std::mem::replace(&mut self.writer, BufWriter::with_capacity(0, nothing))
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
            copied_to: None,
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    // Reports are written in very small pieces; inlined, the buffer takes them without a virtual call.
    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// A file written by a thread of its own, so that nobody waits for the system while there is room for more.
struct WriteBehind {
    /// `None` once the writer is dropped.
    jobs: Option<mpsc::SyncSender<WriteJob>>,
    /// Buffers to be filled again.
    spare: mpsc::Receiver<Vec<u8>>,
    has_failed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

enum WriteJob {
    Write(Vec<u8>),
    /// Everything before it is to be written; the first failure is the answer.
    Flush(mpsc::SyncSender<io::Result<()>>),
}

impl WriteBehind {
    /// Starts a thread that writes to `file`; returns `file` itself without one.
    fn start(file: Box<dyn Write + Send>) -> Box<dyn Write + Send> {
        let (jobs, taken) = mpsc::sync_channel(PENDING_JOBS);
        let (emptied, spare) = mpsc::sync_channel(PENDING_JOBS);
        let has_failed = Arc::new(AtomicBool::new(false));
        let fails = Arc::clone(&has_failed);
        // Handed over once the thread runs: without one, the file is still here.
        let (hand_over, handed) = mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name("writing".to_owned())
            .spawn(move || {
                if let Ok(file) = handed.recv() {
                    write_jobs(file, &taken, &emptied, &fails);
                }
            });
        let Ok(thread) = thread else { return file };
        // It takes the file first; should it have ended, the next job fails.
        let _ = hand_over.send(file);
        Box::new(Self {
            jobs: Some(jobs),
            spare,
            has_failed,
            thread: Some(thread),
        })
    }

    fn send(&self, job: WriteJob) -> io::Result<()> {
        let jobs = self.jobs.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        jobs.send(job)
            .map_err(|_| io::Error::other("the thread that writes has ended"))
    }
}

fn write_jobs(
    mut file: Box<dyn Write + Send>,
    jobs: &mpsc::Receiver<WriteJob>,
    emptied: &mpsc::SyncSender<Vec<u8>>,
    has_failed: &AtomicBool,
) {
    let mut failure = None;
    for job in jobs {
        match job {
            WriteJob::Write(mut bytes) => {
                if failure.is_none()
                    && let Err(cause) = file.write_all(&bytes)
                {
                    failure = Some(cause);
                    has_failed.store(true, Ordering::Relaxed);
                }
                bytes.clear();
                // Without room in the channel there are enough buffers.
                let _ = emptied.try_send(bytes);
            }
            WriteJob::Flush(answer) => {
                let flushed = failure.take().map_or_else(|| file.flush(), Err);
                // Nobody waits for an answer after a panic.
                let _ = answer.send(flushed);
            }
        }
    }
}

impl Write for WriteBehind {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.has_failed.load(Ordering::Relaxed) {
            self.flush()?;
        }
        let mut buffer = self.spare.try_recv().unwrap_or_default();
        buffer.extend_from_slice(bytes);
        self.send(WriteJob::Write(buffer))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.send(WriteJob::Flush(answer))?;
        answered
            .recv()
            .map_err(|_| io::Error::other("the thread that writes has ended"))?
    }
}

impl Drop for WriteBehind {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic was printed by its thread.
            let _ = thread.join();
        }
    }
}

/// The outputs of one export: a single target, or the files of a directory.
pub(super) struct ExportFiles {
    targets: Vec<Output>,
    /// `None` for a single target.
    directory: Option<PathBuf>,
    inputs: Inputs,
}

impl ExportFiles {
    /// Opens the target for one file, or creates the directory for several.
    pub(super) fn open(
        path: Option<&Path>,
        inputs: &Inputs,
        kind: OutputKind,
    ) -> Result<Self, Failure> {
        let (targets, directory) = match (kind, path) {
            (OutputKind::Directory, Some(path)) => {
                fs::create_dir_all(path).map_err(|cause| Failure::output(path, &cause))?;
                (Vec::new(), Some(path.to_owned()))
            }
            (OutputKind::Directory, None) => {
                return Err(Failure::Refused(
                    "this format writes several files; name a directory with --output".to_owned(),
                ));
            }
            (OutputKind::Document | OutputKind::Stream, path) => {
                let whole = kind == OutputKind::Document;
                (vec![Output::open(path, inputs, whole)?], None)
            }
        };
        Ok(Self {
            targets,
            directory,
            inputs: inputs.clone(),
        })
    }

    /// Returns the single target.
    pub(super) fn single(&mut self) -> &mut Output {
        if self.targets.is_empty() {
            self.targets.push(Output::stdout());
        }
        &mut self.targets[0]
    }

    /// Returns the failure to write the outputs.
    pub(super) fn failure(&self, cause: &io::Error) -> Failure {
        match (&self.directory, self.targets.first()) {
            (None, Some(target)) => target.failure(cause),
            (None, None) => Failure::stdout(cause),
            (Some(path), _) => Failure::output(path, cause),
        }
    }

    /// Finishes all files after the export was `written`, or returns why it was not. A closed pipe is no failure.
    pub(super) fn close(self, written: io::Result<()>) -> Result<(), Failure> {
        if let Err(cause) = written {
            return match self.failure(&cause) {
                Failure::PipeClosed => Ok(()),
                failure => Err(failure),
            };
        }
        // One after the other: no file system renames several files at once.
        let is_directory = self.directory.is_some();
        self.targets
            .into_iter()
            // A file of a directory to which nothing was written does not appear.
            .filter(|target| !(is_directory && target.is_empty()))
            .try_for_each(|target| target.close(Ok(())))
    }
}

impl Outputs for ExportFiles {
    fn create(&mut self, name: &str) -> io::Result<OutputFile> {
        let Some(directory) = &self.directory else {
            return Ok(self.single().take_writer());
        };
        let path = directory.join(name);
        // Nothing of an earlier run is replaced: the files of a directory belong together.
        if fs::symlink_metadata(&path).is_ok() {
            let cause = format!("it holds {name} already; name another directory");
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, cause));
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut target = Output::open(Some(&path), &self.inputs, true)
            .map_err(|failure| io::Error::other(failure.to_string()))?;
        let file = target.take_writer();
        self.targets.push(target);
        Ok(file)
    }
}

/// Many files of growing length that appear together.
///
/// Only one is open at a time, for there may be more of them than a process may have open. Bytes are collected until
/// [`PENDING`], and then every file is continued in turn.
pub(super) struct WholeFiles {
    /// Final names by number, and the hidden files that exist so far.
    targets: BTreeMap<usize, (PathBuf, Option<Temporary>)>,
    pending: BTreeMap<usize, Vec<u8>>,
    pending_bytes: usize,
    /// The file that a failure is about.
    current: PathBuf,
}

impl WholeFiles {
    /// Prepares the files at `paths`; refuses two of one name, and one of `inputs`.
    pub(super) fn new(paths: BTreeMap<usize, PathBuf>, inputs: &Inputs) -> Result<Self, Failure> {
        let mut names = std::collections::BTreeSet::new();
        for path in paths.values() {
            inputs.refuse(path)?;
            if !names.insert(path) {
                return Err(Failure::Refused(format!(
                    "two sessions would be written to {}; put {{uid}} or {{id}} into the file's name",
                    path.display()
                )));
            }
        }
        Ok(Self {
            targets: paths
                .into_iter()
                .map(|(number, path)| (number, (path, None)))
                .collect(),
            pending: BTreeMap::new(),
            pending_bytes: 0,
            current: PathBuf::new(),
        })
    }

    /// Appends bytes to the file with this number.
    pub(super) fn append(&mut self, number: usize, bytes: &[u8]) -> io::Result<()> {
        self.pending
            .entry(number)
            .or_default()
            .extend_from_slice(bytes);
        self.pending_bytes += bytes.len();
        if self.pending_bytes >= PENDING {
            self.write_pending()?;
        }
        Ok(())
    }

    /// Writes what is collected, and returns the files that become the targets.
    pub(super) fn hidden_paths(&mut self) -> io::Result<Vec<PathBuf>> {
        self.write_pending()?;
        let hidden = self.targets.values().filter_map(|(_, file)| file.as_ref());
        Ok(hidden.map(|file| file.path.clone()).collect())
    }

    /// Lets the files appear after they were `written`; otherwise none of them does.
    pub(super) fn close(mut self, written: io::Result<()>) -> Result<(), Failure> {
        if let Err(cause) = written.and_then(|()| self.write_pending()) {
            return Err(Failure::output(&self.current, &cause));
        }
        for (path, temporary) in self.targets.into_values() {
            if let Some(temporary) = temporary {
                temporary
                    .rename()
                    .map_err(|cause| Failure::output(&path, &cause))?;
            }
        }
        Ok(())
    }

    fn write_pending(&mut self) -> io::Result<()> {
        self.pending_bytes = 0;
        for (number, bytes) in std::mem::take(&mut self.pending) {
            let Some((path, temporary)) = self.targets.get_mut(&number) else {
                continue;
            };
            self.current.clone_from(path);
            let mut file = if let Some(temporary) = temporary {
                OpenOptions::new().append(true).open(&temporary.path)?
            } else {
                let (created, file) = Temporary::create(path, Access::Target)?;
                *temporary = Some(created);
                file
            };
            file.write_all(&bytes)?;
        }
        Ok(())
    }
}

/// Files that a command reads: none of them may be an output of the same run.
#[derive(Clone, Debug, Default)]
pub(super) struct Inputs {
    /// Paths as given, each with what it is, such as `one of the captures`.
    paths: Vec<(PathBuf, &'static str)>,
}

impl Inputs {
    /// Adds files, which `what` describes.
    pub(super) fn with<'p>(
        mut self,
        what: &'static str,
        paths: impl IntoIterator<Item = &'p PathBuf>,
    ) -> Self {
        let paths = paths.into_iter().filter(|path| !is_standard(path));
        self.paths.extend(paths.map(|path| (path.clone(), what)));
        self
    }

    /// Refuses to write `path` if it is one of the files.
    pub(super) fn refuse(&self, path: &Path) -> Result<(), Failure> {
        let Ok(target) = fs::canonicalize(path) else {
            return Ok(());
        };
        let is_target = |input: &Path| fs::canonicalize(input).is_ok_and(|input| input == target);
        match self.paths.iter().find(|(input, _)| is_target(input)) {
            Some((_, what)) => Err(Failure::Refused(format!(
                "cannot write {}: it is {what}; choose another name",
                path.display()
            ))),
            None => Ok(()),
        }
    }
}

/// Returns true for `-`, which stands for standard output.
pub(super) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Returns true if `path` exists and is no regular file: a device, a fifo, a directory.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())
}

/// Right to open a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// The user alone, from the moment it is there.
    User,
    /// Everybody who may open the target, or any new file.
    Target,
}

/// A hidden file beside its final path, removed on drop unless renamed.
struct Temporary {
    path: PathBuf,
    target: PathBuf,
    is_renamed: bool,
}

impl Temporary {
    fn create(path: &Path, access: Access) -> io::Result<(Self, File)> {
        // Resolved first, so that the file behind a link is replaced and not the link.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let name = target
            .file_name()
            .ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if access == Access::User {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        for number in 0..ATTEMPTS {
            let mut hidden = std::ffi::OsString::from(".");
            hidden.push(name);
            hidden.push(format!(".{}-{number}.tmp", std::process::id()));
            let path = target.with_file_name(hidden);
            match options.open(&path) {
                Ok(file) => {
                    if access == Access::Target
                        && let Ok(old) = fs::metadata(&target)
                    {
                        file.set_permissions(old.permissions())?;
                    }
                    let temporary = Self {
                        path,
                        target,
                        is_renamed: false,
                    };
                    return Ok((temporary, file));
                }
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(cause),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Copies the file to `target`, and removes it.
    fn copy(self, target: &mut OutputFile) -> io::Result<()> {
        io::copy(&mut File::open(&self.path)?, target)?;
        target.flush()
    }

    fn rename(mut self) -> io::Result<()> {
        fs::rename(&self.path, &self.target)?;
        self.is_renamed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_renamed {
            // Best effort, in a destructor.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Buffer in bytes, for few system calls.
const BUFFER: usize = 64 << 10;

/// Buffers that wait for the thread that writes.
const PENDING_JOBS: usize = 4;

/// Bytes of all pending files at which they are written.
const PENDING: usize = 32 << 20;

/// Names tried for the hidden file.
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
    fn a_whole_file_appears_on_finish() {
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
    fn an_unfinished_file_leaves_no_trace() {
        let folder = ScratchFolder::new("unfinished");
        let mut output = Output::whole(&folder.join("report.json")).expect("opened");
        output.write_all(b"half").expect("written");
        drop(output);
        assert!(names(&folder).is_empty());
    }

    #[test]
    fn files_of_a_directory_appear_together_when_they_are_closed() {
        let folder = ScratchFolder::new("directory");
        let path = folder.join("export");
        let mut outputs = ExportFiles::open(Some(&path), &Inputs::default(), OutputKind::Directory)
            .expect("opened");
        for name in ["a.log", "b.log"] {
            let mut file = outputs.create(name).expect("created");
            file.write_all(name.as_bytes()).expect("written");
            file.flush().expect("flushed");
        }
        assert!(names(&path).iter().all(|name| name.starts_with('.')));
        outputs.close(Ok(())).expect("closed");
        assert_eq!(names(&path), ["a.log", "b.log"]);
        assert_eq!(
            fs::read_to_string(path.join("b.log")).expect("read"),
            "b.log"
        );
        assert!(ExportFiles::open(None, &Inputs::default(), OutputKind::Directory).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_and_devices_are_written_to_and_not_replaced() {
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

    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_file_written_behind_holds_all_bytes_and_reports_failures() {
        let folder = ScratchFolder::new("behind");
        let path = folder.join("out");
        let mut output = Output::whole(&path).expect("opened").behind();
        let piece = vec![b'x'; 100_000];
        for _ in 0..50 {
            output.write_all(&piece).expect("written");
        }
        output.close(Ok(())).expect("closed");
        assert_eq!(fs::metadata(&path).expect("there").len(), 5_000_000);

        let mut full = WriteBehind::start(Box::new(Full));
        full.write_all(b"x").expect("taken");
        let failure = full.flush().expect_err("failed");
        assert_eq!(failure.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_folder_as_target_is_refused() {
        let failure = Output::whole(&std::env::temp_dir()).err().expect("refused");
        assert!(failure.to_string().starts_with("cannot write "));
    }
}
