//! Opened while the agency says that it is closed.

use super::{HOUR, Rule, Suspicion, Who, who};
use crate::audit::acts::{Act, Known};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::ReviewRule;
use crate::ledger::question::Context as _;
use std::collections::HashMap;

/// Openings closer to each other than this many hours are one finding.
const APART_HOURS: u32 = 6;

/// The first opening of each spell outside hours, by person.
#[derive(Debug, Default)]
pub(super) struct OutOfHours {
    last: HashMap<Who, (Timestamp, usize)>,
}

impl Rule for OutOfHours {
    fn feed(&mut self, act: &Act, known: &Known, found: &mut Vec<Suspicion>) {
        let Some(key) = who(act).filter(|_| act.discloses()) else {
            return;
        };
        let (agency, at) = (key.0.clone(), act.entry.at);
        let Ok(open) = known.is_open(&agency, at);
        if open != Some(false) {
            return;
        }
        let spell = self.last.get(&key).copied();
        let spell = spell.filter(|(last, _)| at < last.plus(HOUR * APART_HOURS));
        if let Some((_, position)) = spell
            && let Some(suspicion) = found.get_mut(position)
        {
            suspicion.also.push(act.index);
            self.last.insert(key, (at, position));
            return;
        }
        let local = known.hours_of(&agency).map(|hours| hours.local(at));
        let why = format!(
            "opened at {}, when the agency says that it is closed",
            local.unwrap_or_default()
        );
        self.last.insert(key, (at, found.len()));
        found.push(Suspicion::of(ReviewRule::OutOfHours, act, &agency, why));
    }
}
