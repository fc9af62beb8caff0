//! A small model of what may be in a ledger, written from the invariants alone.
//!
//! It folds the decisions in their order and asks neither the gate nor replay: whatever both of them got wrong would
//! be found here. It is also how the players know where things stand.

mod access;
mod offers;
mod places;
mod said;

use super::cast::Book;
use crate::domain::basis::Basis;
use crate::domain::id::{AgencyId, AttachmentId, BasisChainId, CaseHandle, OfferId, ReferralId};
use crate::domain::label::LabelSet;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{OfferState, Purpose, Stage, TransferState};
use crate::ledger::decision::Decision;
use crate::ledger::entry::{Actor, Entry, EntryBody, Opening};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::str::FromStr;

pub use access::Glass;
pub use places::Pool;

/// What is wrong, with the number of the invariant.
pub type Wrong = String;

macro_rules! must {
    ($ok:expr, $($why:tt)+) => {
        if !$ok {
            return Err(format!($($why)+));
        }
    };
}
pub(super) use must;

pub(super) fn word<T: FromStr>(text: &str) -> Result<T, Wrong> {
    text.parse().map_err(|_| format!("not a word: {text}"))
}

pub(super) fn time(millis: i64) -> Result<Timestamp, Wrong> {
    Timestamp::from_millis(millis).ok_or_else(|| "not a time".to_owned())
}

/// A basis chain.
#[derive(Debug, Clone)]
pub struct Chain {
    /// None after the withdrawal.
    pub head: Option<Basis>,
    pub last: Basis,
    pub pauses: u64,
    pub erase: bool,
}

/// A parcel as deposited.
#[derive(Debug, Clone)]
pub struct Parcel {
    pub id: String,
    pub chain: BasisChainId,
    pub labels: LabelSet,
    pub statement: String,
}

/// A message as posted.
#[derive(Debug, Clone)]
pub struct Message {
    pub from_source: bool,
    pub sealed: Option<(Option<BasisChainId>, LabelSet)>,
}

/// One offer.
#[derive(Debug, Clone)]
pub struct Offer {
    pub id: OfferId,
    pub source: AgencyId,
    pub recipient: AgencyId,
    pub referral: ReferralId,
    pub case: CaseHandle,
    pub purpose: Purpose,
    pub state: OfferState,
    pub decide_by: Timestamp,
    pub forwards: Option<OfferId>,
    pub parcels: BTreeMap<Stage, Parcel>,
    /// What its recipient opened last of each stage.
    pub held: BTreeMap<Stage, String>,
    pub corrected: BTreeSet<Stage>,
    pub transfer: Option<TransferState>,
    pub proposed_by: Option<String>,
    pub erasure: Option<String>,
    pub messages: Vec<Message>,
    pub attachments: Vec<(AttachmentId, Stage)>,
    decided: bool,
}

impl Offer {
    /// Where it stands: who lets the time run out has lapsed.
    pub fn at(&self, now: Timestamp) -> OfferState {
        let clocked = matches!(
            self.state,
            OfferState::Offered | OfferState::Received | OfferState::InformationRequested
        );
        if clocked && self.decide_by <= now {
            OfferState::Lapsed
        } else {
            self.state
        }
    }

    pub fn undecided(&self, now: Timestamp) -> bool {
        let state = self.at(now);
        matches!(
            state,
            OfferState::Offered
                | OfferState::Received
                | OfferState::InformationRequested
                | OfferState::Waitlisted
        )
    }

    pub fn placed(&self) -> bool {
        matches!(self.state, OfferState::Accepted | OfferState::InProgress)
    }

    /// Whether a stage may be read in a state.
    pub fn opens(&self, stage: Stage, now: Timestamp) -> bool {
        match stage {
            Stage::Triage => self.undecided(now) || self.placed(),
            Stage::Accepted => self.placed(),
            Stage::InCare => self.state == OfferState::InProgress,
        }
    }
}

