//! What follows for each offer under a chain, after its source or the person has spoken: content is destroyed, what is
//! undecided closes, recipients are told. Never why. So it is with what was passed on of a referral that its source
//! ends.
//!
//! The act itself is one batch, and counts from then on: the gate sees it. What follows is done offer by offer, so that
//! no batch grows with the case. A mark stands in the store in between, so that a crash is made good at the next start,
//! before anybody is served, and a caller who hangs up is made good by housekeeping.

use super::basis::{CHAINS_PER_CASE_MAX, chain_of};
use super::clockwork::{Due, schedule};
use super::erasure::ANSWER_WITHIN;
use super::event::EventKind;
use super::forward::rests_on;
use super::offer::moves;
use super::offer::moves::Closed;
use super::offer::view::OfferView;
use super::sequencer::Doorbell;
use super::snapshot::{Prepared, Snapshot};
use super::turn::{self, Next, Over, Why};
use super::{BasisName, Exchange, ReferralName, Refusal, escalation};
use crate::domain::id::{AgencyId, BasisChainId, OfferId};
use crate::domain::offer::OfferCommand;
use crate::domain::vocabulary::{ErasureAnswer, OfferNotice, OfferState, Stage};
use crate::storage::engine::{Stored, Table, Write};
use crate::storage::records::basis::BasisRecord;
use crate::storage::records::log::AftermathRecord;
use crate::storage::records::parcel::ParcelRecord;
use crate::storage::records::referral::ReferralRecord;
use crate::storage::records::{self, Record, key};

/// Marks looked at in one step.
const MARKS_MAX: usize = 64;

/// Parcels looked at in one step.
const STEP_MAX: usize = 64;

/// Offers passed over in one step, if nothing follows for them: so many need no commit each, and hold up nobody.
const PASSED_OVER_MAX: usize = 512;

/// How often one step may lose to the recipients' own acts.
const STEPS_LOST_MAX: usize = 3;

/// What follows for the offers under a chain.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Follows {
    /// The chain was withdrawn: content goes, what is undecided closes.
    pub(super) close: bool,
    /// The recipient is asked to erase.
    pub(super) erase: bool,
    /// The person leaves the service.
    pub(super) leave: bool,
    /// The case was stopped by card, or goes on.
    pub(super) pause: bool,
}

/// The write that has this follow for the offers under a chain, with what is still to be done already.
pub(super) fn follow(
    snapshot: &mut Snapshot<'_>,
    name: &BasisName,
    follows: Follows,
) -> Result<Write, Refusal> {
    follow_also(snapshot, name, follows, Vec::new())
}

/// The writes that close what passes on these offers of a referral that its source ends, if nobody said yes to it yet.
///
/// Found by the chains that they are, or were, under: whatever passes them on rests on those.
pub(super) fn end_passed_on(
    snapshot: &mut Snapshot<'_>,
    source: &AgencyId,
    offers: &[OfferView],
) -> Result<Vec<Write>, Refusal> {
    let mut chains: Vec<(BasisName, Vec<String>)> = Vec::new();
    for offer in offers.iter().filter(|offer| offer.has_opened()) {
        for chain in chains_of(snapshot, offer)? {
            let name = BasisName {
                agency: source.clone(),
                chain,
            };
            let id = offer.id.to_string();
            match chains.iter_mut().find(|(other, _)| *other == name) {
                Some((_, ended)) => ended.push(id),
                None => chains.push((name, vec![id])),
            }
        }
    }
    let follows = Follows::default();
    let mark =
        |(name, ended): (BasisName, Vec<String>)| follow_also(snapshot, &name, follows, ended);
    chains.into_iter().map(mark).collect()
}

/// The chains that an offer's own parcels can be under: a parcel that was passed on may have been corrected since under
/// another chain, and what passed it on rests on the one before.
fn chains_of(snapshot: &Snapshot<'_>, offer: &OfferView) -> Result<Vec<BasisChainId>, Refusal> {
    let prefix = key::case(&offer.source, offer.case);
    let most = usize::try_from(CHAINS_PER_CASE_MAX).unwrap_or(usize::MAX);
    let mut chains = Vec::new();
    // Not relied on: nothing rests on a chain that is recorded meanwhile, and no chain changes its recipient.
    for (row, _) in snapshot.scan(Table::CaseBasis, &prefix, None, most)? {
        let chain = chain_of(&row)?;
        let record = snapshot.peek::<BasisRecord>(&key::basis(&offer.source, chain))?;
        let record = record.ok_or_else(|| records::corrupt(Table::CaseBasis))?;
        if record.recipient == offer.recipient.as_str() {
            chains.push(chain);
        }
    }
    Ok(chains)
}

