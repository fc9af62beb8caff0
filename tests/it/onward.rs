//! What goes onward: parcels passed on (invariant 14), responsibility handed over, what the person may ask (R22), and a
//! complaint that holds what was released and nothing more.

use safeconduct::client::agency::Desk;
use safeconduct::client::audit::LiveSource;
use safeconduct::client::error::{ClientError, Reason};
use safeconduct::client::person::Complaint;
use safeconduct::client::random::SystemRandom;
use safeconduct::client::source::{AlsoAsked, Onward, Passed, SentReferral, to_proto};
use safeconduct::client::words;
use safeconduct::domain::basis::Basis;
use safeconduct::domain::forward::NotAgreed;
use safeconduct::domain::id::{AgencyId, CaseHandle, OfferId};
use safeconduct::domain::label::LabelSet;
use safeconduct::domain::vocabulary::{
    Asked, BasisKind, DisclosureKind, OfferState, Purpose, StaffRole, Stage, TransferAnswer,
    TransferState,
};
use safeconduct::envelope::disclosure::{Disclosure, Field};
use safeconduct::envelope::open::OpenedParcel;
use safeconduct::envelope::seal::{ParcelDraft, seal};
use safeconduct::envelope::statement::Forward;
use safeconduct::ledger::question::{About, Question};
use safeconduct::proto::v1;
use tonic::Code;

use crate::harness::scene::{
    ACCEPTED, BED, DAY, TRIAGE, allow, bed_basis, closed, consent, facts, labels, new_case, open,
    tonight,
};
use crate::harness::wire::Refused;
use crate::harness::{World, assert_replays, own, run, world};

/// Of the triage card, what goes on.
const ON: &[&str] = &["LANGUAGE/WHOLE", "AGE/BAND"];

fn reason<T>(result: Result<T, ClientError>) -> Option<Reason> {
    result.err().and_then(|error| error.reason())
}

fn list(recipients: &[&str], hops: u8) -> Forward {
    let recipients = recipients.iter().map(|id| id.parse().unwrap());
    Forward {
        recipients: recipients.collect(),
        hops,
    }
}

fn paths(parcel: &OpenedParcel, wanted: &[&str]) -> Vec<String> {
    let wanted = labels(wanted);
    let fields = parcel.fields.iter();
    let chosen = fields.filter(|field| wanted.contains(field.field.label));
    chosen.map(|field| field.field.path.clone()).collect()
}

async fn refer(source: &Desk, basis: &Basis, candidate: Vec<(Stage, Vec<Field>)>) -> SentReferral {
    let ask = tonight(source, basis.case, BED);
    let candidate = safeconduct::client::source::Candidate {
        basis,
        parcels: candidate,
    };
    source.create_referral(&ask, &[candidate]).await.unwrap()
}

/// Alpha's ask of house1, which may pass it on to `next`; opened there.
struct Told {
    case: CaseHandle,
    basis: Basis,
    offer: OfferId,
    parcel: OpenedParcel,
}

async fn told(world: &World, next: &[&str], hops: u8) -> Told {
    let source = world.source("alpha").forwarding(list(next, hops));
    let case = new_case();
    let basis = bed_basis(&source, case, "house1").await;
    let sent = refer(&source, &basis, vec![(Stage::Triage, facts(TRIAGE))]).await;
    let offer = sent.offers[0].1;
    let parcel = open(&world.intake("house1"), offer, Stage::Triage)
        .await
        .unwrap();
    Told {
        case,
        basis,
        offer,
        parcel,
    }
}

/// `from` passes `parcel` of `offer` on to `to`, who may pass it on to `next`.
async fn pass(
    world: &World,
    from: &str,
    (offer, parcel): (OfferId, &OpenedParcel),
    to: &str,
    (next, hops): (&[&str], u8),
) -> Result<(CaseHandle, SentReferral), ClientError> {
    let desk = world.source(from).forwarding(list(next, hops));
    let case = new_case();
    let basis = bed_basis(&desk, case, to).await;
    let received = desk.offer(offer).await?;
    let onward = Onward {
        received: &received,
        basis: &basis,
        parcels: vec![Passed {
            stage: Stage::Triage,
            parcel,
            paths: paths(parcel, ON),
        }],
    };
    let sent = desk.forward(&tonight(&desk, case, BED), &onward).await?;
    Ok((case, sent))
}

