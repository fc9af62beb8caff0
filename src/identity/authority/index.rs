//! What an authority has issued and revoked; holds no key.

use serde::{Deserialize, Serialize};

use super::{AuthorityError, LeafProfile, Usage};
use crate::domain::time::Timestamp;
use crate::identity::certificate::Serial;

/// Format of the index, raised when an older program would misread it.
const FORMAT: u32 = 1;

/// Why a certificate was revoked (RFC 5280 §5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationReason {
    /// Nobody says.
    Unspecified,
    /// The key is stolen or lost.
    KeyCompromise,
    /// The agency is somebody else now.
    AffiliationChanged,
    /// A newer certificate took its place.
    Superseded,
    /// The agency left.
    CessationOfOperation,
    /// The agency may no longer do this.
    PrivilegeWithdrawn,
}

impl RevocationReason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
    ];

    /// The word for it on the command line and in the index.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key-compromise",
            Self::AffiliationChanged => "affiliation-changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
            Self::PrivilegeWithdrawn => "privilege-withdrawn",
        }
    }
}

impl From<RevocationReason> for rcgen::RevocationReason {
    fn from(reason: RevocationReason) -> Self {
        match reason {
            RevocationReason::Unspecified => Self::Unspecified,
            RevocationReason::KeyCompromise => Self::KeyCompromise,
            RevocationReason::AffiliationChanged => Self::AffiliationChanged,
            RevocationReason::Superseded => Self::Superseded,
            RevocationReason::CessationOfOperation => Self::CessationOfOperation,
            RevocationReason::PrivilegeWithdrawn => Self::PrivilegeWithdrawn,
        }
    }
}

/// One leaf that was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issued {
    /// Serial number, hexadecimal.
    pub serial: String,
    /// Whom it stands for: an agency id, or a router's first name.
    pub subject: String,
    /// What for: `server`, `client` or `signing`, with `+` between several.
    pub usage: String,
    /// Last moment of validity, seconds since the epoch.
    pub not_after: i64,
    /// Whether and why it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revoked>,
}

/// When and why a leaf was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// Seconds since the epoch.
    pub at: i64,
    /// Why.
    pub reason: RevocationReason,
}

/// Everything issued and revoked by one authority.
///
/// Losing it loses the revocations: a list made from a lost index would take revoked certificates back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    format: u32,
    trust_domain: String,
    list_number: u64,
    issued: Vec<Issued>,
}

impl Index {
    pub(super) fn new(trust_domain: &str) -> Self {
        Self {
            format: FORMAT,
            trust_domain: trust_domain.to_owned(),
            list_number: 0,
            issued: Vec::new(),
        }
    }

    /// Whether this program understands the index.
    #[must_use]
    pub const fn is_understood(&self) -> bool {
        self.format == FORMAT
    }

    /// The trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// Everything issued, oldest first.
    #[must_use]
    pub fn issued(&self) -> &[Issued] {
        &self.issued
    }

    /// Serials of certificates of `subject` that are neither revoked nor expired at `now`.
    pub fn in_force(&self, subject: &str, now: Timestamp) -> impl Iterator<Item = &Issued> {
        self.issued.iter().filter(move |issued| {
            issued.subject == subject
                && issued.revoked.is_none()
                && issued.not_after >= now.seconds()
        })
    }

    pub(super) fn record(&mut self, serial: &Serial, profile: &LeafProfile) {
        let usage: Vec<&str> = profile
            .usages
            .iter()
            .map(|usage| match usage {
                Usage::Server => "server",
                Usage::Client => "client",
                Usage::Signing => "signing",
            })
            .collect();
        self.issued.push(Issued {
            serial: serial.to_string(),
            subject: profile.common_name.clone(),
            usage: usage.join("+"),
            not_after: profile.not_after.seconds(),
            revoked: None,
        });
    }

    pub(super) fn revoke(
        &mut self,
        serial: &Serial,
        reason: RevocationReason,
        now: Timestamp,
    ) -> Result<(), AuthorityError> {
        let serial = serial.to_string();
        let mut issued = self.issued.iter_mut();
        let issued = issued
            .find(|issued| issued.serial == serial)
            .ok_or(AuthorityError::UnknownSerial)?;
        if issued.revoked.is_some() {
            return Err(AuthorityError::Revoked);
        }
        issued.revoked = Some(Revoked {
            at: now.seconds(),
            reason,
        });
        Ok(())
    }

    pub(super) const fn next_list_number(&mut self) -> u64 {
        self.list_number += 1;
        self.list_number
    }

    /// What is revoked and would otherwise still be valid at `now`.
    pub(super) fn revoked(&self, now: Timestamp) -> impl Iterator<Item = (&Issued, Revoked)> {
        self.issued
            .iter()
            .filter(move |issued| issued.not_after >= now.seconds())
            .filter_map(|issued| Some((issued, issued.revoked?)))
    }
}
