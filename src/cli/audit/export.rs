//! Writes a log into a folder that anybody can audit offline, with our program or another's.

use super::CannotCheck;
use super::drive::{Progress, run};
use super::folder::{KEY_PATH, Line, OPENINGS_FOLDER};
use crate::audit::source::{AuditSource, SealedOpening, SourceError};
use crate::audit::{Audit, Level, Report};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::layout::{self, CHECKPOINT_PATH};
use crate::ledger::tree::TILE_WIDTH;
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Copies every entry below the newest checkpoint, the tiles recomputed from them, and the openings if asked for.
///
/// The checkpoint is written last: a copy that was cut short has none. What is wrong with the log is copied as it
/// is, and reported.
///
/// # Errors
///
/// [`CannotCheck`] when the source cannot be read or the folder not written.
pub async fn export<S: AuditSource>(
    source: &mut S,
    folder: &Path,
    openings: bool,
    progress: &Progress,
) -> Result<Report, CannotCheck> {
    let out = Out::create(folder)?;
    let given = source.checkpoint().await?;
    let text = given
        .note
        .find("\n\n")
        .and_then(|end| given.note.get(..=end));
    let checkpoint = text
        .and_then(|text| Checkpoint::parse(text).ok())
        .ok_or_else(|| SourceError::Damaged("the source's checkpoint cannot be read".into()))?;
    if openings {
        out.folder(OPENINGS_FOLDER)?;
    }

    let mut audit = Audit::new(Level::Verify, None);
    let mut bundle: Vec<(Vec<u8>, Option<SealedOpening>)> = Vec::new();
    progress.begin(checkpoint.size);
    while audit.size() < checkpoint.size {
        let (entries, opened) = run(source, audit.size(), checkpoint.size, openings).await?;
        for (entry, opening) in entries.into_iter().zip(opened) {
            for tile in audit.feed(&entry, None) {
                let path = layout::tile_path(tile.level, tile.index, TILE_WIDTH);
                out.file(&path, &layout::encode_tile(&tile.hashes))?;
            }
            bundle.push((entry, opening));
            if bundle.len() == TILE_WIDTH {
                out.bundle(audit.size(), &std::mem::take(&mut bundle), openings)?;
            }
        }
        progress.reached(audit.size());
    }
    if !bundle.is_empty() {
        out.bundle(audit.size(), &bundle, openings)?;
    }
    for (level, index, hashes) in audit.partial_tiles() {
        out.file(
            &layout::tile_path(level, index, hashes.len()),
            &layout::encode_tile(&hashes),
        )?;
    }
    if let Some(vkey) = given.vkey {
        out.file(KEY_PATH, format!("{vkey}\n").as_bytes())?;
    }
    out.file(CHECKPOINT_PATH, given.note.as_bytes())?;
    progress.end();
    Ok(audit.finish(&checkpoint))
}

/// The folder being written.
struct Out<'a>(&'a Path);

impl<'a> Out<'a> {
    fn create(folder: &'a Path) -> Result<Self, CannotCheck> {
        let failed = |error| CannotCheck::Write(folder.display().to_string(), error);
        // Entries and openings tell who asked whom, and when: for the auditor's eyes.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
        if fs::read_dir(folder).map_err(failed)?.next().is_some() {
            return Err(CannotCheck::NotEmpty);
        }
        Ok(Self(folder))
    }

    fn folder(&self, path: &str) -> Result<(), CannotCheck> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(self.0.join(path))
            .map_err(|error| CannotCheck::Write(path.to_owned(), error))
    }

    fn file(&self, path: &str, bytes: &[u8]) -> Result<(), CannotCheck> {
        let write = || -> io::Result<()> {
            let full = self.0.join(path);
            if let Some(parent) = full.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(full, bytes)
        };
        write().map_err(|error| CannotCheck::Write(path.to_owned(), error))
    }

    /// The bundle of entries that ends before `end`, and its openings.
    fn bundle(
        &self,
        end: u64,
        bundle: &[(Vec<u8>, Option<SealedOpening>)],
        openings: bool,
    ) -> Result<(), CannotCheck> {
        let index = (end - 1) / TILE_WIDTH as u64;
        let entries: Vec<&[u8]> = bundle.iter().map(|(entry, _)| entry.as_slice()).collect();
        let path = layout::entries_path(index, bundle.len());
        let too_long = || SourceError::Damaged("the source gives an entry that is too long".into());
        self.file(
            &path,
            &layout::encode_bundle(&entries).ok_or_else(too_long)?,
        )?;
        if !openings {
            return Ok(());
        }
        let mut text = Vec::new();
        for opening in bundle.iter().filter_map(|(_, opening)| opening.as_ref()) {
            let canonical = serde_json::from_slice::<Value>(&opening.decision)
                .ok()
                .filter(|value| {
                    serde_json_canonicalizer::to_vec(value)
                        .is_ok_and(|bytes| bytes == opening.decision)
                        && !value.is_string()
                });
            let decision = canonical
                .unwrap_or_else(|| Value::String(BASE64URL_NOPAD.encode(&opening.decision)));
            let nonce = BASE64URL_NOPAD.encode(&opening.nonce);
            let line = Line {
                decision,
                index: opening.index,
                nonce,
            };
            let line = serde_json_canonicalizer::to_vec(&line)
                .expect("a line is a JSON value, a number and a string");
            text.extend_from_slice(&line);
            text.push(b'\n');
        }
        self.file(&layout::openings_path(index), &text)
    }
}
