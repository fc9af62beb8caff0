//! Names: another's are refused before anything is read, and what is not there looks like what may not be seen
//! (invariant 22).

use std::time::Duration;

use safeconduct::client::source::AlsoAsked;
use safeconduct::client::words;
use safeconduct::domain::id::OfferId;
use safeconduct::domain::vocabulary::{Asked, DeclineReason, Decliner, StaffRole, Stage};
use safeconduct::proto::v1;
use tonic::Code;

use crate::harness::requests::{About, Call};
use crate::harness::scene::{
    ACCEPTED, BED, TRIAGE, allow, ask_for_bed, bed_basis, closed, consent, facts, new_case,
    one_bed, whole_seconds,
};
use crate::harness::wire::{Refused, Wire};
use crate::harness::{World, forge, run, world};

/// Everything that alpha and house1 have of one referral.
async fn real(world: &World) -> About {
    let source = world.source("alpha");
    let bed = one_bed(&source, "house1").await;
    let pool = "names".parse().unwrap();
    world
        .intake("house1")
        .update_pool(&pool, 4, 0)
        .await
        .unwrap();
    let draft = forge::Draft::new("house1", bed.basis.chain, BED, Stage::Triage, facts(TRIAGE));
    let deposit = forge::seal(&source, draft, source.agency().keys().signer()).deposit();
    About {
        agency: "house1".into(),
        recipient: "house1".into(),
        offer: bed.offer.to_string(),
        referral: bed.sent.referral.to_string(),
        basis: bed.basis.chain.to_string(),
        pool: pool.to_string(),
        case: bed.case.to_string(),
        statement: deposit.parcel.as_ref().unwrap().statement.to_vec(),
        deposit,
    }
}

/// The same names with ids that nobody has.
fn invented(real: &About) -> About {
    About {
        offer: new_case().to_string(),
        referral: new_case().to_string(),
        basis: new_case().to_string(),
        pool: "nowhere".into(),
        ..real.clone()
    }
}

fn under(about: &About, agency: &str) -> About {
    About {
        agency: agency.to_owned(),
        ..about.clone()
    }
}

async fn refusals(wire: &Wire, calls: Vec<Call>) -> Vec<(&'static str, Refused)> {
    let mut refused = Vec::new();
    for (method, body) in calls {
        let status = wire.raw(method, body).await;
        let status = status
            .err()
            .unwrap_or_else(|| panic!("{method} was not refused"));
        refused.push((method, Refused::read(&status)));
    }
    refused
}

#[test]
fn another_agencys_name_gets_one_answer_whether_the_thing_exists_or_not() {
    run(async {
        let world = world().await;
        let real = real(world).await;
        let invented = invented(&real);
        let stranger = world.wire("house2", StaffRole::Supervisor);
        let mut answers = Vec::new();
        for about in [&real, &invented] {
            let recipients = under(about, "house1");
            let sources = under(about, "alpha");
            let nobodys = under(about, "never-enrolled");
            answers.extend(refusals(&stranger, recipients.offers()).await);
            answers.extend(refusals(&stranger, recipients.agencies()).await);
            answers.extend(refusals(&stranger, sources.sources()).await);
            answers.extend(refusals(&stranger, sources.agencies()).await);
            answers.extend(refusals(&stranger, nobodys.offers()).await);
            answers.extend(refusals(&stranger, nobodys.sources()).await);
            answers.extend(refusals(&stranger, nobodys.agencies()).await);
        }
        let (_, first) = answers[0].clone();
        let first = first.is(Code::PermissionDenied, "NOT_PERMITTED");
        for (method, answer) in &answers {
            assert_eq!(answer, &first, "{method}");
        }
    });
}

#[test]
fn another_agencys_doorbells_are_not_to_be_heard() {
    run(async {
        let world = world().await;
        let stranger = world.wire("house2", StaffRole::Supervisor);
        for parent in ["agencies/house1", "agencies/never-enrolled"] {
            let watch = v1::WatchRequest {
                parent: parent.into(),
                resume_token: String::new(),
            };
            let refused = match stranger.stream("EventService/Watch", &watch).await {
                Err(status) => status,
                Ok(mut stream) => stream.message().await.unwrap_err(),
            };
            Refused::read(&refused).is(Code::PermissionDenied, "NOT_PERMITTED");
        }
    });
}

/// A source's name for an offer is not the recipient's, and the reverse: each is looked up as its viewer's.
#[test]
fn what_is_not_ones_own_to_see_is_not_there_under_ones_own_name() {
    run(async {
        let world = world().await;
        let real = real(world).await;
        let house2 = world.wire("house2", StaffRole::Supervisor);
        let mut answers = Vec::new();
        for about in [&real, &invented(&real)] {
            let mine = under(about, "house2");
            // A pool of one's own is made when it is new; which pool is asked before which offer is nobody's business.
            answers.extend(refusals(&house2, mine.offers()).await);
            let sources = mine.sources().into_iter().filter(|(method, _)| {
                // What carries a statement is judged by the statement first.
                !matches!(*method, "BasisService/WithdrawBasis")
            });
            answers.extend(refusals(&house2, sources.collect()).await);
        }
        let (_, first) = answers[0].clone();
        let first = first.is(Code::NotFound, "NOT_FOUND");
        for (method, answer) in &answers {
            assert_eq!(answer, &first, "{method}");
        }
    });
}

