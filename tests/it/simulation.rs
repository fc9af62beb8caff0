//! A town whose time is moved by hand: clocks run down, routers come back late, and days pass in moments.

use std::time::Duration;

use safeconduct::domain::vocabulary::{OfferState, Stage};

use crate::harness::run;
use crate::harness::scene::{DAY, one_bed, open};
use crate::harness::simulated::simulated;

const TOWN: &[&str] = &["alpha", "house1", "house2", "ombud"];
const HOUR: Duration = Duration::from_secs(60 * 60);

#[test]
fn an_offer_that_nobody_answers_lapses_when_its_time_is_up_and_not_before() {
    run(async {
        let mut own = simulated(TOWN).await;
        let source = own.world.source("alpha");
        let bed = one_bed(&source, "house1").await;
        own.minutes(24).await;
        let state = |view: safeconduct::client::source::ReferralView| view.offers[0].state;
        let before = source.referral(bed.sent.referral).await.unwrap();
        assert_eq!(state(before), OfferState::Offered);
        own.minutes(2).await;
        let after = source.referral(bed.sent.referral).await.unwrap();
        assert_eq!(state(after), OfferState::Lapsed);
        own.assert_audits().await;
    });
}

#[test]
fn a_router_that_was_away_does_what_fell_due_when_it_comes_back() {
    run(async {
        let mut own = simulated(TOWN).await;
        let source = own.world.source("alpha");
        let bed = one_bed(&source, "house1").await;
        own.town.stop_router().await.unwrap();
        own.pass(HOUR).await;
        own.town.start_router().await.unwrap();
        let view = source.referral(bed.sent.referral).await.unwrap();
        assert_eq!(view.offers[0].state, OfferState::Lapsed);
        own.assert_audits().await;
    });
}

#[test]
fn after_days_certificates_lists_tokens_and_mirrors_still_serve() {
    run(async {
        let mut own = simulated(TOWN).await;
        let (source, house1) = (own.world.source("alpha"), own.world.intake("house1"));
        let first = one_bed(&source, "house1").await;
        open(&house1, first.offer, Stage::Triage).await.unwrap();
        own.pass(5 * DAY).await;
        let later = one_bed(&source, "house1").await;
        open(&house1, later.offer, Stage::Triage).await.unwrap();
        house1.accept(later.offer, None).await.unwrap();
        own.assert_audits().await;
    });
}
