//! The lawful ground of a disclosure, and what each kind of ground may never exceed.
//!
//! A basis names one recipient. It is parsed from a signed statement elsewhere; here it is only
//! judged.

use super::id::{AgencyId, BasisChainId, CaseHandle};
use super::label::LabelSet;
use super::time::{Period, Timestamp};
use super::vocabulary::{
    AgencyKind, Asked, Assent, BasisKind, ChildTold, ChildView, GivenBy, GuardianRelation,
    InterpreterClass, Purpose, Stage,
};
use std::time::Duration;

mod bounds;

pub use bounds::{IDENTIFYING, ceiling, is_dutiful, needs_own_conversation};

/// The longest that a basis may allow anything: nothing is endless (twelve months, and a leap day).
pub const BASIS_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The longest that an emergency lasts without somebody's yes.
pub const VITAL_INTEREST_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Most allows in one basis.
pub const ALLOWS_MAX: usize = 32;

/// One signed statement: who may be told what, for what, until when, and on which ground.
#[derive(Clone, PartialEq, Eq)]
pub struct Basis {
    /// The chain, one per case and recipient.
    pub chain: BasisChainId,
    /// Who discloses.
    pub source: AgencyId,
    /// Who is told: always one named agency.
    pub recipient: AgencyId,
    /// The source's handle of the case.
    pub case: CaseHandle,
    /// Position in the chain, from 1; a later statement supersedes the earlier ones.
    pub seq: u64,
    /// First moment in force.
    pub from: Timestamp,
    /// The ground.
    pub kind: BasisKind,
    /// What is allowed; nothing else is.
    pub allows: Vec<Allow>,
    /// Who gave it.
    pub given_by: GivenBy,
    /// Whether the person was asked alone.
    pub asked_alone: bool,
    /// Who interpreted.
    pub interpreter: InterpreterClass,
    /// Whether a child was told first.
    pub child_told: ChildTold,
    /// What else is recorded of a person who is treated as a child; nothing of an adult.
    pub for_child: ForChild,
}

/// What is recorded besides of a person who is treated as a child: codes only, never their words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForChild {
    /// The guardian, when one gave the basis.
    pub guardian: Option<Guardian>,
    /// Whether the child's own view was heard.
    pub view: ChildView,
    /// Whether the child agreed to what a guardian consented to.
    pub assent: Assent,
}

/// Nothing: the person is an adult.
impl Default for ForChild {
    fn default() -> Self {
        Self {
            guardian: None,
            view: ChildView::NotApplicable,
            assent: Assent::NotApplicable,
        }
    }
}

/// Who consents for a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guardian {
    /// What they are to the child.
    pub relation: GuardianRelation,
    /// Whether somebody checked that they are.
    pub verified: bool,
    /// Whether their interest may stand against the child's: then they do not consent at all.
    pub conflict: bool,
}

/// One thing that a basis allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// For these purposes.
    pub purposes: Vec<Purpose>,
    /// These labels; a form includes those below it ([`LabelSet::closed`]).
    pub labels: LabelSet,
    /// How they were asked for.
    pub asked: Asked,
    /// First moment no longer allowed.
    pub until: Timestamp,
    /// Whether the recipient may answer about the person in its own words.
    pub reply: bool,
}

