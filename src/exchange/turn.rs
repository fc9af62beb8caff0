//! Whose turn it is: who of a referral's candidates is asked next, and what happens when nobody is left.
//!
//! Decided in the same batch as the act or the clock that ends a turn, so that no referral is ever without somebody who
//! must act: a candidate, or a human who is alerted. What a candidate learns of it is only its own offer.

use super::alert::{Alert, raise};
use super::clockwork::{Due, schedule};
use super::event::EventKind;
use super::offer::view::OfferView;
use super::sequencer::{Change, Doorbell, EntryDraft, Row};
use super::snapshot::Snapshot;
use super::{ReferralName, Refusal, forward};
use crate::domain::deadline::LAST_TURN_OFFERS_MAX;
use crate::domain::gate::{self, Proposal};
use crate::domain::id::{AgencyId, OfferId, ReferralId};
use crate::domain::label::LabelSet;
use crate::domain::offer::OfferCommand;
use crate::domain::schedule::{Schedule, Turn};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{AlertKind, OfferState, Outcome, Stage};
use crate::ledger::decision::Decision;
use crate::ledger::entry::Actor;
use crate::storage::engine::{Table, Write};
use crate::storage::records::offer::{InboxRecord, MetRecord, OfferRecord};
use crate::storage::records::parcel::ParcelRecord;
use crate::storage::records::referral::ReferralRecord;
use crate::storage::records::{self, Record, key};

const TABLE: Table = Table::Referral;

/// An offer whose turn is over, and in which way.
pub(super) struct Over<'a> {
    pub(super) source: &'a AgencyId,
    pub(super) referral: ReferralId,
    pub(super) offer: OfferId,
    /// When: the time of the act, or that of the clock.
    pub(super) at: Timestamp,
    pub(super) why: Why,
}

/// Why a turn is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Declined, lapsed, or on a waiting list.
    NoAnswer,
    /// The basis for it was withdrawn: the source knows.
    Withdrawn,
    /// Turned away after an acceptance: the source is alerted to that already.
    TurnedAway,
}

/// What follows from a turn's end; to be added to the change that ends it.
#[derive(Default)]
pub(super) struct Next {
    writes: Vec<Write>,
    entries: Vec<EntryDraft>,
    rows: Vec<Row>,
    doorbells: Vec<Doorbell>,
    /// The referral, when it is to be written.
    referral: Option<(AgencyId, ReferralId, ReferralRecord)>,
    /// The alert to its source, when nobody is left.
    alert: Option<Alert>,
}

impl Next {
    /// Adds it, entries behind those that are there.
    pub(super) fn add_to(self, snapshot: &Snapshot<'_>, change: &mut Change) {
        change.writes.extend(self.writes);
        change.entries.extend(self.entries);
        change.rows.extend(self.rows);
        change.doorbells.extend(self.doorbells);
        let Some((source, id, mut record)) = self.referral else {
            return;
        };
        if let Some(alert) = self.alert {
            record.alert = raise(snapshot, change, &source, alert).to_string();
        }
        change.writes.push(record.put(key::referral(&source, id)));
    }
}

/// The schedule of a referral.
pub(super) fn schedule_of(record: &ReferralRecord) -> Result<Schedule, Refusal> {
    let urgency = records::word(TABLE, &record.urgency)?;
    Ok(Schedule::kept(urgency, optional_time(record.finish)?))
}

/// A time of a record; zero stands for none.
pub(super) fn optional_time(millis: i64) -> Result<Option<Timestamp>, Refusal> {
    Ok(match millis {
        0 => None,
        millis => Some(records::time(TABLE, millis)?),
    })
}

/// How many candidates may be asked at a time in a turn that begins at `start`.
pub(super) fn limit(plan: &Schedule, parallel: u32, start: Timestamp) -> usize {
    let most = if plan.is_last_turn(start) {
        LAST_TURN_OFFERS_MAX
    } else {
        plan.urgency.parallel_offers_max()
    };
    match usize::try_from(parallel) {
        Ok(0) | Err(_) => most,
        Ok(asked) => most.min(asked),
    }
}

/// The rows that run the clocks of a turn.
pub(super) fn clocks(offer: OfferId, turn: &Turn) -> [Write; 3] {
    [
        schedule(turn.acknowledge_by, Due::Acknowledge(offer)),
        schedule(turn.remind_at, Due::Remind(offer)),
        schedule(turn.decide_by, Due::Lapse(offer)),
    ]
}

/// The row by which a recipient may look up the keys of a source that asked it.
pub(super) fn met(recipient: &AgencyId, source: &AgencyId) -> Write {
    MetRecord {}.put(key::met(recipient, source))
}

