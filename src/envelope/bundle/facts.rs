//! What an agency says of itself, so that persons and desks can choose.

use crate::domain::vocabulary::Purpose;
use crate::envelope::claims::words;
use crate::envelope::error::StatementError;
use serde::{Deserialize, Serialize};

/// Most words in one list of facts.
const WORDS_MAX: usize = 64;
/// Longest word or text among the facts, in bytes.
const TEXT_BYTES_MAX: usize = 200;

/// A language that the agency has an interpreter for, and the interpreter's gender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterpreterFact {
    /// BCP 47 tag.
    pub language: String,
    /// Gender.
    pub gender: String,
}

/// Facts about an agency, by its own word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// To whom it reports what it learns.
    pub reports_to: Vec<String>,
    /// What it demands first.
    pub requires: Vec<String>,
    /// What it can be asked for.
    pub purposes: Vec<Purpose>,
    /// Kinds of place.
    pub settings: Vec<String>,
    /// Languages spoken, BCP 47.
    pub languages: Vec<String>,
    /// Interpreters.
    pub interpreters: Vec<InterpreterFact>,
    /// Whom it takes in.
    pub genders: Vec<String>,
    /// Youngest age.
    pub age_from: u32,
    /// Oldest age.
    pub age_to: u32,
    /// Oldest age of a boy with his mother, where that is limited.
    pub boys_up_to: Option<u32>,
    /// Accessibility.
    pub accessibility: Vec<String>,
    /// Areas served.
    pub areas: Vec<String>,
    /// Opening hours, as text.
    pub hours: String,
    /// Intake phone.
    pub intake_phone: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FactsClaims {
    reports_to: Vec<String>,
    requires: Vec<String>,
    purposes: Vec<String>,
    settings: Vec<String>,
    languages: Vec<String>,
    interpreters: Vec<InterpreterFact>,
    genders: Vec<String>,
    age_from: u32,
    age_to: u32,
    boys_up_to: Option<u32>,
    accessibility: Vec<String>,
    areas: Vec<String>,
    hours: String,
    intake_phone: String,
}

impl Facts {
    pub(super) fn to_claims(&self) -> FactsClaims {
        FactsClaims {
            reports_to: self.reports_to.clone(),
            requires: self.requires.clone(),
            purposes: self.purposes.iter().map(ToString::to_string).collect(),
            settings: self.settings.clone(),
            languages: self.languages.clone(),
            interpreters: self.interpreters.clone(),
            genders: self.genders.clone(),
            age_from: self.age_from,
            age_to: self.age_to,
            boys_up_to: self.boys_up_to,
            accessibility: self.accessibility.clone(),
            areas: self.areas.clone(),
            hours: self.hours.clone(),
            intake_phone: self.intake_phone.clone(),
        }
    }

    pub(super) fn from_claims(claims: FactsClaims) -> Result<Self, StatementError> {
        let lists = [
            &claims.reports_to,
            &claims.requires,
            &claims.settings,
            &claims.languages,
            &claims.genders,
            &claims.accessibility,
            &claims.areas,
        ];
        let interpreters = claims
            .interpreters
            .iter()
            .flat_map(|fact| [&fact.language, &fact.gender]);
        let texts = lists.iter().copied().flatten().chain(interpreters);
        let too_long = texts
            .chain([&claims.hours, &claims.intake_phone])
            .any(|text| text.len() > TEXT_BYTES_MAX);
        let too_many = lists.iter().any(|list| list.len() > WORDS_MAX)
            || claims.interpreters.len() > WORDS_MAX;
        if too_long || too_many {
            return Err(StatementError::Size);
        }
        if claims.age_from > claims.age_to {
            return Err(StatementError::Claim);
        }
        Ok(Self {
            purposes: words(&claims.purposes, WORDS_MAX)?,
            reports_to: claims.reports_to,
            requires: claims.requires,
            settings: claims.settings,
            languages: claims.languages,
            interpreters: claims.interpreters,
            genders: claims.genders,
            age_from: claims.age_from,
            age_to: claims.age_to,
            boys_up_to: claims.boys_up_to,
            accessibility: claims.accessibility,
            areas: claims.areas,
            hours: claims.hours,
            intake_phone: claims.intake_phone,
        })
    }
}