/// Why a basis claims more than its kind can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BoundsError {
    /// It allows nothing, or an allow is empty.
    #[error("the basis allows nothing")]
    Empty,
    /// Too many allows.
    #[error("more than {ALLOWS_MAX} allows")]
    TooMany,
    /// An allow ends before it begins, or lasts longer than its kind may.
    #[error("an allow does not end after it begins and within what its kind may last")]
    Period,
    /// This kind of ground does not reach this kind of recipient.
    #[error("a basis of kind {0} does not reach a recipient of kind {1}")]
    Recipient(BasisKind, AgencyKind),
    /// This kind of ground does not serve this purpose with this kind of recipient.
    #[error("a basis of kind {0} does not serve {2} with a recipient of kind {1}")]
    Purpose(BasisKind, AgencyKind, Purpose),
    /// This kind of ground never carries these labels.
    #[error("a basis of kind {0} never carries {1:?} to a recipient of kind {2}")]
    Labels(BasisKind, LabelSet, AgencyKind),
    /// Nobody gave the consent.
    #[error("consent is given by the person or a guardian")]
    Giver,
    /// To this kind of recipient the person must have been asked alone, with an interpreter who is
    /// no companion or child.
    #[error(
        "consent for a recipient of kind {0} is asked alone, not through a companion or a child"
    )]
    NotAlone(AgencyKind),
    /// Asked through a companion or a child: no label that says who the person is.
    #[error("asked through a companion or a child, consent does not cover {0:?}")]
    Interpreter(LabelSet),
    /// The child was not told first, and no reason is recorded.
    #[error("the child is told first, or the reason why not is recorded")]
    ChildNotTold,
    /// The child's own view is missing, and why it was not heard.
    #[error("the child's view is recorded, or why it was not heard")]
    ChildNotHeard,
    /// A guardian's consent without saying who the guardian is, or a guardian where none consented.
    #[error("a guardian's consent says what the guardian is to the child, and no other basis does")]
    Guardian,
    /// The guardian's interest may stand against the child's.
    #[error("a guardian whose interest may stand against the child's does not consent")]
    GuardianConflict,
    /// A guardian consents for a child, and for nobody else.
    #[error("a guardian consents only for a person treated as a child, whose assent is recorded")]
    GuardianOfAdult,
    /// Nobody checked that the guardian is one: no label that says who the child is.
    #[error("the consent of a guardian whom nobody verified does not cover {0:?} here")]
    GuardianUnverified(LabelSet),
}

impl Basis {
    /// Whether the basis stays within what its kind may carry to a recipient of `recipient_kind`.
    ///
    /// Checked when it is recorded and again by the gate: an agency's kind may have changed since.
    ///
    /// # Errors
    ///
    /// The first [`BoundsError`] that applies, in the order the variants are declared.
    pub fn check_bounds(&self, recipient_kind: AgencyKind) -> Result<(), BoundsError> {
        bounds::check(self, recipient_kind)
    }

    /// The moments at which `allow` counts.
    #[must_use]
    pub const fn period(&self, allow: &Allow) -> Period {
        Period {
            from: self.from,
            until: allow.until,
        }
    }

    /// Whether anything is allowed at `at`.
    #[must_use]
    pub fn in_force(&self, at: Timestamp) -> bool {
        let mut allows = self.allows.iter();
        allows.any(|allow| self.period(allow).contains(at))
    }

    /// First moment at which nothing is allowed any more.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        let until = self.allows.iter().map(|allow| allow.until).max();
        until.unwrap_or(self.from)
    }

    /// Whether consent was asked through somebody before whom a person may not speak freely.
    ///
    /// Such a consent allows triage without identity only, until the person is asked again alone
    /// (R8).
    #[must_use]
    pub const fn asked_through_companion(&self) -> bool {
        matches!(self.kind, BasisKind::Consent)
            && matches!(
                self.interpreter,
                InterpreterClass::Companion | InterpreterClass::Child
            )
    }

    /// Whether somebody consented as guardian whom nobody verified, and the recipient's task is not to find that out.
    ///
    /// An exploiter travels as an uncle (R9): to all but child protection and the guardian service such a consent
    /// says as little as one asked through a companion.
    #[must_use]
    pub const fn by_unverified_guardian(&self, recipient_kind: AgencyKind) -> bool {
        matches!(self.kind, BasisKind::Consent)
            && matches!(self.given_by, GivenBy::Guardian)
            && !matches!(
                self.for_child.guardian,
                Some(Guardian { verified: true, .. })
            )
            && !matches!(
                recipient_kind,
                AgencyKind::ChildProtection | AgencyKind::GuardianService
            )
    }

    /// Whether the way it was asked for reaches `stage` at a recipient of `recipient_kind`.
    #[must_use]
    pub const fn reaches(&self, stage: Stage, recipient_kind: AgencyKind) -> bool {
        let triage_only =
            self.asked_through_companion() || self.by_unverified_guardian(recipient_kind);
        !triage_only || matches!(stage, Stage::Triage)
    }

    /// Whether the recipient may answer about the person in its own words, for `purpose` at `at`.
    #[must_use]
    pub fn allows_reply(&self, purpose: Purpose, at: Timestamp) -> bool {
        let mut allows = self.allows.iter();
        allows.any(|allow| {
            allow.reply && allow.purposes.contains(&purpose) && self.period(allow).contains(at)
        })
    }
}

/// Names the chain only: the rest would say who asks whom about a case.
impl std::fmt::Debug for Basis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Basis({}/{})", self.chain, self.seq)
    }
}

#[cfg(test)]
mod tests;
