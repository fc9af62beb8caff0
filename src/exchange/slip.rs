//! Slips: the code on a person's card stops a case, or lets another agency ask to go on with it.
//!
//! Whoever enters a code learns nothing from the answer: it is one for every value, right or wrong, with one entry and
//! no receipt, and the same look-ups. What a right code leads to is done a moment later, as something that is due, and
//! adds as many entries as the nothing that a wrong one leads to.
//!
//! Stopping ends nothing. Until the source has spoken with the person and recorded what they say, nothing more is
//! deposited or opened in the case; no place is touched.

mod attempts;

pub(super) use attempts::Attempts;
pub use attempts::{
    CODES_PER_HOUR_MAX, CODES_RESERVED_PER_HOUR, CODES_TOTAL_PER_HOUR_MAX, REGISTERED_PER_HOUR_MAX,
};

use super::aftermath::{Follows, follow};
use super::agencies::AgencyView;
use super::alert::{Alert, raise};
use super::clockwork::{Due, schedule};
use super::directory::is_visible;
use super::event::EventKind;
use super::sequencer::{Change, Doorbell, EntryDraft};
use super::snapshot::{Prepared, Snapshot, own, remembered};
use super::{BasisName, Exchange, Receipt, Refusal, Requested, ResumeName};
use crate::domain::basis::BASIS_MAX;
use crate::domain::deadline::CLOCK_STEP;
use crate::domain::id::{AgencyId, CaseHandle, ResumeId};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{AlertKind, Purpose, ResumeAnswer};
use crate::envelope::slip::VALUE_BYTES;
use crate::identity::caller::Caller;
use crate::ledger::decision::{CaseOf, Decision};
use crate::storage::engine::{Table, Write};
use crate::storage::records::slip::{CaseSlipRecord, ResumeRecord, SlipRecord};
use crate::storage::records::{self, Record, key};
use std::time::Duration;

/// How long a code stops its case: as long as any yes lasts.
pub const CODE_LIFE: Duration = BASIS_MAX;

/// How long a request to go on can be answered, and is kept.
pub const RESUME_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Cases of one value at one source: a person may have given the same card more than once. A source that could register
/// any number would hide another's case behind its own.
const CASES_PER_SOURCE_MAX: usize = 4;

/// Cases of one value at all sources together: more than all members of a country could register.
const CASES_MAX: usize = 1024;

/// Purposes of one request to go on.
pub const PURPOSES_MAX: usize = 8;

/// Chains of one case looked at when it is stopped: as many as it may have.
const CHAINS_MAX: usize = super::basis::CHAINS_PER_CASE_MAX as usize;

/// What a code is stored and looked up by.
pub type Value = [u8; VALUE_BYTES];

/// A request to go on, as one of the two agencies sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The viewer's name of it.
    pub name: ResumeName,
    /// Whether the source has answered. All that the asking agency ever learns from it.
    pub answered: bool,
    /// What only the source sees.
    pub asked: Option<Asked>,
}

/// What a source sees of a request to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Who asks.
    pub by: AgencyId,
    /// The source's handle of the case.
    pub case: CaseHandle,
    /// For what, if it was said.
    pub purposes: Vec<Purpose>,
    /// When, to the minute.
    pub at: Timestamp,
    /// The source's answer.
    pub answer: Option<ResumeAnswer>,
}

