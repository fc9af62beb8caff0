//! The gate: may these labels be disclosed, to this recipient, for this purpose, at this stage,
//! now?
//!
//! One pure function, run four times: in the source's desk before sealing, in the router at deposit
//! and again at each opening, and in the auditor's replay with the entry's time. Every parcel
//! deposited or opened takes a [`Permit`], and only this file makes one: code that forgets to ask
//! does not compile. Deny by default, deny wins, all or nothing.
//!
//! Knows nothing of storage, transport or the clock: the caller says what time it is, and which
//! basis heads the chain.

use super::basis::{Basis, BoundsError};
use super::id::AgencyId;
use super::label::{Label, LabelSet};
use super::message;
use super::protocol::{Protocol, Verdict};
use super::time::{Period, Timestamp};
use super::vocabulary::{AgencyKind, Asked, Category, OfferState, Purpose, Stage};

/// The version of the rules in this file, written into every decision so that replay runs the same
/// ones.
pub const GATE_VERSION: u32 = 1;

/// What a source proposes to disclose, or a recipient to open.
#[derive(Debug, Clone, Copy)]
pub struct Proposal<'a> {
    /// Who discloses.
    pub source: &'a AgencyId,
    /// Who is told.
    pub recipient: &'a AgencyId,
    /// What the recipient is enrolled as, now.
    pub recipient_kind: AgencyKind,
    /// For what.
    pub purpose: Purpose,
    /// The parcel's stage.
    pub stage: Stage,
    /// Every label in the parcel.
    pub labels: LabelSet,
}

/// The head of the basis chain that a parcel commits to.
#[derive(Debug, Clone, Copy)]
pub enum BasisHead<'a> {
    /// The latest statement of the chain; earlier ones are superseded and never reach the gate.
    InForce(&'a Basis),
    /// The chain ends with a withdrawal.
    Withdrawn,
    /// The person stopped the case with their card after the latest statement was recorded.
    Paused,
}

/// Proof that one proposal was covered by one basis under one protocol version for one period.
///
/// Not `Clone`: a permit is spent by the disclosure it allows. The sequencer checks the time of the
/// entry against [`Permit::validity`], so that a permit does not outlive what it rests on.
#[derive(Debug)]
#[must_use = "a permit is spent by the disclosure it allows"]
pub struct Permit {
    validity: Period,
    protocol: u64,
}

impl Permit {
    /// The moments at which the disclosure may be recorded: until the first of the covering allows
    /// ends.
    #[must_use]
    pub const fn validity(&self) -> Period {
        self.validity
    }

    /// The protocol version that allowed it.
    #[must_use]
    pub const fn protocol(&self) -> u64 {
        self.protocol
    }

    /// The gate version that decided.
    #[must_use]
    pub const fn gate(&self) -> u32 {
        GATE_VERSION
    }
}

/// Why a proposal was refused. Safe to log: it names no person and no exclusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A parcel without labels tells nothing, and would pass every check on labels.
    #[error("nothing is proposed")]
    Nothing,
    /// The basis names another source, another recipient, or another purpose.
    #[error("the person has not agreed to this recipient for this purpose")]
    NotAllowed,
    /// Withdrawn, not yet begun, or expired.
    #[error("the basis is not in force")]
    NotInForce,
    /// The person stopped the case; the source speaks with them and records a new statement first.
    #[error("the person stopped this case; a statement recorded after speaking with them goes on")]
    Paused,
    /// The basis claims more than its kind can carry, or was asked for in a way that does not reach
    /// this stage.
    #[error("the basis does not carry this: {0}")]
    Bounds(BoundsError),
    /// The basis was asked for through a companion or a child, and reaches triage only.
    #[error("asked through a companion or a child, consent reaches triage only")]
    TriageOnly,
    /// The protocol does not let this kind of recipient have these labels at this stage on this
    /// ground.
    #[error("the protocol does not let this kind of recipient have {0:?} at this stage")]
    Protocol(LabelSet),
    /// The basis does not allow these labels, or not in the way the protocol asks for.
    #[error("the basis does not cover {0:?}")]
    NotCovered(LabelSet),
    /// The offer has not come as far as the parcel's stage, or is over.
    #[error("the offer does not open this stage")]
    Stage,
}

/// Answers whether `proposal` may be deposited `now`.
///
/// All or nothing: trimming a proposal would send less than staff believe they sent, and naming
/// what is withheld would tell that it exists.
///
/// # Errors
///
/// The first [`Refusal`] that applies, in the order the variants are declared, but never
/// [`Refusal::Stage`]: a source may deposit ahead of the decision.
pub fn permit(
    proposal: &Proposal<'_>,
    head: BasisHead<'_>,
    protocol: &Protocol,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    if proposal.labels.is_empty() {
        return Err(Refusal::Nothing);
    }
    let basis = match head {
        BasisHead::InForce(basis) => basis,
        BasisHead::Withdrawn => return Err(Refusal::NotInForce),
        BasisHead::Paused => return Err(Refusal::Paused),
    };
    let purpose = proposal.purpose;
    let for_purpose = || (basis.allows.iter()).filter(|allow| allow.purposes.contains(&purpose));
    let parties = basis.source == *proposal.source && basis.recipient == *proposal.recipient;
    if !parties || for_purpose().next().is_none() {
        return Err(Refusal::NotAllowed);
    }
    if !for_purpose().any(|allow| basis.period(allow).contains(now)) {
        return Err(Refusal::NotInForce);
    }
    (basis.check_bounds(proposal.recipient_kind)).map_err(Refusal::Bounds)?;
    if !basis.reaches(proposal.stage, proposal.recipient_kind) {
        return Err(Refusal::TriageOnly);
    }

    let verdict = |label: Label| protocol.verdict(basis.kind, proposal, label);
    let denied: LabelSet = (proposal.labels.iter())
        .filter(|&label| verdict(label) == Verdict::Never)
        .collect();
    if !denied.is_empty() {
        return Err(Refusal::Protocol(denied));
    }

    let mut uncovered = LabelSet::EMPTY;
    let mut validity = Period {
        from: basis.from,
        until: Timestamp::MAX,
    };
    for label in proposal.labels.iter() {
        let specific = verdict(label) == Verdict::SpecificOnly;
        let longest = for_purpose()
            .filter(|allow| allow.labels.closed().contains(label))
            .filter(|allow| !specific || allow.asked == Asked::Specific)
            .map(|allow| basis.period(allow))
            .filter(|period| period.contains(now))
            .max_by_key(|period| period.until);
        match longest {
            Some(period) => validity = validity.intersection(&period),
            None => uncovered.insert(label),
        }
    }
    if !uncovered.is_empty() {
        return Err(Refusal::NotCovered(uncovered));
    }
    Ok(Permit {
        validity,
        protocol: protocol.version(),
    })
}