fn follow_also(
    snapshot: &mut Snapshot<'_>,
    name: &BasisName,
    follows: Follows,
    mut ended: Vec<String>,
) -> Result<Write, Refusal> {
    let row = key::aftermath(&name.agency, name.chain);
    let before = snapshot.get::<AftermathRecord>(row.clone())?;
    let before = before.unwrap_or_default();
    let closed_at = match before.closed_at {
        0 if follows.close || !ended.is_empty() => snapshot.now.millis(),
        before => before,
    };
    ended.extend(before.ended);
    ended.sort_unstable();
    ended.dedup();
    let mark = AftermathRecord {
        source: name.agency.to_string(),
        chain: name.chain.to_string(),
        close: before.close || follows.close,
        erase: before.erase || follows.erase,
        leave: before.leave || follows.leave,
        pause: before.pause || follows.pause,
        // From the first offer again.
        after: Vec::new(),
        closed_at,
        ended,
    };
    Ok(mark.put(row))
}

/// An offer under a chain, the stages of its parcels, and the key after which to go on.
type Under = (OfferId, Vec<Stage>, Vec<u8>);

/// The next offer under a chain, with the stages of its parcels, and where to go on after it.
fn next_offer(
    snapshot: &Snapshot<'_>,
    name: &BasisName,
    after: &[u8],
) -> Result<Option<Under>, Refusal> {
    let chain = key::basis(&name.agency, name.chain);
    let after = (!after.is_empty()).then_some(after);
    let rows = snapshot.scan(Table::ChainParcel, &chain, after, STEP_MAX)?;
    let mut next: Option<Under> = None;
    for (row, _) in rows {
        let parts = key::split_chain_parcel(&row);
        let (offer, stage) = parts.ok_or_else(|| records::corrupt(Table::ChainParcel))?;
        match &mut next {
            None => next = Some((offer, vec![stage], row)),
            Some((first, stages, last)) if *first == offer => {
                stages.push(stage);
                *last = row;
            }
            Some(_) => break,
        }
    }
    Ok(next)
}

/// The next offer for which something follows: any, or where nothing was said of the chain itself, one that passes on
/// what has ended. A parcel that does is never replaced, so those passed over are not relied on.
///
/// `Err` with the key after which to go on, when many were passed over.
fn next_concerned(
    snapshot: &Snapshot<'_>,
    name: &BasisName,
    mark: &AftermathRecord,
) -> Result<Result<Option<Under>, Vec<u8>>, Refusal> {
    let whole = mark.close || mark.erase || mark.leave || mark.pause;
    let mut after = mark.after.clone();
    for _ in 0..PASSED_OVER_MAX {
        let next = next_offer(snapshot, name, &after)?;
        let Some((id, stages, row)) = next.as_ref().filter(|_| !whole) else {
            return Ok(Ok(next));
        };
        for &stage in stages {
            let parcel = snapshot.peek::<ParcelRecord>(&key::parcel(*id, stage))?;
            let ancestors = parcel.map(|parcel| parcel.ancestors).unwrap_or_default();
            if (ancestors.iter()).any(|ancestor| mark.ended.contains(&ancestor.offer)) {
                return Ok(Ok(next));
            }
        }
        after.clone_from(row);
    }
    Ok(Err(after))
}