fn prepare_register(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    requested: &Requested,
    case: CaseHandle,
    value: &Value,
) -> Result<Prepared<bool>, Refusal> {
    let source = caller.agency();
    snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(source, requested)? {
        return Ok(Prepared::Again(false, record.indexes));
    }
    let codes = &snapshot.shared.codes;
    if !codes.may_register(source, snapshot.now.millis()) {
        return Err(Refusal::TooOften);
    }
    // A slip is given with what was agreed: a case that has no chain yet has nothing to stop.
    snapshot.case(source, case)?.ok_or(Refusal::NotFound)?;
    let row = key::case(source, case);
    // Counted among its own only: the answer says nothing of what others have registered.
    let of_source = [value.as_slice(), &key::of_agency(source)].concat();
    let same = snapshot.scan(Table::Slip, &of_source, None, CASES_PER_SOURCE_MAX + 1)?;
    let slip = key::slip(value, source, case);
    let others = same.iter().filter(|(other, _)| *other != slip).count();
    if others >= CASES_PER_SOURCE_MAX {
        return Err(Refusal::TooMany);
    }
    let before = snapshot.get::<CaseSlipRecord>(row.clone())?;
    let mut erase = None;
    if let Some(before) = before {
        // A slip that was lost stops nothing any more.
        let old = key::slip(&before.value, source, case);
        let record = snapshot.get::<SlipRecord>(old.clone())?;
        snapshot.note_erased(record.map_or(0, |record| record.entry));
        erase = Some(old);
    }
    let mut change = snapshot.change();
    change.writes.extend(erase.map(|key| Write::Erase {
        table: Table::Slip,
        key,
    }));
    let latest = CaseSlipRecord {
        value: value.to_vec(),
    };
    change.writes.push(latest.put(row));
    let ends = snapshot.now.plus(CODE_LIFE);
    change
        .writes
        .push(schedule(ends, Due::CodeEnds(slip.clone())));
    let mut record = SlipRecord {
        registered: snapshot.now.millis(),
        entry: 0,
        source: source.to_string(),
        case: case.to_string(),
    };
    change.late.push(Box::new(move |placed| {
        record.entry = placed.first + 1;
        vec![record.put(slip)]
    }));
    let decision = Decision::CodeRegistered {
        case: case.to_string(),
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    snapshot.remember(&mut change, source, requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, true, vec![0]))
}

/// The cases of a value, the first registered first. A wrong value takes the same look-ups.
fn cases_of(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    value: &Value,
) -> Result<Vec<(AgencyId, CaseHandle)>, Refusal> {
    let rows = snapshot.scan(Table::Slip, value, None, CASES_MAX)?;
    let mut found = Vec::new();
    for (_, stored) in &rows {
        let slip = SlipRecord::from_stored(stored)?;
        let source: AgencyId = records::word(Table::Slip, &slip.source)?;
        let case: CaseHandle = records::word(Table::Slip, &slip.case)?;
        found.push((slip.registered, source, case));
    }
    found.sort_by_key(|(registered, _, _)| *registered);
    if found.is_empty() {
        let nobodys = CaseHandle::from_random(snapshot.shared.random());
        snapshot.case(caller.agency(), nobodys)?;
    }
    Ok(found
        .into_iter()
        .map(|(_, source, case)| (source, case))
        .collect())
}

fn case_of((source, case): &(AgencyId, CaseHandle)) -> CaseOf {
    CaseOf {
        source: source.to_string(),
        case: case.to_string(),
    }
}

fn prepare_withdraw(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    value: &Value,
) -> Result<Prepared<()>, Refusal> {
    snapshot.own_agency(caller)?;
    let cases = cases_of(snapshot, caller, value)?;
    let mut writes = Vec::new();
    for (source, case) in &cases {
        let mut record = snapshot.case(source, *case)?.unwrap_or_default();
        record.pauses += 1;
        record.paused_at = snapshot.now.seconds();
        writes.push(record.put(key::case(source, *case)));
        let due = Due::ByCard(source.clone(), *case);
        writes.push(schedule(snapshot.now, due));
    }
    if cases.is_empty() {
        let nobodys = Due::NobodysCard(snapshot.shared.random());
        writes.push(schedule(snapshot.now, nobodys));
    }
    let decision = Decision::CodeEntered {
        cases: cases.iter().map(case_of).collect(),
        staff: caller.staff().as_str().to_owned(),
    };
    let mut change = snapshot.change();
    change.urgent = true;
    change.writes = writes;
    change.entries.push(snapshot.entry_by(caller, decision));
    Ok(Prepared::New(change, (), Vec::new()))
}

