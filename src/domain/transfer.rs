//! Who is responsible for a case: its source, until the person agrees and a recipient says yes.

use super::basis::Basis;
use super::id::{AgencyId, CaseHandle};
use super::time::{Period, Timestamp};
use super::vocabulary::{BasisKind, OfferState, Purpose, TransferAnswer, TransferState};

/// What is to be handed over, and to whom.
#[derive(Debug, Clone, Copy)]
pub struct Handover<'a> {
    /// Who is responsible now.
    pub source: &'a AgencyId,
    /// Who would be.
    pub recipient: &'a AgencyId,
    /// The case.
    pub case: CaseHandle,
}

/// For how long the person's consent says so: an allow for ONWARD_REFERRAL that names the recipient and is in force.
#[must_use]
pub fn agreed(basis: &Basis, handover: &Handover<'_>, now: Timestamp) -> Option<Period> {
    let named = basis.kind == BasisKind::Consent
        && basis.source == *handover.source
        && basis.recipient == *handover.recipient
        && basis.case == handover.case;
    let onward = basis.allows.iter().filter(|allow| {
        named
            && allow.purposes.contains(&Purpose::OnwardReferral)
            && basis.period(allow).contains(now)
    });
    onward
        .map(|allow| basis.period(allow))
        .max_by_key(|period| period.until)
}

/// Whether a transfer may be proposed: by the one who is responsible, to one who has said yes to helping.
#[must_use]
pub const fn may_propose(offer: OfferState, transfer: Option<TransferState>) -> bool {
    is_under_way(offer) && matches!(transfer, None | Some(TransferState::Declined))
}

/// Where an answer leads; none when nothing is proposed, or the offer is over.
#[must_use]
pub const fn answered(
    offer: OfferState,
    transfer: Option<TransferState>,
    answer: TransferAnswer,
) -> Option<TransferState> {
    match (is_under_way(offer), transfer, answer) {
        (true, Some(TransferState::Proposed), TransferAnswer::Accept) => {
            Some(TransferState::Accepted)
        }
        (true, Some(TransferState::Proposed), TransferAnswer::Decline) => {
            Some(TransferState::Declined)
        }
        _ => None,
    }
}

/// Whether the recipient is responsible.
#[must_use]
pub const fn is_transferred(transfer: Option<TransferState>) -> bool {
    matches!(transfer, Some(TransferState::Accepted))
}

const fn is_under_way(offer: OfferState) -> bool {
    matches!(offer, OfferState::Accepted | OfferState::InProgress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_accepted_offer_is_transferred_and_only_once() {
        use TransferState::{Accepted, Declined, Proposed};
        for &offer in OfferState::ALL {
            let under_way = is_under_way(offer);
            for transfer in [None, Some(Proposed), Some(Accepted), Some(Declined)] {
                let free = matches!(transfer, None | Some(Declined));
                assert_eq!(may_propose(offer, transfer), under_way && free);
                let yes = answered(offer, transfer, TransferAnswer::Accept);
                let no = answered(offer, transfer, TransferAnswer::Decline);
                let open = under_way && transfer == Some(Proposed);
                assert_eq!(
                    (yes, no),
                    if open {
                        (Some(Accepted), Some(Declined))
                    } else {
                        (None, None)
                    }
                );
            }
        }
        assert!(is_transferred(Some(Accepted)) && !is_transferred(Some(Proposed)));
    }
}
