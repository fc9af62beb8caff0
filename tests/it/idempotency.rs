//! The same request has one effect, however often it comes (invariant 6).

use safeconduct::client::session::request_id;
use safeconduct::domain::vocabulary::{StaffRole, Stage};
use safeconduct::proto::v1;
use tonic::Code;

use crate::harness::forge;
use crate::harness::scene::{BED, TRIAGE, ask_for_bed, bed_basis, facts, new_case, one_bed};
use crate::harness::wire::Wire;
use crate::harness::{World, own, run, world};

const CREATE: &str = "ReferralService/CreateReferral";

/// What of a receipt says that it is the same act: the proof and the checkpoint may be newer.
fn act(receipt: &v1::Receipt) -> v1::Receipt {
    v1::Receipt {
        inclusion: Vec::new(),
        checkpoint: String::new(),
        consistency: Vec::new(),
        consistency_from: 0,
        ..receipt.clone()
    }
}

fn acts(made: &v1::CreateReferralResponse) -> Vec<v1::Receipt> {
    made.receipts.iter().map(act).collect()
}

/// A request for a bed that was not sent yet.
async fn prepared(world: &World, source: &str) -> v1::CreateReferralRequest {
    let source = world.source(source);
    let case = new_case();
    let basis = bed_basis(&source, case, "house1").await;
    let draft = forge::Draft::new("house1", basis.chain, BED, Stage::Triage, facts(TRIAGE));
    let deposit = forge::seal(&source, draft, source.agency().keys().signer()).deposit();
    forge::referral(&source, case, BED, &[("house1", vec![deposit])])
}

async fn referrals(wire: &Wire, case: &str) -> usize {
    let mut found = 0;
    let mut page_token = String::new();
    loop {
        let request = v1::ListReferralsRequest {
            parent: "agencies/alpha".into(),
            page_size: 100,
            page_token,
        };
        let page: v1::ListReferralsResponse = wire
            .ask("ReferralService/ListReferrals", &request)
            .await
            .unwrap();
        found += page
            .referrals
            .iter()
            .filter(|one| one.case_handle == case)
            .count();
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return found;
        }
    }
}

#[test]
fn the_same_request_gets_the_same_names_and_receipts_and_has_one_effect() {
    run(async {
        let world = world().await;
        let wire = world.wire("alpha", StaffRole::Caseworker);
        let request = prepared(world, "alpha").await;
        let first: v1::CreateReferralResponse = wire.ask(CREATE, &request).await.unwrap();
        let second: v1::CreateReferralResponse = wire.ask(CREATE, &request).await.unwrap();
        assert_eq!((&second.name, &second.offers), (&first.name, &first.offers));
        assert_eq!(acts(&second), acts(&first));
        assert_eq!(referrals(&wire, &request.case_handle).await, 1);
        // Another member of staff of the same agency repeats what the outbox holds.
        let colleague = world.wire("alpha", StaffRole::Supervisor);
        let third: v1::CreateReferralResponse = colleague.ask(CREATE, &request).await.unwrap();
        assert_eq!(acts(&third), acts(&first));
    });
}

#[test]
fn the_same_id_with_another_body_is_refused_and_has_no_effect() {
    run(async {
        let world = world().await;
        let wire = world.wire("alpha", StaffRole::Caseworker);
        let request = prepared(world, "alpha").await;
        let first: v1::CreateReferralResponse = wire.ask(CREATE, &request).await.unwrap();
        let other = v1::CreateReferralRequest {
            request_id: request.request_id.clone(),
            ..prepared(world, "alpha").await
        };
        let refused = wire.refused(CREATE, &other).await;
        refused.is(Code::AlreadyExists, "REQUEST_ID_REUSED");
        assert_eq!(referrals(&wire, &other.case_handle).await, 0);
        let slightly = v1::CreateReferralRequest {
            urgency: 2,
            ..request.clone()
        };
        let refused = wire.refused(CREATE, &slightly).await;
        refused.is(Code::AlreadyExists, "REQUEST_ID_REUSED");
        let method = v1::RecallReferralRequest {
            name: first.name,
            request_id: request.request_id.clone(),
        };
        let refused = wire
            .refused("ReferralService/RecallReferral", &method)
            .await;
        refused.is(Code::AlreadyExists, "REQUEST_ID_REUSED");
        let state = referrals(&wire, &request.case_handle).await;
        assert_eq!(state, 1);
    });
}

#[test]
fn another_agencys_ids_are_another_world() {
    run(async {
        let world = world().await;
        let alphas = prepared(world, "alpha").await;
        let betas = v1::CreateReferralRequest {
            request_id: alphas.request_id.clone(),
            ..prepared(world, "beta").await
        };
        let alpha = world.wire("alpha", StaffRole::Caseworker);
        let beta = world.wire("beta", StaffRole::Caseworker);
        let first: v1::CreateReferralResponse = alpha.ask(CREATE, &alphas).await.unwrap();
        let second: v1::CreateReferralResponse = beta.ask(CREATE, &betas).await.unwrap();
        assert_ne!(first.receipts[0].index, second.receipts[0].index);
    });
}

