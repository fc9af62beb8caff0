//! A break-glass request as it stands, parsed, and what each viewer sees of it.

use crate::domain::break_glass::{
    Access, Answer, CALL_AFTER, Ground, Party, Person, Refusal as Broken, Release, is_yes,
};
use crate::domain::gate::BasisHead;
use crate::domain::id::{AccessId, AgencyId, OfferId};
use crate::domain::label::LabelSet;
use crate::domain::protocol::Protocol;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{
    AccessFinding, AccessReason, AccessState, AgencyKind, OfferState, Purpose,
};
use crate::exchange::agencies::AgencyView;
use crate::exchange::basis::{CHAINS_PER_CASE_MAX, chain_of};
use crate::exchange::directory::is_visible;
use crate::exchange::forward::Received;
use crate::exchange::offer::view::OfferView;
use crate::exchange::parcel::labels_of_records;
use crate::exchange::snapshot::Snapshot;
use crate::exchange::{AccessName, OfferName, Refusal};
use crate::identity::caller::Caller;
use crate::storage::engine::{Table, Write};
use crate::storage::records::access::AccessRecord;
use crate::storage::records::basis::BasisRecord;
use crate::storage::records::{self, Record, key};
use std::sync::Arc;

const TABLE: Table = Table::Access;

/// One viewer's view of a break-glass request; no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessSeen {
    /// The viewer's name of it.
    pub name: AccessName,
    /// State.
    pub state: AccessState,
    /// Why.
    pub reason: AccessReason,
    /// What is asked for.
    pub labels: LabelSet,
    /// Who asks, if the viewer may know of it.
    pub requester: Option<AgencyId>,
    /// The source, if the viewer may know of it.
    pub source: Option<AgencyId>,
    /// The viewer's own name of the offer: the asking agency's and the source's only.
    pub offer: Option<OfferName>,
    /// Purpose of the offer.
    pub purpose: Purpose,
    /// When it was requested.
    pub requested: Timestamp,
    /// When the state ends by itself; none once nothing runs.
    pub ends: Option<Timestamp>,
    /// When a review must have come by.
    pub review_by: Option<Timestamp>,
    /// Whether nobody answered for so long that the duty line is to be called.
    pub call_duty_line: bool,
    /// Phone of the duty line; may be empty.
    pub duty_phone: String,
    /// What the review found.
    pub finding: Option<AccessFinding>,
    /// How often what was released was opened.
    pub openings: u32,
}

/// A request as it stands.
pub(super) struct AccessView {
    pub(super) id: AccessId,
    pub(super) offer: OfferId,
    pub(super) line: Option<AgencyId>,
    pub(super) requested: Timestamp,
    pub(super) access: Access,
    pub(super) record: AccessRecord,
}

impl AccessView {
    pub(super) fn parse(id: AccessId, record: AccessRecord) -> Result<Self, Refusal> {
        let labels: Result<LabelSet, _> = record
            .labels
            .iter()
            .map(|label| records::word(TABLE, label))
            .collect();
        let source: AgencyId = records::word(TABLE, &record.source)?;
        let answer = match records::optional(TABLE, &record.answered_by)? {
            None => None,
            Some(agency) => Some(Answer {
                by: Person {
                    agency,
                    staff: records::word(TABLE, &record.answered_staff)?,
                },
                until: match record.release_by {
                    0 => None,
                    until => Some(records::time(TABLE, until)?),
                },
            }),
        };
        let release = match record.released {
            0 => None,
            at => Some(Release {
                by: Person {
                    agency: source.clone(),
                    staff: records::word(TABLE, &record.released_staff)?,
                },
                at: records::time(TABLE, at)?,
                until: records::time(TABLE, record.released_until)?,
                labels: labels_of_records(TABLE, &record.parcel_labels)?
                    .iter()
                    .map(|item| item.label)
                    .collect(),
            }),
        };
        let access = Access {
            requester: records::word(TABLE, &record.requester)?,
            source,
            reason: records::word(TABLE, &record.reason)?,
            labels: labels?,
            until: records::time(TABLE, record.until)?,
            answer,
            release,
            review: records::optional(TABLE, &record.finding)?,
        };
        Ok(Self {
            id,
            offer: records::word(TABLE, &record.offer)?,
            line: records::optional(TABLE, &record.line)?,
            requested: records::time(TABLE, record.requested)?,
            access,
            record,
        })
    }

