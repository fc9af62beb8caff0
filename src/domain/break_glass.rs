//! Break-glass: telling, to save somebody, what nobody had agreed to tell (R18, invariant 16).
//!
//! Who asks must hold an offer of that person. Somebody outside the asking agency and its authority approves: the
//! source's duty officer, or the national duty officer. The source's duty desk releases, for an hour at most, no
//! more than was asked for and than the protocol's own column lets that kind of agency have for that reason. Then
//! somebody who was neither asks whether it was right. The same functions run in the router at each act, in the
//! source's desk before it seals, and in the auditor's replay with the entry's time.
//!
//! It overrides a consent that is missing, never a refusal: where the person took back what this agency had, nothing
//! is released, whatever the danger. Whom the person excluded is known to the source's desk alone, which releases.
//!
//! Knows nothing of storage, transport, keys or the clock.

use super::basis::Basis;
use super::id::{AgencyId, StaffPseudonym};
use super::label::LabelSet;
use super::protocol::Protocol;
use super::time::Timestamp;
use super::vocabulary::{
    AccessFinding, AccessReason, AccessState, AgencyKind, BasisKind, Category, OfferState, Stage,
};
use std::time::Duration;

/// How long nobody need have answered before the asking agency is told to call the duty line.
pub const CALL_AFTER: Duration = Duration::from_secs(5 * 60);

/// How long a request waits for its approval: an emergency that nobody answered in an hour was dealt with otherwise.
pub const APPROVE_WITHIN: Duration = Duration::from_secs(60 * 60);

/// How long an approval waits for the source's release.
pub const RELEASE_WITHIN: Duration = Duration::from_secs(60 * 60);

/// The longest that what was released can be opened.
pub const WINDOW: Duration = Duration::from_secs(60 * 60);

/// How soon after the release somebody must have reviewed it.
pub const REVIEW_WITHIN: Duration = Duration::from_secs(72 * 60 * 60);

/// Stage of a released parcel's statement: the last, so that what an offer opens earlier is never taken for it.
pub const ACCESS_STAGE: Stage = Stage::InCare;

/// The most that break-glass can ever tell a kind of agency, whatever a protocol says. Empty: nothing at all.
///
/// What a person was made to do is told to nobody: it never saves a life, and nobody was asked (R4). Law
/// enforcement and the asylum service are never told a legal status. Oversight, the operator and who is no member
/// help nobody in danger.
#[must_use]
pub const fn access_ceiling(kind: AgencyKind) -> LabelSet {
    use AgencyKind as K;
    match kind {
        K::Police | K::BorderPolice | K::Prosecution | K::AsylumService => {
            LabelSet::ALL.beyond(LabelSet::of_categories(&[
                Category::PunishableActs,
                Category::LegalStatus,
            ]))
        }
        K::Ngo
        | K::Shelter
        | K::ReceptionAuthority
        | K::IdentificationAuthority
        | K::ChildProtection
        | K::GuardianService
        | K::SocialService
        | K::HealthService
        | K::LegalService
        | K::LabourInspectorate
        | K::InterpreterService
        | K::Hotline
        | K::InternationalOrganisation => {
            LabelSet::ALL.beyond(LabelSet::of_categories(&[Category::PunishableActs]))
        }
        K::NonMember
        | K::AgencyDpo
        | K::DataProtectionAuthority
        | K::Ombudsperson
        | K::Operator => LabelSet::EMPTY,
    }
}

/// Most authorities, one above the other, that an agency is looked up to be a unit of: a station, its district, its
/// region, the service, the ministry, and some. Part of the rules of version 1.
pub const AUTHORITIES_MAX: usize = 8;

/// An agency and every authority that it is a unit of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// The agency.
    pub agency: AgencyId,
    /// Its authority, the authority of that, and so on.
    pub authorities: Vec<AgencyId>,
}

