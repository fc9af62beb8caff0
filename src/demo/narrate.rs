//! How the demo speaks: one plain sentence per step with a tick or a cross, at most 80 columns.

use std::fmt::Display;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Widest line.
pub const COLUMNS: usize = 80;

/// One thing that was shown.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Which act of the story.
    pub act: String,
    /// What was shown, in a sentence.
    pub sentence: String,
    /// Whether it held.
    pub ok: bool,
    /// Why not, when it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A table with one row per fact and one column per party.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// What the table says.
    pub title: String,
    /// Column heads, the first over the row names.
    pub heads: Vec<String>,
    /// Rows, as many cells as heads.
    pub rows: Vec<Vec<String>>,
}

/// The whole story for machines.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Whether every step held.
    pub ok: bool,
    /// Whole time, in milliseconds.
    pub elapsed_ms: u64,
    /// Steps in order.
    pub steps: Vec<Step>,
    /// Tables in order.
    pub tables: Vec<Table>,
}

/// Where the story goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// For people, on standard output, as it happens.
    Aloud,
    /// For machines: nothing until [`Narrator::finish`].
    Silent,
}

/// The story can not go on: a step failed that the next ones need. Already told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop;

/// Tells the story and keeps count.
#[derive(Debug)]
pub struct Narrator {
    voice: Voice,
    act: String,
    steps: Vec<Step>,
    tables: Vec<Table>,
    begun: Instant,
}

impl Narrator {
    /// A narrator that has said nothing yet.
    #[must_use]
    pub fn new(voice: Voice) -> Self {
        let begun = Instant::now();
        Self {
            voice,
            act: String::new(),
            steps: Vec::new(),
            tables: Vec::new(),
            begun,
        }
    }

    fn say(&self, line: &str) {
        if self.voice == Voice::Aloud {
            println!("{line}");
        }
    }

    /// Begins an act.
    pub fn act(&mut self, title: &str) {
        title.clone_into(&mut self.act);
        self.say("");
        self.say(title);
        self.say(&"─".repeat(width(title)));
    }

    /// Says something that is not a step.
    pub fn tell(&self, text: &str) {
        for line in wrap(text, COLUMNS - 2) {
            self.say(&format!("  {line}"));
        }
    }

    /// Says how one step went.
    pub fn step(&mut self, sentence: &str, ok: bool, detail: Option<String>) {
        let mark = if ok { '✓' } else { '✗' };
        for (count, line) in wrap(sentence, COLUMNS - 4).iter().enumerate() {
            let lead = if count == 0 {
                format!("  {mark} ")
            } else {
                "    ".into()
            };
            self.say(&format!("{lead}{line}"));
        }
        if let (false, Some(detail)) = (ok, &detail) {
            for line in wrap(detail, COLUMNS - 6) {
                self.say(&format!("      {line}"));
            }
        }
        let detail = detail.filter(|_| !ok);
        self.steps.push(Step {
            act: self.act.clone(),
            sentence: sentence.into(),
            ok,
            detail,
        });
    }

    /// A step that holds if `held`.
    pub fn check(&mut self, sentence: &str, held: bool) {
        self.step(sentence, held, None);
    }

    /// A step that gives something the story needs.
    ///
    /// # Errors
    ///
    /// [`Stop`] when it failed; the cause is told.
    pub fn need<T, E: Display>(
        &mut self,
        sentence: &str,
        outcome: Result<T, E>,
    ) -> Result<T, Stop> {
        match outcome {
            Ok(value) => {
                self.step(sentence, true, None);
                Ok(value)
            }
            Err(error) => {
                self.step(sentence, false, Some(error.to_string()));
                Err(Stop)
            }
        }
    }

    /// Something the story needs that is not worth a sentence unless it fails.
    ///
    /// # Errors
    ///
    /// [`Stop`] when it failed; the cause is told.
    pub fn quietly<T, E: Display>(
        &mut self,
        sentence: &str,
        outcome: Result<T, E>,
    ) -> Result<T, Stop> {
        outcome.map_err(|error| {
            self.step(sentence, false, Some(error.to_string()));
            Stop
        })
    }

    /// Shows a table, its columns as wide as their widest cell.
    pub fn table(&mut self, table: Table) {
        self.say("");
        for line in wrap(&table.title, COLUMNS) {
            self.say(&line);
        }
        let widths: Vec<usize> = (0..table.heads.len())
            .map(|column| {
                let cells = table.rows.iter().filter_map(|row| row.get(column));
                cells
                    .chain(table.heads.get(column))
                    .map(|cell| width(cell))
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let line = |cells: &[String]| {
            let padded = cells.iter().zip(&widths).map(|(cell, &wide)| {
                format!("{cell}{}", " ".repeat(wide.saturating_sub(width(cell))))
            });
            padded.collect::<Vec<_>>().join(" ").trim_end().to_owned()
        };
        self.say(&line(&table.heads));
        self.say(&"─".repeat(widths.iter().sum::<usize>() + widths.len().saturating_sub(1)));
        for row in &table.rows {
            self.say(&line(row));
        }
        self.tables.push(table);
    }

    /// Whether every step so far held.
    #[must_use]
    pub fn all_held(&self) -> bool {
        self.steps.iter().all(|step| step.ok)
    }

    /// How many steps were told.
    #[must_use]
    pub fn count(&self) -> usize {
        self.steps.len()
    }

    /// How long the story took so far.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The whole story.
    #[must_use]
    pub fn finish(self) -> Summary {
        Summary {
            ok: self.all_held() && !self.steps.is_empty(),
            elapsed_ms: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            steps: self.steps,
            tables: self.tables,
        }
    }
}

/// Columns that a text takes: one per character, for the alphabets the demo prints.
fn width(text: &str) -> usize {
    text.chars().count()
}

/// Breaks a text into lines of at most `columns`, between words.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_within_the_columns() {
        let lines = wrap("one two three four", 9);
        assert_eq!(lines, ["one two", "three", "four"]);
        assert_eq!(wrap("", 9), [""]);
    }

    #[test]
    fn a_failed_step_fails_the_story() {
        let mut narrator = Narrator::new(Voice::Silent);
        narrator.check("this holds", true);
        assert!(narrator.all_held());
        assert_eq!(
            narrator.need::<(), _>("this does not", Err("why")),
            Err(Stop)
        );
        let summary = narrator.finish();
        assert!(!summary.ok);
        assert_eq!(summary.steps[1].detail.as_deref(), Some("why"));
    }
}
