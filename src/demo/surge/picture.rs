//! The picture of a surge: figures for machines, and a table and bars at 80 columns for people.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Serialize;

/// Widest line.
pub const COLUMNS: usize = 80;

/// Minutes in one row of the timeline.
pub const ROW_MINUTES: u32 = 5;

/// Rows of the timeline; what happens later is in the last one.
const ROWS_MAX: usize = 72;

/// One house.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct House {
    /// Its id.
    pub id: String,
    /// Its places.
    pub places: u32,
    /// Asks that reached it.
    pub asked: u32,
    /// Places that it gave.
    pub accepted: u32,
    /// It was full and said so.
    pub declined: u32,
    /// It was full and keeps a list.
    pub waitlisted: u32,
    /// It did not answer in time.
    pub lapsed: u32,
    /// Closed before it answered: somebody else was first, or the source ended it.
    pub closed: u32,
}

/// What happened in five minutes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Asked.
    pub asked: u32,
    /// Given a place.
    pub placed: u32,
    /// Told that there is none.
    pub unplaced: u32,
    /// Brought before the national duty line.
    pub duty_line: u32,
}

/// How referrals ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// With a place.
    pub placed: u32,
    /// Without one, and every house's reason is known.
    pub unplaced: u32,
    /// Undecided, and a person has been told to look.
    pub escalated: u32,
    /// Undecided, and nobody knows. There must be none.
    pub silent: u32,
}

/// Minutes from the ask, simulated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Half waited no longer.
    pub p50: u32,
    /// Nineteen of twenty waited no longer.
    pub p95: u32,
}

impl Waiting {
    /// Of these waits, in minutes.
    #[must_use]
    pub fn of(mut minutes: Vec<u32>) -> Self {
        minutes.sort_unstable();
        let at = |hundredths: usize| {
            let last = minutes.len().saturating_sub(1);
            minutes.get(last * hundredths / 100).copied().unwrap_or(0)
        };
        Self {
            p50: at(50),
            p95: at(95),
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.p50 == 1 { "minute" } else { "minutes" };
        let (half, most) = (self.p50, self.p95);
        write!(f, "half within {half} {unit}, 19 of 20 within {most}")
    }
}

/// The whole picture.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Picture {
    /// The seed.
    pub seed: u64,
    /// Referrals.
    pub count: u32,
    /// Houses, in the order of their ids.
    pub houses: Vec<House>,
    /// In steps of [`ROW_MINUTES`].
    pub timeline: Vec<Row>,
    /// How referrals ended.
    pub outcomes: Outcomes,
    /// Why there was no place: asks of the referrals without one only, by the reason that the house gave, or by how an
    /// ask ended where it gave none.
    pub reasons: BTreeMap<String, u32>,
    /// Until the place was given.
    pub until_placed: Waiting,
    /// Until it was certain that there is none.
    pub until_unplaced: Waiting,
    /// How often a supervisor was told to look.
    pub supervisor_alerts: u32,
    /// How often the national duty line was.
    pub duty_line_alerts: u32,
    /// Simulated time from the first ask to the end, in minutes.
    pub minutes: u32,
    /// Entries in the log at the end.
    pub entries: u64,
    /// Whether the audit found the log in order.
    pub audit_clean: bool,
    /// Real time, in milliseconds.
    pub elapsed_ms: u64,
}

impl Picture {
    /// Whether nobody was left without an answer.
    #[must_use]
    pub const fn holds(&self) -> bool {
        let ended = self.outcomes.placed + self.outcomes.unplaced + self.outcomes.escalated;
        self.outcomes.silent == 0 && ended == self.count && self.audit_clean
    }

    /// The row of the timeline in which this minute is.
    pub fn row(&mut self, minute: u32) -> &mut Row {
        let at = usize::try_from(minute / ROW_MINUTES).unwrap_or(ROWS_MAX);
        let at = at.min(ROWS_MAX - 1);
        if self.timeline.len() <= at {
            self.timeline.resize_with(at + 1, Row::default);
        }
        &mut self.timeline[at]
    }