/// One recipient's group.
#[derive(Debug, Clone)]
pub struct Group {
    pub id: String,
    pub recipient: AgencyId,
    pub offers: Vec<OfferId>,
    pub together: bool,
}

/// What is to be told, to whom, on which chain.
pub(super) struct Proposed<'a> {
    pub source: &'a AgencyId,
    pub recipient: &'a AgencyId,
    pub case: CaseHandle,
    pub purpose: Purpose,
    pub labels: LabelSet,
    pub chain: BasisChainId,
    pub at: Timestamp,
}

/// Everything that the ledger says so far.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub chains: BTreeMap<(AgencyId, [u8; 16]), Chain>,
    pauses: BTreeMap<(AgencyId, [u8; 16]), u64>,
    pub offers: Vec<Offer>,
    index: HashMap<OfferId, usize>,
    /// Parcels by the digest of their statement, with their offer.
    told: HashMap<[u8; 32], (OfferId, Stage, Parcel)>,
    accepted: BTreeSet<(AgencyId, [u8; 16])>,
    pub ended: BTreeSet<(AgencyId, [u8; 16])>,
    pub groups: Vec<Group>,
    /// Of a decision on a group: who has still to follow in the same batch.
    following: Vec<(OfferId, OfferState)>,
    pub pools: BTreeMap<AgencyId, Pool>,
    pub glass: Vec<Glass>,
    pub alerts: Vec<(AgencyId, String)>,
    /// Requests to go on: id, source, once it is known.
    pub resumes: Vec<(String, Option<AgencyId>)>,
    pub carried: Vec<(AgencyId, String, String)>,
    /// Disclosures counted.
    pub disclosures: u64,
}

impl Model {
    pub fn offer(&self, id: OfferId) -> Result<&Offer, Wrong> {
        let at = self.index.get(&id).ok_or("an offer that nobody made")?;
        Ok(&self.offers[*at])
    }

    fn offer_mut(&mut self, id: &str) -> Result<&mut Offer, Wrong> {
        let id: OfferId = word(id)?;
        let at = self.index.get(&id).ok_or("an offer that nobody made")?;
        Ok(&mut self.offers[*at])
    }

    fn paused(&self, source: &AgencyId, case: CaseHandle) -> u64 {
        let pauses = self.pauses.get(&(source.clone(), *case.as_bytes()));
        pauses.copied().unwrap_or_default()
    }

    /// The heads in force at a moment.
    pub fn in_force(&self, now: Timestamp) -> impl Iterator<Item = &Basis> {
        let chains = self.chains.values();
        chains.filter_map(move |chain| {
            let basis = chain.head.as_ref()?;
            let stands = chain.pauses == self.paused(&basis.source, basis.case);
            let allow = basis.allows.first()?;
            (stands && basis.from <= now && now < allow.until).then_some(basis)
        })
    }

    /// Invariants 12, 13, 15: on an allow-list, under a statement that heads its chain, at that moment.
    pub(super) fn covered(&self, of: &Proposed<'_>) -> Result<(), Wrong> {
        let name = (of.source.clone(), *of.chain.as_bytes());
        let chain = self.chains.get(&name).ok_or("12: no basis")?;
        let basis = chain.head.as_ref().ok_or("13: told after the withdrawal")?;
        let paused = self.paused(of.source, of.case);
        must!(chain.pauses == paused, "13: told after the card was shown");
        let parties = basis.recipient == *of.recipient && basis.case == of.case;
        must!(parties, "12: a basis for somebody else");
        for label in of.labels.iter() {
            let allowed = basis.allows.iter().any(|allow| {
                let period = basis.from <= of.at && of.at < allow.until;
                allow.purposes.contains(&of.purpose)
                    && allow.labels.closed().contains(label)
                    && period
            });
            must!(
                allowed,
                "15: {label} is not on the list of {}",
                of.recipient
            );
        }
        Ok(())
    }

    /// That a decision on a group was followed by all of it, in one batch.
    pub fn settled(&self) -> Result<(), Wrong> {
        must!(
            self.following.is_empty(),
            "a group was not decided on as one"
        );
        Ok(())
    }

