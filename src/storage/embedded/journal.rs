//! Appends frames: one write and one sync each, and none after an error.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::storage::engine::StorageError;

use super::frame::{Draft, EMPTY_FRAME_BYTES, FRAME_BYTES_MAX, Header, Kind};
use super::io::Io;
use super::recovery::Position;
use super::segment::{FIRST_FRAME, Segment, Segments};

/// The end of the journal.
pub(super) struct Journal {
    pub(super) io: Io,
    pub(super) store: [u8; 16],
    pub(super) maker: Maker,
    pub(super) segments: Arc<Segments>,
    pub(super) segment: Arc<Segment>,
    pub(super) position: Position,
    pub(super) is_sealed: bool,
    /// Why nothing more may be written.
    pub(super) failed: Option<String>,
}

/// Makes segments.
#[derive(Clone)]
pub(super) struct Maker {
    pub(super) io: Io,
    pub(super) folder: PathBuf,
    pub(super) store: [u8; 16],
    pub(super) bytes: u64,
    pub(super) keep_free: u64,
}

impl Maker {
    pub(super) fn make(&self, number: u32) -> io::Result<Segment> {
        Segment::create(
            &self.io,
            &self.folder,
            &self.store,
            number,
            self.bytes,
            self.keep_free,
        )
    }
}

/// Space at the end of a segment that only urgent batches may use while no next segment can be made, in bytes.
const HEADROOM_BYTES: u64 = 1 << 20;

impl Journal {
    /// Whether it is time to have the next segment made.
    pub(super) fn wants_next(&self) -> bool {
        self.position.offset > self.segment.bytes / 2
    }

    /// Appends a batch frame and syncs it. Answers its segment, where it begins, and its bytes.
    ///
    /// `is_urgent` lets it use the headroom when the disk is full.
    pub(super) fn append(
        &mut self,
        draft: Draft,
        is_urgent: bool,
    ) -> Result<(u32, u64, Vec<u8>), StorageError> {
        self.check()?;
        let length = draft.frame_bytes();
        let largest = self.segment.bytes.min(self.maker.bytes) - FIRST_FRAME - EMPTY_FRAME_BYTES;
        if length > FRAME_BYTES_MAX.min(largest) {
            return Err(StorageError::Refused("the batch is too large".to_owned()));
        }
        self.make_room(length, is_urgent)?;
        let batch = self.position.batches + 1;
        let (segment, begin) = (self.segment.number, self.position.offset);
        let bytes = self.write(Kind::Batch, draft, batch)?;
        Ok((segment, begin, bytes))
    }

    /// Writes a sealing frame, unless the last frame needs none.
    pub(super) fn seal(&mut self) -> Result<(), StorageError> {
        self.check()?;
        if self.is_sealed || self.left() < 2 * EMPTY_FRAME_BYTES {
            return Ok(());
        }
        self.write(Kind::Seal, Draft::with_capacity(0), self.position.batches)?;
        Ok(())
    }

    /// Stops all further writing.
    pub(super) fn fail(&mut self, why: impl std::fmt::Display) -> StorageError {
        let why = self.failed.get_or_insert_with(|| why.to_string());
        StorageError::Failed(why.clone())
    }

    pub(super) fn check(&self) -> Result<(), StorageError> {
        match &self.failed {
            Some(why) => Err(StorageError::Failed(why.clone())),
            None => Ok(()),
        }
    }

    fn left(&self) -> u64 {
        self.segment.bytes.saturating_sub(self.position.offset)
    }

    /// Sees to it that `length` bytes fit, and a roll after them.
    fn make_room(&mut self, length: u64, is_urgent: bool) -> Result<(), StorageError> {
        let needed = length + EMPTY_FRAME_BYTES;
        let headroom = HEADROOM_BYTES.min(self.segment.bytes / 8);
        if needed + headroom <= self.left() {
            return Ok(());
        }
        match self
            .segments
            .next(self.segment.number, |number| self.maker.make(number))
        {
            Ok(next) if needed > self.left() => self.roll(next),
            Ok(_) => Ok(()),
            Err(error) if is_full(&error) => {
                if is_urgent && needed <= self.left() {
                    return Ok(());
                }
                Err(StorageError::Refused(
                    "no space is left for the journal".to_owned(),
                ))
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Ends this segment and goes to the next. The roll is durable before anything in the next is.
    fn roll(&mut self, next: Arc<Segment>) -> Result<(), StorageError> {
        self.write(Kind::Roll, Draft::with_capacity(0), self.position.batches)?;
        self.position.segment = next.number;
        self.position.offset = FIRST_FRAME;
        self.segment = next;
        Ok(())
    }

    fn write(&mut self, kind: Kind, draft: Draft, batch: u64) -> Result<Vec<u8>, StorageError> {
        let offset = self.position.offset;
        let header = Header {
            kind,
            store: self.store,
            segment: self.segment.number,
            offset,
            payload_bytes: u32::try_from(draft.payload().len())
                .expect("a frame is at most FRAME_BYTES_MAX"),
            batch,
            previous: self.position.digest,
        };
        let (bytes, digest) = draft.finish(&header);
        let file = &self.segment.file;
        let written = self
            .io
            .write_at(file, &bytes, offset)
            .and_then(|()| self.io.sync(file));
        if let Err(error) = written {
            return Err(self.fail(error));
        }
        self.position = Position {
            offset: offset + bytes.len() as u64,
            digest,
            batches: batch,
            ..self.position
        };
        self.is_sealed = kind != Kind::Batch;
        Ok(bytes)
    }
}

pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
