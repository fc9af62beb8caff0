//! `AttachmentService`: files in pieces, up from the source and down to the recipient.

use super::Services;
use crate::domain::attachment::CHUNKS_MAX;
use crate::domain::id::AttachmentId;
use crate::domain::vocabulary::Stage;
use crate::exchange::attachment::{Download, UploadHeader};
use crate::grpc::call::Call;
use crate::grpc::fields::{Fields, Invalid};
use crate::grpc::listener::Peer;
use crate::grpc::status::{self, Answer};
use crate::proto::v1 as proto;
use proto::attachment_service_server::AttachmentService;
use proto::download_attachment_response::Part as Down;
use proto::upload_attachment_request::Part as Up;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Chunks that wait for a slow reader: one, so that a stream keeps little in memory.
const WAITING_MAX: usize = 1;

/// How long a reader may take none at all.
const READER_PATIENCE: Duration = Duration::from_secs(60);

/// Longest life of a download: below a connection's, and some 30 KB/s for the longest attachment. A slower reader
/// goes on from where it is.
const DOWNLOAD_AGE_MAX: Duration = Duration::from_secs(14 * 60);

#[tonic::async_trait]
impl AttachmentService for Services {
    async fn upload_attachment(
        &self,
        request: Request<Streaming<proto::UploadAttachmentRequest>>,
    ) -> Result<Response<proto::UploadAttachmentResponse>, Status> {
        let (call, mut parts) = Call::of(request)?;
        let first = parts.message().await?.and_then(|first| first.part);
        let Some(Up::Header(header)) = first else {
            return Err(Answer::field("INVALID_FIELD", "header", "must come first").into());
        };
        let header = parse(header)?;
        let exchange = Arc::clone(&self.exchange);
        let mut upload = exchange.begin_upload(call.caller(), header).await?;
        while let Some(next) = parts.message().await? {
            let Some(Up::Chunk(chunk)) = next.part else {
                return Err(Answer::field("INVALID_FIELD", "chunk", "must follow").into());
            };
            upload.append(chunk).await?;
        }
        let kept = upload.finish().await?;
        let receipt = kept.receipt.map(|receipt| call.receipt(&receipt));
        Ok(Response::new(proto::UploadAttachmentResponse {
            chunks_kept: kept.chunks,
            receipt: receipt.transpose()?,
        }))
    }

    async fn get_upload(
        &self,
        request: Request<proto::GetUploadRequest>,
    ) -> Result<Response<proto::GetUploadResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let offer = fields.offer("offer", &message.offer);
        let id = attachment(&mut fields, &message.attachment);
        let (offer, id) = fields.all((offer, id))?;
        let upload = self.exchange.upload(call.caller(), &offer, id).await;
        let (chunks_kept, complete) = call.read(&self.exchange, upload).await?;
        Ok(Response::new(proto::GetUploadResponse {
            chunks_kept,
            complete,
        }))
    }

    type DownloadAttachmentStream = Pin<
        Box<dyn Stream<Item = Result<proto::DownloadAttachmentResponse, Status>> + Send + 'static>,
    >;

    async fn download_attachment(
        &self,
        request: Request<proto::DownloadAttachmentRequest>,
    ) -> Result<Response<Self::DownloadAttachmentStream>, Status> {
        let peer = request
            .extensions()
            .get::<Peer>()
            .cloned()
            .ok_or_else(|| status::internal(&"a connection without a peer"))?;
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let offer = fields.offer("offer", &message.offer);
        let id = attachment(&mut fields, &message.attachment);
        let (offer, id) = fields.all((offer, id))?;
        let download = self
            .exchange
            .download(call.caller(), &offer, id, message.first_chunk)
            .await?;
        let receipt = Down::Receipt(call.receipt(download.receipt())?);
        let (down, stream) = mpsc::channel(WAITING_MAX);
        let open = self.metrics.stream();
        tokio::spawn(async move {
            let _open = open;
            let sending = send_all(download, receipt, &peer, &down);
            let _ = tokio::time::timeout(DOWNLOAD_AGE_MAX, sending).await;
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

type Sender = mpsc::Sender<Result<proto::DownloadAttachmentResponse, Status>>;

/// Sends the receipt and every chunk until the reader goes, the certificate is revoked or the attachment is erased.
async fn send_all(mut download: Download, receipt: Down, peer: &Peer, down: &Sender) {
    let mut part = receipt;
    loop {
        let message = proto::DownloadAttachmentResponse { part: Some(part) };
        let sent = tokio::time::timeout(READER_PATIENCE, down.send(Ok(message)));
        if !matches!(sent.await, Ok(Ok(()))) {
            return;
        }
        if peer.revoked.is_cancelled() {
            let _ = down.send(Err(status::AUTHENTICATION_FAILED.into())).await;
            return;
        }
        part = match download.next().await {
            Ok(Some(chunk)) => Down::Chunk(chunk),
            Ok(None) => return,
            Err(refusal) => {
                let _ = down.send(Err(refusal.into())).await;
                return;
            }
        };
    }
}

fn attachment(fields: &mut Fields, text: &str) -> Option<AttachmentId> {
    fields.text(
        "attachment",
        text,
        "must be 26 characters of lower-case base32",
    )
}

fn parse(header: proto::UploadHeader) -> Result<UploadHeader, Invalid> {
    let mut fields = Fields::new();
    let parts = fields.within("header", |fields| {
        let offer = fields.offer("offer", &header.offer);
        let id = attachment(fields, &header.attachment);
        let stage = fields.word::<Stage>("stage", header.stage);
        let few = (1..=CHUNKS_MAX).contains(&header.chunks);
        let chunks = fields.when("chunks", few, "must be 1 to 400", header.chunks);
        let digest = fields.array("digest", &header.digest, "must be 32 bytes");
        (offer, id, stage, chunks, digest)
    });
    let (offer, attachment, stage, chunks, digest) = fields.all(parts)?;
    Ok(UploadHeader {
        offer,
        attachment,
        stage,
        chunks,
        digest,
        first_chunk: header.first_chunk,
    })
}
