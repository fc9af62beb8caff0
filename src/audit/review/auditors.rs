//! An auditor read a great deal that is about no case.

use super::{Rule, Suspicion, Who, who};
use crate::audit::acts::{Act, Known};
use crate::domain::vocabulary::ReviewRule;
use std::collections::HashMap;

/// Openings read in a day, without naming a case, that make a finding. A replay of the whole log is one, too: somebody
/// else confirms that it was ordered.
const READ_MAX: u64 = 10_000;

/// What each auditor read today without naming a case.
#[derive(Debug, Default)]
pub(super) struct WithoutCase {
    read: HashMap<Who, (i64, u64, bool)>,
}

impl Rule for WithoutCase {
    fn feed(&mut self, act: &Act, _: &Known, found: &mut Vec<Suspicion>) {
        // Entries alone say little: openings do, whether asked for as such or with a question.
        let reads =
            act.event() == "audit_read" && matches!(act.text("what"), Some("openings" | "acts"));
        let (Some(key), Some(decision)) = (who(act).filter(|_| reads), &act.decision) else {
            return;
        };
        let of_case = decision
            .get("question")
            .is_some_and(|question| question.get("about").is_some());
        if of_case {
            return;
        }
        let count = decision.get("count").and_then(serde_json::Value::as_u64);
        let today = act.entry.at.seconds().div_euclid(86_400);
        let agency = key.0.clone();
        let (day, read, reported) = self.read.entry(key).or_insert((today, 0, false));
        if *day != today {
            (*day, *read, *reported) = (today, 0, false);
        }
        *read = read.saturating_add(count.unwrap_or_default());
        if *read >= READ_MAX && !*reported {
            *reported = true;
            let why = format!("read {read} openings in a day without naming a case");
            let rule = ReviewRule::AuditWithoutCase;
            found.push(Suspicion::of(rule, act, &agency, why));
        }
    }
}
