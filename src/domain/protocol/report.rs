//! The table as text, for reviewers: the whole matrix, and what changed between two.

use super::access::greatest;
use super::{Column, Protocol, Verdict};
use crate::domain::label::{Label, LabelSet};
use crate::domain::vocabulary::{AccessReason, AgencyKind, BasisKind, Category, Purpose, Stage};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Widest line of a report.
const WIDTH: usize = 80;

/// A change of one or more cells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    basis: BasisKind,
    recipient: AgencyKind,
    stage: Stage,
    before: Verdict,
    after: Verdict,
}

impl Protocol {
    /// Every answer of the protocol, in 80 columns; the shipped default's is a file that reviewers
    /// compare.
    ///
    /// Purposes with the same answers stand together; what is not printed is never told.
    #[must_use]
    pub fn matrix(&self) -> String {
        let mut out = String::from(
            "T from triage, A from acceptance, C in care; in brackets only if asked for by\n\
             itself. What is not here is never told.\n",
        );
        for &basis in BasisKind::ALL {
            let mut nothing = Vec::new();
            for &recipient in AgencyKind::ALL {
                let blocks = self.blocks(basis, recipient);
                if blocks.is_empty() {
                    nothing.push(recipient.name());
                }
                for (columns, purposes) in blocks {
                    let _ = writeln!(out, "\n{basis} to {recipient}");
                    let names: Vec<_> = purposes.iter().map(|purpose| purpose.name()).collect();
                    wrap(&mut out, "  for ", &names);
                    for &category in Category::ALL {
                        let line = category_line(category, columns);
                        if !line.is_empty() {
                            let _ = writeln!(out, "  {:<20}{}", category.name(), line.join("  "));
                        }
                    }
                }
            }
            let _ = writeln!(out, "\n{basis} to these: nothing");
            wrap(&mut out, "  ", &nothing);
        }
        self.access_matrix(&mut out);
        for (source, recipients) in &self.pairs {
            for (recipient, denied) in recipients {
                let _ = writeln!(out, "\nnever from {source} to {recipient}");
                let labels: Vec<_> = denied.iter().map(|label| label.to_string()).collect();
                let labels: Vec<_> = labels.iter().map(String::as_str).collect();
                wrap(&mut out, "  ", &labels);
            }
        }
        out
    }

    /// What break-glass tells to whom, for which reasons; the greatest form of each category.
    fn access_matrix(&self, out: &mut String) {
        let mut nothing = Vec::new();
        for &recipient in AgencyKind::ALL {
            let blocks = self.access_blocks(recipient);
            if blocks.is_empty() {
                nothing.push(recipient.name());
            }
            for (labels, reasons) in blocks {
                let _ = writeln!(out, "\nBREAK_GLASS to {recipient}");
                let reasons: Vec<_> = reasons.iter().map(|reason| reason.name()).collect();
                wrap(out, "  if ", &reasons);
                let labels = greatest(labels);
                let labels: Vec<_> = labels.iter().map(String::as_str).collect();
                wrap(out, "  ", &labels);
            }
        }
        let _ = writeln!(out, "\nBREAK_GLASS to these: nothing");
        wrap(out, "  ", &nothing);
    }

    fn diff_access(&self, newer: &Self, out: &mut String) {
        for (title, before, after) in [("WIDENED", self, newer), ("NARROWED", newer, self)] {
            for &recipient in AgencyKind::ALL {
                for &reason in AccessReason::ALL {
                    let (old, new) = (
                        before.access(recipient, reason),
                        after.access(recipient, reason),
                    );
                    let more = new.beyond(old);
                    if !more.is_empty() {
                        let _ = writeln!(out, "{title} BREAK_GLASS to {recipient} if {reason}");
                        let labels: Vec<_> = more.iter().map(|label| label.to_string()).collect();
                        let labels: Vec<_> = labels.iter().map(String::as_str).collect();
                        wrap(out, "  ", &labels);
                    }
                }
            }
        }
    }

    /// Purposes with the same answers, in the order of the first of each.
    fn blocks(&self, basis: BasisKind, recipient: AgencyKind) -> Vec<([Column; 3], Vec<Purpose>)> {
        let mut blocks: Vec<([Column; 3], Vec<Purpose>)> = Vec::new();
        for &purpose in Purpose::ALL {
            let columns = [Stage::Triage, Stage::Accepted, Stage::InCare]
                .map(|stage| self.table.column(basis, recipient, purpose, stage));
            if columns == [Column::default(); 3] {
                continue;
            }
            match blocks.iter_mut().find(|(known, _)| *known == columns) {
                Some((_, purposes)) => purposes.push(purpose),
                None => blocks.push((columns, vec![purpose])),
            }
        }
        blocks
    }

