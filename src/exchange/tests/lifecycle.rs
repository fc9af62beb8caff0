//! One referral from end to end, and what is refused on the way.

use super::town::{Town, fresh, id, request};
use crate::domain::label::Label;
use crate::domain::vocabulary::{
    AgencyKind, DeclineReason, Decliner, OfferState, Outcome, ReferralState, StaffRole, Stage,
};
use crate::exchange::event::EventKind;
use crate::exchange::{Exchange, OfferName, Page, PoolName, ReferralName, Refusal};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::hash;
use crate::ledger::note::NoteVerifier;
use crate::ledger::proof::{verify_consistency, verify_inclusion};
use crate::storage::engine::{Engine, Table};
use std::sync::Arc;
use std::time::Duration;

fn page() -> Page {
    Page {
        size: 10,
        token: String::new(),
    }
}

fn pool(agency: &str) -> PoolName {
    PoolName {
        agency: id(agency),
        pool: "beds".parse().expect("a pool id"),
    }
}

fn verified(town: &Town, receipt: &crate::exchange::Receipt) -> Checkpoint {
    let verifier = NoteVerifier::parse(town.exchange.verifier_key()).expect("a key");
    let checkpoint = verifier.verify(receipt.checkpoint()).expect("signed");
    let leaf = hash::leaf(receipt.entry());
    verify_inclusion(
        &leaf,
        receipt.index(),
        checkpoint.size,
        receipt.inclusion(),
        &checkpoint.root,
    )
    .expect("included");
    checkpoint
}

#[tokio::test]
async fn a_referral_goes_from_offer_to_outcome_and_every_step_is_proved() {
    let town = Town::begin().await;
    let exchange = &town.exchange;
    let (ngo, north) = (town.caseworker(), town.intake("north"));
    let mut bells = exchange
        .watch(&north, &id("north"), "")
        .await
        .expect("a stream");
    let _ = exchange
        .update_pool(&north, &pool("north"), fresh(), (2, 0))
        .await
        .expect("a pool");
    let offers = town.refer(&["north"]).await;
    let offer = &offers[0];
    let bell = bells.next().await.expect("a doorbell");
    // Directory changes ring everybody, and say nothing of any case.
    let bell = if bell.kind == EventKind::DirectoryChanged {
        bells.next().await.expect("a doorbell")
    } else {
        bell
    };
    assert_eq!(bell.kind, EventKind::OfferReceived);
    assert_eq!(bell.resource, offer.to_string());

    let opened = exchange.open_parcel(&north, offer, Stage::Triage).await;
    let (parcel, receipt) = opened.expect("opened").into_parts();
    assert_eq!(parcel.fields.len(), 2);
    let first = verified(&town, &receipt);
    assert_eq!(town.events(receipt.index()), vec!["opened"]);
    let early = exchange.open_parcel(&north, offer, Stage::Accepted).await;
    assert_eq!(early.err(), Some(Refusal::NotFound));

    let _ = exchange
        .acknowledge_offer(&north, offer, fresh())
        .await
        .expect("acknowledged");
    let (_, held) = exchange
        .hold_places(&north, offer, fresh(), (pool("north"), 1))
        .await
        .expect("held");
    verified(&town, &held);
    let accepted = exchange.accept_offer(&north, offer, fresh(), None).await;
    let accepted = accepted.expect("accepted");
    let now = verified(&town, &accepted);
    let proof = accepted.consistency_from(first.size).expect("a proof");
    verify_consistency(
        first.size,
        now.size,
        &first.root,
        &now.root,
        &proof.expect("a proof"),
    )
    .expect("consistent");
    let pools = exchange.pools(&north, &id("north")).await.expect("pools");
    let beds = pools[0].1.pool();
    assert_eq!((beds.taken(), beds.available()), (1, 1));

    let source_name = OfferName {
        agency: id("ngo"),
        offer: offer.offer,
    };
    let deposit = town.deposit("north", 1, Stage::Accepted, &["IDENTITY/ALIAS"]);
    let _ = exchange
        .deposit_parcel(&ngo, &source_name, fresh(), deposit)
        .await
        .expect("deposited");
    let opened = exchange.open_parcel(&north, offer, Stage::Accepted).await;
    let _ = opened.expect("opened");
    let _ = exchange.check_in(&north, offer, fresh()).await.expect("in");
    let outcome = Outcome::ServiceProvided;
    let _ = exchange
        .complete_offer(&north, offer, fresh(), outcome)
        .await
        .expect("completed");
    let over = exchange.open_parcel(&north, offer, Stage::Accepted).await;
    assert_eq!(over.err(), Some(Refusal::NotFound));

    let listed = exchange.referrals(&ngo, &id("ngo"), page()).await;
    let referral = listed.expect("listed").items.remove(0);
    assert_eq!(referral.state, ReferralState::Completed);
    assert_eq!(referral.offers[0].outcome, Some(outcome));
    assert_eq!(
        referral.offers[0].opened,
        vec![Stage::Triage, Stage::Accepted]
    );
    let pools = exchange.pools(&north, &id("north")).await.expect("pools");
    let beds = pools[0].1.pool();
    assert_eq!((beds.preparing(), beds.available()), (1, 1));
}

