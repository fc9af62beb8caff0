//! Messages between the parties of an offer: how many, how long, and how far the offer lets them go.

use super::vocabulary::{OfferState, Stage};
use std::time::Duration;

/// Most messages of one party of an offer: weeks of a busy exchange, and a bound for what one offer may keep. Counted
/// for each side by itself, so that neither can silence the other.
pub const MESSAGES_PER_SIDE_MAX: u32 = 100;

/// Longest sealed message in bytes: text; copies are attachments.
pub const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// How long after an offer's end its parties may still send each other codes.
pub const AFTER_END: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The stage that an offer in `state` has reached; none when it is over, or its recipient not yet asked.
///
/// A sealed message may tell what a parcel of that stage may, and nothing once the offer is over: as with parcels, a
/// later need is a new offer with its own yes.
#[must_use]
pub const fn stage_reached(state: OfferState) -> Option<Stage> {
    match state {
        OfferState::Offered
        | OfferState::Received
        | OfferState::InformationRequested
        | OfferState::Waitlisted => Some(Stage::Triage),
        OfferState::Accepted => Some(Stage::Accepted),
        OfferState::InProgress => Some(Stage::InCare),
        OfferState::Queued
        | OfferState::Completed
        | OfferState::Declined
        | OfferState::Lapsed
        | OfferState::Closed => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::gate::stage_open;

    /// R3, R16: a message never tells more than a parcel may at that moment.
    #[test]
    fn a_message_goes_no_further_than_a_parcel() {
        for &state in OfferState::ALL {
            match stage_reached(state) {
                Some(stage) => assert!(stage_open(state, stage), "{state}"),
                None => assert!(!state.is_undecided(), "{state}"),
            }
        }
    }
}
