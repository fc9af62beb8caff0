//! What may happen to one candidate's answer.
//!
//! At most one decision per offer, and terminal states stay (invariant 7).

use super::vocabulary::{DeclineReason, Decliner, OfferState, Outcome};

/// Something that somebody does to an offer, or that time does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferCommand {
    /// Its turn has come: the recipient is asked.
    Turn,
    /// The recipient says that it has seen the offer. Opening the triage parcel does not say so.
    Acknowledge,
    /// The recipient needs to know more.
    RequestInformation,
    /// The source answers.
    AnswerInformation,
    /// The recipient keeps the offer waiting for a place.
    Waitlist,
    /// The recipient says yes.
    Accept,
    /// The recipient, or the person at its door, says no.
    Decline {
        /// The coded, true reason.
        reason: DeclineReason,
        /// Who said no.
        decliner: Decliner,
    },
    /// The person arrived, or the service began.
    CheckIn,
    /// The service ended.
    Complete {
        /// How.
        outcome: Outcome,
    },
    /// The time to decide ran out.
    Lapse,
    /// The source recalled, closed, or another candidate was first.
    Close,
    /// The basis was withdrawn.
    Withdraw,
}

/// Why an offer may not make a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// The answer came too late. The person was offered elsewhere.
    #[error("the offer has lapsed")]
    Lapsed,
    /// The state does not allow the act.
    #[error("not allowed while the offer is {from}")]
    From {
        /// The state.
        from: OfferState,
    },
}

/// What a transition does to the places held or taken for the offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlacesEffect {
    /// Nothing.
    None,
    /// A hold, if there is one, is released.
    ReleaseHeld,
    /// Places are taken until arrival, from the hold or from what is free.
    Take,
    /// Places taken become occupied.
    Occupy,
    /// Places taken are released: nobody came.
    ReleaseTaken,
    /// Occupied places are free again.
    Leave,
}

impl OfferState {
    /// Whether the recipient has still to decide.
    ///
    /// With those next in line ([`OfferState::is_open`]) these are the siblings that a first acceptance
    /// closes, and what a recall or a withdrawal closes.
    #[must_use]
    pub const fn is_undecided(self) -> bool {
        matches!(
            self,
            Self::Offered | Self::Received | Self::InformationRequested | Self::Waitlisted
        )
    }

    /// Whether an answer may still come: from a recipient that was asked, or from one that is next in line.
    #[must_use]
    pub const fn is_open(self) -> bool {
        self.is_undecided() || matches!(self, Self::Queued)
    }

    /// Whether nothing can change any more.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Declined | Self::Lapsed | Self::Closed
        )
    }

    /// Whether time can make the offer lapse: a candidate with a waiting list has answered.
    #[must_use]
    pub const fn can_lapse(self) -> bool {
        matches!(
            self,
            Self::Offered | Self::Received | Self::InformationRequested
        )
    }

    /// The state after `command`.
    ///
    /// An answer to a question returns the offer to `RECEIVED`, also when it had been waitlisted:
    /// there is something new to decide on, and its clock runs again. A withdrawal leaves an
    /// accepted offer, and one that is over, as it is: a placement never ends because consent was
    /// withdrawn, and a withdrawal can always be recorded.
    ///
    /// # Errors
    ///
    /// [`NotAllowed::Lapsed`] for a recipient's late answer, [`NotAllowed::From`] otherwise.
    pub const fn apply(self, command: &OfferCommand) -> Result<Self, NotAllowed> {
        use OfferCommand as C;
        let to = match (self, command) {
            (Self::Queued, C::Turn) => Self::Offered,
            (Self::Offered, C::Acknowledge) => Self::Received,
            (Self::Received | Self::Waitlisted, C::RequestInformation) => {
                Self::InformationRequested
            }
            (Self::InformationRequested, C::AnswerInformation) => Self::Received,
            (Self::Received, C::Waitlist) => Self::Waitlisted,
            (from, C::Accept) if from.is_undecided() => Self::Accepted,
            (from, C::Decline { .. }) if from.is_undecided() => Self::Declined,
            (Self::Accepted, C::CheckIn) => Self::InProgress,
            (Self::Accepted | Self::InProgress, C::Complete { .. }) => Self::Completed,
            (from, C::Lapse) if from.can_lapse() => Self::Lapsed,
            (from, C::Close | C::Withdraw) if from.is_open() => Self::Closed,
            (from, C::Withdraw) => from,
            (Self::Lapsed, _) if !matches!(command, C::Lapse | C::Close | C::Turn) => {
                return Err(NotAllowed::Lapsed);
            }
            (from, _) => return Err(NotAllowed::From { from }),
        };
        Ok(to)
    }

    /// What moving from `self` to `to` does to places.
    #[must_use]
    pub const fn places_effect(self, to: Self) -> PlacesEffect {
        match (self, to) {
            (from, Self::Accepted) if from.is_undecided() => PlacesEffect::Take,
            (from, Self::Declined | Self::Lapsed | Self::Closed) if from.is_undecided() => {
                PlacesEffect::ReleaseHeld
            }
            (Self::Accepted, Self::InProgress) => PlacesEffect::Occupy,
            (Self::Accepted, Self::Completed) => PlacesEffect::ReleaseTaken,
            (Self::InProgress, Self::Completed) => PlacesEffect::Leave,
            _ => PlacesEffect::None,
        }
    }
}

#[cfg(test)]
mod tests;
