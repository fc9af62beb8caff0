//! What is sealed into a carried referral, as a person writes it: `deploy/carried.toml` shows every key.

use crate::client::random::SystemRandom;
use crate::client::source::BasisDraft;
use crate::domain::basis::{Allow, ForChild};
use crate::domain::id::{AgencyId, CaseHandle};
use crate::domain::label::{Label, LabelSet};
use crate::domain::random::Random;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{Asked, BasisKind, ChildTold, GivenBy, InterpreterClass, Purpose};
use crate::envelope::carried::FIELDS_MAX;
use crate::envelope::disclosure::Field;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Longest file, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Longest text that says how to answer, in bytes.
const ANSWER_BYTES_MAX: usize = 256;
/// Longest consent, in days: as long as a carried referral lasts.
const DAYS_MAX: u64 = 30;

/// Why the file cannot be used. Names the key; never repeats a value, which says something about a person.
#[derive(Debug, thiserror::Error)]
pub(super) enum DraftError {
    #[error("{file}: {cause}")]
    Io {
        file: PathBuf,
        cause: std::io::Error,
    },
    #[error("{0} is longer than 64 KiB: is it the draft?")]
    Long(PathBuf),
    #[error("{file}: line {line}: not as deploy/carried.toml shows")]
    Toml { file: PathBuf, line: usize },
    #[error("{file}: {key} is not as it must be: {mend}")]
    Word {
        file: PathBuf,
        key: &'static str,
        mend: &'static str,
    },
}

/// A consent to record, and what is sealed on it.
pub(super) struct Draft {
    pub(super) basis: BasisDraft,
    pub(super) purpose: Purpose,
    pub(super) answer_to: String,
    pub(super) fields: Vec<Field>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    recipient: String,
    purpose: String,
    answer_to: String,
    consent: Consent,
    fields: Vec<WrittenField>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Consent {
    days: u64,
    asked_alone: bool,
    interpreter: String,
    asked: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenField {
    path: String,
    label: String,
    value: String,
}

pub(super) fn read(file: &Path, now: Timestamp) -> Result<Draft, DraftError> {
    let io = |cause| DraftError::Io {
        file: file.to_owned(),
        cause,
    };
    if std::fs::metadata(file).map_err(io)?.len() > FILE_BYTES_MAX {
        return Err(DraftError::Long(file.to_owned()));
    }
    parse(&std::fs::read_to_string(file).map_err(io)?, file, now)
}

fn parse(text: &str, file: &Path, now: Timestamp) -> Result<Draft, DraftError> {
    let written: Written = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
        DraftError::Toml {
            file: file.to_owned(),
            line,
        }
    })?;
    let wrong = |key, mend| DraftError::Word {
        file: file.to_owned(),
        key,
        mend,
    };
    let recipient: AgencyId = word(&written.recipient)
        .filter(AgencyId::is_outside)
        .ok_or_else(|| {
            wrong(
                "recipient",
                "a name of your own for them that begins with out-, such as out-hr-ngo",
            )
        })?;
    let purpose = word(&written.purpose).ok_or_else(|| wrong("purpose", "such as MEDICAL_CARE"))?;
    if written.answer_to.len() > ANSWER_BYTES_MAX {
        return Err(wrong("answer_to", "at most 256 bytes"));
    }
    if !(1..=DAYS_MAX).contains(&written.consent.days) {
        return Err(wrong("consent.days", "1 to 30"));
    }
    if written.fields.is_empty() || written.fields.len() > FIELDS_MAX {
        return Err(wrong("fields", "1 to 64 of them"));
    }
    let fields = written.fields.into_iter().map(|field| {
        let label: Label = word(&field.label)
            .or_else(|| word(&format!("{}/WHOLE", field.label)))
            .ok_or_else(|| wrong("fields.label", "such as IDENTITY/ALIAS"))?;
        Ok(Field {
            path: field.path,
            label,
            value: field.value.into(),
        })
    });
    let fields: Vec<Field> = fields.collect::<Result<_, DraftError>>()?;
    let labels: LabelSet = fields.iter().map(|field| field.label).collect();
    let asked: Asked =
        word(&written.consent.asked).ok_or_else(|| wrong("consent.asked", "BUNDLE or SPECIFIC"))?;
    let interpreter: InterpreterClass = word(&written.consent.interpreter).ok_or_else(|| {
        wrong(
            "consent.interpreter",
            "such as NONE_NEEDED, PROFESSIONAL, TELEPHONE or STAFF",
        )
    })?;
    let until = now.plus(Duration::from_secs(written.consent.days * 24 * 60 * 60));
    let until = Timestamp::from_seconds(until.seconds()).unwrap_or(until);
    Ok(Draft {
        basis: BasisDraft {
            case: CaseHandle::from_random(SystemRandom.array()),
            recipient,
            kind: BasisKind::Consent,
            allows: vec![Allow {
                purposes: vec![purpose],
                labels: labels.closed(),
                asked,
                until,
                reply: false,
            }],
            given_by: GivenBy::Itself,
            asked_alone: written.consent.asked_alone,
            interpreter,
            child_told: ChildTold::NotApplicable,
            for_child: ForChild::default(),
            evidence: SystemRandom.array(),
        },
        purpose,
        answer_to: written.answer_to,
        fields,
    })
}

fn word<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_draft_and_a_mistake_never_repeats_what_was_written() {
        let text = include_str!("../../../deploy/carried.toml");
        let now = Timestamp::from_seconds(1_795_225_200).unwrap();
        let draft = parse(text, Path::new("carried.toml"), now).unwrap();
        assert!(draft.basis.recipient.is_outside());
        assert!(draft.fields.len() > 2);
        let member = text.replace("out-hr-ngo", "house1");
        let error = parse(&member, Path::new("carried.toml"), now)
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("out-") && !error.contains("house1"),
            "{error}"
        );
    }
}