/// Whether a source may hear who asks to go on: where the person is now would be told with it, so that a house is not
/// named to those who may not know that it exists. For them the code is as one of no case.
fn may_be_told(
    snapshot: &Snapshot<'_>,
    source: &AgencyId,
    asker: &AgencyView,
) -> Result<bool, Refusal> {
    let source = snapshot.shared.register.agency(source)?;
    Ok(source.is_some_and(|source| is_visible(source.kind, asker)))
}

fn prepare_resume(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    requested: &Requested,
    value: &Value,
    purposes: &[Purpose],
) -> Result<Prepared<ResumeName>, Refusal> {
    let own = snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again(remembered(&record, 0)?, Vec::new()));
    }
    if purposes.len() > PURPOSES_MAX {
        return Err(Refusal::InvalidField("purposes"));
    }
    let cases = cases_of(snapshot, caller, value)?;
    let mut case = None;
    for (source, handle) in cases {
        if source != own.id && may_be_told(snapshot, &source, &own)? {
            case = Some((source, handle));
            break;
        }
    }
    let id = ResumeId::from_random(snapshot.shared.random());
    let name = ResumeName {
        agency: caller.agency().clone(),
        resume: id,
    };
    let record = ResumeRecord {
        asker: caller.agency().to_string(),
        source: (case.as_ref()).map_or_else(String::new, |(source, _)| source.to_string()),
        case: (case.as_ref()).map_or_else(String::new, |(_, case)| case.to_string()),
        purposes: purposes
            .iter()
            .map(|purpose| purpose.name().to_owned())
            .collect(),
        asked: snapshot.now.millis(),
        answer: String::new(),
    };
    let own_row = key::resume(caller.agency(), id);
    let ends = snapshot.now.plus(RESUME_LIFE);
    let mut change = snapshot.change();
    change
        .writes
        .push(schedule(ends, Due::ResumeEnds(own_row.clone())));
    change.writes.push(record.put(own_row));
    if let Some((source, _)) = &case {
        let row = key::resume(source, id);
        let rings = Due::ResumeAsked(source.clone(), id);
        change.writes.push(schedule(snapshot.now, rings));
        change
            .writes
            .push(schedule(ends, Due::ResumeEnds(row.clone())));
        change.writes.push(record.put(row));
    } else {
        let nobodys = Due::NobodysCard(snapshot.shared.random());
        change.writes.push(schedule(snapshot.now, nobodys));
    }
    let decision = Decision::ResumeRequested {
        resume: id.to_string(),
        case: case.as_ref().map(case_of),
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    let names = vec![name.to_string()];
    snapshot.remember(&mut change, caller.agency(), requested, names, &[], 0);
    Ok(Prepared::New(change, name, Vec::new()))
}

fn view(name: ResumeName, record: &ResumeRecord) -> Result<Resume, Refusal> {
    const TABLE: Table = Table::Resume;
    let answered = !record.answer.is_empty();
    let asked = if record.source == name.agency.as_str() {
        let purposes = record.purposes.iter();
        let purposes = purposes.map(|purpose| records::word(TABLE, purpose));
        Some(Asked {
            by: records::word(TABLE, &record.asker)?,
            case: records::word(TABLE, &record.case)?,
            purposes: purposes.collect::<Result<_, _>>()?,
            at: records::time(TABLE, record.asked)?.coarse(CLOCK_STEP),
            answer: records::optional(TABLE, &record.answer)?,
        })
    } else {
        None
    };
    Ok(Resume {
        name,
        answered,
        asked,
    })
}

