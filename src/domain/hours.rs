//! When an agency takes people in: spans of local time, and whether one of them contains a moment.
//!
//! Local time is an offset from UTC and, where clocks change, the rule that they change by. The name of the time zone
//! is text for people: no table of time zones is consulted, so that two desks never disagree about it.

use super::time::Timestamp;
use super::vocabulary::{SummerTime, Weekday};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Minutes of a day.
pub const DAY_MINUTES: u16 = 24 * 60;

/// Farthest that local time is from UTC, in minutes: 14 hours, Kiribati.
pub const OFFSET_MINUTES_MAX: i16 = 14 * 60;

/// Most spans in one agency's hours.
pub const SPANS_MAX: usize = 64;

/// Longest name of a time zone, in bytes.
pub const ZONE_BYTES_MAX: usize = 64;

/// Hours that are not well formed. Does not repeat them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// Not a time of day.
    #[error("not a time of day: write 00:00 to 24:00")]
    Time,
    /// Not an offset.
    #[error("not an offset from UTC: write +01:00 or -05:30")]
    Offset,
    /// No day, or the same one twice.
    #[error("a span names no day, or one twice")]
    Days,
    /// Begins when it ends.
    #[error("a span ends when it begins; for a whole day write 00:00 to 24:00")]
    Empty,
    /// Too many spans.
    #[error("more than 64 spans")]
    TooMany,
    /// The name of the time zone.
    #[error("the time zone is a name such as Europe/Belgrade")]
    Zone,
}

/// A time of day to the minute, 00:00 to 24:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Clock(u16);

impl Clock {
    /// Minutes since midnight, at most [`DAY_MINUTES`].
    #[must_use]
    pub const fn minutes(self) -> u16 {
        self.0
    }
}

/// `HH:MM`.
fn parse_clock(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !two(hours) || !two(minutes) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (minutes < 60).then_some(hours * 60 + minutes)
}

impl FromStr for Clock {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let minutes = parse_clock(text).filter(|&minutes| minutes <= DAY_MINUTES);
        minutes.map(Self).ok_or(HoursError::Time)
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// How local time follows from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Offset(i16);

impl FromStr for Offset {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let (sign, clock) = match text.split_at_checked(1) {
            Some(("+", clock)) => (1, clock),
            Some(("-", clock)) => (-1, clock),
            _ => return Err(HoursError::Offset),
        };
        let minutes = parse_clock(clock).and_then(|minutes| i16::try_from(minutes).ok());
        let minutes = minutes.filter(|&minutes| minutes <= OFFSET_MINUTES_MAX);
        minutes
            .map(|minutes| Self(sign * minutes))
            .ok_or(HoursError::Offset)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let minutes = self.0.unsigned_abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// One span on each of its days; one that ends before it begins runs into the next day.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Span {
    days: Vec<Weekday>,
    from: Clock,
    until: Clock,
}

impl Span {
    /// The span.
    ///
    /// # Errors
    ///
    /// [`HoursError::Days`] and [`HoursError::Empty`].
    pub fn new(days: Vec<Weekday>, from: Clock, until: Clock) -> Result<Self, HoursError> {
        let twice = days
            .iter()
            .enumerate()
            .any(|(at, day)| days.iter().skip(at + 1).any(|other| other == day));
        if days.is_empty() || twice {
            return Err(HoursError::Days);
        }
        if from == until || from.0 == DAY_MINUTES {
            return Err(HoursError::Empty);
        }
        Ok(Self { days, from, until })
    }

    /// Its days, in the order written.
    #[must_use]
    pub fn days(&self) -> &[Weekday] {
        &self.days
    }

    /// First minute inside.
    #[must_use]
    pub const fn from(&self) -> Clock {
        self.from
    }

    /// First minute after, of the next day when it is before [`Span::from`].
    #[must_use]
    pub const fn until(&self) -> Clock {
        self.until
    }

    fn length(&self) -> u32 {
        let (from, until) = (u32::from(self.from.0), u32::from(self.until.0));
        if from < until {
            until - from
        } else {
            until + u32::from(DAY_MINUTES) - from
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, day) in self.days.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{day}")?;
        }
        write!(f, " {}-{}", self.from, self.until)
    }
}

/// When people are taken in; without spans, always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpeningHours {
    spans: Vec<Span>,
    offset: Offset,
    summer: SummerTime,
    zone: String,
}

/// Minutes of a week.
const WEEK_MINUTES: u32 = 7 * DAY_MINUTES as u32;

impl Default for OpeningHours {
    fn default() -> Self {
        Self::always()
    }
}