#[test]
fn what_is_passed_on_is_checked_against_the_original_source_and_the_person_may_ask_who_was_told() {
    run(async {
        let world = world().await;
        let told = told(world, &["house2", "house3"], 2).await;
        let (second, sent) = pass(
            world,
            "house1",
            (told.offer, &told.parcel),
            "house2",
            (&["house3"], 1),
        )
        .await
        .unwrap();
        let house2 = world.intake("house2");
        let offer2 = sent.offers[0].1;
        let view = house2.offer(offer2).await.unwrap();
        assert_eq!(view.source.as_str(), "house1");
        assert_eq!(view.forwarded_from.as_ref().unwrap().as_str(), "alpha");
        let parcel2 = house2.open(&view, Stage::Triage).await.unwrap();
        let kept = |parcel: &OpenedParcel| {
            let fields = parcel.fields.iter();
            fields
                .map(|field| field.disclosure.text().to_owned())
                .collect::<Vec<_>>()
        };
        let original = kept(&told.parcel);
        assert!(!parcel2.fields.is_empty() && parcel2.fields.len() < told.parcel.fields.len());
        assert!(kept(&parcel2).iter().all(|text| original.contains(text)));

        // And on, from there; never back, and never to somebody twice.
        let (_, sent) = pass(world, "house2", (offer2, &parcel2), "house3", (&[], 0))
            .await
            .unwrap();
        let house3 = world.intake("house3");
        let offer3 = sent.offers[0].1;
        let parcel3 = open(&house3, offer3, Stage::Triage).await.unwrap();
        assert_eq!(kept(&parcel3), kept(&parcel2));
        let view = house3.offer(offer3).await.unwrap();
        assert_eq!(view.forwarded_from.as_ref().unwrap().as_str(), "alpha");

        // The person asks at alpha: everybody, also those whom others told.
        let listed = world.source("alpha").disclosures(told.case).await.unwrap();
        let rows: Vec<_> = listed
            .iter()
            .map(|row| (row.kind, row.by.as_str(), row.recipient.as_str()))
            .collect();
        use DisclosureKind::{Opened, PassedOn};
        assert_eq!(
            rows,
            [
                (Opened, "alpha", "house1"),
                (PassedOn, "house1", "house2"),
                (Opened, "house1", "house2"),
                (PassedOn, "house2", "house3"),
                (Opened, "house2", "house3"),
            ]
        );
        let ground = listed[0].ground.unwrap();
        assert_eq!(
            (ground.kind, ground.chain),
            (BasisKind::Consent, told.basis.chain)
        );
        assert_eq!((ground.asked, ground.asked_alone), (Asked::Specific, true));
        assert_eq!(listed[0].offer, Some(told.offer));
        assert!(
            listed[1..]
                .iter()
                .all(|row| row.ground.is_none() && row.offer.is_none())
        );
        assert!(listed.is_sorted_by(|a, b| a.index < b.index));
        // At house1 only what went through it; nobody else has anything under that handle.
        let listed = world.source("house1").disclosures(second).await.unwrap();
        assert_eq!(listed.len(), 3);
        assert_eq!(
            world.source("house2").disclosures(second).await.unwrap(),
            []
        );
    });
}

