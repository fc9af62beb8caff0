//! Withdrawal: it can always be recorded, and nothing is disclosed under the chain afterwards.
//!
//! Two steps. The first batch makes the withdrawal the head of its chain: from then on nothing is deposited or opened
//! under it (invariants 12, 13), so that what there is to clean up cannot grow. The second step closes what is
//! undecided and destroys the content keys. A mark stands in the store between the two, so that a crash is made good
//! at the next start, before anybody is served, and a caller who hangs up is made good by housekeeping. In between
//! nobody accepts what is about to close.

use super::basis::{STATEMENT_BYTES_MAX, statement_refusal, text};
use super::event::EventKind;
use super::forward::rests_on;
use super::offer::{moves, view::OfferView};
use super::sequencer::Doorbell;
use super::snapshot::{Prepared, Snapshot};
use super::turn::{self, Over, Why};
use super::{BasisName, Exchange, Receipt, Refusal, Requested, SKEW};
use crate::domain::id::OfferId;
use crate::domain::offer::OfferCommand;
use crate::domain::vocabulary::Stage;
use crate::envelope::withdrawal::Withdrawal;
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::storage::engine::{Table, Write};
use crate::storage::records::basis::BasisRecord;
use crate::storage::records::log::WithdrawingRecord;
use crate::storage::records::parcel::ParcelRecord;
use crate::storage::records::{self, Record, key};

/// Parcels looked at in one step of the clean-up.
const STEP_MAX: usize = 64;

/// How often one step may lose to the recipients' own acts.
const STEPS_LOST_MAX: usize = 3;

