//! What an agency says of itself in its signed key bundle: what it offers, to whom, and what it
//! must report or demands.

use super::hours::OpeningHours;
use super::vocabulary::{AgencyKind, PlacementGender, Purpose, ReportsTo, Requirement};
use std::fmt;
use std::str::FromStr;

/// A fact that is not well formed. Does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FactsError {
    /// Not a language tag.
    #[error("not a language tag")]
    Language,
    /// Not a directory tag.
    #[error("not a tag of capital letters, digits and underscores")]
    Tag,
    /// The ages are the wrong way round or past [`AGE_MAX`].
    #[error("the age range is empty or out of bounds")]
    Ages,
    /// A list is longer than [`LIST_MAX`] or a text longer than [`TEXT_BYTES_MAX`].
    #[error("a list or text is too long")]
    TooLong,
}

/// Whether an agency of kind `viewer` may know of one of kind `of`: a shelter is known to those who may refer there and
/// to those with a national mandate to oversee.
///
/// Police, border police, prosecution and the asylum service are not among them: a shelter's address and its very
/// existence are protected from whoever might be looking for somebody in it.
#[must_use]
pub const fn may_know(viewer: AgencyKind, of: AgencyKind) -> bool {
    use AgencyKind as K;
    let sees_hidden = matches!(
        viewer,
        K::Ngo
            | K::Shelter
            | K::IdentificationAuthority
            | K::ChildProtection
            | K::GuardianService
            | K::SocialService
            | K::HealthService
            | K::LegalService
            | K::Hotline
            | K::InternationalOrganisation
            | K::DataProtectionAuthority
            | K::Ombudsperson
    );
    !matches!(of, K::Shelter) || sees_hidden
}

/// The highest age that means anything.
pub const AGE_MAX: u8 = 130;

/// Longest list in an agency's facts.
pub const LIST_MAX: usize = 128;

/// Longest free text in an agency's facts, in bytes.
pub const TEXT_BYTES_MAX: usize = 256;

/// A BCP 47 language tag, lower-cased; matched by its primary language.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Language(String);

impl Language {
    /// The tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a speaker of `other` is understood: the same primary language, and no contradiction
    /// in what follows.
    #[must_use]
    pub fn serves(&self, other: &Self) -> bool {
        let mut mine = self.0.split('-');
        let mut theirs = other.0.split('-');
        loop {
            match (mine.next(), theirs.next()) {
                (Some(mine), Some(theirs)) if mine == theirs => {}
                (Some(_), Some(_)) => return false,
                _ => return true,
            }
        }
    }
}

impl FromStr for Language {
    type Err = FactsError;

    fn from_str(text: &str) -> Result<Self, FactsError> {
        let mut parts = text.split('-');
        let primary = parts.next().unwrap_or_default();
        let good = text.len() <= 35
            && (2..=3).contains(&primary.len())
            && primary.bytes().all(|byte| byte.is_ascii_alphabetic())
            && parts.all(|part| {
                (1..=8).contains(&part.len())
                    && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            });
        if good {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(FactsError::Language)
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A word of the members' own directory for a setting, an area or an accessibility: `FAMILY_ROOM`,
/// `BELGRADE`, `STEP_FREE`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = FactsError;

    fn from_str(text: &str) -> Result<Self, FactsError> {
        let good = (1..=40).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_uppercase())
            && text
                .bytes()
                .all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'));
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(FactsError::Tag)
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A language that somebody interprets, and that person's gender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// The language.
    pub language: Language,
    /// The interpreter's gender.
    pub gender: PlacementGender,
}

/// An agency's own facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgencyFacts {
    /// Whom it must tell.
    pub reports_to: Vec<ReportsTo>,
    /// What it demands.
    pub requires: Vec<Requirement>,
    /// What it offers.
    pub purposes: Vec<Purpose>,
    /// In which settings.
    pub settings: Vec<Tag>,
    /// Languages spoken by its own staff.
    pub languages: Vec<Language>,
    /// Interpreters it has.
    pub interpreters: Vec<Interpreter>,
    /// Whom it takes; empty for everyone.
    pub genders: Vec<PlacementGender>,
    /// Youngest age, in years.
    pub age_from: u8,
    /// Oldest age, in years.
    pub age_to: u8,
    /// Boys and men past this age, in years, are not taken; `None` for no such limit.
    pub boys_up_to: Option<u8>,
    /// Accessibility.
    pub accessibility: Vec<Tag>,
    /// Areas it serves; empty for everywhere.
    pub areas: Vec<Tag>,
    /// When it takes people in.
    pub open: OpeningHours,
    /// When it takes people in, as text for people.
    pub hours: String,
    /// Phone of the intake desk, as text for people.
    pub intake_phone: String,
}

/// An agency that says nothing of itself: no duty, no requirement, no purpose, every age.
impl Default for AgencyFacts {
    fn default() -> Self {
        Self {
            reports_to: Vec::new(),
            requires: Vec::new(),
            purposes: Vec::new(),
            settings: Vec::new(),
            languages: Vec::new(),
            interpreters: Vec::new(),
            genders: Vec::new(),
            age_from: 0,
            age_to: AGE_MAX,
            boys_up_to: None,
            accessibility: Vec::new(),
            areas: Vec::new(),
            open: OpeningHours::always(),
            hours: String::new(),
            intake_phone: String::new(),
        }
    }
}

impl AgencyFacts {
    /// Facts of an agency that says nothing of itself: of every age, and nothing else.
    #[must_use]
    pub const fn unstated() -> Self {
        Self {
            reports_to: Vec::new(),
            requires: Vec::new(),
            purposes: Vec::new(),
            settings: Vec::new(),
            languages: Vec::new(),
            interpreters: Vec::new(),
            genders: Vec::new(),
            age_from: 0,
            age_to: 120,
            boys_up_to: None,
            accessibility: Vec::new(),
            areas: Vec::new(),
            open: OpeningHours::always(),
            hours: String::new(),
            intake_phone: String::new(),
        }
    }

    /// The facts, if they are within bounds.
    ///
    /// # Errors
    ///
    /// [`FactsError::Ages`] and [`FactsError::TooLong`].
    pub fn checked(self) -> Result<Self, FactsError> {
        let ages = self.age_from <= self.age_to
            && self.age_to <= AGE_MAX
            && self.boys_up_to.is_none_or(|age| age <= AGE_MAX);
        if !ages {
            return Err(FactsError::Ages);
        }
        let lists = [
            self.reports_to.len(),
            self.requires.len(),
            self.purposes.len(),
            self.settings.len(),
            self.languages.len(),
            self.interpreters.len(),
            self.genders.len(),
            self.accessibility.len(),
            self.areas.len(),
        ];
        let texts = [self.hours.len(), self.intake_phone.len()];
        if lists.iter().any(|&length| length > LIST_MAX)
            || texts.iter().any(|&length| length > TEXT_BYTES_MAX)
        {
            return Err(FactsError::TooLong);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests;
