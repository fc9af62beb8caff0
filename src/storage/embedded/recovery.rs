//! Reads the journal back, and decides what its end is.
//!
//! A frame is written by one write and synced before the next begins, so at most the *last* frame can be damaged by a
//! stop of the process or the machine. Such damage looks like writing that did not finish: whole sectors still hold the
//! zeros that were there before (or, when only the process died, everything from some byte on). That alone is cut, and
//! only when nothing whole follows. Everything else is corruption, refused by segment and offset.
//!
//! What cannot be told apart: an acknowledged last frame of which a whole sector *became* zeros, or
//! which holds a sector
//! of zeros by itself and had a bit flipped, looks like a torn one. A sealing frame after it ends that doubt, and so
//! does an index that knows of it. What can: any damage before the last frame, a flipped bit in a last frame that was
//! fully written, a missing or shortened segment.

use std::sync::Arc;

use super::error::{OpenError, corrupt};
use super::frame::{
    self, DIGEST_BYTES, EMPTY_FRAME_BYTES, FRAME_BYTES_MAX, HEADER_BYTES, Header, Kind,
};
use super::io::{Io, is_blank};
use super::segment::{FIRST_FRAME, Segment, Segments};

const SECTOR_BYTES: u64 = 512;
const CHUNK_BYTES: u64 = 1 << 20;

/// A place between two frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) segment: u32,
    pub(super) offset: u64,
    /// Digest of the frame that ends here.
    pub(super) digest: [u8; DIGEST_BYTES],
    /// Batches up to here.
    pub(super) batches: u64,
}

impl Position {
    /// Where the journal of a store begins.
    pub(super) fn genesis(store: &[u8; 16]) -> Position {
        let digest = frame::sha256(&[b"safeconduct/v1/journal\0", &store[..]].concat());
        Position {
            segment: 1,
            offset: FIRST_FRAME,
            digest,
            batches: 0,
        }
    }
}

/// Where the journal ends.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) position: Position,
    /// Whether the last frame is a seal or a roll, so that it needs no seal.
    pub(super) is_sealed: bool,
    /// Bytes after the end that a frame left there that was never whole, to be made zeros again.
    pub(super) torn: Option<u64>,
}

/// Takes a batch frame: its header, its payload, and where it ends.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&Header, &[u8], Position) -> Result<(), OpenError>;

/// Hands every batch frame after `from` to `visit`, in order, and finds the end. Memory is bounded by one frame.
pub(super) fn replay(
    segments: &Segments,
    store: &[u8; 16],
    from: Position,
    visit: Visit<'_>,
) -> Result<Tail, OpenError> {
    let mut position = from;
    let mut is_sealed = from.batches == 0;
    let mut buffer = Vec::new();
    loop {
        let Position {
            segment: number,
            offset,
            ..
        } = position;
        let Some(segment) = segments.find(number) else {
            return corrupt(format!("{number:010}.segment is missing"));
        };
        let place = || format!("segment {number} at {offset}");
        if offset.saturating_add(EMPTY_FRAME_BYTES) > segment.bytes {
            return corrupt(format!("no room for a frame in {}", place()));
        }
        let mut bytes = [0; HEADER_BYTES];
        segment.file.read_exact_at(&mut bytes, offset)?;
        let Some(header) = Header::parse(&bytes) else {
            let torn = end(segments, store, &segment, offset, &bytes)?;
            return Ok(Tail {
                position,
                is_sealed,
                torn,
            });
        };
        let batch = position.batches + u64::from(header.kind == Kind::Batch);
        let length = header.frame_bytes();
        if header.store != *store
            || (header.segment, header.offset) != (number, offset)
            || (header.previous, header.batch) != (position.digest, batch)
            || length > FRAME_BYTES_MAX
            || offset.saturating_add(length) > segment.bytes
        {
            return corrupt(format!(
                "the frame in {} does not follow the one before",
                place()
            ));
        }
        let body_bytes = header.payload_bytes as usize + HEADER_BYTES;
        buffer.resize(length as usize, 0);
        segment.file.read_exact_at(&mut buffer, offset)?;
        let (body, rest) = buffer.split_at(body_bytes);
        let found = rest.get(..DIGEST_BYTES).unwrap_or_default();
        let digest = frame::sha256(body);
        if found != digest {
            if !is_torn(offset, body_bytes, &buffer, &digest) {
                return corrupt(format!("the frame in {} is damaged", place()));
            }
            nothing_follows(segments, store, &segment, offset)?;
            let after = offset + length;
            if last_written(&segment, after)?.is_some() {
                return corrupt(format!("the frame in {} is damaged", place()));
            }
            return Ok(Tail {
                position,
                is_sealed,
                torn: Some(length),
            });
        }
        is_sealed = header.kind != Kind::Batch;
        position = match header.kind {
            Kind::Roll => Position {
                segment: number.saturating_add(1),
                offset: FIRST_FRAME,
                digest,
                batches: batch,
            },
            Kind::Batch | Kind::Seal => Position {
                offset: offset + length,
                digest,
                batches: batch,
                ..position
            },
        };
        if header.kind == Kind::Batch {
            visit(
                &header,
                body.get(HEADER_BYTES..).unwrap_or_default(),
                position,
            )?;
        }
    }
}

