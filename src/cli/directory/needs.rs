//! What is needed, as a person writes it for `directory match`: `deploy/needs.toml` shows every key.

use crate::domain::directory::AGE_MAX;
use crate::domain::matching::{Member, Needs};
use crate::domain::time::Timestamp;
use serde::Deserialize;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Longest file, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Most people in a group.
const GROUP_MAX: usize = 64;

/// Longest time that somebody is looked for by, in minutes: two weeks, as for the least urgent referral.
const PLACE_WITHIN_MINUTES_MAX: u32 = 14 * 24 * 60;

/// Why the file cannot be used. Names the key; never repeats a value, which may say something about a person.
#[derive(Debug, thiserror::Error)]
pub(super) enum NeedsError {
    #[error("{file}: {cause}")]
    Io {
        file: PathBuf,
        cause: std::io::Error,
    },
    #[error("{0} is longer than 64 KiB: is it the file of needs?")]
    Long(PathBuf),
    #[error("{file}: {cause}; deploy/needs.toml shows every key with its meaning")]
    Toml { file: PathBuf, cause: String },
    #[error("{file}: a word of {key} is {cause}; deploy/needs.toml shows what may stand there")]
    Word {
        file: PathBuf,
        key: &'static str,
        cause: String,
    },
    #[error("{file}: {key} is out of bounds: {bounds}")]
    Bounds {
        file: PathBuf,
        key: &'static str,
        bounds: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    purpose: String,
    #[serde(default)]
    group: Vec<WrittenMember>,
    #[serde(default)]
    settings: Vec<String>,
    #[serde(default)]
    languages: Vec<String>,
    interpreter_gender: Option<String>,
    #[serde(default)]
    accessibility: Vec<String>,
    #[serde(default)]
    areas: Vec<String>,
    place_within_minutes: Option<u32>,
    #[serde(default)]
    leaves_soon: bool,
    #[serde(default)]
    excluded: Vec<String>,
    #[serde(default)]
    refused_reports: Vec<String>,
    #[serde(default)]
    refused_requirements: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMember {
    age_from: u8,
    age_to: u8,
    gender: String,
}

/// Reads and parses `file`, as asked at `now`.
pub(super) fn read(file: &Path, now: Timestamp) -> Result<Needs, NeedsError> {
    let io = |cause| NeedsError::Io {
        file: file.to_owned(),
        cause,
    };
    if std::fs::metadata(file).map_err(io)?.len() > FILE_BYTES_MAX {
        return Err(NeedsError::Long(file.to_owned()));
    }
    parse(&std::fs::read_to_string(file).map_err(io)?, file, now)
}

pub(super) fn parse(text: &str, file: &Path, now: Timestamp) -> Result<Needs, NeedsError> {
    let written: Written = toml::from_str(text).map_err(|error| NeedsError::Toml {
        file: file.to_owned(),
        cause: located(&error, text),
    })?;
    let words = Words(file);
    if written.group.len() > GROUP_MAX {
        return Err(words.bounds("group", "at most 64 people"));
    }
    let group = written.group.iter().map(|member| {
        if member.age_from > member.age_to || member.age_to > AGE_MAX {
            return Err(words.bounds("group", "age_from to age_to, at most 130"));
        }
        Ok(Member {
            age_from: member.age_from,
            age_to: member.age_to,
            gender: words.one("group.gender", &member.gender)?,
        })
    });
    let within = written.place_within_minutes;
    if within.is_some_and(|minutes| minutes > PLACE_WITHIN_MINUTES_MAX) {
        return Err(words.bounds("place_within_minutes", "at most 20160, two weeks"));
    }
    let gender = written.interpreter_gender.as_deref();
    Ok(Needs {
        purpose: words.one("purpose", &written.purpose)?,
        group: group.collect::<Result<_, _>>()?,
        settings: words.all("settings", &written.settings)?,
        languages: words.all("languages", &written.languages)?,
        interpreter_gender: gender
            .map(|word| words.one("interpreter_gender", word))
            .transpose()?,
        accessibility: words.all("accessibility", &written.accessibility)?,
        areas: words.all("areas", &written.areas)?,
        now,
        place_by: within.map(|minutes| now.plus(Duration::from_secs(u64::from(minutes) * 60))),
        leaves_soon: written.leaves_soon,
        excluded: words.all("excluded", &written.excluded)?,
        refused_reports: words.all("refused_reports", &written.refused_reports)?,
        refused_requirements: words.all("refused_requirements", &written.refused_requirements)?,
    })
}

/// The parser's own message in one line, with the line it means; never the line itself.
fn located(error: &toml::de::Error, text: &str) -> String {
    let at = error.span().map_or(0, |span| span.start);
    let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
    format!("line {line}: {}", error.message())
}

struct Words<'a>(&'a Path);

impl Words<'_> {
    fn one<T: FromStr<Err: Display>>(
        &self,
        key: &'static str,
        word: &str,
    ) -> Result<T, NeedsError> {
        word.parse().map_err(|cause: T::Err| NeedsError::Word {
            file: self.0.to_owned(),
            key,
            cause: cause.to_string(),
        })
    }

    fn all<T: FromStr<Err: Display>>(
        &self,
        key: &'static str,
        words: &[String],
    ) -> Result<Vec<T>, NeedsError> {
        words.iter().map(|word| self.one(key, word)).collect()
    }

    fn bounds(&self, key: &'static str, bounds: &'static str) -> NeedsError {
        NeedsError::Bounds {
            file: self.0.to_owned(),
            key,
            bounds,
        }
    }
}
