//! A signing certificate that the authority has revoked signs nothing more, whatever was published before.

use super::town::{Town, fresh, id};
use crate::envelope::keys::AgencySigner as _;
use crate::exchange::Refusal;
use crate::identity::authority::RevocationReason;
use crate::identity::signing_chain::{TrustStore, verify_signing_chain};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use std::time::Duration;

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Brings the authority's latest lists to the router.
fn load_lists(town: &mut Town) {
    let now = town.clock_now();
    let lists = town.authority.revocation_lists(now, WEEK).unwrap();
    let text = lists.root_pem.unwrap() + &lists.issuing_pem;
    let ders: Vec<Vec<u8>> = CertificateRevocationListDer::pem_slice_iter(text.as_bytes())
        .map(|list| list.unwrap().to_vec())
        .collect();
    town.exchange.trust_revocation_lists(&ders).unwrap();
}

#[tokio::test]
async fn a_statement_under_a_revoked_signing_certificate_is_refused_although_the_bundle_stands() {
    let mut town = Town::begin().await;
    load_lists(&mut town);
    town.record_basis("north", 1).await;

    let chain = town.signer("ngo").certificate_chain().to_vec();
    let root = CertificateDer::from_pem_slice(town.authority.root_pem().as_bytes()).unwrap();
    let issuers: Vec<_> = chain[1..]
        .iter()
        .cloned()
        .map(CertificateDer::from)
        .collect();
    let (trust, now) = (TrustStore::new([&root]).unwrap(), town.clock_now());
    let certificate =
        verify_signing_chain(&chain[0], &issuers, &trust, now, "safeconduct.example").unwrap();
    let reason = RevocationReason::KeyCompromise;
    (town.authority)
        .revoke(certificate.serial(), reason, now)
        .unwrap();
    load_lists(&mut town);

    let statement = town.basis("south", 2, 1);
    let refused = town
        .exchange
        .record_basis(&town.caseworker(), &id("ngo"), fresh(), statement)
        .await;
    assert_eq!(refused.err(), Some(Refusal::SignatureInvalid));
    // Others are not touched by it: what the shelter does goes on.
    let directory = town.exchange.directory(&town.intake("north"), 0).await;
    assert!(directory.is_ok());
}
