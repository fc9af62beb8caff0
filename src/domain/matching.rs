//! Which candidates fit what a person needs, in which order, and why: on the source's own mirror of
//! the directory.
//!
//! Suitability only. Nationality is not asked and gender is no merit: it counts where a place is
//! meant for some and not for others, and nowhere else (R12). Whoever the person excluded is
//! dropped without a word; whoever has a duty or a demand that the person refused is set apart with
//! it, so that nobody chooses it by one tap (R2).
//!
//! Deterministic: the same needs and candidates give the same ranking, in whatever order they come.

use super::directory::{AgencyFacts, Language, Tag};
use super::id::AgencyId;
use super::time::Timestamp;
use super::vocabulary::{DeclaredCapacity, PlacementGender, Purpose, ReportsTo, Requirement};
use std::fmt;
use std::time::Duration;

mod suit;

/// How long an agency's own word about its places counts, 12 hours: beds are given out at every change of shift.
pub const CAPACITY_FRESH_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// Age of majority, in years: in doubt about it a person is matched as a child (R11).
pub const ADULT_AGE: u8 = 18;

/// Who is ranked: a member, or one service of somebody who may be no member.
pub trait Party: Clone + Ord {
    /// The member, if it is one: whom the person may exclude.
    fn member(&self) -> Option<&AgencyId>;
}

impl Party for AgencyId {
    fn member(&self) -> Option<&AgencyId> {
        Some(self)
    }
}

/// What is needed, for one person or for a group that stays together.
///
/// Held in the source's desk; never sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// The one thing asked for.
    pub purpose: Purpose,
    /// Everyone who comes; empty where nobody needs a place.
    pub group: Vec<Member>,
    /// Settings that suit, any of them; empty for any.
    pub settings: Vec<Tag>,
    /// Languages that must all be understood, by staff or an interpreter.
    pub languages: Vec<Language>,
    /// The gender that an interpreter must have, if the person asked for one.
    pub interpreter_gender: Option<PlacementGender>,
    /// Accessibility, all of it.
    pub accessibility: Vec<Tag>,
    /// Areas that suit, any of them; empty for any.
    pub areas: Vec<Tag>,
    /// When this is asked.
    pub now: Timestamp,
    /// By when a place must be had, where it cannot wait for an intake desk to open: set for IMMEDIATE only.
    pub place_by: Option<Timestamp>,
    /// How soon the person leaves: a waiting list does not fit somebody who is gone by then.
    pub leaves_soon: bool,
    /// Agencies and authorities that the person excluded; an authority takes its units along.
    pub excluded: Vec<AgencyId>,
    /// Duties to report that the person refuses.
    pub refused_reports: Vec<ReportsTo>,
    /// Demands that the person cannot or will not meet.
    pub refused_requirements: Vec<Requirement>,
}

/// One of those who come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Youngest that they may be, in years: in doubt a range (R11).
    pub age_from: u8,
    /// Oldest that they may be, in years.
    pub age_to: u8,
    /// For whom a place must be meant.
    pub gender: PlacementGender,
}

/// One agency of the mirror, or one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<P = AgencyId> {
    /// The agency.
    pub agency: P,
    /// The authority that it is a unit of.
    pub parent: Option<AgencyId>,
    /// What it says of itself.
    pub facts: AgencyFacts,
    /// Whether it has said whom it reports to and what it demands; a member always has.
    pub duties_stated: bool,
    /// What it says of its places; `None` when it says nothing.
    pub capacity: Option<Declared>,
}

/// An agency's own word about its places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// The word.
    pub capacity: DeclaredCapacity,
    /// When it was said.
    pub at: Timestamp,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranking<P = AgencyId> {
    /// Who fits, best first.
    pub fit: Vec<Ranked<P>>,
    /// Who would fit, but has a duty or a demand that the person refused; best first.
    pub apart: Vec<Apart<P>>,
    /// Who does not fit, and why; by id.
    pub unfit: Vec<Unfit<P>>,
}

/// A candidate that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranked<P = AgencyId> {
    /// The agency.
    pub agency: P,
    /// Higher is better; comparable within one ranking only.
    pub score: u32,
    /// What speaks for it and against it, in words.
    pub reasons: Vec<String>,
}

/// A candidate set apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apart<P = AgencyId> {
    /// The agency.
    pub agency: P,
    /// What the person refused.
    pub duties: Vec<Duty>,
    /// What else speaks for it and against it, in words.
    pub reasons: Vec<String>,
}

