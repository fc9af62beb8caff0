//! What is due: every clock of the exchange is a row that says when, what kind and of what.
//!
//! A row is written with the change that starts its clock and deleted with the change that it leads to. What is due is
//! done strictly in the order of its time, one change after another, so that a router that was down catches up as it
//! would have run. A clock that has nothing left to do when it rings is only forgotten.

use super::offer::places;
use super::sequencer::Change;
use super::snapshot::{Prepared, Snapshot};
use super::{Exchange, Refusal, asking, erasure, escalation, slip};
use crate::domain::id::{
    AccessId, AgencyId, BasisChainId, CaseHandle, OfferId, ReferralId, ResumeId,
};
use crate::domain::time::Timestamp;
use crate::storage::engine::{Table, Write};
use crate::storage::records::offer::DeadlineRecord;
use crate::storage::records::{self, Record, key};

/// Something that is due at a time of its own. The numbers are on disk: never reuse one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Due {
    /// 1: an offer's time to decide is over.
    Lapse(OfferId),
    /// 30: a hold of places is over.
    HoldEnds(OfferId),
    /// 2: a recipient must have acknowledged.
    Acknowledge(OfferId),
    /// 3: a recipient's time to decide is running out.
    Remind(OfferId),
    /// 4: the source must have acted on a referral without a place.
    Supervisor(AgencyId, ReferralId),
    /// 50: the time to answer whether something was erased is over.
    ErasureAnswer(OfferId),
    /// 51: the time to ask a person again, alone, is over.
    AskAgain(AgencyId, BasisChainId),
    /// 52: an emergency is over.
    BasisReview(AgencyId, BasisChainId),
    /// 53: a right code was entered.
    ByCard(AgencyId, CaseHandle),
    /// 54: a wrong code was entered.
    NobodysCard([u8; 16]),
    /// 55: another agency asks to go on with a case.
    ResumeAsked(AgencyId, ResumeId),
    /// 56: a code, by its key, has served.
    CodeEnds(Vec<u8>),
    /// 57: a request to go on, by its key, is over.
    ResumeEnds(Vec<u8>),
    /// 40: a break-glass request, its approval or its window is over.
    AccessEnds(AccessId),
    /// 41: a review of a break-glass access must have come.
    Review(AccessId),
}

impl Due {
    fn number_and_id(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Lapse(offer) => (1, key::offer(*offer)),
            Self::HoldEnds(offer) => (30, key::offer(*offer)),
            Self::Acknowledge(offer) => (2, key::offer(*offer)),
            Self::Remind(offer) => (3, key::offer(*offer)),
            Self::Supervisor(source, referral) => (4, key::referral(source, *referral)),
            Self::ErasureAnswer(offer) => (50, key::offer(*offer)),
            Self::AskAgain(source, chain) => (51, key::basis(source, *chain)),
            Self::BasisReview(source, chain) => (52, key::basis(source, *chain)),
            Self::ByCard(source, case) => (53, key::case(source, *case)),
            Self::NobodysCard(random) => (54, random.to_vec()),
            Self::ResumeAsked(source, resume) => (55, key::resume(source, *resume)),
            Self::CodeEnds(row) => (56, row.clone()),
            Self::ResumeEnds(row) => (57, row.clone()),
            Self::AccessEnds(access) => (40, key::access(*access)),
            Self::Review(access) => (41, key::access(*access)),
        }
    }

    fn parse(number: u8, id: &[u8]) -> Option<Self> {
        let chain = || {
            let (source, chain) = key::split_of_agency(id)?;
            Some((source, BasisChainId::from_random(chain)))
        };
        Some(match number {
            1 => Self::Lapse(key::split_offer(id)?),
            30 => Self::HoldEnds(key::split_offer(id)?),
            2 => Self::Acknowledge(key::split_offer(id)?),
            3 => Self::Remind(key::split_offer(id)?),
            4 => {
                let (source, referral) = key::split_referral(id)?;
                Self::Supervisor(source, referral)
            }
            50 => Self::ErasureAnswer(key::split_offer(id)?),
            51 => chain().map(|(source, chain)| Self::AskAgain(source, chain))?,
            52 => chain().map(|(source, chain)| Self::BasisReview(source, chain))?,
            53 => {
                let (source, case) = key::split_of_agency(id)?;
                Self::ByCard(source, CaseHandle::from_random(case))
            }
            54 => Self::NobodysCard(id.try_into().ok()?),
            55 => {
                let (source, resume) = key::split_of_agency(id)?;
                Self::ResumeAsked(source, ResumeId::from_random(resume))
            }
            56 => Self::CodeEnds(id.to_vec()),
            57 => Self::ResumeEnds(id.to_vec()),
            40 => Self::AccessEnds(AccessId::from_random(id.try_into().ok()?)),
            41 => Self::Review(AccessId::from_random(id.try_into().ok()?)),
            _ => return None,
        })
    }
}

