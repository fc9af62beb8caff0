//! What was sent, what was acknowledged, and what must therefore be so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::client::log::Gap;
use crate::domain::id::{BasisChainId, OfferId, ReferralId};
use crate::domain::vocabulary::{OfferState, Stage};

use super::caller::{Reply, Request};
use super::papers::{Paper, Uploads};

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Who {
    /// The source.
    Alpha,
    /// A recipient.
    House1,
    /// Another.
    House2,
}

impl Who {
    /// Everybody who acts.
    pub const ALL: [Who; 3] = [Who::Alpha, Who::House1, Who::House2];

    /// Their agency's id.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Who::Alpha => "alpha",
            Who::House1 => "house1",
            Who::House2 => "house2",
        }
    }
}

/// What a request does when it succeeds, in this diary's words.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Nothing that is looked up by name.
    None,
    /// A referral with one offer each to both houses is there.
    Created {
        /// Chains of the bases, as the houses.
        chains: [BasisChainId; 2],
    },
    /// An offer stands at a state.
    Moved(OfferId, OfferState),
    /// One place of a pool is held for an offer.
    Held(OfferId, String),
    /// An offer is accepted, with a place of this pool unless one is held.
    Accepted(OfferId, String),
    /// Nothing under a chain can be opened any more.
    Withdrawn(BasisChainId),
    /// An offer's place is being prepared for the next.
    CheckedOut(OfferId),
    /// One place of a house's pool is ready again.
    Prepared(Who, String),
    /// A lawyer was asked.
    Asked,
}

/// One request that was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// By whom.
    pub by: Who,
    /// What.
    pub request: Request,
    /// What it does.
    pub effect: Effect,
}

/// One request that was acknowledged.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// What was sent.
    pub sent: Sent,
    /// What was answered.
    pub reply: Reply,
}

/// Where a place of an offer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Held while deciding.
    Held,
    /// Taken until arrival.
    Taken,
    /// Occupied.
    Occupied,
    /// Being prepared, until that is finished.
    Preparing,
}

/// What is known of one offer.
#[derive(Debug, Clone)]
pub struct OfferNote {
    /// Its referral.
    pub referral: ReferralId,
    /// Whom it is to.
    pub to: Who,
    /// Under which basis.
    pub chain: BasisChainId,
    /// Where it stands, as far as acknowledged.
    pub state: OfferState,
    /// Pool, and where the place is.
    pub place: Option<(String, Place)>,
}

/// A parcel that was disclosed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The entry that must say so.
    pub index: u64,
    /// Which offer's.
    pub offer: OfferId,
    /// At which stage.
    pub stage: Stage,
}

/// Everything.
#[derive(Debug, Default)]
pub struct Pages {
    /// Acknowledged requests, in the order of their answers.
    pub acknowledged: Vec<Acknowledged>,
    /// Requests that were sent and not answered, by number.
    pub pending: BTreeMap<u64, Sent>,
    /// Parcels disclosed.
    pub opened: Vec<Opened>,
    /// Offers.
    pub offers: BTreeMap<OfferId, OfferNote>,
    /// Offers of each referral.
    pub referrals: BTreeMap<ReferralId, [OfferId; 2]>,
    /// Withdrawn chains.
    pub withdrawn: Vec<BasisChainId>,
    /// Checkpoints whose consistency is still to be proved.
    pub gaps: Vec<(Who, Gap, String)>,
    /// Places that are ready again, of each house and pool.
    pub prepared: BTreeMap<(Who, String), u32>,
    /// Referrals to the lawyer.
    pub asked: BTreeSet<ReferralId>,
    /// Papers that are, or were, being sent.
    pub papers: Vec<Paper>,
    /// What became of them.
    pub uploads: Uploads,
    /// Requests refused for a true reason, such as no places.
    pub refused: u64,
    /// What was not as it must be.
    pub broken: Vec<String>,
    next: u64,
}

/// Shared by everybody who acts.
#[derive(Debug, Default)]
pub struct Diary(Mutex<Pages>);

impl Diary {
    /// The pages.
    pub fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    /// Notes a request before it is sent; the number is to be given with its outcome.
    pub fn begin(&mut self, sent: Sent) -> u64 {
        self.next += 1;
        self.pending.insert(self.next, sent);
        self.next
    }

    /// It was refused: nothing happened.
    pub fn refuse(&mut self, number: u64) {
        self.pending.remove(&number);
        self.refused += 1;
    }

    /// It was acknowledged.
    pub fn acknowledge(&mut self, number: u64, reply: &Reply) {
        let Some(sent) = self.pending.remove(&number) else {
            return;
        };
        self.apply(&sent.effect, reply);
        let reply = reply.clone();
        self.acknowledged.push(Acknowledged { sent, reply });
    }

    /// Something is not as it must be.
    pub fn complain(&mut self, what: String) {
        self.broken.push(what);
    }

    /// Whether an unanswered request may have moved this offer further.
    #[must_use]
    pub fn is_pending(&self, offer: OfferId) -> bool {
        let note = self.offers.get(&offer);
        let referral = note.map(|note| note.referral);
        let chain = note.map(|note| note.chain);
        self.pending.values().any(|sent| match &sent.effect {
            Effect::None | Effect::Created { .. } | Effect::Prepared(..) | Effect::Asked => false,
            Effect::Moved(id, _)
            | Effect::Held(id, _)
            | Effect::Accepted(id, _)
            | Effect::CheckedOut(id) => self.offers.get(id).map(|note| note.referral) == referral,
            Effect::Withdrawn(withdrawn) => Some(*withdrawn) == chain,
        })
    }

