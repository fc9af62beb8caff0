//! What a batch frame carries, and where in the journal each value lies.

use super::cluster::Cluster;
use super::frame::{Draft, HEADER_BYTES};

/// Where a value lies, and what it takes to read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Location {
    /// Number of the batch that wrote it.
    pub(super) version: u64,
    pub(super) segment: u32,
    pub(super) offset: u32,
    pub(super) bytes: u32,
    /// CRC-32 of the bytes as they lie.
    pub(super) crc: u32,
    pub(super) kept: Kept,
    /// Key slot; 0 when the bytes are plain.
    pub(super) slot: u64,
}

/// How a value is kept. Numbers are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kept {
    Plain = 1,
    Decision = 2,
    Content = 3,
}

/// Longest encoded [`Location`] in bytes. Most take fewer than 22, which sled keeps without an allocation of their own:
/// a page is copied at every change of it, and those allocations were most of the work.
const LOCATION_BYTES_MAX: usize = 1 + 4 + 10 + 5 + 5 + 5 + 10;

/// A [`Location`] as a row of the index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    bytes: [u8; LOCATION_BYTES_MAX],
    length: usize,
}

impl Row {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    /// Seven bits a byte, the least first; the last byte has its top bit clear.
    fn push_number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.push(number as u8);
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Location {
    pub(super) fn encode(&self) -> Row {
        let mut row = Row {
            bytes: [0; LOCATION_BYTES_MAX],
            length: 0,
        };
        row.push(self.kept as u8);
        for byte in self.crc.to_be_bytes() {
            row.push(byte);
        }
        row.push_number(self.version);
        row.push_number(self.segment.into());
        row.push_number(self.offset.into());
        row.push_number(self.bytes.into());
        row.push_number(self.slot);
        row
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Location> {
        let mut reader = Reader { bytes, at: 0 };
        let kept = reader.kept()?;
        let crc = reader.u32()?;
        let location = Location {
            version: reader.number()?,
            segment: u32::try_from(reader.number()?).ok()?,
            offset: u32::try_from(reader.number()?).ok()?,
            bytes: u32::try_from(reader.number()?).ok()?,
            crc,
            kept,
            slot: reader.number()?,
        };
        reader.is_done().then_some(location)
    }

    pub(super) fn is_content(&self) -> bool {
        self.kept == Kept::Content
    }
}

/// One change of the index. The key begins with its table's number, and is where the index keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) key: Vec<u8>,
    /// `None`: forgotten.
    pub(super) location: Option<Location>,
}

/// A put as it goes to the journal: encrypted already, unless it is plain.
pub(super) struct Put<'a> {
    pub(super) kept: Kept,
    pub(super) slot: u64,
    pub(super) bytes: std::borrow::Cow<'a, [u8]>,
}

/// The facts at the head of a batch frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) old_size: u64,
    pub(super) size: u64,
    pub(super) root: [u8; 32],
    /// Month of the decision slot, counted from year 0.
    pub(super) month: u32,
    /// Key slot of that month's decisions; 0 when there is none yet.
    pub(super) decision_slot: u64,
    /// First slot not taken by this batch or one before.
    pub(super) next_slot: u64,
}

/// A batch frame's payload, parsed.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) facts: Facts,
    pub(super) changes: Vec<Change>,
    /// Slots to be destroyed before the batch is acknowledged.
    pub(super) erased: Vec<u64>,
}

/// Key of a ledger entry.
pub(super) fn entry_key(index: u64) -> Vec<u8> {
    let mut key = vec![crate::storage::engine::Table::Entry as u8];
    key.extend_from_slice(&index.to_be_bytes());
    key
}

