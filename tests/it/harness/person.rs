//! Somebody at a source's desk: what is known of them, what they agree to, and who is asked.

use std::collections::BTreeMap;

use safeconduct::client::agency::Desk;
use safeconduct::client::source::{Ask, Candidate, PreparedReferral, SentReferral};
use safeconduct::demo::people;
use safeconduct::domain::basis::Basis;
use safeconduct::domain::id::{CaseHandle, OfferId};
use safeconduct::domain::label::LabelSet;
use safeconduct::domain::matching::{self, Candidate as Suitor, Needs, Ranking};
use safeconduct::domain::vocabulary::{Asked, Purpose, Stage, Urgency};
use safeconduct::envelope::disclosure::Field;
use safeconduct::envelope::open::OpenedParcel;
use safeconduct::proto::v1::Record;

use super::World;
use super::scene::{DAY, allow, closed, consent, labels, new_case};

/// What a house is told before it decides.
pub const HOUSE_TRIAGE: &[&str] = &[
    "LANGUAGE/WHOLE",
    "PLACEMENT_NEEDS/WHOLE",
    "AGE/BAND",
    "CARE_NEEDS/CODED",
    "THREAT/CODED",
    "FAMILY/COUNTS",
];

/// What the house is told that said yes.
pub const HOUSE_ACCEPTED: &[&str] = &[
    "IDENTITY/ALIAS",
    "GENDER/WHOLE",
    "CONTACT/VIA_SOURCE",
    "HEALTH/FUNCTIONAL",
    "DO_NOT_MEET/WHOLE",
    "MEETING_POINT/WHOLE",
];

/// One person at one source.
#[derive(Clone)]
pub struct Person {
    pub source: Desk,
    pub case: CaseHandle,
    pub record: Record,
}

/// One candidate: the yes that names it, the alias that it alone is told, and what it is told at once.
pub struct Told<'a> {
    pub basis: &'a Basis,
    pub alias: &'a str,
    pub triage: &'a [&'a str],
}

impl Person {
    pub fn new(source: &Desk, record: Record) -> Self {
        Self {
            source: source.clone(),
            case: new_case(),
            record,
        }
    }

    /// The person's yes to this recipient: a bundle, and what was asked for by itself.
    pub async fn agrees(
        &self,
        to: &str,
        purpose: Purpose,
        bundle: &[&str],
        asked: &[&str],
    ) -> Basis {
        let mut draft = consent(&self.source, self.case, to, purpose, LabelSet::EMPTY);
        draft.allows = vec![allow(&self.source, purpose, closed(bundle), Asked::Bundle)];
        if !asked.is_empty() {
            let specific = allow(&self.source, purpose, closed(asked), Asked::Specific);
            draft.allows.push(specific);
        }
        self.source.record_basis(draft).await.unwrap()
    }

    /// The spoken bundle for a bed at this house.
    pub async fn agrees_to_bed(&self, house: &str) -> Basis {
        let bundle = [HOUSE_TRIAGE, HOUSE_ACCEPTED].concat();
        self.agrees(house, Purpose::SafeAccommodation, &bundle, &[])
            .await
    }

    /// What these labels let through of what is known.
    pub fn cut(&self, alias: &str, names: &[&str]) -> Vec<Field> {
        people::cut(&self.record, alias, labels(names)).unwrap()
    }

    /// Asks candidates, best first, a triage parcel for each.
    pub async fn asks(
        &self,
        purpose: Purpose,
        urgency: Urgency,
        told: &[Told<'_>],
    ) -> SentReferral {
        let prepared = self.prepares(purpose, urgency, told);
        self.source.send_referral(&prepared).await.unwrap()
    }

    /// The same, sealed and not yet sent.
    pub fn prepares(
        &self,
        purpose: Purpose,
        urgency: Urgency,
        told: &[Told<'_>],
    ) -> PreparedReferral {
        let candidates: Vec<Candidate<'_>> = told
            .iter()
            .map(|one| Candidate {
                basis: one.basis,
                parcels: vec![(Stage::Triage, self.cut(one.alias, one.triage))],
            })
            .collect();
        let ask = Ask {
            case: self.case,
            purpose,
            urgency,
            decide_by: self.source.now().plus(30 * DAY),
        };
        self.source.prepare_referral(&ask, &candidates).unwrap()
    }

    /// Deposits what is told once it was accepted.
    pub async fn tells(&self, offer: OfferId, told: &Told<'_>, stage: Stage, names: &[&str]) {
        let purpose = told.basis.allows[0].purposes[0];
        let fields = self.cut(told.alias, names);
        self.source
            .deposit(offer, told.basis, purpose, stage, fields)
            .await
            .unwrap();
    }
}

/// Ranks every agency of the source's mirror.
pub fn rank(source: &Desk, needs: &Needs) -> Ranking {
    let directory = source.agency().directory().unwrap();
    let suitors: Vec<Suitor> = directory
        .members()
        .filter_map(|member| {
            Some(Suitor {
                agency: member.agency.clone(),
                parent: member.parent.clone(),
                facts: member.bundle.as_ref()?.content().facts.clone(),
                duties_stated: true,
                capacity: member.capacity,
            })
        })
        .collect();
    matching::rank(needs, &suitors)
}

/// Opens one stage as the recipient's desk does, and gives every field as text by its path.
pub async fn read(
    world: &World,
    recipient: &str,
    offer: OfferId,
    stage: Stage,
) -> BTreeMap<String, String> {
    let desk = world.intake(recipient);
    let view = desk.offer(offer).await.unwrap();
    seen(&desk.open(&view, stage).await.unwrap())
}

/// Every field of a parcel as text, by its path.
pub fn seen(parcel: &OpenedParcel) -> BTreeMap<String, String> {
    let fields = parcel.fields.iter();
    fields
        .map(|field| (field.field.path.clone(), field.field.value.to_string()))
        .collect()
}

/// These fields and no other were read.
#[track_caller]
pub fn assert_seen(seen: &BTreeMap<String, String>, expected: &[(&str, &str)]) {
    let expected: BTreeMap<String, String> = expected
        .iter()
        .map(|&(path, value)| (path.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(*seen, expected);
}
