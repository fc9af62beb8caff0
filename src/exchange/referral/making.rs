//! Making referrals and offers.

use super::{NewOffer, NewReferral, OFFERS_MAX, load, offers_of, state_of};
use crate::domain::deadline::decide_by;
use crate::domain::id::{AgencyId, CaseHandle, OfferId, ReferralId};
use crate::domain::time::{Period, Timestamp};
use crate::domain::vocabulary::{OfferState, Purpose, Stage, Urgency};
use crate::exchange::agencies::AgencyView;
use crate::exchange::clockwork::{Due, schedule};
use crate::exchange::event::EventKind;
use crate::exchange::parcel::{Admitted, Ask, admit};
use crate::exchange::sequencer::{Change, Doorbell, EntryDraft, Row};
use crate::exchange::snapshot::{Prepared, Snapshot, remembered};
use crate::exchange::{OfferName, ReferralName, Refusal, Requested, directory};
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::storage::engine::{Table, Write};
use crate::storage::records::offer::{InboxRecord, OfferRecord};
use crate::storage::records::referral::{OutboxRecord, ReferralRecord};
use crate::storage::records::{self, Record, key};
use std::sync::Arc;

/// The referral that offers are made for.
struct Asked<'a> {
    source: &'a AgencyView,
    referral: ReferralId,
    case: CaseHandle,
    purpose: Purpose,
    urgency: Urgency,
    decide_by: Timestamp,
}

/// What one new offer adds to a change.
struct Made {
    id: OfferId,
    entry: EntryDraft,
    writes: Vec<Write>,
    row: Row,
    doorbell: Doorbell,
    validity: Vec<Period>,
}

impl Made {
    fn add_to(self, change: &mut Change) {
        for period in self.validity {
            change.within(period);
        }
        change.entries.push(self.entry);
        change.writes.extend(self.writes);
        change.rows.push(self.row);
        change.doorbells.push(self.doorbell);
    }
}

/// A recipient that may be asked: one answer for not enrolled, suspended, without keys, and not to be seen.
pub(super) fn recipient(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    id: &AgencyId,
) -> Result<Arc<AgencyView>, Refusal> {
    if id == caller.agency() {
        return Err(Refusal::InvalidField("recipient"));
    }
    let view = snapshot.agency(id)?;
    let view = view.filter(|view| directory::is_visible(caller.kind(), view));
    let view = view.ok_or(Refusal::RecipientUnavailable)?;
    view.available(snapshot.now)?;
    Ok(view)
}

fn make_offer(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    asked: &Asked<'_>,
    new: &NewOffer,
) -> Result<Made, Refusal> {
    let recipient = recipient(snapshot, caller, &new.recipient)?;
    if new.deposits.is_empty() || new.deposits.len() > Stage::ALL.len() {
        return Err(Refusal::InvalidField("offers.deposits"));
    }
    let ask = Ask {
        source: asked.source,
        recipient: &recipient,
        case: asked.case,
        purpose: asked.purpose,
    };
    let mut admitted: Vec<Admitted> = Vec::with_capacity(new.deposits.len());
    for deposit in &new.deposits {
        let one = admit(snapshot, &ask, deposit)?;
        if admitted.iter().any(|other| other.stage == one.stage) {
            return Err(Refusal::InvalidField("offers.deposits"));
        }
        admitted.push(one);
    }
    if !admitted.iter().any(|one| one.stage == Stage::Triage) {
        return Err(Refusal::InvalidField("offers.deposits"));
    }
    let id = OfferId::from_random(snapshot.shared.engine.fresh_id()?);
    let record = OfferRecord {
        source: asked.source.id.to_string(),
        recipient: new.recipient.to_string(),
        referral: asked.referral.to_string(),
        case: asked.case.to_string(),
        purpose: asked.purpose.name().to_owned(),
        urgency: asked.urgency.name().to_owned(),
        decide_by: asked.decide_by.millis(),
        state: OfferState::Offered.name().to_owned(),
        deposited: admitted
            .iter()
            .map(|one| u32::from(key::stage(one.stage)))
            .collect(),
        updated: snapshot.now.millis(),
        ..OfferRecord::default()
    };
    let decision = Decision::Offered {
        offer: id.to_string(),
        referral: record.referral.clone(),
        case: record.case.clone(),
        recipient: record.recipient.clone(),
        purpose: record.purpose.clone(),
        urgency: record.urgency.clone(),
        decide_by: record.decide_by,
        deposits: admitted.iter().map(|one| one.decision.clone()).collect(),
        staff: caller.staff().as_str().to_owned(),
    };
    let inbox = InboxRecord {
        offer: id.to_string(),
    };
    let mut writes = vec![
        record.put(key::offer(id)),
        schedule(asked.decide_by, Due::Lapse(id)),
    ];
    let validity = admitted.iter().map(|one| one.validity).collect();
    writes.extend(
        admitted
            .into_iter()
            .flat_map(|one| one.writes(&asked.source.id, id)),
    );
    let resource = OfferName {
        agency: new.recipient.clone(),
        offer: id,
    };
    Ok(Made {
        id,
        entry: snapshot.entry_by(caller, decision),
        writes,
        row: Row {
            table: Table::Inbox,
            agency: new.recipient.clone(),
            value: prost::Message::encode_to_vec(&inbox),
        },
        doorbell: Doorbell {
            agency: new.recipient.clone(),
            resource: resource.to_string(),
            kind: EventKind::OfferReceived,
        },
        validity,
    })
}

