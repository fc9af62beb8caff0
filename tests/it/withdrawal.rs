//! Taking back: three separate questions, what each recipient hears of them, and what is left behind (R16).

use std::time::Duration;

use safeconduct::audit::Level;
use safeconduct::cli::audit::check;
use safeconduct::cli::audit::drive::Progress;
use safeconduct::client::audit::LiveSource;
use safeconduct::client::error::{ClientError, Reason};
use safeconduct::client::source::Answers;
use safeconduct::domain::vocabulary::{
    AlertKind, ErasureAnswer, OfferNotice, OfferState, StaffRole, Stage,
};

use crate::harness::run;
use crate::harness::scene::{ACCEPTED, BED, facts, one_bed, open};
use crate::harness::simulated::{Simulated, simulated};

const TOWN: &[&str] = &["alpha", "house1", "house2", "ombud"];
const HOUR: Duration = Duration::from_secs(60 * 60);

const STOP: Answers = Answers {
    stop: true,
    erase: false,
    leave: false,
};

fn reason<T>(result: Result<T, ClientError>) -> Option<Reason> {
    result.err().and_then(|error| error.reason())
}

/// How many lawful tombstones the ombudsperson's replay counts.
async fn tombstones(town: &Simulated) -> u64 {
    let desk = town.world.desk("ombud", StaffRole::Auditor);
    let mut source = LiveSource::new(desk.agency().session().clone(), desk.staff().clone());
    let progress = Progress::hidden();
    let key = safeconduct::ledger::note::NoteVerifier::parse(&town.world.trust.log_key).unwrap();
    let outcome = check(&mut source, Some(Level::Replay), None, Some(key), &progress)
        .await
        .unwrap();
    outcome.report.counts.unwrap().tombstones
}

#[test]
fn each_question_is_answered_by_itself_and_the_recipient_hears_what_is_asked_and_no_reason() {
    run(async {
        let own = simulated(TOWN).await;
        let (source, house1) = (own.world.source("alpha"), own.world.intake("house1"));
        let bed = one_bed(&source, "house1").await;
        open(&house1, bed.offer, Stage::Triage).await.unwrap();
        house1.accept(bed.offer, None).await.unwrap();
        house1.check_in(bed.offer).await.unwrap();

        let nothing = source.withdraw(&bed.basis, Answers::default()).await;
        assert_eq!(reason(nothing), Some(Reason::InvalidField));
        let leave = Answers {
            leave: true,
            ..Answers::default()
        };
        source.withdraw(&bed.basis, leave).await.unwrap();
        let view = house1.offer(bed.offer).await.unwrap();
        assert_eq!(view.notices, [OfferNotice::PersonLeaves]);
        // Sharing goes on: only the first question stops it.
        source
            .deposit(bed.offer, &bed.basis, BED, Stage::Accepted, facts(ACCEPTED))
            .await
            .unwrap();

        source.withdraw(&bed.basis, STOP).await.unwrap();
        let view = house1.offer(bed.offer).await.unwrap();
        let so_far = [OfferNotice::ClosedBySource, OfferNotice::PersonLeaves];
        assert_eq!(view.notices, so_far);
        assert_eq!(view.state, OfferState::InProgress, "she keeps her bed");
        let unasked = house1
            .confirm_erasure(bed.offer, ErasureAnswer::Erased)
            .await;
        assert_eq!(reason(unasked), Some(Reason::State));

        // To erase may also be asked later, of a chain that is withdrawn.
        let erase = Answers {
            erase: true,
            ..Answers::default()
        };
        source.withdraw(&bed.basis, erase).await.unwrap();
        let view = house1.offer(bed.offer).await.unwrap();
        assert!(view.notices.contains(&OfferNotice::PleaseErase));
        own.assert_audits().await;
    });
}