/// Writes a payload.
pub(super) fn encode(
    draft: &mut Draft,
    facts: &Facts,
    checkpoint: &[u8],
    entries: &[Vec<u8>],
    writes: &[(Vec<u8>, Option<Put<'_>>)],
    erased: &[u64],
) {
    draft.push(&facts.old_size.to_be_bytes());
    draft.push(&facts.size.to_be_bytes());
    draft.push(&facts.root);
    draft.push(&facts.month.to_be_bytes());
    draft.push(&facts.decision_slot.to_be_bytes());
    draft.push(&facts.next_slot.to_be_bytes());
    push_sized(draft, checkpoint);
    for entry in entries {
        push_sized(draft, entry);
    }
    draft.push(&count(writes.len()));
    for (key, put) in writes {
        draft.push(&u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes());
        draft.push(key);
        match put {
            None => draft.push(&[0]),
            Some(put) => {
                draft.push(&[put.kept as u8]);
                draft.push(&put.slot.to_be_bytes());
                push_sized(draft, &put.bytes);
            }
        }
    }
    draft.push(&count(erased.len()));
    for slot in erased {
        draft.push(&slot.to_be_bytes());
    }
}

fn count(n: usize) -> [u8; 4] {
    u32::try_from(n)
        .expect("a batch is bounded by BATCH_BYTES_MAX")
        .to_be_bytes()
}

fn push_sized(draft: &mut Draft, bytes: &[u8]) {
    draft.push(&count(bytes.len()));
    draft.push(bytes);
}

/// Parses the payload of batch `version`, whose frame begins at `offset` of `segment`.
pub(super) fn parse(
    bytes: &[u8],
    version: u64,
    segment: u32,
    offset: u64,
    cluster: &Cluster,
) -> Option<Payload> {
    let base = offset.checked_add(HEADER_BYTES as u64)?;
    let mut reader = Reader { bytes, at: 0 };
    let facts = Facts {
        old_size: reader.u64()?,
        size: reader.u64()?,
        root: reader.take(32)?.try_into().ok()?,
        month: reader.u32()?,
        decision_slot: reader.u64()?,
        next_slot: reader.u64()?,
    };
    let place = |at: usize, value: &[u8], kept, slot| -> Option<Location> {
        Some(Location {
            version,
            segment,
            offset: u32::try_from(base.checked_add(at as u64)?).ok()?,
            bytes: u32::try_from(value.len()).ok()?,
            crc: crc32fast::hash(value),
            kept,
            slot,
        })
    };
    reader.sized()?;
    let mut changes = Vec::new();
    for index in facts.old_size..facts.size {
        let (at, entry) = reader.sized()?;
        let location = Some(place(at, entry, Kept::Plain, 0)?);
        changes.push(Change {
            key: entry_key(index),
            location,
        });
    }
    for _ in 0..reader.u32()? {
        let length = u16::from_be_bytes(reader.take(2)?.try_into().ok()?);
        let key = cluster.inward(reader.take(usize::from(length))?.to_vec());
        let location = match reader.peek()? {
            0 => {
                reader.take(1)?;
                None
            }
            _ => {
                let kept = reader.kept()?;
                let slot = reader.u64()?;
                let (at, value) = reader.sized()?;
                Some(place(at, value, kept, slot)?)
            }
        };
        changes.push(Change { key, location });
    }
    let mut erased = Vec::new();
    for _ in 0..reader.u32()? {
        erased.push(reader.u64()?);
    }
    reader.is_done().then_some(Payload {
        facts,
        changes,
        erased,
    })
}

/// Takes bytes apart, never past their end.
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(n)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    /// Undoes [`Row::push_number`].
    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = u64::from(*self.take(1)?.first()?);
            let bits = byte & 0x7f;
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn kept(&mut self) -> Option<Kept> {
        match self.take(1)? {
            [1] => Some(Kept::Plain),
            [2] => Some(Kept::Decision),
            [3] => Some(Kept::Content),
            _ => None,
        }
    }

    fn sized(&mut self) -> Option<(usize, &'a [u8])> {
        let length = usize::try_from(self.u32()?).ok()?;
        let at = self.at;
        Some((at, self.take(length)?))
    }

    pub(super) fn is_done(&self) -> bool {
        self.at == self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_location_reads_back(
            version: u64, segment: u32, offset: u32, bytes: u32, crc: u32, slot: u64, kept in 1_u8..4,
        ) {
            let kept = [Kept::Plain, Kept::Decision, Kept::Content][usize::from(kept - 1)];
            let location = Location { version, segment, offset, bytes, crc, kept, slot };
            let row = location.encode();
            prop_assert_eq!(Location::parse(row.as_bytes()), Some(location));
            let cut = &row.as_bytes()[..row.as_bytes().len() - 1];
            prop_assert_eq!(Location::parse(cut), None);
        }

        #[test]
        fn no_bytes_make_a_location_that_is_written_longer(bytes in proptest::collection::vec(any::<u8>(), 0..48)) {
            if let Some(location) = Location::parse(&bytes) {
                prop_assert!(location.encode().as_bytes().len() <= bytes.len());
            }
        }
    }

    #[test]
    fn the_location_of_a_usual_store_needs_no_allocation_of_its_own() {
        let location = Location {
            version: 100_000_000,
            segment: 10_000,
            offset: 64 << 20,
            bytes: 8_000,
            crc: u32::MAX,
            kept: Kept::Content,
            slot: 200_000_000,
        };
        assert!(location.encode().as_bytes().len() <= 22);
    }
}
