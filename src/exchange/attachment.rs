//! Attachments: sealed files beside an offer's parcels, in pieces, kept under a key of their own, read by the gate.
//!
//! Chunks go to a file and are synced; one small commit says that all are there. Nothing of an attachment is in a
//! batch, so that 25 MiB never keep an acknowledgement waiting. One chunk a stream is in memory, and few streams at a
//! time are let in.

mod download;
mod streams;
mod sweep;

pub use download::Download;
pub(super) use streams::Attachments;

use super::agencies::AgencyView;
use super::amendment::over;
use super::message::chains;
use super::offer::view::OfferView;
use super::parcel::gate_refusal;
use super::receipt::Receipt;
use super::snapshot::{Prepared, Snapshot};
use super::start::Shared;
use super::{Exchange, OfferName, Refusal};
use crate::domain::attachment::{CHUNKS_MAX, PER_OFFER_MAX, PER_REFERRAL_MAX, SEALED_CHUNK_BYTES};
use crate::domain::gate::{self, Permit, Proposal};
use crate::domain::id::{AttachmentId, BasisChainId, OfferId};
use crate::domain::label::{Label, LabelSet};
use crate::domain::vocabulary::{Category, Form, Stage};
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::storage::engine::Table;
use crate::storage::files::{self, Files};
use crate::storage::records::attachment::{
    AttachmentKeyRecord, AttachmentRecord, UnfinishedRecord,
};
use crate::storage::records::offer::OfferRecord;
use crate::storage::records::referral::ReferralRecord;
use crate::storage::records::{self, Record, key};
use data_encoding::BASE64URL_NOPAD;
use std::io;
use std::sync::Arc;
use streams::{Stream, Writing};

const TABLE: Table = Table::Attachment;

/// Chunks between two syncs: 1 MiB.
const SYNC_EVERY: u32 = 16;

/// What an upload says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadHeader {
    /// The source's name of the offer.
    pub offer: OfferName,
    /// The attachment.
    pub attachment: AttachmentId,
    /// Stage of the parcel that it goes with.
    pub stage: Stage,
    /// Chunks in all.
    pub chunks: u32,
    /// SHA-256 of all of them.
    pub digest: [u8; 32],
    /// The first chunk of this stream.
    pub first_chunk: u32,
}

/// How far an upload came.
#[derive(Debug)]
pub struct Kept {
    /// Chunks kept durably.
    pub chunks: u32,
    /// Receipt, once all are.
    pub receipt: Option<Receipt>,
}

/// The label that an attachment is told under.
pub(super) fn copy_label() -> Result<LabelSet, Refusal> {
    let label = Label::new(Category::Documents, Form::Copy).map_err(|_| Refusal::Internal)?;
    Ok([label].into_iter().collect())
}

/// A file that could not be read or written; a full disk is no fault of ours.
fn broken(error: &io::Error) -> Refusal {
    tracing::error!(%error, "an attachment's file cannot be used");
    Refusal::Unavailable
}

/// The gate for an attachment of the source: some chain of the offer's parcels covers a copy at that stage.
fn permit(
    snapshot: &mut Snapshot<'_>,
    offer: &OfferView,
    recipient: &AgencyView,
    stage: Stage,
) -> Result<(Permit, BasisChainId), Refusal> {
    let proposal = Proposal {
        source: &offer.source,
        recipient: &offer.recipient,
        recipient_kind: recipient.kind,
        purpose: offer.purpose,
        stage,
        labels: copy_label()?,
    };
    let protocol = snapshot.protocol()?;
    let mut last = Refusal::BasisNotAllowed;
    for chain in chains(snapshot, offer)? {
        let Some(head) = snapshot.basis(&offer.source, chain)? else {
            continue;
        };
        match gate::permit(&proposal, head.gate(), protocol.in_force()?, snapshot.now) {
            Ok(permit) => return Ok((permit, chain)),
            Err(refusal) => last = gate_refusal(refusal),
        }
    }
    Err(last)
}

