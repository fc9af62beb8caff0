//! Passing on: a recipient's own ask of the next agency, which rests on what it was told itself (invariant 14).
//!
//! A forwarded parcel stands on its ancestors: each must still be the newest of its stage, and its source's basis in
//! force for every label, when the forward is deposited and again whenever it is opened. So a withdrawal, a narrower
//! basis or a narrower list of the original source binds everybody who came to know by it, at once.

use super::name::OfferName;
use super::offer::view::{OfferView, stages};
use super::parcel::labels_of;
use super::person::{CaseOf, Told, disclosed};
use super::referral::{CreatedReferral, NewReferral};
use super::sequencer::Change;
use super::snapshot::Snapshot;
use super::{Exchange, Refusal, Requested, turn};
use crate::domain::forward::{self, Granted, Onward};
use crate::domain::gate::{self, Permit, Proposal};
use crate::domain::id::{AgencyId, BasisChainId, OfferId};
use crate::domain::label::LabelSet;
use crate::domain::time::Period;
use crate::domain::vocabulary::{DisclosureKind, OfferState, Purpose, Stage};
use crate::envelope::statement::{LabelledDigest, ParcelClaims};
use crate::identity::caller::Caller;
use crate::ledger::hash;
use crate::storage::engine::Table;
use crate::storage::records::parcel::{AncestorRecord, ParcelRecord};
use crate::storage::records::referral::ReferralRecord;
use crate::storage::records::{self, key};

/// The offer whose parcels are passed on, as the one who passes them on received it.
pub(super) struct Received {
    pub(super) offer: OfferView,
    /// Who held it before, the original source first, who passes it on last.
    pub(super) holders: Vec<AgencyId>,
}

impl Received {
    /// What `name` passes on, for its recipient.
    pub(super) fn load(snapshot: &mut Snapshot<'_>, name: &OfferName) -> Result<Self, Refusal> {
        Self::of(OfferView::of_recipient(snapshot, name)?)
    }

    fn of(offer: OfferView) -> Result<Self, Refusal> {
        let mut holders = holders(&offer)?;
        if holders.is_empty() {
            holders.push(offer.source.clone());
        }
        holders.push(offer.recipient.clone());
        Ok(Self { offer, holders })
    }

    /// What `offer` passes on; none when it is an ask of its own.
    pub(super) fn behind(
        snapshot: &mut Snapshot<'_>,
        offer: &OfferView,
    ) -> Result<Option<Self>, Refusal> {
        let id: Option<OfferId> = records::optional(Table::Offer, &offer.record.forwards)?;
        let Some(id) = id else {
            return Ok(None);
        };
        let behind = OfferView::load(snapshot, id)?;
        let behind = behind.ok_or_else(|| records::corrupt(Table::Offer))?;
        Self::of(behind).map(Some)
    }
}

/// Who held what an offer passes on, the original source first; empty for an ask of its own.
pub(super) fn holders(offer: &OfferView) -> Result<Vec<AgencyId>, Refusal> {
    let holders = offer.record.holders.iter();
    Ok(holders
        .map(|holder| records::word(Table::Offer, holder))
        .collect::<Result<_, _>>()?)
}

/// What a forwarded parcel rests on, and until when.
pub(super) struct Rests {
    pub(super) ancestors: Vec<AncestorRecord>,
    pub(super) validity: Period,
}

impl Rests {
    /// An ask of its own rests on nobody else.
    pub(super) const NOTHING: Self = Self {
        ancestors: Vec::new(),
        validity: Period::ALWAYS,
    };

    /// The chains that it rests on.
    pub(super) fn chains(&self) -> Result<Vec<(AgencyId, BasisChainId)>, Refusal> {
        let chain = |ancestor: &AncestorRecord| {
            let source = records::word(Table::Parcel, &ancestor.source)?;
            Ok((source, records::word(Table::Parcel, &ancestor.chain)?))
        };
        self.ancestors.iter().map(chain).collect()
    }
}

/// Whether `child` holds disclosures of `parent` alone: nothing is added, nothing relabelled.
fn carries_only(parent: &[LabelledDigest], child: &[LabelledDigest]) -> bool {
    child.iter().all(|item| parent.contains(item))
}

