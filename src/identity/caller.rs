//! The one answer to "who is calling".

use super::certificate::{CertifiedAgency, Serial};
use super::staff_key::StaffKeys;
use super::token::{self, TokenCache, TokenError};
use crate::domain::id::{AgencyId, StaffPseudonym};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{AgencyKind, StaffRole};

/// What the members' register says of an agency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// Kind, under two administrators' signatures.
    pub kind: AgencyKind,
    /// Suspended agencies are nobody.
    pub suspended: bool,
    /// Staff keys of the current bundle; none before the first is published.
    pub jwks: Option<StaffKeys>,
}

/// That nobody was recognised: one text for the outside, the reason for the log.
///
/// A caller that could tell an unknown agency from a bad token could enumerate the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("authentication failed")]
pub struct AuthenticationError(Unrecognised);

impl AuthenticationError {
    /// Why, for the log and the metrics alone.
    #[must_use]
    pub const fn reason(self) -> Unrecognised {
        self.0
    }
}

impl From<Unrecognised> for AuthenticationError {
    fn from(reason: Unrecognised) -> Self {
        Self(reason)
    }
}

/// Why nobody was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unrecognised {
    /// The certificate is outside its validity.
    #[error("the certificate is not valid now")]
    CertificateTime,
    /// No such member.
    #[error("the agency is not enrolled")]
    NotEnrolled,
    /// Suspended.
    #[error("the agency is suspended")]
    Suspended,
    /// No key bundle yet, so nobody's token can be verified.
    #[error("the agency has published no keys")]
    NoKeys,
    /// A bundle exists already, so a token is needed.
    #[error("the agency has published keys, and no token came")]
    KeysExist,
    /// No `authorization: Bearer` header.
    #[error("no token came")]
    NoToken,
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// Who is calling: an authenticated agency, and the member of its staff whose token it vouches for.
///
/// Made only by [`Caller::authenticate`], from a verified certificate, a verified token and the enrolled kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    agency: AgencyId,
    kind: AgencyKind,
    staff: StaffPseudonym,
    role: StaffRole,
    serial: Serial,
    group: Option<&'static str>,
}

impl Caller {
    /// Recognises the caller behind `peer`'s connection and the `bearer` token (without the word "Bearer").
    ///
    /// The agency comes from the certificate, the kind from the register, staff and role from the token; nothing of
    /// it from a request's body (invariant 18).
    ///
    /// # Errors
    ///
    /// [`AuthenticationError`], whose text is the same whatever was wrong.
    pub fn authenticate<'a>(
        peer: &CertifiedAgency,
        enrolled: impl Into<Option<&'a Enrolled>>,
        bearer: &str,
        origin: &str,
        now: Timestamp,
        cache: &TokenCache,
    ) -> Result<Self, AuthenticationError> {
        let enrolled = member(peer, enrolled.into(), now)?;
        let keys = enrolled.jwks.as_ref().ok_or(Unrecognised::NoKeys)?;
        let token =
            token::verify(bearer, peer, keys, origin, now, cache).map_err(Unrecognised::Token)?;
        Ok(Self {
            agency: peer.agency().clone(),
            kind: enrolled.kind,
            staff: token.staff().clone(),
            role: token.role(),
            serial: peer.serial().clone(),
            group: None,
        })
    }

    /// A caller out of nothing, for tests of rooms that are handed one.
    #[cfg(test)]
    pub(crate) fn pretend(agency: &str, kind: AgencyKind, role: StaffRole) -> Self {
        Self {
            agency: agency.parse().expect("a test's agency id"),
            kind,
            staff: "staff-1".parse().expect("a pseudonym"),
            role,
            serial: Serial::from_der_integer(&[1]),
            group: None,
        }
    }

    /// The same, as another member of staff.
    #[cfg(test)]
    pub(crate) fn with_staff(mut self, staff: &str) -> Self {
        self.staff = staff.parse().expect("a pseudonym");
        self
    }

    /// The same caller, with the key exchange group of the connection on record.
    #[must_use]
    pub const fn over(mut self, group: Option<&'static str>) -> Self {
        self.group = group;
        self
    }

    /// The agency.
    #[must_use]
    pub const fn agency(&self) -> &AgencyId {
        &self.agency
    }

    /// What the agency is enrolled as.
    #[must_use]
    pub const fn kind(&self) -> AgencyKind {
        self.kind
    }

    /// The pseudonym of the member of staff.
    #[must_use]
    pub const fn staff(&self) -> &StaffPseudonym {
        &self.staff
    }

    /// Their role.
    #[must_use]
    pub const fn role(&self) -> StaffRole {
        self.role
    }

    /// Serial number of the client certificate.
    #[must_use]
    pub const fn serial(&self) -> &Serial {
        &self.serial
    }

    /// The connection's key exchange group, where it was post-quantum.
    #[must_use]
    pub const fn post_quantum_group(&self) -> Option<&'static str> {
        self.group
    }
}

/// An enrolled agency that has published no key bundle yet, known by its certificate alone.
///
/// It may do one thing, publish its first bundle: the keys for its staff's tokens are inside, and the bundle
/// carries the agency's own signature. It is not a [`Caller`], so no handler can take it for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newcomer {
    agency: AgencyId,
    kind: AgencyKind,
}

impl Newcomer {
    /// Recognises an agency that has no bundle yet.
    ///
    /// # Errors
    ///
    /// [`AuthenticationError`], also when a bundle exists: from then on a token is needed.
    pub fn authenticate<'a>(
        peer: &CertifiedAgency,
        enrolled: impl Into<Option<&'a Enrolled>>,
        now: Timestamp,
    ) -> Result<Self, AuthenticationError> {
        let enrolled = member(peer, enrolled.into(), now)?;
        if enrolled.jwks.is_some() {
            return Err(Unrecognised::KeysExist.into());
        }
        Ok(Self {
            agency: peer.agency().clone(),
            kind: enrolled.kind,
        })
    }

    /// The agency.
    #[must_use]
    pub const fn agency(&self) -> &AgencyId {
        &self.agency
    }

    /// What the agency is enrolled as.
    #[must_use]
    pub const fn kind(&self) -> AgencyKind {
        self.kind
    }
}

fn member<'a>(
    peer: &CertifiedAgency,
    enrolled: Option<&'a Enrolled>,
    now: Timestamp,
) -> Result<&'a Enrolled, Unrecognised> {
    if now < peer.not_before() || now > peer.not_after() {
        return Err(Unrecognised::CertificateTime);
    }
    let enrolled = enrolled.ok_or(Unrecognised::NotEnrolled)?;
    if enrolled.suspended {
        return Err(Unrecognised::Suspended);
    }
    Ok(enrolled)
}

#[cfg(test)]
mod tests;