    /// For people.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let places: u32 = self.houses.iter().map(|house| house.places).sum();
        let mut lines = vec![
            format!(
                "{} referrals in an hour, {} houses, {places} places (seed {})",
                self.count,
                self.houses.len(),
                self.seed
            ),
            String::new(),
            "Every ask of a house, by how it stands at the end; a referral asks several:"
                .to_owned(),
        ];
        lines.extend(self.house_lines());
        lines.push(String::new());
        lines.push("Referrals, in simulated minutes from the first:".to_owned());
        lines.extend(self.time_lines());
        lines.push(String::new());
        lines.push("Referrals, by how they ended:".to_owned());
        lines.extend(self.outcome_lines());
        for line in &mut lines {
            line.truncate(line.trim_end().len());
        }
        lines
    }

    fn house_lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!(
                "{:<9} {:>6} {:>5} {:>8} {:>8} {:>8} {:>6} {:>6}  {}",
                "house",
                "places",
                "asked",
                "accepted",
                "declined",
                "waitlist",
                "lapsed",
                "closed",
                "filled"
            ),
            "─".repeat(COLUMNS),
        ];
        for house in &self.houses {
            lines.push(format!(
                "{:<9} {:>6} {:>5} {:>8} {:>8} {:>8} {:>6} {:>6}  {}",
                house.id,
                house.places,
                house.asked,
                house.accepted,
                house.declined,
                house.waitlisted,
                house.lapsed,
                house.closed,
                bar(house.accepted, house.places, 14)
            ));
        }
        lines
    }

    fn time_lines(&self) -> Vec<String> {
        let most = |of: fn(&Row) -> u32| self.timeline.iter().map(of).max().unwrap_or(0);
        let (asked, placed) = (most(|row| row.asked), most(|row| row.placed));
        let (unplaced, duty) = (most(|row| row.unplaced), most(|row| row.duty_line));
        let mut lines = vec![
            format!(
                "{:<9} {:<21} {:<13} {:<17} {:<16}",
                "minutes", "asked", "placed", "no place", "duty line"
            ),
            "─".repeat(COLUMNS),
        ];
        let mut nothing = false;
        for (at, row) in self.timeline.iter().enumerate() {
            if *row == Row::default() {
                nothing = true;
                continue;
            }
            if std::mem::take(&mut nothing) {
                lines.push(format!("{:<9} nothing", "  …"));
            }
            let from = u32::try_from(at)
                .unwrap_or(u32::MAX)
                .saturating_mul(ROW_MINUTES);
            let span = if at + 1 == ROWS_MAX {
                format!("{from:>3}–")
            } else {
                format!("{from:>3}–{}", from + ROW_MINUTES)
            };
            lines.push(format!(
                "{span:<9} {} {} {} {}",
                counted(row.asked, asked, 15),
                counted(row.placed, placed, 7),
                counted(row.unplaced, unplaced, 11),
                counted(row.duty_line, duty, 10),
            ));
        }
        lines.push("Each column's bars have their own scale.".to_owned());
        lines
    }

    /// Nothing where every ask led to a place.
    fn reason_lines(&self) -> Vec<String> {
        if self.reasons.is_empty() {
            return Vec::new();
        }
        let asks: u32 = self.reasons.values().sum();
        let mut reasons = format!(
            "What the asks of those {} without a place came to ({asks} asks; houses' answers, or how an ask ended \
             without one):",
            self.outcomes.unplaced
        );
        for (reason, count) in &self.reasons {
            let word = reason.to_lowercase().replace('_', " ");
            // Writing to a string cannot fail.
            let _ = write!(reasons, " {word} {count},");
        }
        reasons.truncate(reasons.trim_end_matches(',').len());
        crate::demo::narrate::wrap(&reasons, COLUMNS)
    }

    fn outcome_lines(&self) -> Vec<String> {
        let outcomes = [
            ("placed", self.outcomes.placed),
            ("no place, with every reason", self.outcomes.unplaced),
            ("undecided, a person was told", self.outcomes.escalated),
            ("silent", self.outcomes.silent),
        ];
        let mut lines: Vec<String> = outcomes
            .iter()
            .map(|&(word, count)| format!("{word:<28} {count:>5}  {}", bar(count, self.count, 43)))
            .collect();
        lines.push(String::new());
        lines.extend(self.reason_lines());
        if self.outcomes.placed > 0 {
            lines.push(format!("Wait for a place: {}.", self.until_placed));
        }
        if self.outcomes.unplaced + self.outcomes.escalated > 0 {
            let wait = self.until_unplaced;
            lines.push(format!("Wait for word that there is none: {wait}."));
        }
        lines.push(format!(
            "Alerts: {} to supervisors, {} to the national duty line.",
            self.supervisor_alerts, self.duty_line_alerts
        ));
        let found = if self.audit_clean {
            "clean"
        } else {
            "NOT CLEAN"
        };
        lines.push(format!(
            "{} entries, audit replay {found}; {} simulated minutes in {}.{} s.",
            self.entries,
            self.minutes,
            self.elapsed_ms / 1000,
            self.elapsed_ms % 1000 / 100
        ));
        lines
    }
}

