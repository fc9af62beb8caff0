//! What a party does that has the right certificate and the wrong intent, and what one person's no does to others.

use safeconduct::client::agency::Desk;
use safeconduct::client::agent::{LaterParcels, Plan, SourceAgent};
use safeconduct::client::error::{ClientError, Reason};
use safeconduct::client::random::SystemRandom;
use safeconduct::client::session::request_id;
use safeconduct::client::source::{AlsoAsked, Ask, BasisDraft, Candidate, SentReferral};
use safeconduct::demo::people::{cut, labels, samira};
use safeconduct::demo::town::{OPERATOR, Town, TownOptions, members};
use safeconduct::domain::basis::{Allow, Basis};
use safeconduct::domain::id::CaseHandle;
use safeconduct::domain::label::LabelSet;
use safeconduct::domain::random::Random;
use safeconduct::domain::time::Timestamp;
use safeconduct::domain::vocabulary::{
    Asked, BasisKind, Category, ChildTold, Form, GivenBy, InterpreterClass, Purpose, StaffRole,
    Stage, Urgency,
};
use safeconduct::envelope::act::{ActBody, Approval, act_digest};
use safeconduct::proto::v1;
use safeconduct::proto::v1::administration_service_client::AdministrationServiceClient;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;
use tonic::Code;

const TRIAGE: &[(Category, Form)] = &[(Category::Language, Form::Whole)];
const ACCEPTED: &[(Category, Form)] = &[(Category::Gender, Form::Whole)];

async fn town(folder: &tempfile::TempDir) -> Town {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_safeconduct"));
    let mut options = TownOptions::new(binary, folder.path().join("town"));
    options.members = members::all()
        .into_iter()
        .filter(|member| ["alpha", "house1"].contains(&member.id))
        .collect();
    Town::start(options).await.expect("a town")
}

async fn propose(operator: &Desk, act: &[u8]) -> Result<String, tonic::Status> {
    let session = operator.agency().session();
    let message = v1::ProposeRequest {
        request_id: request_id(),
        act: act.to_vec(),
    };
    let request = session.request(Some(operator.staff()), message, 0, None);
    AdministrationServiceClient::new(session.channel())
        .propose(request.expect("a token"))
        .await
        .map(|reply| reply.into_inner().name)
}

async fn approve(operator: &Desk, name: &str, approval: &[u8]) -> Result<(), tonic::Status> {
    let session = operator.agency().session();
    let message = v1::ApproveRequest {
        name: name.to_owned(),
        request_id: request_id(),
        approval: approval.to_vec(),
    };
    let request = session.request(Some(operator.staff()), message, 0, None);
    AdministrationServiceClient::new(session.channel())
        .approve(request.expect("a token"))
        .await
        .map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_with_copies_of_both_signatures_brings_nobody_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let town = town(&folder).await;
    let operator = town.desk(OPERATOR, "night", StaffRole::Administrator);
    let operator = operator.expect("a desk");
    let [first, second] = town.signers();
    let house: safeconduct::domain::id::AgencyId = "house1".parse().expect("an id");
    operator.suspend(&house, first).await.expect("suspended");
    let body = ActBody::Reinstate {
        agency: house.clone(),
    };
    let (proposal, act) = operator.propose(body, first).await.expect("proposed");
    let approval = Approval {
        issued: Timestamp::from_seconds(operator.now().seconds()).expect("a time"),
        act: act_digest(&act),
    };
    let approval = approval.sign(second).expect("signed");
    let name = format!("proposals/{proposal}");
    approve(&operator, &name, &approval)
        .await
        .expect("reinstated");
    operator.suspend(&house, second).await.expect("again");

    // No administrator has a hand in this: both signatures are kept from a moment ago.
    let again = propose(&operator, &act).await;
    assert_eq!(
        again.map_err(|status| status.code()),
        Err(Code::FailedPrecondition)
    );
    let intake = town.desk("house1", "intake", StaffRole::Intake);
    let refused = intake.expect("a desk").offers().await;
    let reason = refused.as_ref().err().and_then(ClientError::reason);
    assert_eq!(reason, Some(Reason::AuthenticationFailed));
}

/// Refers one person to house1, which accepts; the accepted-stage parcel is still to come.
async fn placed(alpha: &Desk, house: &Desk) -> (Basis, SentReferral, Plan) {
    let case = CaseHandle::from_random(SystemRandom.array());
    let all: LabelSet = labels(TRIAGE).union(labels(ACCEPTED));
    let draft = BasisDraft {
        case,
        recipient: house.agency().id().clone(),
        kind: BasisKind::Consent,
        allows: vec![Allow {
            purposes: vec![Purpose::SafeAccommodation],
            labels: all,
            asked: Asked::Bundle,
            until: alpha.now().plus(Duration::from_secs(24 * 60 * 60)),
            reply: false,
        }],
        given_by: GivenBy::Itself,
        asked_alone: true,
        interpreter: InterpreterClass::NoneNeeded,
        child_told: ChildTold::NotApplicable,
        for_child: Default::default(),
        evidence: SystemRandom.array(),
    };
    let basis = alpha.record_basis(draft).await.expect("recorded");
    let fields = |wanted| cut(&samira(), "Rima", labels(wanted)).expect("cut");
    let ask = Ask {
        case,
        purpose: Purpose::SafeAccommodation,
        urgency: Urgency::Immediate,
        decide_by: alpha.now().plus(Duration::from_secs(30 * 60)),
    };
    let candidate = Candidate {
        basis: &basis,
        parcels: vec![(Stage::Triage, fields(TRIAGE))],
    };
    let sent = alpha.create_referral(&ask, &[candidate]).await;
    let sent = sent.expect("created");
    let (recipient, offer) = sent.offers[0].clone();
    house.accept(offer, None).await.expect("accepted");
    let later = LaterParcels {
        basis: basis.clone(),
        stages: vec![(Stage::Accepted, fields(ACCEPTED))],
    };
    let plan = Plan {
        referral: sent.referral,
        purpose: Purpose::SafeAccommodation,
        recipients: HashMap::from([(recipient, later)]),
    };
    (basis, sent, plan)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_persons_no_holds_up_nobody_elses_parcel() {
    let folder = tempfile::tempdir().expect("a folder");
    let town = town(&folder).await;
    let alpha = town.desk("alpha", "w-1", StaffRole::Caseworker);
    let alpha = alpha.expect("a desk");
    let house = town.desk("house1", "intake", StaffRole::Intake);
    let house = house.expect("a desk");
    alpha.mirror().await.expect("a mirror");
    house.mirror().await.expect("a mirror");
    let process = town.desk("alpha", "agent", StaffRole::Process);
    let agent = SourceAgent::new(process.expect("a desk"));
    let mut people = Vec::new();
    for _ in 0..4 {
        let (basis, sent, plan) = placed(&alpha, &house).await;
        agent.plan(plan);
        people.push((basis, sent));
    }
    let also = AlsoAsked {
        erase: false,
        leave: false,
    };
    for (basis, _) in &people[..2] {
        alpha.withdraw_basis(basis, also).await.expect("withdrawn");
    }
    let refused = agent.catch_up().await;
    let reason = refused.as_ref().err().and_then(ClientError::reason);
    assert_eq!(reason, Some(Reason::BasisNotInForce));
    for (at, (_, sent)) in people.iter().enumerate() {
        let view = alpha.referral(sent.referral).await.expect("seen");
        let has = view.offers[0].deposited.contains(&Stage::Accepted);
        assert_eq!(has, at >= 2, "person {at}");
    }
}
