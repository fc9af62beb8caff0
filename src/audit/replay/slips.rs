//! Slips and erasure answers: who may stop a case, go on with one, and say what was erased.

use super::{Act, Content, Problem, Replay};
use crate::domain::directory::may_know;
use crate::domain::erasure::may_answer;
use crate::domain::id::{AgencyId, CaseHandle, OfferId, ResumeId};
use crate::domain::vocabulary::{ErasureAnswer, ResumeAnswer};
use crate::identity::authorization::enters_codes;
use crate::ledger::decision::CaseOf;
use std::collections::HashMap;

/// Codes and requests to go on, as far as decisions tell: never a code.
#[derive(Debug, Default)]
pub(super) struct Slips {
    /// The entry that registered each case's latest code.
    codes: HashMap<(AgencyId, CaseHandle), u64>,
    /// Whose case each request is about, until it is answered; none for a code of no case.
    resumes: HashMap<ResumeId, Option<AgencyId>>,
    /// What each recipient answered last.
    erasures: HashMap<OfferId, ErasureAnswer>,
}

impl Slips {
    /// Whether the entry at `index` registered the latest code of a case.
    pub(super) fn is_latest(&self, source: &AgencyId, case: CaseHandle, index: u64) -> bool {
        self.codes.get(&(source.clone(), case)) == Some(&index)
    }

    fn case(&self, case: &CaseOf) -> Result<(AgencyId, CaseHandle), Problem> {
        let source = case.source.parse().map_err(|_| Problem::Decision)?;
        let case = case.case.parse().map_err(|_| Problem::Decision)?;
        if self.codes.contains_key(&(AgencyId::clone(&source), case)) {
            Ok((source, case))
        } else {
            Err(Problem::Code)
        }
    }
}

impl Replay {
    /// The source registered a code for one of its cases.
    pub(super) fn code_registered(&mut self, act: Act<'_>, case: &str) -> Result<(), Problem> {
        let source = act.agency()?.clone();
        self.agencies.member(&source)?;
        let case: CaseHandle = case.parse().map_err(|_| Problem::Decision)?;
        if !self.bases.has_case(&source, case) {
            return Err(Problem::Code);
        }
        self.slips.codes.insert((source.clone(), case), act.index);
        self.contents
            .carry(act, Content::Code(source, case, act.at));
        Ok(())
    }

    fn may_enter(&self, act: Act<'_>) -> Result<(), Problem> {
        if enters_codes(self.agencies.member(act.agency()?)?) {
            Ok(())
        } else {
            Err(Problem::Actor)
        }
    }

    /// Somebody entered a code: its cases are paused.
    pub(super) fn code_entered(&mut self, act: Act<'_>, cases: &[CaseOf]) -> Result<(), Problem> {
        self.may_enter(act)?;
        for case in cases {
            let (source, case) = self.slips.case(case)?;
            self.bases.pause(&source, case, act.at);
        }
        Ok(())
    }

    /// Somebody asks to go on with a case.
    pub(super) fn resume_requested(
        &mut self,
        act: Act<'_>,
        resume: &str,
        case: Option<&CaseOf>,
    ) -> Result<(), Problem> {
        self.may_enter(act)?;
        let id: ResumeId = resume.parse().map_err(|_| Problem::Decision)?;
        let case = case.map(|case| self.slips.case(case)).transpose()?;
        let source = case.map(|(source, _)| source);
        if let Some(source) = &source {
            // The source hears who asks: nobody hears of a house that they may not know.
            let (told, asker) = (self.agencies.kind(source)?, act.agency()?);
            if !may_know(told, self.agencies.kind(asker)?) {
                return Err(Problem::Resume);
            }
        }
        match self.slips.resumes.insert(id, source) {
            None => Ok(()),
            Some(_) => Err(Problem::Resume),
        }
    }

    /// The source answered a request, once.
    pub(super) fn resume_answered(
        &mut self,
        act: Act<'_>,
        resume: &str,
        answer: &str,
    ) -> Result<(), Problem> {
        let _: ResumeAnswer = answer.parse().map_err(|_| Problem::Decision)?;
        let id: ResumeId = resume.parse().map_err(|_| Problem::Decision)?;
        let source = self.slips.resumes.get_mut(&id).and_then(Option::take);
        act.by(&source.ok_or(Problem::Resume)?)
    }

    /// A recipient is told something: one that had erased all may be asked again, and answer.
    pub(super) fn told_again(&mut self, offer: OfferId) {
        let erasures = &mut self.slips.erasures;
        if erasures.get(&offer) == Some(&ErasureAnswer::Erased) {
            erasures.remove(&offer);
        }
    }

    /// A recipient says what it did when it was asked to erase.
    pub(super) fn erasure_answered(
        &mut self,
        act: Act<'_>,
        offer: &str,
        answer: &str,
    ) -> Result<(), Problem> {
        let id: OfferId = offer.parse().map_err(|_| Problem::Decision)?;
        let answer: ErasureAnswer = answer.parse().map_err(|_| Problem::Decision)?;
        let offer = self.offers.offer(&id)?;
        act.by(&offer.recipient)?;
        let mut parcels = offer.parcels.values();
        let asked = parcels.any(|parcel| {
            let chains = self.rests_on(id, *parcel);
            let mut chains = chains.iter();
            chains.any(|(source, chain)| self.bases.asked_to_erase(source, *chain))
        });
        let before = self.slips.erasures.get(&id).copied();
        if !asked || !may_answer(answer, offer.state_at(act.at), before) {
            return Err(Problem::NotAsked);
        }
        self.slips.erasures.insert(id, answer);
        Ok(())
    }
}
