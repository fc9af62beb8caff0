//! Requests that are not well formed get a typed answer that names fields and repeats nothing (invariants 23 and 26).

use prost::Message;
use safeconduct::client::session::request_id;
use safeconduct::domain::vocabulary::{StaffRole, Stage};
use safeconduct::proto::v1;
use tonic::Code;

use crate::harness::forge::{self, Draft};
use crate::harness::scene::{BED, TRIAGE, bed_basis, facts, new_case};
use crate::harness::wire::{Refused, Wire};
use crate::harness::{World, run, world};

const CREATE: &str = "ReferralService/CreateReferral";

/// A value that no answer may repeat.
const MARK: &str = "mark-7f3a91";

async fn sound(world: &World) -> v1::CreateReferralRequest {
    let source = world.source("alpha");
    let case = new_case();
    let basis = bed_basis(&source, case, "house1").await;
    let draft = Draft::new("house1", basis.chain, BED, Stage::Triage, facts(TRIAGE));
    let deposit = forge::seal(&source, draft, source.agency().keys().signer()).deposit();
    forge::referral(&source, case, BED, &[("house1", vec![deposit])])
}

async fn refused(wire: &Wire, method: &str, body: Vec<u8>) -> Refused {
    let status = wire.raw(method, body).await;
    let status = status
        .err()
        .unwrap_or_else(|| panic!("{method} was not refused"));
    Refused::read(&status)
}

/// The parcel of the first deposit.
fn parcel(request: &mut v1::CreateReferralRequest) -> &mut v1::Parcel {
    let offer = &mut request.offers[0];
    offer.deposits[0].parcel.as_mut().unwrap()
}

#[test]
fn every_field_that_is_wrong_is_named_by_its_path_and_no_value_is_repeated() {
    run(async {
        let world = world().await;
        let wire = world.wire("alpha", StaffRole::Caseworker);
        let right = sound(world).await;
        type Change = Box<dyn Fn(&mut v1::CreateReferralRequest)>;
        let time = |seconds, nanos| Some(prost_types::Timestamp { seconds, nanos });
        let changes: Vec<(&str, Change)> = vec![
            ("parent", Box::new(|r| r.parent = MARK.into())),
            ("parent", Box::new(|r| r.parent.clear())),
            ("request_id", Box::new(|r| r.request_id = MARK.into())),
            ("request_id", Box::new(|r| r.request_id.clear())),
            ("case_handle", Box::new(|r| r.case_handle = MARK.into())),
            ("purpose", Box::new(|r| r.purpose = 0)),
            ("purpose", Box::new(|r| r.purpose = 9_731)),
            ("purpose", Box::new(|r| r.purpose = -1)),
            ("urgency", Box::new(|r| r.urgency = 0)),
            ("urgency", Box::new(|r| r.urgency = i32::MAX)),
            ("decide_by", Box::new(move |r| r.decide_by = time(-1, 0))),
            (
                "decide_by",
                Box::new(move |r| r.decide_by = time(i64::MAX, 0)),
            ),
            (
                "decide_by",
                Box::new(move |r| r.decide_by = time(i64::MIN, i32::MIN)),
            ),
            (
                "decide_by",
                Box::new(move |r| r.decide_by = time(1_900_000_000, -1)),
            ),
            (
                "decide_by",
                Box::new(move |r| r.decide_by = time(1_900_000_000, 1_000_000_000)),
            ),
            ("offers", Box::new(|r| r.offers.clear())),
            (
                "offers",
                Box::new(|r| {
                    let offer = v1::NewOffer::default();
                    r.offers = vec![offer; 33];
                }),
            ),
            (
                "offers[0].recipient",
                Box::new(|r| r.offers[0].recipient = MARK.into()),
            ),
            (
                "offers[0].deposits",
                Box::new(|r| r.offers[0].deposits.clear()),
            ),
            (
                "offers[0].deposits",
                Box::new(|r| {
                    let deposit = r.offers[0].deposits[0].clone();
                    r.offers[0].deposits = vec![deposit; 4];
                }),
            ),
            (
                "offers[0].deposits[0].parcel",
                Box::new(|r| r.offers[0].deposits[0].parcel = None),
            ),
            (
                "offers[0].deposits[0].basis_chain",
                Box::new(|r| {
                    r.offers[0].deposits[0].basis_chain = MARK.into();
                }),
            ),
            (
                "offers[0].deposits[0].basis_salt",
                Box::new(|r| {
                    r.offers[0].deposits[0].basis_salt = vec![1; 31];
                }),
            ),
            (
                "offers[0].deposits[0].parcel.statement",
                Box::new(|r| {
                    parcel(r).statement = Vec::new().into();
                }),
            ),
            (
                "offers[0].deposits[0].parcel.statement",
                Box::new(|r| {
                    parcel(r).statement = vec![b'x'; 17 * 1024].into();
                }),
            ),
            (
                "offers[0].deposits[0].parcel.encapsulated_key",
                Box::new(|r| {
                    parcel(r).encapsulated_key = vec![0; 1119].into();
                }),
            ),
            (
                "offers[0].deposits[0].parcel.wrapped_key",
                Box::new(|r| {
                    parcel(r).wrapped_key = vec![0; 49].into();
                }),
            ),
            (
                "offers[0].deposits[0].parcel.labels",
                Box::new(|r| {
                    let label = parcel(r).labels[0].clone();
                    parcel(r).labels = vec![label; 129];
                }),
            ),
            (
                "offers[0].deposits[0].parcel.labels[0].digest",
                Box::new(|r| {
                    parcel(r).labels[0].digest.pop();
                }),
            ),
            (
                "offers[0].deposits[0].parcel.labels[0].category",
                Box::new(|r| {
                    parcel(r).labels[0].category = 99;
                }),
            ),
            (
                "offers[0].deposits[0].parcel.labels[0].form",
                Box::new(|r| {
                    parcel(r).labels[0].form = 0;
                }),
            ),
        ];
        for (path, change) in changes {
            let mut request = right.clone();
            request.request_id = request_id();
            change(&mut request);
            let answer = refused(&wire, CREATE, request.encode_to_vec()).await;
            let answer = answer.is(Code::InvalidArgument, "INVALID_FIELD");
            assert!(
                answer.fields.iter().any(|field| field == path),
                "{path}: {answer:?}"
            );
            let said = String::from_utf8_lossy(&answer.details).into_owned();
            assert!(
                !said.contains(MARK) && !said.contains("9731"),
                "{path}: {said}"
            );
        }
        let all = v1::CreateReferralRequest::default();
        let answer = refused(&wire, CREATE, all.encode_to_vec()).await;
        let answer = answer.is(Code::InvalidArgument, "INVALID_FIELD");
        assert!(
            answer.fields.len() >= 6,
            "all that is missing at once: {answer:?}"
        );
    });
}

