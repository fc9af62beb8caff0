use super::*;
use crate::domain::id::OfferId;
use crate::exchange::OfferName;
use proptest::prelude::*;

proptest! {
    #[test]
    fn every_name_parses_back(text in "[a-z0-9-]{1,63}", bytes: [u8; 16]) {
        let id: AgencyId = text.parse().expect("the strategy makes agency ids");
        prop_assert_eq!(parse_agency(&agency(&id)), Ok(id));
        let id = ProposalId::from_random(bytes);
        prop_assert_eq!(parse_proposal(&proposal(id)), Ok(id));
    }

    #[test]
    fn no_text_panics_and_what_parses_prints_the_same(text in ".{0,120}") {
        if let Ok(id) = parse_agency(&text) {
            prop_assert_eq!(agency(&id), text.clone());
        }
        if let Ok(name) = text.parse::<OfferName>() {
            prop_assert_eq!(name.to_string(), text);
        }
    }
}

#[test]
fn near_misses_are_refused() {
    let name = OfferName {
        agency: "shelter-1".parse().expect("an agency id"),
        offer: OfferId::from_random([7; 16]),
    };
    let good = name.to_string();
    assert_eq!(good.parse::<OfferName>(), Ok(name));
    for bad in [
        String::new(),
        format!("/{good}"),
        format!("{good}/"),
        format!("{good}/x"),
        good.to_uppercase(),
        good.replace("offers", "referrals"),
        good.replace("shelter-1", ""),
        good.replace("shelter-1", "shelter_1"),
        good[..good.len() - 1].to_owned(),
        format!(" {good}"),
        format!("{good}\0"),
    ] {
        assert!(bad.parse::<OfferName>().is_err(), "{bad:?}");
    }
}
