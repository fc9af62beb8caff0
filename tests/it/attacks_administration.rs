//! What widens access takes two administrators, once; and keys are each agency's own (invariants 16 to 18).

use safeconduct::client::error::{ClientError, Reason};
use safeconduct::client::session::request_id;
use safeconduct::demo::town::ORIGIN;
use safeconduct::domain::time::Timestamp;
use safeconduct::domain::vocabulary::{AgencyKind, StaffRole};
use safeconduct::envelope::act::{Act, ActBody, Approval, act_digest};
use safeconduct::envelope::bundle::{KeyBundle, KeyBundleDraft};
use safeconduct::envelope::keys::{KeyPairSigner, Signer};
use safeconduct::proto::v1;
use tonic::Code;

use crate::harness::scene::{DAY, one_bed, whole_seconds};
use crate::harness::wire::{Refused, Wire};
use crate::harness::{Own, World, assert_replays, own, run, world};

const PROPOSE: &str = "AdministrationService/Propose";
const APPROVE: &str = "AdministrationService/Approve";
const PUBLISH: &str = "DirectoryService/PublishKeyBundle";

fn enrol(agency: &str) -> ActBody {
    ActBody::Enrol {
        agency: agency.parse().unwrap(),
        kind: AgencyKind::Ngo,
        parent: None,
    }
}

fn signed(body: ActBody, origin: &str, issued: Timestamp, signer: &dyn Signer) -> Vec<u8> {
    let act = Act {
        issued: whole_seconds(issued),
        origin: origin.to_owned(),
        body,
    };
    act.sign(signer).unwrap()
}

fn approved(act: &[u8], issued: Timestamp, signer: &dyn Signer) -> Vec<u8> {
    let approval = Approval {
        issued: whole_seconds(issued),
        act: act_digest(act),
    };
    approval.sign(signer).unwrap()
}

async fn propose(wire: &Wire, act: &[u8]) -> Result<String, Refused> {
    let request = v1::ProposeRequest {
        request_id: request_id(),
        act: act.to_vec(),
    };
    let reply: Result<v1::ProposeResponse, _> = wire.ask(PROPOSE, &request).await;
    reply
        .map(|reply| reply.name)
        .map_err(|status| Refused::read(&status))
}

async fn approve(wire: &Wire, name: &str, approval: &[u8]) -> Result<(), Refused> {
    let request = v1::ApproveRequest {
        name: name.to_owned(),
        request_id: request_id(),
        approval: approval.to_vec(),
    };
    let reply: Result<v1::ApproveResponse, _> = wire.ask(APPROVE, &request).await;
    reply.map(|_| ()).map_err(|status| Refused::read(&status))
}

/// A town of one's own, whose administrators' keys are at hand.
async fn town() -> (Own, Wire) {
    let own = own(&["alpha", "house1", "ombud"], "warn").await;
    let wire = own.world.wire("operator", StaffRole::Administrator);
    (own, wire)
}

#[test]
fn one_administrator_widens_nothing_alone() {
    run(async {
        let (own, wire) = town().await;
        let [first, second] = own.town.signers();
        let now = own.world.source("alpha").now();
        let (stranger, _) = KeyPairSigner::generate().unwrap();

        let act = signed(enrol("newcomer"), ORIGIN, now, first);
        let name = propose(&wire, &act).await.unwrap();
        let twice = approve(&wire, &name, &approved(&act, now, first)).await;
        assert_eq!(
            twice.unwrap_err().code,
            Code::FailedPrecondition,
            "one hand, two signatures"
        );
        let strange = approve(&wire, &name, &approved(&act, now, &stranger)).await;
        strange
            .unwrap_err()
            .is(Code::InvalidArgument, "SIGNATURE_INVALID");
        let other = signed(enrol("other"), ORIGIN, now, first);
        let other = approve(&wire, &name, &approved(&other, now, second)).await;
        assert_eq!(
            other.unwrap_err().code,
            Code::InvalidArgument,
            "an approval of something else"
        );
        let stale = approved(&act, now.minus(30 * DAY), second);
        let stale = approve(&wire, &name, &stale).await;
        assert_eq!(
            stale.unwrap_err().code,
            Code::InvalidArgument,
            "an old approval"
        );

        for (what, act) in [
            ("a stranger's", signed(enrol("x"), ORIGIN, now, &stranger)),
            (
                "another log's",
                signed(enrol("x"), "elsewhere.example", now, first),
            ),
            (
                "an old one",
                signed(enrol("x"), ORIGIN, now.minus(30 * DAY), first),
            ),
            (
                "one of tomorrow",
                signed(enrol("x"), ORIGIN, now.plus(DAY), first),
            ),
        ] {
            let refused = propose(&wire, &act).await.unwrap_err();
            assert_eq!(refused.code, Code::InvalidArgument, "{what}: {refused:?}");
        }
        // The newcomer is still nobody.
        let alpha = own.world.wire("alpha", StaffRole::Caseworker);
        let name = "agencies/newcomer".into();
        let request = v1::GetAgencyRequest { name };
        let absent = alpha.refused("DirectoryService/GetAgency", &request).await;
        absent.is(Code::NotFound, "NOT_FOUND");
    });
}

