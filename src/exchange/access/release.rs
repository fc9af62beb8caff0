//! Releasing by the source's duty desk, and opening by the asking agency.

use super::request::ring_all;
use super::view::{AccessView, Standing, person, refused};
use crate::domain::break_glass::{ACCESS_STAGE, REVIEW_WITHIN, WINDOW};
use crate::domain::gate::GATE_VERSION;
use crate::domain::id::BasisChainId;
use crate::domain::time::{Period, Timestamp};
use crate::domain::vocabulary::DisclosureKind;
use crate::envelope::statement::{Forward, SealedParcel};
use crate::exchange::basis::{statement_refusal, text};
use crate::exchange::clockwork::{self, Due};
use crate::exchange::event::EventKind;
use crate::exchange::offer::view::OfferView;
use crate::exchange::parcel::{label_decision, label_record, labels_of_records};
use crate::exchange::person::{CaseOf, Told, disclosed, released};
use crate::exchange::sequencer::Doorbell;
use crate::exchange::snapshot::{Prepared, Snapshot};
use crate::exchange::{AccessName, Refusal, Requested, SKEW};
use crate::identity::caller::Caller;
use crate::ledger::decision::{Decision, Deposited};
use crate::ledger::hash;
use crate::storage::engine::Table;
use crate::storage::records::access::AccessContentRecord;
use crate::storage::records::{self, Record, key};
use data_encoding::BASE64URL_NOPAD;

/// A parcel that the source's duty desk sealed, and what opens its commitment.
#[derive(Debug, Clone)]
pub(super) struct Sealed {
    pub(super) parcel: SealedParcel,
    pub(super) salt: [u8; 32],
}

/// The offer that an access stands on.
fn offer_of(snapshot: &mut Snapshot<'_>, view: &AccessView) -> Result<OfferView, Refusal> {
    let offer = OfferView::load(snapshot, view.offer)?;
    Ok(offer.ok_or_else(|| records::corrupt(Table::Access))?)
}

pub(super) fn prepare(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &AccessName,
    requested: &Requested,
    sealed: &Sealed,
) -> Result<Prepared<Timestamp>, Refusal> {
    name.owned_by(caller)?;
    let own = snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        let until = records::time(Table::Request, record.time)?;
        return Ok(Prepared::Again(until, record.indexes));
    }
    let view = AccessView::load(snapshot, name.access)?;
    let view = view.filter(|view| view.access.source == name.agency);
    let mut view = view.ok_or(Refusal::NotFound)?;
    let offer = offer_of(snapshot, &view)?;
    let standing = Standing::of(snapshot, &offer)?;

    let invalid = |error| statement_refusal(error, Refusal::StatementInvalid);
    let parcel = &sealed.parcel;
    let requester = snapshot.agency(&view.access.requester)?;
    let requester = requester.ok_or(Refusal::RecipientUnavailable)?;
    let bundle = requester.available(snapshot.now)?;
    let signer = snapshot.signer_of(&own, &parcel.statement)?;
    let statement = parcel.verify(signer).map_err(invalid)?;
    let claims = statement.claims();
    let meant = claims.recipient == view.access.requester
        && claims.purpose == standing.purpose
        && claims.stage == ACCESS_STAGE
        && claims.parent.is_none()
        && claims.supersedes.is_none()
        && claims.forward == Forward::default()
        && claims.expires <= snapshot.now.plus(WINDOW)
        && statement.stands(snapshot.now, SKEW);
    if !meant {
        return Err(Refusal::StatementInvalid);
    }
    let sealing = bundle.sealing_key(&claims.kid);
    let sealing = sealing.ok_or(Refusal::StatementInvalid)?;
    statement.check_key(sealing).map_err(invalid)?;
    let chain = BasisChainId::from_random(*view.id.as_bytes());
    statement
        .check_basis(&sealed.salt, &chain)
        .map_err(invalid)?;

    let protocol = snapshot.protocol()?;
    let protocol = protocol.in_force()?;
    let (now, until) = (snapshot.now, claims.expires);
    let permit = view
        .access
        .release(
            person(caller),
            parcel.label_set(),
            &standing.ground(protocol),
            (now, until),
        )
        .map_err(|refusal| refused(refusal, standing.offer))?;

    view.record.released_staff = caller.staff().as_str().to_owned();
    view.record.released = now.millis();
    view.record.released_until = until.millis();
    view.record.parcel_labels = parcel.labels.iter().map(label_record).collect();
    view.record.statement.clone_from(&parcel.statement);
    view.record.parcel = claims.parcel.to_string();
    let content = AccessContentRecord {
        encapsulated_key: parcel.enc.clone(),
        wrapped_key: parcel.wrapped.clone(),
        fields: parcel.fields.clone(),
    };
    let decision = Decision::AccessReleased {
        access: view.id.to_string(),
        deposit: Deposited {
            parcel: view.record.parcel.clone(),
            stage: ACCESS_STAGE.name().to_owned(),
            statement: text(&parcel.statement)?,
            labels: parcel.labels.iter().map(label_decision).collect(),
            chain: chain.to_string(),
            salt: BASE64URL_NOPAD.encode(&sealed.salt),
            protocol: permit.protocol(),
            gate: GATE_VERSION,
        },
        until: until.millis(),
        staff: caller.staff().as_str().to_owned(),
    };
    let mut change = snapshot.change();
    change.within(Period {
        from: now,
        until: permit.until().min(until),
    });
    change.entries.push(snapshot.entry_by(caller, decision));
    change.writes.push(content.put(key::access(view.id)));
    let ends = clockwork::schedule(until, Due::AccessEnds(view.id));
    let review = clockwork::schedule(now.plus(REVIEW_WITHIN), Due::Review(view.id));
    change.writes.extend([ends, review]);
    ring_all(snapshot, &mut change, &view)?;
    change.late.push(Box::new(move |placed| {
        view.record.released_entry = placed.first + 1;
        vec![view.put()]
    }));
    let time = until.millis();
    snapshot.remember(
        &mut change,
        caller.agency(),
        requested,
        Vec::new(),
        &[0],
        time,
    );
    Ok(Prepared::New(change, until, vec![0]))
}