#[tokio::test]
async fn another_agencys_name_is_not_permitted_and_an_absent_one_is_not_found() {
    let town = Town::begin().await;
    let offers = town.refer(&["north"]).await;
    let exchange = &town.exchange;
    let police = town.staff("police", StaffRole::Intake);
    let theirs = exchange
        .open_parcel(&police, &offers[0], Stage::Triage)
        .await;
    assert_eq!(theirs.err(), Some(Refusal::NotPermitted));
    let own = OfferName {
        agency: id("police"),
        offer: offers[0].offer,
    };
    let guessed = exchange.open_parcel(&police, &own, Stage::Triage).await;
    assert_eq!(guessed.err(), Some(Refusal::NotFound));
    assert_eq!(exchange.offer(&police, &own).await, Err(Refusal::NotFound));
    let none = exchange.offers(&police, &id("police"), page()).await;
    assert!(none.expect("a page").items.is_empty());
    let hidden = exchange.agency(&police, &id("north")).await;
    assert_eq!(hidden.err(), Some(Refusal::NotFound));
    let seen = exchange.directory(&police, 0).await.expect("a directory");
    let seen: Vec<_> = seen.agencies.iter().map(|it| it.agency.as_str()).collect();
    assert_eq!(seen, ["clinic", "ngo", "operator", "police"]);
    let again = exchange.directory(&police, 0).await.expect("a directory");
    let known = again.digest.number;
    let unchanged = exchange.directory(&police, known).await.expect("a digest");
    assert!(unchanged.agencies.is_empty());
}

#[tokio::test]
async fn what_basis_and_protocol_do_not_cover_is_refused_and_recorded() {
    let town = Town::begin().await;
    town.record_basis("north", 1).await;
    let (exchange, ngo) = (&town.exchange, town.caseworker());
    let source = id("ngo");
    let refused = |labels: &'static [&'static str], chain: u8| {
        let mut offer = town.triage("north", 1);
        offer.deposits = vec![town.deposit("north", chain, Stage::Triage, labels)];
        let ask = town.ask(vec![offer]);
        exchange.create_referral(&ngo, &source, fresh(), ask)
    };
    let before = town.engine.head().size;
    let label = |text: &str| text.parse::<Label>().expect("a label");
    let threat = [label("THREAT/CODED")].into_iter().collect();
    let denied = refused(&["THREAT/CODED"], 1).await;
    assert_eq!(denied.err(), Some(Refusal::BasisNotCovering(threat)));
    let status = [label("LEGAL_STATUS/WHOLE")].into_iter().collect();
    let denied = refused(&["LEGAL_STATUS/WHOLE"], 1).await;
    assert_eq!(denied.err(), Some(Refusal::ProtocolRefused(status)));
    let denied = refused(&["AGE/BAND"], 2).await;
    assert_eq!(denied.err(), Some(Refusal::BasisNotAllowed));
    assert_eq!(town.events(before), ["denied", "denied", "denied"]);
}

#[tokio::test]
async fn the_first_acceptance_closes_the_others_and_a_decline_says_why() {
    let town = Town::begin().await;
    let offers = town.refer(&["north", "south"]).await;
    let exchange = &town.exchange;
    let (north, south) = (town.intake("north"), town.intake("south"));
    let _ = exchange
        .accept_offer(&north, &offers[0], fresh(), None)
        .await
        .expect("accepted");
    let late = exchange
        .accept_offer(&south, &offers[1], fresh(), None)
        .await;
    assert_eq!(late.err(), Some(Refusal::State(OfferState::Closed)));
    let closed = exchange.offer(&south, &offers[1]).await.expect("seen");
    assert_eq!(
        (closed.state, closed.openable),
        (OfferState::Closed, vec![])
    );
    let content = town.engine.scan(Table::ParcelContent, b"", None, 9);
    assert_eq!(
        content.expect("rows").len(),
        1,
        "the loser's parcel is gone"
    );

    let offers = town_refer_again(&town).await;
    let reason = DeclineReason::NotSuitableHere;
    let _ = exchange
        .decline_offer(&south, &offers, fresh(), reason, Decliner::Agency)
        .await
        .expect("declined");
    let listed = exchange
        .referrals(&town.caseworker(), &id("ngo"), page())
        .await;
    let last = listed.expect("listed").items.pop().expect("a referral");
    assert_eq!(last.state, ReferralState::Unplaced);
    assert_eq!(last.offers[0].reason, Some(reason));
}