    fn apply(&mut self, effect: &Effect, reply: &Reply) {
        match effect {
            Effect::None => {}
            Effect::Created { chains } => self.created(*chains, reply),
            Effect::Asked => {
                let name = reply.names.first().and_then(|name| name.rsplit('/').next());
                match name.and_then(|id| id.parse().ok()) {
                    Some(referral) if self.asked.insert(referral) => {}
                    _ => self.complain("a lawyer was asked twice, or by no name".to_owned()),
                }
            }
            Effect::Moved(offer, state) => self.moved(*offer, *state),
            Effect::Held(offer, pool) => {
                if let Some(note) = self.offers.get_mut(offer) {
                    note.place = Some((pool.clone(), Place::Held));
                }
            }
            Effect::Accepted(offer, pool) => self.accepted(*offer, pool),
            Effect::CheckedOut(offer) => {
                if let Some(note) = self.offers.get_mut(offer) {
                    note.leave();
                }
            }
            Effect::Prepared(who, pool) => {
                *self.prepared.entry((*who, pool.clone())).or_default() += 1;
            }
            Effect::Withdrawn(chain) => {
                self.withdrawn.push(*chain);
                let notes = self.offers.values_mut();
                for note in notes.filter(|note| note.chain == *chain) {
                    close(note);
                }
            }
        }
    }

    fn created(&mut self, chains: [BasisChainId; 2], reply: &Reply) {
        let id = |name: &String| name.rsplit('/').next().map(str::to_owned);
        let ids: Option<Vec<String>> = reply.names.iter().map(id).collect();
        let parsed = ids.as_deref().and_then(|ids| match ids {
            [referral, first, second] => Some((
                referral.parse::<ReferralId>().ok()?,
                [
                    first.parse::<OfferId>().ok()?,
                    second.parse::<OfferId>().ok()?,
                ],
            )),
            _ => None,
        });
        let Some((referral, offers)) = parsed else {
            self.complain("the names of a new referral cannot be read".to_owned());
            return;
        };
        if self.referrals.insert(referral, offers).is_some() {
            self.complain("two requests made one referral".to_owned());
        }
        for ((offer, to), chain) in offers
            .into_iter()
            .zip([Who::House1, Who::House2])
            .zip(chains)
        {
            let note = OfferNote {
                referral,
                to,
                chain,
                state: OfferState::Offered,
                place: None,
            };
            if self.offers.insert(offer, note).is_some() {
                self.complain("two requests made one offer".to_owned());
            }
        }
    }

    fn moved(&mut self, offer: OfferId, state: OfferState) {
        let Some(note) = self.offers.get_mut(&offer) else {
            return;
        };
        note.state = state;
        if state == OfferState::Completed {
            note.leave();
        }
        note.place = match (note.place.take(), state) {
            (Some((pool, Place::Preparing)), _) => Some((pool, Place::Preparing)),
            (_, OfferState::Declined | OfferState::Completed) => None,
            (Some((pool, _)), OfferState::InProgress) => Some((pool, Place::Occupied)),
            (place, _) => place,
        };
    }

    fn accepted(&mut self, offer: OfferId, pool: &str) {
        let Some(note) = self.offers.get_mut(&offer) else {
            return;
        };
        if !note.state.is_undecided() {
            let state = note.state.name();
            self.complain(format!("an offer that was {state} was accepted"));
            return;
        }
        note.state = OfferState::Accepted;
        let pool = note
            .place
            .take()
            .map_or_else(|| pool.to_owned(), |(held, _)| held);
        note.place = Some((pool, Place::Taken));
        let siblings = self
            .referrals
            .get(&note.referral)
            .copied()
            .unwrap_or([offer; 2]);
        for sibling in siblings.into_iter().filter(|sibling| *sibling != offer) {
            if let Some(note) = self.offers.get_mut(&sibling) {
                close(note);
            }
        }
    }

    /// The pool that an offer's place is in.
    #[must_use]
    pub fn pool_of(&self, offer: OfferId) -> Option<String> {
        let note = self.offers.get(&offer)?;
        note.place.as_ref().map(|(pool, _)| pool.clone())
    }

    /// Places of a pool that are held, taken, occupied and being prepared, as they must be once nothing is pending.
    #[must_use]
    pub fn places(&self, of: Who, pool: &str) -> [u32; 4] {
        let mut counts = [0_u32; 4];
        for note in self.offers.values().filter(|note| note.to == of) {
            match &note.place {
                Some((named, place)) if named == pool => counts[*place as usize] += 1,
                _ => {}
            }
        }
        let prepared = self.prepared.get(&(of, pool.to_owned()));
        let [_, _, _, preparing] = &mut counts;
        *preparing = preparing.saturating_sub(prepared.copied().unwrap_or(0));
        counts
    }
}

impl OfferNote {
    /// Whoever was in leaves: the place is prepared for the next.
    fn leave(&mut self) {
        if let Some((_, place @ Place::Occupied)) = &mut self.place {
            *place = Place::Preparing;
        }
    }
}

/// What an upstream end does to an offer that is still undecided.
fn close(note: &mut OfferNote) {
    if note.state.is_undecided() {
        note.state = OfferState::Closed;
        note.place = None;
    }
}
