//! Break-glass was used.

use super::{Rule, Suspicion};
use crate::audit::acts::{Act, Known};
use crate::domain::vocabulary::ReviewRule;
use std::collections::HashMap;

/// Every access that was opened, once: it is lawful, and always looked at.
#[derive(Debug, Default)]
pub(super) struct BreakGlass {
    /// Index of the request and the reason, by access; taken when the access is first opened.
    asked: HashMap<String, (u64, String)>,
}

impl Rule for BreakGlass {
    fn feed(&mut self, act: &Act, _: &Known, found: &mut Vec<Suspicion>) {
        let Some(access) = act.text("access") else {
            return;
        };
        match (act.event(), act.agency()) {
            ("access_requested", _) => {
                let reason = act.text("reason").unwrap_or_default().to_owned();
                self.asked.insert(access.to_owned(), (act.index, reason));
            }
            ("access_opened", Some(agency)) => {
                if let Some((request, reason)) = self.asked.remove(access) {
                    let why = format!("what was released for {reason} was opened");
                    let suspicion = Suspicion::of(ReviewRule::BreakGlass, act, agency, why);
                    let also = vec![request];
                    found.push(Suspicion { also, ..suspicion });
                }
            }
            _ => {}
        }
    }
}
