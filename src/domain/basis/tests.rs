use super::*;
use crate::domain::label::Label;
use crate::domain::vocabulary::{Assent, ChildView, GuardianRelation};

fn labels(texts: &[&str]) -> LabelSet {
    let labels = texts.iter().map(|text| text.parse::<Label>());
    labels.map(|label| label.expect("a label")).collect()
}

fn from() -> Timestamp {
    Timestamp::from_seconds(1_700_000_000).expect("in range")
}

fn basis(kind: BasisKind, purpose: Purpose, texts: &[&str]) -> Basis {
    Basis {
        chain: BasisChainId::from_random([1; 16]),
        source: "alpha".parse().expect("an id"),
        recipient: "house1".parse().expect("an id"),
        case: CaseHandle::from_random([2; 16]),
        seq: 1,
        from: from(),
        kind,
        allows: vec![Allow {
            purposes: vec![purpose],
            labels: labels(texts),
            asked: Asked::Specific,
            until: from().plus(Duration::from_secs(60 * 60)),
            reply: false,
        }],
        given_by: GivenBy::Itself,
        asked_alone: true,
        interpreter: InterpreterClass::Professional,
        child_told: ChildTold::Yes,
        for_child: Default::default(),
    }
}

#[test]
fn each_ground_reaches_only_whom_it_may() {
    use {AgencyKind as K, BasisKind as B, Purpose as P};
    let beds = P::SafeAccommodation;
    let table = [
        (B::Consent, K::Shelter, beds, true),
        (B::Consent, K::Police, P::CrimeReport, true),
        (B::Consent, K::Operator, beds, false),
        (B::Consent, K::Ombudsperson, P::InformationRights, false),
        (B::Consent, K::NonMember, beds, false),
        (
            B::ChildSafeguarding,
            K::ChildProtection,
            P::ChildProtection,
            true,
        ),
        (
            B::ChildSafeguarding,
            K::GuardianService,
            P::Guardianship,
            true,
        ),
        (B::ChildSafeguarding, K::Shelter, beds, true),
        (B::ChildSafeguarding, K::ReceptionAuthority, beds, true),
        (B::ChildSafeguarding, K::Shelter, P::Education, false),
        (B::ChildSafeguarding, K::Ngo, beds, false),
        (
            B::ChildSafeguarding,
            K::HealthService,
            P::MedicalCare,
            false,
        ),
        (B::ChildSafeguarding, K::Police, P::CrimeReport, false),
        (B::VitalInterest, K::HealthService, P::MedicalCare, true),
        (
            B::VitalInterest,
            K::HealthService,
            P::MedicoLegalDocumentation,
            false,
        ),
        (
            B::VitalInterest,
            K::BorderPolice,
            P::PhysicalProtection,
            true,
        ),
        (B::VitalInterest, K::Police, P::CrimeReport, false),
        (B::VitalInterest, K::Shelter, beds, false),
        (B::Complaint, K::Ombudsperson, P::InformationRights, true),
        (
            B::Complaint,
            K::DataProtectionAuthority,
            P::InformationRights,
            true,
        ),
        (B::Complaint, K::Shelter, P::InformationRights, false),
    ];
    for (kind, recipient, purpose, reaches) in table {
        let any = !ceiling(kind, recipient, purpose).is_empty();
        assert_eq!(any, reaches, "{kind} {recipient} {purpose}");
    }
}

#[test]
fn a_duty_to_notify_never_says_who_the_person_is() {
    let kind = BasisKind::LegalDuty;
    for texts in [
        ["IDENTITY/ALIAS"],
        ["CONTACT/VIA_SOURCE"],
        ["STATEMENT/WHOLE"],
        ["DOCUMENTS/LIST"],
    ] {
        let duty = basis(kind, Purpose::PhysicalProtection, &texts);
        let refused = Err(BoundsError::Labels(
            kind,
            labels(&texts),
            AgencyKind::Police,
        ));
        assert_eq!(duty.check_bounds(AgencyKind::Police), refused);
    }
    let age = basis(kind, Purpose::PhysicalProtection, &["AGE/BAND"]);
    assert_eq!(age.check_bounds(AgencyKind::Police), Ok(()));
}