fn prepare(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &BasisName,
    requested: &Requested,
    token: &[u8],
) -> Result<Prepared<()>, Refusal> {
    name.owned_by(caller)?;
    let own = snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    if token.len() > STATEMENT_BYTES_MAX {
        return Err(Refusal::InvalidField("statement"));
    }
    let row = key::basis(&name.agency, name.chain);
    let head = snapshot.get::<BasisRecord>(row.clone())?;
    let mut head = head.ok_or(Refusal::NotFound)?;
    let signer = own.signer_of(token, snapshot.now)?;
    let withdrawal = Withdrawal::parse(token, signer)
        .map_err(|error| statement_refusal(error, Refusal::InvalidField("statement")))?;
    let meant = withdrawal.chain == name.chain
        && withdrawal.recipient.as_str() == head.recipient
        && withdrawal.case.to_string() == head.case
        && withdrawal.issued <= snapshot.now.plus(SKEW);
    if !meant {
        return Err(Refusal::InvalidField("statement"));
    }
    if head.withdrawn {
        return Err(Refusal::BasisWithdrawn);
    }
    if head.sequence.checked_add(1) != Some(withdrawal.seq) {
        return Err(Refusal::BasisSequence);
    }
    let mut case = snapshot
        .case(&name.agency, withdrawal.case)?
        .unwrap_or_default();
    case.changes += 1;
    head.statement = token.to_vec();
    head.sequence = withdrawal.seq;
    head.withdrawn = true;
    let mark = WithdrawingRecord {
        source: name.agency.to_string(),
        chain: name.chain.to_string(),
    };
    let mut change = snapshot.change();
    change.urgent = true;
    change.writes.push(head.put(row));
    change
        .writes
        .push(case.put(key::case(&name.agency, withdrawal.case)));
    change
        .writes
        .push(mark.put(key::withdrawing(&name.agency, name.chain)));
    let decision = Decision::BasisWithdrawn {
        statement: text(token)?,
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
}

/// The next offer under a withdrawn chain, with the stages of its parcels.
fn next_offer(
    snapshot: &Snapshot<'_>,
    name: &BasisName,
) -> Result<Option<(OfferId, Vec<Stage>)>, Refusal> {
    let chain = key::basis(&name.agency, name.chain);
    let rows = snapshot.scan(Table::ChainParcel, &chain, None, STEP_MAX)?;
    let mut next: Option<(OfferId, Vec<Stage>)> = None;
    for (row, _) in rows {
        let parts = key::split_chain_parcel(&row);
        let (offer, stage) = parts.ok_or_else(|| records::corrupt(Table::ChainParcel))?;
        match &mut next {
            None => next = Some((offer, vec![stage])),
            Some((first, stages)) if *first == offer => stages.push(stage),
            Some(_) => break,
        }
    }
    Ok(next)
}

/// One step of the clean-up: one offer, or the mark when none is left. Gives whether there is more.
fn prepare_step(snapshot: &mut Snapshot<'_>, name: &BasisName) -> Result<Prepared<bool>, Refusal> {
    let Some((id, stages)) = next_offer(snapshot, name)? else {
        let mark = key::withdrawing(&name.agency, name.chain);
        if snapshot.peek::<WithdrawingRecord>(&mark)?.is_none() {
            return Ok(Prepared::Again(false, Vec::new()));
        }
        let mut change = snapshot.change();
        change.urgent = true;
        change.writes.push(Write::Delete {
            table: Table::Meta,
            key: mark,
        });
        return Ok(Prepared::New(change, false, Vec::new()));
    };
    let offer = OfferView::load(snapshot, id)?;
    let offer = offer.ok_or_else(|| records::corrupt(Table::ChainParcel))?;
    let mut writes = Vec::new();
    let mut concerned = false;
    for &stage in &stages {
        // A parcel that was replaced by one under another chain is not this one's to erase.
        let parcel = snapshot.get::<ParcelRecord>(key::parcel(id, stage))?;
        let rests =
            |parcel: &ParcelRecord| rests_on(parcel, &offer.source, &name.agency, name.chain);
        if parcel.as_ref().is_some_and(rests) {
            concerned = true;
            writes.push(Write::Erase {
                table: Table::ParcelContent,
                key: key::parcel(id, stage),
            });
        }
        writes.push(Write::Delete {
            table: Table::ChainParcel,
            key: key::chain_parcel(&name.agency, name.chain, id, stage),
        });
    }
    let (mut entries, mut doorbells) = (Vec::new(), Vec::new());
    let mut next = None;
    if concerned && offer.state.is_open() {
        let (source, referral) = (offer.source.clone(), offer.referral);
        let closed = moves::close(snapshot, offer, &OfferCommand::Withdraw)?;
        writes.extend(closed.writes);
        entries = closed.entries;
        doorbells = closed.doorbells;
        // Whoever is next in line has nothing to do with this withdrawal.
        let over = Over {
            source: &source,
            referral,
            offer: id,
            at: snapshot.now,
            why: Why::Withdrawn,
        };
        next = Some(turn::after(snapshot, &over)?);
    } else if concerned && !offer.state.is_terminal() {
        // What was said under it, and what was answered, goes with it.
        writes.extend(offer.erase_messages());
        writes.extend(offer.erase_attachments());
        // A placement stays; its recipient hears that something changed, never why.
        doorbells.push(Doorbell {
            agency: offer.recipient.clone(),
            resource: offer.recipient_name().to_string(),
            kind: EventKind::OfferChanged,
        });
    }
    let mut change = snapshot.change();
    change.urgent = true;
    change.writes = writes;
    change.entries = entries;
    change.doorbells = doorbells;
    if let Some(next) = next {
        next.add_to(snapshot, &mut change);
    }
    Ok(Prepared::New(change, true, Vec::new()))
}

impl Exchange {
    /// Withdraws one chain. When this answers, nothing under it can be opened and its parcels have no keys.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::SignatureInvalid`], [`Refusal::BasisSequence`], [`Refusal::BasisWithdrawn`].
    pub async fn withdraw_basis(
        &self,
        caller: &Caller,
        name: &BasisName,
        requested: Requested,
        statement: Vec<u8>,
    ) -> Result<Receipt, Refusal> {
        let (by, of) = (caller.clone(), name.clone());
        let step =
            move |snapshot: &mut Snapshot<'_>| prepare(snapshot, &by, &of, &requested, &statement);
        let done = self.perform_for(caller, "WithdrawBasis", step).await?;
        // Also for a remembered request: the clean-up may have been cut off by a restart.
        self.clean_up(name).await?;
        Ok(done.single()?.1)
    }

    /// Closes and erases what stands under a withdrawn chain.
    async fn clean_up(&self, name: &BasisName) -> Result<(), Refusal> {
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

    /// Finishes withdrawals that a crash, or a caller who hung up, cut off. To be awaited after [`Exchange::open`],
    /// before anybody is served, and now and then after that.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`], [`Refusal::Internal`]: then nobody may be served.
    pub async fn resume(&self) -> Result<(), Refusal> {
        loop {
            let marks = self
                .read(|snapshot| snapshot.scan(Table::Meta, key::WITHDRAWING, None, STEP_MAX))
                .await?;
            if marks.is_empty() {
                return Ok(());
            }
            for (_, stored) in marks {
                let mark = WithdrawingRecord::from_stored(&stored)?;
                let name = BasisName {
                    agency: records::word(Table::Meta, &mark.source)?,
                    chain: records::word(Table::Meta, &mark.chain)?,
                };
                self.clean_up(&name).await?;
            }
        }
    }
}
