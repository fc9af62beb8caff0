//! Who is inside after all, and what is no yes (invariant 16).

use super::*;
use crate::domain::basis::{Allow, Basis, ceiling};
use crate::domain::vocabulary::{Asked, BasisKind, ChildTold, GivenBy, InterpreterClass, Purpose};
use crate::envelope::basis_statement::BasisStatement;

async fn enrol(night: &Night, agency: &str, kind: AgencyKind, parent: Option<&str>) {
    let body = ActBody::Enrol {
        agency: id(agency),
        kind,
        parent: parent.map(id),
    };
    let _ = night.town.enact(body).await;
}

#[tokio::test]
async fn a_line_of_the_same_ministry_is_no_outsider_however_deep_who_asks_stands() {
    let night = Night::begin().await;
    enrol(&night, "ministry", AgencyKind::SocialService, None).await;
    let ministry = Some("ministry");
    enrol(&night, "region", AgencyKind::SocialService, ministry).await;
    enrol(&night, "line", AgencyKind::SocialService, ministry).await;
    enrol(&night, "north", AgencyKind::Shelter, Some("region")).await;
    let (access, _) = night.ask(WANTED).await.expect("asked");
    let answer = night.approve("line", &access).await;
    assert_eq!(answer.err(), Some(Refusal::NeedsOutsider));
    let _ = night.approve("ngo", &access).await.expect("approved");
    night.replays();
}

#[tokio::test]
async fn what_stands_without_the_persons_yes_does_not_undo_their_no() {
    let night = Night::begin().await;
    enrol(&night, "north", AgencyKind::HealthService, None).await;
    let (north, ngo) = (night.town.intake("north"), id("ngo"));
    let exchange = &night.town.exchange;
    let _ = exchange
        .accept_offer(&north, &night.offer, fresh(), None)
        .await
        .expect("accepted");
    let (kind, purpose) = (BasisKind::VitalInterest, Purpose::MedicalCare);
    let basis = Basis {
        chain: BasisChainId::from_random([9; 16]),
        source: ngo.clone(),
        recipient: id("north"),
        case: night.town.case,
        seq: 1,
        from: dawn(),
        kind,
        allows: vec![Allow {
            purposes: vec![purpose],
            labels: ceiling(kind, AgencyKind::HealthService, purpose),
            asked: Asked::Bundle,
            until: dawn().plus(Duration::from_secs(12 * 60 * 60)),
            reply: false,
        }],
        given_by: GivenBy::NotApplicable,
        asked_alone: false,
        interpreter: InterpreterClass::NoneNeeded,
        child_told: ChildTold::NotApplicable,
        for_child: Default::default(),
    };
    let statement = BasisStatement {
        basis,
        issued: dawn(),
        evidence: [1; 32],
    };
    let signer = &night.town.desks.get(&ngo).expect("a desk").signer;
    let statement = statement.sign(signer).expect("signed");
    let caseworker = night.town.caseworker();
    let _ = exchange
        .record_basis(&caseworker, &ngo, fresh(), statement)
        .await
        .expect("recorded");
    let (access, _) = night.ask(WANTED).await.expect("asked");
    let _ = night.approve("ngo", &access).await.expect("approved");
    night.town.withdraw("north", 1).await;
    let released = night.release(&access, &["HEALTH/FUNCTIONAL"]).await;
    assert_eq!(released.err(), Some(Refusal::BasisWithdrawn));
    night.replays();
}