#[test]
fn an_emergency_lasts_a_day_and_nothing_lasts_longer_than_a_year() {
    let mut basis = basis(
        BasisKind::VitalInterest,
        Purpose::MedicalCare,
        &["HEALTH/CLINICAL"],
    );
    let health = AgencyKind::HealthService;
    for (kind, longest) in [
        (BasisKind::VitalInterest, VITAL_INTEREST_MAX),
        (BasisKind::Consent, BASIS_MAX),
    ] {
        basis.kind = kind;
        basis.allows[0].until = from().plus(longest);
        assert_eq!(basis.check_bounds(health), Ok(()));
        basis.allows[0].until = from().plus(longest + Duration::from_millis(1));
        assert_eq!(basis.check_bounds(health), Err(BoundsError::Period));
        basis.allows[0].until = from();
        assert_eq!(basis.check_bounds(health), Err(BoundsError::Period));
    }
}

#[test]
fn a_child_is_told_first_or_the_reason_is_recorded() {
    let kind = BasisKind::ChildSafeguarding;
    let mut basis = basis(kind, Purpose::SafeAccommodation, &["AGE/BAND"]);
    basis.for_child.view = ChildView::Expressed;
    for (told, expected) in [
        (ChildTold::Yes, Ok(())),
        (ChildTold::NoWithReason, Ok(())),
        (ChildTold::NotApplicable, Err(BoundsError::ChildNotTold)),
    ] {
        basis.child_told = told;
        assert_eq!(basis.check_bounds(AgencyKind::Shelter), expected);
    }
}

#[test]
fn consent_is_given_by_somebody() {
    let mut basis = basis(
        BasisKind::Consent,
        Purpose::SafeAccommodation,
        &["AGE/BAND"],
    );
    basis.given_by = GivenBy::NotApplicable;
    assert_eq!(
        basis.check_bounds(AgencyKind::Shelter),
        Err(BoundsError::Giver)
    );
}

#[test]
fn through_a_companion_nothing_says_who_the_person_is() {
    let texts = ["AGE/BAND", "IDENTITY/ALIAS"];
    let mut basis = basis(BasisKind::Consent, Purpose::SafeAccommodation, &texts);
    for interpreter in [InterpreterClass::Companion, InterpreterClass::Child] {
        basis.interpreter = interpreter;
        let refused = Err(BoundsError::Interpreter(labels(&["IDENTITY/ALIAS"])));
        assert_eq!(basis.check_bounds(AgencyKind::Shelter), refused);
        let shelter = AgencyKind::Shelter;
        assert!(basis.reaches(Stage::Triage, shelter) && !basis.reaches(Stage::Accepted, shelter));
    }
}

#[test]
fn an_empty_basis_allows_nothing_and_is_refused() {
    let mut basis = basis(
        BasisKind::Consent,
        Purpose::SafeAccommodation,
        &["AGE/BAND"],
    );
    assert!(basis.in_force(from()) && !basis.in_force(basis.expires()));
    basis.allows[0].purposes.clear();
    assert_eq!(
        basis.check_bounds(AgencyKind::Shelter),
        Err(BoundsError::Empty)
    );
    basis.allows.clear();
    assert_eq!(
        basis.check_bounds(AgencyKind::Shelter),
        Err(BoundsError::Empty)
    );
    assert!(!basis.in_force(from()));
}

#[test]
fn debug_output_names_the_chain_only() {
    let basis = basis(
        BasisKind::Consent,
        Purpose::SafeAccommodation,
        &["AGE/BAND"],
    );
    let printed = format!("{basis:?}");
    assert!(!printed.contains("house1") && !printed.contains("alpha"));
}