/// Prepares a referral with all its offers.
pub(super) fn prepare_create(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    requested: &Requested,
    new: &NewReferral,
) -> Result<Prepared<(ReferralName, Vec<OfferName>)>, Refusal> {
    let own = snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        let name = remembered(&record, 0)?;
        let offers: Result<_, _> = (1..record.names.len())
            .map(|at| remembered(&record, at))
            .collect();
        return Ok(Prepared::Again((name, offers?), record.indexes));
    }
    let asked = check_new(snapshot, &own, new)?;
    snapshot.case(&own.id, new.case)?;
    let mut made = Vec::with_capacity(new.offers.len());
    for offer in &new.offers {
        made.push(make_offer(snapshot, caller, &asked, offer)?);
    }
    let name = ReferralName {
        agency: own.id.clone(),
        referral: asked.referral,
    };
    let offer_name = |made: &Made| OfferName {
        agency: own.id.clone(),
        offer: made.id,
    };
    let offers: Vec<OfferName> = made.iter().map(offer_name).collect();
    let record = ReferralRecord {
        case: new.case.to_string(),
        purpose: new.purpose.name().to_owned(),
        urgency: new.urgency.name().to_owned(),
        decide_by: asked.decide_by.millis(),
        offers: made.iter().map(|made| made.id.to_string()).collect(),
        created: snapshot.now.millis(),
        recalled: false,
        withdrawn: false,
    };
    let outbox = OutboxRecord {
        referral: asked.referral.to_string(),
    };
    let mut change = snapshot.change();
    let shown: Vec<usize> = (0..made.len()).collect();
    for made in made {
        made.add_to(&mut change);
    }
    change
        .writes
        .push(record.put(key::referral(&own.id, asked.referral)));
    change.rows.push(Row {
        table: Table::Outbox,
        agency: own.id.clone(),
        value: prost::Message::encode_to_vec(&outbox),
    });
    let mut names = vec![name.to_string()];
    names.extend(offers.iter().map(ToString::to_string));
    snapshot.remember(&mut change, &own.id, requested, names, &shown, 0);
    Ok(Prepared::New(change, (name, offers), shown))
}

fn check_new<'a>(
    snapshot: &Snapshot<'_>,
    own: &'a AgencyView,
    new: &NewReferral,
) -> Result<Asked<'a>, Refusal> {
    if new.offers.is_empty() || new.offers.len() > OFFERS_MAX {
        return Err(Refusal::InvalidField("offers"));
    }
    for (at, offer) in new.offers.iter().enumerate() {
        let mut before = new.offers.iter().take(at);
        if before.any(|other| other.recipient == offer.recipient) {
            return Err(Refusal::InvalidField("offers.recipient"));
        }
    }
    if new.decide_by.is_some_and(|asked| asked <= snapshot.now) {
        return Err(Refusal::InvalidField("decide_by"));
    }
    let decide_by = decide_by(new.urgency, snapshot.now, new.decide_by, None);
    if decide_by <= snapshot.now {
        // Less than a minute is no time to decide.
        return Err(Refusal::InvalidField("decide_by"));
    }
    Ok(Asked {
        source: own,
        referral: ReferralId::from_random(snapshot.shared.engine.fresh_id()?),
        case: new.case,
        purpose: new.purpose,
        urgency: new.urgency,
        decide_by,
    })
}

/// Prepares one more offer of a referral.
pub(super) fn prepare_add(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &ReferralName,
    requested: &Requested,
    new: &NewOffer,
) -> Result<Prepared<OfferName>, Refusal> {
    name.owned_by(caller)?;
    let own = snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again(remembered(&record, 0)?, record.indexes));
    }
    let mut record = load(snapshot, name)?;
    let offers = offers_of(snapshot, &record, true)?;
    let states: Vec<OfferState> = offers.iter().map(|offer| offer.state).collect();
    if !state_of(&record, &states).accepts_offers() {
        return Err(Refusal::ReferralState);
    }
    if record.offers.len() >= OFFERS_MAX {
        return Err(Refusal::TooMany);
    }
    if offers.iter().any(|offer| is_open_to(offer, &new.recipient)) {
        return Err(Refusal::InvalidField("offer.recipient"));
    }
    let urgency = records::word(Table::Referral, &record.urgency)?;
    let asked = Asked {
        source: &own,
        referral: name.referral,
        case: records::word(Table::Referral, &record.case)?,
        purpose: records::word(Table::Referral, &record.purpose)?,
        urgency,
        // The next candidate has the urgency's time again; the first one's may be over.
        decide_by: decide_by(urgency, snapshot.now, None, None),
    };
    snapshot.case(&own.id, asked.case)?;
    let made = make_offer(snapshot, caller, &asked, new)?;
    let offer = OfferName {
        agency: own.id.clone(),
        offer: made.id,
    };
    record.offers.push(made.id.to_string());
    record.decide_by = record.decide_by.max(asked.decide_by.millis());
    let mut change = snapshot.change();
    made.add_to(&mut change);
    change
        .writes
        .push(record.put(key::referral(&own.id, name.referral)));
    let names = vec![offer.to_string()];
    snapshot.remember(&mut change, &own.id, requested, names, &[0], 0);
    Ok(Prepared::New(change, offer, vec![0]))
}

fn is_open_to(offer: &crate::exchange::offer::view::OfferView, recipient: &AgencyId) -> bool {
    offer.recipient == *recipient && !offer.state.is_terminal()
}
