//! What each ground may carry, and what must be asked or looked at again (R8, R9, R11).

use std::time::Duration;

use safeconduct::client::alert::AlertView;
use safeconduct::client::error::Reason;
use safeconduct::client::source::BasisDraft;
use safeconduct::domain::basis::{Allow, ForChild, Guardian};
use safeconduct::domain::vocabulary::{
    AlertKind, Asked, Assent, BasisKind, ChildTold, ChildView, GivenBy, GuardianRelation,
    InterpreterClass, Purpose,
};

use crate::harness::run;
use crate::harness::scene::{
    BED, DAY, TRIAGE, ask_for_bed, closed, consent, new_case, whole_seconds,
};
use crate::harness::simulated::simulated;

const TOWN: &[&str] = &["alpha", "house1", "medic", "ombud"];
const HOUR: Duration = Duration::from_secs(60 * 60);

fn of(alerts: &[AlertView], kind: AlertKind) -> Vec<String> {
    let alerts = alerts.iter().filter(|alert| alert.kind == kind);
    alerts.map(|alert| alert.about.clone()).collect()
}

#[test]
fn who_was_asked_through_a_companion_is_asked_again_alone_within_a_day() {
    run(async {
        let mut own = simulated(TOWN).await;
        let source = own.world.source("alpha");
        let through = |interpreter| BasisDraft {
            interpreter,
            ..consent(&source, new_case(), "house1", BED, closed(TRIAGE))
        };
        let companion = InterpreterClass::Companion;
        let waiting = source.record_basis(through(companion)).await.unwrap();
        let asked = source.record_basis(through(companion)).await.unwrap();
        let _ = source
            .record_basis(through(InterpreterClass::Telephone))
            .await
            .unwrap();
        // Asked again, alone, with somebody who is no companion: the same chain goes on.
        let alone = safeconduct::domain::basis::Basis {
            interpreter: InterpreterClass::Telephone,
            ..asked.clone()
        };
        let allows = alone.allows.clone();
        source
            .supersede_basis(&alone, allows, [6; 32])
            .await
            .unwrap();
        own.pass(23 * HOUR).await;
        let kind = AlertKind::AskAgainAlone;
        assert!(of(&source.alerts().await.unwrap(), kind).is_empty());
        own.pass(2 * HOUR).await;
        let expected = format!("agencies/alpha/bases/{}", waiting.chain);
        assert_eq!(of(&source.alerts().await.unwrap(), kind), [expected]);
        own.assert_audits().await;
    });
}

#[test]
fn an_emergency_is_looked_at_when_it_is_over() {
    run(async {
        let mut own = simulated(TOWN).await;
        let source = own.world.source("alpha");
        let draft = BasisDraft {
            kind: BasisKind::VitalInterest,
            given_by: GivenBy::NotApplicable,
            allows: vec![Allow {
                purposes: vec![Purpose::MedicalCare],
                labels: closed(&["HEALTH/FUNCTIONAL"]),
                asked: Asked::Specific,
                until: whole_seconds(source.now().plus(6 * HOUR)),
                reply: false,
            }],
            ..consent(&source, new_case(), "medic", BED, closed(TRIAGE))
        };
        let basis = source.record_basis(draft.clone()).await.unwrap();
        let mut longer = draft;
        longer.allows[0].until = whole_seconds(source.now().plus(DAY + HOUR));
        let refused = source.record_basis(longer).await.unwrap_err();
        assert_eq!(refused.reason(), Some(Reason::BasisBounds));
        own.pass(7 * HOUR).await;
        let expected = format!("agencies/alpha/bases/{}", basis.chain);
        let alerts = source.alerts().await.unwrap();
        assert_eq!(of(&alerts, AlertKind::ReviewDue), [expected]);
        own.assert_audits().await;
    });
}

#[test]
fn a_guardian_in_conflict_is_refused_and_a_childs_view_travels_as_a_code() {
    run(async {
        let own = simulated(TOWN).await;
        let source = own.world.source("alpha");
        let by_guardian = |verified, conflict| BasisDraft {
            given_by: GivenBy::Guardian,
            child_told: ChildTold::Yes,
            for_child: ForChild {
                guardian: Some(Guardian {
                    relation: GuardianRelation::Parent,
                    verified,
                    conflict,
                }),
                view: ChildView::Expressed,
                assent: Assent::Given,
            },
            ..consent(&source, new_case(), "house1", BED, closed(TRIAGE))
        };
        let refused = source.record_basis(by_guardian(true, true)).await;
        assert_eq!(refused.unwrap_err().reason(), Some(Reason::BasisBounds));
        let recorded = source.record_basis(by_guardian(true, false)).await.unwrap();
        assert_eq!(recorded.for_child.view, ChildView::Expressed);
        own.assert_audits().await;
    });
}

/// R9: one basis, one case. What a guardian said for a child is no yes of the adult who travels with them.
#[test]
fn a_guardians_consent_never_covers_another_adult() {
    run(async {
        let own = simulated(TOWN).await;
        let source = own.world.source("alpha");
        let child = new_case();
        let draft = BasisDraft {
            given_by: GivenBy::Guardian,
            child_told: ChildTold::Yes,
            for_child: ForChild {
                guardian: Some(Guardian {
                    relation: GuardianRelation::Parent,
                    verified: true,
                    conflict: false,
                }),
                view: ChildView::NotAble,
                assent: Assent::NotAble,
            },
            ..consent(&source, child, "house1", BED, closed(TRIAGE))
        };
        let basis = source.record_basis(draft).await.unwrap();
        ask_for_bed(&source, child, std::slice::from_ref(&basis)).await;
        let adult = new_case();
        let ask = crate::harness::scene::tonight(&source, adult, BED);
        let candidate = safeconduct::client::source::Candidate {
            basis: &basis,
            parcels: vec![(
                safeconduct::domain::vocabulary::Stage::Triage,
                crate::harness::scene::facts(TRIAGE),
            )],
        };
        let refused = source.create_referral(&ask, &[candidate]).await;
        assert_eq!(refused.unwrap_err().reason(), Some(Reason::BasisNotAllowed));
    });
}
