//! The questions that auditors ask: acts within their mandate, a run of entries at a time.
//!
//! The question is in the ledger before its first answer. What a mandate reaches is decided anew for each run, so that
//! a stream ends with the membership that it rests on.

use super::audit::RUN_BYTES_MAX;
use super::snapshot::{Prepared, Snapshot};
use super::{Exchange, Refusal};
use crate::domain::id::{AccessId, AgencyId, CaseHandle, OfferId, ReferralId};
use crate::domain::time::Timestamp;
use crate::identity::authorization::KindClass;
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Entry;
use crate::ledger::question::Context;
use crate::ledger::scope::{Scope, Sight};
use crate::storage::engine::Table;
use crate::storage::records::access::AccessRecord;
use crate::storage::records::log::OpeningRecord;
use crate::storage::records::offer::OfferRecord;
use crate::storage::records::{self, key};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use crate::ledger::question::{About, Question, event_named};

/// Entries looked at in one run of a stream: some milliseconds of work.
pub const SCAN_MAX: u64 = 512;

/// Entries looked at for one page.
pub const PAGE_SCAN_MAX: u64 = 4_096;

/// Most acts of one page.
pub const ACTS_MAX: usize = 1_000;

/// Most streams of one agency at a time.
pub const READERS_PER_AGENCY_MAX: usize = 4;

/// One act, as far as its reader may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenAct {
    /// Index of the entry.
    pub index: u64,
    /// The entry's exact bytes.
    pub entry: Vec<u8>,
    /// Nonce; empty where there is no opening to show.
    pub nonce: Vec<u8>,
    /// The decision; empty where there is no opening to show.
    pub decision: Vec<u8>,
}

/// What one run of entries holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Acts, in order.
    pub acts: Vec<SeenAct>,
    /// First index that was not looked at.
    pub next: u64,
    /// Where the answer ends.
    pub end: u64,
}

/// One page of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActPage {
    /// Acts, in order.
    pub acts: Vec<SeenAct>,
    /// First index that was not looked at.
    pub next: u64,
    /// For the next page; empty at the end.
    pub token: String,
}

/// How many streams each agency has.
#[derive(Debug, Default)]
pub(super) struct Readers(Mutex<HashMap<AgencyId, usize>>);

impl Readers {
    fn lock(&self) -> MutexGuard<'_, HashMap<AgencyId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(self: &Arc<Self>, agency: &AgencyId) -> Result<Seat, Refusal> {
        let mut readers = self.lock();
        let count = readers.entry(agency.clone()).or_default();
        if *count >= READERS_PER_AGENCY_MAX {
            return Err(Refusal::TooMany);
        }
        *count += 1;
        Ok(Seat {
            readers: Arc::clone(self),
            agency: agency.clone(),
        })
    }
}

/// One stream's place among its agency's.
#[derive(Debug)]
struct Seat {
    readers: Arc<Readers>,
    agency: AgencyId,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut readers = self.readers.lock();
        if let Some(count) = readers.get_mut(&self.agency) {
            *count -= 1;
            if *count == 0 {
                readers.remove(&self.agency);
            }
        }
    }
}

/// How far the caller's mandate reaches, by the register as it stands.
pub(super) fn scope_of(snapshot: &mut Snapshot<'_>, caller: &Caller) -> Result<Scope, Refusal> {
    let own = snapshot.own_agency(caller)?;
    match KindClass::of(own.kind) {
        KindClass::NationalOversight => Ok(Scope::National),
        KindClass::OwnOversight => {
            let agency = own.parent.clone().ok_or(Refusal::NotPermitted)?;
            let all = snapshot.shared.register.agencies()?;
            let units = all
                .iter()
                .filter(|unit| unit.parent.as_ref() == Some(&agency))
                .map(|unit| unit.id.clone());
            let mut agencies: std::collections::BTreeSet<_> = units.collect();
            agencies.insert(agency);
            Ok(Scope::Of(agencies))
        }
        KindClass::Member | KindClass::Operator | KindClass::Outside => Err(Refusal::NotPermitted),
    }
}

/// What the store knows besides the acts, as far as the mandate reaches: an office that could ask whether another
/// agency's offer is of the same case as its own would join what two recipients hold (R3).
struct Known<'a, 'b> {
    snapshot: &'a Snapshot<'b>,
    scope: &'a Scope,
}

