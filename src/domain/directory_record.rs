//! The bytes of one directory record, as the directory digest hashes them: what the router may not change unnoticed.

use super::id::AgencyId;
use super::transcript::transcript;
use super::vocabulary::AgencyKind;

/// What a directory digest says of one agency. Declared capacity is not in it: that is the agency's own passing word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryRecord<'a> {
    /// The agency.
    pub agency: &'a AgencyId,
    /// Kind.
    pub kind: AgencyKind,
    /// Parent authority.
    pub parent: Option<&'a AgencyId>,
    /// Whether it is suspended.
    pub suspended: bool,
    /// SHA-256 of the key bundle, a compact JWS; none before the first.
    pub bundle: Option<&'a [u8; 32]>,
    /// SHA-256 of each certificate that the agency may still sign with, newest first: the bundle's own, then those
    /// before.
    pub signers: &'a [[u8; 32]],
    /// Proposal of the enrolment: compact JWS.
    pub proposal: &'a [u8],
    /// Approval of the enrolment: compact JWS.
    pub approval: &'a [u8],
}

impl DirectoryRecord<'_> {
    /// The leaf's bytes: `T("safeconduct/v1/directory", agency, kind, parent, suspended, bundle, signers, proposal,
    /// approval)`, with `suspended` as `0` or `1`, `signers` one after the other, and what is absent empty.
    ///
    /// The bundle stands in it by its hash, so that who may not see a shelter's facts can still be shown its signers.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        transcript(&[
            b"safeconduct/v1/directory",
            self.agency.as_str().as_bytes(),
            self.kind.name().as_bytes(),
            self.parent.map_or(&[], |parent| parent.as_str().as_bytes()),
            if self.suspended { b"1" } else { b"0" },
            self.bundle.map_or(&[][..], |digest| digest),
            &self.signers.concat(),
            self.proposal,
            self.approval,
        ])
    }
}