#[tokio::test]
async fn an_acceptance_does_not_tell_how_many_others_were_asked() {
    let mut grown = Vec::new();
    // The last two of five wait for their turn.
    let all = ["north", "south", "east", "west", "home"];
    for recipients in [&all[..1], &all[..2], &all] {
        let mut town = Town::begin().await;
        for shelter in &all[2..] {
            town.join(shelter, AgencyKind::Shelter).await;
        }
        let offers = town.refer(recipients).await;
        let north = town.intake("north");
        let receipt = town
            .exchange
            .accept_offer(&north, &offers[0], fresh(), None)
            .await
            .expect("accepted");
        grown.push(receipt.size() - receipt.index());
    }
    assert_eq!(grown, [7, 7, 7]);
}

async fn town_refer_again(town: &Town) -> OfferName {
    let ask = town.ask(vec![town.triage("south", 2)]);
    let created = town
        .exchange
        .create_referral(&town.caseworker(), &id("ngo"), fresh(), ask)
        .await
        .expect("created");
    OfferName {
        agency: id("south"),
        offer: created.offers[0].offer,
    }
}

#[tokio::test]
async fn a_withdrawn_basis_stops_everything_but_the_placement() {
    let town = Town::begin().await;
    let offers = town.refer(&["north", "south"]).await;
    let (exchange, ngo) = (&town.exchange, town.caseworker());
    let (north, south) = (town.intake("north"), town.intake("south"));
    town.withdraw("south", 2).await;
    let closed = exchange.offer(&south, &offers[1]).await.expect("seen");
    assert_eq!(closed.state, OfferState::Closed);
    let gone = exchange
        .open_parcel(&south, &offers[1], Stage::Triage)
        .await;
    assert_eq!(gone.err(), Some(Refusal::NotFound));
    let opened = exchange
        .open_parcel(&north, &offers[0], Stage::Triage)
        .await;
    let _ = opened.expect("the other recipient's chain stands");

    let _ = exchange
        .accept_offer(&north, &offers[0], fresh(), None)
        .await
        .expect("accepted");
    town.withdraw("north", 1).await;
    let placed = exchange.offer(&north, &offers[0]).await.expect("seen");
    assert_eq!(placed.state, OfferState::Accepted);
    let gone = exchange
        .open_parcel(&north, &offers[0], Stage::Triage)
        .await;
    assert_eq!(gone.err(), Some(Refusal::NotFound));
    let content = town.engine.scan(Table::ParcelContent, b"", None, 9);
    assert!(content.expect("rows").is_empty());
    let late = town.ask(vec![town.triage("north", 1)]);
    let late = exchange
        .create_referral(&ngo, &id("ngo"), fresh(), late)
        .await;
    assert_eq!(late.err(), Some(Refusal::BasisNotInForce));
    let after = town.basis("north", 1, 3);
    let after = exchange
        .record_basis(&ngo, &id("ngo"), fresh(), after)
        .await;
    assert_eq!(after.err(), Some(Refusal::BasisWithdrawn));
    let _ = exchange
        .check_in(&north, &offers[0], fresh())
        .await
        .expect("in");
}

#[tokio::test]
async fn a_request_repeated_has_one_effect_and_one_answer_also_after_a_restart() {
    let mut town = Town::begin().await;
    town.record_basis("north", 1).await;
    let ask = town.ask(vec![town.triage("north", 1)]);
    let (ngo, source) = (town.caseworker(), id("ngo"));
    let create = |exchange: &Arc<Exchange>, body| {
        let requested = request(900_000, body);
        let (exchange, ngo, source) = (Arc::clone(exchange), ngo.clone(), source.clone());
        let ask = ask.clone();
        async move {
            exchange
                .create_referral(&ngo, &source, requested, ask)
                .await
        }
    };
    let first = create(&town.exchange, 1).await.expect("created");
    let size = town.engine.head().size;
    town.restart();
    let again = create(&town.exchange, 1).await.expect("the same");
    assert_eq!(town.engine.head().size, size);
    assert_eq!((&first.name, &first.offers), (&again.name, &again.offers));
    assert_eq!(first.receipts[0].index(), again.receipts[0].index());
    assert_eq!(first.receipts[0].entry(), again.receipts[0].entry());
    assert_eq!(first.receipts[0].opening(), again.receipts[0].opening());
    verified(&town, &again.receipts[0]);
    let other = create(&town.exchange, 2).await;
    assert_eq!(other.err(), Some(Refusal::RequestIdReused));

    town.clock.pass(Duration::from_secs(40 * 24 * 3600));
    let swept = town.exchange.sweep_requests().await.expect("swept");
    assert!(swept > 0);
    let rows = town
        .engine
        .scan(Table::Request, b"", None, 9)
        .expect("rows");
    assert!(rows.is_empty());
}

