//! What auditors said of findings, as it stands in the log. Whether they might say it, the replay decides.

use crate::audit::acts::Act;
use crate::domain::id::AgencyId;
use crate::domain::vocabulary::{AccessFinding, ReviewRule};
use std::collections::HashMap;

/// What stands of one finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What it comes to.
    pub finding: AccessFinding,
    /// Who said so: agency, pseudonym, index of the entry.
    pub by: (AgencyId, String, u64),
    /// Who confirmed it.
    pub confirmed: Option<(AgencyId, String, u64)>,
    /// The confirmed one that stood before, and that this replaces.
    pub replaces: Option<Box<Self>>,
}

/// What was said so far, by rule and index.
#[derive(Debug, Default)]
pub(super) struct Said(HashMap<(ReviewRule, u64), Standing>);

impl Said {
    pub(super) fn feed(&mut self, act: &Act) {
        self.take(act);
    }

    fn take(&mut self, act: &Act) -> Option<()> {
        let confirms = match act.event() {
            "disposition_recorded" => false,
            "disposition_confirmed" => true,
            _ => return None,
        };
        let rule = act.text("rule")?.parse().ok()?;
        let about = act.decision.as_ref()?.get("about")?.as_u64()?;
        let finding = act.text("finding")?.parse().ok()?;
        let by = (
            act.agency()?.clone(),
            act.text("staff")?.to_owned(),
            act.index,
        );
        if confirms {
            let standing = self.0.get_mut(&(rule, about))?;
            let another = (&standing.by.0, &standing.by.1) != (&by.0, &by.1);
            if another && standing.finding == finding {
                standing.confirmed = Some(by);
            }
        } else {
            let mut replaces = None;
            if let Some(mut before) = self.0.remove(&(rule, about)) {
                let earlier = before.replaces.take();
                replaces = match before.confirmed {
                    Some(_) => Some(Box::new(before)),
                    None => earlier,
                };
            }
            let standing = Standing {
                finding,
                by,
                confirmed: None,
                replaces,
            };
            self.0.insert((rule, about), standing);
        }
        Some(())
    }

    pub(super) fn of(&self, rule: ReviewRule, index: u64) -> Option<&Standing> {
        self.0.get(&(rule, index))
    }
}
