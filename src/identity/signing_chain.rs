//! Verifies the chain of an agency's *signing* certificate, handed in as bytes with a statement.

use std::time::Duration;

use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, SignatureVerificationAlgorithm, TrustAnchor,
    UnixTime,
};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, OwnedCertRevocationList,
    RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy,
};

use super::certificate::{CertificateError, Serial};
use super::leaf::Leaf;
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;

mod revocation;

pub use revocation::{Revocation, revocation};

/// The one extended key usage of signing certificates, 2.25.311604218064236091806571906274561236271, content octets.
///
/// From the UUID arc (ITU-T X.667), so that nobody had to be asked for a number and nobody else has it.
pub const SIGNING_USAGE_OID: &[u8] = &[
    0x69, 0x83, 0xd4, 0xec, 0xe5, 0x86, 0x90, 0xe8, 0x90, 0x96, 0xba, 0xa7, 0xc4, 0x9b, 0x8f, 0xe1,
    0xbe, 0x88, 0xba, 0x2f,
];

/// Most intermediates looked at; our own CA has one.
pub const INTERMEDIATES_MAX: usize = 4;

/// Signatures accepted on certificates and revocation lists.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    webpki::aws_lc_rs::ECDSA_P256_SHA256,
    webpki::aws_lc_rs::ECDSA_P256_SHA384,
    webpki::aws_lc_rs::ECDSA_P384_SHA256,
    webpki::aws_lc_rs::ECDSA_P384_SHA384,
    webpki::aws_lc_rs::ED25519,
    webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256,
    webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA384,
];

/// An agency's signing certificate, its chain verified for one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningCertificate {
    agency: AgencyId,
    public_key_sec1: [u8; 65],
    fingerprint: [u8; 32],
    serial: Serial,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl SigningCertificate {
    /// The agency.
    #[must_use]
    pub const fn agency(&self) -> &AgencyId {
        &self.agency
    }

    /// The P-256 public key: uncompressed point, SEC 1.
    #[must_use]
    pub const fn public_key_sec1(&self) -> &[u8; 65] {
        &self.public_key_sec1
    }

    /// SHA-256 of the certificate's DER (`x5t#S256`).
    #[must_use]
    pub const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// The certificate's serial number.
    #[must_use]
    pub const fn serial(&self) -> &Serial {
        &self.serial
    }

    /// First moment of validity.
    #[must_use]
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Last moment of validity.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }
}

/// Certificates trusted as roots, and the revocation lists of whoever issues below them.
#[derive(Debug, Default)]
pub struct TrustStore {
    anchors: Vec<TrustAnchor<'static>>,
    lists: Option<Vec<CertRevocationList<'static>>>,
}

impl TrustStore {
    /// Roots, in DER; revocation is not checked until lists are added.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Malformed`] when one is not a CA certificate.
    pub fn new<'a>(
        roots: impl IntoIterator<Item = &'a CertificateDer<'a>>,
    ) -> Result<Self, CertificateError> {
        let anchors = roots
            .into_iter()
            .map(|root| webpki::anchor_from_trusted_cert(root).map(|anchor| anchor.to_owned()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| CertificateError::Malformed)?;
        Ok(Self {
            anchors,
            lists: None,
        })
    }

    /// With the lists of *every* issuer: from here on, no list or a stale one for any of them means refused.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Malformed`] when one is not a revocation list.
    pub fn with_revocation_lists<'a>(
        mut self,
        lists: impl IntoIterator<Item = &'a CertificateRevocationListDer<'a>>,
    ) -> Result<Self, CertificateError> {
        let lists = lists
            .into_iter()
            .map(|list| OwnedCertRevocationList::from_der(list).map(CertRevocationList::from))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| CertificateError::Malformed)?;
        self.lists = Some(lists);
        Ok(self)
    }
}

/// Verifies a signing certificate at `now`: chain, validity, revocation, usage, name and key.
///
/// The extended key usage must name our OID and nothing else, so that a stolen TLS certificate cannot sign a
/// statement and a stolen signing certificate cannot open a connection.
///
/// # Errors
///
/// [`CertificateError`], the first that applies.
pub fn verify_signing_chain(
    leaf_der: &[u8],
    intermediates: &[CertificateDer<'_>],
    trust: &TrustStore,
    now: Timestamp,
    trust_domain: &str,
) -> Result<SigningCertificate, CertificateError> {
    let leaf = Leaf::parse(leaf_der)?;
    // The issuers' usage is checked by webpki where they state one; only the leaf must state it.
    if !leaf.is_only_for(SIGNING_USAGE_OID)? || !leaf.may_sign()? {
        return Err(CertificateError::Usage);
    }
    if intermediates.len() > INTERMEDIATES_MAX {
        return Err(CertificateError::Untrusted);
    }
    let lists: Option<Vec<_>> = trust.lists.as_ref().map(|lists| lists.iter().collect());
    let revocation = match &lists {
        None => None,
        Some(lists) => Some(
            RevocationOptionsBuilder::new(lists)
                .map_err(|_| CertificateError::Untrusted)?
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Deny)
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build(),
        ),
    };
    let der = CertificateDer::from(leaf_der);
    EndEntityCert::try_from(&der)
        .map_err(|_| CertificateError::Malformed)?
        .verify_for_usage(
            ALGORITHMS,
            &trust.anchors,
            intermediates,
            unix_time(now),
            KeyUsage::required_if_present(SIGNING_USAGE_OID),
            revocation,
            None,
        )
        .map_err(|_| CertificateError::Untrusted)?;
    Ok(SigningCertificate {
        agency: leaf.agency(trust_domain)?,
        public_key_sec1: leaf.p256_point()?,
        fingerprint: leaf.fingerprint(),
        serial: leaf.serial(),
        not_before: leaf.not_before()?,
        not_after: leaf.not_after()?,
    })
}

/// The last moment that a certificate says of itself. Nothing of it is verified.
///
/// # Errors
///
/// [`CertificateError::Malformed`].
pub fn last_moment(leaf_der: &[u8]) -> Result<Timestamp, CertificateError> {
    Leaf::parse(leaf_der)?.not_after()
}

fn unix_time(at: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(
        u64::try_from(at.millis()).unwrap_or_default(),
    ))
}

#[cfg(test)]
mod tests;
