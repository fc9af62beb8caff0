//! The protocol's own column for break-glass: what a kind of agency may be told, for which reason, without a yes.

use super::Protocol;
use super::Row;
use crate::domain::break_glass::access_ceiling;
use crate::domain::label::{Label, LabelSet};
use crate::domain::vocabulary::{AccessReason, AgencyKind, Category};
use std::collections::BTreeMap;

/// One row of the column, its groups written out.
#[derive(Debug, Clone)]
pub(super) struct AccessRow {
    pub(super) name: String,
    pub(super) why: String,
    /// Line of the file.
    pub(super) line: usize,
    pub(super) recipients: Vec<AgencyKind>,
    pub(super) reasons: Vec<AccessReason>,
    /// Closed downward.
    pub(super) labels: LabelSet,
}

/// The column: deny by default, and every `[[never]]` row that names the kind beats it, whatever else it names.
#[derive(Debug, Clone, Default)]
pub(super) struct AccessColumn {
    cells: BTreeMap<(AgencyKind, AccessReason), LabelSet>,
    rows: Vec<AccessRow>,
}

impl AccessColumn {
    pub(super) fn enumerate(rows: &[AccessRow], nevers: &[Row]) -> Self {
        let mut cells = BTreeMap::<_, LabelSet>::new();
        for row in rows {
            for &kind in &row.recipients {
                let forbidden = nevers
                    .iter()
                    .filter(|never| never.recipients.contains(&kind))
                    .fold(LabelSet::EMPTY, |all, never| all.union(never.labels));
                let allowed = row
                    .labels
                    .intersection(access_ceiling(kind))
                    .beyond(forbidden);
                for &reason in &row.reasons {
                    let cell = cells.entry((kind, reason)).or_default();
                    *cell = cell.union(allowed);
                }
            }
        }
        Self {
            cells,
            rows: rows.to_vec(),
        }
    }

    fn cell(&self, kind: AgencyKind, reason: AccessReason) -> LabelSet {
        self.cells.get(&(kind, reason)).copied().unwrap_or_default()
    }
}

/// Reasons with the same answer, and the answer.
pub(super) type AccessBlock = (LabelSet, Vec<AccessReason>);

impl Protocol {
    /// Everything that an agency of this kind may be told under break-glass, for this reason.
    #[must_use]
    pub fn access(&self, kind: AgencyKind, reason: AccessReason) -> LabelSet {
        self.access.cell(kind, reason)
    }

    /// In danger: which rows let `label` be told to a kind without a yes, for which reasons, in plain words.
    pub(super) fn explain_access(&self, kind: AgencyKind, label: Label) -> Vec<String> {
        let names = |row: &&AccessRow| row.recipients.contains(&kind) && row.labels.contains(label);
        let rows = self.access.rows.iter().filter(names);
        let sentence = |row: &AccessRow| {
            let reasons = row.reasons.iter().copied();
            // A [[never]] row beats this one.
            let reasons = reasons.filter(|&reason| self.access(kind, reason).contains(label));
            let reasons: Vec<&str> = reasons.map(AccessReason::name).collect();
            (!reasons.is_empty()).then(|| {
                format!(
                    "Without a yes, row {} (line {}) lets break-glass tell it for {}, approved by somebody outside and \
                     for an hour at most: {}",
                    row.name,
                    row.line,
                    reasons.join(" or "),
                    row.why
                )
            })
        };
        rows.filter_map(sentence).collect()
    }

    /// What a kind is told, reasons with the same answer together, in the order of the first of each.
    pub(super) fn access_blocks(&self, kind: AgencyKind) -> Vec<AccessBlock> {
        let mut blocks: Vec<AccessBlock> = Vec::new();
        for &reason in AccessReason::ALL {
            let labels = self.access(kind, reason);
            if labels.is_empty() {
                continue;
            }
            match blocks.iter_mut().find(|(known, _)| *known == labels) {
                Some((_, reasons)) => reasons.push(reason),
                None => blocks.push((labels, vec![reason])),
            }
        }
        blocks
    }
}

/// The most of each category that is told, as written in the file.
pub(super) fn greatest(labels: LabelSet) -> Vec<String> {
    let categories = Category::ALL.iter();
    let greatest = categories.filter_map(|&category| {
        let mut told = Label::all()
            .filter(|label| label.category() == category && labels.contains(*label))
            .collect::<Vec<_>>();
        let label = told.pop()?;
        Some(match category.forms().len() {
            1 => category.name().to_owned(),
            _ => label.to_string(),
        })
    });
    greatest.collect()
}