/// Answers whether `proposal` may be opened `now`, with the offer in `state`.
///
/// # Errors
///
/// As [`permit`], and last [`Refusal::Stage`].
pub fn permit_opening(
    proposal: &Proposal<'_>,
    state: OfferState,
    head: BasisHead<'_>,
    protocol: &Protocol,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    let permit = permit(proposal, head, protocol, now)?;
    if stage_open(state, proposal.stage) {
        Ok(permit)
    } else {
        Err(Refusal::Stage)
    }
}

/// Answers whether a message from source to recipient may be posted or opened `now`, with the offer in `state`.
///
/// The same rule as for a parcel of the message's stage, which the offer must have reached and still be in or past.
///
/// # Errors
///
/// As [`permit`], and last [`Refusal::Stage`].
pub fn permit_message(
    proposal: &Proposal<'_>,
    state: OfferState,
    head: BasisHead<'_>,
    protocol: &Protocol,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    let permit = permit(proposal, head, protocol, now)?;
    let reached = message::stage_reached(state);
    if reached.is_some_and(|reached| proposal.stage <= reached) {
        Ok(permit)
    } else {
        Err(Refusal::Stage)
    }
}

/// The parties of an offer whose recipient answers in its own words.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// Who asked, and is told now.
    pub source: &'a AgencyId,
    /// Who answers.
    pub recipient: &'a AgencyId,
    /// What it is enrolled as, now.
    pub recipient_kind: AgencyKind,
    /// What the offer is for.
    pub purpose: Purpose,
    /// Every label in the message.
    pub labels: LabelSet,
}

/// Answers whether the recipient may tell the source about the person in its own words `now`.
///
/// Nothing but a STATEMENT: whatever else a recipient learns is the person's to tell. The protocol's table says what
/// recipients get, not what goes back: here the person's own allowance decides.
///
/// # Errors
///
/// The first [`Refusal`] that applies, in the order the variants are declared.
pub fn permit_reply(
    reply: &Reply<'_>,
    state: OfferState,
    head: BasisHead<'_>,
    protocol: &Protocol,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    if reply.labels.is_empty() {
        return Err(Refusal::Nothing);
    }
    let BasisHead::InForce(basis) = head else {
        return Err(Refusal::NotInForce);
    };
    let for_purpose =
        || (basis.allows.iter()).filter(|allow| allow.purposes.contains(&reply.purpose));
    let parties = basis.source == *reply.source && basis.recipient == *reply.recipient;
    if !parties || for_purpose().next().is_none() {
        return Err(Refusal::NotAllowed);
    }
    if !for_purpose().any(|allow| basis.period(allow).contains(now)) {
        return Err(Refusal::NotInForce);
    }
    (basis.check_bounds(reply.recipient_kind)).map_err(Refusal::Bounds)?;
    let others = (reply.labels.iter()).filter(|label| label.category() != Category::Statement);
    let others: LabelSet = others.collect();
    if !others.is_empty() {
        return Err(Refusal::NotCovered(others));
    }
    let longest = for_purpose()
        .filter(|allow| allow.reply)
        .map(|allow| basis.period(allow))
        .filter(|period| period.contains(now))
        .max_by_key(|period| period.until);
    let validity = longest.ok_or(Refusal::NotCovered(reply.labels))?;
    if message::stage_reached(state).is_none() {
        return Err(Refusal::Stage);
    }
    Ok(Permit {
        validity,
        protocol: protocol.version(),
    })
}

/// Whether an offer in `state` lets its recipient open a parcel of `stage`.
///
/// Nothing opens before the recipient is asked. Triage opens from then on until the offer is over;
/// what is sealed for the accepted place from the acceptance on; what is for care from arrival on.
/// Nothing opens when the offer is over, also after COMPLETED: who has helped has opened what it
/// needed, and a later need is a new offer with its own yes.
#[must_use]
pub const fn stage_open(state: OfferState, stage: Stage) -> bool {
    match stage {
        Stage::Triage => !state.is_terminal() && !matches!(state, OfferState::Queued),
        Stage::Accepted => matches!(state, OfferState::Accepted | OfferState::InProgress),
        Stage::InCare => matches!(state, OfferState::InProgress),
    }
}

#[cfg(test)]
mod tests;
