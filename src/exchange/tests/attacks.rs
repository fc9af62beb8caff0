//! Hostile members, and clocks that end something between two looks at it.

use super::town::{Town, dawn, fresh, id, settings};
use crate::audit::finding::{Finding, Severity};
use crate::domain::id::{BasisChainId, OfferId, PoolId};
use crate::domain::label::Label;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{
    AccessReason, AgencyKind, AlertKind, ErasureAnswer, OfferNotice, OfferState, Purpose, Question,
    Stage, Urgency,
};
use crate::exchange::clock::{Clock, MockClock};
use crate::exchange::parcel::{self, Ask};
use crate::exchange::place::Wanted;
use crate::exchange::referral::NewReferral;
use crate::exchange::sequencer::Placed;
use crate::exchange::withdrawal::Wishes;
use crate::exchange::{BasisName, Exchange, OfferName, Page, PoolName, Refusal, Settings};
use crate::storage::engine::{Engine as _, Table, Write};
use crate::storage::records::key;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A clock that moves on by itself once it was read so many times.
struct Moving {
    clock: Arc<MockClock>,
    next: Mutex<Option<(u32, Duration)>>,
}

impl Moving {
    /// From now on the exchange reads a clock that can be told to move.
    fn in_town(town: &mut Town) -> Arc<Self> {
        let moving = Arc::new(Self {
            clock: town.clock.clone(),
            next: Mutex::default(),
        });
        let settings = Settings {
            clock: moving.clone(),
            ..settings(&town.clock)
        };
        town.engine.restart();
        town.exchange = Exchange::open(town.engine.clone(), settings).expect("a store");
        moving
    }

    fn after(&self, reads: u32, by: Duration) {
        *self.next.lock().expect("a lock") = Some((reads, by));
    }
}

impl Clock for Moving {
    fn wall(&self) -> Timestamp {
        let now = self.clock.wall();
        let mut next = self.next.lock().expect("a lock");
        match next.take() {
            Some((1, by)) => self.clock.pass(by),
            Some((reads, by)) => *next = Some((reads - 1, by)),
            None => {}
        }
        now
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }
}

fn violations(town: &Town) -> Vec<Finding> {
    let found = town.replayed().into_iter();
    found
        .filter(|finding| finding.problem.severity() == Severity::Violation)
        .collect()
}

fn of(agency: &str, offer: OfferId) -> OfferName {
    OfferName {
        agency: id(agency),
        offer,
    }
}

fn beds(agency: &str) -> PoolName {
    PoolName {
        agency: id(agency),
        pool: "beds".parse::<PoolId>().expect("an id"),
    }
}

/// How the source ends what is open, a moment before it ends by itself.
#[derive(Debug, Clone, Copy)]
enum End {
    Recall,
    Error,
    Withdraw,
}

#[tokio::test]
async fn nobody_closes_what_has_lapsed_between_looking_and_writing() {
    // Invariant 5: the ledger's order is the order in which things were so; replay decides by the entry's own time.
    for end in [End::Recall, End::Error, End::Withdraw] {
        let mut town = Town::begin().await;
        let asked = NewReferral {
            urgency: Urgency::Immediate,
            ..town.ask(Vec::new())
        };
        let (name, offers) = town.refer_in_turn(asked, &["north"]).await;
        let moving = Moving::in_town(&mut town);
        let (ngo, north) = (town.caseworker(), town.intake("north"));
        let seen = town.exchange.offer(&north, &of("north", offers[0])).await;
        assert_eq!(
            seen.expect("seen").decide_by,
            dawn().plus(Duration::from_secs(30 * 60))
        );
        town.clock.pass(Duration::from_secs(30 * 60 - 1));
        // Read by whoever prepares, and again by the sequencer, two seconds later; a withdrawal has two steps.
        let reads = if matches!(end, End::Withdraw) { 3 } else { 1 };
        moving.after(reads, Duration::from_secs(2));
        let exchange = town.exchange.clone();
        match end {
            End::Recall => {
                let recalled = exchange.recall_referral(&ngo, &name, fresh()).await;
                assert_eq!(recalled.err(), Some(Refusal::ReferralState));
            }
            End::Error => {
                let marked = exchange.mark_entered_in_error(&ngo, &name, fresh()).await;
                let _ = marked.expect("marked");
            }
            End::Withdraw => town.withdraw("north", 1).await,
        }
        exchange.run_due().await.expect("clocks run");
        let seen = exchange.offer(&north, &of("north", offers[0])).await;
        assert_eq!(seen.expect("seen").state, OfferState::Lapsed, "{end:?}");
        let found = violations(&town);
        assert!(found.is_empty(), "{end:?}: {found:?}");
    }
}

