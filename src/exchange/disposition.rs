//! What auditors say of the review's findings: recorded by one, confirmed by another.

use super::acts::{scope_of, sight_of};
use super::snapshot::{Prepared, Snapshot};
use super::{Exchange, Receipt, Refusal, Requested};
use crate::domain::disposition::{self, Auditor, Disposition};
use crate::domain::vocabulary::{AccessFinding, ReviewRule};
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Entry;
use crate::ledger::scope::{Scope, Sight};
use crate::storage::engine::Table;
use crate::storage::records::disposition::DispositionRecord;
use crate::storage::records::{self, Record, key};

/// What is said of which finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// The rule that found it.
    pub rule: ReviewRule,
    /// Index of the entry that it is about.
    pub index: u64,
    /// What it comes to.
    pub finding: AccessFinding,
}

impl Said {
    fn decision(self, caller: &Caller, confirms: bool) -> Decision {
        let (rule, finding) = (self.rule.name().to_owned(), self.finding.name().to_owned());
        let (about, staff) = (self.index, caller.staff().as_str().to_owned());
        if confirms {
            Decision::DispositionConfirmed {
                rule,
                about,
                finding,
                staff,
            }
        } else {
            Decision::DispositionRecorded {
                rule,
                about,
                finding,
                staff,
            }
        }
    }
}

fn parse(record: &DispositionRecord) -> Result<Disposition, Refusal> {
    const TABLE: Table = Table::Disposition;
    Ok(Disposition {
        finding: records::word(TABLE, &record.finding)?,
        by: Auditor {
            agency: records::word(TABLE, &record.agency)?,
            staff: records::word(TABLE, &record.staff)?,
            national: record.national,
        },
        confirmed: record.confirmed,
    })
}

fn record(said: &Disposition) -> DispositionRecord {
    DispositionRecord {
        finding: said.finding.name().to_owned(),
        agency: said.by.agency.to_string(),
        staff: said.by.staff.as_str().to_owned(),
        national: said.by.national,
        confirmed: said.confirmed,
    }
}

fn prepare(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    said: Said,
    confirms: bool,
    requested: &Requested,
) -> Result<Prepared<()>, Refusal> {
    let scope = scope_of(snapshot, caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    let stored = (snapshot.shared.engine).get(Table::Entry, &key::index(said.index))?;
    // Nobody who reads no more than an agency's acts learns here whose act an index is.
    let entry = match (stored, &scope) {
        (Some(stored), _) => Entry::parse(&stored.value),
        (None, Scope::National) => return Err(Refusal::OutOfRange),
        (None, Scope::Of(_)) => return Err(Refusal::NotPermitted),
    };
    let entry = entry.map_err(|_| records::corrupt(Table::Entry))?;
    if sight_of(snapshot, &scope, &entry, said.index)? == Sight::Nothing {
        return Err(Refusal::NotPermitted);
    }
    let by = Auditor {
        agency: caller.agency().clone(),
        staff: caller.staff().clone(),
        national: scope == Scope::National,
    };
    let row = key::disposition(said.rule, said.index);
    let before = snapshot.get::<DispositionRecord>(row.clone())?;
    let before = before.as_ref().map(parse).transpose()?;
    let stands = if confirms {
        Disposition::confirm(before.as_ref(), &by, said.finding)
    } else {
        Disposition::record(before.as_ref(), by, said.finding)
    };
    let stands = stands.map_err(|refusal| match refusal {
        disposition::Refusal::Nothing => Refusal::NotFound,
        disposition::Refusal::SamePerson => Refusal::NeedsSecondPerson,
        refusal => Refusal::Disposition(refusal),
    })?;
    let mut change = snapshot.change();
    change.writes.push(record(&stands).put(row));
    let decision = said.decision(caller, confirms);
    change.entries.push(snapshot.entry_by(caller, decision));
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
}

impl Exchange {
    /// Records what a finding comes to; it stands once somebody else has confirmed it.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotPermitted`], [`Refusal::OutOfRange`], [`Refusal::Disposition`].
    pub async fn record_disposition(
        &self,
        caller: &Caller,
        said: Said,
        requested: Requested,
    ) -> Result<Receipt, Refusal> {
        let by = caller.clone();
        let prepare =
            move |snapshot: &mut Snapshot<'_>| prepare(snapshot, &by, said, false, &requested);
        let done = self.perform_for(caller, "RecordDisposition", prepare);
        Ok(done.await?.single()?.1)
    }

    /// Confirms what another person recorded.
    ///
    /// # Errors
    ///
    /// As [`Exchange::record_disposition`], and [`Refusal::NotFound`], [`Refusal::NeedsSecondPerson`].
    pub async fn confirm_disposition(
        &self,
        caller: &Caller,
        said: Said,
        requested: Requested,
    ) -> Result<Receipt, Refusal> {
        let by = caller.clone();
        let prepare =
            move |snapshot: &mut Snapshot<'_>| prepare(snapshot, &by, said, true, &requested);
        let done = self.perform_for(caller, "ConfirmDisposition", prepare);
        Ok(done.await?.single()?.1)
    }
}