/// A bar of at most `width` columns; something is never nothing.
fn bar(count: u32, most: u32, width: usize) -> String {
    if count == 0 || most == 0 {
        return String::new();
    }
    let cells = u64::from(count) * u64::try_from(width).unwrap_or(0) / u64::from(most);
    "█".repeat(usize::try_from(cells).unwrap_or(width).clamp(1, width))
}

/// A number and its bar, in a column as wide as the widest.
fn counted(count: u32, most: u32, width: usize) -> String {
    if count == 0 {
        return " ".repeat(width + 6);
    }
    let bar = bar(count, most, width);
    let fill = width - bar.chars().count();
    format!("{count:>5} {bar}{}", " ".repeat(fill))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        let mut picture = Picture {
            seed: u64::MAX,
            count: 99_999,
            houses: vec![House {
                id: "house-01".into(),
                places: 12,
                asked: 99_999,
                accepted: 12,
                ..House::default()
            }],
            reasons: [
                "NO_CAPACITY",
                "LAPSED",
                "CANNOT_KEEP_GROUP_TOGETHER",
                "OUT_OF_AREA",
            ]
            .map(|reason| (reason.to_owned(), 12_345))
            .into(),
            ..Picture::default()
        };
        for minute in 0..400 {
            let row = picture.row(minute);
            row.asked += 100;
            row.placed += 99;
            row.unplaced += 98;
            row.duty_line += minute;
        }
        picture
    }

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        for line in picture().lines() {
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
    }

    #[test]
    fn what_is_counted_is_said_above_each_list() {
        let mut picture = picture();
        picture.outcomes.unplaced = 920;
        let said = picture.lines().join(" ");
        for wanted in [
            "Every ask of a house, by how it stands at the end",
            "Referrals, by how they ended:",
            "of those 920 without a place came to (49380 asks;",
        ] {
            assert!(said.contains(wanted), "{wanted}: {said}");
        }
    }

    #[test]
    fn a_pause_is_one_row_and_what_nobody_met_is_left_out() {
        let mut picture = Picture {
            count: 2,
            until_placed: Waiting { p50: 1, p95: 3 },
            ..Picture::default()
        };
        picture.outcomes.placed = 2;
        picture.row(112).asked = 1;
        picture.row(247).placed = 1;
        let lines = picture.lines();
        let at = lines.iter().position(|line| line.starts_with("110–115"));
        let at = at.expect("a row");
        assert_eq!(lines[at - 1], "  …       nothing");
        assert_eq!(lines[at + 1], "  …       nothing");
        assert!(lines[at + 2].starts_with("245–250"), "{lines:?}");
        assert_eq!(lines[at + 3], "Each column's bars have their own scale.");
        let said = lines.join("\n");
        assert!(said.contains("\nWait for a place: half within 1 minute, 19 of 20 within 3.\n"));
        assert!(!said.contains("without a place came to") && !said.contains("there is none"));

        picture.outcomes.placed = 1;
        picture.outcomes.unplaced = 1;
        picture.until_unplaced = Waiting { p50: 20, p95: 61 };
        let said = picture.lines().join("\n");
        assert!(said.contains("there is none: half within 20 minutes, 19 of 20 within 61."));
    }

    #[test]
    fn a_picture_holds_only_if_everybody_is_accounted_for() {
        let mut picture = Picture {
            count: 3,
            audit_clean: true,
            ..Picture::default()
        };
        picture.outcomes.placed = 2;
        assert!(!picture.holds());
        picture.outcomes.escalated = 1;
        assert!(picture.holds());
        picture.outcomes.silent = 1;
        assert!(!picture.holds());
    }

    #[test]
    fn a_bar_shows_what_there_is_and_no_more() {
        assert_eq!(bar(0, 10, 5), "");
        assert_eq!(bar(1, 1_000, 5), "█");
        assert_eq!(bar(10, 10, 5), "█████");
        assert_eq!(bar(99, 10, 5), "█████");
    }

    #[test]
    fn waits_are_told_by_rank() {
        let waiting = Waiting::of((0..=100).rev().collect());
        assert_eq!((waiting.p50, waiting.p95), (50, 95));
        assert_eq!(Waiting::of(Vec::new()), Waiting::default());
    }
}