/// A parcel that was read, and may not leave before its opening is in the ledger.
pub(super) struct Withheld(pub(super) SealedParcel);

pub(super) fn prepare_opening(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &AccessName,
) -> Result<Prepared<Withheld>, Refusal> {
    snapshot.own_agency(caller)?;
    let view = AccessView::load(snapshot, name.access)?;
    let content = snapshot.peek::<AccessContentRecord>(&key::access(name.access))?;
    let view = view.filter(|view| view.access.requester == name.agency);
    let mut view = view.ok_or(Refusal::NotFound)?;
    let content = content.ok_or(Refusal::NotFound)?;
    let mut offer = offer_of(snapshot, &view)?;
    snapshot.confirmed(&offer.source)?;
    let standing = Standing::of(snapshot, &offer)?;
    let protocol = snapshot.protocol()?;
    let permit = view
        .access
        .permit_opening(&standing.ground(protocol.in_force()?), snapshot.now)
        .map_err(|refusal| refused(refusal, standing.offer))?;
    let first = view.record.openings == 0;
    view.record.openings = view.record.openings.saturating_add(1);
    let decision = Decision::AccessOpened {
        access: view.id.to_string(),
        parcel: view.record.parcel.clone(),
        statement_hash: hash::sha256(&[&view.record.statement]).base64url(),
        protocol: permit.protocol(),
        gate: GATE_VERSION,
        staff: caller.staff().as_str().to_owned(),
    };
    let mut change = snapshot.change();
    change.within(Period {
        from: snapshot.now,
        until: permit.until(),
    });
    change.entries.push(snapshot.entry_by(caller, decision));
    let told = view.access.release.as_ref();
    let told = told.map(|release| release.labels).unwrap_or_default();
    let case = CaseOf {
        source: offer.source.clone(),
        case: offer.case,
    };
    let row = Told {
        kind: DisclosureKind::BreakGlass,
        by: &offer.source,
        recipient: &offer.recipient,
        purpose: Some(offer.purpose),
        stage: None,
        labels: told,
        basis: None,
        offer: Some(offer.id),
    };
    disclosed(&mut change, 0, &case, &row);
    released(&mut change, &case, told);
    let told_first = offer.mark_told();
    if offer.told_again() || told_first {
        change.writes.push(offer.put(snapshot.now, false));
    }
    change.writes.push(view.put());
    if first {
        change.doorbells.push(Doorbell {
            agency: view.access.source.clone(),
            resource: view.name(&view.access.source).to_string(),
            kind: EventKind::Access,
        });
    }
    let labels = labels_of_records(Table::Access, &view.record.parcel_labels)?;
    let parcel = SealedParcel {
        statement: view.record.statement,
        enc: content.encapsulated_key,
        wrapped: content.wrapped_key,
        labels,
        fields: content.fields,
    };
    Ok(Prepared::New(change, Withheld(parcel), vec![0]))
}
