//! Reading an attachment: the gate runs again, the entry is durable before the first byte leaves, and it is asked anew
//! before every chunk, so that a withdrawal, a narrower basis or an erasure ends what is under way (invariant 13).

use super::streams::Stream;
use super::{broken, copy_label};
use crate::domain::attachment::SEALED_CHUNK_BYTES;
use crate::domain::basis::Basis;
use crate::domain::gate::{self, Permit, Proposal};
use crate::domain::id::AttachmentId;
use crate::domain::time::Period;
use crate::domain::vocabulary::{DisclosureKind, Stage};
use crate::exchange::offer::view::OfferView;
use crate::exchange::parcel::{gate_refusal, labels_of};
use crate::exchange::person::{CaseOf, Told, disclosed, released};
use crate::exchange::snapshot::{Prepared, Snapshot};
use crate::exchange::start::Shared;
use crate::exchange::{Exchange, OfferName, Receipt, Refusal};
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::storage::engine::Table;
use crate::storage::files::Blocks;
use crate::storage::records::attachment::{AttachmentKeyRecord, AttachmentRecord};
use crate::storage::records::parcel::ParcelRecord;
use crate::storage::records::{self, key};
use std::sync::Arc;

/// What a download reads, withheld until its entry is durable.
pub(super) struct Source {
    row: Vec<u8>,
    secret: [u8; 32],
    chunks: u32,
}

/// What a download stands on, as it stands now.
struct Standing {
    offer: OfferView,
    stage: Stage,
    parcel: ParcelRecord,
    permit: Permit,
    basis: Option<Arc<Basis>>,
    source: Source,
}

/// Whether its recipient may read an attachment now: asked before the first chunk, and again before every other.
fn standing(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &OfferName,
    attachment: AttachmentId,
) -> Result<Standing, Refusal> {
    name.owned_by(caller)?;
    let own = snapshot.own_agency(caller)?;
    let offer = OfferView::of_recipient(snapshot, name)?;
    snapshot.confirmed(&offer.source)?;
    let row = key::attachment(offer.id, attachment);
    let record = snapshot.get::<AttachmentRecord>(row.clone())?;
    let secret = snapshot.get::<AttachmentKeyRecord>(row.clone())?;
    let record = record.filter(|record| record.complete);
    let record = record.ok_or(Refusal::NotFound)?;
    let secret = secret.ok_or(Refusal::NotFound)?;
    if offer.is_paused() {
        return Err(Refusal::NotFound);
    }
    let stage: Stage = records::word(Table::Attachment, &record.stage)?;
    let parcel = snapshot.get::<ParcelRecord>(key::parcel(offer.id, stage))?;
    // It goes with the parcel that the recipient has in hand, and that parcel must tell of copies.
    let parcel = parcel.filter(|parcel| offer.opened_parcel(stage) == Some(parcel.parcel.as_str()));
    let parcel = parcel.ok_or(Refusal::NotFound)?;
    let labels = copy_label()?;
    let told = labels_of(&parcel)?;
    if !told.iter().any(|item| labels.contains(item.label)) {
        return Err(Refusal::NotFound);
    }
    let chain = records::word(Table::Parcel, &parcel.chain)?;
    snapshot.case(&offer.source, offer.case)?;
    let found = snapshot.basis(&offer.source, chain)?;
    let head = found.ok_or(Refusal::NotFound)?;
    let proposal = Proposal {
        source: &offer.source,
        recipient: &offer.recipient,
        recipient_kind: own.kind,
        purpose: offer.purpose,
        stage,
        labels,
    };
    let protocol = snapshot.protocol()?;
    let (state, now) = (offer.state, snapshot.now);
    let permit = gate::permit_opening(&proposal, state, head.gate(), protocol.in_force()?, now);
    let permit = permit.map_err(gate_refusal)?;
    if records::time(Table::Parcel, parcel.expires)? <= now {
        return Err(Refusal::NotFound);
    }
    let source = Source {
        row,
        secret: records::fixed(Table::AttachmentKey, &secret.key)?,
        chunks: record.chunks,
    };
    Ok(Standing {
        offer,
        stage,
        parcel,
        permit,
        basis: head.basis,
        source,
    })
}

