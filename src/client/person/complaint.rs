//! A complaint to an oversight body: what was released to the agency that it is about, the list of it, and what the
//! person says.

use super::{DisclosureView, plain};
use crate::client::agency::Desk;
use crate::client::error::ClientError;
use crate::client::source::{Ask, Candidate, SentReferral};
use crate::domain::basis::Basis;
use crate::domain::id::AgencyId;
use crate::domain::label::{Label, LabelSet};
use crate::domain::vocabulary::{Category, DisclosureKind, Form, Purpose, Stage, Urgency};
use crate::envelope::disclosure::Field;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

/// Where the record keeps what a person wants read.
const STATEMENT_PATH: &str = "statement.text";

/// How long an oversight body may take to take it up, by the clock of NORMAL.
const ANSWER: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// What a person complains of, and what may be shown for it.
#[derive(Debug, Clone)]
pub struct Complaint<'a> {
    /// The person's COMPLAINT basis, which names the oversight body.
    pub basis: &'a Basis,
    /// The agency that it is about.
    pub about: &'a AgencyId,
    /// What this desk kept of the case; of it goes along what was released to that agency, and how to speak with the
    /// person.
    pub kept: Vec<Field>,
    /// What the person says.
    pub says: &'a str,
}

fn label(category: Category, form: Form) -> Option<Label> {
    Label::new(category, form).ok()
}

impl Desk {
    /// Refers a complaint to oversight: exactly what was released to the agency that it is about, by the list of it, as
    /// its recipient was given it; that list in plain words; and what the person says.
    ///
    /// # Errors
    ///
    /// As [`Desk::create_referral`]; `COMPLAINT_BEYOND_RELEASED` cannot come of what is chosen here.
    pub async fn complaint(&self, complaint: &Complaint<'_>) -> Result<SentReferral, ClientError> {
        let case = complaint.basis.case;
        let mut told = self.disclosures(case).await?;
        told.retain(|told| told.recipient == *complaint.about);
        let ask = Ask {
            case,
            purpose: Purpose::InformationRights,
            urgency: Urgency::Normal,
            decide_by: self.now().plus(ANSWER),
        };
        let candidate = Candidate {
            basis: complaint.basis,
            parcels: parcels(complaint, &told, self.agency().id()),
        };
        self.create_referral(&ask, &[candidate]).await
    }
}

/// What makes up the two parcels of a complaint.
fn parcels(
    complaint: &Complaint<'_>,
    told: &[DisclosureView],
    own: &AgencyId,
) -> Vec<(Stage, Vec<Field>)> {
    let opened = told
        .iter()
        .filter(|told| told.kind == DisclosureKind::Opened);
    let released = opened.fold(LabelSet::EMPTY, |set, told| set.union(told.labels));
    let language = label(Category::Language, Form::Whole);
    let statement = label(Category::Statement, Form::Whole);
    let speaks = [
        label(Category::Identity, Form::Alias),
        label(Category::Contact, Form::ViaSource),
    ];
    let (mut triage, mut accepted) = (Vec::new(), Vec::new());
    let (mut paths, mut written) = (BTreeSet::new(), Vec::new());
    for field in &complaint.kept {
        let of = Some(field.label);
        if of == statement {
            // Written for one recipient: shown if it was this one.
            if released.contains(field.label) {
                written.extend(field.value.as_str());
            }
            continue;
        }
        let shown = released.contains(field.label) || of == language || speaks.contains(&of);
        if !shown || !paths.insert(field.path.clone()) {
            continue;
        }
        if of == language {
            triage.push(field.clone());
        } else {
            accepted.push(field.clone());
        }
    }
    if let Some(label) = statement {
        accepted.push(Field {
            path: STATEMENT_PATH.to_owned(),
            label,
            value: account(complaint, told, &written, own).into(),
        });
    }
    vec![(Stage::Triage, triage), (Stage::Accepted, accepted)]
}

/// What the person says, what was written for the agency before, and the list, as one text.
fn account(
    complaint: &Complaint<'_>,
    told: &[DisclosureView],
    written: &[&str],
    own: &AgencyId,
) -> String {
    let mut text = format!("{}\n", complaint.says);
    for before in written {
        let _ = write!(text, "\nWritten for {} before: {before}\n", complaint.about);
    }
    let _ = write!(text, "\nWhat {} was told:\n", complaint.about);
    for told in told {
        let things: Vec<&str> = plain::things(told).collect();
        let _ = writeln!(
            text,
            "- entry {}: {} It told: {}.",
            told.index,
            plain::sentences(told, own),
            things.join("; ")
        );
    }
    text
}