#[tokio::test]
async fn no_glass_is_broken_on_an_offer_that_has_lapsed_meanwhile() {
    let mut town = Town::begin().await;
    let offer = town.refer(&["north"]).await.remove(0);
    let moving = Moving::in_town(&mut town);
    town.clock.pass(4 * HOUR - Duration::from_secs(1));
    moving.after(1, Duration::from_secs(2));
    let wanted = ["HEALTH/FUNCTIONAL".parse::<Label>().expect("a label")];
    let north = town.intake("north");
    let asked = town.exchange.request_access(
        &north,
        &offer,
        fresh(),
        AccessReason::LifeInDanger,
        wanted.into_iter().collect(),
    );
    assert_eq!(asked.await.err(), Some(Refusal::NotFound));
    let found = violations(&town);
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test]
async fn an_acceptance_does_not_tell_who_asks_on_from_a_list() {
    // R3, invariant 22: receipts grow by as much, whoever else was asked and has had its turn.
    let mut town = Town::begin().await;
    let all = ["north", "south", "east", "west", "home", "hill"];
    for shelter in &all[2..] {
        town.join(shelter, AgencyKind::Shelter).await;
    }
    let (_, offers) = town.refer_in_turn(town.ask(Vec::new()), &all).await;
    let exchange = &town.exchange;
    for (agency, offer) in all.iter().zip(&offers).take(3) {
        let (who, name) = (town.intake(agency), of(agency, *offer));
        let _ = exchange
            .acknowledge_offer(&who, &name, fresh())
            .await
            .expect("acknowledged");
        let _ = exchange
            .waitlist_offer(&who, &name, fresh())
            .await
            .expect("waitlisted");
    }
    for (agency, offer) in all.iter().zip(&offers).take(3) {
        let (who, name) = (town.intake(agency), of(agency, *offer));
        let _ = exchange
            .request_information(&who, &name, fresh(), vec![Question::NeedsAge])
            .await
            .expect("asked on");
    }
    let west = town.intake("west");
    let pool = beds("west");
    let _ = exchange
        .update_pool(&west, &pool, fresh(), (2, 0))
        .await
        .expect("a pool");
    let wanted = Wanted::from((pool, 1));
    let receipt = exchange
        .accept_offer(&west, &of("west", offers[3]), fresh(), Some(wanted))
        .await
        .expect("accepted");
    assert_eq!(receipt.size() - receipt.index(), 7);
    assert!(violations(&town).is_empty());
}

#[tokio::test]
async fn whoever_holds_again_and_again_has_one_clock() {
    // Invariant 32: clocks are done one by one, so nobody may set more than their own.
    let town = Town::begin().await;
    let offer = town.refer(&["north"]).await.remove(0);
    let (who, pool) = (town.intake("north"), beds("north"));
    let exchange = &town.exchange;
    let _ = exchange
        .update_pool(&who, &pool, fresh(), (5, 0))
        .await
        .expect("a pool");
    for places in [1, 2, 3] {
        town.clock.pass(Duration::from_secs(60));
        let wanted = Wanted::from((pool.clone(), places));
        let _ = exchange
            .hold_places(&who, &offer, fresh(), wanted)
            .await
            .expect("held");
    }
    const HOLD_ENDS: u8 = 30;
    let rows = (town.engine)
        .scan(Table::Deadline, b"", None, 1_000)
        .expect("readable");
    let kinds = rows.iter().filter_map(|(row, _)| key::split_deadline(row));
    assert_eq!(kinds.filter(|(_, kind, _)| *kind == HOLD_ENDS).count(), 1);
    town.clock.pass(2 * HOUR);
    let size = town.engine.head().size;
    exchange.run_due().await.expect("clocks run");
    let ended = town.events(size);
    assert!(ended.contains(&"hold_ended"), "{ended:?}");
    assert!(violations(&town).is_empty());
}

