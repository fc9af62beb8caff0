//! Clocks, turns and escalation: time is the test's.

use super::town::{Town, dawn, fresh, id};
use crate::audit::finding::Severity;
use crate::domain::id::OfferId;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{
    AgencyKind, AlertKind, CloseReason, DeclineReason, Decliner, OfferState as O, Outcome,
    Question, ReferralState as R, StaffRole, Stage, Urgency,
};
use crate::envelope::act::ActBody;
use crate::exchange::alert::AlertView;
use crate::exchange::event::EventKind;
use crate::exchange::offer::Offer;
use crate::exchange::referral::{NewReferral, Referral};
use crate::exchange::{OfferName, Page, ReferralName, Refusal};
use crate::identity::caller::Caller;
use crate::storage::engine::Engine as _;
use std::time::Duration;

mod catching_up;
mod hidden;
mod humans;
mod silence;
mod turns;

const MINUTE: Duration = Duration::from_secs(60);

fn page() -> Page {
    Page {
        size: 50,
        token: String::new(),
    }
}

fn ask(town: &Town, urgency: Urgency, place_by: Option<Timestamp>) -> NewReferral {
    NewReferral {
        urgency,
        place_by,
        ..town.ask(Vec::new())
    }
}

fn offer_of(agency: &str, offer: OfferId) -> OfferName {
    OfferName {
        agency: id(agency),
        offer,
    }
}

/// A town with two more shelters and an ombudsperson.
async fn town() -> Town {
    let mut town = Town::begin().await;
    for shelter in ["east", "west"] {
        town.join(shelter, AgencyKind::Shelter).await;
    }
    town.join("ombudsperson", AgencyKind::Ombudsperson).await;
    town
}

impl Town {
    /// Lets time pass minute by minute, the clocks running.
    async fn live(&self, minutes: u32) {
        for _ in 0..minutes {
            self.clock.pass(MINUTE);
            self.exchange.run_due().await.expect("clocks run");
        }
    }

    async fn view(&self, name: &ReferralName) -> Referral {
        let seen = self.exchange.referral(&self.caseworker(), name).await;
        seen.expect("seen")
    }

    async fn states(&self, name: &ReferralName) -> (R, Vec<O>) {
        let view = self.view(name).await;
        (
            view.state,
            view.offers.iter().map(|offer| offer.state).collect(),
        )
    }

    async fn alerts_of(&self, caller: &Caller) -> Vec<AlertView> {
        let agency = caller.agency().clone();
        let listed = self.exchange.alerts(caller, &agency, page()).await;
        listed.expect("listed").items
    }

    async fn inbox(&self, agency: &str) -> Vec<Offer> {
        let listed = self
            .exchange
            .offers(&self.intake(agency), &id(agency), page())
            .await;
        listed.expect("listed").items
    }

    async fn decline(&self, agency: &str, offer: OfferId) -> Result<(), Refusal> {
        let (reason, decliner) = (DeclineReason::NoCapacity, Decliner::Agency);
        let name = offer_of(agency, offer);
        let done = self
            .exchange
            .decline_offer(&self.intake(agency), &name, fresh(), reason, decliner)
            .await;
        done.map(|_| ())
    }

    /// Every act in the ledger is lawful, the auditor says.
    fn replays(&self) {
        let violations: Vec<_> = self
            .replayed()
            .into_iter()
            .filter(|finding| finding.problem.severity() == Severity::Violation)
            .collect();
        assert!(violations.is_empty(), "{violations:?}");
    }

    /// The duty line is at the clinic.
    async fn with_duty_line(&self) {
        let toml = crate::domain::protocol::SHIPPED.replace("version = 1", "version = 2");
        let toml = format!("{toml}\n[duty]\nline = \"clinic\"\n");
        let _ = self
            .enact(ActBody::PublishProtocol { version: 2, toml })
            .await;
    }
}
