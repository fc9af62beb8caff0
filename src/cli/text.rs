//! Words for people: 80 columns, and times as they read them.

use crate::domain::time::Timestamp;
use std::fmt::Display;

/// Widest line, in columns.
pub const COLUMNS: usize = 80;

/// `text` after `mark` in [`COLUMNS`], further lines under the first word. A word that is longer stays whole. Whoever
/// wrote it, it does not drive the terminal ([`printable`]).
#[must_use]
pub fn wrapped(mark: &str, text: &str) -> String {
    let indent = mark.chars().count();
    let mut out = mark.to_owned();
    let mut column = indent;
    for (at, word) in text.split_whitespace().enumerate() {
        let width = word.chars().count();
        if at > 0 && column + 1 + width > COLUMNS {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else if at > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(&printable(word));
        column += width;
    }
    out
}

/// A command to paste, after `mark`: what does not fit goes on in the next line, as a shell reads it.
#[must_use]
pub fn pasted(mark: &str, command: &str) -> String {
    const MORE: &str = " \\";
    let indent = mark.chars().count() + 2;
    let mut out = mark.to_owned();
    let mut column = mark.chars().count();
    for (at, word) in command.split_whitespace().enumerate() {
        let width = word.chars().count();
        if at > 0 && column + 1 + width + MORE.len() > COLUMNS {
            out.push_str(MORE);
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else if at > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    out
}

/// Somebody else's text, which must not drive this terminal: controls, and marks that turn the direction of what
/// follows them (Unicode UAX #9, "Trojan Source"), become `?`. Letters of every script stay.
#[must_use]
pub fn printable(text: &str) -> String {
    let turns = |one| matches!(one, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = |one: char| {
        if one.is_control() || turns(one) {
            '?'
        } else {
            one
        }
    };
    text.chars().map(shown).collect()
}

/// Words with commas between them, or `none`.
#[must_use]
pub fn listed<T: Display>(words: &[T], none: &str) -> String {
    if words.is_empty() {
        return none.to_owned();
    }
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// The day, in UTC, as 2026-11-21.
///
/// # Source
///
/// Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
#[must_use]
pub fn day(at: Timestamp) -> String {
    let days = at.seconds().div_euclid(86_400) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The minute, in UTC, as 2026-11-21 21:05 UTC.
#[must_use]
pub fn minute(at: Timestamp) -> String {
    let of_day = at.seconds().rem_euclid(86_400);
    let (hour, minute) = (of_day / 3600, of_day / 60 % 60);
    format!("{} {hour:02}:{minute:02} UTC", day(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_that_of_the_calendar() {
        let shown = |seconds| minute(Timestamp::from_seconds(seconds).expect("in range"));
        assert_eq!(shown(0), "1970-01-01 00:00 UTC");
        assert_eq!(shown(951_782_399), "2000-02-28 23:59 UTC");
        assert_eq!(shown(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(shown(1_798_761_600), "2027-01-01 00:00 UTC");
    }

    #[test]
    fn what_others_wrote_drives_no_terminal_and_keeps_its_letters() {
        assert_eq!(
            printable("a\u{1b}[2Jb\u{202e}c\u{2066}d\ne"),
            "a?[2Jb?c?d?e"
        );
        for kept in ["Übergang", "خانه\u{200c}ها", "მშვიდობა"] {
            assert_eq!(printable(kept), kept);
        }
    }

    #[test]
    fn a_command_to_paste_goes_on_in_the_next_line() {
        assert_eq!(pasted("  ", "safeconduct check"), "  safeconduct check");
        let long = format!("safeconduct {}", "--flag word ".repeat(12));
        let shown = pasted("  ", &long);
        assert!(shown.lines().count() > 1);
        assert!(
            shown.lines().all(|line| line.chars().count() <= COLUMNS),
            "{shown}"
        );
        let joined = shown.replace("\\\n", " ");
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(words(&joined), words(&long));
    }

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let text = "a word after another ".repeat(20);
        let shown = wrapped("mark  ", &text);
        assert!(shown.lines().count() > 3);
        assert!(shown.lines().all(|line| line.chars().count() <= COLUMNS));
        assert!(
            shown
                .lines()
                .skip(1)
                .all(|line| line.starts_with("      a") || line.starts_with("      w"))
        );
    }
}
