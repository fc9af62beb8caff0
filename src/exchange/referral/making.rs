//! Making referrals and offers.

use super::{NewOffer, NewReferral, OFFERS_MAX, load, offers_of, state_of};
use crate::domain::id::{AgencyId, CaseHandle, GroupId, OfferId, ReferralId};
use crate::domain::label::LabelSet;
use crate::domain::schedule::{Schedule, Turn};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{DisclosureKind, OfferState, Purpose, Stage, Urgency};
use crate::exchange::agencies::AgencyView;
use crate::exchange::forward::{self, PassedOn, Received};
use crate::exchange::parcel::{Admitted, Ask, admit};
use crate::exchange::sequencer::{Change, Doorbell, EntryDraft, Row};
use crate::exchange::snapshot::{Prepared, Snapshot, remembered};
use crate::exchange::{OfferName, ReferralName, Refusal, Requested, directory, turn};
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::storage::engine::{Table, Write};
use crate::storage::records::offer::OfferRecord;
use crate::storage::records::referral::{OutboxRecord, ReferralRecord};
use crate::storage::records::request::RequestRecord;
use crate::storage::records::{self, Record, key};
use std::sync::Arc;

/// The referral that offers are made for.
struct Asked<'a> {
    source: &'a AgencyView,
    referral: ReferralId,
    case: CaseHandle,
    purpose: Purpose,
    urgency: Urgency,
    /// What is passed on; none for an ask of its own.
    received: Option<Received>,
    plan: Schedule,
    /// When the person must be placed by.
    place_by: Option<Timestamp>,
    /// The turn of those who are asked now.
    turn: Turn,
    grouped: Option<&'a Grouped>,
}

/// The group that offers are made in.
pub(super) struct Grouped {
    /// Its id at the source.
    pub(super) source: GroupId,
    /// Whether it is kept together.
    pub(super) together: bool,
    /// Its id at each recipient.
    pub(super) recipients: Vec<(AgencyId, GroupId)>,
}

impl Grouped {
    fn at(&self, recipient: &AgencyId) -> Option<GroupId> {
        let mut recipients = self.recipients.iter();
        let found = recipients.find(|(id, _)| id == recipient);
        found.map(|(_, group)| *group)
    }
}

/// What one new offer adds to a change.
struct Made {
    id: OfferId,
    entry: EntryDraft,
    writes: Vec<Write>,
    /// How the recipient learns of it, if it is asked now.
    told: Option<(Row, Doorbell)>,
    source: AgencyId,
    admitted: Vec<Admitted>,
    passed_on: PassedOn,
}

impl Made {
    fn add_to(self, change: &mut Change) {
        let entry = change.entries.len();
        for admitted in self.admitted {
            change.within(admitted.validity);
            admitted.keep(&self.source, self.id, change, entry);
        }
        self.passed_on.tell(change, change.entries.len());
        change.entries.push(self.entry);
        change.writes.extend(self.writes);
        if let Some((row, doorbell)) = self.told {
            change.rows.push(row);
            change.doorbells.push(doorbell);
        }
    }
}

