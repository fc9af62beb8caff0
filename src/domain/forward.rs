//! Passing on: a recipient asks another agency, with what it was told itself and the person agreed it may pass on
//! (R5, invariant 14).
//!
//! The source compiles the list of those who may be told next, and how far; it narrows at every hop and never widens.
//! The one who passes on needs a basis of its own that names the next recipient: that is the gate's to ask. This rule
//! is run by the desk that passes on, by the router, by the recipient and by the auditor's replay.

use super::id::AgencyId;
use super::label::LabelSet;

/// What one parcel lets its recipient pass on.
#[derive(Debug, Clone, Copy)]
pub struct Granted<'a> {
    /// To whom.
    pub recipients: &'a [AgencyId],
    /// How many hops are left.
    pub hops: u8,
    /// What.
    pub labels: LabelSet,
}

/// The parcel that is passed on.
#[derive(Debug, Clone, Copy)]
pub struct Onward<'a> {
    /// Who held it before: the original source first, who passes it on last.
    pub holders: &'a [AgencyId],
    /// To whom it goes.
    pub recipient: &'a AgencyId,
    /// What it lets its recipient pass on in turn.
    pub granted: Granted<'a>,
}

/// One answer for every rule: which of them was broken would say whom the person left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the person has not agreed to this recipient")]
pub struct NotAgreed;

/// Whether what `parent` grants covers `onward`.
///
/// # Errors
///
/// [`NotAgreed`] unless the recipient is on the parent's list and never held it, the hops lessen, and neither list nor
/// labels widen.
pub fn covers(parent: &Granted<'_>, onward: &Onward<'_>) -> Result<(), NotAgreed> {
    let granted = &onward.granted;
    let listed = |agency: &AgencyId| parent.recipients.contains(agency);
    let covered = listed(onward.recipient)
        && !onward.holders.contains(onward.recipient)
        && granted.hops < parent.hops
        && granted.recipients.iter().all(listed)
        && !granted.labels.is_empty()
        && granted.labels.beyond(parent.labels).is_empty();
    if covered { Ok(()) } else { Err(NotAgreed) }
}

#[cfg(test)]
mod tests;
