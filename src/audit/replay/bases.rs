//! Basis chains: what heads each, and when it was withdrawn.

use super::agencies::Agencies;
use super::{Act, Problem};
use crate::domain::basis::{Basis, is_dutiful};
use crate::domain::break_glass::is_yes;
use crate::domain::gate::BasisHead;
use crate::domain::id::{AgencyId, BasisChainId, CaseHandle};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::AgencyKind;
use crate::envelope::basis_statement::BasisStatement;
use crate::envelope::withdrawal::Withdrawal;
use std::collections::HashMap;
use std::time::Duration;

#[derive(Debug)]
struct Chain {
    source: AgencyId,
    recipient: AgencyId,
    case: CaseHandle,
    seq: u64,
    /// None after the withdrawal.
    head: Option<Basis>,
    /// Pauses of the case before the head was recorded.
    pauses: u64,
    /// Whether the recipient was asked to erase.
    erase: bool,
}

/// A router stamps an entry when it commits it, a moment after it decided: the slack that its own word gets.
const COMMIT_SLACK: Duration = Duration::from_secs(60);

/// How often a case was stopped by card, and when last.
#[derive(Debug, Clone, Copy)]
struct Stops {
    count: u64,
    last: Timestamp,
}

/// Every chain by its source and id: sources choose the ids, so one must not spoil another's.
#[derive(Debug, Default)]
pub(super) struct Bases {
    chains: HashMap<(AgencyId, BasisChainId), Chain>,
    /// The cases that were stopped by card.
    pauses: HashMap<(AgencyId, CaseHandle), Stops>,
}

impl Bases {
    pub(super) fn record(
        &mut self,
        act: Act<'_>,
        statement: &[u8],
        agencies: &Agencies,
    ) -> Result<(), Problem> {
        let source = act.agency()?;
        agencies.member(source)?;
        let key = agencies.signer_of(source, statement, act.at)?;
        let BasisStatement { basis, issued, .. } =
            BasisStatement::parse(statement, key).map_err(Problem::Basis)?;
        let name = (source.clone(), basis.chain);
        let follows = match self.chains.get(&name) {
            None => basis.seq == 1,
            Some(chain) => {
                chain.head.is_some()
                    && chain.seq.checked_add(1) == Some(basis.seq)
                    && chain.source == basis.source
                    && chain.recipient == basis.recipient
                    && chain.case == basis.case
            }
        };
        if !follows {
            return Err(Problem::BasisChain);
        }
        let kind = if basis.recipient.is_outside() {
            AgencyKind::NonMember
        } else {
            agencies.kind(&basis.recipient)?
        };
        let bounds = basis.check_bounds(kind);
        let dutiful = is_dutiful(basis.kind, agencies.duties(source), kind);
        let chain = Chain {
            source: basis.source.clone(),
            recipient: basis.recipient.clone(),
            case: basis.case,
            seq: basis.seq,
            head: Some(basis.clone()),
            pauses: self.pauses(source, basis.case),
            erase: self.chains.get(&name).is_some_and(|chain| chain.erase),
        };
        let stopped = (source.clone(), basis.case);
        self.chains.insert(name, chain);
        bounds.map_err(|_| Problem::BasisBounds)?;
        if !dutiful {
            return Err(Problem::NoDuty);
        }
        let stops = self.pauses.get(&stopped);
        if stops.is_some_and(|stops| issued.plus(COMMIT_SLACK) < stops.last) {
            return Err(Problem::BasisBeforeStop);
        }
        Ok(())
    }

    /// A withdrawal can always be recorded: also by a suspended source.
    pub(super) fn withdraw(
        &mut self,
        act: Act<'_>,
        statement: &[u8],
        agencies: &Agencies,
    ) -> Result<(), Problem> {
        let key = agencies.signer_of(act.agency()?, statement, act.at)?;
        let withdrawal = Withdrawal::parse(statement, key).map_err(Problem::Basis)?;
        let chain = self
            .chains
            .get_mut(&(withdrawal.source.clone(), withdrawal.chain))
            .ok_or(Problem::BasisChain)?;
        let follows = chain.source == withdrawal.source
            && chain.recipient == withdrawal.recipient
            && chain.case == withdrawal.case
            && chain.seq.checked_add(1) == Some(withdrawal.seq)
            && chain.head.is_some();
        if !follows {
            return Err(Problem::BasisChain);
        }
        chain.seq = withdrawal.seq;
        chain.head = None;
        chain.erase |= withdrawal.erase;
        Ok(())
    }

    /// The head of a chain, for the gate.
    pub(super) fn head(
        &self,
        source: &AgencyId,
        chain: BasisChainId,
    ) -> Result<BasisHead<'_>, Problem> {
        let chain = self.chains.get(&(source.clone(), chain));
        let chain = chain.ok_or(Problem::NoBasis)?;
        Ok(match &chain.head {
            None => BasisHead::Withdrawn,
            Some(_) if chain.pauses < self.pauses(source, chain.case) => BasisHead::Paused,
            Some(basis) => BasisHead::InForce(basis),
        })
    }

    fn pauses(&self, source: &AgencyId, case: CaseHandle) -> u64 {
        let pauses = self.pauses.get(&(source.clone(), case));
        pauses.map_or(0, |stops| stops.count)
    }

    /// The person stopped a case with their card.
    pub(super) fn pause(&mut self, source: &AgencyId, case: CaseHandle, at: Timestamp) {
        let none = Stops { count: 0, last: at };
        let stops = self.pauses.entry((source.clone(), case)).or_insert(none);
        stops.count += 1;
        stops.last = at;
    }

    /// Whether the person took back what `recipient` had in a case, and no other yes to it is in force at `at`: by a
    /// withdrawal, or by their card until they have agreed again. As the router asks it.
    pub(super) fn taken_back(
        &self,
        source: &AgencyId,
        case: CaseHandle,
        recipient: &AgencyId,
        at: Timestamp,
    ) -> bool {
        let of_both = |chain: &&Chain| {
            chain.source == *source && chain.case == case && chain.recipient == *recipient
        };
        let pauses = self.pauses(source, case);
        let (mut refused, mut stands) = (false, false);
        for chain in self.chains.values().filter(of_both) {
            match &chain.head {
                Some(basis) if chain.pauses == pauses => stands |= is_yes(basis, at),
                _ => refused = true,
            }
        }
        refused && !stands
    }

    /// The case of a chain.
    pub(super) fn case(&self, source: &AgencyId, chain: BasisChainId) -> Option<CaseHandle> {
        let chain = self.chains.get(&(source.clone(), chain));
        chain.map(|chain| chain.case)
    }

    /// The source passes on what the person asks of a chain's recipient.
    pub(super) fn ask(&mut self, act: Act<'_>, chain: &str, erase: bool) -> Result<(), Problem> {
        let chain = chain.parse().map_err(|_| Problem::Decision)?;
        let chain = self.chains.get_mut(&(act.agency()?.clone(), chain));
        chain.ok_or(Problem::BasisChain)?.erase |= erase;
        Ok(())
    }

    /// Whether the recipient of a chain was asked to erase.
    pub(super) fn asked_to_erase(&self, source: &AgencyId, chain: BasisChainId) -> bool {
        let chain = self.chains.get(&(source.clone(), chain));
        chain.is_some_and(|chain| chain.erase)
    }

    /// Whether a case has any chain.
    pub(super) fn has_case(&self, source: &AgencyId, case: CaseHandle) -> bool {
        let mut chains = self.chains.values();
        chains.any(|chain| chain.source == *source && chain.case == case)
    }
}
