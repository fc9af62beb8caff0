//! Scenario B: she left the man she travels with; no police, no camp, a bed tonight.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::client::agency::Desk;
use crate::client::agent::{LaterParcels, Plan, SourceAgent};
use crate::client::error::{ClientError, Reason};
use crate::client::recipient::OfferView;
use crate::client::source::{Candidate, SentReferral};
use crate::client::watch::Doorbell;
use crate::demo::narrate::Stop;
use crate::demo::people::{self, labels};
use crate::domain::basis::Basis;
use crate::domain::id::{OfferId, PoolId};
use crate::domain::matching::{self, Candidate as Suitor, Member, Needs};
use crate::domain::vocabulary::{
    Category, OfferState, PlacementGender, Purpose, ReportsTo, Requirement, StaffRole, Stage,
};
use crate::proto::v1::EventKind;

use super::{SHELTER_ACCEPTED, SHELTER_TRIAGE, Story, consent, new_case, shelter_bundle, tonight};

/// How long a doorbell may take.
const RING_MAX: Duration = Duration::from_secs(10);

/// What later acts need of this one.
pub(super) struct Samira {
    pub(super) sent: SentReferral,
    pub(super) bases: Vec<Basis>,
    pub(super) house1: OfferId,
    pub(super) pool: PoolId,
}

impl Story {
    pub(super) async fn a_bed_tonight(&mut self) -> Result<Samira, Stop> {
        self.narrator
            .act("Samira, 01:40: no police, no camp, a bed tonight");
        self.narrator.tell(
            "She is 31, speaks Arabic, is seven months pregnant. Asked alone, with a woman on the \
             telephone who interprets: \"May I ask around for a bed without saying who you are?\"",
        );
        let alpha = self.desk("alpha", "w-17", StaffRole::Caseworker)?;
        let chosen = self.match_locally(&alpha).await?;
        let (house1, mut doorbells, pool) = self.house1_listens().await?;

        let case = new_case();
        self.cases.push(("Samira", case));
        let mut bases = Vec::new();
        for name in &chosen {
            let recipient = self.id(name)?;
            let draft = consent(
                &alpha,
                case,
                &recipient,
                Purpose::SafeAccommodation,
                shelter_bundle(),
                labels(&[]),
            );
            let recorded = alpha.record_basis(draft).await;
            bases.push(self.narrator.quietly("the basis is recorded", recorded)?);
        }
        self.narrator.check(
            "Her yes is recorded: one signed basis per house, 30 days, twelve kinds of facts.",
            bases.len() == 3,
        );

        let record = people::samira();
        let mut triage = Vec::new();
        let mut later = HashMap::new();
        for (basis, alias) in bases.iter().zip(["Rima", "Hala", "Dunya"]) {
            let fields = people::cut(&record, alias, labels(SHELTER_TRIAGE));
            let accepted = people::cut(&record, alias, labels(SHELTER_ACCEPTED));
            let (fields, accepted) = (
                self.narrator.quietly("the record is cut", fields)?,
                self.narrator.quietly("the record is cut", accepted)?,
            );
            triage.push(fields);
            let stages = vec![(Stage::Accepted, accepted)];
            later.insert(
                basis.recipient.clone(),
                LaterParcels {
                    basis: basis.clone(),
                    stages,
                },
            );
        }
        let candidates: Vec<Candidate<'_>> = bases
            .iter()
            .zip(triage)
            .map(|(basis, fields)| Candidate {
                basis,
                parcels: vec![(Stage::Triage, fields)],
            })
            .collect();
        let fields = candidates.iter().flat_map(|candidate| &candidate.parcels);
        let count = fields.map(|(_, fields)| fields.len()).max().unwrap_or(0);
        let ask = tonight(&alpha, case, Purpose::SafeAccommodation);
        let sent = alpha.create_referral(&ask, &candidates).await;
        let sent = self.narrator.need(
            &format!(
                "Three houses are asked at once, each with {count} fields sealed to it alone; the \
                 router answers when it is on disk, with a proof per offer."
            ),
            sent,
        )?;

        let mut told = self.agent_at_work(&sent, later).await?;
        let rung = timeout(RING_MAX, ring(&mut doorbells))
            .await
            .is_ok_and(|rung| rung.is_ok());
        self.narrator.check(
            "At house1 a bell rings; it says that something came, and no more.",
            rung,
        );

        let offers = house1.offers().await;
        let offers = self.narrator.quietly("house1 lists its offers", offers)?;
        let offer = offers
            .into_iter()
            .find(|offer| offer.state == OfferState::Offered);
        let offer = self
            .narrator
            .quietly("the offer is there", offer.ok_or("no offer"))?;
        let parcel = self.narrator.need(
            "house1's one night worker opens the triage parcel; the opening is in the log first.",
            house1.open(&offer, Stage::Triage).await,
        )?;
        self.seen.opened("house1", 'S', &parcel);
        self.narrator.tell(&said(&parcel));
        let identity = parcel.fields.iter().any(|field| {
            matches!(
                field.field.label.category(),
                Category::Identity | Category::Contact | Category::Nationality
            )
        });
        self.narrator
            .check("Nothing in it says who she is, or from where.", !identity);

        let house2 = self.desk("house2", "desk-2", StaffRole::Intake)?;
        let elsewhere = self.house2_looks(&house2).await?;

        let decided = decide(&house1, offer.id, &pool).await;
        self.narrator.need(
            "house1 acknowledges, holds one place and accepts: two taps; the place is taken.",
            decided,
        )?;
        let deposited = timeout(RING_MAX, told.recv()).await.ok().flatten();
        self.narrator.check(
            "alpha's agent, without a person, seals and deposits what the accepted place needs.",
            matches!(&deposited, Some(Ok(one)) if one.recipient.as_str() == "house1"),
        );
        let parcel = self.narrator.need(
            "house1 opens it: an alias, how to reach her safely, whom she must not meet.",
            house1.open(&offer, Stage::Accepted).await,
        )?;
        self.seen.opened("house1", 'S', &parcel);
        self.narrator.tell(&said(&parcel));

        let view = alpha.referral(sent.referral).await;
        let view = self.narrator.quietly("alpha looks at its referral", view)?;
        let closed = view
            .offers
            .iter()
            .filter(|offer| offer.recipient.as_str() != "house1")
            .all(|offer| offer.state == OfferState::Closed);
        self.narrator.check(
            "The other two offers closed by themselves, without a reason.",
            closed,
        );
        let again = house2.open(&elsewhere, Stage::Triage).await;
        self.narrator.step(
            "house2, which had read its triage parcel a minute before, opens it again and finds nothing.",
            again.as_ref().err().and_then(ClientError::reason) == Some(Reason::NotFound),
            Some(format!("{:?}", again.err())),
        );
        self.narrator.need(
            "02:10. She arrives; the place is occupied.",
            house1.check_in(offer.id).await,
        )?;
        Ok(Samira {
            sent,
            bases,
            house1: offer.id,
            pool,
        })
    }