    /// A request that the change will rely on.
    pub(super) fn load(snapshot: &mut Snapshot<'_>, id: AccessId) -> Result<Option<Self>, Refusal> {
        let record = snapshot.get::<AccessRecord>(key::access(id))?;
        record.map(|record| Self::parse(id, record)).transpose()
    }

    /// A request under its viewer's name.
    pub(super) fn of_viewer(
        snapshot: &mut Snapshot<'_>,
        name: &AccessName,
        viewer: &Caller,
    ) -> Result<Self, Refusal> {
        let view = Self::load(snapshot, name.access)?;
        view.filter(|view| view.may_see(&name.agency, viewer.kind()))
            .ok_or(Refusal::NotFound)
    }

    fn may_see(&self, viewer: &AgencyId, kind: AgencyKind) -> bool {
        *viewer == self.access.requester
            || *viewer == self.access.source
            || self.line.as_ref() == Some(viewer)
            || oversees(kind)
    }

    /// The name of it for one viewer.
    pub(super) fn name(&self, viewer: &AgencyId) -> AccessName {
        AccessName {
            agency: viewer.clone(),
            access: self.id,
        }
    }

    pub(super) fn put(&self) -> Write {
        self.record.put(key::access(self.id))
    }

    /// What `viewer` sees at `now`.
    pub(super) fn seen(
        &self,
        snapshot: &Snapshot<'_>,
        viewer: &Caller,
        now: Timestamp,
    ) -> Result<AccessSeen, Refusal> {
        let access = &self.access;
        let state = access.state(now);
        let agency = viewer.agency();
        let party = *agency == access.requester || *agency == access.source;
        let known = |id: &AgencyId| -> Result<Option<AgencyId>, Refusal> {
            let seen = party
                || match snapshot.shared.register.agency(id)? {
                    Some(view) => is_visible(viewer.kind(), &view),
                    None => false,
                };
            Ok(seen.then(|| id.clone()))
        };
        let offer = snapshot.peek::<records::offer::OfferRecord>(&key::offer(self.offer))?;
        let offer = offer.ok_or_else(|| records::corrupt(TABLE))?;
        let duty = self.line.as_ref().filter(|line| **line != access.requester);
        let duty = match duty {
            Some(line) => snapshot.shared.register.agency(line)?,
            // A source that the viewer may not know has no phone for it: a house's number leads to the house.
            None => (snapshot.shared.register.agency(&access.source)?)
                .filter(|view| *agency == view.id || is_visible(viewer.kind(), view)),
        };
        let phone = duty.as_ref().and_then(|view| view.bundle.as_ref());
        let runs = matches!(
            state,
            AccessState::Requested | AccessState::Approved | AccessState::Released
        );
        Ok(AccessSeen {
            name: self.name(agency),
            state,
            reason: access.reason,
            labels: access.labels,
            requester: known(&access.requester)?,
            source: known(&access.source)?,
            offer: party.then(|| OfferName {
                agency: agency.clone(),
                offer: self.offer,
            }),
            purpose: records::word(TABLE, &offer.purpose)?,
            requested: self.requested,
            ends: access.ends().filter(|_| runs),
            review_by: access.review_by(),
            call_duty_line: state == AccessState::Requested
                && self.requested.plus(CALL_AFTER) <= now,
            duty_phone: phone
                .map(|bundle| bundle.content().facts.intake_phone.clone())
                .unwrap_or_default(),
            finding: access.review,
            openings: self.record.openings,
        })
    }
}

/// Whether a kind has a national mandate to oversee.
pub(super) const fn oversees(kind: AgencyKind) -> bool {
    matches!(
        kind,
        AgencyKind::Ombudsperson | AgencyKind::DataProtectionAuthority
    )
}

/// An agency with its authorities, which the change will rely on.
pub(super) fn party(snapshot: &mut Snapshot<'_>, agency: &AgencyId) -> Result<Party, Refusal> {
    Party::of(agency, |id| {
        let view = snapshot.agency(id)?;
        Ok(view.and_then(|view| view.parent.clone()))
    })
}

