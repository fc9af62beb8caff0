use super::{CertificateError, CertifiedAgency, Serial, is_trust_domain};
use crate::identity::authority::{Authority, LeafProfile, Usage};
use crate::identity::testing::{TRUST_DOMAIN, authority, client_profile, issue};

fn read(
    authority: &mut Authority,
    change: impl FnOnce(&mut LeafProfile),
) -> Result<CertifiedAgency, CertificateError> {
    let mut profile = client_profile("ngo-a");
    change(&mut profile);
    let leaf = issue(authority, &profile, 1);
    CertifiedAgency::from_verified_leaf(&leaf.certificate, TRUST_DOMAIN)
}

#[test]
fn the_one_uri_names_the_agency() {
    let mut authority = authority();
    let leaf = issue(&mut authority, &client_profile("ngo-a"), 1);
    let agency = CertifiedAgency::from_verified_leaf(&leaf.certificate, TRUST_DOMAIN).unwrap();
    assert_eq!(agency.agency().as_str(), "ngo-a");
    assert_eq!(agency.serial(), &leaf.serial);
    assert_eq!(agency.not_after(), client_profile("ngo-a").not_after);
}

#[test]
fn every_other_set_of_names_is_refused() {
    let uri = |text: &str| text.to_owned();
    let mut authority = authority();
    let good = uri("spiffe://safeconduct.example/agency/ngo-a");
    for uris in [
        vec![],
        vec![
            good.clone(),
            uri("spiffe://safeconduct.example/agency/ngo-b"),
        ],
        vec![good.clone(), good],
        vec![uri("spiffe://elsewhere.example/agency/ngo-a")],
        vec![uri("spiffe://safeconduct.example.evil/agency/ngo-a")],
        vec![uri("SPIFFE://safeconduct.example/agency/ngo-a")],
        vec![uri("spiffe://safeconduct.example/agency/NGO-A")],
        vec![uri("spiffe://safeconduct.example/agency/ngo-a/")],
        vec![uri("spiffe://safeconduct.example/agency/ngo-a?x")],
        vec![uri("spiffe://safeconduct.example/agency/")],
        vec![uri("spiffe://safeconduct.example/router/ngo-a")],
    ] {
        let result = read(&mut authority, |profile| profile.uris = uris.clone());
        assert_eq!(result, Err(CertificateError::Name), "{uris:?}");
    }
    let with_dns = read(&mut authority, |profile| {
        profile.dns.push("ngo-a.example".to_owned());
    });
    assert_eq!(with_dns, Err(CertificateError::Name));
}

#[test]
fn the_extended_key_usage_must_be_there_and_fit() {
    let mut authority = authority();
    for usages in [vec![], vec![Usage::Server], vec![Usage::Signing]] {
        let result = read(&mut authority, |profile| profile.usages = usages.clone());
        assert_eq!(result, Err(CertificateError::Usage), "{usages:?}");
    }
}

#[test]
fn bytes_after_the_certificate_or_missing_ones_are_refused() {
    let mut authority = authority();
    let leaf = issue(&mut authority, &client_profile("ngo-a"), 1);
    let mut longer = leaf.certificate.to_vec();
    longer.push(0);
    let read = |der: &[u8]| CertifiedAgency::from_verified_leaf(der, TRUST_DOMAIN).unwrap_err();
    assert_eq!(read(&longer), CertificateError::Malformed);
    for length in 0..leaf.certificate.len() {
        assert_eq!(
            read(&leaf.certificate[..length]),
            CertificateError::Malformed
        );
    }
}

#[test]
fn a_flipped_byte_never_panics() {
    let mut authority = authority();
    let leaf = issue(&mut authority, &client_profile("ngo-a"), 1);
    for at in 0..leaf.certificate.len() {
        let mut der = leaf.certificate.to_vec();
        der[at] ^= 0x55;
        let _ = CertifiedAgency::from_verified_leaf(&der, TRUST_DOMAIN);
    }
}

#[test]
fn a_serial_prints_and_parses_without_leading_zeros() {
    let serial = Serial::from_der_integer(&[0, 0xab, 1]);
    assert_eq!(serial.to_string(), "ab01");
    assert_eq!(Serial::from_hex("AB01"), Some(serial));
    assert_eq!(Serial::from_hex("ab0"), None);
    assert_eq!(Serial::from_hex(""), None);
}

#[test]
fn a_trust_domain_is_lower_case_and_has_no_slash() {
    assert!(is_trust_domain("safeconduct.example"));
    for bad in ["", "A.example", "a/b", "a b", "ä"] {
        assert!(!is_trust_domain(bad), "{bad}");
    }
}