/// Checks that the person agreed to a deposit that passes on a parcel of `received`.
///
/// # Errors
///
/// [`Refusal::ForwardNotAllowed`], whichever rule is broken.
pub(super) fn admit(
    snapshot: &mut Snapshot<'_>,
    received: &Received,
    claims: &ParcelClaims,
    labels: &[LabelledDigest],
) -> Result<Rests, Refusal> {
    const NO: Refusal = Refusal::ForwardNotAllowed;
    let digest = claims.parent.ok_or(NO)?;
    let offer = &received.offer;
    let mut found = None;
    for stage in stages(&offer.record.deposited) {
        let parcel = snapshot.get::<ParcelRecord>(key::parcel(offer.id, stage))?;
        let stands = parcel.filter(|parcel| sha256(&parcel.statement) == digest);
        found = found.or(stands.map(|parcel| (stage, parcel)));
    }
    // What is not there any more was superseded: the newest decides.
    let (stage, parent) = found.ok_or(NO)?;
    let known = labels_of(&parent)?;
    let recipients: Vec<AgencyId> = (parent.forward_recipients.iter())
        .map(|recipient| records::word(Table::Parcel, recipient))
        .collect::<Result<_, _>>()?;
    let granted = Granted {
        recipients: &recipients,
        hops: u8::try_from(parent.forward_hops).map_err(|_| records::corrupt(Table::Parcel))?,
        labels: known.iter().map(|item| item.label).collect(),
    };
    let set: LabelSet = labels.iter().map(|item| item.label).collect();
    let onward = Onward {
        holders: &received.holders,
        recipient: &claims.recipient,
        granted: Granted {
            recipients: &claims.forward.recipients,
            hops: claims.forward.hops,
            labels: set,
        },
    };
    forward::covers(&granted, &onward).map_err(|_| NO)?;
    let opened = offer.opened_parcel(stage) == Some(parent.parcel.as_str());
    if !opened || !carries_only(&known, labels) {
        return Err(NO);
    }
    // Only what it could open itself, now, may it pass on.
    offer.while_open(snapshot);
    let expires = records::time(Table::Parcel, parent.expires)?;
    let near = permitted(snapshot, offer, stage, &parent, set)?;
    if !gate::stage_open(offer.state, stage) || expires <= snapshot.now {
        return Err(NO);
    }
    let far = standing(snapshot, &parent, set, false)?;
    let mut ancestors = vec![AncestorRecord {
        offer: offer.id.to_string(),
        stage: u32::from(key::stage(stage)),
        statement: digest.to_vec(),
        source: offer.source.to_string(),
        chain: parent.chain.clone(),
        case: offer.case.to_string(),
    }];
    ancestors.extend(parent.ancestors.iter().cloned());
    let validity = near.validity().intersection(&far).intersection(&Period {
        from: near.validity().from,
        until: expires,
    });
    Ok(Rests {
        ancestors,
        validity,
    })
}

/// That every ancestor of a parcel is the newest of its stage and its basis in force for `labels`; until when.
///
/// `placed`: whether it is read by somebody who said yes. That it found help by others is a reason for a source to
/// close its referral, and takes nothing from those who help.
///
/// # Errors
///
/// [`Refusal::ForwardNotAllowed`].
pub(super) fn standing(
    snapshot: &mut Snapshot<'_>,
    parcel: &ParcelRecord,
    labels: LabelSet,
    placed: bool,
) -> Result<Period, Refusal> {
    let mut validity = Period::ALWAYS;
    for ancestor in &parcel.ancestors {
        let id: OfferId = records::word(Table::Parcel, &ancestor.offer)?;
        let stage = stages(&[ancestor.stage]);
        let stage = *stage
            .first()
            .ok_or_else(|| records::corrupt(Table::Parcel))?;
        let offer = OfferView::load(snapshot, id)?;
        let offer = offer.ok_or_else(|| records::corrupt(Table::Parcel))?;
        snapshot.confirmed(&offer.source)?;
        let asked = snapshot.get::<ReferralRecord>(key::referral(&offer.source, offer.referral))?;
        let asked = asked.ok_or_else(|| records::corrupt(Table::Parcel))?;
        let over = turn::is_ended(&asked) || offer.state == OfferState::Closed;
        if asked.in_error || asked.recalled || (over && !placed) {
            // What its source took back is not passed on either, and what it ended, or somebody else said yes to, is
            // asked of nobody else.
            return Err(Refusal::ForwardNotAllowed);
        }
        let newest = snapshot.get::<ParcelRecord>(key::parcel(id, stage))?;
        let newest = newest.ok_or_else(|| records::corrupt(Table::Parcel))?;
        if sha256(&newest.statement).as_slice() != ancestor.statement {
            return Err(Refusal::ForwardNotAllowed);
        }
        let permit = permitted(snapshot, &offer, stage, &newest, labels)?;
        let expires = records::time(Table::Parcel, newest.expires)?;
        if expires <= snapshot.now {
            // Nobody passes on for longer than they may read it themselves.
            return Err(Refusal::ForwardNotAllowed);
        }
        let near = permit.validity();
        validity = validity.intersection(&near).intersection(&Period {
            from: near.from,
            until: expires,
        });
    }
    Ok(validity)
}

/// The gate, over what a recipient was told and now passes on.
fn permitted(
    snapshot: &mut Snapshot<'_>,
    offer: &OfferView,
    stage: Stage,
    parcel: &ParcelRecord,
    labels: LabelSet,
) -> Result<Permit, Refusal> {
    const NO: Refusal = Refusal::ForwardNotAllowed;
    snapshot.case(&offer.source, offer.case)?;
    let chain: BasisChainId = records::word(Table::Parcel, &parcel.chain)?;
    let head = snapshot.basis(&offer.source, chain)?.ok_or(NO)?;
    let recipient = snapshot.agency(&offer.recipient)?.ok_or(NO)?;
    let proposal = Proposal {
        source: &offer.source,
        recipient: &offer.recipient,
        recipient_kind: recipient.kind,
        purpose: offer.purpose,
        stage,
        labels,
    };
    let protocol = snapshot.protocol()?;
    gate::permit(&proposal, head.gate(), protocol.in_force()?, snapshot.now).map_err(|_| NO)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    *hash::sha256(&[bytes]).as_bytes()
}