fn prepare(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &OfferName,
    attachment: AttachmentId,
    first_chunk: u32,
) -> Result<Prepared<Source>, Refusal> {
    let Standing {
        mut offer,
        stage,
        parcel,
        permit,
        basis,
        source,
    } = standing(snapshot, caller, name, attachment)?;
    if first_chunk >= source.chunks {
        return Err(Refusal::NotFound);
    }
    let labels = copy_label()?;
    let mut change = snapshot.change();
    change.within(permit.validity());
    change.within(Period {
        from: permit.validity().from,
        until: records::time(Table::Parcel, parcel.expires)?,
    });
    if offer.state.can_lapse() {
        change.within(Period {
            from: permit.validity().from,
            until: offer.decide_by,
        });
    }
    let decision = Decision::AttachmentOpened {
        offer: offer.id.to_string(),
        attachment: attachment.to_string(),
        stage: stage.name().to_owned(),
        parcel: parcel.parcel,
        first_chunk,
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
        kind: DisclosureKind::Attachment,
        by: &offer.source,
        recipient: &offer.recipient,
        purpose: Some(offer.purpose),
        stage: Some(stage),
        labels,
        basis: basis.as_deref(),
        offer: Some(offer.id),
    };
    disclosed(&mut change, 0, &of, &told);
    released(&mut change, &of, labels);
    if offer.told_again() {
        change.writes.push(offer.put(snapshot.now, false));
    }
    Ok(Prepared::New(change, source, vec![0]))
}

/// An attachment under way to its recipient, and the receipt of its opening: there is no other way to get one out.
#[must_use]
pub struct Download {
    shared: Arc<Shared>,
    caller: Caller,
    offer: OfferName,
    attachment: AttachmentId,
    receipt: Receipt,
    blocks: Arc<Blocks>,
    next: u32,
    chunks: u32,
    _stream: Stream,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Download({} of {})", self.next, self.chunks)
    }
}

impl Download {
    /// The receipt of the opening.
    pub const fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The next chunk; none after the last. Safe to cancel: then the same one is next.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] once it could not be opened any more, [`Refusal::Unavailable`] when the file cannot be
    /// read.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        if self.next >= self.chunks {
            return Ok(None);
        }
        let (shared, blocks) = (Arc::clone(&self.shared), Arc::clone(&self.blocks));
        let (caller, offer) = (self.caller.clone(), self.offer.clone());
        let (attachment, number) = (self.attachment, self.next);
        let read = tokio::task::spawn_blocking(move || {
            let mut snapshot = Snapshot::new(&shared)?;
            let stands = standing(&mut snapshot, &caller, &offer, attachment);
            if let Err(refusal) = stands {
                return Err(match refusal {
                    Refusal::Unavailable | Refusal::Internal => refusal,
                    // One answer, whatever ended it.
                    _ => Refusal::NotFound,
                });
            }
            let chunk = blocks.read(number).map_err(|error| broken(&error))?;
            chunk.ok_or_else(|| {
                tracing::error!("an attachment's file is shorter than what was kept");
                Refusal::Internal
            })
        });
        let chunk = read.await.map_err(|_| Refusal::Internal)??;
        self.next += 1;
        Ok(Some(chunk))
    }
}

impl Exchange {
    /// Begins a download. Never remembered: a repeated call runs the gate again and is a new entry.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] for absent, unfinished, withdrawn, expired, closed or not yet; [`Refusal::Overloaded`].
    pub async fn download(
        &self,
        caller: &Caller,
        offer: &OfferName,
        attachment: AttachmentId,
        first_chunk: u32,
    ) -> Result<Download, Refusal> {
        let stream = self.stream(caller).await?;
        let (by, name) = (caller.clone(), offer.clone());
        let step = move |snapshot: &mut Snapshot<'_>| {
            prepare(snapshot, &by, &name, attachment, first_chunk)
        };
        let opened = self.disclose_as(caller, "DownloadAttachment", step);
        let (source, receipt) = opened.await?;
        let shared = Arc::clone(&self.shared);
        let row = source.row.clone();
        let blocks = tokio::task::spawn_blocking(move || {
            let files = &shared.attachments.files;
            files.blocks(&row, &source.secret, SEALED_CHUNK_BYTES)
        });
        let blocks = blocks.await.map_err(|_| Refusal::Internal)?;
        Ok(Download {
            shared: Arc::clone(&self.shared),
            caller: caller.clone(),
            offer: offer.clone(),
            attachment,
            receipt,
            blocks: Arc::new(blocks.map_err(|error| broken(&error))?),
            next: first_chunk,
            chunks: source.chunks,
            _stream: stream,
        })
    }
}