impl OpeningHours {
    /// The hours: always.
    #[must_use]
    pub const fn always() -> Self {
        Self {
            spans: Vec::new(),
            offset: Offset(0),
            summer: SummerTime::None,
            zone: String::new(),
        }
    }

    /// The hours; `zone` is a name for people, and may be empty.
    ///
    /// # Errors
    ///
    /// [`HoursError::TooMany`] and [`HoursError::Zone`].
    pub fn new(
        spans: Vec<Span>,
        offset: Offset,
        summer: SummerTime,
        zone: String,
    ) -> Result<Self, HoursError> {
        if spans.len() > SPANS_MAX {
            return Err(HoursError::TooMany);
        }
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte);
        if zone.len() > ZONE_BYTES_MAX || !zone.bytes().all(named) {
            return Err(HoursError::Zone);
        }
        Ok(Self {
            spans,
            offset,
            summer,
            zone,
        })
    }

    /// The spans.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Standard time's offset from UTC.
    #[must_use]
    pub const fn offset(&self) -> Offset {
        self.offset
    }

    /// By which rule clocks change.
    #[must_use]
    pub const fn summer(&self) -> SummerTime {
        self.summer
    }

    /// Name of the time zone, for people.
    #[must_use]
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// The first moment from `now` at which people are taken in, to the minute; `now` itself when they are now.
    ///
    /// Reckoned with the offset in force `now`: across a change of clocks it is an hour off, and says so nowhere,
    /// since it is a rank and a word for people, never a promise.
    #[must_use]
    pub fn opens(&self, now: Timestamp) -> Timestamp {
        if self.spans.is_empty() {
            return now;
        }
        let local = self.minute_of_week(now);
        let begins = self.spans.iter().flat_map(|span| {
            let of_day = u32::from(span.from.0);
            let starts = span
                .days
                .iter()
                .map(move |&day| day as u32 * u32::from(DAY_MINUTES) + of_day);
            starts.map(|start| (start, span.length()))
        });
        let wait = begins.map(|(start, length)| {
            let since = (local + WEEK_MINUTES - start) % WEEK_MINUTES;
            if since < length {
                0
            } else {
                WEEK_MINUTES - since
            }
        });
        match wait.min() {
            None | Some(0) => now,
            Some(minutes) => {
                let minute = Duration::from_secs(60);
                now.coarse(minute).plus(minute * minutes)
            }
        }
    }

    /// A moment as the agency's own clock shows it, with the day: `WE 08:00`.
    #[must_use]
    pub fn local(&self, at: Timestamp) -> String {
        let minute = self.minute_of_week(at);
        let day_minutes = u32::from(DAY_MINUTES);
        let day = Weekday::ALL.get((minute / day_minutes) as usize).copied();
        let day = day.unwrap_or(Weekday::Monday);
        let of_day = minute % day_minutes;
        format!("{day} {:02}:{:02}", of_day / 60, of_day % 60)
    }

    fn minute_of_week(&self, at: Timestamp) -> u32 {
        let utc = at.seconds().div_euclid(60);
        let summer = match self.summer {
            SummerTime::Europe if is_european_summer(utc) => 60,
            SummerTime::Europe | SummerTime::None => 0,
        };
        // The epoch was a Thursday: three days into its week.
        let local = utc + i64::from(self.offset.0) + summer + 3 * i64::from(DAY_MINUTES);
        u32::try_from(local.rem_euclid(i64::from(WEEK_MINUTES))).unwrap_or_default()
    }
}

/// Whether clocks are ahead in the European Union at this minute since the epoch.
fn is_european_summer(minute: i64) -> bool {
    let days = minute.div_euclid(i64::from(DAY_MINUTES));
    let (month, day) = month_and_day(days);
    let weekday = (days + 3).rem_euclid(7); // Monday is 0.
    let since_sunday = (weekday + 1).rem_euclid(7);
    let past_one = minute.rem_euclid(i64::from(DAY_MINUTES)) >= 60;
    // March and October have 31 days: their last Sunday is the 25th or later.
    let last_sunday_is_past = if since_sunday == 0 && day >= 25 {
        past_one
    } else {
        day - since_sunday >= 25
    };
    match month {
        4..=9 => true,
        3 => last_sunday_is_past,
        10 => !last_sunday_is_past,
        _ => false,
    }
}

/// Month and day of the month of a day since the epoch.
///
/// # Source
///
/// Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
fn month_and_day(days: i64) -> (i64, i64) {
    let days = days + 719_468;
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests;