/// One step: one offer, or the mark when none is left. Gives whether there is more.
fn prepare_step(snapshot: &mut Snapshot<'_>, name: &BasisName) -> Result<Prepared<bool>, Refusal> {
    let row = key::aftermath(&name.agency, name.chain);
    let Some(mut mark) = snapshot.get::<AftermathRecord>(row.clone())? else {
        return Ok(Prepared::Again(false, Vec::new()));
    };
    let (id, stages, after) = match next_concerned(snapshot, name, &mark)? {
        Ok(Some(next)) => next,
        Ok(None) => {
            let mut change = snapshot.change();
            change.urgent = true;
            change.writes.push(Write::Delete {
                table: Table::Meta,
                key: row,
            });
            return Ok(Prepared::New(change, false, Vec::new()));
        }
        Err(after) => {
            mark.after = after;
            let mut change = snapshot.change();
            change.urgent = true;
            change.writes.push(mark.put(row));
            return Ok(Prepared::New(change, true, Vec::new()));
        }
    };
    let offer = OfferView::load(snapshot, id)?;
    let offer = offer.ok_or_else(|| records::corrupt(Table::ChainParcel))?;
    let mut concerned = Vec::new();
    let mut ended = false;
    for &stage in &stages {
        // A parcel that was replaced by one under another chain is not this chain's.
        let parcel = snapshot.get::<ParcelRecord>(key::parcel(id, stage))?;
        let rests =
            |parcel: &ParcelRecord| rests_on(parcel, &offer.source, &name.agency, name.chain);
        if let Some(parcel) = parcel.filter(rests) {
            concerned.push((stage, parcel.entry));
            let mut ancestors = parcel.ancestors.iter();
            ended |= ancestors.any(|ancestor| mark.ended.contains(&ancestor.offer));
        }
    }
    let mut step = Step::default();
    if !concerned.is_empty() {
        let concerned = Concerned {
            parcels: concerned,
            ended,
        };
        step.take(snapshot, name, offer, &concerned, &mark)?;
    }
    mark.after = after;
    step.writes.push(mark.put(row));
    let mut change = snapshot.change();
    change.urgent = true;
    change.writes = step.writes;
    change.entries = step.entries;
    change.doorbells = step.doorbells;
    if let Some(next) = step.next {
        next.add_to(snapshot, &mut change);
    }
    Ok(Prepared::New(change, true, Vec::new()))
}

/// What of one offer a step is about.
struct Concerned {
    /// Its parcels under the chain, and the entry of each.
    parcels: Vec<(Stage, u64)>,
    /// Whether it passes on what its source has ended.
    ended: bool,
}

/// What one step adds up to.
#[derive(Default)]
struct Step {
    writes: Vec<Write>,
    entries: Vec<super::sequencer::EntryDraft>,
    doorbells: Vec<Doorbell>,
    next: Option<Next>,
}

impl Step {
    fn take(
        &mut self,
        snapshot: &mut Snapshot<'_>,
        name: &BasisName,
        mut offer: OfferView,
        concerned: &Concerned,
        mark: &AftermathRecord,
    ) -> Result<(), Refusal> {
        let mut told = false;
        // Who kept something then may be asked again; who erased all has nothing.
        let erasure: Option<ErasureAnswer> =
            records::optional(Table::Offer, &offer.record.erasure)?;
        let kept = erasure.is_some_and(|answer| answer != ErasureAnswer::Erased);
        if mark.erase && offer.has_content() && (offer.record.erasure_asked == 0 || kept) {
            offer.record.erasure.clear();
            offer.tell(OfferNotice::PleaseErase);
            offer.record.erasure_asked = snapshot.now.millis();
            let answer_by = snapshot.now.plus(ANSWER_WITHIN);
            self.writes
                .push(schedule(answer_by, Due::ErasureAnswer(offer.id)));
            self.ring(&offer, EventKind::Erasure);
            told = true;
        }
        let cares = matches!(offer.state, OfferState::Accepted | OfferState::InProgress);
        // To whoever has not decided, that the person leaves would be a reason why the offer closes.
        if mark.leave && cares {
            told |= self.tell(&mut offer, OfferNotice::PersonLeaves);
        }
        if mark.pause && cares {
            let head = snapshot.basis(&name.agency, name.chain)?;
            if head.is_some_and(|head| head.paused && head.basis.is_some()) {
                told |= self.tell(&mut offer, OfferNotice::Paused);
            } else if offer.untell(OfferNotice::Paused) {
                self.ring(&offer, EventKind::Notice);
                told = true;
            }
        }
        if !mark.close && !concerned.ended {
            if told {
                self.writes.push(offer.put(snapshot.now, false));
            }
            return Ok(());
        }
        if mark.close {
            for &(stage, entry) in &concerned.parcels {
                snapshot.note_erased(entry);
                self.writes.push(Write::Erase {
                    table: Table::ParcelContent,
                    key: key::parcel(offer.id, stage),
                });
            }
        }
        if offer.state.is_open() {
            self.over(snapshot, &offer)?;
            // To whoever passed it on it looks the same whether a basis was withdrawn or a referral ended.
            let command = if mark.close {
                OfferCommand::Withdraw
            } else {
                OfferCommand::Close
            };
            let closed = moves::close(snapshot, offer, &command)?;
            self.add(closed);
            return Ok(());
        }
        if let Some(open) = offer.lapsed_since(records::time(Table::Meta, mark.closed_at)?)? {
            // Cut off, it ran out of time meanwhile: a lapse is true before it is written, so it has lapsed; but it had
            // ended before that, and its clocks ring nobody for it.
            self.over(snapshot, &open)?;
            self.add(escalation::lapsed(snapshot, open)?);
            return Ok(());
        }
        if mark.close {
            // What was said under it, and what was answered, goes with it.
            self.writes.extend(snapshot.erase_said(&offer)?);
            // A placement stays; its recipient hears that nothing more comes, never why.
            if !offer.state.is_terminal() {
                told |= self.tell(&mut offer, OfferNotice::ClosedBySource);
            }
        }
        if told {
            self.writes.push(offer.put(snapshot.now, false));
        }
        Ok(())
    }

