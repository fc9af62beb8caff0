//! A family that is declined with OTHER: two persons say so, for all of them at once.

use super::*;
use crate::storage::engine::Engine as _;

#[tokio::test]
async fn a_family_is_declined_with_other_by_two_persons_together() {
    let mut town = Town::begin().await;
    let group = family(&mut town, &["north"], true).await;
    let (offers, north) = at(&town, &group, "north").await;
    let (exchange, who) = (&town.exchange, town.intake("north"));
    let (other, agency) = (DeclineReason::Other, Decliner::Agency);
    let requested = fresh();
    let before = town.engine.head().size;
    let said = exchange.decline_group(&who, &north, requested, other, agency);
    let said = said.await.expect("proposed");
    assert!(
        said.receipts
            .iter()
            .all(|receipt| receipt.is_proposed_decline())
    );
    assert_eq!(said.offers, offers);
    assert_eq!(town.events(before), ["decline_proposed"; 4]);
    for name in &offers {
        let seen = exchange.offer(&who, name).await.expect("seen");
        assert_eq!(
            (seen.state, seen.decline_proposed),
            (OfferState::Offered, true)
        );
    }
    // Invariant 6: told the same again. The same person is no second one, for all of them or for one.
    let again = exchange.decline_group(&who, &north, requested, other, agency);
    assert_eq!(again.await.expect("remembered").offers, offers);
    let alone = exchange.decline_group(&who, &north, fresh(), other, agency);
    assert_eq!(alone.await.err(), Some(Refusal::NeedsSecondPerson));
    let colleague = town.intake("north").with_staff("staff-2");
    let one = exchange.decline_offer(&colleague, &offers[0], fresh(), other, agency);
    assert_eq!(one.await.err(), Some(Refusal::Group));

    let declined = exchange.decline_group(&colleague, &north, fresh(), other, agency);
    let declined = declined.await.expect("declined");
    assert!(
        !declined
            .receipts
            .iter()
            .any(|receipt| receipt.is_proposed_decline())
    );
    for name in &offers {
        let seen = exchange.offer(&who, name).await.expect("seen");
        assert_eq!(
            (seen.state, seen.reason),
            (OfferState::Declined, Some(other))
        );
    }
    assert_eq!(town.replayed(), []);
}

/// What was proposed for one of them alone is no proposal for the others: each has another person before the second.
#[tokio::test]
async fn a_proposal_for_one_is_none_for_the_others() {
    let mut town = Town::begin().await;
    let group = family(&mut town, &["north"], true).await;
    let (offers, north) = at(&town, &group, "north").await;
    let (exchange, who) = (&town.exchange, town.intake("north"));
    let other = DeclineReason::Other;
    let one = exchange.decline_offer(&who, &offers[0], fresh(), other, Decliner::Person);
    assert!(one.await.expect("proposed").is_proposed_decline());
    let colleague = town.intake("north").with_staff("staff-2");
    for (who, done) in [(&colleague, false), (&who, true)] {
        let said = exchange.decline_group(who, &north, fresh(), other, Decliner::Agency);
        let said = said.await.expect("said");
        let proposed = said
            .receipts
            .iter()
            .all(|receipt| receipt.is_proposed_decline());
        assert_eq!(proposed, !done);
    }
    assert_eq!(town.replayed(), []);
}
