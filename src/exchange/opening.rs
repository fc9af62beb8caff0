//! Opening a parcel: the gate runs again, and the entry is durable before the first byte leaves.

use super::forward::{self, PassedOn};
use super::offer::view::OfferView;
use super::parcel::{gate_refusal, labels_of};
use super::person::{CaseOf, Told, disclosed, released};
use super::sequencer::Doorbell;
use super::snapshot::{Prepared, Snapshot};
use super::{Exchange, OfferName, Receipt, Refusal, event::EventKind, turn};
use crate::domain::gate::{self, Proposal};
use crate::domain::label::LabelSet;
use crate::domain::time::Period;
use crate::domain::vocabulary::{DisclosureKind, Stage};
use crate::envelope::statement::SealedParcel;
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::ledger::hash;
use crate::storage::engine::Table;
use crate::storage::records::parcel::{ParcelContentRecord, ParcelRecord};
use crate::storage::records::{self, key};

/// A parcel that was read, and may not leave before its opening is in the ledger.
pub(super) struct Withheld {
    pub(super) parcel: SealedParcel,
    pub(super) ancestors: Vec<Vec<u8>>,
}

/// A parcel and the receipt of its opening: there is no other way to get one out.
#[derive(Debug)]
#[must_use]
pub struct Disclosure {
    parcel: SealedParcel,
    ancestors: Vec<Vec<u8>>,
    receipt: Receipt,
}

impl Disclosure {
    /// Releases what was withheld, against the receipt of its own `opened` entry (invariant 8).
    fn release(withheld: Withheld, receipt: Receipt) -> Self {
        Self {
            parcel: withheld.parcel,
            ancestors: withheld.ancestors,
            receipt,
        }
    }

    /// Of a forward: the statements of what the parcel passes on, the nearest first, for its recipient to check the
    /// disclosures against. Empty for a source's own.
    #[must_use]
    pub fn ancestors(&self) -> &[Vec<u8>] {
        &self.ancestors
    }

    /// The parcel and the receipt.
    pub fn into_parts(self) -> (SealedParcel, Receipt) {
        (self.parcel, self.receipt)
    }
}

