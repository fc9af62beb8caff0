//! What an agency is given once, by hand, and pins: the log's key, the administrators' keys, the certificate authority.

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, SubjectPublicKeyInfoDer};

use super::connect::{ConnectError, certificates};
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::envelope::bundle::KeyBundle;
use crate::envelope::keys::VerifyingKey;
use crate::identity::certificate::{CertificateError, is_trust_domain};
use crate::identity::signing_chain::{
    Revocation, SigningCertificate, TrustStore, last_moment, revocation, verify_signing_chain,
};
use crate::ledger::policy::Policy;

/// The log's verifier key, in the folder of [`TrustAnchors::read`].
pub const LOG_KEY_FILE: &str = "log.vkey";
/// The administrators' public keys, PEM.
pub const ADMINISTRATORS_FILE: &str = "administrators.pem";
/// The certificate authority's roots, PEM.
pub const ROOTS_FILE: &str = "roots.pem";
/// Which witnesses must have seen the log (a C2SP tlog-policy); may be absent: then nobody but the log is asked.
pub const POLICY_FILE: &str = "policy";

/// The trust domain, where it is not the log's name: after a succession.
pub const DOMAIN_FILE: &str = "domain";

/// Pinned keys; nothing of them is ever taken from the router.
#[derive(Debug, Clone)]
pub struct TrustAnchors {
    /// Trust domain of certificates; the log's origin too, unless the log was succeeded.
    pub origin: String,
    /// The log's verifier key.
    pub log_key: String,
    /// The administrators whose two signatures enrol agencies and publish protocols.
    pub administrators: Vec<VerifyingKey>,
    /// Roots that the router's and the agencies' certificates end in.
    pub roots: Vec<CertificateDer<'static>>,
    /// Which witnesses must have seen the log before anything is sealed by its directory; none are asked without one.
    pub policy: Option<Policy>,
}

impl TrustAnchors {
    /// From a folder with the files named above; [`POLICY_FILE`] and [`DOMAIN_FILE`] need not be there.
    ///
    /// # Errors
    ///
    /// [`ConnectError::File`] naming the file that cannot be used.
    pub fn read(folder: &Path) -> Result<Self, ConnectError> {
        let unusable = |file: &str, why: String| ConnectError::File {
            what: "pinned key",
            path: folder.join(file).display().to_string(),
            why,
        };
        let log_key = std::fs::read_to_string(folder.join(LOG_KEY_FILE))
            .map_err(|error| unusable(LOG_KEY_FILE, error.to_string()))?
            .trim_end()
            .to_owned();
        let log = crate::ledger::note::NoteVerifier::parse(&log_key)
            .map_err(|error| unusable(LOG_KEY_FILE, error.to_string()))?;
        let origin = match std::fs::read_to_string(folder.join(DOMAIN_FILE)) {
            Ok(domain) => domain.trim_end().to_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => log.name().to_owned(),
            Err(error) => return Err(unusable(DOMAIN_FILE, error.to_string())),
        };
        if !is_trust_domain(&origin) {
            return Err(unusable(DOMAIN_FILE, "not a trust domain".to_owned()));
        }
        let administrators =
            SubjectPublicKeyInfoDer::pem_file_iter(folder.join(ADMINISTRATORS_FILE))
                .map_err(|error| unusable(ADMINISTRATORS_FILE, error.to_string()))?
                .map(|key| {
                    let key =
                        key.map_err(|error| unusable(ADMINISTRATORS_FILE, error.to_string()))?;
                    VerifyingKey::from_spki(key.as_ref())
                        .map_err(|error| unusable(ADMINISTRATORS_FILE, error.to_string()))
                })
                .collect::<Result<_, _>>()?;
        let roots = certificates(&folder.join(ROOTS_FILE))?;
        let policy = match std::fs::read_to_string(folder.join(POLICY_FILE)) {
            Ok(text) => Some(
                Policy::parse(&text).map_err(|error| unusable(POLICY_FILE, error.to_string()))?,
            ),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(unusable(POLICY_FILE, error.to_string())),
        };
        if let Some(policy) = &policy {
            let about = policy.require_about(&log);
            about.map_err(|error| unusable(POLICY_FILE, error.to_string()))?;
        }
        Ok(Self {
            origin,
            log_key,
            administrators,
            roots,
            policy,
        })
    }

    /// The administrator of this key id.
    #[must_use]
    pub fn administrator(&self, kid: &str) -> Option<&VerifyingKey> {
        self.administrators.iter().find(|key| key.spki_kid() == kid)
    }

    /// Whether the bundle's certificates lead to a pinned root and name the bundle's own agency, at `now`.
    ///
    /// Revocation is the router's to check when the bundle is published: an agency's lists are its own.
    #[must_use]
    pub fn certifies(&self, bundle: &KeyBundle, now: Timestamp) -> bool {
        self.certifies_chain(bundle.chain(), &bundle.content().agency, now)
    }

    /// Whether a signing certificate leads to a pinned root and names `agency`, at `now`.
    #[must_use]
    pub fn certifies_chain(&self, chain: &[Vec<u8>], agency: &AgencyId, now: Timestamp) -> bool {
        self.signing_certificate(chain, now)
            .is_some_and(|certificate| certificate.agency() == agency)
    }

    /// The last moment of a signing certificate that leads to a pinned root and names `agency`: at `now`, or at its own
    /// last moment if that is past.
    #[must_use]
    pub fn certified_until(
        &self,
        chain: &[Vec<u8>],
        agency: &AgencyId,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let until = last_moment(chain.first()?).ok()?;
        let certificate = self.signing_certificate(chain, now.min(until))?;
        (certificate.agency() == agency).then_some(certificate.not_after())
    }

    /// What `lists` say of a signing certificate that leads to a pinned root at `at`.
    ///
    /// # Errors
    ///
    /// As [`revocation`].
    pub fn revocation(
        &self,
        chain: &[Vec<u8>],
        lists: &[CertificateRevocationListDer<'_>],
        at: Timestamp,
    ) -> Result<Revocation, CertificateError> {
        let (leaf, intermediates) = chain.split_first().ok_or(CertificateError::Malformed)?;
        let intermediates: Vec<CertificateDer<'_>> = intermediates
            .iter()
            .map(|der| CertificateDer::from(der.as_slice()))
            .collect();
        revocation(leaf, &intermediates, &self.roots, lists, at)
    }

    fn signing_certificate(&self, chain: &[Vec<u8>], at: Timestamp) -> Option<SigningCertificate> {
        let (leaf, intermediates) = chain.split_first()?;
        let intermediates: Vec<CertificateDer<'_>> = intermediates
            .iter()
            .map(|der| CertificateDer::from(der.as_slice()))
            .collect();
        let trust = TrustStore::new(&self.roots).ok()?;
        verify_signing_chain(leaf, &intermediates, &trust, at, &self.origin).ok()
    }
}
