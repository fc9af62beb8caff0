use super::super::vocabulary::{OfferState as O, ReferralState as R};
use proptest::prelude::*;

#[test]
fn the_state_follows_from_the_offers() {
    let cases: [(&[O], bool, bool, R); 13] = [
        (&[], false, false, R::Open),
        (&[O::Offered, O::Declined], false, false, R::Open),
        (&[O::Lapsed, O::Queued], false, false, R::Open),
        (&[O::Lapsed, O::Waitlisted], false, false, R::Open),
        (&[O::Lapsed, O::Declined], false, false, R::Unplaced),
        (&[O::Closed, O::Accepted], false, false, R::Placed),
        (&[O::Closed, O::InProgress], false, false, R::InProgress),
        (&[O::Closed, O::Completed], false, false, R::Completed),
        (&[O::Closed], true, false, R::Recalled),
        (&[O::Closed], false, true, R::Withdrawn),
        (&[O::Closed], true, true, R::Withdrawn),
        (&[O::InProgress], false, true, R::InProgress),
        (&[O::Accepted], true, true, R::Placed),
    ];
    for (offers, recalled, withdrawn, expected) in cases {
        let state = R::derive(offers.iter().copied(), recalled, withdrawn);
        assert_eq!(state, expected, "{offers:?} {recalled} {withdrawn}");
    }
}

proptest! {
    /// The order of the offers says nothing: no candidate is the first in line.
    #[test]
    fn the_order_of_offers_does_not_matter(
        mut offers in prop::collection::vec(prop::sample::select(O::ALL), 0..6),
        recalled: bool,
        withdrawn: bool,
    ) {
        let state = R::derive(offers.iter().copied(), recalled, withdrawn);
        offers.reverse();
        prop_assert_eq!(state, R::derive(offers.iter().copied(), recalled, withdrawn));
    }
}
