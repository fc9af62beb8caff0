//! Parcels: what was deposited on which basis, and every opening decided again by the gate.

use super::offers::{End, Offer};
use super::{Act, Content, Problem, Replay, SKEW};
use crate::domain::gate::{self, BasisHead, GATE_VERSION, Proposal, Refusal};
use crate::domain::id::{BasisChainId, OfferId, ParcelId};
use crate::domain::label::{Label, LabelSet};
use crate::domain::protocol::Protocol;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{Category, Form, OfferState, Stage};
use crate::envelope::error::StatementError;
use crate::envelope::keys::{b64u, sha256};
use crate::envelope::statement::{
    Forward, LabelledDigest, ParcelClaims, ParcelStatement, labels_digest,
};
use crate::ledger::decision::{Decision, Deposited};
use data_encoding::BASE64URL_NOPAD;
use std::collections::BTreeMap;
use std::str::FromStr;

/// A parcel as deposited, as far as later acts rest on it.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) stage: Stage,
    pub(super) statement_hash: String,
    pub(super) expires: Timestamp,
    pub(super) labels: LabelSet,
    pub(super) chain: BasisChainId,
    /// Its labels with their digests, sorted.
    pub(super) items: Vec<LabelledDigest>,
    pub(super) forward: Forward,
    /// The parcel that it passes on.
    pub(super) parent: Option<(OfferId, ParcelId)>,
    pub(super) opened: bool,
}

pub(super) fn word<T: FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::Decision)
}

pub(super) fn digest(text: &str) -> Result<[u8; 32], Problem> {
    let bytes = BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map_err(|_| Problem::Decision)?;
    bytes.try_into().map_err(|_| Problem::Decision)
}

impl Replay {
    /// Offers with their parcels, later deposits, and openings.
    pub(super) fn parcels(
        &mut self,
        act: Act<'_>,
        decision: &Decision,
        problems: &mut Vec<Problem>,
    ) {
        match decision {
            Decision::Offered {
                deposits, offer, ..
            } => match self.offered(act, decision) {
                Ok(()) => {
                    for deposit in deposits {
                        problems.extend(self.deposited(act, offer, deposit, false).err());
                    }
                }
                Err(problem) => problems.push(problem),
            },
            Decision::Deposited { offer, deposit, .. } => {
                problems.extend(self.deposited(act, offer, deposit, false).err());
            }
            Decision::Amended { offer, deposit, .. } => {
                problems.extend(self.deposited(act, offer, deposit, true).err());
            }
            Decision::Opened {
                offer,
                stage,
                parcel,
                statement_hash,
                protocol,
                gate,
                ..
            } => {
                self.counts.disclosures += 1;
                let opened = Opened {
                    offer,
                    stage,
                    parcel,
                    statement_hash,
                };
                match self.opened(act, opened, *protocol, *gate) {
                    Ok(()) => self.counts.covered += 1,
                    Err(problem) => problems.push(problem),
                }
            }
            _ => {}
        }
    }

    fn offered(&mut self, act: Act<'_>, decision: &Decision) -> Result<(), Problem> {
        let Decision::Offered {
            offer,
            referral,
            case,
            recipient,
            purpose,
            urgency,
            decide_by,
            place_by,
            forwards,
            ..
        } = decision
        else {
            return Err(Problem::Decision);
        };
        let source = act.agency()?;
        self.agencies.member(source)?;
        let made = Offer {
            source: source.clone(),
            recipient: word(recipient)?,
            referral: word(referral)?,
            case: word(case)?,
            purpose: word(purpose)?,
            decide_by: Timestamp::from_millis(*decide_by).ok_or(Problem::Decision)?,
            state: match decide_by {
                // Next in line: its turn says when it must decide.
                0 => OfferState::Queued,
                _ => OfferState::Offered,
            },
            urgency: word(urgency)?,
            proposed_by: None,
            parcels: BTreeMap::new(),
            forwards: None,
            holders: Vec::new(),
            transfer: None,
            held: BTreeMap::new(),
            corrected: std::collections::BTreeSet::new(),
            messages: 0,
            messages_of_recipient: 0,
            place_by: place_by
                .map(|at| Timestamp::from_millis(at).ok_or(Problem::Decision))
                .transpose()?,
        };
        let made = self.passed_on(made, forwards.as_deref())?;
        self.agencies.member(&made.recipient)?;
        let in_time = made.state == OfferState::Queued || made.has_time(act.at, made.decide_by);
        self.offers.insert(word(offer)?, made)?;
        if in_time { Ok(()) } else { Err(Problem::Turn) }
    }

