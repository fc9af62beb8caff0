//! Reach beyond the members (R21): a carried referral is made, released once its words were heard, and opened off line.

use safeconduct::client::agency::Desk;
use safeconduct::client::carried::{CarriedDraft, KeptShare, open_carried};
use safeconduct::client::error::{ClientError, Reason};
use safeconduct::client::random::SystemRandom;
use safeconduct::client::source::AlsoAsked;
use safeconduct::domain::basis::Basis;
use safeconduct::domain::label::Label;
use safeconduct::domain::vocabulary::{Purpose, StaffRole};
use safeconduct::envelope::carried::{CarriedError, Release, ReleaseRequest};
use safeconduct::envelope::disclosure::Field;
use safeconduct::envelope::hpke::SealingSeed;

use crate::harness::scene::{closed, consent, new_case};
use crate::harness::{assert_replays, own, run, world};

const LABELS: &[&str] = &["IDENTITY/ALIAS", "LANGUAGE/WHOLE", "HEALTH/FUNCTIONAL"];

fn field(path: &str, label: &str, value: &str) -> Field {
    Field {
        path: path.to_owned(),
        label: label.parse::<Label>().unwrap(),
        value: value.into(),
    }
}

fn fields() -> Vec<Field> {
    vec![
        field("identity.alias", "IDENTITY/ALIAS", "Yusuf"),
        field("health.measures", "HEALTH/FUNCTIONAL", "seizures"),
    ]
}

async fn agreed(source: &Desk) -> Basis {
    let labels = closed(LABELS);
    let draft = consent(
        source,
        new_case(),
        "out-hr-ngo",
        Purpose::MedicalCare,
        labels,
    );
    source.record_basis(draft).await.unwrap()
}

fn draft(basis: &Basis, fields: Vec<Field>) -> CarriedDraft<'_> {
    CarriedDraft {
        basis,
        purpose: Purpose::MedicalCare,
        answer_to: "duty desk".to_owned(),
        fields,
    }
}

async fn released(
    officer: &Desk,
    kept: &KeptShare,
    request: &ReleaseRequest,
) -> Result<Release, ClientError> {
    let heard = request.fingerprint().replace('-', ", ").to_uppercase();
    officer.release_carried(kept, request, &heard).await
}

/// Scenario D, step 2, from one end to the other, and the ombudsperson decides all of it again.
#[test]
fn a_non_member_opens_what_was_carried_after_its_words_were_heard_and_every_release_replays() {
    run(async {
        let own = own(&["alpha", "house1", "ombud"], "warn").await;
        let world = &own.world;
        let source = world.source("alpha");
        let officer = world.desk("alpha", StaffRole::DutyOfficer);
        let basis = agreed(&source).await;
        let carried = source.make_carried(draft(&basis, fields())).await.unwrap();
        let seed = SealingSeed::generate(&mut SystemRandom);
        let request = ReleaseRequest::new(&carried.file, &seed);
        let release = released(&officer, &carried.kept, &request).await.unwrap();
        let pinned = (&world.trust.roots[..], world.trust.origin.as_str());
        let content = open_carried(&carried.file, &carried.code, &release, &seed, pinned).unwrap();
        assert_eq!(content.fields, fields());
        assert_eq!(content.source.as_str(), "alpha");
        // Somebody else's authorities vouch for nothing.
        let elsewhere = (&world.trust.roots[..], "elsewhere.example");
        let opened = open_carried(&carried.file, &carried.code, &release, &seed, elsewhere);
        assert_eq!(opened.unwrap_err(), CarriedError::Certificate);
        // Taken back: nothing is released any more.
        let stop = AlsoAsked {
            erase: false,
            leave: false,
        };
        source.withdraw_basis(&basis, stop).await.unwrap();
        let refused = released(&officer, &carried.kept, &request)
            .await
            .unwrap_err();
        assert_eq!(refused.reason(), Some(Reason::BasisNotInForce));
        assert_replays(world);
    });
}

#[test]
fn nothing_is_released_on_other_words_or_for_another_file_or_by_another_role() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let officer = world.desk("alpha", StaffRole::DutyOfficer);
        let basis = agreed(&source).await;
        let carried = source.make_carried(draft(&basis, fields())).await.unwrap();
        let seed = SealingSeed::generate(&mut SystemRandom);
        let request = ReleaseRequest::new(&carried.file, &seed);
        let wrong = officer
            .release_carried(&carried.kept, &request, "babab babab babab babab babab")
            .await;
        assert!(
            matches!(wrong, Err(ClientError::Carried(CarriedError::Fingerprint))),
            "{wrong:?}"
        );
        let other = ReleaseRequest::new(b"another file", &seed);
        let other = released(&officer, &carried.kept, &other).await;
        assert!(
            matches!(other, Err(ClientError::Carried(CarriedError::OtherFile))),
            "{other:?}"
        );
        let caseworker = released(&source, &carried.kept, &request)
            .await
            .unwrap_err();
        assert_eq!(caseworker.reason(), Some(Reason::NotPermitted));
        // Another agency holds no such thing, and learns of none.
        let thief = world.desk("thief", StaffRole::DutyOfficer);
        let stolen = released(&thief, &carried.kept, &request).await.unwrap_err();
        assert_eq!(stolen.reason(), Some(Reason::NotFound));
    });
}

#[test]
fn a_carried_referral_holds_what_was_agreed_and_the_protocol_lets_travel_and_no_more() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let basis = agreed(&source).await;
        let meeting = vec![field(
            "placement.meeting_point",
            "MEETING_POINT/WHOLE",
            "the bridge",
        )];
        let uncovered = source.make_carried(draft(&basis, meeting)).await;
        assert!(
            matches!(uncovered, Err(ClientError::Gate(_))),
            "{uncovered:?}"
        );
        let mut acts = consent(
            &source,
            new_case(),
            "out-hr-ngo",
            Purpose::MedicalCare,
            closed(&["PUNISHABLE_ACTS/WHOLE"]),
        );
        let refused = source.record_basis(acts.clone()).await.unwrap_err();
        assert_eq!(refused.reason(), Some(Reason::BasisBounds));
        // Nobody unknown is asked under a member's sort of name.
        acts.recipient = "hr-ngo".parse().unwrap();
        let refused = source.record_basis(acts).await.unwrap_err();
        assert_eq!(refused.reason(), Some(Reason::RecipientUnavailable));
    });
}