/// The offer, if its source may still add to it, and the gate's yes.
fn open_offer(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    header: &UploadHeader,
) -> Result<(OfferView, Permit, BasisChainId), Refusal> {
    header.offer.owned_by(caller)?;
    snapshot.own_agency(caller)?;
    let offer = OfferView::of_source(snapshot, &header.offer)?;
    if offer.state.is_terminal() {
        return Err(over(offer.state));
    }
    if offer.is_paused() {
        return Err(Refusal::BasisNotInForce);
    }
    if !offer.record.forwards.is_empty() {
        // Who passes on says what it was told, in parcels that name where it came from.
        return Err(Refusal::State(offer.state));
    }
    offer.while_open(snapshot);
    snapshot.case(&offer.source, offer.case)?;
    let recipient = snapshot.agency(&offer.recipient)?;
    let recipient = recipient.ok_or(Refusal::RecipientUnavailable)?;
    recipient.available(snapshot.now)?;
    let (permit, chain) = permit(snapshot, &offer, &recipient, header.stage)?;
    Ok((offer, permit, chain))
}

/// Attachments of all offers of a referral.
fn of_referral(snapshot: &Snapshot<'_>, offer: &OfferView) -> Result<usize, Refusal> {
    let row = key::referral(&offer.source, offer.referral);
    let referral = snapshot.peek::<ReferralRecord>(&row)?;
    let referral = referral.ok_or_else(|| records::corrupt(Table::Offer))?;
    let mut count = 0;
    for id in &referral.offers {
        let id: OfferId = records::word(Table::Referral, id)?;
        let record = snapshot.peek::<OfferRecord>(&key::offer(id))?;
        count += record.map_or(0, |record| record.attachments.len());
    }
    Ok(count)
}

/// The key of the file, kept or made.
fn prepare_begin(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    header: &UploadHeader,
) -> Result<Prepared<(AttachmentRecord, Vec<u8>)>, Refusal> {
    let (mut offer, permit, _) = open_offer(snapshot, caller, header)?;
    let at = key::attachment(header.offer.offer, header.attachment);
    if let Some(record) = snapshot.get::<AttachmentRecord>(at.clone())? {
        let same = record.stage == header.stage.name()
            && record.chunks == header.chunks
            && record.digest == header.digest;
        if !same {
            return Err(Refusal::InvalidField("header.attachment"));
        }
        let kept = snapshot.peek::<AttachmentKeyRecord>(&at)?;
        let kept = kept.ok_or(Refusal::NotFound)?;
        return Ok(Prepared::Again((record, kept.key), Vec::new()));
    }
    let used = &offer.record.attachments;
    if used.len() >= PER_OFFER_MAX || of_referral(snapshot, &offer)? >= PER_REFERRAL_MAX {
        return Err(Refusal::TooMany);
    }
    let bytes = u64::from(header.chunks) * SEALED_CHUNK_BYTES as u64;
    let files = &snapshot.shared.attachments.files;
    if !files.has_room(bytes).map_err(|error| broken(&error))? {
        tracing::warn!("no space for an attachment");
        return Err(Refusal::Unavailable);
    }
    let record = AttachmentRecord {
        stage: header.stage.name().to_owned(),
        chunks: header.chunks,
        digest: header.digest.to_vec(),
        begun: snapshot.now.millis(),
        complete: false,
        index: 0,
    };
    let kept = snapshot.shared.random::<32>().to_vec();
    let id = header.attachment.as_bytes().to_vec();
    offer.record.attachments.push(id);
    let mut change = snapshot.change();
    change.within(permit.validity());
    change.writes.push(record.put(at.clone()));
    let secret = AttachmentKeyRecord { key: kept.clone() };
    change.writes.push(secret.put(at.clone()));
    let begun = key::unfinished(snapshot.now, &at);
    change.writes.push(UnfinishedRecord {}.put(begun));
    change.writes.push(offer.put(snapshot.now, false));
    Ok(Prepared::New(change, (record, kept), Vec::new()))
}