    /// What follows in the referral: whoever is next in line has nothing to do with this withdrawal.
    fn over(&mut self, snapshot: &mut Snapshot<'_>, offer: &OfferView) -> Result<(), Refusal> {
        let over = Over {
            source: &offer.source,
            referral: offer.referral,
            offer: offer.id,
            at: snapshot.now,
            why: Why::Withdrawn,
        };
        self.next = Some(turn::after(snapshot, &over)?);
        Ok(())
    }

    fn add(&mut self, closed: Closed) {
        self.writes.extend(closed.writes);
        self.entries.extend(closed.entries);
        self.doorbells.extend(closed.doorbells);
    }

    fn tell(&mut self, offer: &mut OfferView, notice: OfferNotice) -> bool {
        let new = offer.tell(notice);
        if new {
            self.ring(offer, EventKind::Notice);
        }
        new
    }

    fn ring(&mut self, offer: &OfferView, kind: EventKind) {
        self.doorbells.push(Doorbell {
            agency: offer.recipient.clone(),
            resource: offer.recipient_name().to_string(),
            kind,
        });
    }
}

impl Exchange {
    /// Does what follows for the offers under a chain.
    pub(super) async fn follow_up(&self, name: &BasisName) -> Result<(), Refusal> {
        let mut lost = 0;
        loop {
            let name = name.clone();
            let step = move |snapshot: &mut Snapshot<'_>| prepare_step(snapshot, &name);
            match self.perform(step).await {
                Ok(done) if done.value => {}
                Ok(_) => return Ok(()),
                // The recipients' own acts may win a few times.
                Err(Refusal::Unavailable) if lost < STEPS_LOST_MAX && !*self.fatal().borrow() => {
                    lost += 1;
                }
                Err(refusal) => return Err(refusal),
            }
        }
    }

    /// Finishes what follows for what was passed on of a referral that its source has ended.
    pub(super) async fn follow_end(&self, name: &ReferralName) -> Result<(), Refusal> {
        let of = name.clone();
        let chains = self.read(move |snapshot| {
            let row = key::referral(&of.agency, of.referral);
            let record = snapshot.get::<ReferralRecord>(row)?;
            let record = record.ok_or(Refusal::NotFound)?;
            let now = snapshot.now;
            let mut chains = Vec::new();
            for offer in turn::offers(snapshot, &record, now)? {
                chains.extend(chains_of(snapshot, &offer)?);
            }
            Ok(chains)
        });
        for chain in chains.await? {
            let name = BasisName {
                agency: name.agency.clone(),
                chain,
            };
            self.follow_up(&name).await?;
        }
        Ok(())
    }

    /// Finishes what a crash, or a caller who hung up, cut off. To be awaited after [`Exchange::open`], before anybody
    /// is served, and now and then after that.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`], [`Refusal::Internal`]: then nobody may be served.
    pub async fn resume(&self) -> Result<(), Refusal> {
        let mut after: Option<Vec<u8>> = None;
        let mut failed = None;
        loop {
            let from = after.clone();
            let marks = self
                .read(move |snapshot| {
                    snapshot.scan(Table::Meta, key::AFTERMATH, from.as_deref(), MARKS_MAX)
                })
                .await?;
            if marks.is_empty() {
                return failed.map_or(Ok(()), Err);
            }
            for (row, stored) in marks {
                // One that cannot be done does not hold up what others withdrew; it is still an error.
                if let Err(refusal) = self.resume_one(&stored).await {
                    if *self.fatal().borrow() {
                        return Err(refusal);
                    }
                    failed = Some(refusal);
                }
                after = Some(row);
            }
        }
    }

    async fn resume_one(&self, stored: &Stored) -> Result<(), Refusal> {
        let mark = AftermathRecord::from_stored(stored)?;
        let name = BasisName {
            agency: records::word(Table::Meta, &mark.source)?,
            chain: records::word(Table::Meta, &mark.chain)?,
        };
        self.follow_up(&name).await
    }
}
