//! Many more openings in an hour than the agency is used to.

use super::{HOUR, Rule, Suspicion, Who, Window, who};
use crate::audit::acts::{Act, Known};
use crate::domain::id::AgencyId;
use crate::domain::vocabulary::ReviewRule;
use std::collections::HashMap;

/// Openings in an hour below which nothing is a burst: a busy night for one person.
const OPENINGS_MIN: usize = 12;

/// How many times the agency's own average hour makes a burst.
const TIMES: u64 = 4;

/// What one agency opened, hour by hour, as one person does it.
#[derive(Debug, Default)]
struct Baseline {
    openings: u64,
    hours: u64,
    last_hour: Option<(i64, String)>,
}

impl Baseline {
    /// Openings of one person in an average hour in which that person opens anything.
    fn average(&self) -> u64 {
        self.openings.checked_div(self.hours).unwrap_or(0)
    }

    fn add(&mut self, hour: i64, staff: &str) {
        self.openings += 1;
        let this = (hour, staff.to_owned());
        if self.last_hour.as_ref() != Some(&this) {
            self.hours += 1;
            self.last_hour = Some(this);
        }
    }
}

/// Openings of one person within an hour, against the average hour of that person's agency before.
#[derive(Debug, Default)]
pub(super) struct Burst {
    windows: HashMap<Who, (Window, bool)>,
    baselines: HashMap<AgencyId, Baseline>,
}

impl Rule for Burst {
    fn feed(&mut self, act: &Act, _: &Known, found: &mut Vec<Suspicion>) {
        let Some((agency, staff)) = who(act).filter(|_| act.discloses()) else {
            return;
        };
        let baseline = self.baselines.entry(agency.clone()).or_default();
        let average = baseline.average();
        let key = (agency.clone(), staff.clone());
        let (window, reported) = self.windows.entry(key).or_default();
        window.add(act.entry.at, act.index, HOUR);
        let many = OPENINGS_MIN.max(usize::try_from(average * TIMES).unwrap_or(usize::MAX));
        if window.len() < many {
            *reported = false;
        } else if !*reported {
            *reported = true;
            let count = window.len();
            let why =
                format!("opened {count} within an hour; the agency's average hour has {average}");
            let suspicion = Suspicion::of(ReviewRule::Burst, act, &agency, why);
            let also = window.before();
            found.push(Suspicion { also, ..suspicion });
        }
        // What is found is no part of what the agency is used to.
        if !*reported {
            baseline.add(act.entry.at.seconds().div_euclid(3600), &staff);
        }
    }
}
