//! Parcels as they are deposited: sealed and opaque, checked as far as can be seen from outside, and through the gate.

use super::agencies::AgencyView;
use super::basis::statement_refusal;
use super::forward::{self, Received, Rests};
use super::person::{CaseOf, ever_released};
use super::sequencer::Change;
use super::snapshot::Snapshot;
use super::{Refusal, SKEW};
use crate::domain::complaint;
use crate::domain::gate::{self, Proposal};
use crate::domain::id::{AgencyId, BasisChainId, CaseHandle, OfferId, ParcelId};
use crate::domain::label::{Label, LabelSet};
use crate::domain::time::Period;
use crate::domain::vocabulary::{BasisKind, Purpose, Stage};
use crate::envelope::statement::{LabelledDigest, ParcelClaims, SealedParcel};
use crate::ledger::decision;
use crate::storage::engine::Table;
use crate::storage::records::parcel::{
    AncestorRecord, ChainParcelRecord, LabelRecord, ParcelContentRecord, ParcelRecord,
};
use crate::storage::records::{self, Record, key};
use data_encoding::BASE64URL_NOPAD;
use prost::Message as _;

/// A parcel with what opens its basis commitment; that part is never passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposit {
    /// The parcel.
    pub parcel: SealedParcel,
    /// Basis chain that covers it.
    pub chain: BasisChainId,
    /// Salt of the basis commitment.
    pub salt: [u8; 32],
}

/// What a deposit is for.
pub(super) struct Ask<'a> {
    pub(super) source: &'a AgencyView,
    pub(super) recipient: &'a AgencyView,
    pub(super) case: CaseHandle,
    pub(super) purpose: Purpose,
}

/// A deposit that passed every check and the gate.
pub(super) struct Admitted {
    pub(super) stage: Stage,
    pub(super) validity: Period,
    pub(super) decision: decision::Deposited,
    /// Of a forward: what it rests on, the nearest first.
    pub(super) ancestors: Vec<AncestorRecord>,
    pub(super) labels: LabelSet,
    chain: BasisChainId,
    record: ParcelRecord,
    content: ParcelContentRecord,
    /// Others' chains that it rests on, by which their withdrawal finds it.
    beneath: Vec<(AgencyId, BasisChainId)>,
}

impl Admitted {
    /// Keeps the parcel for `offer` of `source` with `change`, whose entry at `entry` carries it.
    pub(super) fn keep(self, source: &AgencyId, offer: OfferId, change: &mut Change, entry: usize) {
        let at = key::parcel(offer, self.stage);
        let row = key::chain_parcel(source, self.chain, offer, self.stage);
        change.writes.push(self.content.put(at.clone()));
        change.writes.push(ChainParcelRecord {}.put(row));
        for (source, chain) in self.beneath {
            let row = key::chain_parcel(&source, chain, offer, self.stage);
            change.writes.push(ChainParcelRecord {}.put(row));
        }
        let mut record = self.record;
        change.late_bytes += record.encoded_len();
        change.late.push(Box::new(move |placed| {
            record.entry = placed.first + entry as u64 + 1;
            vec![record.put(at)]
        }));
    }
}

/// The gate's refusal, as the source hears it.
pub(super) fn gate_refusal(refusal: gate::Refusal) -> Refusal {
    match refusal {
        gate::Refusal::Nothing => Refusal::StatementInvalid,
        gate::Refusal::NotAllowed => Refusal::BasisNotAllowed,
        gate::Refusal::NotInForce => Refusal::BasisNotInForce,
        gate::Refusal::Paused => Refusal::BasisPaused,
        gate::Refusal::Bounds(_) | gate::Refusal::TriageOnly => Refusal::BasisBounds,
        gate::Refusal::Protocol(labels) => Refusal::ProtocolRefused(labels),
        gate::Refusal::NotCovered(labels) => Refusal::BasisNotCovering(labels),
        gate::Refusal::Stage => Refusal::NotFound,
    }
}

/// What a sealed parcel comes as.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role<'a> {
    /// The first of its stage, or in place of one that nobody opened.
    Deposit,
    /// Corrects the one of these that its statement names.
    Amendment(&'a [(Stage, ParcelId)]),
}

impl Role<'_> {
    fn fits(self, claims: &ParcelClaims) -> bool {
        match (self, claims.supersedes) {
            (Self::Deposit, superseded) => superseded.is_none(),
            (Self::Amendment(of), Some(parcel)) => of.contains(&(claims.stage, parcel)),
            (Self::Amendment(_), None) => false,
        }
    }
}

/// Checks one deposit: signature, sealed parts, recipient's key, basis commitment, and the gate. One signature check.
///
/// What passes on another parcel names it as its `parent`, for an offer that passes on; nothing else does.
pub(super) fn admit(
    snapshot: &mut Snapshot<'_>,
    ask: &Ask<'_>,
    received: Option<&Received>,
    deposit: &Deposit,
) -> Result<Admitted, Refusal> {
    admit_as(snapshot, ask, received, deposit, Role::Deposit)
}

