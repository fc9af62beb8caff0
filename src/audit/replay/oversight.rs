//! Auditors: that nobody read, or judged, beyond their mandate, and that no finding was settled by one person alone.

use super::{Act, Problem, Replay};
use crate::domain::disposition::{Auditor, Disposition};
use crate::domain::id::AgencyId;
use crate::domain::vocabulary::{AgencyKind, ReviewRule};
use crate::ledger::decision::Decision;
use crate::ledger::entry::{Actor, Entry, Opening};
use crate::ledger::scope::shows_denial;
use std::collections::HashMap;

/// Who acted where, and what was said of findings.
#[derive(Debug, Default)]
pub(super) struct Oversight {
    /// The agency that acted, by index; none for the router and administrators, and where the act is kept from the
    /// agency and its office.
    actors: Vec<Option<AgencyId>>,
    said: HashMap<(ReviewRule, u64), Disposition>,
}

impl Oversight {
    /// Notes who acted in the next entry.
    pub(super) fn note(&mut self, entry: Option<&Entry>, opening: Option<&Opening>) {
        self.actors.push(entry.and_then(|entry| match &entry.by {
            // Without its opening nobody can tell; what is missing is found elsewhere.
            Actor::Agency(agency) => {
                let kept = opening.is_some_and(|opening| is_kept(&opening.decision));
                (!kept).then(|| agency.clone())
            }
            Actor::Router | Actor::Admin => None,
        }));
    }

    fn actor(&self, index: u64) -> Option<&AgencyId> {
        self.actors.get(usize::try_from(index).ok()?)?.as_ref()
    }
}

/// Whether an act is kept from an agency's own office altogether.
fn is_kept(decision: &Decision) -> bool {
    match decision {
        Decision::Denied { reason, .. } => !shows_denial(Some(reason)),
        Decision::DeniedCounted { .. } => true,
        _ => false,
    }
}

impl Replay {
    /// Whether the agency that acts is a body with a national mandate, or one agency's own office.
    fn is_national(&self, act: Act<'_>) -> Result<bool, Problem> {
        match self.agencies.member(act.agency()?)? {
            AgencyKind::DataProtectionAuthority | AgencyKind::Ombudsperson => Ok(true),
            AgencyKind::AgencyDpo => Ok(false),
            _ => Err(Problem::Mandate),
        }
    }

    /// An auditor read: whole runs of the log with a national mandate only.
    pub(super) fn audit_read(&self, act: Act<'_>, what: &str) -> Result<(), Problem> {
        let national = self.is_national(act)?;
        if national || what == "acts" {
            Ok(())
        } else {
            Err(Problem::Mandate)
        }
    }

    /// An auditor said what a finding comes to, or confirmed it.
    pub(super) fn disposition(&mut self, act: Act<'_>, decision: &Decision) -> Result<(), Problem> {
        let (rule, about, finding, staff, confirms) = match decision {
            Decision::DispositionRecorded {
                rule,
                about,
                finding,
                staff,
            } => (rule, *about, finding, staff, false),
            Decision::DispositionConfirmed {
                rule,
                about,
                finding,
                staff,
            } => (rule, *about, finding, staff, true),
            _ => return Ok(()),
        };
        let rule: ReviewRule = rule.parse().map_err(|_| Problem::Decision)?;
        let finding = finding.parse().map_err(|_| Problem::Decision)?;
        let by = Auditor {
            agency: act.agency()?.clone(),
            staff: staff.parse().map_err(|_| Problem::Decision)?,
            national: self.is_national(act)?,
        };
        if about >= act.index || !(by.national || self.is_within(&by.agency, about)?) {
            return Err(Problem::Mandate);
        }
        let before = self.oversight.said.get(&(rule, about));
        let stands = if confirms {
            Disposition::confirm(before, &by, finding)
        } else {
            Disposition::record(before, by, finding)
        };
        let stands = stands.map_err(Problem::Disposition)?;
        self.oversight.said.insert((rule, about), stands);
        Ok(())
    }

    /// Whether the entry is an act of the agency that the office audits, or of one of its units.
    fn is_within(&self, office: &AgencyId, about: u64) -> Result<bool, Problem> {
        let office = self.agencies.party(office)?;
        let Some(agency) = office.authority() else {
            return Ok(false);
        };
        let Some(actor) = self.oversight.actor(about) else {
            return Ok(false);
        };
        Ok(actor == agency || self.agencies.party(actor)?.authority() == Some(agency))
    }
}

#[cfg(test)]
mod tests;