    fn deposited(
        &mut self,
        act: Act<'_>,
        offer: &str,
        deposit: &Deposited,
        amends: bool,
    ) -> Result<(), Problem> {
        self.counts.deposits += 1;
        let id: OfferId = word(offer)?;
        let offer = self.offers.offer(&id)?;
        act.by(&offer.source)?;
        let (parcel, stage): (ParcelId, Stage) = (word(&deposit.parcel)?, word(&deposit.stage)?);
        let chain: BasisChainId = word(&deposit.chain)?;

        let statement = deposit.statement.as_bytes();
        let key = self.agencies.signer_of(&offer.source, statement, act.at)?;
        let parsed = ParcelStatement::parse(statement, key).map_err(Problem::Parcel)?;
        let claims = parsed.claims();
        let same = claims.recipient == offer.recipient
            && claims.purpose == offer.purpose
            && claims.stage == stage
            && claims.parcel == parcel;
        if !same {
            return Err(Problem::ParcelOther);
        }
        if !parsed.stands(act.at, SKEW) {
            return Err(Problem::ParcelTime);
        }
        let corrects = offer.held.get(&stage).or(offer.parcels.get(&stage));
        let superseded = if amends { corrects.copied() } else { None };
        if claims.supersedes != superseded || amends != superseded.is_some() {
            return Err(Problem::Supersession);
        }
        if !amends && offer.held.contains_key(&stage) {
            // What was opened is corrected, never replaced unsaid.
            return Err(Problem::Supersession);
        }
        let labels = listed_labels(&deposit.labels, claims)?;
        let bundle = self.agencies.bundle(&offer.recipient, act.at)?;
        let sealed_to = bundle.sealing_key(&claims.kid);
        parsed
            .check_key(sealed_to.ok_or(Problem::Parcel(StatementError::Key))?)
            .map_err(Problem::Parcel)?;
        parsed
            .check_basis(&digest(&deposit.salt)?, &chain)
            .map_err(Problem::Parcel)?;
        if self
            .bases
            .case(&offer.source, chain)
            .is_some_and(|case| case != offer.case)
        {
            return Err(Problem::NoBasis);
        }

        let items = labels;
        let labels = items.iter().map(|item| item.label).collect();
        let onward = claims.forward.clone();
        let (parent, agreed) = match self.parent_of(act, offer, claims, &items) {
            Ok(parent) => (parent, Ok(())),
            Err(problem) => (None, Err(problem)),
        };
        let complaint = self.complaint(offer, &chain, labels);
        let (expires, statement_hash) = (claims.expires, b64u(&sha256(statement)));
        let decided = self.gate(
            act,
            offer,
            stage,
            labels,
            &chain,
            deposit.protocol,
            deposit.gate,
            false,
        );
        // What stands under an uncovered deposit is judged again at its opening, so it is kept either way.
        let stood = self.parcels.get(&(id, parcel));
        if stood.is_some_and(|stood| stood.statement_hash != statement_hash) {
            return Err(Problem::ParcelOther);
        }
        self.contents.carry(act, Content::Parcel(id, stage, parcel));
        let stands = self.offers.offer_mut(&id)?;
        stands.parcels.insert(stage, parcel);
        if amends && stands.held.contains_key(&stage) {
            stands.corrected.insert(stage);
        }
        self.parcels.insert(
            (id, parcel),
            Parcel {
                stage,
                statement_hash,
                expires,
                labels,
                chain,
                items,
                forward: onward,
                parent,
                opened: false,
            },
        );
        decided.and(agreed).and(complaint)
    }

