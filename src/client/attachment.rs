//! Attachments: sealed here, sent in pieces that a bad link can take up again, opened where a parcel told of them.

use std::io::{Read, Write};

use super::agency::Desk;
use super::error::ClientError;
use super::random::SystemRandom;
use super::words;
use crate::domain::id::{AttachmentId, OfferId};
use crate::domain::random::Random as _;
use crate::domain::vocabulary::Stage;
use crate::envelope::jws::digest_from_b64u;
use crate::envelope::stream::{
    ATTACHMENT_BYTES_MAX, FileOpener, SEALED_CHUNK_BYTES, SealedFile, StreamError, seal_file,
};
use crate::ledger::decision::Decision;
use crate::proto::v1;
use crate::proto::v1::attachment_service_client::AttachmentServiceClient;
use crate::proto::v1::download_attachment_response::Part as Down;
use crate::proto::v1::upload_attachment_request::Part as Up;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// Chunks of one call: 2 MiB, within the router's deadline on a link of some 100 KB/s.
const CHUNKS_PER_CALL: usize = 32;

/// How often an interrupted transfer is taken up again without getting any further.
const RESUMED_MAX: u32 = 3;

/// What opens an attachment; it travels sealed, in a field of a parcel under DOCUMENTS/COPY.
#[derive(Clone, PartialEq, Eq)]
pub struct Attached {
    /// Its id.
    pub attachment: AttachmentId,
    /// Bytes of the content.
    pub size_bytes: usize,
    digest: [u8; 32],
    key: Zeroizing<[u8; 32]>,
}

/// Names the attachment only.
impl std::fmt::Debug for Attached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Attached({})", self.attachment)
    }
}

/// A file sealed and ready: sent again as it is until the router has all of it.
pub struct PreparedAttachment {
    attached: Attached,
    stage: Stage,
    sealed: SealedFile,
}

impl std::fmt::Debug for PreparedAttachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PreparedAttachment({})", self.attached.attachment)
    }
}

impl Attached {
    /// A value for the field `documents.copies`, which is a list of these.
    #[must_use]
    pub fn copy(&self, kind: &str, media_type: &str) -> Value {
        json!({
            "kind": kind,
            "media_type": media_type,
            "attached": {
                "attachment": self.attachment.to_string(),
                "key": BASE64URL_NOPAD.encode(&self.key[..]),
                "digest": BASE64URL_NOPAD.encode(&self.digest),
                "size_bytes": self.size_bytes,
            },
        })
    }

    /// Reads an item of the field `documents.copies`; `None` when its content is not attached.
    #[must_use]
    pub fn of_copy(copy: &Value) -> Option<Self> {
        let attached = copy.get("attached")?;
        let text = |name: &str| attached.get(name).and_then(Value::as_str);
        let bytes = attached.get("size_bytes").and_then(Value::as_u64)?;
        Some(Self {
            attachment: text("attachment")?.parse().ok()?,
            size_bytes: usize::try_from(bytes).ok()?,
            digest: digest_from_b64u(text("digest")?)?,
            key: Zeroizing::new(digest_from_b64u(text("key")?)?),
        })
    }
}

impl PreparedAttachment {
    /// Seals what `content` gives, at most 25 MiB; nothing is sent.
    ///
    /// # Errors
    ///
    /// [`ClientError::Attachment`] when it is empty or too long, [`ClientError::File`] when it cannot be read.
    pub fn seal(stage: Stage, content: &mut impl Read) -> Result<Self, ClientError> {
        let mut clear = Zeroizing::new(Vec::new());
        let limit = ATTACHMENT_BYTES_MAX as u64 + 1;
        content.take(limit).read_to_end(&mut clear)?;
        let key = Zeroizing::new(SystemRandom.array::<32>());
        let sealed = seal_file(&key, &clear)?;
        Ok(Self {
            attached: Attached {
                attachment: AttachmentId::from_random(SystemRandom.array()),
                size_bytes: clear.len(),
                digest: sealed.digest,
                key,
            },
            stage,
            sealed,
        })
    }

