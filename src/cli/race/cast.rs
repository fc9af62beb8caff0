//! Who races: a source, three houses with many connections, and an ombudsperson.

use std::path::Path;
use std::time::Duration;

use super::broken;
use crate::cli::crash::CrashError;
use crate::client::agency::Desk;
use crate::client::random::SystemRandom;
use crate::client::retry::RetryPolicy;
use crate::client::source::{Ask, BasisDraft, Candidate};
use crate::demo::town::{Town, TownOptions};
use crate::domain::basis::{Allow, Basis};
use crate::domain::id::{CaseHandle, OfferId, ReferralId};
use crate::domain::label::{Label, LabelSet};
use crate::domain::random::Random;
use crate::domain::vocabulary::{
    Asked, BasisKind, Category, ChildTold, Form, GivenBy, InterpreterClass, Purpose, StaffRole,
    Stage, Urgency,
};
use crate::envelope::disclosure::Field;

/// The houses.
pub(super) const HOUSES: [&str; 3] = ["house1", "house2", "house3"];

/// Calls at a time on one connection: fewer than a listener takes.
const PER_CONNECTION: usize = 16;

/// How patient a client is: everybody wants the same thing at the same moment.
const PATIENCE: Duration = Duration::from_secs(120);

/// The town and everybody at their desks.
pub(super) struct Cast {
    pub(super) source: Desk,
    pub(super) ombud: Desk,
    /// Desks of each house; `house1` has one connection for every few clients.
    houses: [Vec<Desk>; 3],
    // Dropped last: the router ends with it.
    _town: Town,
}

impl Cast {
    pub(super) async fn build(
        binary: &Path,
        folder: &Path,
        clients: usize,
    ) -> Result<Self, CrashError> {
        let mut options = TownOptions::new(binary.to_owned(), folder.to_owned());
        options.log_filter = "warn".into();
        options.policy = RetryPolicy {
            deadline: PATIENCE,
            ..RetryPolicy::default()
        };
        let ids = ["alpha", "house1", "house2", "house3", "ombud"];
        options.members.retain(|member| ids.contains(&member.id));
        let policy = options.policy;
        let town = Town::start(options).await.map_err(broken)?;
        let desk = |id, role| town.desk(id, "race", role).map_err(broken);
        let source = desk("alpha", StaffRole::Caseworker)?;
        source.mirror().await.map_err(broken)?;
        let ombud = desk("ombud", StaffRole::Auditor)?;
        let mut houses = [Vec::new(), Vec::new(), Vec::new()];
        for (desks, id) in houses.iter_mut().zip(HOUSES) {
            let count = if id == "house1" {
                clients.div_ceil(PER_CONNECTION)
            } else {
                1
            };
            for _ in 0..count {
                let agency = town.impostor(id, policy).map_err(broken)?;
                let desk = agency.desk("race", StaffRole::Intake).map_err(broken)?;
                desk.mirror().await.map_err(broken)?;
                desks.push(desk);
            }
        }
        Ok(Self {
            source,
            ombud,
            houses,
            _town: town,
        })
    }

    /// A desk of a house for client number `client`.
    pub(super) fn house(&self, house: usize, client: usize) -> Result<Desk, CrashError> {
        let desks = self.houses.get(house).filter(|desks| !desks.is_empty());
        let desk = desks.and_then(|desks| desks.get(client % desks.len()));
        desk.cloned().ok_or_else(|| broken("no such house"))
    }

    /// What a person agreed to: a bed at `house`, triage only.
    pub(super) async fn basis(&self, case: CaseHandle, house: &str) -> Result<Basis, CrashError> {
        let mut labels = LabelSet::EMPTY;
        triage().for_each(|label| labels.insert_up_to(label));
        let draft = BasisDraft {
            case,
            recipient: house.parse().map_err(broken)?,
            kind: BasisKind::Consent,
            allows: vec![Allow {
                purposes: vec![Purpose::SafeAccommodation],
                labels,
                asked: Asked::Bundle,
                until: self.source.now().plus(Duration::from_secs(20 * 86_400)),
                reply: false,
            }],
            given_by: GivenBy::Itself,
            asked_alone: true,
            interpreter: InterpreterClass::Telephone,
            child_told: ChildTold::NotApplicable,
            for_child: Default::default(),
            evidence: SystemRandom.array(),
        };
        self.source.record_basis(draft).await.map_err(broken)
    }

    /// Several at once are asked only in a hurry; one alone has long, so that a long campaign does not end because its
    /// offers lapse.
    fn ask(&self, case: CaseHandle, several: bool) -> Ask {
        let (urgency, minutes) = if several {
            (Urgency::Immediate, 25)
        } else {
            (Urgency::Normal, 60 * 60)
        };
        Ask {
            case,
            purpose: Purpose::SafeAccommodation,
            urgency,
            decide_by: self.source.now().plus(Duration::from_secs(minutes * 60)),
        }
    }

    /// Asks for a bed under these bases.
    pub(super) async fn refer(
        &self,
        case: CaseHandle,
        bases: &[Basis],
    ) -> Result<(ReferralId, Vec<OfferId>), CrashError> {
        let candidates: Vec<Candidate<'_>> = bases.iter().map(candidate).collect();
        let ask = self.ask(case, bases.len() > 1);
        let sent = self.source.create_referral(&ask, &candidates).await;
        let sent = sent.map_err(broken)?;
        Ok((
            sent.referral,
            sent.offers.into_iter().map(|(_, offer)| offer).collect(),
        ))
    }
}

pub(super) fn new_case() -> CaseHandle {
    CaseHandle::from_random(SystemRandom.array())
}

/// A candidate with a triage parcel.
pub(super) fn candidate(basis: &Basis) -> Candidate<'_> {
    let fields = triage().map(|label| Field {
        path: format!("race.{}", label.category().name().to_lowercase()),
        label,
        value: serde_json::Value::from("a value of the usual length"),
    });
    Candidate {
        basis,
        parcels: vec![(Stage::Triage, fields.collect())],
    }
}

fn triage() -> impl Iterator<Item = Label> {
    [
        (Category::Language, Form::Whole),
        (Category::Age, Form::Band),
        (Category::Family, Form::Counts),
    ]
    .into_iter()
    .filter_map(|(category, form)| Label::new(category, form).ok())
}
