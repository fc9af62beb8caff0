//! From a TLS client certificate that was just verified to the one agency it stands for.

use std::sync::Arc;

use super::leaf::Leaf;
pub use super::leaf::Serial;
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;

/// Why a certificate stands for nobody here. For logs; it repeats nothing of the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not one DER certificate of a sane size, or an extension twice.
    #[error("the certificate is malformed")]
    Malformed,
    /// Not exactly one subject alternative name, or not an agency's URI in our trust domain.
    #[error("the certificate does not name exactly one agency of this trust domain")]
    Name,
    /// The extended key usage is missing or does not fit.
    #[error("the certificate's extended key usage does not allow this use")]
    Usage,
    /// Not an ECDSA P-256 key, where one is demanded.
    #[error("the certificate's key is of the wrong type")]
    Key,
    /// No revocation list of one of its issuers, signed by that issuer.
    #[error("there is no usable revocation list of the certificate's issuer")]
    NoList,
    /// No chain to a root, revoked, not in force, or no fresh revocation list.
    #[error("the certificate is not vouched for now")]
    Untrusted,
}

/// An agency as its verified TLS client certificate names it; not yet known to be enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedAgency {
    agency: AgencyId,
    trust_domain: Arc<str>,
    serial: Serial,
    not_before: Timestamp,
    not_after: Timestamp,
    fingerprint: [u8; 32],
}

impl CertifiedAgency {
    /// Reads the leaf of a chain that the TLS stack has verified just now.
    ///
    /// Stricter than the stack on purpose: one URI SAN and no other entry, no fallback to the common name, and an
    /// extended key usage that must be there (a certificate without one passes webpki for any purpose).
    ///
    /// # Errors
    ///
    /// [`CertificateError`], the first that applies.
    pub fn from_verified_leaf(der: &[u8], trust_domain: &str) -> Result<Self, CertificateError> {
        let leaf = Leaf::parse(der)?;
        let agency = leaf.agency(trust_domain)?;
        if !leaf.is_for_clients()? || !leaf.may_sign()? {
            return Err(CertificateError::Usage);
        }
        Ok(Self {
            agency,
            trust_domain: trust_domain.into(),
            serial: leaf.serial(),
            not_before: leaf.not_before()?,
            not_after: leaf.not_after()?,
            fingerprint: leaf.fingerprint(),
        })
    }

    /// The agency.
    #[must_use]
    pub const fn agency(&self) -> &AgencyId {
        &self.agency
    }

    /// The trust domain, which is also the log's origin.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
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

    /// SHA-256 of the certificate's DER (`x5t#S256`, RFC 8705 §3.1).
    #[must_use]
    pub const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }
}

/// The URI that names `agency` in certificates of `trust_domain`.
#[must_use]
pub fn agency_uri(trust_domain: &str, agency: &AgencyId) -> String {
    format!("spiffe://{trust_domain}/agency/{agency}")
}

/// Whether `text` may be a trust domain: `[a-z0-9._-]{1,255}` (SPIFFE ID §2.1).
#[must_use]
pub fn is_trust_domain(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests;
