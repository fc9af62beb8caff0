//! Replay watermarks, and the openings that ended below them.

use super::{Act, Problem, Replay};
use crate::domain::protocol::{Protocol, RETENTION_DAYS};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::AgencyKind;
use crate::envelope::watermark::Watermark;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Actor;

/// Up to where the log was replayed, and whether something of it ended since.
#[derive(Debug, Default)]
pub(super) struct Watermarks {
    upto: u64,
    /// The root that the last one names for its size, to be compared with the tree.
    claimed: Option<(u64, [u8; 32])>,
    has_ended: bool,
    /// The first entry of each day, and the day since the epoch: times of entries to a day, in little memory.
    days: Vec<(u64, i64)>,
}

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

impl Watermarks {
    /// Takes note of when an entry was made.
    pub(super) fn passed(&mut self, index: u64, at: Timestamp) {
        let day = at.millis().div_euclid(DAY_MILLIS);
        if self.days.last().is_none_or(|(_, last)| *last < day) {
            self.days.push((index, day));
        }
    }

    /// The day of an entry that was fed, and not a later one.
    fn day_of(&self, index: u64) -> Option<i64> {
        let after = self.days.partition_point(|(first, _)| *first <= index);
        let at = self.days.get(after.checked_sub(1)?)?;
        Some(at.1)
    }
}

impl Replay {
    /// Index below which openings may lawfully have ended, by the watermarks verified so far.
    #[must_use]
    pub const fn watermark(&self) -> u64 {
        self.watermarks.upto
    }

    pub(super) fn watermarked(&mut self, act: Act<'_>, statement: &str) -> Result<(), Problem> {
        let agency = act.agency()?;
        let kind = self.agencies.member(agency)?;
        if !matches!(
            kind,
            AgencyKind::DataProtectionAuthority | AgencyKind::Ombudsperson
        ) {
            return Err(Problem::Actor);
        }
        let key = self
            .agencies
            .signer_of(agency, statement.as_bytes(), act.at)?;
        let watermark =
            Watermark::parse(statement.as_bytes(), key).map_err(Problem::WatermarkStatement)?;
        let follows = watermark.origin == self.log_origin()
            && (self.watermarks.upto + 1..=act.index).contains(&watermark.upto);
        if !follows {
            return Err(Problem::Watermark);
        }
        self.watermarks.upto = watermark.upto;
        self.watermarks.claimed = Some((watermark.upto, watermark.root));
        Ok(())
    }

    /// The size and root that the watermark just fed names, once: whoever has the tree compares them.
    pub const fn take_claim(&mut self) -> Option<(u64, [u8; 32])> {
        self.watermarks.claimed.take()
    }

    /// A tombstone of openings: by the router, of what an auditor had replayed.
    pub(super) fn ended(&mut self, act: Act<'_>, indexes: &[u64]) -> Result<(), Problem> {
        if *act.by != Actor::Router {
            return Err(Problem::Actor);
        }
        self.watermarks.has_ended = true;
        match indexes.last() {
            Some(last) if *last >= self.watermarks.upto => Err(Problem::ErasedUnwatermarked(*last)),
            last => {
                self.counts.ended += indexes.len() as u64;
                match last {
                    Some(last) if !self.has_lapsed(*last, act.at) => {
                        Err(Problem::EndedEarly(*last))
                    }
                    _ => Ok(()),
                }
            }
        }
    }

    /// Whether the retention time in the protocol in force is over for an entry, at `now`. Compared by days.
    fn has_lapsed(&self, index: u64, now: Timestamp) -> bool {
        let protocol = self.administration.protocol();
        let days = protocol.map_or(RETENTION_DAYS, Protocol::retention_days);
        let day = self.watermarks.day_of(index);
        let end = day.map(|day| (day + i64::from(days)) * DAY_MILLIS);
        end.is_some_and(|end| end <= now.millis())
    }

    /// What an act stands on may have ended lawfully: then it is not wrong, but cannot be decided again.
    pub(super) fn softened(&self, problem: Problem, decision: &Decision) -> Problem {
        let unknown = matches!(
            problem,
            Problem::Offer
                | Problem::NoParcel
                | Problem::NoBasis
                | Problem::Alert
                | Problem::NoAccess
                | Problem::Resume
                | Problem::Places
                | Problem::BasisChain
        );
        if unknown && self.watermarks.has_ended {
            Problem::RestsOnEnded(decision.event())
        } else {
            problem
        }
    }
}