/// As [`admit`], for a parcel that comes as `role`.
pub(super) fn admit_as(
    snapshot: &mut Snapshot<'_>,
    ask: &Ask<'_>,
    received: Option<&Received>,
    deposit: &Deposit,
    role: Role<'_>,
) -> Result<Admitted, Refusal> {
    let invalid = |error| statement_refusal(error, Refusal::StatementInvalid);
    let bundle = ask.recipient.available(snapshot.now)?;
    let signer = snapshot.signer_of(ask.source, &deposit.parcel.statement)?;
    let statement = deposit.parcel.verify(signer).map_err(invalid)?;
    let claims = statement.claims();
    let meant = claims.recipient == ask.recipient.id
        && claims.purpose == ask.purpose
        && role.fits(claims)
        && claims.parent.is_some() == received.is_some()
        && statement.stands(snapshot.now, SKEW);
    if !meant {
        return Err(Refusal::StatementInvalid);
    }
    let key = bundle.sealing_key(&claims.kid);
    let key = key.ok_or(Refusal::StatementInvalid)?;
    statement.check_key(key).map_err(invalid)?;
    statement
        .check_basis(&deposit.salt, &deposit.chain)
        .map_err(invalid)?;

    let found = snapshot.basis(&ask.source.id, deposit.chain)?;
    let head = found.ok_or(Refusal::BasisNotAllowed)?;
    if head.record.case != ask.case.to_string() {
        return Err(Refusal::BasisNotAllowed);
    }
    let proposal = Proposal {
        source: &ask.source.id,
        recipient: &ask.recipient.id,
        recipient_kind: ask.recipient.kind,
        purpose: ask.purpose,
        stage: claims.stage,
        labels: deposit.parcel.label_set(),
    };
    let protocol = snapshot.protocol()?;
    let permit = gate::permit(&proposal, head.gate(), protocol.in_force()?, snapshot.now);
    let permit = permit.map_err(gate_refusal)?;
    let kind = head.basis.as_ref().map(|basis| basis.kind);
    if kind == Some(BasisKind::Complaint) {
        // Not relied on: what was released once stays released.
        let of = CaseOf {
            source: ask.source.id.clone(),
            case: ask.case,
        };
        let beyond = complaint::beyond(proposal.labels, ever_released(snapshot, &of)?);
        if !beyond.is_empty() {
            return Err(Refusal::ComplaintBeyondReleased(beyond));
        }
    }
    let rests = match received {
        Some(received) => forward::admit(snapshot, received, claims, &deposit.parcel.labels)?,
        None => Rests::NOTHING,
    };
    let before_end = Period {
        from: permit.validity().from,
        until: claims.expires,
    };
    let validity = permit.validity().intersection(&before_end);
    Ok(Admitted {
        stage: claims.stage,
        validity: validity.intersection(&rests.validity),
        decision: decision::Deposited {
            parcel: claims.parcel.to_string(),
            stage: claims.stage.name().to_owned(),
            statement: super::basis::text(&deposit.parcel.statement)?,
            labels: deposit.parcel.labels.iter().map(label_decision).collect(),
            chain: deposit.chain.to_string(),
            salt: BASE64URL_NOPAD.encode(&deposit.salt),
            protocol: permit.protocol(),
            gate: permit.gate(),
        },
        beneath: rests.chains()?,
        labels: proposal.labels,
        chain: deposit.chain,
        record: ParcelRecord {
            statement: deposit.parcel.statement.clone(),
            labels: deposit.parcel.labels.iter().map(label_record).collect(),
            parcel: claims.parcel.to_string(),
            chain: deposit.chain.to_string(),
            expires: claims.expires.millis(),
            entry: 0,
            forward_recipients: (claims.forward.recipients.iter())
                .map(ToString::to_string)
                .collect(),
            forward_hops: u32::from(claims.forward.hops),
            ancestors: rests.ancestors.clone(),
        },
        content: ParcelContentRecord {
            encapsulated_key: deposit.parcel.enc.clone(),
            wrapped_key: deposit.parcel.wrapped.clone(),
            fields: deposit.parcel.fields.clone(),
        },
        ancestors: rests.ancestors,
    })
}

pub(super) fn label_decision(label: &LabelledDigest) -> decision::LabelledDigest {
    decision::LabelledDigest {
        d: BASE64URL_NOPAD.encode(&label.digest),
        cat: label.label.category().name().to_owned(),
        form: label.label.form().name().to_owned(),
    }
}

pub(super) fn label_record(label: &LabelledDigest) -> LabelRecord {
    LabelRecord {
        digest: label.digest.to_vec(),
        category: label.label.category().name().to_owned(),
        form: label.label.form().name().to_owned(),
    }
}

/// The labels of a stored parcel.
pub(super) fn labels_of(record: &ParcelRecord) -> Result<Vec<LabelledDigest>, Refusal> {
    labels_of_records(Table::Parcel, &record.labels)
}

/// Labels as stored in `table`.
pub(super) fn labels_of_records(
    table: Table,
    labels: &[LabelRecord],
) -> Result<Vec<LabelledDigest>, Refusal> {
    let parse = |label: &LabelRecord| {
        let category = records::word(table, &label.category)?;
        let form = records::word(table, &label.form)?;
        Ok(LabelledDigest {
            digest: records::fixed(table, &label.digest)?,
            label: Label::new(category, form).map_err(|_| records::corrupt(table))?,
        })
    };
    labels.iter().map(parse).collect()
}
