//! What was passed on of a referral that its source has ended (invariant 14).

use super::town::{Town, WEEK, dawn, fresh, id};
use crate::audit::finding::{Finding, Problem, Severity};
use crate::audit::replay::Replay;
use crate::domain::basis::{Allow, Basis};
use crate::domain::id::{BasisChainId, CaseHandle, OfferId, ParcelId};
use crate::domain::label::{Label, LabelSet};
use crate::domain::vocabulary::{
    AgencyKind, Asked, BasisKind, ChildTold, CloseReason, GivenBy, InterpreterClass, OfferState,
    Purpose, ReferralState, Stage,
};
use crate::envelope::basis_statement::BasisStatement;
use crate::envelope::disclosure::{Disclosure, Field, SALT_BYTES};
use crate::envelope::keys::sha256;
use crate::envelope::seal::{ParcelDraft, seal};
use crate::envelope::statement::Forward;
use crate::envelope::withdrawal::Withdrawal;
use crate::exchange::parcel::Deposit;
use crate::exchange::referral::{NewOffer, NewReferral};
use crate::exchange::{BasisName, OfferName, Page, ReferralName, Refusal, SystemRandom};
use crate::ledger::entry::{Entry, Opening};
use crate::storage::engine::{Engine as _, Table};
use crate::storage::memory::Fault;
use crate::storage::records::log::OpeningRecord;
use crate::storage::records::parcel::ParcelRecord;
use crate::storage::records::{Record as _, key};

fn chain(number: u8) -> BasisChainId {
    BasisChainId::from_random([number; 16])
}

fn labels() -> LabelSet {
    let labels = ["LANGUAGE/WHOLE", "AGE/BAND"].map(|label| label.parse::<Label>());
    labels
        .map(|label| label.expect("a label"))
        .into_iter()
        .collect()
}

/// What everybody tells the next one.
fn told() -> Vec<Disclosure> {
    let disclosure = |label: Label| {
        let field = Field {
            path: format!(
                "field.{}",
                label.to_string().to_lowercase().replace('/', "_")
            ),
            label,
            value: "nobody".into(),
        };
        Disclosure::new(&[7; SALT_BYTES], field).expect("a disclosure")
    };
    labels().iter().map(disclosure).collect()
}

/// One ask of one agency, and what it may pass on.
struct Hand<'a> {
    from: &'a str,
    to: &'a str,
    /// Of the basis, and of the case.
    number: u8,
    next: &'a [&'a str],
    hops: u8,
}

/// An offer that was made, and the digest of what it tells.
struct Passed {
    referral: ReferralName,
    offer: OfferId,
    statement: [u8; 32],
}

impl Passed {
    fn at(&self, agency: &str) -> OfferName {
        OfferName {
            agency: id(agency),
            offer: self.offer,
        }
    }
}

impl Town {
    fn case_of(number: u8) -> CaseHandle {
        CaseHandle::from_random([number; 16])
    }

    async fn agreed(&self, hand: &Hand<'_>) {
        self.agreed_under(hand, hand.number).await;
    }

    async fn agreed_under(&self, hand: &Hand<'_>, number: u8) {
        let basis = Basis {
            chain: chain(number),
            source: id(hand.from),
            recipient: id(hand.to),
            case: Self::case_of(hand.number),
            seq: 1,
            from: dawn(),
            kind: BasisKind::Consent,
            allows: vec![Allow {
                purposes: vec![Purpose::SafeAccommodation],
                labels: labels().closed(),
                asked: Asked::Bundle,
                until: dawn().plus(WEEK),
                reply: false,
            }],
            given_by: GivenBy::Itself,
            asked_alone: true,
            interpreter: InterpreterClass::NoneNeeded,
            child_told: ChildTold::NotApplicable,
            for_child: Default::default(),
        };
        let statement = BasisStatement {
            basis,
            issued: dawn(),
            evidence: [1; 32],
        };
        let statement = statement.sign(self.signer(hand.from)).expect("signed");
        let (caller, from) = (self.intake(hand.from), id(hand.from));
        let recorded = (self.exchange).record_basis(&caller, &from, fresh(), statement);
        let _ = recorded.await.expect("recorded");
    }

    fn sealed(&self, hand: &Hand<'_>, parent: Option<[u8; 32]>) -> Deposit {
        self.sealed_under(hand, hand.number, parent, None)
    }