/// Whoever holds the operator's certificate, but no administrator's key, can repeat what it has seen and no more.
#[test]
fn an_act_takes_effect_once() {
    run(async {
        let (own, wire) = town().await;
        let [first, second] = own.town.signers();
        let operator = own.world.desk("operator", StaffRole::Administrator);
        let house1 = "house1".parse().unwrap();
        let now = operator.now();

        operator.suspend(&house1, first).await.unwrap();
        let act = signed(
            ActBody::Reinstate {
                agency: house1.clone(),
            },
            ORIGIN,
            now,
            first,
        );
        let approval = approved(&act, now, second);
        let name = propose(&wire, &act).await.unwrap();
        approve(&wire, &name, &approval).await.unwrap();
        let again = approve(&wire, &name, &approval).await;
        assert_eq!(again.unwrap_err().code, Code::FailedPrecondition);

        // By the other hand: the same act by the same one within a second would be spent.
        operator.suspend(&house1, second).await.unwrap();
        let replayed = propose(&wire, &act).await;
        let undone = match &replayed {
            Ok(name) => approve(&wire, name, &approval).await.is_ok(),
            Err(_) => false,
        };
        assert!(!undone, "two old signatures reinstated a suspended agency");
        let house1 = own.world.wire("house1", StaffRole::Intake);
        let refused = house1
            .raw("AuditService/GetCheckpoint", Vec::new())
            .await
            .unwrap_err();
        Refused::read(&refused).is(Code::Unauthenticated, "AUTHENTICATION_FAILED");
        assert_replays(&own.world);
    });
}

#[test]
fn a_suspended_agency_neither_sends_nor_receives_nor_listens() {
    run(async {
        let (own, _) = town().await;
        let world = &own.world;
        let source = world.source("alpha");
        let bed = one_bed(&source, "house1").await;
        let basis = crate::harness::scene::bed_basis(&source, bed.case, "house1").await;
        let house1 = world.wire("house1", StaffRole::Intake);
        let watch = v1::WatchRequest {
            parent: "agencies/house1".into(),
            resume_token: String::new(),
        };
        let mut stream = house1.stream("EventService/Watch", &watch).await.unwrap();
        stream.message().await.unwrap();

        let operator = world.desk("operator", StaffRole::Administrator);
        let [first, _] = own.town.signers();
        operator
            .suspend(&"house1".parse().unwrap(), first)
            .await
            .unwrap();

        let open = v1::OpenParcelRequest {
            name: format!("agencies/house1/offers/{}", bed.offer),
            stage: 1,
        };
        let refused = house1.refused("OfferService/OpenParcel", &open).await;
        refused.is(Code::Unauthenticated, "AUTHENTICATION_FAILED");
        // The mirror does not know yet: the router does.
        let candidate = safeconduct::client::source::Candidate {
            basis: &basis,
            parcels: vec![(
                safeconduct::domain::vocabulary::Stage::Triage,
                crate::harness::scene::facts(crate::harness::scene::TRIAGE),
            )],
        };
        let ask = crate::harness::scene::tonight(&source, bed.case, crate::harness::scene::BED);
        let sent = source.create_referral(&ask, &[candidate]).await;
        let Err(ClientError::Refused(refused)) = sent else {
            panic!("{sent:?}");
        };
        assert_eq!(refused.reason, Reason::RecipientUnavailable);
        // Nothing more is heard: at the next bell, or heartbeat, the stream ends.
        source.recall(bed.sent.referral).await.unwrap();
        let ended = tokio::time::timeout(std::time::Duration::from_secs(10), async {
            loop {
                match stream.message().await {
                    Ok(Some(bell)) => {
                        let bell = <v1::WatchResponse as prost::Message>::decode(bell.as_slice());
                        assert!(
                            !bell.unwrap().resource.contains("offers"),
                            "a bell after suspension"
                        );
                    }
                    ended => return ended,
                }
            }
        });
        let ended = ended.await.expect("the open stream ends");
        assert!(ended.is_err(), "{ended:?}");
    });
}