/// The write that has `due` done at `at`.
pub(super) fn schedule(at: Timestamp, due: Due) -> Write {
    let (number, id) = due.number_and_id();
    DeadlineRecord {}.put(key::deadline(at, number, &id))
}

/// The write that forgets what was scheduled.
pub(super) fn forget(at: Timestamp, due: Due) -> Write {
    let (number, id) = due.number_and_id();
    Write::Delete {
        table: Table::Deadline,
        key: key::deadline(at, number, &id),
    }
}

/// Each noun's own: what is due of it at `at`, as a change; none when there is nothing left to do.
///
/// `at` is the time that was set, `snapshot.now` the later one at which it is done.
fn dispatch(
    snapshot: &mut Snapshot<'_>,
    at: Timestamp,
    due: Due,
) -> Result<Option<Change>, Refusal> {
    match due {
        Due::Lapse(offer) => escalation::lapse(snapshot, at, offer),
        Due::Acknowledge(offer) => escalation::acknowledge(snapshot, at, offer),
        Due::Remind(offer) => escalation::remind(snapshot, at, offer),
        Due::Supervisor(source, referral) => {
            escalation::supervisor(snapshot, at, &source, referral)
        }
        Due::ErasureAnswer(offer) => erasure::due(snapshot, at, offer),
        Due::AskAgain(source, chain) => asking::ask_again(snapshot, &source, chain),
        Due::BasisReview(source, chain) => Ok(Some(asking::review(snapshot, &source, chain))),
        Due::ByCard(source, case) => slip::by_card(snapshot, &source, case),
        Due::NobodysCard(_) => Ok(Some(slip::nobodys_card(snapshot))),
        Due::ResumeAsked(source, resume) => slip::resume_asked(snapshot, &source, resume),
        Due::CodeEnds(row) => slip::code_ends(snapshot, at, row),
        Due::ResumeEnds(row) => Ok(Some(slip::resume_ends(snapshot, row))),
        Due::AccessEnds(access) => super::access::ends::ends(snapshot, access),
        Due::Review(access) => super::access::ends::unreviewed(snapshot, access),
        Due::HoldEnds(offer) => places::hold_ended(snapshot, at, offer),
    }
}

fn prepare(snapshot: &mut Snapshot<'_>, row: &[u8]) -> Result<Prepared<()>, Refusal> {
    let broken = || records::corrupt(Table::Deadline);
    let (at, number, id) = key::split_deadline(row).ok_or_else(broken)?;
    let due = Due::parse(number, id).ok_or_else(broken)?;
    let mut change = match dispatch(snapshot, at, due)? {
        Some(change) => change,
        None => snapshot.change(),
    };
    change.writes.push(Write::Delete {
        table: Table::Deadline,
        key: row.to_vec(),
    });
    Ok(Prepared::New(change, (), Vec::new()))
}

/// Steps of one run that may find nothing to be available: one that loses to somebody's own acts
/// again and again must not
/// stop every clock, and a store that refuses all is not asked for each.
const UNAVAILABLE_MAX: usize = 8;

impl Exchange {
    /// Does everything that is due, in the order of its time; gives how much that was.
    ///
    /// What cannot be done because of something broken, or because it lost to others too often, is logged, left for the
    /// next run and does not hold up the rest: one bad record must not stop every clock.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`]; the rest is done by the next run.
    pub async fn run_due(&self) -> Result<usize, Refusal> {
        let _alone = self.due.lock().await;
        let mut done = 0;
        let mut broken: usize = 0;
        let mut unavailable: usize = 0;
        loop {
            let skipped = broken + unavailable;
            let next = self.read(move |snapshot| {
                // What a step schedules may be due before what was scheduled already: looked at anew each time.
                let rows = snapshot.scan(Table::Deadline, b"", None, skipped + 1)?;
                let row = rows.into_iter().nth(skipped).map(|(row, _)| row);
                let due = |row: &Vec<u8>| {
                    key::split_deadline(row).is_none_or(|(at, _, _)| at <= snapshot.now)
                };
                Ok(row.filter(due))
            });
            let Some(row) = next.await? else {
                return if unavailable == 0 {
                    Ok(done)
                } else {
                    Err(Refusal::Unavailable)
                };
            };
            let step = move |snapshot: &mut Snapshot<'_>| prepare(snapshot, &row);
            match self.perform(step).await {
                Ok(_) => done += 1,
                Err(refusal @ Refusal::Unavailable) => {
                    unavailable += 1;
                    if unavailable >= UNAVAILABLE_MAX || *self.fatal().borrow() {
                        return Err(refusal);
                    }
                }
                Err(refusal) => {
                    tracing::error!(alarm = true, %refusal, "something due cannot be done");
                    broken += 1;
                }
            }
        }
    }
}