#[test]
fn nothing_is_passed_on_but_to_whom_the_list_names_and_less_each_time() {
    run(async {
        let world = world().await;
        let told = told(world, &["house2", "alpha"], 1).await;
        let from = (told.offer, &told.parcel);
        for (to, next) in [
            ("house3", (&[][..], 0)),
            ("alpha", (&[][..], 0)),
            ("house2", (&["house3"][..], 0)),
            ("house2", (&["alpha"][..], 1)),
        ] {
            if to == "alpha" {
                // Back to the source: the desk sees it before a basis is even sealed to.
                let desk = world.source("house1");
                let basis = bed_basis_to(&desk, "alpha").await;
                let received = desk.offer(told.offer).await.unwrap();
                let onward = Onward {
                    received: &received,
                    basis: &basis,
                    parcels: vec![Passed {
                        stage: Stage::Triage,
                        parcel: &told.parcel,
                        paths: paths(&told.parcel, ON),
                    }],
                };
                let sent = desk
                    .forward(&tonight(&desk, basis.case, BED), &onward)
                    .await;
                assert!(matches!(sent, Err(ClientError::Forward(NotAgreed))));
                continue;
            }
            let sent = pass(world, "house1", from, to, next).await;
            assert!(matches!(sent, Err(ClientError::Forward(NotAgreed))), "{to}");
        }
        // What the desk would not send, the router does not take either: one answer for all.
        let wire = world.wire("house1", StaffRole::Caseworker);
        let mut wrong = vec![
            forged(world, &told, "house3", Forge::default()).await,
            forged(
                world,
                &told,
                "house2",
                Forge {
                    hops: 1,
                    ..Forge::default()
                },
            )
            .await,
            forged(
                world,
                &told,
                "house2",
                Forge {
                    next: &["house3"],
                    ..Forge::default()
                },
            )
            .await,
            forged(
                world,
                &told,
                "house2",
                Forge {
                    added: true,
                    ..Forge::default()
                },
            )
            .await,
            forged(
                world,
                &told,
                "house2",
                Forge {
                    parent: Some([7; 32]),
                    ..Forge::default()
                },
            )
            .await,
        ];
        for request in wrong.drain(..) {
            let refused = wire
                .ask::<v1::CreateForwardResponse>("ReferralService/CreateForward", &request)
                .await
                .unwrap_err();
            let said = refused.message().to_owned();
            Refused::read(&refused).is(Code::FailedPrecondition, "FORWARD_NOT_ALLOWED");
            assert_eq!(said, "the person has not agreed to this recipient");
        }
        // Nor a parent in an ask of one's own.
        let good = forged(world, &told, "house2", Forge::default()).await;
        let plain = v1::CreateReferralRequest {
            parent: "agencies/house1".into(),
            request_id: safeconduct::client::session::request_id(),
            case_handle: good.case_handle.clone(),
            purpose: good.purpose,
            urgency: good.urgency,
            decide_by: good.decide_by,
            offers: good.forward.clone().into_iter().collect(),
            ..Default::default()
        };
        let refused = wire
            .ask::<v1::CreateReferralResponse>("ReferralService/CreateReferral", &plain)
            .await
            .unwrap_err();
        Refused::read(&refused).is(Code::InvalidArgument, "STATEMENT_INVALID");
        let made: v1::CreateForwardResponse = wire
            .ask("ReferralService/CreateForward", &good)
            .await
            .unwrap();
        let again: v1::CreateForwardResponse = wire
            .ask("ReferralService/CreateForward", &good)
            .await
            .unwrap();
        assert_eq!((made.name, made.offer), (again.name, again.offer));
    });
}

#[test]
fn what_was_not_opened_is_not_passed_on() {
    run(async {
        let world = world().await;
        let source = world.source("alpha").forwarding(list(&["house2"], 1));
        let case = new_case();
        let basis = bed_basis(&source, case, "house1").await;
        let sent = refer(&source, &basis, vec![(Stage::Triage, facts(TRIAGE))]).await;
        let offer = sent.offers[0].1;
        // Told something else, it names a parcel that it has not opened.
        let mut told = told(world, &["house2"], 1).await;
        told.offer = offer;
        let request = forged(world, &told, "house2", Forge::default()).await;
        let wire = world.wire("house1", StaffRole::Caseworker);
        let refused = wire
            .ask::<v1::CreateForwardResponse>("ReferralService/CreateForward", &request)
            .await
            .unwrap_err();
        Refused::read(&refused).is(Code::FailedPrecondition, "FORWARD_NOT_ALLOWED");
    });
}

