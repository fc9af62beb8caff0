//! What a source records of what a person agreed to, and takes back.

use super::{Done, Kind, Planned, Players, Step, choose, planned};
use crate::domain::basis::Basis;
use crate::domain::id::{BasisChainId, CaseHandle};
use crate::domain::vocabulary::BasisKind;
use crate::exchange::BasisName;
use crate::exchange::tests::sequences::cast::{
    ABROAD, CASES, HOUSES, RECIPIENTS, SOURCES, case_of,
};
use crate::exchange::tests::town::id;
use crate::exchange::withdrawal::Wishes;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

impl Players {
    /// A statement on the recipient's chain in a case, the next of one that stands or the first of a new one.
    pub(super) fn record(
        &mut self,
        kind: Kind,
        (source, recipient, case): (&str, &str, CaseHandle),
        ground: BasisKind,
        (pick, narrow): (usize, bool),
    ) -> Planned {
        let chains = self.model.chains.values();
        let mut theirs = chains.filter(|chain| {
            let last = &chain.last;
            chain.head.is_some()
                && last.source == id(source)
                && last.recipient == id(recipient)
                && last.case == case
                && last.kind == ground
        });
        let next = theirs
            .next()
            .map(|chain| (chain.last.chain, chain.last.seq + 1));
        let next = next.unwrap_or_else(|| (BasisChainId::from_random(self.cast.fresh_bytes()), 1));
        let lasts = match (ground, pick % 4) {
            (BasisKind::VitalInterest, _) => HOUR * 12,
            (_, 0) => HOUR * 5,
            (_, 1) => HOUR * 24 * 3,
            _ => HOUR * 24 * 9,
        };
        let until = (self.now().plus(lasts), pick % 3 != 0);
        let parties = (source, recipient, case);
        let statement = self.cast.basis(next, parties, ground, until, narrow);
        let source = id(source);
        let caller = self.cast.staff(&source);
        planned!(
            kind,
            true,
            [caller, source, statement],
            |exchange, requested| {
                let done = exchange.record_basis(&caller, &source, requested, statement);
                let (name, receipt) = done.await?;
                Ok(Done::named(vec![name.to_string()], &[receipt]))
            }
        )
    }

    pub(super) fn basis(&mut self, step: Step) -> Option<Planned> {
        let pick = step.pick;
        let mut source = SOURCES[pick % 2];
        let rest = pick / 2;
        let (recipient, ground) = match step.kind {
            Kind::ChildSafeguarding => (HOUSES[rest % 3], BasisKind::ChildSafeguarding),
            Kind::Emergency => ("clinic", BasisKind::VitalInterest),
            Kind::Duty => ("police", BasisKind::LegalDuty),
            Kind::Complaint => ("ombud", BasisKind::Complaint),
            _ if rest % 9 == 8 => (ABROAD, BasisKind::Consent),
            _ => (RECIPIENTS[rest % 5], BasisKind::Consent),
        };
        if step.kind == Kind::Duty && !step.wild {
            source = "harbour";
        }
        let number = u8::try_from(pick % usize::from(CASES)).expect("few");
        let parties = (source, recipient, case_of(source, number));
        Some(self.record(step.kind, parties, ground, (pick, false)))
    }

    /// The bases in force that suit.
    pub(super) fn bases(&self, suits: impl Fn(&Basis) -> bool) -> Vec<Basis> {
        let bases = self.model.in_force(self.now());
        bases.filter(|basis| suits(basis)).cloned().collect()
    }

    pub(super) fn narrow(&mut self, step: Step) -> Option<Planned> {
        let bases =
            self.bases(|basis| basis.kind == BasisKind::Consent && !basis.recipient.is_outside());
        let Some(basis) = choose(&bases, step.pick).cloned() else {
            return self.first(Kind::Consent, step);
        };
        let parties = (basis.source.as_str(), basis.recipient.as_str(), basis.case);
        Some(self.record(Kind::Narrow, parties, basis.kind, (step.pick, true)))
    }

    pub(super) fn withdraw(&mut self, step: Step) -> Option<Planned> {
        let chains = self.model.chains.values();
        let heads: Vec<Basis> = chains.filter_map(|chain| chain.head.clone()).collect();
        let Some(basis) = choose(&heads, step.pick).cloned() else {
            return self.first(Kind::Consent, step);
        };
        let statement = self.cast.withdrawal(&basis, step.pick.is_multiple_of(2));
        let caller = self.cast.staff(&basis.source);
        let name = BasisName {
            agency: basis.source,
            chain: basis.chain,
        };
        Some(planned!(
            Kind::Withdraw,
            true,
            [caller, name, statement],
            |exchange, requested| {
                let done = exchange.withdraw_basis(&caller, &name, requested, statement);
                Ok(Done::of(&done.await?))
            }
        ))
    }

    pub(super) fn ask_erase(&mut self, step: Step) -> Option<Planned> {
        let Some(offer) = self.offer(step, |offer| {
            !offer.held.is_empty() && offer.forwards.is_none()
        }) else {
            return self.first(Kind::Open, step);
        };
        let chain = offer.parcels.values().next()?.chain;
        let caller = self.cast.staff(&offer.source);
        let name = BasisName {
            agency: offer.source,
            chain,
        };
        let wishes = Wishes {
            erase: true,
            leave: step.pick.is_multiple_of(2),
        };
        Some(planned!(
            Kind::AskErase,
            true,
            [caller, name],
            |exchange, requested| {
                let done = exchange.ask_recipient(&caller, &name, requested, wishes);
                Ok(Done::of(&done.await?))
            }
        ))
    }
}
