//! What both kinds of leaf certificate have in common, read strictly from DER.

use std::fmt;

use aws_lc_rs::digest;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::certificate::CertificateError;
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;

/// Largest certificate read, in bytes: an ECDSA leaf is under 1 KiB, an RSA one under 2 KiB.
pub(super) const CERTIFICATE_BYTES_MAX: usize = 8 * 1024;

/// A certificate's serial number: big-endian, without leading zeros.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial(Box<[u8]>);

impl Serial {
    /// From the content octets of the DER INTEGER; leading zeros carry nothing and are dropped.
    #[must_use]
    pub fn from_der_integer(bytes: &[u8]) -> Self {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Self(bytes.iter().skip(zeros).copied().collect())
    }

    /// From lower-case or upper-case hexadecimal, as printed; `None` when it is anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes());
        let serial = Self::from_der_integer(&bytes.ok()?);
        (1..=20).contains(&serial.0.len()).then_some(serial)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A parsed end-entity certificate whose chain somebody else has verified or is about to.
pub(super) struct Leaf<'a> {
    der: &'a [u8],
    parsed: X509Certificate<'a>,
}

impl<'a> Leaf<'a> {
    /// Parses exactly one certificate, without trailing bytes.
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, CertificateError> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::Malformed);
        }
        match X509Certificate::from_der(der) {
            Ok(([], parsed)) => Ok(Self { der, parsed }),
            _ => Err(CertificateError::Malformed),
        }
    }

    /// The agency in the one SAN entry, `spiffe://<trust-domain>/agency/<id>`.
    ///
    /// A second entry of any kind is refused, and the common name is never looked at: a reader that picks one
    /// of several names is a reader that can be made to pick the wrong one.
    pub(super) fn agency(&self, trust_domain: &str) -> Result<AgencyId, CertificateError> {
        let names = self
            .parsed
            .subject_alternative_name()
            .map_err(|_| CertificateError::Malformed)?
            .ok_or(CertificateError::Name)?;
        let [GeneralName::URI(uri)] = names.value.general_names.as_slice() else {
            return Err(CertificateError::Name);
        };
        uri.strip_prefix("spiffe://")
            .and_then(|rest| rest.strip_prefix(trust_domain))
            .and_then(|rest| rest.strip_prefix("/agency/"))
            .ok_or(CertificateError::Name)?
            .parse()
            .map_err(|_| CertificateError::Name)
    }

    /// Whether the extended key usage is there and allows TLS clients.
    pub(super) fn is_for_clients(&self) -> Result<bool, CertificateError> {
        let usage = self.parsed.extended_key_usage();
        let usage = usage.map_err(|_| CertificateError::Malformed)?;
        Ok(usage.is_some_and(|usage| usage.value.client_auth))
    }

    /// Whether the extended key usage is there and names `oid` (DER content octets) and nothing else.
    pub(super) fn is_only_for(&self, oid: &[u8]) -> Result<bool, CertificateError> {
        let usage = self.parsed.extended_key_usage();
        let usage = usage.map_err(|_| CertificateError::Malformed)?;
        Ok(usage.is_some_and(|usage| {
            let usage = usage.value;
            let known = usage.any
                || usage.server_auth
                || usage.client_auth
                || usage.code_signing
                || usage.email_protection
                || usage.time_stamping
                || usage.ocsp_signing;
            !known && matches!(usage.other.as_slice(), [one] if one.as_bytes() == oid)
        }))
    }

    /// Whether the key may sign: digital signatures where a key usage is stated, and never a CA's key.
    pub(super) fn may_sign(&self) -> Result<bool, CertificateError> {
        let usage = self.parsed.key_usage();
        let usage = usage.map_err(|_| CertificateError::Malformed)?;
        let constraints = self.parsed.basic_constraints();
        let constraints = constraints.map_err(|_| CertificateError::Malformed)?;
        Ok(usage.is_none_or(|usage| usage.value.digital_signature())
            && constraints.is_none_or(|constraints| !constraints.value.ca))
    }

    /// The uncompressed P-256 point (SEC 1, 65 bytes).
    pub(super) fn p256_point(&self) -> Result<[u8; 65], CertificateError> {
        let key = self.parsed.public_key();
        let curve = key.algorithm.parameters.as_ref();
        let curve = curve.and_then(|parameters| parameters.as_oid().ok());
        // id-ecPublicKey and prime256v1, content octets (RFC 5480 §2.1.1).
        let is_ec =
            key.algorithm.algorithm.as_bytes() == [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
        let is_p256 = curve.is_some_and(|curve| {
            curve.as_bytes() == [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]
        });
        let point: &[u8] = &key.subject_public_key.data;
        match <[u8; 65]>::try_from(point) {
            Ok(point) if is_ec && is_p256 && point.first() == Some(&4) => Ok(point),
            _ => Err(CertificateError::Key),
        }
    }

    /// The issuer's name, in DER.
    pub(super) fn issuer(&self) -> &[u8] {
        self.parsed.issuer().as_raw()
    }

    pub(super) fn serial(&self) -> Serial {
        Serial::from_der_integer(self.parsed.raw_serial())
    }

    pub(super) fn not_before(&self) -> Result<Timestamp, CertificateError> {
        let seconds = self.parsed.validity().not_before.timestamp();
        Timestamp::from_seconds(seconds).ok_or(CertificateError::Malformed)
    }

    pub(super) fn not_after(&self) -> Result<Timestamp, CertificateError> {
        let seconds = self.parsed.validity().not_after.timestamp();
        Timestamp::from_seconds(seconds).ok_or(CertificateError::Malformed)
    }

    pub(super) fn fingerprint(&self) -> [u8; 32] {
        sha256(self.der)
    }
}

/// SHA-256.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out
        .iter_mut()
        .zip(digest::digest(&digest::SHA256, bytes).as_ref())
    {
        *to = *from;
    }
    out
}