    /// What is to stand in the parcel.
    #[must_use]
    pub const fn attached(&self) -> &Attached {
        &self.attached
    }

    /// Chunks in all.
    #[must_use]
    pub fn chunks(&self) -> usize {
        self.sealed.bytes.len() / SEALED_CHUNK_BYTES
    }

    /// The parts of one call, from chunk `first` on, at most `most` of them.
    #[must_use]
    pub fn parts(
        &self,
        offer: String,
        first: u32,
        most: usize,
    ) -> Vec<v1::UploadAttachmentRequest> {
        let header = v1::UploadHeader {
            offer,
            attachment: self.attached.attachment.to_string(),
            stage: words::stage_number(self.stage),
            chunks: u32::try_from(self.chunks()).unwrap_or(u32::MAX),
            digest: self.sealed.digest.to_vec(),
            first_chunk: first,
        };
        let chunks = self.sealed.bytes.chunks(SEALED_CHUNK_BYTES);
        let chunks = chunks.skip(first as usize).take(most);
        let chunks = chunks.map(|chunk| Up::Chunk(chunk.to_vec()));
        let parts = std::iter::once(Up::Header(header)).chain(chunks);
        let request = |part| v1::UploadAttachmentRequest { part: Some(part) };
        parts.map(request).collect()
    }
}

impl Desk {
    /// Seals and sends a file; what comes back is to stand in the parcel of `stage`, deposited or amended afterwards.
    ///
    /// # Errors
    ///
    /// As [`PreparedAttachment::seal`] and [`Desk::send_attachment`].
    pub async fn upload_attachment(
        &self,
        offer: OfferId,
        stage: Stage,
        content: &mut impl Read,
    ) -> Result<Attached, ClientError> {
        let prepared = PreparedAttachment::seal(stage, content)?;
        self.send_attachment(offer, &prepared).await?;
        Ok(prepared.attached)
    }

    /// Sends a prepared attachment, from where it was interrupted before.
    ///
    /// # Errors
    ///
    /// As any call; after [`ClientError::NoAnswer`] or [`ClientError::Unreachable`] the same may be sent again.
    pub async fn send_attachment(
        &self,
        offer: OfferId,
        prepared: &PreparedAttachment,
    ) -> Result<(), ClientError> {
        let name = words::offer_name(self.agency().id(), offer);
        let mut resumed = 0;
        let mut first = self.chunks_kept(&name, prepared).await?;
        loop {
            let sent = self.send_part(offer, &name, prepared, first).await;
            let kept = match sent {
                Ok(None) => return Ok(()),
                Ok(Some(kept)) => kept,
                Err(_) if resumed < RESUMED_MAX => self.chunks_kept(&name, prepared).await?,
                Err(error) => return Err(error),
            };
            // Whoever gets further is patient anew.
            resumed = if kept > first { 0 } else { resumed + 1 };
            if resumed > RESUMED_MAX {
                return Err(ClientError::NoAnswer);
            }
            first = kept;
        }
    }