impl Party {
    /// An agency with its authorities; `above` gives the authority of one.
    ///
    /// # Errors
    ///
    /// Those of `above`.
    pub fn of<E>(
        agency: &AgencyId,
        mut above: impl FnMut(&AgencyId) -> Result<Option<AgencyId>, E>,
    ) -> Result<Self, E> {
        let mut authorities: Vec<AgencyId> = Vec::new();
        while authorities.len() < AUTHORITIES_MAX {
            let Some(next) = above(authorities.last().unwrap_or(agency))? else {
                break;
            };
            authorities.push(next);
        }
        Ok(Self {
            agency: agency.clone(),
            authorities,
        })
    }

    /// The authority right above.
    #[must_use]
    pub fn authority(&self) -> Option<&AgencyId> {
        self.authorities.first()
    }

    /// Whether neither is the other, nor under it, nor both under the same authority.
    #[must_use]
    pub fn is_outside(&self, other: &Self) -> bool {
        let of =
            |party: &Self, id: &AgencyId| party.agency == *id || party.authorities.contains(id);
        let mut ours = std::iter::once(&self.agency).chain(&self.authorities);
        !ours.any(|id| of(other, id))
    }
}

/// Whether a basis is the person's own yes at `at`: what stands without asking them does not undo what they took back.
#[must_use]
pub fn is_yes(basis: &Basis, at: Timestamp) -> bool {
    basis.kind == BasisKind::Consent && basis.in_force(at)
}

/// One member of staff of one agency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The agency.
    pub agency: AgencyId,
    /// Who.
    pub staff: StaffPseudonym,
}

/// What break-glass stands on, looked at again at every act.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// What the asking agency is enrolled as, now.
    pub requester_kind: AgencyKind,
    /// Its offer, now.
    pub offer: OfferState,
    /// Whether the person took back what this agency had in this case.
    pub taken_back: bool,
    /// The protocol in force.
    pub protocol: &'a Protocol,
}

impl Ground<'_> {
    fn check(&self) -> Result<(), Refusal> {
        if !is_held(self.offer) {
            Err(Refusal::NotHeld)
        } else if self.taken_back {
            Err(Refusal::TakenBack)
        } else {
            Ok(())
        }
    }
}

/// Whether an offer in `state` is one that its recipient holds: asked or helping, and not over.
///
/// Who declined, let it lapse, was closed or has finished has nobody in its hands.
#[must_use]
pub const fn is_held(state: OfferState) -> bool {
    matches!(
        state,
        OfferState::Offered
            | OfferState::Received
            | OfferState::InformationRequested
            | OfferState::Waitlisted
            | OfferState::Accepted
            | OfferState::InProgress
    )
}

/// Why break-glass was refused. Safe to log: names no person and no exclusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing is asked for, or released.
    #[error("nothing is named")]
    Nothing,
    /// The asking agency holds no offer of this person.
    #[error("the asking agency holds no offer")]
    NotHeld,
    /// The person's own refusal binds.
    #[error("the person took back what this agency had")]
    TakenBack,
    /// The protocol does not let this kind of agency have these labels for this reason.
    #[error("the protocol does not let this kind of agency have {0:?} for this reason")]
    Protocol(LabelSet),
    /// More than was asked for.
    #[error("{0:?} was not asked for")]
    NotAsked(LabelSet),
    /// The approver, or the reviewer, is of the asking agency or its authority, or not one who may.
    #[error("somebody outside the asking agency must do this")]
    NotOutside,
    /// Who approved or released does not review.
    #[error("somebody else must review this")]
    SamePerson,
    /// The state does not allow the act.
    #[error("the access is {0}")]
    State(AccessState),
    /// A period is longer than it may be, or over before it begins.
    #[error("the period is not one that may be")]
    Period,
}

/// An approval or a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Who.
    pub by: Person,
    /// When a release must have come by; none for a refusal.
    pub until: Option<Timestamp>,
}

/// What was released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Who.
    pub by: Person,
    /// When.
    pub at: Timestamp,
    /// First moment at which it can no longer be opened.
    pub until: Timestamp,
    /// What.
    pub labels: LabelSet,
}