/// A guardian's consent to a bed, as it should be.
fn by_guardian() -> Basis {
    let mut basis = basis(
        BasisKind::Consent,
        Purpose::SafeAccommodation,
        &["AGE/BAND", "IDENTITY/ALIAS"],
    );
    basis.given_by = GivenBy::Guardian;
    basis.for_child = ForChild {
        guardian: Some(Guardian {
            relation: GuardianRelation::Parent,
            verified: true,
            conflict: false,
        }),
        view: ChildView::Expressed,
        assent: Assent::Given,
    };
    basis
}

#[test]
fn a_guardian_consents_only_for_a_child_who_is_told_and_heard() {
    use BoundsError as E;
    let check = |change: fn(&mut Basis)| {
        let mut basis = by_guardian();
        change(&mut basis);
        basis.check_bounds(AgencyKind::Shelter)
    };
    assert_eq!(check(|_| {}), Ok(()));
    assert_eq!(
        check(|basis| basis.for_child.guardian = None),
        Err(E::Guardian)
    );
    assert_eq!(
        check(|basis| basis.for_child.assent = Assent::NotApplicable),
        Err(E::GuardianOfAdult)
    );
    assert_eq!(
        check(|basis| basis.child_told = ChildTold::NotApplicable),
        Err(E::ChildNotTold)
    );
    assert_eq!(
        check(|basis| basis.for_child.view = ChildView::NotApplicable),
        Err(E::ChildNotHeard)
    );
    assert_eq!(
        check(|basis| {
            basis.child_told = ChildTold::NotApplicable;
            basis.for_child.view = ChildView::NotApplicable;
        }),
        Err(E::GuardianOfAdult)
    );
    // Nobody else has a guardian, whatever the ground.
    assert_eq!(
        check(|basis| basis.given_by = GivenBy::Itself),
        Err(E::Guardian)
    );
    let emergency = check(|basis| {
        basis.kind = BasisKind::ChildSafeguarding;
        basis.given_by = GivenBy::NotApplicable;
    });
    assert_eq!(emergency, Err(E::Guardian));
}

#[test]
fn a_guardian_in_conflict_does_not_consent() {
    let mut basis = by_guardian();
    basis.for_child.guardian = Some(Guardian {
        relation: GuardianRelation::Relative,
        verified: true,
        conflict: true,
    });
    for kind in [AgencyKind::Shelter, AgencyKind::ChildProtection] {
        assert_eq!(basis.check_bounds(kind), Err(BoundsError::GuardianConflict));
    }
}

#[test]
fn an_unverified_guardian_reaches_child_protection_and_elsewhere_triage_without_identity() {
    let mut basis = by_guardian();
    basis.for_child.guardian = Some(Guardian {
        relation: GuardianRelation::Relative,
        verified: false,
        conflict: false,
    });
    for kind in [AgencyKind::ChildProtection, AgencyKind::GuardianService] {
        assert_eq!(basis.check_bounds(kind), Ok(()));
        assert!(basis.reaches(Stage::Accepted, kind));
    }
    let refused = Err(BoundsError::GuardianUnverified(labels(&["IDENTITY/ALIAS"])));
    assert_eq!(basis.check_bounds(AgencyKind::Shelter), refused);
    basis.allows[0].labels = labels(&["AGE/BAND"]);
    assert_eq!(basis.check_bounds(AgencyKind::Shelter), Ok(()));
    assert!(basis.reaches(Stage::Triage, AgencyKind::Shelter));
    assert!(!basis.reaches(Stage::Accepted, AgencyKind::Shelter));
}

#[test]
fn an_answer_in_words_is_asked_for_by_itself() {
    let mut basis = basis(
        BasisKind::Consent,
        Purpose::SafeAccommodation,
        &["AGE/BAND"],
    );
    assert!(!basis.allows_reply(Purpose::SafeAccommodation, from()));
    basis.allows[0].reply = true;
    assert!(basis.allows_reply(Purpose::SafeAccommodation, from()));
    assert!(!basis.allows_reply(Purpose::CrimeReport, from()));
    assert!(!basis.allows_reply(Purpose::SafeAccommodation, basis.expires()));
}
