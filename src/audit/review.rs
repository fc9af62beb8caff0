//! About ten rules that anybody can explain, over acts in order: what a person should look at again.
//!
//! A finding is no verdict. Somebody says what it comes to, somebody else confirms it, and both stand in the log
//! beside it. Lawfulness is the replay's part: an act may be lawful and still be found here.

mod attempts;
mod auditors;
mod break_glass;
mod burst;
mod follow_up;
mod hours;
mod said;
mod staff;

use super::acts::{Act, Known};
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::ReviewRule;
use std::collections::VecDeque;
use std::time::Duration;

pub use said::Standing;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One thing that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicion {
    /// The rule that found it.
    pub rule: ReviewRule,
    /// Index of the entry that it is about; with the rule, its name.
    pub index: u64,
    /// Other entries that belong to it.
    pub also: Vec<u64>,
    /// When that was.
    pub at: Timestamp,
    /// Who acted.
    pub agency: AgencyId,
    /// Who there, by pseudonym.
    pub staff: Option<String>,
    /// Why it was found, in one sentence of codes and numbers.
    pub why: String,
}

impl Suspicion {
    /// What to look at.
    #[must_use]
    pub const fn look_at(&self) -> &'static str {
        match self.rule {
            ReviewRule::BreakGlass => {
                "whether there was the danger that was named, and whether somebody reviewed it within three days"
            }
            ReviewRule::Burst => {
                "the cases opened in that hour: whether they were this person's work"
            }
            ReviewRule::OutOfHours => "the agency's rota: whether this person was on duty",
            ReviewRule::NoFollowUp => "why the house read the case and then did nothing with it",
            ReviewRule::TriedAfterWithdrawal => {
                "whether the house knew that the person had taken it back, and why it tried again"
            }
            ReviewRule::RepeatedProbes => {
                "which methods were tried, and whether a program was set up wrongly"
            }
            ReviewRule::DormantStaff => {
                "whether this person works there again, or somebody uses their token"
            }
            ReviewRule::NewStaffInBulk => {
                "who this is, and what they were asked to do on their first day"
            }
            ReviewRule::FailedOpens => {
                "whether offers were guessed, or an old list was worked through"
            }
            ReviewRule::AuditWithoutCase => {
                "on whose order that was read, and what it was used for"
            }
        }
    }

    fn of(rule: ReviewRule, act: &Act, agency: &AgencyId, why: String) -> Self {
        Self {
            rule,
            index: act.index,
            also: Vec::new(),
            at: act.entry.at,
            agency: agency.clone(),
            staff: act.text("staff").map(str::to_owned),
            why,
        }
    }
}

/// One rule, or a few that look at the same acts.
trait Rule: std::fmt::Debug + Send {
    /// Looks at the next act.
    fn feed(&mut self, act: &Act, known: &Known, found: &mut Vec<Suspicion>);

    /// Looks at what is left when the log ends.
    fn finish(&mut self, _end: Timestamp, _found: &mut Vec<Suspicion>) {}
}

/// A running review.
#[derive(Debug)]
pub struct Review {
    known: Known,
    rules: Vec<Box<dyn Rule>>,
    said: said::Said,
    found: Vec<Suspicion>,
    end: Timestamp,
}

impl Default for Review {
    fn default() -> Self {
        Self::new()
    }
}

impl Review {
    /// From the first act.
    #[must_use]
    pub fn new() -> Self {
        Self {
            known: Known::default(),
            rules: vec![
                Box::<break_glass::BreakGlass>::default(),
                Box::<burst::Burst>::default(),
                Box::<hours::OutOfHours>::default(),
                Box::<follow_up::NoFollowUp>::default(),
                Box::<attempts::Attempts>::default(),
                Box::<staff::Pseudonyms>::default(),
                Box::<auditors::WithoutCase>::default(),
            ],
            said: said::Said::default(),
            found: Vec::new(),
            end: Timestamp::EPOCH,
        }
    }

    /// Looks at the next act, in the order of the log.
    pub fn feed(&mut self, act: &Act) {
        self.known.learn(act);
        self.end = act.entry.at;
        self.said.feed(act);
        for rule in &mut self.rules {
            rule.feed(act, &self.known, &mut self.found);
        }
    }

    /// What was found, in the order of entries, each with what auditors said of it.
    #[must_use]
    pub fn finish(mut self) -> Vec<(Suspicion, Option<Standing>)> {
        for rule in &mut self.rules {
            rule.finish(self.end, &mut self.found);
        }
        let mut found = self.found;
        found.sort_by_key(|suspicion| (suspicion.index, suspicion.rule));
        let said = self.said;
        let with = |suspicion: Suspicion| {
            let standing = said.of(suspicion.rule, suspicion.index).cloned();
            (suspicion, standing)
        };
        found.into_iter().map(with).collect()
    }
}

/// The moments of one sliding window.
#[derive(Debug, Default)]
struct Window(VecDeque<(Timestamp, u64)>);

impl Window {
    /// Adds a moment; forgets what is older than `length` before it.
    fn add(&mut self, at: Timestamp, index: u64, length: Duration) {
        let from = at.minus(length);
        while self.0.front().is_some_and(|(first, _)| *first <= from) {
            self.0.pop_front();
        }
        self.0.push_back((at, index));
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    /// Indexes in it but for the last.
    fn before(&self) -> Vec<u64> {
        let all = self.0.iter().map(|(_, index)| *index);
        all.take(self.0.len().saturating_sub(1)).collect()
    }
}

/// A member of an agency's staff.
type Who = (AgencyId, String);

fn who(act: &Act) -> Option<Who> {
    Some((act.agency()?.clone(), act.text("staff")?.to_owned()))
}

#[cfg(test)]
mod tests;
