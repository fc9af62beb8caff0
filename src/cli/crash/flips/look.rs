//! Looks at one file with one bit flipped, and at what rests on it, as the audit does.

use super::honest::{Honest, Kind, Part};
use crate::audit::damage::Damage;
use crate::audit::finding::{Finding, Problem};
use crate::audit::openings::open;
use crate::audit::source::SealedOpening;
use crate::cli::audit::folder::{read_line, read_openings};
use crate::ledger::entry::{Entry, EntryBody};
use crate::ledger::hash::{Hash, leaf};
use crate::ledger::layout::{decode_bundle, decode_tile};
use crate::ledger::tree::TILE_WIDTH;

const WIDTH: u64 = TILE_WIDTH as u64;

/// Where a flip was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The entry.
    Entry(u64),
    /// The file and its line, as the message says.
    Line(String),
    /// The file.
    File(String),
}

impl Place {
    pub(super) const fn how(&self) -> &'static str {
        match self {
            Self::Entry(_) => "entry",
            Self::Line(_) => "line",
            Self::File(_) => "file",
        }
    }
}

impl Honest {
    pub(super) fn look(&self, part: &Part, bytes: &[u8], at: usize) -> Option<Place> {
        let file = || Place::File(part.path.clone());
        match part.kind {
            Kind::Checkpoint => {
                let note = std::str::from_utf8(bytes);
                let verified = note.map(|note| self.verifier.verify(note));
                (!matches!(verified, Ok(Ok(_)))).then(file)
            }
            Kind::Key => {
                let named = std::str::from_utf8(bytes);
                let named = named.map(|named| named.strip_suffix('\n').unwrap_or(named));
                (named != Ok(&self.verifier.vkey())).then(file)
            }
            Kind::Tile { level, index } => {
                let kept = decode_tile(bytes).unwrap_or_default();
                let honest = decode_tile(&part.bytes)?;
                place_of(level, index, &honest, kept, true).or_else(|| Some(file()))
            }
            Kind::Bundle(index) => self.look_at_bundle(part, index, bytes, at),
            Kind::Openings(index) => self.look_at_openings(part, index, bytes, at),
        }
    }

    fn hashes(&self, bundle: u64) -> Vec<Hash> {
        let first = usize::try_from(bundle * WIDTH).unwrap_or(usize::MAX);
        let entries = self.entries.iter().skip(first).take(TILE_WIDTH);
        entries.map(|entry| leaf(entry)).collect()
    }

    fn look_at_bundle(&self, part: &Part, bundle: u64, bytes: &[u8], at: usize) -> Option<Place> {
        let inside = part
            .spans
            .iter()
            .position(|(from, until)| (*from..*until).contains(&at));
        if let Some(position) = inside {
            // The other entries are the same bytes as before.
            let (from, until) = part.spans.get(position)?;
            let index = bundle * WIDTH + position as u64;
            let honest = self.entries.get(usize::try_from(index).ok()?)?;
            let (now, then) = (leaf(bytes.get(*from..*until)?), leaf(honest));
            let mut damage = Damage::default();
            let filler =
                |hash: Hash| (0..=position).map(move |at| if at == position { hash } else { then });
            damage.note(
                0,
                bundle,
                &filler(now).collect::<Vec<_>>(),
                filler(then).collect(),
            );
            return (now != then)
                .then(|| place(damage.findings(false)))
                .flatten();
        }
        let file = Place::File(part.path.clone());
        let Some(entries) = decode_bundle(bytes) else {
            return Some(file);
        };
        let recomputed: Vec<Hash> = entries.iter().map(|entry| leaf(entry)).collect();
        let kept = self.hashes(bundle);
        if recomputed.len() != kept.len() {
            return Some(file);
        }
        place_of(0, bundle, &recomputed, kept, false)
    }

    fn look_at_openings(&self, part: &Part, bundle: u64, bytes: &[u8], at: usize) -> Option<Place> {
        let number = part
            .spans
            .iter()
            .position(|(from, until)| (*from..*until).contains(&at));
        let splits = bytes.get(at) == Some(&b'\n');
        if let Some((number, (from, until))) = number
            .filter(|_| !splits)
            .and_then(|number| Some((number, part.spans.get(number)?)))
        {
            // The other lines are the same bytes as before, and its place among them is the same if its index is.
            let then = self.opening(part, number)?;
            let line = std::str::from_utf8(bytes.get(*from..*until)?).ok();
            let Some(now) = line.and_then(read_line) else {
                return Some(Place::Line(format!(
                    "{} is damaged at line {}",
                    part.path,
                    number + 1
                )));
            };
            if now.index == then.index {
                return self.opens(&now).err();
            }
        }
        match read_openings(bundle, bytes) {
            Err(error) => Some(Place::Line(error.to_string())),
            Ok(openings) => {
                let wrong = openings
                    .iter()
                    .find_map(|opening| self.opens(opening).err());
                let committed = |entry: &Vec<u8>| {
                    Entry::parse(entry)
                        .is_ok_and(|entry| matches!(entry.body, EntryBody::Committed { .. }))
                };
                let first = usize::try_from(bundle * WIDTH).ok()?;
                let own = (bundle * WIDTH..).zip(self.entries.iter().skip(first).take(TILE_WIDTH));
                let missing = own
                    .filter(|(index, _)| !openings.iter().any(|opening| opening.index == *index))
                    .find(|(_, entry)| committed(entry))
                    .map(|(index, _)| Place::Entry(index));
                match (wrong, missing) {
                    (Some(Place::Entry(wrong)), Some(Place::Entry(missing))) => {
                        Some(Place::Entry(wrong.min(missing)))
                    }
                    (wrong, missing) => wrong.or(missing),
                }
            }
        }
    }

    fn opening(&self, part: &Part, number: usize) -> Option<SealedOpening> {
        let (from, until) = part.spans.get(number)?;
        read_line(std::str::from_utf8(part.bytes.get(*from..*until)?).ok()?)
    }

    /// Whether the entry at its index is opened by it; if not, where that is.
    fn opens(&self, opening: &SealedOpening) -> Result<(), Place> {
        let entry = usize::try_from(opening.index)
            .ok()
            .and_then(|at| self.entries.get(at));
        match entry.map(|entry| Entry::parse(entry).map(|entry| entry.body)) {
            Some(Ok(EntryBody::Committed { event, commitment })) => {
                open(event, &commitment, opening, opening.index).map(|_| ())
            }
            _ => Err(Problem::NothingToOpen),
        }
        .map_err(|_| Place::Entry(opening.index))
    }
}

fn place_of(
    level: u8,
    index: u64,
    recomputed: &[Hash],
    kept: Vec<Hash>,
    root: bool,
) -> Option<Place> {
    if kept == recomputed {
        return None;
    }
    let mut damage = Damage::default();
    damage.note(level, index, recomputed, kept);
    place(damage.findings(root))
}

/// Where the one thing found is; none if it is of a file as a whole, or not one thing.
fn place(findings: Vec<Finding>) -> Option<Place> {
    match findings.as_slice() {
        [one] => one.index.map(Place::Entry),
        _ => None,
    }
}
