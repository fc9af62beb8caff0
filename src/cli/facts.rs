//! What an agency says of itself, as a person writes it: `deploy/facts.toml` shows every key.
//!
//! Duties have no default: who must report, or demands something, says so, and who does not writes `[]`. People are
//! asked whether to share on the strength of these lines.

use crate::domain::directory::{AGE_MAX, AgencyFacts, FactsError, Interpreter};
use crate::domain::hours::{HoursError, OpeningHours, Span};
use crate::domain::vocabulary::{
    PlacementGender, Purpose, ReportsTo, Requirement, SummerTime, Weekday,
};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Longest file, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Why a facts file cannot be used, and how to mend it. The file is the agency's own, so it may be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FactsFileError {
    #[error("{file}: {cause}")]
    Io {
        file: PathBuf,
        cause: std::io::Error,
    },
    #[error("{0} is longer than 64 KiB: is it the facts file?")]
    Long(PathBuf),
    #[error("{file}: {cause}; deploy/facts.toml shows every key with its meaning")]
    Toml { file: PathBuf, cause: String },
    #[error("{file}: {key} has {word:?}, which is not known; write {mend}")]
    Word {
        file: PathBuf,
        key: &'static str,
        word: String,
        mend: String,
    },
    #[error("{file}: {cause}")]
    Facts { file: PathBuf, cause: FactsError },
    #[error("{file}: open: {cause}")]
    Hours { file: PathBuf, cause: HoursError },
}

