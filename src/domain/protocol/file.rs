//! The file as written: strict rows, words, groups, and what no protocol may say.

mod access;

use self::access::BreakGlassRow;
use super::access::AccessColumn;
use super::words::{GroupsOf, Word, is_group_name, is_name, names};
use super::{
    ALWAYS_SPECIFIC, NEVER_AT_TRIAGE, Protocol, RETENTION_DAYS, RETENTION_DAYS_RANGE, Row, Table,
};
use crate::domain::basis::ceiling;
use crate::domain::id::AgencyId;
use crate::domain::label::{Label, LabelSet};
use crate::domain::vocabulary::{AgencyKind, BasisKind, Category, Purpose, Stage};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

/// The longest file, in bytes: a person must be able to read it.
pub const FILE_BYTES_MAX: usize = 256 * 1024;

/// Most rows of all kinds.
pub const ROWS_MAX: usize = 1_024;

/// Why a file is not a protocol, where, and how to mend it. Does not repeat what it read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}; {mend}")]
pub struct ProtocolError {
    /// Line in the file, from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
    /// How to mend it.
    pub mend: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Spanned<u64>,
    title: Option<String>,
    #[serde(default)]
    groups: Groups,
    #[serde(default)]
    allow: Vec<AllowRow>,
    #[serde(default)]
    never: Vec<NeverRow>,
    #[serde(default)]
    pair: Vec<PairRow>,
    #[serde(default)]
    break_glass: Vec<BreakGlassRow>,
    duty: Option<DutyRow>,
    audit: Option<AuditRow>,
}

/// Who is rung when nobody acts on a referral without a place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DutyRow {
    line: Spanned<String>,
}

/// How long decisions can be opened.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuditRow {
    retention_days: Spanned<u32>,
}

