//! Messages: who posted what to whom, and every opening decided again by the gate.

use super::contents::Content;
use super::offers::Offer;
use super::parcels::{digest, listed_labels, word};
use super::{Act, Problem, Replay, SKEW};
use crate::domain::gate::{self, BasisHead, GATE_VERSION, Permit, Proposal, Refusal, Reply};
use crate::domain::id::{BasisChainId, OfferId, ParcelId};
use crate::domain::label::LabelSet;
use crate::domain::message::MESSAGES_PER_SIDE_MAX;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{MessageCode, OfferState, Stage};
use crate::envelope::error::StatementError;
use crate::envelope::keys::{b64u, sha256};
use crate::envelope::statement::MessageStatement;
use crate::ledger::decision::{Decision, LabelledDigest};

/// A sealed message as posted.
#[derive(Debug)]
pub(super) struct Posted {
    /// The chain that it stands on; none for a reply.
    chain: Option<BasisChainId>,
    stage: Stage,
    parcel: ParcelId,
    statement_hash: String,
    expires: Timestamp,
    labels: LabelSet,
}

/// What the decision says of a sealed message.
struct Sealed<'a> {
    statement: &'a str,
    parcel: &'a str,
    stage: &'a str,
    labels: &'a [LabelledDigest],
    versions: (u64, u32),
    /// Chain and salt; none for a reply.
    chain: Option<(&'a str, &'a str)>,
}