#[test]
fn a_recipient_that_is_asked_to_erase_says_what_it_did_and_erased_is_final() {
    run(async {
        let own = simulated(TOWN).await;
        let (source, house1) = (own.world.source("alpha"), own.world.intake("house1"));
        let bed = one_bed(&source, "house1").await;
        open(&house1, bed.offer, Stage::Triage).await.unwrap();
        let answers = Answers {
            stop: true,
            erase: true,
            leave: false,
        };
        source.withdraw(&bed.basis, answers).await.unwrap();
        let mine = || async { source.referral(bed.sent.referral).await.unwrap() };
        assert!(mine().await.offers[0].erasure_asked);
        assert_eq!(mine().await.offers[0].erasure, None);

        // It never had the person in care.
        let care = ErasureAnswer::KeptInCareOwnConsent;
        let refused = house1.confirm_erasure(bed.offer, care).await;
        assert_eq!(reason(refused), Some(Reason::State));
        for answer in [ErasureAnswer::KeptLegalDuty, ErasureAnswer::Erased] {
            house1.confirm_erasure(bed.offer, answer).await.unwrap();
            assert_eq!(mine().await.offers[0].erasure, Some(answer));
        }
        let after = house1
            .confirm_erasure(bed.offer, ErasureAnswer::KeptLegalDuty)
            .await;
        assert_eq!(reason(after), Some(Reason::State));
        own.assert_audits().await;
    });
}

#[test]
fn whoever_opened_nothing_is_asked_to_erase_nothing() {
    run(async {
        let own = simulated(TOWN).await;
        let (source, house1) = (own.world.source("alpha"), own.world.intake("house1"));
        let bed = one_bed(&source, "house1").await;
        let answers = Answers {
            stop: true,
            erase: true,
            leave: true,
        };
        source.withdraw(&bed.basis, answers).await.unwrap();
        let view = house1.offer(bed.offer).await.unwrap();
        assert!(!view.notices.contains(&OfferNotice::PleaseErase));
    });
}

#[test]
fn silence_after_three_days_alerts_the_source_and_an_answer_does_not() {
    run(async {
        let mut own = simulated(TOWN).await;
        let source = own.world.source("alpha");
        let houses = [own.world.intake("house1"), own.world.intake("house2")];
        let mut offers = Vec::new();
        for (house, id) in houses.iter().zip(["house1", "house2"]) {
            let bed = one_bed(&source, id).await;
            open(house, bed.offer, Stage::Triage).await.unwrap();
            let answers = Answers {
                stop: true,
                erase: true,
                leave: false,
            };
            source.withdraw(&bed.basis, answers).await.unwrap();
            offers.push(bed.offer);
        }
        houses[0]
            .confirm_erasure(offers[0], ErasureAnswer::Erased)
            .await
            .unwrap();
        own.pass(71 * HOUR).await;
        let unanswered = |alerts: &[safeconduct::client::alert::AlertView]| {
            let kind = AlertKind::ErasureUnanswered;
            let alerts = alerts.iter().filter(|alert| alert.kind == kind);
            alerts.map(|alert| alert.about.clone()).collect::<Vec<_>>()
        };
        assert!(unanswered(&source.alerts().await.unwrap()).is_empty());
        own.pass(2 * HOUR).await;
        let about = unanswered(&source.alerts().await.unwrap());
        assert_eq!(about, [format!("agencies/alpha/offers/{}", offers[1])]);
        own.assert_audits().await;
    });
}

#[test]
fn whatever_ends_an_offer_leaves_a_lawful_tombstone() {
    run(async {
        let mut own = simulated(TOWN).await;
        let (source, house1) = (own.world.source("alpha"), own.world.intake("house1"));
        let before = tombstones(&own).await;
        let withdrawn = one_bed(&source, "house1").await;
        let declined = one_bed(&source, "house1").await;
        let recalled = one_bed(&source, "house1").await;
        let lapsing = one_bed(&source, "house1").await;
        source.withdraw(&withdrawn.basis, STOP).await.unwrap();
        house1
            .decline(
                declined.offer,
                safeconduct::domain::vocabulary::DeclineReason::NoCapacity,
                safeconduct::domain::vocabulary::Decliner::Agency,
            )
            .await
            .unwrap();
        source.recall(recalled.sent.referral).await.unwrap();
        own.minutes(40).await;
        let view = house1.offer(lapsing.offer).await.unwrap();
        assert_eq!(view.state, OfferState::Lapsed);
        assert_eq!(tombstones(&own).await, before + 4);
        own.assert_audits().await;
    });
}