impl Known<'_, '_> {
    fn offer(&self, offer: OfferId) -> Result<Option<(AgencyId, OfferRecord)>, Refusal> {
        let Some(record) = self.snapshot.peek::<OfferRecord>(&key::offer(offer))? else {
            return Ok(None);
        };
        let source: AgencyId = records::word(Table::Offer, &record.source)?;
        Ok(self.scope.reaches(&source).then_some((source, record)))
    }
}

impl Context for Known<'_, '_> {
    type Error = Refusal;

    fn offer_of(&self, access: AccessId) -> Result<Option<OfferId>, Refusal> {
        let record = self.snapshot.peek::<AccessRecord>(&key::access(access))?;
        let offer = record.map(|record| records::word(Table::Access, &record.offer));
        Ok(offer.transpose()?)
    }

    fn referral_of(&self, offer: OfferId) -> Result<Option<ReferralId>, Refusal> {
        let of = self.offer(offer)?;
        let referral = of.map(|(_, record)| records::word(Table::Offer, &record.referral));
        Ok(referral.transpose()?)
    }

    fn case_of(&self, offer: OfferId) -> Result<Option<(AgencyId, CaseHandle)>, Refusal> {
        let Some((source, record)) = self.offer(offer)? else {
            return Ok(None);
        };
        let case = records::word(Table::Offer, &record.case)?;
        Ok(Some((source, case)))
    }

    fn is_open(&self, agency: &AgencyId, at: Timestamp) -> Result<Option<bool>, Refusal> {
        let view = self.snapshot.shared.register.agency(agency)?;
        let bundle = view.as_ref().and_then(|view| view.bundle.as_ref());
        Ok(bundle.map(|bundle| bundle.content().facts.open.opens(at) == at))
    }
}

/// Looks at entries from `start` until `end`, `acts_max` acts or a reply's worth of bytes are reached.
fn scan(
    snapshot: &Snapshot<'_>,
    scope: &Scope,
    question: &Question,
    (start, end): (u64, u64),
    acts_max: usize,
) -> Result<(Vec<SeenAct>, u64), Refusal> {
    let known = Known { snapshot, scope };
    let (mut acts, mut bytes) = (Vec::new(), 0);
    for index in start..end {
        if acts.len() >= acts_max {
            return Ok((acts, index));
        }
        let stored = (snapshot.shared.engine).get(Table::Entry, &key::index(index))?;
        let bytes_of_entry = stored.ok_or(Refusal::Internal)?.value;
        let entry = Entry::parse(&bytes_of_entry).map_err(|_| records::corrupt(Table::Entry))?;
        if !scope.may_reach(&entry.by) || !question.may_be_answered_by(&entry) {
            continue;
        }
        let record = snapshot.peek::<OpeningRecord>(&key::index(index))?;
        let opening = record.unwrap_or_default();
        let decision = if opening.decision.is_empty() {
            None
        } else {
            let decision = serde_json::from_slice(&opening.decision);
            Some(decision.map_err(|_| records::corrupt(Table::Opening))?)
        };
        let sight = scope.sight(&entry, decision.as_ref());
        // What is not shown is not asked about either: an answer would tell it.
        let shown = decision.as_ref().filter(|_| sight == Sight::Opened);
        if sight == Sight::Nothing || !question.is_answered_by(&entry, shown, &known)? {
            continue;
        }
        let opening = if sight == Sight::Opened {
            opening
        } else {
            OpeningRecord::default()
        };
        bytes += bytes_of_entry.len() + opening.decision.len() + 96;
        if bytes > RUN_BYTES_MAX && !acts.is_empty() {
            return Ok((acts, index));
        }
        acts.push(SeenAct {
            index,
            entry: bytes_of_entry,
            nonce: opening.nonce,
            decision: opening.decision,
        });
    }
    Ok((acts, end))
}

/// How much of one entry a mandate reaches.
pub(super) fn sight_of(
    snapshot: &Snapshot<'_>,
    scope: &Scope,
    entry: &Entry,
    index: u64,
) -> Result<Sight, Refusal> {
    let record = snapshot.peek::<OpeningRecord>(&key::index(index))?;
    let decision = record.map(|record| serde_json::from_slice(&record.decision));
    let decision = decision.and_then(Result::ok);
    Ok(scope.sight(entry, decision.as_ref()))
}

/// How far the caller's mandate reaches, if it reaches the agency that is asked about: whoever is never told would
/// take no answer for "nothing was done". An agency that nobody is called is as far away as another's.
fn scope_for(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    question: &Question,
) -> Result<Scope, Refusal> {
    let scope = scope_of(snapshot, caller)?;
    match &question.agency {
        Some(agency) if !scope.reaches(agency) => Err(Refusal::NotPermitted),
        _ => Ok(scope),
    }
}

