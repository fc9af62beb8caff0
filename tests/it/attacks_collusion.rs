//! Two recipients of one person put together all that they hold, and find nothing that joins it (R3, invariant 22).

use std::collections::HashSet;

use data_encoding::BASE64URL_NOPAD;
use prost::Message as _;
use safeconduct::client::agency::Desk;
use safeconduct::client::session::request_id;
use safeconduct::client::source::Candidate;
use safeconduct::domain::id::CaseHandle;
use safeconduct::domain::vocabulary::{Purpose, StaffRole, Stage};
use safeconduct::proto::v1;

use crate::harness::record::FullRecord;
use crate::harness::scene::{
    ACCEPTED, BED, TRIAGE, basis_for, closed, labels, new_case, open, tonight,
};
use crate::harness::wire::Wire;
use crate::harness::{World, run, world};

/// The shortest run of bytes that counts as shared.
const RUN: usize = 12;
/// So much of a run must be new: a constant and the last few characters of something random before it, equal by
/// chance, are no link.
const NEW: usize = 4;

const MEDIC_TRIAGE: &[&str] = &["LANGUAGE/WHOLE", "AGE/BAND", "CARE_NEEDS/ACUITY"];
const MEDIC_ACCEPTED: &[&str] = &["GENDER/WHOLE", "IDENTITY/ALIAS", "HEALTH/FUNCTIONAL"];

/// What one recipient asks of one person's case.
struct Side<'a> {
    agency: &'a str,
    purpose: Purpose,
    triage: &'a [&'a str],
    accepted: &'a [&'a str],
}

const HOUSE: Side<'_> = Side {
    agency: "house1",
    purpose: BED,
    triage: TRIAGE,
    accepted: ACCEPTED,
};

const MEDIC: Side<'_> = Side {
    agency: "medic",
    purpose: Purpose::MedicalCare,
    triage: MEDIC_TRIAGE,
    accepted: MEDIC_ACCEPTED,
};

/// Everything that `side` comes to hold: replies as they travelled, and what is inside of them when unpacked.
///
/// Left out is what every member gets: checkpoints and proofs of the log. The content differs by `mark`, as two
/// parts of one record do in their aliases; what the *content* says twice is the person's, and not looked for here.
async fn holdings(world: &World, source: &Desk, case: CaseHandle, side: &Side<'_>) -> Vec<Vec<u8>> {
    let allowed = closed(&[side.triage, side.accepted].concat());
    let basis = basis_for(source, case, side.agency, side.purpose, allowed).await;
    let mark: String = new_case().to_string();
    let record = FullRecord::marked(&mark);
    let candidate = Candidate {
        basis: &basis,
        parcels: vec![
            (Stage::Triage, record.cut(labels(side.triage))),
            (Stage::Accepted, record.cut(labels(side.accepted))),
        ],
    };
    let ask = tonight(source, case, side.purpose);
    let sent = source.create_referral(&ask, &[candidate]).await.unwrap();
    let offer = sent.offers[0].1;
    let desk = world.intake(side.agency);
    let wire = world.wire(side.agency, StaffRole::Intake);
    let name = format!("agencies/{}/offers/{offer}", side.agency);
    let mut held = Vec::new();

    let request = v1::AcknowledgeOfferRequest {
        name: name.clone(),
        request_id: request_id(),
    };
    let reply: v1::AcknowledgeOfferResponse = wire
        .ask("OfferService/AcknowledgeOffer", &request)
        .await
        .unwrap();
    held.extend(own_receipt(reply.receipt.unwrap()));
    held.extend(opened(&wire, &name, 1).await);
    let request = v1::AcceptOfferRequest {
        name: name.clone(),
        request_id: request_id(),
        ..Default::default()
    };
    let reply: v1::AcceptOfferResponse = wire
        .ask("OfferService/AcceptOffer", &request)
        .await
        .unwrap();
    held.extend(own_receipt(reply.receipt.unwrap()));
    held.extend(opened(&wire, &name, 2).await);

    let request = v1::GetOfferRequest { name };
    let reply: v1::GetOfferResponse = wire.ask("OfferService/GetOffer", &request).await.unwrap();
    let mut view = reply.offer.unwrap();
    // Rounded to the minute; what that leaves is named.
    view.decide_by = None;
    held.push(view.encode_to_vec());
    for stage in [Stage::Triage, Stage::Accepted] {
        let parcel = open(&desk, offer, stage).await.unwrap();
        for field in &parcel.fields {
            let text = field.disclosure.text();
            // The salt, which stands first, and the whole as it is hashed.
            held.push(text.as_bytes()[..24].to_vec());
        }
    }
    held
}

