//! Break-glass over a clock that tests set (invariant 16).

use super::town::{PROTOCOL, Town, dawn, fresh, id};
use crate::audit::source::SealedOpening;
use crate::audit::{Audit, Level};
use crate::domain::break_glass::{ACCESS_STAGE, CALL_AFTER, REVIEW_WITHIN, WINDOW};
use crate::domain::id::BasisChainId;
use crate::domain::label::LabelSet;
use crate::domain::vocabulary::{
    AccessFinding, AccessReason, AccessState, AgencyKind, AlertKind, StaffRole,
};
use crate::envelope::act::ActBody;
use crate::exchange::access::AccessSeen;
use crate::exchange::{AccessName, OfferName, Page, Receipt, Refusal};
use crate::identity::caller::Caller;
use crate::storage::engine::{Engine, Table};
use crate::storage::records::log::OpeningRecord;
use crate::storage::records::{Record, key};
use std::time::Duration;

mod insiders;

const WANTED: &[&str] = &["HEALTH/FUNCTIONAL", "CARE_NEEDS/DETAIL"];

struct Night {
    town: Town,
    offer: OfferName,
}

fn labels(names: &[&str]) -> LabelSet {
    let parse = |name: &&str| {
        name.parse::<crate::domain::label::Label>()
            .expect("a label")
    };
    names.iter().map(parse).collect()
}

impl Night {
    /// A house asked for a bed, an ombudsperson, and a duty line.
    async fn begin() -> Self {
        let mut town = Town::begin().await;
        town.join("line", AgencyKind::SocialService).await;
        town.join("ombud", AgencyKind::Ombudsperson).await;
        let toml = PROTOCOL.replace("version = 1", "version = 2") + "\n[duty]\nline = \"line\"\n";
        let _ = town
            .enact(ActBody::PublishProtocol { version: 2, toml })
            .await;
        let offer = town.refer(&["north"]).await.remove(0);
        Self { town, offer }
    }

    fn duty(&self, agency: &str) -> Caller {
        self.town.staff(agency, StaffRole::DutyOfficer)
    }

    async fn ask(&self, wanted: &[&str]) -> Result<(AccessSeen, Receipt), Refusal> {
        let (north, reason) = (self.town.intake("north"), AccessReason::LifeInDanger);
        let exchange = &self.town.exchange;
        exchange
            .request_access(&north, &self.offer, fresh(), reason, labels(wanted))
            .await
    }

    fn named(&self, agency: &str, access: &AccessSeen) -> AccessName {
        AccessName {
            agency: id(agency),
            access: access.name.access,
        }
    }

    async fn approve(&self, agency: &str, access: &AccessSeen) -> Result<Receipt, Refusal> {
        let name = self.named(agency, access);
        let exchange = &self.town.exchange;
        exchange
            .approve_access(&self.duty(agency), &name, fresh())
            .await
    }

    async fn release(&self, access: &AccessSeen, told: &[&str]) -> Result<Receipt, Refusal> {
        let chain = BasisChainId::from_random(*access.name.access.as_bytes());
        let until = (ACCESS_STAGE, dawn().plus(WINDOW));
        let sealed = self.town.deposit_under("north", chain, until, told);
        let name = self.named("ngo", access);
        let (duty, exchange) = (self.duty("ngo"), &self.town.exchange);
        let released = exchange.release_access(&duty, &name, fresh(), sealed.parcel, sealed.salt);
        Ok(released.await?.1)
    }

    async fn open(&self, access: &AccessSeen) -> Result<Receipt, Refusal> {
        let name = self.named("north", access);
        let opened = self
            .town
            .exchange
            .open_access(&self.town.intake("north"), &name)
            .await;
        Ok(opened?.1)
    }

    async fn state(&self, access: &AccessSeen) -> AccessState {
        let name = self.named("north", access);
        let seen = self
            .town
            .exchange
            .access(&self.town.intake("north"), &name)
            .await;
        seen.expect("seen").state
    }

    async fn alerts(&self, agency: &str) -> Vec<AlertKind> {
        let page = Page {
            size: 100,
            token: String::new(),
        };
        let caller = self.duty(agency);
        let alerts = self.town.exchange.alerts(&caller, &id(agency), page).await;
        let alerts = alerts.expect("alerts").items;
        alerts.into_iter().map(|alert| alert.kind).collect()
    }

    /// Everything that the exchange did is decided again, and nothing is found.
    fn replays(&self) {
        let engine = &self.town.engine;
        let mut audit = Audit::new(Level::Replay, None);
        for index in 0..engine.head().size {
            let at = key::index(index);
            let entry = engine
                .get(Table::Entry, &at)
                .expect("readable")
                .expect("there");
            let opening = engine.get(Table::Opening, &at).expect("readable");
            let opening = opening.map(|stored| {
                let record = OpeningRecord::from_stored(&stored).expect("a record");
                SealedOpening {
                    index,
                    nonce: record.nonce,
                    decision: record.decision,
                }
            });
            let _ = audit.feed(&entry.value, opening.as_ref());
        }
        let found = audit.replayed();
        assert!(found.is_empty(), "{found:?}");
    }
}