fn prepare_finish(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    header: &UploadHeader,
) -> Result<Prepared<()>, Refusal> {
    let at = key::attachment(header.offer.offer, header.attachment);
    let record = snapshot.get::<AttachmentRecord>(at.clone())?;
    let mut record = record.ok_or(Refusal::NotFound)?;
    if record.complete {
        header.offer.owned_by(caller)?;
        return Ok(Prepared::Again((), vec![record.index]));
    }
    // Erased meanwhile: what was sent is noise.
    let secret = snapshot.get::<AttachmentKeyRecord>(at.clone())?;
    secret.ok_or(Refusal::NotFound)?;
    let (_, permit, chain) = open_offer(snapshot, caller, header)?;
    let decision = Decision::AttachmentDeposited {
        offer: header.offer.offer.to_string(),
        attachment: header.attachment.to_string(),
        stage: header.stage.name().to_owned(),
        chunks: header.chunks,
        digest: BASE64URL_NOPAD.encode(&header.digest),
        chain: chain.to_string(),
        protocol: permit.protocol(),
        gate: permit.gate(),
        staff: caller.staff().as_str().to_owned(),
    };
    let begun = records::time(TABLE, record.begun)?;
    let mut change = snapshot.change();
    change.within(permit.validity());
    change.entries.push(snapshot.entry_by(caller, decision));
    change.writes.push(crate::storage::engine::Write::Delete {
        table: Table::Unfinished,
        key: key::unfinished(begun, &at),
    });
    record.complete = true;
    change.late.push(Box::new(move |placed| {
        record.index = placed.first;
        vec![record.put(at)]
    }));
    Ok(Prepared::New(change, (), vec![0]))
}

/// An upload in progress. Dropping it keeps what was synced.
pub struct Upload {
    exchange: Arc<Exchange>,
    caller: Caller,
    header: UploadHeader,
    /// None once the file was found unusable.
    open: Option<(files::Upload, Writing)>,
    complete: bool,
    _stream: Stream,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upload({})", self.header.attachment)
    }
}

impl Upload {
    /// Works on the file where it may block; whoever hangs up leaves the work to end by itself.
    async fn with<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut files::Upload) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (mut file, writing) = self.open.take().ok_or(Refusal::Unavailable)?;
        let worked = tokio::task::spawn_blocking(move || {
            let done = work(&mut file);
            (done, file, writing)
        });
        let (done, file, writing) = worked.await.map_err(|_| Refusal::Internal)?;
        let done = done.map_err(|error| broken(&error))?;
        self.open = Some((file, writing));
        Ok(done)
    }

    /// Keeps the next chunk.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidField`] for one of another length or past the last, [`Refusal::Unavailable`] when the disk
    /// refuses.
    pub async fn append(&mut self, chunk: Vec<u8>) -> Result<(), Refusal> {
        let chunks = self.header.chunks;
        if chunk.len() != SEALED_CHUNK_BYTES || self.complete {
            return Err(Refusal::InvalidField("chunk"));
        }
        let fits = self
            .with(move |file| {
                if file.count() >= chunks {
                    return Ok(false);
                }
                file.append(&chunk)?;
                if file.count().is_multiple_of(SYNC_EVERY) {
                    file.sync()?;
                }
                Ok(true)
            })
            .await?;
        if fits {
            Ok(())
        } else {
            Err(Refusal::InvalidField("chunk"))
        }
    }

    /// Makes durable what came, and with the last chunk the attachment.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidField`] when all came and are not those of the digest: they are to be sent anew; otherwise as
    /// [`Exchange::begin_upload`].
    pub async fn finish(mut self) -> Result<Kept, Refusal> {
        let header = self.header.clone();
        let kept = self
            .with(move |file| {
                file.sync()?;
                let all = file.count() == header.chunks;
                if all && file.digest() != header.digest {
                    file.clear()?;
                    return Ok(None);
                }
                Ok(Some(file.count()))
            })
            .await?;
        let chunks = kept.ok_or(Refusal::InvalidField("header.digest"))?;
        if chunks < self.header.chunks {
            return Ok(Kept {
                chunks,
                receipt: None,
            });
        }
        let (by, header) = (self.caller.clone(), self.header.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| prepare_finish(snapshot, &by, &header);
        let done = self
            .exchange
            .perform_for(&self.caller, "UploadAttachment", prepare)
            .await?;
        let (_, receipt) = done.single()?;
        Ok(Kept {
            chunks,
            receipt: Some(receipt),
        })
    }
}

