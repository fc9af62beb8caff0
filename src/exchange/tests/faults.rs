//! What happens when the disk, the clock or a member misbehaves.

use super::town::{Town, fresh, id, request, settings};
use crate::domain::vocabulary::{AgencyKind, Stage};
use crate::envelope::act::ActBody;
use crate::exchange::{BasisName, Exchange, Refusal, StartError};
use crate::storage::engine::{Batch, Engine, Table, Write};
use crate::storage::memory::{Fault, MemoryEngine};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn nobody_in_a_failed_batch_is_acknowledged_and_the_process_is_told() {
    let mut town = Town::begin().await;
    let statement = town.basis("north", 1, 1);
    let mut fatal = town.exchange.fatal();
    town.engine.inject(Fault::FailKept, 1);
    let ngo = town.caseworker();
    let requested = request(800_000, 1);
    let failed = town
        .exchange
        .record_basis(&ngo, &id("ngo"), requested, statement.clone())
        .await;
    assert_eq!(failed.err(), Some(Refusal::Unavailable));
    fatal.wait_for(|fatal| *fatal).await.expect("told");
    let denied = town.exchange.deny(&id("ngo"), None, "Any", "NONE").await;
    assert_eq!(denied, Err(Refusal::Unavailable));
    // The batch was kept after all: the same request finds its effect, once.
    town.restart();
    let size = town.engine.head().size;
    let _ = town
        .exchange
        .record_basis(&ngo, &id("ngo"), requested, statement)
        .await
        .expect("remembered");
    assert_eq!(town.engine.head().size, size);
}

#[tokio::test]
async fn a_refused_batch_leaves_no_trace_and_the_next_goes_on() {
    let town = Town::begin().await;
    let before = town.engine.head();
    town.engine.inject(Fault::Refuse, 1);
    assert_eq!(town.exchange.tick().await, Err(Refusal::Unavailable));
    assert_eq!(town.engine.head(), before);
    assert_eq!(town.exchange.tick().await, Ok(()));
    assert_eq!(town.engine.head().size, before.size + 1);
    let proof = town
        .exchange
        .prove_consistency(before.size, before.size + 1);
    assert!(proof.await.is_ok());
}

#[tokio::test]
async fn a_disk_that_hangs_is_unavailable_within_the_deadline() {
    let mut town = Town::begin().await;
    let mut hurried = settings(&town.clock);
    hurried.deadline = Duration::from_millis(150);
    town.exchange = Exchange::open(town.engine.clone(), hurried).expect("a store");
    town.engine.inject(Fault::Block, 1);
    let denied = town.exchange.deny(&id("ngo"), None, "Any", "NONE").await;
    assert_eq!(denied, Err(Refusal::Unavailable));
    let ngo = town.caseworker();
    let recorded = town
        .exchange
        .record_basis(&ngo, &id("ngo"), fresh(), town.basis("north", 1, 1))
        .await;
    assert_eq!(recorded.err(), Some(Refusal::Unavailable));
    town.engine.release();
}

#[tokio::test]
async fn a_clock_that_jumps_freezes_commits_until_it_returns() {
    let town = Town::begin().await;
    let before = town.engine.head();
    let wall = town.exchange.now();
    town.clock
        .jump_to(wall.plus(Duration::from_secs(24 * 3600)));
    assert_eq!(town.exchange.tick().await, Err(Refusal::Unavailable));
    town.clock.jump_to(wall.minus(Duration::from_secs(60)));
    assert_eq!(town.exchange.tick().await, Err(Refusal::Unavailable));
    assert_eq!(town.engine.head(), before);
    town.clock.jump_to(wall);
    assert_eq!(town.exchange.tick().await, Ok(()));
}

#[tokio::test]
async fn a_withdrawal_cut_off_by_a_crash_is_finished_at_the_next_start() {
    let mut town = Town::begin().await;
    let offers = town.refer(&["north"]).await;
    let statement = town.withdrawal("north", 1, 2);
    let name = BasisName {
        agency: id("ngo"),
        chain: crate::domain::id::BasisChainId::from_random([1; 16]),
    };
    // The first commit stands; the second, which cleans up, never happens.
    town.engine.inject(Fault::Fail, 2);
    let ngo = town.caseworker();
    let cut = town
        .exchange
        .withdraw_basis(&ngo, &name, fresh(), statement)
        .await;
    assert_eq!(cut.err(), Some(Refusal::Unavailable));
    town.restart();
    let north = town.intake("north");
    let gone = town
        .exchange
        .open_parcel(&north, &offers[0], Stage::Triage)
        .await;
    assert_eq!(gone.err(), Some(Refusal::NotFound));
    let content = || town.engine.scan(Table::ParcelContent, b"", None, 9);
    assert_eq!(content().expect("rows").len(), 1);
    town.exchange.resume().await.expect("finished");
    assert!(content().expect("rows").is_empty());
}