    fn opened(
        &mut self,
        act: Act<'_>,
        opened: Opened<'_>,
        protocol: u64,
        gate: u32,
    ) -> Result<(), Problem> {
        let id: OfferId = word(opened.offer)?;
        let offer = self.offers.offer(&id)?;
        act.by(&offer.recipient)?;
        let stage: Stage = word(opened.stage)?;
        let parcel_id: ParcelId = word(opened.parcel)?;
        let parcel = self
            .parcels
            .get(&(id, parcel_id))
            .ok_or(Problem::NoParcel)?;
        let stands = offer.parcels.get(&stage) == Some(&parcel_id)
            && parcel.stage == stage
            && parcel.statement_hash == opened.statement_hash;
        if !stands {
            return Err(Problem::NoParcel);
        }
        if act.at >= parcel.expires {
            return Err(Problem::ParcelTime);
        }
        let decided = self.gate(
            act,
            offer,
            stage,
            parcel.labels,
            &parcel.chain,
            protocol,
            gate,
            true,
        );
        let stands = self.ancestors_stand(act, parcel, parcel.labels);
        // Who said yes reads on when the first source closes; what should never have been made is read by nobody.
        let placed = matches!(
            offer.state_at(act.at),
            OfferState::Accepted | OfferState::InProgress
        );
        let ended = match self.offers.end_of(offer.forwards) {
            Some(End::InError) => Err(Problem::Ended),
            Some(End::Closed) if !placed => Err(Problem::Ended),
            _ => Ok(()),
        };
        let (of, labels) = ((offer.source.clone(), offer.case), parcel.labels);
        let released = self.released.entry(of).or_default();
        *released = released.union(labels);
        if let Some(parcel) = self.parcels.get_mut(&(id, parcel_id)) {
            parcel.opened = true;
        }
        // Covered or not, the recipient has it in hand now.
        let offer = self.offers.offer_mut(&id)?;
        offer.held.insert(stage, parcel_id);
        self.told_again(id);
        decided.and(ended).and(stands)
    }

    /// The gate, as the router ran it, at the time of the entry.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn gate(
        &self,
        act: Act<'_>,
        offer: &Offer,
        stage: Stage,
        labels: LabelSet,
        chain: &BasisChainId,
        version: u64,
        gate: u32,
        opening: bool,
    ) -> Result<(), Problem> {
        if gate != GATE_VERSION {
            return Err(Problem::GateVersion(gate));
        }
        let protocol = self
            .administration
            .protocol()
            .ok_or(Problem::ProtocolVersion)?;
        if Protocol::version(protocol) != version {
            return Err(Problem::ProtocolVersion);
        }
        let proposal = Proposal {
            source: &offer.source,
            recipient: &offer.recipient,
            recipient_kind: self.agencies.member(&offer.recipient)?,
            purpose: offer.purpose,
            stage,
            labels,
        };
        let head = self.bases.head(&offer.source, *chain)?;
        let decided = if opening {
            gate::permit_opening(&proposal, offer.state_at(act.at), head, protocol, act.at)
        } else {
            gate::permit(&proposal, head, protocol, act.at)
        };
        match (decided, head) {
            (Ok(permit), _) if permit.protocol() == version => Ok(()),
            (Ok(_), _) => Err(Problem::ProtocolVersion),
            (Err(Refusal::NotInForce), BasisHead::Withdrawn) if opening => {
                Err(Problem::AfterWithdrawal)
            }
            (Err(refusal), _) if opening => Err(Problem::NotCovered(refusal)),
            (Err(refusal), _) => Err(Problem::DepositNotCovered(refusal)),
        }
    }
}

/// The words of an opening.
#[derive(Debug, Clone, Copy)]
struct Opened<'a> {
    offer: &'a str,
    stage: &'a str,
    parcel: &'a str,
    statement_hash: &'a str,
}

pub(super) fn labels(deposit: &Deposited) -> Result<Vec<LabelledDigest>, Problem> {
    parse(&deposit.labels)
}

/// The labels that a decision lists, if they are those that the statement signs.
pub(super) fn listed_labels(
    items: &[crate::ledger::decision::LabelledDigest],
    claims: &ParcelClaims,
) -> Result<Vec<LabelledDigest>, Problem> {
    let labels = parse(items)?;
    let listed = |item: &LabelledDigest| claims.digests.binary_search(&item.digest).is_ok();
    if labels_digest(&labels) != claims.labels || !labels.iter().all(listed) {
        return Err(Problem::Parcel(StatementError::Labels));
    }
    Ok(labels)
}

fn parse(
    items: &[crate::ledger::decision::LabelledDigest],
) -> Result<Vec<LabelledDigest>, Problem> {
    let label = |item: &crate::ledger::decision::LabelledDigest| {
        let (category, form): (Category, Form) = (word(&item.cat)?, word(&item.form)?);
        let label = Label::new(category, form).map_err(|_| Problem::Decision)?;
        Ok(LabelledDigest {
            digest: digest(&item.d)?,
            label,
        })
    };
    items.iter().map(label).collect()
}
