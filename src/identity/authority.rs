//! A small certificate authority: a root, one issuing CA below it, and the leaves of agencies and routers.
//!
//! For development and small deployments; any CA will do that follows the profiles of `certs/README.md`. No files
//! here: what to keep is handed out and handed back in. Keys are made by the cryptographic library.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber,
};
use rustls::pki_types::CertificateDer;
use x509_parser::time::ASN1Time;
use zeroize::Zeroizing;

use super::certificate::{Serial, agency_uri, is_trust_domain};
use crate::domain::id::AgencyId;
use crate::domain::random::Random;
use crate::domain::time::Timestamp;

mod index;
mod issued;
mod profile;

pub use index::{Index, Issued, RevocationReason};
pub use issued::{AgencyIdentity, IssuedLeaf, Keep, RevocationLists};
pub use profile::{LeafProfile, Usage};

/// Life of a root: it is renewed by a ceremony, not by a timer.
pub const ROOT_LIFETIME: Duration = Duration::from_secs(3652 * 86_400);

/// Life of the issuing CA: half of the root's, so that one root sees two.
pub const ISSUING_LIFETIME: Duration = Duration::from_secs(1826 * 86_400);

/// Life of a leaf: short enough that a forgotten one ends by itself.
pub const LEAF_LIFETIME: Duration = Duration::from_secs(90 * 86_400);

/// Time from a revocation list to its `nextUpdate`: a router refuses everybody past it, so a week gives an
/// operator a weekend to mend a broken timer.
pub const CRL_LIFETIME: Duration = Duration::from_secs(7 * 86_400);

/// Common names of the two authorities; the organisation is the trust domain.
const ROOT_NAME: &str = "Safeconduct root CA";
const ISSUING_NAME: &str = "Safeconduct issuing CA";

/// How far back a new certificate's validity starts: clocks of other machines may be behind.
const BACKDATE: Duration = Duration::from_secs(5 * 60);

/// Why the authority did not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// A trust domain must match `[a-z0-9._-]{1,255}`.
    #[error("not a trust domain: use lower-case letters, digits, dots and hyphens")]
    TrustDomain,
    /// A router's name is neither a DNS name nor an IP address.
    #[error("not a DNS name or an IP address")]
    Name,
    /// Keys or certificates handed in do not fit together.
    #[error("the authority's certificates and keys do not fit together")]
    State,
    /// The root's key is needed and was not handed in.
    #[error("the root key is not here: bring it from where it is kept")]
    RootKey,
    /// No such certificate was issued here.
    #[error("no certificate with this serial number was issued here")]
    UnknownSerial,
    /// The certificate was revoked before.
    #[error("the certificate is revoked already")]
    Revoked,
    /// The library could not make the certificate, or a time is outside what certificates can say.
    #[error("the certificate could not be made")]
    Making,
}

impl From<rcgen::Error> for AuthorityError {
    fn from(_: rcgen::Error) -> Self {
        Self::Making
    }
}

/// A root and an issuing CA, ready to issue and to revoke.
pub struct Authority {
    root_pem: String,
    root: Option<Issuer<'static, KeyPair>>,
    issuing_pem: String,
    issuing_der: CertificateDer<'static>,
    issuing: Issuer<'static, KeyPair>,
    index: Index,
}

impl Authority {
    /// Makes a root and an issuing CA for `trust_domain`.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::TrustDomain`] or [`AuthorityError::Making`].
    pub fn create(
        trust_domain: &str,
        now: Timestamp,
        random: &mut impl Random,
    ) -> Result<Self, AuthorityError> {
        if !is_trust_domain(trust_domain) {
            return Err(AuthorityError::TrustDomain);
        }
        let root_key = KeyPair::generate()?;
        let root = ca_params(trust_domain, ROOT_NAME, 1, now, ROOT_LIFETIME, random)?;
        let root_certificate = root.self_signed(&root_key)?;
        let root_issuer = Issuer::new(root, root_key);

        let issuing_key = KeyPair::generate()?;
        let issuing = ca_params(trust_domain, ISSUING_NAME, 0, now, ISSUING_LIFETIME, random)?;
        let issuing_certificate = issuing.signed_by(&issuing_key, &root_issuer)?;
        Ok(Self {
            root_pem: root_certificate.pem(),
            root: Some(root_issuer),
            issuing_pem: issuing_certificate.pem(),
            issuing_der: issuing_certificate.der().clone(),
            issuing: Issuer::new(issuing, issuing_key),
            index: Index::new(trust_domain),
        })
    }