impl Replay {
    /// A message that is posted or opened.
    pub(super) fn message(&mut self, act: Act<'_>, decision: &Decision) -> Result<(), Problem> {
        match decision {
            Decision::MessagePosted {
                offer,
                number,
                code,
                sealed,
                reply,
                ..
            } => {
                let id: OfferId = word(offer)?;
                let told = match (code, sealed, reply) {
                    (Some(code), None, None) => {
                        word::<MessageCode>(code)?;
                        None
                    }
                    (None, Some(sealed), None) => Some(Sealed {
                        statement: &sealed.statement,
                        parcel: &sealed.parcel,
                        stage: &sealed.stage,
                        labels: &sealed.labels,
                        versions: (sealed.protocol, sealed.gate),
                        chain: Some((&sealed.chain, &sealed.salt)),
                    }),
                    (None, None, Some(reply)) => Some(Sealed {
                        statement: &reply.statement,
                        parcel: &reply.parcel,
                        stage: &reply.stage,
                        labels: &reply.labels,
                        versions: (reply.protocol, reply.gate),
                        chain: None,
                    }),
                    _ => return Err(Problem::Decision),
                };
                self.posted(act, id, *number, told)
            }
            Decision::MessageOpened {
                offer,
                number,
                parcel,
                statement_hash,
                protocol,
                gate,
                ..
            } => {
                self.counts.disclosures += 1;
                let at: (OfferId, u32) = (word(offer)?, *number);
                if self
                    .offers
                    .offer(&at.0)
                    .is_ok_and(|offer| act.by(&offer.recipient).is_ok())
                {
                    self.told_again(at.0);
                }
                let (parcel, versions) = (word(parcel)?, (*protocol, *gate));
                self.message_opened(act, at, parcel, statement_hash, versions)?;
                self.counts.covered += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn posted(
        &mut self,
        act: Act<'_>,
        id: OfferId,
        number: u32,
        sealed: Option<Sealed<'_>>,
    ) -> Result<(), Problem> {
        let offer = self.offers.offer_mut(&id)?;
        let next = offer.messages.checked_add(1);
        let unasked = offer.state == OfferState::Queued;
        let by_recipient = act.by(&offer.recipient).is_ok();
        let own_so_far = if by_recipient {
            offer.messages_of_recipient
        } else {
            offer.messages.saturating_sub(offer.messages_of_recipient)
        };
        if next != Some(number) || own_so_far >= MESSAGES_PER_SIDE_MAX || unasked {
            return Err(Problem::Message);
        }
        offer.messages = number;
        offer.messages_of_recipient += u32::from(by_recipient);
        let Some(sealed) = sealed else {
            let offer = self.offers.offer(&id)?;
            return act.by(&offer.source).or(act.by(&offer.recipient));
        };
        self.counts.deposits += 1;
        let offer = self.offers.offer(&id)?;
        let (from, to) = match sealed.chain {
            Some(_) => (&offer.source, &offer.recipient),
            None => (&offer.recipient, &offer.source),
        };
        act.by(from)?;
        let statement = sealed.statement.as_bytes();
        let key = self.agencies.signer_of(from, statement, act.at)?;
        let message = MessageStatement::parse(statement, key).map_err(Problem::Parcel)?;
        let (stage, parcel): (Stage, ParcelId) = (word(sealed.stage)?, word(sealed.parcel)?);
        let claims = message.statement().claims();
        let same = message.offer() == id
            && claims.recipient == *to
            && claims.purpose == offer.purpose
            && claims.stage == stage
            && claims.parcel == parcel;
        if !same {
            return Err(Problem::ParcelOther);
        }
        if !message.statement().stands(act.at, SKEW) {
            return Err(Problem::ParcelTime);
        }
        let labels = listed_labels(sealed.labels, claims)?;
        let labels = labels.iter().map(|item| item.label).collect();
        let bundle = self.agencies.bundle(to, act.at)?;
        let sealed_to = bundle.sealing_key(&claims.kid);
        let sealed_to = sealed_to.ok_or(Problem::Parcel(StatementError::Key))?;
        let checked = message.statement().check_key(sealed_to);
        checked.map_err(Problem::Parcel)?;
        let chain = match sealed.chain {
            Some((chain, salt)) => {
                let chain: BasisChainId = word(chain)?;
                let salt = digest(salt)?;
                let committed = message.statement().check_basis(&salt, &chain);
                committed.map_err(Problem::Parcel)?;
                Some(chain)
            }
            None => {
                message.check_reply().map_err(Problem::Parcel)?;
                None
            }
        };
        let posted = Posted {
            chain,
            stage,
            parcel,
            statement_hash: b64u(&sha256(statement)),
            expires: claims.expires,
            labels,
        };
        let decided = self.message_gate(act, (id, offer), &posted, sealed.versions);
        self.contents.carry(act, Content::Said(id, posted.chain));
        self.messages.insert((id, number), posted);
        decided.map_err(|problem| match problem {
            Problem::NotCovered(refusal) => Problem::DepositNotCovered(refusal),
            other => other,
        })
    }

    fn message_opened(
        &self,
        act: Act<'_>,
        at: (OfferId, u32),
        parcel: ParcelId,
        statement_hash: &str,
        versions: (u64, u32),
    ) -> Result<(), Problem> {
        let offer = self.offers.offer(&at.0)?;
        let posted = self.messages.get(&at).ok_or(Problem::Message)?;
        let reader = match posted.chain {
            Some(_) => &offer.recipient,
            None => &offer.source,
        };
        act.by(reader)?;
        if posted.parcel != parcel || posted.statement_hash != statement_hash {
            return Err(Problem::Message);
        }
        if act.at >= posted.expires {
            return Err(Problem::ParcelTime);
        }
        self.message_gate(act, (at.0, offer), posted, versions)
    }

    /// The gate, as the router ran it, at the time of the entry.
    fn message_gate(
        &self,
        act: Act<'_>,
        (id, offer): (OfferId, &Offer),
        posted: &Posted,
        (version, gate): (u64, u32),
    ) -> Result<(), Problem> {
        if gate != GATE_VERSION {
            return Err(Problem::GateVersion(gate));
        }
        let protocol = self.administration.protocol();
        let protocol = protocol.filter(|protocol| protocol.version() == version);
        let protocol = protocol.ok_or(Problem::ProtocolVersion)?;
        let (state, recipient_kind) = (
            offer.state_at(act.at),
            self.agencies.member(&offer.recipient)?,
        );
        let standing = offer.parcels.values();
        let standing = standing.filter_map(|parcel| self.parcels.get(&(id, *parcel)));
        let mut chains: Vec<BasisChainId> = standing.map(|parcel| parcel.chain).collect();
        if let Some(chain) = posted.chain {
            if !chains.contains(&chain) {
                return Err(Problem::NoBasis);
            }
            chains = vec![chain];
        }
        let mut last = Err(Refusal::NotAllowed);
        for chain in chains {
            let head = self.bases.head(&offer.source, chain)?;
            let decided: Result<Permit, Refusal> = if posted.chain.is_some() {
                let proposal = Proposal {
                    source: &offer.source,
                    recipient: &offer.recipient,
                    recipient_kind,
                    purpose: offer.purpose,
                    stage: posted.stage,
                    labels: posted.labels,
                };
                gate::permit_message(&proposal, state, head, protocol, act.at)
            } else {
                let reply = Reply {
                    source: &offer.source,
                    recipient: &offer.recipient,
                    recipient_kind,
                    purpose: offer.purpose,
                    labels: posted.labels,
                };
                gate::permit_reply(&reply, state, head, protocol, act.at)
            };
            match (decided, head) {
                (Ok(_), _) => return Ok(()),
                (Err(_), BasisHead::Withdrawn) if posted.chain.is_some() => {
                    return Err(Problem::AfterWithdrawal);
                }
                (Err(refusal), _) => last = Err(refusal),
            }
        }
        last.map_err(Problem::NotCovered)
    }
}