#[test]
fn a_field_count_that_does_not_fit_the_labels_is_refused() {
    run(async {
        let world = world().await;
        let wire = world.wire("alpha", StaffRole::Caseworker);
        let mut request = sound(world).await;
        parcel(&mut request).fields.pop();
        let answer = refused(&wire, CREATE, request.encode_to_vec()).await;
        assert_eq!(answer.code, Code::InvalidArgument, "{answer:?}");
    });
}

#[test]
fn pages_have_bounds_and_tokens_are_the_routers_own() {
    run(async {
        let world = world().await;
        let wire = world.wire("alpha", StaffRole::Supervisor);
        let request = |page_size, page_token: &str| v1::ListReferralsRequest {
            parent: "agencies/alpha".into(),
            page_size,
            page_token: page_token.into(),
        };
        for page_size in [-1, 101, i32::MIN, i32::MAX] {
            let answer = wire
                .refused("ReferralService/ListReferrals", &request(page_size, ""))
                .await;
            let answer = answer.is(Code::InvalidArgument, "INVALID_FIELD");
            assert_eq!(answer.fields, ["page_size"]);
        }
        for token in [MARK, "AAAA", "../..", &"x".repeat(10_000), "\u{0}", "é"] {
            let answer = wire
                .refused("ReferralService/ListReferrals", &request(10, token))
                .await;
            let answer = answer.is(Code::InvalidArgument, "INVALID_FIELD");
            assert_eq!(answer.fields, ["page_token"], "{token}");
        }
        let resume = v1::WatchRequest {
            parent: "agencies/alpha".into(),
            resume_token: MARK.into(),
        };
        let status = match wire.stream("EventService/Watch", &resume).await {
            Err(status) => status,
            Ok(mut stream) => stream.message().await.unwrap_err(),
        };
        let codes = [Code::InvalidArgument, Code::OutOfRange];
        assert!(codes.contains(&Refused::read(&status).code), "{status:?}");
    });
}

