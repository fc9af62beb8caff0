//! What agencies do all day, in one line each.

use std::time::Duration;

use safeconduct::client::agency::Desk;
use safeconduct::client::error::ClientError;
use safeconduct::client::random::SystemRandom;
use safeconduct::client::recipient::OfferView;
use safeconduct::client::source::{Ask, BasisDraft, Candidate, SentReferral};
use safeconduct::domain::basis::{Allow, Basis};
use safeconduct::domain::gate::{BasisHead, Proposal, permit};
use safeconduct::domain::id::{CaseHandle, OfferId};
use safeconduct::domain::label::{Label, LabelSet};
use safeconduct::domain::random::Random as _;
use safeconduct::domain::time::Timestamp;
use safeconduct::domain::vocabulary::{
    Asked, BasisKind, ChildTold, GivenBy, InterpreterClass, Purpose, Stage, Urgency,
};
use safeconduct::envelope::disclosure::Field;

use super::record::FullRecord;

pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a shelter may know before it decides, by the shipped protocol.
pub const TRIAGE: &[&str] = &[
    "LANGUAGE/WHOLE",
    "AGE/BAND",
    "CARE_NEEDS/CODED",
    "FAMILY/COUNTS",
];
/// What it may know once it accepted.
pub const ACCEPTED: &[&str] = &["GENDER/WHOLE", "IDENTITY/ALIAS", "MEETING_POINT/WHOLE"];
/// A bed.
pub const BED: Purpose = Purpose::SafeAccommodation;

/// Labels by their names.
pub fn labels(names: &[&str]) -> LabelSet {
    names
        .iter()
        .map(|name| name.parse::<Label>().unwrap())
        .collect()
}

/// Labels by their names, with the lesser forms.
pub fn closed(names: &[&str]) -> LabelSet {
    labels(names).closed()
}

pub fn new_case() -> CaseHandle {
    CaseHandle::from_random(SystemRandom.array())
}

/// Fields of a full record under these labels.
pub fn facts(names: &[&str]) -> Vec<Field> {
    FullRecord::marked("fact").cut(labels(names))
}

/// What a person agreed to, asked for each label by itself.
pub fn consent(
    source: &Desk,
    case: CaseHandle,
    recipient: &str,
    purpose: Purpose,
    allowed: LabelSet,
) -> BasisDraft {
    BasisDraft {
        case,
        recipient: recipient.parse().unwrap(),
        kind: BasisKind::Consent,
        allows: vec![allow(source, purpose, allowed, Asked::Specific)],
        given_by: GivenBy::Itself,
        asked_alone: true,
        interpreter: InterpreterClass::Professional,
        child_told: ChildTold::NotApplicable,
        for_child: Default::default(),
        evidence: SystemRandom.array(),
    }
}

/// One row of a basis, for 30 days.
pub fn allow(source: &Desk, purpose: Purpose, allowed: LabelSet, asked: Asked) -> Allow {
    let until = whole_seconds(source.now().plus(30 * DAY));
    Allow {
        purposes: vec![purpose],
        labels: allowed,
        asked,
        until,
        reply: false,
    }
}

pub fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_seconds(at.seconds()).unwrap()
}

/// Records consent to a bed at `recipient`: triage and accepted.
pub async fn bed_basis(source: &Desk, case: CaseHandle, recipient: &str) -> Basis {
    let allowed = closed(&[TRIAGE, ACCEPTED].concat());
    basis_for(source, case, recipient, BED, allowed).await
}

pub async fn basis_for(
    source: &Desk,
    case: CaseHandle,
    recipient: &str,
    purpose: Purpose,
    allowed: LabelSet,
) -> Basis {
    let draft = consent(source, case, recipient, purpose, allowed);
    source.record_basis(draft).await.unwrap()
}

/// Tonight.
pub fn tonight(source: &Desk, case: CaseHandle, purpose: Purpose) -> Ask {
    Ask {
        case,
        purpose,
        urgency: Urgency::Immediate,
        decide_by: source.now().plus(Duration::from_secs(25 * 60)),
    }
}

/// Asks for a bed, everybody on a basis of their own, with a triage parcel each.
pub async fn ask_for_bed(source: &Desk, case: CaseHandle, bases: &[Basis]) -> SentReferral {
    let candidates: Vec<Candidate<'_>> = bases
        .iter()
        .map(|basis| Candidate {
            basis,
            parcels: vec![(Stage::Triage, facts(TRIAGE))],
        })
        .collect();
    let ask = tonight(source, case, BED);
    source.create_referral(&ask, &candidates).await.unwrap()
}

/// One person, one candidate for a bed.
pub struct Bed {
    pub case: CaseHandle,
    pub basis: Basis,
    pub sent: SentReferral,
    pub offer: OfferId,
}

/// A new case with one candidate for a bed.
pub async fn one_bed(source: &Desk, recipient: &str) -> Bed {
    let case = new_case();
    let basis = bed_basis(source, case, recipient).await;
    let sent = ask_for_bed(source, case, std::slice::from_ref(&basis)).await;
    let offer = sent.offers[0].1;
    Bed {
        case,
        basis,
        sent,
        offer,
    }
}

/// Opens by id.
pub async fn open(
    recipient: &Desk,
    offer: OfferId,
    stage: Stage,
) -> Result<safeconduct::envelope::open::OpenedParcel, ClientError> {
    let view: OfferView = recipient.offer(offer).await?;
    recipient.open(&view, stage).await
}

/// Every label that the gate lets `basis`'s recipient have at `stage`; asked here as the source's desk asks it.
pub fn permitted(source: &Desk, basis: &Basis, purpose: Purpose, stage: Stage) -> LabelSet {
    let agency = source.agency();
    let (directory, protocol) = (agency.directory().unwrap(), agency.protocol().unwrap());
    let permitted = Label::all().filter(|&label| {
        let proposal = Proposal {
            source: agency.id(),
            recipient: &basis.recipient,
            recipient_kind: directory.member(&basis.recipient).unwrap().kind,
            purpose,
            stage,
            labels: [label].into_iter().collect(),
        };
        permit(
            &proposal,
            BasisHead::InForce(basis),
            &protocol,
            source.now(),
        )
        .is_ok()
    });
    permitted.collect()
}