/// A recipient that may be asked: one answer for not enrolled, suspended, without keys, and not to be seen.
pub(in crate::exchange) fn recipient(
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
    queued: bool,
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
        let one = admit(snapshot, &ask, asked.received.as_ref(), deposit)?;
        if admitted.iter().any(|other| other.stage == one.stage) {
            return Err(Refusal::InvalidField("offers.deposits"));
        }
        admitted.push(one);
    }
    if !admitted.iter().any(|one| one.stage == Stage::Triage) {
        return Err(Refusal::InvalidField("offers.deposits"));
    }
    let id = OfferId::from_random(snapshot.shared.engine.fresh_id()?);
    let received = asked.received.as_ref();
    let forwards = received.map(|received| received.offer.id.to_string());
    let group = asked.grouped.and_then(|grouped| grouped.at(&new.recipient));
    let state = if queued {
        OfferState::Queued
    } else {
        OfferState::Offered
    };
    let record = OfferRecord {
        source: asked.source.id.to_string(),
        recipient: new.recipient.to_string(),
        referral: asked.referral.to_string(),
        case: asked.case.to_string(),
        purpose: asked.purpose.name().to_owned(),
        urgency: asked.urgency.name().to_owned(),
        decide_by: if queued {
            0
        } else {
            asked.turn.decide_by.millis()
        },
        asked: if queued { 0 } else { snapshot.now.millis() },
        state: state.name().to_owned(),
        deposited: admitted
            .iter()
            .map(|one| u32::from(key::stage(one.stage)))
            .collect(),
        updated: snapshot.now.millis(),
        forwards: forwards.clone().unwrap_or_default(),
        holders: (asked.received.iter())
            .flat_map(|received| &received.holders)
            .map(ToString::to_string)
            .collect(),
        group: group.map(|group| group.to_string()).unwrap_or_default(),
        together: asked.grouped.is_some_and(|grouped| grouped.together),
        ..OfferRecord::default()
    };
    let told = admitted.iter().map(|one| one.labels);
    let passed_on = PassedOn {
        kind: DisclosureKind::PassedOn,
        by: asked.source.id.clone(),
        recipient: recipient.id.clone(),
        purpose: asked.purpose,
        stage: None,
        labels: told.fold(LabelSet::EMPTY, LabelSet::union),
        cases: forward::cases(admitted.iter().flat_map(|one| &one.ancestors))?,
    };
    let decision = Decision::Offered {
        offer: id.to_string(),
        referral: record.referral.clone(),
        case: record.case.clone(),
        recipient: record.recipient.clone(),
        purpose: record.purpose.clone(),
        urgency: record.urgency.clone(),
        decide_by: record.decide_by,
        place_by: asked.place_by.map(Timestamp::millis),
        deposits: admitted.iter().map(|one| one.decision.clone()).collect(),
        forwards,
        staff: caller.staff().as_str().to_owned(),
    };
    let mut writes = vec![record.put(key::offer(id))];
    if !queued {
        writes.extend(turn::clocks(id, &asked.turn));
        writes.push(turn::met(&new.recipient, &asked.source.id));
    }
    Ok(Made {
        id,
        entry: snapshot.entry_by(caller, decision),
        writes,
        told: (!queued).then(|| turn::told(&new.recipient, id)),
        source: asked.source.id.clone(),
        admitted,
        passed_on,
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
        return again(&record);
    }
    let asked = check_new(snapshot, &own, new, None)?;
    make_referral(snapshot, caller, requested, new, &asked)
}

/// Prepares an ask of one more agency, which passes on what `name` told the caller.
pub(in crate::exchange) fn prepare_forward(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &OfferName,
    requested: &Requested,
    new: &NewReferral,
) -> Result<Prepared<(ReferralName, Vec<OfferName>)>, Refusal> {
    name.owned_by(caller)?;
    let own = snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return again(&record);
    }
    let received = Received::load(snapshot, name)?;
    let asked = Asked {
        received: Some(received),
        ..check_new(snapshot, &own, new, None)?
    };
    make_referral(snapshot, caller, requested, new, &asked)
}

fn again(record: &RequestRecord) -> Result<Prepared<(ReferralName, Vec<OfferName>)>, Refusal> {
    let name = remembered(record, 0)?;
    let offers: Result<_, _> = (1..record.names.len())
        .map(|at| remembered(record, at))
        .collect();
    Ok(Prepared::Again((name, offers?), record.indexes.clone()))
}

fn make_referral(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    requested: &Requested,
    new: &NewReferral,
    asked: &Asked<'_>,
) -> Result<Prepared<(ReferralName, Vec<OfferName>)>, Refusal> {
    let (mut change, name, offers) = make_asked(snapshot, caller, new, asked)?;
    let shown: Vec<usize> = (0..offers.len()).collect();
    let mut names = vec![name.to_string()];
    names.extend(offers.iter().map(ToString::to_string));
    snapshot.remember(&mut change, &asked.source.id, requested, names, &shown, 0);
    Ok(Prepared::New(change, (name, offers), shown))
}

/// One referral with its offers: the offers' entries come first, in their order.
pub(super) fn make(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    own: &AgencyView,
    new: &NewReferral,
    grouped: Option<&Grouped>,
) -> Result<(Change, ReferralName, Vec<OfferName>), Refusal> {
    let asked = check_new(snapshot, own, new, grouped)?;
    make_asked(snapshot, caller, new, &asked)
}

