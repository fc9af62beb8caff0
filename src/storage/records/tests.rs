use super::key;
use super::offer::OfferRecord;
use super::*;
use crate::domain::id::{AgencyId, BasisChainId, OfferId};
use crate::domain::vocabulary::Stage;

#[test]
fn a_record_that_does_not_decode_is_corrupt() {
    let stored = Stored {
        version: 1,
        value: vec![0xff, 0xff, 0xff],
    };
    assert!(matches!(
        OfferRecord::from_stored(&stored),
        Err(StorageError::Corrupt(_))
    ));
}

#[test]
fn no_agencys_rows_stand_under_anothers_prefix() {
    let short: AgencyId = "ngo".parse().expect("an id");
    let long: AgencyId = "ngo-north".parse().expect("an id");
    let row = key::numbered(&long, 7);
    assert!(!row.starts_with(&key::of_agency(&short)));
    assert!(row.starts_with(&key::of_agency(&long)));
    assert_eq!(key::number(&row), Some(7));
}

#[test]
fn numbered_rows_stand_in_the_order_of_their_numbers() {
    let agency: AgencyId = "ngo".parse().expect("an id");
    assert!(key::numbered(&agency, 255) < key::numbered(&agency, 256));
}

#[test]
fn a_chains_parcel_is_found_again() {
    let [ngo, other]: [AgencyId; 2] = ["ngo", "ngo-2"].map(|id| id.parse().expect("an id"));
    let chain = BasisChainId::from_random([1; 16]);
    let offer = OfferId::from_random([2; 16]);
    for &stage in Stage::ALL {
        let key = key::chain_parcel(&ngo, chain, offer, stage);
        assert!(key.starts_with(&key::basis(&ngo, chain)));
        assert!(!key.starts_with(&key::basis(&other, chain)));
        assert_eq!(key::split_chain_parcel(&key), Some((offer, stage)));
    }
    assert_eq!(key::split_chain_parcel(&[1; 33]), None);
}