impl Exchange {
    /// Begins an upload, or goes on with it.
    ///
    /// # Errors
    ///
    /// The gate's refusals, [`Refusal::State`], [`Refusal::TooMany`], [`Refusal::InvalidField`] for another attachment
    /// of this id or another first chunk, [`Refusal::Overloaded`], [`Refusal::Unavailable`] when there is no space.
    pub async fn begin_upload(
        self: Arc<Self>,
        caller: &Caller,
        header: UploadHeader,
    ) -> Result<Upload, Refusal> {
        if header.chunks == 0 || header.chunks > CHUNKS_MAX {
            return Err(Refusal::InvalidField("header.chunks"));
        }
        let stream = self.stream(caller).await?;
        let (by, asked) = (caller.clone(), header.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| prepare_begin(snapshot, &by, &asked);
        let begun = self
            .perform_for(caller, "UploadAttachment", prepare)
            .await?;
        let (record, secret) = begun.value;
        let secret: [u8; 32] = records::fixed(Table::AttachmentKey, &secret)?;
        let row = key::attachment(header.offer.offer, header.attachment);
        let writing = self.shared.attachments.writer(&row)?;
        let shared = Arc::clone(&self.shared);
        let opened = tokio::task::spawn_blocking(move || {
            let file = shared
                .attachments
                .files
                .upload(&row, &secret, SEALED_CHUNK_BYTES);
            file.map(|file| (file, writing))
        });
        let opened = opened.await.map_err(|_| Refusal::Internal)?;
        let (file, writing) = opened.map_err(|error| broken(&error))?;
        if file.count() != header.first_chunk {
            return Err(Refusal::InvalidField("header.first_chunk"));
        }
        Ok(Upload {
            caller: caller.clone(),
            header,
            open: Some((file, writing)),
            complete: record.complete,
            exchange: self,
            _stream: stream,
        })
    }

    /// How many chunks of an upload are kept, and whether it is complete.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`].
    pub async fn upload(
        &self,
        caller: &Caller,
        offer: &OfferName,
        attachment: AttachmentId,
    ) -> Result<(u32, bool), Refusal> {
        offer.owned_by(caller)?;
        let _stream = self.stream(caller).await?;
        let name = offer.clone();
        self.read(move |snapshot| {
            OfferView::of_source(snapshot, &name)?;
            let at = key::attachment(name.offer, attachment);
            let record = snapshot.peek::<AttachmentRecord>(&at)?;
            let record = record.ok_or(Refusal::NotFound)?;
            let kept = snapshot.peek::<AttachmentKeyRecord>(&at)?;
            let kept = kept.ok_or(Refusal::NotFound)?;
            if record.complete {
                return Ok((record.chunks, true));
            }
            let secret = records::fixed(Table::AttachmentKey, &kept.key)?;
            let files = &snapshot.shared.attachments.files;
            let count = files.kept(&at, &secret, SEALED_CHUNK_BYTES);
            Ok((count.map_err(|error| broken(&error))?, false))
        })
        .await
    }
}

/// Unlinks the files whose key a batch erased.
pub(super) fn unlink_erased(shared: &Files, row: &[u8]) {
    if let Err(error) = shared.remove(row) {
        tracing::warn!(%error, "an erased attachment's file stays until the next sweep");
    }
}

/// The rows of a sweep and of a download need these.
fn is_erased(shared: &Shared, row: &[u8]) -> Result<bool, Refusal> {
    Ok(shared.engine.get(Table::AttachmentKey, row)?.is_none())
}
