//! The files of a copy of a log: written aside, moved into place together.

use super::CannotCheck;
use super::folder::{FolderSource, KEY_PATH, OPENINGS_FOLDER, read_openings, write_line};
use crate::audit::openings::open;
use crate::audit::source::{AuditSource as _, SealedOpening, SignedCheckpoint, SourceError};
use crate::audit::{Audit, Level};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::entry::{Entry, EntryBody};
use crate::ledger::hash::leaf;
use crate::ledger::layout::{self, CHECKPOINT_PATH};
use crate::ledger::tree::{Edge, TILE_WIDTH};
use crate::storage::lock::hold;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Where what is not yet checked is written, in the folder.
pub(super) const ASIDE: &str = ".new";

const WIDTH: u64 = TILE_WIDTH as u64;

/// An entry and its opening, as the source gave them.
pub(super) type Copied = (Vec<u8>, Option<SealedOpening>);

/// A run of entries, with as many openings.
type Run = (Vec<Vec<u8>>, Vec<Option<SealedOpening>>);

/// A folder being brought up to date; nobody else does so at the same time.
#[derive(Debug)]
pub(super) struct Copy {
    folder: PathBuf,
    openings: bool,
    /// What this run wrote aside: the rest was left by one that was stopped.
    written: BTreeSet<String>,
    _lock: File,
    /// Changes of the disk until it fails, for tests of what a stopped run leaves.
    #[cfg(test)]
    pub(super) steps_left: u64,
}