/// Invariant 13, through others: who came to know by a basis knows no more after it was taken back.
#[test]
fn a_withdrawal_or_a_narrower_basis_binds_what_was_passed_on() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        // Narrower: house1 may no longer have the age, so nobody after it may.
        let first = told(world, &["house2", "house3"], 2).await;
        let from = (first.offer, &first.parcel);
        let (_, sent) = pass(world, "house1", from, "house2", (&[], 0))
            .await
            .unwrap();
        let narrower = allow(&source, BED, closed(&["LANGUAGE/WHOLE"]), Asked::Specific);
        source
            .supersede_basis(&first.basis, vec![narrower], [2; 32])
            .await
            .unwrap();
        let house2 = world.intake("house2");
        let opened = open(&house2, sent.offers[0].1, Stage::Triage).await;
        assert_eq!(reason(opened), Some(Reason::NotFound));
        let more = pass(world, "house1", from, "house3", (&[], 0)).await;
        assert_eq!(reason(more), Some(Reason::ForwardNotAllowed));

        // Taken back: the unopened forward closes and its keys are gone.
        let second = told(world, &["house2", "house3"], 2).await;
        let from = (second.offer, &second.parcel);
        let (_, sent) = pass(world, "house1", from, "house2", (&[], 0))
            .await
            .unwrap();
        world
            .intake("house1")
            .accept(second.offer, None)
            .await
            .unwrap();
        let also = AlsoAsked {
            erase: false,
            leave: false,
        };
        source.withdraw_basis(&second.basis, also).await.unwrap();
        let offer = sent.offers[0].1;
        assert_eq!(house2.offer(offer).await.unwrap().state, OfferState::Closed);
        assert_eq!(
            reason(open(&house2, offer, Stage::Triage).await),
            Some(Reason::NotFound)
        );
        let more = pass(world, "house1", from, "house3", (&[], 0)).await;
        assert_eq!(reason(more), Some(Reason::ForwardNotAllowed));
    });
}

#[test]
fn responsibility_is_handed_over_when_the_person_agrees_and_the_other_side_says_yes() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let house1 = world.intake("house1");
        let told = told(world, &[], 0).await;
        let early = source.propose_transfer(told.offer, &told.basis).await;
        assert_eq!(reason(early), Some(Reason::State));
        house1.accept(told.offer, None).await.unwrap();
        // A bed is not a handover.
        let unasked = source.propose_transfer(told.offer, &told.basis).await;
        assert_eq!(reason(unasked), Some(Reason::BasisNotAllowed));
        let onward = Purpose::OnwardReferral;
        let language = closed(&["LANGUAGE/WHOLE"]);
        let draft = consent(&source, told.case, "house1", onward, language);
        let agreed = source.record_basis(draft).await.unwrap();

        source.propose_transfer(told.offer, &agreed).await.unwrap();
        let twice = source.propose_transfer(told.offer, &agreed).await;
        assert_eq!(reason(twice), Some(Reason::State));
        let view = house1.offer(told.offer).await.unwrap();
        assert_eq!(
            (view.transfer, view.responsible.as_str()),
            (Some(TransferState::Proposed), "alpha")
        );
        house1
            .answer_transfer(told.offer, TransferAnswer::Decline)
            .await
            .unwrap();
        let none = house1
            .answer_transfer(told.offer, TransferAnswer::Accept)
            .await;
        assert_eq!(reason(none), Some(Reason::State));

        source.propose_transfer(told.offer, &agreed).await.unwrap();
        house1
            .answer_transfer(told.offer, TransferAnswer::Accept)
            .await
            .unwrap();
        let view = house1.offer(told.offer).await.unwrap();
        assert_eq!(
            (view.transfer, view.responsible.as_str()),
            (Some(TransferState::Accepted), "house1")
        );
        let mine = source.referrals().await.unwrap();
        let offers = mine.iter().flat_map(|referral| &referral.offers);
        let offer = offers
            .into_iter()
            .find(|offer| offer.offer == told.offer)
            .unwrap();
        assert_eq!(
            (offer.transfer, offer.responsible.as_str()),
            (Some(TransferState::Accepted), "house1")
        );

        // A consent that was taken back before the answer is none.
        let other = self::told(world, &[], 0).await;
        house1.accept(other.offer, None).await.unwrap();
        let draft = consent(&source, other.case, "house1", onward, language);
        let agreed = source.record_basis(draft).await.unwrap();
        source.propose_transfer(other.offer, &agreed).await.unwrap();
        let also = AlsoAsked {
            erase: false,
            leave: false,
        };
        source.withdraw_basis(&agreed, also).await.unwrap();
        let late = house1
            .answer_transfer(other.offer, TransferAnswer::Accept)
            .await;
        assert_eq!(reason(late), Some(Reason::State));
    });
}