type Words = Spanned<Vec<Spanned<String>>>;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Groups {
    #[serde(default)]
    recipients: BTreeMap<String, Words>,
    #[serde(default)]
    purposes: BTreeMap<String, Words>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowRow {
    name: Spanned<String>,
    why: Spanned<String>,
    basis: Words,
    recipients: Words,
    purposes: Words,
    stage: Spanned<String>,
    #[serde(default)]
    specific: bool,
    labels: Words,
}

/// Without `basis` or `purposes` the row forbids for every one of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NeverRow {
    name: Spanned<String>,
    why: Spanned<String>,
    basis: Option<Words>,
    recipients: Words,
    purposes: Option<Words>,
    labels: Words,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PairRow {
    source: Spanned<String>,
    recipient: Spanned<String>,
    labels: Words,
}

pub(super) fn parse(text: &str) -> Result<Protocol, ProtocolError> {
    let reader = Reader { text };
    if text.len() > FILE_BYTES_MAX {
        let problem = "the file is longer than 256 KiB";
        return Err(reader.error(0, problem, "name groups once and use them in the rows"));
    }
    let file: File = toml::from_str(text).map_err(|error| reader.toml_error(&error))?;
    reader.protocol(&file)
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn protocol(&self, file: &File) -> Result<Protocol, ProtocolError> {
        let version = *file.version.get_ref();
        if !(1..=i64::MAX.unsigned_abs()).contains(&version) {
            let at = file.version.span().start;
            return Err(self.error(at, "the version is not a positive number", "count from 1"));
        }
        let rows = file.allow.len() + file.never.len() + file.pair.len() + file.break_glass.len();
        if rows > ROWS_MAX {
            return Err(self.error(0, "more than 1,024 rows", "join rows that differ little"));
        }
        self.text_line(0, file.title.as_deref().unwrap_or_default())?;

        let recipients = self.groups::<AgencyKind>(&file.groups.recipients)?;
        let purposes = self.groups::<Purpose>(&file.groups.purposes)?;
        let none = GroupsOf::<BasisKind>::default();

        let mut names = BTreeSet::new();
        let mut allows = Vec::new();
        for row in &file.allow {
            let name = self.name(&row.name, &mut names)?;
            let allow = Row {
                name,
                why: self.why(&row.why)?,
                line: self.line(row.name.span().start),
                basis: self.words(&row.basis, &none)?,
                recipients: self.words(&row.recipients, &recipients)?,
                purposes: self.words(&row.purposes, &purposes)?,
                stage: self.word(&row.stage)?,
                specific: row.specific,
                labels: self.labels(&row.labels)?.closed(),
            };
            self.check_floors(&allow, row.labels.span().start)?;
            allows.push(allow);
        }
        let mut nevers = Vec::new();
        for row in &file.never {
            let every_basis = || Ok(BasisKind::ALL.to_vec());
            let every_purpose = || Ok(Purpose::ALL.to_vec());
            let basis = row.basis.as_ref();
            let for_purposes = row.purposes.as_ref();
            nevers.push(Row {
                name: self.name(&row.name, &mut names)?,
                why: self.why(&row.why)?,
                line: self.line(row.name.span().start),
                basis: basis.map_or_else(every_basis, |words| self.words(words, &none))?,
                recipients: self.words(&row.recipients, &recipients)?,
                purposes: for_purposes
                    .map_or_else(every_purpose, |words| self.words(words, &purposes))?,
                stage: Stage::Triage,
                specific: false,
                labels: self.labels(&row.labels)?.raised(),
            });
        }
        let access = self.access(&file.break_glass, &recipients, &mut names)?;
        self.all_used(&recipients)?;
        self.all_used(&purposes)?;

        let mut pairs = BTreeMap::<AgencyId, BTreeMap<AgencyId, LabelSet>>::new();
        for row in &file.pair {
            let recipients = pairs.entry(self.agency(&row.source)?).or_default();
            let denied = recipients.entry(self.agency(&row.recipient)?).or_default();
            *denied = denied.union(self.labels(&row.labels)?.raised());
        }
        let duty = file.duty.as_ref();
        let duty_line = duty.map(|duty| self.agency(&duty.line)).transpose()?;
        Ok(Protocol {
            version,
            duty_line,
            retention_days: self.retention_days(file.audit.as_ref())?,
            table: Table::enumerate(&allows, &nevers),
            access: AccessColumn::enumerate(&access, &nevers),
            allows,
            nevers,
            pairs,
        })
    }

    fn retention_days(&self, audit: Option<&AuditRow>) -> Result<u32, ProtocolError> {
        let Some(days) = audit.map(|audit| &audit.retention_days) else {
            return Ok(RETENTION_DAYS);
        };
        if !RETENTION_DAYS_RANGE.contains(days.get_ref()) {
            let mend =
                "write 365 to 36600: acts can be looked at for a year at least, and not for ever";
            return Err(self.error(days.span().start, "no such retention time", mend));
        }
        Ok(*days.get_ref())
    }

    /// Refuses a row that allows what no protocol may.
    fn check_floors(&self, row: &Row, at: usize) -> Result<(), ProtocolError> {
        let early = row.labels.intersection(NEVER_AT_TRIAGE);
        if row.stage == Stage::Triage && !early.is_empty() {
            let problem = format!("nobody is told {early:?} at TRIAGE: help does not depend on it");
            return Err(self.error(at, &problem, "begin the row at ACCEPTED"));
        }
        let plain = row.labels.intersection(ALWAYS_SPECIFIC);
        if !row.specific && !plain.is_empty() {
            let problem = format!("{plain:?} is told only if asked for by itself");
            return Err(self.error(at, &problem, "move it to a row with specific = true"));
        }
        for &basis in &row.basis {
            for &recipient in &row.recipients {
                for &purpose in &row.purposes {
                    let past = row.labels.beyond(ceiling(basis, recipient, purpose));
                    if !past.is_empty() {
                        let problem = format!(
                            "{basis} can never carry {past:?} to {recipient} for {purpose}"
                        );
                        let mend = "take the labels, the ground, the recipient or the purpose out";
                        return Err(self.error(at, &problem, mend));
                    }
                }
            }
        }
        Ok(())
    }

    fn name(
        &self,
        name: &Spanned<String>,
        names: &mut BTreeSet<String>,
    ) -> Result<String, ProtocolError> {
        let at = name.span().start;
        if !is_name(name.get_ref()) {
            let mend = "use 1 to 40 small letters, digits and hyphens";
            return Err(self.error(at, "not a row name", mend));
        }
        if !names.insert(name.get_ref().clone()) {
            return Err(self.error(at, "a second row of this name", "rename one of them"));
        }
        Ok(name.get_ref().clone())
    }

    fn why(&self, why: &Spanned<String>) -> Result<String, ProtocolError> {
        let at = why.span().start;
        self.text_line(at, why.get_ref())?;
        if why.get_ref().trim().is_empty() {
            return Err(self.error(
                at,
                "the reason is empty",
                "say in a sentence why the row is there",
            ));
        }
        Ok(why.get_ref().clone())
    }

    fn text_line(&self, at: usize, text: &str) -> Result<(), ProtocolError> {
        if text.len() > 256 || text.chars().any(char::is_control) {
            return Err(self.error(
                at,
                "the text is too long or not one line",
                "keep it to 256 bytes",
            ));
        }
        Ok(())
    }

    fn agency(&self, id: &Spanned<String>) -> Result<AgencyId, ProtocolError> {
        id.get_ref().parse().map_err(|_| {
            let mend = "use 1 to 63 small letters, digits and hyphens, as in its certificate";
            self.error(id.span().start, "not an agency id", mend)
        })
    }

    fn groups<T: Word>(
        &self,
        written: &BTreeMap<String, Words>,
    ) -> Result<GroupsOf<T>, ProtocolError> {
        let mut groups = GroupsOf::default();
        for (name, words) in written {
            let at = words.span().start;
            if !is_group_name(name) {
                let mend = "use 1 to 40 small letters, digits and underscores";
                return Err(self.error(at, "not a group name", mend));
            }
            let members = self.words(words, &GroupsOf::default())?;
            groups.members.insert(name.clone(), (at, members));
        }
        Ok(groups)
    }

    fn all_used<T>(&self, groups: &GroupsOf<T>) -> Result<(), ProtocolError> {
        let used = groups.used.borrow();
        for (name, (at, _)) in &groups.members {
            if !used.contains(name) {
                return Err(self.error(*at, "no row uses this group", "use it or take it out"));
            }
        }
        Ok(())
    }

    /// The words of a list, groups written out, each once; a list is never empty.
    fn words<T: Word>(&self, list: &Words, groups: &GroupsOf<T>) -> Result<Vec<T>, ProtocolError> {
        let mut words = Vec::new();
        for word in list.get_ref() {
            let members = match groups.members.get(word.get_ref()) {
                Some((_, members)) => {
                    groups.used.borrow_mut().insert(word.get_ref().clone());
                    members.clone()
                }
                None => vec![self.word(word)?],
            };
            for member in members {
                if words.contains(&member) {
                    let mend = "name each word once, also through groups";
                    return Err(self.error(word.span().start, "named twice in this list", mend));
                }
                words.push(member);
            }
        }
        if words.is_empty() {
            let mend = "name at least one word, or take the row out";
            return Err(self.error(list.span().start, "the list is empty", mend));
        }
        Ok(words)
    }

    fn word<T: Word>(&self, word: &Spanned<String>) -> Result<T, ProtocolError> {
        word.get_ref().parse().map_err(|_| {
            let problem = format!("not a known {}", T::KIND);
            let mend = format!("use one of: {}", T::names());
            self.error(word.span().start, &problem, &mend)
        })
    }

    fn labels(&self, list: &Words) -> Result<LabelSet, ProtocolError> {
        let mut labels = LabelSet::EMPTY;
        for word in list.get_ref() {
            let label = self.label(word)?;
            if labels.contains(label) {
                let at = word.span().start;
                return Err(self.error(at, "named twice in this list", "name each label once"));
            }
            labels.insert(label);
        }
        if labels.is_empty() {
            let mend = "name at least one label, or take the row out";
            return Err(self.error(list.span().start, "the list is empty", mend));
        }
        Ok(labels)
    }

    fn label(&self, word: &Spanned<String>) -> Result<Label, ProtocolError> {
        let at = word.span().start;
        let text = word.get_ref();
        let (category, form) = match text.split_once('/') {
            Some((category, form)) => (category, Some(form)),
            None => (text.as_str(), None),
        };
        let Ok(category) = category.parse::<Category>() else {
            let mend = format!("use one of: {}", names(Category::ALL, Category::name));
            return Err(self.error(at, "not a known category", &mend));
        };
        let forms = category.forms();
        let form = match form {
            None if forms.len() == 1 => forms.first().copied(),
            None => None,
            Some(form) => form.parse().ok(),
        };
        let label = form.and_then(|form| Label::new(category, form).ok());
        label.ok_or_else(|| {
            let forms: Vec<_> = forms
                .iter()
                .map(|form| format!("{category}/{form}"))
                .collect();
            let mend = format!("use one of: {}", forms.join(", "));
            self.error(at, "not a form of the category", &mend)
        })
    }

    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        1 + before.filter(|&&byte| byte == b'\n').count()
    }

    fn error(&self, at: usize, problem: &str, mend: &str) -> ProtocolError {
        ProtocolError {
            line: self.line(at),
            problem: problem.to_owned(),
            mend: mend.to_owned(),
        }
    }

    /// The TOML parser's own complaint, without what it quotes from the file.
    fn toml_error(&self, error: &toml::de::Error) -> ProtocolError {
        let at = error.span().map_or(0, |span| span.start);
        let message = error.message();
        let expected = message.split_once("expected ").map(|(_, words)| words);
        let expected = expected.map(|words| match words {
            "u64" | "u32" => "write a whole number, without quotes".to_owned(),
            _ => format!("expected {}", words.replace('`', "")),
        });
        let mend = |otherwise: &str| expected.clone().unwrap_or_else(|| otherwise.to_owned());
        if message.starts_with("unknown field") {
            self.error(at, "an unknown key", &mend("take it out"))
        } else if message.starts_with("missing field") {
            let missing = message.replace("missing field", "a key is missing:");
            self.error(at, &missing.replace('`', ""), "add it")
        } else if message.starts_with("duplicate") {
            self.error(at, "a key stands twice", "keep one of them")
        } else if message.starts_with("invalid") {
            self.error(
                at,
                "a value of the wrong type",
                &mend("compare the shipped protocol"),
            )
        } else {
            self.error(at, "not TOML", "compare the shipped protocol")
        }
    }
}