fn prepare_answer(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &ResumeName,
    requested: &Requested,
    answer: ResumeAnswer,
) -> Result<Prepared<()>, Refusal> {
    name.owned_by(caller)?;
    snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    let row = key::resume(&name.agency, name.resume);
    let record = snapshot.get::<ResumeRecord>(row.clone())?;
    // The agency that asked has a row of its own, and cannot answer itself.
    let record = record.filter(|record| record.source == name.agency.as_str());
    let mut record = record.ok_or(Refusal::NotFound)?;
    if !record.answer.is_empty() {
        return Err(Refusal::AlreadyAnswered);
    }
    let asker: AgencyId = records::word(Table::Resume, &record.asker)?;
    answer.name().clone_into(&mut record.answer);
    let mut change = snapshot.change();
    change.writes.push(record.put(row));
    let theirs = key::resume(&asker, name.resume);
    change.writes.push(record.put(theirs));
    let decision = Decision::ResumeAnswered {
        resume: name.resume.to_string(),
        answer: answer.name().to_owned(),
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    let heard = ResumeName {
        agency: asker.clone(),
        resume: name.resume,
    };
    change.doorbells.push(Doorbell {
        agency: asker,
        resource: heard.to_string(),
        kind: EventKind::ResumeRequested,
    });
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
}

/// A right code was entered: the source is alerted, and those who have the person in care hear that nothing new comes.
/// Not told where the card was shown: that would say where the person is.
pub(super) fn by_card(
    snapshot: &mut Snapshot<'_>,
    source: &AgencyId,
    case: CaseHandle,
) -> Result<Option<Change>, Refusal> {
    let prefix = key::case(source, case);
    let rows = snapshot.scan(Table::CaseBasis, &prefix, None, CHAINS_MAX)?;
    let follows = Follows {
        pause: true,
        ..Follows::default()
    };
    let mut writes = Vec::new();
    for (row, _) in rows {
        let name = BasisName {
            agency: source.clone(),
            chain: super::basis::chain_of(&row)?,
        };
        writes.push(follow(snapshot, &name, follows)?);
    }
    let mut change = snapshot.change();
    change.urgent = true;
    change.writes = writes;
    let alert = Alert {
        kind: AlertKind::ByCard,
        about: format!("agencies/{source}/cases/{case}"),
        by: None,
        code: String::new(),
    };
    raise(snapshot, &mut change, source, alert);
    Ok(Some(change))
}

/// A wrong code was entered: as many entries as a right one leads to.
pub(super) fn nobodys_card(snapshot: &mut Snapshot<'_>) -> Change {
    let mut change = snapshot.change();
    change.entries.push(EntryDraft::tick());
    change
}

/// Somebody asks to go on: the source is alerted.
pub(super) fn resume_asked(
    snapshot: &mut Snapshot<'_>,
    source: &AgencyId,
    id: ResumeId,
) -> Result<Option<Change>, Refusal> {
    let record = snapshot.get::<ResumeRecord>(key::resume(source, id))?;
    let Some(record) = record else {
        return Ok(None);
    };
    let name = ResumeName {
        agency: source.clone(),
        resume: id,
    };
    let mut change = snapshot.change();
    let alert = Alert {
        kind: AlertKind::ResumeRequested,
        about: name.to_string(),
        by: Some(records::word(Table::Resume, &record.asker)?),
        code: record.purposes.join("/"),
    };
    raise(snapshot, &mut change, source, alert);
    Ok(Some(change))
}

/// A code has stopped its case for long enough.
pub(super) fn code_ends(
    snapshot: &mut Snapshot<'_>,
    at: Timestamp,
    row: Vec<u8>,
) -> Result<Option<Change>, Refusal> {
    let Some(record) = snapshot.get::<SlipRecord>(row.clone())? else {
        return Ok(None);
    };
    // Registered anew since: that one ends later.
    if records::time(Table::Slip, record.registered)?.plus(CODE_LIFE) > at {
        return Ok(None);
    }
    let source: AgencyId = records::word(Table::Slip, &record.source)?;
    let case: CaseHandle = records::word(Table::Slip, &record.case)?;
    snapshot.note_erased(record.entry);
    let latest = key::case(&source, case);
    let of_case = snapshot.get::<CaseSlipRecord>(latest.clone())?;
    let still = of_case.is_some_and(|of_case| row.starts_with(&of_case.value));
    let mut change = snapshot.change();
    change.writes.push(Write::Erase {
        table: Table::Slip,
        key: row,
    });
    if still {
        change.writes.push(Write::Erase {
            table: Table::CaseSlip,
            key: latest,
        });
    }
    Ok(Some(change))
}

/// A request to go on was kept for long enough.
pub(super) fn resume_ends(snapshot: &mut Snapshot<'_>, row: Vec<u8>) -> Change {
    let mut change = snapshot.change();
    change.writes.push(Write::Erase {
        table: Table::Resume,
        key: row,
    });
    change
}

impl Exchange {
    /// Registers the code on the slip of a case; one that the case had before stops nothing any more.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] for a case without any basis, [`Refusal::TooMany`] for a code of several cases already,
    /// [`Refusal::TooOften`] for more than [`REGISTERED_PER_HOUR_MAX`].
    pub async fn register_code(
        &self,
        caller: &Caller,
        source: &AgencyId,
        requested: Requested,
        case: CaseHandle,
        value: Value,
    ) -> Result<Receipt, Refusal> {
        let (by, source) = (caller.clone(), source.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            own(&by, &source)?;
            prepare_register(snapshot, &by, &requested, case, &value)
        };
        let done = self.perform_for(caller, "RegisterCode", prepare).await?;
        let (new, receipt) = done.single()?;
        if new {
            let agency = caller.agency();
            self.shared.codes.registered(agency, self.now().millis());
        }
        Ok(receipt)
    }

    /// Stops the cases of a code. The same answer whether there are any.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooOften`], whatever the code.
    pub async fn withdraw_by_code(
        &self,
        caller: &Caller,
        parent: &AgencyId,
        value: Value,
    ) -> Result<(), Refusal> {
        self.admit_code(caller, parent, "WithdrawByCode").await?;
        let by = caller.clone();
        let prepare = move |snapshot: &mut Snapshot<'_>| prepare_withdraw(snapshot, &by, &value);
        let done = self.perform_for(caller, "WithdrawByCode", prepare).await;
        done.map(drop)
    }

    /// Asks the first source of a code to go on. The same answer whether there is one.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooOften`], whatever the code.
    pub async fn request_resume(
        &self,
        caller: &Caller,
        parent: &AgencyId,
        requested: Requested,
        value: Value,
        purposes: Vec<Purpose>,
    ) -> Result<ResumeName, Refusal> {
        self.admit_code(caller, parent, "RequestResume").await?;
        let by = caller.clone();
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            prepare_resume(snapshot, &by, &requested, &value, &purposes)
        };
        let done = self.perform_for(caller, "RequestResume", prepare).await?;
        Ok(done.value)
    }

    /// Counts one more code before anything is looked up.
    async fn admit_code(
        &self,
        caller: &Caller,
        parent: &AgencyId,
        method: &'static str,
    ) -> Result<(), Refusal> {
        let refused = match own(caller, parent) {
            Err(refusal) => refusal,
            Ok(()) if self.shared.codes.admit(parent, self.now().millis()) => return Ok(()),
            Ok(()) => Refusal::TooOften,
        };
        self.deny(
            caller.agency(),
            Some(caller.staff()),
            method,
            refused.reason(),
        )
        .await?;
        Err(refused)
    }

    /// A request to go on, as the viewer sees it.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], also after 30 days.
    pub async fn resume_request(
        &self,
        caller: &Caller,
        name: &ResumeName,
    ) -> Result<Resume, Refusal> {
        name.owned_by(caller)?;
        let name = name.clone();
        self.read(move |snapshot| {
            let row = key::resume(&name.agency, name.resume);
            let record = snapshot.peek::<ResumeRecord>(&row)?;
            view(name, &record.ok_or(Refusal::NotFound)?)
        })
        .await
    }

    /// Answers a request to go on. Having agreed, the source refers the person to the agency that asked, as any other.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::AlreadyAnswered`].
    pub async fn answer_resume(
        &self,
        caller: &Caller,
        name: &ResumeName,
        requested: Requested,
        answer: ResumeAnswer,
    ) -> Result<Receipt, Refusal> {
        let (by, name) = (caller.clone(), name.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            prepare_answer(snapshot, &by, &name, &requested, answer)
        };
        let done = self.perform_for(caller, "AnswerResume", prepare).await?;
        Ok(done.single()?.1)
    }
}