/// A page token's place: the first index that was not looked at.
fn place(token: Option<Vec<u8>>, start: u64) -> Result<u64, Refusal> {
    token.map_or(Ok(start), |place| {
        let place = place.as_slice().try_into().map(u64::from_be_bytes);
        place.map_err(|_| Refusal::InvalidField("page_token"))
    })
}

/// One stream of acts; counts towards the agency's limit until it is dropped.
#[derive(Debug)]
pub struct Reading {
    caller: Caller,
    question: Arc<Question>,
    next: u64,
    end: u64,
    _seat: Seat,
}

impl Reading {
    /// Whether everything was looked at.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.next >= self.end
    }

    /// Looks at the next run of entries.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotPermitted`] once the mandate is gone, [`Refusal::Unavailable`].
    pub async fn next(&mut self, exchange: &Exchange) -> Result<Run, Refusal> {
        let (caller, question) = (self.caller.clone(), Arc::clone(&self.question));
        let (start, end) = (self.next, self.end);
        let stop = start.saturating_add(SCAN_MAX).min(end);
        let looked = exchange.read(move |snapshot| {
            let scope = scope_of(snapshot, &caller)?;
            scan(snapshot, &scope, &question, (start, stop), ACTS_MAX)
        });
        let (acts, next) = looked.await?;
        self.next = next;
        Ok(Run { acts, next, end })
    }
}

fn asked(caller: &Caller, question: &Question, start: u64, count: u64) -> Decision {
    Decision::AuditRead {
        what: "acts".to_owned(),
        start,
        count,
        question: Some(question.recorded()),
        staff: caller.staff().as_str().to_owned(),
    }
}

impl Exchange {
    /// Begins to answer a question from `start` to the end of the log as it stands. The question is an entry first.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotPermitted`] (also where the mandate does not reach the agency that is asked about),
    /// [`Refusal::OutOfRange`] past the end, [`Refusal::TooMany`], [`Refusal::Unavailable`].
    pub async fn read_acts(
        &self,
        caller: &Caller,
        question: Question,
        start: u64,
    ) -> Result<Reading, Refusal> {
        let seat = self.shared.readers.join(caller.agency())?;
        let end = self.sequencer.published().edge.size();
        if start > end {
            return Err(Refusal::OutOfRange);
        }
        let question = Arc::new(question);
        let (by, of) = (caller.clone(), Arc::clone(&question));
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            let _within = scope_for(snapshot, &by, &of)?;
            let mut change = snapshot.change();
            let decision = asked(&by, &of, start, end - start);
            change.entries.push(snapshot.entry_by(&by, decision));
            Ok(Prepared::New(change, (), vec![0]))
        };
        let _receipt = self.perform_for(caller, "ReadActs", prepare).await?;
        Ok(Reading {
            caller: caller.clone(),
            question,
            next: start,
            end,
            _seat: seat,
        })
    }

    /// A page of the answer to a question. The question is an entry first.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotPermitted`] (also where the mandate does not reach the agency that is asked about),
    /// [`Refusal::OutOfRange`] past the end, [`Refusal::InvalidField`] for a page token that
    /// is not ours, [`Refusal::Unavailable`].
    pub async fn list_acts(
        &self,
        caller: &Caller,
        question: Question,
        start: u64,
        page: super::Page,
    ) -> Result<ActPage, Refusal> {
        const LIST: &str = "acts";
        let tokens = &self.shared.tokens;
        let start = place(tokens.read(LIST, caller.agency(), &page.token)?, start)?;
        let end = self.sequencer.published().edge.size();
        if start > end {
            return Err(Refusal::OutOfRange);
        }
        let stop = start.saturating_add(PAGE_SCAN_MAX).min(end);
        let by = caller.clone();
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            let scope = scope_for(snapshot, &by, &question)?;
            let (acts, next) = scan(snapshot, &scope, &question, (start, stop), page.size)?;
            let mut change = snapshot.change();
            let decision = asked(&by, &question, start, next - start);
            change.entries.push(snapshot.entry_by(&by, decision));
            Ok(Prepared::New(change, (acts, next), vec![0]))
        };
        let done = self.perform_for(caller, "ListActs", prepare).await?;
        let (acts, next) = done.value;
        let token = if next < end {
            tokens.make(LIST, caller.agency(), &next.to_be_bytes())
        } else {
            String::new()
        };
        Ok(ActPage { acts, next, token })
    }
}