/// A candidate that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit<P = AgencyId> {
    /// The agency.
    pub agency: P,
    /// Why, in words.
    pub why: Vec<String>,
}

/// A duty or a demand of an agency, shown before the person consents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Duty {
    /// It must tell them.
    ReportsTo(ReportsTo),
    /// It demands this first.
    Requires(Requirement),
    /// It has not said, which is never taken for nothing.
    Unstated,
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReportsTo(ReportsTo::Police) => f.write_str("reports to the police"),
            Self::ReportsTo(ReportsTo::Prosecutor) => f.write_str("reports to the prosecutor"),
            Self::ReportsTo(ReportsTo::Ministry) => f.write_str("reports to a ministry"),
            Self::ReportsTo(ReportsTo::ChildProtection) => {
                f.write_str("reports to child protection")
            }
            Self::Requires(Requirement::FormalStatus) => f.write_str("requires a formal status"),
            Self::Requires(Requirement::AsylumRegistration) => {
                f.write_str("requires registration as an asylum seeker")
            }
            Self::Requires(Requirement::PoliceReport) => f.write_str("requires a police report"),
            Self::Requires(Requirement::Documents) => f.write_str("requires documents"),
            Self::Unstated => {
                f.write_str("has not said whom it reports to: ask before the person decides")
            }
        }
    }
}

/// Ranks `candidates` for `needs`.
///
/// The order is by score and then by id. A candidate named twice is judged twice.
#[must_use]
pub fn rank<P: Party>(needs: &Needs, candidates: &[Candidate<P>]) -> Ranking<P> {
    let mut ranking = Ranking {
        fit: Vec::new(),
        apart: Vec::new(),
        unfit: Vec::new(),
    };
    let mut apart = Vec::new();
    for candidate in candidates {
        if excluded(needs, candidate) {
            continue;
        }
        let agency = candidate.agency.clone();
        let why = suit::obstacles(needs, candidate);
        if !why.is_empty() {
            ranking.unfit.push(Unfit { agency, why });
            continue;
        }
        let (score, reasons) = suit::merits(needs, candidate);
        let duties = refused(needs, candidate);
        if duties.is_empty() {
            ranking.fit.push(Ranked {
                agency,
                score,
                reasons,
            });
        } else {
            let set_apart = Apart {
                agency,
                duties,
                reasons,
            };
            apart.push((score, set_apart));
        }
    }
    let order = |score: u32, agency: &P| (std::cmp::Reverse(score), agency.clone());
    (ranking.fit).sort_by_cached_key(|ranked| order(ranked.score, &ranked.agency));
    apart.sort_by_cached_key(|(score, apart)| order(*score, &apart.agency));
    ranking.apart = apart.into_iter().map(|(_, apart)| apart).collect();
    ranking
        .unfit
        .sort_by_cached_key(|unfit| unfit.agency.clone());
    ranking
}

/// Every duty and demand of an agency, whether the person refused it or not.
#[must_use]
pub fn duties(facts: &AgencyFacts) -> Vec<Duty> {
    let reports = facts.reports_to.iter().copied().map(Duty::ReportsTo);
    let requires = facts.requires.iter().copied().map(Duty::Requires);
    let mut duties: Vec<_> = reports.chain(requires).collect();
    duties.sort_unstable();
    duties.dedup();
    duties
}

fn excluded<P: Party>(needs: &Needs, candidate: &Candidate<P>) -> bool {
    let (member, parent) = (candidate.agency.member(), candidate.parent.as_ref());
    let mut excluded = needs.excluded.iter();
    excluded.any(|excluded| Some(excluded) == member || Some(excluded) == parent)
}

fn refused<P>(needs: &Needs, candidate: &Candidate<P>) -> Vec<Duty> {
    let mut refused = duties(&candidate.facts);
    refused.retain(|duty| match duty {
        Duty::ReportsTo(whom) => needs.refused_reports.contains(whom),
        Duty::Requires(what) => needs.refused_requirements.contains(what),
        Duty::Unstated => true,
    });
    let refuses = !needs.refused_reports.is_empty() || !needs.refused_requirements.is_empty();
    if !candidate.duties_stated && refuses {
        refused.push(Duty::Unstated);
    }
    refused
}

#[cfg(test)]
mod tests;