#[test]
fn a_complaint_shows_oversight_what_was_released_and_nothing_more() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let told = told(world, &[], 0).await;
        let beyond = labels(&["HEALTH/CLINICAL"]);
        let released = labels(&[TRIAGE, &["STATEMENT/WHOLE", "IDENTITY/ALIAS"]].concat());
        let draft = safeconduct::client::source::BasisDraft {
            kind: BasisKind::Complaint,
            allows: vec![allow(
                &source,
                Purpose::InformationRights,
                released.union(beyond).closed(),
                Asked::Specific,
            )],
            ..consent(
                &source,
                told.case,
                "ombud",
                Purpose::InformationRights,
                released,
            )
        };
        let basis = source.record_basis(draft).await.unwrap();
        let kept = facts(&[TRIAGE, ACCEPTED, &["HEALTH/CLINICAL"]].concat());
        let about = "house1".parse().unwrap();
        let complaint = Complaint {
            basis: &basis,
            about: &about,
            kept: kept.clone(),
            says: "They asked for a police report first.",
        };
        let sent = source.complaint(&complaint).await.unwrap();
        let ombud = world.intake("ombud");
        let offer = sent.offers[0].1;
        open(&ombud, offer, Stage::Triage).await.unwrap();
        ombud.accept(offer, None).await.unwrap();
        let parcel = open(&ombud, offer, Stage::Accepted).await.unwrap();
        let shown: LabelSet = parcel
            .fields
            .iter()
            .map(|field| field.field.label)
            .collect();
        // What house1 opened, the alias to speak with, and the complaint itself: no gender, no place, no health.
        assert!(shown.beyond(released).is_empty(), "{shown:?}");
        assert!(
            labels(&["AGE/BAND", "STATEMENT/WHOLE"])
                .beyond(shown)
                .is_empty(),
            "{shown:?}"
        );
        let said = parcel
            .fields
            .iter()
            .find(|field| field.field.path == "statement.text");
        let said = said.unwrap().field.value.as_str().unwrap();
        assert!(said.starts_with("They asked for a police report first."));
        assert!(said.contains("house1 read what we sent, for a safe place to stay"));

        // Whoever handles the complaint asks what was done in that case, by the complaint's own offer.
        let auditor = world.desk("ombud", StaffRole::Auditor);
        let question = Question {
            about: Some(About::CaseOf(offer)),
            ..Question::default()
        };
        let session = auditor.agency().session().clone();
        let source_of_acts = LiveSource::new(session, auditor.staff().clone());
        let mut reader = source_of_acts.acts(question, 0);
        let mut acts = Vec::new();
        while let Some(run) = reader.next().await.unwrap() {
            acts.extend(run.acts);
        }
        let opened_by = |agency: &str| {
            let by = |id: &AgencyId| id.as_str() == agency;
            (acts.iter()).any(|act| act.event() == "opened" && act.agency().is_some_and(by))
        };
        assert!(opened_by("house1") && opened_by("ombud"));
        assert!(acts.iter().any(|act| act.event() == "basis_recorded"));

        // What nobody was told is refused, though basis and protocol allow it.
        let health = facts(&["HEALTH/CLINICAL"]);
        let ask = tonight(&source, told.case, Purpose::InformationRights);
        let candidate = safeconduct::client::source::Candidate {
            basis: &basis,
            parcels: vec![
                (Stage::Triage, facts(&["LANGUAGE/WHOLE"])),
                (Stage::Accepted, health),
            ],
        };
        let refused = source.create_referral(&ask, &[candidate]).await;
        assert_eq!(reason(refused), Some(Reason::ComplaintBeyondReleased));
        ombud
            .complete(
                offer,
                safeconduct::domain::vocabulary::Outcome::ServiceProvided,
            )
            .await
            .unwrap();
    });
}