#[tokio::test]
async fn an_empty_a_begun_and_a_foreign_store_are_refused_by_name() {
    let town = Town::begin().await;
    let empty = Exchange::open(Arc::new(MemoryEngine::new()), settings(&town.clock));
    assert!(matches!(empty.err(), Some(StartError::Empty)));
    let mut foreign = settings(&town.clock);
    foreign.signer =
        crate::ledger::note::NoteSigner::ed25519("other.example", &[7; 32]).expect("a signer");
    let foreign = Exchange::open(town.engine.clone(), foreign);
    assert!(matches!(foreign.err(), Some(StartError::OtherLog)));
    // A store whose entries do not lead to its root is not taken up.
    let batch = Batch {
        entries: vec![b"forged".to_vec()],
        root: [9; 32],
        ..Batch::default()
    };
    town.engine.commit(&batch).expect("kept");
    let forged = Exchange::open(town.engine.clone(), settings(&town.clock));
    assert!(matches!(forged.err(), Some(StartError::Recovery(_))));
}

#[tokio::test]
async fn a_record_that_does_not_decode_is_an_internal_failure() {
    let town = Town::begin().await;
    let offers = town.refer(&["north"]).await;
    let head = town.engine.head();
    let batch = Batch {
        writes: vec![Write::Put {
            table: Table::Offer,
            key: crate::storage::records::key::offer(offers[0].offer),
            value: vec![0xff; 3],
            life: crate::storage::engine::Life::Record,
        }],
        root: head.root,
        ..Batch::default()
    };
    town.engine.commit(&batch).expect("kept");
    let seen = town.exchange.offer(&town.intake("north"), &offers[0]).await;
    assert_eq!(seen, Err(Refusal::Internal));
}

#[tokio::test]
async fn a_suspended_agency_neither_sends_nor_receives() {
    let town = Town::begin().await;
    let offers = town.refer(&["north"]).await;
    town.suspend("north").await;
    let enrolled = town.exchange.enrolled(&id("north")).expect("read");
    assert!(enrolled.expect("enrolled").suspended);
    let opened = town
        .exchange
        .open_parcel(&town.intake("north"), &offers[0], Stage::Triage)
        .await;
    assert_eq!(opened.err(), Some(Refusal::NotPermitted));
    let ask = town.ask(vec![town.triage("north", 1)]);
    let asked = town
        .exchange
        .create_referral(&town.caseworker(), &id("ngo"), fresh(), ask)
        .await;
    assert_eq!(asked.err(), Some(Refusal::RecipientUnavailable));
    // What the person takes back can always be recorded.
    town.withdraw("north", 1).await;
}

#[tokio::test]
async fn two_signatures_are_spent_once_also_by_whoever_kept_a_copy_of_them() {
    let town = Town::begin().await;
    town.suspend("north").await;
    let body = ActBody::Reinstate {
        agency: id("north"),
    };
    let (act, _) = town.enact(body).await;
    let enrolment = ActBody::Enrol {
        agency: id("late"),
        kind: AgencyKind::Ngo,
        parent: None,
    };
    let (enrolled, _) = town.enact(enrolment).await;
    let later = town.exchange.now().plus(Duration::from_secs(1));
    town.suspend_signed_at("north", later).await;
    // Within the week in which both signatures are fresh, the operator alone would bring it back.
    let operator = town.operator();
    for spent in [act, enrolled] {
        let again = town.exchange.propose(&operator, fresh(), spent).await;
        assert_eq!(again.err(), Some(Refusal::ReferralState));
    }
    let view = town.exchange.enrolled(&id("north")).expect("read");
    assert!(view.expect("enrolled").suspended);
}

#[tokio::test]
async fn of_two_proposals_of_one_act_one_takes_effect() {
    let town = Town::begin().await;
    let operator = town.operator();
    let body = ActBody::Reinstate {
        agency: id("north"),
    };
    let (act, approval) = town.signed(body);
    let propose = || town.exchange.propose(&operator, fresh(), act.clone());
    let (first, _) = propose().await.expect("proposed");
    let (second, _) = propose()
        .await
        .expect("proposed again before it took effect");
    let approve =
        |proposal| (town.exchange).approve(&operator, fresh(), proposal, approval.clone());
    assert!(approve(first).await.is_ok());
    assert_eq!(approve(second).await.err(), Some(Refusal::ReferralState));
}
