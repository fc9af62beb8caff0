//! Every commitment opens, or was lawfully erased.

use super::finding::{Finding, Problem};
use super::source::SealedOpening;
use crate::ledger::entry::{Actor, Entry, EntryBody, Erased, Opening, commitment};

/// What is known of one entry's opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// Nothing to open.
    Clear,
    /// Opened.
    Opened,
    /// Given, and wrong: already found.
    Wrong,
    /// Not given, and no tombstone yet.
    Missing,
    /// Not given, and a later entry says that it was erased.
    Erased,
}

/// A running check of openings.
#[derive(Debug, Default)]
pub struct Openings {
    slots: Vec<Slot>,
    findings: Vec<Finding>,
}

impl Openings {
    /// From the first entry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next entry (none if it could not be read) and what the source gives for it; gives the opening
    /// if it opens the entry.
    pub fn feed(
        &mut self,
        entry: Option<&Entry>,
        given: Option<&SealedOpening>,
    ) -> Option<Opening> {
        let index = self.slots.len() as u64;
        let (slot, opening) = match entry.map(|entry| (&entry.body, &entry.by)) {
            Some((EntryBody::Committed { event, commitment }, _)) => match given {
                None => (Slot::Missing, None),
                Some(given) => match open(event, commitment, given, index) {
                    Ok(opening) => (Slot::Opened, Some(opening)),
                    Err(problem) => {
                        self.findings.push(problem.at(index));
                        (Slot::Wrong, None)
                    }
                },
            },
            Some((EntryBody::Erased { of, indexes }, by)) if *of == Erased::Decision => {
                self.bury(index, by, indexes);
                self.in_clear(index, given)
            }
            _ => self.in_clear(index, given),
        };
        self.slots.push(slot);
        opening
    }

    fn in_clear(&mut self, index: u64, given: Option<&SealedOpening>) -> (Slot, Option<Opening>) {
        if given.is_some() {
            self.findings.push(Problem::NothingToOpen.at(index));
        }
        (Slot::Clear, None)
    }

    fn bury(&mut self, index: u64, by: &Actor, indexes: &[u64]) {
        let lawful = matches!(by, Actor::Router | Actor::Admin);
        for &erased in indexes {
            let slot = usize::try_from(erased)
                .ok()
                .and_then(|at| self.slots.get_mut(at));
            match slot {
                Some(slot @ Slot::Missing) if lawful => *slot = Slot::Erased,
                Some(Slot::Opened | Slot::Wrong) if lawful => {
                    self.findings.push(Problem::StillThere(erased).at(index));
                }
                _ => {
                    self.findings.push(Problem::Tombstone.at(index));
                    return;
                }
            }
        }
    }

    /// What was found, in the order of entries.
    ///
    /// Below `watermark`, which a replay has verified, openings may have ended: an auditor has seen them.
    #[must_use]
    pub fn finish(mut self, watermark: u64) -> Vec<Finding> {
        let missing = self
            .slots
            .iter()
            .zip(0u64..)
            .filter_map(|(slot, index)| match slot {
                Slot::Missing => Some(Problem::NoOpening.at(index)),
                Slot::Erased if index < watermark => None,
                Slot::Erased => Some(Problem::ErasedUnreplayed.at(index)),
                Slot::Clear | Slot::Opened | Slot::Wrong => None,
            });
        self.findings.extend(missing);
        self.findings.sort_by_key(|finding| finding.index);
        self.findings
    }
}

/// Whether `given` opens what entry `index` committed to.
///
/// # Errors
///
/// The [`Problem`] that an audit finds at `index`.
pub fn open(
    event: &str,
    committed: &[u8; 32],
    given: &SealedOpening,
    index: u64,
) -> Result<Opening, Problem> {
    let nonce: [u8; 32] = given
        .nonce
        .as_slice()
        .try_into()
        .map_err(|_| Problem::WrongOpening)?;
    if given.index != index || commitment(&nonce, &given.decision) != *committed {
        return Err(Problem::WrongOpening);
    }
    let opening = Opening::parse(&given.nonce, &given.decision).map_err(Problem::BadOpening)?;
    if opening.decision.event() == event {
        Ok(opening)
    } else {
        Err(Problem::WrongEvent)
    }
}

#[cfg(test)]
mod tests;