    /// Takes up an authority again.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::State`] when the parts do not belong together.
    pub fn restore(keep: Keep) -> Result<Self, AuthorityError> {
        use rustls::pki_types::pem::PemObject as _;
        let issuer = |certificate: &str, key: &str| {
            let der = CertificateDer::from_pem_slice(certificate.as_bytes())
                .map_err(|_| AuthorityError::State)?;
            let key = KeyPair::from_pem(key).map_err(|_| AuthorityError::State)?;
            if !belongs(&der, &key) {
                return Err(AuthorityError::State);
            }
            let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|_| AuthorityError::State)?;
            Ok((der, issuer))
        };
        let root = match &keep.root_key_pem {
            Some(key) => Some(issuer(&keep.root_pem, key)?.1),
            None => None,
        };
        let (issuing_der, issuing) = issuer(&keep.issuing_pem, &keep.issuing_key_pem)?;
        Ok(Self {
            root_pem: keep.root_pem,
            root,
            issuing_pem: keep.issuing_pem,
            issuing_der,
            issuing,
            index: keep.index,
        })
    }

    /// What to keep.
    #[must_use]
    pub fn keep(&self) -> Keep {
        let pem = |issuer: &Issuer<'static, KeyPair>| Zeroizing::new(issuer.key().serialize_pem());
        Keep {
            root_pem: self.root_pem.clone(),
            root_key_pem: self.root.as_ref().map(pem),
            issuing_pem: self.issuing_pem.clone(),
            issuing_key_pem: pem(&self.issuing),
            index: self.index.clone(),
        }
    }

    /// The trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        self.index.trust_domain()
    }

    /// Root certificate, PEM: what everybody trusts.
    #[must_use]
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// What was issued and revoked.
    #[must_use]
    pub const fn index(&self) -> &Index {
        &self.index
    }

    /// Issues the two certificates of an agency, each with a key of its own.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::Making`].
    pub fn issue_agency(
        &mut self,
        agency: &AgencyId,
        now: Timestamp,
        lifetime: Duration,
        random: &mut impl Random,
    ) -> Result<AgencyIdentity, AuthorityError> {
        let profile = |usage| LeafProfile {
            uris: vec![agency_uri(self.index.trust_domain(), agency)],
            dns: Vec::new(),
            ips: Vec::new(),
            common_name: agency.to_string(),
            usages: vec![usage],
            not_before: now.minus(BACKDATE),
            not_after: now.plus(lifetime),
        };
        let (tls, signing) = (profile(Usage::Client), profile(Usage::Signing));
        Ok(AgencyIdentity {
            tls: self.issue(&tls, random)?,
            signing: self.issue(&signing, random)?,
        })
    }

    /// Issues a router's server certificate for DNS names and IP addresses.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::Name`] when one is neither, or there is none; [`AuthorityError::Making`].
    pub fn issue_router(
        &mut self,
        names: &[String],
        now: Timestamp,
        lifetime: Duration,
        random: &mut impl Random,
    ) -> Result<IssuedLeaf, AuthorityError> {
        let (mut dns, mut ips) = (Vec::new(), Vec::new());
        for name in names {
            match name.parse::<IpAddr>() {
                Ok(ip) => ips.push(ip),
                Err(_) if is_dns_name(name) => dns.push(name.clone()),
                Err(_) => return Err(AuthorityError::Name),
            }
        }
        let common_name = names.first().ok_or(AuthorityError::Name)?.clone();
        let profile = LeafProfile {
            uris: Vec::new(),
            dns,
            ips,
            common_name,
            usages: vec![Usage::Server],
            not_before: now.minus(BACKDATE),
            not_after: now.plus(lifetime),
        };
        self.issue(&profile, random)
    }

    /// Issues exactly what `profile` says, also what no router will accept.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::Making`].
    pub fn issue(
        &mut self,
        profile: &LeafProfile,
        random: &mut impl Random,
    ) -> Result<IssuedLeaf, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.not_before = asn1(profile.not_before)?.to_datetime();
        params.not_after = asn1(profile.not_after)?.to_datetime();
        let serial = serial(random);
        params.serial_number = Some(SerialNumber::from_slice(serial.as_bytes()));
        params.distinguished_name = name(self.index.trust_domain(), &profile.common_name);
        for uri in &profile.uris {
            let uri = uri.as_str().try_into().map_err(|_| AuthorityError::Name)?;
            params.subject_alt_names.push(SanType::URI(uri));
        }
        for dns in &profile.dns {
            let dns = dns.as_str().try_into().map_err(|_| AuthorityError::Name)?;
            params.subject_alt_names.push(SanType::DnsName(dns));
        }
        let ips = profile.ips.iter().copied().map(SanType::IpAddress);
        params.subject_alt_names.extend(ips);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.custom_extensions.extend(profile.usage_extension());
        params.use_authority_key_identifier_extension = true;
        params.key_identifier_method = KeyIdMethod::Sha256;
        let certificate = params.signed_by(&key, &self.issuing)?;
        self.index.record(&serial, profile);
        Ok(IssuedLeaf {
            key_pem: Zeroizing::new(key.serialize_pem()),
            chain_pem: format!("{}{}", certificate.pem(), self.issuing_pem),
            certificate: certificate.der().clone(),
            issuer: self.issuing_der.clone(),
            serial,
            not_after: profile.not_after,
        })
    }

    /// Revokes one certificate; it takes effect with the next [`Authority::revocation_lists`].
    ///
    /// # Errors
    ///
    /// [`AuthorityError::UnknownSerial`] or [`AuthorityError::Revoked`].
    pub fn revoke(
        &mut self,
        serial: &Serial,
        reason: RevocationReason,
        now: Timestamp,
    ) -> Result<(), AuthorityError> {
        self.index.revoke(serial, reason, now)
    }

    /// New revocation lists, numbered one higher than the last.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::Making`].
    pub fn revocation_lists(
        &mut self,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<RevocationLists, AuthorityError> {
        let number = self.index.next_list_number();
        let mut revoked_certs = Vec::new();
        for (issued, revoked) in self.index.revoked(now) {
            let at = Timestamp::from_seconds(revoked.at).ok_or(AuthorityError::State)?;
            let serial = Serial::from_hex(&issued.serial).ok_or(AuthorityError::State)?;
            revoked_certs.push(RevokedCertParams {
                serial_number: SerialNumber::from_slice(serial.as_bytes()),
                revocation_time: asn1(at)?.to_datetime(),
                reason_code: Some(revoked.reason.into()),
                invalidity_date: None,
            });
        }
        let list = |issuer: &Issuer<'static, KeyPair>, revoked_certs| {
            let params = CertificateRevocationListParams {
                this_update: asn1(now)?.to_datetime(),
                next_update: asn1(now.plus(lifetime))?.to_datetime(),
                crl_number: SerialNumber::from(number),
                issuing_distribution_point: None,
                revoked_certs,
                key_identifier_method: KeyIdMethod::Sha256,
            };
            Ok::<_, AuthorityError>(params.signed_by(issuer)?.pem()?)
        };
        let root_pem = match &self.root {
            Some(root) => Some(list(root, Vec::new())?),
            None => None,
        };
        Ok(RevocationLists {
            root_pem,
            issuing_pem: list(&self.issuing, revoked_certs)?,
        })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({})", self.trust_domain())
    }
}

