//! What a person may ask: who was told, when, what kinds of things, by which right, and what became of it (R22).
//!
//! A row is written in the batch of each disclosure's own entry, so that the list can neither lag behind the ledger nor
//! hold what did not happen. Rows name codes and agencies, never content. They belong to the source whose case it is:
//! nobody else can name them.

use super::name::own;
use super::sequencer::Change;
use super::{BasisName, Exchange, OfferName, Page, Paged, Refusal};
use crate::domain::basis::Basis;
use crate::domain::id::{AgencyId, CaseHandle, OfferId};
use crate::domain::label::LabelSet;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{
    Asked, BasisKind, DisclosureKind, InterpreterClass, Purpose, Stage,
};
use crate::exchange::snapshot::Snapshot;
use crate::identity::caller::Caller;
use crate::storage::engine::Table;
use crate::storage::records::disclosure::{DisclosureRecord, ReleasedRecord};
use crate::storage::records::{self, Record, key};
use std::time::Duration;

const TABLE: Table = Table::Disclosure;

/// A case, as its source names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CaseOf {
    pub(super) source: AgencyId,
    pub(super) case: CaseHandle,
}

/// What was told, to whom.
pub(super) struct Told<'a> {
    pub(super) kind: DisclosureKind,
    /// Who told: the source, or who passed it on.
    pub(super) by: &'a AgencyId,
    pub(super) recipient: &'a AgencyId,
    pub(super) purpose: Option<Purpose>,
    pub(super) stage: Option<Stage>,
    pub(super) labels: LabelSet,
    /// The source's own basis; none where it is another agency's, or there is none.
    pub(super) basis: Option<&'a Basis>,
    /// The source's own offer.
    pub(super) offer: Option<OfferId>,
}

/// Writes one row of the person's list with the entry at `entry` of the change.
pub(super) fn disclosed(change: &mut Change, entry: usize, of: &CaseOf, told: &Told<'_>) {
    let (basis, purpose) = (told.basis, told.purpose);
    let specific = basis.map_or(LabelSet::EMPTY, |basis| {
        asked_by_itself(basis, purpose).intersection(told.labels)
    });
    let asked = basis.map(|_| {
        if told.labels.beyond(specific).is_empty() {
            Asked::Specific
        } else {
            Asked::Bundle
        }
    });
    let name = |word: Option<&'static str>| word.unwrap_or_default().to_owned();
    let mut record = DisclosureRecord {
        kind: told.kind.name().to_owned(),
        time: 0,
        by: told.by.to_string(),
        recipient: told.recipient.to_string(),
        purpose: name(purpose.map(Purpose::name)),
        stage: name(told.stage.map(Stage::name)),
        labels: told.labels.iter().map(|label| label.to_string()).collect(),
        ground: name(basis.map(|basis| basis.kind.name())),
        chain: basis
            .map(|basis| basis.chain.to_string())
            .unwrap_or_default(),
        asked: name(asked.map(Asked::name)),
        asked_alone: basis.is_some_and(|basis| basis.asked_alone),
        interpreter: name(basis.map(|basis| basis.interpreter.name())),
        offer: told
            .offer
            .map(|offer| offer.to_string())
            .unwrap_or_default(),
        specific: specific.iter().map(|label| label.to_string()).collect(),
    };
    let of = of.clone();
    change.late.push(Box::new(move |placed| {
        record.time = placed.at.millis();
        let index = placed.first + entry as u64;
        vec![record.put(key::disclosure(&of.source, of.case, index))]
    }));
}

/// Notes which labels of a case were opened: what a complaint may hold. Nothing is read, so nobody loses a race for it.
pub(super) fn released(change: &mut Change, of: &CaseOf, labels: LabelSet) {
    let rows = labels.iter().map(|label| {
        let row = key::released(&of.source, of.case, label);
        ReleasedRecord {}.put(row)
    });
    change.writes.extend(rows);
}

/// The labels that anybody ever opened of a case.
pub(super) fn ever_released(snapshot: &Snapshot<'_>, of: &CaseOf) -> Result<LabelSet, Refusal> {
    let prefix = key::case(&of.source, of.case);
    let most = LabelSet::ALL.len() as usize;
    let rows = snapshot.scan(Table::Released, &prefix, None, most)?;
    let mut labels = LabelSet::EMPTY;
    for (row, _) in rows {
        let label = key::released_label(&of.source, of.case, &row);
        labels.insert(label.ok_or_else(|| records::corrupt(Table::Released))?);
    }
    Ok(labels)
}