#[test]
fn a_page_token_of_one_agency_or_list_is_none_of_another() {
    run(async {
        let world = world().await;
        for agency in ["alpha", "beta"] {
            for _ in 0..2 {
                crate::harness::scene::one_bed(&world.source(agency), "house1").await;
            }
        }
        let alpha = world.wire("alpha", StaffRole::Supervisor);
        let mut request = v1::ListReferralsRequest {
            parent: "agencies/alpha".into(),
            page_size: 1,
            page_token: String::new(),
        };
        let page: v1::ListReferralsResponse = alpha
            .ask("ReferralService/ListReferrals", &request)
            .await
            .unwrap();
        assert!(!page.next_page_token.is_empty());
        request.parent = "agencies/beta".into();
        request.page_token.clone_from(&page.next_page_token);
        let beta = world.wire("beta", StaffRole::Supervisor);
        let answer = beta
            .refused("ReferralService/ListReferrals", &request)
            .await;
        answer.is(Code::InvalidArgument, "INVALID_FIELD");
        let other = v1::ListOffersRequest {
            parent: "agencies/alpha".into(),
            page_size: 1,
            page_token: page.next_page_token,
        };
        let answer = alpha.refused("OfferService/ListOffers", &other).await;
        answer.is(Code::InvalidArgument, "INVALID_FIELD");
    });
}

#[test]
fn huge_strings_are_refused_where_they_stand() {
    run(async {
        let world = world().await;
        let wire = world.wire("house1", StaffRole::Supervisor);
        let huge = "a".repeat(900_000);
        let requests = [
            (
                "OfferService/GetOffer",
                v1::GetOfferRequest { name: huge.clone() }.encode_to_vec(),
            ),
            (
                "OfferService/AcknowledgeOffer",
                v1::AcknowledgeOfferRequest {
                    name: huge.clone(),
                    request_id: huge.clone()[..100_000].into(),
                }
                .encode_to_vec(),
            ),
            (
                "PlaceService/UpdatePool",
                v1::UpdatePoolRequest {
                    name: format!("agencies/house1/pools/{}", &huge[..64]),
                    request_id: request_id(),
                    total: 1,
                    ..v1::UpdatePoolRequest::default()
                }
                .encode_to_vec(),
            ),
        ];
        for (method, body) in requests {
            let answer = refused(&wire, method, body).await;
            let answer = answer.is(Code::InvalidArgument, "INVALID_FIELD");
            assert!(answer.details.len() < 2048, "{method}");
        }
    });
}

#[test]
fn numbers_past_their_bounds_are_refused() {
    run(async {
        let world = world().await;
        let wire = world.wire("house1", StaffRole::Supervisor);
        let pool = |total, closed| v1::UpdatePoolRequest {
            name: "agencies/house1/pools/bounds".into(),
            request_id: request_id(),
            total,
            closed,
            ..v1::UpdatePoolRequest::default()
        };
        for (total, closed) in [(10_001, 0), (u32::MAX, u32::MAX), (3, 4)] {
            let answer = wire
                .refused("PlaceService/UpdatePool", &pool(total, closed))
                .await;
            assert_eq!(answer.code, Code::InvalidArgument, "{answer:?}");
        }
        let inclusion = |index, size| v1::ProveInclusionRequest { index, size };
        for (index, size) in [(5, 5), (0, 0), (0, u64::MAX), (u64::MAX, u64::MAX)] {
            let answer = wire
                .refused("AuditService/ProveInclusion", &inclusion(index, size))
                .await;
            let codes = [Code::OutOfRange, Code::InvalidArgument];
            assert!(codes.contains(&answer.code), "{answer:?}");
        }
        let consistency = |old_size, new_size| v1::ProveConsistencyRequest { old_size, new_size };
        for (old, new) in [(0, 5), (5, 4), (1, u64::MAX), (u64::MAX, u64::MAX)] {
            let answer = wire
                .refused("AuditService/ProveConsistency", &consistency(old, new))
                .await;
            let codes = [Code::OutOfRange, Code::InvalidArgument];
            assert!(codes.contains(&answer.code), "{answer:?}");
        }
        let ombud = world.wire("ombud", StaffRole::Auditor);
        for (start, page_size) in [(0, -1), (0, 1001)] {
            let request = v1::ListEntriesRequest { start, page_size };
            let answer = ombud.refused("AuditService/ListEntries", &request).await;
            answer.is(Code::InvalidArgument, "INVALID_FIELD");
        }
    });
}
