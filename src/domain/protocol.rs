//! The members' information-sharing protocol: a signed file, parsed strictly, enumerated into a
//! table (R13).
//!
//! `[[allow]]` rows permit, `[[never]]` rows beat them, `[[pair]]` rows take labels from what one
//! agency may give another. What no row permits is refused. The file's floors are in code: no
//! protocol makes help depend on a name, a nationality or a status, and none lets a ground carry
//! more than its kind can ([`super::basis::ceiling`]).
//!
//! Knows nothing of signatures and of who published the file.

use super::gate::Proposal;
use super::id::AgencyId;
use super::label::{Label, LabelSet};
use super::vocabulary::{AgencyKind, BasisKind, Category, Purpose, Stage};
use std::collections::BTreeMap;

mod access;
mod explain;
mod file;
mod report;
mod words;

pub use explain::Cell;
pub use file::{FILE_BYTES_MAX, ProtocolError, ROWS_MAX};

/// The shipped default, with its comments.
pub const SHIPPED: &str = include_str!("../../deploy/protocol.toml");

/// What no recipient is told while it decides: help does not depend on a name, a passport, a status
/// or a label (R1, R4, R10, R12).
pub const NEVER_AT_TRIAGE: LabelSet = LabelSet::of_categories(&[
    Category::Identity,
    Category::Nationality,
    Category::Trafficking,
    Category::PunishableActs,
    Category::LegalStatus,
    Category::Documents,
]);

/// What is told to nobody unless it was asked for by itself (R4).
pub const ALWAYS_SPECIFIC: LabelSet = LabelSet::of_categories(&[Category::PunishableActs]);

/// Days for which decisions can be opened, where the file sets nothing else: five years, as most complaints and court
/// proceedings about a placement begin within them.
pub const RETENTION_DAYS: u32 = 5 * 366;

/// Least and most days that a file may set: every act can be looked at for a year at least, and none for ever.
pub const RETENTION_DAYS_RANGE: std::ops::RangeInclusive<u32> = 365..=36_600;

/// The protocol's answer for one cell, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Not allowed, whatever the basis says.
    Never,
    /// Allowed where the basis allows this label and it was asked for by itself.
    SpecificOnly,
    /// Allowed where the basis allows this label.
    Allow,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Never => "never",
            Self::SpecificOnly => "if asked for by itself",
            Self::Allow => "allowed",
        })
    }
}

/// An information-sharing protocol: rows as written, and the table they make.
#[derive(Debug, Clone)]
pub struct Protocol {
    version: u64,
    allows: Vec<Row>,
    nevers: Vec<Row>,
    pairs: BTreeMap<AgencyId, BTreeMap<AgencyId, LabelSet>>,
    table: Table,
    access: access::AccessColumn,
    duty_line: Option<AgencyId>,
    retention_days: u32,
}

/// One row of the file, its groups written out.
#[derive(Debug, Clone)]
struct Row {
    name: String,
    why: String,
    line: usize,
    basis: Vec<BasisKind>,
    recipients: Vec<AgencyKind>,
    purposes: Vec<Purpose>,
    /// The row counts from this stage on.
    stage: Stage,
    specific: bool,
    /// As the row means them: closed downward in an allow, upward in a never.
    labels: LabelSet,
}

impl Row {
    fn reaches(&self, cell: &Cell) -> bool {
        self.basis.contains(&cell.basis)
            && self.recipients.contains(&cell.recipient)
            && self.purposes.contains(&cell.purpose)
            && self.stage <= cell.stage
            && self.labels.contains(cell.label)
    }
}

/// What one column of the table allows: plainly, and if asked for by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Column {
    plain: LabelSet,
    specific: LabelSet,
}

impl Column {
    const fn verdict(self, label: Label) -> Verdict {
        if self.plain.contains(label) {
            Verdict::Allow
        } else if self.specific.contains(label) {
            Verdict::SpecificOnly
        } else {
            Verdict::Never
        }
    }
}

const STAGES: usize = Stage::ALL.len();
const PURPOSES: usize = Purpose::ALL.len();
const RECIPIENTS: usize = AgencyKind::ALL.len();
const COLUMNS: usize = BasisKind::ALL.len() * RECIPIENTS * PURPOSES * STAGES;

/// One column for every ground, kind of recipient, purpose and stage: some 10⁴ columns of 34
/// labels.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Table(Vec<Column>);