    /// alpha matches on its own mirror: what she needs and refuses leaves the desk in no request.
    async fn match_locally(&mut self, alpha: &Desk) -> Result<Vec<String>, Stop> {
        let directory = self.narrator.quietly("the mirror", alpha.mirror().await)?;
        let suitors: Vec<Suitor> = directory
            .members()
            .filter(|member| member.agency.as_str() != "alpha")
            .filter_map(|member| {
                Some(Suitor {
                    agency: member.agency.clone(),
                    parent: member.parent.clone(),
                    facts: member.bundle.as_ref()?.content().facts.clone(),
                    duties_stated: true,
                    capacity: member.capacity,
                })
            })
            .collect();
        let needs = Needs {
            purpose: Purpose::SafeAccommodation,
            group: vec![Member {
                age_from: 31,
                age_to: 31,
                gender: PlacementGender::Woman,
            }],
            settings: Vec::new(),
            languages: "ar".parse().into_iter().collect(),
            interpreter_gender: Some(PlacementGender::Woman),
            accessibility: Vec::new(),
            areas: "BELGRADE".parse().into_iter().collect(),
            now: alpha.now(),
            place_by: None,
            leaves_soon: false,
            excluded: Vec::new(),
            refused_reports: vec![ReportsTo::Police],
            refused_requirements: vec![Requirement::AsylumRegistration],
        };
        let ranking = matching::rank(&needs, &suitors);
        let chosen: Vec<String> = ranking
            .fit
            .iter()
            .take(3)
            .map(|fit| fit.agency.to_string())
            .collect();
        self.narrator.check(
            &format!(
                "alpha matches on its own mirror of the directory: {}.",
                chosen.join(", ")
            ),
            chosen.len() == 3,
        );
        let apart = ranking
            .apart
            .iter()
            .find(|apart| apart.agency.as_str() == "camp");
        let duties = apart.map(|apart| {
            apart
                .duties
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        });
        self.narrator.check(
            &format!(
                "camp stands apart, with the reason: {}. One tap cannot choose it.",
                duties.unwrap_or_default()
            ),
            apart.is_some(),
        );
        Ok(chosen)
    }