/// The caller as a person.
pub(super) fn person(caller: &Caller) -> Person {
    Person {
        agency: caller.agency().clone(),
        staff: caller.staff().clone(),
    }
}

/// An agency that takes part, which the change will rely on.
pub(super) fn member(
    snapshot: &mut Snapshot<'_>,
    id: &AgencyId,
) -> Result<Arc<AgencyView>, Refusal> {
    let view = snapshot.agency(id)?;
    Ok(view.ok_or_else(|| records::corrupt(TABLE))?)
}

/// What break-glass stands on, apart from the protocol.
pub(super) struct Standing {
    pub(super) offer: OfferState,
    pub(super) purpose: Purpose,
    kind: AgencyKind,
    taken_back: bool,
}

impl Standing {
    /// Looks, and relies on what it saw: a withdrawal that comes in between makes the change void (invariant 13).
    pub(super) fn of(snapshot: &mut Snapshot<'_>, offer: &OfferView) -> Result<Self, Refusal> {
        let requester = member(snapshot, &offer.recipient)?;
        offer.while_open(snapshot);
        Ok(Self {
            offer: offer.state,
            purpose: offer.purpose,
            kind: requester.kind,
            taken_back: taken_back(snapshot, offer)?,
        })
    }

    pub(super) const fn ground<'a>(&self, protocol: &'a Protocol) -> Ground<'a> {
        Ground {
            requester_kind: self.kind,
            offer: self.offer,
            taken_back: self.taken_back,
            protocol,
        }
    }
}

/// Whether the person took back what this recipient had in this case, and no other yes to it stands; of what is passed
/// on, also at everybody whom it came from.
fn taken_back(snapshot: &mut Snapshot<'_>, offer: &OfferView) -> Result<bool, Refusal> {
    let mut refused = taken_back_here(snapshot, offer)?;
    let mut behind = Received::behind(snapshot, offer)?;
    while let Some(received) = behind {
        refused |= taken_back_here(snapshot, &received.offer)?;
        behind = Received::behind(snapshot, &received.offer)?;
    }
    Ok(refused)
}

/// As [`taken_back`], at one source. A case that the person stopped by card is refused too, until
/// they have agreed again;
/// a yes that has expired is none.
///
/// Every change of any basis of the case moves the version of the case, which is relied on.
fn taken_back_here(snapshot: &mut Snapshot<'_>, offer: &OfferView) -> Result<bool, Refusal> {
    snapshot.case(&offer.source, offer.case)?;
    let prefix = key::case(&offer.source, offer.case);
    let most = usize::try_from(CHAINS_PER_CASE_MAX).unwrap_or(usize::MAX);
    let rows = snapshot.scan(Table::CaseBasis, &prefix, None, most)?;
    let (mut refused, mut stands) = (false, false);
    for (row, _) in rows {
        let chain = chain_of(&row)?;
        let record = snapshot.peek::<BasisRecord>(&key::basis(&offer.source, chain))?;
        let record = record.ok_or_else(|| records::corrupt(Table::CaseBasis))?;
        if record.recipient != offer.recipient.as_str() {
            continue;
        }
        let head = snapshot.basis(&offer.source, chain)?;
        let head = head.ok_or_else(|| records::corrupt(Table::CaseBasis))?;
        match head.gate() {
            BasisHead::Withdrawn | BasisHead::Paused => refused = true,
            BasisHead::InForce(basis) => stands |= is_yes(basis, snapshot.now),
        }
    }
    Ok(refused && !stands)
}

/// The refusal of an act, as its author hears it.
pub(super) fn refused(refusal: Broken, offer: OfferState) -> Refusal {
    match refusal {
        Broken::Nothing => Refusal::InvalidField("labels"),
        Broken::NotHeld => Refusal::State(offer),
        Broken::TakenBack => Refusal::BasisWithdrawn,
        Broken::Protocol(labels) => Refusal::ProtocolRefused(labels),
        Broken::NotAsked(labels) => Refusal::BasisNotCovering(labels),
        Broken::NotOutside | Broken::SamePerson => Refusal::NeedsOutsider,
        Broken::State(state) => Refusal::Access(state),
        Broken::Period => Refusal::StatementInvalid,
    }
}
