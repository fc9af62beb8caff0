//! What a person does with the code on their slip.

use super::{Done, Kind, Planned, Players, Step, choose, planned};
use crate::domain::vocabulary::{Purpose, ResumeAnswer};
use crate::exchange::ResumeName;
use crate::exchange::tests::sequences::cast::SOURCES;
use crate::exchange::tests::town::id;

/// Where cards are shown.
const DESKS: [&str; 3] = ["clinic", "north", "law"];

impl Players {
    pub(super) fn register_code(&mut self, step: Step) -> Option<Planned> {
        let chains = self.model.chains.values().map(|chain| &chain.last);
        let cases: Vec<_> = chains
            .filter(|basis| SOURCES.contains(&basis.source.as_str()))
            .map(|basis| (basis.source.clone(), basis.case))
            .collect();
        let Some((source, case)) = choose(&cases, step.pick).cloned() else {
            return self.first(Kind::Consent, step);
        };
        let mut value = [9; 32];
        value[..16].copy_from_slice(case.as_bytes());
        value[31] = u8::try_from(step.pick % 2).expect("few");
        self.cast.book.codes.push((source.clone(), case, value));
        let caller = self.cast.staff(&source);
        Some(planned!(
            Kind::RegisterCode,
            true,
            [caller, source],
            |exchange, requested| {
                let done = exchange.register_code(&caller, &source, requested, case, value);
                Ok(Done::of(&done.await?))
            }
        ))
    }

    pub(super) fn enter_code(&mut self, step: Step) -> Option<Planned> {
        let desk = id(DESKS[step.pick % 3]);
        let known = choose(&self.cast.book.codes, step.pick).map(|(_, _, value)| *value);
        let value = match known {
            Some(value) if !step.wild => value,
            None if !step.wild => return self.first(Kind::RegisterCode, step),
            _ => [1; 32],
        };
        let caller = self.cast.staff(&desk);
        let kind = step.kind;
        let again = kind == Kind::RequestResume;
        Some(planned!(
            kind,
            again,
            [caller, desk],
            |exchange, requested| {
                if kind == Kind::EnterCode {
                    exchange.withdraw_by_code(&caller, &desk, value).await?;
                    return Ok(Done::default());
                }
                let purposes = vec![Purpose::MedicalCare];
                let done = exchange.request_resume(&caller, &desk, requested, value, purposes);
                Ok(Done::named(vec![done.await?.to_string()], &[]))
            }
        ))
    }

    pub(super) fn answer_resume(&mut self, step: Step) -> Option<Planned> {
        let asked = self.model.resumes.iter();
        let asked: Vec<_> = asked
            .filter_map(|(resume, source)| Some((resume.clone(), source.clone()?)))
            .collect();
        let Some((resume, source)) = choose(&asked, step.pick).cloned() else {
            return self.first(Kind::RequestResume, step);
        };
        let caller = self.cast.staff(&source);
        let name = ResumeName {
            agency: source,
            resume: resume.parse().ok()?,
        };
        let answer = match step.pick % 2 {
            0 => ResumeAnswer::Agreed,
            _ => ResumeAnswer::Declined,
        };
        Some(planned!(
            Kind::AnswerResume,
            true,
            [caller, name],
            |exchange, requested| {
                let done = exchange.answer_resume(&caller, &name, requested, answer);
                Ok(Done::of(&done.await?))
            }
        ))
    }
}
