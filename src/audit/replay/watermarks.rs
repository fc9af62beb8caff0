//! Replay watermarks, and the openings that ended below them.

use super::{Act, Problem, Replay};
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
            _ => {
                self.counts.ended += indexes.len() as u64;
                Ok(())
            }
        }
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
