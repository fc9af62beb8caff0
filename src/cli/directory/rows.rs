//! Rows of a directory as somebody else wrote it, flat, each with where it stands; and what was left out, and why.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Where something stands: `services.csv:3`, or `service.json#/schedules/0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(pub(super) String);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One row of one table.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) place: Place,
    pub(super) values: BTreeMap<String, String>,
}

impl Row {
    /// The value of a column, trimmed; empty when it is not there.
    pub(super) fn value(&self, column: &str) -> &str {
        self.values.get(column).map_or("", |value| value.trim())
    }
}

/// Something that was left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Skip {
    pub(super) place: Place,
    /// What is left out, and why.
    pub(super) why: String,
}

/// Every table that was read.
#[derive(Debug, Default)]
pub(super) struct Tables {
    rows: BTreeMap<String, Vec<Row>>,
    count: usize,
}

impl Tables {
    /// Most rows taken, of all tables together: ten times the largest directory we were told of.
    pub(super) const ROWS_MAX: usize = 100_000;

    /// Takes a row; false when there are too many.
    pub(super) fn push(&mut self, table: &str, row: Row) -> bool {
        self.count += 1;
        if self.count > Self::ROWS_MAX {
            return false;
        }
        self.rows.entry(table.to_owned()).or_default().push(row);
        true
    }

    pub(super) fn of(&self, table: &str) -> &[Row] {
        self.rows.get(table).map_or(&[], Vec::as_slice)
    }

    /// Names and sizes of every table.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (&str, usize)> {
        self.rows
            .iter()
            .map(|(table, rows)| (table.as_str(), rows.len()))
    }

    /// The rows of a table by the value of a column; rows without one are under the empty text.
    pub(super) fn by<'a>(&'a self, table: &str, column: &str) -> HashMap<&'a str, Vec<&'a Row>> {
        let mut found: HashMap<&str, Vec<&Row>> = HashMap::new();
        for row in self.of(table) {
            found.entry(row.value(column)).or_default().push(row);
        }
        found
    }
}