#[test]
fn every_act_of_a_recipient_can_be_repeated() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let wire = world.wire("house1", StaffRole::Intake);
        let pool = "again".parse().unwrap();
        world
            .intake("house1")
            .update_pool(&pool, 8, 0)
            .await
            .unwrap();
        let bed = one_bed(&source, "house1").await;
        let name = format!("agencies/house1/offers/{}", bed.offer);
        let pool = "agencies/house1/pools/again".to_owned();

        let request = v1::AcknowledgeOfferRequest {
            name: name.clone(),
            request_id: request_id(),
        };
        let mut receipts: Vec<v1::AcknowledgeOfferResponse> = Vec::new();
        for _ in 0..2 {
            receipts.push(
                wire.ask("OfferService/AcknowledgeOffer", &request)
                    .await
                    .unwrap(),
            );
        }
        let receipts: Vec<_> = receipts
            .into_iter()
            .map(|reply| act(&reply.receipt.unwrap()))
            .collect();
        assert_eq!(receipts[0], receipts[1]);

        let hold = v1::HoldPlacesRequest {
            name: name.clone(),
            request_id: request_id(),
            pool: pool.clone(),
            places: 2,
            room: String::new(),
        };
        let first: v1::HoldPlacesResponse =
            wire.ask("OfferService/HoldPlaces", &hold).await.unwrap();
        let second: v1::HoldPlacesResponse =
            wire.ask("OfferService/HoldPlaces", &hold).await.unwrap();
        assert_eq!(act(&first.receipt.unwrap()), act(&second.receipt.unwrap()));
        assert_eq!(first.expire_time, second.expire_time);

        let accept = v1::AcceptOfferRequest {
            name: name.clone(),
            request_id: request_id(),
            pool: String::new(),
            places: 0,
            room: String::new(),
        };
        let first: v1::AcceptOfferResponse =
            wire.ask("OfferService/AcceptOffer", &accept).await.unwrap();
        let check_in = v1::CheckInRequest {
            name: name.clone(),
            request_id: request_id(),
        };
        let _: v1::CheckInResponse = wire.ask("OfferService/CheckIn", &check_in).await.unwrap();
        // Long after the offer has moved on, a late retry still hears what it did.
        let late: v1::AcceptOfferResponse =
            wire.ask("OfferService/AcceptOffer", &accept).await.unwrap();
        assert_eq!(act(&first.receipt.unwrap()), act(&late.receipt.unwrap()));
        let pools = world.intake("house1").pools().await.unwrap();
        let pool = pools
            .iter()
            .find(|pool| pool.pool.as_str() == "again")
            .unwrap();
        assert_eq!((pool.held, pool.taken, pool.occupied), (0, 0, 2));
    });
}

/// An opening is never remembered: it is gated and recorded again.
#[test]
fn a_repeated_opening_is_a_new_entry() {
    run(async {
        let world = world().await;
        let bed = one_bed(&world.source("alpha"), "house1").await;
        let wire = world.wire("house1", StaffRole::Intake);
        let request = v1::OpenParcelRequest {
            name: format!("agencies/house1/offers/{}", bed.offer),
            stage: 1,
        };
        let first: v1::OpenParcelResponse =
            wire.ask("OfferService/OpenParcel", &request).await.unwrap();
        let second: v1::OpenParcelResponse =
            wire.ask("OfferService/OpenParcel", &request).await.unwrap();
        assert_eq!(first.parcel, second.parcel);
        assert_ne!(first.receipt.unwrap().index, second.receipt.unwrap().index);
    });
}

#[test]
fn duplicates_at_the_same_time_have_one_effect() {
    run(async {
        let world = world().await;
        let wire = world.wire("alpha", StaffRole::Caseworker);
        for _ in 0..4 {
            let request = prepared(world, "alpha").await;
            let calls = (0..8).map(|_| {
                let (wire, request) = (wire.clone(), request.clone());
                tokio::spawn(async move {
                    wire.ask::<v1::CreateReferralResponse>(CREATE, &request)
                        .await
                })
            });
            let mut replies = Vec::new();
            for call in calls.collect::<Vec<_>>() {
                replies.push(call.await.unwrap().unwrap());
            }
            for reply in &replies {
                assert_eq!(
                    (&reply.name, acts(reply)),
                    (&replies[0].name, acts(&replies[0]))
                );
            }
            assert_eq!(referrals(&wire, &request.case_handle).await, 1);
        }
    });
}

#[test]
fn what_was_answered_is_remembered_across_a_kill() {
    run(async {
        let mut own = own(&["alpha", "house1"], "info").await;
        let wire = own.world.wire("alpha", StaffRole::Caseworker);
        let request = prepared(&own.world, "alpha").await;
        let first: v1::CreateReferralResponse = wire.ask(CREATE, &request).await.unwrap();
        own.town.restart().unwrap();
        let again: v1::CreateReferralResponse = retried(&wire, &request).await;
        assert_eq!((&again.name, acts(&again)), (&first.name, acts(&first)));
        let other = v1::CreateReferralRequest {
            urgency: 3,
            ..request.clone()
        };
        let refused = wire.refused(CREATE, &other).await;
        refused.is(Code::AlreadyExists, "REQUEST_ID_REUSED");
        assert_eq!(referrals(&wire, &request.case_handle).await, 1);

        // The SDK goes on over the same connection, and finds the log a continuation of what it saw.
        let source = own.world.source("alpha");
        let case = new_case();
        let basis = bed_basis(&source, case, "house1").await;
        ask_for_bed(&source, case, &[basis]).await;
    });
}

/// The connection was cut with the router: the first attempt may meet the broken one.
async fn retried(wire: &Wire, request: &v1::CreateReferralRequest) -> v1::CreateReferralResponse {
    let mut last = None;
    for _ in 0..5 {
        match wire.ask(CREATE, request).await {
            Ok(reply) => return reply,
            Err(status) => last = Some(status),
        }
    }
    panic!("{last:?}");
}