#[tokio::test]
async fn an_access_is_asked_approved_released_opened_ended_and_reviewed() {
    let night = Night::begin().await;
    let exchange = &night.town.exchange;
    let (access, receipt) = night.ask(WANTED).await.expect("asked");
    // The alarm comes first, before anybody is told.
    let events = night.town.events(receipt.index());
    assert_eq!(events.first(), Some(&"access_requested"));
    for agency in ["ngo", "line", "ombud"] {
        assert_eq!(
            night.alerts(agency).await,
            [AlertKind::BreakGlass],
            "{agency}"
        );
    }
    assert!(night.alerts("north").await.is_empty());
    assert!(night.alerts("south").await.is_empty());
    assert_eq!(night.open(&access).await.err(), Some(Refusal::NotFound));
    let early = night.release(&access, &["HEALTH/FUNCTIONAL"]).await;
    assert_eq!(early.err(), Some(Refusal::Access(AccessState::Requested)));

    let _ = night.approve("line", &access).await.expect("approved");
    let more = night.release(&access, &["LANGUAGE/WHOLE"]).await;
    assert_eq!(
        more.err(),
        Some(Refusal::BasisNotCovering(labels(&["LANGUAGE/WHOLE"])))
    );
    let _ = night
        .release(&access, &["HEALTH/FUNCTIONAL"])
        .await
        .expect("released");
    let opened = night.open(&access).await.expect("opened");
    assert_eq!(night.town.events(opened.index()), ["access_opened"]);

    night.town.clock.pass(WINDOW);
    assert_eq!(night.open(&access).await.err(), Some(Refusal::NotFound));
    exchange.run_due().await.expect("run");
    assert_eq!(night.state(&access).await, AccessState::Ended);
    let content = night
        .town
        .engine
        .get(Table::AccessContent, &key::access(access.name.access));
    assert!(content.expect("readable").is_none());
    // Beside the alert that nobody has acknowledged the offer, which is due in the same hour.
    assert!(night.alerts("ngo").await.contains(&AlertKind::ReviewDue));

    // Nobody looked for three days: oversight hears again.
    night.town.clock.pass(REVIEW_WITHIN);
    exchange.run_due().await.expect("run");
    let due = |alerts: Vec<AlertKind>| {
        alerts
            .iter()
            .filter(|kind| **kind == AlertKind::ReviewDue)
            .count()
    };
    assert_eq!(due(night.alerts("ombud").await), 2);
    let finding = AccessFinding::Justified;
    let review = async |caller: Caller| {
        let name = AccessName {
            agency: caller.agency().clone(),
            access: access.name.access,
        };
        exchange
            .review_access(&caller, &name, fresh(), finding)
            .await
    };
    // Who released does not review, and neither does the asking agency.
    let same = review(night.duty("ngo")).await;
    assert_eq!(same.err(), Some(Refusal::NeedsOutsider));
    let own = review(night.town.staff("north", StaffRole::Supervisor)).await;
    assert_eq!(own.err(), Some(Refusal::NeedsOutsider));
    let supervisor = night
        .town
        .staff("ngo", StaffRole::Supervisor)
        .with_staff("another");
    let _ = review(supervisor).await.expect("reviewed");
    assert_eq!(night.state(&access).await, AccessState::Reviewed);
    night.replays();
}

#[tokio::test]
async fn nobody_approves_their_own_and_nobody_else_either() {
    let night = Night::begin().await;
    let (access, _) = night.ask(WANTED).await.expect("asked");
    let own = night.approve("north", &access).await;
    assert_eq!(own.err(), Some(Refusal::NeedsOutsider));
    // Who is not shown the request is told that there is none, as for one that does not exist.
    assert_eq!(
        night.approve("south", &access).await.err(),
        Some(Refusal::NotFound)
    );
    let second = night.ask(WANTED).await;
    assert_eq!(second.err(), Some(Refusal::Access(AccessState::Requested)));
    let name = night.named("ngo", &access);
    let exchange = &night.town.exchange;
    let _ = exchange
        .refuse_access(&night.duty("ngo"), &name, fresh())
        .await
        .expect("refused");
    assert_eq!(night.state(&access).await, AccessState::Refused);
    let _ = night
        .ask(WANTED)
        .await
        .expect("a refused request does not stand in the way");
    night.replays();
}

#[tokio::test]
async fn what_the_person_took_back_is_not_asked_for_released_or_opened() {
    // R5, R18, invariant 13: the withdrawal binds at every step, and nobody is told that there was one.
    let night = Night::begin().await;
    let (access, _) = night.ask(WANTED).await.expect("asked");
    let _ = night.approve("ngo", &access).await.expect("approved");
    let _ = night
        .release(&access, &["HEALTH/FUNCTIONAL"])
        .await
        .expect("released");
    let north = night.town.intake("north");
    let exchange = &night.town.exchange;
    let _ = exchange
        .accept_offer(&north, &night.offer, fresh(), None)
        .await
        .expect("accepted");
    let _ = night.open(&access).await.expect("opened");
    night.town.withdraw("north", 1).await;
    assert_eq!(night.open(&access).await.err(), Some(Refusal::NotFound));
    night.town.clock.pass(WINDOW);
    exchange.run_due().await.expect("run");
    // The placement stays, and still nothing more is told.
    assert_eq!(night.ask(WANTED).await.err(), Some(Refusal::NotFound));
    night.replays();
}