impl Table {
    fn column(
        &self,
        basis: BasisKind,
        recipient: AgencyKind,
        purpose: Purpose,
        stage: Stage,
    ) -> Column {
        let at = Self::position(basis, recipient, purpose, stage);
        self.0.get(at).copied().unwrap_or_default()
    }

    const fn position(
        basis: BasisKind,
        recipient: AgencyKind,
        purpose: Purpose,
        stage: Stage,
    ) -> usize {
        let at = basis as usize * RECIPIENTS + recipient as usize;
        (at * PURPOSES + purpose as usize) * STAGES + stage as usize
    }

    fn enumerate(allows: &[Row], nevers: &[Row]) -> Self {
        let mut columns = vec![Column::default(); COLUMNS];
        let mut each = |row: &Row, change: &dyn Fn(&mut Column)| {
            for &basis in &row.basis {
                for &recipient in &row.recipients {
                    for &purpose in &row.purposes {
                        for &stage in Stage::ALL.iter().filter(|&&stage| row.stage <= stage) {
                            let at = Self::position(basis, recipient, purpose, stage);
                            columns.get_mut(at).into_iter().for_each(change);
                        }
                    }
                }
            }
        };
        for row in allows {
            each(row, &|column| {
                if row.specific {
                    column.specific = column.specific.union(row.labels);
                } else {
                    column.plain = column.plain.union(row.labels);
                }
            });
        }
        for row in nevers {
            each(row, &|column| {
                column.specific = column.specific.beyond(row.labels);
                column.plain = column.plain.beyond(row.labels);
            });
        }
        Self(columns)
    }
}

impl Protocol {
    /// Parses the file.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] with the line, what is wrong and how to mend it: unknown words and keys, a
    /// row that allows what no protocol may, anything past the limits.
    pub fn parse(toml: &str) -> Result<Self, ProtocolError> {
        file::parse(toml)
    }

    /// The shipped default.
    #[must_use]
    pub fn shipped() -> Self {
        Self::parse(SHIPPED).expect("the shipped protocol is parsed by a test")
    }

    /// Its version.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// For how many days auditors can open decisions.
    #[must_use]
    pub const fn retention_days(&self) -> u32 {
        self.retention_days
    }

    /// The agency whose duty officer is the national one, if the protocol names one.
    #[must_use]
    pub const fn duty_line(&self) -> Option<&AgencyId> {
        self.duty_line.as_ref()
    }

    /// How many rows it has: allow, never, and pairs of agencies.
    #[must_use]
    pub fn row_counts(&self) -> (usize, usize, usize) {
        let pairs = self.pairs.values().map(BTreeMap::len).sum();
        (self.allows.len(), self.nevers.len(), pairs)
    }

    /// The answer for one cell, whoever the two agencies are.
    #[must_use]
    pub fn allows(
        &self,
        basis: BasisKind,
        recipient: AgencyKind,
        purpose: Purpose,
        stage: Stage,
        label: Label,
    ) -> Verdict {
        let column = self.table.column(basis, recipient, purpose, stage);
        column.verdict(label)
    }

    /// Labels that this source may never give this recipient.
    #[must_use]
    pub fn denied_pair(&self, source: &AgencyId, recipient: &AgencyId) -> LabelSet {
        let denied = self.pairs.get(source).and_then(|row| row.get(recipient));
        denied.copied().unwrap_or(LabelSet::EMPTY)
    }

    /// The answer for one label of a proposal, with the pair's deny-set.
    #[must_use]
    pub fn verdict(&self, basis: BasisKind, proposal: &Proposal<'_>, label: Label) -> Verdict {
        let denied = self.denied_pair(proposal.source, proposal.recipient);
        if denied.contains(label) {
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

    /// Everything that a recipient of this kind may have on this ground for this purpose at this
    /// stage, plainly or if asked for by itself: what a desk may offer to the person, and its
    /// complement the fixed list of what is never shared (R4).
    #[must_use]
    pub fn possible(
        &self,
        basis: BasisKind,
        recipient: AgencyKind,
        purpose: Purpose,
        stage: Stage,
    ) -> LabelSet {
        let column = self.table.column(basis, recipient, purpose, stage);
        column.plain.union(column.specific)
    }
}

#[cfg(test)]
mod tests;