#[tokio::test]
async fn a_change_takes_no_more_than_it_says() {
    // What is taken into one batch is counted by this; a batch that is too large is refused to everybody in it.
    let town = Town::begin().await;
    town.record_basis("north", 1).await;
    let deposit = town.deposit("north", 1, Stage::Triage, &["LANGUAGE/WHOLE", "AGE/BAND"]);
    let case = town.case;
    let counted = town.exchange.read(move |snapshot| {
        let source = snapshot.agency(&id("ngo"))?.ok_or(Refusal::NotFound)?;
        let recipient = snapshot.agency(&id("north"))?.ok_or(Refusal::NotFound)?;
        let ask = Ask {
            source: &source,
            recipient: &recipient,
            case,
            purpose: Purpose::SafeAccommodation,
        };
        let admitted = parcel::admit(snapshot, &ask, None, &deposit)?;
        let mut change = snapshot.change();
        admitted.keep(&id("ngo"), OfferId::from_random([7; 16]), &mut change, 0);
        let said = change.bytes();
        let placed = Placed {
            first: 1,
            at: dawn(),
        };
        let mut writes = std::mem::take(&mut change.writes);
        writes.extend(change.late.into_iter().flat_map(|late| late(placed)));
        let taken = writes.iter().map(|write| match write {
            Write::Put { key, value, .. } => key.len() + value.len(),
            Write::Delete { key, .. } | Write::Erase { key, .. } => key.len(),
        });
        Ok((said, taken.sum::<usize>()))
    });
    let (said, taken) = counted.await.expect("admitted");
    assert!(said >= taken, "{said} < {taken}");
}

#[tokio::test]
async fn a_source_replaces_what_nobody_opened_only_so_often() {
    // Invariant 25: each replacement rings the recipient, whose doorbells are kept up to a number.
    let town = Town::begin().await;
    let offer = town.refer(&["north"]).await.remove(0).offer;
    let (ngo, name) = (town.caseworker(), of("ngo", offer));
    let mut refused = None;
    for _ in 0..80 {
        let deposit = town.deposit("north", 1, Stage::Triage, &["LANGUAGE/WHOLE"]);
        let deposited = town.exchange.deposit_parcel(&ngo, &name, fresh(), deposit);
        refused = refused.or(deposited.await.err());
    }
    assert_eq!(refused, Some(Refusal::TooMany));
    // The last one stands, and its recipient is not held up.
    let (north, name) = (town.intake("north"), of("north", offer));
    let opened = town.exchange.open_parcel(&north, &name, Stage::Triage);
    let _ = opened.await.expect("opened").into_parts();
    assert!(violations(&town).is_empty());
}

#[tokio::test]
async fn who_kept_what_it_was_asked_to_erase_is_asked_again() {
    // R16: what the person asks reaches the recipient, also the second time.
    const THREE_DAYS: Duration = Duration::from_secs(72 * 60 * 60);
    let town = Town::begin().await;
    let name = town.refer(&["north"]).await.remove(0);
    let (ngo, north) = (town.caseworker(), town.intake("north"));
    let exchange = &town.exchange;
    let opened = exchange.open_parcel(&north, &name, Stage::Triage).await;
    let _ = opened.expect("opened").into_parts();
    let _ = exchange
        .accept_offer(&north, &name, fresh(), None)
        .await
        .expect("accepted");
    let chain = BasisName {
        agency: id("ngo"),
        chain: BasisChainId::from_random([1; 16]),
    };
    let wishes = Wishes {
        erase: true,
        leave: false,
    };
    let _ = exchange
        .ask_recipient(&ngo, &chain, fresh(), wishes)
        .await
        .expect("asked");
    let kept = ErasureAnswer::KeptLegalDuty;
    let _ = exchange
        .confirm_erasure(&north, &name, fresh(), kept)
        .await
        .expect("answered");
    town.clock.pass(HOUR);
    let _ = exchange
        .ask_recipient(&ngo, &chain, fresh(), wishes)
        .await
        .expect("asked again");
    let unanswered = || async {
        exchange.run_due().await.expect("clocks run");
        let page = Page {
            size: 50,
            token: String::new(),
        };
        let listed = exchange.alerts(&ngo, &id("ngo"), page).await;
        let alerts = listed.expect("listed").items;
        let kind = AlertKind::ErasureUnanswered;
        alerts.iter().filter(|alert| alert.kind == kind).count()
    };
    town.clock.pass(THREE_DAYS - HOUR);
    assert_eq!(unanswered().await, 0, "the first was answered");
    town.clock.pass(HOUR);
    assert_eq!(unanswered().await, 1, "and the second was not");
    let erased = ErasureAnswer::Erased;
    let _ = exchange
        .confirm_erasure(&north, &name, fresh(), erased)
        .await
        .expect("answered");
    let _ = exchange
        .ask_recipient(&ngo, &chain, fresh(), wishes)
        .await
        .expect("asked");
    town.clock.pass(THREE_DAYS);
    assert_eq!(unanswered().await, 1, "who erased all has nothing");
    assert!(violations(&town).is_empty());
}

