//! The claims that carry an agency's own facts.

use crate::domain::directory::{AgencyFacts, Interpreter, LIST_MAX};
use crate::domain::hours::{OpeningHours, SPANS_MAX, Span};
use crate::domain::vocabulary::Weekday;
use crate::envelope::claims::{word, words};
use crate::envelope::error::StatementError;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FactsClaims {
    reports_to: Vec<String>,
    requires: Vec<String>,
    purposes: Vec<String>,
    settings: Vec<String>,
    languages: Vec<String>,
    interpreters: Vec<InterpreterClaims>,
    genders: Vec<String>,
    age_from: u8,
    age_to: u8,
    boys_up_to: Option<u8>,
    accessibility: Vec<String>,
    areas: Vec<String>,
    open: OpenClaims,
    hours: String,
    intake_phone: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InterpreterClaims {
    language: String,
    gender: String,
}

/// Local time: spans, none for always; the offset from UTC, the rule that clocks change by, and a name for people.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenClaims {
    spans: Vec<SpanClaims>,
    offset: String,
    summer: String,
    zone: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpanClaims {
    days: Vec<String>,
    from: String,
    until: String,
}

impl OpenClaims {
    fn of(open: &OpeningHours) -> Self {
        let spans = open.spans().iter().map(|span| SpanClaims {
            days: texts(span.days()),
            from: span.from().to_string(),
            until: span.until().to_string(),
        });
        Self {
            spans: spans.collect(),
            offset: open.offset().to_string(),
            summer: open.summer().to_string(),
            zone: open.zone().to_owned(),
        }
    }

    fn parse(self) -> Result<OpeningHours, StatementError> {
        if self.spans.len() > SPANS_MAX {
            return Err(StatementError::Size);
        }
        let spans = self.spans.iter().map(|span| {
            let days = words(&span.days, Weekday::ALL.len())?;
            Span::new(days, word(&span.from)?, word(&span.until)?)
                .map_err(|_| StatementError::Claim)
        });
        let spans = spans.collect::<Result<_, StatementError>>()?;
        OpeningHours::new(spans, word(&self.offset)?, word(&self.summer)?, self.zone)
            .map_err(|_| StatementError::Claim)
    }
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

impl FactsClaims {
    pub(super) fn of(facts: &AgencyFacts) -> Self {
        let interpreters = facts
            .interpreters
            .iter()
            .map(|interpreter| InterpreterClaims {
                language: interpreter.language.to_string(),
                gender: interpreter.gender.to_string(),
            });
        Self {
            reports_to: texts(&facts.reports_to),
            requires: texts(&facts.requires),
            purposes: texts(&facts.purposes),
            settings: texts(&facts.settings),
            languages: texts(&facts.languages),
            interpreters: interpreters.collect(),
            genders: texts(&facts.genders),
            age_from: facts.age_from,
            age_to: facts.age_to,
            boys_up_to: facts.boys_up_to,
            accessibility: texts(&facts.accessibility),
            areas: texts(&facts.areas),
            open: OpenClaims::of(&facts.open),
            hours: facts.hours.clone(),
            intake_phone: facts.intake_phone.clone(),
        }
    }

    pub(super) fn parse(self) -> Result<AgencyFacts, StatementError> {
        if self.interpreters.len() > LIST_MAX {
            return Err(StatementError::Size);
        }
        let interpreters = self.interpreters.iter().map(|interpreter| {
            Ok(Interpreter {
                language: word(&interpreter.language)?,
                gender: word(&interpreter.gender)?,
            })
        });
        let facts = AgencyFacts {
            reports_to: words(&self.reports_to, LIST_MAX)?,
            requires: words(&self.requires, LIST_MAX)?,
            purposes: words(&self.purposes, LIST_MAX)?,
            settings: words(&self.settings, LIST_MAX)?,
            languages: words(&self.languages, LIST_MAX)?,
            interpreters: interpreters.collect::<Result<_, StatementError>>()?,
            genders: words(&self.genders, LIST_MAX)?,
            age_from: self.age_from,
            age_to: self.age_to,
            boys_up_to: self.boys_up_to,
            accessibility: words(&self.accessibility, LIST_MAX)?,
            areas: words(&self.areas, LIST_MAX)?,
            open: self.open.parse()?,
            hours: self.hours,
            intake_phone: self.intake_phone,
        };
        facts.checked().map_err(|_| StatementError::Claim)
    }
}
