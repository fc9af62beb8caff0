//! What the parties of an offer may tell each other beside it (R16; invariants 8, 12, 13, 15).

use safeconduct::client::agency::Desk;
use safeconduct::client::error::{ClientError, Reason};
use safeconduct::client::source::AlsoAsked;
use safeconduct::domain::basis::Basis;
use safeconduct::domain::vocabulary::{
    Category, DeclineReason, Decliner, MessageCode, OfferState, Stage,
};

use crate::harness::scene::{
    ACCEPTED, BED, Bed, TRIAGE, ask_for_bed, closed, consent, facts, new_case, one_bed,
};
use crate::harness::{assert_replays, run, world};

fn reason<T>(result: Result<T, ClientError>) -> Option<Reason> {
    result.err().and_then(|error| error.reason())
}

/// A candidate for a bed who may answer in its own words.
async fn bed_with_reply(source: &Desk, recipient: &str) -> Bed {
    let case = new_case();
    let allowed = closed(&[TRIAGE, ACCEPTED].concat());
    let mut draft = consent(source, case, recipient, BED, allowed);
    draft.allows[0].reply = true;
    let basis: Basis = source.record_basis(draft).await.unwrap();
    let sent = ask_for_bed(source, case, std::slice::from_ref(&basis)).await;
    let offer = sent.offers[0].1;
    Bed {
        case,
        basis,
        sent,
        offer,
    }
}

#[test]
fn codes_go_both_ways_and_outlive_the_offer() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let house1 = world.intake("house1");
        let bed = one_bed(&source, "house1").await;
        assert_eq!(
            source
                .post_code(bed.offer, MessageCode::StillWaiting)
                .await
                .unwrap(),
            1
        );
        assert_eq!(
            house1
                .post_code(bed.offer, MessageCode::WillCall)
                .await
                .unwrap(),
            2
        );
        let seen = house1.messages(bed.offer).await.unwrap();
        assert_eq!(seen, source.messages(bed.offer).await.unwrap());
        let codes: Vec<_> = seen.iter().map(|message| message.code).collect();
        assert_eq!(
            codes,
            [Some(MessageCode::StillWaiting), Some(MessageCode::WillCall)]
        );
        assert_eq!(seen[0].sender.as_str(), "alpha");
        let code = house1.open_message(bed.offer, BED, &seen[0]).await;
        assert_eq!(
            reason(code),
            Some(Reason::NotFound),
            "a code has nothing to open"
        );
        house1
            .decline(bed.offer, DeclineReason::NoCapacity, Decliner::Agency)
            .await
            .unwrap();
        source
            .post_code(bed.offer, MessageCode::Noted)
            .await
            .unwrap();
        let late = source
            .post_message(bed.offer, &bed.basis, BED, Stage::Triage, facts(TRIAGE))
            .await;
        assert_eq!(
            reason(late),
            Some(Reason::State),
            "words end with the offer"
        );
        assert_replays(world);
    });
}

#[test]
fn a_sealed_message_passes_the_gate_of_the_stage_reached() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let house1 = world.intake("house1");
        let bed = one_bed(&source, "house1").await;
        let too_early = source
            .post_message(bed.offer, &bed.basis, BED, Stage::Triage, facts(ACCEPTED))
            .await;
        assert!(
            matches!(too_early, Err(ClientError::Gate(_))),
            "{too_early:?}"
        );
        let ahead = source
            .post_message(bed.offer, &bed.basis, BED, Stage::Accepted, facts(ACCEPTED))
            .await;
        assert_eq!(
            reason(ahead),
            Some(Reason::NotFound),
            "the offer is not that far"
        );
        let posted = source
            .post_message(bed.offer, &bed.basis, BED, Stage::Triage, facts(TRIAGE))
            .await
            .unwrap();
        let seen = house1.messages(bed.offer).await.unwrap();
        assert_eq!((seen[0].number, seen[0].opened), (posted, false));
        assert!(
            seen[0]
                .labels
                .iter()
                .any(|label| label.category() == Category::Language)
        );
        let own = source.open_message(bed.offer, BED, &seen[0]).await;
        assert_eq!(
            reason(own),
            Some(Reason::NotFound),
            "one's own is not to be opened"
        );
        let opened = house1.open_message(bed.offer, BED, &seen[0]).await.unwrap();
        assert_eq!(opened.fields.len(), facts(TRIAGE).len());
        house1.open_message(bed.offer, BED, &seen[0]).await.unwrap();
        assert!(source.messages(bed.offer).await.unwrap()[0].opened);

        house1.accept(bed.offer, None).await.unwrap();
        source
            .post_message(bed.offer, &bed.basis, BED, Stage::Accepted, facts(ACCEPTED))
            .await
            .unwrap();
        let seen = house1.messages(bed.offer).await.unwrap();
        house1.open_message(bed.offer, BED, &seen[1]).await.unwrap();
        assert_replays(world);
    });
}

#[test]
fn words_about_the_person_come_back_only_if_the_person_agreed() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let house1 = world.intake("house1");
        let silent = one_bed(&source, "house1").await;
        let offer = house1.offer(silent.offer).await.unwrap();
        let refused = house1.reply(&offer, Stage::Triage, "she is well").await;
        assert_eq!(reason(refused), Some(Reason::BasisNotAllowed));

        let bed = bed_with_reply(&source, "house1").await;
        let offer = house1.offer(bed.offer).await.unwrap();
        house1
            .reply(&offer, Stage::Triage, "she is well")
            .await
            .unwrap();
        let seen = source.messages(bed.offer).await.unwrap();
        assert_eq!(seen[0].sender.as_str(), "house1");
        let opened = source.open_message(bed.offer, BED, &seen[0]).await.unwrap();
        assert_eq!(opened.fields[0].field.value, "she is well");
        assert_replays(world);
    });
}

#[test]
fn a_withdrawal_stops_messages_that_were_not_opened() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let house1 = world.intake("house1");
        let bed = bed_with_reply(&source, "house1").await;
        let offer = house1.offer(bed.offer).await.unwrap();
        house1.accept(bed.offer, None).await.unwrap();
        source
            .post_message(bed.offer, &bed.basis, BED, Stage::Accepted, facts(ACCEPTED))
            .await
            .unwrap();
        house1
            .reply(&offer, Stage::Accepted, "she is well")
            .await
            .unwrap();
        source
            .withdraw_basis(
                &bed.basis,
                AlsoAsked {
                    erase: false,
                    leave: false,
                },
            )
            .await
            .unwrap();

        let view = house1.offer(bed.offer).await.unwrap();
        assert_eq!(view.state, OfferState::Accepted, "the placement stays");
        let seen = house1.messages(bed.offer).await.unwrap();
        let theirs = house1.open_message(bed.offer, BED, &seen[0]).await;
        assert_eq!(reason(theirs), Some(Reason::NotFound));
        let ours = source.open_message(bed.offer, BED, &seen[1]).await;
        assert_eq!(reason(ours), Some(Reason::NotFound));
        let more = house1.reply(&offer, Stage::Accepted, "still well").await;
        assert_eq!(reason(more), Some(Reason::BasisNotAllowed));
        house1
            .post_code(bed.offer, MessageCode::PleaseCall)
            .await
            .unwrap();
        assert_replays(world);
    });
}
