use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use super::{SigningCertificate, TrustStore, verify_signing_chain};
use crate::domain::time::Timestamp;
use crate::identity::authority::{Authority, IssuedLeaf, RevocationReason, Usage};
use crate::identity::certificate::CertificateError;
use crate::identity::testing::{DAY, TRUST_DOMAIN, authority, client_profile, issue, now};

fn trust(authority: &Authority) -> TrustStore {
    let root = CertificateDer::from_pem_slice(authority.root_pem().as_bytes()).unwrap();
    TrustStore::new([&root]).unwrap()
}

fn with_lists(authority: &mut Authority) -> TrustStore {
    let lists = authority.revocation_lists(now(), 7 * DAY).unwrap();
    let text = lists.root_pem.unwrap() + &lists.issuing_pem;
    let lists: Vec<_> = CertificateRevocationListDer::pem_slice_iter(text.as_bytes())
        .map(Result::unwrap)
        .collect();
    trust(authority).with_revocation_lists(&lists).unwrap()
}

fn verify(
    leaf: &IssuedLeaf,
    trust: &TrustStore,
    at: Timestamp,
) -> Result<SigningCertificate, CertificateError> {
    let issuers = [leaf.issuer.clone()];
    verify_signing_chain(&leaf.certificate, &issuers, trust, at, TRUST_DOMAIN)
}

fn signing(authority: &mut Authority, usages: Vec<Usage>) -> IssuedLeaf {
    let mut profile = client_profile("ngo-a");
    profile.usages = usages;
    issue(authority, &profile, 1)
}

#[test]
fn a_signing_chain_verifies_until_it_ends() {
    let mut authority = authority();
    let leaf = signing(&mut authority, vec![Usage::Signing]);
    let trust = with_lists(&mut authority);
    let certificate = verify(&leaf, &trust, now()).unwrap();
    assert_eq!(certificate.agency().as_str(), "ngo-a");
    assert_eq!(certificate.public_key_sec1()[0], 4);
    let late = verify(&leaf, &trust, now().plus(91 * DAY));
    assert_eq!(late, Err(CertificateError::Untrusted));
}

#[test]
fn only_our_usage_alone_may_sign() {
    let mut authority = authority();
    let trust = trust(&authority);
    for usages in [
        vec![],
        vec![Usage::Client],
        vec![Usage::Server],
        vec![Usage::Signing, Usage::Client],
    ] {
        let leaf = signing(&mut authority, usages.clone());
        let result = verify(&leaf, &trust, now());
        assert_eq!(result, Err(CertificateError::Usage), "{usages:?}");
    }
}

#[test]
fn another_authority_of_the_same_name_is_not_trusted() {
    let (mut ours, mut theirs) = (authority(), authority());
    let leaf = signing(&mut theirs, vec![Usage::Signing]);
    let result = verify(&leaf, &trust(&ours), now());
    assert_eq!(result, Err(CertificateError::Untrusted));
    let result = verify(&leaf, &with_lists(&mut ours), now());
    assert_eq!(result, Err(CertificateError::Untrusted));
}

#[test]
fn a_revoked_certificate_or_a_stale_list_is_refused() {
    let mut authority = authority();
    let leaf = signing(&mut authority, vec![Usage::Signing]);
    let before = with_lists(&mut authority);
    let reason = RevocationReason::KeyCompromise;
    authority.revoke(&leaf.serial, reason, now()).unwrap();
    let after = with_lists(&mut authority);
    assert!(verify(&leaf, &before, now()).is_ok());
    assert_eq!(
        verify(&leaf, &after, now()),
        Err(CertificateError::Untrusted)
    );
    let stale = verify(&leaf, &before, now().plus(8 * DAY));
    assert_eq!(stale, Err(CertificateError::Untrusted));
}

#[test]
fn with_lists_asked_for_and_none_given_nothing_is_trusted() {
    let mut authority = authority();
    let leaf = signing(&mut authority, vec![Usage::Signing]);
    let trust = trust(&authority).with_revocation_lists([]).unwrap();
    assert_eq!(
        verify(&leaf, &trust, now()),
        Err(CertificateError::Untrusted)
    );
}

#[test]
fn a_chain_longer_than_any_of_ours_is_not_walked() {
    let mut authority = authority();
    let leaf = signing(&mut authority, vec![Usage::Signing]);
    let issuers = vec![leaf.issuer.clone(); 5];
    let trust = trust(&authority);
    let result = verify_signing_chain(&leaf.certificate, &issuers, &trust, now(), TRUST_DOMAIN);
    assert_eq!(result, Err(CertificateError::Untrusted));
}
