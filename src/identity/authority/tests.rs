use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{Authority, AuthorityError, Keep, RevocationReason};
use crate::identity::certificate::Serial;
use crate::identity::testing::{Counter, DAY, authority, client_profile, issue, now};

fn text_of(der: &[u8]) -> X509Certificate<'_> {
    X509Certificate::from_der(der).unwrap().1
}

#[test]
fn issuers_and_leaves_have_what_the_profile_demands() {
    let mut authority = authority();
    let leaf = issue(&mut authority, &client_profile("ngo-a"), 1);
    let issuer = text_of(&leaf.issuer);
    let constraints = issuer.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = issuer.key_usage().unwrap().unwrap().value;
    assert!(usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());
    for certificate in [&issuer, &text_of(&leaf.certificate)] {
        let oids: Vec<String> = certificate
            .extensions()
            .iter()
            .map(|extension| extension.oid.to_id_string())
            .collect();
        for needed in ["2.5.29.14", "2.5.29.35", "2.5.29.15", "2.5.29.19"] {
            assert!(oids.iter().any(|oid| oid == needed), "{needed} in {oids:?}");
        }
        assert_eq!(certificate.raw_serial().len(), 16);
    }
}

#[test]
fn an_authority_taken_up_again_goes_on_where_it_was() {
    let mut authority = authority();
    let leaf = issue(&mut authority, &client_profile("ngo-a"), 1);
    let reason = RevocationReason::Superseded;
    authority.revoke(&leaf.serial, reason, now()).unwrap();
    let mut again = Authority::restore(authority.keep()).unwrap();
    assert_eq!(again.index(), authority.index());
    let twice = again.revoke(&leaf.serial, reason, now());
    assert_eq!(twice, Err(AuthorityError::Revoked));
    let lists = again.revocation_lists(now(), 7 * DAY).unwrap();
    assert!(lists.root_pem.is_some());
}

#[test]
fn a_key_that_is_not_its_certificates_is_refused() {
    let (ours, theirs) = (authority().keep(), authority().keep());
    let mixed = Keep {
        issuing_key_pem: theirs.issuing_key_pem,
        ..ours
    };
    assert_eq!(
        Authority::restore(mixed).unwrap_err(),
        AuthorityError::State
    );
}

#[test]
fn a_serial_never_issued_cannot_be_revoked() {
    let serial = Serial::from_hex("4001").unwrap();
    let result = authority().revoke(&serial, RevocationReason::Unspecified, now());
    assert_eq!(result, Err(AuthorityError::UnknownSerial));
}

#[test]
fn a_routers_names_are_dns_names_and_addresses() {
    let mut authority = authority();
    let mut issue = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        authority.issue_router(&names, now(), DAY, &mut Counter(9))
    };
    assert!(issue(&["localhost", "127.0.0.1", "::1"]).is_ok());
    assert_eq!(issue(&[]).unwrap_err(), AuthorityError::Name);
    assert_eq!(issue(&["not a name"]).unwrap_err(), AuthorityError::Name);
}