    fn sealed_under(
        &self,
        hand: &Hand<'_>,
        number: u8,
        parent: Option<[u8; 32]>,
        supersedes: Option<ParcelId>,
    ) -> Deposit {
        let (source, recipient) = (id(hand.from), id(hand.to));
        let draft = ParcelDraft {
            source: &source,
            recipient: &recipient,
            key: &self.desks.get(&recipient).expect("a desk").sealing,
            purpose: Purpose::SafeAccommodation,
            stage: Stage::Triage,
            chain: chain(number),
            now: dawn(),
            until: dawn().plus(WEEK),
            forward: Forward {
                recipients: hand.next.iter().map(|next| id(next)).collect(),
                hops: hand.hops,
            },
            supersedes,
            parent,
            fields: Vec::new(),
            carried: told(),
        };
        let sealed = seal(draft, self.signer(hand.from), &mut SystemRandom).expect("sealed");
        Deposit {
            parcel: sealed.parcel,
            chain: chain(number),
            salt: sealed.basis_salt,
        }
    }

    /// Asks an agency, with what `of` told or as its own ask.
    async fn hand(&self, hand: Hand<'_>, of: Option<&Passed>) -> Result<Passed, Refusal> {
        self.agreed(&hand).await;
        let deposit = self.sealed(&hand, of.map(|of| of.statement));
        let statement = sha256(&deposit.parcel.statement);
        let ask = NewReferral {
            case: Self::case_of(hand.number),
            offers: vec![NewOffer {
                recipient: id(hand.to),
                deposits: vec![deposit],
            }],
            ..self.ask(Vec::new())
        };
        let (exchange, caller) = (&self.exchange, self.intake(hand.from));
        let made = match of {
            None => {
                exchange
                    .create_referral(&caller, &id(hand.from), fresh(), ask)
                    .await?
            }
            Some(of) => {
                let name = of.at(hand.from);
                exchange
                    .create_forward(&caller, &name, fresh(), ask)
                    .await?
            }
        };
        Ok(Passed {
            referral: made.name,
            offer: made.offers[0].offer,
            statement,
        })
    }

    async fn reads(&self, agency: &str, of: &Passed) -> Result<(), Refusal> {
        let (caller, name) = (self.intake(agency), of.at(agency));
        let opened = (self.exchange).open_parcel(&caller, &name, Stage::Triage);
        opened.await.map(|_| ())
    }

    async fn accepts(&self, agency: &str, of: &Passed) -> Result<(), Refusal> {
        let caller = self.intake(agency);
        let name = of.at(agency);
        let accepted = (self.exchange).accept_offer(&caller, &name, fresh(), None);
        accepted.await.map(|_| ())
    }

    async fn closes(&self, of: &Passed) -> Result<(), Refusal> {
        let (caller, reason) = (self.caseworker(), CloseReason::HelpedOtherwise);
        let closed = (self.exchange).close_referral(&caller, &of.referral, fresh(), reason);
        closed.await.map(|_| ())
    }

    async fn state(&self, agency: &str, of: &Passed) -> OfferState {
        let (caller, name) = (self.intake(agency), of.at(agency));
        let seen = self.exchange.offer(&caller, &name);
        seen.await.expect("seen").state
    }

    async fn ended(&self, agency: &str, of: &Passed) -> ReferralState {
        let caller = self.intake(agency);
        let seen = self.exchange.referral(&caller, &of.referral);
        seen.await.expect("seen").state
    }

    fn lawful(&self) {
        let mut found = self.replayed();
        found.retain(|finding| finding.problem.severity() == Severity::Violation);
        assert!(found.is_empty(), "{found:?}");
    }
}

/// The NGO asks north, which asks south, which asks east; each reads what it is told.
async fn passed_on() -> (Town, [Passed; 3]) {
    let mut town = Town::begin().await;
    for shelter in ["east", "west"] {
        town.join(shelter, AgencyKind::Shelter).await;
    }
    let north = Hand {
        from: "ngo",
        to: "north",
        number: 1,
        next: &["south", "east", "west"],
        hops: 3,
    };
    let north = town.hand(north, None).await.expect("asked");
    town.reads("north", &north).await.expect("read");
    let _ = town.exchange.tick().await;
    let south = Hand {
        from: "north",
        to: "south",
        number: 2,
        next: &["east", "west"],
        hops: 2,
    };
    let south = town.hand(south, Some(&north)).await.expect("passed on");
    town.reads("south", &south).await.expect("read");
    let east = Hand {
        from: "south",
        to: "east",
        number: 3,
        next: &[],
        hops: 0,
    };
    let east = town.hand(east, Some(&south)).await.expect("passed on");
    (town, [north, south, east])
}

