//! `[[break_glass]]` rows, and what none of them may say.

use super::{ProtocolError, Reader, Words};
use crate::domain::break_glass::access_ceiling;
use crate::domain::protocol::access::AccessRow;
use crate::domain::protocol::words::{GroupsOf, Word, names};
use crate::domain::vocabulary::{AccessReason, AgencyKind};
use serde::Deserialize;
use std::collections::BTreeSet;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BreakGlassRow {
    name: Spanned<String>,
    why: Spanned<String>,
    recipients: Words,
    reasons: Words,
    labels: Words,
}

impl Word for AccessReason {
    const KIND: &'static str = "reason to break the glass";
    fn names() -> String {
        names(Self::ALL, Self::name)
    }
}

impl Reader<'_> {
    pub(super) fn access(
        &self,
        rows: &[BreakGlassRow],
        recipients: &GroupsOf<AgencyKind>,
        names: &mut BTreeSet<String>,
    ) -> Result<Vec<AccessRow>, ProtocolError> {
        let mut parsed = Vec::with_capacity(rows.len());
        for row in rows {
            let access = AccessRow {
                name: self.name(&row.name, names)?,
                why: self.why(&row.why)?,
                line: self.line(row.name.span().start),
                recipients: self.words(&row.recipients, recipients)?,
                reasons: self.words(&row.reasons, &GroupsOf::default())?,
                labels: self.labels(&row.labels)?.closed(),
            };
            for &kind in &access.recipients {
                let past = access.labels.beyond(access_ceiling(kind));
                if !past.is_empty() {
                    let problem = format!("break-glass never tells {past:?} to {kind}");
                    let mend = "take the labels or the recipient out";
                    return Err(self.error(row.labels.span().start, &problem, mend));
                }
            }
            parsed.push(access);
        }
        Ok(parsed)
    }
}