#[tokio::test]
async fn a_card_stops_what_was_released_too() {
    // R5, R16: break-glass overrides a consent that is missing, never a person who said stop.
    let night = Night::begin().await;
    let (access, _) = night.ask(WANTED).await.expect("asked");
    let _ = night.approve("ngo", &access).await.expect("approved");
    let _ = night
        .release(&access, &["HEALTH/FUNCTIONAL"])
        .await
        .expect("released");
    let exchange = &night.town.exchange;
    let (ngo, clinic) = (id("ngo"), id("clinic"));
    let caseworker = night.town.caseworker();
    let _ = exchange
        .register_code(&caseworker, &ngo, fresh(), night.town.case, [5; 32])
        .await
        .expect("registered");
    let _ = night.open(&access).await.expect("opened");
    let medic = night.town.intake("clinic");
    exchange
        .withdraw_by_code(&medic, &clinic, [5; 32])
        .await
        .expect("stopped");
    assert_eq!(night.open(&access).await.err(), Some(Refusal::NotFound));
    night.town.clock.pass(WINDOW);
    exchange.run_due().await.expect("run");
    assert_eq!(night.ask(WANTED).await.err(), Some(Refusal::NotFound));
    // Having spoken with them, the source records what they say.
    let statement = night.town.basis("north", 1, 2);
    let _ = exchange
        .record_basis(&caseworker, &ngo, fresh(), statement)
        .await
        .expect("recorded");
    let _ = night.ask(WANTED).await.expect("asked");
    night.replays();
}

#[tokio::test]
async fn a_yes_that_has_expired_does_not_undo_a_withdrawal() {
    let night = Night::begin().await;
    let north = night.town.intake("north");
    let exchange = &night.town.exchange;
    let _ = exchange
        .accept_offer(&north, &night.offer, fresh(), None)
        .await
        .expect("accepted");
    night.town.record_basis("north", 9).await;
    night.town.withdraw("north", 1).await;
    night.town.clock.pass(Duration::from_secs(8 * 24 * 60 * 60));
    assert_eq!(night.ask(WANTED).await.err(), Some(Refusal::NotFound));
    night.replays();
}

#[tokio::test]
async fn a_request_that_nobody_answers_says_call_and_then_expires() {
    let night = Night::begin().await;
    let (access, _) = night.ask(WANTED).await.expect("asked");
    assert!(!access.call_duty_line);
    night.town.clock.pass(CALL_AFTER);
    let name = night.named("north", &access);
    let north = night.town.intake("north");
    let exchange = &night.town.exchange;
    assert!(
        exchange
            .access(&north, &name)
            .await
            .expect("seen")
            .call_duty_line
    );
    night.town.clock.pass(Duration::from_secs(55 * 60));
    let late = night.approve("ngo", &access).await;
    assert_eq!(late.err(), Some(Refusal::Access(AccessState::Expired)));
    exchange.run_due().await.expect("run");
    assert_eq!(night.state(&access).await, AccessState::Expired);
    night.replays();
}

#[tokio::test]
async fn what_the_protocol_does_not_tell_a_house_is_refused_and_recorded() {
    let night = Night::begin().await;
    let size = night.town.engine.head().size;
    let refused = night.ask(&["PUNISHABLE_ACTS/WHOLE"]).await;
    let more = labels(&["PUNISHABLE_ACTS/WHOLE"]);
    assert_eq!(refused.err(), Some(Refusal::ProtocolRefused(more)));
    assert_eq!(night.town.events(size), ["denied"]);
    let page = Page {
        size: 10,
        token: String::new(),
    };
    let exchange = &night.town.exchange;
    let duty = night.duty("ngo");
    let seen = exchange
        .accesses(&duty, &id("ngo"), page)
        .await
        .expect("a list");
    assert!(seen.items.is_empty());
}

#[tokio::test]
async fn each_viewer_sees_its_own_and_no_more() {
    let night = Night::begin().await;
    let (access, _) = night.ask(WANTED).await.expect("asked");
    assert_eq!(access.offer, Some(night.offer.clone()));
    let exchange = &night.town.exchange;
    for (agency, offer) in [("ngo", true), ("line", false), ("ombud", false)] {
        let page = Page {
            size: 10,
            token: String::new(),
        };
        let duty = night.duty(agency);
        let seen = exchange
            .accesses(&duty, &id(agency), page)
            .await
            .expect("a list");
        let seen = seen.items.first().expect("one");
        assert_eq!(seen.name.agency, id(agency));
        assert_eq!(seen.offer.is_some(), offer, "{agency}");
        assert_eq!(seen.requester, Some(id("north")));
    }
}