fn ca_params(
    trust_domain: &str,
    common_name: &str,
    path_length: u8,
    now: Timestamp,
    lifetime: Duration,
    random: &mut impl Random,
) -> Result<CertificateParams, AuthorityError> {
    // The library's defaults are 1975 to 4096, no key identifiers and no usage: everything is set here.
    let mut params = CertificateParams::default();
    params.not_before = asn1(now.minus(BACKDATE))?.to_datetime();
    params.not_after = asn1(now.plus(lifetime))?.to_datetime();
    params.serial_number = Some(SerialNumber::from_slice(serial(random).as_bytes()));
    params.distinguished_name = name(trust_domain, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params.key_identifier_method = KeyIdMethod::Sha256;
    Ok(params)
}

fn name(trust_domain: &str, common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, trust_domain);
    name.push(DnType::CommonName, common_name);
    name
}

/// The trust domain of a root that [`Authority::create`] made; a root of another making names none.
#[must_use]
pub fn trust_domain_of(root: &[u8]) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(root).ok()?;
    let subject = certificate.subject();
    let made_here = subject.iter_common_name().next()?.as_str() == Ok(ROOT_NAME);
    let domain = subject.iter_organization().next()?.as_str().ok()?;
    (made_here && is_trust_domain(domain)).then(|| domain.to_owned())
}

/// 16 random bytes, positive and without a leading zero.
fn serial(random: &mut impl Random) -> Serial {
    let mut bytes: [u8; 16] = random.array();
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    Serial::from_der_integer(&bytes)
}

fn asn1(at: Timestamp) -> Result<ASN1Time, AuthorityError> {
    ASN1Time::from_timestamp(at.seconds()).map_err(|_| AuthorityError::Making)
}

fn belongs(certificate: &[u8], key: &KeyPair) -> bool {
    x509_parser::parse_x509_certificate(certificate).is_ok_and(|(_, certificate)| {
        *certificate.public_key().subject_public_key.data == *key.public_key_raw()
    })
}

fn is_dns_name(text: &str) -> bool {
    rustls::pki_types::DnsName::try_from(text).is_ok()
}

#[cfg(test)]
mod tests;