/// The facts as written, in a file of their own or within another.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    reports_to: Vec<String>,
    requires: Vec<String>,
    #[serde(default)]
    purposes: Vec<String>,
    #[serde(default)]
    settings: Vec<String>,
    #[serde(default)]
    languages: Vec<String>,
    #[serde(default)]
    interpreters: Vec<WrittenInterpreter>,
    #[serde(default)]
    genders: Vec<String>,
    #[serde(default)]
    age_from: u8,
    #[serde(default = "oldest")]
    age_to: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    boys_up_to: Option<u8>,
    #[serde(default)]
    accessibility: Vec<String>,
    #[serde(default)]
    areas: Vec<String>,
    #[serde(default)]
    open: Vec<WrittenSpan>,
    #[serde(default = "utc")]
    utc_offset: String,
    #[serde(default = "no_summer")]
    summer_time: String,
    #[serde(default)]
    time_zone: String,
    #[serde(default)]
    hours: String,
    #[serde(default)]
    intake_phone: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenInterpreter {
    language: String,
    gender: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSpan {
    days: Vec<String>,
    from: String,
    until: String,
}

fn utc() -> String {
    "+00:00".to_owned()
}

fn no_summer() -> String {
    SummerTime::None.name().to_owned()
}

const fn oldest() -> u8 {
    AGE_MAX
}

const TAG: &str = "a word of capital letters, digits and underscores, such as STEP_FREE";
const CLOCK: &str = "a time of day such as 08:00, at most 24:00";
const LANGUAGE: &str = "a language tag such as ar, sr or pt-BR";

/// Reads and parses `file`.
///
/// # Errors
///
/// [`FactsFileError`], saying what to mend.
pub(crate) fn read(file: &Path) -> Result<AgencyFacts, FactsFileError> {
    let io = |cause| FactsFileError::Io {
        file: file.to_owned(),
        cause,
    };
    if std::fs::metadata(file).map_err(io)?.len() > FILE_BYTES_MAX {
        return Err(FactsFileError::Long(file.to_owned()));
    }
    parse(&std::fs::read_to_string(file).map_err(io)?, file)
}

fn parse(text: &str, file: &Path) -> Result<AgencyFacts, FactsFileError> {
    let written: Written = toml::from_str(text).map_err(|error| FactsFileError::Toml {
        file: file.to_owned(),
        cause: located(&error, text),
    })?;
    written.parse(file)
}

impl Written {
    /// As one writes them.
    pub(crate) fn of(facts: &AgencyFacts) -> Self {
        let interpreters = facts.interpreters.iter().map(|one| WrittenInterpreter {
            language: one.language.to_string(),
            gender: one.gender.to_string(),
        });
        let open = facts.open.spans().iter().map(|span| WrittenSpan {
            days: texts(span.days()),
            from: span.from().to_string(),
            until: span.until().to_string(),
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
            open: open.collect(),
            utc_offset: facts.open.offset().to_string(),
            summer_time: facts.open.summer().to_string(),
            time_zone: facts.open.zone().to_owned(),
            hours: facts.hours.clone(),
            intake_phone: facts.intake_phone.clone(),
        }
    }

    /// The facts, read out of `file`.
    ///
    /// # Errors
    ///
    /// [`FactsFileError`], saying what to mend.
    pub(crate) fn parse(self, file: &Path) -> Result<AgencyFacts, FactsFileError> {
        let written = self;
        let words = Words { file };
        let interpreters = written.interpreters.iter().map(|one| {
            Ok(Interpreter {
                language: words.one("interpreters", &one.language, LANGUAGE)?,
                gender: words.one("interpreters", &one.gender, &one_of(PlacementGender::ALL))?,
            })
        });
        let open = opening_hours(&written, &words)?;
        let facts = AgencyFacts {
            reports_to: words.all("reports_to", &written.reports_to, &one_of(ReportsTo::ALL))?,
            requires: words.all("requires", &written.requires, &one_of(Requirement::ALL))?,
            purposes: words.all("purposes", &written.purposes, &one_of(Purpose::ALL))?,
            settings: words.all("settings", &written.settings, TAG)?,
            languages: words.all("languages", &written.languages, LANGUAGE)?,
            interpreters: interpreters.collect::<Result<_, FactsFileError>>()?,
            genders: words.all("genders", &written.genders, &one_of(PlacementGender::ALL))?,
            age_from: written.age_from,
            age_to: written.age_to,
            boys_up_to: written.boys_up_to,
            accessibility: words.all("accessibility", &written.accessibility, TAG)?,
            areas: words.all("areas", &written.areas, TAG)?,
            open,
            hours: written.hours,
            intake_phone: written.intake_phone,
        };
        facts.checked().map_err(|cause| FactsFileError::Facts {
            file: file.to_owned(),
            cause,
        })
    }
}

fn texts<T: Display>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn opening_hours(written: &Written, words: &Words<'_>) -> Result<OpeningHours, FactsFileError> {
    let hours = |cause| FactsFileError::Hours {
        file: words.file.to_owned(),
        cause,
    };
    let spans = written.open.iter().map(|span| {
        let days = words.all("open.days", &span.days, &one_of(Weekday::ALL))?;
        let from = words.one("open.from", &span.from, CLOCK)?;
        let until = words.one("open.until", &span.until, CLOCK)?;
        Span::new(days, from, until).map_err(hours)
    });
    let spans = spans.collect::<Result<_, FactsFileError>>()?;
    let offset = words.one(
        "utc_offset",
        &written.utc_offset,
        "an offset such as +01:00",
    )?;
    let summer = words.one(
        "summer_time",
        &written.summer_time,
        &one_of(SummerTime::ALL),
    )?;
    OpeningHours::new(spans, offset, summer, written.time_zone.clone()).map_err(hours)
}

fn one_of<T: Display>(all: &[T]) -> String {
    let words: Vec<String> = all.iter().map(ToString::to_string).collect();
    format!("one of {}", words.join(", "))
}

/// The parser's own message in one line, with the line it means.
fn located(error: &toml::de::Error, text: &str) -> String {
    let at = error.span().map_or(0, |span| span.start);
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    format!("line {line}: {}", error.message())
}

struct Words<'a> {
    file: &'a Path,
}

impl Words<'_> {
    fn one<T: FromStr>(
        &self,
        key: &'static str,
        word: &str,
        mend: &str,
    ) -> Result<T, FactsFileError> {
        word.parse().map_err(|_| FactsFileError::Word {
            file: self.file.to_owned(),
            key,
            word: word.to_owned(),
            mend: mend.to_owned(),
        })
    }

    fn all<T: FromStr>(
        &self,
        key: &'static str,
        words: &[String],
        mend: &str,
    ) -> Result<Vec<T>, FactsFileError> {
        words.iter().map(|word| self.one(key, word, mend)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<AgencyFacts, String> {
        parse(text, Path::new("facts.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_example_says_everything_that_facts_can_say() {
        let facts = parsed(include_str!("../../deploy/facts.toml")).unwrap();
        assert_eq!(facts.purposes, [Purpose::SafeAccommodation]);
        assert!(facts.reports_to.is_empty() && facts.requires.is_empty());
        assert_eq!(facts.boys_up_to, Some(12));
        assert!(!facts.interpreters.is_empty() && !facts.areas.is_empty());
        assert!(!facts.intake_phone.is_empty());
        assert_eq!(
            facts.open.spans()[0].to_string(),
            "MO,TU,WE,TH,FR 08:00-20:00"
        );
    }

    #[test]
    fn duties_must_be_written_even_when_there_are_none() {
        let error = parsed("requires = []").unwrap_err();
        assert!(error.contains("reports_to"), "{error}");
        assert!(parsed("reports_to = []\nrequires = []").is_ok());
    }

    #[test]
    fn a_wrong_word_is_shown_with_those_that_are_right() {
        let error = parsed("reports_to = [\"police\"]\nrequires = []").unwrap_err();
        assert!(
            error.contains("reports_to") && error.contains("PROSECUTOR"),
            "{error}"
        );
        let error = parsed("reports_to = []\nrequires = []\nlangs = []").unwrap_err();
        assert!(
            error.contains("line 3") && error.contains("langs"),
            "{error}"
        );
        let span = "open = [{ days = [\"MO\"], from = \"8\", until = \"20:00\" }]";
        let error = parsed(&format!("reports_to = []\nrequires = []\n{span}")).unwrap_err();
        assert!(
            error.contains("open.from") && error.contains("08:00"),
            "{error}"
        );
        let error = parsed("reports_to = []\nrequires = []\nage_from = 9\nage_to = 2").unwrap_err();
        assert!(error.contains("age"), "{error}");
    }
}
