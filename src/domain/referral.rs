//! Where a referral stands follows from its offers; nobody sets it.

use super::vocabulary::{OfferState, ReferralState};

impl ReferralState {
    /// The state that follows from the offers, and from whether the source recalled or the basis
    /// was withdrawn.
    ///
    /// What happened to the person comes first: a placement stays a placement after a withdrawal or
    /// a recall. Without any offer yet the referral is `OPEN`; with none left to hope for it is
    /// `UNPLACED`. `EXPIRED` and `ENTERED_IN_ERROR` are not derived: they are acts of the source.
    #[must_use]
    pub fn derive(
        offers: impl Iterator<Item = OfferState>,
        recalled: bool,
        withdrawn: bool,
    ) -> Self {
        let (mut any, mut undecided) = (false, false);
        let (mut placed, mut in_progress, mut completed) = (false, false, false);
        for offer in offers {
            any = true;
            undecided |= offer.is_open();
            placed |= offer == OfferState::Accepted;
            in_progress |= offer == OfferState::InProgress;
            completed |= offer == OfferState::Completed;
        }
        match () {
            () if in_progress => Self::InProgress,
            () if placed => Self::Placed,
            () if completed => Self::Completed,
            () if withdrawn => Self::Withdrawn,
            () if recalled => Self::Recalled,
            () if any && !undecided => Self::Unplaced,
            () => Self::Open,
        }
    }

    /// Whether another candidate may be asked.
    #[must_use]
    pub const fn accepts_offers(self) -> bool {
        matches!(self, Self::Open | Self::Unplaced)
    }
}

#[cfg(test)]
mod tests;