fn make_asked(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    new: &NewReferral,
    asked: &Asked<'_>,
) -> Result<(Change, ReferralName, Vec<OfferName>), Refusal> {
    let own = asked.source;
    snapshot.case(&own.id, new.case)?;
    let mut made = Vec::with_capacity(new.offers.len());
    let most = turn::limit(&asked.plan, new.parallel.unwrap_or(0), snapshot.now);
    if asked.grouped.is_some() && new.offers.len() > most {
        // A family is not queued member by member: whoever is asked is asked for all of them, now.
        return Err(Refusal::InvalidField("members.offers"));
    }
    for (at, offer) in new.offers.iter().enumerate() {
        // The best are asked; the others are next in line, with what was sealed for them.
        made.push(make_offer(snapshot, caller, asked, offer, at >= most)?);
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
        decide_by: asked.turn.decide_by.millis(),
        offers: made.iter().map(|made| made.id.to_string()).collect(),
        created: snapshot.now.millis(),
        group: asked
            .grouped
            .map(|grouped| grouped.source.to_string())
            .unwrap_or_default(),
        place_by: new.place_by.map_or(0, Timestamp::millis),
        finish: asked.plan.finish.map_or(0, Timestamp::millis),
        parallel: new.parallel.unwrap_or(0),
        ..ReferralRecord::default()
    };
    let outbox = OutboxRecord {
        referral: asked.referral.to_string(),
    };
    let mut change = snapshot.change();
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
    Ok((change, name, offers))
}

fn check_new<'a>(
    snapshot: &Snapshot<'_>,
    own: &'a AgencyView,
    new: &NewReferral,
    grouped: Option<&'a Grouped>,
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
    // Less than a minute is no time to decide.
    let plan = Schedule::new(new.urgency, snapshot.now, new.place_by);
    let plan = plan.ok_or(Refusal::InvalidField("place_by"))?;
    let turn = plan.turn(snapshot.now, new.decide_by);
    let turn = turn.ok_or(Refusal::InvalidField("decide_by"))?;
    Ok(Asked {
        source: own,
        referral: ReferralId::from_random(snapshot.shared.engine.fresh_id()?),
        case: new.case,
        purpose: new.purpose,
        urgency: new.urgency,
        received: None,
        plan,
        place_by: new.place_by,
        turn,
        grouped,
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
    if !state_of(&record, &offers).accepts_offers() {
        return Err(Refusal::ReferralState);
    }
    if record.offers.len() >= OFFERS_MAX {
        return Err(Refusal::TooMany);
    }
    if offers.iter().any(|offer| is_open_to(offer, &new.recipient)) {
        return Err(Refusal::InvalidField("offer.recipient"));
    }
    let plan = plan_to_add(snapshot, &record)?;
    // The next candidate has the urgency's time again; the first one's may be over.
    let turn = plan
        .turn(snapshot.now, None)
        .ok_or(Refusal::ReferralState)?;
    let asked = Asked {
        source: &own,
        referral: name.referral,
        case: records::word(Table::Referral, &record.case)?,
        purpose: records::word(Table::Referral, &record.purpose)?,
        received: None,
        urgency: plan.urgency,
        plan,
        place_by: turn::optional_time(record.place_by)?,
        turn,
        grouped: None,
    };
    snapshot.case(&own.id, asked.case)?;
    let most = turn::limit(&plan, record.parallel, snapshot.now);
    let before = offers.iter().filter(|offer| turn::has_turn(offer)).count();
    let waits = offers.iter().any(|offer| offer.state == OfferState::Queued);
    let queued = waits || before >= most;
    let made = make_offer(snapshot, caller, &asked, new, queued)?;
    let offer = OfferName {
        agency: own.id.clone(),
        offer: made.id,
    };
    record.offers.push(made.id.to_string());
    if !queued {
        record.decide_by = record.decide_by.max(turn.decide_by.millis());
    }
    // The source has acted: nobody is rung for it.
    record.unplaced = 0;
    record.supervisor_by = 0;
    let mut change = snapshot.change();
    made.add_to(&mut change);
    change
        .writes
        .push(record.put(key::referral(&own.id, name.referral)));
    let names = vec![offer.to_string()];
    snapshot.remember(&mut change, &own.id, requested, names, &[0], 0);
    Ok(Prepared::New(change, offer, vec![0]))
}

/// The schedule of a referral for one more candidate. When the time to tell the person is over and they are still
/// there, or have stayed, whoever is added has the time that is left, or the urgency's.
fn plan_to_add(snapshot: &Snapshot<'_>, record: &ReferralRecord) -> Result<Schedule, Refusal> {
    let plan = turn::schedule_of(record)?;
    if plan.turn(snapshot.now, None).is_some() {
        return Ok(plan);
    }
    let place_by = turn::optional_time(record.place_by)?;
    let left = Schedule::kept(plan.urgency, place_by);
    Ok(match left.turn(snapshot.now, None) {
        Some(_) => left,
        None => Schedule::kept(plan.urgency, None),
    })
}

fn is_open_to(offer: &crate::exchange::offer::view::OfferView, recipient: &AgencyId) -> bool {
    offer.recipient == *recipient && !offer.state.is_terminal()
}