/// The labels that were asked for by themselves, and not with a bundle.
fn asked_by_itself(basis: &Basis, purpose: Option<Purpose>) -> LabelSet {
    let allows = basis.allows.iter().filter(|allow| {
        let serves = purpose.is_none_or(|purpose| allow.purposes.contains(&purpose));
        serves && allow.asked == Asked::Specific
    });
    allows.fold(LabelSet::EMPTY, |set, allow| {
        set.union(allow.labels.closed())
    })
}

/// One disclosure, as its source may show it to the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonsDisclosure {
    /// In which way.
    pub kind: DisclosureKind,
    /// When, to the minute.
    pub time: Timestamp,
    /// Who told.
    pub by: AgencyId,
    /// Who was told.
    pub recipient: AgencyId,
    /// For what.
    pub purpose: Option<Purpose>,
    /// From which stage on.
    pub stage: Option<Stage>,
    /// What kinds of things.
    pub labels: LabelSet,
    /// By which right; none where the basis is another agency's.
    pub ground: Option<Ground>,
    /// The source's own offer.
    pub offer: Option<OfferName>,
    /// Index of the entry.
    pub index: u64,
}

/// By which right something was told, and how the person was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// Kind.
    pub kind: BasisKind,
    /// Chain.
    pub basis: BasisName,
    /// How the labels were asked for: by themselves, if every one was; otherwise with the bundle.
    pub asked: Asked,
    /// Those that were asked for by themselves.
    pub specific: LabelSet,
    /// Whether the person was asked alone.
    pub asked_alone: bool,
    /// Who interpreted.
    pub interpreter: InterpreterClass,
}

fn read_ground(source: &AgencyId, record: &DisclosureRecord) -> Result<Option<Ground>, Refusal> {
    let Some(kind) = records::optional(TABLE, &record.ground)? else {
        return Ok(None);
    };
    Ok(Some(Ground {
        kind,
        basis: BasisName {
            agency: source.clone(),
            chain: records::word(TABLE, &record.chain)?,
        },
        asked: records::word(TABLE, &record.asked)?,
        specific: read_labels(&record.specific)?,
        asked_alone: record.asked_alone,
        interpreter: records::word(TABLE, &record.interpreter)?,
    }))
}

fn read_labels(labels: &[String]) -> Result<LabelSet, Refusal> {
    let labels = labels.iter().map(|label| records::word(TABLE, label));
    Ok(labels.collect::<Result<Vec<_>, _>>()?.into_iter().collect())
}

fn read(
    source: &AgencyId,
    row: &[u8],
    record: &DisclosureRecord,
) -> Result<PersonsDisclosure, Refusal> {
    let offer: Option<OfferId> = records::optional(TABLE, &record.offer)?;
    Ok(PersonsDisclosure {
        kind: records::word(TABLE, &record.kind)?,
        time: records::time(TABLE, record.time)?.coarse(Duration::from_secs(60)),
        by: records::word(TABLE, &record.by)?,
        recipient: records::word(TABLE, &record.recipient)?,
        purpose: records::optional(TABLE, &record.purpose)?,
        stage: records::optional(TABLE, &record.stage)?,
        labels: read_labels(&record.labels)?,
        ground: read_ground(source, record)?,
        offer: offer.map(|offer| OfferName {
            agency: source.clone(),
            offer,
        }),
        index: key::number(row).ok_or_else(|| records::corrupt(TABLE))?,
    })
}

impl Exchange {
    /// What was told of a case, in the order of the ledger.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidField`] for a page token that is not ours.
    pub async fn disclosures(
        &self,
        caller: &Caller,
        source: &AgencyId,
        case: CaseHandle,
        page: Page,
    ) -> Result<Paged<PersonsDisclosure>, Refusal> {
        const LIST: &str = "disclosures";
        own(caller, source)?;
        let source = source.clone();
        self.read(move |snapshot| {
            let prefix = key::case(&source, case);
            let tokens = &snapshot.shared.tokens;
            let after = tokens.read(LIST, &source, &page.token)?;
            let strange = |after: &Vec<u8>| !after.starts_with(&prefix);
            if after.as_ref().is_some_and(strange) {
                return Err(Refusal::InvalidField("page_token"));
            }
            let rows = snapshot.scan(TABLE, &prefix, after.as_deref(), page.size + 1)?;
            let more = rows.len() > page.size;
            let mut items = Vec::with_capacity(page.size);
            let mut next = String::new();
            for (row, stored) in rows.into_iter().take(page.size) {
                let record = DisclosureRecord::from_stored(&stored)?;
                items.push(read(&source, &row, &record)?);
                if more {
                    next = tokens.make(LIST, &source, &row);
                }
            }
            Ok(Paged { items, next })
        })
        .await
    }
}
