//! A group at its recipient: those who came together are held for, accepted and declined together (R9).
//!
//! A group is a fixed list of one recipient's offers, each of a case of its own with a basis of its own. Nothing is
//! ever written to it: who has left is simply no longer undecided, and no byte of the others' offers shows it.

use super::offer::places;
use super::offer::view::OfferView;
use super::offer::{decline, moves};
use super::place::{PoolState, Wanted};
use super::receipt::Receipt;
use super::sequencer::Change;
use super::snapshot::{Prepared, Snapshot, remembered};
use super::{Exchange, GroupName, OfferName, PoolName, Refusal, Requested};
use crate::domain::id::{OfferId, RoomId};
use crate::domain::offer::OfferCommand;
use crate::domain::place::{Claim, hold_until};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{DeclineReason, Decliner, OfferState};
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::storage::engine::Table;
use crate::storage::records::place::GroupRecord;
use crate::storage::records::{self, key};

/// Most members of one group.
pub const MEMBERS_MAX: usize = 16;

/// Most places that one group holds or takes.
pub const GROUP_PLACES_MAX: u32 = 64;

/// One member's places, where they are not one place in the group's room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPlaces {
    /// The member's offer.
    pub offer: OfferId,
    /// Places, at least one.
    pub places: u32,
    /// A room of its own.
    pub room: Option<RoomId>,
}

/// Places for a group: one for each member, but for those that are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlaces {
    /// From which of the recipient's pools.
    pub pool: PoolName,
    /// In which room; the first that takes all, when none.
    pub room: Option<RoomId>,
    /// Who needs something else.
    pub members: Vec<MemberPlaces>,
}

/// What a group's recipient did, and to whom.
#[derive(Debug)]
pub struct MovedGroup {
    /// The offers that it was about.
    pub offers: Vec<OfferName>,
    /// When the holds end, for a hold.
    pub until: Timestamp,
    /// Receipts, one per offer in the same order.
    pub receipts: Vec<Receipt>,
}

/// What a recipient does to a group.
enum Act {
    Hold(GroupPlaces),
    Accept(Option<GroupPlaces>),
    Decline(DeclineReason, Decliner),
}

/// The members' offers, in the order in which they were asked for.
fn members(snapshot: &mut Snapshot<'_>, name: &GroupName) -> Result<Vec<OfferView>, Refusal> {
    let record = snapshot.get::<GroupRecord>(key::group(&name.agency, name.group))?;
    let record = record.ok_or(Refusal::NotFound)?;
    let mut members = Vec::with_capacity(record.offers.len());
    for id in &record.offers {
        let id: OfferId = records::word(Table::Group, id)?;
        let offer = OfferView::load(snapshot, id)?;
        members.push(offer.ok_or_else(|| records::corrupt(Table::Group))?);
    }
    Ok(members)
}

/// Refuses a decision on one member of a group that stays together while others are still to be decided on.
///
/// The person's own no is theirs alone, and so is whatever their source does for them.
pub(super) fn decides_alone(
    snapshot: &mut Snapshot<'_>,
    offer: &OfferView,
    command: &OfferCommand,
) -> Result<(), Refusal> {
    let parts = match command {
        OfferCommand::Accept => true,
        OfferCommand::Decline { decliner, .. } => *decliner == Decliner::Agency,
        _ => false,
    };
    let group = offer.group()?.filter(|_| offer.record.together);
    let Some(group) = group.filter(|_| parts && offer.state.is_undecided()) else {
        return Ok(());
    };
    let name = GroupName {
        agency: offer.recipient.clone(),
        group,
    };
    let others = members(snapshot, &name)?;
    let waits = |other: &OfferView| other.id != offer.id && other.state.is_undecided();
    if others.iter().any(waits) {
        Err(Refusal::Group)
    } else {
        Ok(())
    }
}