/// The auditor decides all of it again, and finds nothing.
#[test]
fn what_goes_onward_is_replayed_without_a_finding() {
    run(async {
        let own = own(&["alpha", "house1", "house2", "ombud"], "warn").await;
        let world = &own.world;
        let told = told(world, &["house2"], 1).await;
        let from = (told.offer, &told.parcel);
        let (_, sent) = pass(world, "house1", from, "house2", (&[], 0))
            .await
            .unwrap();
        open(&world.intake("house2"), sent.offers[0].1, Stage::Triage)
            .await
            .unwrap();
        let (source, house1) = (world.source("alpha"), world.intake("house1"));
        house1.accept(told.offer, None).await.unwrap();
        let language = closed(&["LANGUAGE/WHOLE"]);
        let draft = consent(
            &source,
            told.case,
            "house1",
            Purpose::OnwardReferral,
            language,
        );
        let agreed = source.record_basis(draft).await.unwrap();
        source.propose_transfer(told.offer, &agreed).await.unwrap();
        house1
            .answer_transfer(told.offer, TransferAnswer::Accept)
            .await
            .unwrap();
        assert_replays(world);
    });
}

async fn bed_basis_to(desk: &Desk, recipient: &str) -> Basis {
    bed_basis(desk, new_case(), recipient).await
}

/// What is wrong with a forged forward.
#[derive(Default)]
struct Forge {
    next: &'static [&'static str],
    hops: u8,
    /// A field that the parent does not hold.
    added: bool,
    parent: Option<[u8; 32]>,
}

/// A forward by house1 that asks nobody before it seals.
async fn forged(world: &World, told: &Told, to: &str, forge: Forge) -> v1::CreateForwardRequest {
    let desk = world.source("house1");
    let basis = bed_basis_to(&desk, to).await;
    let directory = desk.agency().directory().unwrap();
    let fields = told.parcel.fields.iter();
    let wanted = labels(ON);
    let carried: Vec<Disclosure> = fields
        .filter(|field| wanted.contains(field.field.label))
        .map(|field| field.disclosure.clone())
        .collect();
    let added = if forge.added {
        facts(&["CARE_NEEDS/CODED"])
    } else {
        Vec::new()
    };
    let recipient = to.parse().unwrap();
    let draft = ParcelDraft {
        source: desk.agency().id(),
        recipient: &recipient,
        key: directory.sealing_key(&recipient, desk.now()).unwrap(),
        purpose: BED,
        stage: Stage::Triage,
        chain: basis.chain,
        now: desk.now(),
        until: desk.now().plus(DAY),
        forward: list(forge.next, forge.hops),
        supersedes: None,
        parent: Some(forge.parent.unwrap_or(*told.parcel.statement.digest())),
        fields: added,
        carried,
    };
    let sealed = seal(draft, desk.agency().keys().signer(), &mut SystemRandom).unwrap();
    let ask = tonight(&desk, basis.case, BED);
    v1::CreateForwardRequest {
        offer: words::offer_name(desk.agency().id(), told.offer),
        request_id: safeconduct::client::session::request_id(),
        case_handle: basis.case.to_string(),
        purpose: words::purpose_number(BED),
        urgency: words::urgency_number(ask.urgency),
        decide_by: Some(words::to_proto_time(ask.decide_by)),
        forward: Some(v1::NewOffer {
            recipient: format!("agencies/{to}"),
            deposits: vec![v1::Deposit {
                parcel: Some(to_proto(sealed.parcel)),
                basis_chain: basis.chain.to_string(),
                basis_salt: sealed.basis_salt.to_vec(),
            }],
        }),
    }
}
