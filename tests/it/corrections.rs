//! What was wrong is corrected at everybody who was told it, and nobody goes on working with it unsaid (R19).

use safeconduct::client::error::{ClientError, Reason};
use safeconduct::client::source::Revision;
use safeconduct::domain::id::ParcelId;
use safeconduct::domain::vocabulary::{Category, DeclineReason, Decliner, OfferNotice, Stage};

use crate::harness::scene::{BED, TRIAGE, ask_for_bed, bed_basis, facts, new_case, one_bed, open};
use crate::harness::{assert_replays, run, world};

fn reason<T>(result: Result<T, ClientError>) -> Option<Reason> {
    result.err().and_then(|error| error.reason())
}

#[test]
fn a_correction_reaches_all_who_were_told_and_is_confirmed() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let case = new_case();
        let bases = [
            bed_basis(&source, case, "house1").await,
            bed_basis(&source, case, "house2").await,
        ];
        let sent = ask_for_bed(&source, case, &bases).await;
        let (first, second) = (sent.offers[0].1, sent.offers[1].1);
        let house1 = world.intake("house1");
        open(&house1, first, Stage::Triage).await.unwrap();

        let stages = || vec![(Stage::Triage, facts(TRIAGE))];
        let revisions = bases.each_ref().map(|basis| Revision {
            basis,
            stages: stages(),
        });
        let amended = source
            .amend_everywhere(sent.referral, BED, Category::Language, &revisions)
            .await
            .unwrap();
        assert_eq!(amended.len(), 2);
        assert!(amended.iter().all(|one| one.outcome.is_ok()), "{amended:?}");
        let nothing = source
            .amend_everywhere(sent.referral, BED, Category::Harm, &revisions)
            .await
            .unwrap();
        assert!(nothing.is_empty(), "nobody was told of it");

        let told = house1.offer(first).await.unwrap();
        assert_eq!(told.corrected, [Stage::Triage]);
        assert_eq!(told.notices, [OfferNotice::Corrected]);
        let early = house1.confirm_amendment(first, Stage::Triage).await;
        assert_eq!(reason(early), Some(Reason::NotFound), "not read yet");
        let view = source.referral(sent.referral).await.unwrap();
        assert_eq!(view.offers[0].corrections, [(Stage::Triage, false)]);
        assert!(
            view.offers[1].corrections.is_empty(),
            "nobody read the first"
        );

        house1.open(&told, Stage::Triage).await.unwrap();
        house1
            .confirm_amendment(first, Stage::Triage)
            .await
            .unwrap();
        let twice = house1.confirm_amendment(first, Stage::Triage).await;
        assert_eq!(reason(twice), Some(Reason::NotFound));
        let told = house1.offer(first).await.unwrap();
        assert!(told.corrected.is_empty() && told.notices.is_empty());
        let view = source.referral(sent.referral).await.unwrap();
        assert_eq!(view.offers[0].corrections, [(Stage::Triage, true)]);

        let house2 = world.intake("house2");
        let offer = house2.offer(second).await.unwrap();
        assert!(offer.corrected.is_empty());
        house2.open(&offer, Stage::Triage).await.unwrap();
        assert_replays(world);
    });
}

#[test]
fn a_correction_names_what_the_recipient_has_in_hand() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let house1 = world.intake("house1");
        let bed = one_bed(&source, "house1").await;
        open(&house1, bed.offer, Stage::Triage).await.unwrap();
        let corrected = || async {
            let view = source.referral(bed.sent.referral).await.unwrap();
            view.offers[0].parcels[0].1
        };
        let in_hand = corrected().await;
        let amend = |parcel: ParcelId| {
            source.amend(
                bed.offer,
                &bed.basis,
                BED,
                Stage::Triage,
                parcel,
                facts(TRIAGE),
            )
        };
        let other = amend(ParcelId::from_random([3; 16])).await;
        assert_eq!(reason(other), Some(Reason::StatementInvalid));
        // Two corrections before the recipient looks: both name what it has.
        amend(in_hand).await.unwrap();
        assert_eq!(corrected().await, in_hand);
        amend(in_hand).await.unwrap();
        let unsaid = source
            .deposit(bed.offer, &bed.basis, BED, Stage::Triage, facts(TRIAGE))
            .await;
        assert_eq!(
            reason(unsaid),
            Some(Reason::State),
            "what was opened is not replaced unsaid"
        );
        open(&house1, bed.offer, Stage::Triage).await.unwrap();
        assert_ne!(corrected().await, in_hand);
        house1
            .confirm_amendment(bed.offer, Stage::Triage)
            .await
            .unwrap();
        house1
            .decline(bed.offer, DeclineReason::NoCapacity, Decliner::Agency)
            .await
            .unwrap();
        assert_eq!(reason(amend(in_hand).await), Some(Reason::State));
        assert_replays(world);
    });
}