fn draft(world: &World, agency: &str) -> KeyBundleDraft {
    let directory = world.source("alpha").agency().directory().unwrap();
    let member = directory.member(&agency.parse().unwrap()).unwrap();
    let bundle: &KeyBundle = member.bundle.as_ref().unwrap();
    KeyBundleDraft {
        seq: bundle.content().seq + 1,
        prev: Some(*bundle.digest()),
        ..bundle.content().clone()
    }
}

async fn publish(wire: &Wire, agency: &str, key_bundle: Vec<u8>) -> Refused {
    let request = v1::PublishKeyBundleRequest {
        name: format!("agencies/{agency}"),
        request_id: request_id(),
        key_bundle,
    };
    wire.refused(PUBLISH, &request).await
}

#[test]
fn a_key_bundle_is_its_agencys_own_and_follows_the_last() {
    run(async {
        let world = world().await;
        let wire = world.wire("beta", StaffRole::Administrator);
        let own = world.agency("beta").keys().signer();
        let theirs = world.agency("house2").keys().signer();
        let right = draft(world, "beta");
        let now = world.source("beta").now();
        type Change<'a> = Box<dyn Fn(&mut KeyBundleDraft) + 'a>;
        let changes: Vec<(&str, Change<'_>)> = vec![
            ("the same number", Box::new(|draft| draft.seq -= 1)),
            ("a number too far", Box::new(|draft| draft.seq += 1)),
            ("no predecessor", Box::new(|draft| draft.prev = None)),
            (
                "another predecessor",
                Box::new(|draft| draft.prev = Some([1; 32])),
            ),
            (
                "another agency",
                Box::new(|draft| draft.agency = "house2".parse().unwrap()),
            ),
            (
                "ended",
                Box::new(|draft| {
                    draft.issued = now.minus(30 * DAY);
                    draft.expires = now.minus(DAY);
                }),
            ),
            (
                "from tomorrow",
                Box::new(|draft| draft.issued = now.plus(DAY)),
            ),
        ];
        for (what, change) in changes {
            let mut draft = right.clone();
            change(&mut draft);
            // Some of these not even the agency's own program would sign.
            let Ok(bundle) = draft.sign(own) else {
                continue;
            };
            let refused = publish(&wire, "beta", bundle).await;
            assert_eq!(refused.code, Code::InvalidArgument, "{what}: {refused:?}");
        }
        let refused = publish(&wire, "beta", right.sign(theirs).unwrap()).await;
        assert_eq!(
            refused.code,
            Code::InvalidArgument,
            "another's signature: {refused:?}"
        );
        let refused = publish(&wire, "house2", draft(world, "house2").sign(own).unwrap()).await;
        refused.is(Code::PermissionDenied, "NOT_PERMITTED");
        // The certificate alone is enough for the first bundle only.
        let bare = wire.with_authorization(None);
        let refused = publish(&bare, "beta", right.sign(own).unwrap()).await;
        refused.is(Code::Unauthenticated, "AUTHENTICATION_FAILED");
    });
}