fn prepare(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &OfferName,
    stage: Stage,
) -> Result<Prepared<Withheld>, Refusal> {
    let own = snapshot.own_agency(caller)?;
    let mut offer = OfferView::of_recipient(snapshot, name)?;
    snapshot.confirmed(&offer.source)?;
    let at = key::parcel(name.offer, stage);
    // The same reads are made whatever is missing: an absent parcel takes no other time than a withdrawn one.
    let record = snapshot.get::<ParcelRecord>(at.clone())?;
    let content = snapshot.peek::<ParcelContentRecord>(&at)?;
    let record = record.ok_or(Refusal::NotFound)?;
    let content = content.ok_or(Refusal::NotFound)?;
    let chain = records::word(Table::Parcel, &record.chain)?;
    snapshot.case(&offer.source, offer.case)?;
    let found = snapshot.basis(&offer.source, chain)?;
    let head = found.ok_or(Refusal::NotFound)?;
    let protocol = snapshot.protocol()?;
    let labels = labels_of(&record)?;
    let set: LabelSet = labels.iter().map(|label| label.label).collect();
    let proposal = Proposal {
        source: &offer.source,
        recipient: &offer.recipient,
        recipient_kind: own.kind,
        purpose: offer.purpose,
        stage,
        labels: set,
    };
    let permit = gate::permit_opening(
        &proposal,
        offer.state,
        head.gate(),
        protocol.in_force()?,
        snapshot.now,
    )
    .map_err(gate_refusal)?;
    let expires = records::time(Table::Parcel, record.expires)?;
    if expires <= snapshot.now {
        // It ends up to a quarter of an hour before its basis, whose time is not rounded.
        return Err(Refusal::NotFound);
    }
    // What is passed on stands only as long as everything that it rests on.
    let beneath = forward::standing(snapshot, &record, set, turn::is_place(&offer))?;
    let ancestors = forward::statements(snapshot, &record)?;
    let passed_on = PassedOn {
        kind: DisclosureKind::Opened,
        by: offer.source.clone(),
        recipient: offer.recipient.clone(),
        purpose: offer.purpose,
        stage: Some(stage),
        labels: set,
        cases: forward::cases(&record.ancestors)?,
    };
    let mut change = snapshot.change();
    change.within(permit.validity());
    change.within(beneath);
    change.within(Period {
        from: permit.validity().from,
        until: expires,
    });
    if offer.state.can_lapse() {
        change.within(Period {
            from: permit.validity().from,
            until: offer.decide_by,
        });
    }
    let decision = Decision::Opened {
        offer: name.offer.to_string(),
        stage: stage.name().to_owned(),
        parcel: record.parcel.clone(),
        statement_hash: hash::sha256(&[&record.statement]).base64url(),
        protocol: permit.protocol(),
        gate: permit.gate(),
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    let of = CaseOf {
        source: offer.source.clone(),
        case: offer.case,
    };
    let told = Told {
        kind: DisclosureKind::Opened,
        by: &offer.source,
        recipient: &offer.recipient,
        purpose: Some(offer.purpose),
        stage: Some(stage),
        labels: set,
        basis: head.basis.as_deref(),
        offer: Some(offer.id),
    };
    disclosed(&mut change, 0, &of, &told);
    passed_on.tell(&mut change, 0);
    let first = offer.mark_opened(stage);
    let newly = offer.mark_parcel_opened(stage, &record.parcel) || first;
    if newly {
        released(&mut change, &of, set);
    }
    if offer.told_again() || newly {
        change.writes.push(offer.put(snapshot.now, false));
    }
    if first {
        change.doorbells.push(Doorbell {
            agency: offer.source.clone(),
            resource: offer.source_name().to_string(),
            kind: EventKind::OfferChanged,
        });
    }
    let parcel = SealedParcel {
        statement: record.statement,
        enc: content.encapsulated_key,
        wrapped: content.wrapped_key,
        labels,
        fields: content.fields,
    };
    Ok(Prepared::New(
        change,
        Withheld { parcel, ancestors },
        vec![0],
    ))
}

impl Exchange {
    /// Opens one stage's parcel. Never remembered: a repeated call runs the gate again and is a new entry.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] for absent, withdrawn, expired, closed or not yet: one answer, and the ledger records
    /// a denial for each, so that they take the same time.
    pub async fn open_parcel(
        &self,
        caller: &Caller,
        name: &OfferName,
        stage: Stage,
    ) -> Result<Disclosure, Refusal> {
        let (by, name) = (caller.clone(), name.clone());
        let step = move |snapshot: &mut Snapshot<'_>| {
            name.owned_by(&by)?;
            prepare(snapshot, &by, &name, stage)
        };
        self.disclose(caller, "OpenParcel", step).await
    }

    /// Discloses what `step` withholds until its entry is durable. Whatever is refused is recorded as a denial and
    /// answered as nothing to see, so that all causes look alike and take the same time.
    pub(super) async fn disclose(
        &self,
        caller: &Caller,
        method: &'static str,
        step: impl Fn(&mut Snapshot<'_>) -> Result<Prepared<Withheld>, Refusal> + Send + Sync + 'static,
    ) -> Result<Disclosure, Refusal> {
        let (withheld, receipt) = self.disclose_as(caller, method, step).await?;
        Ok(Disclosure::release(withheld, receipt))
    }

    /// As [`Exchange::disclose`], for whatever is withheld.
    pub(super) async fn disclose_as<T: Send + 'static>(
        &self,
        caller: &Caller,
        method: &'static str,
        step: impl Fn(&mut Snapshot<'_>) -> Result<Prepared<T>, Refusal> + Send + Sync + 'static,
    ) -> Result<(T, Receipt), Refusal> {
        let refusal = match self.perform(step).await {
            Ok(done) => return done.single(),
            Err(refusal) => refusal,
        };
        let answer = match refusal {
            Refusal::Unavailable
            | Refusal::Overloaded
            | Refusal::Internal
            | Refusal::SuccessionPending => return Err(refusal),
            Refusal::NotPermitted => Refusal::NotPermitted,
            _ => Refusal::NotFound,
        };
        // The ledger keeps the true reason; the caller hears that there is nothing to see.
        self.deny(
            caller.agency(),
            Some(caller.staff()),
            method,
            refusal.reason(),
        )
        .await?;
        Err(answer)
    }
}
