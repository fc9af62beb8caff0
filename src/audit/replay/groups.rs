//! Groups: who came together, and that nobody parted those who were to stay together.

use super::offers::Offers;
use super::{Act, Problem};
use crate::domain::id::{AgencyId, GroupId, OfferId};
use crate::domain::place::Party;
use crate::domain::vocabulary::{Decliner, OfferState};
use std::collections::{HashMap, HashSet};

/// One recipient's group.
#[derive(Debug)]
struct Group {
    recipient: AgencyId,
    offers: Vec<OfferId>,
    together: bool,
}

/// Every group by its id: ids are random.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: HashMap<GroupId, Group>,
    of: HashMap<OfferId, GroupId>,
    /// Offers that a decision on their whole group is about, until they move.
    covered: HashSet<OfferId>,
}

/// What a `grouped` entry says.
pub(super) struct Grouped<'a> {
    pub(super) group: &'a str,
    pub(super) recipient: &'a str,
    pub(super) offers: &'a [String],
    pub(super) together: bool,
}

fn ids(offers: &[String]) -> Result<Vec<OfferId>, Problem> {
    let ids = offers.iter().map(|id| id.parse());
    ids.collect::<Result<_, _>>().map_err(|_| Problem::Decision)
}

impl Groups {
    /// With whom an offer may share a room.
    pub(super) fn party(&self, offer: OfferId) -> Party {
        let group = self.of.get(&offer).copied();
        let together = |id: &GroupId| self.groups.get(id).is_some_and(|group| group.together);
        group
            .filter(together)
            .map_or_else(|| Party::from(offer), Party::from)
    }

    pub(super) fn grouped(
        &mut self,
        act: Act<'_>,
        said: &Grouped<'_>,
        offers: &Offers,
    ) -> Result<(), Problem> {
        let group: GroupId = said.group.parse().map_err(|_| Problem::Decision)?;
        let recipient: AgencyId = said.recipient.parse().map_err(|_| Problem::Decision)?;
        let members = ids(said.offers)?;
        let mut cases = HashSet::new();
        for id in &members {
            let offer = offers.offer(id)?;
            act.by(&offer.source)?;
            let fits = offer.recipient == recipient
                && offer.state_at(act.at).is_undecided()
                && cases.insert(offer.case)
                && !self.of.contains_key(id);
            if !fits {
                return Err(Problem::Group);
            }
        }
        if self.groups.contains_key(&group) {
            return Err(Problem::Group);
        }
        self.of.extend(members.iter().map(|&id| (id, group)));
        let made = Group {
            recipient,
            offers: members,
            together: said.together,
        };
        self.groups.insert(group, made);
        Ok(())
    }

    /// A decision on a whole group: on all of its members that are still to be decided on.
    pub(super) fn moved(
        &mut self,
        act: Act<'_>,
        group: &str,
        decided: &[String],
        offers: &Offers,
    ) -> Result<(), Problem> {
        let id: GroupId = group.parse().map_err(|_| Problem::Decision)?;
        let group = self.groups.get(&id).ok_or(Problem::Group)?;
        act.by(&group.recipient)?;
        let waiting = |id: &&OfferId| {
            let offer = offers.offer(id);
            offer.is_ok_and(|offer| offer.state_at(act.at).is_undecided())
        };
        let waiting: HashSet<OfferId> = group.offers.iter().filter(waiting).copied().collect();
        let decided: HashSet<OfferId> = ids(decided)?.into_iter().collect();
        if decided != waiting {
            return Err(Problem::Group);
        }
        self.covered.extend(decided);
        Ok(())
    }

    /// That a decision on one offer does not part it from others of its group.
    pub(super) fn stays(
        &mut self,
        act: Act<'_>,
        offer: &str,
        to: &str,
        decliner: Option<&str>,
        offers: &Offers,
    ) -> Result<(), Problem> {
        let parts = match to.parse() {
            Ok(OfferState::Accepted) => true,
            Ok(OfferState::Declined) => decliner == Some(Decliner::Agency.name()),
            _ => false,
        };
        let Ok(id) = offer.parse::<OfferId>() else {
            return Ok(());
        };
        let whole = self.covered.remove(&id);
        let group = self.of.get(&id).and_then(|group| self.groups.get(group));
        let Some(group) = group.filter(|group| group.together && parts && !whole) else {
            return Ok(());
        };
        let waits = |other: &&OfferId| {
            let offer = offers.offer(other);
            **other != id && offer.is_ok_and(|offer| offer.state_at(act.at).is_undecided())
        };
        if group.offers.iter().any(|other| waits(&other)) {
            Err(Problem::Group)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
