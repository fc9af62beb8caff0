//! Frames: what the journal is a sequence of.
//!
//! `header (128 B) ‖ payload ‖ SHA-256 of both ‖ zeros up to a multiple of 128 B`. The header names its store, its
//! segment and offset, and the digest of the frame before, so that a frame is valid in one place
//! only, after one history
//! only. A header never crosses a sector: frames begin at multiples of 128.

use aws_lc_rs::digest::{SHA256, digest};

/// Size of a frame's header, and what frames are aligned to, in bytes.
pub(crate) const HEADER_BYTES: usize = 128;

/// Size of a digest in bytes.
pub(super) const DIGEST_BYTES: usize = 32;

/// Size of a frame without payload, in bytes.
pub(super) const EMPTY_FRAME_BYTES: u64 = frame_bytes(0);

/// Longest frame in bytes: a full batch, its keys and framing. Bounds the memory of recovery.
pub(super) const FRAME_BYTES_MAX: u64 = 15 << 20;

const MAGIC: [u8; 8] = *b"SCFRAME1";
const CRC_AT: usize = HEADER_BYTES - 4;

/// What a frame is for. Numbers are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A batch.
    Batch = 1,
    /// Proves the frame before it: after a seal, that one can no longer be taken for torn.
    Seal = 2,
    /// The last of its segment: the next one continues.
    Roll = 3,
}

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) store: [u8; 16],
    pub(super) segment: u32,
    pub(super) offset: u64,
    pub(super) payload_bytes: u32,
    /// Number of this batch, or of the last one before a seal or roll.
    pub(super) batch: u64,
    /// Digest of the frame before.
    pub(super) previous: [u8; DIGEST_BYTES],
}

impl Header {
    /// Parses a header, checking magic, kind and CRC; place and history are the caller's to check.
    pub(super) fn parse(bytes: &[u8]) -> Option<Header> {
        let bytes: &[u8; HEADER_BYTES] = bytes.try_into().ok()?;
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if body.get(..8)? != MAGIC || crc32fast::hash(body) != u32::from_be_bytes(*crc) {
            return None;
        }
        let kind = match body.get(8)? {
            1 => Kind::Batch,
            2 => Kind::Seal,
            3 => Kind::Roll,
            _ => return None,
        };
        Some(Header {
            kind,
            segment: u32::from_be_bytes(body.get(12..16)?.try_into().ok()?),
            offset: u64::from_be_bytes(body.get(16..24)?.try_into().ok()?),
            payload_bytes: u32::from_be_bytes(body.get(24..28)?.try_into().ok()?),
            batch: u64::from_be_bytes(body.get(32..40)?.try_into().ok()?),
            previous: body.get(40..72)?.try_into().ok()?,
            store: body.get(72..88)?.try_into().ok()?,
        })
    }

    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8] = self.kind as u8;
        bytes[12..16].copy_from_slice(&self.segment.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.offset.to_be_bytes());
        bytes[24..28].copy_from_slice(&self.payload_bytes.to_be_bytes());
        bytes[32..40].copy_from_slice(&self.batch.to_be_bytes());
        bytes[40..72].copy_from_slice(&self.previous);
        bytes[72..88].copy_from_slice(&self.store);
        let crc = crc32fast::hash(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// Length of the whole frame, in bytes.
    pub(super) fn frame_bytes(&self) -> u64 {
        frame_bytes(u64::from(self.payload_bytes))
    }
}

/// Length of a frame with that much payload, in bytes.
pub(super) const fn frame_bytes(payload_bytes: u64) -> u64 {
    let unit = HEADER_BYTES as u64;
    (unit + payload_bytes + DIGEST_BYTES as u64).div_ceil(unit) * unit
}

/// A payload with room for its header in front.
pub(super) struct Draft(Vec<u8>);

impl Draft {
    pub(super) fn with_capacity(payload_bytes: usize) -> Draft {
        let mut bytes = Vec::with_capacity(payload_bytes + 2 * HEADER_BYTES + DIGEST_BYTES);
        bytes.resize(HEADER_BYTES, 0);
        Draft(bytes)
    }

    pub(super) fn payload(&self) -> &[u8] {
        self.0.get(HEADER_BYTES..).unwrap_or_default()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn frame_bytes(&self) -> u64 {
        frame_bytes(self.payload().len() as u64)
    }

    /// The finished frame, and its digest.
    pub(super) fn finish(mut self, header: &Header) -> (Vec<u8>, [u8; DIGEST_BYTES]) {
        if let Some(place) = self.0.first_chunk_mut::<HEADER_BYTES>() {
            *place = header.encode();
        }
        let digest = sha256(&self.0);
        self.0.extend_from_slice(&digest);
        let whole = self.0.len().next_multiple_of(HEADER_BYTES);
        self.0.resize(whole, 0);
        (self.0, digest)
    }
}

/// SHA-256.
pub(super) fn sha256(bytes: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut out = [0; DIGEST_BYTES];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Whether a CRC or digest field looks as if writing stopped inside or before it: a proper beginning of what it should
/// be, then zeros.
pub(super) fn is_cut_short(found: &[u8], expected: &[u8]) -> bool {
    let same = found
        .iter()
        .zip(expected)
        .take_while(|(a, b)| a == b)
        .count();
    same < found.len()
        && found
            .get(same..)
            .is_some_and(|rest| rest.iter().all(|byte| *byte == 0))
}

/// Whether a header that does not parse looks as if writing stopped inside it. What follows must be
/// checked to be blank.
pub(super) fn is_header_cut_short(bytes: &[u8; HEADER_BYTES]) -> bool {
    let (body, crc) = bytes.split_at(CRC_AT);
    is_cut_short(crc, &crc32fast::hash(body).to_be_bytes())
}