async fn open(wire: &Wire, agency: &str, offer: OfferId, stage: i32) -> Refused {
    let request = v1::OpenParcelRequest {
        name: format!("agencies/{agency}/offers/{offer}"),
        stage,
    };
    wire.refused("OfferService/OpenParcel", &request).await
}

#[test]
fn absent_closed_withdrawn_declined_recalled_and_not_yet_are_one_answer() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let house1 = world.intake("house1");
        let wire = world.wire("house1", StaffRole::Intake);

        let never = open(&wire, "house1", OfferId::from_random([9; 16]), 1).await;
        let never = never.is(Code::NotFound, "NOT_FOUND");
        let mut answers = Vec::new();

        let bed = one_bed(&source, "house1").await;
        answers.push((
            "not accepted yet",
            open(&wire, "house1", bed.offer, 2).await,
        ));
        answers.push(("no such parcel", open(&wire, "house1", bed.offer, 3).await));
        source
            .deposit(bed.offer, &bed.basis, BED, Stage::Accepted, facts(ACCEPTED))
            .await
            .unwrap();
        answers.push((
            "deposited, not accepted yet",
            open(&wire, "house1", bed.offer, 2).await,
        ));
        let also = AlsoAsked {
            erase: false,
            leave: false,
        };
        source.withdraw_basis(&bed.basis, also).await.unwrap();
        answers.push(("withdrawn", open(&wire, "house1", bed.offer, 1).await));
        answers.push((
            "withdrawn, later stage",
            open(&wire, "house1", bed.offer, 2).await,
        ));

        let recalled = one_bed(&source, "house1").await;
        source.recall(recalled.sent.referral).await.unwrap();
        answers.push(("recalled", open(&wire, "house1", recalled.offer, 1).await));

        let declined = one_bed(&source, "house1").await;
        house1
            .decline(declined.offer, DeclineReason::NoCapacity, Decliner::Agency)
            .await
            .unwrap();
        answers.push(("declined", open(&wire, "house1", declined.offer, 1).await));

        let case = new_case();
        let mut bases = Vec::new();
        for house in ["house1", "house2"] {
            bases.push(bed_basis(&source, case, house).await);
        }
        let sent = ask_for_bed(&source, case, &bases).await;
        let elsewhere = world.intake("house2");
        elsewhere.accept(sent.offers[1].1, None).await.unwrap();
        answers.push(("closed", open(&wire, "house1", sent.offers[0].1, 1).await));

        let narrowed = one_bed(&source, "house1").await;
        let allows = vec![allow(
            &source,
            BED,
            closed(&["LANGUAGE/WHOLE"]),
            Asked::Specific,
        )];
        source
            .supersede_basis(&narrowed.basis, allows, [1; 32])
            .await
            .unwrap();
        answers.push((
            "no longer covered",
            open(&wire, "house1", narrowed.offer, 1).await,
        ));

        let until = whole_seconds(source.now().plus(Duration::from_secs(2)));
        let case = new_case();
        let mut draft = consent(&source, case, "house1", BED, closed(TRIAGE));
        draft.allows[0].until = until;
        let basis = source.record_basis(draft).await.unwrap();
        // By hand: the SDK does not seal for so short a time.
        let draft = forge::Draft::new("house1", basis.chain, BED, Stage::Triage, facts(TRIAGE));
        let parcel = forge::seal(&source, draft, source.agency().keys().signer());
        let request = forge::referral(&source, case, BED, &[("house1", vec![parcel.deposit()])]);
        let alpha = world.wire("alpha", StaffRole::Caseworker);
        let made: v1::CreateReferralResponse = alpha
            .ask("ReferralService/CreateReferral", &request)
            .await
            .unwrap();
        let expired = made.offers[0].rsplit('/').next().unwrap().parse().unwrap();
        while source.now() <= until {
            tokio::task::yield_now().await;
        }
        answers.push(("expired", open(&wire, "house1", expired, 1).await));

        for (what, answer) in answers {
            assert_eq!(answer, never, "{what}");
        }
    });
}

#[test]
fn an_agency_that_is_not_to_be_seen_is_not_there() {
    run(async {
        let world = world().await;
        let police = world.wire("moi-atu", StaffRole::Caseworker);
        let absent = v1::GetAgencyRequest {
            name: "agencies/never-enrolled".into(),
        };
        let absent = police.refused("DirectoryService/GetAgency", &absent).await;
        absent.is(Code::NotFound, "NOT_FOUND");
    });
}

#[test]
fn a_name_of_another_shape_is_a_fields_fault_and_says_only_which_field() {
    run(async {
        let world = world().await;
        let wire = world.wire("house1", StaffRole::Intake);
        let offer = OfferId::from_random([3; 16]);
        let right = words::offer_name(&"house1".parse().unwrap(), offer);
        for name in [
            String::new(),
            "offers".into(),
            right.to_uppercase(),
            format!("{right}/"),
            format!("/{right}"),
            format!("{right}/parcels"),
            right.replace("house1", "House1"),
            right.replace("house1", ""),
            right.replace("offers", "referrals"),
            right.replace("agencies", "agency"),
            format!("agencies/house1/offers/{}", "a".repeat(25)),
            format!("agencies/house1/offers/{}", "1".repeat(26)),
            "agencies/house1/offers/../../house2/offers/x".into(),
            "x".repeat(100_000),
        ] {
            let request = v1::GetOfferRequest { name };
            let refused = wire.refused("OfferService/GetOffer", &request).await;
            let refused = refused.is(Code::InvalidArgument, "INVALID_FIELD");
            assert_eq!(refused.fields, ["name"]);
        }
    });
}