fn make_folder(path: &Path) -> io::Result<()> {
    // Entries and openings tell who asked whom, and when: for the auditor's eyes.
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// A file for its owner alone, whatever its folder is.
fn private(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    let options = options.write(true).create(true).truncate(true);
    options.mode(0o600).open(path)
}

impl Copy {
    /// The folder at `folder`: a new one, or a copy made before, whole or not.
    pub(super) fn open(folder: &Path, openings: bool) -> Result<Self, CannotCheck> {
        let failed = |error| CannotCheck::Write(folder.display().to_string(), error);
        make_folder(folder).map_err(failed)?;
        let lock = File::open(folder).map_err(failed)?;
        hold(&lock).map_err(|error| failed(error.into()))?;
        let made = folder.join(CHECKPOINT_PATH).exists();
        let begun = made || folder.join(ASIDE).exists();
        if !begun && fs::read_dir(folder).map_err(failed)?.next().is_some() {
            return Err(CannotCheck::NotEmpty);
        }
        let openings = if made {
            folder.join(OPENINGS_FOLDER).is_dir()
        } else {
            openings
        };
        let mut copy = Self {
            folder: folder.to_owned(),
            openings,
            written: BTreeSet::new(),
            _lock: lock,
            #[cfg(test)]
            steps_left: u64::MAX,
        };
        copy.make(ASIDE)?;
        Ok(copy)
    }

    /// Whether openings are copied too.
    pub(super) const fn openings(&self) -> bool {
        self.openings
    }

    #[allow(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "fails in tests"
    )]
    fn step(&mut self) -> io::Result<()> {
        #[cfg(test)]
        {
            self.steps_left =
                (self.steps_left.checked_sub(1)).ok_or_else(|| io::Error::other("stopped"))?;
        }
        Ok(())
    }

    fn make(&mut self, path: &str) -> Result<(), CannotCheck> {
        make_folder(&self.folder.join(path))
            .map_err(|error| CannotCheck::Write(path.to_owned(), error))
    }

    /// The checkpoint that the folder has, and the edge of its tiles, which give that checkpoint's root.
    pub(super) fn adopted(&self) -> Result<Option<(Checkpoint, Edge)>, CannotCheck> {
        let Ok(note) = fs::read_to_string(self.folder.join(CHECKPOINT_PATH)) else {
            return Ok(None);
        };
        let text = note.find("\n\n").and_then(|end| note.get(..=end));
        let damaged = || SourceError::Damaged("the folder's checkpoint is damaged".into());
        let checkpoint = text
            .and_then(|text| Checkpoint::parse(text).ok())
            .ok_or_else(damaged)?;
        let edge = FolderSource::new(self.folder.clone()).edge()?;
        if edge.root() != checkpoint.root {
            let text = "the folder's tiles do not give its checkpoint's root: audit it, and begin a new one";
            return Err(SourceError::Damaged(text.into()).into());
        }
        Ok(Some((checkpoint, edge)))
    }

    /// The key that the folder names.
    pub(super) fn vkey(&self) -> Option<String> {
        let text = fs::read_to_string(self.folder.join(KEY_PATH)).ok()?;
        Some(text.strip_suffix('\n').unwrap_or(&text).to_owned())
    }

    /// The entries and openings of the bundle that is not full at `size`.
    pub(super) async fn partial_bundle(
        &self,
        size: u64,
        edge: Option<&Edge>,
    ) -> Result<Vec<Copied>, CannotCheck> {
        let count = size % WIDTH;
        let start = size - count;
        let mut folder = FolderSource::new(self.folder.clone());
        if count == 0 {
            return Ok(Vec::new());
        }
        let entries = folder.entries(start, count).await?;
        let partials = edge.map(Edge::partials).unwrap_or_default();
        let hashes: Vec<_> = entries.iter().map(|entry| leaf(entry)).collect();
        if partials.first() != Some(&hashes) {
            let path = layout::entries_path(start / WIDTH, hashes.len());
            let text =
                format!("{path} is not what the folder's tiles say: audit it, and begin a new one");
            return Err(SourceError::Damaged(text).into());
        }
        let openings = if self.openings {
            folder.openings(start, count).await?
        } else {
            vec![None; entries.len()]
        };
        Ok(entries.into_iter().zip(openings).collect())
    }

    /// Whether an earlier run was stopped.
    pub(super) fn has_leftovers(&self) -> bool {
        let aside = fs::read_dir(self.folder.join(ASIDE));
        aside.is_ok_and(|mut files| files.next().is_some())
            || !self.folder.join(CHECKPOINT_PATH).exists()
    }

    /// A whole bundle that an earlier run left, moved into place or not, each opening opening its entry.
    pub(super) fn leftover(&self, bundle: u64) -> Result<Option<Run>, CannotCheck> {
        let find = |path: &str| {
            let read = |path: PathBuf| match fs::read(&path) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(CannotCheck::Write(path.display().to_string(), error)),
            };
            match read(self.folder.join(ASIDE).join(path))? {
                Some(bytes) => Ok::<_, CannotCheck>(Some(bytes)),
                None => read(self.folder.join(path)),
            }
        };
        let entries = find(&layout::entries_path(bundle, TILE_WIDTH))?;
        let entries = entries.and_then(|bytes| layout::decode_bundle(&bytes));
        let Some(entries) = entries.filter(|entries| entries.len() == TILE_WIDTH) else {
            return Ok(None);
        };
        let mut openings = vec![None; TILE_WIDTH];
        if !self.openings {
            return Ok(Some((entries, openings)));
        }
        let kept = find(&layout::openings_path(bundle))?;
        let Some(Ok(kept)) = kept.map(|bytes| read_openings(bundle, &bytes)) else {
            return Ok(None);
        };
        for opening in kept {
            let at = usize::try_from(opening.index - bundle * WIDTH).unwrap_or(TILE_WIDTH);
            if let Some(slot) = openings.get_mut(at) {
                *slot = Some(opening);
            }
        }
        let whole = (bundle * WIDTH..).zip(entries.iter().zip(&openings));
        let opens = |(index, (entry, opening)): (u64, (&Vec<u8>, &Option<SealedOpening>))| match (
            Entry::parse(entry).map(|entry| entry.body),
            opening,
        ) {
            (Ok(EntryBody::Committed { event, commitment }), Some(opening)) => {
                open(event, &commitment, opening, index).is_ok()
            }
            (Ok(EntryBody::Committed { .. }) | Err(_), _) => false,
            (Ok(_), opening) => opening.is_none(),
        };
        let whole = whole.into_iter().all(opens);
        Ok(whole.then_some((entries, openings)))
    }

    /// Writes a file aside, whole or not at all.
    pub(super) fn put(&mut self, path: &str, bytes: &[u8]) -> Result<(), CannotCheck> {
        self.step()
            .and_then(|()| {
                let full = self.folder.join(ASIDE).join(path);
                make_folder(full.parent().unwrap_or(&self.folder))?;
                let temporary = full.with_extension("part");
                // The folder may have been there, open to others.
                let mut file = private(&temporary)?;
                file.write_all(bytes)?;
                fs::rename(temporary, full)
            })
            .map_err(|error| CannotCheck::Write(path.to_owned(), error))?;
        self.written.insert(path.to_owned());
        Ok(())
    }

    /// Writes a bundle of entries aside, its openings first: where the bundle is whole, so are they.
    pub(super) fn put_bundle(&mut self, index: u64, bundle: &[Copied]) -> Result<(), CannotCheck> {
        if self.openings {
            let mut text = Vec::new();
            for opening in bundle.iter().filter_map(|(_, opening)| opening.as_ref()) {
                write_line(opening, &mut text);
            }
            self.put(&layout::openings_path(index), &text)?;
        }
        let entries: Vec<&[u8]> = bundle.iter().map(|(entry, _)| entry.as_slice()).collect();
        let too_long = || SourceError::Damaged("the source gives an entry that is too long".into());
        let bytes = layout::encode_bundle(&entries).ok_or_else(too_long)?;
        self.put(&layout::entries_path(index, bundle.len()), &bytes)
    }

    /// The file at `path` as it will be: what is aside, else what is in place; none if there is none.
    fn newest(&self, path: &str) -> Option<Vec<u8>> {
        let aside = fs::read(self.folder.join(ASIDE).join(path));
        aside.or_else(|_| fs::read(self.folder.join(path))).ok()
    }

    /// The openings of a bundle as they will be, by index.
    fn newest_openings(&self, bundle: u64) -> Result<BTreeMap<u64, SealedOpening>, CannotCheck> {
        let bytes = self.newest(&layout::openings_path(bundle));
        let openings = read_openings(bundle, &bytes.unwrap_or_default())?;
        let by_index = openings.into_iter().map(|opening| (opening.index, opening));
        Ok(by_index.collect())
    }

    /// Index below which an auditor has replayed the log, as a replay of what the folder will have finds.
    ///
    /// The router alone writes tombstones: one that would have an auditor destroy what nobody has looked at is not
    /// obeyed, but kept with what it would destroy, and found.
    fn replayed(&self, size: u64) -> Result<u64, CannotCheck> {
        let mut audit = Audit::new(Level::Replay, None);
        while audit.size() < size {
            let bundle = audit.size() / WIDTH;
            let width = (size - audit.size()).min(WIDTH);
            let width = usize::try_from(width).unwrap_or(TILE_WIDTH);
            let path = layout::entries_path(bundle, width);
            let entries = self.newest(&path);
            let entries = entries.and_then(|bytes| layout::decode_bundle(&bytes));
            let entries = entries.filter(|entries| entries.len() == width);
            let damaged = || SourceError::Damaged(format!("{path} is damaged"));
            let mut openings = self.newest_openings(bundle)?;
            for entry in entries.ok_or_else(damaged)? {
                let opening = openings.remove(&audit.size());
                let _ = audit.feed(&entry, opening.as_ref());
            }
        }
        Ok(audit.watermark())
    }

    /// Takes the openings of `erased`, of a log of so many entries, out of the files that have them: those that an
    /// auditor has replayed.
    pub(super) fn forget_openings(
        &mut self,
        erased: &BTreeSet<u64>,
        size: u64,
    ) -> Result<(), CannotCheck> {
        if !self.openings {
            return Ok(());
        }
        let bundles: BTreeSet<u64> = erased.iter().map(|index| index / WIDTH).collect();
        let mut replayed = None;
        for bundle in bundles {
            let mut openings = self.newest_openings(bundle)?;
            if !openings.keys().any(|index| erased.contains(index)) {
                continue;
            }
            let upto = match replayed {
                Some(upto) => upto,
                None => *replayed.insert(self.replayed(size)?),
            };
            let before = openings.len();
            openings.retain(|index, _| *index >= upto || !erased.contains(index));
            if openings.len() < before {
                let mut text = Vec::new();
                for opening in openings.values() {
                    write_line(opening, &mut text);
                }
                self.put(&layout::openings_path(bundle), &text)?;
            }
        }
        Ok(())
    }

    /// Moves what was written aside into place, and the checkpoint last.
    pub(super) fn adopt(
        &mut self,
        checkpoint: &Checkpoint,
        given: &SignedCheckpoint,
    ) -> Result<(), CannotCheck> {
        if let Some(vkey) = &given.vkey {
            self.put(KEY_PATH, format!("{vkey}\n").as_bytes())?;
        }
        let failed = |error| CannotCheck::Write("the folder".into(), error);
        self.sync().map_err(failed)?;
        if self.openings {
            self.make(OPENINGS_FOLDER)?;
        }
        // Openings before the entries, as their names are sorted: a whole bundle has whole openings.
        for path in std::mem::take(&mut self.written) {
            self.step()
                .and_then(|()| self.settle(&path))
                .map_err(failed)?;
        }
        self.sync().map_err(failed)?;
        self.step()
            .and_then(|()| {
                let temporary = self.folder.join(ASIDE).join(CHECKPOINT_PATH);
                let mut file = private(&temporary)?;
                file.write_all(given.note.as_bytes())?;
                file.sync_all()?;
                fs::rename(temporary, self.folder.join(CHECKPOINT_PATH))?;
                File::open(&self.folder)?.sync_all()
            })
            .map_err(failed)?;
        self.step()
            .and_then(|()| self.clean(checkpoint.size))
            .map_err(failed)
    }

    fn settle(&self, path: &str) -> io::Result<()> {
        let full = self.folder.join(path);
        make_folder(full.parent().unwrap_or(&self.folder))?;
        fs::rename(self.folder.join(ASIDE).join(path), full)
    }

    /// Everything written so far outlives a power cut.
    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(&self.folder)?)?)
    }

    /// Removes partial tiles that are no longer the edge, and what is aside.
    fn clean(&self, size: u64) -> io::Result<()> {
        let mut wanted = BTreeSet::new();
        for level in 0..8u8 {
            let count = size >> (8 * u32::from(level));
            let (index, width) = (count >> 8, usize::try_from(count & 0xff).unwrap_or(0));
            wanted.insert(self.folder.join(layout::tile_path(level, index, width)));
            if level == 0 {
                wanted.insert(self.folder.join(layout::entries_path(index, width)));
            }
        }
        remove_partials(&self.folder.join("tile"), &wanted)?;
        fs::remove_dir_all(self.folder.join(ASIDE))
    }

    /// Throws away what is aside.
    pub(super) fn discard(&mut self) -> Result<(), CannotCheck> {
        let failed = |error| CannotCheck::Write("the folder".into(), error);
        fs::remove_dir_all(self.folder.join(ASIDE)).map_err(failed)?;
        self.written.clear();
        self.make(ASIDE)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // Only if there is nothing in it to go on from.
        let _ = fs::remove_dir(self.folder.join(ASIDE));
    }
}

fn remove_partials(folder: &Path, wanted: &BTreeSet<PathBuf>) -> io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for item in fs::read_dir(folder)? {
        let (item, path) = item.map(|item| (item.file_type(), item.path()))?;
        if !item?.is_dir() {
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "p") {
            remove_partials(&path, wanted)?;
            continue;
        }
        for partial in fs::read_dir(&path)? {
            let partial = partial?.path();
            if !wanted.contains(&partial) {
                fs::remove_file(partial)?;
            }
        }
        if fs::read_dir(&path)?.next().is_none() {
            fs::remove_dir(&path)?;
        }
    }
    Ok(())
}