/// R16: the person's wish reaches whoever has something of theirs, also one that had erased all and was told more
/// since.
#[tokio::test]
async fn who_erased_all_and_was_told_more_is_asked_again() {
    const THREE_DAYS: Duration = Duration::from_secs(72 * 60 * 60);
    let town = Town::begin().await;
    let name = town.refer(&["north"]).await.remove(0);
    let (ngo, north) = (town.caseworker(), town.intake("north"));
    let exchange = &town.exchange;
    let of_source = OfferName {
        agency: id("ngo"),
        offer: name.offer,
    };
    let chain = BasisName {
        agency: id("ngo"),
        chain: BasisChainId::from_random([1; 16]),
    };
    let reads = |stage| exchange.open_parcel(&north, &name, stage);
    let asks = async || {
        let wishes = Wishes {
            erase: true,
            leave: false,
        };
        let asked = exchange.ask_recipient(&ngo, &chain, fresh(), wishes).await;
        let _ = asked.expect("asked");
    };
    let answers = async |answer| {
        let answered = exchange.confirm_erasure(&north, &name, fresh(), answer);
        answered.await.map(|_| ())
    };
    let erased = ErasureAnswer::Erased;
    let _ = reads(Stage::Triage).await.expect("opened").into_parts();
    let accepted = exchange.accept_offer(&north, &name, fresh(), None).await;
    let _ = accepted.expect("accepted");
    asks().await;
    answers(erased).await.expect("answered");
    // Nobody asked anything since: what was erased stays erased.
    asks().await;
    let over = Err(Refusal::State(OfferState::Accepted));
    assert_eq!(answers(erased).await, over);

    let more = town.deposit("north", 1, Stage::Accepted, &["IDENTITY/ALIAS"]);
    let deposited = exchange
        .deposit_parcel(&ngo, &of_source, fresh(), more)
        .await;
    let _ = deposited.expect("deposited");
    for stage in [Stage::Accepted, Stage::Triage] {
        // A new parcel, and then the old one again.
        let _ = reads(stage).await.expect("opened").into_parts();
        let seen = exchange.offer(&north, &name).await.expect("seen");
        assert!(!seen.notices.contains(&OfferNotice::PleaseErase));
        assert_eq!(answers(erased).await, over, "nobody has asked for it");
        // The answer to what was asked before came in time.
        town.clock.pass(THREE_DAYS);
        exchange.run_due().await.expect("clocks run");
        asks().await;
        let seen = exchange.offer(&north, &name).await.expect("seen");
        assert!(seen.notices.contains(&OfferNotice::PleaseErase));
        answers(erased).await.expect("answered again");
        assert_eq!(answers(erased).await, over);
    }
    let page = Page {
        size: 50,
        token: String::new(),
    };
    let alerts = exchange.alerts(&ngo, &id("ngo"), page).await;
    let mut alerts = alerts.expect("listed").items.into_iter();
    assert!(!alerts.any(|alert| alert.kind == AlertKind::ErasureUnanswered));
    assert!(violations(&town).is_empty());
}
