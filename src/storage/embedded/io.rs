//! The few file operations of the store, in one place, so that tests can make each of them fail.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An operation that is about to happen, or just did.
#[derive(Debug, Clone, Copy)]
pub enum Operation<'a> {
    /// A file is made.
    Create(&'a Path),
    /// Bytes are written at an offset.
    Write {
        /// The file.
        path: &'a Path,
        /// Where in it.
        offset: u64,
        /// What.
        bytes: &'a [u8],
    },
    /// A file's content is made durable.
    Sync(&'a Path),
    /// A folder's names are made durable.
    SyncFolder(&'a Path),
    /// A file gets its name.
    Rename(&'a Path, &'a Path),
}

/// Decides whether an operation fails: before it happened, or after.
pub trait Faults: Send + Sync {
    /// An error keeps the operation from happening.
    ///
    /// # Errors
    ///
    /// The one to report.
    fn before(&self, operation: Operation<'_>) -> io::Result<()>;

    /// An error reports as failed what did happen.
    ///
    /// # Errors
    ///
    /// The one to report.
    fn after(&self, operation: Operation<'_>) -> io::Result<()>;
}

/// File operations, with faults when a test asks for them.
#[derive(Clone, Default)]
pub(super) struct Io(pub(super) Option<Arc<dyn Faults>>);

/// A file that knows its path.
#[derive(Debug)]
pub(super) struct NamedFile {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

impl NamedFile {
    pub(super) fn open(path: PathBuf) -> io::Result<NamedFile> {
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        Ok(NamedFile { file, path })
    }

    pub(super) fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    pub(super) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

impl Io {
    fn run<T>(
        &self,
        operation: Operation<'_>,
        act: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let Some(faults) = &self.0 else { return act() };
        faults.before(operation)?;
        let done = act()?;
        faults.after(operation)?;
        Ok(done)
    }

    /// Makes an empty file, replacing a leftover of the same name; mode 0600.
    pub(super) fn create(&self, path: PathBuf) -> io::Result<NamedFile> {
        let file = self.run(Operation::Create(&path), || {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&path)
        })?;
        Ok(NamedFile { file, path })
    }

    pub(super) fn write_at(&self, file: &NamedFile, bytes: &[u8], offset: u64) -> io::Result<()> {
        let path = &file.path;
        self.run(
            Operation::Write {
                path,
                offset,
                bytes,
            },
            || file.file.write_all_at(bytes, offset),
        )
    }

    /// `fdatasync`.
    pub(super) fn sync(&self, file: &NamedFile) -> io::Result<()> {
        self.run(Operation::Sync(&file.path), || file.file.sync_data())
    }

    pub(super) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.run(Operation::SyncFolder(folder), || {
            File::open(folder)?.sync_all()
        })
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.run(Operation::Rename(from, to), || fs::rename(from, to))
    }

    /// Makes a file whole under its name, or not at all: written beside, synced, renamed, folder synced.
    pub(super) fn publish(
        &self,
        path: &Path,
        fill: impl FnOnce(&NamedFile) -> io::Result<()>,
    ) -> io::Result<NamedFile> {
        let beside = beside(path);
        let file = self.create(beside.clone())?;
        fill(&file)?;
        self.sync(&file)?;
        self.rename(&beside, path)?;
        if let Some(folder) = path.parent() {
            self.sync_folder(folder)?;
        }
        Ok(NamedFile {
            file: file.file,
            path: path.to_owned(),
        })
    }
}

/// Suffix of files that are not whole yet.
pub(super) const UNFINISHED: &str = "new";

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(UNFINISHED);
    PathBuf::from(name)
}

/// Makes a folder with mode 0700.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path)
}

/// Whether all of `bytes` is zero.
pub(super) fn is_blank(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 4096] = [0; 4096];
    bytes
        .chunks(ZEROS.len())
        .all(|chunk| Some(chunk) == ZEROS.get(..chunk.len()))
}