/// Which places each of `members` gets: all of them, or none.
fn assign(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    known: &[OfferId],
    members: &[OfferView],
    places: &GroupPlaces,
) -> Result<Vec<Wanted>, Refusal> {
    places.pool.owned_by(caller)?;
    for (at, member) in places.members.iter().enumerate() {
        let mut before = places.members.iter().take(at);
        let twice = before.any(|other| other.offer == member.offer);
        if twice || !known.contains(&member.offer) {
            return Err(Refusal::InvalidField("members.offer"));
        }
    }
    let mut wanted: Vec<Wanted> = members
        .iter()
        .map(|offer| {
            let mut named = places.members.iter();
            let named = named.find(|member| member.offer == offer.id);
            Wanted {
                pool: places.pool.clone(),
                room: named.and_then(|member| member.room.clone()),
                places: named.map_or(1, |member| member.places),
            }
        })
        .collect();
    let sum = wanted
        .iter()
        .fold(0u32, |sum, one| sum.saturating_add(one.places));
    if sum > GROUP_PLACES_MAX {
        return Err(Refusal::InvalidField("members.places"));
    }
    let state = PoolState::load(snapshot, &places.pool)?;
    let mut beds = state.ok_or(Refusal::NotFound)?.beds;
    for offer in members {
        beds.release(offer.id);
    }
    if beds.rooms().is_empty() {
        for one in &mut wanted {
            one.room = one.room.take().or_else(|| places.room.clone());
        }
        return Ok(wanted);
    }
    // Those with a room of their own go first: what is left must take the rest, in one room if they stay together.
    let mut rest = Vec::new();
    for (offer, one) in members.iter().zip(&mut wanted) {
        match (&one.room, &places.room) {
            (Some(_), _) => {
                beds.take(Claim {
                    offer: offer.id,
                    party: offer.party()?,
                    room: one.room.as_ref(),
                    places: one.places,
                })?;
            }
            (None, Some(room)) => one.room = Some(room.clone()),
            (None, None) => rest.push((offer, one)),
        }
    }
    if let Some((first, _)) = rest.first().filter(|(first, _)| first.record.together) {
        let sum = rest.iter().map(|(_, one)| one.places).sum();
        let room = beds.rooms().first(first.party()?, sum).cloned();
        let room = room.ok_or(Refusal::NoPlaces)?;
        for (_, one) in rest {
            one.room = Some(room.clone());
        }
    }
    Ok(wanted)
}

fn hold(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    known: &[OfferId],
    members: Vec<OfferView>,
    wanted: &GroupPlaces,
) -> Result<(Change, Vec<usize>, Timestamp), Refusal> {
    let wanted = assign(snapshot, caller, known, &members, wanted)?;
    let decide_by = members.iter().map(|offer| offer.decide_by).min();
    let until = hold_until(snapshot.now, decide_by.unwrap_or(snapshot.now));
    let mut change = snapshot.change();
    let mut shown = Vec::with_capacity(members.len());
    for (offer, wanted) in members.into_iter().zip(&wanted) {
        shown.push(change.entries.len());
        change.absorb(places::hold(snapshot, caller, offer, wanted, until)?);
    }
    Ok((change, shown, until))
}

fn decide(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &GroupName,
    members: Vec<OfferView>,
    command: OfferCommand,
    wanted: &[Option<Wanted>],
) -> Result<(Change, Vec<usize>), Refusal> {
    let to = match command {
        OfferCommand::Accept => OfferState::Accepted,
        _ => OfferState::Declined,
    };
    let decision = Decision::GroupMoved {
        group: name.group.to_string(),
        to: to.name().to_owned(),
        offers: members.iter().map(|offer| offer.id.to_string()).collect(),
        staff: caller.staff().as_str().to_owned(),
    };
    let mut change = snapshot.change();
    change.entries.push(snapshot.entry_by(caller, decision));
    let mut shown = Vec::with_capacity(members.len());
    for (offer, wanted) in members.into_iter().zip(wanted) {
        shown.push(change.entries.len());
        let wanted = wanted.as_ref();
        change.absorb(moves::transition(snapshot, caller, offer, command, wanted)?);
    }
    Ok((change, shown))
}

/// One person proposes to decline all of them with OTHER: they stay as they are, and their clocks run.
fn propose(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    members: Vec<OfferView>,
    decliner: Decliner,
) -> (Change, Vec<usize>) {
    let mut change = snapshot.change();
    let mut shown = Vec::with_capacity(members.len());
    for offer in members {
        shown.push(change.entries.len());
        change.absorb(decline::propose(snapshot, caller, offer, decliner));
    }
    (change, shown)
}

/// What each of `members` takes when the group is accepted: its hold, or what is asked for now; all, or none.
fn to_take(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    known: &[OfferId],
    members: &[OfferView],
    asked: Option<&GroupPlaces>,
) -> Result<Vec<Option<Wanted>>, Refusal> {
    let now = snapshot.now;
    let holding = members.iter().filter(|offer| offer.places(now) > 0).count();
    if holding == members.len() {
        return Ok(vec![None; members.len()]);
    }
    match asked {
        // Some have a place and some would have none.
        None if holding > 0 => Err(Refusal::NoPlaces),
        None => Ok(vec![None; members.len()]),
        Some(asked) => {
            let without: Vec<OfferView> = members
                .iter()
                .filter(|offer| offer.places(now) == 0)
                .cloned()
                .collect();
            let assigned = assign(snapshot, caller, known, &without, asked)?;
            let mut assigned = assigned.into_iter();
            let takes = members.iter().map(|offer| {
                let without = offer.places(now) == 0;
                if without { assigned.next() } else { None }
            });
            Ok(takes.collect())
        }
    }
}