#[tokio::test]
async fn closing_a_referral_ends_what_was_passed_on_and_nobody_accepted() {
    let (town, [north, south, east]) = passed_on().await;
    town.closes(&north).await.expect("closed");
    for (agency, of) in [("north", &north), ("south", &south), ("east", &east)] {
        assert_eq!(town.state(agency, of).await, OfferState::Closed, "{agency}");
        assert_eq!(
            town.reads(agency, of).await,
            Err(Refusal::NotFound),
            "{agency}"
        );
    }
    for from in ["north", "south"] {
        let more = Hand {
            from,
            to: "west",
            number: 9,
            next: &[],
            hops: 0,
        };
        let of = if from == "north" { &north } else { &south };
        let more = town.hand(more, Some(of)).await;
        assert_eq!(more.err(), Some(Refusal::ForwardNotAllowed), "{from}");
    }
    // Nobody is rung for it: there is nothing to be done.
    assert_eq!(town.ended("north", &south).await, ReferralState::Withdrawn);
    assert_eq!(town.ended("south", &east).await, ReferralState::Withdrawn);
    for agency in ["north", "south"] {
        let page = Page {
            size: 9,
            token: String::new(),
        };
        let (who, agency) = (town.intake(agency), id(agency));
        let alerts = town.exchange.alerts(&who, &agency, page);
        assert!(alerts.await.expect("listed").items.is_empty(), "{agency}");
    }
    let left = town.engine.scan(Table::ParcelContent, b"", None, 9);
    assert!(left.expect("rows").is_empty());
    town.lawful();
}

/// Who said yes goes on helping; what should never have been made is read by nobody.
#[tokio::test]
async fn a_place_found_by_passing_on_outlives_the_closing_and_not_the_error() {
    let (town, [north, south, east]) = passed_on().await;
    town.accepts("east", &east).await.expect("accepted");
    town.closes(&north).await.expect("closed");
    assert_eq!(town.state("south", &south).await, OfferState::Closed);
    assert_eq!(town.state("east", &east).await, OfferState::Accepted);
    town.reads("east", &east).await.expect("read");
    let more = Hand {
        from: "east",
        to: "west",
        number: 9,
        next: &[],
        hops: 0,
    };
    let more = town.hand(more, Some(&east)).await;
    assert_eq!(more.err(), Some(Refusal::ForwardNotAllowed));
    let ngo = town.caseworker();
    let error = (town.exchange).mark_entered_in_error(&ngo, &north.referral, fresh());
    let _ = error.await.expect("marked");
    assert_eq!(town.state("east", &east).await, OfferState::Accepted);
    assert_eq!(town.reads("east", &east).await, Err(Refusal::NotFound));
    town.lawful();
}

#[tokio::test]
async fn a_closing_cut_off_by_a_crash_lets_nobody_say_yes_and_is_finished_at_the_next_start() {
    let (mut town, [north, south, east]) = passed_on().await;
    town.engine.inject(Fault::Fail, 2);
    assert_eq!(town.closes(&north).await, Err(Refusal::Unavailable));
    town.restart();
    assert_eq!(town.state("north", &north).await, OfferState::Closed);
    for (agency, of) in [("south", &south), ("east", &east)] {
        assert!(town.state(agency, of).await.is_undecided());
        let closed = Err(Refusal::State(OfferState::Closed));
        assert_eq!(town.accepts(agency, of).await, closed);
        assert_eq!(town.reads(agency, of).await, Err(Refusal::NotFound));
    }
    town.exchange.resume().await.expect("finished");
    for (agency, of) in [("south", &south), ("east", &east)] {
        assert_eq!(town.state(agency, of).await, OfferState::Closed);
    }
    town.lawful();
}

