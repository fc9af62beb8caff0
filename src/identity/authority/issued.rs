//! What an authority hands out, and what it must have back.

use std::fmt;

use rcgen::KeyPair;
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::{AuthorityError, Index};
use crate::domain::time::Timestamp;
use crate::identity::certificate::Serial;

/// A private key and its certificate's chain, as issued.
pub struct IssuedLeaf {
    /// Private key, PKCS #8 in PEM.
    pub key_pem: Zeroizing<String>,
    /// Leaf and issuing CA, PEM.
    pub chain_pem: String,
    /// Leaf, DER.
    pub certificate: CertificateDer<'static>,
    /// Issuing CA, DER.
    pub issuer: CertificateDer<'static>,
    /// Serial number of the leaf.
    pub serial: Serial,
    /// Last moment of validity.
    pub not_after: Timestamp,
}

impl IssuedLeaf {
    /// The private key, PKCS #8 in DER.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::State`] when it is not the key that was issued.
    pub fn key_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, AuthorityError> {
        let pair = KeyPair::from_pem(&self.key_pem).map_err(|_| AuthorityError::State)?;
        Ok(Zeroizing::new(pair.serialize_der()))
    }
}

impl fmt::Debug for IssuedLeaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuedLeaf({})", self.serial)
    }
}

/// The two certificates of one agency: two keys, so that neither alone can send.
#[derive(Debug)]
pub struct AgencyIdentity {
    /// TLS client certificate.
    pub tls: IssuedLeaf,
    /// Signing certificate.
    pub signing: IssuedLeaf,
}

/// What an authority must keep between two uses; keys apart from the rest.
pub struct Keep {
    /// Root certificate, PEM.
    pub root_pem: String,
    /// Root key, PKCS #8 in PEM; absent while it is kept elsewhere.
    pub root_key_pem: Option<Zeroizing<String>>,
    /// Issuing CA's certificate, PEM.
    pub issuing_pem: String,
    /// Issuing CA's key, PKCS #8 in PEM.
    pub issuing_key_pem: Zeroizing<String>,
    /// What was issued and revoked.
    pub index: Index,
}

/// Revocation lists as of one moment, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationLists {
    /// The root's: covers the issuing CA. Absent when the root key is kept elsewhere.
    pub root_pem: Option<String>,
    /// The issuing CA's: covers the leaves.
    pub issuing_pem: String,
}
