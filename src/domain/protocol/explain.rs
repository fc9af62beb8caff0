//! Why one cell is allowed or refused, in plain words, by which row.

use super::{Protocol, Verdict};
use crate::domain::basis::ceiling;
use crate::domain::label::Label;
use crate::domain::vocabulary::{AgencyKind, BasisKind, Purpose, Stage};

/// One question to the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// On which ground.
    pub basis: BasisKind,
    /// To what kind of recipient.
    pub recipient: AgencyKind,
    /// For what.
    pub purpose: Purpose,
    /// At which stage.
    pub stage: Stage,
    /// What.
    pub label: Label,
}

impl Protocol {
    /// The answer for `cell`.
    #[must_use]
    pub fn cell(&self, cell: &Cell) -> Verdict {
        self.allows(
            cell.basis,
            cell.recipient,
            cell.purpose,
            cell.stage,
            cell.label,
        )
    }

    /// Why `cell` is answered as it is: sentences, each naming the row it speaks of.
    #[must_use]
    pub fn explain(&self, cell: &Cell) -> Vec<String> {
        let mut sentences = vec![self.answer(cell)];
        for row in self.nevers.iter().filter(|row| row.reaches(cell)) {
            sentences.push(format!(
                "Row {} (line {}) forbids it and beats every allow: {}",
                row.name, row.line, row.why
            ));
        }
        for row in self.allows.iter().filter(|row| row.reaches(cell)) {
            let how = if row.specific {
                "allows it where the person was asked for it by itself"
            } else {
                "allows it"
            };
            let since = row.stage;
            sentences.push(format!(
                "Row {} (line {}) {how}, from {since} on: {}",
                row.name, row.line, row.why
            ));
        }
        if sentences.len() == 1 {
            sentences.push(self.why_no_row(cell));
        }
        if self.cell(cell) != Verdict::Never {
            sentences.push(
                "The person's basis must allow it too, for this recipient and purpose.".to_owned(),
            );
        }
        sentences.extend(self.explain_access(cell.recipient, cell.label));
        sentences
    }

    fn answer(&self, cell: &Cell) -> String {
        let Cell {
            basis,
            recipient,
            purpose,
            stage,
            label,
        } = cell;
        let answer = match self.cell(cell) {
            Verdict::Allow => "may be told",
            Verdict::SpecificOnly => "may be told only if asked for by itself",
            Verdict::Never => "is never told",
        };
        format!("{label} {answer} to {recipient} for {purpose} at {stage} on {basis}.")
    }

    /// The nearest reason why no row speaks of the cell.
    fn why_no_row(&self, cell: &Cell) -> String {
        let Cell {
            basis,
            recipient,
            purpose,
            ..
        } = *cell;
        let possible = |purpose| ceiling(basis, recipient, purpose);
        if !possible(purpose).contains(cell.label) {
            return format!(
                "No protocol can allow it: {basis} never carries it to {recipient} for {purpose}."
            );
        }
        let later = Stage::ALL.iter().find(|&&stage| {
            stage > cell.stage && self.cell(&Cell { stage, ..*cell }) != Verdict::Never
        });
        if let Some(stage) = later {
            return format!("It is too early: rows allow it from {stage} on.");
        }
        let any = |purpose: &Purpose| {
            let all = self.possible(basis, recipient, *purpose, Stage::InCare);
            !all.is_empty()
        };
        let lesser = cell.label.and_below().iter();
        let lesser = lesser
            .filter(|&label| self.cell(&Cell { label, ..*cell }) != Verdict::Never)
            .last();
        match lesser {
            Some(lesser) => format!("No row allows this form; the most that is told is {lesser}."),
            None if any(&purpose) => "No row allows it; what no row allows is refused.".to_owned(),
            None if Purpose::ALL.iter().any(any) => {
                format!("No row lets {recipient} have anything for {purpose} on {basis}.")
            }
            None => format!("No row lets {recipient} have anything on {basis}."),
        }
    }
}