/// One break-glass request and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Who asks.
    pub requester: AgencyId,
    /// Who referred the person to them.
    pub source: AgencyId,
    /// Why.
    pub reason: AccessReason,
    /// What is asked for.
    pub labels: LabelSet,
    /// When an answer must have come by.
    pub until: Timestamp,
    /// Approved or refused.
    pub answer: Option<Answer>,
    /// Released.
    pub release: Option<Release>,
    /// Reviewed, and what was found.
    pub review: Option<AccessFinding>,
}

/// Proof that one release, or one opening, may be recorded until a moment, under one protocol.
///
/// Not `Clone`: it is spent by the release or the opening that it allows.
#[derive(Debug)]
#[must_use = "a permit is spent by the disclosure it allows"]
pub struct AccessPermit {
    until: Timestamp,
    protocol: u64,
}

impl AccessPermit {
    /// First moment at which it no longer counts.
    #[must_use]
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// The protocol version that allowed it.
    #[must_use]
    pub const fn protocol(&self) -> u64 {
        self.protocol
    }
}

/// A period from `at` that is not empty and not longer than `most`.
fn check_period(at: Timestamp, until: Timestamp, most: Duration) -> Result<(), Refusal> {
    if at < until && until <= at.plus(most) {
        Ok(())
    } else {
        Err(Refusal::Period)
    }
}

impl Access {
    /// A request, if what it asks for may be asked for.
    ///
    /// # Errors
    ///
    /// [`Refusal::Nothing`], [`Refusal::NotHeld`], [`Refusal::TakenBack`], [`Refusal::Protocol`],
    /// [`Refusal::Period`], in this order.
    pub fn request(
        (requester, source): (AgencyId, AgencyId),
        reason: AccessReason,
        labels: LabelSet,
        ground: &Ground<'_>,
        (at, until): (Timestamp, Timestamp),
    ) -> Result<Self, Refusal> {
        if labels.is_empty() {
            return Err(Refusal::Nothing);
        }
        ground.check()?;
        let access = Self {
            requester,
            source,
            reason,
            labels,
            until,
            answer: None,
            release: None,
            review: None,
        };
        access.check_labels(labels, ground)?;
        check_period(at, until, APPROVE_WITHIN)?;
        Ok(access)
    }

    /// Where it stands at `at`.
    #[must_use]
    pub fn state(&self, at: Timestamp) -> AccessState {
        let in_time = |until, state, over| if at < until { state } else { over };
        match (&self.answer, &self.release) {
            _ if self.review.is_some() => AccessState::Reviewed,
            (_, Some(release)) => in_time(release.until, AccessState::Released, AccessState::Ended),
            (Some(Answer { until: None, .. }), None) => AccessState::Refused,
            (
                Some(Answer {
                    until: Some(until), ..
                }),
                None,
            ) => in_time(*until, AccessState::Approved, AccessState::Expired),
            (None, None) => in_time(self.until, AccessState::Requested, AccessState::Expired),
        }
    }

    /// When the state next ends by itself; none once nothing runs.
    #[must_use]
    pub fn ends(&self) -> Option<Timestamp> {
        match (&self.answer, &self.release) {
            (_, Some(release)) => Some(release.until),
            (Some(answer), None) => answer.until,
            (None, None) => Some(self.until),
        }
    }

    /// When a review must have come by; none when nothing was released.
    #[must_use]
    pub fn review_by(&self) -> Option<Timestamp> {
        let release = self.release.as_ref();
        release.map(|release| release.at.plus(REVIEW_WITHIN))
    }