/// Whether a parcel of `source` stands under `chain` of `of`, itself or through what it passes on.
pub(super) fn rests_on(
    parcel: &ParcelRecord,
    source: &AgencyId,
    of: &AgencyId,
    chain: BasisChainId,
) -> bool {
    let chain = chain.to_string();
    let own = source == of && parcel.chain == chain;
    let through =
        |ancestor: &AncestorRecord| ancestor.source == of.as_str() && ancestor.chain == chain;
    own || parcel.ancestors.iter().any(through)
}

/// That no chain which `parcel` rests on through others is withdrawn, and no referral that it passes on is ended.
pub(super) fn none_over(
    snapshot: &mut Snapshot<'_>,
    parcel: &ParcelRecord,
) -> Result<bool, Refusal> {
    for ancestor in &parcel.ancestors {
        let source: AgencyId = records::word(Table::Parcel, &ancestor.source)?;
        let chain: BasisChainId = records::word(Table::Parcel, &ancestor.chain)?;
        let head = snapshot.basis(&source, chain)?;
        if head.is_some_and(|head| head.basis.is_none()) {
            return Ok(false);
        }
        let id: OfferId = records::word(Table::Parcel, &ancestor.offer)?;
        let offer = OfferView::load(snapshot, id)?;
        let offer = offer.ok_or_else(|| records::corrupt(Table::Parcel))?;
        let asked = snapshot.get::<ReferralRecord>(key::referral(&source, offer.referral))?;
        let ended = asked.is_none_or(|asked| turn::is_ended(&asked));
        if ended || offer.state == OfferState::Closed {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A row of the person's list for everybody whose parcels are passed on.
///
/// They learn whom it was passed on to, though it is another agency's referral: the person agreed to that list in their
/// own desk, and may ask there who was told (R22).
pub(super) struct PassedOn {
    pub(super) kind: DisclosureKind,
    /// Who passes on.
    pub(super) by: AgencyId,
    pub(super) recipient: AgencyId,
    pub(super) purpose: Purpose,
    pub(super) stage: Option<Stage>,
    pub(super) labels: LabelSet,
    pub(super) cases: Vec<CaseOf>,
}

impl PassedOn {
    /// Writes the rows with the entry at `entry` of the change.
    pub(super) fn tell(&self, change: &mut Change, entry: usize) {
        for of in &self.cases {
            let told = Told {
                kind: self.kind,
                by: &self.by,
                recipient: &self.recipient,
                purpose: Some(self.purpose),
                stage: self.stage,
                labels: self.labels,
                basis: None,
                offer: None,
            };
            disclosed(change, entry, of, &told);
        }
    }
}

/// The cases of what a parcel rests on, each once.
pub(super) fn cases<'a>(
    ancestors: impl IntoIterator<Item = &'a AncestorRecord>,
) -> Result<Vec<CaseOf>, Refusal> {
    let mut cases = Vec::new();
    for ancestor in ancestors {
        let of = CaseOf {
            source: records::word(Table::Parcel, &ancestor.source)?,
            case: records::word(Table::Parcel, &ancestor.case)?,
        };
        if !cases.contains(&of) {
            cases.push(of);
        }
    }
    Ok(cases)
}

/// The statements of what a parcel rests on, the nearest first: its recipient checks the disclosures against them.
pub(super) fn statements(
    snapshot: &Snapshot<'_>,
    parcel: &ParcelRecord,
) -> Result<Vec<Vec<u8>>, Refusal> {
    let statement = |ancestor: &AncestorRecord| {
        let id: OfferId = records::word(Table::Parcel, &ancestor.offer)?;
        let mut row = id.as_bytes().to_vec();
        row.push(u8::try_from(ancestor.stage).map_err(|_| records::corrupt(Table::Parcel))?);
        let parent = snapshot.peek::<ParcelRecord>(&row)?;
        let parent = parent.ok_or_else(|| records::corrupt(Table::Parcel))?;
        Ok(parent.statement)
    };
    parcel.ancestors.iter().map(statement).collect()
}

impl Exchange {
    /// Asks one more agency with what a received offer told, on the caller's own basis.
    ///
    /// # Errors
    ///
    /// As [`Exchange::create_referral`]; [`Refusal::ForwardNotAllowed`], [`Refusal::NotFound`].
    pub async fn create_forward(
        &self,
        caller: &Caller,
        offer: &OfferName,
        requested: Requested,
        referral: NewReferral,
    ) -> Result<CreatedReferral, Refusal> {
        let (by, name) = (caller.clone(), offer.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            super::referral::prepare_forward(snapshot, &by, &name, &requested, &referral)
        };
        let done = self.perform_for(caller, "CreateForward", prepare).await?;
        let (name, offers) = done.value;
        Ok(CreatedReferral {
            name,
            offers,
            receipts: done.receipts,
        })
    }
}