#[tokio::test]
async fn time_lapses_an_offer_and_a_hold() {
    let town = Town::begin().await;
    let offers = town.refer(&["north", "south"]).await;
    let exchange = &town.exchange;
    let north = town.intake("north");
    let _ = exchange
        .update_pool(&north, &pool("north"), fresh(), (1, 0))
        .await
        .expect("a pool");
    let _ = exchange
        .hold_places(&north, &offers[0], fresh(), (pool("north"), 1))
        .await
        .expect("held");
    town.clock.pass(Duration::from_secs(3 * 3600));
    let pools = exchange.pools(&north, &id("north")).await.expect("pools");
    let beds = pools[0].1.pool();
    assert_eq!((beds.held(), beds.available()), (0, 1));
    town.clock.pass(Duration::from_secs(3600));
    let late = exchange
        .accept_offer(&north, &offers[0], fresh(), None)
        .await;
    assert_eq!(late.err(), Some(Refusal::Lapsed));
    let before = town.engine.head().size;
    // For each a clock to acknowledge, one to be reminded, one to decide; and the hold's.
    assert_eq!(exchange.run_due().await, Ok(7));
    let moved = town.events(before);
    let lapses = moved.iter().filter(|event| **event == "offer_moved");
    assert_eq!(lapses.count(), 2);
    assert_eq!(exchange.run_due().await, Ok(0));
    let listed = exchange
        .referrals(&town.caseworker(), &id("ngo"), page())
        .await;
    assert_eq!(
        listed.expect("listed").items[0].state,
        ReferralState::Unplaced
    );
}

#[tokio::test]
async fn a_recall_closes_what_is_undecided_and_a_candidate_can_be_added() {
    let town = Town::begin().await;
    let _ = town.refer(&["north"]).await;
    let (exchange, ngo) = (&town.exchange, town.caseworker());
    town.record_basis("south", 2).await;
    let listed = exchange.referrals(&ngo, &id("ngo"), page()).await;
    let name: ReferralName = listed.expect("listed").items.remove(0).name;
    let _ = exchange
        .add_offer(&ngo, &name, fresh(), town.triage("south", 2))
        .await
        .expect("added");
    let receipts = exchange.recall_referral(&ngo, &name, fresh()).await;
    assert_eq!(receipts.expect("recalled").len(), 2);
    let again = exchange.recall_referral(&ngo, &name, fresh()).await;
    assert_eq!(again.err(), Some(Refusal::ReferralState));
    let referral = exchange.referral(&ngo, &name).await.expect("seen");
    assert_eq!(referral.state, ReferralState::Recalled);
}

#[tokio::test]
async fn streams_resume_where_they_stopped_and_are_counted() {
    let town = Town::begin().await;
    let (exchange, north) = (&town.exchange, town.intake("north"));
    let start = exchange
        .watch(&north, &id("north"), "")
        .await
        .expect("a stream");
    let token = start.resume_token();
    drop(start);
    let offers = town.refer(&["north"]).await;
    let mut resumed = exchange
        .watch(&north, &id("north"), &token)
        .await
        .expect("resumed");
    let bell = resumed.next().await.expect("missed while away");
    assert_eq!(bell.resource, offers[0].to_string());
    let police = town.staff("police", StaffRole::Process);
    let stolen = exchange.watch(&police, &id("police"), &token).await;
    assert_eq!(stolen.err(), Some(Refusal::ResumeTokenExpired));
    let mut streams = Vec::new();
    for _ in 1..16 {
        streams.push(
            exchange
                .watch(&north, &id("north"), "")
                .await
                .expect("a stream"),
        );
    }
    let one_more = exchange.watch(&north, &id("north"), "").await;
    assert_eq!(one_more.err(), Some(Refusal::TooMany));
    streams.pop();
    assert!(exchange.watch(&north, &id("north"), "").await.is_ok());
}

#[tokio::test]
async fn an_auditor_reads_entries_and_openings_and_leaves_a_trace() {
    let mut town = Town::begin().await;
    town.join("ombudsperson", AgencyKind::Ombudsperson).await;
    let auditor = town.staff("ombudsperson", StaffRole::Auditor);
    let before = town.engine.head().size;
    let entries = town.exchange.entries(&auditor, 0, 5).await.expect("a run");
    assert_eq!(entries.len(), 5);
    let openings = town.exchange.openings(&auditor, 0, 5).await.expect("a run");
    assert_eq!(openings.len(), 5);
    assert!(!openings[0].decision.is_empty());
    assert_eq!(town.events(before), ["audit_read", "audit_read"]);
    let past = town.exchange.prove_inclusion(before + 9, before + 10).await;
    assert_eq!(past, Err(Refusal::OutOfRange));
}