    /// What `newer` allows more, and less, than `self`, and its other settings; empty when all is the same.
    #[must_use]
    pub fn diff(&self, newer: &Self) -> String {
        let mut out = String::new();
        let changes = self.changes(newer);
        for (title, widened) in [("WIDENED", true), ("NARROWED", false)] {
            for ((change, purposes), labels) in &changes {
                if (change.after > change.before) == widened {
                    let Change {
                        basis,
                        recipient,
                        stage,
                        before,
                        after,
                    } = change;
                    let _ = writeln!(out, "{title} {basis} to {recipient} at {stage}");
                    let names: Vec<_> = purposes.iter().map(|purpose| purpose.name()).collect();
                    wrap(&mut out, "  for ", &names);
                    let labels: Vec<_> = labels.iter().map(|label| label.to_string()).collect();
                    let labels: Vec<_> = labels.iter().map(String::as_str).collect();
                    wrap(&mut out, "  ", &labels);
                    let _ = writeln!(out, "  {before} -> {after}");
                }
            }
        }
        self.diff_access(newer, &mut out);
        self.diff_pairs(newer, &mut out);
        self.diff_settings(newer, &mut out);
        out
    }

    /// What changed beside the tables.
    fn diff_settings(&self, newer: &Self, out: &mut String) {
        let line = |protocol: &Self| {
            let line = protocol.duty_line();
            line.map_or_else(|| "nobody".to_owned(), ToString::to_string)
        };
        if self.duty_line() != newer.duty_line() {
            let _ = writeln!(
                out,
                "CHANGED duty line\n  {} -> {}",
                line(self),
                line(newer)
            );
        }
        let (before, after) = (self.retention_days, newer.retention_days);
        if before != after {
            let title = if after < before {
                "SHORTENED"
            } else {
                "LENGTHENED"
            };
            let _ = writeln!(
                out,
                "{title} how long auditors can open decisions\n  {before} -> {after} days"
            );
        }
    }

    /// Changed cells, gathered by purposes and then by labels.
    fn changes(&self, newer: &Self) -> BTreeMap<(Change, Vec<Purpose>), LabelSet> {
        let mut by_label = BTreeMap::<(Change, Label), Vec<Purpose>>::new();
        for &basis in BasisKind::ALL {
            for &recipient in AgencyKind::ALL {
                for &purpose in Purpose::ALL {
                    for &stage in Stage::ALL {
                        let old = self.table.column(basis, recipient, purpose, stage);
                        let new = newer.table.column(basis, recipient, purpose, stage);
                        if old == new {
                            continue;
                        }
                        for label in Label::all() {
                            let (before, after) = (old.verdict(label), new.verdict(label));
                            if before != after {
                                let change = Change {
                                    basis,
                                    recipient,
                                    stage,
                                    before,
                                    after,
                                };
                                by_label.entry((change, label)).or_default().push(purpose);
                            }
                        }
                    }
                }
            }
        }
        let mut changes = BTreeMap::<_, LabelSet>::new();
        for ((change, label), purposes) in by_label {
            changes.entry((change, purposes)).or_default().insert(label);
        }
        changes
    }

    fn diff_pairs(&self, newer: &Self, out: &mut String) {
        for (title, before, after) in [("WIDENED", newer, self), ("NARROWED", self, newer)] {
            for (source, recipients) in &after.pairs {
                for (recipient, denied) in recipients {
                    let more = denied.beyond(before.denied_pair(source, recipient));
                    if !more.is_empty() {
                        let _ = writeln!(out, "{title} from {source} to {recipient}");
                        let labels: Vec<_> = more.iter().map(|label| label.to_string()).collect();
                        let labels: Vec<_> = labels.iter().map(String::as_str).collect();
                        wrap(out, "  ", &labels);
                    }
                }
            }
        }
    }
}

/// For each form that is ever told, its name and from when.
fn category_line(category: Category, columns: [Column; 3]) -> Vec<String> {
    let forms = category.forms().iter();
    let cells = forms.filter_map(|&form| {
        let label = Label::new(category, form).ok()?;
        let first = |at_least: Verdict| {
            let stages = columns.iter().zip(["T", "A", "C"]);
            let mut stages = stages.filter(|(column, _)| column.verdict(label) >= at_least);
            stages.next().map(|(_, stage)| stage)
        };
        let plain = first(Verdict::Allow);
        let specific =
            first(Verdict::SpecificOnly).filter(|_| first(Verdict::SpecificOnly) != plain);
        let code = match (specific, plain) {
            (None, None) => return None,
            (None, Some(plain)) => plain.to_owned(),
            (Some(specific), None) => format!("({specific})"),
            (Some(specific), Some(plain)) => format!("({specific}){plain}"),
        };
        Some(match category.forms().len() {
            1 => code,
            _ => format!("{form} {code}"),
        })
    });
    cells.collect()
}

/// Writes `words` after `prefix`, with commas, no wider than [`WIDTH`], later lines indented alike.
fn wrap(out: &mut String, prefix: &str, words: &[&str]) {
    let mut line = prefix.to_owned();
    for (at, word) in words.iter().enumerate() {
        let comma = if at + 1 < words.len() { "," } else { "" };
        let used = line.len() + word.len() + comma.len();
        if used > WIDTH && line.len() > prefix.len() {
            let _ = writeln!(out, "{}", line.trim_end());
            line = " ".repeat(prefix.len());
        }
        let _ = write!(line, "{word}{comma} ");
    }
    let _ = writeln!(out, "{}", line.trim_end());
}