    async fn house1_listens(
        &mut self,
    ) -> Result<(Desk, crate::client::watch::Doorbells, PoolId), Stop> {
        let house1 = self.desk("house1", "night-1", StaffRole::Intake)?;
        let pool: PoolId = self.narrator.quietly("a pool's id", "women".parse())?;
        let places = house1.update_pool(&pool, 6, 0).await;
        self.narrator.quietly("house1 has six places", places)?;
        let mut doorbells = house1.watch(String::new());
        let first = timeout(RING_MAX, doorbells.next()).await;
        let first = first
            .map_err(|_| "no heartbeat")
            .and_then(|first| first.map_err(|_| "no stream"));
        self.narrator
            .quietly("house1 hears its doorbell stream", first)?;
        Ok((house1, doorbells, pool))
    }

    /// house2 reads its own triage parcel, under another alias, and is still thinking.
    async fn house2_looks(&mut self, house2: &Desk) -> Result<OfferView, Stop> {
        let offers = house2.offers().await;
        let offers = self.narrator.quietly("house2 lists its offers", offers)?;
        let offer = offers
            .into_iter()
            .find(|offer| offer.state == OfferState::Offered);
        let offer = self
            .narrator
            .quietly("the offer is there", offer.ok_or("no offer"))?;
        let parcel = house2.open(&offer, Stage::Triage).await;
        let parcel = self
            .narrator
            .quietly("house2 opens its triage parcel", parcel)?;
        self.seen.opened("house2", 'S', &parcel);
        Ok(offer)
    }

    /// The source's unattended process, with tonight's plan.
    async fn agent_at_work(
        &mut self,
        sent: &SentReferral,
        recipients: HashMap<crate::domain::id::AgencyId, LaterParcels>,
    ) -> Result<
        mpsc::UnboundedReceiver<Result<crate::client::agent::DepositedByAgent, ClientError>>,
        Stop,
    > {
        let desk = self.desk("alpha", "agent", StaffRole::Process)?;
        let agent = SourceAgent::new(desk);
        let purpose = Purpose::SafeAccommodation;
        agent.plan(Plan {
            referral: sent.referral,
            purpose,
            recipients,
        });
        let (tell, told) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let tell_one = tell.clone();
            let ended = agent
                .run(move |one| {
                    let _ = tell_one.send(one);
                })
                .await;
            if let Err(error) = ended {
                let _ = tell.send(Err(error));
            }
        });
        Ok(told)
    }

    /// What was acknowledged is there after `kill -9`.
    pub(super) async fn after_a_power_cut(&mut self, samira: &Samira) -> Result<(), Stop> {
        self.narrator.act("The power fails");
        let restarted = self.town.restart();
        self.narrator.need(
            "The router is killed with kill -9 and started again.",
            restarted,
        )?;
        let house1 = self.desk("house1", "night-1", StaffRole::Intake)?;
        let offer = house1.offer(samira.house1).await;
        let offer = self.narrator.quietly("house1 asks again", offer)?;
        let pools = house1.pools().await;
        let pools = self.narrator.quietly("house1 looks at its places", pools)?;
        let occupied = pools.iter().find(|pool| pool.pool == samira.pool);
        self.narrator.check(
            "She still has her bed, and the log goes on from where every agency saw it last.",
            offer.state == OfferState::InProgress
                && occupied.is_some_and(|pool| pool.occupied == 1),
        );
        Ok(())
    }
}

/// Waits for the bell of a new offer.
async fn ring(doorbells: &mut crate::client::watch::Doorbells) -> Result<(), ClientError> {
    loop {
        if let Doorbell::Ring {
            kind: EventKind::OfferReceived,
            ..
        } = doorbells.next().await?
        {
            return Ok(());
        }
    }
}

async fn decide(house1: &Desk, offer: OfferId, pool: &PoolId) -> Result<(), ClientError> {
    house1.acknowledge(offer).await?;
    house1.hold(offer, pool, 1).await?;
    house1.accept(offer, None).await?;
    Ok(())
}

/// What a parcel says, in one line of words.
pub(super) fn said(parcel: &crate::envelope::open::OpenedParcel) -> String {
    let facts = parcel.fields.iter().map(|field| {
        let name = field
            .field
            .path
            .split_once('.')
            .map_or("", |(_, name)| name);
        format!("{} {}", name.replace('_', " "), plain(&field.field.value))
    });
    format!("It says: {}.", facts.collect::<Vec<_>>().join("; "))
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Bool(true) => "yes".into(),
        serde_json::Value::Bool(false) => "no".into(),
        serde_json::Value::Array(items) => {
            items.iter().map(plain).collect::<Vec<_>>().join(" and ")
        }
        serde_json::Value::Object(members) => members
            .iter()
            .map(|(name, value)| format!("{name} {}", plain(value)))
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    }
}