/// The row and the doorbell by which a recipient learns of an offer.
pub(super) fn told(recipient: &AgencyId, offer: OfferId) -> (Row, Doorbell) {
    let inbox = InboxRecord {
        offer: offer.to_string(),
    };
    let row = Row {
        table: Table::Inbox,
        agency: recipient.clone(),
        value: prost::Message::encode_to_vec(&inbox),
    };
    let resource = super::OfferName {
        agency: recipient.clone(),
        offer,
    };
    let doorbell = Doorbell {
        agency: recipient.clone(),
        resource: resource.to_string(),
        kind: EventKind::OfferReceived,
    };
    (row, doorbell)
}

/// Whether an offer still has its turn: its recipient must answer, or keeps the person on a list that they can wait
/// for.
pub(super) fn has_turn(offer: &OfferView) -> bool {
    offer.state.can_lapse() || (offer.state == OfferState::Waitlisted && !offer.record.turn_over)
}

/// Whether an offer is, or was, a place: nobody else is asked.
pub(super) fn is_place(offer: &OfferView) -> bool {
    match offer.state {
        OfferState::Accepted | OfferState::InProgress => true,
        OfferState::Completed => offer.record.outcome != Outcome::TurnedAwayAtDoor.name(),
        _ => false,
    }
}

/// Whether the source has ended the referral itself.
pub(super) fn is_ended(record: &ReferralRecord) -> bool {
    record.recalled || record.in_error || !record.closed.is_empty()
}

/// Every offer of a referral as it stood `at`, relied on.
pub(super) fn offers(
    snapshot: &mut Snapshot<'_>,
    record: &ReferralRecord,
    at: Timestamp,
) -> Result<Vec<OfferView>, Refusal> {
    let mut offers = Vec::with_capacity(record.offers.len());
    for id in &record.offers {
        let id: OfferId = records::word(TABLE, id)?;
        let offer = snapshot.get::<OfferRecord>(key::offer(id))?;
        let offer = offer.ok_or_else(|| records::corrupt(TABLE))?;
        offers.push(OfferView::parse(id, offer, at)?);
    }
    Ok(offers)
}

/// Decides what follows from the end of a turn. Call it before the snapshot gives its change.
pub(super) fn after(snapshot: &mut Snapshot<'_>, over: &Over<'_>) -> Result<Next, Refusal> {
    let row = key::referral(over.source, over.referral);
    let record = snapshot.get::<ReferralRecord>(row)?;
    let mut record = record.ok_or_else(|| records::corrupt(TABLE))?;
    if is_ended(&record) {
        return Ok(Next::default());
    }
    record.withdrawn |= over.why == Why::Withdrawn;
    // A clock that is run late finds the others as they stood when it should have run.
    let mut others = offers(snapshot, &record, over.at)?;
    others.retain(|offer| offer.id != over.offer);
    if others.iter().any(is_place) {
        return Ok(Next::default());
    }
    proceed(snapshot, over, record, others)
}

fn proceed(
    snapshot: &mut Snapshot<'_>,
    over: &Over<'_>,
    mut record: ReferralRecord,
    others: Vec<OfferView>,
) -> Result<Next, Refusal> {
    let plan = schedule_of(&record)?;
    let mut asked = others.iter().filter(|offer| has_turn(offer)).count();
    let mut queue = others
        .into_iter()
        .filter(|offer| offer.state == OfferState::Queued);
    let mut next = Next::default();
    let mut closed = Vec::new();
    let turn = plan.turn(over.at, None);
    let most = limit(&plan, record.parallel, over.at);
    if let Some(turn) = turn {
        while asked < most {
            let Some(offer) = queue.next() else { break };
            if may_be_asked(snapshot, &offer)? {
                ask(snapshot, &mut next, offer, &turn, over.at);
                record.decide_by = record.decide_by.max(turn.decide_by.millis());
                asked += 1;
            } else {
                closed.push(offer);
            }
        }
    }
    if asked == 0 {
        // There is no time left to ask those who wait: a place that answers later could not be reached.
        closed.extend(queue);
        if record.unplaced == 0 {
            unplaced(&mut next, &mut record, over, &plan)?;
        }
    }
    close_unasked(snapshot, &mut next, closed)?;
    // Written in any case: two turns that end at one moment must see each other.
    next.referral = Some((over.source.clone(), over.referral, record));
    Ok(next)
}