async fn opened(wire: &Wire, name: &str, stage: i32) -> Vec<Vec<u8>> {
    let request = v1::OpenParcelRequest {
        name: name.to_owned(),
        stage,
    };
    let reply: v1::OpenParcelResponse =
        wire.ask("OfferService/OpenParcel", &request).await.unwrap();
    let parcel = reply.parcel.unwrap();
    let mut held = own_receipt(reply.receipt.unwrap());
    for part in parcel.statement.split(|&byte| byte == b'.') {
        held.push(part.to_vec());
        held.push(BASE64URL_NOPAD.decode(part).unwrap());
    }
    held.push(parcel.encode_to_vec());
    held
}

/// A receipt without the proofs that anybody gets.
fn own_receipt(receipt: v1::Receipt) -> Vec<Vec<u8>> {
    vec![receipt.entry, receipt.nonce, receipt.decision]
}

fn runs(held: &[Vec<u8>], length: usize) -> HashSet<&[u8]> {
    held.iter()
        .flat_map(|bytes| bytes.windows(length))
        .collect()
}

/// Runs that two recipients share and that no recipients of other people's cases do.
fn joining<'a>(
    left: &'a [Vec<u8>],
    right: &'a [Vec<u8>],
    others: &[&'a [Vec<u8>]],
) -> Vec<&'a [u8]> {
    let mut shared: Vec<&[u8]> = runs(left, RUN)
        .intersection(&runs(right, RUN))
        .copied()
        .collect();
    for other in others {
        let constant = runs(other, RUN - NEW);
        shared.retain(|run| !run.windows(RUN - NEW).any(|part| constant.contains(part)));
    }
    shared
}

/// What is constant is what everybody has, whoever the person is: names of the source, keys of JSON, enum words, the
/// source's certificate. So the allow-list is not written down but taken from two other people's cases.
#[test]
fn two_recipients_of_one_person_share_no_bytes_that_others_do_not() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let person = new_case();
        let left = holdings(world, &source, person, &HOUSE).await;
        let right = holdings(world, &source, person, &MEDIC).await;
        let other_house = holdings(world, &source, new_case(), &HOUSE).await;
        let other_medic = holdings(world, &source, new_case(), &MEDIC).await;
        let found = joining(&left, &right, &[&other_house, &other_medic]);
        let found: Vec<_> = found
            .iter()
            .map(|run| String::from_utf8_lossy(run))
            .collect();
        assert!(found.is_empty(), "{found:?}");
        let words = person.to_string();
        for bytes in left.iter().chain(&right) {
            assert!(
                !bytes
                    .windows(words.len())
                    .any(|run| run == words.as_bytes()),
                "the case handle"
            );
        }
    });
}

/// The control: the search does find what is shared.
#[test]
fn a_shared_id_would_be_found() {
    let id = b"abcdefghijklmnopqrstuvwxyz".to_vec();
    let left = vec![[b"left ".to_vec(), id.clone()].concat()];
    let right = vec![[b"right ".to_vec(), id].concat()];
    let others = vec![b"something else altogether".to_vec()];
    assert!(!joining(&left, &right, &[&others]).is_empty());
}