fn prepare(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &GroupName,
    requested: &Requested,
    act: &Act,
) -> Result<Prepared<(Vec<OfferName>, Timestamp)>, Refusal> {
    name.owned_by(caller)?;
    snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        let offers: Result<_, _> = (0..record.names.len())
            .map(|at| remembered(&record, at))
            .collect();
        let time = records::time(Table::Request, record.time)?;
        return Ok(Prepared::Again((offers?, time), record.indexes));
    }
    let all = members(snapshot, name)?;
    let known: Vec<OfferId> = all.iter().map(|offer| offer.id).collect();
    let states: Vec<OfferState> = all.iter().map(|offer| offer.state).collect();
    let undecided: Vec<OfferView> = all
        .into_iter()
        .filter(|offer| offer.state.is_undecided())
        .collect();
    if undecided.is_empty() {
        let lapsed = states.contains(&OfferState::Lapsed);
        let first = states.first().copied().unwrap_or(OfferState::Closed);
        return Err(if lapsed {
            Refusal::Lapsed
        } else {
            Refusal::State(first)
        });
    }
    let offers: Vec<OfferName> = undecided.iter().map(OfferView::recipient_name).collect();
    let (mut change, shown, until) = match act {
        Act::Hold(wanted) => hold(snapshot, caller, &known, undecided, wanted)?,
        Act::Accept(wanted) => {
            let takes = to_take(snapshot, caller, &known, &undecided, wanted.as_ref())?;
            let command = OfferCommand::Accept;
            let (change, shown) = decide(snapshot, caller, name, undecided, command, &takes)?;
            (change, shown, snapshot.now)
        }
        Act::Decline(reason, decliner)
            if decline::is_group_proposal(caller, &undecided, *reason)? =>
        {
            let (change, shown) = propose(snapshot, caller, undecided, *decliner);
            (change, shown, snapshot.now)
        }
        Act::Decline(reason, decliner) => {
            let takes = vec![None; undecided.len()];
            let command = OfferCommand::Decline {
                reason: *reason,
                decliner: *decliner,
            };
            let (change, shown) = decide(snapshot, caller, name, undecided, command, &takes)?;
            (change, shown, snapshot.now)
        }
    };
    let names = offers.iter().map(ToString::to_string).collect();
    let time = until.millis();
    snapshot.remember(&mut change, caller.agency(), requested, names, &shown, time);
    Ok(Prepared::New(change, (offers, until), shown))
}

impl Exchange {
    async fn moved_group(
        &self,
        caller: &Caller,
        method: &'static str,
        name: &GroupName,
        requested: Requested,
        act: Act,
    ) -> Result<MovedGroup, Refusal> {
        let (by, name) = (caller.clone(), name.clone());
        let step =
            move |snapshot: &mut Snapshot<'_>| prepare(snapshot, &by, &name, &requested, &act);
        let done = self.perform_for(caller, method, step).await?;
        let (offers, until) = done.value;
        Ok(MovedGroup {
            offers,
            until,
            receipts: done.receipts,
        })
    }

    /// Holds places for every member still to be decided on, or for none.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoPlaces`], [`Refusal::State`], [`Refusal::Lapsed`], [`Refusal::NotFound`],
    /// [`Refusal::InvalidField`] for members who are not of the group.
    pub async fn hold_group(
        &self,
        caller: &Caller,
        name: &GroupName,
        requested: Requested,
        places: GroupPlaces,
    ) -> Result<MovedGroup, Refusal> {
        let act = Act::Hold(places);
        self.moved_group(caller, "HoldGroup", name, requested, act)
            .await
    }

    /// Accepts every member still to be decided on, with places for all of them or none; each one's other candidates
    /// close in the same batch.
    ///
    /// # Errors
    ///
    /// As [`Exchange::hold_group`].
    pub async fn accept_group(
        &self,
        caller: &Caller,
        name: &GroupName,
        requested: Requested,
        places: Option<GroupPlaces>,
    ) -> Result<MovedGroup, Refusal> {
        let act = Act::Accept(places);
        self.moved_group(caller, "AcceptGroup", name, requested, act)
            .await
    }

    /// Declines every member still to be decided on; with OTHER the first call only proposes it for all of them, and
    /// the receipts say so.
    ///
    /// # Errors
    ///
    /// As [`Exchange::hold_group`]; [`Refusal::NeedsSecondPerson`].
    pub async fn decline_group(
        &self,
        caller: &Caller,
        name: &GroupName,
        requested: Requested,
        reason: DeclineReason,
        decliner: Decliner,
    ) -> Result<MovedGroup, Refusal> {
        let act = Act::Decline(reason, decliner);
        self.moved_group(caller, "DeclineGroup", name, requested, act)
            .await
    }
}
