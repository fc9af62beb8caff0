//! Carried referrals for who is no member: the router keeps what was sealed on which basis, and judges every release.
//!
//! It holds neither the file nor any part of its key; what it gives is the entry, before which the source's own
//! program hands out nothing.

use super::basis::{STATEMENT_BYTES_MAX, statement_refusal, text};
use super::parcel::gate_refusal;
use super::person::{CaseOf, Told, disclosed};
use super::snapshot::{Prepared, Snapshot, own, remembered};
use super::{CarriedName, Exchange, Receipt, Refusal, Requested, SKEW};
use crate::domain::gate::{self, Permit, Proposal};
use crate::domain::id::{AgencyId, BasisChainId};
use crate::domain::label::{Label, LabelSet};
use crate::domain::time::Period;
use crate::domain::vocabulary::{AgencyKind, DisclosureKind, Purpose, Stage};
use crate::envelope::outward::OutwardStatement;
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::storage::engine::Table;
use crate::storage::records::carried::CarriedRecord;
use crate::storage::records::{self, Record, key};
use data_encoding::BASE64URL_NOPAD;

/// What the gate is asked.
struct Asked<'a> {
    source: &'a AgencyId,
    recipient: &'a AgencyId,
    purpose: Purpose,
    labels: LabelSet,
    chain: BasisChainId,
}

fn judge(
    snapshot: &mut Snapshot<'_>,
    asked: &Asked<'_>,
) -> Result<(Permit, Option<std::sync::Arc<crate::domain::basis::Basis>>), Refusal> {
    let found = snapshot.basis(asked.source, asked.chain)?;
    let head = found.ok_or(Refusal::BasisNotAllowed)?;
    let protocol = snapshot.protocol()?;
    let proposal = Proposal {
        source: asked.source,
        recipient: asked.recipient,
        recipient_kind: AgencyKind::NonMember,
        purpose: asked.purpose,
        stage: Stage::Accepted,
        labels: asked.labels,
    };
    let permit = gate::permit(&proposal, head.gate(), protocol.in_force()?, snapshot.now);
    Ok((permit.map_err(gate_refusal)?, head.basis))
}

fn prepare_record(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    requested: &Requested,
    token: &[u8],
) -> Result<Prepared<CarriedName>, Refusal> {
    let source = caller.agency();
    if let Some(record) = snapshot.recall(source, requested)? {
        return Ok(Prepared::Again(remembered(&record, 0)?, record.indexes));
    }
    if token.len() > STATEMENT_BYTES_MAX {
        return Err(Refusal::InvalidField("statement"));
    }
    let own = snapshot.own_agency(caller)?;
    let signer = snapshot.signer_of(&own, token)?;
    let statement = OutwardStatement::parse(token, signer)
        .map_err(|error| statement_refusal(error, Refusal::InvalidField("statement")))?;
    if !statement.stands(snapshot.now, SKEW) {
        return Err(Refusal::InvalidField("statement"));
    }
    let row = key::carried(source, statement.carried);
    if snapshot.get::<CarriedRecord>(row.clone())?.is_some() {
        return Err(Refusal::InvalidField("statement"));
    }
    let asked = Asked {
        source,
        recipient: &statement.recipient,
        purpose: statement.purpose,
        labels: statement.labels,
        chain: statement.chain,
    };
    let (permit, _) = judge(snapshot, &asked)?;
    let name = CarriedName {
        agency: source.clone(),
        carried: statement.carried,
    };
    let record = CarriedRecord {
        recipient: statement.recipient.to_string(),
        purpose: statement.purpose.name().to_owned(),
        labels: statement
            .labels
            .iter()
            .map(|label| label.to_string())
            .collect(),
        chain: statement.chain.to_string(),
        expires: statement.expires.millis(),
    };
    let mut change = snapshot.change();
    change.within(permit.validity());
    change.writes.push(record.put(row));
    let decision = Decision::CarriedRecorded {
        carried: statement.carried.to_string(),
        statement: text(token)?,
        protocol: permit.protocol(),
        gate: permit.gate(),
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    snapshot.remember(
        &mut change,
        source,
        requested,
        vec![name.to_string()],
        &[0],
        0,
    );
    Ok(Prepared::New(change, name, vec![0]))
}

fn prepare_release(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &CarriedName,
    requested: &Requested,
    request: &[u8; 32],
) -> Result<Prepared<()>, Refusal> {
    const TABLE: Table = Table::Carried;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    snapshot.own_agency(caller)?;
    snapshot.confirmed(&name.agency)?;
    let record = snapshot.get::<CarriedRecord>(key::carried(&name.agency, name.carried))?;
    let record = record.ok_or(Refusal::NotFound)?;
    let expires = records::time(TABLE, record.expires)?;
    if expires <= snapshot.now {
        return Err(Refusal::BasisNotInForce);
    }
    let labels = record
        .labels
        .iter()
        .map(|label| records::word::<Label>(TABLE, label));
    let recipient: AgencyId = records::word(TABLE, &record.recipient)?;
    let asked = Asked {
        source: &name.agency,
        recipient: &recipient,
        purpose: records::word(TABLE, &record.purpose)?,
        labels: labels.collect::<Result<_, _>>()?,
        chain: records::word(TABLE, &record.chain)?,
    };
    let (permit, basis) = judge(snapshot, &asked)?;
    let mut change = snapshot.change();
    if let Some(basis) = &basis {
        let of = CaseOf {
            source: name.agency.clone(),
            case: basis.case,
        };
        let told = Told {
            kind: DisclosureKind::Carried,
            by: &name.agency,
            recipient: &recipient,
            purpose: Some(asked.purpose),
            stage: None,
            labels: asked.labels,
            basis: Some(basis),
            offer: None,
        };
        disclosed(&mut change, 0, &of, &told);
    }
    change.within(permit.validity());
    change.within(Period {
        from: permit.validity().from,
        until: expires,
    });
    let decision = Decision::CarriedReleased {
        carried: name.carried.to_string(),
        request: BASE64URL_NOPAD.encode(request),
        protocol: permit.protocol(),
        gate: permit.gate(),
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
}

impl Exchange {
    /// Records what a source sealed for somebody who is no member.
    ///
    /// # Errors
    ///
    /// [`Refusal::SignatureInvalid`], [`Refusal::InvalidField`], and what the gate refuses.
    pub async fn record_carried(
        &self,
        caller: &Caller,
        source: &AgencyId,
        requested: Requested,
        statement: Vec<u8>,
    ) -> Result<(CarriedName, Receipt), Refusal> {
        let (by, source) = (caller.clone(), source.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            own(&by, &source)?;
            prepare_record(snapshot, &by, &requested, &statement)
        };
        self.perform_for(caller, "RecordCarried", prepare)
            .await?
            .single()
    }

    /// Records that a source is about to release what opens a carried referral; the gate decides again.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], and what the gate refuses: withdrawn and expired alike.
    pub async fn release_carried(
        &self,
        caller: &Caller,
        name: &CarriedName,
        requested: Requested,
        request: [u8; 32],
    ) -> Result<Receipt, Refusal> {
        let (by, name) = (caller.clone(), name.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            name.owned_by(&by)?;
            prepare_release(snapshot, &by, &name, &requested, &request)
        };
        Ok(self
            .perform_for(caller, "ReleaseCarried", prepare)
            .await?
            .single()?
            .1)
    }
}