/// Whether a candidate may still be asked: it is there, and what was sealed for its triage could be opened.
fn may_be_asked(snapshot: &mut Snapshot<'_>, offer: &OfferView) -> Result<bool, Refusal> {
    let recipient = snapshot.agency(&offer.recipient)?;
    let now = snapshot.now;
    let Some(recipient) = recipient.filter(|recipient| recipient.available(now).is_ok()) else {
        return Ok(false);
    };
    let parcel = snapshot.get::<ParcelRecord>(key::parcel(offer.id, Stage::Triage))?;
    let Some(parcel) = parcel.filter(|parcel| parcel.expires > now.millis()) else {
        return Ok(false);
    };
    if !forward::none_over(snapshot, &parcel)? {
        return Ok(false);
    }
    let chain = records::word(Table::Parcel, &parcel.chain)?;
    let Some(head) = snapshot.basis(&offer.source, chain)? else {
        return Ok(false);
    };
    let labels = super::parcel::labels_of(&parcel)?;
    let labels: LabelSet = labels.iter().map(|label| label.label).collect();
    let proposal = Proposal {
        source: &offer.source,
        recipient: &offer.recipient,
        recipient_kind: recipient.kind,
        purpose: offer.purpose,
        stage: Stage::Triage,
        labels,
    };
    let protocol = snapshot.protocol()?;
    Ok(gate::permit(&proposal, head.gate(), protocol.in_force()?, now).is_ok())
}

fn ask(
    snapshot: &Snapshot<'_>,
    next: &mut Next,
    mut offer: OfferView,
    turn: &Turn,
    start: Timestamp,
) {
    offer.state = OfferState::Offered;
    offer.record.state = offer.state.name().to_owned();
    offer.record.decide_by = turn.decide_by.millis();
    offer.record.asked = start.millis();
    next.writes.push(offer.put(snapshot.now, true));
    next.writes.extend(clocks(offer.id, turn));
    next.writes.push(met(&offer.recipient, &offer.source));
    let decision = Decision::OfferTurn {
        offer: offer.id.to_string(),
        decide_by: turn.decide_by.millis(),
        due: start.millis(),
    };
    next.entries.push(snapshot.entry(Actor::Router, decision));
    let (row, doorbell) = told(&offer.recipient, offer.id);
    next.rows.push(row);
    next.doorbells.push(doorbell);
    next.doorbells.push(changed(&offer));
}

fn changed(offer: &OfferView) -> Doorbell {
    Doorbell {
        agency: offer.source.clone(),
        resource: offer.source_name().to_string(),
        kind: EventKind::OfferChanged,
    }
}

/// Closes offers of which their recipients never knew, with one entry: nobody is rung but the source.
fn close_unasked(
    snapshot: &mut Snapshot<'_>,
    next: &mut Next,
    offers: Vec<OfferView>,
) -> Result<(), Refusal> {
    if offers.is_empty() {
        return Ok(());
    }
    let mut ids = Vec::with_capacity(offers.len());
    for mut offer in offers {
        offer.apply(&OfferCommand::Close)?;
        next.writes.extend(snapshot.erase_parcels(&offer)?);
        next.writes.push(offer.put(snapshot.now, true));
        next.doorbells.push(changed(&offer));
        ids.push(offer.id.to_string());
    }
    let decision = Decision::OffersClosed { offers: ids };
    next.entries.push(snapshot.entry(Actor::Router, decision));
    Ok(())
}

/// Nobody is left: the source is alerted, and unless it acts the duty line will be.
fn unplaced(
    next: &mut Next,
    record: &mut ReferralRecord,
    over: &Over<'_>,
    plan: &Schedule,
) -> Result<(), Refusal> {
    if over.why == Why::Withdrawn {
        // The person and the source ended it.
        return Ok(());
    }
    let supervisor_by = plan.supervisor_by(over.at, optional_time(record.place_by)?);
    record.unplaced = over.at.millis();
    record.supervisor_by = supervisor_by.millis();
    let due = Due::Supervisor(over.source.clone(), over.referral);
    next.writes.push(schedule(supervisor_by, due));
    let about = ReferralName {
        agency: over.source.clone(),
        referral: over.referral,
    };
    next.alert = Some(Alert {
        kind: match over.why {
            Why::NoAnswer | Why::Withdrawn => AlertKind::Unplaced,
            Why::TurnedAway => AlertKind::TurnedAway,
        },
        about: about.to_string(),
        by: None,
        code: asked_for(record),
    });
    Ok(())
}

/// What was asked for and how soon, in codes: all that a duty line may know of a referral.
pub(super) fn asked_for(record: &ReferralRecord) -> String {
    format!("{}/{}", record.purpose, record.urgency)
}