/// There is no whole header at `offset`: the end of the journal (`None`), a torn frame of that many
/// bytes, or corruption.
fn end(
    segments: &Segments,
    store: &[u8; 16],
    segment: &Segment,
    offset: u64,
    header: &[u8; HEADER_BYTES],
) -> Result<Option<u64>, OpenError> {
    nothing_follows(segments, store, segment, offset)?;
    let written = last_written(segment, offset + HEADER_BYTES as u64)?;
    let damaged = || {
        corrupt(format!(
            "the frame in segment {} at {offset} is damaged",
            segment.number
        ))
    };
    match (is_blank(header), written) {
        (true, None) => Ok(None),
        // Its first sector was never written, later ones were.
        (true, Some(end)) if end - offset <= FRAME_BYTES_MAX => Ok(Some(end - offset)),
        (false, None) if frame::is_header_cut_short(header) => Ok(Some(EMPTY_FRAME_BYTES)),
        _ => damaged(),
    }
}

/// Whether a frame with a whole header and a wrong digest was never fully written.
fn is_torn(offset: u64, body_bytes: usize, frame: &[u8], digest: &[u8; DIGEST_BYTES]) -> bool {
    let whole = body_bytes + DIGEST_BYTES;
    let found = frame.get(body_bytes..whole).unwrap_or_default();
    if frame::is_cut_short(found, digest) {
        return true;
    }
    // Sectors lie at multiples of their size in the file; the first holds the header and is known to be written.
    let mut at = (SECTOR_BYTES - offset % SECTOR_BYTES) as usize;
    while at < whole {
        let next = (at + SECTOR_BYTES as usize).min(whole);
        if frame.get(at..next).is_some_and(is_blank) {
            return true;
        }
        at = next;
    }
    false
}

/// That nothing follows the blank place at `at`.
pub(super) fn nothing_after(
    segments: &Segments,
    store: &[u8; 16],
    at: Position,
) -> Result<(), OpenError> {
    match segments.find(at.segment) {
        Some(segment) => nothing_follows(segments, store, &segment, at.offset),
        None => corrupt(format!("{:010}.segment is missing", at.segment)),
    }
}

/// Refuses when a whole header follows the damaged or blank place at `offset`: frames are written in order.
fn nothing_follows(
    segments: &Segments,
    store: &[u8; 16],
    segment: &Segment,
    offset: u64,
) -> Result<(), OpenError> {
    let lost = || {
        corrupt(format!(
            "frames are missing in segment {} at {offset}",
            segment.number
        ))
    };
    let is_frame = |number: u32, at: u64, bytes: &[u8]| {
        Header::parse(bytes).is_some_and(|h| (h.segment, h.offset, h.store) == (number, at, *store))
    };
    let mut at = offset + HEADER_BYTES as u64;
    let mut chunk = Vec::new();
    while at < segment.bytes {
        chunk.resize((segment.bytes - at).min(CHUNK_BYTES) as usize, 0);
        segment.file.read_exact_at(&mut chunk, at)?;
        if !is_blank(&chunk) {
            for (place, bytes) in (at..).step_by(HEADER_BYTES).zip(chunk.chunks(HEADER_BYTES)) {
                if is_frame(segment.number, place, bytes) {
                    return lost();
                }
            }
        }
        at += chunk.len() as u64;
    }
    for later in segments
        .all()
        .iter()
        .filter(|later| later.number > segment.number)
    {
        let mut bytes = [0; HEADER_BYTES];
        later.file.read_exact_at(&mut bytes, FIRST_FRAME)?;
        if is_frame(later.number, FIRST_FRAME, &bytes) {
            return lost();
        }
    }
    Ok(())
}

/// The end of the last byte at or after `from` that is not zero, rounded up to what frames are aligned to.
fn last_written(segment: &Segment, from: u64) -> Result<Option<u64>, OpenError> {
    let mut last = None;
    let mut at = from;
    let mut chunk = Vec::new();
    while at < segment.bytes {
        chunk.resize((segment.bytes - at).min(CHUNK_BYTES) as usize, 0);
        segment.file.read_exact_at(&mut chunk, at)?;
        if !is_blank(&chunk) {
            for (place, bytes) in (at..).step_by(HEADER_BYTES).zip(chunk.chunks(HEADER_BYTES)) {
                if !is_blank(bytes) {
                    last = Some(place + bytes.len() as u64);
                }
            }
        }
        at += chunk.len() as u64;
    }
    Ok(last)
}

/// Makes the place of a torn frame blank again, so that what is written next cannot be mistaken for it.
pub(super) fn cut(
    io: &Io,
    segment: &Arc<Segment>,
    offset: u64,
    bytes: u64,
) -> Result<(), OpenError> {
    let bytes = bytes.min(segment.bytes.saturating_sub(offset));
    io.write_at(&segment.file, &vec![0; bytes as usize], offset)?;
    io.sync(&segment.file)?;
    Ok(())
}

/// Whether the frame that ends at `position` begins at `offset` and is whole.
pub(super) fn holds(
    segments: &Segments,
    store: &[u8; 16],
    offset: u64,
    position: Position,
) -> Result<bool, OpenError> {
    let Some(segment) = segments.find(position.segment) else {
        return Ok(false);
    };
    let length = position.offset.saturating_sub(offset);
    if position.offset > segment.bytes || !(EMPTY_FRAME_BYTES..=FRAME_BYTES_MAX).contains(&length) {
        return Ok(false);
    }
    let mut bytes = vec![0; length as usize];
    segment.file.read_exact_at(&mut bytes, offset)?;
    let Some(header) = bytes.get(..HEADER_BYTES).and_then(Header::parse) else {
        return Ok(false);
    };
    let body = bytes.get(..HEADER_BYTES + header.payload_bytes as usize);
    Ok(header.store == *store
        && header.batch == position.batches
        && header.frame_bytes() == length
        && body.is_some_and(|body| frame::sha256(body) == position.digest))
}