    /// Takes the next entry.
    pub fn take(
        &mut self,
        entry: &Entry,
        opening: Option<&Opening>,
        book: &Book,
    ) -> Result<(), Wrong> {
        let EntryBody::Committed { .. } = &entry.body else {
            return Ok(());
        };
        let decision = &opening.ok_or("an entry without its opening")?.decision;
        let moves = matches!(decision, Decision::OfferMoved { .. });
        let silent = matches!(
            decision,
            Decision::PlacesTaken { .. }
                | Decision::OffersClosed { .. }
                | Decision::OfferClosed { .. }
                | Decision::OfferTurn { .. }
                | Decision::AlertRaised { .. }
        );
        must!(
            self.following.is_empty() || moves || silent,
            "a group was not decided on as one"
        );
        self.decided(entry, decision, book)
    }

    fn decided(&mut self, entry: &Entry, decision: &Decision, book: &Book) -> Result<(), Wrong> {
        let at = entry.at;
        let by = || match &entry.by {
            Actor::Agency(agency) => Ok(agency.clone()),
            _ => Err("no agency acted".to_owned()),
        };
        match decision {
            Decision::BasisRecorded { statement, .. } => {
                let basis = book.bases.get(statement).ok_or("nobody signed this")?;
                self.recorded(basis)
            }
            Decision::BasisWithdrawn { statement, .. } => {
                let said = book
                    .withdrawals
                    .get(statement)
                    .ok_or("nobody signed this")?;
                let name = (said.source.clone(), *said.chain.as_bytes());
                let chain = self.chains.get_mut(&name).ok_or("no such chain")?;
                must!(chain.head.take().is_some(), "withdrawn twice");
                chain.erase |= said.erase;
                Ok(())
            }
            Decision::RecipientAsked { chain, erase, .. } => {
                let chain: BasisChainId = word(chain)?;
                let name = (by()?, *chain.as_bytes());
                let chain = self.chains.get_mut(&name).ok_or("no such chain")?;
                chain.erase |= erase;
                Ok(())
            }
            Decision::CodeEntered { cases, .. } => {
                for of in cases {
                    let case: CaseHandle = word(&of.case)?;
                    let name = (word(&of.source)?, *case.as_bytes());
                    *self.pauses.entry(name).or_default() += 1;
                }
                Ok(())
            }
            Decision::ResumeRequested { resume, case, .. } => {
                let source = case.as_ref().map(|case| word(&case.source)).transpose()?;
                self.resumes.push((resume.clone(), source));
                Ok(())
            }
            Decision::ResumeAnswered { resume, .. } => {
                let before = self.resumes.len();
                self.resumes.retain(|(id, _)| id != resume);
                must!(self.resumes.len() < before, "answered what nobody asked");
                Ok(())
            }
            Decision::Offered { deposits, .. } => {
                let id = self.offered(&by()?, decision)?;
                deposits
                    .iter()
                    .try_for_each(|deposit| self.deposited(id, deposit, at, book))
            }
            Decision::Deposited { offer, deposit, .. } => {
                self.deposited(word(offer)?, deposit, at, book)
            }
            Decision::Amended { offer, deposit, .. } => {
                let stage: Stage = word(&deposit.stage)?;
                let amended = self.offer_mut(offer)?;
                if amended.held.contains_key(&stage) {
                    amended.corrected.insert(stage);
                }
                self.deposited(word(offer)?, deposit, at, book)
            }
            Decision::AmendmentConfirmed { offer, stage, .. } => {
                let stage: Stage = word(stage)?;
                let confirmed = self.offer_mut(offer)?.corrected.remove(&stage);
                must!(confirmed, "confirmed what was not corrected");
                Ok(())
            }
            Decision::Opened {
                offer,
                stage,
                parcel,
                ..
            } => self.opened(&by()?, (offer, stage, parcel), at),
            Decision::Grouped {
                group,
                recipient,
                offers,
                together,
                ..
            } => {
                let offers: Result<_, Wrong> = offers.iter().map(|offer| word(offer)).collect();
                self.groups.push(Group {
                    id: group.clone(),
                    recipient: word(recipient)?,
                    offers: offers?,
                    together: *together,
                });
                Ok(())
            }
            Decision::GroupMoved { to, offers, .. } => {
                for offer in offers {
                    self.following.push((word(offer)?, word(to)?));
                }
                Ok(())
            }
            Decision::AlertRaised { alert, viewer, .. } => {
                self.alerts.push((word(viewer)?, alert.clone()));
                Ok(())
            }
            Decision::AlertAcknowledged { alert, .. } => {
                let before = self.alerts.len();
                self.alerts.retain(|(_, id)| id != alert);
                must!(self.alerts.len() < before, "an alert taken twice");
                Ok(())
            }
            Decision::TransferProposed { offer, .. } => {
                self.offer_mut(offer)?.transfer = Some(TransferState::Proposed);
                Ok(())
            }
            Decision::TransferAnswered { offer, answer, .. } => {
                let offer = self.offer_mut(offer)?;
                must!(
                    offer.transfer == Some(TransferState::Proposed),
                    "answered what was not proposed"
                );
                offer.transfer = Some(match answer.as_str() {
                    "ACCEPT" => TransferState::Accepted,
                    _ => TransferState::Declined,
                });
                Ok(())
            }
            Decision::ErasureAnswered { offer, answer, .. } => {
                self.offer_mut(offer)?.erasure = Some(answer.clone());
                Ok(())
            }
            Decision::DeclineProposed { offer, staff, .. } => {
                self.offer_mut(offer)?.proposed_by = Some(staff.clone());
                Ok(())
            }
            Decision::ReferralClosed { referral, .. } => {
                let referral: ReferralId = word(referral)?;
                self.ended.insert((by()?, *referral.as_bytes()));
                Ok(())
            }
            Decision::OfferMoved { .. }
            | Decision::OfferClosed { .. }
            | Decision::OffersClosed { .. }
            | Decision::OfferTurn { .. } => self.moved(entry, decision),
            Decision::PlacesHeld { .. }
            | Decision::PlacesTaken { .. }
            | Decision::CheckedOut { .. }
            | Decision::PlacesPrepared { .. }
            | Decision::PoolUpdated { .. }
            | Decision::HoldEnded { .. } => self.lodged(entry, decision),
            Decision::AccessRequested { .. }
            | Decision::AccessApproved { .. }
            | Decision::AccessRefused { .. }
            | Decision::AccessReleased { .. }
            | Decision::AccessOpened { .. }
            | Decision::AccessReviewed { .. } => self.accessed(entry, decision),
            Decision::MessagePosted { .. }
            | Decision::MessageOpened { .. }
            | Decision::AttachmentDeposited { .. }
            | Decision::AttachmentOpened { .. }
            | Decision::CarriedRecorded { .. }
            | Decision::CarriedReleased { .. } => self.said(entry, decision, book),
            _ => Ok(()),
        }
    }

    fn recorded(&mut self, basis: &Basis) -> Result<(), Wrong> {
        let name = (basis.source.clone(), *basis.chain.as_bytes());
        let before = self.chains.get(&name);
        let follows = match before {
            None => basis.seq == 1,
            Some(chain) => chain.head.is_some() && chain.last.seq + 1 == basis.seq,
        };
        must!(
            follows,
            "13: a statement after the withdrawal, or out of turn"
        );
        let erase = before.is_some_and(|chain| chain.erase);
        let pauses = self.paused(&basis.source, basis.case);
        let chain = Chain {
            head: Some(basis.clone()),
            last: basis.clone(),
            pauses,
            erase,
        };
        self.chains.insert(name, chain);
        Ok(())
    }
}

/// Whether nothing can change any more.
pub fn over(state: OfferState) -> bool {
    use OfferState as S;
    matches!(state, S::Completed | S::Declined | S::Lapsed | S::Closed)
}