    /// Approves, with the time by which a release must have come; refuses with none.
    ///
    /// `line` is the national duty officer's agency, if the protocol names one.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotOutside`], [`Refusal::State`], [`Refusal::Period`].
    pub fn answer(
        &mut self,
        (requester, approver): (&Party, &Party),
        by: Person,
        line: Option<&AgencyId>,
        until: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<(), Refusal> {
        let may = by.agency == approver.agency
            && requester.agency == self.requester
            && (by.agency == self.source || Some(&by.agency) == line);
        if !may || !approver.is_outside(requester) {
            return Err(Refusal::NotOutside);
        }
        self.must_be(AccessState::Requested, at)?;
        if let Some(until) = until {
            check_period(at, until, RELEASE_WITHIN)?;
        }
        self.answer = Some(Answer { by, until });
        Ok(())
    }

    /// Releases `labels` until `until`.
    ///
    /// # Errors
    ///
    /// [`Refusal::State`], [`Refusal::Nothing`], [`Refusal::NotHeld`], [`Refusal::TakenBack`],
    /// [`Refusal::NotAsked`], [`Refusal::Protocol`], [`Refusal::Period`], in this order.
    pub fn release(
        &mut self,
        by: Person,
        labels: LabelSet,
        ground: &Ground<'_>,
        (at, until): (Timestamp, Timestamp),
    ) -> Result<AccessPermit, Refusal> {
        let permit = self.permit_release(labels, ground, at)?;
        check_period(at, until, WINDOW)?;
        self.release = Some(Release {
            by,
            at,
            until,
            labels,
        });
        Ok(permit)
    }

    /// Whether `labels` may be released at `at`: what the source's desk asks before it seals.
    ///
    /// # Errors
    ///
    /// As [`Access::release`], but for the period.
    pub fn permit_release(
        &self,
        labels: LabelSet,
        ground: &Ground<'_>,
        at: Timestamp,
    ) -> Result<AccessPermit, Refusal> {
        self.must_be(AccessState::Approved, at)?;
        if labels.is_empty() {
            return Err(Refusal::Nothing);
        }
        ground.check()?;
        let more = labels.beyond(self.labels.closed());
        if !more.is_empty() {
            return Err(Refusal::NotAsked(more));
        }
        self.check_labels(labels, ground)?;
        Ok(AccessPermit {
            until: self.ends().unwrap_or(at),
            protocol: ground.protocol.version(),
        })
    }

    /// Whether what was released may be opened at `at`.
    ///
    /// # Errors
    ///
    /// [`Refusal::State`], [`Refusal::NotHeld`], [`Refusal::TakenBack`], [`Refusal::Protocol`], in this order.
    pub fn permit_opening(
        &self,
        ground: &Ground<'_>,
        at: Timestamp,
    ) -> Result<AccessPermit, Refusal> {
        self.must_be(AccessState::Released, at)?;
        let Some(release) = &self.release else {
            return Err(Refusal::State(self.state(at)));
        };
        ground.check()?;
        self.check_labels(release.labels, ground)?;
        Ok(AccessPermit {
            until: release.until,
            protocol: ground.protocol.version(),
        })
    }

    /// Notes what a review found. Who reviews is of the source, or oversees (`oversees`), is outside the asking
    /// agency, and neither approved nor released.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotOutside`], [`Refusal::SamePerson`], [`Refusal::State`].
    pub fn review(
        &mut self,
        (requester, reviewer): (&Party, &Party),
        by: &Person,
        oversees: bool,
        finding: AccessFinding,
        at: Timestamp,
    ) -> Result<(), Refusal> {
        let may = by.agency == reviewer.agency
            && requester.agency == self.requester
            && (by.agency == self.source || oversees);
        if !may || !reviewer.is_outside(requester) {
            return Err(Refusal::NotOutside);
        }
        let acted = [
            self.answer.as_ref().map(|answer| &answer.by),
            self.release.as_ref().map(|release| &release.by),
        ];
        if acted.contains(&Some(by)) {
            return Err(Refusal::SamePerson);
        }
        self.must_be(AccessState::Ended, at)?;
        self.review = Some(finding);
        Ok(())
    }

    fn must_be(&self, state: AccessState, at: Timestamp) -> Result<(), Refusal> {
        let now = self.state(at);
        if now == state {
            Ok(())
        } else {
            Err(Refusal::State(now))
        }
    }

    fn check_labels(&self, labels: LabelSet, ground: &Ground<'_>) -> Result<(), Refusal> {
        let allowed = ground.protocol.access(ground.requester_kind, self.reason);
        let denied = ground.protocol.denied_pair(&self.source, &self.requester);
        let more = labels.beyond(allowed.beyond(denied));
        if more.is_empty() {
            Ok(())
        } else {
            Err(Refusal::Protocol(more))
        }
    }
}

#[cfg(test)]
mod tests;
