//! A router that was down between a withdrawal and its clean-up.

use super::*;
use crate::domain::id::BasisChainId;
use crate::exchange::BasisName;
use crate::storage::memory::Fault;

impl Town {
    /// The withdrawal is in the ledger, and the router stops before what follows from it.
    async fn withdraw_cut_off(&mut self, recipient: &str, chain: u8) {
        let name = BasisName {
            agency: id("ngo"),
            chain: BasisChainId::from_random([chain; 16]),
        };
        let statement = self.withdrawal(recipient, chain, 2);
        self.engine.inject(Fault::Fail, 2);
        let ngo = self.caseworker();
        let cut = (self.exchange).withdraw_basis(&ngo, &name, fresh(), statement);
        assert_eq!(cut.await.err(), Some(Refusal::Unavailable));
    }

    /// Starts again after `down`, and does what housekeeping does first.
    async fn starts_again(&mut self, down: Duration) {
        self.clock.pass(down);
        self.restart();
        self.exchange.resume().await.expect("finished");
        self.exchange.run_due().await.expect("caught up");
    }
}

/// What is withdrawn has ended: no clock that ran out while the router was down rings anybody for it.
#[tokio::test]
async fn what_lapsed_after_its_withdrawal_was_cut_off_rings_nobody() {
    let mut town = town().await;
    town.with_duty_line().await;
    let asked = ask(&town, Urgency::Emergency, None);
    let (name, _) = town.refer_in_turn(asked, &["north"]).await;
    town.live(5).await;
    town.withdraw_cut_off("north", 1).await;
    town.starts_again(MINUTE * 300).await;
    assert_eq!(town.states(&name).await, (R::Withdrawn, vec![O::Lapsed]));
    town.live(60).await;
    assert_eq!(town.states(&name).await, (R::Withdrawn, vec![O::Lapsed]));
    assert!(town.alerts_of(&town.caseworker()).await.is_empty());
    let duty = town.staff("clinic", StaffRole::DutyOfficer);
    assert!(town.alerts_of(&duty).await.is_empty());
    assert_eq!(town.exchange.run_due().await, Ok(0));
    town.replays();
}

/// The next in line is asked all the same, once, with time to answer from now on.
#[tokio::test]
async fn the_next_in_line_is_asked_when_a_cut_off_withdrawal_is_finished() {
    let mut town = town().await;
    let asked = NewReferral {
        parallel: Some(1),
        ..ask(&town, Urgency::Emergency, None)
    };
    let (name, _) = town.refer_in_turn(asked, &["north", "south"]).await;
    town.withdraw_cut_off("north", 1).await;
    town.starts_again(MINUTE * 300).await;
    let states = vec![O::Lapsed, O::Offered];
    assert_eq!(town.states(&name).await, (R::Open, states));
    let asked = town.inbox("south").await;
    assert_eq!(asked[0].decide_by, town.clock_now().plus(MINUTE * 240));
    town.replays();
}

/// In the order of time: what had lapsed before the withdrawal is the clock's, and a human is rung.
#[tokio::test]
async fn what_lapsed_before_a_cut_off_withdrawal_is_a_lapse() {
    let mut town = town().await;
    let asked = NewReferral {
        parallel: Some(1),
        ..ask(&town, Urgency::Emergency, None)
    };
    let (name, _) = town.refer_in_turn(asked, &["north", "south"]).await;
    // The clocks do not run: the lapse is true, and not written yet.
    town.clock.pass(MINUTE * 241);
    town.withdraw_cut_off("south", 2).await;
    town.starts_again(MINUTE * 10).await;
    let states = vec![O::Lapsed, O::Closed];
    assert_eq!(town.states(&name).await, (R::Unplaced, states));
    assert!(town.inbox("south").await.is_empty());
    let alerts = town.alerts_of(&town.caseworker()).await;
    let kinds: Vec<_> = alerts.iter().map(|alert| alert.kind).collect();
    assert!(kinds.contains(&AlertKind::Unplaced), "{kinds:?}");
    town.replays();
}
