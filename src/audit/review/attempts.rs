//! Refusals: after a withdrawal, of openings, and of what the agency may not do at all.
//!
//! A refusal names the method and the true reason, not the offer. So an attempt after a withdrawal is told by its time:
//! an opening that was refused within a week after some person took back what this agency had.

use super::{DAY, HOUR, Rule, Suspicion, Window};
use crate::audit::acts::{Act, Known};
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::ReviewRule;
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use std::collections::HashMap;

/// Days after a withdrawal in which refused openings are laid to it.
const AFTER_DAYS: u32 = 7;

/// Refusals within an hour that make a finding.
const ATTEMPTS_MIN: usize = 3;

/// Whoever tried, by agency and, where named, pseudonym.
type Trier = (AgencyId, Option<String>);

/// Refusals within an hour, and the last withdrawal towards each agency.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    withdrawn: HashMap<AgencyId, (Timestamp, u64)>,
    openings: HashMap<Trier, Window>,
    probes: HashMap<Trier, Window>,
}

/// The recipient of the chain that a statement ends.
fn recipient(act: &Act) -> Option<AgencyId> {
    let claims = act.text("statement")?.split('.').nth(1)?;
    let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims.get("aud")?.as_str()?.parse().ok()
}

fn opens(method: &str) -> bool {
    method.starts_with("Open") || method.starts_with("Download")
}

impl Rule for Attempts {
    fn feed(&mut self, act: &Act, _: &Known, found: &mut Vec<Suspicion>) {
        match (act.event(), act.agency()) {
            ("basis_withdrawn", _) => {
                let withdrawn = recipient(act).map(|of| (of, (act.entry.at, act.index)));
                self.withdrawn.extend(withdrawn);
            }
            ("denied_counted", Some(agency)) => {
                let count = act
                    .decision
                    .as_ref()
                    .and_then(|of| of.get("count")?.as_u64());
                let why = format!(
                    "so many refusals that {} of them were only counted",
                    count.unwrap_or_default()
                );
                let suspicion = Suspicion::of(ReviewRule::RepeatedProbes, act, agency, why);
                found.push(suspicion);
            }
            ("denied", Some(agency)) => self.denied(act, agency, found),
            _ => {}
        }
    }
}

impl Attempts {
    fn denied(&mut self, act: &Act, agency: &AgencyId, found: &mut Vec<Suspicion>) {
        let (method, reason) = (
            act.text("method").unwrap_or_default(),
            act.text("reason").unwrap_or_default(),
        );
        let at = act.entry.at;
        let trier = (agency.clone(), act.text("staff").map(str::to_owned));
        let refused = reason != "NOT_PERMITTED";
        let last = self.withdrawn.get(agency);
        let last = last.filter(|(when, _)| at < when.plus(DAY * AFTER_DAYS));
        match (opens(method) && refused, last) {
            (true, Some(&(_, withdrawal))) => {
                let why = format!("{method} was refused ({reason}) after a withdrawal");
                let suspicion = Suspicion::of(ReviewRule::TriedAfterWithdrawal, act, agency, why);
                let also = vec![withdrawal];
                found.push(Suspicion { also, ..suspicion });
            }
            (opening, _) => {
                let (windows, rule) = if opening {
                    (&mut self.openings, ReviewRule::FailedOpens)
                } else {
                    (&mut self.probes, ReviewRule::RepeatedProbes)
                };
                let window = windows.entry(trier).or_default();
                window.add(at, act.index, HOUR);
                if window.len() >= ATTEMPTS_MIN {
                    let count = window.len();
                    let why =
                        format!("refused {count} times within an hour, last {method} ({reason})");
                    let suspicion = Suspicion::of(rule, act, agency, why);
                    let also = window.before();
                    found.push(Suspicion { also, ..suspicion });
                    *window = Window::default();
                }
            }
        }
    }
}