/// What was passed on rests on the parcel that was read, also when its correction came under another consent.
#[tokio::test]
async fn closing_also_ends_what_passed_on_a_parcel_that_was_corrected_under_another_basis() {
    let (town, [north, south, east]) = passed_on().await;
    let hand = Hand {
        from: "ngo",
        to: "north",
        number: 1,
        next: &[],
        hops: 0,
    };
    town.agreed_under(&hand, 7).await;
    let row = key::parcel(north.offer, Stage::Triage);
    let old = town.engine.get(Table::Parcel, &row).expect("readable");
    let old = ParcelRecord::from_stored(&old.expect("there")).expect("a record");
    let corrected = town.sealed_under(&hand, 7, None, Some(old.parcel.parse().expect("an id")));
    let ngo = town.caseworker();
    let of = north.at("ngo");
    let amended = (town.exchange).amend_parcel(&ngo, &of, fresh(), corrected);
    let _ = amended.await.expect("amended");
    town.closes(&north).await.expect("closed");
    for (agency, of) in [("north", &north), ("south", &south), ("east", &east)] {
        assert_eq!(town.state(agency, of).await, OfferState::Closed, "{agency}");
    }
    assert_eq!(town.ended("north", &south).await, ReferralState::Withdrawn);
    town.lawful();
}

/// What is under the same consent and goes on is looked at, and nothing is written for it.
#[tokio::test]
async fn closing_one_of_many_referrals_costs_no_commit_for_each_of_the_others() {
    const MANY: usize = 20;
    let town = Town::begin().await;
    let hand = Hand {
        from: "ngo",
        to: "north",
        number: 1,
        next: &["south"],
        hops: 1,
    };
    town.agreed(&hand).await;
    let mut last = None;
    for _ in 0..MANY {
        let deposit = town.sealed(&hand, None);
        let statement = sha256(&deposit.parcel.statement);
        let ask = NewReferral {
            case: Town::case_of(1),
            offers: vec![NewOffer {
                recipient: id("north"),
                deposits: vec![deposit],
            }],
            ..town.ask(Vec::new())
        };
        let (ngo, source) = (town.caseworker(), id("ngo"));
        let made = (town.exchange).create_referral(&ngo, &source, fresh(), ask);
        let made = made.await.expect("asked");
        let of = Passed {
            referral: made.name,
            offer: made.offers[0].offer,
            statement,
        };
        town.reads("north", &of).await.expect("read");
        last = Some(of);
    }
    let _ = town.exchange.tick().await;
    let south = Hand {
        from: "north",
        to: "south",
        number: 2,
        next: &[],
        hops: 0,
    };
    let last = last.expect("many");
    let south = town.hand(south, Some(&last)).await.expect("passed on");
    let before = town.engine.commits();
    town.closes(&last).await.expect("closed");
    let commits = town.engine.commits() - before;
    assert!(commits < 8, "{commits} commits");
    assert_eq!(town.state("south", &south).await, OfferState::Closed);
    town.lawful();
}

/// Whoever passed it on hears that it is over, and reads nowhere whether a person or an agency ended it.
#[tokio::test]
async fn who_passed_it_on_cannot_tell_a_closing_from_a_withdrawal() {
    let mut seen = Vec::new();
    for closes in [true, false] {
        let (town, [north, south, _]) = passed_on().await;
        if closes {
            town.closes(&north).await.expect("closed");
        } else {
            let withdrawal = Withdrawal {
                chain: chain(1),
                source: id("ngo"),
                recipient: id("north"),
                case: Town::case_of(1),
                seq: 2,
                issued: dawn(),
                erase: false,
                leave: false,
            };
            let name = BasisName {
                agency: id("ngo"),
                chain: chain(1),
            };
            let statement = withdrawal.sign(town.signer("ngo")).expect("signed");
            let ngo = town.caseworker();
            let done = (town.exchange).withdraw_basis(&ngo, &name, fresh(), statement);
            let _ = done.await.expect("withdrawn");
        }
        let who = town.intake("north");
        let received = town.exchange.offer(&who, &north.at("north")).await;
        let received = received.expect("seen");
        let own = town.exchange.referral(&who, &south.referral).await;
        let own = own.expect("seen");
        let offers: Vec<_> = own.offers.iter().map(|offer| offer.state).collect();
        seen.push((
            (received.state, received.notices, received.openable),
            (own.state, own.closed, own.unplaced, offers),
        ));
        town.lawful();
    }
    assert_eq!(seen[0], seen[1]);
}

