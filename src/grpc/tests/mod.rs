//! The router over real mutual TLS: the door, the error table, streams and the stop.

mod town;

use crate::domain::vocabulary::{AgencyKind, StaffRole};
use crate::grpc::limits::AGENCY_SHARE;
use crate::grpc::server::ServeError;
use crate::proto::v1 as proto;
use crate::storage::memory::Fault;
use proto::attachment_service_client::AttachmentServiceClient;
use proto::audit_service_client::AuditServiceClient;
use proto::basis_service_client::BasisServiceClient;
use proto::event_service_client::EventServiceClient;
use proto::offer_service_client::OfferServiceClient;
use proto::place_service_client::PlaceServiceClient;
use proto::referral_service_client::ReferralServiceClient;
use std::time::Duration;
use tonic::{Code, Request, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;
use town::{Town, request_id, with_token};

fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    let info = details.error_info().expect("an ErrorInfo");
    assert_eq!(info.domain, "safeconduct");
    info.reason.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_calling_is_established_before_anything_else() {
    let mut town = Town::begin().await;
    let ngo = town.member("ngo-1", AgencyKind::Ngo).await;
    let mut audit = AuditServiceClient::new(ngo.channel.clone());
    let request = proto::GetCheckpointRequest {};

    let checkpoint = audit
        .get_checkpoint(ngo.request(StaffRole::Caseworker, request))
        .await
        .expect("any member may")
        .into_inner();
    assert!(checkpoint.checkpoint.starts_with(town::ORIGIN));
    assert!(checkpoint.verifier_key.starts_with(town::ORIGIN));

    // No token, rubbish, another agency's token, a certificate of nobody enrolled: one answer, byte for byte.
    let stranger = town.stranger("stranger");
    let foreign = town
        .operator
        .request(StaffRole::Administrator, request)
        .metadata()
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .expect("a token")
        .to_owned();
    let mut refused = Vec::new();
    for request in [
        Request::new(request),
        with_token(request, "rubbish"),
        with_token(request, &foreign),
    ] {
        refused.push(audit.get_checkpoint(request).await.expect_err("nobody"));
    }
    let mut outside = AuditServiceClient::new(stranger.channel.clone());
    let own = stranger.request(StaffRole::Auditor, request);
    refused.push(outside.get_checkpoint(own).await.expect_err("nobody"));
    for status in &refused {
        assert_eq!(status.code(), Code::Unauthenticated);
        assert_eq!(reason(status), "AUTHENTICATION_FAILED");
        assert_eq!(status.message(), refused[0].message());
        assert_eq!(status.details(), refused[0].details());
    }

    // A certificate suffices for health, which says nothing of anybody.
    let health = HealthClient::new(stranger.channel.clone())
        .check(tonic_health::pb::HealthCheckRequest::default())
        .await
        .expect("serving");
    assert_eq!(health.into_inner().status, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_and_foreign_names_are_refused_with_one_text_and_fields_with_their_paths() {
    let mut town = Town::begin().await;
    let ngo = town.member("ngo-1", AgencyKind::Ngo).await;
    let shelter = town.member("shelter-1", AgencyKind::Shelter).await;

    // An intake worker of an agency may not create referrals; nor may a caseworker read another agency's offers.
    let mut referrals = ReferralServiceClient::new(ngo.channel.clone());
    let role = referrals
        .create_referral(ngo.request(StaffRole::Intake, Default::default()))
        .await
        .expect_err("not by intake");
    let mut offers = OfferServiceClient::new(ngo.channel.clone());
    let foreign = proto::ListOffersRequest {
        parent: "agencies/shelter-1".into(),
        ..Default::default()
    };
    let name = offers
        .list_offers(ngo.request(StaffRole::Caseworker, foreign))
        .await
        .expect_err("another agency's");
    for status in [&role, &name] {
        assert_eq!(status.code(), Code::PermissionDenied);
        assert_eq!(reason(status), "NOT_PERMITTED");
        assert_eq!(status.message(), role.message());
        assert_eq!(status.details(), role.details());
    }

    let rubbish = proto::CreateReferralRequest {
        parent: "agencies/Maria".into(),
        request_id: "Maria".into(),
        case_handle: "Maria".into(),
        purpose: 4711,
        offers: vec![proto::NewOffer {
            recipient: "agencies/shelter-1".into(),
            deposits: vec![proto::Deposit::default()],
        }],
        ..Default::default()
    };
    let status = referrals
        .create_referral(ngo.request(StaffRole::Caseworker, rubbish))
        .await
        .expect_err("nothing parses");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(reason(&status), "INVALID_FIELD");
    let details = status.get_error_details();
    let paths: Vec<_> = details
        .bad_request()
        .expect("a BadRequest")
        .field_violations
        .iter()
        .map(|violation| &*violation.field)
        .collect();
    assert_eq!(
        paths,
        [
            "request_id",
            "parent",
            "case_handle",
            "purpose",
            "urgency",
            "offers[0].deposits[0].parcel",
            "offers[0].deposits[0].basis_chain",
            "offers[0].deposits[0].basis_salt",
        ]
    );
    assert!(!format!("{status:?}").contains("Maria"));

    let status = OfferServiceClient::new(shelter.channel.clone())
        .get_offer(shelter.request(
            StaffRole::Intake,
            proto::GetOfferRequest {
                name: format!("agencies/shelter-1/offers/{}", "a".repeat(26)),
            },
        ))
        .await
        .expect_err("no such offer");
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(reason(&status), "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_is_remembered_by_request_id_and_its_receipt_is_proved() {
    let mut town = Town::begin().await;
    let shelter = town.member("shelter-1", AgencyKind::Shelter).await;
    let mut places = PlaceServiceClient::new(shelter.channel.clone());
    let update = proto::UpdatePoolRequest {
        name: "agencies/shelter-1/pools/family".into(),
        request_id: request_id(),
        total: 12,
        closed: 2,
        ..proto::UpdatePoolRequest::default()
    };
    let mut request = shelter.request(StaffRole::Supervisor, update.clone());
    request
        .metadata_mut()
        .insert("safeconduct-known-size", "1".parse().expect("ASCII"));
    let first = places.update_pool(request).await.expect("new").into_inner();
    assert_eq!(first.pool.as_ref().map(|pool| pool.available), Some(10));
    let receipt = first.receipt.expect("a receipt");
    assert_eq!(receipt.consistency_from, 1);
    assert!(!receipt.consistency.is_empty());
    assert!(!receipt.decision.is_empty());

    let again = places
        .update_pool(shelter.request(StaffRole::Supervisor, update.clone()))
        .await
        .expect("remembered")
        .into_inner();
    assert_eq!(again.receipt.expect("a receipt").index, receipt.index);

    let other = proto::UpdatePoolRequest {
        total: 13,
        ..update
    };
    let status = places
        .update_pool(shelter.request(StaffRole::Supervisor, other))
        .await
        .expect_err("another body");
    assert_eq!(status.code(), Code::AlreadyExists);
    assert_eq!(reason(&status), "REQUEST_ID_REUSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_and_sends_no_end_keeps_nobody_else_out() {
    // Invariant 17: as many requests as the whole router has places for, of agencies that it does not know.
    let mut town = Town::begin().await;
    let ngo = town.member("ngo-1", AgencyKind::Ngo).await;
    let mut endless = Vec::new();
    for stranger in ["stranger-1", "stranger-2", "stranger-3", "stranger-4"] {
        let channel = town.stranger(stranger).channel;
        for _ in 0..town::REQUESTS_MAX / AGENCY_SHARE {
            let mut attachments = AttachmentServiceClient::new(channel.clone());
            endless.push(tokio::spawn(async move {
                attachments
                    .upload_attachment(tokio_stream::pending::<proto::UploadAttachmentRequest>())
                    .await
            }));
        }
    }
    let mut audit = AuditServiceClient::new(ngo.channel.clone());
    while endless.iter().any(|request| !request.is_finished()) {
        let request = ngo.request(StaffRole::Caseworker, proto::GetCheckpointRequest {});
        audit
            .get_checkpoint(request)
            .await
            .expect("served meanwhile");
    }
    for request in endless {
        let refused = request.await.expect("no panic").expect_err("nobody");
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_beats_at_once_and_ends_with_a_token_when_the_router_stops() {
    let mut town = Town::begin().await;
    let shelter = town.member("shelter-1", AgencyKind::Shelter).await;
    let watch = proto::WatchRequest {
        parent: "agencies/shelter-1".into(),
        ..Default::default()
    };
    let mut stream = EventServiceClient::new(shelter.channel.clone())
        .watch(shelter.request(StaffRole::Process, watch))
        .await
        .expect("a stream")
        .into_inner();
    let heartbeat = stream.message().await.expect("open").expect("a heartbeat");
    assert_eq!(heartbeat.kind(), proto::EventKind::Heartbeat);
    assert!(!heartbeat.resume_token.is_empty());

    town.stop.cancel();
    let mut last = None;
    while let Some(bell) = stream.message().await.expect("a clean end") {
        last = Some(bell);
    }
    assert!(!last.expect("a last bell").resume_token.is_empty());
    let ended = tokio::time::timeout(Duration::from_secs(10), town.ended).await;
    ended
        .expect("in time")
        .expect("no panic")
        .expect("a clean stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_ends_its_stream_and_its_calls() {
    let mut town = Town::begin().await;
    let shelter = town.member("shelter-1", AgencyKind::Shelter).await;
    let ngo = town.member("ngo-1", AgencyKind::Ngo).await;
    let watch = proto::WatchRequest {
        parent: "agencies/shelter-1".into(),
        ..Default::default()
    };
    let mut stream = EventServiceClient::new(shelter.channel.clone())
        .watch(shelter.request(StaffRole::Process, watch))
        .await
        .expect("a stream")
        .into_inner();
    assert!(stream.message().await.expect("open").is_some());
    town.revoke(&shelter);
    let cut = tokio::time::timeout(Duration::from_secs(5), async {
        while let Ok(Some(_)) = stream.message().await {}
    });
    cut.await.expect("cut within seconds");
    let mut pools = PlaceServiceClient::new(shelter.channel.clone());
    let list = proto::ListPoolsRequest {
        parent: "agencies/shelter-1".into(),
    };
    let refused = pools
        .list_pools(shelter.request(StaffRole::Intake, list))
        .await;
    assert!(refused.is_err());
    // Others go on.
    let mut bases = BasisServiceClient::new(ngo.channel.clone());
    let list = proto::ListBasesRequest {
        parent: "agencies/ngo-1".into(),
        ..Default::default()
    };
    let listed = bases
        .list_bases(ngo.request(StaffRole::Caseworker, list))
        .await;
    assert!(listed.expect("still served").into_inner().bases.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_acknowledges_nothing_and_ends_the_server() {
    let mut town = Town::begin().await;
    let shelter = town.member("shelter-1", AgencyKind::Shelter).await;
    town.engine.inject(Fault::Fail, 1);
    let update = proto::UpdatePoolRequest {
        name: "agencies/shelter-1/pools/family".into(),
        request_id: request_id(),
        total: 12,
        ..proto::UpdatePoolRequest::default()
    };
    let refused = PlaceServiceClient::new(shelter.channel.clone())
        .update_pool(shelter.request(StaffRole::Supervisor, update))
        .await;
    assert_eq!(
        refused.expect_err("nothing was kept").code(),
        Code::Unavailable
    );
    let ended = tokio::time::timeout(Duration::from_secs(10), town.ended).await;
    let ended = ended.expect("in time").expect("no panic");
    assert!(matches!(ended, Err(ServeError::Fatal)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_is_kept_and_an_unknown_method_is_not_permitted() {
    let mut town = Town::begin().await;
    let shelter = town.member("shelter-1", AgencyKind::Shelter).await;
    // The store hangs at somebody's write: whoever writes next hears within its own deadline.
    town.engine.inject(Fault::Block, 1);
    let update = |pool: &str| proto::UpdatePoolRequest {
        name: format!("agencies/shelter-1/pools/{pool}"),
        request_id: request_id(),
        total: 12,
        ..proto::UpdatePoolRequest::default()
    };
    let first = shelter.request(StaffRole::Supervisor, update("family"));
    let mut places = PlaceServiceClient::new(shelter.channel.clone());
    let first = tokio::spawn(async move { places.update_pool(first).await });
    while !town.engine.is_blocked() {
        tokio::task::yield_now().await;
    }
    let mut request = shelter.request(StaffRole::Supervisor, update("men"));
    request.set_timeout(Duration::from_millis(400));
    let status = PlaceServiceClient::new(shelter.channel.clone())
        .update_pool(request)
        .await
        .expect_err("the store hangs");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    town.engine.release();
    let first = first.await.expect("no panic");
    first.expect("it waited, and its own deadline was long enough");

    let mut raw = tonic::client::Grpc::new(shelter.channel.clone());
    raw.ready().await.expect("connected");
    let path = http::uri::PathAndQuery::from_static("/safeconduct.v1.OfferService/StealOffer");
    let codec: tonic_prost::ProstCodec<proto::GetOfferRequest, proto::GetOfferResponse> =
        tonic_prost::ProstCodec::default();
    let request = shelter.request(StaffRole::Supervisor, proto::GetOfferRequest::default());
    let status = raw
        .unary(request, path, codec)
        .await
        .expect_err("no such method");
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(reason(&status), "NOT_PERMITTED");
}
