use super::*;
use proptest::prelude::*;

fn agency_id() -> impl Strategy<Value = AgencyId> {
    "[a-z0-9-]{1,63}".prop_map(|text| text.parse().expect("the strategy makes agency ids"))
}

proptest! {
    #[test]
    fn every_name_parses_back(agency_id in agency_id(), bytes: [u8; 16], pool_text in "[a-z0-9-]{1,63}") {
        prop_assert_eq!(parse_agency(&agency(&agency_id)), Ok(agency_id.clone()));
        let id = OfferId::from_random(bytes);
        prop_assert_eq!(parse_offer(&offer(&agency_id, id)), Ok((agency_id.clone(), id)));
        let id = ReferralId::from_random(bytes);
        prop_assert_eq!(parse_referral(&referral(&agency_id, id)), Ok((agency_id.clone(), id)));
        let id = BasisChainId::from_random(bytes);
        prop_assert_eq!(parse_basis(&basis(&agency_id, id)), Ok((agency_id.clone(), id)));
        let id: PoolId = pool_text.parse().expect("the strategy makes pool ids");
        prop_assert_eq!(parse_pool(&pool(&agency_id, &id)), Ok((agency_id, id)));
        let id = ProposalId::from_random(bytes);
        prop_assert_eq!(parse_proposal(&proposal(id)), Ok(id));
    }

    #[test]
    fn no_text_panics_and_what_parses_prints_the_same(text in ".{0,120}") {
        if let Ok(id) = parse_agency(&text) {
            prop_assert_eq!(agency(&id), text.clone());
        }
        if let Ok((viewer, id)) = parse_offer(&text) {
            prop_assert_eq!(offer(&viewer, id), text);
        }
    }
}

#[test]
fn near_misses_are_refused() {
    let good = offer(
        &"shelter-1".parse().expect("an agency id"),
        OfferId::from_random([7; 16]),
    );
    assert!(parse_offer(&good).is_ok());
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
        assert!(parse_offer(&bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_bad_name_does_not_repeat_what_came() {
    let error = parse_offer("agencies/someone/offers/Maria").expect_err("not base32");
    assert_eq!(
        error.to_string(),
        "must be a resource name agencies/{agency}/offers/{offer}"
    );
}