/// The ledger of `town` replayed with the entry at `moved` in the place of the tick at `tick`.
fn replayed_with(town: &Town, tick: u64, moved: u64) -> Vec<Finding> {
    let mut replay = Replay::new();
    let mut found = Vec::new();
    for index in 0..town.engine.head().size {
        let row = key::index(if index == tick { moved } else { index });
        let entry = town.engine.get(Table::Entry, &row).expect("readable");
        let entry = Entry::parse(&entry.expect("there").value).expect("an entry");
        let opening = town.engine.get(Table::Opening, &row).expect("readable");
        let opening = opening.map(|stored| {
            let record = OpeningRecord::from_stored(&stored).expect("a record");
            Opening::parse(&record.nonce, &record.decision).expect("an opening")
        });
        found.extend(replay.feed(Some(&entry), opening.as_ref()));
    }
    found
}

/// A router that asked others on, read on or placed after the end is found, by name.
#[tokio::test]
async fn what_is_passed_on_read_or_accepted_after_the_end_is_found() {
    let (town, [north, _, east]) = passed_on().await;
    town.reads("east", &east).await.expect("read");
    town.accepts("east", &east).await.expect("accepted");
    town.closes(&north).await.expect("closed");
    let events = town.events(0);
    let index = |at: Option<usize>| at.expect("an entry") as u64;
    let tick = index(events.iter().position(|event| *event == "tick"));
    let end = index(events.iter().position(|event| *event == "referral_closed"));
    let found = replayed_with(&town, tick, end);
    let ended: Vec<&str> = (found.iter())
        .filter(|finding| finding.problem == Problem::Ended)
        .filter_map(|finding| events.get(usize::try_from(finding.index?).ok()?).copied())
        .collect();
    // Two that pass it on, two that read it, and the place that said yes.
    assert_eq!(
        ended,
        ["offered", "opened", "offered", "opened", "offer_moved"]
    );
}

#[tokio::test]
async fn what_was_passed_on_is_neither_read_nor_accepted_once_somebody_else_said_yes() {
    // R3, invariant 14: north passed it on, and east, asked beside it, has the person.
    let mut town = Town::begin().await;
    town.join("east", AgencyKind::Shelter).await;
    let hand = |to: &'static str| Hand {
        from: "ngo",
        to,
        number: 1,
        next: &["south"],
        hops: 1,
    };
    town.agreed(&hand("north")).await;
    town.agreed_under(&hand("east"), 5).await;
    let north = town.sealed(&hand("north"), None);
    let statement = sha256(&north.parcel.statement);
    let east = town.sealed_under(&hand("east"), 5, None, None);
    let ask = NewReferral {
        case: Town::case_of(1),
        offers: vec![
            NewOffer {
                recipient: id("north"),
                deposits: vec![north],
            },
            NewOffer {
                recipient: id("east"),
                deposits: vec![east],
            },
        ],
        ..town.ask(Vec::new())
    };
    let (ngo, source) = (town.caseworker(), id("ngo"));
    let made = (town.exchange).create_referral(&ngo, &source, fresh(), ask);
    let made = made.await.expect("asked");
    let passed = |offer| Passed {
        referral: made.name.clone(),
        offer,
        statement,
    };
    let (north, east) = (passed(made.offers[0].offer), passed(made.offers[1].offer));
    town.reads("north", &north).await.expect("read");
    town.exchange.tick().await.expect("ticked");
    let south = Hand {
        from: "north",
        to: "south",
        number: 2,
        next: &[],
        hops: 0,
    };
    let south = town.hand(south, Some(&north)).await.expect("passed on");
    town.reads("south", &south).await.expect("read");
    town.accepts("east", &east).await.expect("accepted");
    assert_eq!(town.state("north", &north).await, OfferState::Closed);
    assert_eq!(
        town.reads("south", &south).await.err(),
        Some(Refusal::NotFound)
    );
    assert_eq!(
        town.accepts("south", &south).await.err(),
        Some(Refusal::State(OfferState::Closed))
    );
    town.lawful();

    // A router that told south of it after all is found, by name.
    let events = town.events(0);
    let index = |at: Option<usize>| at.expect("an entry") as u64;
    let read = events.iter().position(|event| *event == "opened");
    let after = read.expect("north read it");
    let tick = events.iter().skip(after).position(|event| *event == "tick");
    let tick = index(tick.map(|at| at + after));
    let closed = index(events.iter().rposition(|event| *event == "offer_closed"));
    let found = replayed_with(&town, tick, closed);
    let ended: Vec<&str> = (found.iter())
        .filter(|finding| finding.problem == Problem::Ended)
        .filter_map(|finding| events.get(usize::try_from(finding.index?).ok()?).copied())
        .collect();
    assert_eq!(ended, ["offered", "opened"]);
}
