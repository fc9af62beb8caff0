//! Break-glass: every act of every access decided again, by the functions that the router asked.

use super::contents::Content;
use super::parcels::{digest, labels, word};
use super::{Act, Problem, Replay, SKEW};
use crate::domain::break_glass::{ACCESS_STAGE, Access, Ground, Party, Person, WINDOW};
use crate::domain::gate::GATE_VERSION;
use crate::domain::id::{AccessId, AgencyId, BasisChainId, OfferId, ParcelId};
use crate::domain::label::LabelSet;
use crate::domain::protocol::Protocol;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{AccessState, AgencyKind, Stage};
use crate::envelope::error::StatementError;
use crate::envelope::keys::{b64u, sha256};
use crate::envelope::statement::{Forward, LabelledDigest, ParcelStatement, labels_digest};
use crate::ledger::decision::{Decision, Deposited};
use crate::ledger::entry::Actor;

/// One access.
#[derive(Debug)]
pub(super) struct Glass {
    pub(super) access: Access,
    pub(super) offer: OfferId,
    /// The national duty officer's agency when it was asked for.
    line: Option<AgencyId>,
    /// The parcel released, and SHA-256 of its statement.
    parcel: Option<(ParcelId, String)>,
}

fn time(millis: i64) -> Result<Timestamp, Problem> {
    Timestamp::from_millis(millis).ok_or(Problem::Decision)
}

fn person(act: Act<'_>, staff: &str) -> Result<Person, Problem> {
    Ok(Person {
        agency: act.agency()?.clone(),
        staff: word(staff)?,
    })
}

impl Replay {
    /// One act of an access.
    pub(super) fn accesses(&mut self, act: Act<'_>, decision: &Decision) -> Result<(), Problem> {
        match decision {
            Decision::AccessRequested { .. } => self.access_requested(act, decision),
            Decision::AccessApproved {
                access,
                until,
                staff,
            } => {
                let until = time(*until)?;
                self.access_answered(act, access, Some(until), staff)
            }
            Decision::AccessRefused { access, staff } => {
                self.access_answered(act, access, None, staff)
            }
            Decision::AccessReleased {
                access,
                deposit,
                until,
                staff,
            } => self.access_released(act, access, deposit, time(*until)?, staff),
            Decision::AccessOpened { access, .. } => {
                self.counts.disclosures += 1;
                if let Ok(offer) = self.glass(access).map(|glass| glass.offer) {
                    self.told_again(offer);
                }
                self.access_opened(act, decision)?;
                self.counts.covered += 1;
                Ok(())
            }
            Decision::AccessEnded { access, to } => {
                let glass = self.glass(access)?;
                let to: AccessState = word(to)?;
                let over = matches!(to, AccessState::Ended | AccessState::Expired);
                if *act.by != Actor::Router {
                    Err(Problem::Actor)
                } else if over && glass.access.state(act.at) == to {
                    Ok(())
                } else {
                    Err(Problem::Move)
                }
            }
            Decision::AccessReviewed {
                access,
                finding,
                staff,
            } => {
                let by = person(act, staff)?;
                let kind = self.agencies.member(&by.agency)?;
                let oversees = matches!(
                    kind,
                    AgencyKind::Ombudsperson | AgencyKind::DataProtectionAuthority
                );
                let reviewer = self.agencies.party(&by.agency)?;
                let requester = self.requester(access)?;
                let finding = word(finding)?;
                self.glass_mut(access)?
                    .access
                    .review((&requester, &reviewer), &by, oversees, finding, act.at)
                    .map_err(Problem::Access)
            }
            _ => Ok(()),
        }
    }

    fn glass(&self, id: &str) -> Result<&Glass, Problem> {
        self.glass
            .get(&word::<AccessId>(id)?)
            .ok_or(Problem::NoAccess)
    }

    fn glass_mut(&mut self, id: &str) -> Result<&mut Glass, Problem> {
        self.glass
            .get_mut(&word::<AccessId>(id)?)
            .ok_or(Problem::NoAccess)
    }

    fn requester(&self, id: &str) -> Result<Party, Problem> {
        self.agencies.party(&self.glass(id)?.access.requester)
    }

    fn protocol_of(&self, version: u64, gate: u32) -> Result<&Protocol, Problem> {
        if gate != GATE_VERSION {
            return Err(Problem::GateVersion(gate));
        }
        let protocol = self.administration.protocol();
        protocol
            .filter(|protocol| protocol.version() == version)
            .ok_or(Problem::ProtocolVersion)
    }