    /// How many chunks of an attachment the router keeps: those need not be sent again.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn kept_of_attachment(
        &self,
        offer: OfferId,
        prepared: &PreparedAttachment,
    ) -> Result<u32, ClientError> {
        let name = words::offer_name(self.agency().id(), offer);
        self.chunks_kept(&name, prepared).await
    }

    async fn chunks_kept(
        &self,
        offer: &str,
        prepared: &PreparedAttachment,
    ) -> Result<u32, ClientError> {
        let request = v1::GetUploadRequest {
            offer: offer.to_owned(),
            attachment: prepared.attached.attachment.to_string(),
        };
        let asked = self
            .call(request, |channel, request| async move {
                AttachmentServiceClient::new(channel)
                    .get_upload(request)
                    .await
            })
            .await;
        match asked {
            Ok((reply, _)) => Ok(reply.chunks_kept),
            Err(ClientError::Refused(refused)) if refused.code == tonic::Code::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Sends some chunks; gives how many are kept, or none when the attachment is there and proved to be.
    async fn send_part(
        &self,
        offer: OfferId,
        name: &str,
        prepared: &PreparedAttachment,
        first: u32,
    ) -> Result<Option<u32>, ClientError> {
        let parts = prepared.parts(name.to_owned(), first, CHUNKS_PER_CALL);
        let (reply, known) = self
            .call(parts, |channel, request| async move {
                AttachmentServiceClient::new(channel)
                    .upload_attachment(request.map(tokio_stream::iter))
                    .await
            })
            .await?;
        if reply.receipt.is_none() {
            return Ok(Some(reply.chunks_kept));
        }
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        proven.expect(|decision| match decision {
            Decision::AttachmentDeposited {
                offer: named,
                attachment,
                digest,
                ..
            } => {
                *named == offer.to_string()
                    && *attachment == prepared.attached.attachment.to_string()
                    && digest_from_b64u(digest) == Some(prepared.sealed.digest)
            }
            _ => false,
        })?;
        Ok(None)
    }

    /// Fetches an attachment that a parcel told of and writes its content out, chunk by chunk, each checked.
    ///
    /// What was written before an error is the beginning of the content, and no more.
    ///
    /// # Errors
    ///
    /// [`ClientError::Attachment`] when it is not what its source sealed; [`ClientError::Refused`] with `NOT_FOUND` for
    /// absent, withdrawn, expired, closed or not yet; [`ClientError::File`] when it cannot be written.
    pub async fn download_attachment(
        &self,
        offer: OfferId,
        attached: &Attached,
        content: &mut impl Write,
    ) -> Result<(), ClientError> {
        let mut opener = FileOpener::new(&attached.key, attached.size_bytes)?;
        let count = crate::envelope::stream::chunks_of(attached.size_bytes);
        let mut resumed = 0;
        while (opener.opened() as usize) < count {
            let before = opener.opened();
            let fetched = self
                .fetch_chunks(offer, attached, &mut opener, content)
                .await;
            match fetched {
                Ok(()) if opener.opened() as usize == count => {}
                // The router has fewer than the parcel says.
                Ok(()) => return Err(StreamError::Tampered.into()),
                Err(ClientError::NoAnswer | ClientError::Unreachable) if resumed < RESUMED_MAX => {
                    resumed = if opener.opened() > before {
                        0
                    } else {
                        resumed + 1
                    };
                }
                Err(error) => return Err(error),
            }
        }
        Ok(opener.finish(&attached.digest)?)
    }

    async fn fetch_chunks(
        &self,
        offer: OfferId,
        attached: &Attached,
        opener: &mut FileOpener,
        content: &mut impl Write,
    ) -> Result<(), ClientError> {
        let request = v1::DownloadAttachmentRequest {
            offer: words::offer_name(self.agency().id(), offer),
            attachment: attached.attachment.to_string(),
            first_chunk: opener.opened(),
        };
        let (mut stream, known) = self
            .call(request, |channel, request| async move {
                AttachmentServiceClient::new(channel)
                    .download_attachment(request)
                    .await
            })
            .await?;
        let first = stream.message().await.map_err(interrupted)?;
        let Some(Down::Receipt(receipt)) = first.and_then(|first| first.part) else {
            return Err(ClientError::Reply("no receipt"));
        };
        let proven = self.prove(Some(&receipt), known).await?;
        proven.expect(|decision| {
            matches!(decision, Decision::AttachmentOpened { offer: named, attachment, .. }
                if *named == offer.to_string() && *attachment == attached.attachment.to_string())
        })?;
        while let Some(next) = stream.message().await.map_err(interrupted)? {
            let Some(Down::Chunk(chunk)) = next.part else {
                return Err(ClientError::Reply("no chunk"));
            };
            content.write_all(&opener.open(&chunk)?)?;
        }
        Ok(())
    }
}

/// What ended a stream: the router's word, or nothing that could be heard.
fn interrupted(status: tonic::Status) -> ClientError {
    let refused = super::error::Refused::from_status(&status);
    match refused.reason {
        super::error::Reason::Unknown => ClientError::NoAnswer,
        _ => ClientError::Refused(refused),
    }
}