    /// What an access to `offer` stands on at the time of the act.
    fn ground<'a>(
        &self,
        act: Act<'_>,
        offer: &OfferId,
        protocol: &'a Protocol,
    ) -> Result<Ground<'a>, Problem> {
        let offer = self.offers.offer(offer)?;
        // Of what is passed on, also at everybody whom it came from. Nobody passes on to who held it, so this ends.
        let mut taken_back = false;
        let mut next = Some(offer);
        while let Some(at) = next {
            let of = (&at.source, at.case, &at.recipient);
            taken_back |= self.bases.taken_back(of.0, of.1, of.2, act.at);
            next = at.forwards.map(|id| self.offers.offer(&id)).transpose()?;
        }
        Ok(Ground {
            requester_kind: self.agencies.member(&offer.recipient)?,
            offer: offer.state_at(act.at),
            taken_back,
            protocol,
        })
    }

    fn access_requested(&mut self, act: Act<'_>, decision: &Decision) -> Result<(), Problem> {
        let Decision::AccessRequested {
            access,
            offer,
            reason,
            labels,
            until,
            protocol,
            gate,
            ..
        } = decision
        else {
            return Err(Problem::Decision);
        };
        let (id, offer): (AccessId, OfferId) = (word(access)?, word(offer)?);
        let made = self.offers.offer(&offer)?;
        act.by(&made.recipient)?;
        let labels: Result<LabelSet, Problem> = labels.iter().map(|label| word(label)).collect();
        let protocol = self.protocol_of(*protocol, *gate)?;
        let asked = Access::request(
            (made.recipient.clone(), made.source.clone()),
            word(reason)?,
            labels?,
            &self.ground(act, &offer, protocol)?,
            (act.at, time(*until)?),
        )
        .map_err(Problem::Access)?;
        let glass = Glass {
            access: asked,
            offer,
            line: protocol.duty_line().cloned(),
            parcel: None,
        };
        match self.glass.insert(id, glass) {
            None => Ok(()),
            Some(_) => Err(Problem::NoAccess),
        }
    }

    fn access_answered(
        &mut self,
        act: Act<'_>,
        id: &str,
        until: Option<Timestamp>,
        staff: &str,
    ) -> Result<(), Problem> {
        let by = person(act, staff)?;
        self.agencies.member(&by.agency)?;
        let parties = (&self.requester(id)?, &self.agencies.party(&by.agency)?);
        let glass = self.glass_mut(id)?;
        let line = glass.line.clone();
        glass
            .access
            .answer(parties, by, line.as_ref(), until, act.at)
            .map_err(Problem::Access)
    }

    fn access_released(
        &mut self,
        act: Act<'_>,
        id: &str,
        deposit: &Deposited,
        until: Timestamp,
        staff: &str,
    ) -> Result<(), Problem> {
        self.counts.deposits += 1;
        let access: AccessId = word(id)?;
        let glass = self.glass(id)?;
        act.by(&glass.access.source)?;
        self.agencies.member(&glass.access.source)?;
        let offer = self.offers.offer(&glass.offer)?;
        let statement = deposit.statement.as_bytes();
        let key = self.agencies.signer_of(&offer.source, statement, act.at)?;
        let parsed = ParcelStatement::parse(statement, key).map_err(Problem::Parcel)?;
        let claims = parsed.claims();
        let parcel: ParcelId = word(&deposit.parcel)?;
        let same = claims.recipient == offer.recipient
            && claims.purpose == offer.purpose
            && claims.stage == ACCESS_STAGE
            && word::<Stage>(&deposit.stage)? == ACCESS_STAGE
            && claims.parcel == parcel
            && claims.parent.is_none()
            && claims.supersedes.is_none()
            && claims.forward == Forward::default();
        if !same {
            return Err(Problem::ParcelOther);
        }
        let in_time =
            parsed.stands(act.at, SKEW) && until == claims.expires && until <= act.at.plus(WINDOW);
        if !in_time {
            return Err(Problem::ParcelTime);
        }
        let labels = labels(deposit)?;
        let listed = |item: &LabelledDigest| claims.digests.binary_search(&item.digest).is_ok();
        if labels_digest(&labels) != claims.labels || !labels.iter().all(listed) {
            return Err(Problem::Parcel(StatementError::Labels));
        }
        let bundle = self.agencies.bundle(&offer.recipient, act.at)?;
        let sealed_to = bundle.sealing_key(&claims.kid);
        parsed
            .check_key(sealed_to.ok_or(Problem::Parcel(StatementError::Key))?)
            .map_err(Problem::Parcel)?;
        let chain = BasisChainId::from_random(*access.as_bytes());
        parsed
            .check_basis(&digest(&deposit.salt)?, &chain)
            .map_err(Problem::Parcel)?;

        let protocol = self.protocol_of(deposit.protocol, deposit.gate)?;
        let ground = self.ground(act, &glass.offer, protocol)?;
        let told: LabelSet = labels.iter().map(|item| item.label).collect();
        let mut decided = glass.access.clone();
        let _permit = decided
            .release(person(act, staff)?, told, &ground, (act.at, until))
            .map_err(Problem::Access)?;
        let glass = self.glass_mut(id)?;
        glass.access = decided;
        self.contents.carry(act, Content::Access(access));
        let glass = self.glass_mut(id)?;
        glass.parcel = Some((parcel, b64u(&sha256(statement))));
        Ok(())
    }

    fn access_opened(&self, act: Act<'_>, decision: &Decision) -> Result<(), Problem> {
        let Decision::AccessOpened {
            access,
            parcel,
            statement_hash,
            protocol,
            gate,
            ..
        } = decision
        else {
            return Err(Problem::Decision);
        };
        let glass = self.glass(access)?;
        act.by(&glass.access.requester)?;
        let opened = (word::<ParcelId>(parcel)?, statement_hash.clone());
        if glass.parcel.as_ref() != Some(&opened) {
            return Err(Problem::NoParcel);
        }
        let protocol = self.protocol_of(*protocol, *gate)?;
        let ground = self.ground(act, &glass.offer, protocol)?;
        let permit = glass.access.permit_opening(&ground, act.at);
        permit.map(|_| ()).map_err(Problem::Access)
    }
}
